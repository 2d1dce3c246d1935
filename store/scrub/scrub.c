/* SPDX-License-Identifier: MIT */
/*
 * scrub.c - reads everything that is reachable and says what is damaged.
 *
 *   superblocks -> records -> catalogue -> free map -> snapshots, oldest first
 *               -> live state -> snapshots taken while the live state was walked
 *
 * Where it is in a tree is the walk's (scrub_walk.c).  That is all the state there is; it
 * is the owner's, and it stays good over commits, deletions and mounts, because every
 * piece of work looks the roots up anew.
 *
 * Each extent is read once.  A snapshot's parent comes before it, so whatever
 * was born no later than the parent is passed over, with all below it.  Of the
 * dying snapshot only what lies behind its deletion's cursor is left; before the
 * cursor its child is measured against the dying one's parent.
 */
#include "store/scrub/scrub_priv.h"
#include "store/store_priv.h"

/* No tree has pages from here on. */
#define SCRUB_END (UINT64_C(1) << (DISK_NODE_SHIFT * DISK_HEIGHT_MAX))

/* ---- the owner's cursor ---------------------------------------------------------- */

void store_scrub_begin(struct store *store, struct store_scrub *scrub)
{
	ASSERT(store->mounted);
	memset(scrub, 0, sizeof(*scrub));
	scrub->version = STORE_SCRUB_VERSION;
	memcpy(scrub->identity, store->superblock->identity, sizeof(scrub->identity));
	scrub->generation = store->record.generation;
	/* What is remembered from an earlier scrub says nothing about now. */
	store->scrubber.held = false;
	store->scrubber.unreadable = 0;
}

/* It may come out of a file or a program: anything may be in it. */
static bool scrub_sound(const struct store *store, const struct store_scrub *scrub)
{
	return scrub->version == STORE_SCRUB_VERSION && scrub->phase <= STORE_SCRUB_DONE &&
	       scrub->level <= DISK_HEIGHT_MAX && scrub->walking <= 1 &&
	       scrub->position <= SCRUB_END && scrub->passed <= SCRUB_END &&
	       scrub->number < UINT64_MAX &&
	       memcmp(scrub->identity, store->superblock->identity, sizeof(scrub->identity)) == 0;
}

static void phase_begin(struct store_scrub *scrub, enum store_scrub_phase phase)
{
	ASSERT(phase == scrub->phase + 1);
	scrub->phase = phase;
	walk_rewind(scrub);
	scrub->walking = 0;
}

enum status damage_tell(struct store_scrub *scrub, struct store_damage *damage, struct place place,
			const struct disk_reference *reference, enum status status)
{
	bool snapshot = scrub->phase == STORE_SCRUB_SNAPSHOTS || scrub->phase == STORE_SCRUB_LATE;

	ASSERT(status == STATUS_IO || status == STATUS_CORRUPT);
	*damage = (struct store_damage){
		.status = status,
		.tree = place.tree,
		.level = place.level,
		.key = place.key,
		.snapshot = {snapshot ? scrub->number : 0},
		.reference = *reference,
	};
	*(status == STATUS_IO ? &scrub->read_errors : &scrub->checksum_errors) += 1;
	return status;
}

/* ---- superblocks --------------------------------------------------------------------- */

static enum status superblock_tell(struct store *store, struct store_scrub *scrub,
				   struct store_damage *damage, enum status status)
{
	struct disk_reference reference = {.sectors = BLOCK_SECTORS};
	struct place place = {.key = scrub->number};

	reference.sector_low = scrub->number ? DISK_SUPERBLOCK_COPY_SECTOR : DISK_SUPERBLOCK_SECTOR;
	damage_tell(scrub, damage, place, &reference, status);
	store_log(store, "store: superblock at sector %lu: %s", (uint64_t)reference.sector_low,
		  status_text(status));
	scrub->number++;
	return status;
}

/* Until a flush has covered the one that was written anew, the other must stay as it
 * is: a power cut may take both.  The commit in flight may have asked for its flush
 * before, the one after it cannot. */
static bool superblock_repairable(const struct store *store)
{
	uint64_t repaired = store->scrubber.repaired;

	return !store->read_only && (!repaired || store->record.generation > repaired);
}

/* Each must equal what the mount found; if not, it is written anew, and the next
 * flush of a commit makes that durable. */
static enum status superblock_scrub(struct store *store, struct store_scrub *scrub,
				    struct store_damage *damage)
{
	struct scrubber *scrubber = &store->scrubber;
	sector_t sector = {scrub->number ? DISK_SUPERBLOCK_COPY_SECTOR : DISK_SUPERBLOCK_SECTOR};
	const uint8_t *data;
	enum status status;

	if (scrub->number > 1) {
		phase_begin(scrub, STORE_SCRUB_RECORDS);
		scrub->number = 0;
		return STATUS_OK;
	}
	/* Perhaps begun by an earlier scrub that nobody went on with: told now. */
	if (!scrubber_busy(store) && scrubber->repairing == sector.n + 1) {
		scrubber->repairing = 0;
		scrubber->repaired = store->record.generation + 1;
		status = superblock_tell(store, scrub, damage, scrubber->repair_reason);
		damage->repaired = scrubber->written == STATUS_OK;
		scrub->repaired += damage->repaired;
		return status;
	}
	status = scrubber_read(store, sector, BLOCK_SECTORS, (generation_t){0}, &data);
	if (status == STATUS_WAIT)
		return status;
	if (status == STATUS_OK && memcmp(data, store->superblock, BLOCK_SIZE) == 0) {
		scrub->number++;
		return STATUS_OK;
	}
	if (status == STATUS_OK)
		status = STATUS_CORRUPT;
	if (!superblock_repairable(store))
		return superblock_tell(store, scrub, damage, status);
	scrubber->repairing = sector.n + 1;
	scrubber->repaired = UINT64_MAX;
	scrubber->repair_reason = status;
	return scrubber_write(store, sector, BLOCK_SECTORS, store->superblock);
}

/* ---- commit records ------------------------------------------------------------------- */

/*
 * Is the record of this generation in its slot?  What is longer than a request was
 * written through another device and is left to the mount, which reads in parts.
 */
static enum status slot_scrub(struct store *store, uint32_t slot, generation_t generation,
			      struct disk_reference *reference)
{
	sector_t sector = record_sector(slot);
	const uint8_t *data;
	enum status status = scrubber_read(store, sector, 1, generation, &data);

	*reference = (struct disk_reference){
		.sector_low = (uint32_t)sector.n, .sectors = 1, .birth = generation.n};
	if (status != STATUS_OK)
		return status;
	reference->sectors = (uint8_t)slot_sectors(data);
	if (reference->sectors > store->device->request_sectors)
		return STATUS_OK;
	status = scrubber_read(store, sector, reference->sectors, generation, &data);
	if (status != STATUS_OK)
		return status;
	/* The buffer is the scrub's own; the checksum's field is zero for a moment. */
	if (slot_classify(store, slot, (void *)data) == SLOT_RECORD &&
	    ((const struct disk_record *)data)->generation == generation.n)
		return STATUS_OK;
	return STATUS_CORRUPT;
}

/*
 * Those that recovery depends on: the newest durable one, and its predecessor, to
 * which it falls back.  Both move on with every commit, which also heals: nothing
 * is written here.
 */
static enum status record_scrub(struct store *store, struct store_scrub *scrub,
				struct store_damage *damage)
{
	const struct disk_record *record = &store->record;
	uint64_t generation = scrub->number ? record->predecessor : record->generation;
	uint32_t slot = scrub->number ? store->previous_slot : record->slot;
	struct place place = {.key = slot};
	struct disk_reference reference;
	enum status status;

	if (scrub->number > 1 || !generation) {
		phase_begin(scrub, STORE_SCRUB_CATALOGUE);
		return STATUS_OK;
	}
	status = slot_scrub(store, slot, (generation_t){generation}, &reference);
	if (status == STATUS_WAIT)
		return status;
	scrub->number++;
	if (status == STATUS_OK)
		return status;
	store_log(store, "store: commit record of generation %lu, slot %lu: %s", generation,
		  (uint64_t)slot, status_text(status));
	damage_tell(scrub, damage, place, &reference, status);
	damage->tree = STORE_DAMAGE_RECORD;
	return status;
}

/* ---- the trees ------------------------------------------------------------------------------ */

static const struct overlay no_overlay;

/* The catalogue, the free map: one tree, all of it. */
static enum status tree_scrub(struct store *store, struct store_scrub *scrub, enum disk_tree tree,
			      struct store_damage *damage)
{
	const struct disk_record *record = &store->record;
	struct walk walk = {
		.tree = tree,
		.root = tree == DISK_TREE_CATALOGUE ? record->catalogue : record->free_map,
		.overlay = &no_overlay,
	};
	enum status status = walk_step(store, scrub, &walk, damage);

	if (status != STATUS_NOT_FOUND)
		return status;
	phase_begin(scrub, scrub->phase + 1);
	scrub->number = 0;
	return STATUS_OK;
}

/* The entry, or one that says "nothing was seen before" where there is none to
 * be read: then more than needed is read again. */
static enum status limit_read(struct store *store, uint64_t number, struct disk_snapshot *snapshot)
{
	enum status status = STATUS_NOT_FOUND;

	if (number && number != store->scrubber.unreadable)
		status = catalogue_read(store, (snapshot_t){number}, snapshot);
	if (status == STATUS_WAIT || status == STATUS_OK)
		return status;
	/* It is asked for at each step. */
	if (number)
		store->scrubber.unreadable = number;
	memset(snapshot, 0, sizeof(*snapshot));
	return STATUS_OK;
}

/* What has been seen of a tree that descends from this snapshot. */
static enum status walk_limits(struct store *store, uint64_t number, struct walk *walk)
{
	struct disk_snapshot parent, before;
	enum status status = limit_read(store, number, &parent);

	if (status != STATUS_OK)
		return status;
	walk->limit = walk->limit_passed = parent.generation;
	walk->cursor = 0;
	if (!number || number != store->record.dying)
		return STATUS_OK;
	status = limit_read(store, parent.parent, &before);
	walk->limit_passed = before.generation;
	walk->cursor = parent.cursor;
	return status;
}

/* The snapshot after this one; NOT_FOUND: there is none. */
static enum status snapshot_choose(struct store *store, struct store_scrub *scrub)
{
	uint64_t number;
	enum status status = map_next(store, &store->record.catalogue, DISK_TREE_CATALOGUE,
				      scrub->number + 1, NIL_KEY, &number);

	if (status == STATUS_OK && scrub->phase == STORE_SCRUB_LATE && number >= scrub->end)
		return STATUS_NOT_FOUND;
	if (status == STATUS_OK) {
		scrub->number = number;
		walk_rewind(scrub);
	} else if (status == STATUS_IO || status == STATUS_CORRUPT) {
		/* The walk of the catalogue has told; what lies behind the node may
		 * be found again. */
		scrub->number = (scrub->number + 1) | (DISK_NODE_ENTRIES - 1);
		return scrub->number < store->record.next_snapshot ? STATUS_OK : STATUS_NOT_FOUND;
	}
	return status;
}

static enum status snapshots_scrub(struct store *store, struct store_scrub *scrub,
				   struct store_damage *damage)
{
	struct walk walk = {.tree = DISK_TREE_SPACE, .overlay = &no_overlay};
	struct disk_snapshot snapshot;
	enum status status;

	if (!scrub->walking) {
		status = snapshot_choose(store, scrub);
		if (status == STATUS_NOT_FOUND) {
			phase_begin(scrub, scrub->phase + 1);
			status = STATUS_OK;
		}
		return status;
	}
	status = catalogue_read(store, (snapshot_t){scrub->number}, &snapshot);
	if (status == STATUS_WAIT)
		return status;
	if (status != STATUS_OK) {
		scrub->walking = 0; /* deleted meanwhile, or told by the catalogue's walk */
		return STATUS_OK;
	}
	status = walk_limits(store, snapshot.parent, &walk);
	if (status != STATUS_OK)
		return status;
	walk.root = snapshot.root;
	if (snapshot.number == store->record.dying)
		walk.begin = snapshot.cursor < SCRUB_END ? snapshot.cursor : SCRUB_END;
	status = walk_step(store, scrub, &walk, damage);
	if (status != STATUS_NOT_FOUND)
		return status;
	scrub->snapshots++;
	scrub->walking = 0;
	return STATUS_OK;
}

/*
 * The live state.  A snapshot taken while it is walked becomes its origin, but
 * has not been walked itself: then what counts is the origin at the beginning,
 * whose generation the cursor keeps.
 */
static enum status live_scrub(struct store *store, struct store_scrub *scrub,
			      struct store_damage *damage)
{
	const struct disk_record *record = &store->record;
	struct walk walk = {
		.tree = DISK_TREE_SPACE, .root = record->space, .overlay = &store->overlay};
	enum status status;

	if (scrub->walking && record->origin >= scrub->end) {
		walk.limit = walk.limit_passed = scrub->limit;
	} else {
		status = walk_limits(store, record->origin, &walk);
		if (status != STATUS_OK)
			return status;
	}
	if (!scrub->walking) {
		walk_rewind(scrub);
		scrub->limit = walk.cursor ? walk.limit_passed : walk.limit;
		scrub->end = record->next_snapshot;
	}
	status = walk_step(store, scrub, &walk, damage);
	if (status != STATUS_NOT_FOUND)
		return status;
	phase_begin(scrub, STORE_SCRUB_LATE);
	scrub->number = scrub->end - 1;
	scrub->end = record->next_snapshot;
	return STATUS_OK;
}

static enum status scrub_piece(struct store *store, struct store_scrub *scrub,
			       struct store_damage *damage)
{
	switch ((enum store_scrub_phase)scrub->phase) {
	case STORE_SCRUB_SUPERBLOCKS:
		return superblock_scrub(store, scrub, damage);
	case STORE_SCRUB_RECORDS:
		return record_scrub(store, scrub, damage);
	case STORE_SCRUB_CATALOGUE:
		return tree_scrub(store, scrub, DISK_TREE_CATALOGUE, damage);
	case STORE_SCRUB_FREE_MAP:
		return tree_scrub(store, scrub, DISK_TREE_FREE_MAP, damage);
	case STORE_SCRUB_SNAPSHOTS:
	case STORE_SCRUB_LATE:
		return snapshots_scrub(store, scrub, damage);
	case STORE_SCRUB_LIVE:
		return live_scrub(store, scrub, damage);
	case STORE_SCRUB_DONE:
		break;
	}
	return STATUS_NOT_FOUND;
}

enum status store_scrub_step(struct store *store, struct store_scrub *scrub,
			     struct store_damage *damage)
{
	enum status status = STATUS_OK;

	ASSERT(store->mounted && !store->replaced);
	if (!scrub_sound(store, scrub))
		return STATUS_INVALID;
	for (unsigned i = 0; i < LIMIT_SCRUB_PIECES && status == STATUS_OK; i++) {
		status = scrub_piece(store, scrub, damage);
		/* What was done so far is progress. */
		if (status == STATUS_WAIT && i)
			return STATUS_OK;
	}
	return status;
}

/* ---- who sees the damage --------------------------------------------------------------------- */

static enum status place_compare(struct store *store, const struct store_damage *damage,
				 const struct disk_root *root, bool *sees)
{
	struct place place = {DISK_TREE_SPACE, damage->level, damage->key};
	struct disk_reference reference;
	enum status status = map_lookup_node(store, root, place, &reference);

	*sees = status == STATUS_OK && reference_equal(&reference, &damage->reference);
	/* Behind damage further up nothing is seen at all. */
	return status == STATUS_WAIT ? status : STATUS_OK;
}

enum status store_damage_live(struct store *store, const struct store_damage *damage, bool *sees)
{
	const struct disk_reference *over = NULL;

	*sees = damage->tree != DISK_TREE_SPACE;
	if (*sees || damage->level > DISK_HEIGHT_MAX)
		return STATUS_OK;
	if (!damage->level)
		over = overlay_find(&store->overlay, (page_t){damage->key});
	if (!over)
		return place_compare(store, damage, &store->record.space, sees);
	*sees = reference_equal(over, &damage->reference);
	return STATUS_OK;
}

enum status store_damage_next(struct store *store, const struct store_damage *damage,
			      snapshot_t after, struct store_snapshot *snapshot, bool *sees)
{
	struct disk_snapshot found;
	enum status status;

	*sees = false;
	if (damage->tree != DISK_TREE_SPACE || damage->level > DISK_HEIGHT_MAX)
		return STATUS_NOT_FOUND;
	status = store_snapshot_next(store, after, snapshot);
	if (status == STATUS_OK)
		status = catalogue_read(store, snapshot->number, &found);
	if (status != STATUS_OK)
		return status;
	return place_compare(store, damage, &found.root, sees);
}
