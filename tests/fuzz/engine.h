/* SPDX-License-Identifier: MIT */
/*
 * engine.h - the store under the fuzzers, as an owner that can wait.
 *
 * One engine serves all runs of a process: its memory is taken once.  Each call
 * here is one operation of the owner, tried again until it need not wait;
 * waiting without end is a finding.
 */
#ifndef TESTS_FUZZ_ENGINE_H
#define TESTS_FUZZ_ENGINE_H

#include "store/store.h"
#include "tests/fuzz/disk.h"
#include "tests/fuzz/fuzz.h"

struct fuzz_engine {
	struct store *store; /* null: off */
	struct fuzz_disk *disk;
	struct store_recovery recovery;
	void *memory;
	uint8_t *frames;
};

void fuzz_engine_create(struct fuzz_engine *engine);
enum status fuzz_engine_format(struct fuzz_engine *engine, struct fuzz_disk *disk, bool deltas);
enum status fuzz_engine_mount(struct fuzz_engine *engine, struct fuzz_disk *disk, bool read_only);

/* More tries than any operation of so small a store can need. */
#define FUZZ_TRIES 2000u
/* As an owner does: waits for the device, or checkpoints. */
bool fuzz_engine_wait(struct fuzz_engine *engine);
/* One operation of the owner, until it need not wait. */
#define FUZZ_RETRY(engine, status, call)                                                           \
	do {                                                                                       \
		unsigned tries_ = 0;                                                               \
		do {                                                                               \
			FUZZ_CHECK(tries_++ < FUZZ_TRIES, "no end of waiting in %s", #call);       \
			store_operation_begin((engine)->store);                                    \
			(status) = (call);                                                         \
		} while ((status) == STATUS_WAIT && fuzz_engine_wait(engine));                     \
	} while (0)

/* *data is good until the next call. */
enum status fuzz_engine_page(struct fuzz_engine *engine, uint64_t page, bool write, void **data);
enum status fuzz_engine_next(struct fuzz_engine *engine, uint64_t from, uint64_t *page);
enum status fuzz_engine_clear(struct fuzz_engine *engine, uint64_t first, uint64_t count);
/* Commits and waits until it is durable. */
enum status fuzz_engine_commit(struct fuzz_engine *engine, enum store_action action,
			       uint64_t number, const char *name);
enum status fuzz_engine_snapshot_next(struct fuzz_engine *engine, uint64_t after,
				      struct store_snapshot *snapshot);
enum status fuzz_engine_snapshot_find(struct fuzz_engine *engine, const char *name,
				      struct store_snapshot *snapshot);

/* The content that stands for a value: zeros, text, noise, half of each. */
void fuzz_page_fill(void *page, uint32_t value);

#endif
