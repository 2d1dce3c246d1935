/* SPDX-License-Identifier: MIT */
/*
 * pci.h - PCI: finding functions, their capabilities, registers and interrupts.
 *
 * Configuration space is reached through memory where the firmware says so
 * (ECAM), else through the ports 0xcf8 and 0xcfc.  Everything a device says is
 * hostile: lists are walked a bounded number of steps.
 */
#ifndef DRIVERS_PC_PCI_H
#define DRIVERS_PC_PCI_H

#include <stdbool.h>
#include <stdint.h>
#include "drivers/platform.h"

struct pci_function {
	uint8_t bus, device, function;
	uint16_t vendor, product;
};

#define PCI_CLASS 0x0bu /* what kind of function it is */
uint8_t pci_read8(const struct pci_function *f, uint32_t offset);
uint16_t pci_read16(const struct pci_function *f, uint32_t offset);
uint32_t pci_read32(const struct pci_function *f, uint32_t offset);
void pci_write16(const struct pci_function *f, uint32_t offset, uint16_t value);

/* Calls `found` for every function behind any host bridge, until it says false.
 * False: there is no PCI bus. */
bool pci_scan(bool (*found)(const struct pci_function *f, void *context), void *context);

/* Offset of the next capability with this identifier behind `after` (0: from the
 * start), or 0. */
#define PCI_CAPABILITY_VENDOR 0x09u
#define PCI_CAPABILITY_MSIX   0x11u
uint8_t pci_capability(const struct pci_function *f, uint8_t id, uint8_t after);

/* Physical address of base address register 0 .. 5, 0 unless it is memory that
 * the firmware has placed. */
uint64_t pci_memory(const struct pci_function *f, uint32_t bar);

/* Memory access and bus mastering on or off, old interrupt line off. */
void pci_enable(const struct pci_function *f, bool on);

/* Makes MSI-X entry 0 signal `message`.  False: the function has no MSI-X. */
bool pci_msix_enable(const struct pci_function *f, const struct platform_message *message);

#endif
