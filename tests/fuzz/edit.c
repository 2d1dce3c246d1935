/* SPDX-License-Identifier: MIT */
/*
 * edit.c - changes a base store as an input says, and repairs the checksums.
 */
#include "tests/fuzz/edit.h"

#include <lz4.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define EDIT_BYTES_EACH 16u

struct field {
	uint16_t offset, width;
};

#define FIELD(type, name)                                                                          \
	{                                                                                          \
		offsetof(struct type, name), sizeof(((struct type *)0)->name)                      \
	}
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct field reference_fields[] = {
	FIELD(disk_reference, sector_low),    FIELD(disk_reference, sector_high),
	FIELD(disk_reference, sectors),	      FIELD(disk_reference, codec),
	FIELD(disk_reference, birth),	      FIELD(disk_reference, checksum),
	FIELD(disk_reference, length),	      FIELD(disk_reference, auxiliary_high),
	FIELD(disk_reference, auxiliary_low),
};

static const struct field superblock_fields[] = {
	FIELD(disk_superblock, magic),
	FIELD(disk_superblock, version),
	FIELD(disk_superblock, header_size),
	FIELD(disk_superblock, features_incompatible),
	FIELD(disk_superblock, features_read_only),
	FIELD(disk_superblock, features_compatible),
	FIELD(disk_superblock, identity),
	FIELD(disk_superblock, sector_size),
	FIELD(disk_superblock, block_size),
	FIELD(disk_superblock, write_unit),
	FIELD(disk_superblock, ring_slots),
	FIELD(disk_superblock, slot_size),
	FIELD(disk_superblock, ring_sector),
	FIELD(disk_superblock, data_sector),
	FIELD(disk_superblock, revision),
};

static const struct field record_fields[] = {
	FIELD(disk_record, magic),
	FIELD(disk_record, kind),
	FIELD(disk_record, length),
	FIELD(disk_record, identity),
	FIELD(disk_record, generation),
	FIELD(disk_record, durable),
	FIELD(disk_record, predecessor),
	FIELD(disk_record, base),
	FIELD(disk_record, flags),
	FIELD(disk_record, slot),
	FIELD(disk_record, sectors),
	FIELD(disk_record, used_sectors),
	FIELD(disk_record, snapshots),
	FIELD(disk_record, next_snapshot),
	FIELD(disk_record, origin),
	FIELD(disk_record, dying),
	FIELD(disk_record, entries),
	FIELD(disk_record, counters),
	FIELD(disk_record, space.height),
	FIELD(disk_record, space.pages),
	FIELD(disk_record, free_map.height),
	FIELD(disk_record, free_map.pages),
	FIELD(disk_record, catalogue.height),
	FIELD(disk_record, catalogue.pages),
	FIELD(disk_record, retention),
	FIELD(disk_record, retention.budget),
	FIELD(disk_record, receiving),
	FIELD(disk_record, receiving.position),
	FIELD(disk_record, held_sectors),
	FIELD(disk_record, origin_generation),
	{sizeof(struct disk_record), 8},
	{sizeof(struct disk_record) + sizeof(struct disk_delta), 8},
};

static const struct field snapshot_fields[] = {
	FIELD(disk_snapshot, magic),	   FIELD(disk_snapshot, number),
	FIELD(disk_snapshot, parent),	   FIELD(disk_snapshot, generation),
	FIELD(disk_snapshot, root.height), FIELD(disk_snapshot, root.pages),
	FIELD(disk_snapshot, flags),	   FIELD(disk_snapshot, children),
	FIELD(disk_snapshot, cursor),	   FIELD(disk_snapshot, name),
	FIELD(disk_snapshot, source),	   FIELD(disk_snapshot, held_sectors),
};

/* References whose checksum is to be made right when all else is. */
struct reseals {
	unsigned count;
	struct {
		uint16_t target, offset;
	} at[EDITS_MAX];
};

/* ---- reading the input ---------------------------------------------------------- */

void script_read(struct fuzz_script *script, const uint8_t *data, size_t size)
{
	script->base = size ? data[0] % BASES : 0;
	script->edits = 0;
	for (size_t at = 1; at + EDIT_BYTES_EACH <= size && script->edits < EDITS_MAX;
	     at += EDIT_BYTES_EACH)
		memcpy(&script->edit[script->edits++], data + at, EDIT_BYTES_EACH);
}

/* ---- changing a structure --------------------------------------------------------- */

static struct target *edit_target(struct fuzz_base *base, const struct fuzz_edit *edit)
{
	return &base->target[edit->target % base->targets];
}

static void value_put(struct target *target, unsigned offset, unsigned width,
		      const struct fuzz_edit *edit)
{
	uint64_t value = 0;

	if (width > sizeof(value))
		width = sizeof(value);
	if (offset + width > target->size)
		offset = target->size - width;
	if (edit->how & (EDIT_ADD | EDIT_XOR))
		memcpy(&value, target->content + offset, width);
	value = edit->how & EDIT_XOR ? value ^ edit->value : value + edit->value;
	memcpy(target->content + offset, &value, width);
	target->changed = true;
}

static bool is_snapshot(const struct target *target)
{
	return target->kind == TARGET_EXTENT && target->tree == DISK_TREE_CATALOGUE &&
	       !target->level;
}

static bool is_node(const struct target *target)
{
	return target->kind == TARGET_EXTENT && target->level;
}

/* Offset of one of the references in the structure; false: it has none. */
static bool reference_pick(const struct target *target, unsigned which, unsigned *offset)
{
	const struct disk_record *record = (const void *)target->content;
	unsigned roots[] = {offsetof(struct disk_record, space),
			    offsetof(struct disk_record, free_map),
			    offsetof(struct disk_record, catalogue)};

	if (is_snapshot(target)) {
		*offset = offsetof(struct disk_snapshot, root);
	} else if (target->kind == TARGET_SLOT) {
		unsigned entries = record->entries <= DISK_DELTA_MAX ? record->entries : 0;
		unsigned i = which % (3 + entries);

		*offset = i < 3 ? roots[i]
				: sizeof(*record) + (i - 3) * sizeof(struct disk_delta) +
					  offsetof(struct disk_delta, reference);
	} else if (is_node(target)) {
		const struct disk_node *node = (const void *)target->content;
		unsigned i = which % DISK_NODE_ENTRIES;

		/* Half of the numbers stand for entries that are not null. */
		for (unsigned n = 0; which & 0x80 && n < DISK_NODE_ENTRIES; n++)
			if (node->entry[(i + n) % DISK_NODE_ENTRIES].codec) {
				i = (i + n) % DISK_NODE_ENTRIES;
				break;
			}
		*offset = i * sizeof(struct disk_reference);
	} else {
		return false;
	}
	return true;
}

static void edit_field(struct fuzz_base *base, const struct fuzz_edit *edit)
{
	struct target *target = edit_target(base, edit);
	const struct field *fields = reference_fields;
	size_t count = COUNT(reference_fields);
	unsigned offset = 0;

	if (target->kind == TARGET_SUPERBLOCK) {
		fields = superblock_fields;
		count = COUNT(superblock_fields);
	} else if (target->kind == TARGET_SLOT) {
		fields = record_fields;
		count = COUNT(record_fields);
	} else if (is_snapshot(target)) {
		fields = snapshot_fields;
		count = COUNT(snapshot_fields);
	} else if (!reference_pick(target, edit->from, &offset)) {
		offset = edit->from % (target->size - sizeof(struct disk_reference));
	}
	fields += edit->offset % count;
	value_put(target, offset + fields->offset, fields->width, edit);
}

static void edit_entry(struct fuzz_base *base, const struct fuzz_edit *edit,
		       struct reseals *reseals)
{
	struct target *target = edit_target(base, edit);
	const struct field *field = &reference_fields[edit->offset % COUNT(reference_fields)];
	unsigned offset;

	if (!reference_pick(target, edit->from, &offset))
		return;
	value_put(target, offset + field->offset, field->width, edit);
	if (edit->how & EDIT_RESEAL) {
		reseals->at[reseals->count].target = (uint16_t)(target - base->target);
		reseals->at[reseals->count++].offset = (uint16_t)offset;
	}
}

static void edit_reference(struct fuzz_base *base, const struct fuzz_edit *edit,
			   struct reseals *reseals)
{
	struct target *target = edit_target(base, edit);
	const struct target *from = &base->target[edit->from % base->targets];
	unsigned offset;

	if (!from->referrers || !reference_pick(target, edit->offset, &offset))
		return;
	memcpy(target->content + offset,
	       base->target[from->referrer[0].target].content + from->referrer[0].offset,
	       sizeof(struct disk_reference));
	target->changed = true;
	if (edit->how & EDIT_RESEAL) {
		reseals->at[reseals->count].target = (uint16_t)(target - base->target);
		reseals->at[reseals->count++].offset = (uint16_t)offset;
	}
}

static void edit_content(struct fuzz_base *base, const struct fuzz_edit *edit)
{
	struct target *target = edit_target(base, edit);
	const struct target *from = &base->target[edit->from % base->targets];

	memmove(target->content, from->content,
		target->size < from->size ? target->size : from->size);
	target->changed = true;
}

static void edit_structure(struct fuzz_base *base, const struct fuzz_edit *edit,
			   struct reseals *reseals)
{
	struct target *target = edit_target(base, edit);

	if (edit->kind == EDIT_BYTES)
		value_put(target, edit->offset % target->size, 1u << (edit->how & EDIT_WIDTH),
			  edit);
	else if (edit->kind == EDIT_FIELD)
		edit_field(base, edit);
	else if (edit->kind == EDIT_ENTRY)
		edit_entry(base, edit, reseals);
	else if (edit->kind == EDIT_REFERENCE)
		edit_reference(base, edit, reseals);
	else if (edit->kind == EDIT_CONTENT)
		edit_content(base, edit);
}

/* ---- repairing ---------------------------------------------------------------------- */

/* Where the reference at this offset of the structure leads, as a seed. */
static uint64_t reference_seed(const struct target *target, unsigned offset)
{
	const struct disk_root *root = (const void *)(target->content + offset);
	enum disk_tree tree = DISK_TREE_SPACE;

	if (is_node(target))
		return disk_seed(target->tree, target->level - 1,
				 target->key << DISK_NODE_SHIFT |
					 offset / sizeof(struct disk_reference));
	if (target->kind == TARGET_SLOT && offset >= sizeof(struct disk_record))
		return disk_seed(tree, 0, *((const uint64_t *)(const void *)root - 1));
	if (target->kind == TARGET_SLOT && offset == offsetof(struct disk_record, free_map))
		tree = DISK_TREE_FREE_MAP;
	else if (target->kind == TARGET_SLOT && offset == offsetof(struct disk_record, catalogue))
		tree = DISK_TREE_CATALOGUE;
	return disk_seed(tree, root->height, 0);
}

static void reference_seal(struct fuzz_base *base, struct target *target, unsigned offset)
{
	struct disk_reference *reference = (void *)(target->content + offset);
	uint64_t sector = disk_reference_sector(reference).n;

	if (reference->sectors && reference->sectors <= BLOCK_SECTORS &&
	    sector + reference->sectors <= base->disk.sectors)
		reference->checksum = base_sum(base->disk.data + sector * SECTOR_SIZE,
					       (size_t)reference->sectors * SECTOR_SIZE,
					       reference_seed(target, offset));
}

/* Those who refer to the structure learn what it has become. */
static void referrers_tell(struct fuzz_base *base, const struct target *target,
			   const struct disk_reference *now)
{
	for (unsigned i = 0; i < target->referrers; i++) {
		struct target *from = &base->target[target->referrer[i].target];
		struct disk_reference *reference =
			(void *)(from->content + target->referrer[i].offset);

		reference->checksum = now->checksum;
		reference->codec = now->codec;
		reference->length = now->length;
		if (now->sector_low != (uint32_t)target->sector) {
			reference->sector_low = now->sector_low;
			reference->sector_high = 0;
			reference->sectors = now->sectors;
		}
		from->changed = true;
	}
}

/* In its place if it fits there; otherwise in a block at the end of the disk. */
static void extent_encode(struct fuzz_base *base, const struct target *target, unsigned *spare)
{
	struct disk_reference now = {.sector_low = (uint32_t)target->sector,
				     .sectors = (uint8_t)target->sectors,
				     .codec = DISK_CODEC_RAW,
				     .length = PAGE_SIZE};
	char packed[PAGE_SIZE];
	size_t room = (size_t)target->sectors * SECTOR_SIZE;
	int length = target->sectors == BLOCK_SECTORS
			     ? 0
			     : LZ4_compress_default((const char *)target->content, packed,
						    PAGE_SIZE, (int)room);
	uint8_t *stored;

	if (length > 0) {
		now.codec = DISK_CODEC_LZ4;
		now.length = (uint16_t)length;
	} else if (target->sectors != BLOCK_SECTORS) {
		now.sector_low = (uint32_t)base->disk.sectors - ++*spare * BLOCK_SECTORS;
		now.sectors = BLOCK_SECTORS;
		room = BLOCK_SIZE;
	}
	stored = fuzz_disk_change(&base->disk, now.sector_low, now.sectors);
	memset(stored, 0, room);
	memcpy(stored, length > 0 ? packed : (const char *)target->content, now.length);
	now.checksum = base_sum(stored, room, disk_seed(target->tree, target->level, target->key));
	referrers_tell(base, target, &now);
}

static void target_encode(struct fuzz_base *base, struct target *target, unsigned *spare)
{
	if (target->kind == TARGET_EXTENT) {
		extent_encode(base, target, spare);
		return;
	}
	if (target->kind == TARGET_SLOT) {
		base_slot_seal(base, target->content, (uint32_t)target->key);
	} else {
		struct disk_superblock *superblock = (void *)target->content;

		superblock->checksum = base_checksum(superblock, sizeof(*superblock),
						     offsetof(struct disk_superblock, checksum), 0);
	}
	memcpy(fuzz_disk_change(&base->disk, target->sector, target->sectors), target->content,
	       target->size);
}

/* ---- the ring ------------------------------------------------------------------------- */

static const struct target *slot_target(const struct fuzz_base *base, unsigned which)
{
	unsigned slots = 0;

	/* Superblocks come first, then the slots. */
	while (base->target[2 + slots].kind == TARGET_SLOT)
		slots++;
	return &base->target[2 + which % slots];
}

static void slot_renumber(struct disk_record *record, uint32_t slot, const struct fuzz_edit *edit)
{
	uint64_t before = record->generation;

	record->slot = slot;
	record->generation = edit->how & EDIT_ADD ? before + edit->value : edit->value;
	if (record->base == before)
		record->base = record->generation;
	if (record->durable == before)
		record->durable = record->generation;
}

static void edit_slot(struct fuzz_base *base, const struct fuzz_edit *edit)
{
	uint32_t slot = edit->offset % DISK_RING_SLOTS;
	uint8_t *data =
		fuzz_disk_change(&base->disk, DISK_RING_SECTOR + (uint64_t)slot * DISK_SLOT_SECTORS,
				 DISK_SLOT_SECTORS);
	struct disk_tombstone *tombstone = (void *)data;
	unsigned what = edit->how & 3;

	if (what == 0) {
		memcpy(data, slot_target(base, edit->from)->content, DISK_SLOT_SIZE);
		slot_renumber((void *)data, slot, edit);
		base_slot_seal(base, data, slot);
		return;
	}
	memset(data, what == 3 ? (int)edit->value : 0, what == 3 ? SECTOR_SIZE : DISK_SLOT_SIZE);
	if (what != 1)
		return;
	tombstone->magic = DISK_MAGIC_TOMBSTONE;
	tombstone->slot = slot;
	tombstone->generation = edit->value;
	memcpy(tombstone->identity,
	       ((const struct disk_superblock *)(const void *)base->target[0].content)->identity,
	       16);
	base_slot_seal(base, data, slot);
}

static void edit_disk(struct fuzz_base *base, const struct fuzz_edit *edit)
{
	const struct target *target = edit_target(base, edit);
	unsigned offset = edit->offset % (target->sectors * SECTOR_SIZE);

	if (edit->kind == EDIT_RAW) {
		fuzz_disk_change(&base->disk, target->sector, target->sectors)[offset] ^=
			(uint8_t)(edit->value | 1);
	} else if (edit->kind == EDIT_SLOT) {
		edit_slot(base, edit);
	} else if (edit->kind == EDIT_READ_ERROR) {
		base->disk.bad_first = target->sector + offset / SECTOR_SIZE;
		base->disk.bad_count = 1 + edit->how % 8;
	}
}

void script_apply(struct fuzz_base *base, const struct fuzz_script *script)
{
	struct reseals reseals = {0};
	unsigned spare = 0;

	for (unsigned i = 0; i < script->edits; i++)
		edit_structure(base, &script->edit[i], &reseals);
	for (unsigned i = 0; i < base->targets; i++) {
		struct target *target = &base->target[base->order[i]];

		for (unsigned k = 0; target->changed && k < reseals.count; k++)
			if (reseals.at[k].target == base->order[i])
				reference_seal(base, target, reseals.at[k].offset);
		if (target->changed)
			target_encode(base, target, &spare);
	}
	for (unsigned i = 0; i < script->edits; i++)
		edit_disk(base, &script->edit[i]);
}

void script_revert(struct fuzz_base *base)
{
	for (unsigned i = 0; i < base->targets; i++) {
		struct target *target = &base->target[i];

		if (target->changed)
			memcpy(target->content, target->original, target->size);
		target->changed = false;
	}
	fuzz_disk_revert(&base->disk);
}
