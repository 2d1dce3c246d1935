/* SPDX-License-Identifier: MIT */
/*
 * view.c - reading one generation beside whatever else goes on.
 *
 * A view is a root and, for the live generation, the list of pages changed
 * since that root was written (see overlay.c).  What it refers to stays on the
 * disk as long as the generation exists, so a view needs no lock: each call
 * looks whether the store has a newer generation than when it was last asked,
 * and if so whether the view's still exists.  Sectors freed by a commit are not
 * written before the commit after it (S1), so what was found before is whole.
 *
 * The difference of two views is found by going down both trees side by side
 * and passing over every pair of equal references with all that is below: an
 * equal reference names the same extent, written by the same commit.
 */
#include "store/store_priv.h"

enum status store_view_open(struct store *store, snapshot_t number, struct store_view *view)
{
	struct disk_snapshot snapshot;
	enum status status;

	ASSERT(store->mounted);
	memset(view, 0, sizeof(*view));
	if (!number.n) {
		view->generation.n = store->record.generation;
		view->root = store->record.space;
		view->changes = store->overlay.count;
		view->change = store->overlay.entry;
	} else {
		status = catalogue_read(store, number, &snapshot);
		if (status == STATUS_OK && snapshot.flags & STORE_SNAPSHOT_GONE)
			status = STATUS_NOT_FOUND;
		if (status != STATUS_OK)
			return status;
		view->generation.n = snapshot.generation;
		view->root = snapshot.root;
	}
	view->number = number;
	view->checked = store->record.generation;
	return STATUS_OK;
}

uint64_t store_view_digest(const struct store *store, const struct store_view *view)
{
	uint64_t seed = checksum(&view->root, sizeof(view->root), store->identity_seed);

	return view->changes ? checksum(view->change, view->changes * sizeof(*view->change), seed)
			     : seed;
}

/* Does what the view shows still exist? */
static enum status view_check(struct store *store, struct store_view *view)
{
	struct store_view again;
	enum status status;

	ASSERT(store->mounted && !store->replaced);
	if (!view->generation.n || view->checked == store->record.generation)
		return STATUS_OK;
	if (!view->number.n)
		return STATUS_DEAD;
	status = store_view_open(store, view->number, &again);
	if (status == STATUS_OK)
		view->checked = again.checked;
	return status == STATUS_NOT_FOUND ? STATUS_DEAD : status;
}

/* ---- pages ---------------------------------------------------------------------- */

static struct overlay view_overlay(const struct store_view *view)
{
	/* Only looked at. */
	return (struct overlay){view->changes, (struct disk_delta *)view->change};
}

static enum status view_locate(struct store *store, const struct store_view *view, page_t page,
			       struct disk_reference *reference)
{
	struct overlay overlay = view_overlay(view);
	const struct disk_reference *changed = overlay_find(&overlay, page);

	if (!changed)
		return map_lookup(store, &view->root, DISK_TREE_SPACE, page.n, reference);
	*reference = *changed;
	return STATUS_OK;
}

enum status store_view_find(struct store *store, struct store_view *view, page_t page,
			    struct disk_reference *reference)
{
	enum status status = view_check(store, view);

	if (status == STATUS_OK && page.n >= DISK_PAGE_MAX)
		status = STATUS_INVALID;
	if (status == STATUS_OK)
		status = view_locate(store, view, page, reference);
	if (status == STATUS_OK && reference_is_null(reference))
		status = STATUS_ABSENT;
	return status;
}

/* Those of the tree, and those that only the list has: bounded by its length. */
enum status store_view_pages(struct store *store, struct store_view *view, uint64_t *pages)
{
	enum status status = view_check(store, view);

	*pages = view->root.pages;
	for (uint32_t i = 0; i < view->changes && status == STATUS_OK; i++) {
		struct disk_reference reference;

		status = map_lookup(store, &view->root, DISK_TREE_SPACE, view->change[i].page,
				    &reference);
		*pages += reference_is_null(&reference);
	}
	return status;
}

enum status store_view_read(struct store *store, struct store_view *view, page_t page,
			    const void **data)
{
	static const uint8_t zeros[PAGE_SIZE];
	struct place place = {DISK_TREE_SPACE, 0, page.n};
	struct disk_reference reference;
	enum status status = store_view_find(store, view, page, &reference);

	*data = zeros;
	if (status != STATUS_OK || reference.codec == DISK_CODEC_ZERO)
		return status;
	status = extent_get(store, &reference, place, data);
	if (status == STATUS_OK)
		extent_forget(store, &reference, place);
	return status;
}

enum status store_view_read_stored(struct store *store, struct store_view *view, page_t page,
				   struct disk_reference *reference, const void **data)
{
	struct place place = {DISK_TREE_SPACE, 0, page.n};
	enum status status = store_view_find(store, view, page, reference);

	*data = NULL;
	if (status != STATUS_OK || reference->codec == DISK_CODEC_ZERO)
		return status;
	status = extent_get_stored(store, reference, place, data);
	if (status == STATUS_OK)
		extent_forget(store, reference, place);
	return status;
}

/* ---- differences ------------------------------------------------------------------ */

/*
 * One view at the place where the comparison is.  A tree that is less high has
 * its root further down, under key 0; above it nothing can be compared yet.
 */
struct side {
	const struct disk_root *root;
	struct disk_reference reference; /* null: nothing there */
	bool above;			 /* above the root */
	const struct disk_node *node;	 /* what the reference names; null: nothing */
};

static const struct disk_node view_empty;

/* To the entry for `page` of the node at level + 1. */
static void side_move(struct side *side, unsigned level, uint64_t page)
{
	uint64_t key = page >> (DISK_NODE_SHIFT * level);

	ASSERT(level >= side->root->height || side->node);
	side->above = false;
	if (level > side->root->height) {
		memset(&side->reference, 0, sizeof(side->reference));
		side->above = !key && side->root->height;
	} else if (level == side->root->height) {
		side->reference = key ? view_empty.entry[0] : side->root->reference;
	} else {
		side->reference = side->node->entry[key % DISK_NODE_ENTRIES];
	}
}

static enum status side_enter(struct store *store, struct side *side, unsigned level, uint64_t page)
{
	struct place place = {DISK_TREE_SPACE, level, page >> (DISK_NODE_SHIFT * level)};
	const void *data = &view_empty;
	enum status status = STATUS_OK;

	if (!reference_is_null(&side->reference))
		status = extent_get(store, &side->reference, place, &data);
	side->node = data;
	return status;
}

static bool sides_equal(const struct side *one, const struct side *other)
{
	return !one->above && !other->above && reference_equal(&one->reference, &other->reference);
}

/* Along the entries of one pair of nodes from *page on.  False: all the rest are
 * equal and *page is behind them. */
static bool sides_scan(struct side *before, struct side *after, unsigned level, uint64_t *page)
{
	unsigned shift = DISK_NODE_SHIFT * level;

	do {
		side_move(before, level, *page);
		side_move(after, level, *page);
		if (!sides_equal(before, after))
			return true;
		*page = ((*page >> shift) + 1) << shift;
	} while ((*page >> shift) % DISK_NODE_ENTRIES);
	return false;
}

/*
 * Goes from the roots towards *page.  *found: the trees differ there; else they
 * are equal from where it was to where it is now.
 */
static enum status trees_descend(struct store *store, const struct store_view *before,
				 const struct store_view *after, unsigned height, uint64_t *page,
				 bool *found)
{
	struct side one = {.root = &before->root}, other = {.root = &after->root};
	enum status status;

	*found = false;
	side_move(&one, height, *page);
	side_move(&other, height, *page);
	if (sides_equal(&one, &other)) {
		*page = UINT64_C(1) << (DISK_NODE_SHIFT * height);
		return STATUS_OK;
	}
	for (unsigned level = height; level; level--) {
		status = side_enter(store, &one, level, *page);
		if (status == STATUS_OK)
			status = side_enter(store, &other, level, *page);
		if (status != STATUS_OK)
			return status;
		if (!sides_scan(&one, &other, level - 1, page))
			return STATUS_OK;
	}
	*found = true;
	return STATUS_OK;
}

/* The first page at or after `page` in either list of changes. */
static uint64_t changes_next(const struct store_view *before, const struct store_view *after,
			     uint64_t page)
{
	const struct store_view *const views[] = {before, after};
	uint64_t next = NIL_KEY;

	for (unsigned i = 0; i < 2; i++) {
		struct overlay overlay = view_overlay(views[i]);
		uint32_t at = overlay_at_or_after(&overlay, page);

		if (at < overlay.count && overlay.entry[at].page < next)
			next = overlay.entry[at].page;
	}
	return next;
}

/* What became of this page, which differs in the trees or is in a list. */
static enum status page_compare(struct store *store, const struct store_view *before,
				const struct store_view *after, page_t page,
				enum store_difference *difference)
{
	struct disk_reference old, new;
	enum status status = view_locate(store, before, page, &old);

	if (status == STATUS_OK)
		status = view_locate(store, after, page, &new);
	if (status != STATUS_OK)
		return status;
	if (reference_equal(&old, &new))
		*difference = STORE_SAME;
	else if (reference_is_null(&old))
		*difference = STORE_ADDED;
	else
		*difference = reference_is_null(&new) ? STORE_REMOVED : STORE_CHANGED;
	return STATUS_OK;
}

/* One descent: a page worth comparing, or how far there is none. */
static enum status differ_step(struct store *store, const struct store_view *before,
			       const struct store_view *after, unsigned height, page_t *page,
			       enum store_difference *difference)
{
	uint64_t changed = changes_next(before, after, page->n);
	uint64_t end = height ? UINT64_C(1) << (DISK_NODE_SHIFT * height) : 0;
	uint64_t at = page->n;
	bool found = false;
	enum status status = STATUS_OK;

	if (at >= end && changed == NIL_KEY)
		return STATUS_NOT_FOUND;
	if (at < end)
		status = trees_descend(store, before, after, height, &at, &found);
	else
		at = NIL_KEY;
	if (status != STATUS_OK && (status == STATUS_WAIT || changed > at)) {
		if (status != STATUS_WAIT)
			page->n = at;
		return status;
	}
	if (changed <= at) {
		at = changed;
		found = true;
	}
	status = found ? page_compare(store, before, after, (page_t){at}, difference) : STATUS_OK;
	if (status != STATUS_OK && status != STATUS_WAIT)
		page->n = at;
	if (status == STATUS_OK)
		page->n = found && *difference == STORE_SAME ? at + 1 : at;
	return status;
}

enum status store_view_differ(struct store *store, struct store_view *before,
			      struct store_view *after, page_t *page,
			      enum store_difference *difference)
{
	unsigned height =
		before->root.height > after->root.height ? before->root.height : after->root.height;
	enum status status = view_check(store, before);

	if (status == STATUS_OK)
		status = view_check(store, after);
	*difference = STORE_SAME;
	for (unsigned i = 0; i < LIMIT_VIEW_NODES; i++) {
		if (status != STATUS_OK || *difference != STORE_SAME)
			break;
		status = differ_step(store, before, after, height, page, difference);
	}
	return status;
}

/* ---- damage ------------------------------------------------------------------------ */

enum status store_view_gap(struct store *store, struct store_view *view, page_t page, page_t *end)
{
	struct overlay overlay = view_overlay(view);
	struct disk_reference reference = view->root.reference;
	unsigned level = view->root.height;
	enum status status = view_check(store, view);

	if (status != STATUS_OK)
		return status;
	if (page.n >> (DISK_NODE_SHIFT * level) || overlay_find(&overlay, page))
		return STATUS_NOT_FOUND;
	for (; level && !reference_is_null(&reference); level--) {
		unsigned shift = DISK_NODE_SHIFT * level;
		struct place place = {DISK_TREE_SPACE, level, page.n >> shift};
		const struct disk_node *node;
		const void *data;

		status = extent_get(store, &reference, place, &data);
		if (status == STATUS_WAIT)
			return status;
		if (status != STATUS_OK) {
			end->n = (place.key + 1) << shift;
			return STATUS_OK;
		}
		node = data;
		reference = node->entry[(page.n >> (shift - DISK_NODE_SHIFT)) % DISK_NODE_ENTRIES];
	}
	return STATUS_NOT_FOUND;
}

/* ---- showing ----------------------------------------------------------------------- */

void store_view_show(struct store *store, const struct store_view *view)
{
	ASSERT(store->mounted && store->read_only && !store->dirty_pages);
	store->record.space = view->root;
	store->overlay.count = view->changes;
}

void store_receiving_get(const struct store *store, struct disk_receiving *receiving)
{
	*receiving = store->record.receiving;
}
