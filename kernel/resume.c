/* SPDX-License-Identifier: MIT */
/*
 * resume.c - from a generation on the disk to running machines.
 *
 * There is no first boot: create has written a system that is already running.
 * Nothing is scanned but the may-be-ready bitmap, and that while machines run.
 */
#include "kernel/kernel.h"
#include "kernel/console.h"
#include "kernel/mapping.h"
#include "kernel/memory.h"
#include "kernel/print.h"
#include "kernel/syscall.h"
#include "base/assert.h"
#include <string.h>

static struct {
	uint32_t looking;		     /* bit p: through the bitmap of priority p, */
	uint32_t again;			     /* from its middle on, and then from its start */
	object_t cursor[MACHINE_PRIORITIES]; /* next object to look at */
	uint32_t rest;	  /* of the priorities, those whose turn it is while tasks are short */
	bool damaged;	  /* a machine, or where machines are noted, cannot be read */
	bool failing;	  /* the disk fails: once more, after a pause */
	uint64_t look_ns; /* not before this */
	bool safe;	  /* it is known which machines run in safe mode */
	struct failing safe_failing;
} resume;

void resume_again(void)
{
	for (unsigned priority = 0; priority < MACHINE_PRIORITIES; priority++)
		resume.cursor[priority] = (object_t){1};
	resume.looking = UINT32_MAX >> (32 - MACHINE_PRIORITIES);
	resume.again = 0;
	resume.rest = 0;
}

bool resume_looks(void)
{
	return resume.looking != 0;
}

void resume_reset(void)
{
	memset(&resume, 0, sizeof(resume));
	resume_again();
	uint64_t wall_ns = arch_wall_ns();
	tell_all(wall_ns > kernel.recovery.wall_ns ? wall_ns - kernel.recovery.wall_ns : 0);
}

void resume_moved(enum abi_resume reason, uint64_t away_ns)
{
	ASSERT(reason == RESUME_COPY || reason == RESUME_MOVED);
	kernel_print(reason == RESUME_COPY
			     ? "perdure: this virtual machine is a copy or an earlier state, its "
			       "host says; wall time ran on by %lu ms"
			     : "perdure: this virtual machine stood still or was set back; wall "
			       "time ran on by %lu ms",
		     (unsigned long)(away_ns / 1000000));
	kernel.uptime_base_ns = time_uptime_ns();
	kernel.resumed_ns = arch_time_ns();
	kernel.reason = reason;
	kernel.epoch++;
	tell_all(away_ns);
	task_wake_channel(CHANNEL_CONSOLE_INPUT);
}

/* ---- mounting --------------------------------------------------------------- */

static void host_wake(void *context, store_channel_t channel)
{
	(void)context;
	task_wake_channel(channel.n);
}

static void host_unmap(void *context, page_t page)
{
	(void)context;
	mapping_withdraw(page);
}

static bool host_referenced(void *context, page_t page)
{
	(void)context;
	return mapping_referenced(page);
}

/* What is damaged is met again and again: one line for the same place is enough. */
static void host_log(void *context, const char *line)
{
	static char last[KERNEL_LOG_LINE];
	size_t length = strlen(line);

	(void)context;
	if (length < sizeof(last) && memcmp(last, line, length + 1) == 0)
		return;
	if (length < sizeof(last))
		memcpy(last, line, length + 1);
	kernel_print("store: %s", line);
}

static void __attribute__((noreturn)) resume_fail(const char *why)
{
	kernel_print_loud("perdure: cannot resume: %s", why);
	kernel_print_loud("perdure: nothing was changed on the disk; stopped");
	arch_halt();
}

/* The disk fails, which may be over soon: lets time pass, longer each time. */
static void resume_pause(const char *why)
{
	static uint64_t pause_ns = KERNEL_RETRY_NS;
	uint64_t start = arch_time_ns();

	kernel_print_loud("perdure: cannot resume yet: %s; it is tried again in %lu s", why,
			  (unsigned long)(pause_ns / KERNEL_RETRY_NS));
	while (arch_time_ns() - start < pause_ns) {
		arch_events_take();
		arch_idle();
	}
	if (pause_ns < KERNEL_RETRY_MAX_NS / 2)
		pause_ns *= 2;
}

static enum status resume_mount_once(const struct store_config *config)
{
	enum status status = store_init(&kernel.space.store, config);

	if (status != STATUS_OK)
		resume_fail("the disk takes too little in one request, or memory is too small for "
			    "the store's tables");
	kernel.space.frame_base = config->frame_base;
	kernel.space.living_generation = 0; /* what lived in another state */
	memory_donate_reset();
	memory_donate(kernel.space.store, KERNEL_DONATE_FIRST);
	return store_mount(kernel.space.store, &kernel.recovery);
}

static void resume_mount(const struct store_config *config)
{
	struct disk_receiving receiving;
	const char *why;
	enum status status;

	while ((status = resume_mount_once(config)) != STATUS_OK) {
		why = kernel.recovery.explanation[0] ? kernel.recovery.explanation
						     : status_text(status);
		if (status != STATUS_IO)
			resume_fail(why);
		resume_pause(why);
	}
	if (kernel.recovery.torn.n)
		kernel_print("perdure: %s", kernel.recovery.explanation);
	store_receiving_get(kernel.space.store, &receiving);
	if (receiving.generation)
		resume_fail(
			"this store is receiving a stream and its live state is a part of it: "
			"end it with mkstore receive, or give it up with mkstore receive --abort");
}

/* The few words of the system page that the kernel keeps a copy of.  Nothing is
 * written before the loop runs: only there can a checkpoint make room. */
static void resume_system(void)
{
	const struct disk_system *system;
	enum status status;

	for (;;) {
		store_operation_begin(kernel.space.store);
		status = system_read(&kernel.space, &system);
		if (status == STATUS_IO)
			resume_pause(status_text(status));
		else if (status != STATUS_WAIT || !store_wait(kernel.space.store))
			break;
	}
	if (status != STATUS_OK)
		resume_fail(status == STATUS_ABSENT
				    ? "this store holds no system (make one with mkstore create)"
				    : status_text(status));
	if (!system_known(system))
		resume_fail("the system page is damaged or of an unknown version");
	kernel.space.version_floor = kernel.recovery.counters.object_version;
	kernel.interval_ns = system->checkpoint_ns;
}

static enum abi_resume resume_reason(const struct store_recovery *recovery)
{
	/* Just now, or by a tool while the system was off. */
	if (kernel.warm || recovery->restored)
		return RESUME_RESTORE;
	switch (recovery->stop) {
	case STORE_STOP_FRESH:
		return RESUME_FRESH;
	case STORE_STOP_CLEAN:
		return RESUME_CLEAN;
	case STORE_STOP_POWER_CUT:
		break;
	}
	return RESUME_POWER_CUT;
}

void kernel_resume(const struct store_config *config)
{
	struct store_config store = *config;

	ASSERT(!cpu_this()->running && !kernel.failing);
	store.host = (struct store_host){NULL, host_wake, host_unmap, host_referenced, host_log};
	resume_mount(&store);
	kernel.resumed_ns = arch_time_ns();
	kernel.uptime_base_ns = kernel.recovery.counters.uptime_ns;
	kernel.epoch = kernel.recovery.counters.resumes + 1;
	kernel.reason = resume_reason(&kernel.recovery);
	kernel.first_machine = false;
	kernel.longest_ns = kernel.longest_of = 0;
	resume_system();
	resume_reset();
	essential_reset();
	time_reset();
	checkpoint_reset();
	service_reset();
	console_reset();
	kernel_leave();
}

/* ---- machines ----------------------------------------------------------------- */

/* What a disk that fails does not give now is looked for again, and nothing held up. */
static void resume_failing(object_t from, enum status status)
{
	if (!resume.failing && !resume.look_ns)
		kernel_print_loud(
			"perdure: machines from %u on cannot be found yet: %s; it is tried "
			"again",
			from.n, status_text(status));
	resume.failing = true;
}

/* Its priority has changed, or it is from before there was a bitmap for each: it is found
 * where it belongs from now on. */
static enum status resume_move(object_t object, const struct disk_machine *machine,
			       unsigned priority)
{
	uint32_t bit = 1u << machine->priority;
	enum status status = machine_bit_prepare(&kernel.space, object, machine->priority);

	ASSERT(machine->state == MACHINE_READY && machine->priority != priority);
	if (status == STATUS_OK)
		status = machine_bit_prepare(&kernel.space, object, priority);
	if (status != STATUS_OK)
		return status;
	machine_bit_set(&kernel.space, object, machine->priority, true);
	machine_bit_set(&kernel.space, object, priority, false);
	resume.again |= bit & resume.looking;
	resume.looking |= bit;
	return STATUS_OK;
}

/* A bit of a machine that is not ready after all is cleared here, where it was
 * found, and nowhere else: the bitmap is a superset. */
static enum status resume_machine(object_t object, unsigned priority)
{
	struct disk_machine *machine;
	enum status status;

	status = machine_read(&kernel.space, object, &machine);
	if (status == STATUS_WAIT)
		return status;
	if (status == STATUS_IO) {
		resume_failing(object, status);
		return STATUS_OK;
	}
	if (status == STATUS_OK && machine->state == MACHINE_READY) {
		if (machine->priority != priority) {
			status = resume_move(object, machine, priority);
			if (status == STATUS_OK || status == STATUS_WAIT)
				return status;
			resume.failing = true; /* to be looked for here again */
		}
		if (!machine->stopped && !safe_holds(machine->version) &&
		    !task_get(object, machine->version, machine->priority))
			return STATUS_FULL;
		kernel_make_ready(object, machine);
		return STATUS_OK;
	}
	/* Its number may be that of something else by now. */
	if (status != STATUS_OK && status != STATUS_DEAD && status != STATUS_NOT_FOUND &&
	    status != STATUS_WRONG_TYPE) {
		resume.damaged = true;
		kernel_print_loud("perdure: machine %u cannot be resumed: %s", object.n,
				  status_text(status));
	}
	status = machine_bit_prepare(&kernel.space, object, priority);
	if (status == STATUS_OK)
		machine_bit_set(&kernel.space, object, priority, false);
	return status == STATUS_WAIT ? status : STATUS_OK;
}

/* A page of the bitmap that cannot be read costs its own machines only. */
static bool resume_skip(object_t *cursor, enum status status)
{
	uint32_t next = (cursor->n / READY_BITS_PER_PAGE + 1) * READY_BITS_PER_PAGE;

	ASSERT(next > cursor->n);
	if (status == STATUS_IO)
		resume_failing(*cursor, status);
	else if (!resume.damaged)
		kernel_print_loud("perdure: machines from %u on may not be found: %s", cursor->n,
				  status_text(status));
	cursor->n = next;
	resume.damaged |= status != STATUS_IO;
	console_examine();
	return true;
}

/* Which machines run in safe mode.  False: it is not known yet. */
static bool resume_safe(void)
{
	enum status status;

	if (time_uptime_ns() < resume.look_ns)
		return false;
	store_operation_begin(kernel.space.store);
	kernel_work_begin(&resume.safe_failing);
	status = safe_begin();
	if (status == STATUS_IO && !resume.safe_failing.since_ns)
		kernel_print_loud("perdure: the shell cannot be found yet: %s; it is tried again",
				  status_text(status));
	resume.safe = !kernel_work_end(status);
	resume.look_ns =
		status == STATUS_IO && !resume.safe ? time_uptime_ns() + KERNEL_SPACE_RETRY_NS : 0;
	return resume.safe;
}

/* The bitmap of this priority has been gone through. */
static bool resume_ended(unsigned priority)
{
	uint32_t bit = 1u << priority;

	ASSERT(resume.looking & bit);
	resume.cursor[priority] = (object_t){1};
	if (!(resume.again & bit))
		resume.looking &= ~bit;
	resume.again &= ~bit;
	if (resume.looking)
		return true;
	resume.rest = 0;
	if (resume.failing)
		resume.look_ns = time_uptime_ns() + KERNEL_SPACE_RETRY_NS;
	console_examine();
	return true;
}

/* One machine of the highest priority at which it looks; where tasks are short, of the next
 * below each time that there is none. */
static bool resume_look(void)
{
	uint32_t turn =
		resume.looking & resume.rest ? resume.looking & resume.rest : resume.looking;
	unsigned priority = 31 - (unsigned)__builtin_clz(turn);
	object_t *cursor = &resume.cursor[priority], object;
	enum status status = STATUS_NOT_FOUND;

	ASSERT(resume.looking && priority < MACHINE_PRIORITIES);
	store_operation_begin(kernel.space.store);
	if (cursor->n < OBJECT_MAX)
		status = machine_bit_next(&kernel.space, priority, *cursor, &object);
	if (status == STATUS_NOT_FOUND)
		return resume_ended(priority);
	if (status != STATUS_OK && status != STATUS_WAIT)
		return resume_skip(cursor, status);
	if (status == STATUS_OK)
		status = resume_machine(object, priority);
	if (status == STATUS_FULL) {
		/* It is one of the lost, until there is a task again. */
		resume.looking &= ~(1u << priority);
		resume.rest = (1u << priority) - 1;
		return false;
	}
	if (status != STATUS_OK)
		return false;
	ASSERT(object.n >= cursor->n);
	cursor->n = object.n + 1;
	return true;
}

bool resume_step(void)
{
	uint32_t lost = task_lost();

	/* Each from where the last look had to stop, so that all get their turn. */
	resume.looking |= lost;
	resume.again |= lost;
	if (kernel.safe && !resume.safe && !resume_safe())
		return false;
	if (!resume.looking && resume.failing && time_uptime_ns() >= resume.look_ns) {
		resume.failing = false;
		resume_again();
	}
	if (resume.looking)
		return resume_look();
	return tell_step();
}
