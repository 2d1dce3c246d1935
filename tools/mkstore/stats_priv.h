/* SPDX-License-Identifier: MIT */
/*
 * stats_priv.h - shared by the stats*.c files and nobody else.
 */
#ifndef TOOLS_MKSTORE_STATS_PRIV_H
#define TOOLS_MKSTORE_STATS_PRIV_H

#include "tools/mkstore/show.h"
#include "tools/mkstore/survey.h"

/* ---- stats_layout.c: where things lie -------------------------------------------- */

struct stats_layout {
	uint64_t free_sectors;
	uint64_t free_blocks;	/* blocks without any used sector */
	uint64_t free_runs;	/* of such blocks, side by side */
	uint64_t largest_run;	/* blocks */
	uint64_t slack_sectors; /* free ones in blocks that are used in part */
	uint64_t data_extents;	/* of live pages */
	uint64_t data_runs;	/* in the order of pages, so many begin far from the last */
};

/* OK; NO_MEMORY, CORRUPT, IO: the free map could not be read to its end. */
enum status stats_layout(const struct survey *survey, struct stats_layout *layout);

/* ---- stats_objects.c: space by object -------------------------------------------- */

/* Shows the list of objects; the store is mounted. */
enum status stats_objects(struct survey *survey, struct host *host, struct show *show);

#endif
