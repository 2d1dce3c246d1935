/* SPDX-License-Identifier: MIT */
/*
 * fake_checkpoint.h - what kernel/checkpoint.c and kernel/request.c stand on: a store, machines and
 * a clock that do what the test says.
 */
#ifndef TESTS_UNIT_KERNEL_FAKE_CHECKPOINT_H
#define TESTS_UNIT_KERNEL_FAKE_CHECKPOINT_H

#include "kernel/console.h"
#include "kernel/memory.h"
#include "kernel/print.h"
#include "kernel/syscall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECOND	UINT64_C(1000000000)
#define CALLERS 4u
#define WORD	3u /* the register of word 0 */

struct kernel kernel;
const uint8_t call_word_register[MESSAGE_WORDS] = {WORD};

static struct {
	uint64_t now_ns;
	struct cpu cpu;
	struct task task[CALLERS];
	struct disk_machine machine[CALLERS];
	unsigned finished[CALLERS]; /* how often its call was ended */
	enum status prepare;	    /* of a machine's page */
	struct disk_system system;
	/* the store */
	enum status refuse, health;
	bool committing, blocks, dirty, pressure, replaced, abandoned;
	struct store_commit_request committed;
	unsigned commits;
	uint64_t generation;
	/* what became of it */
	bool off, rebooted, restarted, panicked, parked;
	unsigned woken;
	enum status console;
	char loud[200];
} fake;
static struct block_device device;
static jmp_buf left;

/* ---- what is below them --------------------------------------------------------------- */

uint64_t time_uptime_ns(void)
{
	return fake.now_ns;
}

uint64_t arch_time_ns(void)
{
	return fake.now_ns;
}

uint64_t arch_wall_ns(void)
{
	return fake.now_ns;
}

void arch_power_off(void)
{
	fake.off = true;
	longjmp(left, 1);
}

void arch_reboot(void)
{
	fake.rebooted = true;
	longjmp(left, 1);
}

struct cpu *cpu_this(void)
{
	return &fake.cpu;
}

void kernel_leave(void)
{
	longjmp(left, 1);
}

void kernel_park(uint64_t wake_ns)
{
	(void)wake_ns;
	fake.parked = true;
	longjmp(left, 1);
}

void kernel_warm_restart(void)
{
	fake.restarted = true;
	longjmp(left, 1);
}

void kernel_panic(const char *format, ...)
{
	(void)format;
	fake.panicked = true;
	longjmp(left, 1);
}

void kernel_print(const char *format, ...)
{
	(void)format;
}

void kernel_print_loud(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(fake.loud, sizeof(fake.loud), format, list);
	va_end(list);
}

void kernel_fpu_save(void)
{
}

void console_answered(enum status outcome)
{
	fake.console = outcome;
}

struct task *task_find(object_t object)
{
	return object.n && object.n <= CALLERS ? &fake.task[object.n - 1] : NULL;
}

void task_request(struct task *task)
{
	task->place = TASK_REQUEST;
}

void task_queue(struct task *task)
{
	task->place = TASK_QUEUED;
}

enum status store_wait_for(struct store *store, store_channel_t channel)
{
	(void)store;
	(void)channel;
	return STATUS_WAIT;
}

void task_wake_channel(uint32_t channel)
{
	fake.woken += channel == STORE_CHANNEL_COMMIT;
}

enum status machine_prepare(struct space *space, object_t object, struct disk_machine **machine)
{
	(void)space;
	*machine = &fake.machine[object.n - 1];
	return fake.prepare;
}

void call_registers_done(struct disk_machine *machine, enum status status, uint32_t length,
			 unsigned got)
{
	(void)status;
	(void)length;
	(void)got;
	fake.finished[machine - fake.machine]++;
}

enum status system_read(struct space *space, const struct disk_system **system)
{
	(void)space;
	*system = &fake.system;
	return STATUS_OK;
}

uint64_t objects_version(const struct space *space, const struct disk_system *system)
{
	(void)space;
	return system->next_version;
}

enum status store_commit(struct store *store, const struct store_commit_request *request,
			 generation_t *generation)
{
	(void)store;
	if (fake.refuse != STATUS_OK)
		return fake.refuse;
	fake.committed = *request;
	fake.commits++;
	fake.committing = true;
	generation->n = fake.generation;
	return STATUS_OK;
}

void store_commit_abandon(struct store *store)
{
	(void)store;
	fake.abandoned = true;
}

bool store_commit_blocks(const struct store *store)
{
	(void)store;
	return fake.blocks;
}

bool store_committing(const struct store *store)
{
	(void)store;
	return fake.committing;
}

bool store_dirty(const struct store *store)
{
	(void)store;
	return fake.dirty;
}

bool store_pressure(const struct store *store)
{
	(void)store;
	return fake.pressure;
}

bool store_replaced(const struct store *store)
{
	(void)store;
	return fake.replaced;
}

generation_t store_durable(const struct store *store)
{
	(void)store;
	return (generation_t){fake.generation - 1};
}

generation_t store_generation(const struct store *store)
{
	(void)store;
	return (generation_t){fake.generation};
}

enum status store_health(const struct store *store)
{
	(void)store;
	return fake.health;
}

void store_operation_begin(struct store *store)
{
	(void)store;
}

void store_statistics_get(const struct store *store, struct store_statistics *statistics)
{
	(void)store;
	memset(statistics, 0, sizeof(*statistics));
}

#endif
