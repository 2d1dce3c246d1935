/* SPDX-License-Identifier: MIT */
/*
 * moved.c - wall time, and what the host of a virtual machine does to it.
 *
 * A host can stop the machine for a while, set it back to a state that it has saved,
 * or let two go on from one.  The first two show in the hardware clock, which runs on
 * meanwhile; the third only if the host tells it (a generation identifier in memory).
 * A host that sets back all but the processor's counter is found by a second counter.
 */
#include <stddef.h>
#include <string.h>
#include "drivers/pc/acpi.h"
#include "drivers/pc/clock.h"
#include "drivers/pc/hpet.h"
#include "drivers/pc/rtc.h"
#include "drivers/pc/wall.h"
#include "drivers/platform.h"
#include "kernel/arch.h"
#include "kernel/print.h"
#include "kernel/x86_64/devices.h"

#define LOOK_NS		 UINT64_C(1000000000)
#define GLANCE_NS	 UINT64_C(100000000) /* longer, and the processor was away meanwhile */
#define GENERATION_BYTES 16u

static struct {
	struct wall wall;
	uint64_t look_ns;		     /* when the hardware clock is looked at again */
	const volatile uint64_t *generation; /* of this virtual machine; null: none is told */
	uint64_t generation_known[2];
	bool hpet;
	uint64_t counter_ns, hpet_ns; /* both counters at the last look */
} moved;
static_assert(sizeof(moved.generation_known) == GENERATION_BYTES, "all of the identifier");

static void generation_init(void)
{
	uint64_t at = acpi_facts()->generation;

	moved.generation = at != 0 ? platform_map_memory(at, GENERATION_BYTES) : NULL;
	if (moved.generation == NULL)
		return;
	moved.generation_known[0] = moved.generation[0];
	moved.generation_known[1] = moved.generation[1];
	kernel_note("perdure: the host tells this machine's generation at 0x%lx",
		    (unsigned long)at);
}

static bool generation_changed(void)
{
	uint64_t now[2];

	if (moved.generation == NULL)
		return false;
	now[0] = moved.generation[0];
	now[1] = moved.generation[1];
	if (now[0] == moved.generation_known[0] && now[1] == moved.generation_known[1])
		return false;
	memcpy(moved.generation_known, now, sizeof now);
	return true;
}

/* By how much the hardware clock ran on alone since the last look. */
static uint64_t wall_moved(void)
{
	uint64_t start = clock_ns(), seconds = rtc_glance(acpi_facts()->century);

	if (seconds == 0 || clock_ns() - start > GLANCE_NS)
		return 0; /* at the next tick again */
	if (moved.wall.base_ns == 0) {
		wall_set(&moved.wall, start, seconds);
		return 0;
	}
	uint64_t away_ns = wall_look(&moved.wall, start, seconds);
	if (!moved.wall.doubt)
		moved.look_ns = start + LOOK_NS;
	return away_ns;
}

/* By how much the processor's counter ran on alone since the last look. */
static uint64_t counter_moved(void)
{
	uint64_t start = clock_ns(), other = moved.hpet ? hpet_ns() : 0;
	uint64_t passed = start - moved.counter_ns, told = other - moved.hpet_ns;

	if (!moved.hpet || clock_ns() - start > GLANCE_NS)
		return 0;
	moved.counter_ns = start;
	moved.hpet_ns = other;
	/* One that went back has told a very large number. */
	if ((int64_t)(passed - told) > (int64_t)WALL_JUMP_NS)
		return passed - told;
	return 0;
}

enum arch_moved arch_moved(uint64_t *away_ns)
{
	bool copy = generation_changed();

	/* After a copy the clock is looked at at once, and again if that leaves a doubt. */
	*away_ns = 0;
	if (copy || clock_ns() >= moved.look_ns) {
		uint64_t counter_ns = counter_moved();
		*away_ns = wall_moved();
		if (*away_ns < counter_ns)
			*away_ns = counter_ns;
	}
	if (copy && moved.wall.doubt)
		*away_ns += wall_moved();
	if (copy)
		return ARCH_MOVED_COPY;
	return *away_ns != 0 ? ARCH_MOVED_TIME : ARCH_MOVED_NOT;
}

void moved_init(void)
{
	uint64_t seconds = rtc_read(acpi_facts()->century);

	if (seconds == 0)
		kernel_print("perdure: the hardware clock shows no date");
	else
		wall_set(&moved.wall, clock_ns(), seconds);
	generation_init();
	moved.hpet = hpet_init(acpi_facts()->hpet);
	counter_moved();
}

uint64_t arch_wall_ns(void)
{
	return moved.wall.base_ns + clock_ns();
}
