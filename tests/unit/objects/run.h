/* SPDX-License-Identifier: MIT */
/*
 * run.h - what a test attaches, in one word.
 */
#ifndef TESTS_UNIT_OBJECTS_RUN_H
#define TESTS_UNIT_OBJECTS_RUN_H

#include "objects/objects.h"

/* At the segment's own address. */
#define RUN(from, count, right, own)                                                               \
	(&(struct attachment_run){                                                                 \
		.first = (from), .pages = (count), .rights = (right), .owned = (own)})
/* page, pages, rights, capability */

#define CHANGE(...) (&(struct attachment_change){__VA_ARGS__})

#endif
