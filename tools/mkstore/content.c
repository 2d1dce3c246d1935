/* SPDX-License-Identifier: MIT */
/*
 * content.c - see content.h.
 */
#include "tools/mkstore/content.h"
#include "base/assert.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tools/mkstore/progress.h"

/* Blocks left alone by bulk writing, beyond two for each page of the free map:
 * enough to take the object apart again if it does not fit. */
#define CONTENT_MARGIN_BLOCKS 256u
/* Most that one page can take: its extent and its share of map nodes. */
#define CONTENT_PAGE_SECTORS (BLOCK_SECTORS + 2u)

static const uint8_t content_zeros[PAGE_SIZE];

/* ---- times ---------------------------------------------------------------------- */

/*
 * A program writes to a segment by writing to memory, and nobody notes when.  So the time
 * that bytes bring along is kept with a digest of them (struct disk_object), and is true as
 * long as they are the same.  Zeros do not count: a page of them may be absent.
 */
struct content_digest {
	XXH3_state_t state;
};

static void content_digest_begin(struct content_digest *digest)
{
	XXH3_64bits_reset(&digest->state);
}

static void content_digest_page(struct content_digest *digest, uint64_t index, const void *page,
				size_t length)
{
	ASSERT(length && length <= PAGE_SIZE);
	if (memcmp(page, content_zeros, length) == 0)
		return;
	XXH3_64bits_update(&digest->state, &index, sizeof(index));
	XXH3_64bits_update(&digest->state, page, length);
}

static uint64_t content_digest_end(struct content_digest *digest, uint64_t bytes)
{
	XXH3_64bits_update(&digest->state, &bytes, sizeof(bytes));
	return XXH3_64bits_digest(&digest->state);
}

/* ---- reading ------------------------------------------------------------------ */

static bool content_output(struct content_sink *sink, uint64_t offset, const uint8_t *data,
			   size_t length)
{
	if (file_write(sink->descriptor, data, length, sink->seekable ? (int64_t)offset : -1))
		return true;
	/* A reader who has seen enough, as in `| head`, needs no message. */
	if (errno != EPIPE)
		command_error("cannot write '%s': %s", sink->name, strerror(errno));
	return false;
}

/* Bytes that follow each other and cannot be read for the same reason. */
struct content_damage {
	uint64_t first, end; /* nothing: equal */
	enum status status;
	char log[sizeof(((struct host *)0)->last_log)]; /* of the first: names the place */
};

/* Says it in one line. */
static void content_damage_tell(struct host *host, const struct content_sink *sink,
				struct content_damage *damage)
{
	if (damage->first == damage->end)
		return;
	snprintf(host->last_log, sizeof(host->last_log), "%s", damage->log);
	host_result(host, damage->status, "bytes %" PRIu64 " to %" PRIu64 " of '%s'", damage->first,
		    damage->end - 1, sink->name);
	damage->first = damage->end = 0;
}

static void content_damage_add(struct host *host, const struct content_sink *sink,
			       struct content_damage *damage, enum status status, uint64_t offset,
			       size_t length)
{
	ASSERT(length && damage->end <= offset); /* in their order */
	if (damage->end != offset || damage->status != status) {
		content_damage_tell(host, sink, damage);
		damage->first = offset;
		damage->status = status;
		snprintf(damage->log, sizeof(damage->log), "%s", host->last_log);
	}
	damage->end = offset + length;
}

/* One page of the segment: its bytes, or zeros where nothing is. */
static enum command_exit content_read_page(struct host *host, const struct disk_object *segment,
					   struct content_sink *sink, struct content_damage *damage,
					   struct content_digest *digest, uint64_t index)
{
	uint64_t offset = index * PAGE_SIZE, rest = segment->size - offset;
	size_t length = rest < PAGE_SIZE ? (size_t)rest : PAGE_SIZE;
	page_t page = {segment->first_page + index};
	void *data;
	enum status status = HOST_RETRY(host, space_read(&host->space, page, &data));

	ASSERT(offset < segment->size);
	if (status == STATUS_ABSENT) {
		if (sink->seekable)
			return COMMAND_OK;
		data = (void *)content_zeros;
	} else if (status != STATUS_OK) {
		content_damage_add(host, sink, damage, status, offset, length);
		if (!sink->keep_going)
			return COMMAND_FAILED;
		sink->bad_pages++;
		data = (void *)content_zeros;
	}
	content_digest_page(digest, index, data, length);
	return content_output(sink, offset, data, length) ? COMMAND_OK : COMMAND_FAILED;
}

/* The next page worth reading: absent ones cost nothing where a hole can be
 * left.  Damage in the map is met again, and told, by reading the page. */
static uint64_t content_next(struct host *host, const struct disk_object *segment, uint64_t index,
			     uint64_t pages)
{
	page_t from = {segment->first_page + index}, next;
	enum status status;

	ASSERT(index < pages);
	status = HOST_RETRY(host, store_page_next(host->store, from, STORE_PAGES_END, &next));

	if (status == STATUS_NOT_FOUND)
		return pages;
	if (status != STATUS_OK || next.n < from.n)
		return index;
	return next.n - segment->first_page < pages ? next.n - segment->first_page : pages;
}

enum command_exit content_read(struct host *host, const struct disk_object *segment,
			       struct content_sink *sink)
{
	uint64_t pages = (segment->size + PAGE_SIZE - 1) / PAGE_SIZE, index = 0;
	struct content_damage damage = {.status = STATUS_OK};
	enum command_exit result = COMMAND_OK;
	struct content_digest digest;
	struct progress progress;

	content_digest_begin(&digest);
	progress_begin(&progress, "reading", true);
	while (result == COMMAND_OK) {
		if (sink->seekable && index < pages)
			index = content_next(host, segment, index, pages);
		if (index >= pages)
			break;
		result = content_read_page(host, segment, sink, &damage, &digest, index++);
		progress_update(&progress, index * PAGE_SIZE, segment->size);
	}
	progress_end(&progress);
	ASSERT(result != COMMAND_OK || index >= pages);
	content_damage_tell(host, sink, &damage);
	if (result == COMMAND_OK && sink->seekable &&
	    ftruncate(sink->descriptor, (off_t)segment->size) != 0) {
		result = command_error("cannot write '%s': %s", sink->name, strerror(errno));
	}
	sink->complete = result == COMMAND_OK;
	sink->wall_ns = 0;
	if (content_digest_end(&digest, segment->size) == segment->segment.digest &&
	    !sink->bad_pages)
		sink->wall_ns = segment->segment.wall_ns;
	return result == COMMAND_OK && sink->bad_pages > 0 ? COMMAND_FAILED : result;
}

uint64_t content_time(struct host *host, const struct disk_object *segment)
{
	uint64_t pages = (segment->size + PAGE_SIZE - 1) / PAGE_SIZE;
	struct content_digest digest;

	content_digest_begin(&digest);
	for (uint64_t i = segment->segment.wall_ns ? 0 : pages; i < pages; i++) {
		uint64_t rest;
		void *data;

		i = content_next(host, segment, i, pages);
		rest = segment->size - i * PAGE_SIZE;
		if (i >= pages)
			break;
		if (HOST_RETRY(host, space_read(&host->space, (page_t){segment->first_page + i},
						&data)) != STATUS_OK)
			return 0;
		content_digest_page(&digest, i, data, rest < PAGE_SIZE ? (size_t)rest : PAGE_SIZE);
	}
	return content_digest_end(&digest, segment->size) == segment->segment.digest
		       ? segment->segment.wall_ns
		       : 0;
}

/* ---- writing -------------------------------------------------------------------- */

/* In as many steps as it takes. */
static enum status content_resize(struct host *host, object_t segment, uint64_t bytes)
{
	bool more = true;

	/* A large cut is made in bounded steps, the size changing with the last. */
	while (more) {
		HOST_TRY(host, segment_size_set(&host->space, segment, bytes, &more));
		TRY(host_relieve(host));
	}
	return STATUS_OK;
}

static bool content_fits(struct host *host)
{
	struct store_statistics statistics;
	uint64_t need;

	store_statistics_get(host->store, &statistics);
	need = DISK_DATA_SECTOR + CONTENT_MARGIN_BLOCKS * BLOCK_SECTORS +
	       2 * BLOCK_SECTORS * (statistics.sectors / DISK_FREE_MAP_SECTORS + 1) +
	       CONTENT_PAGE_SECTORS * (statistics.dirty_pages + statistics.frozen_pages + 1);
	return statistics.used_sectors + need <= statistics.sectors;
}

/* A store filled to the last block could not even remove what fills it.  How
 * much the dirty pages really take is known when they are committed. */
static enum status content_room(struct host *host)
{
	if (content_fits(host))
		return STATUS_OK;
	TRY(host_commit(host, STORE_ACTION_NONE, (snapshot_t){0}, ""));
	return content_fits(host) ? STATUS_OK : STATUS_NO_SPACE;
}

enum status content_write_page(struct host *host, const struct disk_object *segment, uint64_t index,
			       const void *page)
{
	page_t target = {segment->first_page + index};
	void *data;

	ASSERT(index < segment->range_pages);
	if (memcmp(page, content_zeros, PAGE_SIZE) == 0)
		return STATUS_OK;
	TRY(content_room(host));
	HOST_TRY(host, space_write(&host->space, target, &data));
	memcpy(data, page, PAGE_SIZE);
	return host_relieve(host);
}

/* Empties the segment and gives it its new size, so that every page that is not
 * written afterwards reads as zeros. */
static enum status content_prepare(struct host *host, object_t segment, uint64_t bytes,
				   struct disk_object *record)
{
	HOST_TRY(host, object_read(&host->space, segment, record));
	if (record->size > 0)
		TRY(content_resize(host, segment, 0));
	TRY(content_resize(host, segment, bytes));
	HOST_TRY(host, object_read(&host->space, segment, record));
	ASSERT(record->size == bytes && bytes <= record->range_pages * PAGE_SIZE);
	return STATUS_OK;
}

bool content_read_descriptor(void *context, void *data, size_t length)
{
	return file_read(*(int *)context, data, length, -1);
}

/* The time goes into the record, with what it is true of. */
static enum status content_note(struct host *host, object_t segment, uint64_t wall_ns,
				uint64_t digest)
{
	struct disk_object *record;

	HOST_TRY(host, object_prepare(&host->space, segment, &record));
	record->segment.wall_ns = wall_ns;
	record->segment.digest = wall_ns ? digest : 0;
	return STATUS_OK;
}

enum command_exit content_write(struct host *host, object_t segment,
				const struct content_source *source)
{
	uint8_t page[PAGE_SIZE];
	struct content_digest digest;
	struct disk_object record;
	struct progress progress;
	bool readable = true;
	enum status status = content_prepare(host, segment, source->bytes, &record);

	content_digest_begin(&digest);
	progress_begin(&progress, "writing", true);
	for (uint64_t offset = 0; offset < source->bytes && status == STATUS_OK;
	     offset += PAGE_SIZE) {
		uint64_t rest = source->bytes - offset;
		size_t length = rest < PAGE_SIZE ? (size_t)rest : PAGE_SIZE;

		memset(page + length, 0, PAGE_SIZE - length);
		readable = source->read(source->context, page, length);
		if (!readable)
			break;
		content_digest_page(&digest, offset / PAGE_SIZE, page, length);
		status = content_write_page(host, &record, offset / PAGE_SIZE, page);
		progress_update(&progress, offset, source->bytes);
	}
	progress_end(&progress);
	if (!readable)
		return command_error("cannot read '%s': %s", source->name,
				     errno == ENODATA ? "it ends before its size"
						      : strerror(errno));
	if (status == STATUS_OK)
		status = content_note(host, segment, source->wall_ns,
				      content_digest_end(&digest, source->bytes));
	return host_result(host, status, "cannot write '%s'", source->name);
}
