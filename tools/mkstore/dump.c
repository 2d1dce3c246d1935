/* SPDX-License-Identifier: MIT */
/*
 * dump.c - `dump`: any structure of a store, decoded.
 *
 * It also looks into what is damaged: superblocks and slots are shown as they
 * are, with a word on whether they are sound.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tools/mkstore/command.h"
#include "base/assert.h"
#include "base/quantity.h"
#include "tools/mkstore/dump_priv.h"
#include "tools/mkstore/text.h"

#define DUMP_SECTORS_MAX 2048u /* 1 MiB at a time */

struct dump {
	struct inspect inspect;
	struct show *show;
	const char *const *word; /* behind the kind */
	unsigned words;
	const char *generation, *snapshot; /* options */
};

struct dump_kind {
	const char *name, *usage; /* the words behind the name, for messages */
	unsigned words_min, words_max;
	bool whole; /* a generation must be there */
	enum command_exit (*run)(struct dump *dump);
};

/* ---- words ----------------------------------------------------------------------- */

static bool dump_number(const char *word, const char *what, uint64_t limit, uint64_t *value)
{
	if (quantity_parse(word, QUANTITY_ADDRESS, value) && *value < limit)
		return true;
	return command_refuse("'%s' is no %s: a number below %" PRIu64, word, what, limit);
}

static enum command_exit dump_read(struct dump *dump, uint64_t sector, uint32_t sectors, void *data)
{
	enum status status = inspect_read(dump->inspect.host, (sector_t){sector}, sectors, data);

	if (status == STATUS_OK)
		return COMMAND_OK;
	return command_error("%s: cannot read sectors %" PRIu64 "-%" PRIu64 ": %s",
			     dump->inspect.host->path, sector, sector + sectors - 1,
			     status_text(status));
}

/* The tree that --generation, --snapshot or neither name. */
static bool dump_space(struct dump *dump, enum disk_tree tree, struct verify_space *space)
{
	struct verify *verify = dump->inspect.verify;
	generation_t generation = {verify_record(verify)->generation};
	const struct disk_snapshot *snapshot;

	if (dump->snapshot && (dump->generation || tree != DISK_TREE_SPACE))
		return command_refuse(
			"--snapshot chooses the space of a snapshot, and nothing else");
	if (dump->snapshot) {
		snapshot = inspect_snapshot(&dump->inspect, dump->snapshot);
		return snapshot && verify_space_snapshot(verify, (snapshot_t){snapshot->number},
							 space) == STATUS_OK;
	}
	if (dump->generation && !quantity_parse(dump->generation, QUANTITY_NUMBER, &generation.n))
		return command_refuse("'%s' is no generation", dump->generation);
	if (verify_space_generation(verify, generation, tree, space) == STATUS_OK)
		return true;
	return command_refuse("%s: the commit ring has no sound record of generation %" PRIu64,
			      dump->inspect.host->path, generation.n);
}

/* Finds and reads a page or node, and shows the reference to it. */
static enum command_exit dump_load(struct dump *dump, enum disk_tree tree, unsigned level,
				   uint64_t key, void *data)
{
	struct disk_reference reference;
	struct verify *verify = dump->inspect.verify;
	struct verify_space space;
	enum status status;

	if (!dump_space(dump, tree, &space))
		return COMMAND_FAILED;
	status = verify_find(verify, tree, &space, level, key, &reference);
	if (status == STATUS_OK)
		status = verify_extent_read(verify, tree, &space, level, key, &reference, data);
	if (status == STATUS_OK) {
		dump_reference(dump->show, &reference);
		return COMMAND_OK;
	}
	return command_error("%s: generation %" PRIu64 "%s: %s", dump->inspect.host->path,
			     space.generation.n, space.snapshot.n ? " (a snapshot)" : "",
			     status == STATUS_ABSENT ? "there is no such page or node"
						     : status_text(status));
}

/* ---- superblocks ----------------------------------------------------------------- */

static enum command_exit dump_superblock_at(struct dump *dump, uint64_t sector)
{
	struct disk_superblock block;
	uint64_t checksum;
	bool sound;

	TRY(dump_read(dump, sector, BLOCK_SECTORS, &block));
	checksum = block.checksum;
	block.checksum = 0;
	sound = XXH3_64bits(&block, sizeof(block)) == checksum;
	block.checksum = checksum;
	fact_boolean(dump->show, "checksum_matches", "checksum matches", sound);
	dump_superblock(dump->show, &block);
	return COMMAND_OK;
}

static enum command_exit dump_first_superblock(struct dump *dump)
{
	return dump_superblock_at(dump, DISK_SUPERBLOCK_SECTOR);
}

static enum command_exit dump_superblock_copy(struct dump *dump)
{
	return dump_superblock_at(dump, DISK_SUPERBLOCK_COPY_SECTOR);
}

/* ---- the ring -------------------------------------------------------------------- */

static const char *dump_slot_state(const struct verify_slot *slot, const uint8_t *sector)
{
	static const uint8_t zeros[SECTOR_SIZE];

	if (slot->record)
		return slot->record->kind == DISK_RECORD_DELTA ? "delta" : "full";
	if (slot->spent.n)
		return "tombstone";
	return memcmp(sector, zeros, sizeof(zeros)) == 0 ? "empty" : "damaged";
}

static void dump_ring_row(struct show *show, uint32_t index, const struct verify_slot *slot,
			  const char *state)
{
	const struct disk_record *record = slot->record;
	char time[TEXT_SIZE];

	show_row(show);
	show_number(show, index);
	show_text(show, state);
	if (record) {
		show_number(show, record->generation);
		show_number(show, record->predecessor);
		show_number(show, record->durable);
		show_number(show, record->base);
		show_number(show, record->entries);
		show_number(show, record->used_sectors);
		show_number_as(show, record->wall_ns, text_time(time, record->wall_ns));
		return;
	}
	if (slot->spent.n)
		show_number(show, slot->spent.n);
	else
		show_none(show);
	for (unsigned i = 0; i < 5; i++)
		show_none(show);
	if (slot->damage)
		show_text(show, slot->damage);
	else
		show_none(show);
}

static enum command_exit dump_ring(struct dump *dump)
{
	static const struct show_column columns[] = {
		{"slot", "SLOT", 4},
		{"holds", "HOLDS", -9},
		{"generation", "GENERATION", 10},
		{"predecessor", "PREDECESSOR", 11},
		{"durable", "DURABLE", 10},
		{"base", "BASE", 10},
		{"entries", "ENTRIES", 7},
		{"used_sectors", "USED", 10},
		SHOW_GAP,
		{"wall_ns", "TIME", 0},
		{0},
	};
	struct verify_slot slot;
	uint8_t sector[SECTOR_SIZE];
	enum command_exit result = COMMAND_OK;

	show_list(dump->show, "ring", columns);
	for (uint32_t i = 0; i < DISK_RING_SLOTS && result == COMMAND_OK; i++) {
		const char *state;

		verify_slot_get(dump->inspect.verify, i, &slot);
		result = dump_read(dump, DISK_RING_SECTOR + (uint64_t)i * DISK_SLOT_SECTORS, 1,
				   sector);
		state = dump_slot_state(&slot, sector);
		if (result == COMMAND_OK && strcmp(state, "empty") != 0)
			dump_ring_row(dump->show, i, &slot, state);
	}
	show_list_end(dump->show);
	return result;
}

static enum command_exit dump_slot(struct dump *dump)
{
	uint8_t sector[SECTOR_SIZE];
	struct disk_tombstone stone;
	struct verify_slot slot;
	uint64_t index;

	if (!dump_number(dump->word[0], "slot", DISK_RING_SLOTS, &index))
		return COMMAND_USAGE;
	TRY(dump_read(dump, DISK_RING_SECTOR + index * DISK_SLOT_SECTORS, 1, sector));
	verify_slot_get(dump->inspect.verify, (uint32_t)index, &slot);
	fact_text(dump->show, "holds", "holds", dump_slot_state(&slot, sector));
	if (slot.damage) {
		fact_text(dump->show, "damage", "damage", slot.damage);
	}
	memcpy(&stone, sector, sizeof(stone));
	if (slot.record)
		dump_record(dump->show, slot.record, slot.delta);
	else if (slot.spent.n)
		dump_tombstone(dump->show, &stone);
	else
		dump_bytes(dump->show, sector, sizeof(sector));
	return COMMAND_OK;
}

static enum command_exit dump_generation(struct dump *dump)
{
	uint64_t generation = verify_record(dump->inspect.verify)->generation;
	struct verify_slot slot;

	if (dump->words && !dump_number(dump->word[0], "generation", UINT64_MAX, &generation))
		return COMMAND_USAGE;
	for (uint32_t i = 0; i < DISK_RING_SLOTS; i++) {
		verify_slot_get(dump->inspect.verify, i, &slot);
		if (!slot.record || slot.record->generation != generation)
			continue;
		dump_record(dump->show, slot.record, slot.delta);
		return COMMAND_OK;
	}
	return command_error("%s: the commit ring has no sound record of generation %" PRIu64,
			     dump->inspect.host->path, generation);
}

/* ---- trees ----------------------------------------------------------------------- */

static bool dump_tree(const char *word, enum disk_tree *tree)
{
	static const char *const names[] = {NULL, "space", "free-map", "catalogue"};

	for (unsigned i = DISK_TREE_SPACE; i <= DISK_TREE_CATALOGUE; i++)
		if (strcmp(word, names[i]) == 0) {
			*tree = (enum disk_tree)i;
			return true;
		}
	return command_refuse("'%s' is no tree: space, free-map or catalogue", word);
}

static enum command_exit dump_node(struct dump *dump)
{
	struct disk_node node;
	enum disk_tree tree = DISK_TREE_SPACE;
	uint64_t level, key;

	if (!dump_tree(dump->word[0], &tree) ||
	    !dump_number(dump->word[1], "level", DISK_HEIGHT_MAX + 1, &level) ||
	    !dump_number(dump->word[2], "key", DISK_PAGE_MAX, &key))
		return COMMAND_USAGE;
	if (level == 0)
		return command_misuse(
			"level 0 are pages: 'page', 'free-map' or 'snapshot' shows them");
	TRY(dump_load(dump, tree, (unsigned)level, key, &node));
	dump_references_begin(dump->show, "entries", false);
	for (unsigned i = 0; i < DISK_NODE_ENTRIES; i++)
		if (node.entry[i].codec != DISK_CODEC_NONE)
			dump_references_row(dump->show, i, &node.entry[i]);
	show_list_end(dump->show);
	return COMMAND_OK;
}

static enum command_exit dump_page(struct dump *dump)
{
	uint8_t data[PAGE_SIZE];
	uint64_t page;

	if (!dump_number(dump->word[0], "page", DISK_PAGE_MAX, &page))
		return COMMAND_USAGE;
	TRY(dump_load(dump, DISK_TREE_SPACE, 0, page, data));
	dump_bytes(dump->show, data, sizeof(data));
	return COMMAND_OK;
}

/* A page of a table of objects; zeros where it is absent. */
static enum command_exit dump_table(struct dump *dump, const struct verify_space *space,
				    uint64_t page, void *data)
{
	enum status status = verify_space_read(dump->inspect.verify, space, (page_t){page}, data);

	if (status == STATUS_ABSENT)
		memset(data, 0, PAGE_SIZE);
	else if (status != STATUS_OK)
		return command_error("%s: page 0x%" PRIx64 ": %s", dump->inspect.host->path, page,
				     status_text(status));
	return COMMAND_OK;
}

static enum command_exit dump_one_object(struct dump *dump)
{
	struct disk_object records[OBJECTS_PER_PAGE];
	struct disk_account accounts[ACCOUNTS_PER_PAGE];
	struct verify_space space;
	uint64_t object;

	if (!dump_number(dump->word[0], "object", OBJECT_MAX, &object))
		return COMMAND_USAGE;
	if (!dump_space(dump, DISK_TREE_SPACE, &space))
		return COMMAND_FAILED;
	TRY(dump_table(dump, &space, OBJECT_TABLE_PAGE + object / OBJECTS_PER_PAGE, records));
	TRY(dump_table(dump, &space, ACCOUNT_TABLE_PAGE + object / ACCOUNTS_PER_PAGE, accounts));
	dump_object(dump->show, (uint32_t)object, &records[object % OBJECTS_PER_PAGE],
		    &accounts[object % ACCOUNTS_PER_PAGE]);
	return COMMAND_OK;
}

static enum command_exit dump_free_map(struct dump *dump)
{
	uint8_t data[PAGE_SIZE];
	uint64_t key;

	if (!dump_number(dump->word[0], "page of the free map",
			 DISK_SECTORS_MAX / DISK_FREE_MAP_SECTORS, &key))
		return COMMAND_USAGE;
	TRY(dump_load(dump, DISK_TREE_FREE_MAP, 0, key, data));
	dump_bits(dump->show, key * DISK_FREE_MAP_SECTORS, data);
	return COMMAND_OK;
}

static enum command_exit dump_snapshot_entry(struct dump *dump)
{
	const struct disk_snapshot *snapshot = inspect_snapshot(&dump->inspect, dump->word[0]);

	if (!snapshot)
		return COMMAND_FAILED;
	dump_snapshot(dump->show, snapshot);
	return COMMAND_OK;
}

/* ---- sectors --------------------------------------------------------------------- */

static enum command_exit dump_sectors(struct dump *dump)
{
	uint64_t limit = dump->inspect.host->device->sectors, sector, count = 1;
	uint8_t *data;
	enum command_exit result;

	if (!dump_number(dump->word[0], "sector", limit, &sector))
		return COMMAND_USAGE;
	if (dump->words > 1 &&
	    !dump_number(dump->word[1], "number of sectors", DUMP_SECTORS_MAX + 1, &count))
		return COMMAND_USAGE;
	if (count == 0 || count > limit - sector)
		return command_misuse("from sector %" PRIu64 " on there are %" PRIu64 " sectors",
				      sector, limit - sector);
	data = malloc(count * SECTOR_SIZE);
	if (!data)
		return command_error("memory is short");
	result = dump_read(dump, sector, (uint32_t)count, data);
	if (result == COMMAND_OK) {
		dump_bytes(dump->show, data, count * SECTOR_SIZE);
	}
	free(data);
	return result;
}

/* ---- the command ----------------------------------------------------------------- */

static const struct dump_kind dump_kinds[] = {
	{"superblock", "", 0, 0, false, dump_first_superblock},
	{"copy", "", 0, 0, false, dump_superblock_copy},
	{"ring", "", 0, 0, false, dump_ring},
	{"slot", " N", 1, 1, false, dump_slot},
	{"record", " [GENERATION]", 0, 1, true, dump_generation},
	{"node", " TREE LEVEL KEY", 3, 3, true, dump_node},
	{"page", " N", 1, 1, true, dump_page},
	{"object", " N", 1, 1, true, dump_one_object},
	{"free-map", " N", 1, 1, true, dump_free_map},
	{"snapshot", " NAME|NUMBER", 1, 1, true, dump_snapshot_entry},
	{"sector", " N [COUNT]", 1, 2, false, dump_sectors},
};

static const struct dump_kind *dump_kind_find(const char *name, unsigned words)
{
	for (size_t i = 0; i < sizeof(dump_kinds) / sizeof(dump_kinds[0]); i++) {
		const struct dump_kind *kind = &dump_kinds[i];

		if (strcmp(kind->name, name) != 0)
			continue;
		if (words >= kind->words_min && words <= kind->words_max)
			return kind;
		command_error("too %s words for 'dump %s'; usage: mkstore dump IMAGE %s%s",
			      words < kind->words_min ? "few" : "many", name, name, kind->usage);
		return NULL;
	}
	command_error("there is no structure '%s' to dump; see 'mkstore dump --help'", name);
	return NULL;
}

static enum command_exit dump_run(const struct command_invocation *invocation)
{
	struct dump dump = {.show = invocation->show,
			    .word = invocation->operand + 2,
			    .words = invocation->operands - 2,
			    .generation = command_value(invocation, "generation"),
			    .snapshot = command_value(invocation, "snapshot")};
	const struct dump_kind *kind = dump_kind_find(invocation->operand[1], dump.words);
	enum command_exit result;

	ASSERT(invocation->operands >= 2); /* as its usage says */
	if (!kind)
		return COMMAND_USAGE;
	result = inspect_open(&dump.inspect, invocation, false);
	if (result != COMMAND_OK)
		return result;
	if (kind->whole && !inspect_chosen(&dump.inspect))
		result = COMMAND_NO_STORE;
	else
		result = kind->run(&dump);
	return inspect_close(&dump.inspect, result);
}

static const struct command_option dump_options[] = {
	HOST_LIVE_OPTION,
	{"generation", "N",
	 "of the commit ring, for node, page, object and free-map (default: newest)"},
	{"snapshot", "NAME",
	 "for node space, page and object: of that snapshot, by name or number"},
	{0},
};

const struct command command_dump = {
	.name = "dump",
	.usage = "IMAGE WHAT...",
	.summary = "Shows any structure of a store, decoded",
	.details =
		"WHAT is one of:\n"
		"  superblock             the superblock\n"
		"  copy                   its copy\n"
		"  ring                   the commit ring, one line for each slot in use\n"
		"  slot N                 what lies in one slot\n"
		"  record [GENERATION]    a commit record with its delta\n"
		"  node TREE LEVEL KEY    a map node; TREE is space, free-map or catalogue\n"
		"  page N                 a page of the space\n"
		"  object N               an object's record and its account\n"
		"  free-map N             a page of the free map: the sectors in use\n"
		"  snapshot NAME|NUMBER   a catalogue entry\n"
		"  sector N [COUNT]       the bytes of sectors\n"
		"Numbers may be hexadecimal, as 0x100000.  Damage is told on the standard error;\n"
		"superblocks, slots and sectors can be shown of a store that cannot be opened.\n",
	.options = dump_options,
	.run = dump_run,
};
