/* SPDX-License-Identifier: MIT */
/*
 * park.c - the running machine waits: for a channel, for space, or for a page that the
 * disk does not give.
 *
 * An error of the disk may pass, so whatever a machine needs for what it does is asked for
 * anew after a pause, be it a page of its own or somebody else's.  It is given up only if
 * this one page fails for KERNEL_READ_PATIENCE_NS, not counting the time in which nothing
 * can be saved either: then the disk is away, and says nothing of the page.
 */
#include "kernel/kernel.h"
#include "kernel/console.h"
#include "kernel/memory.h"
#include "kernel/print.h"

void kernel_park(uint64_t wake_ns)
{
	struct cpu *cpu = cpu_this();
	struct task *task = cpu->running;

	cpu->running = NULL;
	/* Memory: give up page tables before anybody waits for a frame. */
	if (kernel.space.channel.n == STORE_CHANNEL_FRAMES && memory_tables_reclaim())
		task_queue(task);
	else
		task_wait(task, kernel.space.channel.n, wake_ns);
	kernel_leave();
}

void kernel_park_for_space(void)
{
	console_full(cpu_this()->running->version);
	kernel.space.channel = (store_channel_t){CHANNEL_SPACE};
	kernel_park(time_uptime_ns() + KERNEL_SPACE_RETRY_NS);
}

bool kernel_read_failed(struct failing *failing)
{
	page_t page = kernel.space.failed;

	if (failing->since_ns && failing->page.n == page.n)
		return false;
	*failing = (struct failing){time_uptime_ns(), page};
	return true;
}

bool kernel_read_given_up(void)
{
	struct task *task = cpu_this()->running;
	struct failing *failing = kernel.failing;

	if (!failing && task)
		failing = &task->failing;
	if (!failing || !failing->since_ns || failing->page.n != kernel.space.failed.n)
		return false;
	if (checkpoint_disk_fails())
		failing->since_ns = time_uptime_ns();
	return time_uptime_ns() - failing->since_ns >= KERNEL_READ_PATIENCE_NS;
}

void kernel_park_for_disk(enum task_reading reading)
{
	struct task *task = cpu_this()->running;

	/* That a page cannot be read is said once. */
	if (kernel_read_failed(&task->failing))
		kernel_print_loud(
			"perdure: machine %u waits for the page at address 0x%lx: %s; it is tried "
			"again",
			task->object.n, (unsigned long)(task->failing.page.n << PAGE_SHIFT),
			status_text(STATUS_IO));
	task->reading = (uint8_t)reading;
	kernel_park_for_space();
}
