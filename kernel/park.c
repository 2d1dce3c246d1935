/* SPDX-License-Identifier: MIT */
/*
 * park.c - the running machine waits: for a channel, for space, or for a page that the
 * disk does not give.
 *
 * An error of the disk may pass, so whatever a machine needs for what it does is asked for
 * anew after a pause, be it a page of its own or somebody else's.  What still fails after
 * KERNEL_READ_PATIENCE_NS is given up, with every page that it needs and does not get then:
 * two could keep it waiting in turns.  The time in which nothing can be saved either does
 * not count: then the disk is away, and that says nothing of the pages.
 */
#include "kernel/kernel.h"
#include "kernel/console.h"
#include "kernel/mapping.h"
#include "kernel/print.h"
#include "base/assert.h"

static_assert((unsigned)CHANNEL_CONSOLE_INPUT == STORE_CHANNELS_MAX, "behind those of the store");
static_assert(2 * KERNEL_SPACE_RETRY_NS < KERNEL_READ_PATIENCE_NS,
	      "tried again before it is given up");

void kernel_park(uint64_t wake_ns)
{
	struct cpu *cpu = cpu_this();
	struct task *task = cpu->running;
	uint32_t channel = store_channel(kernel.space.store).n;

	ASSERT(task && task->place == TASK_RUNNING);
	ASSERT(!kernel.failing); /* work that belongs to no machine does not end so */
	/* It is still its turn, if nobody else's has come; and before anybody waits for a frame
	 * page tables are given up. */
	if (channel == CHANNEL_TURN || (channel == STORE_CHANNEL_FRAMES && mapping_reclaim()))
		kernel_leave();
	cpu->running = NULL;
	task_wait(task, channel, wake_ns);
	kernel_leave();
}

static void __attribute__((noreturn)) park_pause(enum kernel_channel channel)
{
	kernel_wait(channel);
	kernel_park(time_uptime_ns() + KERNEL_SPACE_RETRY_NS);
}

void kernel_park_for_space(void)
{
	ASSERT(cpu_this()->running);
	console_full(cpu_this()->running->version);
	park_pause(CHANNEL_SPACE);
}

/* True: that is new. */
static bool read_failed(struct failing *failing)
{
	if (failing->since_ns)
		return false;
	*failing = (struct failing){time_uptime_ns(), kernel.space.failed};
	return true;
}

void kernel_work_begin(struct failing *failing)
{
	ASSERT(!kernel.failing);
	kernel.failing = failing;
	kernel.space.failed = (page_t){0};
}

bool kernel_work_end(enum status status)
{
	struct failing *failing = kernel.failing;
	bool waits = status == STATUS_WAIT;

	ASSERT(failing);
	if (status == STATUS_IO) {
		read_failed(failing);
		waits = !kernel_read_given_up();
	} else if (!waits && !kernel.space.failed.n) {
		failing->since_ns = 0;
	}
	kernel.failing = NULL;
	return waits;
}

bool kernel_read_given_up(void)
{
	struct task *task = cpu_this()->running;
	struct failing *failing = kernel.failing;

	if (!failing && task)
		failing = &task->failing;
	if (!failing || !failing->since_ns)
		return false;
	if (checkpoint_disk_fails())
		failing->since_ns = time_uptime_ns();
	return time_uptime_ns() - failing->since_ns >= KERNEL_READ_PATIENCE_NS;
}

bool kernel_tries_again(enum status status)
{
	return status == STATUS_WAIT || status == STATUS_NO_SPACE ||
	       (status == STATUS_IO && !kernel_read_given_up());
}

void kernel_park_for_disk(enum task_reading reading)
{
	struct task *task = cpu_this()->running;

	ASSERT(task && reading <= TASK_READS_CALL);
	/* That a page cannot be read is said once. */
	if (read_failed(&task->failing))
		kernel_print_loud(
			"perdure: machine %u waits for the page at address 0x%lx: %s; it is tried "
			"again",
			task->object.n, (unsigned long)(task->failing.page.n << PAGE_SHIFT),
			status_text(STATUS_IO));
	task->reading = (uint8_t)reading;
	park_pause(CHANNEL_DISK);
}
