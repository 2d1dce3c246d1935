/* SPDX-License-Identifier: MIT */
/*
 * pci.c - the PCI transport of virtio.
 *
 *	reset -> ACKNOWLEDGE -> DRIVER -> features -> FEATURES_OK -> queue -> DRIVER_OK
 *
 * as section 3.1.1 orders it.  Nothing here waits.
 */
#include "drivers/virtio/pci.h"
#include <stddef.h>
#include "drivers/pc/iommu.h"

/* One vendor capability (4.1.4): type, bar, offset, length. */
struct place {
	uint8_t type, bar;
	uint32_t offset, length;
};

static struct place virtio_place(const struct pci_function *f, uint8_t at)
{
	return (struct place){pci_read8(f, at + 3u), pci_read8(f, at + 4u), pci_read32(f, at + 8u),
			      pci_read32(f, at + 12u)};
}

static volatile void *virtio_map(const struct pci_function *f, const struct place *place)
{
	uint64_t base = pci_memory(f, place->bar);

	if (base == 0 || place->length == 0 || place->offset + place->length < place->offset)
		return NULL;
	return platform_map_device(base + place->offset, place->length);
}

/* Takes the first usable structure of each type, as 4.1.4.1 asks. */
static void virtio_pci_place(struct virtio_pci *device, uint8_t at)
{
	const struct pci_function *f = &device->function;
	struct place place = virtio_place(f, at);

	switch (place.type) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		if (device->common == NULL && place.length >= sizeof *device->common)
			device->common = virtio_map(f, &place);
		break;
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		if (device->notify != NULL)
			break;
		device->notify = virtio_map(f, &place);
		device->notify_bytes = place.length;
		device->notify_multiplier = pci_read32(f, at + 16u);
		break;
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		if (device->config != NULL)
			break;
		device->config = virtio_map(f, &place);
		device->config_bytes = place.length;
		break;
	default:
		break;
	}
}

bool virtio_pci_open(struct virtio_pci *device, const struct pci_function *function,
		     const char **why)
{
	*device = (struct virtio_pci){.function = *function};
	pci_enable(function, false);
	for (uint8_t at = 0, i = 0; i < 16; i++) {
		at = pci_capability(function, PCI_CAPABILITY_VENDOR, at);
		if (at == 0)
			break;
		virtio_pci_place(device, at);
	}
	if (device->common != NULL && device->notify != NULL)
		return true;
	*why = "it has no virtio 1.x interface (QEMU: disable-modern=off), or its registers are "
	       "not placed";
	return false;
}

void virtio_pci_reset_begin(struct virtio_pci *device)
{
	device->common->device_status = 0;
}

bool virtio_pci_reset_over(struct virtio_pci *device)
{
	if (device->common->device_status != 0)
		return false;
	pci_enable(&device->function, false);
	return true;
}

static uint64_t virtio_pci_offered(struct virtio_pci *device)
{
	device->common->device_feature_select = 0;
	uint64_t low = device->common->device_feature;
	device->common->device_feature_select = 1;
	return low | (uint64_t)device->common->device_feature << 32;
}

static void virtio_pci_status_add(struct virtio_pci *device, uint8_t bits)
{
	device->common->device_status |= bits;
}

bool virtio_pci_negotiate(struct virtio_pci *device, uint64_t wanted, uint64_t needed,
			  uint64_t *offered, const char **why)
{
	virtio_pci_status_add(device, VIRTIO_STATUS_ACKNOWLEDGE);
	virtio_pci_status_add(device, VIRTIO_STATUS_DRIVER);
	*offered = virtio_pci_offered(device);
	if ((*offered & needed) != needed) {
		virtio_pci_status_add(device, VIRTIO_STATUS_FAILED);
		*why = "it does not offer what is needed";
		return false;
	}
	/* 6.1: a device that offers this may refuse a driver that does not accept it. */
	if (*offered & VIRTIO_F_ACCESS_PLATFORM && iommu_translates()) {
		virtio_pci_status_add(device, VIRTIO_STATUS_FAILED);
		*why = "an IOMMU that is switched on translates its addresses, which is not "
		       "supported: switch it off in the firmware (VT-d, AMD-Vi), or the disk's "
		       "use of it (QEMU: iommu_platform=off)";
		return false;
	}
	uint64_t accepted = *offered & (wanted | needed | VIRTIO_F_ACCESS_PLATFORM);
	device->common->driver_feature_select = 0;
	device->common->driver_feature = (uint32_t)accepted;
	device->common->driver_feature_select = 1;
	device->common->driver_feature = (uint32_t)(accepted >> 32);
	virtio_pci_status_add(device, VIRTIO_STATUS_FEATURES_OK);
	if (device->common->device_status & VIRTIO_STATUS_FEATURES_OK)
		return true;
	virtio_pci_status_add(device, VIRTIO_STATUS_FAILED);
	*why = "it does not accept the features that were chosen";
	return false;
}

uint16_t virtio_pci_queue_max(struct virtio_pci *device)
{
	device->common->queue_select = 0;
	return device->common->queue_size;
}

static void virtio_pci_address(volatile uint32_t field[2], const void *memory)
{
	uint64_t physical = platform_physical(memory);

	field[0] = (uint32_t)physical;
	field[1] = (uint32_t)(physical >> 32);
}

/* 4.1.5.1.2: the device answers NO_VECTOR when it could not take the vector. */
static bool virtio_pci_vector(struct virtio_pci *device, const struct platform_message *message)
{
	volatile struct virtio_pci_common_cfg *common = device->common;

	common->config_msix_vector = VIRTIO_MSI_NO_VECTOR;
	if (message == NULL || !pci_msix_enable(&device->function, message)) {
		common->queue_msix_vector = VIRTIO_MSI_NO_VECTOR;
		return false;
	}
	common->queue_msix_vector = 0;
	return common->queue_msix_vector == 0;
}

bool virtio_pci_start(struct virtio_pci *device, struct virtqueue *queue,
		      const struct platform_message *message, const char **why)
{
	volatile struct virtio_pci_common_cfg *common = device->common;
	uint32_t notify;

	common->queue_select = 0;
	common->queue_size = queue->size;
	virtio_pci_address(common->queue_desc, queue->desc);
	virtio_pci_address(common->queue_driver, queue->avail);
	virtio_pci_address(common->queue_device, (const void *)queue->used);
	device->interrupts = virtio_pci_vector(device, message);
	notify = common->queue_notify_off * device->notify_multiplier;
	if (notify + 2 > device->notify_bytes) {
		*why = "its notification register lies outside its notification area";
		return false;
	}
	device->notify += notify;
	device->notify_bytes -= notify;
	device->notify_multiplier = 0;
	common->queue_enable = 1;
	pci_enable(&device->function, true);
	virtio_pci_status_add(device, VIRTIO_STATUS_DRIVER_OK);
	if (!virtio_pci_needs_reset(device))
		return true;
	*why = "it asks for a reset right after its start";
	return false;
}

void virtio_pci_notify(struct virtio_pci *device)
{
	*(volatile uint16_t *)device->notify = 0;
}

bool virtio_pci_needs_reset(struct virtio_pci *device)
{
	return device->common->device_status & VIRTIO_STATUS_NEEDS_RESET;
}

uint8_t virtio_pci_generation(struct virtio_pci *device)
{
	return device->common->config_generation;
}
