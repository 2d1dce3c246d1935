/* SPDX-License-Identifier: MIT */
/*
 * btree_node.c - one page of a B+tree.
 *
 *     bytes  0          2 * count            heap                      4064
 *            +----------+--------------------+--------------------------+
 *            | offsets  |        room        | entries, without gaps    |
 *            +----------+--------------------+--------------------------+
 *     entry  u8 key length, u8 value length, key, value
 *
 * Offsets are in order of the keys, entries in any.  A page may come from a
 * hostile store: nothing is read outside of it whatever it holds, and a page
 * that is to be changed is checked whole first, so that a change cannot run
 * out of it either.
 */
#include "objects/objects_priv.h"
#include <string.h>

#define ENTRY_HEADER 2u
#define OFFSET_SIZE  2u

static_assert(sizeof(((struct disk_tree_page *)0)->bytes) == TREE_NODE_BYTES,
	      "all of the page behind its header");
static_assert(TREE_NODE_BYTES / (OFFSET_SIZE + ENTRY_HEADER + TREE_KEY_MAX + TREE_VALUE_MAX) >= 4,
	      "halves of a page that is split have entries, whatever these are");

static uint32_t offset_get(const struct disk_tree_page *node, uint32_t index)
{
	return (uint32_t)node->bytes[index * OFFSET_SIZE] |
	       (uint32_t)node->bytes[index * OFFSET_SIZE + 1] << 8;
}

static void offset_set(struct disk_tree_page *node, uint32_t index, uint32_t offset)
{
	node->bytes[index * OFFSET_SIZE] = (uint8_t)offset;
	node->bytes[index * OFFSET_SIZE + 1] = (uint8_t)(offset >> 8);
}

static uint32_t entry_size(const struct btree_entry *entry)
{
	return ENTRY_HEADER + entry->key_length + entry->value_length;
}

int btree_key_compare(struct btree_key a, struct btree_key b)
{
	size_t shorter = a.length < b.length ? a.length : b.length;
	int order = shorter ? memcmp(a.bytes, b.bytes, shorter) : 0;

	if (order)
		return order;
	return a.length < b.length ? -1 : a.length > b.length;
}

/* ---- reading ---------------------------------------------------------------------- */

bool btree_node_sound(const struct disk_tree_page *node, uint32_t level)
{
	return node->magic == TREE_MAGIC && node->level < TREE_DEPTH_MAX &&
	       (level == TREE_LEVEL_ANY || node->level == level) && node->count &&
	       node->heap <= TREE_NODE_BYTES && (uint32_t)node->count * OFFSET_SIZE <= node->heap;
}

bool btree_node_entry(const struct disk_tree_page *node, uint32_t index, struct btree_entry *entry)
{
	uint32_t offset = offset_get(node, index);

	if (offset < node->heap || offset + ENTRY_HEADER > TREE_NODE_BYTES)
		return false;
	entry->key_length = node->bytes[offset];
	entry->value_length = node->bytes[offset + 1];
	if (offset + entry_size(entry) > TREE_NODE_BYTES)
		return false;
	entry->key = node->bytes + offset + ENTRY_HEADER;
	entry->value = entry->key + entry->key_length;
	return entry->key_length && entry->value_length <= TREE_VALUE_MAX;
}

bool btree_node_whole(const struct disk_tree_page *node)
{
	/* Where entries begin, a bit a byte: they lie one behind the other ... */
	uint64_t begins[TREE_NODE_BYTES / 64 + 1] = {0};
	uint32_t at = node->heap;

	while (at + ENTRY_HEADER <= TREE_NODE_BYTES) {
		begins[at / 64] |= UINT64_C(1) << at % 64;
		at += ENTRY_HEADER + node->bytes[at] + node->bytes[at + 1];
	}
	if (at != TREE_NODE_BYTES)
		return false;
	/* ... and each has one offset, so there are no more than offsets. */
	for (uint32_t i = 0; i < node->count; i++) {
		uint32_t offset = offset_get(node, i);
		struct btree_entry entry;

		if (!btree_node_entry(node, i, &entry) ||
		    !(begins[offset / 64] & UINT64_C(1) << offset % 64))
			return false;
		begins[offset / 64] &= ~(UINT64_C(1) << offset % 64);
	}
	for (uint32_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		if (begins[i])
			return false;
	return true;
}

bool btree_node_search(const struct disk_tree_page *node, struct btree_key key, uint32_t *index,
		       bool *equal)
{
	/* All entries before `low` are below the key, all from `high` on are not. */
	uint32_t low = 0, high = node->count;

	*equal = false;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		struct btree_entry entry;
		int order;

		if (!btree_node_entry(node, middle, &entry))
			return false;
		order = btree_key_compare((struct btree_key){entry.key, entry.key_length}, key);
		if (order == 0) {
			*equal = true;
			*index = middle;
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*index = low;
	/* An inner entry stands for all keys up to the next one's, the first also for
	 * those below it. */
	if (node->level && low > 0)
		*index = low - 1;
	return true;
}

uint64_t btree_node_child(const struct disk_tree_page *node, uint32_t index)
{
	struct btree_entry entry;
	uint64_t child;

	if (!btree_node_entry(node, index, &entry) || entry.value_length != sizeof(child))
		return 0;
	memcpy(&child, entry.value, sizeof(child));
	return btree_page_valid(child) ? child : 0;
}

uint32_t btree_node_room(const struct disk_tree_page *node)
{
	return node->heap - (uint32_t)node->count * OFFSET_SIZE;
}

/* ---- changing ---------------------------------------------------------------------- */

void btree_node_initialise(struct disk_tree_page *node, uint32_t level)
{
	ASSERT(level < TREE_DEPTH_MAX);
	memset(node, 0, sizeof(*node));
	node->magic = TREE_MAGIC;
	node->level = (uint16_t)level;
	node->heap = TREE_NODE_BYTES;
}

bool btree_node_fits(const struct disk_tree_page *node, const struct btree_entry *entry)
{
	return OFFSET_SIZE + entry_size(entry) <= btree_node_room(node);
}

void btree_node_insert(struct disk_tree_page *node, uint32_t index, const struct btree_entry *entry)
{
	uint8_t *offsets = node->bytes + index * OFFSET_SIZE;
	uint8_t *bytes;

	ASSERT(index <= node->count);
	ASSERT(entry->key_length && entry->value_length <= TREE_VALUE_MAX);
	ASSERT(btree_node_fits(node, entry));
	memmove(offsets + OFFSET_SIZE, offsets, (node->count - index) * OFFSET_SIZE);
	node->count++;
	node->heap -= (uint16_t)entry_size(entry);
	offset_set(node, index, node->heap);
	bytes = node->bytes + node->heap;
	bytes[0] = entry->key_length;
	bytes[1] = entry->value_length;
	memcpy(bytes + ENTRY_HEADER, entry->key, entry->key_length);
	if (entry->value_length)
		memcpy(bytes + ENTRY_HEADER + entry->key_length, entry->value, entry->value_length);
}

void btree_node_remove(struct disk_tree_page *node, uint32_t index)
{
	uint8_t *offsets = node->bytes + index * OFFSET_SIZE;
	uint32_t offset = offset_get(node, index), size;
	struct btree_entry entry;

	ASSERT(index < node->count);
	ASSERT(btree_node_entry(node, index, &entry));
	size = entry_size(&entry);
	/* The gap is closed at once by what lies in front of it. */
	memmove(node->bytes + node->heap + size, node->bytes + node->heap, offset - node->heap);
	memmove(offsets, offsets + OFFSET_SIZE, (node->count - 1 - index) * OFFSET_SIZE);
	node->count--;
	for (uint32_t i = 0; i < node->count; i++)
		if (offset_get(node, i) < offset)
			offset_set(node, i, offset_get(node, i) + size);
	/* Nothing is left behind: zeros cost the store nothing. */
	memset(node->bytes + node->heap, 0, size);
	node->heap += (uint16_t)size;
	memset(node->bytes + node->count * OFFSET_SIZE, 0, OFFSET_SIZE);
	/* The page was whole, so what is left is, too. */
	ASSERT(node->heap <= TREE_NODE_BYTES);
	ASSERT(node->count || node->heap == TREE_NODE_BYTES);
}

/* How many entries stay when the page is cut in half by bytes; at least one on
 * either side. */
static uint32_t split_point(const struct disk_tree_page *node)
{
	uint32_t half = (TREE_NODE_BYTES - btree_node_room(node)) / 2, used = 0, i;
	struct btree_entry entry;

	for (i = 0; i + 1 < node->count && used < half; i++) {
		ASSERT(btree_node_entry(node, i, &entry));
		used += OFFSET_SIZE + entry_size(&entry);
	}
	return i ? i : 1;
}

void btree_node_split(struct disk_tree_page *left, struct disk_tree_page *right, uint32_t index,
		      const struct btree_entry *entry, bool last)
{
	uint32_t stay = last && index == left->count ? left->count : split_point(left);

	ASSERT(left->count > 1 && index <= left->count);
	btree_node_initialise(right, left->level);
	for (uint32_t i = stay; i < left->count; i++) {
		struct btree_entry moved;

		ASSERT(btree_node_entry(left, i, &moved));
		btree_node_insert(right, i - stay, &moved);
	}
	while (left->count > stay)
		btree_node_remove(left, left->count - 1u);
	if (index > stay || right->count == 0)
		btree_node_insert(right, index - stay, entry);
	else
		btree_node_insert(left, index, entry);
	/* A page without entries has no key that leads to it. */
	ASSERT(left->count && right->count);
}
