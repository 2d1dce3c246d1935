/* SPDX-License-Identifier: MIT */
/*
 * suggest.c - which name was probably meant.  Interface in suggest.h.
 */
#include "user/shell/suggest.h"

#include <string.h>
#include "base/text.h"

static uint32_t suggest_least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

uint32_t suggest_distance(const char *left, const char *right)
{
	/* Rows i - 2, i - 1 and i of the table of distances between beginnings. */
	uint32_t row[3][SUGGEST_LENGTH];
	uint32_t lefts = (uint32_t)strlen(left), rights = (uint32_t)strlen(right);

	if (lefts >= SUGGEST_LENGTH || rights >= SUGGEST_LENGTH)
		return SUGGEST_LENGTH;
	for (uint32_t j = 0; j <= rights; j++)
		row[0][j] = j;
	for (uint32_t i = 1; i <= lefts; i++) {
		uint32_t *now = row[i % 3], *last = row[(i + 2) % 3];

		now[0] = i;
		for (uint32_t j = 1; j <= rights; j++) {
			now[j] = suggest_least(last[j], now[j - 1]) + 1;
			now[j] = suggest_least(now[j], last[j - 1] + (left[i - 1] != right[j - 1]));
			if (i > 1 && j > 1 && left[i - 1] == right[j - 2] &&
			    left[i - 2] == right[j - 1])
				now[j] = suggest_least(now[j], row[(i + 1) % 3][j - 2] + 1);
		}
	}
	return row[lefts % 3][rights];
}

uint32_t suggest_rank(const char *typed, const char *name)
{
	uint32_t distance = suggest_distance(typed, name);
	uint32_t length = (uint32_t)strlen(typed);

	if (length >= 2 && text_begins(name, typed))
		return 1;
	return distance <= 2 && distance * 2 <= length ? distance : SUGGEST_LENGTH;
}
