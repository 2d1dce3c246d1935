/* SPDX-License-Identifier: MIT */
/*
 * types.h - the numbers of the system, each a type of its own.
 *
 * A page number, a sector and a generation are all 64-bit integers; mixing
 * them up is the classic way to lose a disk.  Each is therefore a structure
 * with one member, so that an assignment between two kinds does not compile.
 * These are in-memory types; on the disk they are plain little-endian fields
 * (see format.h).
 */
#ifndef BASE_TYPES_H
#define BASE_TYPES_H

#include <assert.h> /* static_assert */
#include <stddef.h>
#include <stdint.h>

/* A 4 KiB page of the one address space: virtual address >> 12. */
typedef struct {
	uint64_t n;
} page_t;

/* A 512-byte sector of the store's partition, counted from its start. */
typedef struct {
	uint64_t n;
} sector_t;

/* A committed state.  Numbered upwards from 1, never used twice; 0 is none. */
typedef struct {
	uint64_t n;
} generation_t;

/* A snapshot's number in the catalogue, from 1; 0 is none. */
typedef struct {
	uint64_t n;
} snapshot_t;

/* An object: its index in the object table, from 1; 0 is none. */
typedef struct {
	uint32_t n;
} object_t;

#define PAGE_SHIFT    12u
#define PAGE_SIZE     4096u
#define SECTOR_SIZE   512u
#define BLOCK_SIZE    4096u
#define BLOCK_SECTORS (BLOCK_SIZE / SECTOR_SIZE)

#endif
