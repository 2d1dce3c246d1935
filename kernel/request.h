/* SPDX-License-Identifier: MIT */
/*
 * request.h - who waits for a commit, and what they are told: the list that checkpoint.c
 * keeps.
 */
#ifndef KERNEL_REQUEST_H
#define KERNEL_REQUEST_H

#include "kernel/kernel.h"

void requests_reset(void);
/* One more, of this machine or (null) of the kernel's own console.  False: not now. */
bool requests_add(const struct store_commit_request *commit, enum checkpoint_end end,
		  const struct task *task, uint64_t deadline_ns);
/* What the console has asked for is not wanted any more; see checkpoint_withdraw. */
bool requests_withdraw(void);
/* Does anybody wait for the next commit? */
bool requests_wait(void);
/* What the next commit shall do besides, for one of them, or null. */
const struct store_commit_request *requests_action(void);

/* Writes RESUMED into the registers of all whom the next commit answers; undo puts them
 * back. */
enum status requests_advance(generation_t generation, bool undo);
/* That commit has begun. */
void requests_go(void);
/* Or was refused before anything happened: only who asked for its action is told.  False:
 * nobody did. */
bool requests_refused(enum status status);

/* How it has ended. */
void requests_succeeded(generation_t generation, bool stopping);
void requests_failed(enum status outcome);
/* The registers of those whose commit failed describe their call again: it waits for the
 * next one.  True when some had to wait for their page. */
bool requests_take_back(void);
/* The store is never written: nothing can be committed, but power off and reboot work. */
void requests_refuse(enum status outcome);

/* Answers all that can be answered now, also for whom it is too late; true if there were any.
 * `failing`: commits do.  `committing`: the generation of the one in flight. */
bool requests_answer(bool failing, generation_t committing);

#endif
