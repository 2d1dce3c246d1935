/* SPDX-License-Identifier: MIT */
/*
 * fuzz_stream.c - any bytes as a stream that is received: refused with a reason,
 * or frames of which every item is sound.
 *
 * The first byte says what is made right before: 1 the checksums, or nothing
 * behind them would be reached; 2 magic numbers, sequence and the totals at the
 * end.  A stream that is read whole is written anew and must read the same, and
 * cut anywhere it must be told from a whole one.
 */
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tests/fuzz/fuzz.h"
#include "store/stream.h"

#define INPUT_MAX 8192u
#define AGAIN_MAX (4u * INPUT_MAX)

enum { REPAIR_CHECKSUMS = 1, REPAIR_ORDER = 2 };

static struct stream_reader *reader;
static struct stream_writer *writer;

struct bytes {
	uint8_t data[AGAIN_MAX];
	size_t count, at;
};
static struct bytes input, again;

int LLVMFuzzerInitialize(int *count, char ***words)
{
	(void)count;
	(void)words;
	reader = fuzz_allocate(sizeof(*reader));
	writer = fuzz_allocate(sizeof(*writer));
	return 0;
}

static long bytes_read(void *context, void *data, size_t count)
{
	struct bytes *bytes = context;
	size_t left = bytes->count - bytes->at;

	/* Pipes hand out what they have. */
	count = count < left ? count : left;
	count = count > 700 ? 700 : count;
	memcpy(data, bytes->data + bytes->at, count);
	bytes->at += count;
	return (long)count;
}

static bool bytes_write(void *context, const void *data, size_t count)
{
	struct bytes *bytes = context;

	if (count > sizeof(bytes->data) - bytes->count)
		return false;
	memcpy(bytes->data + bytes->count, data, count);
	bytes->count += count;
	return true;
}

/* ---- repairing --------------------------------------------------------------------- */

static void header_repair(struct stream_header *header, unsigned how)
{
	if (how & REPAIR_ORDER) {
		header->magic = STREAM_MAGIC;
		header->version = STREAM_VERSION;
		header->header_size = sizeof(*header);
	}
	header->checksum = 0;
	header->checksum = XXH3_64bits(header, sizeof(*header));
}

static void frame_repair(uint8_t *at, struct stream_frame *frame, struct stream_end *totals,
			 const struct stream_header *header, unsigned how)
{
	if (how & REPAIR_ORDER) {
		frame->magic = STREAM_FRAME_MAGIC;
		frame->sequence = totals->frames + 1;
		if (frame->kind == STREAM_FRAME_END && frame->length == sizeof(*totals))
			memcpy(at + sizeof(*frame), totals, sizeof(*totals));
	}
	frame->checksum = 0;
	memcpy(at, frame, sizeof(*frame));
	frame->checksum =
		XXH3_64bits_withSeed(at, sizeof(*frame) + frame->length, header->checksum);
	memcpy(at, frame, sizeof(*frame));
}

static void totals_count(const uint8_t *payload, uint32_t length, struct stream_end *totals)
{
	struct stream_item item;

	for (uint32_t at = 0; length - at >= sizeof(item);) {
		memcpy(&item, payload + at, sizeof(item));
		at += (uint32_t)sizeof(item) + ((uint32_t)item.length + 7) / 8 * 8;
		if (item.codec == DISK_CODEC_NONE)
			totals->cleared += item.count;
		else
			totals->pages++;
		if (at > length)
			break;
	}
}

static void input_repair(unsigned how)
{
	struct stream_end totals = {.bytes = sizeof(struct stream_header)};
	struct stream_header header;
	struct stream_frame frame;

	if (input.count < sizeof(header) || !(how & REPAIR_CHECKSUMS))
		return;
	memcpy(&header, input.data, sizeof(header));
	header_repair(&header, how);
	memcpy(input.data, &header, sizeof(header));
	for (size_t at = sizeof(header); input.count - at >= sizeof(frame);) {
		memcpy(&frame, input.data + at, sizeof(frame));
		if (frame.length > input.count - at - sizeof(frame))
			return;
		frame_repair(input.data + at, &frame, &totals, &header, how);
		totals_count(input.data + at + sizeof(frame), frame.length, &totals);
		totals.frames++;
		totals.bytes += sizeof(frame) + frame.length;
		at += sizeof(frame) + frame.length;
	}
}

/* ---- reading ------------------------------------------------------------------------- */

/* The items of a frame that was accepted, and what is written anew of them. */
static void items_check(uint64_t *position, bool write)
{
	uint8_t page[PAGE_SIZE];
	struct stream_item item;
	const void *data;

	while (stream_read_item(reader, &item, &data)) {
		FUZZ_CHECK(item.page >= *position && item.count &&
				   item.page + item.count <= DISK_PAGE_MAX,
			   "page %llu after %llu", (unsigned long long)item.page,
			   (unsigned long long)*position);
		*position = item.page + item.count;
		if (item.codec != DISK_CODEC_NONE) {
			stream_item_unpack(&item, data, page);
			FUZZ_CHECK(!write || stream_write_page(writer, item.page, item.codec, data,
							       item.length),
				   "a page is not written again");
			continue;
		}
		for (uint32_t i = 0; write && i < item.count && i < 64; i++)
			FUZZ_CHECK(stream_write_clear(writer, item.page + i), "a cleared page");
	}
}

static enum stream_result all_read(struct bytes *bytes, bool write)
{
	uint64_t position;
	enum stream_result result;

	bytes->at = 0;
	reader->read = bytes_read;
	reader->context = bytes;
	memset(reader->why, 0, sizeof(reader->why));
	result = stream_read_begin(reader);
	if (result == STREAM_OK && write) {
		again.count = 0;
		memset(writer, 0, offsetof(struct stream_writer, frame));
		writer->write = bytes_write;
		writer->context = &again;
		FUZZ_CHECK(stream_write_begin(writer, &reader->header), "the header");
	}
	position = reader->header.first_page;
	while (result == STREAM_OK) {
		result = stream_read_frame(reader);
		if (result == STREAM_OK)
			items_check(&position, write);
	}
	FUZZ_CHECK(result == STREAM_END || (reader->why[0] && memchr(reader->why, 0, STREAM_WHY)),
		   "refused for nothing");
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t pages, cleared;

	if (!size || size > INPUT_MAX)
		return 0;
	memcpy(input.data, data + 1, size - 1);
	input.count = size - 1;
	input_repair(data[0]);
	if (all_read(&input, true) != STREAM_END)
		return 0;
	pages = reader->totals.pages;
	cleared = reader->totals.cleared;
	/* Long cleared runs are not written out page by page above. */
	if (cleared <= 64) {
		FUZZ_CHECK(stream_write_end(writer), "the end");
		FUZZ_CHECK(all_read(&again, false) == STREAM_END, "written anew it is refused: %s",
			   reader->why);
		FUZZ_CHECK(reader->totals.pages == pages && reader->totals.cleared == cleared,
			   "written anew it is another");
	}
	input.count -= 1 + (data[0] >> 2) * (input.count - 1) / 64;
	FUZZ_CHECK(all_read(&input, false) != STREAM_END, "what is cut off is taken for whole");
	return 0;
}
