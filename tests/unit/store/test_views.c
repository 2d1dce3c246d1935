/* SPDX-License-Identifier: MIT */
/*
 * test_views.c - generations read side by side, and what differs between them.
 */
#include "tests/unit/store/fixture.h"

#define KEPT 6u
#define FAR  3u

/* Pages that make trees of other heights than the model's. */
static const uint64_t far_page[FAR] = {3, 127 * 128, UINT64_C(1) << 34};

struct kept {
	snapshot_t number;
	uint32_t model[FIXTURE_PAGES];
	bool far[FAR];
};

static snapshot_t find(struct fixture *f, const char *name)
{
	struct store_snapshot snapshot;
	enum status status;

	while ((status = store_snapshot_find(f->store, name, &snapshot)) == STATUS_WAIT)
		fixture_wait(f);
	assert_int_equal(status, STATUS_OK);
	return snapshot.number;
}

static enum status view_open(struct fixture *f, snapshot_t number, struct store_view *view)
{
	enum status status;

	while ((status = store_view_open(f->store, number, view)) == STATUS_WAIT)
		fixture_wait(f);
	return status;
}

static enum status view_read(struct fixture *f, struct store_view *view, uint64_t page,
			     const void **data)
{
	enum status status;

	while ((status = store_view_read(f->store, view, (page_t){page}, data)) == STATUS_WAIT)
		fixture_wait(f);
	return status;
}

static enum status view_differ(struct fixture *f, struct store_view *before,
			       struct store_view *after, page_t *page,
			       enum store_difference *difference)
{
	enum status status;

	do {
		status = store_view_differ(f->store, before, after, page, difference);
		if (status == STATUS_WAIT)
			fixture_wait(f);
	} while (status == STATUS_WAIT || (status == STATUS_OK && *difference == STORE_SAME));
	return status;
}

static void scribble(struct fixture *f, unsigned changes)
{
	while (changes--)
		assert_int_equal(fixture_write(f, fixture_random(f, FIXTURE_PAGES),
					       1 + fixture_random(f, 1000)),
				 STATUS_OK);
}

static void far_write(struct fixture *f, struct kept *now, unsigned i, bool there)
{
	void *data;

	now->far[i] = there;
	if (there) {
		assert_int_equal(fixture_try(f, true, far_page[i], &data), STATUS_OK);
		memset(data, (int)i + 1, PAGE_SIZE);
		return;
	}
	while (store_pages_clear(f->store, (page_t){far_page[i]}, 1) == STATUS_WAIT)
		fixture_wait(f);
}

/* A history of snapshots, each other than all before, of trees of all heights. */
static struct kept *history(struct fixture *f)
{
	struct kept *kept = calloc(KEPT, sizeof(*kept));
	struct kept *now = calloc(1, sizeof(*now));
	char name[2] = "a";

	for (unsigned i = 0; i < KEPT; i++) {
		if (i)
			scribble(f, i == 3 ? 1 : 200);
		for (uint32_t k = 0; i == 2 && k < FIXTURE_PAGES; k += 500)
			fixture_clear(f, k, 500);
		if (i > 2)
			fixture_clear(f, fixture_random(f, FIXTURE_PAGES - 100), 100);
		for (unsigned k = 0; k < FAR; k++)
			far_write(f, now, k, i >> k & 1);
		name[0] = (char)('a' + i);
		assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, name), STATUS_OK);
		memcpy(kept[i].model, f->model, sizeof(f->model));
		memcpy(kept[i].far, now->far, sizeof(now->far));
		kept[i].number = find(f, name);
	}
	free(now);
	return kept;
}

static void compare_page(struct fixture *f, struct store_view *view, const struct kept *kept,
			 uint32_t index)
{
	static uint32_t expected[PAGE_SIZE / 4];
	struct disk_reference reference;
	const void *data;
	enum status status = view_read(f, view, f->base + index, &data);

	if (!kept->model[index]) {
		assert_int_equal(status, STATUS_ABSENT);
		return;
	}
	assert_int_equal(status, STATUS_OK);
	fixture_fill(expected, kept->model[index]);
	assert_memory_equal(data, expected, PAGE_SIZE);
	while ((status = store_view_read_stored(f->store, view, (page_t){f->base + index},
						&reference, &data)) == STATUS_WAIT)
		fixture_wait(f);
	assert_int_equal(status, STATUS_OK);
	if (reference.codec == DISK_CODEC_LZ4) {
		uint32_t page[PAGE_SIZE / 4];

		assert_int_equal(
			LZ4_decompress_safe(data, (char *)page, reference.length, PAGE_SIZE),
			PAGE_SIZE);
		assert_memory_equal(page, expected, PAGE_SIZE);
	} else if (reference.codec == DISK_CODEC_RAW) {
		assert_memory_equal(data, expected, PAGE_SIZE);
	} else {
		assert_int_equal(reference.codec, DISK_CODEC_ZERO);
		assert_int_equal(kept->model[index], 1);
	}
}

static void test_reading(void **state)
{
	struct fixture *f = fixture_make(65536, 64, 512, true);
	struct kept *kept = history(f);
	struct store_view view, live;
	const void *data;

	(void)state;
	scribble(f, 300); /* dirty pages are no generation's */
	for (unsigned i = 0; i < KEPT; i++) {
		assert_int_equal(view_open(f, kept[i].number, &view), STATUS_OK);
		for (uint32_t k = 0; k < FIXTURE_PAGES; k++)
			compare_page(f, &view, &kept[i], k);
		for (unsigned k = 0; k < FAR; k++)
			assert_int_equal(view_read(f, &view, far_page[k], &data),
					 kept[i].far[k] ? STATUS_OK : STATUS_ABSENT);
		assert_int_equal(view_read(f, &view, DISK_PAGE_MAX, &data), STATUS_INVALID);
	}
	fixture_checkpoint(f);
	assert_int_equal(view_open(f, (snapshot_t){0}, &live), STATUS_OK);
	memcpy(kept[0].model, f->model, sizeof(f->model));
	for (uint32_t k = 0; k < FIXTURE_PAGES; k++)
		compare_page(f, &live, &kept[0], k);
	free(kept);
	fixture_free(f);
}

/* What differs between two models, page by page, in order. */
static void compare_difference(struct fixture *f, struct store_view *before, const struct kept *old,
			       struct store_view *after, const struct kept *new)
{
	enum store_difference difference;
	page_t page = {f->base};
	uint32_t index = 0;

	while (view_differ(f, before, after, &page, &difference) == STATUS_OK &&
	       page.n < f->base + FIXTURE_PAGES) {
		assert_true(page.n >= f->base + index);
		for (; index < page.n - f->base; index++)
			assert_int_equal(old->model[index], new->model[index]);
		assert_int_equal(!old->model[index], difference == STORE_ADDED);
		assert_int_equal(!new->model[index], difference == STORE_REMOVED);
		index++;
		page.n++;
	}
	for (; index < FIXTURE_PAGES; index++)
		assert_int_equal(old->model[index], new->model[index]);
	for (unsigned i = 0; i < FAR; i++) {
		page.n = far_page[i];
		if (view_differ(f, before, after, &page, &difference) != STATUS_OK ||
		    page.n != far_page[i])
			difference = STORE_SAME;
		if (old->far[i] != new->far[i])
			assert_int_equal(difference, new->far[i] ? STORE_ADDED : STORE_REMOVED);
		else
			assert_true(difference != STORE_ADDED && difference != STORE_REMOVED);
	}
}

static void test_differences(void **state)
{
	struct fixture *f = fixture_make(65536, 64, 512, true);
	struct kept *kept = history(f), *none = calloc(1, sizeof(*none));
	struct store_view view[2], nothing = {{0}, {0}, 0, {{0}, 0, 0, 0}, 0, NULL};
	enum store_difference difference;
	page_t page = {0};

	(void)state;
	for (unsigned i = 0; i < KEPT; i++) {
		assert_int_equal(view_open(f, kept[i].number, &view[0]), STATUS_OK);
		for (unsigned k = 0; k < KEPT; k++) {
			assert_int_equal(view_open(f, kept[k].number, &view[1]), STATUS_OK);
			compare_difference(f, &view[0], &kept[i], &view[1], &kept[k]);
		}
		compare_difference(f, &nothing, none, &view[0], &kept[i]);
		compare_difference(f, &view[0], &kept[i], &nothing, none);
		page.n = 0;
		assert_int_equal(view_differ(f, &view[0], &view[0], &page, &difference),
				 STATUS_NOT_FOUND);
	}
	page.n = 0;
	assert_int_equal(view_differ(f, &nothing, &nothing, &page, &difference), STATUS_NOT_FOUND);
	free(none);
	free(kept);
	fixture_free(f);
}

/* The cost of comparing is what differs: one page in a large store is found by
 * reading two paths. */
static void test_pruning(void **state)
{
	struct fixture *f = fixture_make(65536, 300, 512, true);
	struct store_view before, after;
	enum store_difference difference;
	page_t page = {0};
	uint64_t reads;

	(void)state;
	for (uint32_t i = 0; i < FIXTURE_PAGES; i++)
		assert_int_equal(fixture_write(f, i, 2 + i), STATUS_OK);
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "before"), STATUS_OK);
	assert_int_equal(fixture_write(f, 77, 1), STATUS_OK);
	fixture_checkpoint(f);
	fixture_remount(f);
	assert_int_equal(view_open(f, find(f, "before"), &before), STATUS_OK);
	assert_int_equal(view_open(f, (snapshot_t){0}, &after), STATUS_OK);
	assert_int_not_equal(store_view_digest(f->store, &before),
			     store_view_digest(f->store, &after));
	reads = f->reads;
	assert_int_equal(view_differ(f, &before, &after, &page, &difference), STATUS_OK);
	assert_true(page.n == f->base + 77 && difference == STORE_CHANGED);
	page.n++;
	assert_int_equal(view_differ(f, &before, &after, &page, &difference), STATUS_NOT_FOUND);
	assert_true(f->reads - reads <= 2 * DISK_HEIGHT_MAX);
	fixture_free(f);
}

/* Trees of different heights, with nothing of the higher one where the lower is. */
static void test_heights(void **state)
{
	struct fixture *f = fixture_make(65536, 64, 512, true);
	struct kept *kept = calloc(2, sizeof(*kept));
	struct store_view low, high;

	(void)state;
	assert_int_equal(fixture_write(f, 7, 9), STATUS_OK);
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "low"), STATUS_OK);
	memcpy(kept[0].model, f->model, sizeof(f->model));
	fixture_clear(f, 7, 1);
	far_write(f, &kept[1], 2, true);
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "high"), STATUS_OK);
	assert_int_equal(view_open(f, find(f, "low"), &low), STATUS_OK);
	assert_int_equal(view_open(f, find(f, "high"), &high), STATUS_OK);
	assert_true(low.root.height < high.root.height);
	compare_difference(f, &low, &kept[0], &high, &kept[1]);
	compare_difference(f, &high, &kept[1], &low, &kept[0]);
	free(kept);
	fixture_free(f);
}

/* A view ends with its generation, and what cannot be seen cannot be opened. */
static void test_ending(void **state)
{
	struct fixture *f = fixture_make(65536, 300, 512, true);
	struct store_view live, first, second;
	struct store_statistics statistics;
	snapshot_t number;
	const void *data;

	(void)state;
	scribble(f, 500);
	assert_int_equal(fixture_write(f, 5, 7), STATUS_OK);
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "first"), STATUS_OK);
	scribble(f, 500);
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "second"), STATUS_OK);
	number = find(f, "first");
	assert_int_equal(view_open(f, (snapshot_t){0}, &live), STATUS_OK);
	assert_int_equal(view_open(f, number, &first), STATUS_OK);
	assert_int_equal(view_open(f, find(f, "second"), &second), STATUS_OK);
	assert_int_equal(view_read(f, &live, f->base + 5, &data), STATUS_OK);
	scribble(f, 10);
	fixture_checkpoint(f);
	assert_int_equal(view_read(f, &live, f->base + 5, &data), STATUS_DEAD);
	assert_int_equal(view_read(f, &first, f->base + 5, &data), STATUS_OK);
	assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, number.n, ""), STATUS_OK);
	assert_int_equal(view_read(f, &first, f->base + 5, &data), STATUS_DEAD);
	store_statistics_get(f->store, &statistics);
	assert_int_equal(statistics.dying.n, number.n);
	assert_int_equal(view_open(f, number, &first), STATUS_NOT_FOUND);
	assert_int_equal(view_open(f, (snapshot_t){99}, &first), STATUS_NOT_FOUND);
	assert_int_equal(view_read(f, &second, f->base + 5, &data), STATUS_OK);
	fixture_free(f);
}

/* Damage is an error of the page it is in, named, and of no other. */
static void test_damage(void **state)
{
	struct fixture *f = fixture_make(65536, 300, 512, true);
	struct disk_reference reference;
	struct store_view view;
	const void *data;

	(void)state;
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(fixture_write(f, i, 3 + i), STATUS_OK);
	fixture_checkpoint(f);
	assert_int_equal(view_open(f, (snapshot_t){0}, &view), STATUS_OK);
	for (uint32_t i = 0; i < 2; i++) { /* one raw, one compressed */
		assert_int_equal(view_read(f, &view, f->base + i + 4, &data), STATUS_OK);
		assert_int_equal(
			store_view_find(f->store, &view, (page_t){f->base + i}, &reference),
			STATUS_OK);
		f->disk[disk_reference_sector(&reference).n * SECTOR_SIZE + 9] ^= 1;
	}
	fixture_remount(f);
	assert_int_equal(view_open(f, (snapshot_t){0}, &view), STATUS_OK);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(view_read(f, &view, f->base + i, &data), STATUS_CORRUPT);
		enum status status;
		while ((status = store_view_read_stored(f->store, &view, (page_t){f->base + i},
							&reference, &data)) == STATUS_WAIT)
			fixture_wait(f);
		assert_int_equal(status, STATUS_CORRUPT);
		assert_non_null(strstr(f->log_last, "does not match its checksum"));
	}
	assert_int_equal(view_read(f, &view, f->base + 2, &data), STATUS_OK);
	fixture_free(f);
}

/* ---- beside damaged nodes, and deltas ------------------------------------------------ */

static uint64_t view_pages(struct fixture *f, struct store_view *view)
{
	enum status status;
	uint64_t pages;

	while ((status = store_view_pages(f->store, view, &pages)) == STATUS_WAIT)
		fixture_wait(f);
	assert_int_equal(status, STATUS_OK);
	return pages;
}

static enum status view_gap(struct fixture *f, struct store_view *view, uint64_t page,
			    uint64_t *end)
{
	enum status status;
	page_t behind = {0};

	while ((status = store_view_gap(f->store, view, (page_t){page}, &behind)) == STATUS_WAIT)
		fixture_wait(f);
	*end = behind.n;
	return status;
}

/* A snapshot of pages in four nodes; then a delta with two of its pages written
 * again and one that it has not. */
static struct fixture *with_delta(struct store_view *snapshot, struct store_view *live)
{
	struct fixture *f = fixture_make(65536, 300, 512, true);

	for (uint32_t i = 0; i < 512; i += 2)
		assert_int_equal(fixture_write(f, i, 2 * i + 3), STATUS_OK);
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "kept"), STATUS_OK);
	assert_int_equal(fixture_write(f, 140, 5), STATUS_OK);
	assert_int_equal(fixture_write(f, 141, 7), STATUS_OK);
	assert_int_equal(fixture_write(f, 300, 9), STATUS_OK);
	fixture_checkpoint(f);
	assert_int_equal(fixture_record(f)->kind, DISK_RECORD_DELTA);
	assert_int_equal(view_open(f, find(f, "kept"), snapshot), STATUS_OK);
	assert_int_equal(view_open(f, (snapshot_t){0}, live), STATUS_OK);
	return f;
}

/* Damages the node of level 1 on the path to this page, as the live tree has it. */
static void damage_node(struct fixture *f, uint64_t page)
{
	const struct disk_root *root = &fixture_record(f)->space;
	struct account a = {f, calloc(65536, 1), NULL, 0};
	struct disk_reference reference = root->reference;

	for (unsigned level = root->height; level > 1; level--) {
		struct disk_node node;

		account_extent(&a, &reference, &node);
		reference = node.entry[page >> (DISK_NODE_SHIFT * (level - 1)) & 127];
	}
	f->disk[disk_reference_sector(&reference).n * SECTOR_SIZE + 20] ^= 1;
	free(a.reached);
}

static void test_pages(void **state)
{
	struct store_view snapshot, live, nothing = {.number = {0}};
	struct fixture *f = with_delta(&snapshot, &live);

	(void)state;
	assert_int_equal(view_pages(f, &snapshot), 256);
	assert_int_equal(view_pages(f, &live), 257);
	assert_int_equal(view_pages(f, &nothing), 0);
	fixture_remount(f);
	assert_int_equal(view_open(f, (snapshot_t){0}, &live), STATUS_OK);
	assert_int_equal(view_pages(f, &live), 257);
	fixture_free(f);
}

/* What a damaged node hides, and what not. */
static void test_gap(void **state)
{
	struct store_view snapshot, live;
	struct fixture *f = with_delta(&snapshot, &live);
	uint64_t end;

	(void)state;
	assert_int_equal(view_gap(f, &live, f->base + 130, &end), STATUS_NOT_FOUND);
	damage_node(f, f->base + 130);
	fixture_remount(f);
	assert_int_equal(view_open(f, find(f, "kept"), &snapshot), STATUS_OK);
	assert_int_equal(view_open(f, (snapshot_t){0}, &live), STATUS_OK);
	for (uint32_t i = 100; i < 300; i++) {
		bool hidden = i >= 128 && i < 256;

		assert_int_equal(view_gap(f, &snapshot, f->base + i, &end),
				 hidden ? STATUS_OK : STATUS_NOT_FOUND);
		assert_int_equal(end, hidden ? f->base + 256 : 0);
		/* What the delta has is found all the same. */
		assert_int_equal(view_gap(f, &live, f->base + i, &end),
				 hidden && i != 140 && i != 141 ? STATUS_OK : STATUS_NOT_FOUND);
	}
	/* Above the tree, and in a part that is absent as a whole. */
	assert_int_equal(view_gap(f, &live, far_page[2], &end), STATUS_NOT_FOUND);
	assert_int_equal(view_gap(f, &live, 3, &end), STATUS_NOT_FOUND);
	assert_int_equal(fixture_write(f, 0, 99), STATUS_OK);
	fixture_checkpoint(f);
	assert_int_equal(view_gap(f, &live, f->base + 130, &end), STATUS_DEAD);
	fixture_free(f);
}

/* Equal lists of changes differ nowhere; those of one side alone do. */
static void test_differ_delta(void **state)
{
	struct store_view snapshot, live, nothing = {.number = {0}};
	struct fixture *f = with_delta(&snapshot, &live);
	static const uint32_t changed[] = {140, 141, 300};
	enum store_difference difference;
	page_t page = {0};

	(void)state;
	assert_int_equal(view_differ(f, &live, &live, &page, &difference), STATUS_NOT_FOUND);
	for (unsigned back = 0; back < 2; back++) {
		page.n = 0;
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(view_differ(f, back ? &live : &snapshot,
						     back ? &snapshot : &live, &page, &difference),
					 STATUS_OK);
			assert_int_equal(page.n, f->base + changed[i]);
			assert_int_equal(difference, changed[i] != 141 ? STORE_CHANGED
						     : back	       ? STORE_REMOVED
								       : STORE_ADDED);
			page.n++;
		}
		assert_int_equal(view_differ(f, &snapshot, &snapshot, &page, &difference),
				 STATUS_NOT_FOUND);
	}
	page.n = 0;
	for (uint32_t i = 0; i < 257; i++) {
		assert_int_equal(view_differ(f, &nothing, &live, &page, &difference), STATUS_OK);
		assert_int_equal(difference, STORE_ADDED);
		page.n++;
	}
	assert_int_equal(view_differ(f, &nothing, &live, &page, &difference), STATUS_NOT_FOUND);
	fixture_free(f);
}

/* A page that cannot be told is named, each one, and those behind it are found. */
static void test_differ_damage(void **state)
{
	struct store_view snapshot, live, nothing = {.number = {0}};
	struct fixture *f = with_delta(&snapshot, &live);
	enum store_difference difference;
	page_t page = {0};

	(void)state;
	damage_node(f, f->base + 140);
	fixture_remount(f);
	assert_int_equal(view_open(f, find(f, "kept"), &snapshot), STATUS_OK);
	assert_int_equal(view_open(f, (snapshot_t){0}, &live), STATUS_OK);
	/* The node is the same in both, but what became of these two pages of the
	 * delta cannot be told. */
	for (uint32_t i = 140; i <= 141; i++) {
		assert_int_equal(view_differ(f, &snapshot, &live, &page, &difference),
				 STATUS_CORRUPT);
		assert_int_equal(page.n, f->base + i);
		page.n++;
	}
	assert_int_equal(view_differ(f, &snapshot, &live, &page, &difference), STATUS_OK);
	assert_int_equal(page.n, f->base + 300);
	/* Against nothing: the node's first page, then on as whoever asks likes; the
	 * pages of the delta are known. */
	page.n = f->base + 120;
	for (uint32_t i = 120; i < 128; i += 2, page.n++) {
		assert_int_equal(view_differ(f, &nothing, &live, &page, &difference), STATUS_OK);
		assert_int_equal(page.n, f->base + i);
	}
	assert_int_equal(view_differ(f, &nothing, &live, &page, &difference), STATUS_CORRUPT);
	assert_int_equal(page.n, f->base + 128);
	page.n = f->base + 140;
	assert_int_equal(view_differ(f, &nothing, &live, &page, &difference), STATUS_OK);
	assert_true(page.n == f->base + 140 && difference == STORE_ADDED);
	page.n = f->base + 142;
	assert_int_equal(view_differ(f, &nothing, &live, &page, &difference), STATUS_CORRUPT);
	assert_int_equal(page.n, f->base + 142);
	page.n = f->base + 256;
	assert_int_equal(view_differ(f, &nothing, &live, &page, &difference), STATUS_OK);
	assert_true(page.n == f->base + 256 && difference == STORE_ADDED);
	fixture_free(f);
}

/* What the record and a snapshot say of a stream, and how a restore that keeps
 * nothing gives everything back. */
static void test_receiving(void **state)
{
	struct fixture *f = fixture_make(65536, 300, 512, true);
	struct store_commit_request request = {.action = STORE_ACTION_SNAPSHOT,
					       .name = "before",
					       .receiving_set = true,
					       .receiving = {{9, 9}, 12, 3, 55, 0, 77}};
	struct disk_receiving receiving;
	struct store_snapshot snapshot;
	struct store_statistics statistics;
	generation_t generation;
	uint64_t used;

	(void)state;
	scribble(f, 500);
	fixture_checkpoint(f);
	memcpy(f->stable_model, f->model, sizeof(f->model));
	assert_int_equal(store_commit(f->store, &request, &generation), STATUS_OK);
	assert_int_equal(store_settle(f->store), STATUS_OK);
	used = fixture_account(f);
	store_receiving_get(f->store, &receiving);
	assert_true(receiving.generation == 12 && receiving.position == 55 &&
		    receiving.digest == 77 && receiving.replaced == find(f, "before").n);
	scribble(f, 500);
	fixture_checkpoint(f);
	fixture_remount(f);
	store_receiving_get(f->store, &receiving);
	assert_int_equal(receiving.position, 55);

	/* Given up: as before, and nothing of it is left. */
	request = (struct store_commit_request){.action = STORE_ACTION_RESTORE,
						.number = {receiving.replaced},
						.name = "given-up",
						.discard = true,
						.receiving_set = true};
	while (store_commit(f->store, &request, &generation) == STATUS_WAIT)
		fixture_wait(f);
	assert_int_equal(store_settle(f->store), STATUS_OK);
	fixture_remount(f);
	store_receiving_get(f->store, &receiving);
	assert_int_equal(receiving.generation, 0);
	for (unsigned i = 0; i < 1000; i++) {
		store_statistics_get(f->store, &statistics);
		if (!statistics.dying.n)
			break;
		fixture_checkpoint(f);
	}
	assert_int_equal(statistics.snapshots, 1);
	assert_true(fixture_account(f) <= used + 8);

	/* Taken over: the snapshot says from where, and the state is a restored one. */
	request = (struct store_commit_request){.action = STORE_ACTION_SNAPSHOT,
						.name = "received",
						.source = {{9, 9}, 12, 77, 1234}};
	assert_int_equal(store_commit(f->store, &request, &generation), STATUS_OK);
	assert_int_equal(store_settle(f->store), STATUS_OK);
	fixture_remount(f);
	assert_true(f->recovery.restored);
	while (store_snapshot_find(f->store, "received", &snapshot) == STATUS_WAIT)
		fixture_wait(f);
	assert_true(snapshot.source.identity[0] == 9 && snapshot.source.generation == 12 &&
		    snapshot.source.digest == 77 && snapshot.uptime_ns == 1234);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reading),	      cmocka_unit_test(test_differences),
		cmocka_unit_test(test_pruning),	      cmocka_unit_test(test_heights),
		cmocka_unit_test(test_ending),	      cmocka_unit_test(test_damage),
		cmocka_unit_test(test_receiving),     cmocka_unit_test(test_pages),
		cmocka_unit_test(test_gap),	      cmocka_unit_test(test_differ_delta),
		cmocka_unit_test(test_differ_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
