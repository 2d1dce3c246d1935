/* SPDX-License-Identifier: MIT */
/*
 * limits.h - every limit of the kernel, with its unit and its reason.
 */
#ifndef KERNEL_LIMITS_H
#define KERNEL_LIMITS_H

#include "disk/object.h"

/* Less memory than this cannot hold kernel, staging and a working set; bytes of
 * usable RAM that the firmware reports. */
#define KERNEL_MEMORY_MIN (UINT64_C(24) << 20)

/* Tasks: the volatile side of machines that run, wait or keep page tables.  One
 * for each 256 KiB of memory within these bounds; machines beyond that wait
 * for one in the may-be-ready bitmap. */
#define KERNEL_TASKS_MIN       64u
#define KERNEL_TASKS_MAX       8192u
#define KERNEL_TASK_MEMORY     (UINT64_C(256) << 10)
#define KERNEL_TASK_HASH_HEADS 1024u
#define KERNEL_WAIT_HASH_HEADS 1024u

/* Ranges that a machine maps something of, on average: notes of that are set aside for each
 * task, and a machine that needs more takes the tables of others. */
#define KERNEL_USES_TASK 8u
/* And at most of one root: what was noted longest ago is withdrawn for one more.  Of one range it
 * has so many at most, for so many places; so one that shows a page at many costs itself only. */
#define KERNEL_USES_ROOT   128u
#define KERNEL_USES_OWN	   32u /* but so many when there are no more: others have tables, too */
#define KERNEL_USES_PLACES 16u
/* Runs within a page that one call copies before others have their turn. */
#define KERNEL_COPY_PIECES 8u
/* Places from which one page, machines from which all of one range, is withdrawn one by one; where
 * there are more, all tables are given up.  A look for a page is four reads of memory.  Of ranges a
 * machine's end withdraws up to 24, so there are fewer looks for each. */
#define KERNEL_USERS_PAGE  512u
#define KERNEL_USERS_RANGE 256u
/* Roots that are given up, or looked through for what is seen through a view, one by one. */
#define KERNEL_ROOTS_RANGE 32u
/* And of which it is asked whether they have touched a page: for one frame that is wanted, many
 * pages may be asked for. */
#define KERNEL_USERS_ASKED 16u
/* Entries of tables that are looked at for what is to be withdrawn of a range: beyond that
 * whole roots are given up. */
#define KERNEL_UNMAP_LOOKS 1024u

/* Tasks that one choice of the next, or one look at the clock, moves to a run queue: what
 * was woken together is as many as somebody likes. */
#define KERNEL_WAKE_STEP 8u

/* Staging buffer of the store: 1/64 of memory within these bounds, bytes. */
#define KERNEL_STAGING_MIN   (256u << 10)
#define KERNEL_STAGING_MAX   (4u << 20)
#define KERNEL_STAGING_UNIT  (64u << 10)
#define KERNEL_READ_REQUESTS 16u

/* Frames given to the store before it is mounted, and then in one step of kernel
 * work: the first machine need not wait for all of memory. */
#define KERNEL_DONATE_FIRST 4096u
#define KERNEL_DONATE_STEP  256u

/* Callers that one commit can answer; one of them is the kernel's own console. */
#define KERNEL_REQUESTS_MAX 16u

/* Machines that are let go on one by one in safe mode; for more there is one word for
 * all.  Searched whenever a machine becomes ready. */
#define KERNEL_SAFE_ADMITTED 64u

/* Ticks a machine runs before another of its priority gets its turn. */
#define KERNEL_SLICE_TICKS 1u

/* Of each tick, the nanoseconds that checkpoint work may take while machines
 * want to run: its guaranteed share of the CPU. */
#define KERNEL_STORE_SHARE_NS 3000000u

/* How long a machine, or a step of kernel work, that cannot go on because the store
 * is full, or the disk fails, waits before it tries again.  Not until the next commit: each try can
 * cause one, so they would drive each other. */
#define KERNEL_SPACE_RETRY_NS UINT64_C(1000000000)

/* A commit that failed is tried again after the first pause, which doubles up to the
 * second; not while the disk has been silent for so long. */
#define KERNEL_RETRY_NS	    UINT64_C(1000000000)
#define KERNEL_RETRY_MAX_NS UINT64_C(30000000000)
#define KERNEL_SILENCE_NS   UINT64_C(1000000000)
/* A commit without any answer from the disk for so long is given up when it keeps
 * machines from writing. */
#define KERNEL_STALL_NS UINT64_C(5000000000)

/* A page that the disk fails to give is asked for anew after the pause above.  If it
 * alone fails for so long, a keeper is told, a reply is given up, a call is answered. */
#define KERNEL_READ_PATIENCE_NS UINT64_C(10000000000)

/* Callers that a machine which exits answers before others run. */
#define KERNEL_EXIT_ANSWERS 4u

/* Messages the keeper or a service can leave in one go: bytes of one log line
 * that the kernel writes itself. */
#define KERNEL_LOG_LINE 200u

/* Wait channels: the store's, then these. */
enum kernel_channel {
	CHANNEL_CONSOLE_INPUT = 64, /* = STORE_CHANNELS_MAX */
	CHANNEL_CONSOLE_OUTPUT,
	CHANNEL_LOG,	 /* something was written to the log */
	CHANNEL_DESTROY, /* an object has been taken apart */
	CHANNEL_SURVEY,	 /* places of directories, or ranges, are known */
	CHANNEL_SPACE,	 /* the store is full: woken by time only */
	CHANNEL_DISK,	 /* a page cannot be read: woken by time only */
	CHANNEL_TURN,	 /* nothing: what takes long goes on at once, unless it is another's turn */
	CHANNEL_PORT,	 /* a queue has room again: this + the port's object */
	CHANNELS = CHANNEL_PORT + OBJECT_MAX,
};

#endif
