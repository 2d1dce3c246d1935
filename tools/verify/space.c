/* SPDX-License-Identifier: MIT */
/*
 * space.c - reads single pages of the verified generation, its snapshots
 * and its catalogue.  What a delta says of a page comes before the tree.
 */
#include "tools/verify/verify_priv.h"
#include "base/assert.h"

#include <string.h>

enum status verify_space_live(const struct verify *verify, struct verify_space *space)
{
	const struct disk_record *record = &verify->chosen.record;

	if (!record->generation)
		return STATUS_NOT_FOUND;
	*space = (struct verify_space){.root = record->space,
				       .generation = {record->generation},
				       .delta = verify->chosen.delta,
				       .entries = record->entries};
	return STATUS_OK;
}

enum status verify_space_snapshot(const struct verify *verify, snapshot_t number,
				  struct verify_space *space)
{
	for (uint64_t i = 0; i < verify->chosen.snapshot_count; i++) {
		const struct disk_snapshot *snapshot = &verify->chosen.snapshots[i];

		if (snapshot->number != number.n)
			continue;
		*space = (struct verify_space){.root = snapshot->root,
					       .generation = {snapshot->generation},
					       .snapshot = number};
		return STATUS_OK;
	}
	return STATUS_NOT_FOUND;
}

enum status verify_page_load(struct verify *verify, const struct verify_place *place,
			     const struct disk_reference *reference, uint64_t birth_max, void *data)
{
	if (!verify_reference_check(verify, place, reference, birth_max))
		return STATUS_CORRUPT;
	if (reference->codec == DISK_CODEC_ZERO) {
		memset(data, 0, PAGE_SIZE);
		return STATUS_OK;
	}
	return verify_load_status(verify_extent_load(verify, place, reference, data, false));
}

/* Down to the reference; see verify_find. */
static enum status find(struct verify *verify, const struct verify_space *space, unsigned level,
			struct verify_place *place, uint64_t key, struct verify_found *found)
{
	const struct disk_delta *entry = NULL;
	unsigned height = place->level;
	uint32_t index;

	if (level == 0 && place->tree == DISK_TREE_SPACE)
		entry = verify_delta_find(space->delta, space->entries, key, &index);
	if (entry) {
		*found = (struct verify_found){entry->reference, space->generation.n};
		place->level = 0;
		place->key = key;
		return STATUS_OK;
	}
	if (height > DISK_HEIGHT_MAX)
		return STATUS_CORRUPT;
	if (height == 0 || level > height || key >> ((height - level) * DISK_NODE_SHIFT))
		return STATUS_ABSENT;
	return verify_seek(verify, space, level, false, place, &key, found);
}

enum status verify_find(struct verify *verify, enum disk_tree tree,
			const struct verify_space *space, unsigned level, uint64_t key,
			struct disk_reference *reference)
{
	struct verify_place place = verify_space_place(tree, space);
	struct verify_found found;
	enum status status = find(verify, space, level, &place, key, &found);

	if (status == STATUS_OK)
		*reference = found.reference;
	return status;
}

enum status verify_key_next(struct verify *verify, enum disk_tree tree,
			    const struct verify_space *space, uint64_t *key)
{
	unsigned height = space->root.height;
	enum status status = STATUS_WAIT;

	if (height > DISK_HEIGHT_MAX)
		return STATUS_CORRUPT;
	while (status == STATUS_WAIT) {
		struct verify_place place = verify_space_place(tree, space);
		struct verify_found found;

		if (!height || *key >> (height * DISK_NODE_SHIFT))
			return STATUS_NOT_FOUND;
		status = verify_seek(verify, space, 0, true, &place, key, &found);
	}
	return status;
}

static enum status tree_read(struct verify *verify, enum disk_tree tree,
			     const struct verify_space *space, uint64_t key, void *data)
{
	struct verify_place place = verify_space_place(tree, space);
	struct verify_found found;
	enum status status = find(verify, space, 0, &place, key, &found);

	return status == STATUS_OK
		       ? verify_page_load(verify, &place, &found.reference, found.birth_max, data)
		       : status;
}

enum status verify_tree_next(struct verify *verify, enum disk_tree tree,
			     const struct verify_space *space, uint64_t *key, void *data)
{
	enum status status = verify_key_next(verify, tree, space, key);

	if (status != STATUS_OK)
		return status;
	status = tree_read(verify, tree, space, *key, data);
	if (status != STATUS_OK)
		(*key)++;
	return status;
}

enum status verify_space_read(struct verify *verify, const struct verify_space *space, page_t page,
			      void *data)
{
	return tree_read(verify, DISK_TREE_SPACE, space, page.n, data);
}

enum status verify_space_next(struct verify *verify, const struct verify_space *space, page_t from,
			      page_t *page)
{
	uint32_t index;
	enum status status;

	page->n = from.n;
	status = verify_key_next(verify, DISK_TREE_SPACE, space, &page->n);
	verify_delta_find(space->delta, space->entries, from.n, &index);
	ASSERT(status != STATUS_OK || page->n >= from.n);
	/* Behind a damaged node the entries of the delta are there all the same. */
	if (index < space->entries &&
	    (status == STATUS_NOT_FOUND || space->delta[index].page < page->n)) {
		page->n = space->delta[index].page;
		return STATUS_OK;
	}
	return status;
}

enum status verify_page_read(struct verify *verify, page_t page, void *data)
{
	struct verify_space space;
	enum status status = verify_space_live(verify, &space);

	return status == STATUS_OK ? verify_space_read(verify, &space, page, data) : status;
}

enum status verify_page_next(struct verify *verify, page_t from, page_t *page)
{
	struct verify_space space;
	enum status status = verify_space_live(verify, &space);

	return status == STATUS_OK ? verify_space_next(verify, &space, from, page) : status;
}
