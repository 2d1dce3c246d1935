/* SPDX-License-Identifier: MIT */
/*
 * clock.h - time from the processor's time-stamp counter.
 *
 * The counter is measured once against a timer of known frequency.  Time is 0
 * at the counter value given to clock_init and until then.
 */
#ifndef DRIVERS_PC_CLOCK_H
#define DRIVERS_PC_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Measures for about 5 ms.  `origin` is the counter value that is time 0; the
 * power management timer's port is 0 if there is none, then the interval timer
 * is used.  False: neither timer runs. */
bool clock_init(uint64_t origin, uint16_t pm_timer_port, bool pm_timer_32_bits);
uint64_t clock_ns(void); /* monotonic */
uint64_t clock_hz(void); /* of the counter, for the log */

static inline uint64_t clock_counter(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

#endif
