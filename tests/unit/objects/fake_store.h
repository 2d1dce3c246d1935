/* SPDX-License-Identifier: MIT */
/*
 * fake_store.h - a store in memory that is strict about prepare and commit.
 *
 * It gives a page to a commit phase only if the operation has obtained it, for
 * writing only if it was obtained for writing, and notices when a page changes
 * that was only read.  Any call can be made to fail, so that every position of
 * every prepare is tried.
 */
#ifndef TESTS_UNIT_OBJECTS_FAKE_STORE_H
#define TESTS_UNIT_OBJECTS_FAKE_STORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "objects/objects.h"
#include "objects/objects_priv.h"
#include "tests/unit/objects/run.h"

/* An empty store; everything older is forgotten. */
struct space fake_space_new(void);
/* The same, formatted. */
struct space fake_space_formatted(uint64_t bank_limit_pages);
/* store_operation_begin, after a check that the last operation kept the rules. */
void fake_begin(void);

/* The nth store call from now on (from 1) answers `status` once; 0: none. */
void fake_fail(uint32_t nth, enum status status);
bool fake_failed(void);

/* From now on this page cannot be read, an error of the disk; 0: all can. */
void fake_unread(uint64_t page);

/* From now on all pages under the same node cannot be read; 0: all
 * can.  Each operation but the one that was told waits for a read of the node first. */
void fake_unread_node(uint64_t page);

/* From now on no node of the map leads to this page and the others under the same
 * node; 0: all do. */
void fake_damage(uint64_t page);

/* Remembers all pages / are they as remembered (absent equals zeros)? / puts them
 * back. */
void fake_save(void);
bool fake_unchanged(void);
void fake_restore(void);

/* After a test has written into pages itself: a new operation starts from them. */
void fake_adopt(void);

/* Existing pages in [first, end); pages obtained for writing in this operation;
 * a page's bytes, for tests that damage them (null: absent). */
uint64_t fake_pages(uint64_t first, uint64_t end);
uint64_t fake_written(void);
uint8_t *fake_page(uint64_t page);
/* The nth existing page, in no order; null past the last. */
uint8_t *fake_page_nth(uint64_t nth, uint64_t *page);

/* Runs `call` with a failure at every position: each time the failure must come
 * back and nothing may have changed.  The last run is undisturbed; its status. */
enum status fake_try_all(enum status (*call)(struct space *space, void *context),
			 struct space *space, void *context);
/* The same for a call that may also live with what cannot be read. */
enum status fake_try_survivor(enum status (*call)(struct space *space, void *context),
			      struct space *space, void *context);

/* Repeatable random numbers. */
uint64_t fake_random(uint64_t *state);

/* Pages of the tree arena that are in trees. */
uint64_t fake_tree_pages(void);
/* Pages charged to the root bank. */
uint64_t fake_bank_pages(struct space *space);
/* What each bank counts is the sum over the objects that it pays for, living or dying, and it
 * lists those that live; ranges are aligned, inside their arena, and do not overlap. */
void fake_invariants(struct space *space);

/* object_destroy and object_destroy_step, for whom it does not matter what ended. */
enum status fake_destroy(struct space *space, object_t object);
enum status fake_destroy_step(struct space *space, bool *more);
/* Destroys step by step until nothing is dying. */
void fake_reclaim(struct space *space);

#endif
