/* SPDX-License-Identifier: MIT */
/*
 * pci.h - virtio 1.x over PCI (specification 1.2, section 4.1): reset, features,
 * queues, notification.
 */
#ifndef DRIVERS_VIRTIO_PCI_H
#define DRIVERS_VIRTIO_PCI_H

#include <stdbool.h>
#include <stdint.h>
#include "drivers/pc/pci.h"
#include "drivers/virtio/queue.h"
#include "drivers/virtio/virtio.h"

struct virtio_pci {
	struct pci_function function;
	volatile struct virtio_pci_common_cfg *common;
	volatile uint8_t *notify;
	uint32_t notify_multiplier, notify_bytes;
	volatile void *config; /* device-specific, may be null */
	uint32_t config_bytes;
	bool interrupts; /* MSI-X works */
};

/* Finds and maps the device's structures.  False: *why says what is wrong. */
bool virtio_pci_open(struct virtio_pci *device, const struct pci_function *function,
		     const char **why);

/* Asks for a reset.  The device has forgotten everything, and lets memory alone, when
 * the second says so; it is asked as often as need be (4.1.4.3.2). */
void virtio_pci_reset_begin(struct virtio_pci *device);
bool virtio_pci_reset_over(struct virtio_pci *device);

/* After a reset: `wanted` are accepted where offered, all of `needed` must be offered.
 * *offered tells what the device has.  Afterwards queues may be set up.  False: *why. */
bool virtio_pci_negotiate(struct virtio_pci *device, uint64_t wanted, uint64_t needed,
			  uint64_t *offered, const char **why);

/* Largest size of queue 0, 0 when it is missing. */
uint16_t virtio_pci_queue_max(struct virtio_pci *device);
/* Gives queue 0 its memory and its interrupt (null: none) and starts the device. */
bool virtio_pci_start(struct virtio_pci *device, struct virtqueue *queue,
		      const struct platform_message *message, const char **why);

/* Tells the device that queue 0 has news. */
void virtio_pci_notify(struct virtio_pci *device);

/* The device says that it cannot go on (2.1.1). */
bool virtio_pci_needs_reset(struct virtio_pci *device);
/* Another number after each change of the device's configuration (4.1.4.3.1). */
uint8_t virtio_pci_generation(struct virtio_pci *device);

#endif
