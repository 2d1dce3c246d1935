/* SPDX-License-Identifier: MIT */
/*
 * loader.h - what a program instance looks like, worked out from an ELF file.
 *
 * Pure code: no system calls, no allocation, no state.  Ring 3 uses it to start
 * programs, mkstore to lay down the first ones and the kernel to make the shell
 * anew, so that all machines are exactly alike.  The file is taken as hostile: every number in
 * it is checked before it is used, and loops are bounded by the limits below.
 *
 *   offset in the instance
 *   0              image: what the file's load segments describe
 *   image_pages    guard pages, never attached
 *   stack_first    stack; at its upper end struct abi_start, below it rsp
 *   total_pages    end
 *
 * Accepted are static position-independent programs (gcc -static-pie) with
 * R_X86_64_RELATIVE relocations in writable data only.  Segments that are both
 * writable and executable, text relocations, thread-local storage, constructors
 * and interpreters are refused with the reason.
 */
#ifndef KERNEL_LOADER_H
#define KERNEL_LOADER_H

#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"
#include "kernel/abi.h"

#define LOADER_SEGMENTS	       6u   /* load segments in a file */
#define LOADER_RUNS	       8u   /* attachments: segments, the relro part, the stack */
#define LOADER_HEADERS	       32u  /* program headers */
#define LOADER_DYNAMIC	       256u /* entries of the dynamic section */
#define LOADER_RELOCATIONS_MAX 65536u
#define LOADER_IMAGE_PAGES_MAX 262144u /* 1 GiB */
#define LOADER_GUARD_PAGES     4u
#define LOADER_STACK_PAGES     16u

struct loader_run {
	uint64_t first, pages; /* in the instance */
	uint16_t rights; /* RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE, never both of the last */
};

struct loader_segment {
	uint64_t address; /* byte offset in the instance */
	uint64_t file_offset, file_bytes, memory_bytes;
	uint16_t rights;
};

struct loader_plan {
	uint64_t image_pages;		   /* from the start of the instance to the end of bss */
	uint64_t stack_first, stack_pages; /* pages */
	uint64_t total_pages;		   /* size of the instance segment */
	uint64_t max_pages;		   /* its range, a power of two */
	uint64_t start_offset;		   /* bytes: struct abi_start */
	uint64_t entry_offset;		   /* bytes: first instruction */
	uint64_t stack_top_offset;	   /* bytes: initial rsp */
	struct loader_run run[LOADER_RUNS];
	unsigned runs;
	struct loader_segment segment[LOADER_SEGMENTS];
	unsigned segments;
	uint64_t relocation_offset; /* in the file */
	uint64_t relocations;
	const char *error; /* after a failure: what is wrong with the file */
};

/* The file: in memory as a whole, or read part by part, which may have to wait. */
struct loader_source {
	uint64_t bytes;
	const void *data; /* null: it is read */
	enum status (*read)(void *context, uint64_t offset, void *to, uint64_t bytes);
	void *context;
};

/* FORMAT or LIMIT with plan->error set, OK, or what reading the file gave. */
enum status loader_plan(const struct loader_source *file, struct loader_plan *plan);

/* Is the page all zeros and therefore need not be written? */
bool loader_page_empty(const struct loader_plan *plan, uint64_t index);

/*
 * Builds one page of the instance in `page` (4096 bytes, zeroed by the caller):
 * bytes of the file, the relocations that fall into it, struct abi_start.  Of
 * `start` only the arguments are taken; addresses and magic are filled in.
 * INVALID for an index or a base that makes no sense, FORMAT if the file was
 * changed since it was planned, or what reading it gave.
 */
enum status loader_page(const struct loader_plan *plan, const struct loader_source *file,
			uint64_t base_address, uint64_t message_page_address,
			const struct abi_start *start, uint64_t index, void *page);

/* Appends a string to start->arguments; LIMIT if it does not fit. */
enum status loader_argument_add(struct abi_start *start, const char *text);

#endif
