/* SPDX-License-Identifier: MIT */
/*
 * test_receive.c - a stream is received wholly or not at all.
 *
 * A store with a history sends every generation to another one over memory.
 * Then the streams are cut at every frame, at many other bytes, changed in one
 * byte, and the power goes at many writes.  Each time the receiving store must
 * be whole, its snapshots unchanged, and the live state either what it was or
 * one that the store says is being received, from which both ways lead: on to
 * the generation, byte for byte, and back to what was.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tests/unit/mkstore/receive_fixture.h"

/* ---- the tests -------------------- */

static void test_generations(void **state)
{
	struct fixture *f = all.work;
	struct host host;

	(void)state;
	disk_copy(f, all.target);
	store_open_in(f, &host, HOST_READ);
	before_check(&host);
	assert_int_equal(snapshots_count(&host), GENERATIONS - 1);
	host_close(&host);
	receive_ok(f, &all.increment);
	after_check(f);
	disk_copy(f, all.target);
	receive_ok(f, &all.whole);
	after_check(f);
	receive_bad(f, &all.whole, all.whole.count);
	assert_said("has that generation already, as the snapshot 'g3'");
	receive_bad(f, &all.increment, all.increment.count);
	after_check(f);
}

static void cut(const struct bytes *bytes, bool whole, size_t count, unsigned trial)
{
	disk_copy(all.work, all.target);
	receive_bad(all.work, bytes, count);
	if (trial % 3 == 2)
		go_back(all.work);
	else
		go_on(all.work, whole, trial % 3);
}

static void test_cuts(void **state)
{
	unsigned trial = 0;

	(void)state;
	for (unsigned which = 0; which < 2; which++) {
		const struct bytes *bytes = which ? &all.increment : &all.whole;

		for (unsigned i = 0; i < all.borders[which]; i++)
			for (unsigned k = 0; k < 3; k++)
				cut(bytes, !which, all.border[which][i] + k - 1, trial++);
		for (unsigned i = 0; i < trials(); i++)
			cut(bytes, !which, fixture_random(all.source, (uint32_t)bytes->count),
			    trial++);
	}
}

static void test_flips(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * trials(); i++) {
		struct bytes *bytes = i % 2 ? &all.increment : &all.whole;
		size_t at = fixture_random(all.source, (uint32_t)bytes->count);
		uint8_t bit = (uint8_t)(1u << fixture_random(all.source, 8));

		disk_copy(all.work, all.target);
		bytes->data[at] ^= bit;
		receive_bad(all.work, bytes, bytes->count);
		bytes->data[at] ^= bit;
		if (i % 3 == 2)
			go_back(all.work);
		else
			go_on(all.work, i % 2 == 0, i % 3);
	}
}

/* The power goes at the nth write, a cut stream resumed or given up included. */
static void power_cut(struct fixture *f, struct bytes *bytes, uint64_t writes, bool abort)
{
	struct receive receive = {.reader = &reader};
	struct host host;
	enum command_exit result;

	store_open_in(f, &host, HOST_RECEIVE);
	f->writes = 0;
	f->fail_operation = BLOCK_WRITE;
	f->fail_at = writes;
	f->fail_count = UINT64_MAX;
	bytes->at = 0;
	reader.read = bytes_read;
	reader.context = bytes;
	receive.host = &host;
	result = abort ? receive_abort(&host) : receive_stream(&receive);
	assert_true(result == COMMAND_OK || f->fail_count < UINT64_MAX);
	f->fail_count = 0;
	host_close(&host);
	fixture_crash(f);
}

static void test_power(void **state)
{
	struct fixture *f = all.work;
	struct disk_receiving receiving;
	struct store_snapshot snapshot;
	struct host host;

	(void)state;
	for (unsigned i = 0; i < 3 * trials(); i++) {
		bool whole = i % 2, finished;

		disk_copy(f, all.target);
		power_cut(f, whole ? &all.whole : &all.increment, 1 + i / 2 % 24, false);
		store_open_in(f, &host, HOST_READ);
		store_receiving_get(host.store, &receiving);
		finished = HOST_RETRY(&host, store_snapshot_find(host.store, names[GENERATIONS - 1],
								 &snapshot)) == STATUS_OK;
		assert_false(finished && receiving.generation);
		host_close(&host);
		if (finished)
			after_check(f);
		else if (i % 3)
			go_on(f, whole, i % 3 == 2);
		else
			go_back(f);
	}
}

/* The snapshots that are neither dying nor branch points. */
static unsigned living_count(struct host *host)
{
	struct store_snapshot snapshot = {.number = {0}};
	unsigned count = 0;

	for (;;) {
		enum status status = HOST_RETRY(
			host, store_snapshot_next(host->store, snapshot.number, &snapshot));

		if (status == STATUS_NOT_FOUND)
			return count;
		assert_int_equal(status, STATUS_OK);
		count += !(snapshot.flags & (DISK_SNAPSHOT_DYING | DISK_SNAPSHOT_BRANCH));
	}
}

/* Giving up can be cut off too: it is begun again, or was done.  What is given up
 * is never seen as a snapshot. */
static void test_power_abort(void **state)
{
	struct fixture *f = all.work;
	struct disk_receiving receiving;
	struct host host;

	(void)state;
	for (unsigned i = 0; i < trials(); i++) {
		struct bytes *bytes = i % 2 ? &all.increment : &all.whole;

		disk_copy(f, all.target);
		receive_bad(f, bytes, all.border[i % 2][all.borders[i % 2] - 1]);
		power_cut(f, bytes, 1 + i / 2 % 12, true);
		store_open_in(f, &host, HOST_RECEIVE);
		before_check(&host);
		assert_int_equal(living_count(&host), GENERATIONS - 1);
		store_receiving_get(host.store, &receiving);
		if (receiving.generation)
			assert_int_equal(receive_abort(&host), COMMAND_OK);
		assert_int_equal(host_reclaim(&host), STATUS_OK);
		image_check(&host, "live", &all.image[GENERATIONS - 2]);
		assert_int_equal(snapshots_count(&host), GENERATIONS - 1);
		host_close(&host);
		fixture_account(f);
	}
}

/* A stream that is whole, but lacks a page of what it says it is. */
static void test_short(void **state)
{
	struct fixture *f = all.work;
	struct disk_receiving receiving;
	struct stream_header header;
	struct host host;
	size_t at = sizeof(header);

	(void)state;
	disk_copy(f, all.target);
	memcpy(all.rest.data, all.increment.data, all.increment.count);
	all.rest.count = all.increment.count;
	memcpy(&header, all.rest.data, sizeof(header));
	header.space_pages++;
	header.checksum = 0;
	header.checksum = XXH3_64bits(&header, sizeof(header));
	memcpy(all.rest.data, &header, sizeof(header));
	while (at < all.rest.count) {
		struct stream_frame frame;

		memcpy(&frame, all.rest.data + at, sizeof(frame));
		frame.checksum = 0;
		memcpy(all.rest.data + at, &frame, sizeof(frame));
		frame.checksum = XXH3_64bits_withSeed(
			all.rest.data + at, sizeof(frame) + frame.length, header.checksum);
		memcpy(all.rest.data + at, &frame, sizeof(frame));
		at += sizeof(frame) + frame.length;
	}
	receive_bad(f, &all.rest, all.rest.count);
	assert_said("do not add up");
	store_open_in(f, &host, HOST_READ);
	store_receiving_get(host.store, &receiving);
	assert_true(receiving.generation && !receiving.position);
	host_close(&host);
	go_back(f);
}

/* Into an empty store: there is nothing to keep, and back leads to nothing. */
static void test_empty(void **state)
{
	struct fixture *f = all.work;
	struct image nothing = {.count = 0};
	struct host host;

	(void)state;
	store_format_in(f, 6);
	receive_bad(f, &all.increment, all.increment.count);
	assert_said("('g2') of store 02000000-0000-0000-0000-000000000000, which is not there");
	receive_bad(f, &all.whole, all.whole.count / 2);
	store_open_in(f, &host, HOST_RECEIVE);
	assert_int_equal(receive_abort(&host), COMMAND_OK);
	image_check(&host, "live", &nothing);
	assert_int_equal(snapshots_count(&host), 0);
	host_close(&host);
	receive_ok(f, &all.whole);
	store_open_in(f, &host, HOST_READ);
	image_check(&host, "g3", &all.image[GENERATIONS - 1]);
	assert_int_equal(snapshots_count(&host), 1);
	host_close(&host);
	fixture_account(f);
}

/* What was changed since the last snapshot is kept; an increment goes back to its
 * base first, and the same is found when the stream comes in two parts. */
static void test_replaced(void **state)
{
	struct fixture *f = all.work;
	struct image mine;
	struct store_snapshot snapshot = {.number = {0}};
	struct host host;
	void *data;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct bytes *bytes = i % 2 ? &all.increment : &all.whole;

		disk_copy(f, all.target);
		store_open_in(f, &host, HOST_WRITE);
		scribble(&host, 60, all.source);
		/* Behind all that a stream has. */
		assert_int_equal(HOST_RETRY(&host, space_write(&host.space,
							       (page_t){UINT64_C(1) << 34}, &data)),
				 STATUS_OK);
		fixture_fill(data, 1);
		assert_int_equal(host_commit(&host, STORE_ACTION_NONE, (snapshot_t){0}, ""),
				 STATUS_OK);
		mine = image_take(&host, "live");
		host_close(&host);
		if (i >= 2)
			receive_bad(f, bytes, bytes->count / 2);
		store_open_in(f, &host, HOST_RECEIVE);
		if (i >= 4) {
			assert_int_equal(receive_abort(&host), COMMAND_OK);
			image_check(&host, "live", &mine);
		}
		host_close(&host);
		receive_ok(f, bytes);
		after_check(f);
		store_open_in(f, &host, HOST_READ);
		snapshot.number.n = GENERATIONS - 1;
		do {
			assert_int_equal(
				HOST_RETRY(&host, store_snapshot_next(host.store, snapshot.number,
								      &snapshot)),
				STATUS_OK);
		} while (strncmp(snapshot.name, "before-receive-", 15) != 0);
		assert_true(snapshot.flags & DISK_SNAPSHOT_AUTOMATIC);
		image_check(&host, snapshot.name, &mine);
		host_close(&host);
		image_free(&mine);
	}
}

static void test_refusals(void **state)
{
	struct fixture *f = all.work;
	struct receive receive = {.reader = &reader};
	struct host host;

	(void)state;
	/* A part that begins later than what is there. */
	disk_copy(f, all.target);
	store_open_in(all.source, &host, HOST_READ);
	assert_int_equal(stream_send(&host, NULL, "g3", 5050, &all.rest), COMMAND_OK);
	assert_int_equal(stream_send(&host, "g3", "g1", 0, &all.rest), COMMAND_FAILED);
	assert_said("from an older generation to a newer one");
	assert_int_equal(stream_send(&host, NULL, "g3", 5050, &all.rest), COMMAND_OK);
	host_close(&host);
	receive_bad(f, &all.rest, all.rest.count);
	assert_said("all pages are needed: send with --from-page 0");
	/* Another stream than the one that was begun. */
	receive_bad(f, &all.increment, all.border[1][2]);
	receive_bad(f, &all.whole, all.whole.count);
	assert_said("of another stream");
	assert_int_equal(host_open_device(&host, &f->device, "store", HOST_WRITE, FRAMES),
			 COMMAND_FAILED);
	assert_said("go on with 'mkstore receive'");
	store_open_in(f, &host, HOST_READ);
	struct send_view view;
	assert_int_equal(send_view_open(&host, "live", &view), COMMAND_FAILED);
	host_close(&host);
	go_back(f);
	/* A name that is taken; another one serves. */
	store_open_in(f, &host, HOST_WRITE);
	assert_int_equal(host_commit(&host, STORE_ACTION_SNAPSHOT, (snapshot_t){0}, "g3"),
			 STATUS_OK);
	host_close(&host);
	receive_bad(f, &all.increment, all.increment.count);
	assert_said("choose a name with --name");
	store_open_in(f, &host, HOST_RECEIVE);
	all.increment.at = 0;
	reader.read = bytes_read;
	reader.context = &all.increment;
	receive.host = &host;
	receive.name = "other";
	assert_int_equal(receive_stream(&receive), COMMAND_OK);
	image_check(&host, "other", &all.image[GENERATIONS - 1]);
	host_close(&host);
	fixture_account(f);
}

/* A copy of the store that went its own way has another generation of the same
 * number: an increment on that one is refused. */
static void test_other_history(void **state)
{
	struct fixture *f = all.work;
	struct bytes *bytes = &all.rest;
	struct host host;

	(void)state;
	disk_copy(f, all.source);
	store_open_in(f, &host, HOST_WRITE);
	for (unsigned i = 0; i < 2; i++) {
		scribble(&host, 10, all.target);
		assert_int_equal(host_commit(&host, STORE_ACTION_SNAPSHOT, (snapshot_t){0},
					     i ? "mine" : "other"),
				 STATUS_OK);
	}
	assert_int_equal(stream_send(&host, "g2", "mine", 0, bytes), COMMAND_OK);
	host_close(&host);
	disk_copy(f, all.source);
	receive_ok(f, bytes); /* g2 is the same in both */
	store_open_in(f, &host, HOST_READ);
	assert_int_equal(stream_send(&host, "g3", "mine", 0, bytes), COMMAND_OK);
	host_close(&host);
	disk_copy(f, all.source);
	store_open_in(f, &host, HOST_WRITE);
	assert_int_equal(host_commit(&host, STORE_ACTION_DELETE, (snapshot_t){4}, ""), STATUS_OK);
	host_close(&host);
	receive_bad(f, bytes, bytes->count);
	assert_said("which is not there");
}

/* A stream may bring a name from before it meant something else: another is asked
 * for.  What the sender kept by itself may be called as it was. */
static void test_names(void **state)
{
	static const char *const names[] = {"live", "#4", "auto-77"};
	char text[8];
	struct fixture *f = all.work;
	struct bytes *bytes = &all.rest;
	struct store_snapshot snapshot;
	struct host host;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		disk_copy(f, all.source);
		store_open_in(f, &host, HOST_WRITE);
		assert_int_equal(
			host_commit(&host, STORE_ACTION_SNAPSHOT, (snapshot_t){0}, names[i]),
			STATUS_OK);
		snprintf(text, sizeof(text), "#%u", GENERATIONS + 1);
		assert_int_equal(stream_send(&host, NULL, text, 0, bytes), COMMAND_OK);
		host_close(&host);
		disk_copy(f, all.target);
		if (i < 2) {
			receive_bad(f, bytes, bytes->count);
			assert_said("choose another with --name");
			continue;
		}
		receive_ok(f, bytes);
		store_open_in(f, &host, HOST_READ);
		assert_int_equal(lookup_snapshot(&host, names[i], &snapshot), STATUS_OK);
		assert_int_equal(snapshot.flags, 0);
		host_close(&host);
	}
}

/* A copy of the source goes on by itself: a snapshot, and one more. */
static void go_own_way(struct fixture *f, const char *name, const char *next)
{
	struct host host;

	disk_copy(f, all.source);
	store_open_in(f, &host, HOST_WRITE);
	for (unsigned i = 0; i < 2; i++) {
		scribble(&host, 10, all.target);
		assert_int_equal(
			host_commit(&host, STORE_ACTION_SNAPSHOT, (snapshot_t){0}, i ? next : name),
			STATUS_OK);
	}
	host_close(&host);
}

/* Two copies of the source each have a generation of the same number.  Where that of
 * the one was received, an increment on that of the other is refused. */
static void test_other_source(void **state)
{
	struct fixture *target = fixture_new(SECTORS, 64, 512);
	struct bytes *bytes = &all.rest;
	struct stream_header header;
	uint64_t number;
	struct host host;

	(void)state;
	disk_copy(target, all.target);
	receive_ok(target, &all.increment);
	go_own_way(all.work, "one", "two");
	store_open_in(all.work, &host, HOST_READ);
	assert_int_equal(stream_send(&host, "g3", "one", 0, bytes), COMMAND_OK);
	host_close(&host);
	memcpy(&header, bytes->data, sizeof(header));
	number = header.generation;
	receive_ok(target, bytes);
	go_own_way(all.work, "other", "next");
	store_open_in(all.work, &host, HOST_READ);
	assert_int_equal(stream_send(&host, "other", "next", 0, bytes), COMMAND_OK);
	host_close(&host);
	memcpy(&header, bytes->data, sizeof(header));
	assert_int_equal(header.base, number);
	receive_bad(target, bytes, bytes->count);
	assert_said("which is not there");
	fixture_free(target);
}

/* What does not fit is refused before anything is changed. */
static void test_room(void **state)
{
	struct fixture *f = all.work;
	struct host host;
	uint8_t *before = malloc((size_t)SECTORS * SECTOR_SIZE);
	uint64_t page = 900000;
	void *data;

	(void)state;
	disk_copy(f, all.target);
	store_open_in(f, &host, HOST_WRITE);
	while (HOST_RETRY(&host, space_write(&host.space, (page_t){page}, &data)) == STATUS_OK) {
		fixture_fill(data, (uint32_t)(2 * page++ + 1));
		assert_int_equal(host_relieve(&host), STATUS_OK);
	}
	assert_int_equal(host_commit(&host, STORE_ACTION_NONE, (snapshot_t){0}, ""), STATUS_OK);
	host_close(&host);
	memcpy(before, f->disk, (size_t)SECTORS * SECTOR_SIZE);
	receive_bad(f, &all.whole, all.whole.count);
	assert_said("delete snapshots or take a larger store");
	assert_memory_equal(before, f->disk, (size_t)SECTORS * SECTOR_SIZE);
	free(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generations),  cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_flips),	     cmocka_unit_test(test_power),
		cmocka_unit_test(test_power_abort),  cmocka_unit_test(test_empty),
		cmocka_unit_test(test_short),	     cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_refusals),     cmocka_unit_test(test_other_history),
		cmocka_unit_test(test_room),	     cmocka_unit_test(test_names),
		cmocka_unit_test(test_other_source),
	};

	int failed = cmocka_run_group_tests(tests, setup, teardown);
	char line[512];

	rewind(said);
	while (failed && fgets(line, sizeof(line), said))
		fputs(line, stdout);
	return failed;
}
