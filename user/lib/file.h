/* SPDX-License-Identifier: MIT */
/*
 * file.h - objects (segments) as memory, found by their path.
 *
 * There is no reading and no writing: an attached object lies in memory at
 * file->address, in every program at the same place.  Only the size is changed
 * by a call.  An object attached here holds one slot and one attachment of the
 * machine until file_close.
 */
#ifndef USER_LIB_FILE_H
#define USER_LIB_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "user/lib/handle.h"

/* What a new object can grow to when nothing else is said. */
#define FILE_SIZE_MAX (UINT64_C(16) << 20)

struct file {
	struct segment segment;
	uint64_t address;
	uint64_t size, size_max; /* bytes, as last known */
	bool attached, owned;
};

/* Attaches the segment with these rights; its slot stays the caller's. */
enum status file_attach(struct file *file, struct segment segment, uint16_t rights);
/* The same by path; WRONG_TYPE when something else than a segment is there. */
enum status file_open(struct file *file, const char *path, uint16_t rights);
/* An empty object, attached for writing, that no directory names yet.  If it is
 * `owned`, it ends with this machine or when it is closed; otherwise with the bank, which for
 * file_create is the own one. */
enum status file_create(struct file *file, uint64_t size_max, bool owned);
enum status file_create_from(struct file *file, struct bank bank, uint64_t size_max, bool owned);
/* An empty object under a new name, attached for writing.  It is paid for by the
 * bank that pays for the directory, and ends with that one; EXISTS, ALLOWANCE. */
enum status file_create_named(struct file *file, const char *path, uint64_t size_max);
/* Detaches and gives the slot back; an owned object is destroyed. */
void file_close(struct file *file);
/* Ends an object that nothing names, e.g. after a failure, and closes it. */
void file_discard(struct file *file);

enum status file_resize(struct file *file, uint64_t bytes);

/* Bytes that change all at once. */
#define FILE_HEAD 16

/*
 * Makes the object consist of these bytes.  A reader, or a checkpoint, that comes
 * in the middle can see some new and some old bytes, and zeros behind them where
 * the object grows; but a whole text of up to FILE_HEAD bytes changes all at once
 * (its size, a moment later).
 */
enum status file_set(struct file *file, const void *bytes, uint64_t length);

/* The same with a text of up to 255 bytes. */
enum status file_print(struct file *file, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static inline void *file_data(const struct file *file)
{
	return (void *)(uintptr_t)file->address;
}

#endif
