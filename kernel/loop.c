/* SPDX-License-Identifier: MIT */
/*
 * loop.c - the way back to user mode.
 *
 * kernel_leave is where every trap ends and where an idle CPU stays.  Each round
 * looks at what happened (device completions, ticks, deadlines), does bounded
 * kernel work, and enters the machine that should run.  Kernel work has a
 * guaranteed share of the CPU while machines want to run, and all of it when
 * none does.
 */
#include "kernel/kernel.h"
#include "kernel/console.h"
#include "kernel/mapping.h"
#include "kernel/memory.h"
#include "kernel/print.h"
#include "kernel/syscall.h"
#include "base/assert.h"

static_assert(KERNEL_STORE_SHARE_NS < 1000000000 / ARCH_TICK_HZ, "machines run in each tick");

static struct {
	uint64_t store_budget_ns; /* left of this tick's share */
	uint64_t aside_ns;	  /* since the last trap, for no machine: kernel work, and idle */
	bool more;		  /* there was more work after the last round, */
	bool owed;		  /* and of the last tick's share not all was taken */
	bool waking;		  /* there may be more whose wake time has come */
	uint8_t priority;	  /* of the machine that was entered last */
	uint64_t weights;	  /* changes of weights that count already (struct space) */
	uint64_t stretch_ns;	  /* since when it has not looked whose turn it is, */
	uint64_t stretch_of;	  /* and about what it is */
} loop;

void kernel_stretch(uint64_t now_ns)
{
	loop.stretch_ns = now_ns;
	loop.stretch_of = 0;
}

void kernel_stretch_of(uint64_t of)
{
	loop.stretch_of = of;
}

/* It looks now, or lets a machine run. */
static void loop_look(uint64_t now)
{
	uint64_t took = now - loop.stretch_ns;

	if (took > kernel.longest_ns && kernel.first_machine) {
		kernel.longest_ns = took;
		kernel.longest_of = loop.stretch_of;
	}
	kernel_stretch(now);
}

void kernel_fpu_save(void)
{
	struct cpu *cpu = cpu_this();

	ASSERT(!cpu->fpu_live || (cpu->fpu && cpu->fpu_image));
	/* The machine page is where it was, and writable: it has been dirty since the
	 * machine was entered, and every freeze saves first. */
	if (cpu->fpu_live)
		arch_fpu_save(cpu->fpu_image);
	cpu->fpu_live = false;
}

void kernel_make_ready(object_t machine, const struct disk_machine *data)
{
	struct task *task;

	ASSERT(data->object == machine.n);
	if (data->state != MACHINE_READY || data->stopped || kernel.hold ||
	    safe_holds(data->version))
		return;
	task = task_get(machine, data->version, data->priority);
	if (task && task->place == TASK_IDLE)
		task_queue(task);
}

/* Whether the host has moved this machine in time. */
static void loop_moved(void)
{
	uint64_t away_ns;
	enum arch_moved moved = arch_moved(&away_ns);

	if (moved != ARCH_MOVED_NOT)
		resume_moved(moved == ARCH_MOVED_COPY ? RESUME_COPY : RESUME_MOVED, away_ns);
}

/* What interrupt handlers have noted. */
static void loop_events(void)
{
	uint32_t events = arch_events_take();
	struct cpu *cpu = cpu_this();

	loop_look(arch_time_ns());
	kernel.device->operations->poll(kernel.device, false);
	if (events & ARCH_EVENT_CONSOLE_ATTENTION)
		console_asked();
	if (events & ARCH_EVENT_CONSOLE_INPUT) {
		task_wake_channel(CHANNEL_CONSOLE_INPUT);
		console_typed();
	}
	if (events & ARCH_EVENT_CONSOLE_OUTPUT)
		task_wake_channel(CHANNEL_CONSOLE_OUTPUT);
	if (events & ARCH_EVENT_TICK || loop.waking)
		loop.waking = task_wake_timed(time_uptime_ns());
	if (!(events & ARCH_EVENT_TICK))
		return;
	loop_moved();
	loop.owed = loop.more && loop.store_budget_ns;
	loop.store_budget_ns = KERNEL_STORE_SHARE_NS;
	task_tick();
	if (cpu->running && cpu->running->slice)
		cpu->running->slice--;
}

/* A weight that has changed counts from now on, not only when somebody is entered again. */
static void loop_weights(void)
{
	const struct space *space = &kernel.space;

	if (space->weights - loop.weights > SPACE_WEIGHED)
		loop.weights = space->weights - SPACE_WEIGHED;
	for (; loop.weights != space->weights; loop.weights++)
		task_bank_weighs(space->weighed[loop.weights % SPACE_WEIGHED].version,
				 space->weighed[loop.weights % SPACE_WEIGHED].own);
}

/* One round of kernel work that needs no machine; true: more at once. */
static bool loop_work(void)
{
	bool more = store_step(kernel.space.store);

	more |= checkpoint_step();
	more |= console_step();
	more |= service_destroy_step();
	loop_weights();
	more |= mapping_step();
	if (kernel.hold)
		return more;
	more |= service_survey_step();
	more |= time_step();
	more |= resume_step();
	more |= essential_step();
	/* Only once a machine runs: the first touch of memory takes time. */
	if (kernel.first_machine)
		more |= memory_donate(kernel.space.store, KERNEL_DONATE_STEP);
	return more;
}

/* Kernel work within its share before the next machine is entered, or a step of it if there is
 * none.  Between two steps one above that may become ready: the rest of the share is for
 * later, but not for a later tick.  False: nothing left that could be done now. */
static bool loop_share(const struct task *next)
{
	int priority = next ? next->priority : -1;

	for (;;) {
		uint64_t start = arch_time_ns(), spent;

		loop.more = loop_work();
		spent = arch_time_ns() - start;
		loop.aside_ns += spent;
		loop.store_budget_ns -= spent < loop.store_budget_ns ? spent : loop.store_budget_ns;
		loop.owed &= loop.more && loop.store_budget_ns;
		ASSERT(!kernel.failing); /* each step has ended its own */
		if (!loop.more || !next || !loop.store_budget_ns)
			break;
		loop_events();
		if (task_queued_above(priority) && !loop.owed)
			break;
	}
	return loop.more;
}

/* Whose turn is it?  The running task stays unless its slice is used up and an
 * equal waits, or somebody is above it. */
static struct task *loop_choose(void)
{
	struct cpu *cpu = cpu_this();
	struct task *task = cpu->running;

	loop_weights();
	if (task && (task_queued_above(task->priority) ||
		     (!task->slice && task_queued_at(task->priority)))) {
		task_queue(task);
		cpu->running = NULL;
	}
	if (!cpu->running)
		cpu->running = task_next();
	if (cpu->running && !cpu->running->slice)
		cpu->running->slice = KERNEL_SLICE_TICKS;
	ASSERT(!cpu->running || cpu->running->place == TASK_RUNNING);
	return cpu->running;
}

/* The one line that says what this boot has done. */
static void loop_first_machine(void)
{
	/* The last two: the host has moved this machine while a person was at the console. */
	static const char *const reasons[] = {"fresh",	  "clean", "power cut",
					      "restored", "moved", "copy"};

	static_assert(sizeof(reasons) / sizeof(reasons[0]) == RESUME_COPY + 1, "one for each");
	ASSERT(!kernel.first_machine && kernel.reason < sizeof(reasons) / sizeof(reasons[0]));
	kernel.first_machine = true;
	kernel_stretch(arch_time_ns());
	kernel.resume_us = (arch_time_ns() - kernel.entry_ns - console_waited_ns()) / 1000;
	kernel_print_loud("perdure: generation %lu resumed in %lu ms (%s)",
			  (unsigned long)kernel.recovery.generation.n,
			  (unsigned long)((kernel.resume_us + 999) / 1000), reasons[kernel.reason]);
	if (kernel.safe)
		kernel_print_loud(
			"perdure: safe mode: nothing runs but the shell; `continue` there lets "
			"all go on, `continue MACHINE` one");
	kernel_print_serial(kernel.verbose);
	if (kernel.device->read_only)
		kernel_print_loud("perdure: the disk can only be read: all runs in memory, and "
				  "nothing of it will be kept");
}

/* On a full store whoever is not essential could use up what the others need. */
static enum status loop_may_run(const struct task *task)
{
	return essential_machine(task) ? STATUS_OK : store_space_check(kernel.space.store);
}

/* On whose share the machine runs, if that was not known or weights have changed since.  False: it
 * is another one, which may have to wait for its turn.  What must be read for that holds up
 * nobody who has a share, nor who is to go on without a disk. */
static bool loop_weighed(struct task *task)
{
	uint64_t weights = kernel.space.weights + 1, bank;
	uint32_t weight;

	if (task->weighed == weights)
		return true;
	if (bank_share(&kernel.space, task->object, &bank, &weight) == STATUS_WAIT) {
		if (task->share->unknown && !essential_machine(task))
			kernel_park(0);
		return true;
	}
	task->weighed = weights;
	return !task_weigh(task, bank, weight);
}

/* What the processor did since the trap was for the machine that ran before, but for what it did
 * for nobody. */
static void loop_charge_before(struct cpu *cpu)
{
	uint64_t now_ns = arch_time_ns();

	loop_look(now_ns);
	task_used(now_ns - cpu->left_ns - loop.aside_ns);
	cpu->left_ns = now_ns;
	loop.aside_ns = 0;
}

static void loop_charge(struct cpu *cpu, const struct task *task)
{
	loop_charge_before(cpu);
	cpu->entered_ns = cpu->left_ns;
	task_entered(task);
	loop.priority = task->priority;
}

/* Everything the machine needs to run, then into user mode.  Returns if it has to
 * wait or does not run after all. */
static void loop_enter(struct task *task)
{
	struct cpu *cpu = cpu_this();
	uint64_t generation = store_generation(kernel.space.store).n;
	struct disk_machine *machine;
	enum status status;

	ASSERT(task->place == TASK_RUNNING && task == cpu->running);
	store_operation_begin(kernel.space.store);
	status = loop_may_run(task);
	if (status == STATUS_OK)
		status = machine_prepare(&kernel.space, task->object, &machine);
	if (status == STATUS_WAIT)
		kernel_park(0);
	if (status == STATUS_NO_SPACE)
		kernel_park_for_space();
	if (status == STATUS_IO)
		kernel_park_for_disk(TASK_READS_OWN);
	if (status != STATUS_OK || machine->version != task->version ||
	    machine->state != MACHINE_READY || machine->stopped) {
		if (status != STATUS_OK && status != STATUS_DEAD)
			kernel_print_loud("perdure: machine %u cannot run: %s", task->object.n,
					  status_text(status));
		console_stuck(task->version, status);
		cpu->running = NULL;
		task_idle(task);
		return;
	}
	task_has_read(task, TASK_READS_OWN);
	if (!loop_weighed(task)) {
		cpu->running = NULL;
		task_queue(task);
		return;
	}
	if (!mapping_root_ensure(task)) {
		kernel_wait(STORE_CHANNEL_FRAMES);
		kernel_park(0);
	}
	if (task->root_generation != generation) {
		arch_root_protect(task->root);
		task->root_generation = generation;
	}
	if (cpu->fpu != task) {
		kernel_fpu_save();
		arch_fpu_load(machine->fpu);
		cpu->fpu = task;
	}
	ASSERT(machine->object == task->object.n && task->root);
	ASSERT(!kernel.hold && !kernel.failing);
	cpu->fpu_live = true;
	cpu->fpu_image = machine->fpu;
	if (!kernel.first_machine)
		loop_first_machine();
	loop_charge(cpu, task);
	arch_user_enter(&machine->registers, task->root, machine->fs_base, machine->gs_base);
}

static void __attribute__((noreturn)) loop_run(void)
{
	struct cpu *cpu = cpu_this();

	for (;;) {
		struct task *task;
		bool came, more = false;

		loop_events();
		/* Who is above the one that ran last does not wait for the kernel's share, unless
		 * that is owed from the last tick. */
		came = task_queued_above(loop.priority) && !loop.owed;
		task = loop_choose();
		if (!task || (loop.store_budget_ns && !came))
			more = loop_share(task);
		task = loop_choose();
		if (task) {
			loop_enter(task);
			continue;
		}
		if (!more) {
			loop_charge_before(cpu);
			task_idles();
			arch_idle();
			kernel_stretch(arch_time_ns());
			cpu->idle_ns += loop.stretch_ns - cpu->left_ns;
		}
	}
}

/* Always at the top of the stack, so that a wait within the loop does not nest. */
void kernel_leave(void)
{
	ASSERT(!kernel.failing); /* what the kernel did for itself has ended */
	if (cpu_this()->running)
		task_trap_ended(cpu_this()->running);
	arch_stack_reset(loop_run);
}
