/* SPDX-License-Identifier: MIT */
/*
 * main.c - the boot order.  Reading kernel_main is reading it.
 *
 * A warm restart, after a restore, forgets everything volatile and goes through
 * the same kernel_resume as every boot.
 */
#include "kernel/kernel.h"
#include "kernel/mapping.h"
#include "kernel/memory.h"
#include "kernel/options.h"
#include "kernel/print.h"
#include "base/assert.h"

struct kernel kernel;

static struct {
	struct store_config config;
	size_t store_bytes;
	struct task *tasks;
	uint32_t task_count;
} boot_memory;

static void boot_options(void)
{
	const char *line = kernel.boot.command_line;

	kernel.verbose = option_given(line, "verbose");
	kernel_panic_reboot = option_given(line, "panic=reboot");
	kernel_print_verbose(kernel.verbose);
	kernel.safe = option_given(line, "safe");
	kernel.choose = option_given(line, "choose");
	kernel.hold = kernel.choose || option_given(line, "console");
}

static void boot_check_memory(void)
{
	if (kernel.boot.memory_bytes >= KERNEL_MEMORY_MIN)
		return;
	kernel_print_loud(
		"perdure: not enough memory: the firmware reports %lu MiB, at least %lu MiB "
		"are needed (QEMU: -m 25M with a BIOS, -m 64M with UEFI firmware); nothing was "
		"touched, stopped",
		(unsigned long)(kernel.boot.memory_bytes >> 20),
		(unsigned long)(KERNEL_MEMORY_MIN >> 20));
	arch_halt();
}

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
	ASSERT(low <= high);
	return value < low ? low : value > high ? high : value;
}

/* All memory that is never given back; the rest becomes frames. */
static void boot_take_memory(void)
{
	struct store_limits *limits = &boot_memory.config.limits;
	uint64_t bytes = kernel.boot.memory_bytes;

	static_assert(KERNEL_STAGING_MIN % KERNEL_STAGING_UNIT == 0 &&
			      KERNEL_STAGING_MAX % KERNEL_STAGING_UNIT == 0,
		      "whole units, whatever the memory");
	static_assert(KERNEL_READ_REQUESTS + (unsigned)STORE_CHANNEL_FIXED <= STORE_CHANNELS_MAX,
		      "each read has a channel");
	limits->staging_bytes =
		(uint32_t)clamp(bytes / 64 / KERNEL_STAGING_UNIT * KERNEL_STAGING_UNIT,
				KERNEL_STAGING_MIN, KERNEL_STAGING_MAX);
	limits->read_requests = KERNEL_READ_REQUESTS;
	limits->system_pages_end = USER_ARENA_PAGE;
	boot_memory.task_count =
		(uint32_t)clamp(bytes / KERNEL_TASK_MEMORY, KERNEL_TASKS_MIN, KERNEL_TASKS_MAX);
	boot_memory.tasks = memory_boot_take(boot_memory.task_count * sizeof(struct task));
	mapping_init(boot_memory.task_count);
	limits->frames = (uint32_t)memory_frames();
	boot_memory.store_bytes = store_memory_size(limits);
	boot_memory.config.memory = memory_boot_take_dirty(boot_memory.store_bytes);
	boot_memory.config.frame_base = arch_direct(0);
	kernel.staging_bytes = limits->staging_bytes;
}

static void boot_find_store(void)
{
	if (arch_block_find(&kernel.device) == STATUS_OK) {
		boot_memory.config.device = kernel.device;
		boot_memory.config.discard = kernel.device->discards;
		return;
	}
	kernel_print_loud("perdure: no store to resume, see above; stopped");
	arch_halt();
}

void kernel_main(const struct arch_boot *boot)
{
	kernel.boot = *boot;
	kernel.entry_ns = boot->entry_time;
	boot_options();
	memory_init(boot);
	arch_init(boot, memory_boot_take);
	boot_check_memory();
	boot_take_memory();
	arch_tick_start();
	boot_find_store();
	mapping_reset();
	task_init(boot_memory.tasks, boot_memory.task_count);
	kernel_resume(&boot_memory.config);
}

void kernel_warm_restart(void)
{
	ASSERT(kernel.device && boot_memory.tasks); /* it has been booted */
	kernel.warm = true;
	kernel_print_serial(true); /* as at a boot, until the first machine runs */
	kernel.hold = false;
	kernel.choose = false;
	kernel.entry_ns = arch_time_ns();
	mapping_reset();
	arch_block_restart();
	boot_memory.config.discard = kernel.device->discards;
	task_init(boot_memory.tasks, boot_memory.task_count);
	kernel_resume(&boot_memory.config);
}
