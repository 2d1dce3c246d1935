/* SPDX-License-Identifier: MIT */
/*
 * test_codec.c - nodes in columns: the order of the bytes, where they are allowed.
 */
#include "tests/unit/store/fixture.h"

#include "store/store_priv.h"

static void test_order(void **state)
{
	struct disk_node node, back;
	uint8_t columns[PAGE_SIZE];
	const uint8_t *bytes = (const uint8_t *)&node;

	(void)state;
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		((uint8_t *)&node)[i] = (uint8_t)(i * 7 + i / 251);
	codec_columns(&node, columns);
	for (unsigned entry = 0; entry < 128; entry++)
		for (unsigned byte = 0; byte < 32; byte++)
			assert_int_equal(columns[128 * byte + entry], bytes[32 * entry + byte]);
	codec_rows(columns, &back);
	assert_memory_equal(&node, &back, sizeof(node));
}

/* The codec of the root node of a store with one page. */
static unsigned root_codec(bool columns)
{
	struct fixture *f = fixture_new(65536, 64, 512);
	struct store_format_options options = {
		.sectors = 65536, .write_unit = 512, .columns = columns};
	unsigned codec;

	fixture_init(f);
	assert_int_equal(store_format(f->store, &options), STATUS_OK);
	fixture_write(f, 3, 17);
	assert_int_equal(fixture_commit(f, STORE_ACTION_NONE, 0, ""), STATUS_OK);
	codec = f->store->record.space.reference.codec;
	assert_int_equal(fixture_mount(f), STATUS_OK);
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
	return codec;
}

static void test_feature(void **state)
{
	(void)state;
	assert_int_equal(root_codec(true), DISK_CODEC_COLUMNS);
	assert_int_equal(root_codec(false), DISK_CODEC_LZ4);
}

/* A page of the space or of the free map is never in columns. */
static void test_places(void **state)
{
	struct disk_reference reference = {.sector_low = DISK_DATA_SECTOR,
					   .sectors = 2,
					   .codec = DISK_CODEC_COLUMNS,
					   .birth = 1,
					   .length = 700};

	(void)state;
	assert_true(reference_valid(&reference, (struct place){DISK_TREE_SPACE, 1, 0}, 65536));
	assert_true(reference_valid(&reference, (struct place){DISK_TREE_CATALOGUE, 2, 0}, 65536));
	assert_false(reference_valid(&reference, (struct place){DISK_TREE_SPACE, 0, 0}, 65536));
	assert_false(reference_valid(&reference, (struct place){DISK_TREE_FREE_MAP, 1, 0}, 65536));
	reference.length = 0;
	assert_false(reference_valid(&reference, (struct place){DISK_TREE_SPACE, 1, 0}, 65536));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_feature),
		cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
