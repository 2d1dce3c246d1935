/* SPDX-License-Identifier: MIT */
/*
 * salvage.h - shared by the files of `salvage`.
 *
 * The damaged store is read by the engine, over a device that shows it a
 * superblock where there is none left and hides commit records that lead
 * nowhere.  What can be read goes page by page into a new store.
 */
#ifndef TOOLS_MKSTORE_SALVAGE_H
#define TOOLS_MKSTORE_SALVAGE_H

#include "tools/mkstore/host.h"

/* ---- salvage_source.c ---------------------------------------------------------- */

struct salvage_source {
	struct host host;
	struct block_device *below;
	struct block_device device;
	bool superblock_made; /* neither was any good: shown in place of both */
	struct disk_superblock superblock;
	uint64_t slot[DISK_RING_SLOTS]; /* generation that a slot claims to hold; 0: none */
	uint64_t newest;		/* in the ring */
	uint64_t shown;			/* records above are hidden */
	bool live_lost;			/* no generation's live state can be entered */
};

/* Opens the first operand and mounts the newest generation whose live state can
 * be entered, or else the newest at all.  The reason was printed otherwise. */
enum command_exit salvage_source_open(struct salvage_source *source,
				      const struct command_invocation *invocation);
void salvage_source_close(struct salvage_source *source);

/* ---- salvage_copy.c -------------------------------------------------------------- */

/* Pages that could not be saved. */
struct salvage_loss {
	uint64_t first, end;
	struct disk_reference reference; /* of the page; zero: a node above is lost */
};

/* The live state or a snapshot. */
struct salvage_state {
	struct store_snapshot snapshot; /* number 0: the live state */
	struct store_view view;
	snapshot_t saved; /* its number in the new store; 0: not there (yet) */
	uint64_t pages;	  /* written; the others it shares with the one before */
	struct salvage_loss *loss;
	size_t losses, room;
};

/* Makes the new store's live state, which equals `before`, equal to `state` as far
 * as that can be read.  OK, or why the new store cannot take it. */
enum status salvage_copy(struct host *from, struct host *to, struct salvage_state *before,
			 struct salvage_state *state);

/* Called for each segment with a name that has lost pages. */
typedef void (*salvage_object_told)(void *context, const char *path, size_t length, uint64_t first,
				    uint64_t pages);
/* False: not all names could be read. */
bool salvage_objects(struct host *host, const struct salvage_state *live, salvage_object_told told,
		     void *context);

#endif
