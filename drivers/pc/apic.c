/* SPDX-License-Identifier: MIT */
/*
 * apic.c - local APIC in xAPIC mode (Intel SDM volume 3, chapter 11), I/O APIC
 * (82093AA data sheet), 8259 off.
 */
#include "drivers/pc/apic.h"
#include <stddef.h>
#include "drivers/pc/acpi.h"
#include "drivers/pc/clock.h"
#include "drivers/pc/port.h"
#include "drivers/platform.h"
#include "base/assert.h"

/* Registers by byte offset. */
enum {
	REGISTER_ID = 0x20,
	REGISTER_VERSION = 0x30,
	REGISTER_TASK_PRIORITY = 0x80,
	REGISTER_END = 0xb0,
	REGISTER_SPURIOUS = 0xf0,
	REGISTER_IN_SERVICE = 0x100,
	REGISTER_STATUS = 0x280,
	REGISTER_TIMER = 0x320,
	REGISTER_THERMAL = 0x330,
	REGISTER_PERFORMANCE = 0x340,
	REGISTER_LINE_0 = 0x350,
	REGISTER_LINE_1 = 0x360,
	REGISTER_ERROR = 0x370,
	REGISTER_TIMER_INITIAL = 0x380,
	REGISTER_TIMER_CURRENT = 0x390,
	REGISTER_TIMER_DIVIDE = 0x3e0,
};
#define MASKED		(1u << 16)
#define TIMER_PERIODIC	(1u << 17)
#define DELIVER_NMI	(4u << 8)
#define SOFTWARE_ENABLE (1u << 8)
#define DIVIDE_BY_16	3u
#define MEASURE_NS	1000000u

#define MSR_APIC_BASE 0x1bu
#define BASE_ENABLED  (1u << 11)
#define BASE_X2APIC   (1u << 10)

#define IO_REDIRECTION 0x10u
#define IO_LOW	       (1u << 13)
#define IO_LEVEL       (1u << 15)

static volatile uint32_t *local; /* local APIC, 32-bit words */
static volatile uint32_t *io;	 /* I/O APIC: [0] selects, [4] is the window */
static uint32_t io_entries;

static uint32_t apic_get(uint32_t offset)
{
	return local[offset / 4];
}

static void apic_set(uint32_t offset, uint32_t value)
{
	local[offset / 4] = value;
}

static uint32_t io_get(uint32_t index)
{
	io[0] = index;
	return io[4];
}

static void io_set(uint32_t index, uint32_t value)
{
	io[0] = index;
	io[4] = value;
}

/* Moves the old controllers' vectors away from the exceptions, then masks all. */
static void pic_silence(void)
{
	static const uint8_t commands[][2] = {
		{0x20, 0x11},	    {0xa0, 0x11}, /* initialise, four words */
		{0x21, VECTOR_PIC}, {0xa1, VECTOR_PIC + 8},
		{0x21, 0x04},	    {0xa1, 0x02}, /* cascade */
		{0x21, 0x01},	    {0xa1, 0x01}, /* 8086 mode */
		{0x21, 0xff},	    {0xa1, 0xff}, /* mask */
	};

	for (uint32_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		port_write8(commands[i][0], commands[i][1]);
}

/* Firmware may have left the APIC off or in x2APIC mode; the way from there to
 * xAPIC mode leads through "off". */
static void apic_mode(void)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(MSR_APIC_BASE));
	if (low & BASE_X2APIC) {
		low &= ~(BASE_X2APIC | BASE_ENABLED);
		__asm__ volatile("wrmsr" : : "a"(low), "d"(high), "c"(MSR_APIC_BASE));
	}
	low |= BASE_ENABLED;
	__asm__ volatile("wrmsr" : : "a"(low), "d"(high), "c"(MSR_APIC_BASE));
}

bool apic_init(void)
{
	const struct acpi_facts *acpi = acpi_facts();

	pic_silence();
	apic_mode();
	local = platform_map_device(acpi->local_apic, 4096);
	io = platform_map_device(acpi->io_apic, 32);
	if (local == NULL || io == NULL)
		return false;
	apic_set(REGISTER_TASK_PRIORITY, 0);
	apic_set(REGISTER_TIMER, MASKED);
	apic_set(REGISTER_LINE_0, MASKED);
	apic_set(REGISTER_LINE_1, DELIVER_NMI);
	apic_set(REGISTER_ERROR, VECTOR_ERROR);
	apic_set(REGISTER_STATUS, 0);
	apic_set(REGISTER_SPURIOUS, SOFTWARE_ENABLE | VECTOR_SPURIOUS);
	io_entries = (io_get(1) >> 16 & 0xff) + 1;
	for (uint32_t i = 0; i < io_entries; i++)
		io_set(IO_REDIRECTION + 2 * i, MASKED);
	return true;
}

void apic_end_of_interrupt(void)
{
	apic_set(REGISTER_END, 0);
}

/* One for each class of 16 vectors: no two of a class are served at once. */
void apic_end_all(void)
{
	for (uint32_t class = 0; local != NULL && class < 16; class ++)
		apic_end_of_interrupt();
}

bool apic_in_service(uint8_t vector)
{
	return local != NULL &&
	       (apic_get(REGISTER_IN_SERVICE + vector / 32 * 0x10) >> vector % 32 & 1);
}

bool apic_timer_start(uint32_t hz)
{
	uint64_t start, end;
	uint32_t first, ticks;

	ASSERT(hz);
	apic_set(REGISTER_TIMER_DIVIDE, DIVIDE_BY_16);
	apic_set(REGISTER_TIMER_INITIAL, UINT32_MAX);
	first = apic_get(REGISTER_TIMER_CURRENT);
	start = clock_ns();
	do {
		for (uint32_t turn = 0; turn < 2000; turn++)
			__asm__ volatile("");
		ticks = first - apic_get(REGISTER_TIMER_CURRENT);
		end = clock_ns();
	} while (end - start < MEASURE_NS);
	uint64_t count = (uint64_t)ticks * (1000000000u / hz) / (end - start);
	if (count < 16 || count > UINT32_MAX)
		return false;
	apic_set(REGISTER_TIMER, TIMER_PERIODIC | VECTOR_TIMER);
	apic_set(REGISTER_TIMER_INITIAL, (uint32_t)count);
	return true;
}

bool apic_isa_route(uint32_t irq, uint8_t vector)
{
	const struct acpi_facts *acpi = acpi_facts();
	uint32_t entry = acpi->isa_interrupt[irq] - acpi->io_apic_first;

	ASSERT(irq < ACPI_ISA_IRQS && vector >= 32);
	if (entry >= io_entries)
		return false;
	io_set(IO_REDIRECTION + 2 * entry + 1, apic_get(REGISTER_ID) & 0xff000000u);
	io_set(IO_REDIRECTION + 2 * entry,
	       vector | (acpi->isa_low[irq] ? IO_LOW : 0) | (acpi->isa_level[irq] ? IO_LEVEL : 0));
	return true;
}

uint64_t apic_message_address(void)
{
	ASSERT(local != NULL);
	return UINT64_C(0xfee00000) | (uint64_t)(apic_get(REGISTER_ID) >> 24) << 12;
}
