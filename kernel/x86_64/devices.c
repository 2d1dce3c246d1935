/* SPDX-License-Identifier: MIT */
/*
 * devices.c - brings up the PC's devices, turns interrupts into events; the
 * disk with the store, which search.c finds.
 *
 * Handlers only set bits in the CPU's events; the portable kernel asks for them.
 */
#include "kernel/x86_64/devices.h"
#include <stddef.h>
#include "disk/partition.h"
#include "drivers/gpt.h"
#include "drivers/pc/acpi.h"
#include "drivers/pc/apic.h"
#include "drivers/pc/clock.h"
#include "drivers/pc/serial.h"
#include "drivers/platform.h"
#include "drivers/virtio/blk.h"
#include "kernel/print.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/search.h"
#include "kernel/x86_64/start.h"
#include "base/assert.h"

static struct {
	struct virtio_blk *disk;    /* the one with the store */
	bool disk_polled;	    /* it does not interrupt */
	struct gpt_partition store; /* on it */
	struct arch_store wanted;   /* the one that was started */
	uint64_t unexpected;	    /* interrupts that nobody waits for */
} devices;

/* ---- coming up ------------------------------------------------------------------------ */

static void __attribute__((noreturn)) devices_missing(const char *what)
{
	kernel_print("perdure: %s; halted", what);
	arch_halt();
}

static void devices_clock_init(void)
{
	const struct acpi_facts *acpi = acpi_facts();

	if (!clock_init(boot_counter, acpi->pm_timer_port, acpi->pm_timer_32_bits))
		devices_missing("no timer runs against which the CPU's counter can be measured");
	kernel_note("perdure: CPU counter at %lu kHz", (unsigned long)(clock_hz() / 1000));
}

void arch_init(const struct arch_boot *boot, void *(*scratch)(uint64_t bytes))
{
	uint32_t rsdp_bytes;
	const uint8_t *rsdp = start_rsdp(&rsdp_bytes);

	devices.wanted = boot->store;
	platform_init(scratch);
	cpu_features_note();
	acpi_init(rsdp, rsdp_bytes);
	devices_clock_init();
	moved_init();
	if (!apic_init())
		devices_missing("no memory for the interrupt controllers' mapping");
	if (serial_present() && !apic_isa_route(SERIAL_ISA_IRQ, VECTOR_SERIAL))
		devices_missing(
			"this PC has no I/O interrupt controller with a line for the serial port "
			"(QEMU: -machine q35, or pc)");
	serial_interrupt_enable();
}

void arch_tick_start(void)
{
	if (!apic_timer_start(ARCH_TICK_HZ))
		devices_missing("the interrupt controller's timer stands still");
}

/* ---- what there is ------------------------------------------------------------------------ */

/* By the class code (PCI 3.0, appendix D). */
static bool parts_count(const struct pci_function *f, void *context)
{
	struct arch_parts *parts = context;

	switch (pci_read8(f, PCI_CLASS)) {
	case 0x01:
		parts->disks++;
		break;
	case 0x02:
		parts->networks++;
		break;
	case 0x03:
		parts->displays++;
		break;
	}
	return true;
}

const struct arch_parts *arch_parts(void)
{
	static struct arch_parts parts;

	if (parts.processors == 0) {
		parts.processors = acpi_facts()->processors ? acpi_facts()->processors : 1;
		pci_scan(parts_count, &parts);
	}
	return &parts;
}

/* ---- interrupts and events --------------------------------------------------------------- */

static void event_set(uint32_t events)
{
	cpu_current()->events |= events;
}

static void interrupt_block(void *context)
{
	(void)context;
	event_set(ARCH_EVENT_BLOCK);
}

static void interrupt_unexpected(uint8_t vector)
{
	if (devices.unexpected++ == 0)
		kernel_note("perdure: unexpected interrupt, vector %u; more are only counted",
			    vector);
	/* Without this, a real one would hold back all below it for ever; spurious
	 * ones are not in service and get no end. */
	if (apic_in_service(vector))
		apic_end_of_interrupt();
}

static void interrupt_serial(void)
{
	unsigned happened = serial_interrupt();

	if (happened & SERIAL_INPUT)
		event_set(ARCH_EVENT_CONSOLE_INPUT);
	if (happened & SERIAL_OUTPUT)
		event_set(ARCH_EVENT_CONSOLE_OUTPUT);
	if (happened & SERIAL_ATTENTION)
		event_set(ARCH_EVENT_CONSOLE_ATTENTION);
}

void interrupt_dispatch(uint8_t vector)
{
	ASSERT(vector >= 32); /* no exception */
	switch (vector) {
	case VECTOR_TIMER:
		event_set(ARCH_EVENT_TICK | (devices.disk_polled ? ARCH_EVENT_BLOCK : 0));
		break;
	case VECTOR_SERIAL:
		interrupt_serial();
		break;
	default:
		if (platform_message_dispatch(vector))
			break;
		interrupt_unexpected(vector);
		return;
	}
	apic_end_of_interrupt();
}

uint32_t arch_events_take(void)
{
	struct cpu_local *cpu = cpu_current();
	uint32_t events;

	/* Those that wait come in behind the NOP, one after the other. */
	__asm__ volatile("sti; nop; cli" : : : "memory");
	events = cpu->events;
	cpu->events = 0;
	return events;
}

void arch_idle(void)
{
	if (cpu_current()->events != 0)
		return;
	/* STI takes effect after HLT has begun, so no interrupt is slept through. */
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

/* ---- the disk ---------------------------------------------------------------------------- */

static const uint8_t store_type[16] = DISK_PARTITION_TYPE;
static uint8_t table_buffer[GPT_BUFFER] __attribute__((aligned(GPT_BUFFER)));

/* Nothing else happens on this CPU meanwhile, not even at the console. */
#define TABLE_PATIENCE_NS (2 * UINT64_C(1000000000))
static uint64_t table_deadline_ns;

static bool table_patience(void)
{
	if (arch_time_ns() >= table_deadline_ns)
		return false;
	platform_idle();
	return true;
}

static struct gpt_access table = {.buffer = table_buffer, .patience = table_patience};

enum status arch_block_find(struct block_device **device)
{
	enum status status;
	struct virtio_blk *disk =
		search_store(&devices.wanted, interrupt_block, &devices.store, &status);

	ASSERT(devices.disk == NULL); /* once */
	if (disk == NULL)
		return status;
	devices.disk = disk;
	devices.disk_polled = !virtio_blk_interrupts(disk);
	*device = virtio_blk_device(disk);
	return STATUS_OK;
}

void arch_block_restart(void)
{
	ASSERT(devices.disk != NULL);
	virtio_blk_restart(devices.disk);
	table.pending = false;
}

/* Requests in flight are not concerned: where they go was settled when they were
 * submitted, and nobody submits another meanwhile. */
enum status arch_block_grow(uint64_t *sectors)
{
	struct virtio_blk *disk = devices.disk;
	struct gpt_partition found = {.sectors = *sectors};
	const char *why = NULL;
	enum status status;

	ASSERT(disk != NULL);
	virtio_blk_measure(disk);
	table_deadline_ns = arch_time_ns() + TABLE_PATIENCE_NS;
	table.disk = virtio_blk_device(disk);
	status = gpt_grow(&table, store_type, &found, &why);
	if (status == STATUS_OK)
		devices.store = found;
	virtio_blk_narrow(disk, devices.store.first, devices.store.sectors);
	*sectors = devices.store.sectors;
	if (why != NULL)
		kernel_print("perdure: the disk of the store: %s", why);
	return status;
}
