/* SPDX-License-Identifier: MIT */
/*
 * pci.c - PCI Local Bus 3.0 and PCI Express configuration space.
 *
 * A bus is scanned when a bridge leads to it, so machines with few buses cost
 * few reads.  Where there is a second host bridge, it leads to a bus whose number
 * only byte code of ACPI tells: then every number is tried.  Firmware has numbered
 * the buses and placed the registers.
 */
#include "drivers/pc/pci.h"
#include <stddef.h>
#include "drivers/pc/acpi.h"
#include "drivers/pc/port.h"
#include "base/assert.h"

#define CONFIG_ADDRESS 0xcf8u
#define CONFIG_DATA    0xcfcu

#define OFFSET_VENDOR	    0x00u
#define OFFSET_COMMAND	    0x04u
#define OFFSET_STATUS	    0x06u
#define OFFSET_CLASS	    0x0au
#define OFFSET_HEADER	    0x0eu
#define OFFSET_BAR	    0x10u
#define OFFSET_SECONDARY    0x19u
#define OFFSET_CAPABILITIES 0x34u

#define COMMAND_MEMORY	     0x0002u
#define COMMAND_MASTER	     0x0004u
#define COMMAND_INTX_OFF     0x0400u
#define STATUS_CAPABILITIES  0x0010u
#define HEADER_MULTIFUNCTION 0x80u
#define CLASS_HOST_BRIDGE    0x0600u
#define CLASS_PCI_BRIDGE     0x0604u
#define CAPABILITIES_MAX     48u /* as many as fit into 192 bytes */

#define MSIX_CONTROL	   2u
#define MSIX_TABLE	   4u
#define MSIX_ENABLE	   0x8000u
#define MSIX_FUNCTION_MASK 0x4000u
#define MSIX_ENTRY_BYTES   16u

/* The ECAM window, mapped once: 1 MiB a bus.  Null: ports. */
static volatile uint8_t *ecam;
static uint8_t ecam_first, ecam_last;

static bool pci_in_ecam(const struct pci_function *f)
{
	return ecam != NULL && f->bus >= ecam_first && f->bus <= ecam_last;
}

static volatile uint8_t *pci_register(const struct pci_function *f, uint32_t offset)
{
	ASSERT(f->device < 32 && f->function < 8 && offset < 4096);
	return ecam + ((uint32_t)(f->bus - ecam_first) << 20 | (uint32_t)f->device << 15 |
		       (uint32_t)f->function << 12 | offset);
}

static void pci_port_select(const struct pci_function *f, uint32_t offset)
{
	port_write32(CONFIG_ADDRESS, 0x80000000u | (uint32_t)f->bus << 16 |
					     (uint32_t)f->device << 11 |
					     (uint32_t)f->function << 8 | (offset & 0xfcu));
}

uint32_t pci_read32(const struct pci_function *f, uint32_t offset)
{
	if (pci_in_ecam(f))
		return *(volatile uint32_t *)pci_register(f, offset & ~3u);
	pci_port_select(f, offset);
	return port_read32(CONFIG_DATA);
}

uint16_t pci_read16(const struct pci_function *f, uint32_t offset)
{
	return (uint16_t)(pci_read32(f, offset) >> (offset & 2) * 8);
}

uint8_t pci_read8(const struct pci_function *f, uint32_t offset)
{
	return (uint8_t)(pci_read32(f, offset) >> (offset & 3) * 8);
}

void pci_write16(const struct pci_function *f, uint32_t offset, uint16_t value)
{
	if (pci_in_ecam(f)) {
		*(volatile uint16_t *)pci_register(f, offset) = value;
		return;
	}
	pci_port_select(f, offset);
	port_write16((uint16_t)(CONFIG_DATA + (offset & 2)), value);
}

/* ---- finding ----------------------------------------------------------------------- */

static void pci_ecam_map(void)
{
	const struct acpi_facts *acpi = acpi_facts();

	if (ecam != NULL || acpi->ecam == 0)
		return;
	ecam_first = acpi->ecam_first_bus;
	ecam_last = acpi->ecam_last_bus;
	ecam = platform_map_device(acpi->ecam, (uint64_t)(ecam_last - ecam_first + 1u) << 20);
}

struct scan {
	uint64_t known[4]; /* a bit per bus: found, so that no bus comes twice */
	uint8_t queue[256];
	uint32_t head, tail;
	uint32_t roots; /* host bridges */
	bool (*found)(const struct pci_function *f, void *context);
	void *context;
	bool any;
};

static void scan_bus_add(struct scan *scan, uint8_t bus)
{
	if (scan->known[bus / 64] >> bus % 64 & 1)
		return;
	scan->known[bus / 64] |= UINT64_C(1) << bus % 64;
	ASSERT(scan->tail < sizeof scan->queue);
	scan->queue[scan->tail++] = bus;
}

/* One function, if it is there; false ends the scan. */
static bool scan_function(struct scan *scan, struct pci_function *f)
{
	uint32_t identity = pci_read32(f, OFFSET_VENDOR);

	f->vendor = (uint16_t)identity;
	f->product = (uint16_t)(identity >> 16);
	if (f->vendor == 0xffff)
		return true;
	scan->any = true;
	uint16_t class = pci_read16(f, OFFSET_CLASS);
	if (class == CLASS_PCI_BRIDGE)
		scan_bus_add(scan, pci_read8(f, OFFSET_SECONDARY));
	scan->roots += class == CLASS_HOST_BRIDGE;
	return scan->found(f, scan->context);
}

static bool scan_device(struct scan *scan, uint8_t bus, uint8_t device)
{
	struct pci_function f = {.bus = bus, .device = device};

	if (!scan_function(scan, &f))
		return false;
	if (f.vendor == 0xffff || !(pci_read8(&f, OFFSET_HEADER) & HEADER_MULTIFUNCTION))
		return true;
	for (f.function = 1; f.function < 8; f.function++)
		if (!scan_function(scan, &f))
			return false;
	return true;
}

/* All that is queued, and what it leads to; false ends the scan. */
static bool scan_buses(struct scan *scan)
{
	for (; scan->head < scan->tail; scan->head++)
		for (uint8_t device = 0; device < 32; device++)
			if (!scan_device(scan, scan->queue[scan->head], device))
				return false;
	return true;
}

bool pci_scan(bool (*found)(const struct pci_function *f, void *context), void *context)
{
	struct scan scan = {.found = found, .context = context};

	pci_ecam_map();
	scan_bus_add(&scan, 0);
	if (!scan_buses(&scan))
		return true;
	for (uint32_t bus = 1; bus < 256 && scan.roots > 1; bus++) {
		scan_bus_add(&scan, (uint8_t)bus);
		if (!scan_buses(&scan))
			return true;
	}
	return scan.any;
}

/* ---- one function -------------------------------------------------------------------- */

uint8_t pci_capability(const struct pci_function *f, uint8_t id, uint8_t after)
{
	uint8_t at;

	if (!(pci_read16(f, OFFSET_STATUS) & STATUS_CAPABILITIES))
		return 0;
	at = pci_read8(f, after != 0 ? after + 1u : OFFSET_CAPABILITIES) & 0xfcu;
	for (uint32_t i = 0; i < CAPABILITIES_MAX && at >= 0x40; i++) {
		if (pci_read8(f, at) == id)
			return at;
		at = pci_read8(f, at + 1u) & 0xfcu;
	}
	return 0;
}

uint64_t pci_memory(const struct pci_function *f, uint32_t bar)
{
	uint32_t low, type;

	if (bar > 5)
		return 0;
	low = pci_read32(f, OFFSET_BAR + 4 * bar);
	type = low >> 1 & 3;
	if (low & 1 || type == 1 || type == 3 || (type == 2 && bar == 5))
		return 0;
	uint64_t high = type == 2 ? pci_read32(f, OFFSET_BAR + 4 * bar + 4) : 0;
	return high << 32 | (low & ~15u);
}

void pci_enable(const struct pci_function *f, bool on)
{
	uint16_t command = pci_read16(f, OFFSET_COMMAND);

	command |= COMMAND_INTX_OFF | COMMAND_MEMORY;
	if (on)
		command |= COMMAND_MASTER;
	else
		command &= (uint16_t)~COMMAND_MASTER;
	pci_write16(f, OFFSET_COMMAND, command);
}

bool pci_msix_enable(const struct pci_function *f, const struct platform_message *message)
{
	uint8_t at = pci_capability(f, PCI_CAPABILITY_MSIX, 0);

	ASSERT(message->address % 4 == 0);
	if (at == 0)
		return false;
	uint16_t control = pci_read16(f, at + MSIX_CONTROL);
	uint32_t table = pci_read32(f, at + MSIX_TABLE);
	uint64_t base = pci_memory(f, table & 7);
	volatile uint32_t *entry =
		base != 0 ? platform_map_device(base + (table & ~7u), MSIX_ENTRY_BYTES) : NULL;
	if (entry == NULL)
		return false;
	/* Enabled and masked as a whole while the entry is being written. */
	pci_write16(f, at + MSIX_CONTROL, control | MSIX_ENABLE | MSIX_FUNCTION_MASK);
	entry[0] = (uint32_t)message->address;
	entry[1] = (uint32_t)(message->address >> 32);
	entry[2] = message->data;
	entry[3] = 0; /* not masked */
	pci_write16(f, at + MSIX_CONTROL,
		    (uint16_t)((control | MSIX_ENABLE) & ~MSIX_FUNCTION_MASK));
	return true;
}
