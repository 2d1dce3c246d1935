/* SPDX-License-Identifier: MIT */
/*
 * test_verify_delta.c - the verifier on delta commits, each made by hand.
 *
 * Two deltas are put behind the engine's last full commit: the first changes
 * page 3 and adds page 500, the second changes page 3 again and makes page 7 one
 * of zeros.  Then one thing at a time is made wrong.
 */
#include "tests/unit/mkstore/verify_fixture.h"

static uint64_t free_block; /* the last blocks of the store are free */

/* ---- making deltas ------------------------------------------------------------ */

static struct disk_delta *entries_of(struct disk_record *record)
{
	return (struct disk_delta *)(record + 1);
}

static struct disk_delta *entry_find(struct disk_record *record, uint64_t page)
{
	for (uint32_t i = 0; i < record->entries; i++)
		if (entries_of(record)[i].page == PAGE(page).n)
			return &entries_of(record)[i];
	return NULL;
}

/* An entry for the page, in order; what there was of it is forgotten. */
static struct disk_delta *entry_add(struct disk_record *record, uint64_t page)
{
	struct disk_delta *entry = entries_of(record);
	uint32_t at = 0;

	while (at < record->entries && entry[at].page < PAGE(page).n)
		at++;
	if (at == record->entries || entry[at].page != PAGE(page).n) {
		memmove(&entry[at + 1], &entry[at], (record->entries - at) * sizeof(*entry));
		record->entries++;
		record->length += sizeof(*entry);
	}
	entry[at] = (struct disk_delta){.page = PAGE(page).n,
					.reference = {.birth = record->generation}};
	return &entry[at];
}

static void entry_zero(struct disk_record *record, uint64_t page)
{
	entry_add(record, page)->reference.codec = DISK_CODEC_ZERO;
}

static void entry_seal(struct disk_delta *entry)
{
	reference_seal(&entry->reference, DISK_TREE_SPACE, 0, entry->page);
}

static struct disk_delta *entry_raw(struct disk_record *record, uint64_t page, uint8_t content)
{
	struct disk_delta *entry = entry_add(record, page);

	free_block--;
	entry->reference.codec = DISK_CODEC_RAW;
	entry->reference.sectors = BLOCK_SECTORS;
	entry->reference.length = BLOCK_SIZE;
	entry->reference.sector_low = (uint32_t)(free_block * BLOCK_SECTORS);
	memset(extent_at(&entry->reference), content, BLOCK_SIZE);
	entry_seal(entry);
	return entry;
}

/* A delta after the newest record, that changes nothing yet. */
static struct disk_record *delta_begin(void)
{
	struct disk_record *last = record_newest(), *record;

	record = (struct disk_record *)((uint8_t *)last + DISK_SLOT_SIZE);
	memcpy(record, last, DISK_SLOT_SIZE);
	record->kind = DISK_RECORD_DELTA;
	record->generation++;
	record->slot++;
	record->predecessor = last->generation;
	record->durable = last->generation;
	return record;
}

static struct disk_record *first; /* the two deltas */
static struct disk_record *second;

static int two_deltas(void **state)
{
	fresh_copy(state);
	superblocks_set(offsetof(struct disk_superblock, features_incompatible),
			DISK_FEATURE_DELTA);
	free_block = SECTORS / BLOCK_SECTORS;
	first = delta_begin();
	entry_raw(first, 3, 0x31);
	entry_raw(first, 500, 0x50);
	record_seal(first);
	second = delta_begin();
	entry_raw(second, 3, 0x32);
	entry_zero(second, 7);
	record_seal(second);
	return 0;
}

/* ---- good ones ------------------------------------------------------------------ */

static void expect_page(struct verify *verify, uint64_t page, uint8_t content)
{
	uint8_t data[PAGE_SIZE], expected[PAGE_SIZE];

	memset(expected, content, sizeof(expected));
	assert_int_equal(verify_page_read(verify, PAGE(page), data), STATUS_OK);
	assert_memory_equal(data, expected, sizeof(data));
}

static void the_newest_delta_is_what_is_read(void **state)
{
	struct verify *verify = verify_new();
	const struct verify_totals *totals = verify_totals_get(verify);
	struct verify_space snapshot;
	uint8_t old[PAGE_SIZE];
	uint64_t pages = 0;

	(void)state;
	if (verify_run(verify) != STATUS_OK || errors + warnings)
		fail_msg("%s", first_text);
	assert_int_equal(totals->generation.n, second->generation);
	assert_int_equal(totals->predecessor.n, first->generation);
	assert_int_equal(totals->delta_pages, 3);
	assert_int_equal(totals->pages, second->space.pages + 1);
	assert_int_equal(totals->zero_pages, 1);
	assert_int_equal(totals->used_sectors, second->used_sectors + 2 * BLOCK_SECTORS);
	expect_page(verify, 3, 0x32);
	expect_page(verify, 7, 0);
	expect_page(verify, 500, 0x50);
	for (page_t page = {0}; verify_page_next(verify, page, &page) == STATUS_OK; page.n++)
		pages++;
	assert_int_equal(pages, totals->pages);
	assert_int_equal(verify_space_snapshot(verify, (snapshot_t){1}, &snapshot), STATUS_OK);
	assert_int_equal(verify_space_read(verify, &snapshot, PAGE(3), old), STATUS_OK);
	assert_true(old[0] != 0x32);
	assert_int_equal(verify_space_read(verify, &snapshot, PAGE(500), old), STATUS_ABSENT);
	assert_true(verify_sector_used(verify,
				       disk_reference_sector(&entry_find(first, 3)->reference)));
	assert_true(verify_sector_used(verify,
				       disk_reference_sector(&entry_find(second, 3)->reference)));
	verify_close(verify);
}

/* The full commit that takes the pages in has the very same extents. */
static void a_delta_may_change_nothing(void **state)
{
	struct disk_record *third = delta_begin();

	(void)state;
	third->durable = third->generation;
	record_seal(third);
	assert_int_equal(verify_all(), STATUS_OK);
	assert_int_equal(errors + warnings, 0);
}

/* Behind a node that cannot be read, a delta's pages are there all the same. */
static void pages_of_a_delta_survive_their_tree(void **state)
{
	struct verify *verify = verify_new();
	page_t page = {0};

	(void)state;
	*(uint8_t *)extent_at(&second->space.reference) ^= 1;
	assert_int_equal(verify_run(verify), STATUS_CORRUPT);
	assert_int_equal(verify_page_next(verify, page, &page), STATUS_OK);
	assert_int_equal(page.n, PAGE(3).n);
	expect_page(verify, 3, 0x32);
	page.n = PAGE(500).n + 1;
	assert_int_equal(verify_page_next(verify, page, &page), STATUS_CORRUPT);
	verify_close(verify);
}

static bool count_node(struct verify_visit *visit, const struct verify_extent *extent)
{
	(void)extent;
	++((uint64_t *)visit->context)[0];
	return true;
}

static void count_leave(struct verify_visit *visit, const struct verify_extent *extent)
{
	(void)extent;
	--((uint64_t *)visit->context)[0];
}

static void count_page(struct verify_visit *visit, const struct verify_extent *extent)
{
	uint64_t *count = visit->context;

	assert_true(extent->key >= count[2]); /* in rising order */
	count[2] = extent->key + 1;
	count[1]++;
}

/* The delta comes first in what is found, and not at all in a visit of the tree. */
static void single_structures_are_found(void **state)
{
	struct verify *verify = verify_new();
	struct verify_space before, live;
	struct verify_slot slot;
	struct disk_reference reference;
	uint64_t counts[3] = {0}, key = 0;
	struct verify_visit visit = {.tree = DISK_TREE_SPACE,
				     .space = &live,
				     .context = counts,
				     .node = count_node,
				     .leave = count_leave,
				     .page = count_page};
	uint8_t data[PAGE_SIZE];

	(void)state;
	assert_int_equal(verify_choose(verify), STATUS_OK);
	verify_slot_get(verify, second->slot, &slot);
	assert_int_equal(slot.record->generation, second->generation);
	assert_int_equal(slot.delta[2].page, PAGE(500).n);
	assert_int_equal(verify_space_live(verify, &live), STATUS_OK);
	assert_int_equal(verify_space_generation(verify, (generation_t){first->generation},
						 DISK_TREE_SPACE, &before),
			 STATUS_OK);
	assert_int_equal(
		verify_space_generation(verify, (generation_t){99}, DISK_TREE_SPACE, &before),
		STATUS_NOT_FOUND);
	assert_int_equal(verify_find(verify, DISK_TREE_SPACE, &live, 0, PAGE(3).n, &reference),
			 STATUS_OK);
	assert_memory_equal(&reference, &entry_find(second, 3)->reference, sizeof(reference));
	assert_int_equal(verify_find(verify, DISK_TREE_SPACE, &before, 0, PAGE(3).n, &reference),
			 STATUS_OK);
	assert_memory_equal(&reference, &entry_find(first, 3)->reference, sizeof(reference));
	assert_int_equal(verify_extent_read(verify, DISK_TREE_SPACE, &before, 0, PAGE(3).n,
					    &reference, data),
			 STATUS_OK);
	assert_int_equal(data[17], 0x31);
	assert_int_equal(verify_find(verify, DISK_TREE_SPACE, &live, 0, PAGE(501).n, &reference),
			 STATUS_ABSENT);
	verify_visit(verify, &visit);
	assert_int_equal(counts[0], 0);
	assert_int_equal(counts[1], second->space.pages);
	assert_int_equal(visit.damaged, 0);
	visit.from = PAGE(10).n;
	memset(counts, 0, sizeof(counts));
	verify_visit(verify, &visit);
	assert_true(counts[1] > 0 && counts[1] < second->space.pages);
	assert_int_equal(verify_space_generation(verify, (generation_t){second->generation},
						 DISK_TREE_FREE_MAP, &live),
			 STATUS_OK);
	assert_int_equal(verify_tree_next(verify, DISK_TREE_FREE_MAP, &live, &key, data),
			 STATUS_OK);
	assert_int_equal(key++, 0);
	assert_int_equal(verify_tree_next(verify, DISK_TREE_FREE_MAP, &live, &key, data),
			 STATUS_NOT_FOUND);
	assert_int_equal(errors, 0);
	verify_close(verify);
}

/* ---- faulty ones ------------------------------------------------------------------ */

static void entries_swapped(void)
{
	struct disk_delta *entry = entries_of(second), kept = entry[0];

	entry[0] = entry[1];
	entry[1] = kept;
}

static void entry_of_no_page(void)
{
	entries_of(second)[2].page = DISK_PAGE_MAX;
}

static void entry_null(void)
{
	memset(&entry_find(second, 7)->reference, 0, sizeof(struct disk_reference));
}

static void entry_old(void)
{
	entry_find(second, 7)->reference.birth = second->base;
}

static void entry_from_the_future(void)
{
	entry_find(second, 7)->reference.birth = second->generation + 1;
}

static void entry_outside(void)
{
	entry_find(second, 3)->reference.sector_low = SECTORS;
}

static void length_short(void)
{
	second->length -= sizeof(struct disk_delta);
}

static void padding_not_zero(void)
{
	entries_of(second)[second->entries].page = 1;
}

static void base_too_new(void)
{
	second->base = first->generation;
	for (uint32_t i = 0; i < second->entries; i++)
		entries_of(second)[i].reference.birth = second->generation;
}

static void base_none(void)
{
	second->base = 0;
}

static void root_newer_than_base(void)
{
	second->space.reference.birth = second->generation;
}

static void root_of_its_own(void)
{
	second->space.pages++;
}

static void used_of_its_own(void)
{
	second->used_sectors++;
}

static void snapshots_of_its_own(void)
{
	second->next_snapshot++;
}

static void label_of_its_own(void)
{
	second->label[0] ^= 1;
}

static void retention_of_its_own(void)
{
	second->retention.days++;
}

static void entry_lost(void)
{
	second->entries--; /* that of page 500 */
	second->length -= sizeof(struct disk_delta);
	memset(&entries_of(second)[second->entries], 0, sizeof(struct disk_delta));
}

static void entry_lost_before_another(void)
{
	struct disk_delta *entry = entry_find(second, 500);

	entry->page++;
	entry_seal(entry);
}

/* Born with the first delta, and yet elsewhere than that says. */
static void entry_rewritten(void)
{
	struct disk_delta *entry = entry_raw(second, 500, 0x50);

	entry->reference.birth = first->generation;
}

static void feature_missing(void)
{
	superblocks_set(offsetof(struct disk_superblock, features_incompatible), 0);
}

static void page_of_zeros_stored(void)
{
	entry_raw(second, 8, 0);
}

static void sectors_of_the_tree(void)
{
	struct disk_delta *entry = entry_raw(second, 8, 1);

	/* The block of the free map's root, as if it were a page. */
	entry->reference.sector_low = second->free_map.reference.sector_low;
	entry->reference.sector_high = second->free_map.reference.sector_high;
	entry_seal(entry);
}

static void sectors_of_another_entry(void)
{
	struct disk_delta *entry = entry_raw(second, 8, 0x32);

	entry->reference.sector_low = entry_find(second, 3)->reference.sector_low;
	entry_seal(entry);
}

/* S1: the first delta, which must stay whole, has its page 3 there. */
static void sectors_of_the_predecessor(void)
{
	struct disk_delta *entry = entry_raw(second, 8, 0x31);

	entry->reference.sector_low = entry_find(first, 3)->reference.sector_low;
	entry_seal(entry);
}

static void more_than_a_joint_commit(void)
{
	for (uint64_t page = 600; page < 600 + DISK_JOINT_COMMIT_BLOCKS; page++)
		entry_raw(second, page, (uint8_t)(page | 1));
}

static void page_damaged(void)
{
	second->durable = second->generation;
	*(uint8_t *)extent_at(&entry_find(second, 3)->reference) ^= 1;
}

/* Not a page of the newest commit: no reason to fall back. */
static void older_page_damaged(void)
{
	*(uint8_t *)extent_at(&entry_find(second, 500)->reference) ^= 1;
}

static void faults_are_found(void **state)
{
	static const struct {
		const char *name;
		void (*make)(void);
		enum verify_code code;
		const char *says;
	} faults[] = {
		{"entries swapped", entries_swapped, VERIFY_RECORD, "rising order"},
		{"entry of no page", entry_of_no_page, VERIFY_RECORD, "no page of the space"},
		{"null entry", entry_null, VERIFY_RECORD, "not born after its base"},
		{"entry as old as the base", entry_old, VERIFY_RECORD, "not born after its base"},
		{"entry from the future", entry_from_the_future, VERIFY_RECORD,
		 "born after what refers"},
		{"entry outside the store", entry_outside, VERIFY_RECORD, "outside the data area"},
		{"length short", length_short, VERIFY_RECORD, "length of a delta"},
		{"padding", padding_not_zero, VERIFY_RECORD, "behind the last entry"},
		{"base too new", base_too_new, VERIFY_RECORD, "another generation"},
		{"no base", base_none, VERIFY_RECORD, "not one of the generations before"},
		{"root newer than base", root_newer_than_base, VERIFY_RECORD,
		 "born after its base"},
		{"other root", root_of_its_own, VERIFY_RECORD, "root of the delta"},
		{"other used sectors", used_of_its_own, VERIFY_RECORD, "used sectors"},
		{"other snapshots", snapshots_of_its_own, VERIFY_RECORD, "of snapshots"},
		{"other label", label_of_its_own, VERIFY_RECORD, "label or retention"},
		{"other retention", retention_of_its_own, VERIFY_RECORD, "label or retention"},
		{"entry lost", entry_lost, VERIFY_RECORD, "lost an entry"},
		{"entry lost, another there", entry_lost_before_another, VERIFY_RECORD,
		 "lost an entry"},
		{"old entry, other place", entry_rewritten, VERIFY_RECORD, "has it otherwise"},
		{"feature missing", feature_missing, VERIFY_RECORD,
		 "behind the record is not zero"},
		{"zeros stored", page_of_zeros_stored, VERIFY_CONTENT, "page of zeros"},
		{"sectors of the tree", sectors_of_the_tree, VERIFY_OVERLAP, "marked used"},
		{"sectors of another entry", sectors_of_another_entry, VERIFY_OVERLAP,
		 "belong to another"},
		{"sectors of the predecessor", sectors_of_the_predecessor, VERIFY_OVERLAP,
		 "must stay whole"},
		{"joint commit too large", more_than_a_joint_commit, VERIFY_RECORD,
		 "more than 128 blocks"},
		{"page damaged", page_damaged, VERIFY_CHECKSUM, "damaged"},
		{"older page damaged", older_page_damaged, VERIFY_CHECKSUM, "damaged"},
	};

	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		two_deltas(state);
		faults[i].make();
		record_seal(second);
		assert_int_equal(verify_all(), STATUS_CORRUPT);
		if (codes[faults[i].code] == 0 || !strstr(first_text, faults[i].says))
			fail_msg("%s: expected a finding about \"%s\", first was: %s",
				 faults[i].name, verify_code_text(faults[i].code), first_text);
	}
}

/* What a delta uses must be free in its base's map. */
static void a_delta_in_marked_sectors_is_found(void **state)
{
	struct disk_record *delta;
	struct disk_reference *reference;
	uint8_t *map;
	uint64_t block;

	fresh_copy(state);
	superblocks_set(offsetof(struct disk_superblock, features_incompatible),
			DISK_FEATURE_DELTA);
	free_block = SECTORS / BLOCK_SECTORS;
	block = free_block - 1;
	map = free_map_page(&reference);
	map[block] = 0xff;
	free_map_seal(reference);
	delta = delta_begin();
	entry_raw(delta, 3, 0x31);
	record_seal(delta);
	expect_only(VERIFY_DELTA);
	assert_true(codes[VERIFY_LEAKED] > 0);
}

/* ---- torn and damaged --------------------------------------------------------------- */

static void expect_fall_back(struct disk_record *lost, struct disk_record *kept)
{
	struct verify *verify = verify_new();

	if (verify_run(verify) != STATUS_OK)
		fail_msg("%s", first_text);
	assert_int_equal(warnings, 1);
	assert_int_equal(verify_totals_get(verify)->torn.n, lost->generation);
	assert_int_equal(verify_totals_get(verify)->generation.n, kept->generation);
	expect_page(verify, 3, 0x31);
	verify_close(verify);
}

static void a_torn_page_is_a_torn_commit(void **state)
{
	(void)state;
	*(uint8_t *)extent_at(&entry_find(second, 3)->reference) ^= 1;
	expect_fall_back(second, first);
}

/* A record of several sectors, of which a power cut kept only some. */
static void a_torn_record_is_a_torn_commit(void **state)
{
	uint8_t *slot = (uint8_t *)second;
	uint8_t kept[DISK_SLOT_SIZE];

	(void)state;
	for (uint64_t page = 600; page < 640; page++)
		entry_raw(second, page, (uint8_t)(page | 1));
	record_seal(second);
	assert_int_equal(verify_all(), STATUS_OK);
	memcpy(kept, slot, sizeof(kept));
	for (uint32_t sector = 1; sector * SECTOR_SIZE < second->length; sector++) {
		memset(slot + sector * SECTOR_SIZE, 0, SECTOR_SIZE);
		expect_fall_back(second, first);
		memcpy(slot, kept, sizeof(kept));
	}
	/* The first sector alone is missing: nothing was ever there. */
	memset(slot, 0, SECTOR_SIZE);
	assert_int_equal(verify_all(), STATUS_OK);
	assert_int_equal(warnings, 0);
}

static void a_damaged_record_among_others_is_an_error(void **state)
{
	(void)state;
	entries_of(first)->page ^= 1;
	expect_only(VERIFY_SLOT);
}

static void every_byte_of_a_delta_counts(void **state)
{
	uint8_t *slot = (uint8_t *)second;

	(void)state;
	for (uint32_t at = 0; at < 2 * SECTOR_SIZE; at++) {
		slot[at] ^= (uint8_t)(1u << at % 8);
		verify_all();
		slot[at] ^= (uint8_t)(1u << at % 8);
		if (errors + warnings == 0)
			fail_msg("a change of byte %u of the record is not noticed", at);
	}
}

/* Whatever a delta says with a good checksum: an answer, and no harm. */
static void hostile_deltas_do_no_harm(void **state)
{
	uint32_t random = 1;

	for (unsigned i = 0; i < 3000; i++) {
		struct verify *verify;
		page_t page = {0};
		uint32_t length = second->length;

		for (unsigned change = 0; change <= i % 4; change++) {
			random = random * 1103515245 + 12345;
			((uint8_t *)second)[40 + (random >> 8) % (length - 40)] ^=
				(uint8_t)(1u << random % 8);
		}
		record_seal(second);
		verify = verify_new();
		verify_run(verify);
		for (unsigned n = 0; n < 100 && verify_page_next(verify, page, &page) == STATUS_OK;
		     n++)
			page.n++;
		verify_close(verify);
		two_deltas(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_newest_delta_is_what_is_read, two_deltas),
		cmocka_unit_test_setup(a_delta_may_change_nothing, two_deltas),
		cmocka_unit_test_setup(pages_of_a_delta_survive_their_tree, two_deltas),
		cmocka_unit_test_setup(single_structures_are_found, two_deltas),
		cmocka_unit_test(faults_are_found),
		cmocka_unit_test(a_delta_in_marked_sectors_is_found),
		cmocka_unit_test_setup(a_torn_page_is_a_torn_commit, two_deltas),
		cmocka_unit_test_setup(a_torn_record_is_a_torn_commit, two_deltas),
		cmocka_unit_test_setup(a_damaged_record_among_others_is_an_error, two_deltas),
		cmocka_unit_test_setup(every_byte_of_a_delta_counts, two_deltas),
		cmocka_unit_test_setup(hostile_deltas_do_no_harm, two_deltas),
	};

	return cmocka_run_group_tests(tests, make_store, forget_store);
}
