/* SPDX-License-Identifier: MIT */
/*
 * acpi.h - what the firmware's tables say about this PC.
 *
 * Only static tables are read (ACPI specification 6.4, chapter 5); no byte code
 * is run.  Everything found is copied out, so that the tables' memory is not
 * needed afterwards.  Tables are untrusted: lengths and checksums are verified,
 * a bad table is reported and ignored.
 */
#ifndef DRIVERS_PC_ACPI_H
#define DRIVERS_PC_ACPI_H

#include <stdbool.h>
#include <stdint.h>

#define ACPI_ISA_IRQS 16u

/* Where a register lies: generic address structure, section 5.2.3.2. */
struct acpi_register {
	uint8_t space; /* 0 memory, 1 I/O port */
	uint64_t address;
};

/* What translates the addresses of devices, where it is switched on. */
#define ACPI_IOMMUS 16u
struct acpi_iommu {
	uint64_t registers;
	bool amd; /* else Intel's */
};

struct acpi_facts {
	bool present;
	/* MADT; the PC's usual addresses without one */
	uint64_t local_apic, io_apic;
	uint32_t processors;		       /* that can be used; 0: not told */
	uint32_t io_apic_first;		       /* its first global system interrupt */
	uint32_t isa_interrupt[ACPI_ISA_IRQS]; /* global system interrupt of an ISA IRQ */
	bool isa_low[ACPI_ISA_IRQS], isa_level[ACPI_ISA_IRQS];
	/* FADT; ports are 0 when absent */
	uint16_t pm_timer_port, pm1a_control, pm1b_control, smi_command;
	bool pm_timer_32_bits;
	uint8_t acpi_enable, century;
	bool reset_known, off_known;
	struct acpi_register reset;
	uint8_t reset_value;
	uint8_t off_type_a, off_type_b; /* SLP_TYP of \_S5 */
	/* MCFG: configuration space of PCI segment 0 in memory; 0: none */
	uint64_t ecam;
	uint8_t ecam_first_bus, ecam_last_bus;
	/* DMAR or IVRS; more than fit are left out */
	struct acpi_iommu iommu[ACPI_IOMMUS];
	uint32_t iommus;
	uint64_t hpet; /* registers of the high precision event timer; 0: none */
	/* Where the host of a virtual machine keeps the identifier of its generation, 16
	 * bytes of memory; 0: nowhere */
	uint64_t generation;
};

/* Reads the tables.  `rsdp` is the root pointer (copied from wherever the boot
 * loader left it), or null: then the BIOS area is searched. */
void acpi_init(const uint8_t *rsdp, uint32_t rsdp_bytes);
const struct acpi_facts *acpi_facts(void);

/* Looks for the package \_S5 in the byte code of a DSDT and takes its first two
 * numbers, the sleep types for "off".  Bounded, host-testable.  False: none. */
bool acpi_s5_decode(const uint8_t *code, uint32_t bytes, uint8_t *type_a, uint8_t *type_b);

/* Looks for the name VGIA in the byte code of an SSDT and takes its number.  The same
 * holds.  0: none. */
uint32_t acpi_generation_decode(const uint8_t *code, uint32_t bytes);

#endif
