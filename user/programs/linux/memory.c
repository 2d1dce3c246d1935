/* SPDX-License-Identifier: MIT */
/*
 * memory.c - the memory of a Linux program.  Interface in linux.h.
 *
 * All of it is pages of the arena, a segment that only the keeper has a capability to.  A region is
 * a run of them at a place in the program's memory; each with a right is part of one attachment of
 * the view.  A region that never had a right has no pages.  Page 0 of the arena is the keeper's
 * own.
 *
 * To take anything from a view costs all who have it what they had mapped of that segment.  So what
 * is unmapped becomes idle first: it stays attached, for the next that wants as much.
 */
#include "user/programs/linux/linux.h"

#include <string.h>
#include "base/assert.h"
#include "user/lib/file.h"
#include "user/lib/program.h"
#include "user/lib/slot.h"
#include "user/lib/table.h"

#define ARENA_PAGES UINT64_C(262144) /* 1 GiB, if its bank gives so much */
#define ARENA_SPARE 64u		     /* so many free ones at its end go back to the bank */
#define REGIONS	    4096u
#define IDLE	    64u /* regions, */
#define IDLE_PAGES  64u /* of so many pages at most */
#define STACK_STEP  (UINT64_C(128) << 10)

struct region {
	uint64_t address;
	uint32_t pages, first; /* first in the arena; 0: none */
	uint16_t rights;       /* 0: not attached */
	bool idle;	       /* it is unmapped, as far as the program goes */
};

static struct {
	struct file arena;
	struct view view;
	uint64_t pages; /* of the arena */
	uint64_t taken[ARENA_PAGES / 64];
	uint64_t stack; /* its lower end */
	unsigned regions, idle;
	struct region region[REGIONS]; /* by address */
} memory = {.stack = LINUX_STACK_TOP};

struct view memory_view(void)
{
	return memory.view;
}

/* ---- pages of the arena ---- */

static bool arena_taken(uint64_t page)
{
	return memory.taken[page / 64] >> page % 64 & 1;
}

static void arena_mark(uint64_t first, uint64_t pages, bool taken)
{
	for (uint64_t page = first; page < first + pages; page++) {
		uint64_t bit = UINT64_C(1) << page % 64;

		if (taken)
			memory.taken[page / 64] |= bit;
		else
			memory.taken[page / 64] &= ~bit;
	}
}

/* The first run of free pages that is long enough, or that ends the arena. */
static uint64_t arena_find(uint64_t pages)
{
	uint64_t run = 0;

	for (uint64_t page = 1; page < memory.pages; page++) {
		if (page % 64 == 0 && memory.taken[page / 64] == UINT64_MAX) {
			run = 0;
			page += 63;
			continue;
		}
		run = arena_taken(page) ? 0 : run + 1;
		if (run == pages)
			return page + 1 - run;
	}
	return memory.pages - run;
}

static uint8_t *arena_at(uint64_t page)
{
	return (uint8_t *)file_data(&memory.arena) + page * PAGE_SIZE;
}

/* Zeros. */
static enum status arena_take(uint64_t pages, uint32_t *first)
{
	uint64_t found = arena_find(pages), end = found + pages;
	uint64_t old = end < memory.pages ? end : memory.pages;
	enum status status;

	if (pages > ARENA_PAGES || end > ARENA_PAGES)
		return STATUS_ALLOWANCE;
	if (end > memory.pages) {
		status = file_resize(&memory.arena, end * PAGE_SIZE);
		if (status != STATUS_OK)
			return status;
		memory.pages = end;
	}
	memset(arena_at(found), 0, (old - found) * PAGE_SIZE);
	arena_mark(found, pages, true);
	*first = (uint32_t)found;
	return STATUS_OK;
}

/* What is cut off is zero when it comes back. */
static void arena_give(uint64_t first, uint64_t pages)
{
	uint64_t end = memory.pages;

	arena_mark(first, pages, false);
	while (!arena_taken(end - 1))
		end--;
	if (memory.pages - end < ARENA_SPARE)
		return;
	if (file_resize(&memory.arena, end * PAGE_SIZE) == STATUS_OK)
		memory.pages = end;
}

/* ---- regions ---- */

static uint64_t region_end(const struct region *region)
{
	return region->address + (uint64_t)region->pages * PAGE_SIZE;
}

/* The first one that ends behind the address. */
static unsigned region_find(uint64_t address)
{
	unsigned low = 0, high = memory.regions;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (region_end(&memory.region[middle]) > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static bool region_insert(const struct region *region)
{
	unsigned at = region_find(region->address);

	if (memory.regions == REGIONS)
		return false;
	memmove(&memory.region[at + 1], &memory.region[at],
		(memory.regions - at) * sizeof(memory.region[0]));
	memory.region[at] = *region;
	memory.regions++;
	return true;
}

static void region_remove(unsigned at)
{
	memory.regions--;
	memmove(&memory.region[at], &memory.region[at + 1],
		(memory.regions - at) * sizeof(memory.region[0]));
}

static bool range_free(uint64_t address, uint64_t pages)
{
	unsigned at = region_find(address);

	return at == memory.regions || memory.region[at].address >= address + pages * PAGE_SIZE;
}

static bool range_mapped(uint64_t address, uint64_t pages)
{
	uint64_t end = address + pages * PAGE_SIZE;

	for (unsigned at = region_find(address); address < end; at++) {
		if (at == memory.regions || memory.region[at].address > address ||
		    memory.region[at].idle)
			return false;
		address = region_end(&memory.region[at]);
	}
	return true;
}

/* No region goes over this address. */
static bool region_split(uint64_t address)
{
	unsigned at = region_find(address);
	struct region *region = &memory.region[at], behind;
	uint64_t pages;

	if (at == memory.regions || region->address >= address)
		return true;
	if (memory.regions == REGIONS)
		return false;
	behind = *region;
	pages = (address - region->address) / PAGE_SIZE;
	behind.address = address;
	behind.pages -= (uint32_t)pages;
	behind.first += behind.first ? (uint32_t)pages : 0;
	region->pages = (uint32_t)pages;
	memory.idle += region->idle;
	return region_insert(&behind);
}

/* *first: the first region of the range, which has regions of its own from now on. */
static enum status range_isolate(uint64_t address, uint64_t pages, unsigned *first)
{
	if (!region_split(address) || !region_split(address + pages * PAGE_SIZE))
		return STATUS_LIMIT;
	*first = region_find(address);
	return STATUS_OK;
}

static enum status region_protect(struct region *region, uint16_t rights)
{
	struct segment arena = memory.arena.segment;
	enum status status = STATUS_OK;

	if (region->rights == rights)
		return STATUS_OK;
	if (!region->first)
		status = arena_take(region->pages, &region->first);
	if (status == STATUS_OK && !region->rights)
		status = view_attach(memory.view, arena, region->first, region->pages, rights,
				     region->address);
	else if (status == STATUS_OK)
		status = view_protect(memory.view, arena, region->address, region->pages, rights);
	if (status == STATUS_OK)
		region->rights = rights;
	return status;
}

static enum status region_end_at(unsigned at)
{
	struct region *region = &memory.region[at];
	enum status status = region_protect(region, 0);

	if (status != STATUS_OK)
		return status;
	if (region->first)
		arena_give(region->first, region->pages);
	memory.idle -= region->idle;
	region_remove(at);
	return STATUS_OK;
}

static void idle_end(void)
{
	for (unsigned at = memory.regions; at-- > 0 && memory.idle;)
		if (memory.region[at].idle)
			region_end_at(at);
}

static bool idle_wake(uint64_t pages, uint64_t *address)
{
	for (unsigned at = 0; memory.idle && at < memory.regions; at++) {
		struct region *region = &memory.region[at];

		if (!region->idle || region->pages != pages)
			continue;
		region->idle = false;
		memory.idle--;
		memset(arena_at(region->first), 0, pages * PAGE_SIZE);
		*address = region->address;
		return true;
	}
	return false;
}

/* ---- what system calls ask for ---- */

enum status memory_begin(void)
{
	enum status status = file_create(&memory.arena, ARENA_PAGES * PAGE_SIZE, true);

	if (status == STATUS_OK)
		status = file_resize(&memory.arena, PAGE_SIZE);
	if (status != STATUS_OK)
		return status;
	memory.pages = 1;
	arena_mark(0, 1, true);
	memory.view = VIEW(slot_take());
	return memory.view.slot ? bank_view(OWN_BANK, memory.view.slot) : STATUS_LIMIT;
}

static enum status region_make(uint64_t address, uint64_t pages, uint16_t rights)
{
	struct region region = {.address = address, .pages = (uint32_t)pages};
	unsigned at;
	enum status status;

	if (!range_free(address, pages))
		return STATUS_EXISTS;
	if (!region_insert(&region))
		return STATUS_LIMIT;
	at = region_find(address);
	status = region_protect(&memory.region[at], rights);
	if (status != STATUS_OK) {
		if (memory.region[at].first)
			arena_give(memory.region[at].first, pages);
		region_remove(at);
	}
	return status;
}

enum status memory_map(uint64_t address, uint64_t pages, uint16_t rights)
{
	enum status status;

	if (!pages || pages > UINT32_MAX || !window_holds(address / PAGE_SIZE, pages))
		return STATUS_INVALID;
	status = region_make(address, pages, rights);
	if (status == STATUS_OK || !memory.idle)
		return status;
	idle_end();
	return region_make(address, pages, rights);
}

uint64_t memory_place(uint64_t pages)
{
	uint64_t top = LINUX_MAP_TOP, bytes = pages * PAGE_SIZE;

	if (!pages || pages > (LINUX_MAP_TOP - LINUX_MAP_BOTTOM) / PAGE_SIZE)
		return 0;
	for (unsigned at = memory.regions; at-- > 0 && top >= LINUX_MAP_BOTTOM + bytes;) {
		const struct region *region = &memory.region[at];

		if (region->address >= top)
			continue;
		if (region_end(region) <= top - bytes)
			break;
		top = region->address;
	}
	return top >= LINUX_MAP_BOTTOM + bytes ? top - bytes : 0;
}

enum status memory_map_somewhere(uint64_t pages, uint16_t rights, uint64_t *address)
{
	if (rights == (RIGHT_READ | RIGHT_WRITE) && idle_wake(pages, address))
		return STATUS_OK;
	*address = memory_place(pages);
	return *address ? memory_map(*address, pages, rights) : STATUS_ALLOWANCE;
}

static enum status range_end(uint64_t address, uint64_t pages, bool idle)
{
	uint64_t end = address + pages * PAGE_SIZE;
	unsigned at = 0;
	enum status status = range_isolate(address, pages, &at);

	while (status == STATUS_OK && at < memory.regions && memory.region[at].address < end) {
		struct region *region = &memory.region[at];

		if (!idle || region->rights != (RIGHT_READ | RIGHT_WRITE) ||
		    region->pages > IDLE_PAGES || (memory.idle >= IDLE && !region->idle)) {
			status = region_end_at(at);
			continue;
		}
		memory.idle += !region->idle;
		region->idle = true;
		at++;
	}
	return status;
}

enum status memory_unmap(uint64_t address, uint64_t pages)
{
	return range_end(address, pages, false);
}

enum status memory_free(uint64_t address, uint64_t pages)
{
	return range_end(address, pages, true);
}

enum status memory_protect(uint64_t address, uint64_t pages, uint16_t rights)
{
	uint64_t end = address + pages * PAGE_SIZE;
	unsigned at = 0;
	enum status status;

	if (!range_mapped(address, pages))
		return STATUS_NOT_FOUND;
	status = range_isolate(address, pages, &at);
	for (; status == STATUS_OK && at < memory.regions && memory.region[at].address < end; at++)
		status = region_protect(&memory.region[at], rights);
	return status;
}

/* What is taken from the view here only, the pages being shown elsewhere. */
static void range_forget(uint64_t address, uint64_t pages)
{
	uint64_t end = address + pages * PAGE_SIZE;
	unsigned at = region_find(address);

	while (at < memory.regions && memory.region[at].address < end) {
		program_check(region_protect(&memory.region[at], 0), "move memory of the program");
		region_remove(at);
	}
}

/* Shown at both places first: what fails leaves the old one as it was. */
static enum status range_move(uint64_t from, uint64_t pages, uint64_t to)
{
	uint64_t moved = 0;
	unsigned at = 0;
	enum status status = range_isolate(from, pages, &at);

	while (status == STATUS_OK && moved < pages) {
		struct region region = memory.region[region_find(from + moved * PAGE_SIZE)];
		uint16_t rights = region.rights;

		region.address = to + moved * PAGE_SIZE;
		region.rights = 0;
		if (!region_insert(&region)) {
			status = STATUS_LIMIT;
			break;
		}
		moved += region.pages;
		if (rights)
			status =
				region_protect(&memory.region[region_find(region.address)], rights);
	}
	if (status == STATUS_OK)
		range_forget(from, pages);
	else
		range_forget(to, moved);
	return status;
}

enum status memory_resize(uint64_t *address, uint64_t pages, uint64_t new_pages, bool may_move)
{
	uint64_t to = *address, end = to + pages * PAGE_SIZE;
	uint16_t rights;
	enum status status;

	if (!range_mapped(to, pages))
		return STATUS_NOT_FOUND;
	if (new_pages <= pages)
		return memory_unmap(to + new_pages * PAGE_SIZE, pages - new_pages);
	rights = memory.region[region_find(end - 1)].rights;
	if (memory_map(end, new_pages - pages, rights) == STATUS_OK)
		return STATUS_OK;
	to = may_move ? memory_place(new_pages) : 0;
	if (!to)
		return STATUS_ALLOWANCE;
	status = memory_map(to + pages * PAGE_SIZE, new_pages - pages, rights);
	if (status == STATUS_OK) {
		status = range_move(*address, pages, to);
		if (status != STATUS_OK)
			memory_unmap(to + pages * PAGE_SIZE, new_pages - pages);
	}
	if (status == STATUS_OK)
		*address = to;
	return status;
}

bool memory_stack_grows(uint64_t address)
{
	const uint64_t end = LINUX_STACK_TOP - LINUX_STACK_MAX;
	uint64_t low = address / STACK_STEP * STACK_STEP, more = LINUX_STACK_TOP - memory.stack;

	if (address >= memory.stack || address < end)
		return false;
	/* Twice as much each time, or it would be told of often. */
	if (memory.stack - low < more)
		low = memory.stack - more > end ? memory.stack - more : end;
	if (memory_map(low, (memory.stack - low) / PAGE_SIZE, RIGHT_READ | RIGHT_WRITE) !=
	    STATUS_OK)
		return false;
	memory.stack = low;
	return true;
}

/* ---- what is in it ---- */

void *memory_at(uint64_t address, uint16_t right, uint64_t *bytes)
{
	unsigned at = region_find(address);
	const struct region *region;

	if ((at == memory.regions || memory.region[at].address > address) &&
	    memory_stack_grows(address))
		at = region_find(address);
	region = &memory.region[at];
	if (at == memory.regions || region->address > address || region->idle ||
	    !(region->rights & right))
		return NULL;
	*bytes = region_end(region) - address;
	return arena_at(region->first) + (address - region->address);
}

static bool memory_copy(void *to, const void *from, uint64_t address, uint64_t bytes)
{
	for (uint64_t done = 0, part; done < bytes; done += part) {
		void *at = memory_at(address + done, to ? RIGHT_READ : RIGHT_WRITE, &part);

		if (!at)
			return false;
		part = part < bytes - done ? part : bytes - done;
		if (to)
			memcpy((uint8_t *)to + done, at, part);
		else
			memcpy(at, (const uint8_t *)from + done, part);
	}
	return true;
}

bool memory_read(void *to, uint64_t address, uint64_t bytes)
{
	return memory_copy(to, NULL, address, bytes);
}

bool memory_write(uint64_t address, const void *from, uint64_t bytes)
{
	return memory_copy(NULL, from, address, bytes);
}

static uint64_t arena_offset(const void *at)
{
	return (uint64_t)(uintptr_t)at - memory.arena.address;
}

enum status memory_load(uint64_t address, struct view view, uint64_t from, uint64_t bytes,
			uint64_t *copied)
{
	enum status status = STATUS_OK;
	uint64_t part, got;

	for (*copied = 0; *copied < bytes && status == STATUS_OK; *copied += got) {
		const void *at = memory_at(address + *copied, RIGHT_WRITE, &part);

		if (!at)
			return STATUS_INVALID;
		part = part < bytes - *copied ? part : bytes - *copied;
		status = view_read(view, from + *copied, memory.arena.segment, arena_offset(at),
				   part, &got);
	}
	return status;
}

enum status memory_save(const void *at, struct view view, uint64_t to, uint64_t bytes,
			uint64_t *copied)
{
	return view_write(view, to, memory.arena.segment, arena_offset(at), bytes, copied);
}

enum status memory_look(void **at, struct view view, uint64_t from, uint64_t bytes)
{
	uint64_t copied;

	ASSERT(bytes <= PAGE_SIZE);
	*at = arena_at(0);
	return view_read(view, from, memory.arena.segment, 0, bytes, &copied);
}
