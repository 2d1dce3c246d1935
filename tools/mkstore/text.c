/* SPDX-License-Identifier: MIT */
/*
 * text.c - see text.h.
 */
#include "tools/mkstore/text.h"
#include "base/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/keeping.h"
#include "tools/mkstore/command.h"

#define TEXT_NS_PER_SECOND UINT64_C(1000000000)

const char *text_size(char out[TEXT_SIZE], uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	unsigned unit = 0;
	uint64_t whole = bytes / 1024, rest = bytes % 1024;

	if (bytes < 1024) {
		snprintf(out, TEXT_SIZE, "%" PRIu64 " B", bytes);
		return out;
	}
	while (whole >= 1024) {
		rest = whole % 1024;
		whole /= 1024;
		unit++;
	}
	ASSERT(unit < sizeof(units) / sizeof(units[0]));
	snprintf(out, TEXT_SIZE, "%" PRIu64 ".%" PRIu64 " %s", whole, rest * 10 / 1024,
		 units[unit]);
	return out;
}

const char *text_time(char out[TEXT_SIZE], uint64_t wall_ns)
{
	time_t seconds = (time_t)(wall_ns / TEXT_NS_PER_SECOND);
	struct tm broken;

	if (wall_ns == 0 || !gmtime_r(&seconds, &broken) ||
	    strftime(out, TEXT_SIZE, "%Y-%m-%d %H:%M:%S UTC", &broken) == 0)
		snprintf(out, TEXT_SIZE, "-");
	return out;
}

const char *text_duration(char out[TEXT_SIZE], uint64_t ns)
{
	uint64_t seconds = ns / TEXT_NS_PER_SECOND, days = seconds / 86400;
	unsigned hour = (unsigned)(seconds / 3600 % 24), minute = (unsigned)(seconds / 60 % 60);
	unsigned second = (unsigned)(seconds % 60);
	unsigned milli = (unsigned)(ns % TEXT_NS_PER_SECOND / 1000000);

	if (days > 0)
		snprintf(out, TEXT_SIZE, "%" PRIu64 " d %02u:%02u:%02u", days, hour, minute,
			 second);
	else
		snprintf(out, TEXT_SIZE, "%02u:%02u:%02u.%03u", hour, minute, second, milli);
	return out;
}

static int text_hex(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

bool text_identity_parse(const char *text, uint8_t identity[16])
{
	if (strlen(text) != TEXT_IDENTITY - 1)
		return false;
	for (unsigned i = 0, at = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10) {
			if (text[at++] != '-')
				return false;
		}
		int high = text_hex(text[at]), low = text_hex(text[at + 1]);
		if (high < 0 || low < 0)
			return false;
		identity[i] = (uint8_t)(high << 4 | low);
		at += 2;
	}
	return true;
}

const char *text_identity(char out[TEXT_IDENTITY], const uint8_t identity[16])
{
	unsigned at = 0;

	for (unsigned i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[at++] = '-';
		at += (unsigned)snprintf(out + at, TEXT_IDENTITY - at, "%02x", identity[i]);
	}
	ASSERT(at == TEXT_IDENTITY - 1);
	return out;
}

/* Length of a UTF-8 sequence that a terminal may show, 0 for anything else.
 * C1 controls (0xc2 0x80 .. 0x9f) are not shown. */
static size_t text_printable(const uint8_t *at, size_t length)
{
	size_t need;

	if (at[0] >= 0x20 && at[0] < 0x7f)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	need = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	if (length < need || (at[0] == 0xc2 && at[1] < 0xa0))
		return 0;
	for (size_t i = 1; i < need; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

const char *text_name(char *out, size_t size, const void *name, size_t length)
{
	const uint8_t *bytes = name;
	size_t used = 0;

	ASSERT(size);
	for (size_t i = 0; i < length;) {
		size_t shown = text_printable(bytes + i, length - i);
		/* Room for the longest form, an ellipsis and the final NUL. */
		if (used + 4 + 4 > size && length - i > (size - used - 1) / 4) {
			snprintf(out + used, size - used, "...");
			return out;
		}
		if (shown == 1 && bytes[i] == '\\') {
			used += (size_t)snprintf(out + used, size - used, "\\\\");
		} else if (shown) {
			memcpy(out + used, bytes + i, shown);
			used += shown;
		} else {
			used += (size_t)snprintf(out + used, size - used, "\\x%02x", bytes[i]);
		}
		i += shown ? shown : 1;
	}
	ASSERT(used < size);
	out[used] = 0;
	return out;
}

bool text_snapshot_name_check(const char *name)
{
	const char *fault = keeping_name_fault(name);
	char *shown;

	if (!fault)
		return true;
	shown = malloc(TEXT_NAME(strlen(name)));
	if (shown)
		text_name(shown, TEXT_NAME(strlen(name)), name, strlen(name));
	command_error("'%s' cannot name a snapshot: %s", shown ? shown : "", fault);
	free(shown);
	return false;
}

bool text_retention_parse(const char *text, struct disk_retention *rule)
{
	const char *fault = keeping_rule_parse(text, rule);

	if (fault)
		command_error("'%s' is no rule for automatic snapshots: %s", text, fault);
	return !fault;
}
