/* SPDX-License-Identifier: MIT */
/*
 * progress.h - how far long work has come, on a terminal only.
 *
 * One line on the standard error, rewritten a few times a second and wiped
 * when the work is done.  Nothing is written when that is not a terminal.
 */
#ifndef TOOLS_MKSTORE_PROGRESS_H
#define TOOLS_MKSTORE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what; /* "writing" */
	bool shown;	  /* a line stands on the terminal */
	bool bytes;	  /* numbers are bytes */
	uint64_t next_ns; /* when to write again */
};

/* The first line appears after half a second of work. */
void progress_begin(struct progress *progress, const char *what, bool bytes);
/* total 0: not known. */
void progress_update(struct progress *progress, uint64_t done, uint64_t total);
/* Wipes the line, so that another can be printed; the next update shows it again. */
void progress_clear(struct progress *progress);
void progress_end(struct progress *progress);

/* Of a clock that nobody sets. */
uint64_t progress_now_ns(void);

#endif
