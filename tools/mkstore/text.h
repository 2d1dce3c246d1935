/* SPDX-License-Identifier: MIT */
/*
 * text.h - numbers, sizes, times, identities and names, to and from text.
 *
 * Names in a store are bytes of anybody's choosing; text_name makes them safe
 * for a terminal.
 */
#ifndef TOOLS_MKSTORE_TEXT_H
#define TOOLS_MKSTORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_SIZE 32u /* enough for each of the forms below */

/* "12 B", "1.5 KiB", "3.0 GiB" */
const char *text_size(char out[TEXT_SIZE], uint64_t bytes);
/* "2026-01-02 03:04:05 UTC", "-" for 0 */
const char *text_time(char out[TEXT_SIZE], uint64_t wall_ns);
/* "3 d 04:05:06", "04:05:06.789" */
const char *text_duration(char out[TEXT_SIZE], uint64_t ns);

#define TEXT_IDENTITY 37u
bool text_identity_parse(const char *text, uint8_t identity[16]);
const char *text_identity(char out[TEXT_IDENTITY], const uint8_t identity[16]);

/* Control characters and bytes that are not UTF-8 as \xNN, backslash doubled;
 * cut off with "..." when `size` is short (4 bytes per byte of the name and 1
 * always suffice). */
const char *text_name(char *out, size_t size, const void *name, size_t length);
#define TEXT_NAME(length) ((length)*4 + 1)
/* The same of an array that may end with zeros, into an array. */
#define TEXT_FIELD(out, field) text_name(out, sizeof(out), field, strnlen(field, sizeof(field)))

/* May somebody give a snapshot this name (store/keeping.h)?  Otherwise says why not. */
bool text_snapshot_name_check(const char *name);
/* A rule for automatic snapshots (store/keeping.h); otherwise says so. */
struct disk_retention;
bool text_retention_parse(const char *text, struct disk_retention *rule);

#endif
