/* SPDX-License-Identifier: MIT */
/*
 * tree.c - changed pages in page order: a treap inside the frame descriptors.
 *
 * A treap is a binary search tree by key and a heap by a priority that is a
 * hash of the key, so its shape depends only on what is in it and its expected
 * depth is logarithmic.  It needs two links and no memory of its own, and a
 * whole generation changes hands by copying the root.  Nothing recurses.
 */
#include "store/store_priv.h"

static uint64_t tree_priority(const struct cache_frame *frame)
{
	uint64_t x = frame->key + UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Hangs what is below `from` under *low (keys < key) and *high (the others). */
static void tree_split(struct store *store, slot_t from, uint64_t key, slot_t *low, slot_t *high)
{
	while (from.n != NIL) {
		struct cache_frame *frame = cache_frame(store, from);

		if (frame->key < key) {
			*low = from;
			low = &frame->right;
			from = frame->right;
		} else {
			*high = from;
			high = &frame->left;
			from = frame->left;
		}
	}
	*low = SLOT_NIL;
	*high = SLOT_NIL;
}

void tree_insert(struct store *store, slot_t *root, slot_t slot)
{
	struct cache_frame *new = cache_frame(store, slot);
	uint64_t priority = tree_priority(new);
	slot_t *link = root;
	slot_t below;

	ASSERT(new->state == FRAME_DIRTY);
	ASSERT(cache_frame(store, slot)->key & KEY_SPACE);
	while (link->n != NIL) {
		struct cache_frame *frame = cache_frame(store, *link);

		ASSERT(frame->key != new->key);
		if (tree_priority(frame) < priority)
			break;
		link = new->key < frame->key ? &frame->left : &frame->right;
	}
	below = *link;
	*link = slot;
	tree_split(store, below, new->key, &new->left, &new->right);
}

void tree_remove(struct store *store, slot_t *root, slot_t slot)
{
	struct cache_frame *old = cache_frame(store, slot);
	slot_t *link = root;
	slot_t left = old->left, right = old->right;

	ASSERT(old->state == FRAME_DIRTY || old->state == FRAME_HIDDEN);
	while (link->n != slot.n) {
		struct cache_frame *frame;

		ASSERT(link->n != NIL);
		frame = cache_frame(store, *link);
		link = old->key < frame->key ? &frame->left : &frame->right;
	}
	while (left.n != NIL && right.n != NIL) {
		struct cache_frame *l = cache_frame(store, left);
		struct cache_frame *r = cache_frame(store, right);

		if (tree_priority(l) >= tree_priority(r)) {
			*link = left;
			link = &l->right;
			left = l->right;
		} else {
			*link = right;
			link = &r->left;
			right = r->left;
		}
	}
	*link = left.n != NIL ? left : right;
}

slot_t tree_first(struct store *store, slot_t root)
{
	while (root.n != NIL && cache_frame(store, root)->left.n != NIL)
		root = cache_frame(store, root)->left;
	return root;
}

slot_t tree_last(struct store *store, slot_t root)
{
	while (root.n != NIL && cache_frame(store, root)->right.n != NIL)
		root = cache_frame(store, root)->right;
	return root;
}

slot_t tree_at_or_after(struct store *store, slot_t root, uint64_t page)
{
	slot_t best = SLOT_NIL;

	while (root.n != NIL) {
		struct cache_frame *frame = cache_frame(store, root);

		if ((frame->key & KEY_NUMBER) >= page) {
			best = root;
			root = frame->left;
		} else {
			root = frame->right;
		}
	}
	return best;
}

slot_t tree_before(struct store *store, slot_t root, uint64_t page)
{
	slot_t best = SLOT_NIL;

	while (root.n != NIL) {
		struct cache_frame *frame = cache_frame(store, root);

		if ((frame->key & KEY_NUMBER) < page) {
			best = root;
			root = frame->right;
		} else {
			root = frame->left;
		}
	}
	return best;
}
