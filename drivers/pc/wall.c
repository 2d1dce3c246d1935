/* SPDX-License-Identifier: MIT */
/*
 * wall.c - wall time from the processor's counter, kept to the hardware clock.
 */
#include "drivers/pc/wall.h"

#define SECOND_NS UINT64_C(1000000000)

void wall_set(struct wall *wall, uint64_t clock_ns, uint64_t seconds)
{
	*wall = (struct wall){.base_ns = seconds * SECOND_NS - clock_ns};
}

uint64_t wall_look(struct wall *wall, uint64_t clock_ns, uint64_t seconds)
{
	uint64_t now = wall->base_ns + clock_ns, first = seconds * SECOND_NS;
	uint64_t end = first + SECOND_NS, jump = 0;
	uint64_t off = now < first ? first - now : now > end ? now - end : 0;
	bool far = off > WALL_JUMP_NS;

	/* A reading can be wrong, or the processor can have been taken away in it. */
	if (far && !wall->doubt) {
		wall->doubt = true;
		return 0;
	}
	wall->doubt = false;
	/* Where it happens at every look, time itself runs at another speed here. */
	if (far && now < first && !wall->ran_on)
		jump = off;
	wall->ran_on = far;
	wall->base_ns += now < first ? off : 0 - off;
	return jump;
}
