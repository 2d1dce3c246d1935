/* SPDX-License-Identifier: MIT */
/*
 * receive_fixture.h - stores in memory that send and receive, for their tests.
 *
 * `all` holds a source with a history of snapshots g0 .. g3, a target that has
 * received all but the last, and two streams that bring the last one: all of it,
 * and the increment.  A trial works on a copy of the target.
 */
#ifndef TESTS_UNIT_MKSTORE_RECEIVE_FIXTURE_H
#define TESTS_UNIT_MKSTORE_RECEIVE_FIXTURE_H

#include <sanitizer/common_interface_defs.h>
#include <unistd.h>
#include "tests/unit/store/fixture.h"
#include "tools/mkstore/receive.h"
#include "tools/mkstore/send.h"

#define SECTORS	    12288u
#define FRAMES	    200u
#define GENERATIONS 4u
#define FRAME	    16384u
#define BYTES_MAX   (4u << 20)
#define PAGES_MAX   1000u

/* How often each test does what it does at random; TRIALS=N for more. */
static inline unsigned trials(void)
{
	const char *count = getenv("TRIALS");

	return count ? (unsigned)atoi(count) : 40;
}

/* ---- messages ----------------------------------------------------------------------- */

/* The tool says on the standard error what is wrong; it is kept, not shown. */
static FILE *said;

static inline void quiet(void)
{
	int error = dup(STDERR_FILENO);

	said = tmpfile();
	if (getenv("VERBOSE"))
		return;
	__sanitizer_set_report_fd((void *)(intptr_t)error);
	dup2(fileno(said), STDERR_FILENO);
}

/* What was said since the last time, or the end of that, contains this. */
static inline void assert_said(const char *text)
{
	static char all[65536];
	size_t count;

	fflush(stderr);
	fseek(said, 0, SEEK_END);
	fseek(said, ftell(said) < 60000 ? -ftell(said) : -60000, SEEK_END);
	count = fread(all, 1, sizeof(all) - 1, said);
	all[count] = 0;
	assert_int_equal(ftruncate(fileno(said), 0), 0);
	lseek(STDERR_FILENO, 0, SEEK_SET);
	if (!strstr(all, text))
		fail_msg("'%s' does not say '%s'", all, text);
}

/* ---- streams in memory ------------------------------------------------------------------ */

struct bytes {
	uint8_t *data;
	size_t count, at;
};

static inline bool bytes_write(void *context, const void *data, size_t count)
{
	struct bytes *bytes = context;

	assert_true(bytes->count + count <= BYTES_MAX);
	memcpy(bytes->data + bytes->count, data, count);
	bytes->count += count;
	return true;
}

static inline long bytes_read(void *context, void *data, size_t count)
{
	struct bytes *bytes = context;

	if (count > bytes->count - bytes->at)
		count = bytes->count - bytes->at;
	memcpy(data, bytes->data + bytes->at, count);
	bytes->at += count;
	return (long)count;
}

static struct stream_writer writer;
static struct stream_reader reader;

static inline enum command_exit stream_send(struct host *host, const char *from, const char *to,
					    uint64_t first_page, struct bytes *bytes)
{
	struct send_view views[2];
	struct send send = {host, &writer, from ? &views[0] : NULL, &views[1], first_page};
	bool failed;

	bytes->count = bytes->at = 0;
	writer.write = bytes_write;
	writer.context = bytes;
	writer.most = FRAME;
	if (from)
		assert_int_equal(send_view_open(host, from, &views[0]), COMMAND_OK);
	assert_int_equal(send_view_open(host, to, &views[1]), COMMAND_OK);
	return send_stream(&send, &failed);
}

/* ---- a store as the test sees it ----------------------------------------------------------- */

/* All pages of one state. */
struct image {
	size_t count;
	uint64_t *page;
	uint8_t *data;
};

static inline void image_free(struct image *image)
{
	free(image->page);
	free(image->data);
	*image = (struct image){.count = 0};
}

static inline struct image image_take(struct host *host, const char *name)
{
	struct store_view nothing = {.generation = {0}};
	struct send_view side;
	struct image image = {0, malloc(PAGES_MAX * sizeof(uint64_t)),
			      malloc(PAGES_MAX * PAGE_SIZE)};
	enum store_difference difference;
	page_t page = {0};

	if (strcmp(name, "live") == 0)
		assert_int_equal(
			HOST_RETRY(host, store_view_open(host->store, (snapshot_t){0}, &side.view)),
			STATUS_OK);
	else
		assert_int_equal(send_view_open(host, name, &side), COMMAND_OK);
	while (HOST_RETRY(host, store_view_differ(host->store, &nothing, &side.view, &page,
						  &difference)) == STATUS_OK) {
		const void *data;

		if (difference == STORE_SAME)
			continue;
		assert_int_equal(
			HOST_RETRY(host, store_view_read(host->store, &side.view, page, &data)),
			STATUS_OK);
		assert_true(image.count < PAGES_MAX);
		image.page[image.count] = page.n++;
		memcpy(image.data + image.count++ * PAGE_SIZE, data, PAGE_SIZE);
	}
	return image;
}

static inline bool image_equal(const struct image *one, const struct image *other)
{
	return one->count == other->count &&
	       (!one->count || (memcmp(one->page, other->page, one->count * 8) == 0 &&
				memcmp(one->data, other->data, one->count * PAGE_SIZE) == 0));
}

/* This snapshot, or the live state, is what it should be. */
static inline void image_check(struct host *host, const char *name, const struct image *expected)
{
	struct image image = image_take(host, name);

	assert_true(image_equal(&image, expected));
	image_free(&image);
}

static inline void disk_copy(struct fixture *to, const struct fixture *from)
{
	to->queued = 0;
	to->written_count = 0;
	to->fail_count = 0;
	memcpy(to->disk, from->disk, (size_t)SECTORS * SECTOR_SIZE);
	memcpy(to->stable, from->disk, (size_t)SECTORS * SECTOR_SIZE);
}

static inline void store_open_in(struct fixture *f, struct host *host, enum host_mode mode)
{
	f->queued = 0;
	assert_int_equal(host_open_device(host, &f->device, "store", mode, FRAMES), COMMAND_OK);
}

/* ---- the history that is sent --------------------------------------------------------------- */

static struct {
	struct fixture *source;
	struct fixture *target;		     /* has the first GENERATIONS - 1 of them */
	struct fixture *work;		     /* a copy of that, for one trial */
	struct image image[GENERATIONS];     /* of "g0", "g1" ... */
	struct bytes whole, increment, rest; /* the last: all of it, from the one before */
	size_t border[2][256];		     /* where frames end */
	unsigned borders[2];
} all;

static const char *const names[GENERATIONS] = {"g0", "g1", "g2", "g3"};

static inline void scribble(struct host *host, unsigned changes, struct fixture *random)
{
	while (changes--) {
		uint64_t page = 5000 + fixture_random(random, 120);
		void *data;

		if (fixture_random(random, 20) == 0)
			page += UINT64_C(1) << 33;
		if (fixture_random(random, 4) == 0) {
			assert_int_equal(
				HOST_RETRY(host, store_pages_clear(host->store, (page_t){page}, 2)),
				STATUS_OK);
			continue;
		}
		assert_int_equal(HOST_RETRY(host, space_write(&host->space, (page_t){page}, &data)),
				 STATUS_OK);
		fixture_fill(data, 1 + fixture_random(random, 50));
	}
}

static inline void borders_find(const struct bytes *bytes, unsigned which)
{
	size_t at = sizeof(struct stream_header);

	while (at < bytes->count) {
		struct stream_frame frame;

		assert_true(all.borders[which] < 256);
		all.border[which][all.borders[which]++] = at;
		memcpy(&frame, bytes->data + at, sizeof(frame));
		at += sizeof(frame) + frame.length;
	}
	assert_int_equal(at, bytes->count);
}

static inline void receive_ok(struct fixture *f, struct bytes *bytes)
{
	struct receive receive = {.reader = &reader};
	struct host host;

	store_open_in(f, &host, HOST_RECEIVE);
	bytes->at = 0;
	reader.read = bytes_read;
	reader.context = bytes;
	receive.host = &host;
	assert_int_equal(receive_stream(&receive), COMMAND_OK);
	host_close(&host);
}

static inline void copies_make(void)
{
	all.work = fixture_new(SECTORS, 64, 512);
	all.target = fixture_new(SECTORS, 64, 512);
}

/* An empty store of its own identity in a fixture's disk. */
static inline void store_format_in(struct fixture *f, uint8_t identity)
{
	struct store_format_options options = {.identity = {identity},
					       .created_ns = 7,
					       .sectors = SECTORS,
					       .write_unit = 512,
					       .label = "stream",
					       .deltas = identity % 4 == 0};
	struct host host;

	f->queued = 0;
	assert_int_equal(host_open_device(&host, &f->device, "store", HOST_FORMAT, FRAMES),
			 COMMAND_OK);
	assert_int_equal(store_format(host.store, &options), STATUS_OK);
	assert_int_equal(host_commit(&host, STORE_ACTION_NONE, (snapshot_t){0}, ""), STATUS_OK);
	host_close(&host);
}

static inline int setup(void **state)
{
	struct host host;

	(void)state;
	quiet();
	all.whole.data = malloc(BYTES_MAX);
	all.increment.data = malloc(BYTES_MAX);
	all.rest.data = malloc(BYTES_MAX);
	all.source = fixture_new(SECTORS, 64, 512);
	copies_make();
	store_format_in(all.source, 2);
	store_format_in(all.target, 4);
	for (unsigned i = 0; i < GENERATIONS; i++) {
		store_open_in(all.source, &host, HOST_WRITE);
		scribble(&host, i ? 40 : 150, all.source);
		assert_int_equal(
			host_commit(&host, STORE_ACTION_SNAPSHOT, (snapshot_t){0}, names[i]),
			STATUS_OK);
		all.image[i] = image_take(&host, names[i]);
		image_check(&host, "live", &all.image[i]);
		assert_int_equal(
			stream_send(&host, i ? names[i - 1] : NULL, names[i], 0, &all.increment),
			COMMAND_OK);
		assert_int_equal(stream_send(&host, NULL, names[i], 0, &all.whole), COMMAND_OK);
		host_close(&host);
		if (i + 1 < GENERATIONS)
			receive_ok(all.target, &all.increment);
	}
	borders_find(&all.whole, 0);
	borders_find(&all.increment, 1);
	assert_true(all.borders[0] > 8 && all.borders[1] > 3);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < GENERATIONS; i++)
		image_free(&all.image[i]);
	fixture_free(all.source);
	fixture_free(all.target);
	fixture_free(all.work);
	free(all.whole.data);
	free(all.increment.data);
	free(all.rest.data);
	return 0;
}

/* ---- what must hold after an attempt ------------------------------------------------------------
 */

static inline unsigned snapshots_count(struct host *host)
{
	struct store_statistics statistics;

	store_statistics_get(host->store, &statistics);
	return (unsigned)statistics.snapshots;
}

/* All that was received before is there, byte for byte. */
static inline void before_check(struct host *host)
{
	for (unsigned i = 0; i + 1 < GENERATIONS; i++)
		image_check(host, names[i], &all.image[i]);
}

static inline void after_check(struct fixture *f)
{
	struct disk_receiving state;
	struct store_snapshot snapshot = {.number = {0}};
	struct host host;

	store_open_in(f, &host, HOST_WRITE);
	before_check(&host);
	image_check(&host, names[GENERATIONS - 1], &all.image[GENERATIONS - 1]);
	image_check(&host, "live", &all.image[GENERATIONS - 1]);
	store_receiving_get(host.store, &state);
	assert_int_equal(state.generation, 0);
	while (strcmp(snapshot.name, names[GENERATIONS - 1]) != 0)
		assert_int_equal(HOST_RETRY(&host, store_snapshot_next(host.store, snapshot.number,
								       &snapshot)),
				 STATUS_OK);
	assert_true(snapshot.source.generation && snapshot.source.identity[0] == 2);
	assert_true(host.recovery.restored);
	host_close(&host);
	fixture_account(f);
}

/* The store was not changed, or says that it is receiving; on to the end. */
static inline void go_on(struct fixture *f, bool whole, bool rest)
{
	struct disk_receiving state;
	struct host host;

	store_open_in(f, &host, HOST_READ);
	before_check(&host);
	store_receiving_get(host.store, &state);
	if (!state.generation)
		image_check(&host, "live", &all.image[GENERATIONS - 2]);
	host_close(&host);
	if (!rest) {
		receive_ok(f, whole ? &all.whole : &all.increment);
	} else {
		store_open_in(all.source, &host, HOST_READ);
		assert_int_equal(stream_send(&host, whole ? NULL : names[GENERATIONS - 2],
					     names[GENERATIONS - 1], state.position, &all.rest),
				 COMMAND_OK);
		host_close(&host);
		receive_ok(f, &all.rest);
	}
	after_check(f);
}

/* Given up: as it was, and no trace. */
static inline void go_back(struct fixture *f)
{
	struct disk_receiving state;
	struct host host;

	store_open_in(f, &host, HOST_RECEIVE);
	store_receiving_get(host.store, &state);
	assert_int_equal(receive_abort(&host), state.generation ? COMMAND_OK : COMMAND_FAILED);
	host_close(&host);
	store_open_in(f, &host, HOST_WRITE);
	before_check(&host);
	image_check(&host, "live", &all.image[GENERATIONS - 2]);
	assert_int_equal(snapshots_count(&host), GENERATIONS - 1);
	host_close(&host);
	fixture_account(f);
}

/* One attempt that cannot succeed. */
static inline void receive_bad(struct fixture *f, const struct bytes *bytes, size_t count)
{
	struct bytes part = {bytes->data, count, 0};
	struct receive receive = {.reader = &reader};
	struct host host;

	store_open_in(f, &host, HOST_RECEIVE);
	reader.read = bytes_read;
	reader.context = &part;
	receive.host = &host;
	assert_int_equal(receive_stream(&receive), COMMAND_FAILED);
	host_close(&host);
}

#endif
