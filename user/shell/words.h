/* SPDX-License-Identifier: MIT */
/*
 * words.h - a command line taken apart into words.  Pure code.
 *
 * Words are separated by spaces.  "..." and '...' keep spaces and > together; a
 * backslash, but in '...', makes the next character an ordinary one, \n a newline
 * and \t a tab.  > WORD and >> WORD name the object that gets the output.
 */
#ifndef USER_SHELL_WORDS_H
#define USER_SHELL_WORDS_H

#include <stdbool.h>
#include "user/shell/line.h"

#define WORDS_MAX 64

struct words {
	char *word[WORDS_MAX + 1]; /* word[count] is null */
	int count;
	char *target; /* where the output goes; null: the terminal */
	bool append;
	const char *error; /* why it cannot be understood */
	char buffer[2 * LINE_BYTES + 2];
};

/* False: words->error says what is wrong. */
bool words_split(const char *line, struct words *words);

#endif
