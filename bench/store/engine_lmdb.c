/* SPDX-License-Identifier: MIT */
/*
 * engine_lmdb.c - LMDB with its default durability (fdatasync at each commit).
 *
 * Keys are 8-byte integers (MDB_INTEGERKEY).  A value of 4,096 bytes takes two of
 * LMDB's pages, since each begins with a header of 16; so there are variants with
 * values of 4,080 bytes, which take one.  Each comes with and without
 * MDB_WRITEMAP.  The file is extended to the size of the map by writing it.
 */
#include "bench/store/bench.h"

#include <lmdb.h>
#include <string.h>
#include <unistd.h>

#define LMDB_SHORT 4080u
#define LMDB_PAGE  4096u

struct lmdb {
	MDB_env *env;
	MDB_dbi table;
	MDB_txn *writing, *reading;
	unsigned put_flags;
	uint32_t value_bytes;
};

static void must(int result, const char *what)
{
	if (result != 0)
		bench_fail("lmdb: %s: %s", what, mdb_strerror(result));
}

static void env_open(struct lmdb *lmdb, const struct engine_place *place, unsigned flags)
{
	uint64_t each = lmdb->value_bytes > LMDB_SHORT ? 2 : 1;
	uint64_t map = place->pages * each * LMDB_PAGE;

	/* The tree, and what a commit replaces before it can be used again. */
	map += map / 4 + (UINT64_C(128) << 20);
	must(mdb_env_create(&lmdb->env), "mdb_env_create");
	must(mdb_env_set_mapsize(lmdb->env, map), "mdb_env_set_mapsize");
	must(mdb_env_open(lmdb->env, place->path, flags | MDB_NOSUBDIR, 0600), "mdb_env_open");
}

static void env_prepare(struct lmdb *lmdb, const struct engine_place *place)
{
	MDB_envinfo information;

	unlink(place->path);
	env_open(lmdb, place, 0);
	must(mdb_env_info(lmdb->env, &information), "mdb_env_info");
	mdb_env_close(lmdb->env);
	bench_file_fill(place->path, information.me_mapsize);
}

static void *lmdb_make(const struct engine_place *place, uint32_t value_bytes, unsigned flags)
{
	struct lmdb *lmdb = bench_memory(sizeof(*lmdb));
	MDB_txn *txn;

	lmdb->value_bytes = value_bytes;
	if (place->scattered)
		flags |= MDB_NORDAHEAD;
	if (place->fresh)
		env_prepare(lmdb, place);
	env_open(lmdb, place, flags);
	must(mdb_txn_begin(lmdb->env, NULL, 0, &txn), "mdb_txn_begin");
	must(mdb_dbi_open(txn, NULL, MDB_INTEGERKEY | MDB_CREATE, &lmdb->table), "mdb_dbi_open");
	must(mdb_txn_commit(txn), "mdb_txn_commit");
	return lmdb;
}

static void *lmdb_open(const struct engine_place *place)
{
	return lmdb_make(place, BENCH_PAGE, 0);
}

static void *lmdb_writemap_open(const struct engine_place *place)
{
	return lmdb_make(place, BENCH_PAGE, MDB_WRITEMAP);
}

static void *lmdb_short_open(const struct engine_place *place)
{
	return lmdb_make(place, LMDB_SHORT, 0);
}

static void *lmdb_short_writemap_open(const struct engine_place *place)
{
	return lmdb_make(place, LMDB_SHORT, MDB_WRITEMAP);
}

static void reading_end(struct lmdb *lmdb)
{
	if (lmdb->reading)
		mdb_txn_abort(lmdb->reading);
	lmdb->reading = NULL;
}

static void lmdb_begin(void *engine, bool loading)
{
	struct lmdb *lmdb = engine;

	reading_end(lmdb);
	lmdb->put_flags = loading ? MDB_APPEND : 0;
	must(mdb_txn_begin(lmdb->env, NULL, 0, &lmdb->writing), "mdb_txn_begin");
}

static void lmdb_put(void *engine, uint64_t page, const void *data)
{
	struct lmdb *lmdb = engine;
	MDB_val key = {sizeof(page), &page}, value = {lmdb->value_bytes, (void *)data};

	must(mdb_put(lmdb->writing, lmdb->table, &key, &value, lmdb->put_flags), "mdb_put");
}

static void lmdb_commit(void *engine)
{
	struct lmdb *lmdb = engine;

	must(mdb_txn_commit(lmdb->writing), "mdb_txn_commit");
}

static const void *lmdb_get(void *engine, uint64_t page)
{
	struct lmdb *lmdb = engine;
	MDB_val key = {sizeof(page), &page}, value;

	if (!lmdb->reading)
		must(mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &lmdb->reading), "mdb_txn_begin");
	must(mdb_get(lmdb->reading, lmdb->table, &key, &value), "mdb_get");
	return value.mv_size == lmdb->value_bytes ? value.mv_data : NULL;
}

static uint64_t lmdb_space_bytes(void *engine)
{
	struct lmdb *lmdb = engine;
	MDB_envinfo information;

	must(mdb_env_info(lmdb->env, &information), "mdb_env_info");
	return (information.me_last_pgno + 1) * LMDB_PAGE;
}

static void lmdb_close(void *engine)
{
	struct lmdb *lmdb = engine;

	reading_end(lmdb);
	mdb_env_close(lmdb->env);
}

#define LMDB_ENGINE(variable, called, said, bytes, opener)                                         \
	const struct engine variable = {                                                           \
		.name = called,                                                                    \
		.what = said,                                                                      \
		.value_bytes = bytes,                                                              \
		.open = opener,                                                                    \
		.begin = lmdb_begin,                                                               \
		.put = lmdb_put,                                                                   \
		.commit = lmdb_commit,                                                             \
		.get = lmdb_get,                                                                   \
		.space_bytes = lmdb_space_bytes,                                                   \
		.close = lmdb_close,                                                               \
	}

LMDB_ENGINE(engine_lmdb, "lmdb", "LMDB", BENCH_PAGE, lmdb_open);
LMDB_ENGINE(engine_lmdb_writemap, "lmdb-writemap", "LMDB, MDB_WRITEMAP", BENCH_PAGE,
	    lmdb_writemap_open);
LMDB_ENGINE(engine_lmdb_short, "lmdb-4080", "LMDB, values of 4,080 bytes", LMDB_SHORT,
	    lmdb_short_open);
LMDB_ENGINE(engine_lmdb_short_writemap, "lmdb-4080-writemap",
	    "LMDB, MDB_WRITEMAP, values of 4,080 bytes", LMDB_SHORT, lmdb_short_writemap_open);
