/* SPDX-License-Identifier: MIT */
/*
 * progress.c - see progress.h.
 */
#include "tools/mkstore/progress.h"
#include "base/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "tools/mkstore/text.h"

#define PROGRESS_FIRST_NS UINT64_C(500000000)
#define PROGRESS_EVERY_NS UINT64_C(200000000)

uint64_t progress_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void progress_begin(struct progress *progress, const char *what, bool bytes)
{
	*progress = (struct progress){.what = what, .bytes = bytes, .next_ns = UINT64_MAX};
	if (isatty(STDERR_FILENO))
		progress->next_ns = progress_now_ns() + PROGRESS_FIRST_NS;
}

void progress_update(struct progress *progress, uint64_t done, uint64_t total)
{
	char text[TEXT_SIZE];
	uint64_t now;

	ASSERT(progress->what); /* it was begun */
	if (progress->next_ns == UINT64_MAX)
		return;
	now = progress_now_ns();
	if (now < progress->next_ns)
		return;
	progress->next_ns = now + PROGRESS_EVERY_NS;
	progress->shown = true;
	if (progress->bytes)
		text_size(text, done);
	else
		snprintf(text, sizeof(text), "%" PRIu64, done);
	fprintf(stderr, "\r\033[K%s: %s", progress->what, text);
	if (total > 0) {
		/* done may pass a total that was only an estimate. */
		uint64_t percent = done >= total ? 100 : (uint64_t)((double)done * 100 / total);
		fprintf(stderr, ", %" PRIu64 " %%", percent);
	}
	fflush(stderr);
}

void progress_clear(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = false;
}

void progress_end(struct progress *progress)
{
	progress_clear(progress);
	progress->next_ns = UINT64_MAX;
}
