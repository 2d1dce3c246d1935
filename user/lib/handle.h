/* SPDX-License-Identifier: MIT */
/*
 * handle.h - slots of the own table, by what they hold.
 *
 * A handle is a slot and nothing else, passed by value; its type says what is in the slot,
 * so that the compiler refuses a port where a table is meant.  What any capability will do
 * for (to copy, to link, to pass on) is named by its slot.
 */
#ifndef USER_LIB_HANDLE_H
#define USER_LIB_HANDLE_H

#include <stdint.h>
#include "kernel/abi.h"

#define HANDLE(type)                                                                               \
	struct type {                                                                              \
		uint32_t slot;                                                                     \
	}

HANDLE(bank);
HANDLE(directory);
HANDLE(machine);
HANDLE(port);
HANDLE(segment);
HANDLE(table);
HANDLE(view);

/* The slot, of which it is known what it holds. */
#define BANK(number)	  ((struct bank){number})
#define DIRECTORY(number) ((struct directory){number})
#define MACHINE(number)	  ((struct machine){number})
#define PORT(number)	  ((struct port){number})
#define SEGMENT(number)	  ((struct segment){number})
#define TABLE(number)	  ((struct table){number})
#define VIEW(number)	  ((struct view){number})

/* What every program has, unless it was denied it. */
#define OWN_BANK       BANK(SLOT_BANK)
#define OWN_HEAP       SEGMENT(SLOT_HEAP)
#define OWN_MACHINE    MACHINE(SLOT_SELF)
#define OWN_PORT       PORT(SLOT_PORT)
#define OWN_TABLE      TABLE(SLOT_TABLE)
#define ROOT_DIRECTORY DIRECTORY(SLOT_ROOT)
#define ANY_PORT       PORT(SLOT_NONE) /* to receive from: whichever of mine */
#define NO_PORT	       PORT(SLOT_NONE)
#define NO_SEGMENT     SEGMENT(SLOT_NONE)
#define NO_VIEW	       VIEW(SLOT_NONE)

#endif
