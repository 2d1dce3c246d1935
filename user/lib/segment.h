/* SPDX-License-Identifier: MIT */
/*
 * segment.h - calls to segments: ranges of memory, which is what files are.
 */
#ifndef USER_LIB_SEGMENT_H
#define USER_LIB_SEGMENT_H

#include <stdint.h>
#include "user/lib/handle.h"

struct segment_info {
	uint64_t address;	 /* where it lies, in every program and for ever */
	uint64_t size, size_max; /* bytes */
	uint16_t rights;	 /* of the capability asked */
};

enum status segment_info(struct segment segment, struct segment_info *info);
enum status segment_resize(struct segment segment, uint64_t bytes);

#endif
