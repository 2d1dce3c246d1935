/* SPDX-License-Identifier: MIT */
/*
 * test_convert.c - a store of the oldest form is converted, and the power goes meanwhile.
 *
 * What is written is noted, and every state made from it that a power cut can leave: what
 * was flushed, and of what was written since any sectors.  The verifier accepts each, and
 * the conversion can be begun anew there; nothing is lost.
 */
#include "tests/unit/mkstore/verify_fixture.h"

#define WRITES	 64u
#define PAGES	 31u
#define SAMPLES	 200u
#define ALL_UPTO 9u /* sectors of which all subsets are tried */

/* Sectors written; those between two flushes are of one epoch. */
static struct {
	uint64_t sector;
	uint32_t epoch;
	uint8_t data[SECTOR_SIZE];
} written[WRITES * BLOCK_SECTORS];
static uint32_t count, epochs;
static uint8_t content[PAGES][PAGE_SIZE];
static bool present[PAGES];
static uint64_t random_state = 1;

static bool noted_submit(struct block_device *of, struct block_request *request)
{
	if (request->operation == BLOCK_FLUSH)
		epochs++;
	for (uint32_t i = 0; request->operation == BLOCK_WRITE && i < request->sectors; i++) {
		assert_true(count < WRITES * BLOCK_SECTORS);
		written[count].sector = request->sector.n + i;
		written[count].epoch = epochs;
		memcpy(written[count++].data, (uint8_t *)request->data + i * SECTOR_SIZE,
		       SECTOR_SIZE);
	}
	return submit(of, request);
}

/* What `mkstore convert` does after its mount; OK, or why it refuses. */
static void convert(void)
{
	struct store_commit_request request = {.offline = true};
	struct store_recovery recovery;
	generation_t generation;

	engine_begin();
	assert_int_equal(store_mount(engine, &recovery), STATUS_OK);
	assert_int_equal(recovery.stop, STORE_STOP_CLEAN);
	assert_int_equal(store_convert(engine), STATUS_OK);
	assert_int_equal(store_commit(engine, &request, &generation), STATUS_OK);
	assert_int_equal(store_settle(engine), STATUS_OK);
}

static bool page_get(uint32_t page, uint8_t data[PAGE_SIZE])
{
	enum status status;
	frame_t frame;

	do {
		store_operation_begin(engine);
		status = store_page_read(engine, PAGE(page), &frame);
	} while (status == STATUS_WAIT && store_wait(engine));
	if (status == STATUS_OK)
		memcpy(data, store_frame_data(frames, frame), PAGE_SIZE);
	else
		assert_int_equal(status, STATUS_ABSENT);
	return status == STATUS_OK;
}

/* The store as a cut has left it. */
static void check(void)
{
	static uint8_t data[PAGE_SIZE];
	struct store_features features;

	if (verify_all() != STATUS_OK || errors)
		fail_msg("the verifier does not accept it: %s", first_text);
	convert();
	for (uint32_t i = 0; i < PAGES; i++) {
		assert_int_equal(page_get(i, data), present[i]);
		assert_true(!present[i] || memcmp(data, content[i], PAGE_SIZE) == 0);
	}
	store_features_get(engine, &features);
	assert_true(features.incompatible == DISK_FEATURES_KNOWN &&
		    features.read_only == DISK_READ_ONLY_FEATURES_KNOWN);
	assert_int_equal(verify_all(), STATUS_OK);
	if (errors + warnings)
		fail_msg("the verifier is not content with the end: %s", first_text);
}

static bool kept(uint32_t nth, uint32_t subset, uint32_t sectors)
{
	if (sectors <= ALL_UPTO || nth >= 32)
		return subset >> nth % 32 & 1;
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return random_state >> 63;
}

/* Everything before the epoch is there, and of it a subset. */
static void cut(uint32_t epoch, uint32_t subset, uint32_t sectors)
{
	uint32_t nth = 0;

	memcpy(disk, good, SECTORS * SECTOR_SIZE);
	for (uint32_t i = 0; i < count; i++)
		if (written[i].epoch < epoch ||
		    (written[i].epoch == epoch && kept(nth++, subset, sectors)))
			memcpy(disk + written[i].sector * SECTOR_SIZE, written[i].data,
			       SECTOR_SIZE);
}

static void every_cut_can_be_gone_on_from(void **state)
{
	uint32_t cuts = 0, last;

	(void)state;
	engine_begin();
	assert_int_equal(store_mount(engine, &(struct store_recovery){0}), STATUS_OK);
	commit(STORE_ACTION_STOP, 0, "");
	for (uint32_t i = 0; i < PAGES; i++)
		present[i] = page_get(i, content[i]);
	assert_true(present[3]);
	memcpy(good, disk, SECTORS * SECTOR_SIZE);
	count = epochs = 0;
	device.operations = &(const struct block_operations){.submit = noted_submit, .poll = poll};
	convert();
	device.operations = &operations;
	last = epochs;
	/* The mount's and the superblocks' flushes, and the commit's. */
	assert_true(last >= 4 && count > 2 * BLOCK_SECTORS);
	for (uint32_t epoch = 0; epoch <= last; epoch++) {
		uint32_t sectors = 0, subsets;

		for (uint32_t i = 0; i < count; i++)
			sectors += written[i].epoch == epoch;
		subsets = sectors <= ALL_UPTO ? 1u << sectors : SAMPLES;
		for (uint32_t subset = 0; subset < subsets; subset++, cuts++) {
			cut(epoch, subset, sectors);
			check();
		}
	}
	assert_true(cuts > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_cut_can_be_gone_on_from, fresh_copy),
	};

	return cmocka_run_group_tests(tests, make_store, forget_store);
}
