/* SPDX-License-Identifier: MIT */
/*
 * acpi.c - walks the firmware's tables.
 *
 *	RSDP --> XSDT or RSDT --> FADT --> DSDT (for \_S5)
 *	                     +--> MADT (APICs)
 *	                     +--> MCFG (PCI configuration space)
 *	                     +--> DMAR, IVRS (IOMMUs)
 *	                     +--> HPET (a counter)
 *	                     +--> SSDT (the generation of a virtual machine)
 */
#include "drivers/pc/acpi.h"
#include <stddef.h>
#include <string.h>
#include "drivers/platform.h"

#define TABLE_BYTES_MAX (1u << 20) /* longer ones are not believed */
#define TABLES_MAX	128u	   /* looked at in the root table */
#define HEADER_BYTES	36u

/* Table headers and contents are read by offset: nothing in them is aligned. */
static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) | (uint32_t)get16(at + 2) << 16;
}

static uint64_t get64(const uint8_t *at)
{
	return (uint64_t)get32(at) | (uint64_t)get32(at + 4) << 32;
}

static struct acpi_facts facts;

const struct acpi_facts *acpi_facts(void)
{
	return &facts;
}

static bool sum_is_zero(const uint8_t *data, uint32_t bytes)
{
	uint8_t sum = 0;

	for (uint32_t i = 0; i < bytes; i++)
		sum = (uint8_t)(sum + data[i]);
	return sum == 0;
}

/* The table at a physical address, mapped and verified, or null.  Only a table
 * with the wanted signature is read beyond its header. */
static const uint8_t *acpi_table(uint64_t physical, const char *signature, uint32_t *bytes)
{
	const uint8_t *table = physical != 0 ? platform_map_memory(physical, HEADER_BYTES) : NULL;

	if (table == NULL || memcmp(table, signature, 4) != 0)
		return NULL;
	*bytes = get32(table + 4);
	if (*bytes < HEADER_BYTES || *bytes > TABLE_BYTES_MAX)
		return NULL;
	table = platform_map_memory(physical, *bytes);
	if (table == NULL || !sum_is_zero(table, *bytes)) {
		platform_log("perdure: ACPI table %s at 0x%lx has a wrong checksum, ignored",
			     signature, (unsigned long)physical);
		return NULL;
	}
	return table;
}

/* ---- MADT, section 5.2.12 -------------------------------------------------------- */

static void acpi_madt_entry(const uint8_t *entry, uint32_t bytes)
{
	if (entry[0] == 1 && bytes >= 12) { /* I/O APIC; the first one serves ISA */
		if (facts.io_apic == 0 || get32(entry + 8) == 0) {
			facts.io_apic = get32(entry + 4);
			facts.io_apic_first = get32(entry + 8);
		}
	} else if ((entry[0] == 0 && bytes >= 8 && get32(entry + 4) & 1) ||
		   (entry[0] == 9 && bytes >= 16 && get32(entry + 8) & 1)) {
		facts.processors++; /* local APIC or x2APIC, enabled */
	} else if (entry[0] == 2 && bytes >= 10 && entry[3] < ACPI_ISA_IRQS) {
		uint16_t flags = get16(entry + 8);
		facts.isa_interrupt[entry[3]] = get32(entry + 4);
		facts.isa_low[entry[3]] = (flags & 3) == 3;
		facts.isa_level[entry[3]] = (flags >> 2 & 3) == 3;
	} else if (entry[0] == 5 && bytes >= 12) {
		facts.local_apic = get64(entry + 4);
	}
}

static void acpi_madt(const uint8_t *table, uint32_t bytes)
{
	if (bytes < 44)
		return;
	facts.local_apic = get32(table + 36);
	for (uint32_t at = 44; bytes - at >= 2;) {
		uint32_t length = table[at + 1];
		if (length < 2 || length > bytes - at)
			return;
		acpi_madt_entry(table + at, length);
		at += length;
	}
}

/* ---- FADT, section 5.2.9 ---------------------------------------------------------- */

#define FLAG_TIMER_32 (1u << 8)
#define FLAG_RESET    (1u << 10)
#define FLAG_NO_PORTS (1u << 20) /* hardware-reduced: none of the old registers */

static void acpi_fadt(const uint8_t *table, uint32_t bytes)
{
	uint32_t flags, dsdt_bytes;

	if (bytes < 116)
		return;
	flags = get32(table + 112);
	facts.century = table[108] < 128 ? table[108] : 0;
	if (!(flags & FLAG_NO_PORTS)) {
		facts.smi_command = (uint16_t)get32(table + 48);
		facts.acpi_enable = table[52];
		facts.pm1a_control = (uint16_t)get32(table + 64);
		facts.pm1b_control = (uint16_t)get32(table + 68);
		facts.pm_timer_port = (uint16_t)get32(table + 76);
		facts.pm_timer_32_bits = flags & FLAG_TIMER_32;
	}
	if (flags & FLAG_RESET && bytes >= 129 && table[116] <= 1) {
		facts.reset_known = true;
		facts.reset = (struct acpi_register){table[116], get64(table + 120)};
		facts.reset_value = table[128];
	}
	uint64_t dsdt =
		bytes >= 148 && get64(table + 140) != 0 ? get64(table + 140) : get32(table + 40);
	const uint8_t *code = acpi_table(dsdt, "DSDT", &dsdt_bytes);
	if (code != NULL)
		facts.off_known = acpi_s5_decode(code + HEADER_BYTES, dsdt_bytes - HEADER_BYTES,
						 &facts.off_type_a, &facts.off_type_b);
}

/* ---- MCFG: PCI firmware specification 3.3, section 4.1.2 --------------------------- */

static void acpi_mcfg(const uint8_t *table, uint32_t bytes)
{
	for (uint32_t at = 44; at + 16 <= bytes; at += 16) {
		if (get16(table + at + 8) != 0 || table[at + 10] > table[at + 11])
			continue;
		facts.ecam = get64(table + at);
		facts.ecam_first_bus = table[at + 10];
		facts.ecam_last_bus = table[at + 11];
		return;
	}
}

/* ---- DMAR: VT-d specification, chapter 8; IVRS: AMD's, section 5.2 ------------------- */

/* In both, blocks follow that begin with what they are, and of which those that describe
 * a unit have the address of its registers at offset 8. */
static void acpi_iommus(const uint8_t *table, uint32_t bytes, bool amd)
{
	for (uint32_t at = 48, length; at + 16 <= bytes; at += length) {
		uint8_t type = table[at];
		bool unit =
			amd ? type == 0x10 || type == 0x11 || type == 0x40 : get16(table + at) == 0;
		length = get16(table + at + 2);
		if (length < 4 || length > bytes - at)
			return;
		if (unit && length >= 16 && facts.iommus < ACPI_IOMMUS)
			facts.iommu[facts.iommus++] =
				(struct acpi_iommu){get64(table + at + 8), amd};
	}
}

/* ---- HPET: IA-PC HPET specification 1.0a, section 3.2.4 ----------------------------- */

static void acpi_hpet(const uint8_t *table, uint32_t bytes)
{
	if (bytes >= 56 && table[40] == 0)
		facts.hpet = get64(table + 44);
}

/* ---- SSDT of a virtual machine's generation --------------------------------------- */

#define GENERATION_OFFSET 40u /* of the identifier in the page that VGIA names (QEMU) */

static void acpi_generation(const uint8_t *table, uint32_t bytes)
{
	uint32_t page;

	if (memcmp(table + 16, "VMGENID", 7) != 0)
		return;
	page = acpi_generation_decode(table + HEADER_BYTES, bytes - HEADER_BYTES);
	if (page != 0)
		facts.generation = (uint64_t)page + GENERATION_OFFSET;
}

/* ---- the root ------------------------------------------------------------------------ */

static void acpi_walk(uint64_t root, bool wide)
{
	uint32_t bytes, length, step = wide ? 8 : 4;
	const uint8_t *table = acpi_table(root, wide ? "XSDT" : "RSDT", &bytes);

	if (table == NULL)
		return;
	facts.present = true;
	for (uint32_t i = 0; i < TABLES_MAX && HEADER_BYTES + (i + 1) * step <= bytes; i++) {
		const uint8_t *at = table + HEADER_BYTES + i * step, *found;
		uint64_t physical = wide ? get64(at) : get32(at);
		if ((found = acpi_table(physical, "APIC", &length)) != NULL)
			acpi_madt(found, length);
		else if ((found = acpi_table(physical, "FACP", &length)) != NULL)
			acpi_fadt(found, length);
		else if ((found = acpi_table(physical, "MCFG", &length)) != NULL)
			acpi_mcfg(found, length);
		else if ((found = acpi_table(physical, "DMAR", &length)) != NULL)
			acpi_iommus(found, length, false);
		else if ((found = acpi_table(physical, "IVRS", &length)) != NULL)
			acpi_iommus(found, length, true);
		else if ((found = acpi_table(physical, "HPET", &length)) != NULL)
			acpi_hpet(found, length);
		else if ((found = acpi_table(physical, "SSDT", &length)) != NULL)
			acpi_generation(found, length);
	}
}

static bool acpi_rsdp_valid(const uint8_t *rsdp, uint32_t bytes)
{
	return bytes >= 20 && memcmp(rsdp, "RSD PTR ", 8) == 0 && sum_is_zero(rsdp, 20);
}

/* Section 5.2.5.1: on a 16-byte boundary in the BIOS area. */
static const uint8_t *acpi_rsdp_search(void)
{
	const uint8_t *area = platform_map_memory(0xe0000, 0x20000);

	for (uint32_t at = 0; area != NULL && at < 0x20000; at += 16)
		if (acpi_rsdp_valid(area + at, 36))
			return area + at;
	return NULL;
}

void acpi_init(const uint8_t *rsdp, uint32_t rsdp_bytes)
{
	facts = (struct acpi_facts){.local_apic = 0xfee00000};
	for (uint32_t i = 0; i < ACPI_ISA_IRQS; i++)
		facts.isa_interrupt[i] = i;
	if (rsdp == NULL || !acpi_rsdp_valid(rsdp, rsdp_bytes)) {
		rsdp = acpi_rsdp_search();
		rsdp_bytes = 36;
	}
	if (rsdp != NULL) {
		bool wide = rsdp[15] >= 2 && rsdp_bytes >= 36 && sum_is_zero(rsdp, 36) &&
			    get64(rsdp + 24) != 0;
		acpi_walk(wide ? get64(rsdp + 24) : get32(rsdp + 16), wide);
	}
	if (facts.io_apic == 0)
		facts.io_apic = 0xfec00000;
	if (!facts.present)
		platform_note("perdure: no ACPI tables; assuming a PC's usual addresses");
}
