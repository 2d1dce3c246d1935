/* SPDX-License-Identifier: MIT */
/*
 * verify.c - the order in which a store is verified, and how findings are told.
 *
 * Superblocks, ring, choice of the generation; then for the chosen generation
 * and its predecessor: catalogue, every tree, free map against reachability.
 * See verify.h for the interface.
 */
#include "tools/verify/verify.h"
#include "base/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/verify/verify_priv.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "disk structures are read in place");

const char *verify_code_text(enum verify_code code)
{
	switch (code) {
#define VERIFY_CODE_CASE(name, text)                                                               \
	case VERIFY_##name:                                                                        \
		return text;
		VERIFY_CODES(VERIFY_CODE_CASE)
#undef VERIFY_CODE_CASE
	case VERIFY_CODE_COUNT:
		break;
	}
	return "unknown";
}

/* ---- findings --------------------------------------------------------- */

void verify_place_text(const struct verify_place *place, char *text, uint64_t size)
{
	static const char *const trees[] = {"?", "space", "free map", "catalogue"};
	static const char *const pages[] = {"?", "page", "page", "snapshot"};
	unsigned tree = place->tree <= DISK_TREE_CATALOGUE ? (unsigned)place->tree : 0;
	char whose[64] = "";

	if (place->snapshot)
		snprintf(whose, sizeof(whose), " of snapshot %llu",
			 (unsigned long long)place->snapshot);
	if (place->level == 0)
		snprintf(text, size, "%s %s 0x%llx%s, generation %llu", trees[tree], pages[tree],
			 (unsigned long long)place->key, whose,
			 (unsigned long long)place->generation);
	else
		snprintf(text, size, "%s node, level %u, key 0x%llx%s, generation %llu",
			 trees[tree], place->level, (unsigned long long)place->key, whose,
			 (unsigned long long)place->generation);
}

static void finding_deliver(struct verify *verify, struct verify_finding *finding)
{
	ASSERT(finding->code < VERIFY_CODE_COUNT && finding->text);
	if (finding->severity == VERIFY_ERROR)
		verify->totals.errors++;
	else if (finding->severity == VERIFY_WARNING)
		verify->totals.warnings++;
	else
		verify->totals.notes++;
	if (verify->options.report)
		verify->options.report(verify->options.context, finding);
}

void verify_report_at(struct verify *verify, enum verify_severity severity, enum verify_code code,
		      const struct verify_place *place, uint64_t sector, const char *format, ...)
{
	struct verify_finding finding = {
		.severity = severity, .code = code, .sector = sector, .page = VERIFY_NOWHERE};
	char text[512], what[320], where[160] = "";
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	if (place) {
		verify_place_text(place, where, sizeof(where));
		finding.generation.n = place->generation;
		finding.snapshot.n = place->snapshot;
		if (place->tree == DISK_TREE_SPACE)
			finding.page = place->key << (place->level * DISK_NODE_SHIFT);
	}
	if (place && sector != VERIFY_NOWHERE)
		snprintf(text, sizeof(text), "%s, sector %llu: %s", where,
			 (unsigned long long)sector, what);
	else if (place)
		snprintf(text, sizeof(text), "%s: %s", where, what);
	else
		snprintf(text, sizeof(text), "%s", what);
	finding.text = text;
	finding_deliver(verify, &finding);
}

void verify_report_object(struct verify *verify, enum verify_severity severity, uint64_t page,
			  const char *format, ...)
{
	struct verify_finding finding = {.severity = severity,
					 .code = VERIFY_OBJECT,
					 .generation = verify->totals.generation,
					 .sector = VERIFY_NOWHERE,
					 .page = page};
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	finding.text = text;
	finding_deliver(verify, &finding);
}

/* A snapshot is what it is: in one, this is for whoever asks. */
void verify_report_unreached(struct verify *verify, const struct verify_space *space,
			     const struct verify_unreached *unreached, const char *type)
{
	struct verify_totals *totals = &verify->totals;
	struct verify_finding finding = {.severity = VERIFY_WARNING,
					 .code = VERIFY_UNREACHED,
					 .generation = space->generation,
					 .snapshot = space->snapshot,
					 .sector = VERIFY_NOWHERE,
					 .page = VERIFY_NOWHERE,
					 .unreached = *unreached};
	char text[200], prefix[40] = "", below[60] = "";

	if (unreached->objects)
		snprintf(below, sizeof(below), " with %llu objects below it",
			 (unsigned long long)unreached->objects);
	if (space->snapshot.n) {
		snprintf(prefix, sizeof(prefix),
			 "snapshot %llu: ", (unsigned long long)space->snapshot.n);
		finding.severity = VERIFY_NOTE;
	} else {
		totals->unreached++;
		totals->unreached_objects += 1 + unreached->objects;
		totals->unreached_pages += unreached->pages;
	}
	snprintf(text, sizeof(text),
		 "%s%s %u%s, charged for %llu pages: no name and no capability in use leads to it",
		 prefix, type, unreached->object, below, (unsigned long long)unreached->pages);
	finding.text = text;
	finding_deliver(verify, &finding);
}

/* ---- memory ----------------------------------------------------------- */

/* Zeroed memory.  Without it nothing can be said any more; that is reported
 * once, and the result is NO_MEMORY. */
void *verify_allocate(struct verify *verify, uint64_t count, uint64_t size)
{
	void *memory = calloc(count ? count : 1, size);

	if (!memory && !verify->out_of_memory) {
		verify->out_of_memory = true;
		verify_report_at(verify, VERIFY_ERROR, VERIFY_MEMORY, NULL, VERIFY_NOWHERE,
				 "memory is short: the store cannot be verified on this machine");
	}
	return memory;
}

bool verify_zero(const void *data, uint64_t size)
{
	const uint8_t *bytes = data;

	/* The data equals itself shifted by one byte and begins with zero. */
	return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

static void pass_free(struct verify_pass *pass, uint64_t chunk_count)
{
	for (uint64_t i = 0; i < chunk_count; i++) {
		if (pass->used)
			free(pass->used[i]);
		if (pass->map)
			free(pass->map[i]);
	}
	free(pass->used);
	free(pass->map);
	free(pass->map_count);
	free(pass->snapshots);
	free(pass->memo);
}

struct verify *verify_open(const struct verify_reader *reader, const struct verify_options *options)
{
	struct verify *verify = calloc(1, sizeof(*verify));

	if (!verify)
		return NULL;
	verify->reader = *reader;
	if (options)
		verify->options = *options;
	verify->cache =
		verify->options.cache ? verify->options.cache : verify_cache_new(VERIFY_KEPT);
	if (!verify->cache) {
		free(verify);
		return NULL;
	}
	return verify;
}

void verify_close(struct verify *verify)
{
	if (!verify)
		return;
	pass_free(&verify->chosen, verify->chunk_count);
	pass_free(&verify->before, verify->chunk_count);
	for (uint64_t i = 0; verify->chunks && i < verify->chunk_count; i++) {
		free(verify->chunks[i].fingerprint);
		free(verify->chunks[i].birth);
	}
	free(verify->chunks);
	if (!verify->options.cache)
		verify_cache_free(verify->cache);
	for (uint32_t slot = 0; slot < DISK_RING_SLOTS; slot++)
		free(verify->delta[slot]);
	free(verify);
}

/* ---- the passes ------------------------------------------------------- */

static bool pass_begin(struct verify *verify, struct verify_pass *pass)
{
	uint64_t count = verify->chunk_count;

	ASSERT(!pass->used && !pass->map && !pass->map_count); /* once */
	pass->used = verify_allocate(verify, count, sizeof(*pass->used));
	pass->map = verify_allocate(verify, count, sizeof(*pass->map));
	pass->map_count = verify_allocate(verify, count, sizeof(*pass->map_count));
	return pass->used && pass->map && pass->map_count;
}

static bool page_count(struct verify *verify, struct verify_pass *pass,
		       const struct verify_place *place, const struct disk_reference *reference,
		       const void *data)
{
	uint32_t index;

	(void)data;
	if (verify_delta_find(pass->delta, pass->record.entries, place->key, &index))
		pass->replaced++;
	else if (!pass->predecessor && reference->codec == DISK_CODEC_ZERO)
		verify->totals.zero_pages++;
	return true;
}

static void pass_walk_live(struct verify *verify, struct verify_pass *pass)
{
	struct verify_walk walk = {.tree = DISK_TREE_SPACE,
				   .root = &pass->record.space,
				   .generation = pass->record.generation,
				   .page = page_count};

	verify_tree_walk(verify, pass, &walk);
	if (!pass->incomplete && walk.pages != pass->record.space.pages)
		verify_report_at(
			verify, VERIFY_ERROR, VERIFY_TOTALS, NULL, VERIFY_NOWHERE,
			"generation %llu: the record counts %llu pages, the space has %llu",
			(unsigned long long)pass->record.generation,
			(unsigned long long)pass->record.space.pages,
			(unsigned long long)walk.pages);
	if (pass->predecessor)
		return;
	verify->totals.delta_pages = pass->record.entries;
	verify->totals.pages = walk.pages - pass->replaced + pass->record.entries;
	for (uint32_t i = 0; i < pass->record.entries; i++)
		verify->totals.zero_pages += pass->delta[i].reference.codec == DISK_CODEC_ZERO;
}

static void pass_walk_snapshot(struct verify *verify, struct verify_pass *pass,
			       const struct disk_snapshot *snapshot)
{
	bool dying = (snapshot->flags & DISK_SNAPSHOT_DYING) != 0;
	struct verify_walk walk = {.tree = DISK_TREE_SPACE,
				   .root = &snapshot->root,
				   .generation = snapshot->generation,
				   .snapshot = snapshot->number,
				   .cursor = dying ? snapshot->cursor : 0};

	verify_tree_walk(verify, pass, &walk);
	if (!dying && !pass->incomplete && walk.pages != snapshot->root.pages)
		verify_report_at(verify, VERIFY_ERROR, VERIFY_TOTALS, NULL, VERIFY_NOWHERE,
				 "snapshot %llu counts %llu pages and has %llu",
				 (unsigned long long)snapshot->number,
				 (unsigned long long)snapshot->root.pages,
				 (unsigned long long)walk.pages);
}

/*
 * The dying snapshot goes last: of its nodes only those not yet reclaimed are
 * walked, so a subtree that it shares must have been walked whole before.
 */
static void pass_walk_snapshots(struct verify *verify, struct verify_pass *pass)
{
	for (int dying = 0; dying <= 1; dying++) {
		for (uint64_t i = 0; i < pass->snapshot_count; i++) {
			const struct disk_snapshot *snapshot = &pass->snapshots[i];

			if (((snapshot->flags & DISK_SNAPSHOT_DYING) != 0) == (dying != 0))
				pass_walk_snapshot(verify, pass, snapshot);
		}
	}
}

static void pass_run(struct verify *verify, struct verify_pass *pass)
{
	if (!pass_begin(verify, pass))
		return;
	verify_catalogue_check(verify, pass);
	pass_walk_live(verify, pass);
	pass_walk_snapshots(verify, pass);
	verify_map_check(verify, pass);
	verify_delta_check(verify, pass);
}

/* ---- interface -------------------------------------------------------- */

/* Superblocks, ring, choice; and the table of chunks for the larger of the two
 * generations. */
static enum status generation_choose(struct verify *verify)
{
	enum status status = verify_superblocks(verify);
	uint64_t sectors;

	if (status != STATUS_OK)
		return status;
	status = verify_ring_choose(verify);
	if (status != STATUS_OK)
		return status;
	sectors = verify->chosen.record.sectors;
	if (verify->before.record.sectors > sectors)
		sectors = verify->before.record.sectors;
	verify->chunk_count = (sectors + DISK_FREE_MAP_SECTORS - 1) / DISK_FREE_MAP_SECTORS;
	verify->chunks = verify_allocate(verify, verify->chunk_count, sizeof(*verify->chunks));
	return verify->chunks ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status verify_choose(struct verify *verify)
{
	enum status status = generation_choose(verify);

	if (status != STATUS_OK)
		return status;
	verify_catalogue_list(verify, &verify->chosen);
	if (verify->out_of_memory)
		return STATUS_NO_MEMORY;
	return verify->totals.errors ? STATUS_CORRUPT : STATUS_OK;
}

/* A record that counts too few blocks would have a mount give away what the
 * predecessor still uses, or promise room that there is not. */
static void predecessor_count(struct verify *verify)
{
	const struct verify_pass *chosen = &verify->chosen, *before = &verify->before;
	uint64_t blocks = 0, told = chosen->record.predecessor_blocks;

	if (!(chosen->record.flags & DISK_RECORD_COUNTED) || verify->totals.errors ||
	    verify->out_of_memory)
		return;
	ASSERT(chosen->used && before->used);
	for (uint64_t chunk = 0; chunk < verify->chunk_count; chunk++) {
		const uint8_t *used = before->used[chunk], *still = chosen->used[chunk];

		for (unsigned i = 0; used && i < PAGE_SIZE; i++)
			blocks += used[i] && !(still && still[i]);
	}
	if (blocks > told)
		verify_report_at(verify, VERIFY_ERROR, VERIFY_TOTALS, NULL, VERIFY_NOWHERE,
				 "generation %llu: the record counts %llu blocks that only its "
				 "predecessor uses, there are %llu",
				 (unsigned long long)chosen->record.generation,
				 (unsigned long long)told, (unsigned long long)blocks);
}

enum status verify_run(struct verify *verify)
{
	enum status status = generation_choose(verify);

	if (status != STATUS_OK)
		return status;
	pass_run(verify, &verify->chosen);
	if (verify->before.record.generation && !verify->options.skip_predecessor) {
		verify->totals.predecessor.n = verify->before.record.generation;
		pass_run(verify, &verify->before);
		predecessor_count(verify);
	}
	if (verify->out_of_memory)
		return STATUS_NO_MEMORY;
	/* The live state of a store that is receiving is a part of a system. */
	if (verify->options.objects && !verify->chosen.record.receiving.generation) {
		status = verify->options.objects(verify);
		if (status != STATUS_OK)
			return status;
	}
	return verify->totals.errors ? STATUS_CORRUPT : STATUS_OK;
}

const struct verify_totals *verify_totals_get(const struct verify *verify)
{
	return &verify->totals;
}

const struct disk_record *verify_record(const struct verify *verify)
{
	return verify->chosen.record.generation ? &verify->chosen.record : NULL;
}

const struct disk_snapshot *verify_snapshot_at(const struct verify *verify, uint64_t index)
{
	return index < verify->chosen.snapshot_count ? &verify->chosen.snapshots[index] : NULL;
}

static bool pass_uses(const struct verify_pass *pass, uint64_t sector)
{
	const uint8_t *bits = pass->used ? pass->used[sector / DISK_FREE_MAP_SECTORS] : NULL;
	uint64_t offset = sector % DISK_FREE_MAP_SECTORS;

	return bits && (bits[offset / 8] >> (offset % 8) & 1);
}

bool verify_sector_chosen(const struct verify *verify, sector_t sector)
{
	return sector.n / DISK_FREE_MAP_SECTORS < verify->chunk_count &&
	       pass_uses(&verify->chosen, sector.n);
}

bool verify_sector_used(const struct verify *verify, sector_t sector)
{
	return verify_sector_chosen(verify, sector) ||
	       (sector.n / DISK_FREE_MAP_SECTORS < verify->chunk_count &&
		pass_uses(&verify->before, sector.n));
}
