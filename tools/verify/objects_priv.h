/* SPDX-License-Identifier: MIT */
/*
 * objects_priv.h - shared by the verify_objects*.c files and nobody else.
 *
 * One struct verify_objects stands for one space.  What could not be read was
 * reported by the verifier of the store; `incomplete` then keeps counts from
 * being taken for wrong.
 */
#ifndef TOOLS_VERIFY_OBJECTS_PRIV_H
#define TOOLS_VERIFY_OBJECTS_PRIV_H

#include "disk/object.h"
#include "disk/structures.h"
#include "tools/verify/objects.h"

#define VERIFY_OBJECTS_DEPTH   8u    /* most levels of a B+tree */
#define VERIFY_OBJECTS_REPORTS 1000u /* findings reported for one space */
#define VERIFY_OBJECTS_NOWHERE UINT64_MAX

/* The numbers are those in the keys of the quarantine. */
enum verify_objects_arena {
	VERIFY_ARENA_KERNEL = 0,
	VERIFY_ARENA_USER = 1,
	VERIFY_ARENA_NONE = 2,
};

/* Pages that somebody has. */
struct verify_objects_range {
	uint64_t first, pages;
	uint32_t object; /* 0: free, or at rest in the quarantine */
	bool message;	 /* the message page of the machine `object` */
};

/* Charged to a bank. */
struct verify_objects_bank {
	uint64_t pages, objects, addresses, weight;
};

struct verify_objects_deadline {
	uint64_t deadline;
	uint32_t machine;
};

struct verify_objects_edge {
	uint32_t from, to;
};

struct verify_objects {
	struct verify *verify;
	struct verify_space space;
	struct disk_system system;
	uint64_t version_floor; /* from the commit record */
	uint32_t objects;	/* indexes in use: 1 .. objects - 1 */
	struct disk_object *record;
	struct disk_account *account;
	struct verify_objects_bank *bank; /* by object */
	struct verify_objects_range *range;
	uint64_t ranges, ranges_room;
	struct verify_objects_deadline *deadline; /* in the queue's order */
	uint64_t deadlines, deadlines_room;
	uint32_t source; /* whose body is being looked at */
	struct verify_objects_edge *edge;
	uint64_t edges, edges_room;
	uint8_t *tree_seen;	 /* bit: page of the tree arena reached */
	uint8_t *map_seen;	 /* bit: page of the map of ranges reached */
	uint8_t *machine_listed; /* bit: object in the tree of machines */
	uint8_t *bank_listed;	 /* bit: object in a list of its bank */
	uint64_t reports;
	bool incomplete, out_of_memory;
};

/* ---- objects.c ---- */

__attribute__((format(printf, 3, 4))) void
verify_objects_report(struct verify_objects *objects, uint64_t page, const char *format, ...);
/* A page, zeros where it is absent.  False: it cannot be read (reported already). */
bool verify_objects_read(struct verify_objects *objects, uint64_t page, void *data);
/* Room for one more element; false: out of memory, noted. */
bool verify_objects_grow(struct verify_objects *objects, void **array, uint64_t count,
			 uint64_t *room, size_t size);
bool verify_objects_zero(const void *data, size_t size);
/* The living record of that index, or null. */
const struct disk_object *verify_objects_record(const struct verify_objects *objects,
						uint32_t object);

static inline bool verify_objects_bit(const uint8_t *bits, uint64_t index)
{
	return bits[index / 8] >> index % 8 & 1;
}

static inline void verify_objects_bit_set(uint8_t *bits, uint64_t index)
{
	bits[index / 8] |= (uint8_t)(1u << index % 8);
}

static inline uint64_t verify_objects_big_endian(const uint8_t *bytes, unsigned count)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < count; i++)
		value = value << 8 | bytes[i];
	return value;
}

/* ---- objects_range.c ---- */

/* Is that a naturally aligned power of two inside what was handed out? */
bool verify_objects_range_sound(const struct verify_objects *objects,
				enum verify_objects_arena arena, uint64_t first, uint64_t pages);
void verify_objects_range_add(struct verify_objects *objects, uint64_t first, uint64_t pages,
			      uint32_t object, bool message);
/* No page has two owners; none that holds anything has no owner. */
void verify_objects_ranges(struct verify_objects *objects);

/* ---- objects_bank.c ---- */

/* All accounts; in a space from before there were any, they are zeros. */
void verify_objects_accounts_read(struct verify_objects *objects);
/* The object is charged to its bank, a number in use. */
void verify_objects_bank_charge(struct verify_objects *objects, uint32_t object);
/* When all is charged: figures, tree and lists of the banks, and the accounts of the rest. */
void verify_objects_banks(struct verify_objects *objects);
/* Is a bank dying with which it ends?  Then it has ended, too, and waits for its turn. */
bool verify_objects_ended(const struct verify_objects *objects, uint32_t object);

/* ---- objects_free.c ---- */

/* What the map of ranges says is free. */
void verify_objects_free(struct verify_objects *objects);

#define VERIFY_OBJECTS_MAP_PAGES (OBJECT_TABLE_PAGE - RANGE_USER_ROOT)

/* ---- objects_tree.c ---- */

struct verify_objects_entry {
	const uint8_t *key, *value;
	uint8_t key_length, value_length;
};

struct verify_objects_tree {
	const char *what; /* "the quarantine", "directory 12" */
	void *context;
	void (*entry)(struct verify_objects *objects, struct verify_objects_tree *tree,
		      uint64_t page, const struct verify_objects_entry *entry);
	uint64_t entries, pages; /* result */
	bool damaged;		 /* something was not reached */
};
void verify_objects_tree_walk(struct verify_objects *objects, uint64_t root,
			      struct verify_objects_tree *tree);
/* The list of free pages, and that every page of the arena is somewhere. */
void verify_objects_tree_pages(struct verify_objects *objects);

/* ---- objects_body.c ---- */

/* Is the capability well-formed?  Dead ones are; `where` names the place. */
void verify_objects_capability(struct verify_objects *objects, uint64_t page,
			       const struct disk_capability *capability, const char *where);
/* Pages that an object of that type and size is charged for. */
uint64_t verify_objects_charge(const struct disk_object *record);
/* Do size and range make sense for the type?  Of living and dying ones. */
bool verify_objects_shape(const struct verify_objects *objects, const struct disk_object *record);
/* Is it lost when nothing leads to it? */
bool verify_objects_led(const struct disk_object *record);
/* The pages of one living object, or what a dying one still has outside of its range. */
void verify_objects_body(struct verify_objects *objects, uint32_t object);

/* ---- objects_reach.c ---- */

/* The source leads to that object, if it lives. */
void verify_objects_edge(struct verify_objects *objects, uint32_t object, uint64_t version);
/* When all edges are known: places of directories, and what nothing leads to. */
void verify_objects_reach(struct verify_objects *objects);

/* ---- objects_attachment.c ---- */

/* Of a machine, which has this page; of a view, living or dying. */
void verify_objects_attachments(struct verify_objects *objects, uint32_t object,
				const struct disk_machine *machine);
void verify_objects_view(struct verify_objects *objects, uint32_t object);

/* ---- objects_machine.c ---- */

void verify_objects_machine(struct verify_objects *objects, uint32_t object);
/* The queue of deadlines, the tree of machines, the may-be-ready bitmap. */
void verify_objects_queues(struct verify_objects *objects);

#endif
