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
static_assert(DISK_NODE_ENTRIES % 8 == 0 && sizeof(struct disk_reference) % 8 == 0,
	      "tables are turned in squares");

uint32_t codec_compress(void *state, const void *page, void *out, uint32_t room)
{
	int size = LZ4_compress_fast_extState(state, page, out, PAGE_SIZE, (int)room, 1);

	return size > 0 ? (uint32_t)size : 0;
}

bool codec_decompress(const void *in, uint32_t length, void *page)
{
	return LZ4_decompress_safe(in, page, (int)length, PAGE_SIZE) == PAGE_SIZE;
}

/* The high part of one and the low part of the other change places. */
static inline void exchange(uint64_t *one, uint64_t *other, unsigned shift, uint64_t low)
{
	uint64_t moved = (*one >> shift ^ *other) & low;

	*one ^= moved << shift;
	*other ^= moved;
}

/* 8 rows of 8 bytes each become 8 columns: pairs of rows exchange their halves, then
 * their quarters, then single bytes. */
static inline void square_turn(uint64_t row[8])
{
	for (unsigned i = 0; i < 4; i++)
		exchange(&row[i], &row[i + 4], 32, 0x00000000ffffffff);
	for (unsigned i = 0; i < 8; i += 4) {
		exchange(&row[i], &row[i + 2], 16, 0x0000ffff0000ffff);
		exchange(&row[i + 1], &row[i + 3], 16, 0x0000ffff0000ffff);
	}
	for (unsigned i = 0; i < 8; i += 2)
		exchange(&row[i], &row[i + 1], 8, 0x00ff00ff00ff00ff);
}

/* A table of bytes with its rows as columns.  Most of a node is zero, and zeros need not
 * be turned. */
static void table_turn(const uint8_t *in, unsigned width, uint8_t *out, unsigned height)
{
	memset(out, 0, (size_t)width * height);
	for (unsigned y = 0; y < height; y += 8)
		for (unsigned x = 0; x < width; x += 8) {
			uint64_t row[8], any = 0;

			for (unsigned i = 0; i < 8; i++) {
				memcpy(&row[i], in + (y + i) * width + x, 8);
				any |= row[i];
			}
			if (!any)
				continue;
			square_turn(row);
			for (unsigned i = 0; i < 8; i++)
				memcpy(out + (x + i) * height + y, &row[i], 8);
		}
}

void codec_columns(const struct disk_node *node, void *columns)
{
	table_turn((const uint8_t *)node, sizeof(struct disk_reference), columns,
		   DISK_NODE_ENTRIES);
}

void codec_rows(const void *columns, struct disk_node *node)
{
	table_turn(columns, DISK_NODE_ENTRIES, (uint8_t *)node, sizeof(struct disk_reference));
}

bool codec_is_zero(const void *page)
{
	const uint64_t *word = page;

	for (unsigned i = 0; i < PAGE_SIZE / sizeof(*word); i++)
		if (word[i])
			return false;
	return true;
}
