/* SPDX-License-Identifier: MIT */
/*
 * stream.c - see stream.h.
 */
#include "store/stream.h"
#include "base/assert.h"
#include "base/text.h"
#include "store/media/media.h"

#include <stdarg.h>
#include <string.h>

static uint64_t header_checksum(const struct stream_header *header)
{
	struct stream_header copy = *header;

	copy.checksum = 0;
	return checksum(&copy, sizeof(copy), 0);
}

static uint32_t padded(uint32_t length)
{
	return (length + 7) & ~7u;
}

/* The frame at `frame` with its payload; the field of the checksum is zero. */
static uint64_t frame_checksum(const void *frame, uint32_t length,
			       const struct stream_header *header)
{
	return checksum(frame, sizeof(struct stream_frame) + length, header->checksum);
}

/* ---- writing ------------------------------------------------------------------- */

bool stream_write_begin(struct stream_writer *writer, const struct stream_header *header)
{
	writer->header = *header;
	writer->header.magic = STREAM_MAGIC;
	writer->header.version = STREAM_VERSION;
	writer->header.header_size = sizeof(*header);
	writer->header.checksum = header_checksum(&writer->header);
	writer->totals = (struct stream_end){.bytes = sizeof(*header)};
	writer->used = sizeof(struct stream_frame);
	writer->items = writer->cleared_at = 0;
	writer->position = header->first_page;
	return writer->write(writer->context, &writer->header, sizeof(*header));
}

static bool frame_write(struct stream_writer *writer, enum stream_frame_kind kind)
{
	struct stream_frame frame = {
		.magic = STREAM_FRAME_MAGIC,
		.kind = kind,
		.sequence = writer->totals.frames + 1,
		.length = writer->used - (uint32_t)sizeof(frame),
		.items = writer->items,
		.position = kind == STREAM_FRAME_END ? DISK_PAGE_MAX : writer->position,
	};

	ASSERT(writer->used >= sizeof(frame) && writer->used <= sizeof(writer->frame));
	memcpy(writer->frame, &frame, sizeof(frame));
	frame.checksum = frame_checksum(writer->frame, frame.length, &writer->header);
	memcpy(writer->frame, &frame, sizeof(frame));
	if (!writer->write(writer->context, writer->frame, writer->used))
		return false;
	writer->totals.frames++;
	writer->totals.bytes += writer->used;
	writer->used = sizeof(frame);
	writer->items = 0;
	writer->cleared_at = 0;
	return true;
}

static bool item_write(struct stream_writer *writer, const struct stream_item *item,
		       const void *data)
{
	uint32_t most = writer->most ? writer->most : STREAM_FRAME_MAX;
	uint32_t length = padded(item->length);

	if (writer->used + sizeof(*item) + length > most && writer->items &&
	    !frame_write(writer, STREAM_FRAME_PAGES))
		return false;
	ASSERT(writer->used + sizeof(*item) + length <= sizeof(writer->frame));
	memcpy(writer->frame + writer->used, item, sizeof(*item));
	writer->used += sizeof(*item);
	memset(writer->frame + writer->used, 0, length);
	if (item->length)
		memcpy(writer->frame + writer->used, data, item->length);
	writer->used += length;
	writer->items++;
	writer->position = item->page + item->count;
	return true;
}

bool stream_write_page(struct stream_writer *writer, uint64_t page, enum disk_codec codec,
		       const void *data, uint16_t length)
{
	struct stream_item item = {
		.page = page, .count = 1, .length = length, .codec = (uint8_t)codec};

	ASSERT(page >= writer->position);
	writer->totals.pages++;
	return item_write(writer, &item, data);
}

bool stream_write_clear(struct stream_writer *writer, uint64_t page)
{
	struct stream_item item = {.page = page, .count = 1}, last;
	uint8_t *before = writer->frame + writer->used - sizeof(last);

	ASSERT(page >= writer->position);
	writer->totals.cleared++;
	if (writer->items && writer->cleared_at == writer->used && writer->position == page) {
		memcpy(&last, before, sizeof(last));
		if (last.count < UINT32_MAX) {
			last.count++;
			memcpy(before, &last, sizeof(last));
			writer->position++;
			return true;
		}
	}
	if (!item_write(writer, &item, NULL))
		return false;
	writer->cleared_at = writer->used;
	return true;
}

bool stream_write_end(struct stream_writer *writer)
{
	if (writer->items && !frame_write(writer, STREAM_FRAME_PAGES))
		return false;
	memcpy(writer->frame + writer->used, &writer->totals, sizeof(writer->totals));
	writer->used += sizeof(writer->totals);
	return frame_write(writer, STREAM_FRAME_END);
}

/* ---- reading --------------------------------------------------------------------- */

static enum stream_result __attribute__((format(printf, 3, 4)))
stream_fault(struct stream_reader *reader, enum stream_result result, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	text_vformat(reader->why, sizeof(reader->why), format, arguments);
	va_end(arguments);
	return result;
}

/* All of `bytes` bytes, unless the input ends. */
static enum stream_result input_read(struct stream_reader *reader, void *data, size_t bytes,
				     size_t *got)
{
	*got = 0;
	while (*got < bytes) {
		long done = reader->read(reader->context, (uint8_t *)data + *got, bytes - *got);

		if (done < 0)
			return STREAM_FAIL;
		if (done == 0)
			return STREAM_CUT;
		*got += (size_t)done;
	}
	return STREAM_OK;
}

static bool text_ends(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!text[i])
			return true;
	return false;
}

static bool bytes_zero(const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (bytes[i])
			return false;
	return true;
}

static bool header_sound(const struct stream_header *header)
{
	bool source = !bytes_zero(header->identity, sizeof(header->identity));
	bool order = header->generation && header->base < header->generation;
	bool range = header->first_page <= DISK_PAGE_MAX && header->pages <= DISK_PAGE_MAX &&
		     header->space_pages <= DISK_PAGE_MAX && header->cleared <= DISK_PAGE_MAX &&
		     header->blocks <= header->pages && header->leaves <= header->pages;

	return source && order && range && (header->base || !header->cleared) &&
	       text_ends(header->name, sizeof(header->name)) &&
	       text_ends(header->base_name, sizeof(header->base_name)) &&
	       bytes_zero(header->reserved, sizeof(header->reserved));
}

enum stream_result stream_read_begin(struct stream_reader *reader)
{
	struct stream_header *header = &reader->header;
	size_t got;
	enum stream_result result = input_read(reader, header, sizeof(*header), &got);

	if (result == STREAM_FAIL)
		return result;
	if (got >= sizeof(header->magic) && header->magic != STREAM_MAGIC)
		return stream_fault(reader, STREAM_BAD,
				    "the input is no stream of a store; mkstore send makes one");
	if (result == STREAM_CUT)
		return stream_fault(reader, STREAM_CUT,
				    "the input ends after %zu bytes, within the header", got);
	if (header->version != STREAM_VERSION)
		return stream_fault(reader, STREAM_BAD,
				    "the stream is of version %u, this program knows version %u: "
				    "use a program that knows it",
				    header->version, STREAM_VERSION);
	if (header->checksum != header_checksum(header))
		return stream_fault(reader, STREAM_BAD,
				    "the stream's header does not match its checksum");
	if (header->features & ~STREAM_FEATURES_KNOWN)
		return stream_fault(reader, STREAM_BAD,
				    "the stream uses features 0x%lx"
				    " that this program does not know: use a newer program",
				    header->features & ~STREAM_FEATURES_KNOWN);
	if (header->header_size != sizeof(*header) || !header_sound(header))
		return stream_fault(reader, STREAM_BAD, "the stream's header says what cannot be");
	reader->totals = (struct stream_end){.bytes = sizeof(*header)};
	reader->position = header->first_page;
	reader->length = reader->at = 0;
	return STREAM_OK;
}

/* The bytes of the frame, and that they are those that were written. */
static enum stream_result frame_read(struct stream_reader *reader, struct stream_frame *frame)
{
	size_t got, more = 0;
	uint64_t checksum;
	enum stream_result result = input_read(reader, reader->frame, sizeof(*frame), &got);

	memcpy(frame, reader->frame, sizeof(*frame));
	if (result == STREAM_OK && (frame->magic != STREAM_FRAME_MAGIC ||
				    frame->length > STREAM_PAYLOAD_MAX || frame->length % 8))
		return stream_fault(reader, STREAM_BAD, "at byte %lu there is no frame",
				    reader->totals.bytes);
	if (result == STREAM_OK)
		result = input_read(reader, reader->frame + sizeof(*frame), frame->length, &more);
	if (result == STREAM_CUT)
		return stream_fault(reader, STREAM_CUT,
				    "the stream is cut off after %lu"
				    " bytes, within frame %lu",
				    reader->totals.bytes + got + more, reader->totals.frames + 1);
	if (result != STREAM_OK)
		return result;
	checksum = frame->checksum;
	memset(reader->frame + offsetof(struct stream_frame, checksum), 0, sizeof(checksum));
	if (checksum != frame_checksum(reader->frame, frame->length, &reader->header))
		return stream_fault(reader, STREAM_BAD,
				    "frame %lu at byte %lu"
				    " does not match its checksum",
				    reader->totals.frames + 1, reader->totals.bytes);
	return STREAM_OK;
}

static bool item_sound(const struct stream_reader *reader, const struct stream_item *item,
		       const uint8_t *data, uint32_t room, uint64_t from)
{
	char page[PAGE_SIZE];

	if (item->page < from || item->page >= DISK_PAGE_MAX || !item->count || item->reserved ||
	    item->count > DISK_PAGE_MAX - item->page || padded(item->length) > room ||
	    !bytes_zero(data + item->length, padded(item->length) - item->length))
		return false;
	switch (item->codec) {
	case DISK_CODEC_NONE:
		return reader->header.base && !item->length;
	case DISK_CODEC_ZERO:
		return item->count == 1 && !item->length;
	case DISK_CODEC_RAW:
		return item->count == 1 && item->length == PAGE_SIZE;
	case DISK_CODEC_LZ4:
		return item->count == 1 && item->length &&
		       codec_decompress(data, item->length, page);
	default:
		return false;
	}
}

/* Every item, before the first of them is used. */
static bool items_sound(struct stream_reader *reader, const struct stream_frame *frame)
{
	const uint8_t *payload = reader->frame + sizeof(*frame);
	uint64_t position = reader->position;
	uint32_t at = 0, items = 0;
	struct stream_item item;

	while (at < frame->length) {
		if (frame->length - at < sizeof(item))
			return false;
		memcpy(&item, payload + at, sizeof(item));
		at += (uint32_t)sizeof(item);
		if (!item_sound(reader, &item, payload + at, frame->length - at, position))
			return false;
		at += padded(item.length);
		position = item.page + item.count;
		items++;
		if (item.codec == DISK_CODEC_NONE)
			reader->totals.cleared += item.count;
		else
			reader->totals.pages++;
	}
	return items && items == frame->items && position == frame->position;
}

/* The end frame, which must agree with what was read, and the end of the input. */
static enum stream_result end_check(struct stream_reader *reader, const struct stream_frame *frame)
{
	struct stream_end end;
	enum stream_result result;
	uint8_t byte;
	size_t got;

	memcpy(&end, reader->frame + sizeof(*frame), sizeof(end));
	if (frame->length != sizeof(end) || frame->items || frame->position != DISK_PAGE_MAX ||
	    memcmp(&end, &reader->totals, sizeof(end)) != 0 || end.pages != reader->header.pages ||
	    end.cleared != reader->header.cleared)
		return stream_fault(reader, STREAM_BAD,
				    "the end of the stream does not agree with what came before");
	result = input_read(reader, &byte, 1, &got);
	if (result == STREAM_CUT)
		return STREAM_END;
	if (result == STREAM_OK)
		return stream_fault(reader, STREAM_BAD,
				    "the input goes on behind the stream's end");
	return result;
}

enum stream_result stream_read_frame(struct stream_reader *reader)
{
	struct stream_frame frame;
	enum stream_result result = frame_read(reader, &frame);

	reader->length = reader->at = 0;
	if (result != STREAM_OK)
		return result;
	if (frame.sequence != reader->totals.frames + 1 || frame.reserved)
		return stream_fault(reader, STREAM_BAD, "at byte %lu frame %lu follows frame %lu",
				    reader->totals.bytes, frame.sequence, reader->totals.frames);
	if (frame.kind == STREAM_FRAME_END)
		return end_check(reader, &frame);
	if (frame.kind != STREAM_FRAME_PAGES || !items_sound(reader, &frame))
		return stream_fault(reader, STREAM_BAD, "frame %lu at byte %lu says what cannot be",
				    frame.sequence, reader->totals.bytes);
	reader->totals.frames++;
	reader->totals.bytes += sizeof(frame) + frame.length;
	reader->position = frame.position;
	reader->length = frame.length;
	return STREAM_OK;
}

bool stream_read_item(struct stream_reader *reader, struct stream_item *item, const void **data)
{
	const uint8_t *payload = reader->frame + sizeof(struct stream_frame);

	if (reader->at == reader->length)
		return false;
	/* The whole frame was judged. */
	ASSERT(reader->at + sizeof(*item) <= reader->length);
	memcpy(item, payload + reader->at, sizeof(*item));
	*data = payload + reader->at + sizeof(*item);
	reader->at += (uint32_t)sizeof(*item) + padded(item->length);
	return true;
}

void stream_item_unpack(const struct stream_item *item, const void *data, void *page)
{
	if (item->codec == DISK_CODEC_RAW)
		memcpy(page, data, PAGE_SIZE);
	else if (item->codec != DISK_CODEC_LZ4 || !codec_decompress(data, item->length, page))
		memset(page, 0, PAGE_SIZE);
}
