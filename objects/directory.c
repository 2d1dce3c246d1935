/* SPDX-License-Identifier: MIT */
/*
 * directory.c - names to capabilities, in byte order of the names.
 *
 * A directory is a record: `size` entries in the B+tree at `root`, name to
 * struct disk_capability.  Its bank pays for the tree's `pages`.  What an older system
 * made has not counted them, and pays a page for 16 entries; it is counted with the
 * next change when its tree has two levels at most, or none.
 *
 * Places.  A directory D that has a name has one, and `place` of its record is
 * the directory in which that name is.  Whatever gives or takes the name of
 * a directory writes the place in the same operation, so
 *
 *   1. from every directory the way up, place by place, ends: at the root, or at a
 *      directory that only capabilities lead to;
 *   2. before a directory comes to a new place, the way up from there is followed,
 *      and does not pass it.  An empty one has nothing below it.
 */
#include "objects/objects_priv.h"
#include <string.h>

#define DIRECTORY_PAGES_MAX (USER_ARENA_PAGE - TREE_ARENA_PAGE)

/* Of a new one, which has no entries. */
static uint64_t directory_charge(uint64_t entries)
{
	(void)entries;
	return 1;
}

static uint64_t directory_pays(const struct disk_object *record)
{
	return 1 + (record->directory.pages ? record->directory.pages : record->size / 16);
}

static bool directory_valid(const struct disk_object *record)
{
	if (record->directory.place >= OBJECT_MAX || record->directory.pages > DIRECTORY_PAGES_MAX)
		return false;
	return record->directory.root ? record->size && btree_page_valid(record->directory.root)
				      : !record->size && !record->directory.pages;
}

static enum status directory_check(const struct object_request *request)
{
	(void)request;
	return STATUS_OK;
}

static enum status directory_may_end(const struct disk_object *record)
{
	return record->size ? STATUS_NOT_EMPTY : STATUS_OK;
}

const struct type_descriptor directory_type = {
	.arena = RANGE_NONE,
	.rights = RIGHT_READ | RIGHT_WRITE | RIGHT_DESTROY,
	.charge = directory_charge,
	.pays = directory_pays,
	.valid = directory_valid,
	.starts_empty = true,
	.check = directory_check,
	.may_end = directory_may_end,
};

/* ---- names ----------------------------------------------------------------------- */

bool directory_name_valid(const char *name, size_t length)
{
	if (!length || length > TREE_KEY_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if (name[i] == '/' || name[i] == '\0')
			return false;
	return true;
}

static struct btree_key name_key(const char *name, size_t length)
{
	return (struct btree_key){name, length};
}

void directory_narrow(const struct disk_capability *through, struct disk_capability *found)
{
	uint16_t rights = RIGHT_READ | RIGHT_EXECUTE;

	ASSERT(through->type == OBJECT_DIRECTORY);
	if (through->rights & RIGHT_WRITE)
		return;
	if (found->type == OBJECT_DIRECTORY)
		rights = capability_rights(through) & (RIGHT_READ | RIGHT_EXECUTE);
	capability_reduce(found, rights);
}

/* ---- what its bank pays ------------------------------------------------------------- */

/* A directory of which the tree is to change. */
struct change {
	struct disk_object *record;
	struct disk_system *system; /* of a version before there were counts; null: it is not */
	uint32_t pages;		    /* of its tree, before */
	bool counted;		    /* they are known: these are what its bank is to pay for */
	uint32_t taken;		    /* at most, by the tree */
	uint64_t extra;		    /* the bank must have this */
};

/* Prepares the record, and finds out how many pages there are. */
static enum status change_prepare(struct space *space, object_t directory, struct change *change)
{
	const struct disk_system *system;
	struct disk_object *record;
	enum status status = object_prepare_typed(space, directory, OBJECT_DIRECTORY, &record);

	*change = (struct change){.taken = 0};
	if (status == STATUS_OK)
		status = system_read(space, &system);
	if (status != STATUS_OK)
		return status;
	change->record = record;
	change->pages = record->directory.pages;
	change->counted = change->pages || !record->directory.root;
	if (!change->counted)
		status = btree_count(space, record->directory.root, &change->pages);
	/* Without a map of ranges it is not only the number of the version that is older. */
	change->counted =
		(change->counted || change->pages) && system->version >= SYSTEM_VERSION_MAP;
	if (status == STATUS_OK && change->counted && system->version < SYSTEM_VERSION_PAGES)
		status = system_prepare(space, &change->system);
	return status;
}

/* What is to be paid with so many entries, and so many pages more. */
static uint64_t change_pays(const struct change *change, uint64_t entries, uint32_t more)
{
	return 1 + (change->counted ? (uint64_t)change->pages + more : entries / 16);
}

/* Who was not counted until now may have to pay more then. */
static bool change_counts_for_more(const struct change *change)
{
	return change->counted && !change->record->directory.pages &&
	       change_pays(change, 0, 0) > directory_pays(change->record);
}

/* Prepares the tree for a name, the first change of this operation, and the bank. */
static enum status change_insert_prepare(struct space *space, struct change *change,
					 struct btree_key name, bool more)
{
	struct disk_object *record = change->record;
	uint64_t pays = directory_pays(record), entries = record->size + more, most;
	uint32_t spares;
	enum status status;

	space_operation_note(space);
	spares = space->tree_spares;
	status = btree_insert_prepare(space, record->directory.root, name);
	if (status != STATUS_OK)
		return status;
	change->taken = space->tree_spares - spares;
	if (change->taken > DIRECTORY_PAGES_MAX - change->pages)
		return STATUS_CORRUPT; /* more than there can be */
	if (!more && change_counts_for_more(change))
		change->counted = false;
	most = change_pays(change, entries, change->taken);
	change->extra = most > pays ? most - pays : 0;
	if (change->extra)
		return bank_charge_prepare(space, (object_t){record->bank}, change->extra, 0);
	return change_pays(change, entries, 0) < pays
		       ? bank_credit_prepare(space, (object_t){record->bank}, 0)
		       : STATUS_OK;
}

/* The same without a name.  Nobody is asked for more to take one away. */
static enum status change_remove_prepare(struct space *space, struct change *change,
					 struct btree_key name)
{
	struct disk_object *record = change->record;
	enum status status = btree_remove_prepare(space, record->directory.root, name);

	if (!change->extra && change_counts_for_more(change))
		change->counted = false;
	if (status == STATUS_OK && (space->tree_gives || change_pays(change, record->size - 1, 0) <
								 directory_pays(record)))
		status = bank_credit_prepare(space, (object_t){record->bank}, 0);
	return status;
}

/* COMMIT: the directory has `more` entries, and its tree so many pages since
 * space->tree_pages was `before`. */
static void change_commit(struct space *space, const struct change *change, uint64_t before,
			  int64_t more)
{
	struct disk_object *record = change->record;
	int64_t pages = (int64_t)change->pages + (int64_t)(space->tree_pages - before);
	uint64_t pays = directory_pays(record), now;

	ASSERT(record->type == OBJECT_DIRECTORY && record->version);
	ASSERT(more >= 0 || record->size); /* something was found in it */
	/* What damage has made of the counts ends with the last entry, and does not run below
	 * what there must be. */
	record->size = record->directory.root ? record->size + (uint64_t)more : 0;
	if (!record->directory.root)
		record->directory.pages = 0;
	else if (change->counted)
		record->directory.pages = pages > 0 ? (uint32_t)pages : 1;
	if (change->counted && change->system)
		change->system->version = SYSTEM_VERSION;
	now = directory_pays(record);
	if (now > pays)
		bank_charge(space, (object_t){record->bank}, now - pays, 0, 0);
	else if (now < pays)
		bank_credit(space, (object_t){record->bank}, pays - now, 0, 0);
}

/* ---- places ---------------------------------------------------------------------- */

/* Whose places change with a name; prepared.  0: nobody's. */
struct placing {
	object_t comes, leaves;
};

/* The living directory that a capability names, *directory 0 if there is none; what
 * is said of it in its record, which is not sound, counts for nothing. */
static enum status placing_find(struct space *space, const struct disk_capability *capability,
				object_t *directory, struct disk_object *record)
{
	enum status status;

	*directory = (object_t){0};
	if (capability->type != OBJECT_DIRECTORY)
		return STATUS_OK;
	status = object_read(space, (object_t){capability->object}, record);
	if (status == STATUS_DEAD || status == STATUS_NOT_FOUND || status == STATUS_CORRUPT)
		return STATUS_OK;
	if (status == STATUS_OK && record->type == OBJECT_DIRECTORY &&
	    record->version == capability->version)
		*directory = (object_t){capability->object};
	return status;
}

/* May the directory come to the place `to`? */
static enum status placing_check(struct space *space, object_t directory,
				 const struct disk_object *record, object_t to)
{
	const struct disk_system *system;
	enum status status;

	ASSERT(directory.n);
	if (directory.n == OBJECT_ROOT_DIRECTORY || directory.n == to.n)
		return STATUS_LOOP;
	if (!record->size)
		return STATUS_OK;
	status = system_read(space, &system);
	if (status == STATUS_OK && !system->places)
		status = STATUS_BUSY;
	for (uint32_t depth = 0; status == STATUS_OK && to.n; depth++) {
		struct disk_object above;

		if (to.n == directory.n)
			return STATUS_LOOP;
		if (depth > DIRECTORY_DEPTH_MAX)
			return STATUS_LIMIT;
		status = object_read_typed(space, to, OBJECT_DIRECTORY, &above);
		if (status == STATUS_DEAD || status == STATUS_WRONG_TYPE)
			status = STATUS_CORRUPT;
		to = (object_t){(uint32_t)above.directory.place};
	}
	return status;
}

/* A name in `place` that stood for `old` is to stand for `next`; either may be null. */
static enum status placing_prepare(struct space *space, struct placing *placing, object_t place,
				   const struct disk_capability *old,
				   const struct disk_capability *next, bool moves)
{
	struct disk_object leaving = {0}, coming = {0}, *record;
	enum status status = STATUS_OK;
	bool same;

	placing->comes = placing->leaves = (object_t){0};
	if (old)
		status = placing_find(space, old, &placing->leaves, &leaving);
	if (status == STATUS_OK && next)
		status = placing_find(space, next, &placing->comes, &coming);
	if (status != STATUS_OK)
		return status;
	/* The same under the same name.  From before there were places a directory may
	 * also have several names; its place is that of one of them. */
	same = placing->leaves.n == placing->comes.n;
	if (same || leaving.directory.place != place.n)
		placing->leaves = (object_t){0};
	if (moves ? coming.directory.place == place.n : same)
		placing->comes = (object_t){0};
	if (placing->leaves.n && next && leaving.size)
		return STATUS_NOT_EMPTY;
	if (placing->comes.n && !moves && coming.directory.place)
		return STATUS_NAMED;
	if (placing->comes.n && !moves && !(next->rights & RIGHT_WRITE))
		return STATUS_NO_RIGHT;
	if (placing->comes.n)
		status = placing_check(space, placing->comes, &coming, place);
	if (status == STATUS_OK && placing->comes.n)
		status = record_prepare(space, placing->comes, &record);
	if (status == STATUS_OK && placing->leaves.n)
		status = record_prepare(space, placing->leaves, &record);
	return status;
}

static void placing_commit(struct space *space, const struct placing *placing, object_t place)
{
	/* It does not come to lie in itself, and what leaves is not what comes. */
	ASSERT(!placing->comes.n || placing->comes.n != place.n);
	ASSERT(!placing->comes.n || placing->comes.n != placing->leaves.n);
	ASSERT(placing->comes.n != OBJECT_ROOT_DIRECTORY);
	if (placing->leaves.n)
		record_writable(space, placing->leaves)->directory.place = 0;
	if (placing->comes.n)
		record_writable(space, placing->comes)->directory.place = place.n;
}

/* ---- names ------------------------------------------------------------------------- */

enum status entry_lookup(struct space *space, object_t directory, const char *name, size_t length,
			 struct disk_capability *capability)
{
	struct disk_object record;
	enum status status = object_read_typed(space, directory, OBJECT_DIRECTORY, &record);

	if (status != STATUS_OK)
		return status;
	if (!directory_name_valid(name, length))
		return STATUS_INVALID;
	return btree_find(space, record.directory.root, name_key(name, length), capability,
			  sizeof(*capability));
}

enum status entry_link(struct space *space, object_t directory, const char *name, size_t length,
		       const struct disk_capability *capability, bool replace)
{
	struct disk_capability old;
	struct placing placing;
	struct change change;
	uint64_t before;
	enum status status = entry_lookup(space, directory, name, length, &old);
	bool exists = status == STATUS_OK;

	if (status != STATUS_OK && status != STATUS_NOT_FOUND)
		return status;
	if (exists && !replace)
		return STATUS_EXISTS;
	status = placing_prepare(space, &placing, directory, exists ? &old : NULL, capability,
				 false);
	if (status == STATUS_OK)
		status = change_prepare(space, directory, &change);
	if (status == STATUS_OK)
		status = change_insert_prepare(space, &change, name_key(name, length), !exists);
	if (status != STATUS_OK)
		return status;

	/* Commit point. */
	before = space->tree_pages;
	btree_insert(space, &change.record->directory.root, name_key(name, length), capability,
		     sizeof(*capability));
	placing_commit(space, &placing, directory);
	change_commit(space, &change, before, !exists);
	return STATUS_OK;
}

enum status entry_unlink(struct space *space, object_t directory, const char *name, size_t length)
{
	struct disk_capability old;
	struct placing placing;
	struct change change;
	uint64_t before;
	enum status status = entry_lookup(space, directory, name, length, &old);

	if (status == STATUS_OK)
		status = placing_prepare(space, &placing, directory, &old, NULL, false);
	if (status == STATUS_OK)
		status = change_prepare(space, directory, &change);
	if (status == STATUS_OK)
		status = change_remove_prepare(space, &change, name_key(name, length));
	if (status != STATUS_OK)
		return status;

	/* Commit point. */
	before = space->tree_pages;
	btree_remove(space, &change.record->directory.root, name_key(name, length));
	placing_commit(space, &placing, directory);
	change_commit(space, &change, before, -1);
	return STATUS_OK;
}

enum status entry_rename(struct space *space, object_t from, const char *old_name,
			 size_t old_length, object_t to, const char *new_name, size_t new_length,
			 bool replace)
{
	struct disk_capability moved, replaced;
	struct change source, target;
	struct placing placing;
	bool same = from.n == to.n, exists;
	uint64_t before;
	enum status status = entry_lookup(space, from, old_name, old_length, &moved);

	if (status != STATUS_OK)
		return status;
	status = entry_lookup(space, to, new_name, new_length, &replaced);
	exists = status == STATUS_OK;
	if (status != STATUS_OK && status != STATUS_NOT_FOUND)
		return status;
	if (same && old_length == new_length && memcmp(old_name, new_name, old_length) == 0)
		return STATUS_OK;
	if (exists && !replace)
		return STATUS_EXISTS;
	status = placing_prepare(space, &placing, to, exists ? &replaced : NULL, &moved, true);
	if (status == STATUS_OK)
		status = change_prepare(space, to, &target);
	if (status == STATUS_OK && !same)
		status = change_prepare(space, from, &source);
	/* In this order, in which it is known what the tree takes. */
	if (status == STATUS_OK)
		status = change_insert_prepare(space, &target, name_key(new_name, new_length),
					       !same && !exists);
	if (status == STATUS_OK)
		status = change_remove_prepare(space, same ? &target : &source,
					       name_key(old_name, old_length));
	if (status != STATUS_OK)
		return status;

	/* Commit point. */
	before = space->tree_pages;
	btree_insert(space, &target.record->directory.root, name_key(new_name, new_length), &moved,
		     sizeof(moved));
	if (!same) {
		change_commit(space, &target, before, !exists);
		before = space->tree_pages;
	}
	btree_remove(space, same ? &target.record->directory.root : &source.record->directory.root,
		     name_key(old_name, old_length));
	change_commit(space, same ? &target : &source, before, same && !exists ? 0 : -1);
	placing_commit(space, &placing, to);
	return STATUS_OK;
}

enum status entry_next(struct space *space, object_t directory, const char *name, size_t length,
		       struct directory_entry *entry)
{
	struct disk_object record;
	size_t found;
	enum status status = object_read_typed(space, directory, OBJECT_DIRECTORY, &record);

	if (status != STATUS_OK)
		return status;
	if (length && !directory_name_valid(name, length))
		return STATUS_INVALID;
	status = btree_next(space, record.directory.root, name_key(name, length),
			    (uint8_t *)entry->name, &found, &entry->capability,
			    sizeof(entry->capability));
	if (status != STATUS_OK)
		return status;
	if (!directory_name_valid(entry->name, found))
		return STATUS_CORRUPT;
	entry->name[found] = '\0';
	entry->length = (uint8_t)found;
	return STATUS_OK;
}

enum status entry_unlink_first(struct space *space, object_t directory)
{
	struct directory_entry entry;
	enum status status = entry_next(space, directory, NULL, 0, &entry);

	if (status == STATUS_OK)
		status = entry_unlink(space, directory, entry.name, entry.length);
	return status;
}

/* What is made for a name and the name come in one operation; the directory's bank pays. */
enum status entry_create(struct space *space, object_t directory, const char *name, size_t length,
			 const struct object_request *request, struct disk_capability *capability)
{
	struct creation creation = {.request = request, .type = type_find(request->type)};
	struct disk_capability old;
	struct disk_object bank;
	struct change change;
	uint64_t before;
	enum status status =
		request->type == OBJECT_SEGMENT ? object_request_check(request) : STATUS_INVALID;

	if (status == STATUS_OK)
		status = entry_lookup(space, directory, name, length, &old);
	if (status != STATUS_NOT_FOUND)
		return status == STATUS_OK ? STATUS_EXISTS : status;
	status = change_prepare(space, directory, &change);
	if (status == STATUS_OK)
		status = change_insert_prepare(space, &change, name_key(name, length), true);
	if (status != STATUS_OK)
		return status;
	creation.bank = (object_t){change.record->bank};
	status = creation_prepare(space, &creation);
	/* It pays for both. */
	if (status == STATUS_OK)
		status = object_read_typed(space, creation.bank, OBJECT_BANK, &bank);
	if (status == STATUS_OK &&
	    bank.allowance.limit - bank.size < creation.charge + change.extra)
		status = STATUS_ALLOWANCE;
	if (status != STATUS_OK)
		return status;

	/* Commit point. */
	creation_commit(space, &creation, capability);
	before = space->tree_pages;
	btree_insert(space, &change.record->directory.root, name_key(name, length), capability,
		     sizeof(*capability));
	change_commit(space, &change, before, 1);
	return STATUS_OK;
}

/* ---- a space from before there were places ------------------------------------------- */

static enum status survey_entry(struct space *space, const struct directory_survey *survey,
				const struct directory_entry *entry)
{
	struct disk_object found, *record;
	object_t directory;
	enum status status = placing_find(space, &entry->capability, &directory, &found);

	/* Of several names the first one counts. */
	if (status != STATUS_OK || !directory.n || found.directory.place ||
	    directory.n == OBJECT_ROOT_DIRECTORY)
		return status;
	status = record_prepare(space, directory, &record);
	if (status == STATUS_OK)
		record->directory.place = survey->directory.n;
	return status;
}

static enum status survey_end(struct space *space)
{
	struct disk_system *system;
	enum status status = system_prepare(space, &system);

	if (status == STATUS_OK)
		system->places = 1;
	return status;
}

enum status directory_survey_step(struct space *space, struct directory_survey *survey, bool *more)
{
	struct directory_entry entry;
	const struct disk_system *system;
	enum status status = system_read(space, &system);

	*more = status == STATUS_OK && !system->places;
	if (!*more)
		return status;
	if (survey->directory.n >= system->next_object)
		return survey_end(space);
	status = entry_next(space, survey->directory, survey->name, survey->length, &entry);
	if (status == STATUS_OK)
		status = survey_entry(space, survey, &entry);
	if (status == STATUS_WAIT || status == STATUS_NO_SPACE || status == STATUS_IO)
		return status;
	if (status == STATUS_OK) {
		memcpy(survey->name, entry.name, entry.length);
		survey->length = entry.length;
	} else { /* no directory, at its end, or damaged */
		survey->directory.n++;
		survey->length = 0;
	}
	return STATUS_OK;
}
