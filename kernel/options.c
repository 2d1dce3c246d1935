/* SPDX-License-Identifier: MIT */
/*
 * options.c - reads the kernel's command line.  Touches nothing but its arguments.
 */
#include "kernel/options.h"
#include <stddef.h>
#include <string.h>

/* The next word from *at on, and *at behind it; null: no more. */
static const char *option_next(const char **at, size_t *length)
{
	const char *word = *at;

	while (*word == ' ')
		word++;
	for (*length = 0; word[*length] != '\0' && word[*length] != ' ';)
		(*length)++;
	*at = word + *length;
	return *length != 0 ? word : NULL;
}

bool option_given(const char *line, const char *word)
{
	const char *found;
	size_t length;

	while ((found = option_next(&line, &length)) != NULL)
		if (length == strlen(word) && memcmp(found, word, length) == 0)
			return true;
	return false;
}
