/* SPDX-License-Identifier: MIT */
/*
 * suggest.h - which name was probably meant.  Pure code.
 */
#ifndef USER_SHELL_SUGGEST_H
#define USER_SHELL_SUGGEST_H

#include <stdint.h>

#define SUGGEST_LENGTH 24u /* longer words are never near to anything */

/* How many letters must be changed, added, left out or swapped with their
 * neighbour to make one of the other; SUGGEST_LENGTH if one is too long. */
uint32_t suggest_distance(const char *left, const char *right);

/* Is `name` near enough to what was typed to be worth a hint?  The smaller the
 * nearer; SUGGEST_LENGTH: no. */
uint32_t suggest_rank(const char *typed, const char *name);

#endif
