/* SPDX-License-Identifier: MIT */
/*
 * engine_sqlite.c - SQLite: write-ahead log, synchronous FULL, exclusive lock.
 *
 * A table of integers and blobs, with pages of 4,096 or 8,192 bytes.  Its file
 * cannot be preallocated by anybody else, so where loading is measured it is filled
 * with rows first, which are deleted: what follows uses their pages again.  The log is used
 * again from its beginning after each of its checkpoints.
 */
#include "bench/store/bench.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { INSERT, UPDATE, SELECT, STATEMENTS };

static const char *const statement_text[STATEMENTS] = {
	"INSERT INTO pages (id, data) VALUES (?1, ?2)",
	"UPDATE pages SET data = ?2 WHERE id = ?1",
	"SELECT data FROM pages WHERE id = ?1",
};

struct sqlite {
	sqlite3 *database;
	sqlite3_stmt *statement[STATEMENTS];
	sqlite3_stmt *putting;
	uint32_t page_bytes;
};

static void run(struct sqlite *sqlite, const char *text)
{
	char *error = NULL;

	if (sqlite3_exec(sqlite->database, text, NULL, NULL, &error) != SQLITE_OK)
		bench_fail("sqlite: %s: %s", text, error ? error : "failed");
}

static uint64_t number(struct sqlite *sqlite, const char *text)
{
	sqlite3_stmt *statement;
	uint64_t value;

	if (sqlite3_prepare_v2(sqlite->database, text, -1, &statement, NULL) != SQLITE_OK ||
	    sqlite3_step(statement) != SQLITE_ROW)
		bench_fail("sqlite: %s: %s", text, sqlite3_errmsg(sqlite->database));
	value = (uint64_t)sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

static void sqlite_begin(void *engine, bool loading)
{
	struct sqlite *sqlite = engine;

	sqlite3_reset(sqlite->statement[SELECT]);
	sqlite->putting = sqlite->statement[loading ? INSERT : UPDATE];
	run(sqlite, "BEGIN IMMEDIATE");
}

static void sqlite_put(void *engine, uint64_t page, const void *data)
{
	struct sqlite *sqlite = engine;
	sqlite3_stmt *statement = sqlite->putting;

	sqlite3_bind_int64(statement, 1, (sqlite3_int64)page);
	sqlite3_bind_blob(statement, 2, data, (int)BENCH_PAGE, SQLITE_STATIC);
	if (sqlite3_step(statement) != SQLITE_DONE || sqlite3_changes(sqlite->database) != 1)
		bench_fail("sqlite: writing failed: %s", sqlite3_errmsg(sqlite->database));
	sqlite3_reset(statement);
}

static void sqlite_commit(void *engine)
{
	run(engine, "COMMIT");
}

static void file_prepare(struct sqlite *sqlite, uint64_t pages)
{
	struct bench_corpus random = {NULL, 0};

	bench_engine_load(&engine_sqlite_4096, sqlite, &random, pages);
	run(sqlite, "DELETE FROM pages");
	run(sqlite, "PRAGMA wal_checkpoint(RESTART)");
}

static void *sqlite_make(const struct engine_place *place, uint32_t page_bytes)
{
	struct sqlite *sqlite = bench_memory(sizeof(*sqlite));
	char text[128];

	sqlite->page_bytes = page_bytes;
	if (place->fresh)
		unlink(place->path);
	if (sqlite3_open(place->path, &sqlite->database) != SQLITE_OK)
		bench_fail("sqlite: %s: %s", place->path, sqlite3_errmsg(sqlite->database));
	snprintf(text, sizeof(text), "PRAGMA page_size=%u", page_bytes);
	run(sqlite, text);
	snprintf(text, sizeof(text), "PRAGMA cache_size=-%llu",
		 (unsigned long long)(place->cache_bytes >> 10));
	run(sqlite, text);
	run(sqlite, "PRAGMA locking_mode=EXCLUSIVE");
	run(sqlite, "PRAGMA journal_mode=WAL");
	run(sqlite, "PRAGMA synchronous=FULL");
	if (place->fresh)
		run(sqlite, "CREATE TABLE pages (id INTEGER PRIMARY KEY, data BLOB NOT NULL)");
	for (unsigned i = 0; i < STATEMENTS; i++)
		if (sqlite3_prepare_v2(sqlite->database, statement_text[i], -1,
				       &sqlite->statement[i], NULL) != SQLITE_OK)
			bench_fail("sqlite: %s: %s", statement_text[i],
				   sqlite3_errmsg(sqlite->database));
	if (place->loaded)
		file_prepare(sqlite, place->pages);
	return sqlite;
}

static void *sqlite_4096_open(const struct engine_place *place)
{
	return sqlite_make(place, 4096);
}

static void *sqlite_8192_open(const struct engine_place *place)
{
	return sqlite_make(place, 8192);
}

static const void *sqlite_get(void *engine, uint64_t page)
{
	struct sqlite *sqlite = engine;
	sqlite3_stmt *statement = sqlite->statement[SELECT];

	sqlite3_reset(statement);
	sqlite3_bind_int64(statement, 1, (sqlite3_int64)page);
	if (sqlite3_step(statement) != SQLITE_ROW ||
	    sqlite3_column_bytes(statement, 0) != (int)BENCH_PAGE)
		bench_fail("sqlite: reading failed: %s", sqlite3_errmsg(sqlite->database));
	return sqlite3_column_blob(statement, 0);
}

static uint64_t sqlite_space_bytes(void *engine)
{
	struct sqlite *sqlite = engine;

	return (number(sqlite, "PRAGMA page_count") - number(sqlite, "PRAGMA freelist_count")) *
	       sqlite->page_bytes;
}

static void sqlite_close(void *engine)
{
	struct sqlite *sqlite = engine;

	for (unsigned i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(sqlite->statement[i]);
	if (sqlite3_close(sqlite->database) != SQLITE_OK)
		bench_fail("sqlite: %s", sqlite3_errmsg(sqlite->database));
}

#define SQLITE_ENGINE(variable, called, said, opener)                                              \
	const struct engine variable = {                                                           \
		.name = called,                                                                    \
		.what = said,                                                                      \
		.value_bytes = BENCH_PAGE,                                                         \
		.open = opener,                                                                    \
		.begin = sqlite_begin,                                                             \
		.put = sqlite_put,                                                                 \
		.commit = sqlite_commit,                                                           \
		.get = sqlite_get,                                                                 \
		.space_bytes = sqlite_space_bytes,                                                 \
		.close = sqlite_close,                                                             \
	}

SQLITE_ENGINE(engine_sqlite_4096, "sqlite", "SQLite, pages of 4 KiB", sqlite_4096_open);
SQLITE_ENGINE(engine_sqlite_8192, "sqlite-8192", "SQLite, pages of 8 KiB", sqlite_8192_open);
