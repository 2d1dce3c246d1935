/* SPDX-License-Identifier: MIT */
/*
 * slot.h - which slots of the own capability table are in use.
 *
 * The library hands out slots from SLOT_FIRST_FREE on; grants below stay where
 * they were placed.  The record is in the program's memory and as persistent as
 * the table itself.
 */
#ifndef USER_LIB_SLOT_H
#define USER_LIB_SLOT_H

#include <stdbool.h>
#include <stdint.h>
#include "kernel/abi.h"

/* A free slot, 0 when all are taken. */
uint32_t slot_take(void);
/* Empties the slot and makes it free again.  Nothing for 0 and for grants. */
void slot_give(uint32_t slot);
/* Makes it free without emptying it, when it is known to be empty. */
void slot_forget(uint32_t slot);
bool slot_is_taken(uint32_t slot);
/* Marks a taken slot as the only one that names a new object, until it is given
 * back: whoever has to clean up after a fault destroys the object. */
void slot_set_new(uint32_t slot);
/* It is to stay now, whatever becomes of what is under way. */
void slot_set_kept(uint32_t slot);
bool slot_is_new(uint32_t slot);

/* Which slots were taken at some time. */
struct slot_set {
	uint64_t bits[SLOTS_DEFAULT / 64]; /* bit i of word w: slot w * 64 + i */
};
void slot_set_note(struct slot_set *set);
bool slot_set_has(const struct slot_set *set, uint32_t slot);

#endif
