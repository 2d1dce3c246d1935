/* SPDX-License-Identifier: MIT */
/*
 * engine.h - one instance of the store under test, with its memory, driven
 * synchronously.
 *
 * What can wait is tried again while the engine or the disk can make progress;
 * that nothing moves any more while something is still awaited is a failure.
 */
#ifndef TESTS_SIM_ENGINE_H
#define TESTS_SIM_ENGINE_H

#include "store/store.h"
#include "tests/sim/disk.h"
#include "tests/sim/model.h"

#define ENGINE_LOG_LINES 8u

struct engine {
	struct store_limits limits;
	uint8_t *memory; /* of the store */
	size_t memory_size;
	uint8_t *frames;
	struct store *store; /* null: off */
	struct disk *disk;
	struct store_recovery recovery;
	uint64_t grow_sectors; /* what the next GROW, the next RETAIN asks for */
	struct disk_retention retention;
	bool counted;			 /* records tell what only their predecessors use */
	bool discard;			 /* the next RESTORE keeps nothing of what it replaces */
	bool offline;			 /* its commits are those of a host's tool */
	bool detail;			 /* its log is only for those who want to see all */
	uint32_t idle;			 /* steps in a row in which nothing moved */
	char log[ENGINE_LOG_LINES][200]; /* the last lines it logged, a ring */
	uint32_t log_count;
};

void engine_create(struct engine *engine, const struct store_limits *limits);
void engine_free(struct engine *engine);

/* Power on over this disk, then format or mount. */
enum status engine_format(struct engine *engine, struct disk *disk, uint64_t sectors,
			  struct sim_random *random);
enum status engine_mount(struct engine *engine, struct disk *disk);
void engine_off(struct engine *engine);

/* One step of the store or the disk.  False: nothing can move. */
bool engine_drive(struct engine *engine);

/*
 * One operation of the owner on up to ENGINE_PAGES pages: all are obtained, or
 * the first status that is not OK is returned.  After a WAIT the operation
 * begins anew.  WAIT is returned only when nothing moves any more: memory is
 * short until the dirty pages are committed, which is for the caller to do.
 * data[] is valid until the next call.
 */
#define ENGINE_PAGES 4u
struct engine_access {
	page_t page;
	bool write;
	void *data;
};
enum status engine_operation(struct engine *engine, struct engine_access *access, uint32_t count);

/* The same for one page. */
enum status engine_page_read(struct engine *engine, page_t page, void **data);
enum status engine_page_write(struct engine *engine, page_t page, void **data);
enum status engine_page_next(struct engine *engine, page_t from, page_t *page);
enum status engine_pages_clear(struct engine *engine, page_t first, uint64_t count);
enum status engine_snapshot_find(struct engine *engine, const char *name,
				 struct store_snapshot *snapshot);
enum status engine_snapshot_next(struct engine *engine, snapshot_t after,
				 struct store_snapshot *snapshot);

/* Starts a commit; waits only until it is accepted or refused. */
enum status engine_commit_start(struct engine *engine, enum store_action action, snapshot_t number,
				const char *name, uint64_t clock, generation_t *generation);
/* Until it is durable or has failed. */
enum status engine_settle(struct engine *engine);

/* The last line the store logged, for failures. */
const char *engine_log_last(const struct engine *engine);

#endif
