/* SPDX-License-Identifier: MIT */
/*
 * list.h - lists that are linked through what stands in them, so that moving one is constant
 * time and needs no memory.
 */
#ifndef KERNEL_LIST_H
#define KERNEL_LIST_H

#include <stddef.h>
#include "base/assert.h"

/* Lies in what stands in a list; in none: all null. */
struct link {
	struct link *next, *previous;
};

struct list {
	struct link *first, *last;
};

static inline void list_append(struct list *list, struct link *link)
{
	ASSERT(!link->next && !link->previous && list->last != link);
	ASSERT(!list->last || !list->last->next);
	link->previous = list->last;
	if (list->last)
		list->last->next = link;
	else
		list->first = link;
	list->last = link;
}

static inline void list_remove(struct list *list, struct link *link)
{
	/* Its neighbours, or the ends of this very list, know it. */
	ASSERT(link->previous ? link->previous->next == link : list->first == link);
	ASSERT(link->next ? link->next->previous == link : list->last == link);
	if (link->previous)
		link->previous->next = link->next;
	else
		list->first = link->next;
	if (link->next)
		link->next->previous = link->previous;
	else
		list->last = link->previous;
	link->next = link->previous = NULL;
}

/* What the link lies in, `offset` bytes from its start; of none: null. */
static inline void *link_owner(struct link *link, size_t offset)
{
	return link ? (char *)link - offset : NULL;
}

#endif
