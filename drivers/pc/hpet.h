/* SPDX-License-Identifier: MIT */
/*
 * hpet.h - the main counter of the high precision event timer (IA-PC HPET
 * specification 1.0a), by which the processor's counter is judged.
 */
#ifndef DRIVERS_PC_HPET_H
#define DRIVERS_PC_HPET_H

#include <stdbool.h>
#include <stdint.h>

/* Lets the counter of the timer at this address run; no interrupts.  False: there is
 * none, or it does not count in 64 bits. */
bool hpet_init(uint64_t address);
uint64_t hpet_ns(void); /* monotonic, from anywhere */

#endif
