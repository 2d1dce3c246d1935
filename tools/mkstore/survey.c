/* SPDX-License-Identifier: MIT */
/*
 * survey.c - who reaches which sectors of a store; see survey.h.
 *
 * Every sector where an extent begins has a mark: nothing, the one owner that was
 * seen to reach it, or that there are several.  The mark of a node leads to what
 * lies below it, so that a shared node need not be gone into again.  That holds
 * only when all who reach the node reach all below it.  Where that is not so
 * (around the cursor of a dying snapshot, and above the pages of a delta) nodes
 * are gone into each time; those are few.
 */
#include "tools/mkstore/survey.h"
#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

#include "tools/mkstore/array.h"

#define MARK_NONE   0u
#define MARK_SHARED UINT32_C(0x7fffffff) /* less: owner + 1 */
#define MARK_NODE   UINT32_C(0x80000000) /* the rest is an index of node[] */

struct survey_node {
	uint32_t owner; /* as a mark */
	bool known;	/* sectors and pages are those of the whole subtree */
	uint64_t sectors, pages;
};

/* One tree being walked. */
struct survey_walk {
	struct survey *survey;
	uint32_t owner;			       /* index */
	uint64_t sectors[DISK_HEIGHT_MAX + 2]; /* below and including the node of a level */
	uint64_t pages[DISK_HEIGHT_MAX + 2];
};

/* ---- marks ----------------------------------------------------------------------- */

static uint32_t *mark_of(struct survey *survey, const struct disk_reference *reference)
{
	uint64_t sector = disk_reference_sector(reference).n;
	uint32_t **region = &survey->mark[sector / DISK_FREE_MAP_SECTORS];

	ASSERT(sector / DISK_FREE_MAP_SECTORS < survey->regions);
	if (!*region)
		*region = calloc(DISK_FREE_MAP_SECTORS, sizeof(**region));
	if (!*region) {
		survey->out_of_memory = true;
		return NULL;
	}
	return &(*region)[sector % DISK_FREE_MAP_SECTORS];
}

/* The mark itself: of a page in the table, of a node behind it.  A new node is
 * entered. */
static uint32_t *owner_mark(struct survey *survey, const struct disk_reference *reference,
			    bool is_node)
{
	uint32_t *mark = mark_of(survey, reference);
	struct survey_node *node = NULL;

	if (!mark)
		return NULL;
	/* A page and a node in one place: one of them is damaged. */
	if (*mark != MARK_NONE && ((*mark & MARK_NODE) != 0) != is_node) {
		survey->damaged++;
		return NULL;
	}
	if (!is_node)
		return mark;
	ASSERT(!(*mark & MARK_NODE) || (*mark & ~MARK_NODE) < survey->nodes);
	if (*mark & MARK_NODE)
		return &survey->node[*mark & ~MARK_NODE].owner;
	if (survey->nodes < MARK_SHARED)
		node = array_grow(survey->node, sizeof(*node), survey->nodes, &survey->nodes_room);
	if (!node) {
		survey->out_of_memory = true;
		return NULL;
	}
	survey->node = node;
	survey->node[survey->nodes] = (struct survey_node){.owner = MARK_NONE};
	*mark = MARK_NODE | survey->nodes;
	return &survey->node[survey->nodes++].owner;
}

static struct survey_node *node_of(struct survey *survey, const struct disk_reference *reference)
{
	uint32_t *mark = mark_of(survey, reference);

	return mark && (*mark & MARK_NODE) ? &survey->node[*mark & ~MARK_NODE] : NULL;
}

/* ---- what is counted once -------------------------------------------------------- */

static struct survey_commit *commit_find(struct survey *survey, uint64_t generation)
{
	uint32_t i = 0;

	while (i < survey->commits && survey->commit[i].generation > generation)
		i++;
	return i < survey->commits && survey->commit[i].generation == generation
		       ? &survey->commit[i]
		       : NULL;
}

/* An extent or zero page that was not met before. */
static void count_new(struct survey *survey, const struct disk_reference *reference, bool page)
{
	struct survey_commit *commit = commit_find(survey, reference->birth);

	if (page && reference->codec == DISK_CODEC_LZ4) {
		survey->compressed_pages++;
		survey->stored_bytes += reference->length;
	} else if (page && reference->codec == DISK_CODEC_RAW) {
		survey->raw_pages++;
	}
	if (page)
		survey->page_sectors += reference->sectors;
	if (!commit)
		return;
	commit->pages += page;
	if (page)
		commit->page_sectors += reference->sectors;
	else
		commit->other_sectors += reference->sectors;
}

/* A zero page of the live state. */
static void count_zero(struct survey *survey, const struct disk_reference *reference)
{
	survey->zero_pages++;
	count_new(survey, reference, true);
}

/* Somebody reaches the extent.  False: several are known to already. */
static bool reach(struct survey *survey, uint32_t owner, const struct disk_reference *reference,
		  bool is_node)
{
	uint32_t *mark = owner_mark(survey, reference, is_node);

	ASSERT(owner < survey->owners && survey->owners < MARK_SHARED);
	if (!mark || *mark == MARK_SHARED)
		return false;
	if (*mark == MARK_NONE) {
		*mark = owner + 1;
		survey->owner[owner].exclusive += reference->sectors;
		if (is_node)
			survey->node_sectors += reference->sectors;
		count_new(survey, reference, !is_node);
	} else if (*mark != owner + 1) {
		ASSERT(*mark <= survey->owners);
		survey->owner[*mark - 1].exclusive -= reference->sectors;
		survey->shared_sectors += reference->sectors;
		*mark = MARK_SHARED;
	}
	return true;
}

/* ---- the trees of spaces --------------------------------------------------------- */

/* Has the delta a page from `first` to before `end`? */
static bool delta_touches(const struct survey *survey, uint64_t first, uint64_t end)
{
	uint32_t low = 0, high = survey->live.entries;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (survey->live.delta[middle].page < first)
			low = middle + 1;
		else
			high = middle;
	}
	return low < survey->live.entries && survey->live.delta[low].page < end;
}

/* Does every owner that reaches this node reach all below it? */
static bool node_is_whole(const struct survey *survey, const struct verify_extent *extent)
{
	uint64_t first = extent->key << (extent->level * DISK_NODE_SHIFT);
	uint64_t end = (extent->key + 1) << (extent->level * DISK_NODE_SHIFT);

	return !(survey->cursor > first && survey->cursor < end) &&
	       !delta_touches(survey, first, end);
}

static bool walk_node(struct verify_visit *visit, const struct verify_extent *extent)
{
	struct survey_walk *walk = visit->context;
	struct survey *survey = walk->survey;
	bool again = !reach(survey, walk->owner, &extent->reference, true);
	const struct survey_node *node = node_of(survey, &extent->reference);

	ASSERT(extent->level && extent->level <= DISK_HEIGHT_MAX);
	if (survey->out_of_memory || !node)
		return false;
	if (again && node->known && node_is_whole(survey, extent)) {
		walk->sectors[extent->level + 1] += node->sectors;
		walk->pages[extent->level + 1] += node->pages;
		return false;
	}
	walk->sectors[extent->level] = extent->reference.sectors;
	walk->pages[extent->level] = 0;
	return true;
}

static void walk_leave(struct verify_visit *visit, const struct verify_extent *extent)
{
	struct survey_walk *walk = visit->context;
	struct survey_node *node = node_of(walk->survey, &extent->reference);

	ASSERT(extent->level && extent->level <= DISK_HEIGHT_MAX);
	if (node && node_is_whole(walk->survey, extent)) {
		node->known = true;
		node->sectors = walk->sectors[extent->level];
		node->pages = walk->pages[extent->level];
	}
	walk->sectors[extent->level + 1] += walk->sectors[extent->level];
	walk->pages[extent->level + 1] += walk->pages[extent->level];
}

static void walk_page(struct verify_visit *visit, const struct verify_extent *extent)
{
	struct survey_walk *walk = visit->context;
	struct survey *survey = walk->survey;

	if (walk->owner == 0 && delta_touches(survey, extent->key, extent->key + 1)) {
		ASSERT(survey->replaced_count < survey->live.entries);
		survey->replaced[survey->replaced_count++] = extent->reference;
		return;
	}
	walk->pages[1]++;
	walk->sectors[1] += extent->reference.sectors;
	if (extent->reference.sectors)
		reach(survey, walk->owner, &extent->reference, false);
	else if (walk->owner == 0)
		count_zero(survey, &extent->reference);
}

static void walk_owner(struct survey *survey, uint32_t index, const struct verify_space *space,
		       uint64_t from)
{
	struct survey_walk walk = {.survey = survey, .owner = index};
	struct verify_visit visit = {.tree = DISK_TREE_SPACE,
				     .space = space,
				     .from = from,
				     .context = &walk,
				     .node = walk_node,
				     .leave = walk_leave,
				     .page = walk_page};
	unsigned top = space->root.height + 1;

	if (top > DISK_HEIGHT_MAX + 1)
		return;
	verify_visit(survey->verify, &visit);
	survey->owner[index].reached = walk.sectors[top];
	survey->owner[index].pages = walk.pages[top];
	survey->damaged += visit.damaged;
}

/* What the live state has instead of pages of its tree. */
static void walk_delta(struct survey *survey)
{
	struct survey_owner *live = &survey->owner[0];

	for (uint32_t i = 0; i < survey->live.entries; i++) {
		const struct disk_reference *reference = &survey->live.delta[i].reference;

		live->pages++;
		live->reached += reference->sectors;
		if (reference->sectors)
			reach(survey, 0, reference, false);
		else
			count_zero(survey, reference);
	}
}

/* After all walks: what nobody reaches any more. */
static void replaced_count(struct survey *survey)
{
	for (uint32_t i = 0; i < survey->replaced_count; i++) {
		const uint32_t *mark = mark_of(survey, &survey->replaced[i]);

		if (mark && *mark == MARK_NONE)
			survey->replaced_sectors += survey->replaced[i].sectors;
	}
}

/* ---- the trees of the store itself ----------------------------------------------- */

struct survey_plain {
	struct survey *survey;
	uint64_t sectors;
};

static void plain_page(struct verify_visit *visit, const struct verify_extent *extent)
{
	struct survey_plain *plain = visit->context;

	plain->sectors += extent->reference.sectors;
	count_new(plain->survey, &extent->reference, false);
}

static bool plain_node(struct verify_visit *visit, const struct verify_extent *extent)
{
	plain_page(visit, extent);
	return true;
}

/* Sectors of the free map or the catalogue, which nobody shares. */
static uint64_t walk_plain(struct survey *survey, enum disk_tree tree)
{
	struct survey_plain plain = {.survey = survey};
	struct verify_space space;
	struct verify_visit visit = {.tree = tree,
				     .space = &space,
				     .context = &plain,
				     .node = plain_node,
				     .page = plain_page};

	if (verify_space_generation(survey->verify, survey->live.generation, tree, &space) !=
	    STATUS_OK)
		return 0;
	verify_visit(survey->verify, &visit);
	survey->damaged += visit.damaged;
	return plain.sectors;
}

/* ---- beginning and end ----------------------------------------------------------- */

/* The records of the ring up to the chosen one, newest first. */
static void commits_list(struct survey *survey)
{
	const struct disk_record *record = verify_record(survey->verify);

	for (; record && survey->commits < DISK_RING_SLOTS;
	     record = inspect_record_below(survey->verify, record->generation))
		survey->commit[survey->commits++] = (struct survey_commit){
			.generation = record->generation,
			.delta = record->kind == DISK_RECORD_DELTA,
			.record_sectors = (record->length + SECTOR_SIZE - 1) / SECTOR_SIZE};
}

static bool survey_begin(struct survey *survey, struct inspect *inspect)
{
	const struct disk_snapshot *snapshot;
	uint32_t owners = 1;

	ASSERT(verify_record(inspect->verify)); /* a generation is chosen */
	*survey = (struct survey){.verify = inspect->verify};
	verify_space_live(inspect->verify, &survey->live);
	survey->regions = (verify_record(inspect->verify)->sectors + DISK_FREE_MAP_SECTORS - 1) /
			  DISK_FREE_MAP_SECTORS;
	while (verify_snapshot_at(inspect->verify, owners - 1))
		owners++;
	survey->mark = calloc(survey->regions, sizeof(*survey->mark));
	survey->owner = calloc(owners, sizeof(*survey->owner));
	survey->replaced = calloc(survey->live.entries + 1u, sizeof(*survey->replaced));
	if (!survey->mark || !survey->owner || !survey->replaced)
		return false;
	survey->owners = owners;
	for (uint32_t i = 1; i < owners; i++) {
		snapshot = verify_snapshot_at(inspect->verify, i - 1);
		survey->owner[i].snapshot = snapshot;
		if (snapshot->flags & DISK_SNAPSHOT_DYING)
			survey->cursor = snapshot->cursor;
	}
	commits_list(survey);
	return true;
}

enum status survey_run(struct survey *survey, struct inspect *inspect)
{
	if (!survey_begin(survey, inspect))
		return STATUS_NO_MEMORY;
	walk_owner(survey, 0, &survey->live, 0);
	walk_delta(survey);
	for (uint32_t i = 1; i < survey->owners; i++) {
		const struct disk_snapshot *snapshot = survey->owner[i].snapshot;
		bool dying = (snapshot->flags & DISK_SNAPSHOT_DYING) != 0;
		struct verify_space space;

		if (verify_space_snapshot(survey->verify, (snapshot_t){snapshot->number}, &space) ==
		    STATUS_OK)
			walk_owner(survey, i, &space, dying ? snapshot->cursor : 0);
	}
	replaced_count(survey);
	survey->free_map_sectors = walk_plain(survey, DISK_TREE_FREE_MAP);
	survey->catalogue_sectors = walk_plain(survey, DISK_TREE_CATALOGUE);
	return survey->out_of_memory ? STATUS_NO_MEMORY : STATUS_OK;
}

void survey_free(struct survey *survey)
{
	for (uint64_t i = 0; survey->mark && i < survey->regions; i++)
		free(survey->mark[i]);
	free(survey->mark);
	free(survey->node);
	free(survey->owner);
	free(survey->replaced);
}

bool survey_is_shared(const struct survey *survey, const struct disk_reference *reference)
{
	uint64_t sector = disk_reference_sector(reference).n;
	const uint32_t *region;

	ASSERT(sector / DISK_FREE_MAP_SECTORS < survey->regions);
	region = survey->mark[sector / DISK_FREE_MAP_SECTORS];
	return region && region[sector % DISK_FREE_MAP_SECTORS] == MARK_SHARED;
}

/* ---- the live pages -------------------------------------------------------------- */

struct survey_pages {
	const struct survey *survey;
	uint32_t entry; /* of the delta: the next */
	void *context;
	survey_page_t *page;
};

/* Entries of the delta for pages before this one. */
static void pages_of_delta(struct survey_pages *pages, uint64_t before)
{
	const struct verify_space *live = &pages->survey->live;

	for (; pages->entry < live->entries && live->delta[pages->entry].page < before;
	     pages->entry++)
		pages->page(pages->context, live->delta[pages->entry].page,
			    &live->delta[pages->entry].reference);
}

static void pages_of_tree(struct verify_visit *visit, const struct verify_extent *extent)
{
	struct survey_pages *pages = visit->context;
	const struct verify_space *live = &pages->survey->live;

	pages_of_delta(pages, extent->key);
	/* What the delta has newer comes with the next page. */
	if (pages->entry == live->entries || live->delta[pages->entry].page != extent->key)
		pages->page(pages->context, extent->key, &extent->reference);
}

void survey_pages(const struct survey *survey, void *context, survey_page_t *page)
{
	struct survey_pages pages = {.survey = survey, .context = context, .page = page};
	struct verify_visit visit = {.tree = DISK_TREE_SPACE,
				     .space = &survey->live,
				     .context = &pages,
				     .page = pages_of_tree};

	verify_visit(survey->verify, &visit);
	pages_of_delta(&pages, UINT64_MAX);
	ASSERT(pages.entry == survey->live.entries); /* all were told */
}
