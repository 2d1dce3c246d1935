/* SPDX-License-Identifier: MIT */
/*
 * test_survey.c - who reaches which sectors, against counting them one by one.
 *
 * A random life of a store: pages, snapshots, deletions in steps, restores,
 * deltas.  After every few commits the survey, which leaves out what it knows,
 * must say what a walk of every tree into every node says.
 */
#define SECTORS (8u * DISK_SECTORS_MIN)
#include "tests/unit/mkstore/verify_fixture.h"
#include "tools/mkstore/survey.h"

#define ROUNDS	   300u
#define ZERO_PAGES 4200u /* more references than one step of a deletion looks at */

static uint32_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 1103515245 + 12345;
	return (random_state >> 8) % limit;
}

/* ---- counting one by one --------------------------------------------------------- */

static uint16_t reached_by[SECTORS]; /* owners */
static uint16_t last_owner[SECTORS];

struct count {
	uint16_t owner;
	const struct verify_space *live; /* for its delta; null: not the live state */
	uint64_t pages, sectors;
};

static void count_extent(struct count *count, const struct disk_reference *reference)
{
	uint64_t sector = disk_reference_sector(reference).n;

	count->sectors += reference->sectors;
	for (unsigned i = 0; i < reference->sectors; i++) {
		reached_by[sector + i]++;
		last_owner[sector + i] = count->owner;
	}
}

static bool count_node(struct verify_visit *visit, const struct verify_extent *extent)
{
	count_extent(visit->context, &extent->reference);
	return true;
}

static void count_page(struct verify_visit *visit, const struct verify_extent *extent)
{
	struct count *count = visit->context;

	for (uint32_t i = 0; count->live && i < count->live->entries; i++)
		if (count->live->delta[i].page == extent->key)
			return;
	count->pages++;
	count_extent(count, &extent->reference);
}

static struct count count_owner(struct verify *verify, uint16_t owner,
				const struct verify_space *space, uint64_t from)
{
	struct count count = {.owner = owner, .live = owner ? NULL : space};
	struct verify_visit visit = {.tree = DISK_TREE_SPACE,
				     .space = space,
				     .from = from,
				     .context = &count,
				     .node = count_node,
				     .page = count_page};

	verify_visit(verify, &visit);
	assert_int_equal(visit.damaged, 0);
	for (uint32_t i = 0; count.live && i < space->entries; i++) {
		count.pages++;
		count_extent(&count, &space->delta[i].reference);
	}
	return count;
}

/* ---- the comparison -------------------------------------------------------------- */

static uint64_t steps_seen, deltas_seen, replaced_seen; /* states worth comparing */

static void owners_compare(const struct survey *survey, const struct count *count)
{
	uint64_t exclusive[64] = {0}, shared = 0;

	for (uint64_t sector = 0; sector < SECTORS; sector++) {
		if (reached_by[sector] == 1)
			exclusive[last_owner[sector]]++;
		shared += reached_by[sector] > 1;
	}
	assert_int_equal(survey->shared_sectors, shared);
	for (uint32_t i = 0; i < survey->owners; i++) {
		assert_int_equal(survey->owner[i].pages, count[i].pages);
		assert_int_equal(survey->owner[i].reached, count[i].sectors);
		assert_int_equal(survey->owner[i].exclusive, exclusive[i]);
	}
}

/* All used sectors are somebody's. */
static void total_compare(const struct survey *survey, const struct disk_record *record)
{
	uint64_t total = survey->shared_sectors + survey->replaced_sectors +
			 survey->free_map_sectors + survey->catalogue_sectors;
	uint64_t used = record->used_sectors;

	for (uint32_t i = 0; i < survey->owners; i++)
		total += survey->owner[i].exclusive;
	for (uint32_t i = 0; i < survey->live.entries; i++)
		used += survey->live.delta[i].reference.sectors;
	assert_int_equal(total, used);
	deltas_seen += survey->live.entries != 0;
	replaced_seen += survey->replaced_sectors != 0;
}

static void compare(void)
{
	struct inspect inspect = {.verify = verify_new()};
	struct survey survey;
	struct count count[64];
	struct verify_space space;

	assert_int_equal(verify_choose(inspect.verify), STATUS_OK);
	assert_int_equal(survey_run(&survey, &inspect), STATUS_OK);
	assert_int_equal(survey.damaged, 0);
	assert_true(survey.owners <= 64);
	memset(reached_by, 0, sizeof(reached_by));
	assert_int_equal(verify_space_live(inspect.verify, &space), STATUS_OK);
	count[0] = count_owner(inspect.verify, 0, &space, 0);
	for (uint16_t i = 1; i < survey.owners; i++) {
		const struct disk_snapshot *snapshot = survey.owner[i].snapshot;
		uint64_t from = snapshot->flags & DISK_SNAPSHOT_DYING ? snapshot->cursor : 0;

		steps_seen += from != 0;
		assert_int_equal(verify_space_snapshot(inspect.verify,
						       (snapshot_t){snapshot->number}, &space),
				 STATUS_OK);
		count[i] = count_owner(inspect.verify, i, &space, from);
	}
	owners_compare(&survey, count);
	total_compare(&survey, verify_record(inspect.verify));
	survey_free(&survey);
	verify_close(inspect.verify);
}

/* ---- a life ---------------------------------------------------------------------- */

static uint64_t kept[32]; /* numbers of snapshots */
static uint32_t keeps;

static uint64_t snapshot_number(const char *name)
{
	struct store_snapshot snapshot;
	enum status status;

	while ((status = store_snapshot_find(engine, name, &snapshot)) == STATUS_WAIT)
		assert_true(store_wait(engine));
	assert_int_equal(status, STATUS_OK);
	return snapshot.number.n;
}

static void snapshot_take(uint32_t round)
{
	char name[32];

	if (keeps == 12)
		return;
	snprintf(name, sizeof(name), "s%u", round);
	commit(STORE_ACTION_SNAPSHOT, 0, name);
	kept[keeps++] = snapshot_number(name);
}

static void snapshot_forget(void)
{
	uint32_t which;

	if (keeps == 0)
		return;
	which = random_below(keeps);
	commit(STORE_ACTION_DELETE, kept[which], "");
	kept[which] = kept[--keeps];
}

static void mount(void)
{
	struct store_recovery recovery;

	engine_begin();
	assert_int_equal(store_mount(engine, &recovery), STATUS_OK);
}

static void snapshot_return(uint32_t round)
{
	char name[32];

	if (keeps == 0 || keeps == 12)
		return;
	snprintf(name, sizeof(name), "r%u", round);
	commit(STORE_ACTION_RESTORE, kept[random_below(keeps)], name);
	mount();
	kept[keeps++] = snapshot_number(name);
}

/* A store this small fills up. */
static void room_make(void)
{
	struct store_statistics statistics;

	store_statistics_get(engine, &statistics);
	while (keeps && statistics.used_sectors > SECTORS / 4) {
		snapshot_forget();
		commit(STORE_ACTION_NONE, 0, "");
		commit(STORE_ACTION_NONE, 0, "");
		store_statistics_get(engine, &statistics);
	}
}

/* A page of zeros anew: absent or not, it is written. */
static void page_zero(uint64_t page)
{
	enum status status;
	frame_t frame;

	for (;;) {
		store_operation_begin(engine);
		status = store_page_write(engine, PAGE(page), &frame);
		if (status != STATUS_WAIT)
			break;
		assert_true(store_wait(engine));
	}
	assert_int_equal(status, STATUS_OK);
	memset(store_frame_data(frames, frame), 0, PAGE_SIZE);
}

static void live_a_round(uint32_t round)
{
	uint32_t dice = random_below(100), writes = 1 + random_below(12);

	room_make();
	for (uint32_t i = 0; i < writes; i++)
		page_set(random_below(3) ? random_below(40) : random_below(90) * 97,
			 random_below(50));
	if (dice < 15)
		snapshot_take(round);
	else if (dice < 25)
		snapshot_forget();
	else if (dice < 30)
		snapshot_return(round);
	else
		commit(STORE_ACTION_NONE, 0, "");
}

static void the_survey_counts_right(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 3; seed++) {
		random_state = seed;
		for (uint32_t round = 0; round < ROUNDS; round++) {
			live_a_round(seed * ROUNDS + round);
			compare();
		}
	}
	assert_true(deltas_seen > 0);
	assert_true(replaced_seen > 0);
}

/* Pages of zeros take no room, so that a small store can have many. */
static void zeros_write(void)
{
	for (uint32_t i = 0; i < ZERO_PAGES; i++) {
		page_zero(100000 + i);
		if (i % 40 == 39)
			commit(STORE_ACTION_NONE, 0, "");
	}
}

/* A snapshot that dies in several commits, between which things go on. */
static void a_dying_snapshot_counts_from_its_cursor(void **state)
{
	(void)state;
	random_state = 9;
	zeros_write();
	for (uint32_t page = 0; page < 40; page++)
		page_set(100000 + page * 100, page);
	commit(STORE_ACTION_SNAPSHOT, 0, "before");
	zeros_write();
	commit(STORE_ACTION_SNAPSHOT, 0, "between");
	zeros_write();
	compare();
	commit(STORE_ACTION_DELETE, snapshot_number("between"), "");
	for (uint32_t round = 0; round < 6; round++) {
		compare();
		page_set(100000 + random_below(ZERO_PAGES), round);
		commit(STORE_ACTION_NONE, 0, "");
	}
	assert_true(steps_seen > 0);
}

/* Whatever a record says with a good checksum: an answer, and no harm. */
static void hostile_records_do_no_harm(void **state)
{
	uint8_t kept[DISK_SLOT_SIZE], *record = (uint8_t *)record_newest();

	(void)state;
	random_state = 5;
	memcpy(kept, record, sizeof(kept));
	for (unsigned i = 0; i < 1000; i++) {
		struct inspect inspect = {.quiet = true};
		struct survey survey;

		for (unsigned change = 0; change <= i % 4; change++)
			record[40 + random_below(340)] ^= (uint8_t)(1u << random_below(8));
		record_seal((struct disk_record *)record);
		inspect.verify = verify_new();
		verify_choose(inspect.verify);
		if (verify_record(inspect.verify)) {
			assert_int_equal(survey_run(&survey, &inspect), STATUS_OK);
			survey_free(&survey);
		}
		verify_close(inspect.verify);
		memcpy(record, kept, sizeof(kept));
	}
}

static int make_store_with_deltas(void **state)
{
	with_deltas = true;
	return make_store(state);
}

static int another_store(void **state)
{
	(void)state;
	memcpy(disk, good, SECTORS * SECTOR_SIZE);
	keeps = 0;
	mount();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_survey_counts_right, another_store),
		cmocka_unit_test_setup(a_dying_snapshot_counts_from_its_cursor, another_store),
		cmocka_unit_test_setup(hostile_records_do_no_harm, another_store),
	};

	return cmocka_run_group_tests(tests, make_store_with_deltas, forget_store);
}
