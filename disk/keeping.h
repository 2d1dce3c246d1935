/* SPDX-License-Identifier: MIT */
/*
 * keeping.h - how people write which snapshot, and which generations are kept.
 *
 *   which snapshot    NAME, #NUMBER, @GENERATION (the newest that is not younger),
 *                     -10m (the newest that is at least so old; s, m, h, d)
 *   retention rule    10s,60m,24h,7d,20%: one at most every 10 seconds, then one
 *                     for each of 60 minutes, 24 hours, 7 days, within 20 % of the
 *                     store; or `off`
 *
 * For the host tool and for programs alike, so it includes nothing but integers.
 */
#ifndef DISK_KEEPING_H
#define DISK_KEEPING_H

#include <stdbool.h>
#include <stdint.h>
#include "disk/format.h"

#define KEEPING_RULE_TEXT 64u /* bytes of a rule as text, at most */
/* What a system image has unless it is told otherwise. */
#define KEEPING_RULE_DEFAULT                                                                       \
	{                                                                                          \
		.interval_s = 10, .minutes = 60, .hours = 24, .days = 7, .budget = 200             \
	}

enum keeping_form { KEEPING_NAME, KEEPING_NUMBER, KEEPING_GENERATION, KEEPING_AGE };

/* A decimal number; *text is left behind it.  False: none, or above `most`. */
static inline bool keeping_number(const char **text, uint64_t most, uint64_t *value)
{
	const char *at = *text;

	*value = 0;
	while (*at >= '0' && *at <= '9') {
		uint64_t digit = (uint64_t)(*at++ - '0');

		if (*value > (most - digit) / 10)
			return false;
		*value = *value * 10 + digit;
	}
	if (at == *text || *value > most)
		return false;
	*text = at;
	return true;
}

/* Seconds of a unit: s, m, h, d; 0: none of these. */
static inline uint64_t keeping_unit(char unit)
{
	return unit == 's' ? 1 : unit == 'm' ? 60 : unit == 'h' ? 3600 : unit == 'd' ? 86400 : 0;
}

/* *value: the number, the generation, or the age in seconds. */
static inline enum keeping_form keeping_form_of(const char *text, uint64_t *value)
{
	const char *at = text + 1;

	if ((*text == '#' || *text == '@') && keeping_number(&at, UINT64_MAX / 20, value) && !*at)
		return *text == '#' ? KEEPING_NUMBER : KEEPING_GENERATION;
	at = text + 1;
	if (*text == '-' && keeping_number(&at, UINT32_MAX, value) && keeping_unit(*at) && !at[1]) {
		*value *= keeping_unit(*at);
		return KEEPING_AGE;
	}
	return KEEPING_NAME;
}

/* One part of a rule: "60m", "2.5%".  *text is left behind it. */
static inline bool keeping_rule_part(const char **text, struct disk_retention *rule)
{
	uint64_t value, tenth = 0;

	if (!keeping_number(text, UINT32_MAX, &value))
		return false;
	if (**text == '.') {
		++*text;
		if (!keeping_number(text, 9, &tenth) || **text != '%')
			return false;
	}
	switch (*(*text)++) {
	case 's':
		rule->interval_s = (uint32_t)value;
		return value > 0;
	case 'm':
		rule->minutes = (uint16_t)value;
		return value <= UINT16_MAX;
	case 'h':
		rule->hours = (uint16_t)value;
		return value <= UINT16_MAX;
	case 'd':
		rule->days = (uint16_t)value;
		return value <= UINT16_MAX;
	case '%':
		rule->budget = (uint16_t)(value * 10 + tenth);
		return value * 10 + tenth <= 1000;
	default:
		return false;
	}
}

/* False: that is no rule. */
static inline bool keeping_rule_parse(const char *text, struct disk_retention *rule)
{
	*rule = (struct disk_retention){.budget = 200};
	if (text[0] == 'o' && text[1] == 'f' && text[2] == 'f' && !text[3]) {
		rule->budget = 0;
		return true;
	}
	for (;;) {
		if (!keeping_rule_part(&text, rule))
			return false;
		if (!*text)
			return rule->interval_s > 0;
		if (*text++ != ',')
			return false;
	}
}

static inline char *keeping_put(char *at, uint64_t value, char unit)
{
	char digits[20];
	unsigned count = 0;

	do
		digits[count++] = (char)('0' + value % 10);
	while (value /= 10);
	while (count)
		*at++ = digits[--count];
	*at++ = unit;
	return at;
}

static inline const char *keeping_rule_text(const struct disk_retention *rule,
					    char text[KEEPING_RULE_TEXT])
{
	char *at = text;

	if (!rule->interval_s) {
		text[0] = 'o';
		text[1] = text[2] = 'f';
		text[3] = 0;
		return text;
	}
	at = keeping_put(at, rule->interval_s, 's');
	*at++ = ',';
	at = keeping_put(at, rule->minutes, 'm');
	*at++ = ',';
	at = keeping_put(at, rule->hours, 'h');
	*at++ = ',';
	at = keeping_put(at, rule->days, 'd');
	*at++ = ',';
	if (rule->budget % 10) {
		at = keeping_put(at, rule->budget / 10, '.');
		at = keeping_put(at, rule->budget % 10, '%');
	} else {
		at = keeping_put(at, rule->budget / 10, '%');
	}
	*at = 0;
	return text;
}

#endif
