/* SPDX-License-Identifier: MIT */
/*
 * objects_priv.h - what the files of objects/ share; their tests include it too,
 * nobody else does.
 *
 *   space.c       pages, the system page
 *   object.c      object table: records, versions, types
 *   capability.c  what a capability names
 *   create.c      creation
 *   destroy.c     destruction and its steps
 *   format.c      the first objects of an empty space
 *   transient.c   objects that are to go
 *   machine_index.c  all machines, and which may be ready
 *   deadline.c    queue of deadlines
 *   range.c       address ranges: taken, given back, cleared
 *   range_map.c   which of them are free
 *   bank.c        allowances
 *   attachment.c  what of a segment appears where
 *   btree.c       B+trees: descent, insertion, removal, order
 *   btree_node.c  one page of a B+tree
 *   btree_pool.c  pages for B+trees
 *
 * and one file per object type, with its descriptor.
 */
#ifndef OBJECTS_OBJECTS_PRIV_H
#define OBJECTS_OBJECTS_PRIV_H

#include "objects/objects.h"
#include "base/assert.h"

/* ---- space.c ---------------------------------------------------------------- */

/* For commit phases: a page that prepare has obtained; a bug if it has not. */
const void *space_resident(struct space *space, page_t page);
/* Zeros, as what is absent? */
bool space_blank(const void *data);
void *space_writable(struct space *space, page_t page);
/* Is the page that was asked for damaged, or given up?  Then what can be done without it is. */
static inline bool space_lost(const struct space *space, enum status status)
{
	return status == STATUS_CORRUPT || (status == STATUS_IO && !space->patient);
}

/* Forgets what an earlier operation had prepared. */
void space_operation_note(struct space *space);

struct range {
	uint64_t first, pages;
};

/* ---- object.c --------------------------------------------------------------- */

static inline page_t record_page(object_t object)
{
	return (page_t){OBJECT_TABLE_PAGE + object.n / OBJECTS_PER_PAGE};
}

/* The record whatever it holds: living, dying or free. */
enum status record_read(struct space *space, object_t object, const struct disk_object **record);
enum status record_prepare(struct space *space, object_t object, struct disk_object **record);
/* Commit phase: a record that was prepared. */
struct disk_object *record_writable(struct space *space, object_t object);
/* A living object of that type: object_read or object_prepare and WRONG_TYPE. */
enum status object_read_typed(struct space *space, object_t object, enum object_type type,
			      struct disk_object *record);
enum status object_prepare_typed(struct space *space, object_t object, enum object_type type,
				 struct disk_object **record);
/* Do range, size and words make sense together?  For living and dying records. */
bool record_valid(const struct disk_object *record);

/* A range that it has besides the one of its record; and the pages of both. */
struct range record_second_range(const struct disk_object *record);
uint64_t record_addresses(const struct disk_object *record);

/* ---- capability.c ------------------------------------------------------------ */

struct disk_capability capability_make(object_t object, uint64_t version, enum object_type type,
				       uint16_t rights);
/* May somebody wait for what it names? */
static inline bool capability_awaited(const struct disk_capability *capability)
{
	return capability->version &&
	       (capability->type == OBJECT_REPLY || capability->type == OBJECT_PORT);
}

/* ---- range.c ---------------------------------------------------------------- */

enum range_arena { RANGE_KERNEL = 0, RANGE_USER = 1, RANGE_NONE = 2 };
#define RANGE_KEY     10u /* arena, log2 of pages, sequence (big-endian) */
#define RANGES_MAX    3u  /* that one creation takes: machine page, table, message page */
#define RANGE_LARGEST (UINT64_C(1) << 33) /* pages: largest aligned range in the user arena */

/* Ranges about to be taken. */
struct range_plan {
	uint32_t count;
	struct range range[RANGES_MAX];
};
/* A naturally aligned range of `pages`, a power of two, and if `beside` is not 0 one of so
 * many, from the same block; what they need is prepared.  Once for each arena: a plan does
 * not see what it has taken already.  LIMIT when no block is large enough, BUSY when
 * range_survey_step may find one. */
enum status range_plan_add(struct space *space, const struct disk_system *system,
			   struct range_plan *plan, enum range_arena arena, uint64_t pages,
			   uint64_t beside);
void range_plan_commit(struct space *space, struct disk_system *system,
		       const struct range_plan *plan);
/* The first step of range_survey_step: the map. */
enum status range_survey_begin(struct space *space);

/* Makes some of what exists from `first` to before `end` absent; *cleared: nothing
 * existed.  An operation in which it does something must do nothing else.  CORRUPT
 * or IO: nothing was done; from *damage on, to the end of the 128 pages under one
 * node of the map, it is not known what exists. */
enum status range_clear_step(struct space *space, uint64_t first, uint64_t end, bool *cleared,
			     uint64_t *damage);

bool range_valid(enum range_arena arena, uint64_t first, uint64_t pages);
uint64_t range_round(uint64_t pages); /* up to a power of two, at least 1 */

static inline uint64_t pages_of(uint64_t bytes)
{
	return bytes / PAGE_SIZE + (bytes % PAGE_SIZE != 0);
}

/* ---- range_map.c -------------------------------------------------------------- */

/* Where an aligned block of so many pages, a power of two, is free: LIMIT.  Gives up what
 * only a damaged page of the map knows of. */
enum status range_find(struct space *space, enum range_arena arena, uint64_t pages,
		       uint64_t *first);
/* A range that is free, and `beside` pages behind it, at most as many / one that is not:
 * CORRUPT.  Once for each arena in an operation. */
enum status range_take_prepare(struct space *space, uint64_t first, uint64_t pages,
			       uint64_t beside);
void range_take(struct space *space, uint64_t first, uint64_t pages);
enum status range_give_prepare(struct space *space, uint64_t first, uint64_t pages);
void range_give(struct space *space, uint64_t first, uint64_t pages);
/* A range, or cell, that the map leads to and that cannot be used is free no more. */
enum status range_give_up(struct space *space, uint64_t first, uint64_t pages);
/* A map in which all of the arena from `next` on is free, and nothing before. */
enum status range_map_prepare(struct space *space, enum range_arena arena, uint64_t next);
void range_map_begin(struct space *space, enum range_arena arena, uint64_t next);

/* ---- bank.c ------------------------------------------------------------------ */

/* DEAD: one of the banks with which the object of this living record ends does not live. */
enum status bank_alive(struct space *space, const struct disk_object *record);
/* A bank has ended: what is remembered of them. */
void banks_forget(struct space *space);
/* A bit for each bank with which the object of this record ends. */
enum status bank_bits(struct space *space, const struct disk_object *record, uint64_t *bits);
/* INVALID: the bank, of which this is the record, is neither `top` nor below it. */
enum status bank_below(struct space *space, object_t bank, const struct disk_object *record,
		       object_t top);
/* From the bank that pays for the object of this record up to the first one, without that, as
 * long as `visit` says so: OK. */
enum status bank_walk(struct space *space, const struct disk_object *record,
		      enum status (*visit)(void *context, object_t bank, uint64_t version),
		      void *context);
/* Prepares the bank to be charged so much more: ALLOWANCE. */
enum status bank_charge_prepare(struct space *space, object_t bank, uint64_t pages,
				uint64_t addresses);
/* Prepares the bank for less; a bank that is none is passed over. */
enum status bank_credit_prepare(struct space *space, object_t bank, uint64_t addresses);
/* After either of them. */
void bank_charge(struct space *space, object_t bank, uint64_t pages, uint64_t addresses,
		 uint64_t objects);
/* True: it is dying, and has waited until this was the last that it pays for. */
bool bank_credit(struct space *space, object_t bank, uint64_t pages, uint64_t addresses,
		 uint64_t objects);
/* For accounts that are written: they are made where they are absent. */
enum status account_prepare(struct space *space, object_t object, struct disk_account **account);
struct disk_account *account_writable(struct space *space, object_t object);
/* The list of what the bank pays for gets one more, of that type, for which both accounts are
 * prepared.  A list that is damaged begins anew. */
enum status bank_list_prepare(struct space *space, const struct disk_system *system, object_t bank,
			      enum object_type type);
void bank_list_add(struct space *space, object_t bank, object_t object, enum object_type type);
/* Of a bank that is being destroyed: something that it paid for and that has not been ended yet;
 * NOT_FOUND: that was all. */
enum status bank_left(struct space *space, object_t bank, object_t *object,
		      struct disk_object *record);
/* It leaves the list, if it is in one. */
enum status bank_unlist_prepare(struct space *space, const struct disk_system *system,
				object_t object, const struct disk_object *record);
void bank_unlist(struct space *space, object_t object, const struct disk_object *record);

/* ---- weight.c ----------------------------------------------------------------- */

/* Can the bank give so much to one that is made from it?  ALLOWANCE. */
enum status weight_give_check(struct space *space, object_t bank, uint64_t weight);
/* COMMIT: it does, and gets it back. */
void weight_give(struct space *space, object_t bank, struct disk_account *to, uint32_t weight);
void weight_give_back(struct space *space, object_t bank, struct disk_account *from,
		      uint32_t weight);

/* ---- create.c ----------------------------------------------------------------- */

#define CREATION_PARTS 2u

/* For types of which the size is a number of things, 1 to `most`: INVALID, LIMIT. */
enum status request_counts(const struct object_request *request, uint64_t most);

/* A creation between its prepare and its commit. */
struct creation {
	const struct object_request *request;
	const struct type_descriptor *type;
	struct disk_system *system;
	object_t bank;
	uint64_t bank_version; /* 0: of the first bank */
	uint64_t charge, addresses;
	uint32_t count;
	struct {
		object_t object;
		enum object_type type;
		uint64_t size;
		struct disk_capability capability; /* from the commit on */
	} part[CREATION_PARTS];
	uint32_t next_object, free_object; /* of the system page, afterwards */
	struct range_plan plan;		   /* a range for each part; then what the type adds */
};
/* With request, type and bank filled in, and the request checked. */
enum status creation_prepare(struct space *space, struct creation *creation);
void creation_commit(struct space *space, struct creation *creation,
		     struct disk_capability *capability);

/* ---- destroy.c ---------------------------------------------------------------- */

/* A destruction between its prepare and its commit. */
struct destruction {
	struct disk_system *system;
	struct ended *ended; /* the one that is meant, and what ends with it */
	object_t last;	     /* of those that die already; 0: it is not known */
	uint64_t deadline;   /* machine: the one that it waits for */
};

#define HELD_END UINT32_MAX /* behind all that an object can hold */

/* What the capability names ends, too, if it is still alive and there are these rights. */
enum status destruction_add_owned(struct space *space, struct destruction *destruction,
				  const struct disk_capability *capability, enum object_type type,
				  uint16_t rights);

/* ---- attachment.c --------------------------------------------------------------- */

#define ATTACHMENT_PARTS 3u

/* The run as an attachment, if it makes sense: INVALID, NO_RIGHT. */
enum status attachment_make(const struct disk_object *segment,
			    const struct disk_capability *capability,
			    const struct attachment_run *run, struct disk_attachment *made);
/* Whatever it says, nothing but the user arena is ever shown, and nowhere else than there or in a
 * window. */
bool attachment_shows(const struct disk_attachment *attachment, page_t page);
/* What it becomes with a change of what it shows, in the order of their places: the part in front
 * of it, itself unless it is taken away, the part behind it.  INVALID, NO_RIGHT. */
struct attachment_parts {
	uint32_t count;
	struct disk_attachment part[ATTACHMENT_PARTS];
};
enum status attachment_split(const struct disk_attachment *attachment,
			     const struct attachment_change *change,
			     struct attachment_parts *parts);
static inline bool pages_overlap(uint64_t first, uint64_t pages, uint64_t other,
				 uint64_t other_pages)
{
	return first < other ? other - first < pages : first - other < other_pages;
}

/* ---- directory.c --------------------------------------------------------------- */

/* The first of its names goes; NOT_FOUND: it has none. */
enum status entry_unlink_first(struct space *space, object_t directory);

/* ---- types --------------------------------------------------------------------- */

/*
 * What a type is, beside the operations on its objects: one descriptor, in the file of
 * the type, WORD_type as disk/object.h lists it.  Where a function is null there is
 * nothing to do, or nothing to pay; without `check` programs can neither create nor
 * destroy it.
 */
struct type_descriptor {
	enum range_arena arena;	    /* of its range in the space; RANGE_NONE: it has none */
	uint16_t rights;	    /* all that make sense */
	enum object_type companion; /* is created with it; OBJECT_NONE: nothing is */
	uint64_t companion_size;
	bool starts_empty;		   /* the size of a new one is 0, whatever is asked for */
	uint64_t (*charge)(uint64_t size); /* pages */
	/* Of one that is there; null: as of a new one of its size. */
	uint64_t (*pays)(const struct disk_object *record);
	uint64_t (*room)(uint64_t size); /* pages of its range; null: its charge */
	/* With a range that holds the size: do size and words make sense? */
	bool (*valid)(const struct disk_object *record);

	enum status (*check)(const struct object_request *request);
	enum status (*create_prepare)(struct space *space, struct creation *creation);
	void (*create_commit)(struct space *space, struct creation *creation);

	enum status (*may_end)(const struct disk_object *record);
	enum status (*destroy_prepare)(struct space *space, struct destruction *destruction);
	void (*destroy_commit)(struct space *space, struct destruction *destruction);
	/* Of a dying one: see object_held.  Looks at one page of what it holds. */
	enum status (*held)(struct space *space, object_t object, const struct disk_object *record,
			    uint32_t at, uint32_t *next, struct disk_capability *capability);
	/* Of a dying one: some of what it has outside of its range goes, an operation of its own;
	 * NOT_FOUND: that is all. */
	enum status (*clear)(struct space *space, object_t object,
			     const struct disk_object *record);
	/* A range that it has besides the one of its record. */
	struct range (*second_range)(const struct disk_object *record);
};
/* Null: there is no such type. */
const struct type_descriptor *type_find(unsigned type);
/* Pages of its range that an object of that size takes. */
uint64_t type_room(const struct type_descriptor *type, uint64_t size);

#define TYPE_DECLARE(name, number, word) extern const struct type_descriptor word##_type;
OBJECT_LIST(TYPE_DECLARE)
#undef TYPE_DECLARE

/* ---- machine_index.c ------------------------------------------------------------ */

enum status machine_register_prepare(struct space *space, const struct disk_system *system,
				     object_t machine);
void machine_register(struct space *space, struct disk_system *system, object_t machine);
enum status machine_unregister_prepare(struct space *space, const struct disk_system *system,
				       object_t machine);
void machine_unregister(struct space *space, struct disk_system *system, object_t machine);

/* ---- log.c -------------------------------------------------------------------- */

#define LOG_BYTES ((uint64_t)LOG_PAGES * PAGE_SIZE)

/* ---- btree_node.c ---------------------------------------------------------------- */

#define TREE_NODE_BYTES 4064u
/* Room that a new child's entry in its parent can take. */
#define TREE_INNER_ROOM (2u + 2u + TREE_KEY_MAX + 8u)

struct btree_entry {
	const uint8_t *key, *value;
	uint8_t key_length, value_length;
};

/* Is the page a tree page, of that level (TREE_LEVEL_ANY: any), with a sane
 * header? / with sane entries as well?  The second is for pages to be changed. */
#define TREE_LEVEL_ANY UINT32_MAX
bool btree_node_sound(const struct disk_tree_page *node, uint32_t level);
bool btree_node_whole(const struct disk_tree_page *node);
/* False if the entry does not lie inside the page. */
bool btree_node_entry(const struct disk_tree_page *node, uint32_t index, struct btree_entry *entry);
/* Leaf: the first entry that is not below the key.  Inner: the child that the
 * key belongs to.  *equal: the entry has this key.  False: entries not sound. */
bool btree_node_search(const struct disk_tree_page *node, struct btree_key key, uint32_t *index,
		       bool *equal);
/* Page number of a child; 0 if it is not one of the tree arena. */
uint64_t btree_node_child(const struct disk_tree_page *node, uint32_t index);
uint32_t btree_node_room(const struct disk_tree_page *node);
int btree_key_compare(struct btree_key a, struct btree_key b);

/* On whole, prepared pages. */
void btree_node_initialise(struct disk_tree_page *node, uint32_t level);
bool btree_node_fits(const struct disk_tree_page *node, const struct btree_entry *entry);
void btree_node_insert(struct disk_tree_page *node, uint32_t index,
		       const struct btree_entry *entry);
void btree_node_remove(struct disk_tree_page *node, uint32_t index);
/* Moves the upper half to the empty page `right` and inserts the entry where it
 * belongs.  `last`: no page of this level lies behind `left`; then an entry behind
 * all others goes to the right page alone, so that keys that come in order fill
 * page after page.  Elsewhere that would leave pages with one entry. */
void btree_node_split(struct disk_tree_page *left, struct disk_tree_page *right, uint32_t index,
		      const struct btree_entry *entry, bool last);

static inline bool btree_page_valid(uint64_t page)
{
	return page >= TREE_ARENA_PAGE && page < USER_ARENA_PAGE;
}

/* ---- btree_pool.c ------------------------------------------------------------------ */

/* Makes `count` more pages ready for btree_pool_take; the system page for giving
 * back. */
enum status btree_pool_prepare(struct space *space, uint32_t count);
uint64_t btree_pool_take(struct space *space, struct disk_tree_page **node);
void btree_pool_give(struct space *space, uint64_t page);

#endif
