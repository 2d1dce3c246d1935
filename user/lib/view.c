/* SPDX-License-Identifier: MIT */
/*
 * view.c - calls to views.  Interface in view.h.
 */
#include "user/lib/view.h"

#include "user/lib/message.h"

enum status view_attach(struct view view, struct segment segment, uint64_t first_page,
			uint64_t pages, uint16_t rights, uint64_t address)
{
	struct message message = {
		.word = {first_page, pages, rights, 0, address},
		.pass = {(uint16_t)segment.slot},
	};

	return message_request(view.slot, VIEW_ATTACH, &message);
}

enum status view_protect(struct view view, struct segment segment, uint64_t address, uint64_t pages,
			 uint16_t rights)
{
	struct message message = {
		.word = {address, pages, rights},
		.pass = {(uint16_t)segment.slot},
	};

	return message_request(view.slot, VIEW_PROTECT, &message);
}

enum status view_detach(struct view view, uint64_t address)
{
	struct message message = {.word = {address}};

	return message_request(view.slot, VIEW_DETACH, &message);
}

enum status view_attached(struct view view, uint64_t address, struct machine_attachment *attachment)
{
	struct message message = {.word = {address}};
	enum status status = message_request(view.slot, VIEW_ATTACHED, &message);

	*attachment = machine_attachment_of(&message);
	return status;
}

static enum status view_copy(struct view view, uint64_t address, struct segment segment,
			     uint64_t offset, uint64_t bytes, bool into, uint64_t *copied)
{
	enum status status = STATUS_OK;

	for (*copied = 0; *copied < bytes && status == STATUS_OK;) {
		struct message message = {
			.word = {address + *copied, offset + *copied, bytes - *copied, into},
			.pass = {(uint16_t)segment.slot},
		};

		status = message_request(view.slot, VIEW_COPY, &message);
		if (status != STATUS_OK)
			break;
		*copied += message.word[0];
		status = (enum status)message.word[1];
	}
	return status;
}

enum status view_read(struct view view, uint64_t address, struct segment segment, uint64_t offset,
		      uint64_t bytes, uint64_t *copied)
{
	return view_copy(view, address, segment, offset, bytes, false, copied);
}

enum status view_write(struct view view, uint64_t address, struct segment segment, uint64_t offset,
		       uint64_t bytes, uint64_t *copied)
{
	return view_copy(view, address, segment, offset, bytes, true, copied);
}
