/* SPDX-License-Identifier: MIT */
/*
 * test_stream.c - streams as bytes: what was written is read, anything else is
 * refused at the frame where it is, and a part of a stream is never the whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <lz4.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "store/stream.h"

#define BYTES_MAX (4u << 20)
#define PAGES	  15u

struct bytes {
	uint8_t *data;
	size_t count, at;
	size_t room, sound; /* what can be written, and read, before the disk fails */
};

static struct stream_writer writer;
static struct stream_reader reader;

static bool bytes_write(void *context, const void *data, size_t count)
{
	struct bytes *bytes = context;

	if (bytes->count + count > bytes->room)
		return false;
	memcpy(bytes->data + bytes->count, data, count);
	bytes->count += count;
	return true;
}

static long bytes_read(void *context, void *data, size_t count)
{
	struct bytes *bytes = context;

	if (bytes->at >= bytes->sound) {
		strcpy(reader.why, "this disk is broken");
		return -1;
	}
	if (count > bytes->sound - bytes->at)
		count = bytes->sound - bytes->at;
	if (count > bytes->count - bytes->at)
		count = bytes->count - bytes->at;
	if (count > 1000)
		count = 1000; /* as a pipe gives it */
	memcpy(data, bytes->data + bytes->at, count);
	bytes->at += count;
	return (long)count;
}

static void page_fill(uint8_t *page, unsigned i)
{
	uint32_t x = i * 2654435761u + 1;

	for (unsigned k = 0; k < PAGE_SIZE; k++) {
		x = x * 1664525u + 1013904223u;
		page[k] = i % 3 == 1 ? (uint8_t)(x >> 24) : (uint8_t)(i + k / 512);
	}
}

/* One of all codecs in turn. */
static bool page_write(unsigned i)
{
	uint8_t page[PAGE_SIZE], packed[PAGE_SIZE];
	int length;

	page_fill(page, i);
	length = LZ4_compress_default((char *)page, (char *)packed, PAGE_SIZE, PAGE_SIZE);
	if (i % 3 == 0)
		return stream_write_page(&writer, 10 * i, DISK_CODEC_ZERO, NULL, 0);
	if (i % 3 == 1)
		return stream_write_page(&writer, 10 * i, DISK_CODEC_RAW, page, PAGE_SIZE);
	return stream_write_page(&writer, 10 * i, DISK_CODEC_LZ4, packed, (uint16_t)length);
}

/* Pages of all codecs in frames of at most `most` bytes; cleared runs with a base.  False
 * as soon as something is not written. */
static bool stream_write(struct bytes *bytes, uint32_t most, uint64_t base)
{
	struct stream_header header = {.identity = {1}, .generation = 9, .base = base};

	bytes->count = bytes->at = 0;
	header.pages = header.space_pages = PAGES;
	header.cleared = base ? 3 * (PAGES / 10) : 0;
	writer.write = bytes_write;
	writer.context = bytes;
	writer.most = most;
	if (!stream_write_begin(&writer, &header))
		return false;
	for (unsigned i = 0; i < PAGES; i++) {
		if (!page_write(i))
			return false;
		/* Two are one run, the third is another. */
		for (unsigned k = 0; base && i % 10 == 9 && k < 3; k++)
			if (!stream_write_clear(&writer, 10 * i + 1 + k + k / 2))
				return false;
	}
	return stream_write_end(&writer);
}

static void stream_make(struct bytes *bytes, uint32_t most, uint64_t base)
{
	assert_true(stream_write(bytes, most, base));
	assert_int_equal(writer.totals.bytes, bytes->count);
}

/* Reads to the end; the number of pages that were handed out. */
static enum stream_result stream_take(struct bytes *bytes, unsigned *pages, unsigned *cleared)
{
	uint8_t page[PAGE_SIZE], expected[PAGE_SIZE];
	struct stream_item item;
	enum stream_result result;
	const void *data;

	*pages = *cleared = 0;
	bytes->at = 0;
	reader.read = bytes_read;
	reader.context = bytes;
	result = stream_read_begin(&reader);
	while (result == STREAM_OK) {
		result = stream_read_frame(&reader);
		while (result == STREAM_OK && stream_read_item(&reader, &item, &data)) {
			if (item.codec == DISK_CODEC_NONE) {
				*cleared += item.count;
				continue;
			}
			assert_int_equal(item.page, 10 * *pages);
			stream_item_unpack(&item, data, page);
			memset(expected, 0, sizeof(expected));
			if (*pages % 3)
				page_fill(expected, *pages);
			assert_memory_equal(page, expected, PAGE_SIZE);
			++*pages;
		}
	}
	return result;
}

static struct bytes *bytes_new(void)
{
	struct bytes *bytes = calloc(1, sizeof(*bytes));

	bytes->data = malloc(BYTES_MAX);
	bytes->room = bytes->sound = BYTES_MAX;
	return bytes;
}

static void bytes_free(struct bytes *bytes)
{
	free(bytes->data);
	free(bytes);
}

static void test_round(void **state)
{
	struct bytes *bytes = bytes_new();
	unsigned pages, cleared;

	(void)state;
	/* A frame takes one item, at least. */
	for (uint32_t most = 0; most < 40000; most += most + 1) {
		for (uint64_t base = 0; base < 6; base += 5) {
			stream_make(bytes, most, base);
			assert_int_equal(stream_take(bytes, &pages, &cleared), STREAM_END);
			assert_int_equal(pages, PAGES);
			assert_int_equal(cleared, base ? 3 * (PAGES / 10) : 0);
			assert_int_equal(reader.totals.bytes + sizeof(struct stream_frame) +
						 sizeof(struct stream_end),
					 bytes->count);
		}
	}
	bytes_free(bytes);
}

/* At no length but the whole is a stream complete. */
static void test_cuts(void **state)
{
	struct bytes *bytes = bytes_new();
	unsigned pages, cleared;
	size_t whole;

	(void)state;
	stream_make(bytes, 6000, 5);
	whole = bytes->count;
	for (bytes->count = 0; bytes->count < whole; bytes->count++) {
		assert_int_equal(stream_take(bytes, &pages, &cleared), STREAM_CUT);
		assert_true(pages <= PAGES && reader.why[0]);
	}
	bytes->data[bytes->count++] = 0;
	assert_int_equal(stream_take(bytes, &pages, &cleared), STREAM_BAD);
	assert_non_null(strstr(reader.why, "behind the stream's end"));
	bytes->count = whole;
	/* The last time is behind the last byte: more may come there. */
	for (bytes->sound = whole % 7; bytes->sound <= whole; bytes->sound += 7) {
		assert_int_equal(stream_take(bytes, &pages, &cleared), STREAM_FAIL);
		assert_string_equal(reader.why, "this disk is broken");
	}
	bytes_free(bytes);
}

/* Who cannot write all of it is told so, and what it has written is its beginning. */
static void test_no_room(void **state)
{
	struct bytes *bytes = bytes_new(), *whole = bytes_new();

	(void)state;
	for (uint32_t most = 1; most < 40000; most = 6 * most + 1) {
		stream_make(whole, most, 5);
		for (bytes->room = 0; bytes->room < whole->count; bytes->room += 131) {
			assert_false(stream_write(bytes, most, 5));
			assert_memory_equal(bytes->data, whole->data, bytes->count);
		}
		bytes->room = whole->count;
		assert_true(stream_write(bytes, most, 5));
	}
	bytes_free(whole);
	bytes_free(bytes);
}

/* Every byte counts: whichever is changed, the stream is refused, and what was
 * handed out before is as it was written (stream_take looks). */
static void test_flips(void **state)
{
	struct bytes *bytes = bytes_new();
	unsigned pages, cleared;

	(void)state;
	stream_make(bytes, 6000, 5);
	for (size_t i = 0; i < bytes->count; i++) {
		enum stream_result result;

		bytes->data[i] ^= (uint8_t)(1u << i % 8);
		result = stream_take(bytes, &pages, &cleared);
		assert_true(result == STREAM_BAD || result == STREAM_CUT);
		bytes->data[i] ^= (uint8_t)(1u << i % 8);
	}
	assert_int_equal(stream_take(bytes, &pages, &cleared), STREAM_END);
	bytes_free(bytes);
}

/* ---- frames that somebody made up, with a checksum that is right --------------- */

static void frame_seal(struct bytes *bytes, size_t at)
{
	struct stream_header header;
	struct stream_frame frame;

	memcpy(&header, bytes->data, sizeof(header));
	memcpy(&frame, bytes->data + at, sizeof(frame));
	frame.checksum = 0;
	memcpy(bytes->data + at, &frame, sizeof(frame));
	frame.checksum = XXH3_64bits_withSeed(bytes->data + at, sizeof(frame) + frame.length,
					      header.checksum);
	memcpy(bytes->data + at, &frame, sizeof(frame));
}

static void refused(struct bytes *bytes, const char *why)
{
	unsigned pages, cleared;

	assert_int_equal(stream_take(bytes, &pages, &cleared), STREAM_BAD);
	if (!strstr(reader.why, why))
		fail_msg("'%s' does not say '%s'", reader.why, why);
}

static void test_hostile_frames(void **state)
{
	const size_t at = sizeof(struct stream_header), item_at = at + sizeof(struct stream_frame);
	struct bytes *bytes = bytes_new();
	struct stream_frame frame;
	struct stream_item item;
	uint64_t base = 5;

	(void)state;
#define HOSTILE(change, why)                                                                       \
	do {                                                                                       \
		stream_make(bytes, 6000, base);                                                    \
		memcpy(&frame, bytes->data + at, sizeof(frame));                                   \
		memcpy(&item, bytes->data + item_at, sizeof(item));                                \
		change;                                                                            \
		memcpy(bytes->data + at, &frame, sizeof(frame));                                   \
		memcpy(bytes->data + item_at, &item, sizeof(item));                                \
		frame_seal(bytes, at);                                                             \
		refused(bytes, why);                                                               \
	} while (0)
	HOSTILE(frame.sequence = 2, "frame 2 follows frame 0");
	HOSTILE(frame.reserved = 1, "follows");
	HOSTILE(frame.kind = 3, "what cannot be");
	HOSTILE(frame.items++, "what cannot be");
	HOSTILE(frame.position++, "what cannot be");
	HOSTILE(item.page = DISK_PAGE_MAX, "what cannot be");
	HOSTILE(item.page = 5000, "what cannot be");
	HOSTILE(item.count = 2, "what cannot be");
	HOSTILE(item.count = 0, "what cannot be");
	HOSTILE(item.codec = 9, "what cannot be");
	HOSTILE(item.reserved = 1, "what cannot be");
	HOSTILE(item.length = 65535, "what cannot be");
	HOSTILE((item.codec = DISK_CODEC_LZ4, item.length = 8), "what cannot be");
	HOSTILE(item.codec = DISK_CODEC_RAW, "what cannot be");
	HOSTILE((item.codec = DISK_CODEC_NONE, item.length = 8), "what cannot be");
	HOSTILE((item.codec = DISK_CODEC_NONE, item.page = DISK_PAGE_MAX - 1, item.count = 2),
		"what cannot be");
	HOSTILE(frame.length = 0, "what cannot be");
	HOSTILE(frame.length = 8, "what cannot be");
	base = 0;
	HOSTILE(item.codec = DISK_CODEC_NONE, "what cannot be");
	HOSTILE(frame.kind = STREAM_FRAME_END, "does not agree");
	stream_make(bytes, 6000, 5);
	memset(bytes->data + at + offsetof(struct stream_frame, length), 0xff, 4);
	refused(bytes, "there is no frame");
	bytes_free(bytes);
}

/* Each figure at the end must be what was read. */
static void test_hostile_end(void **state)
{
	struct bytes *bytes = bytes_new();
	uint64_t figure, figures = sizeof(struct stream_end) / sizeof(figure);

	(void)state;
	for (size_t i = 1; i <= figures; i++) {
		uint8_t *at;

		stream_make(bytes, 6000, 5);
		at = bytes->data + bytes->count - i * sizeof(figure);
		memcpy(&figure, at, sizeof(figure));
		figure++;
		memcpy(at, &figure, sizeof(figure));
		frame_seal(bytes,
			   bytes->count - sizeof(struct stream_end) - sizeof(struct stream_frame));
		refused(bytes, "does not agree");
	}
	bytes_free(bytes);
}

static void test_hostile_headers(void **state)
{
	struct bytes *bytes = bytes_new();
	struct stream_header header;

	(void)state;
#define HEADER(change, why)                                                                        \
	do {                                                                                       \
		stream_make(bytes, 6000, 5);                                                       \
		memcpy(&header, bytes->data, sizeof(header));                                      \
		change;                                                                            \
		header.checksum = 0;                                                               \
		header.checksum = XXH3_64bits(&header, sizeof(header));                            \
		memcpy(bytes->data, &header, sizeof(header));                                      \
		refused(bytes, why);                                                               \
	} while (0)
	HEADER(header.magic++, "no stream");
	HEADER(header.version = 2, "version 2");
	HEADER(header.features = 4, "features 0x4");
	HEADER(header.header_size = 0, "what cannot be");
	HEADER(header.identity[0] = 0, "what cannot be");
	HEADER(header.generation = 0, "what cannot be");
	HEADER(header.base = 9, "what cannot be");
	HEADER(header.base = 0, "what cannot be");
	HEADER(header.pages = UINT64_MAX, "what cannot be");
	HEADER(header.blocks = UINT64_MAX, "what cannot be");
	HEADER(header.first_page = UINT64_MAX, "what cannot be");
	HEADER(memset(header.name, 'x', sizeof(header.name)), "what cannot be");
	HEADER(memset(header.base_name, 'x', sizeof(header.name)), "what cannot be");
	HEADER(header.reserved[7] = 1, "what cannot be");
	/* The frames are another header's. */
	HEADER(header.wall_ns++, "does not match its checksum");
	bytes_free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_no_room),		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_hostile_frames),	cmocka_unit_test(test_hostile_end),
		cmocka_unit_test(test_hostile_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
