/* SPDX-License-Identifier: MIT */
/*
 * table.h - page table entries (SDM volume 3, section 4.5).
 */
#ifndef KERNEL_X86_64_TABLE_H
#define KERNEL_X86_64_TABLE_H

#include <stdint.h>

#define ENTRY_PRESENT	    (UINT64_C(1) << 0)
#define ENTRY_WRITE	    (UINT64_C(1) << 1)
#define ENTRY_USER	    (UINT64_C(1) << 2)
#define ENTRY_WRITE_THROUGH (UINT64_C(1) << 3)
#define ENTRY_CACHE_OFF	    (UINT64_C(1) << 4)
#define ENTRY_ACCESSED	    (UINT64_C(1) << 5)
#define ENTRY_LARGE	    (UINT64_C(1) << 7) /* in levels 2 and 3 */
#define ENTRY_GLOBAL	    (UINT64_C(1) << 8)
#define ENTRY_NO_EXECUTE    (UINT64_C(1) << 63)
#define ENTRY_ADDRESS	    UINT64_C(0x000ffffffffff000)

#define TABLE_ENTRIES 512u

/* Index of an address in the table of a level, 1 (pages) to 4 (top). */
static inline unsigned table_index(uint64_t address, unsigned level)
{
	return (unsigned)(address >> (12 + 9 * (level - 1))) % TABLE_ENTRIES;
}

#endif
