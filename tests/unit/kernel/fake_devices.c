/* SPDX-License-Identifier: MIT */
/*
 * fake_devices.c - what clock, console, store and system stand on, for calls over the fake
 * store: nothing is typed, there is one snapshot, and commits are asked for and never made.
 */
#include "tests/unit/kernel/fake_kernel.h"
#include "kernel/console.h"
#include "kernel/memory.h"

struct fake_asked fake_asked;

/* ---- the machine below ------------------------------------------------------------------ */

uint64_t arch_wall_ns(void)
{
	return fake_now_ns + 1;
}

const char *arch_cpu_name(void)
{
	return "fake";
}

const char *arch_accelerator(void)
{
	return "";
}

const struct arch_parts *arch_parts(void)
{
	static const struct arch_parts parts = {1, 1, 0, 0};

	return &parts;
}

uint32_t arch_console_write(const uint8_t *data, uint32_t length)
{
	(void)data;
	fake_asked.written += length;
	return length;
}

uint32_t arch_console_read(uint8_t *data, uint32_t size)
{
	(void)data;
	(void)size;
	return 0;
}

/* It has become larger. */
enum status arch_block_grow(uint64_t *sectors)
{
	*sectors += STORE_GROW_MIN;
	return STATUS_OK;
}

static void __attribute__((noreturn)) not_answered(void)
{
	task_request(cpu_this()->running);
	cpu_this()->running = NULL;
	kernel_leave();
}

void arch_power_off(void)
{
	fake_asked.stops++;
	not_answered();
}

void arch_reboot(void)
{
	arch_power_off();
}

uint64_t memory_boot_bytes(void)
{
	return 0;
}

/* ---- the rest of the kernel ------------------------------------------------------------- */

enum status console_claim(const struct disk_machine *machine)
{
	(void)machine;
	return STATUS_OK;
}

void console_told(const struct disk_machine *machine)
{
	(void)machine;
}

bool console_holds_output(void)
{
	return false;
}

void resume_again(void)
{
	fake_asked.resumes++;
}

void checkpoint_request(const struct store_commit_request *commit, enum checkpoint_end end,
			uint64_t deadline_ns)
{
	fake_asked.commits++;
	fake_asked.commit = *commit;
	fake_asked.end = end;
	fake_asked.deadline_ns = deadline_ns;
	not_answered();
}

struct checkpoint_figures checkpoint_figures(void)
{
	return (struct checkpoint_figures){0};
}

struct checkpoint_unsaved checkpoint_unsaved(void)
{
	return (struct checkpoint_unsaved){0};
}

/* ---- the store -------------------------------------------------------------------------- */

enum status store_health(const struct store *store)
{
	(void)store;
	return STATUS_OK;
}

void store_statistics_get(const struct store *store, struct store_statistics *statistics)
{
	(void)store;
	memset(statistics, 0, sizeof(*statistics));
}

void store_details_get(const struct store *store, struct store_details *details)
{
	(void)store;
	memset(details, 0, sizeof(*details));
}

enum status store_snapshot_next(struct store *store, snapshot_t after,
				struct store_snapshot *snapshot)
{
	(void)store;
	if (after.n >= FAKE_SNAPSHOT)
		return STATUS_NOT_FOUND;
	*snapshot = (struct store_snapshot){.number = {FAKE_SNAPSHOT}, .name = "fake"};
	return STATUS_OK;
}

enum status store_snapshot_find(struct store *store, const char *name,
				struct store_snapshot *snapshot)
{
	store_snapshot_next(store, (snapshot_t){0}, snapshot);
	return strcmp(name, snapshot->name) ? STATUS_NOT_FOUND : STATUS_OK;
}

/* It holds what there is now. */
enum status store_view_open(struct store *store, snapshot_t number, struct store_view *view)
{
	(void)store;
	memset(view, 0, sizeof(*view));
	return number.n == FAKE_SNAPSHOT ? STATUS_OK : STATUS_NOT_FOUND;
}

void store_scrub_begin(struct store *store, struct store_scrub *scrub)
{
	(void)store;
	memset(scrub, 0, sizeof(*scrub));
}

enum status store_scrub_step(struct store *store, struct store_scrub *scrub,
			     struct store_damage *damage)
{
	(void)store;
	(void)scrub;
	(void)damage;
	return STATUS_OK;
}
