/* SPDX-License-Identifier: MIT */
/*
 * dump_fields.c - prints structures of the store field by field.
 */
#include "tools/mkstore/dump_priv.h"
#include "base/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/mkstore/text.h"

#define DUMP_LINE 16u /* bytes */

/* ---- single fields --------------------------------------------------------------- */

#define field_number(show, name, value)	     fact_number(show, name, name, value)
#define field_hexadecimal(show, name, value) fact_hexadecimal(show, name, name, value)
#define field_identity(show, name, identity) fact_identity(show, name, name, identity)

static void field_bytes(struct show *show, const char *name, const char *text, uint64_t size)
{
	show_fact(show, name, name);
	show_name(show, text, strnlen(text, size), "");
}

static void field_time(struct show *show, const char *name, uint64_t wall_ns)
{
	char text[TEXT_SIZE];

	fact_number_as(show, name, name, wall_ns, text_time(text, wall_ns));
}

static void field_duration(struct show *show, const char *name, uint64_t ns)
{
	char text[TEXT_SIZE];

	fact_number_as(show, name, name, ns, text_duration(text, ns));
}

/* "3 (CLEAN FRESH)"; the words are those of the bits, from the lowest. */
static void field_flags(struct show *show, const char *name, uint64_t value,
			const char *const *words, unsigned count)
{
	char text[128];
	int end = snprintf(text, sizeof(text), "0x%" PRIx64, value);

	ASSERT(count <= 64);
	for (unsigned i = 0; i < count; i++)
		if (value >> i & 1)
			end += snprintf(text + end, sizeof(text) - (size_t)end, " %s", words[i]);
	ASSERT((size_t)end < sizeof(text)); /* the words are ours */
	fact_number_as(show, name, name, value, text);
}

/* One of a few numbers with a name. */
static void field_kind(struct show *show, const char *name, uint64_t value, const char *word)
{
	char text[TEXT_SIZE];

	snprintf(text, sizeof(text), "%" PRIu64 " %s", value, word);
	fact_number_as(show, name, name, value, text);
}

/* ---- references ------------------------------------------------------------------ */

void dump_reference(struct show *show, const struct disk_reference *reference)
{
	field_number(show, "sector", disk_reference_sector(reference).n);
	field_number(show, "sectors", reference->sectors);
	field_kind(show, "codec", reference->codec, inspect_codec_text(reference->codec));
	field_number(show, "birth", reference->birth);
	field_hexadecimal(show, "checksum", reference->checksum);
	field_number(show, "length", reference->length);
	field_number(show, "auxiliary", disk_reference_auxiliary(reference));
}

void dump_references_begin(struct show *show, const char *name, bool pages)
{
	/* Kept until the list ends. */
	static struct show_column columns[] = {
		{NULL, "", 12},
		{"sector", "SECTOR", 12},
		{"sectors", "SECTORS", 7},
		{"codec", "CODEC", -5},
		{"length", "BYTES", 5},
		{"birth", "BORN", 10},
		{"checksum", "CHECKSUM", 18},
		{"auxiliary", "USED", 8},
		{0},
	};

	columns[0].key = pages ? "page" : "index";
	columns[0].title = pages ? "PAGE" : "INDEX";
	show_list(show, name, columns);
}

void dump_references_row(struct show *show, uint64_t number, const struct disk_reference *reference)
{
	show_row(show);
	show_hexadecimal(show, number);
	show_number(show, disk_reference_sector(reference).n);
	show_number(show, reference->sectors);
	show_text(show, inspect_codec_text(reference->codec));
	show_number(show, reference->length);
	show_number(show, reference->birth);
	show_hexadecimal(show, reference->checksum);
	show_number(show, disk_reference_auxiliary(reference));
}

/* ---- structures ------------------------------------------------------------------ */

void dump_superblock(struct show *show, const struct disk_superblock *block)
{
	static const char *const features[] = {"DELTA", "COLUMNS"};

	field_hexadecimal(show, "magic", block->magic);
	field_number(show, "version", block->version);
	field_number(show, "header_size", block->header_size);
	field_flags(show, "features_incompatible", block->features_incompatible, features, 2);
	field_hexadecimal(show, "features_read_only", block->features_read_only);
	field_hexadecimal(show, "features_compatible", block->features_compatible);
	field_identity(show, "identity", block->identity);
	field_time(show, "created_ns", block->created_ns);
	field_number(show, "sector_size", block->sector_size);
	field_number(show, "block_size", block->block_size);
	field_number(show, "write_unit", block->write_unit);
	field_number(show, "ring_slots", block->ring_slots);
	field_number(show, "slot_size", block->slot_size);
	field_number(show, "ring_sector", block->ring_sector);
	field_number(show, "data_sector", block->data_sector);
	field_number(show, "revision", block->revision);
	field_identity(show, "copy", block->copy);
	field_hexadecimal(show, "checksum", block->checksum);
}

static void dump_root(struct show *show, const char *name, const struct disk_root *root)
{
	char text[160];

	if (show->as_json) {
		show_group(show, name);
		dump_reference(show, &root->reference);
		field_number(show, "height", root->height);
		field_number(show, "pages", root->pages);
		show_group_end(show);
		return;
	}
	if (root->height)
		snprintf(text, sizeof(text),
			 "height %u, %" PRIu64 " pages, sector %" PRIu64
			 "+%u, %s, %u bytes, born %" PRIu64 ", checksum 0x%016" PRIx64,
			 root->height, root->pages, disk_reference_sector(&root->reference).n,
			 root->reference.sectors, inspect_codec_text(root->reference.codec),
			 root->reference.length, root->reference.birth, root->reference.checksum);
	else
		snprintf(text, sizeof(text), "empty");
	fact_text(show, NULL, name, text);
}

static void dump_receiving(struct show *show, const struct disk_receiving *receiving)
{
	if (!receiving->generation && !show->as_json)
		return;
	field_identity(show, "receiving_source", receiving->source);
	field_number(show, "receiving_generation", receiving->generation);
	field_number(show, "receiving_base", receiving->base);
	field_number(show, "receiving_position", receiving->position);
	field_number(show, "receiving_replaced", receiving->replaced);
	field_hexadecimal(show, "receiving_digest", receiving->digest);
}

static void dump_retention(struct show *show, const struct disk_retention *retention)
{
	field_number(show, "retention_interval_s", retention->interval_s);
	field_number(show, "retention_minutes", retention->minutes);
	field_number(show, "retention_hours", retention->hours);
	field_number(show, "retention_days", retention->days);
	field_number(show, "retention_budget", retention->budget);
}

void dump_record(struct show *show, const struct disk_record *record,
		 const struct disk_delta *delta)
{
	static const char *const flags[] = {"CLEAN", "FRESH", "RESTORE", "COUNTED"};

	field_hexadecimal(show, "magic", record->magic);
	field_kind(show, "kind", record->kind,
		   record->kind == DISK_RECORD_DELTA ? "delta" : "full");
	field_number(show, "length", record->length);
	field_hexadecimal(show, "checksum", record->checksum);
	field_identity(show, "identity", record->identity);
	field_number(show, "generation", record->generation);
	field_number(show, "durable", record->durable);
	field_number(show, "predecessor", record->predecessor);
	field_number(show, "base", record->base);
	field_time(show, "wall_ns", record->wall_ns);
	field_flags(show, "flags", record->flags, flags, 4);
	field_number(show, "slot", record->slot);
	field_number(show, "sectors", record->sectors);
	field_number(show, "used_sectors", record->used_sectors);
	field_number(show, "snapshots", record->snapshots);
	field_number(show, "next_snapshot", record->next_snapshot);
	field_number(show, "origin", record->origin);
	field_number(show, "dying", record->dying);
	field_number(show, "entries", record->entries);
	field_duration(show, "uptime_ns", record->counters.uptime_ns);
	field_number(show, "object_version", record->counters.object_version);
	field_number(show, "resumes", record->counters.resumes);
	dump_root(show, "space", &record->space);
	dump_root(show, "free_map", &record->free_map);
	dump_root(show, "catalogue", &record->catalogue);
	field_bytes(show, "label", record->label, sizeof(record->label));
	dump_retention(show, &record->retention);
	dump_receiving(show, &record->receiving);
	field_number(show, "held_sectors", record->held_sectors);
	field_number(show, "origin_generation", record->origin_generation);
	field_number(show, "predecessor_blocks", record->predecessor_blocks);
	if (!record->entries && !show->as_json)
		return;
	dump_references_begin(show, "delta", true);
	for (uint32_t i = 0; delta && i < record->entries; i++)
		dump_references_row(show, delta[i].page, &delta[i].reference);
	show_list_end(show);
}

void dump_tombstone(struct show *show, const struct disk_tombstone *stone)
{
	field_hexadecimal(show, "magic", stone->magic);
	field_number(show, "slot", stone->slot);
	field_hexadecimal(show, "checksum", stone->checksum);
	field_identity(show, "identity", stone->identity);
	field_number(show, "generation", stone->generation);
}

void dump_snapshot(struct show *show, const struct disk_snapshot *snapshot)
{
	static const char *const flags[] = {"AUTOMATIC", "DYING", "BRANCH"};

	field_hexadecimal(show, "magic", snapshot->magic);
	field_number(show, "number", snapshot->number);
	field_number(show, "parent", snapshot->parent);
	field_number(show, "generation", snapshot->generation);
	dump_root(show, "root", &snapshot->root);
	field_time(show, "wall_ns", snapshot->wall_ns);
	field_duration(show, "uptime_ns", snapshot->uptime_ns);
	field_flags(show, "flags", snapshot->flags, flags, 3);
	field_number(show, "children", snapshot->children);
	field_hexadecimal(show, "cursor", snapshot->cursor);
	field_bytes(show, "name", snapshot->name, sizeof(snapshot->name));
	field_identity(show, "source", snapshot->source);
	field_number(show, "source_generation", snapshot->source_generation);
	field_number(show, "held_sectors", snapshot->held_sectors);
	field_hexadecimal(show, "source_digest", snapshot->source_digest);
}

/* ---- objects ----------------------------------------------------------------------- */

static void dump_object_body(struct show *show, const struct disk_object *record)
{
	switch (record->type) {
	case OBJECT_SEGMENT:
		field_time(show, "wall_ns", record->segment.wall_ns);
		field_hexadecimal(show, "digest", record->segment.digest);
		break;
	case OBJECT_MACHINE:
		field_hexadecimal(show, "message_page", record->machine.message_page);
		field_number(show, "message_pages", record->machine.message_pages);
		break;
	case OBJECT_PORT:
		field_number(show, "receiver", record->port.receiver);
		field_number(show, "receiver_version", record->port.receiver_version);
		break;
	case OBJECT_DIRECTORY:
		field_hexadecimal(show, "root", record->directory.root);
		field_number(show, "place", record->directory.place);
		field_number(show, "pages", record->directory.pages);
		break;
	case OBJECT_VIEW:
		field_hexadecimal(show, "root", record->view.root);
		field_number(show, "pages", record->view.pages);
		break;
	case OBJECT_BANK:
		field_number(show, "limit", record->allowance.limit);
		field_number(show, "objects", record->allowance.objects);
		break;
	default:
		break;
	}
}

static void dump_account(struct show *show, const struct disk_account *account, bool bank)
{
	field_number(show, "next", account->next);
	field_number(show, "previous", account->previous);
	if (!bank)
		return;
	field_number(show, "first_bank", account->first_bank);
	field_number(show, "first_object", account->first_object);
	field_number(show, "depth", account->depth);
	field_number(show, "addresses", account->addresses);
	field_number(show, "address_limit", account->address_limit);
	field_number(show, "weight", account->weight);
	field_number(show, "weight_given", account->weight_given);
}

void dump_object(struct show *show, uint32_t object, const struct disk_object *record,
		 const struct disk_account *account)
{
	static const char *const flags[] = {"TOLD", "WAITS", "DERIVED"};
	const char *state = record->version ? "living" : record->type ? "dying" : "free";

	field_number(show, "object", object);
	fact_text(show, "state", "state", state);
	field_kind(show, "type", record->type, object_type_name(record->type));
	field_number(show, "version", record->version);
	field_flags(show, "flags", record->flags, flags, 3);
	field_number(show, "bank", record->bank);
	/* One place for both. */
	if (record->version) {
		field_number(show, "bank_version", record->bank_version);
	} else {
		field_number(show, "next_free", record->next_free);
		field_number(show, "passed", record->passed);
	}
	field_hexadecimal(show, "first_page", record->first_page);
	field_number(show, "range_pages", record->range_pages);
	field_number(show, "size", record->size);
	dump_object_body(show, record);
	dump_account(show, account, record->type == OBJECT_BANK);
}

/* ---- free map and bytes ---------------------------------------------------------- */

static bool bit(const uint8_t *bits, uint64_t i)
{
	return bits[i / 8] >> i % 8 & 1;
}

void dump_bits(struct show *show, uint64_t first_sector, const uint8_t *bits)
{
	static const struct show_column columns[] = {
		{"first_sector", "FIRST", 12},
		{"last_sector", "LAST", 12},
		{"sectors", "SECTORS", 8},
		{0},
	};
	uint64_t i = 0;

	show_list(show, "used", columns);
	while (i < DISK_FREE_MAP_SECTORS) {
		uint64_t first = i;

		if (!bit(bits, i++))
			continue;
		while (i < DISK_FREE_MAP_SECTORS && bit(bits, i))
			i++;
		show_row(show);
		show_number(show, first_sector + first);
		show_number(show, first_sector + i - 1);
		show_number(show, i - first);
	}
	show_list_end(show);
}

static void bytes_line(const uint8_t *bytes, uint64_t at)
{
	printf("%06" PRIx64 " ", at);
	for (unsigned i = 0; i < DUMP_LINE; i++)
		printf(i == DUMP_LINE / 2 ? "  %02x" : " %02x", bytes[at + i]);
	printf("  |");
	for (unsigned i = 0; i < DUMP_LINE; i++) {
		uint8_t byte = bytes[at + i];

		printf("%c", byte >= 0x20 && byte < 0x7f ? byte : '.');
	}
	printf("|\n");
}

/* Lines that repeat the one before are left out; "*" stands for them. */
static void bytes_lines(const uint8_t *bytes, uint64_t count)
{
	bool left_out = false;

	for (uint64_t at = 0; at < count; at += DUMP_LINE) {
		bool same = at && memcmp(bytes + at, bytes + at - DUMP_LINE, DUMP_LINE) == 0;

		if (same && !left_out)
			printf("*\n");
		if (!same)
			bytes_line(bytes, at);
		left_out = same;
	}
	printf("%06" PRIx64 "\n", count);
}

void dump_bytes(struct show *show, const uint8_t *bytes, uint64_t count)
{
	static const char digits[] = "0123456789abcdef";
	char *text;

	if (!show->as_json) {
		bytes_lines(bytes, count);
		return;
	}
	show_fact(show, "bytes", NULL);
	text = malloc(2 * count + 1);
	if (!text) {
		show_none(show);
		return;
	}
	for (uint64_t i = 0; i < count; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[2 * count] = 0;
	show_text(show, text);
	free(text);
}
