/* SPDX-License-Identifier: MIT */
/*
 * scrub_priv.h - what the files of the scrub share; included nowhere else.
 */
#ifndef STORE_SCRUB_SCRUB_PRIV_H
#define STORE_SCRUB_SCRUB_PRIV_H

#include "store/map/map.h"
#include "store/scrub/scrub.h"

/* ---- scrub.c: what has been found ---------------------------------------------- */

/* Notes and counts it; answers `status`, which is IO or CORRUPT. */
enum status damage_tell(struct store_scrub *scrub, struct store_damage *damage, struct place place,
			const struct disk_reference *reference, enum status status);

/* ---- scrub_walk.c: the way through one tree ------------------------------------- */

struct walk {
	enum disk_tree tree;
	struct disk_root root;
	const struct overlay *overlay; /* pages that lie over the tree; may be empty */
	/* What was born no later than this has been seen: `limit`, but
	 * `limit_passed` for pages before `cursor`. */
	uint64_t limit, limit_passed, cursor;
	uint64_t begin; /* pages before are no longer part of the tree */
};

/* To the beginning of a tree. */
void walk_rewind(struct store_scrub *scrub);
/* One piece of a walk: OK, WAIT, or the damage that was told.  NOT_FOUND: the tree has
 * been walked. */
enum status walk_step(struct store *store, struct store_scrub *scrub, const struct walk *walk,
		      struct store_damage *damage);

#endif
