/* SPDX-License-Identifier: MIT */
/*
 * fake_kernel.h - calls of machines over the fake store: the portable kernel without a
 * processor, a console and commits.
 */
#ifndef TESTS_UNIT_KERNEL_FAKE_KERNEL_H
#define TESTS_UNIT_KERNEL_FAKE_KERNEL_H

#include "tests/unit/objects/fake_store.h"
#include "kernel/mapping.h"
#include "kernel/service.h"
#include "kernel/syscall.h"

/* What the test decides. */
extern uint64_t fake_now_ns;
extern bool fake_disk_fails;	    /* as far as commits know */
extern uint32_t fake_fails_at;	    /* the nth store call of each call fails; 0: none */
extern enum status fake_fails_with; /* so: NO_SPACE at first */
/* Of pages, as the store was told last. */
extern struct store_pages fake_essential[STORE_ESSENTIAL_RUNS];
extern uint32_t fake_essential_runs;
extern uint32_t fake_full; /* how often a machine has waited for space */
extern bool fake_restarts; /* a new shell is being made */
/* What was withdrawn last, and from whom; null: from all. */
extern struct fake_withdrawn {
	uint32_t times;
	struct task *task;
	struct mapping_range range; /* or places */
	uint32_t view;		    /* through which; 0: all */
	uint64_t version;
} fake_withdrawn;

/* What devices and the store were asked for. */
extern struct fake_asked {
	uint32_t written; /* to the console, in bytes */
	uint32_t stops;	  /* the power was to go off, or on again */
	uint32_t resumes; /* the machines were all to go on */
	uint32_t commits; /* who asks waits for ever */
	/* The last of them. */
	struct store_commit_request commit;
	enum checkpoint_end end;
	uint64_t deadline_ns;
} fake_asked;
#define FAKE_SNAPSHOT 3u /* the one that there is: "fake", in which all is as it is now */

extern uint64_t fake_banks_ended; /* bits of those of which all was withdrawn */

/* A new system with an empty store. */
void fake_kernel_new(void);

struct disk_capability fake_create(enum object_type type, uint64_t size);
struct disk_capability fake_create_from(object_t bank, enum object_type type, uint64_t size);
/* The machine's page, to be looked at or changed between two calls. */
struct disk_machine *fake_machine(const struct disk_capability *machine);
uint64_t fake_machine_page(const struct disk_capability *machine);
void fake_place(const struct disk_capability *machine, uint32_t slot,
		const struct disk_capability *capability);
struct disk_capability fake_held(const struct disk_capability *machine, uint32_t slot);

/* How a call has ended. */
enum fake_end { FAKE_DONE, FAKE_TURN, FAKE_BLOCKED, FAKE_PARKED, FAKE_GONE };
/* The machine makes this call; slots are 0 unless set before. */
enum fake_end fake_call(const struct disk_capability *machine, enum abi_entry entry, uint32_t slot,
			uint64_t label, uint32_t length);
/* A parked one is entered anew. */
enum fake_end fake_again(const struct disk_capability *machine);
/* Again each second, as long as it parks, at most so many seconds; how many it was. */
uint32_t fake_wait(const struct disk_capability *machine, uint32_t seconds, enum fake_end *end);
/* What was destroyed is taken apart, and who waits for it told, as far as it can be now. */
void fake_settle(void);
/* The status in rax. */
enum status fake_result(const struct disk_capability *machine);
#endif
