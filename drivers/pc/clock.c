/* SPDX-License-Identifier: MIT */
/*
 * clock.c - measures the time-stamp counter and turns it into nanoseconds.
 *
 * The reference is the ACPI power management timer (3.58 MHz) or channel 2 of
 * the 8254 interval timer (1.19 MHz).  Another process can take the processor
 * from a virtual machine at any instant, so each end of the measurement is
 * taken several times and the one with the shortest bracket counts:
 *
 *	counter before | reference | counter after
 */
#include "drivers/pc/clock.h"
#include "drivers/pc/port.h"
#include "base/assert.h"

#define NS_PER_SECOND 1000000000u
#define PM_HZ	      3579545u
#define PIT_HZ	      1193182u
#define MEASURE_MS    5u
#define TRIES	      5u
/* Polls of the reference before it counts as standing still, and turns of an
 * empty loop between polls: reading a port or the counter is dear under
 * emulation. */
#define POLLS	   100000u
#define POLL_TURNS 5000u

#define PIT_CHANNEL_2 0x42u
#define PIT_COMMAND   0x43u
#define PIT_GATE      0x61u

struct reference {
	uint32_t (*read)(const struct reference *reference); /* counts upwards */
	uint32_t hz, mask;
	uint16_t port;
};

struct instant {
	uint64_t counter;
	uint32_t reference;
};

/* ns = (counter - origin) * multiplier >> 32, in 128 bits. */
static struct {
	uint64_t origin, hz, multiplier;
} clock_state;

static uint32_t pm_read(const struct reference *reference)
{
	return port_read32(reference->port);
}

static uint32_t pit_read(const struct reference *reference)
{
	(void)reference;
	port_write8(PIT_COMMAND, 0x80); /* latch channel 2 */
	uint32_t low = port_read8(PIT_CHANNEL_2);
	uint32_t high = port_read8(PIT_CHANNEL_2);
	return 0u - (high << 8 | low);
}

static void pit_start(void)
{
	port_write8(PIT_GATE, (port_read8(PIT_GATE) & ~0x02u) | 0x01u); /* speaker off, gate on */
	port_write8(PIT_COMMAND, 0xb4); /* channel 2, low and high byte, rate generator */
	port_write8(PIT_CHANNEL_2, 0);
	port_write8(PIT_CHANNEL_2, 0); /* 65536 */
}

static struct instant clock_instant(const struct reference *reference)
{
	struct instant best = {0};
	uint64_t bracket = UINT64_MAX;

	for (uint32_t i = 0; i < TRIES; i++) {
		uint64_t before = clock_counter();
		uint32_t value = reference->read(reference);
		uint64_t after = clock_counter();
		if (after - before >= bracket)
			continue;
		bracket = after - before;
		best = (struct instant){before + bracket / 2, value};
	}
	return best;
}

/* Counter frequency by this reference, 0 if it stands still. */
static uint64_t clock_measure(const struct reference *reference)
{
	struct instant start = clock_instant(reference);
	uint32_t wanted = reference->hz / 1000 * MEASURE_MS;

	ASSERT(reference->mask && wanted < reference->mask / 2);
	for (uint32_t i = 0; i < POLLS; i++) {
		for (uint32_t turn = 0; turn < POLL_TURNS; turn++)
			__asm__ volatile("");
		if (((reference->read(reference) - start.reference) & reference->mask) < wanted)
			continue;
		struct instant end = clock_instant(reference);
		uint32_t ticks = (end.reference - start.reference) & reference->mask;
		if (ticks < wanted || ticks > reference->mask / 2)
			return 0;
		return (end.counter - start.counter) * reference->hz / ticks;
	}
	return 0;
}

bool clock_init(uint64_t origin, uint16_t pm_timer_port, bool pm_timer_32_bits)
{
	uint64_t hz = 0;

	if (pm_timer_port != 0)
		hz = clock_measure(
			&(struct reference){.read = pm_read,
					    .hz = PM_HZ,
					    .mask = pm_timer_32_bits ? 0xffffffffu : 0xffffffu,
					    .port = pm_timer_port});
	/* The interval timer wraps after 55 ms: a measurement held up for longer than
	 * half of that fails, and is made again. */
	for (uint32_t i = 0; i < TRIES && hz == 0; i++) {
		pit_start();
		hz = clock_measure(
			&(struct reference){.read = pit_read, .hz = PIT_HZ, .mask = 0xffffu});
	}
	if (hz < 1000000)
		return false;
	clock_state.origin = origin;
	clock_state.hz = hz;
	clock_state.multiplier = ((uint64_t)NS_PER_SECOND << 32) / hz;
	return true;
}

uint64_t clock_hz(void)
{
	return clock_state.hz;
}

uint64_t clock_ns(void)
{
	__extension__ typedef unsigned __int128 wide;

	return (uint64_t)((wide)(clock_counter() - clock_state.origin) * clock_state.multiplier >>
			  32);
}
