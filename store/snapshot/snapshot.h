/* SPDX-License-Identifier: MIT */
/*
 * snapshot.h - snapshots: the catalogue, names, ages, what is kept by itself, and giving back what
 * a deleted one alone has held.
 *
 * What other parts of the store may call and see.
 */
#ifndef STORE_SNAPSHOT_SNAPSHOT_H
#define STORE_SNAPSHOT_SNAPSHOT_H

#include "store/limits.h"
#include "store/store.h"

/* ---- catalogue.c --------------------------------------------------------------- */

/* A search for a name that waits: where it goes on, if nothing has changed. */
struct name_search {
	char name[DISK_SNAPSHOT_NAME]; /* empty: none */
	uint64_t generation;
	uint64_t after;
	enum status damage; /* of what was passed over */
	uint32_t tries;	    /* of a commit that looks for a name of its own */
};

/* A search by age that waits, likewise. */
struct age_search {
	uint64_t record; /* generation of the catalogue */
	uint64_t generation, wall_ns;
	uint64_t below;	    /* numbers from here on have been looked at; 0: no search */
	enum status damage; /* of what was passed over */
};

static inline bool status_is_damage(enum status status)
{
	return status == STATUS_CORRUPT || status == STATUS_IO;
}

/* Entries changed by the commit in flight. */
struct catalogue {
	uint32_t count;
	struct {
		struct disk_snapshot snapshot;
		bool removed;
	} change[LIMIT_CATALOGUE];
	uint32_t position; /* next to be written */
};

/* The entry as of the last durable generation / with the commit's changes. */
enum status catalogue_read(struct store *store, snapshot_t number, struct disk_snapshot *snapshot);
enum status catalogue_get(struct store *store, snapshot_t number, struct disk_snapshot *snapshot);
/* The next entry with a number above `after`, as of the last durable generation.
 * On IO and CORRUPT those up to *number cannot be read: one, or a node of them. */
enum status catalogue_read_next(struct store *store, snapshot_t after, snapshot_t *number,
				struct disk_snapshot *snapshot);
void catalogue_put(struct store *store, const struct disk_snapshot *snapshot);
void catalogue_remove(struct store *store, snapshot_t number);
void catalogue_update_begin(struct store *store);
enum status catalogue_update_step(struct store *store, bool *done);

/* ---- snapshot.c: what the actions of a commit do to the catalogue ----------- */

enum status snapshot_check(struct store *store, const struct store_commit_request *request);
enum status snapshot_apply(struct store *store);
void snapshot_begin(struct store *store); /* at the start of a commit */
/* A commit has failed.  If it was the second of a restore, the first has left a snapshot.
 * What it has found out about the disk is forgotten, as the disk may recover: deletions
 * that rest are tried again, names are read again. */
void snapshot_abandoned(struct store *store);
/* Its turn has come: from now on steps give back what is its alone. */
void snapshot_dying_set(struct disk_snapshot *snapshot);
/* Is there a place for the next entry that can be read? */
enum status snapshot_takeable(struct store *store);
/* What a deletion cannot do without can be read: its entry and its parent's. */
enum status snapshot_deletable(struct store *store, snapshot_t number);
/* In the commit in flight: keeps its state; marks one dying, or a branch point. */
enum status snapshot_take(struct store *store, uint32_t flags, const char *name);
enum status snapshot_delete(struct store *store, snapshot_t number);

/* ---- index.c: names and automatic snapshots, in memory ---------------------------- */

struct automatic {
	uint64_t number, wall_ns, held;
	bool replaced; /* by a restore */
};

struct index {
	snapshot_t position; /* entries up to this number are known */
	bool complete;	     /* all are */
	bool overflow;	     /* there are more names than the table takes */
	bool more;	     /* there are more automatic snapshots than these */
	enum status damage;  /* of an entry that could not be read */
	uint32_t names, automatics;
	/* From here on without meaning while there are none. */
	uint64_t name[LIMIT_NAME_SLOTS]; /* part of the hash << 40 | number; 0: empty */
	struct automatic automatic[LIMIT_AUTOMATIC];
};

/* Completes the index; BUSY when the budget of entries to be read is used up. */
enum status index_build(struct store *store, uint32_t *budget);
/* A commit is durable: its changes. */
void index_update(struct store *store);
void index_drop(struct store *store);
/* This one cannot be deleted. */
void index_forget(struct store *store, snapshot_t number);
/* In a complete index without overflow: the snapshot of this name. */
enum status index_find(struct store *store, const char name[DISK_SNAPSHOT_NAME],
		       struct disk_snapshot *snapshot);

/* ---- retention.c: automatic snapshots ------------------------------------------ */

struct retention {
	uint64_t lazy;	   /* dying because it was thinned out: nobody waits for its space */
	uint64_t gone;	   /* let go by the commit in flight; 0: none */
	uint64_t taken_ns; /* wall time when the last one was taken; 0: not since the mount */
	bool yield;	   /* space is short: the next commit lets the oldest go */
	uint32_t budget;   /* entries that this commit may read into the index */
};

/* INVALID, LIMIT: not a rule. */
enum status retention_check(const struct disk_retention *rule);
void retention_begin(struct store *store); /* at the start of a commit */
void retention_press(struct store *store); /* somebody waits for the space of all that dies */
/* In a commit without an action: lets an automatic snapshot go, takes one, or both. */
enum status retention_apply(struct store *store);
/* Space is short: true when a commit may help. */
bool retention_yields(struct store *store);

/* ---- reclaim.c --------------------------------------------------------------- */

enum reclaim_phase {
	RECLAIM_LOAD,  /* the dying snapshot and its parent */
	RECLAIM_CHILD, /* who descends from it */
	RECLAIM_WALK,  /* gives back what only it sees */
	RECLAIM_NEXT,  /* the walk is over: who is reclaimed after it */
	RECLAIM_END,   /* the catalogue forgets it */
};

struct reclaim {
	enum reclaim_phase phase;
	bool broken;	   /* damage in the way: the deletion rests */
	bool waiting;	   /* branch points may be waiting for their turn */
	bool parent_waits; /* the parent is one of them and loses a child */
	uint64_t next;	   /* who dies after it; 0: nobody */
	uint64_t next_scan;
	bool missed;	/* there was an entry that the disk could not read */
	uint64_t dying; /* for whom `child` was searched; 0: for nobody */
	uint64_t child; /* the one snapshot that descends from it */
	uint64_t scan;	/* where a search through the catalogue has got to */
	bool child_is_live;
	uint64_t parent_generation;
	uint64_t position, end;	       /* next page; first page behind the tree */
	struct disk_snapshot snapshot; /* the dying one */
	struct disk_root child_root;
	uint32_t changes_stop; /* the list of changes is as long as this: enough */
	uint32_t visits;
	uint64_t freed; /* sectors given back by this step */
};

void reclaim_open(struct store *store);	 /* at mount, and when a commit has failed */
void reclaim_begin(struct store *store); /* at the start of a commit's step */
/* A deletion goes on, and its space is waited for or was asked for. */
bool store_deletion_presses(const struct store *store);
bool reclaim_rests(const struct store *store); /* damage is in the way */
/* A sum of sectors held, at most the store's. */
uint64_t held_add(const struct store *store, uint64_t held, uint64_t more);
/* Does damage keep the dying one from ever being given back, and others with it? */
bool reclaim_is_stuck(const struct store *store);
/* One piece of this commit's deletion step. */
enum status reclaim_step(struct store *store, bool *done);

#endif
