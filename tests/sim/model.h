/* SPDX-License-Identifier: MIT */
/*
 * model.h - what a store ought to hold, as plainly as it can be said.
 *
 * A model knows a small universe of pages.  The content of a page is a number,
 * from which its 4096 bytes follow; 0 stands for a page that does not exist.
 * A state is one generation: the content of every page and of every page of
 * every snapshot.  The states kept are the last acknowledged one, those which a
 * commit in flight may leave behind, and those of commits that failed since: after a
 * power cut one of them may turn out to be there.
 */
#ifndef TESTS_SIM_MODEL_H
#define TESTS_SIM_MODEL_H

#include "disk/format.h"
#include "base/types.h"
#include "store/store.h"
#include "tests/sim/sim.h"

#define MODEL_PAGES	512u
#define MODEL_SNAPSHOTS 1100u
#define MODEL_PAST	12u /* one misdirected write destroys several records */
#define MODEL_FAILED	40u /* commits in a row, the newest of them */
#define CONTENT_ABSENT	0u
#define CONTENT_ZERO	1u

struct model_snapshot {
	char name[DISK_SNAPSHOT_NAME];
	const uint32_t *content; /* of every page of the universe; the model's, never changed */
};

struct model_state {
	generation_t generation;
	enum store_stop stop; /* how the system had stopped, if it resumes from this */
	uint32_t content[MODEL_PAGES];
	uint64_t sectors; /* size of the store */
	struct disk_retention retention;
	uint32_t snapshots;				 /* those with a name that are not dying */
	struct model_snapshot snapshot[MODEL_SNAPSHOTS]; /* last: only what is used is copied */
};

struct model {
	uint64_t seed;
	uint32_t pages;		    /* of the universe */
	uint64_t page[MODEL_PAGES]; /* their numbers, ascending */
	uint32_t working[MODEL_PAGES];
	uint32_t contents; /* numbers given out */
	uint32_t room;
	uint64_t *hash;	  /* of each content */
	uint32_t **table; /* the contents of snapshots */
	uint32_t tables, table_room;
	/* Acknowledged before `durable`, the newest first; for disks that lie. */
	struct model_state past[MODEL_PAST];
	struct model_state durable;
	struct model_state flight[2]; /* a restore has two commits */
	uint32_t flights;
	struct model_state *failed; /* MODEL_FAILED since `durable`, a ring; null: none yet */
	uint32_t failures;
	uint32_t **frozen; /* content of each generation: automatic snapshots have it */
	uint64_t frozen_room;
	uint64_t rewritten; /* times that one of these has changed */
};

/* How the universe's pages lie in the address space. */
enum model_shape {
	MODEL_LOW,
	MODEL_DENSE,
	MODEL_CLUSTERS,
	MODEL_SPARSE,
	MODEL_SHAPES,
	MODEL_DEEP = MODEL_SHAPES /* the tallest trees there can be */
};

void model_create(struct model *model, uint64_t seed, uint32_t pages, enum model_shape shape);
void model_free(struct model *model);
/* The same knowledge, to go on from differently; the original must outlive it. */
void model_copy(struct model *to, const struct model *from);

/* A new content for a page: of a class (zeros, text, sparse, noise) that the
 * random numbers choose. */
uint32_t model_content_new(struct model *model, struct sim_random *random);
/* The same, always noise: it does not compress. */
uint32_t model_content_noise(struct model *model);
void model_content_fill(const struct model *model, uint32_t content, void *data);
/* Are these the bytes of the content?  ABSENT: zeros. */
bool model_content_matches(const struct model *model, uint32_t content, const void *data);

/* Index of a page in the universe, or -1. */
int model_page_index(const struct model *model, page_t page);
uint32_t model_pages_present(const uint32_t *content, uint32_t pages);

struct model_snapshot *model_snapshot_find(struct model_state *state, const char *name);
/* A commit was accepted: the working content becomes the state in flight. */
struct model_state *model_freeze(struct model *model, generation_t generation);
void model_snapshot_add(struct model *model, struct model_state *state, const char *name,
			const uint32_t *content);
void model_snapshot_rename(struct model_state *state, const char *from, const char *to);
/* The content of a generation that was frozen once. */
const uint32_t *model_frozen_content(const struct model *model, generation_t generation);
/* Is this a snapshot that the engine takes and deletes by itself? */
bool model_automatic(const char *name, uint32_t flags);
void model_snapshot_remove(struct model_state *state, const char *name);
void model_state_copy(struct model_state *to, const struct model_state *from);
/* The engine says that this generation is durable. */
void model_acknowledge(struct model *model, generation_t generation);
/* The commit in flight has failed; its pages wait for the next. */
void model_fail(struct model *model);
/* The state of this generation, acknowledged, in flight or failed, or null. */
struct model_state *model_state_find(struct model *model, generation_t generation);
/* The same, or one acknowledged before. */
struct model_state *model_state_known(struct model *model, generation_t generation);
/* After a recovery of this state: it is the only one, and the working one. */
void model_recover(struct model *model, const struct model_state *state);

#endif
