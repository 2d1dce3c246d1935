/* SPDX-License-Identifier: MIT */
/*
 * fuzz_decode.c - the decoders alone: records, tombstones, nodes, extents.
 *
 * An input whose first byte is above 127 is a compressed extent.  Any other is a
 * list of changes to a base store (edit.h); then everything changed is decoded by
 * the engine and by the verifier.
 *   - what the verifier accepts, the engine accepts, and with the same content;
 *   - what the engine accepts leads nowhere outside the store.
 */
#include <stdlib.h>
#include <string.h>

#include "store/store_priv.h"
#include "tests/fuzz/edit.h"
#include "tests/fuzz/fuzz.h"
#include "tools/verify/verify_priv.h"

static struct fuzz_engine engine;
static struct fuzz_base *bases[BASES];
static struct verify *verify;

int LLVMFuzzerInitialize(int *count, char ***words)
{
	struct verify_reader reader = {0};

	(void)count;
	(void)words;
	fuzz_engine_create(&engine);
	for (unsigned i = 0; i < BASES; i++)
		bases[i] = base_make(i, &engine);
	verify = verify_open(&reader, NULL);
	FUZZ_CHECK(verify, "no memory for the verifier");
	return 0;
}

static void decode_compressed(const uint8_t *data, size_t size)
{
	uint8_t page[PAGE_SIZE], again[PAGE_SIZE];
	uint8_t packed[2 * PAGE_SIZE];
	uint8_t state[CODEC_STATE_BYTES] __attribute__((aligned(64)));
	uint32_t length;

	if (size > PAGE_SIZE || !codec_decompress(data, (uint32_t)size, page))
		return;
	length = codec_compress(state, page, packed, sizeof(packed));
	FUZZ_CHECK(length && codec_decompress(packed, length, again) &&
			   memcmp(page, again, PAGE_SIZE) == 0,
		   "a page is not what it was after packing and unpacking");
}

/* ---- references ---------------------------------------------------------------- */

static bool within(const struct disk_reference *reference, uint64_t sectors)
{
	uint64_t first = disk_reference_sector(reference).n;

	return !reference->sectors ||
	       (reference->sectors <= BLOCK_SECTORS && first >= DISK_DATA_SECTOR &&
		first + reference->sectors <= sectors &&
		first / BLOCK_SECTORS == (first + reference->sectors - 1) / BLOCK_SECTORS &&
		reference->length <= reference->sectors * SECTOR_SIZE);
}

static bool verify_accepts(const struct verify_place *place, const struct disk_reference *reference,
			   uint64_t sectors, uint64_t birth)
{
	return verify_reference_null(reference) ||
	       !verify_reference_fault(place, reference, sectors, birth);
}

static void decode_node(const struct target *target, const struct disk_reference *reference,
			const struct disk_node *node, enum status status)
{
	uint64_t sectors = engine.store->record.sectors;
	bool accepted = true;

	for (unsigned i = 0; i < DISK_NODE_ENTRIES; i++) {
		struct verify_place place = {.tree = target->tree,
					     .level = target->level - 1,
					     .key = target->key << DISK_NODE_SHIFT | i};

		accepted &= verify_accepts(&place, &node->entry[i], sectors, reference->birth);
		FUZZ_CHECK(status != STATUS_OK || within(&node->entry[i], sectors),
			   "a node with entry %u out of the store is accepted", i);
		/* More used blocks than there are is found where they are counted. */
		if (place.tree == DISK_TREE_FREE_MAP &&
		    disk_reference_auxiliary(&node->entry[i]) > PAGE_SIZE)
			return;
	}
	FUZZ_CHECK(!accepted || status == STATUS_OK,
		   "a node that the verifier accepts is refused: %s", status_text(status));
}

static void decode_extent(const struct fuzz_base *base, const struct target *target)
{
	const struct disk_reference *reference =
		(const void *)(base->target[target->referrer[0].target].content +
			       target->referrer[0].offset);
	struct place place = {target->tree, target->level, target->key};
	uint8_t stored[BLOCK_SIZE], page[PAGE_SIZE];
	uint64_t sector = disk_reference_sector(reference).n;
	enum status status;

	if (!reference_valid(reference, place, base->disk.sectors) || !reference->sectors)
		return;
	FUZZ_CHECK(within(reference, base->disk.sectors), "a reference out of the store is valid");
	memcpy(stored, base->disk.data + sector * SECTOR_SIZE,
	       (size_t)reference->sectors * SECTOR_SIZE);
	status = extent_decode(engine.store, reference, place, stored, page);
	if (base_sum(stored, (size_t)reference->sectors * SECTOR_SIZE, place_seed(place)) !=
	    reference->checksum) {
		FUZZ_CHECK(status == STATUS_CORRUPT, "an extent without its checksum: %s",
			   status_text(status));
		return;
	}
	if (status == STATUS_OK)
		FUZZ_CHECK(sector != target->sector ||
				   memcmp(page, target->content, PAGE_SIZE) == 0,
			   "an extent unpacks to something else");
	if (target->level && sector == target->sector)
		decode_node(target, reference, (const void *)target->content, status);
}

/* ---- the ring ------------------------------------------------------------------- */

static void decode_slot(struct fuzz_base *base, uint32_t slot)
{
	const struct disk_delta *entry;
	const struct disk_record *record;
	uint8_t image[DISK_SLOT_SIZE];
	enum slot_kind kind;

	memcpy(image,
	       base->disk.data +
		       (DISK_RING_SECTOR + (size_t)slot * DISK_SLOT_SECTORS) * SECTOR_SIZE,
	       sizeof(image));
	kind = slot_classify(engine.store, slot, image);
	memset(&verify->totals, 0, sizeof(verify->totals));
	verify->reader = fuzz_disk_reader(&base->disk);
	verify->options.skip_slot_tails = true;
	verify_slot_read(verify, slot);
	FUZZ_CHECK(!verify->totals.records || kind == SLOT_RECORD,
		   "slot %u: the verifier takes it for a record, the engine for %d", slot, kind);
	FUZZ_CHECK(!verify->totals.tombstones || kind == SLOT_TOMBSTONE,
		   "slot %u: the verifier takes it for a tombstone, the engine for %d", slot, kind);
	FUZZ_CHECK((kind == SLOT_ZERO) == (verify->totals.empty_slots == 1),
		   "slot %u: empty for one of the two", slot);
	free(verify->delta[slot]);
	verify->delta[slot] = NULL;
	if (kind != SLOT_RECORD)
		return;
	record = (const void *)image;
	entry = (const void *)(record + 1);
	FUZZ_CHECK(record->entries <= DISK_DELTA_MAX && record->sectors <= DISK_SECTORS_MAX &&
			   record->space.height <= DISK_HEIGHT_MAX &&
			   record->catalogue.height <= DISK_HEIGHT_MAX &&
			   record->free_map.height <= DISK_HEIGHT_MAX &&
			   within(&record->space.reference, record->sectors) &&
			   within(&record->catalogue.reference, record->sectors) &&
			   within(&record->free_map.reference, record->sectors),
		   "slot %u: a record out of bounds is accepted", slot);
	for (uint32_t i = 0; i < record->entries; i++)
		FUZZ_CHECK(within(&entry[i].reference, record->sectors) &&
				   (!i || entry[i].page > entry[i - 1].page),
			   "slot %u: a delta with a bad entry %u is accepted", slot, i);
}

static void decode_changed(struct fuzz_base *base, const struct fuzz_script *script)
{
	for (unsigned i = 0; i < base->targets; i++) {
		const struct target *target = &base->target[i];

		if (!target->changed)
			continue;
		if (target->kind == TARGET_SLOT)
			decode_slot(base, (uint32_t)target->key);
		else if (target->kind == TARGET_EXTENT && target->referrers)
			decode_extent(base, target);
	}
	for (unsigned i = 0; i < script->edits; i++)
		if (script->edit[i].kind == EDIT_SLOT)
			decode_slot(base, script->edit[i].offset % DISK_RING_SLOTS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned mounted = BASES;
	struct fuzz_script script;

	if (size && data[0] > 127) {
		decode_compressed(data + 1, size - 1);
		return 0;
	}
	script_read(&script, data, size);
	/* The engine knows the identity of what it has mounted. */
	if (mounted != script.base) {
		FUZZ_CHECK(fuzz_engine_mount(&engine, &bases[script.base]->disk, true) == STATUS_OK,
			   "mount");
		verify->superblock =
			*(const struct disk_superblock *)(const void *)bases[script.base]
				 ->disk.data;
		verify->record_seed = bases[script.base]->identity_seed;
		mounted = script.base;
	}
	script_apply(bases[script.base], &script);
	bases[script.base]->disk.bad_count = 0; /* nothing is read here */
	decode_changed(bases[script.base], &script);
	script_revert(bases[script.base]);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
	/* Extents stay extents: four of five inputs are lists. */
	if (seed % 5 == 0 && size) {
		data[0] |= 0x80;
		return LLVMFuzzerMutate(data, size, most);
	}
	if (size && data[0] > 127)
		return LLVMFuzzerMutate(data, size, most);
	return script_mutate(data, size, most, seed);
}
