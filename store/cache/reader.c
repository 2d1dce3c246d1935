/* SPDX-License-Identifier: MIT */
/*
 * reader.c - reading extents: requests in flight, verifying, decoding.
 *
 * Nothing read is used before it has matched its reference (S5).  A raw extent
 * is read straight into its frame, a compressed one into a bounce buffer.  The
 * frame is in the cache, in state READING, from the start: whoever asks again
 * finds the request and waits for it.  When a read fails, the frame keeps the
 * status for the next who asks, then it is forgotten: asking again reads again.  Only
 * within one operation of the owner, which is done anew after each wait, what has failed
 * stays so.
 */
#include "store/store_priv.h"

static_assert((uint32_t)STORE_CHANNEL_FIXED + LIMIT_READS <= STORE_CHANNELS_MAX,
	      "each read has a channel");

void extent_report(struct store *store, const struct disk_reference *reference, struct place place,
		   const char *what)
{
	static const char *const names[] = {"?", "space", "free map", "catalogue"};

	ASSERT((unsigned)place.tree < sizeof(names) / sizeof(names[0]));
	store_log(store, "store: %s level %lu key %lu: sector %lu, %lu sectors, generation %lu: %s",
		  names[place.tree], (uint64_t)place.level, place.key,
		  disk_reference_sector(reference).n, (uint64_t)reference->sectors,
		  reference->birth, what);
}

uint64_t extent_key(uint64_t kind, const struct disk_reference *reference, struct place place)
{
	uint64_t form = (uint64_t)reference->sectors << 24 | (uint64_t)reference->codec << 16 |
			reference->length;
	uint64_t name = disk_reference_sector(reference).n ^ form << 32;

	/* An odd factor and a shift to the right: neither loses anything. */
	name = (name + place_seed(place)) * UINT64_C(0x9e3779b97f4a7c15);
	name = ((name ^ name >> 32) + reference->checksum) * UINT64_C(0xd6e8feb86659fd93);
	return kind | ((name ^ name >> 32) & KEY_NUMBER);
}

/* A node's references are followed without a second thought later, so all are
 * looked at here: disk bytes are hostile even with a valid checksum. */
static bool node_valid(struct store *store, const struct disk_reference *reference,
		       struct place place, const struct disk_node *node)
{
	static const struct disk_reference null;
	struct place child = {place.tree, place.level - 1, 0};

	ASSERT(place.level >= 1 && place.level <= DISK_HEIGHT_MAX);
	for (unsigned i = 0; i < DISK_NODE_ENTRIES; i++) {
		if (reference_equal(&node->entry[i], &null))
			continue;
		child.key = place.key << DISK_NODE_SHIFT | i;
		if (!reference_valid(&node->entry[i], child, store->record.sectors) ||
		    node->entry[i].birth > reference->birth)
			return false;
	}
	return true;
}

static bool node_unpack(struct store *store, const struct disk_reference *reference,
			const void *stored, void *node)
{
	uint8_t *columns = store->columns;

	if (!codec_decompress(stored, reference->length, columns))
		return false;
	codec_rows(columns, node);
	return true;
}

enum status extent_decode(struct store *store, const struct disk_reference *reference,
			  struct place place, const void *stored, void *page)
{
	const char *what = NULL;

	if (checksum(stored, (size_t)reference->sectors * SECTOR_SIZE, place_seed(place)) !=
	    reference->checksum)
		what = "the data does not match its checksum";
	else if (reference->codec == DISK_CODEC_LZ4 &&
		 !codec_decompress(stored, reference->length, page))
		what = "the data does not decompress to a page";
	else if (reference->codec == DISK_CODEC_COLUMNS &&
		 !node_unpack(store, reference, stored, page))
		what = "the data does not decompress to a node";
	else if (reference->codec == DISK_CODEC_RAW && stored != page)
		memcpy(page, stored, PAGE_SIZE);
	if (!what && place.level && !node_valid(store, reference, place, page))
		what = "the node refers to what cannot be";
	if (!what)
		return STATUS_OK;
	extent_report(store, reference, place, what);
	return STATUS_CORRUPT;
}

/* ---- requests ------------------------------------------------------------ */

static void read_complete(struct block_request *request)
{
	struct read *read = request->owner;

	read->done = true;
}

static void read_submit(struct store *store, struct read *read)
{
	ASSERT(read->state == READ_QUEUED);
	if (store->device->operations->submit(store->device, &read->request))
		read->state = READ_SUBMITTED;
}

static struct read *read_idle(struct store *store)
{
	for (uint32_t i = 0; i < store->limits.read_requests; i++)
		if (store->reader.read[i].state == READ_IDLE)
			return &store->reader.read[i];
	return NULL;
}

static store_channel_t read_channel(struct store *store, const struct read *read)
{
	return (store_channel_t){STORE_CHANNEL_FIXED + (uint32_t)(read - store->reader.read)};
}

/* Damage is told so many times before the place is read again: an operation of the owner's
 * that meets it several times, and is done anew after each wait, must come to its end. */
#define READ_DAMAGE_TOLD 8u
#define READ_TOLD_SHIFT	 8

/* Which operation of the owner's has been told of an error of the disk; not 0. */
static uint32_t operation_mark(const struct store *store)
{
	return (uint32_t)(store->operation % (UINT32_MAX >> READ_TOLD_SHIFT)) + 1;
}

static bool owner_asks(const struct store *store)
{
	return !store->stepping && !store->keeping;
}

/* It waits for a read, and will be done anew: what it has been told must not be read again
 * before that, or with each place that fails the reads of all before it would double. */
static void operation_waits(struct store *store)
{
	uint32_t mark = operation_mark(store);

	if (owner_asks(store))
		store->reader.waited[mark % READER_WAITED] = mark;
}

/* Has the operation that was told ended, so that another one asks? */
static bool told_is_over(const struct store *store, uint32_t mark)
{
	return !owner_asks(store) || (mark != operation_mark(store) &&
				      store->reader.waited[mark % READER_WAITED] != mark);
}

static enum status read_start(struct store *store, uint64_t key,
			      const struct disk_reference *reference, struct place place)
{
	struct read *read;
	slot_t slot;

	/* The last look at the fields before a buffer is filled by them. */
	if (reference_is_null(reference) ||
	    !reference_valid(reference, place, store->record.sectors)) {
		extent_report(store, reference, place, "the reference leads nowhere");
		return STATUS_CORRUPT;
	}
	operation_waits(store);
	read = read_idle(store);
	slot = read ? cache_take(store) : SLOT_NIL;
	if (slot.n == NIL)
		return cache_wait_frames(store, false);
	cache_insert(store, slot, key, FRAME_READING);
	cache_frame(store, slot)->tag = (uint32_t)(read - store->reader.read);
	read->reference = *reference;
	read->place = place;
	read->durable = store->record.generation;
	read->slot = slot;
	read->orphan = false;
	read->done = false;
	read->state = READ_QUEUED;
	read->request = (struct block_request){
		.operation = BLOCK_READ,
		.sector = disk_reference_sector(reference),
		.sectors = reference->sectors,
		.data = reference->codec == DISK_CODEC_RAW ? cache_data(store, slot) : read->bounce,
		.complete = read_complete,
		.owner = read,
	};
	store->statistics.reads++;
	store->statistics.read_bytes += (uint64_t)reference->sectors * SECTOR_SIZE;
	read_submit(store, read);
	return store_wait_for(store, read_channel(store, read));
}

slot_t reader_find(struct store *store, uint64_t key)
{
	slot_t slot = cache_find(store, key);
	const struct cache_frame *frame = slot.n == NIL ? NULL : cache_frame(store, slot);

	if (!frame || frame->state != FRAME_FAILED ||
	    (frame->tag & ((1u << READ_TOLD_SHIFT) - 1)) != STATUS_IO ||
	    !(frame->tag >> READ_TOLD_SHIFT) || !told_is_over(store, frame->tag >> READ_TOLD_SHIFT))
		return slot;
	/* Whom it was told has had time. */
	cache_drop(store, slot);
	return SLOT_NIL;
}

/* What to answer for a cached frame: OK, WAIT, or how its read failed. */
static enum status read_outcome(struct store *store, slot_t slot, enum disk_tree tree)
{
	struct cache_frame *frame = cache_frame(store, slot);
	enum status status;

	if (frame->state == FRAME_READING) {
		ASSERT(frame->tag < store->limits.read_requests);
		ASSERT(store->reader.read[frame->tag].slot.n == slot.n);
		operation_waits(store);
		return store_wait_for(store, read_channel(store, &store->reader.read[frame->tag]));
	}
	if (frame->state != FRAME_FAILED)
		return STATUS_OK;
	status = (enum status)(frame->tag & ((1u << READ_TOLD_SHIFT) - 1));
	/* An operation that goes on without what it cannot read meets it again where several
	 * pages are below one node, and is done anew after each wait. */
	if (status == STATUS_IO && tree == DISK_TREE_SPACE && owner_asks(store))
		frame->tag = status | operation_mark(store) << READ_TOLD_SHIFT;
	else if (frame->tag >> READ_TOLD_SHIFT)
		frame->tag -= 1u << READ_TOLD_SHIFT;
	else
		cache_drop(store, slot);
	return status;
}

static enum status extent_find(struct store *store, uint64_t kind,
			       const struct disk_reference *reference, struct place place,
			       const void **data)
{
	uint64_t key = extent_key(kind, reference, place);
	slot_t slot = reader_find(store, key);
	enum status status;

	if (slot.n == NIL)
		return read_start(store, key, reference, place);
	status = read_outcome(store, slot, place.tree);
	if (status != STATUS_OK)
		return status;
	cache_touch(store, slot);
	*data = cache_data(store, slot);
	return STATUS_OK;
}

enum status extent_get(struct store *store, const struct disk_reference *reference,
		       struct place place, const void **data)
{
	return extent_find(store, KEY_EXTENT, reference, place, data);
}

enum status extent_get_stored(struct store *store, const struct disk_reference *reference,
			      struct place place, const void **data)
{
	return extent_find(store, KEY_STORED, reference, place, data);
}

void extent_forget(struct store *store, const struct disk_reference *reference, struct place place)
{
	static const uint64_t kinds[] = {KEY_EXTENT, KEY_STORED};

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		slot_t slot = cache_find(store, extent_key(kinds[i], reference, place));

		if (slot.n != NIL)
			cache_retire(store, slot);
	}
}

enum status reader_page(struct store *store, page_t page, const struct disk_reference *reference)
{
	slot_t slot = reader_find(store, KEY_SPACE | page.n);
	struct place place = {DISK_TREE_SPACE, 0, page.n};

	if (slot.n != NIL)
		return read_outcome(store, slot, place.tree);
	ASSERT(reference); /* who passes none has seen the frame */
	return read_start(store, KEY_SPACE | page.n, reference, place);
}

void reader_orphan(struct store *store, slot_t slot)
{
	ASSERT(cache_frame(store, slot)->state == FRAME_READING);
	ASSERT(!store->reader.read[cache_frame(store, slot)->tag].orphan);
	store->reader.read[cache_frame(store, slot)->tag].orphan = true;
	cache_unhash(store, slot);
}

/* ---- completions ------------------------------------------------------------ */

/* A read that outlived two checkpoints may have seen its sectors reused; then
 * nobody looks for that extent any more, and its damage is none. */
static bool read_is_stale(const struct store *store, const struct read *read)
{
	return read->orphan || store->record.generation > read->durable;
}

/* Verifies what was read and leaves it compressed. */
static enum status extent_keep(struct store *store, const struct read *read)
{
	size_t bytes = (size_t)read->reference.sectors * SECTOR_SIZE;
	void *frame = cache_data(store, read->slot);

	if (checksum(read->request.data, bytes, place_seed(read->place)) !=
	    read->reference.checksum) {
		extent_report(store, &read->reference, read->place,
			      "the data does not match its checksum");
		return STATUS_CORRUPT;
	}
	if (read->request.data != frame)
		memcpy(frame, read->request.data, bytes);
	return STATUS_OK;
}

static enum status read_decode(struct store *store, struct read *read)
{
	if (read->request.status != STATUS_OK) {
		extent_report(store, &read->reference, read->place, "the disk reported an error");
		return STATUS_IO;
	}
	if (cache_frame(store, read->slot)->key & KEY_STORED)
		return extent_keep(store, read);
	return extent_decode(store, &read->reference, read->place, read->request.data,
			     cache_data(store, read->slot));
}

static void read_finish(struct store *store, struct read *read)
{
	struct cache_frame *frame = cache_frame(store, read->slot);
	enum status status = read->orphan ? STATUS_OK : read_decode(store, read);

	ASSERT(read->state == READ_SUBMITTED && frame->state == FRAME_READING);
	read->state = READ_IDLE;
	if (read->orphan || (status == STATUS_CORRUPT && read_is_stale(store, read))) {
		cache_drop(store, read->slot);
	} else if (status == STATUS_OK) {
		cache_state_set(store, read->slot, FRAME_CLEAN);
		frame->tag = 0;
	} else {
		cache_state_set(store, read->slot, FRAME_FAILED);
		frame->tag = status;
		if (status == STATUS_CORRUPT)
			frame->tag |= (READ_DAMAGE_TOLD - 1) << READ_TOLD_SHIFT;
	}
	store_wake(store, read_channel(store, read));
}

bool reader_step(struct store *store)
{
	bool moved = false;

	for (uint32_t i = 0; i < store->limits.read_requests; i++) {
		struct read *read = &store->reader.read[i];

		if (read->state == READ_QUEUED) {
			read_submit(store, read);
			moved |= read->state == READ_SUBMITTED;
		}
		if (read->state == READ_SUBMITTED && read->done) {
			read_finish(store, read);
			moved = true;
		}
	}
	return moved;
}

void reader_lay_out(struct store *store, struct layout *layout)
{
	for (uint32_t i = 0; i < store->limits.read_requests; i++)
		store->reader.read[i].bounce = layout_take(layout, PAGE_SIZE, 4096);
}

bool reader_is_idle(const struct store *store, uint32_t read)
{
	ASSERT(read < LIMIT_READS);
	return store->reader.read[read].state == READ_IDLE;
}

bool reader_busy(const struct store *store)
{
	for (uint32_t i = 0; i < store->limits.read_requests; i++)
		if (store->reader.read[i].state != READ_IDLE)
			return true;
	return false;
}

bool reader_can_start(const struct store *store)
{
	for (uint32_t i = 0; i < store->limits.read_requests; i++)
		if (store->reader.read[i].state == READ_IDLE)
			return true;
	return false;
}
