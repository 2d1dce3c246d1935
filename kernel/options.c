/* SPDX-License-Identifier: MIT */
/*
 * options.c - reads the kernel's command line.  Touches nothing but its arguments.
 */
#include "kernel/options.h"
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

bool option_value(const char *line, const char *name, const char **value, size_t *length)
{
	size_t name_length = strlen(name), word_length;
	const char *found;
	bool given = false;

	while ((found = option_next(&line, &word_length)) != NULL) {
		if (word_length <= name_length || memcmp(found, name, name_length) != 0 ||
		    found[name_length] != '=')
			continue;
		*value = found + name_length + 1;
		*length = word_length - name_length - 1;
		given = true;
	}
	return given;
}

bool option_number(const char *line, const char *name, uint64_t *number)
{
	const char *value;
	size_t length;
	uint64_t sum = 0;

	if (!option_value(line, name, &value, &length) || length == 0)
		return false;
	for (size_t i = 0; i < length; i++) {
		unsigned digit = (unsigned char)value[i] - '0';
		if (digit > 9 || sum > (UINT64_MAX - digit) / 10)
			return false;
		sum = sum * 10 + digit;
	}
	*number = sum;
	return true;
}
