/* SPDX-License-Identifier: MIT */
/*
 * objects_tree.c - B+trees: well-formed pages, ordered keys, no page
 * used twice, none lost.
 *
 * The walk keeps one page per level, so its memory is bounded whatever the
 * pages say; and because a page is entered once only, it ends.
 */
#include "tools/verify/objects_priv.h"
#include "base/assert.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define TREE_BYTES sizeof(((struct disk_tree_page *)0)->bytes)

/* A key with its length; keys are compared as byte strings. */
struct tree_bound {
	uint8_t length; /* 0: no bound */
	uint8_t bytes[TREE_KEY_MAX];
};

struct tree_level {
	struct disk_tree_page page;
	uint64_t number;
	unsigned next;		 /* entry to be looked at next */
	struct tree_bound upper; /* all keys below this */
};

struct tree_walk {
	struct tree_level level[VERIFY_OBJECTS_DEPTH];
	unsigned depth;
	struct tree_bound last; /* key seen last: the next one is above it */
};

static int tree_bound_compare(const struct tree_bound *bound, const uint8_t *key, size_t length)
{
	size_t common = bound->length < length ? bound->length : length;
	int order = memcmp(bound->bytes, key, common);

	if (order != 0)
		return order;
	return bound->length < length ? -1 : bound->length > length;
}

static void tree_bound_set(struct tree_bound *bound, const uint8_t *key, uint8_t length)
{
	bound->length = length;
	memcpy(bound->bytes, key, length);
}

/* False: the entry does not lie inside the page. */
static bool tree_entry_get(const struct disk_tree_page *page, unsigned index,
			   struct verify_objects_entry *entry)
{
	uint16_t offset;
	size_t end;

	ASSERT(index < page->count);
	memcpy(&offset, page->bytes + 2 * index, sizeof(offset));
	if (offset < page->heap || (size_t)offset + 2 > TREE_BYTES)
		return false;
	entry->key_length = page->bytes[offset];
	entry->value_length = page->bytes[offset + 1];
	end = (size_t)offset + 2 + entry->key_length + entry->value_length;
	if (end > TREE_BYTES)
		return false;
	entry->key = page->bytes + offset + 2;
	entry->value = entry->key + entry->key_length;
	return true;
}

/* Header and layout; the order of keys comes with the walk. */
static const char *tree_page_wrong(const struct disk_tree_page *page)
{
	struct verify_objects_entry entry;
	size_t used = 0;

	if (page->magic != TREE_MAGIC)
		return "it has not the magic of a tree page";
	if (page->reserved0 || page->reserved1 || page->reserved2 || page->next)
		return "a reserve is not zero";
	if (page->count == 0)
		return "it is empty";
	if (page->heap > TREE_BYTES || 2u * page->count > page->heap)
		return "its entries do not fit";
	for (unsigned i = 0; i < page->count; i++) {
		if (!tree_entry_get(page, i, &entry))
			return "an entry lies outside";
		if (entry.value_length > TREE_VALUE_MAX || (page->level && entry.value_length != 8))
			return "a value has the wrong length";
		used += 2u + entry.key_length + entry.value_length;
	}
	return used == TREE_BYTES - page->heap ? NULL : "its entries overlap or leave gaps";
}

/* Reads a page of a tree for the first and only time. */
static bool tree_enter(struct verify_objects *objects, struct verify_objects_tree *tree,
		       struct tree_walk *walk, uint64_t number, const struct tree_bound *upper)
{
	struct tree_level *level = &walk->level[walk->depth];
	const char *wrong;

	ASSERT(walk->depth < VERIFY_OBJECTS_DEPTH);
	tree->damaged = true;
	if (number < TREE_ARENA_PAGE || number >= objects->system.tree_next) {
		verify_objects_report(objects, number,
				      "%s leads to page 0x%" PRIx64 ", which is no tree page",
				      tree->what, number);
		return false;
	}
	if (verify_objects_bit(objects->tree_seen, number - TREE_ARENA_PAGE)) {
		verify_objects_report(objects, number,
				      "%s leads to page 0x%" PRIx64 ", which is in use already",
				      tree->what, number);
		return false;
	}
	verify_objects_bit_set(objects->tree_seen, number - TREE_ARENA_PAGE);
	if (!verify_objects_read(objects, number, &level->page))
		return false;
	wrong = tree_page_wrong(&level->page);
	if (!wrong && walk->depth > 0 &&
	    level->page.level + 1 != walk->level[walk->depth - 1].page.level)
		wrong = "its level is not that below its parent's";
	if (!wrong && walk->depth == 0 && level->page.level >= VERIFY_OBJECTS_DEPTH)
		wrong = "the tree is too high";
	if (wrong) {
		verify_objects_report(objects, number, "%s, tree page 0x%" PRIx64 ": %s",
				      tree->what, number, wrong);
		return false;
	}
	level->number = number;
	level->next = 0;
	level->upper = *upper;
	walk->depth++;
	tree->pages++;
	tree->damaged = false;
	return true;
}

static void tree_order_report(struct verify_objects *objects,
			      const struct verify_objects_tree *tree,
			      const struct tree_level *level, unsigned index)
{
	verify_objects_report(objects, level->number,
			      "%s, tree page 0x%" PRIx64 ": the key of entry %u is out of order",
			      tree->what, level->number, index);
}

static void tree_leaf_entry(struct verify_objects *objects, struct verify_objects_tree *tree,
			    struct tree_walk *walk, struct tree_level *level,
			    const struct verify_objects_entry *entry)
{
	if (entry->key_length == 0 ||
	    (walk->last.length &&
	     tree_bound_compare(&walk->last, entry->key, entry->key_length) >= 0) ||
	    (level->upper.length &&
	     tree_bound_compare(&level->upper, entry->key, entry->key_length) <= 0))
		tree_order_report(objects, tree, level, level->next - 1);
	tree_bound_set(&walk->last, entry->key, entry->key_length);
	tree->entries++;
	tree->entry(objects, tree, level->number, entry);
}

/* Down into a child.  Its keys are not below its own key (the first one is not
 * compared) and all below the next one's. */
static void tree_inner_entry(struct verify_objects *objects, struct verify_objects_tree *tree,
			     struct tree_walk *walk, struct tree_level *level, unsigned index,
			     const struct verify_objects_entry *entry)
{
	struct tree_bound upper = level->upper;
	struct verify_objects_entry next;
	uint64_t child;

	ASSERT(entry->value_length == sizeof(child)); /* or the page was not entered */
	if (index > 0) {
		/* All keys before this child's are below its own key. */
		if (entry->key_length == 0 ||
		    (walk->last.length &&
		     tree_bound_compare(&walk->last, entry->key, entry->key_length) >= 0))
			tree_order_report(objects, tree, level, index);
		/* The child's first key may be equal: only what is below is wrong. */
	}
	if (index + 1u < level->page.count && tree_entry_get(&level->page, index + 1, &next) &&
	    next.key_length > 0)
		tree_bound_set(&upper, next.key, next.key_length);
	memcpy(&child, entry->value, sizeof(child));
	tree_enter(objects, tree, walk, child, &upper);
}

/* A leaf's first key against the key that leads to the leaf. */
static void tree_lower_check(struct verify_objects *objects, struct verify_objects_tree *tree,
			     const struct tree_walk *walk, const struct verify_objects_entry *entry)
{
	for (unsigned depth = 0; depth + 1 < walk->depth; depth++) {
		const struct tree_level *level = &walk->level[depth];
		struct verify_objects_entry above;
		struct tree_bound lower;
		if (level->next < 2 || !tree_entry_get(&level->page, level->next - 1, &above))
			continue;
		tree_bound_set(&lower, above.key, above.key_length);
		if (tree_bound_compare(&lower, entry->key, entry->key_length) > 0)
			tree_order_report(objects, tree, level, level->next - 1);
	}
}

static void tree_step(struct verify_objects *objects, struct verify_objects_tree *tree,
		      struct tree_walk *walk)
{
	struct tree_level *level = &walk->level[walk->depth - 1];
	struct verify_objects_entry entry;
	unsigned index = level->next;

	ASSERT(walk->depth <= VERIFY_OBJECTS_DEPTH && index <= level->page.count);
	if (index == level->page.count) {
		walk->depth--;
		return;
	}
	level->next++;
	/* Every entry was seen to lie inside when the page was entered. */
	if (!tree_entry_get(&level->page, index, &entry))
		return;
	if (level->page.level > 0) {
		bool damaged = tree->damaged;
		tree_inner_entry(objects, tree, walk, level, index, &entry);
		tree->damaged |= damaged;
		return;
	}
	if (index == 0)
		tree_lower_check(objects, tree, walk, &entry);
	tree_leaf_entry(objects, tree, walk, level, &entry);
}

void verify_objects_tree_walk(struct verify_objects *objects, uint64_t root,
			      struct verify_objects_tree *tree)
{
	static struct tree_walk walk; /* 35 KiB; one walk at a time */
	static const struct tree_bound none;

	ASSERT(tree->entry);
	tree->entries = tree->pages = 0;
	tree->damaged = false;
	if (root == 0)
		return;
	walk.depth = 0;
	walk.last.length = 0;
	if (tree_enter(objects, tree, &walk, root, &none))
		while (walk.depth > 0)
			tree_step(objects, tree, &walk);
	/* What hangs below the damage would otherwise be reported as lost. */
	if (tree->damaged)
		objects->incomplete = true;
}

/* Pages given back are a list through `next`. */
static void tree_free_list(struct verify_objects *objects)
{
	struct disk_tree_page page;
	uint64_t at = objects->system.tree_free;

	while (at != 0) {
		if (at < TREE_ARENA_PAGE || at >= objects->system.tree_next ||
		    verify_objects_bit(objects->tree_seen, at - TREE_ARENA_PAGE)) {
			verify_objects_report(
				objects, at, "the list of free tree pages leads to page 0x%" PRIx64,
				at);
			return;
		}
		verify_objects_bit_set(objects->tree_seen, at - TREE_ARENA_PAGE);
		if (!verify_objects_read(objects, at, &page))
			return;
		if (page.magic != TREE_FREE_MAGIC) {
			verify_objects_report(objects, at,
					      "tree page 0x%" PRIx64
					      " is on the list of free ones, "
					      "but not marked so",
					      at);
			return;
		}
		at = page.next;
	}
}

void verify_objects_tree_pages(struct verify_objects *objects)
{
	uint64_t pages = objects->system.tree_next - TREE_ARENA_PAGE;

	tree_free_list(objects);
	for (uint64_t i = 0; i < pages && !objects->incomplete; i++)
		if (!verify_objects_bit(objects->tree_seen, i))
			verify_objects_report(objects, TREE_ARENA_PAGE + i,
					      "tree page 0x%" PRIx64 " is in no tree and not free",
					      TREE_ARENA_PAGE + i);
}
