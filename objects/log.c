/* SPDX-License-Identifier: MIT */
/*
 * log.c - the system's log: the last LOG_BYTES bytes of all text ever written.
 *
 * Byte number n lies at n % LOG_BYTES of the pages behind the header, so a
 * reader keeps a position and notices when the ring has overtaken it.
 */
#include "objects/objects_priv.h"
#include <string.h>

#define LOG_READ_MAX PAGE_SIZE /* bytes one read gives at most */
static_assert(LOG_PREPARE_MAX <= (LOG_PAGES - 1) * PAGE_SIZE,
	      "what is written in one operation does not come around to itself");

static uint64_t log_charge(uint64_t bytes)
{
	return 1 + pages_of(bytes);
}

static bool log_valid(const struct disk_object *record)
{
	return record->size == LOG_BYTES;
}

const struct type_descriptor log_type = {
	.arena = RANGE_KERNEL,
	.charge = log_charge,
	.valid = log_valid,
};

/* ---- text ------------------------------------------------------------------------ */

static page_t log_page(const struct disk_object *log, uint64_t position)
{
	return (page_t){log->first_page + 1 + position % LOG_BYTES / PAGE_SIZE};
}

/* Bytes from `position` to the end of its page or of the run, if that is nearer. */
static size_t log_piece(uint64_t position, size_t length)
{
	size_t piece = PAGE_SIZE - position % PAGE_SIZE;

	return piece < length ? piece : length;
}

static enum status log_find(struct space *space, struct disk_object *log,
			    const struct disk_log **header)
{
	const void *data;
	enum status status = object_read_typed(space, (object_t){OBJECT_THE_LOG}, OBJECT_LOG, log);

	if (status == STATUS_OK)
		status = space_read_zeros(space, (page_t){log->first_page}, &data);
	if (status != STATUS_OK)
		return status;
	*header = data;
	/* Zeros: nothing was ever written. */
	if (!(*header)->magic && !(*header)->written)
		return STATUS_OK;
	if ((*header)->magic != LOG_MAGIC || (*header)->pages != LOG_PAGES)
		return STATUS_CORRUPT;
	return STATUS_OK;
}

enum status log_prepare(struct space *space, size_t length)
{
	const struct disk_log *header;
	struct disk_object log;
	uint64_t at, end;
	void *data;
	enum status status;

	space_operation_note(space);
	ASSERT(space->log_bytes <= LOG_PREPARE_MAX);
	if (length > LOG_PREPARE_MAX - space->log_bytes)
		return STATUS_LIMIT;
	status = log_find(space, &log, &header);
	if (status != STATUS_OK)
		return status;
	/* From the first byte: pieces that are prepared already are had for nothing. */
	end = header->written + space->log_bytes + length;
	for (at = header->written; at < end && status == STATUS_OK; at += log_piece(at, end - at))
		status = space_write(space, log_page(&log, at), &data);
	if (status == STATUS_OK)
		status = space_write(space, (page_t){log.first_page}, &data);
	if (status == STATUS_OK)
		space->log_bytes += (uint32_t)length;
	return status;
}

void log_add(struct space *space, const void *text, size_t length)
{
	const uint8_t *from = text;
	object_t object = {OBJECT_THE_LOG};
	const struct disk_object *log = space_resident(space, record_page(object));
	struct disk_log *header;

	log += object.n % OBJECTS_PER_PAGE;
	ASSERT(log->type == OBJECT_LOG && log->version);
	header = space_writable(space, (page_t){log->first_page});
	ASSERT(length <= space->log_bytes);
	space->log_bytes -= (uint32_t)length;
	header->magic = LOG_MAGIC;
	header->pages = LOG_PAGES;
	while (length) {
		size_t piece = log_piece(header->written, length);
		uint8_t *page = space_writable(space, log_page(log, header->written));

		memcpy(page + header->written % PAGE_SIZE, from, piece);
		header->written += piece;
		from += piece;
		length -= piece;
	}
}

enum status log_copy(struct space *space, uint64_t *from, void *text, size_t size, size_t *length)
{
	const struct disk_log *header;
	struct disk_object log;
	uint8_t *to = text;
	uint64_t at = *from;
	size_t left;
	enum status status = log_find(space, &log, &header);

	if (status != STATUS_OK)
		return status;
	if (header->written > LOG_BYTES && at < header->written - LOG_BYTES)
		at = header->written - LOG_BYTES;
	/* A position from before a restore can lie ahead. */
	if (at > header->written)
		at = header->written;
	left = size < LOG_READ_MAX ? size : LOG_READ_MAX;
	if (left > header->written - at)
		left = (size_t)(header->written - at);
	*from = at;
	*length = left;
	if (!left)
		return STATUS_EMPTY;
	while (left) {
		size_t piece = log_piece(at, left);
		const void *page;

		status = space_read_zeros(space, log_page(&log, at), &page);
		if (status != STATUS_OK)
			return status;
		memcpy(to, (const uint8_t *)page + at % PAGE_SIZE, piece);
		to += piece;
		at += piece;
		left -= piece;
	}
	return STATUS_OK;
}
