/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - what the parts of the portable kernel share.
 *
 *   main.c        boot order; warm restart after a restore
 *   options.c     the command line                       loader.c   a program's pages
 *   memory.c      memory at boot, frames                 task.c     tasks, who gets one
 *   mapping.c     page tables, who maps what             share.c    run queues, whose turn it is
 *   loop.c        the way back to user mode              trap.c     the way in
 *   park.c        a machine waits, for the disk too      wait.c     who waits for what
 *   fault.c       page faults, keepers                   print.c    lines and the log
 *   syscall.c     the five entries                       deliver.c  messages into machines
 *   bond.c        who receives from a port
 *   service*.c    kernel objects answer messages
 *   checkpoint.c  when to commit                         request.c  who waits for it
 *   time.c        clock and deadlines
 *   resume.c      from a generation to running machines  tell.c     who is told of it
 *   essential.c   who runs on when the store is full
 *   safe.c        which machines may run in safe mode
 *   console*.c    the kernel's own console; restart.c makes the shell anew
 */
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H

#include <stdbool.h>
#include <stdint.h>
#include "disk/object.h"
#include "base/status.h"
#include "kernel/abi.h"
#include "kernel/arch.h"
#include "kernel/limits.h"
#include "kernel/task.h"
#include "objects/objects.h"
#include "store/store.h"

struct kernel {
	struct space space;
	struct failing *failing; /* of the step of kernel work under way, null: none */
	struct block_device *device;
	struct store_recovery recovery;
	struct arch_boot boot;
	uint64_t uptime_base_ns; /* persistent uptime = this + arch_time_ns() */
	uint64_t resumed_ns;	 /* arch_time_ns at resume */
	uint64_t entry_ns;	 /* arch_time_ns of the kernel's entry or the restore */
	uint64_t resume_us; /* from kernel entry to the first machine, without a person's time */
	uint64_t epoch;	    /* of devices: counts resumes, persistent */
	enum abi_resume reason;
	uint64_t interval_ns; /* between checkpoints, 0: only on request */
	uint32_t staging_bytes;
	bool verbose;
	bool warm;	    /* resumed by a restore, not by a boot */
	bool first_machine; /* the first machine has been entered */
	bool hold;	    /* nothing runs but the kernel's console */
	bool choose;	    /* which begins with the choice of a generation */
	bool safe;	    /* none of the machines there were runs but the shell: safe.c */
	/* Since a machine first ran: the longest that it has taken the kernel to look again at
	 * whose turn it is, which is how long the machine of highest priority may have waited;
	 * and what it was about meanwhile, see kernel_stretch. */
	uint64_t longest_ns, longest_of;
};
extern struct kernel kernel;

/* A stretch begins at this time in which the kernel does not look whose turn it is; what it is
 * about, if it is said: an operation's label or EVENT_FAULT. */
void kernel_stretch(uint64_t now_ns);
void kernel_stretch_of(uint64_t of);

/* A status for a wait on a channel of the kernel's own (limits.h). */
static inline enum status kernel_wait(uint32_t channel)
{
	return store_wait_for(kernel.space.store, (store_channel_t){channel});
}

static inline uint32_t kernel_port_channel(object_t port)
{
	return CHANNEL_PORT + port.n;
}

/* ---- main.c, resume.c --------------------------------------------------------- */

/* Mounts the store, makes the machines that may be ready run, enters the loop. */
void kernel_resume(const struct store_config *config) __attribute__((noreturn));
/* Devices are reset, everything volatile is forgotten, then kernel_resume. */
void kernel_warm_restart(void) __attribute__((noreturn));
/* Looks on through the may-be-ready bitmap; false when it has been seen whole. */
bool resume_step(void);
void resume_reset(void);
/* The host of this virtual machine has moved it in time: programs are told as after a
 * resume, with this reason, and terminals are started anew. */
void resume_moved(enum abi_resume reason, uint64_t away_ns);
/* It looks through all of it once more. */
void resume_again(void);
/* Is it still looking? */
bool resume_looks(void);

/* ---- tell.c ---------------------------------------------------------------------- */

/* The messages of a resume, after so much time, are to go out; one step of that. */
void tell_all(uint64_t away_ns);
bool tell_step(void);

/* ---- safe.c ------------------------------------------------------------------- */

/* After a boot with `safe`: may the machine of this version not run? */
bool safe_holds(uint64_t version);
/* It may, from now on.  LIMIT. */
enum status safe_admit(uint64_t version);
/* Before any machine runs: the shell and its keeper are admitted.  WAIT, IO: once more. */
enum status safe_begin(void);

/* ---- loop.c -------------------------------------------------------------------- */

/* Back to user mode: to the machine that should run next. */
void kernel_leave(void) __attribute__((noreturn));
/* A machine whose persistent state is READY may run; finds or makes its task. */
void kernel_make_ready(object_t machine, const struct disk_machine *data);
/* Saves the FPU registers if they are newer than the machine page. */
void kernel_fpu_save(void);

/* ---- park.c -------------------------------------------------------------------- */

/* Ends the running machine's trap: its call or fault is executed anew when the
 * last WAIT is over, or at wake_ns. */
void kernel_park(uint64_t wake_ns) __attribute__((noreturn));
/* The same while the store is full, or after STATUS_IO: until a while has passed. */
void kernel_park_for_space(void) __attribute__((noreturn));
void kernel_park_for_disk(enum task_reading reading) __attribute__((noreturn));
/* After STATUS_IO: has what the running machine does, or the kernel work under way, waited
 * for long enough?  Then it goes on without what it cannot read. */
bool kernel_read_given_up(void);
/* A step that ended so is to be tried again: what it lacks may come (WAIT, NO_SPACE, and IO
 * that is not given up).  Any other status is its outcome, which trying again does not change;
 * where others' trouble is passed over, it counts as nothing. */
bool kernel_tries_again(enum status status);
/* A step of kernel work, of which `failing` says how long it fails, and its outcome.  True:
 * it waits; after IO it is to be tried again after a pause. */
void kernel_work_begin(struct failing *failing);
bool kernel_work_end(enum status status);

/* ---- essential.c ----------------------------------------------------------------- */

bool essential_machine(const struct task *task);
/* The system page names others, or what one of them owns has changed. */
void essential_changed(void);
/* The machine has ended, or is about to be changed: its keeper, what is attached to it. */
void essential_examine(object_t object, uint64_t version);
/* Tells the store of their pages, then reads them in.  True: call again. */
bool essential_step(void);
void essential_reset(void);

/* ---- fault.c --------------------------------------------------------------------- */

void fault_page(const struct arch_trap_info *info) __attribute__((noreturn));
void fault_raise(enum machine_fault fault, uint64_t address, uint64_t code)
	__attribute__((noreturn));
/* The receiver of the machine's keeper port.  DEAD: there is none. */
enum status fault_keeper(const struct disk_machine *machine, struct disk_object *port,
			 object_t *keeper, uint64_t *version);

/* ---- time.c ----------------------------------------------------------------------- */

uint64_t time_uptime_ns(void);
/* Wakes machines whose deadline has passed; a bounded number a call.  True: call
 * again. */
bool time_step(void);
/* A deadline was inserted: the earliest may be earlier now. */
void time_deadline_added(uint64_t deadline_ns);
void time_reset(void);

/* ---- checkpoint.c ------------------------------------------------------------------ */

enum checkpoint_end { CHECKPOINT_ANSWER, CHECKPOINT_POWER_OFF, CHECKPOINT_REBOOT };

/* The running machine asks for a commit; it is answered through its registers.
 * Call with the call's registers still describing the call.  The commit's times
 * and counters are filled in.  From `deadline_ns` (persistent uptime, 0: none) on it is
 * not waited for. */
void checkpoint_request(const struct store_commit_request *commit, enum checkpoint_end end,
			uint64_t deadline_ns) __attribute__((noreturn));
/* The kernel's own console asks, and is told by console_answered.  False: not now. */
bool checkpoint_ask(const struct store_commit_request *commit, enum checkpoint_end end);
/* It does not want that any more, and is told so (TIMEOUT); nothing turns off.  False:
 * the commit is under way, and may still be made. */
bool checkpoint_withdraw(void);
/* Starts, follows and ends commits.  True: there is more to do at once. */
bool checkpoint_step(void);
void checkpoint_reset(void);
struct checkpoint_figures {
	uint64_t longest_freeze_ns, last_commit_ns;
};
struct checkpoint_figures checkpoint_figures(void);
/* Why nothing is being saved, and since when. */
struct checkpoint_unsaved {
	const char *why;	/* null: all is well */
	uint64_t since_wall_ns; /* the newest durable state is of then */
	uint32_t attempts;	/* that have failed in a row */
	uint64_t retry_ns;	/* until the next one */
};
struct checkpoint_unsaved checkpoint_unsaved(void);
/* Does the whole disk fail, as far as commits know? */
bool checkpoint_disk_fails(void);

/* ---- service.c, service_end.c ----------------------------------------------------- */

/* The objects being destroyed, one bounded step; true: more at once. */
bool service_destroy_step(void);
/* Is something still being taken apart, and its allowance on the way back? */
bool service_destroying(void);
void service_reset(void);
/* Notes the places of directories in a state of which they are not known. */
bool service_survey_step(void);

/* Lets a machine go on; a faulted one tries anew.  STOPPED: never started, or exited. */
enum status service_continue(object_t object);
/* Ends an object of any type, with all that depends on it. */
enum status service_destroy(object_t object, enum object_type type);
/* How far the list of what is to go is gone through; zeros: from its beginning. */
struct transient_walk {
	uint32_t at;
	enum status failed; /* what has kept one on it meanwhile */
	page_t page;	    /* after IO */
};

/* Destroys one of the objects that are noted to go (transient.c), in operations of its
 * own.  OK, WAIT: there may be more.  NOT_FOUND: that were all.  NO_SPACE, IO: but for
 * these, for which it begins anew later. */
enum status service_destroy_transient(struct transient_walk *walk);
/* Fills in what is known of a machine. */
enum status service_machine_info(struct space *space, object_t object,
				 struct abi_machine_info *info);

/* A line from the kernel into the system's log; its pages must be prepared. */
void service_log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
