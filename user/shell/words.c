/* SPDX-License-Identifier: MIT */
/*
 * words.c - a command line taken apart into words.  Interface in words.h.
 *
 * Every word needs at most its own bytes and a NUL, so that a buffer of twice the
 * line's length always suffices.
 */
#include "user/shell/words.h"

#include <stddef.h>
#include <string.h>

/* Copies one word; *line moves behind it.  Null: words->error is set. */
static char *words_copy(const char **line, char **free, struct words *words)
{
	const char *text = *line;
	char *word = *free;
	char quote = '\0';

	for (; *text != '\0' && (quote || (*text != ' ' && *text != '\t' && *text != '>'));
	     text++) {
		if (quote && *text == quote) {
			quote = '\0';
		} else if (!quote && (*text == '"' || *text == '\'')) {
			quote = *text;
		} else if (*text == '\\' && quote != '\'') {
			text++;
			if (*text == '\0')
				break;
			*(*free)++ = *text == 'n' ? '\n' : *text == 't' ? '\t' : *text;
		} else {
			*(*free)++ = *text;
		}
	}
	*line = text;
	*(*free)++ = '\0';
	if (quote)
		words->error = quote == '"' ? "a quotation mark \" is missing at the end"
					    : "a quotation mark ' is missing at the end";
	return quote ? NULL : word;
}

/* What stands behind a `#` between spaces is for who reads the line: `#12` is a word. */
static const char *words_skip_spaces(const char *line)
{
	while (*line == ' ' || *line == '\t')
		line++;
	if (*line == '#' && (line[1] == ' ' || line[1] == '\t' || line[1] == '\0'))
		line += strlen(line);
	return line;
}

/* > or >> and the word behind it. */
static bool words_take_target(const char **line, char **free, struct words *words)
{
	if (words->target) {
		words->error = "the output can only go to one object";
		return false;
	}
	words->append = (*line)[1] == '>';
	*line = words_skip_spaces(*line + (words->append ? 2 : 1));
	if (**line == '\0' || **line == '>') {
		words->error = "after > comes the object that gets the output";
		return false;
	}
	words->target = words_copy(line, free, words);
	return words->target != NULL;
}

bool words_split(const char *line, struct words *words)
{
	char *free = words->buffer;

	words->count = 0;
	words->target = NULL;
	words->append = false;
	words->error = NULL;
	for (line = words_skip_spaces(line); *line != '\0'; line = words_skip_spaces(line)) {
		if (*line == '>') {
			if (!words_take_target(&line, &free, words))
				return false;
			continue;
		}
		if (words->count == WORDS_MAX) {
			words->error = "there are more than 64 words";
			return false;
		}
		words->word[words->count] = words_copy(&line, &free, words);
		if (!words->word[words->count])
			return false;
		words->count++;
	}
	words->word[words->count] = NULL;
	return true;
}
