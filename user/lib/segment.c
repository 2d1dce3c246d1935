/* SPDX-License-Identifier: MIT */
/*
 * segment.c - calls to segments.  Interface in segment.h.
 */
#include "user/lib/segment.h"

#include "user/lib/message.h"

enum status segment_info(struct segment segment, struct segment_info *info)
{
	struct message message = {0};
	enum status status = message_request(segment.slot, SEGMENT_INFO, &message);

	info->address = message.word[0];
	info->size = message.word[1];
	info->size_max = message.word[2];
	info->rights = (uint16_t)message.word[3];
	return status;
}

enum status segment_resize(struct segment segment, uint64_t bytes)
{
	struct message message = {.word = {bytes}};

	return message_request(segment.slot, SEGMENT_RESIZE, &message);
}
