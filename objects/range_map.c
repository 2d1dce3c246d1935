/* SPDX-License-Identifier: MIT */
/*
 * range_map.c - which pages of the arenas are free.
 *
 *     level 2    [ 512 cells of 2^26 pages ]                      user arena only
 *                   |
 *     level 1    [ 2048 cells of 2^15 pages ] ...                 kernel arena: one
 *                   |
 *     level 0    [ 32768 bits, one a page; set: free ] ...
 *
 * A map of fixed places, not a tree that grows: whatever was taken and given back in
 * whatever order, the same pages are free, and the map is the same.  Neighbours that are
 * free are one block without anybody merging them.
 *
 * Sizes are written as a code: 0 nothing, else log2 + 1 of the largest naturally aligned
 * power of two of pages that is free.  A branch is a heap: node 1 is the whole page, nodes
 * 2i and 2i + 1 are the halves of node i, nodes from RANGE_CELLS on are the cells.  What
 * lies below a cell that is wholly free or not free at all is not looked at, and all zeros.
 *
 * A range lies in one page of the level at which it has bits or cells of its own.  Those
 * above it, two at most, change only if the largest block below becomes another: mostly one
 * page is changed.  What a commit will change is known when it is prepared, since a plan takes
 * from each arena once.
 */
#include "objects/objects_priv.h"
#include <string.h>

#define LEAF_WORDS 512u
#define LEAF_CODE  (RANGE_LEAF_SHIFT + 1) /* wholly free */
#define WORD_SHIFT 6u
static_assert(LEAF_WORDS << WORD_SHIFT == 1u << RANGE_LEAF_SHIFT, "a bit for each page");
static_assert(RANGE_CELLS << RANGE_LEAF_SHIFT == 1u << RANGE_BRANCH_SHIFT, "a cell for each leaf");

static_assert(RANGE_KERNEL_PAGE + ((TREE_ARENA_PAGE - KERNEL_ARENA_PAGE) >> RANGE_LEAF_SHIFT) <=
		      RANGE_USER_PAGE,
	      "room for the leaves of the kernel arena");
static_assert(RANGE_USER_PAGE + (RANGE_USER_END >> RANGE_LEAF_SHIFT) < OBJECT_TABLE_PAGE,
	      "room for those of the user arena");

static const uint64_t map_begin[2] = {KERNEL_ARENA_PAGE, USER_ARENA_PAGE};
static const uint64_t map_end[2] = {TREE_ARENA_PAGE, RANGE_USER_END};

#define GIVE_UP_MAX 4u /* cells in an operation */

/* ---- heaps of codes ----------------------------------------------------------------- */

/* Cells first .. first + count - 1 have changed; `code`: of a cell that is wholly free. */
static void heap_update(uint8_t *heap, uint32_t cells, uint32_t code, uint32_t first,
			uint32_t count)
{
	uint32_t low = (cells + first) / 2, high = (cells + first + count - 1) / 2;

	ASSERT(count && first + count <= cells);
	for (; low; low /= 2, high /= 2, code++)
		for (uint32_t node = low; node <= high; node++) {
			uint8_t left = heap[2 * node], right = heap[2 * node + 1];
			uint8_t most = left > right ? left : right;

			heap[node] = left == code && right == code ? most + 1 : most;
		}
}

/* The cell where a block of that code begins, or in which there is one: of two halves that
 * have one the half with less, so that large blocks stay whole, or the lower one. */
static enum status heap_find(const uint8_t *heap, uint32_t cells, uint32_t cell_code, uint32_t code,
			     uint32_t *cell)
{
	uint32_t node = 1, whole = cell_code + (uint32_t)__builtin_ctz(cells);

	if (heap[node] < code)
		return STATUS_LIMIT;
	while (node < cells && whole > code) {
		uint8_t left = heap[2 * node], right = heap[2 * node + 1];

		node = 2 * node + !(left >= code && (right < code || left <= right));
		whole--;
		if (heap[node] < code)
			return STATUS_CORRUPT;
	}
	while (node < cells)
		node *= 2;
	*cell = node - cells;
	return STATUS_OK;
}

/* ---- leaves -------------------------------------------------------------------------- */

/* Where blocks of code c + 1 begin, from those of code c. */
static uint64_t word_pairs(uint64_t blocks, uint32_t code)
{
	static const uint64_t begins[WORD_SHIFT] = {
		UINT64_C(0x5555555555555555), UINT64_C(0x1111111111111111),
		UINT64_C(0x0101010101010101), UINT64_C(0x0001000100010001),
		UINT64_C(0x0000000100000001), UINT64_C(0x0000000000000001)};

	ASSERT(code >= 1 && code <= WORD_SHIFT);
	return blocks & blocks >> (1u << (code - 1)) & begins[code - 1];
}

static uint8_t word_code(uint64_t word)
{
	uint8_t code = 0;

	if (word == UINT64_MAX) /* as most are */
		return WORD_SHIFT + 1;
	for (; word; word = word_pairs(word, code))
		code++;
	return code;
}

/* A smallest block of at least that code; the word has one. */
static uint32_t word_find(uint64_t word, uint32_t code)
{
	uint64_t blocks = word, larger;

	for (uint32_t i = 1; i < code; i++)
		blocks = word_pairs(blocks, i);
	for (;; code++, blocks = larger) {
		uint64_t alone;

		ASSERT(blocks);
		larger = code <= WORD_SHIFT ? word_pairs(blocks, code) : 0;
		alone = blocks & ~(larger | larger << (1u << (code - 1) & 63));
		if (alone)
			return (uint32_t)__builtin_ctzll(alone);
	}
}

static void leaf_heap(const struct disk_range_leaf *leaf, uint8_t heap[2 * LEAF_WORDS])
{
	for (uint32_t i = 0; i < LEAF_WORDS; i++)
		heap[LEAF_WORDS + i] = word_code(leaf->free[i]);
	heap_update(heap, LEAF_WORDS, WORD_SHIFT + 1, 0, LEAF_WORDS);
}

static enum status leaf_find(const struct disk_range_leaf *leaf, uint32_t code, uint32_t *bit)
{
	uint8_t heap[2 * LEAF_WORDS];
	uint32_t word;
	enum status status;

	leaf_heap(leaf, heap);
	status = heap_find(heap, LEAF_WORDS, WORD_SHIFT + 1, code, &word);
	if (status == STATUS_OK)
		*bit = (word << WORD_SHIFT) +
		       (code <= WORD_SHIFT ? word_find(leaf->free[word], code) : 0);
	return status;
}

/* ---- levels ---------------------------------------------------------------------------- */

static enum range_arena map_arena(uint64_t first)
{
	return first < USER_ARENA_PAGE ? RANGE_KERNEL : RANGE_USER;
}

static uint32_t map_top(enum range_arena arena)
{
	return arena == RANGE_KERNEL ? 1 : 2;
}

/* The level at which a range has bits or cells of its own. */
static uint32_t map_level(uint64_t pages)
{
	uint32_t shift = (uint32_t)__builtin_ctzll(pages);

	return shift < RANGE_LEAF_SHIFT ? 0 : shift < RANGE_BRANCH_SHIFT ? 1 : 2;
}

static page_t map_page(enum range_arena arena, uint32_t level, uint64_t first)
{
	ASSERT(level <= map_top(arena));
	if (!level)
		return (page_t){range_leaf_page(first)};
	if (level < map_top(arena))
		return (page_t){range_branch_page(first)};
	return (page_t){arena == RANGE_KERNEL ? RANGE_KERNEL_ROOT : RANGE_USER_ROOT};
}

/* Of a cell of that level: log2 of its pages. */
static uint32_t map_shift(uint32_t level)
{
	return level == 1 ? RANGE_LEAF_SHIFT : RANGE_BRANCH_SHIFT;
}

static uint32_t map_cell(uint32_t level, uint64_t first)
{
	return (uint32_t)(first >> map_shift(level)) % RANGE_CELLS;
}

/* ---- reading ------------------------------------------------------------------------------ */

/* CORRUPT, or what reading said: *level is that of the page that is to blame, *first the
 * first page that it is about. */
static enum status map_search(struct space *space, enum range_arena arena, uint32_t code,
			      uint64_t *first, uint32_t *level)
{
	*first = 0;
	for (*level = map_top(arena);; --*level) {
		const struct disk_range_branch *branch;
		const void *node;
		uint64_t cell;
		uint32_t at = 0;
		enum status status =
			space_read_zeros(space, map_page(arena, *level, *first), &node);

		if (status != STATUS_OK)
			return status;
		branch = node;
		status = *level ? heap_find(branch->largest, RANGE_CELLS, map_shift(*level) + 1,
					    code, &at)
				: leaf_find(node, code, &at);
		/* What is above has promised it. */
		if (status == STATUS_LIMIT && *level < map_top(arena))
			return STATUS_CORRUPT;
		if (status != STATUS_OK || !*level) {
			*first += at;
			return status;
		}
		cell = *first + ((uint64_t)at << map_shift(*level));
		if (cell + (UINT64_C(1) << map_shift(*level)) <= map_begin[arena] ||
		    cell >= map_end[arena])
			return STATUS_CORRUPT; /* no page of the map is about that */
		*first = cell;
		if (branch->largest[RANGE_CELLS + at] > map_shift(*level))
			return STATUS_OK;
	}
}

/* ---- preparing ------------------------------------------------------------------------------ */

/* The pages of that level and of all above it. */
static enum status map_prepare(struct space *space, enum range_arena arena, uint32_t level,
			       uint64_t first)
{
	enum status status = STATUS_OK;
	void *data;

	for (; level <= map_top(arena) && status == STATUS_OK; level++)
		status = space_write(space, map_page(arena, level, first), &data);
	return status;
}

/* Bits of a word: of `count` pages from `first` on, those from `word` * 64 to its end. */
static uint64_t word_mask(uint64_t first, uint64_t count, uint64_t word)
{
	uint64_t begin = first > word * 64 ? first - word * 64 : 0;
	uint64_t end = first + count - word * 64;

	ASSERT(begin < 64 && end);
	return UINT64_MAX << begin & (end < 64 ? (UINT64_C(1) << end) - 1 : UINT64_MAX);
}

/* What the code of the leaf becomes when these bits do. */
static uint32_t leaf_code_after(const struct disk_range_leaf *leaf, uint64_t first, uint64_t count,
				bool free)
{
	uint64_t bit = first % (1u << RANGE_LEAF_SHIFT), last = (bit + count - 1) / 64;
	uint8_t heap[2 * LEAF_WORDS];

	ASSERT(bit + count <= 1u << RANGE_LEAF_SHIFT);
	leaf_heap(leaf, heap);
	for (uint64_t word = bit / 64; word <= last; word++) {
		uint64_t mask = word_mask(bit, count, word);

		heap[LEAF_WORDS + word] =
			word_code(free ? leaf->free[word] | mask : leaf->free[word] & ~mask);
	}
	heap_update(heap, LEAF_WORDS, WORD_SHIFT + 1, (uint32_t)(bit / 64),
		    (uint32_t)(last - bit / 64 + 1));
	return heap[1];
}

/* What the code of the branch becomes when a cell does. */
static uint32_t branch_code_after(const struct disk_range_branch *branch, uint32_t whole,
				  uint32_t cell, uint32_t code)
{
	for (uint32_t node = RANGE_CELLS + cell; node > 1; node /= 2, whole++) {
		uint32_t other = branch->largest[node ^ 1];

		if (code == whole && other == whole)
			code++;
		else if (other > code)
			code = other;
	}
	return code;
}

/* For a change in a leaf: that, and what is above as far as it becomes another. */
static enum status map_leaf_prepare(struct space *space, enum range_arena arena, uint64_t first,
				    uint64_t count, bool free)
{
	const void *found;
	void *data;
	enum status status = space_write(space, map_page(arena, 0, first), &data);
	uint32_t code = status == STATUS_OK ? leaf_code_after(data, first, count, free) : 0;

	for (uint32_t level = 1; level <= map_top(arena) && status == STATUS_OK; level++) {
		uint32_t cell = map_cell(level, first), after;
		const struct disk_range_branch *branch;

		status = space_read_zeros(space, map_page(arena, level, first), &found);
		if (status != STATUS_OK)
			return status;
		branch = found;
		if (branch->largest[RANGE_CELLS + cell] == code)
			return STATUS_OK;
		after = branch_code_after(branch, map_shift(level) + 1, cell, code);
		status = space_write(space, map_page(arena, level, first), &data);
		code = after;
	}
	return status;
}

/* Is it part of a cell above that is wholly free? */
static enum status map_whole(struct space *space, enum range_arena arena, uint32_t level,
			     uint64_t first, bool *whole)
{
	*whole = false;
	while (++level <= map_top(arena) && !*whole) {
		const struct disk_range_branch *branch;
		const void *found;
		enum status status = space_read_zeros(space, map_page(arena, level, first), &found);

		if (status != STATUS_OK)
			return status;
		branch = found;
		*whole = branch->largest[RANGE_CELLS + map_cell(level, first)] > map_shift(level);
	}
	return STATUS_OK;
}

enum status range_take_prepare(struct space *space, uint64_t first, uint64_t pages, uint64_t beside)
{
	enum range_arena arena = map_arena(first);
	uint32_t level = map_level(pages);
	bool whole;
	enum status status = map_whole(space, arena, level, first, &whole);

	ASSERT(!beside || !level);
	if (status != STATUS_OK)
		return status;
	if (whole || level)
		return map_prepare(space, arena, level, first);
	return map_leaf_prepare(space, arena, first, pages + beside, false);
}

/* Is nothing of it free, as far as the page of its level says? */
static bool map_taken(const void *node, uint32_t level, uint64_t first, uint64_t pages)
{
	const struct disk_range_leaf *leaf = node;
	const struct disk_range_branch *branch = node;
	uint64_t bit = first % (1u << RANGE_LEAF_SHIFT);

	for (uint64_t word = bit / 64; !level && word * 64 < bit + pages; word++)
		if (leaf->free[word] & word_mask(bit, pages, word))
			return false;
	for (uint64_t i = 0; level && i < pages >> map_shift(level); i++)
		if (branch->largest[RANGE_CELLS + map_cell(level, first) + i])
			return false;
	return true;
}

enum status range_give_prepare(struct space *space, uint64_t first, uint64_t pages)
{
	enum range_arena arena = map_arena(first);
	uint32_t level = map_level(pages);
	const void *node;
	bool whole;
	enum status status;

	ASSERT(range_valid(arena, first, pages));
	if (first + pages > map_end[arena])
		return STATUS_CORRUPT; /* only version 1 has handed it out */
	status = map_whole(space, arena, level, first, &whole);
	if (status == STATUS_OK)
		status = space_read_zeros(space, map_page(arena, level, first), &node);
	if (status != STATUS_OK)
		return status;
	if (whole || !map_taken(node, level, first, pages))
		return STATUS_CORRUPT;
	if (level)
		return map_prepare(space, arena, level, first);
	return map_leaf_prepare(space, arena, first, pages, true);
}

/* ---- committing -------------------------------------------------------------------------------
 */

/* Says in the pages above what the page of that level has come to. */
static void map_up(struct space *space, enum range_arena arena, uint32_t level, uint64_t first)
{
	uint8_t heap[2 * LEAF_WORDS];

	for (; level < map_top(arena); level++) {
		void *node = space_writable(space, map_page(arena, level, first));
		struct disk_range_branch *branch = node;
		uint32_t cell = map_cell(level + 1, first), whole = map_shift(level + 1) + 1;
		const struct disk_range_branch *above =
			space_resident(space, map_page(arena, level + 1, first));
		uint8_t code;

		if (!level)
			leaf_heap(node, heap);
		code = level ? branch->largest[1] : heap[1];
		if (above->largest[RANGE_CELLS + cell] == code)
			return;
		if (code == whole)
			memset(node, 0, PAGE_SIZE);
		branch = space_writable(space, map_page(arena, level + 1, first));
		branch->largest[RANGE_CELLS + cell] = code;
		heap_update(branch->largest, RANGE_CELLS, whole, cell, 1);
	}
}

/* The page of that level gets what a wholly free cell stands for. */
static void map_open(void *node, uint32_t level)
{
	struct disk_range_branch *branch = node;
	uint32_t code = map_shift(level) + 1;

	if (!level) {
		memset(node, 0xff, PAGE_SIZE);
		return;
	}
	memset(branch, 0, sizeof(*branch));
	memset(branch->largest + RANGE_CELLS, (int)code, RANGE_CELLS);
	heap_update(branch->largest, RANGE_CELLS, code, 0, RANGE_CELLS);
}

static void map_mark(void *node, uint32_t level, uint64_t first, uint64_t pages, bool free)
{
	struct disk_range_leaf *leaf = node;
	struct disk_range_branch *branch = node;
	uint64_t bit = first % (1u << RANGE_LEAF_SHIFT);
	uint32_t cell, code, count;

	for (uint64_t word = bit / 64; !level && word * 64 < bit + pages; word++) {
		if (free)
			leaf->free[word] |= word_mask(bit, pages, word);
		else
			leaf->free[word] &= ~word_mask(bit, pages, word);
	}
	if (!level)
		return;
	cell = map_cell(level, first);
	code = map_shift(level) + 1;
	count = (uint32_t)(pages >> map_shift(level));
	memset(branch->largest + RANGE_CELLS + cell, free ? (int)code : 0, count);
	heap_update(branch->largest, RANGE_CELLS, code, cell, count);
}

static void map_change(struct space *space, uint64_t first, uint64_t pages, bool free)
{
	enum range_arena arena = map_arena(first);
	uint32_t level = map_level(pages);

	map_mark(space_writable(space, map_page(arena, level, first)), level, first, pages, free);
	map_up(space, arena, level, first);
}

void range_take(struct space *space, uint64_t first, uint64_t pages)
{
	enum range_arena arena = map_arena(first);

	for (uint32_t level = map_top(arena); level > map_level(pages); level--) {
		const struct disk_range_branch *branch =
			space_resident(space, map_page(arena, level, first));

		if (branch->largest[RANGE_CELLS + map_cell(level, first)] > map_shift(level))
			map_open(space_writable(space, map_page(arena, level - 1, first)),
				 level - 1);
	}
	map_change(space, first, pages, false);
}

void range_give(struct space *space, uint64_t first, uint64_t pages)
{
	map_change(space, first, pages, true);
}

/* ---- finding ------------------------------------------------------------------------------ */

enum status range_give_up(struct space *space, uint64_t first, uint64_t pages)
{
	enum status status = range_take_prepare(space, first, pages, 0);

	/* Commit point of its own: it holds whatever comes of the operation. */
	if (status == STATUS_OK)
		range_take(space, first, pages);
	return status;
}

enum status range_find(struct space *space, enum range_arena arena, uint64_t pages, uint64_t *first)
{
	uint32_t code = (uint32_t)__builtin_ctzll(pages) + 1, level;
	enum status status = map_search(space, arena, code, first, &level);

	/* One page of the map that cannot be read, or does not hold what was promised, must not
	 * keep everybody from creating. */
	for (uint32_t i = 0; i < GIVE_UP_MAX && level < map_top(arena); i++) {
		if (!space_lost(space, status))
			break;
		if (*first < map_begin[arena])
			*first = map_begin[arena];
		status = range_give_up(space, *first, UINT64_C(1) << map_shift(level + 1));
		if (status != STATUS_OK)
			return status;
		status = map_search(space, arena, code, first, &level);
	}
	if (status == STATUS_OK && !range_valid(arena, *first, pages))
		return STATUS_CORRUPT;
	return status;
}

/* ---- a new map --------------------------------------------------------------------------------
 */

enum status range_map_prepare(struct space *space, enum range_arena arena, uint64_t next)
{
	return next < map_end[arena] ? map_prepare(space, arena, 0, next) : STATUS_OK;
}

void range_map_begin(struct space *space, enum range_arena arena, uint64_t next)
{
	struct disk_range_leaf *leaf;

	if (next >= map_end[arena])
		return;
	leaf = space_writable(space, map_page(arena, 0, next));
	memset(leaf, 0, sizeof(*leaf));
	map_mark(leaf, 0, next, (1u << RANGE_LEAF_SHIFT) - next % (1u << RANGE_LEAF_SHIFT), true);
	for (uint32_t level = 1; level <= map_top(arena); level++) {
		struct disk_range_branch *branch =
			space_writable(space, map_page(arena, level, next));
		uint32_t code = map_shift(level) + 1, cell = map_cell(level, next) + 1;
		uint32_t end = RANGE_CELLS;

		if (level == map_top(arena))
			end = map_cell(level, map_end[arena]);
		memset(branch, 0, sizeof(*branch));
		if (cell >= end)
			continue;
		memset(branch->largest + RANGE_CELLS + cell, (int)code, end - cell);
		heap_update(branch->largest, RANGE_CELLS, code, cell, end - cell);
	}
	map_up(space, arena, 0, next);
}
