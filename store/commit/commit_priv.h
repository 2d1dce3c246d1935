/* SPDX-License-Identifier: MIT */
/*
 * commit_priv.h - what the files of a commit share; included nowhere else.
 */
#ifndef STORE_COMMIT_COMMIT_PRIV_H
#define STORE_COMMIT_COMMIT_PRIV_H

#include "store/commit/commit.h"

/* ---- commit.c ---------------------------------------------------------------- */

void commit_wake(struct store *store);
/* Start the one request that a commit has beside its extents; the third answers OK
 * when it is over, WAIT or how it failed. */
void commit_io(struct store *store, enum block_operation operation, sector_t sector,
	       uint32_t sectors, void *data);
void commit_flush(struct store *store);
enum status commit_io_wait(struct store *store);

/* ---- abandon.c --------------------------------------------------------------- */

void abandon_begin(struct store *store);
bool abandon_step(struct store *store);
enum status strike_step(struct store *store, bool *done);
uint32_t commit_slot_next(struct store *store); /* of the ring */

/* ---- commit_space.c ---------------------------------------------------------- */

void commit_space_begin(struct store *store);
enum status commit_space_step(struct store *store, bool *done);

#endif
