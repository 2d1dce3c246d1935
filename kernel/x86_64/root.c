/* SPDX-License-Identifier: MIT */
/*
 * root.c - page tables of machines: the lower half.
 *
 *	top level --> level 3 --> level 2 --> level 1 --> page
 *
 * A page can be written when the W bit is set in its entry and in all entries
 * above it.  arch_root_protect clears W in the 256 top-level entries, so all
 * pages lose it in constant time; the W bits below keep their old values, which
 * must never come back into force by themselves.  Hence the rule of
 * arch_map(WRITE), top down:
 *
 *	where an entry on the path lacks W, first clear W in all 512 entries of
 *	the table below it, then set W in the entry
 *
 * so that permission is handed down on the path alone, and every sibling has lost
 * it one level lower.  Invariant: an entry with W set, below entries that all
 * have it, was mapped with ARCH_MAP_WRITE since the last protect.
 *
 * The TLB never holds more permission than the tables: protect and unmap flush
 * it, and the siblings' permission was withdrawn, and flushed, by the protect
 * before.  Holding less is harmless: it faults once, is mapped again, and
 * arch_map invalidates the page.
 */
#include <string.h>
#include "kernel/arch.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/table.h"
#include "kernel/x86_64/tlb.h"
#include "base/assert.h"

#define LOWER_ENTRIES  (TABLE_ENTRIES / 2)
#define INVALIDATE_MAX 32u /* pages one by one; above, all is flushed at once */
#define GIVE_MAX       8u  /* tables given back at a time */
static_assert(USER_END == USER_ARENA_END << PAGE_SHIFT,
	      "the user arena is what programs can reach");

static uint64_t *table_of(uint64_t entry)
{
	return (uint64_t *)arch_direct(entry & ENTRY_ADDRESS);
}

static uint64_t address_of(page_t page)
{
	return page.n << PAGE_SHIFT;
}

static uint64_t table_take(const struct arch_tables *tables)
{
	uint64_t physical = tables->take(tables->context);

	ASSERT(physical % PAGE_SIZE == 0);
	if (physical != 0)
		memset(arch_direct(physical), 0, PAGE_SIZE);
	return physical;
}

uint64_t arch_root_create(const struct arch_tables *tables)
{
	uint64_t root = table_take(tables);

	if (root != 0)
		memcpy(table_of(root) + LOWER_ENTRIES, table_of(map_kernel_root()) + LOWER_ENTRIES,
		       PAGE_SIZE / 2);
	return root;
}

void arch_root_leave(uint64_t root)
{
	ASSERT(root && root % PAGE_SIZE == 0 && root != map_kernel_root());
	tlb_leave(root);
}

/* The table of this level at an address, after those below it; what has gone is taken out of
 * the table above.  False: `left` came to its end. */
static bool table_give(const struct arch_tables *tables, uint64_t physical, unsigned level,
		       unsigned *left)
{
	uint64_t *table = table_of(physical);
	unsigned entries = level == 4 ? LOWER_ENTRIES : level > 1 ? TABLE_ENTRIES : 0;

	for (unsigned i = 0; i < entries; i++) {
		if (!(table[i] & ENTRY_PRESENT))
			continue;
		if (!table_give(tables, table[i] & ENTRY_ADDRESS, level - 1, left))
			return false;
		table[i] = 0;
	}
	if (!*left)
		return false;
	--*left;
	tables->give(tables->context, physical);
	return true;
}

bool arch_root_give(const struct arch_tables *tables, uint64_t root)
{
	unsigned left = GIVE_MAX;

	ASSERT(root && root % PAGE_SIZE == 0 && root != map_kernel_root());
	return table_give(tables, root, 4, &left);
}

static void table_withdraw_write(uint64_t *table)
{
	for (unsigned i = 0; i < TABLE_ENTRIES; i++)
		table[i] &= ~ENTRY_WRITE;
}

/* The table below an entry, made if there is none.  With `write`, the permission
 * is handed down as the rule above says.  Null: no memory. */
static uint64_t *table_below(const struct arch_tables *tables, uint64_t *entry, bool write)
{
	if (!(*entry & ENTRY_PRESENT)) {
		uint64_t physical = table_take(tables);
		if (physical == 0)
			return NULL;
		/* Empty: nothing below can have permission that it should not have. */
		*entry = physical | ENTRY_PRESENT | ENTRY_WRITE | ENTRY_USER;
	} else if (write && !(*entry & ENTRY_WRITE)) {
		table_withdraw_write(table_of(*entry));
		*entry |= ENTRY_WRITE;
	}
	return table_of(*entry);
}

bool arch_map(const struct arch_tables *tables, uint64_t root, page_t page, uint64_t physical,
	      unsigned flags)
{
	uint64_t address = address_of(page), *table = table_of(root);
	bool write = flags & ARCH_MAP_WRITE;
	uint64_t entry = physical | ENTRY_PRESENT | ENTRY_USER;

	ASSERT(root % PAGE_SIZE == 0 && physical % PAGE_SIZE == 0);
	ASSERT(!(flags & ~(unsigned)(ARCH_MAP_WRITE | ARCH_MAP_EXECUTE)));
	if (address >= USER_END)
		kernel_panic("page 0x%lx to be mapped lies outside the lower half",
			     (unsigned long)page.n);
	for (unsigned level = 4; level > 1; level--) {
		table = table_below(tables, &table[table_index(address, level)], write);
		if (table == NULL)
			return false;
	}
	if (write)
		entry |= ENTRY_WRITE;
	if (!(flags & ARCH_MAP_EXECUTE))
		entry |= ENTRY_NO_EXECUTE;
	table[table_index(address, 1)] = entry;
	tlb_invalidate(root, address_of(page));
	return true;
}

/* The level 1 entry of a page; null, and in *skip how many pages from it on have
 * no table in common, when there is none. */
static uint64_t *entry_find(uint64_t root, page_t page, uint64_t *skip)
{
	uint64_t address = address_of(page), *table = table_of(root);

	ASSERT(root);
	for (unsigned level = 4; level > 1; level--) {
		uint64_t entry = table[table_index(address, level)];
		if (!(entry & ENTRY_PRESENT)) {
			uint64_t span = UINT64_C(1) << 9 * (level - 1);
			*skip = span - page.n % span;
			return NULL;
		}
		table = table_of(entry);
	}
	return &table[table_index(address, 1)];
}

bool arch_unmap(uint64_t root, page_t page)
{
	uint64_t skip, *entry = entry_find(root, page, &skip);

	if (entry == NULL || !(*entry & ENTRY_PRESENT))
		return false;
	*entry = 0;
	tlb_invalidate(root, address_of(page));
	return true;
}

bool arch_unmap_range(uint64_t root, page_t first, uint64_t pages, uint32_t *looks)
{
	uint64_t end = first.n + pages, taken = 0;
	page_t page = first;

	for (; page.n < end && *looks; --*looks) {
		uint64_t skip = 1, *entry = entry_find(root, page, &skip);
		if (entry != NULL && *entry & ENTRY_PRESENT) {
			*entry = 0;
			if (taken++ < INVALIDATE_MAX)
				tlb_invalidate(root, address_of(page));
		}
		page.n += skip;
	}
	if (taken > INVALIDATE_MAX)
		tlb_flush(root);
	return page.n >= end;
}

bool arch_referenced(uint64_t root, page_t page)
{
	uint64_t skip, *entry = entry_find(root, page, &skip);

	if (entry == NULL || !(*entry & ENTRY_PRESENT) || !(*entry & ENTRY_ACCESSED))
		return false;
	*entry &= ~ENTRY_ACCESSED;
	tlb_invalidate(root, address_of(page));
	return true;
}

void arch_root_protect(uint64_t root)
{
	uint64_t *top = table_of(root);

	ASSERT(root && root != map_kernel_root());
	for (unsigned i = 0; i < LOWER_ENTRIES; i++)
		top[i] &= ~ENTRY_WRITE;
	tlb_flush(root);
}
