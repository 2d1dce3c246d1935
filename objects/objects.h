/* SPDX-License-Identifier: MIT */
/*
 * objects.h - capabilities and the objects they name, in pages of the space.
 *
 * Freestanding; the same code in the kernel, in mkstore and in tests.  All
 * state is in pages (disk/object.h); what is remembered beside them is which banks live.
 *
 * Prepare, then commit.  Every function works inside the owner's current store
 * operation (store_operation_begin).  A function that returns enum status
 * either did all it says or nothing at all; after STATUS_WAIT, for what
 * store_channel says, the owner tries the whole operation again.  To make
 * several changes atomic, the owner first calls the *_prepare functions of all
 * of them; the matching functions that return void then cannot fail or wait.
 * Pointers into pages are valid until the operation ends.
 *
 * Pages that do not exist yet read as zeros, so a new object dirties no more
 * than its record.  Every byte read from a page is treated as hostile: what
 * does not make sense is STATUS_CORRUPT for this object, never misbehaviour.
 */
#ifndef OBJECTS_OBJECTS_H
#define OBJECTS_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "disk/object.h"
#include "disk/structures.h"
#include "base/status.h"
#include "store/store.h"

#define SPACE_BANKS   16u
#define SPACE_WEIGHED 8u
#define SPACE_KEPT    8u /* pages of a view at a time: a tree of three levels and more */

struct space {
	struct store *store;
	uint8_t *frame_base;
	page_t failed; /* after STATUS_IO: the page that could not be had */
	/* What cannot be read now may be later: nothing is given up for it. */
	bool patient;
	bool ends_bank; /* set by destroy.c: what a dead bank paid for counts as alive */
	/* Object versions go on above this, too: the owner sets it to the largest ever
	 * handed out (disk_counters), which after a restore is not in the system page.
	 * Nothing need be written for that, so a full store can be resumed. */
	uint64_t version_floor;

	/* Objects as they are in a view, for reading only; null: the present ones.  What is
	 * read lies in `kept`, from one setting of `kept_pages` to 0 to the next; LIMIT when
	 * that is full. */
	struct store_view *view;
	uint8_t (*kept)[PAGE_SIZE];
	uint32_t kept_pages;

	/* Banks that were found alive, with those above them, since the last one ended in this
	 * generation: bank.c. */
	struct {
		uint64_t version;   /* 0: none */
		uint64_t bits;	    /* bank_bits */
		uint64_t operation; /* in which it was asked for last: it stays as long */
	} living[SPACE_BANKS];
	uint64_t living_generation;

	/* Weights have changed so often, in whatever state; and the last of them: the bank, as
	 * bank_share tells it, and what is its own now: weight.c. */
	uint64_t weights;
	struct {
		uint64_t version;
		uint32_t own; /* 0: it has none any more */
	} weighed[SPACE_WEIGHED];

	/* What is prepared in the current operation and not yet done; kept by
	 * btree.c and log.c, forgotten when the store's operation changes. */
	uint64_t operation;
	uint32_t tree_changes;
	uint32_t tree_spares;
	bool tree_gives; /* one of these changes may give pages back */
	uint32_t log_bytes;

	uint64_t tree_pages; /* taken by trees less those given back, since whenever */
	uint64_t reads;	     /* pages asked for, since whenever */
};

/* A page's data for reading (ABSENT if it does not exist) or for writing. */
enum status space_read(struct space *space, page_t page, void **data);
/* For reading, but an absent page is a page of zeros. */
enum status space_read_zeros(struct space *space, page_t page, const void **data);
enum status space_write(struct space *space, page_t page, void **data);

/* ---- object.c: object table, versions, ranges, creation, destruction ------- */

/* Lays down system page, first bank (limit in pages), root directory and the
 * kernel's own objects (clock, console, store, system, log) in an empty space;
 * afterwards object numbers are the fixed ones below. */
enum status objects_format(struct space *space, uint64_t bank_limit_pages);
enum {
	OBJECT_ROOT_BANK = 1,
	OBJECT_ROOT_DIRECTORY = 2,
	OBJECT_THE_CLOCK = 3,
	OBJECT_THE_CONSOLE = 4,
	OBJECT_THE_STORE = 5,
	OBJECT_THE_SYSTEM = 6,
	OBJECT_THE_LOG = 7,
	OBJECT_FIRST_FREE = 8,
};

/* The system page: ABSENT if the space was never formatted, FORMAT if it is of
 * another version. */
enum status system_read(struct space *space, const struct disk_system **system);
enum status system_prepare(struct space *space, struct disk_system **system);

/* The largest object version ever handed out. */
uint64_t objects_version(const struct space *space, const struct disk_system *system);

/* The record of an object; NOT_FOUND beyond the table, DEAD if it is free. */
enum status object_read(struct space *space, object_t object, struct disk_object *record);
enum status object_prepare(struct space *space, object_t object, struct disk_object **record);

/* A capability with these rights to a living object (versions are filled in). */
enum status object_capability(struct space *space, object_t object, uint16_t rights,
			      struct disk_capability *capability);

/* All rights that make sense for a type that programs can create. */
uint16_t object_rights(enum object_type type);

/* The rights that are in it: READ of a directory has EXECUTE in it. */
uint16_t capability_rights(const struct disk_capability *capability);
/* It keeps of them no more than these. */
void capability_reduce(struct disk_capability *capability, uint16_t rights);

/* Is the capability alive, of this type (OBJECT_NONE: any) and with all these
 * rights?  NO_CAPABILITY, DEAD, WRONG_TYPE, NO_RIGHT.  record may be null. */
enum status object_resolve(struct space *space, const struct disk_capability *capability,
			   enum object_type type, uint16_t rights, struct disk_object *record);

/* The capability is to hang from the bank, with which it ends, whatever it names and wherever it is
 * then; needs CREATE there.  One that hangs from a bank already can hang from one below: INVALID.
 * Prepare, then COMMIT. */
enum status capability_derive_prepare(struct space *space, struct disk_capability *capability,
				      const struct disk_capability *bank);
void capability_derive(struct space *space, const struct disk_capability *capability);
/* A bit for each bank with which the capability ends, or the object that it names, of which this is
 * the record: by the bank's version, so two banks may have the same one. */
enum status capability_banks(struct space *space, const struct disk_capability *capability,
			     const struct disk_object *record, uint64_t *bits);
static inline uint64_t bank_bit(uint64_t version)
{
	return UINT64_C(1) << (version * UINT64_C(0x9e3779b97f4a7c15) >> 58);
}

/* A space of version 1 has no map of the ranges that are free, but a quarantine of those
 * that were given back.  One bounded step towards the map, in an operation of its own;
 * *more: call again. */
enum status range_survey_step(struct space *space, bool *more);

struct object_request {
	enum object_type type; /* one that has a `check` (objects_priv.h) */
	/* segment: bytes; port: messages; table: slots; bank: pages that it may pay for */
	uint64_t size;
	/* segment: most bytes, rounded up to a power of two of pages; bank: addresses, in pages */
	uint64_t size_max;
	char name[MACHINE_NAME]; /* machine; with its own new table, priority below */
	uint8_t priority;
	uint64_t weight; /* bank: of the processor, 0: none of its own */
};
/* Could it ever be created?  INVALID, LIMIT. */
enum status object_request_check(const struct object_request *request);
/* Creates an object charged to the bank: ALLOWANCE, LIMIT, INVALID; BUSY:
 * range_survey_step comes first.  What a bank may pay for is set aside from what its own bank
 * may.  The capability carries all rights that make sense for the type.  A machine comes
 * with a table of SLOTS_DEFAULT slots in which SLOT_SELF and SLOT_TABLE are set,
 * and a message page; it is stopped. */
enum status object_create(struct space *space, object_t bank, const struct object_request *request,
			  struct disk_capability *capability);

#define ENDED_MAX (4u + MACHINE_ATTACHMENTS) /* a machine, and what ends with it */
struct ended {
	uint32_t count;
	struct {
		object_t object;
		struct disk_object record; /* as it was */
	} part[ENDED_MAX];		   /* the one that is meant is the first */
};
/* Ends the object: its version is void at once and every capability to it dead;
 * for a machine also its table, message page, own port, own bank and owned segments, its
 * deadline and its may-be-ready bit.  With a bank all that it pays for is dead at once, and is
 * ended one by one in steps.  Its pages and its allowance are given back by
 * object_destroy_step.  NOT_EMPTY for a directory with entries, NO_OPERATION
 * for the fixed objects. */
enum status object_destroy(struct space *space, object_t object, struct ended *ended);
/* An object that is being destroyed, 0: the first of those that are; NOT_FOUND: none is. */
enum status object_dying(struct space *space, object_t *object, struct disk_object *record);
/* May somebody wait for what is dying, or for what it holds?  Whoever runs machines tells them,
 * and then says so; nobody else takes it apart before. */
bool object_awaited(const struct disk_object *record);
enum status object_told(struct space *space, object_t object);
/* What a dying object holds that somebody may wait for, a reply or a port, or through which one may
 * wait that hung from it, a machine: the next at or behind `at`, from 0 on.  Whatever comes but
 * WAIT, *next is where to go on.  EMPTY: nothing there, but perhaps further on; NOT_FOUND: that was
 * all. */
enum status object_held(struct space *space, object_t object, const struct disk_object *record,
			uint32_t at, uint32_t *next, struct disk_capability *capability);
/* One bounded step, in an operation of its own, with the first; *more: call again.  While any
 * object is being destroyed, disk_system.destroying is not 0.  The step may have ended something
 * that a dead bank paid for. */
enum status object_destroy_step(struct space *space, bool *more, struct ended *ended);

/* Pages charged for an object of that type and size: segment max(1, its pages);
 * machine 2 (its page and message page, the table is charged by itself); port 1
 * and half its capacity; table 1 for 64 slots; directory 1, as long as it is
 * empty; bank 1 and what it may pay for; log 17; others 0. */
uint64_t object_charge(enum object_type type, uint64_t size);
/* What its bank pays for one that is there: for a bank all that it may pay for, for a directory
 * the pages of its tree. */
uint64_t record_charge(const struct disk_object *record);

/* ---- bank.c -------------------------------------------------------------------- */

/* The account of a bank, or of any object. */
enum status account_read(struct space *space, object_t object, struct disk_account *account);
/* The next of the banks made from this one, with 0 the first; NOT_FOUND behind the last, DEAD:
 * `bank` is none of them any more. */
enum status bank_next(struct space *space, object_t parent, object_t *bank,
		      struct disk_object *record);
/* The bank that pays for the object, if that is `top` or below it; NOT_FOUND. */
enum status bank_of(struct space *space, object_t top, object_t object, object_t *bank);
/* From now on `bank` pays for the object, and not who did: ALLOWANCE.  NO_OPERATION for banks,
 * machines and the fixed objects. */
enum status bank_adopt(struct space *space, object_t bank, object_t object);

/* ---- weight.c: the processor ----------------------------------------------------- */

/* Of which bank's share the machine runs: the version of the first bank above it that has a weight
 * (0: the first of all), and what of that is its own.  Whatever is not to be had but for WAIT
 * counts as a part of the first bank. */
enum status bank_share(struct space *space, object_t machine, uint64_t *share, uint32_t *weight);
/* The weight of a bank, as a whole. */
uint32_t bank_weight(object_t bank, const struct disk_account *account);
/* A bank that was made from `above` has this weight from now on: ALLOWANCE when that has not so
 * much left, or more is given to those below.  INVALID: it was made from another. */
enum status bank_weigh(struct space *space, object_t above, object_t bank, uint64_t weight);

/* ---- transient.c: objects that are to go ---------------------------------------------- */

/* Whatever is made in several operations, and whatever is destroyed in several, would stay
 * half done for ever if a life ended in between.  So its objects are noted: those that are
 * made, by the operation that makes them, until they are kept; those that are destroyed,
 * before the first of them is.  What is noted and not being worked on is destroyed by
 * whoever owns the space. */

/* Room for so many more?  LIMIT. */
enum status transient_prepare(struct space *space, uint32_t count, struct disk_system **system);
void transient_add(struct disk_system *system, object_t object, uint64_t version);
/* It is to stay. */
void transient_remove(struct disk_system *system, uint64_t version);
/* Creates an object that is noted. */
enum status transient_create(struct space *space, object_t bank,
			     const struct object_request *request,
			     struct disk_capability *capability);
/* The next of the list from place *at on; *at becomes its place.  OK: it lives.  DEAD: it
 * has ended, or is none that could.  NOT_FOUND: that was the last.  Only one is looked at:
 * whoever waits goes on where he was, or those behind what the disk does not read, by the
 * same page, would be asked for again and again. */
enum status transient_find(struct space *space, uint32_t *at, object_t *object,
			   struct disk_object *record);
/* What is at this place has ended, or is given up as damaged. */
enum status transient_forget(struct space *space, uint32_t at);

/* ---- segment.c -------------------------------------------------------------- */

/* LIMIT beyond the segment's range, ALLOWANCE.  What is cut off reads as zeros
 * when it comes back, also in the last page.  A cut goes in bounded steps, each
 * an operation of its own: OK with *more means call again with the same size.
 * Until the last call the segment keeps its old size, and some of what is to be
 * cut off reads as zeros already.  Executing the whole anew is harmless. */
enum status segment_size_set(struct space *space, object_t segment, uint64_t bytes, bool *more);

/* ---- table.c ---------------------------------------------------------------- */

/* The table that comes with a machine; the same numbers as in kernel/abi.h. */
enum {
	TABLE_MACHINE_SLOTS = 256,
	TABLE_SLOT_SELF = 2,
	TABLE_SLOT_TABLE = 3,
	/* These two end with the machine, if it may destroy them. */
	TABLE_SLOT_BANK = 4,
	TABLE_SLOT_PORT = 6,
};

/* A slot's capability, empty if the slot is; INVALID outside the table. */
enum status table_get(struct space *space, const struct disk_object *table, uint32_t slot,
		      struct disk_capability *capability);
/* The first slot at or after *slot with a capability to an object of this type, a reply
 * for one; NOT_FOUND. */
enum status table_find(struct space *space, const struct disk_object *table, enum object_type type,
		       uint32_t *slot);
enum status table_prepare(struct space *space, const struct disk_object *table, uint32_t slot);
void table_put(struct space *space, const struct disk_object *table, uint32_t slot,
	       const struct disk_capability *capability);

/* ---- directory.c ------------------------------------------------------------ */

struct directory_entry {
	uint8_t length;
	char name[TREE_KEY_MAX + 1]; /* and a NUL */
	struct disk_capability capability;
};
bool directory_name_valid(const char *name, size_t length);
/* What a lookup gives: the entry as it was linked to who may write the directory; to others READ
 * and EXECUTE of it at most, and of a directory what their own capability has. */
void directory_narrow(const struct disk_capability *through, struct disk_capability *found);

/* A directory has one name at most, and its record says in which directory: its
 * place.  So directories are trees, and none can be put below itself: that is LOOP.
 * NAMED: it has a name already.  NO_RIGHT: only who may write a directory gives it a
 * name.  NOT_EMPTY: a directory that would lose its name to another object has names.
 * LIMIT: this is for a place with more than DIRECTORY_DEPTH_MAX directories above it,
 * and for directories with names only.  BUSY: directory_survey_step comes first. */
#define DIRECTORY_DEPTH_MAX 128u
enum status entry_lookup(struct space *space, object_t directory, const char *name, size_t length,
			 struct disk_capability *capability);
enum status entry_link(struct space *space, object_t directory, const char *name, size_t length,
		       const struct disk_capability *capability, bool replace);
/* Makes a segment for a new name, from the bank that pays for the directory; as object_create and
 * entry_link. */
enum status entry_create(struct space *space, object_t directory, const char *name, size_t length,
			 const struct object_request *request, struct disk_capability *capability);
enum status entry_unlink(struct space *space, object_t directory, const char *name, size_t length);
enum status entry_rename(struct space *space, object_t from, const char *old_name,
			 size_t old_length, object_t to, const char *new_name, size_t new_length,
			 bool replace);
/* Notes the places of directories in a space of which disk_system.places says that
 * they are not known: one made before there were places.  One bounded step, in an
 * operation of its own; *more: call again.  From object 1 on in a new life. */
struct directory_survey {
	object_t directory;
	uint8_t length; /* of the name looked at last, 0: none yet */
	char name[TREE_KEY_MAX];
};
enum status directory_survey_step(struct space *space, struct directory_survey *survey, bool *more);
/* The first entry behind `name` in byte order (length 0: the first of all). */
enum status entry_next(struct space *space, object_t directory, const char *name, size_t length,
		       struct directory_entry *entry);

/* ---- port.c ----------------------------------------------------------------- */

/* Room for one more message?  FULL if not.  Prepares the pages for port_put; one
 * put for each port and operation. */
enum status port_put_prepare(struct space *space, const struct disk_object *port);
void port_put(struct space *space, const struct disk_object *port,
	      const struct disk_message *message);
/* The oldest message, EMPTY if none; prepares for port_drop. */
enum status port_peek_prepare(struct space *space, const struct disk_object *port,
			      const struct disk_message **message);
void port_drop(struct space *space, const struct disk_object *port);

/* ---- machine.c -------------------------------------------------------------- */

enum status machine_read(struct space *space, object_t machine, struct disk_machine **data);
enum status machine_prepare(struct space *space, object_t machine, struct disk_machine **data);

/* ---- attachment.c ----------------------------------------------------------- */

/* What of a segment is to appear, and where. */
struct attachment_run {
	uint64_t first, pages; /* of the segment; pages 0: all that it can grow to */
	uint16_t rights;       /* RIGHT_READ, WRITE, EXECUTE; not the last two both */
	bool owned;	       /* it is destroyed with the machine */
	uint64_t place;	       /* page, in a window; 0: the segment's own address */
};

/* On a prepared machine page.  INVALID outside the segment's range or the windows, or for no
 * rights; NO_RIGHT beyond the capability's (owned needs DESTROY); ATTACHED on overlap; LIMIT. */
enum status attachment_add(struct disk_machine *machine, const struct disk_object *segment,
			   const struct disk_capability *capability,
			   const struct attachment_run *run);
/* Other rights for so many pages from a place on, none: they are attached no more.  All of them
 * are of one attachment, of which the rest stays as it was. */
struct attachment_change {
	page_t page;
	uint64_t pages;
	/* No more than they have, or than a capability (or null) to the same segment gives, by
	 * which they are attached then. */
	uint16_t rights;
	const struct disk_capability *capability;
};
/* NOT_FOUND: none is there; INVALID: more than it has, or another segment; NO_RIGHT; LIMIT: no
 * entry free for a part.  What is left of a segment that is owned stays owned. */
enum status attachment_change(struct disk_machine *machine, const struct attachment_change *change);
/* The attachment that is at this place goes; NOT_FOUND. */
enum status attachment_remove(struct disk_machine *machine, page_t page);
/* Removes attachments of destroyed segments, so that they neither use up entries
 * nor overlap with what has their range now.  Changes nothing unless OK. */
enum status machine_attachments_prune(struct space *space, struct disk_machine *machine);
/* The attachment that is at this place, or null; and the first that begins there or behind. */
const struct disk_attachment *machine_attachment(const struct disk_machine *machine, page_t page);
const struct disk_attachment *machine_attachment_next(const struct disk_machine *machine,
						      page_t page);
/* The page that a machine touches at this place, which is one of the attachment's. */
static inline page_t attachment_page(const struct disk_attachment *attachment, page_t place)
{
	return (page_t){attachment->first_page + (place.n - attachment_place(attachment))};
}

/* ---- view.c: attachments that machines share --------------------------------------- */

/* INVALID, NO_RIGHT, as attachment_add; none is owned (INVALID).  ATTACHED on overlap; but what
 * is in the way of a segment that has ended is taken out, one attachment a call: OK with *more,
 * and nothing else was done.  ALLOWANCE: its bank must have what the tree of
 * them may take. */
enum status view_add(struct space *space, object_t view, const struct disk_object *segment,
		     const struct disk_capability *capability, const struct attachment_run *run,
		     bool *more);
/* As attachment_change.  *old: as it was. */
enum status view_change(struct space *space, object_t view, const struct attachment_change *change,
			struct disk_attachment *old);
/* The attachment that is at this place, whatever has become of its segment; NOT_FOUND. */
enum status view_attachment(struct space *space, const struct disk_object *view, page_t page,
			    struct disk_attachment *attachment);
/* The first that begins there or behind; NOT_FOUND. */
enum status view_next(struct space *space, const struct disk_object *view, page_t page,
		      struct disk_attachment *attachment);

/* ---- machine.c: bitmaps ------------------------------------------------------ */

/* May-be-ready bitmaps, one for each priority: a superset of the machines that can run.  In a
 * state from before there were several, all are in that of priority 0.  And RESUME_BITMAP, a
 * superset of those that want to be told of a resume. */
page_t machine_bit_page(object_t machine, unsigned bitmap);
enum status machine_bit_prepare(struct space *space, object_t machine, unsigned bitmap);
void machine_bit_set(struct space *space, object_t machine, unsigned bitmap, bool set);
/* The first bit that is set at or after `from`; NOT_FOUND. */
enum status machine_bit_next(struct space *space, unsigned bitmap, object_t from,
			     object_t *machine);

/* The first machine in the object table at or after `from`; NOT_FOUND. */
enum status machine_next(struct space *space, object_t from, object_t *machine);

/* Ordered queue of deadlines (persistent uptime, ns). */
enum status deadline_insert_prepare(struct space *space, uint64_t deadline, object_t machine);
void deadline_insert(struct space *space, uint64_t deadline, object_t machine);
enum status deadline_remove_prepare(struct space *space, uint64_t deadline, object_t machine);
void deadline_remove(struct space *space, uint64_t deadline, object_t machine);
/* The first one behind this one, the earliest of all behind 0, 0; NOT_FOUND. */
enum status deadline_next(struct space *space, uint64_t *deadline, object_t *machine);

/* ---- btree.c: B+trees with byte-string keys ----------------------------------- */

/* *root is the page number of the root, 0 for an empty tree; the owner keeps it
 * in a page that it has prepared.  Depth is at most TREE_DEPTH_MAX: LIMIT beyond,
 * which a million entries with the longest names do not reach. */
#define TREE_DEPTH_MAX 8u
/* Changes of trees that can be prepared in one operation before they are done. */
#define TREE_CHANGES_MAX 8u
struct btree_key {
	const void *bytes;
	size_t length; /* 1 .. TREE_KEY_MAX */
};
enum status btree_find(struct space *space, uint64_t root, struct btree_key key, void *value,
		       size_t value_length);
/* The first entry with key > `after` (length 0: the first). */
enum status btree_next(struct space *space, uint64_t root, struct btree_key after, uint8_t *key,
		       size_t *key_length, void *value, size_t value_length);
/* How many pages a tree of one or two levels has; 0: it has none, or more levels. */
enum status btree_count(struct space *space, uint64_t root, uint32_t *pages);
/* Pages for any insertion of a key of that length, splits included / a removal. */
enum status btree_insert_prepare(struct space *space, uint64_t root, struct btree_key key);
void btree_insert(struct space *space, uint64_t *root, struct btree_key key, const void *value,
		  size_t value_length); /* replaces an equal key */
enum status btree_remove_prepare(struct space *space, uint64_t root, struct btree_key key);
void btree_remove(struct space *space, uint64_t *root, struct btree_key key);

/* ---- log.c ------------------------------------------------------------------- */

/* Up to LOG_PREPARE_MAX bytes in one operation, in one or several pieces; LIMIT. */
#define LOG_PREPARE_MAX 8192u
enum status log_prepare(struct space *space, size_t length);
void log_add(struct space *space, const void *text, size_t length);
/* Up to `size` bytes from position *from, which moves up if overwritten; EMPTY. */
enum status log_copy(struct space *space, uint64_t *from, void *text, size_t size, size_t *length);

#endif
