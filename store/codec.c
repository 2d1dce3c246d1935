/* SPDX-License-Identifier: MIT */
/*
 * codec.c - how a page becomes the bytes of an extent and back: LZ4.
 *
 * LZ4 finds repeated bytes that are next to each other.  The references of a node
 * differ in a few bytes each and agree in most, so a node is turned first: the
 * first bytes of all references, then all second bytes, and so on.  What they
 * agree in becomes long runs; a full node takes four sectors instead of five.
 *
 * The decoder is the safe one: whatever the bytes are, it stays within its
 * buffers and says if they were not exactly one page.
 */
#include "store/store_priv.h"
#include <lz4.h>

static_assert(sizeof(LZ4_stream_t) <= CODEC_STATE_BYTES, "the compressor's state fits");

uint32_t codec_compress(void *state, const void *page, void *out, uint32_t room)
{
	int size = LZ4_compress_fast_extState(state, page, out, PAGE_SIZE, (int)room, 1);

	return size > 0 ? (uint32_t)size : 0;
}

bool codec_decompress(const void *in, uint32_t length, void *page)
{
	return LZ4_decompress_safe(in, page, (int)length, PAGE_SIZE) == PAGE_SIZE;
}

void codec_columns(const struct disk_node *node, void *columns)
{
	const uint8_t *in = (const uint8_t *)node;
	uint8_t *out = columns;

	for (unsigned byte = 0; byte < sizeof(struct disk_reference); byte++)
		for (unsigned i = 0; i < DISK_NODE_ENTRIES; i++)
			*out++ = in[i * sizeof(struct disk_reference) + byte];
}

void codec_rows(const void *columns, struct disk_node *node)
{
	const uint8_t *in = columns;
	uint8_t *out = (uint8_t *)node;

	for (unsigned byte = 0; byte < sizeof(struct disk_reference); byte++)
		for (unsigned i = 0; i < DISK_NODE_ENTRIES; i++)
			out[i * sizeof(struct disk_reference) + byte] = *in++;
}

bool codec_is_zero(const void *page)
{
	const uint64_t *word = page;

	for (unsigned i = 0; i < PAGE_SIZE / sizeof(*word); i++)
		if (word[i])
			return false;
	return true;
}
