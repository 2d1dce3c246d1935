/* SPDX-License-Identifier: MIT */
/*
 * hpet.c - the main counter of the high precision event timer.
 */
#include "drivers/pc/hpet.h"
#include <stddef.h>
#include "drivers/platform.h"
#include "base/assert.h"

/* Registers, in words of 64 bits. */
#define CAPABILITIES  (0x000 / 8)
#define CONFIGURATION (0x010 / 8)
#define COUNTER	      (0x0f0 / 8)
#define REGISTERS     1024u

#define WIDE	      (UINT64_C(1) << 13)
#define RUN	      UINT64_C(1)
#define PERIOD_FS_MAX 100000000u /* section 2.3.4 */
#define FS_PER_NS     1000000u

static volatile uint64_t *hpet;

bool hpet_init(uint64_t address)
{
	uint64_t capabilities, period_fs;

	hpet = address != 0 ? platform_map_device(address, REGISTERS) : NULL;
	if (hpet == NULL)
		return false;
	capabilities = hpet[CAPABILITIES];
	period_fs = capabilities >> 32;
	if (!(capabilities & WIDE) || period_fs == 0 || period_fs > PERIOD_FS_MAX)
		return false;
	hpet[CONFIGURATION] |= RUN;
	return true;
}

uint64_t hpet_ns(void)
{
	uint64_t period_fs, ticks;

	ASSERT(hpet != NULL);
	period_fs = hpet[CAPABILITIES] >> 32;
	ticks = hpet[COUNTER];
	/* In two parts, so that nothing overflows within a century. */
	return ticks / FS_PER_NS * period_fs + ticks % FS_PER_NS * period_fs / FS_PER_NS;
}
