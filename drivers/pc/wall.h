/* SPDX-License-Identifier: MIT */
/*
 * wall.h - wall time from the processor's counter, kept to the hardware clock.
 *
 * The counter stands still while a virtual machine does, and goes back when its
 * host sets it back to an earlier state; the hardware clock does neither.  It tells
 * whole seconds: the time of day lies in the second that it shows.  Touches nothing
 * but its arguments, so it is tested on the host.
 */
#ifndef DRIVERS_PC_WALL_H
#define DRIVERS_PC_WALL_H

#include <stdbool.h>
#include <stdint.h>

struct wall {
	uint64_t base_ns; /* wall time when the counter's clock stood at 0; 0: no date */
	bool doubt;	  /* the last look saw a jump; it counts when the next does as well */
	bool ran_on;	  /* the last look that counted was one */
};

/* The clock stood at `clock_ns` when the hardware clock showed `seconds`. */
void wall_set(struct wall *wall, uint64_t clock_ns, uint64_t seconds);

/*
 * A look at both, at least once in some minutes.  What they differ by is put right.
 * Tells by how much the hardware clock ran on alone if that was at once, and more than
 * WALL_JUMP_NS; 0 for what two clocks differ by in time, and when it was set back.
 */
#define WALL_JUMP_NS UINT64_C(2000000000)
uint64_t wall_look(struct wall *wall, uint64_t clock_ns, uint64_t seconds);

#endif
