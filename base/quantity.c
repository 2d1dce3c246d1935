/* SPDX-License-Identifier: MIT */
/*
 * quantity.c - numbers, sizes and times as people write them.  Interface in quantity.h.
 */
#include "base/quantity.h"

static unsigned digit_value(char character)
{
	if (character >= '0' && character <= '9')
		return (unsigned)(character - '0');
	if (character >= 'a' && character <= 'f')
		return (unsigned)(character - 'a') + 10;
	if (character >= 'A' && character <= 'F')
		return (unsigned)(character - 'A') + 10;
	return 16;
}

/* Digits of this base, at least one and at most `most`; *text is left behind them. */
static bool digits(const char **text, unsigned base, uint64_t most, uint64_t *value)
{
	const char *at = *text;
	uint64_t sum = 0;

	for (; digit_value(*at) < base; at++) {
		unsigned digit = digit_value(*at);

		if (digit > most || sum > (most - digit) / base)
			return false;
		sum = sum * base + digit;
	}
	if (at == *text)
		return false;
	*text = at;
	*value = sum;
	return true;
}

static unsigned suffix_shift(char suffix)
{
	switch (suffix) {
	case 'K':
		return 10;
	case 'M':
		return 20;
	case 'G':
		return 30;
	case 'T':
		return 40;
	}
	return 0;
}

bool quantity_parse(const char *text, unsigned forms, uint64_t *value)
{
	bool hexadecimal =
		forms & QUANTITY_ADDRESS && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	unsigned shift = 0;
	uint64_t number;

	text += hexadecimal ? 2 : 0;
	if (!digits(&text, hexadecimal ? 16 : 10, UINT64_MAX, &number))
		return false;
	if (forms & QUANTITY_SIZE)
		shift = suffix_shift(*text);
	text += shift ? 1 : 0;
	if (*text || number > UINT64_MAX >> shift)
		return false;
	*value = number << shift;
	return true;
}

bool quantity_digits(const char **text, uint64_t most, uint64_t *value)
{
	return digits(text, 10, most, value);
}

uint64_t quantity_unit(char unit)
{
	return unit == 's' ? 1 : unit == 'm' ? 60 : unit == 'h' ? 3600 : unit == 'd' ? 86400 : 0;
}

bool quantity_time(const char *text, uint64_t *ns)
{
	uint64_t value, unit = 1000000000;

	if (!quantity_digits(&text, QUANTITY_TIME_MOST, &value))
		return false;
	if (text[0] == 'm' && text[1] == 's') {
		unit = 1000000;
		text += 2;
	} else if (*text) {
		unit *= quantity_unit(*text++);
	}
	if (!unit || *text || value > UINT64_MAX / unit)
		return false;
	*ns = value * unit;
	return true;
}
