/* SPDX-License-Identifier: MIT */
/*
 * linux.h - a keeper that runs a static Linux program: its parts to each other.
 *
 *   main.c      options; the loop: a system call or a fault comes, an answer goes
 *   load.c      the ELF file, taken as hostile
 *   stack.c     what a program finds on its stack: arguments, environment, auxiliary vector
 *   memory.c    the program's memory: regions of an arena, shown through a view
 *   files.c     descriptors: the log, one file for output, files of a directory to be read
 *   calls.c     the table of system calls, and those of memory, time and the process
 *
 * The program runs in a foreign machine with no capability at all.  All its memory is pages of one
 * segment of the keeper's, the arena; files are copied into it by the kernel (view_read).  So the
 * keeper touches nothing that others could take away.  The state is in its variables, and as
 * persistent as they are.
 */
#ifndef USER_PROGRAMS_LINUX_LINUX_H
#define USER_PROGRAMS_LINUX_LINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "user/lib/message.h"
#include "user/lib/view.h"

/* Errors, as Linux numbers them; answered negative. */
enum linux_error {
	LINUX_EPERM = 1,
	LINUX_ENOENT = 2,
	LINUX_EIO = 5,
	LINUX_EBADF = 9,
	LINUX_EAGAIN = 11,
	LINUX_ENOMEM = 12,
	LINUX_EACCES = 13,
	LINUX_EFAULT = 14,
	LINUX_EEXIST = 17,
	LINUX_ENODEV = 19,
	LINUX_ENOTDIR = 20,
	LINUX_EISDIR = 21,
	LINUX_EINVAL = 22,
	LINUX_EMFILE = 24,
	LINUX_ENOTTY = 25,
	LINUX_ENOSPC = 28,
	LINUX_ESPIPE = 29,
	LINUX_EROFS = 30,
	LINUX_ENAMETOOLONG = 36,
	LINUX_ENOSYS = 38,
	LINUX_ETIMEDOUT = 110,
};

/* Where things lie: as on Linux, without its dice.  Programs with fixed addresses are in the lower
 * window, all else is in the upper one. */
#define LINUX_PIE_BASE	 UINT64_C(0x555555400000)
#define LINUX_MAP_BOTTOM UINT64_C(0x600000000000) /* what is mapped comes from the top down */
#define LINUX_MAP_TOP	 UINT64_C(0x7ffff7fff000)
#define LINUX_STACK_TOP	 UINT64_C(0x7fffffffe000)
#define LINUX_STACK_MAX	 (UINT64_C(8) << 20)
#define LINUX_STRINGS	 64u /* arguments and environment */

/* ---- memory.c ---- */

enum status memory_begin(void);
struct view memory_view(void);
/* New memory of zeros at a free place, or INVALID: it is outside the windows; EXISTS: it is not
 * free.  Rights 0: the place is taken, nothing is there yet. */
enum status memory_map(uint64_t address, uint64_t pages, uint16_t rights);
/* A free place, 0: there is none. */
uint64_t memory_place(uint64_t pages);
/* Both. */
enum status memory_map_somewhere(uint64_t pages, uint16_t rights, uint64_t *address);
enum status memory_unmap(uint64_t address, uint64_t pages);
/* The same at some time: until then the program can still touch it. */
enum status memory_free(uint64_t address, uint64_t pages);
/* NOT_FOUND: part of it is not mapped. */
enum status memory_protect(uint64_t address, uint64_t pages, uint16_t rights);
/* The same memory with another size, at another place if it has to and `may_move`. */
enum status memory_resize(uint64_t *address, uint64_t pages, uint64_t new_pages, bool may_move);
/* One more part of the stack, if that is where the address is. */
bool memory_stack_grows(uint64_t address);
/* The program's memory at an address, if it has this right there; *bytes: so much of it lies
 * together.  Null: a bad address. */
void *memory_at(uint64_t address, uint16_t right, uint64_t *bytes);
/* False: a bad address, and part may be copied. */
bool memory_read(void *to, uint64_t address, uint64_t bytes);
bool memory_write(uint64_t address, const void *from, uint64_t bytes);
/* Bytes of what is attached to another view, at `from`, into the program's memory. */
enum status memory_load(uint64_t address, struct view view, uint64_t from, uint64_t bytes,
			uint64_t *copied);
/* The program's memory at this pointer of memory_at, into what is attached to another view. */
enum status memory_save(const void *at, struct view view, uint64_t to, uint64_t bytes,
			uint64_t *copied);
/* A page that is the keeper's own, for what comes out of views. */
enum status memory_look(void **at, struct view view, uint64_t from, uint64_t bytes);

/* ---- load.c ---- */

struct image {
	uint64_t base, entry, end;
	uint64_t headers, header_count; /* where they are in memory; 0: nowhere */
};
/* Null, or what is wrong with the file and where. */
const char *image_load(struct image *image, const char *path);

/* ---- stack.c ---- */

struct strings {
	const char *text[LINUX_STRINGS];
	unsigned count;
};
/* *top: its stack pointer at its first instruction. */
enum status stack_fill(const struct image *image, const struct strings *arguments,
		       const struct strings *environment, uint64_t *top);
/* From the processor; false: it gives none. */
bool random_bytes(void *to, size_t bytes);

/* ---- files.c ---- */

/* Null: the program finds no files.  A path. */
void files_begin(const char *directory);
/* What it writes to descriptor 1 goes there. */
enum status files_output(const char *path);
/* Whole lines are in the log; this says what is left of one. */
void files_flush(void);
int64_t call_read(const uint64_t *word);
int64_t call_readv(const uint64_t *word);
int64_t call_pread(const uint64_t *word);
int64_t call_write(const uint64_t *word);
int64_t call_writev(const uint64_t *word);
int64_t call_open(const uint64_t *word);
int64_t call_openat(const uint64_t *word);
int64_t call_close(const uint64_t *word);
int64_t call_lseek(const uint64_t *word);
int64_t call_fstat(const uint64_t *word);
int64_t call_stat(const uint64_t *word);
int64_t call_newfstatat(const uint64_t *word);
int64_t call_ioctl(const uint64_t *word);
int64_t call_fcntl(const uint64_t *word);

/* ---- calls.c ---- */

struct process {
	struct machine machine;
	const char *name;
	uint64_t break_start, break_end;
	bool ended;
	int code;
	bool with_registers; /* the answer is these: */
	struct abi_registers registers;
};
extern struct process process;

/* The answer to the system call that came, in the same message. */
void calls_answer(struct message *message);
/* It ends, as by this signal. */
void process_signal(unsigned signal);

#endif
