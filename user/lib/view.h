/* SPDX-License-Identifier: MIT */
/*
 * view.h - calls to views: what several machines can touch, any number of attachments.
 *
 * bank_view makes one; machine_set_view gives it to a machine, which sees it beside what is
 * attached to the machine itself.  Rights that a call needs are in brackets.
 */
#ifndef USER_LIB_VIEW_H
#define USER_LIB_VIEW_H

#include <stddef.h>
#include <stdint.h>
#include "user/lib/machine.h"

/* So many pages of a segment, 0: all that it can grow to, at an address in a window or, with 0, at
 * the segment's own; as machine_attach_at [CONTROL].  ALLOWANCE: the view's bank pays a page for
 * each 16. */
enum status view_attach(struct view view, struct segment segment, uint64_t first_page,
			uint64_t pages, uint16_t rights, uint64_t address);
/* As machine_protect and machine_detach, for all machines that have the view [CONTROL]. */
enum status view_protect(struct view view, struct segment segment, uint64_t address, uint64_t pages,
			 uint16_t rights);
enum status view_detach(struct view view, uint64_t address);
/* The first that begins at this address or behind; NOT_FOUND past the last.  Rights 0: the segment
 * is no more [READ]. */
enum status view_attached(struct view view, uint64_t address,
			  struct machine_attachment *attachment);

/* Bytes at an address, as a machine with the view could read or write them, into a segment [WRITE],
 * or from it [READ] into the view; *copied of them when it fails, which may be because of what is
 * attached: NOT_FOUND, NO_RIGHT, LIMIT (beyond its size, or the segment's) [EXECUTE]. */
enum status view_read(struct view view, uint64_t address, struct segment segment, uint64_t offset,
		      uint64_t bytes, uint64_t *copied);
enum status view_write(struct view view, uint64_t address, struct segment segment, uint64_t offset,
		       uint64_t bytes, uint64_t *copied);

#endif
