/* SPDX-License-Identifier: MIT */
/*
 * spawn.h - starting a new machine from a program object.
 *
 * The new machine gets nothing but what is named here: its own instance and port
 * (and from the kernel SLOT_SELF and SLOT_TABLE), the caller's capabilities in
 * the slots of `inherit`, and the grants.  Either it is complete and runs, or
 * nothing is left of it.  Its instance and its port end with it.
 *
 * With a bank of its own, which the caller's bank sets aside, all that it is made of and all
 * that it makes is paid for by that, and ends with it.  Without one the caller's bank pays, and
 * what it inherits or is granted as its own bank cannot be destroyed by it, nor ends with it.
 */
#ifndef USER_LIB_SPAWN_H
#define USER_LIB_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include "user/lib/handle.h"

#define SPAWN_GRANTS 8u
/* What a program normally inherits. */
#define SPAWN_STANDARD (1u << SLOT_BANK | 1u << SLOT_ROOT | 1u << SLOT_LOG | 1u << SLOT_CLOCK)

struct spawn_grant {
	uint32_t from; /* our slot */
	uint32_t to;   /* slot of the new machine */
};

struct spawn_request {
	const char *name; /* of the machine, and argument 0 */
	uint32_t priority;
	struct segment program; /* with the ELF file, with READ */
	int arguments;		/* further ones */
	char *const *argument;
	uint32_t inherit; /* bit s: copy our slot s to its slot s, if there is something */
	struct spawn_grant grant[SPAWN_GRANTS];
	uint32_t grants;
	uint32_t queue; /* capacity of its port; 0: 16 */
	/* What a bank of its own can give, which it gets in SLOT_BANK with all rights; no pages:
	 * it has none. */
	uint64_t bank_pages, bank_addresses;
	uint32_t bank_weight; /* of the processor, 0: it has none of its own */
	bool hold;	      /* do not start it: the caller does with spawned.start */
};

struct spawned {
	struct machine machine; /* in a newly taken slot: all rights */
	uint64_t rip, rsp, rdi; /* for machine_start */
	const char *step;	/* after a failure: what could not be done */
	bool no_bank;		/* that was its own bank: the caller's cannot give so much */
};

enum status spawn_machine(const struct spawn_request *request, struct spawned *spawned);

#endif
