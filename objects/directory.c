/* SPDX-License-Identifier: MIT */
/*
 * directory.c - names to capabilities, in byte order of the names.
 *
 * A directory is a record: `size` entries in the B+tree at word[0], name to
 * struct disk_capability.  It is charged for its entries.
 */
#include "objects/objects_priv.h"
#include <string.h>

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

static uint64_t charge_of_next(uint64_t entries)
{
	return object_charge(OBJECT_DIRECTORY, entries + 1) -
	       object_charge(OBJECT_DIRECTORY, entries);
}

/* Prepares the directory, and its bank, for one entry more or less. */
static enum status directory_more_prepare(struct space *space, object_t directory,
					  struct disk_object **record)
{
	enum status status = object_prepare_typed(space, directory, OBJECT_DIRECTORY, record);

	if (status == STATUS_OK && charge_of_next((*record)->size))
		status = bank_charge_prepare(space, (object_t){(*record)->bank},
					     charge_of_next((*record)->size));
	return status;
}

static enum status directory_less_prepare(struct space *space, object_t directory,
					  struct disk_object **record)
{
	enum status status = object_prepare_typed(space, directory, OBJECT_DIRECTORY, record);

	if (status == STATUS_OK && charge_of_next((*record)->size - 1))
		status = bank_credit_prepare(space, (object_t){(*record)->bank});
	return status;
}

static void directory_more(struct space *space, struct disk_object *record)
{
	if (charge_of_next(record->size))
		bank_charge(space, (object_t){record->bank}, charge_of_next(record->size), 0);
	record->size++;
}

static void directory_less(struct space *space, struct disk_object *record)
{
	record->size--;
	if (charge_of_next(record->size))
		bank_credit(space, (object_t){record->bank}, charge_of_next(record->size), 0);
}

enum status directory_lookup(struct space *space, object_t directory, const char *name,
			     size_t length, struct disk_capability *capability)
{
	struct disk_object record;
	enum status status = object_read_typed(space, directory, OBJECT_DIRECTORY, &record);

	if (status != STATUS_OK)
		return status;
	if (!directory_name_valid(name, length))
		return STATUS_INVALID;
	return btree_find(space, record.word[0], name_key(name, length), capability,
			  sizeof(*capability));
}

enum status directory_link(struct space *space, object_t directory, const char *name, size_t length,
			   const struct disk_capability *capability, bool replace)
{
	struct disk_capability old;
	struct disk_object *record;
	enum status status = directory_lookup(space, directory, name, length, &old);
	bool exists = status == STATUS_OK;

	if (status != STATUS_OK && status != STATUS_NOT_FOUND)
		return status;
	if (exists && !replace)
		return STATUS_EXISTS;
	status = exists ? object_prepare(space, directory, &record)
			: directory_more_prepare(space, directory, &record);
	if (status == STATUS_OK)
		status = btree_insert_prepare(space, record->word[0], name_key(name, length));
	if (status != STATUS_OK)
		return status;

	/* Commit point. */
	btree_insert(space, &record->word[0], name_key(name, length), capability,
		     sizeof(*capability));
	if (!exists)
		directory_more(space, record);
	return STATUS_OK;
}

enum status directory_unlink(struct space *space, object_t directory, const char *name,
			     size_t length)
{
	struct disk_capability old;
	struct disk_object *record;
	enum status status = directory_lookup(space, directory, name, length, &old);

	if (status == STATUS_OK)
		status = directory_less_prepare(space, directory, &record);
	if (status == STATUS_OK)
		status = btree_remove_prepare(space, record->word[0], name_key(name, length));
	if (status != STATUS_OK)
		return status;

	/* Commit point. */
	btree_remove(space, &record->word[0], name_key(name, length));
	directory_less(space, record);
	return STATUS_OK;
}

enum status directory_rename(struct space *space, object_t from, const char *old_name,
			     size_t old_length, object_t to, const char *new_name,
			     size_t new_length, bool replace)
{
	struct disk_capability moved, replaced;
	struct disk_object *source, *target;
	bool same = from.n == to.n, exists;
	enum status status = directory_lookup(space, from, old_name, old_length, &moved);

	if (status != STATUS_OK)
		return status;
	status = directory_lookup(space, to, new_name, new_length, &replaced);
	exists = status == STATUS_OK;
	if (status != STATUS_OK && status != STATUS_NOT_FOUND)
		return status;
	if (same && old_length == new_length && memcmp(old_name, new_name, old_length) == 0)
		return STATUS_OK;
	if (exists && !replace)
		return STATUS_EXISTS;
	/* Within one directory the count changes only if an entry is replaced. */
	status = directory_less_prepare(space, from, &source);
	if (status == STATUS_OK)
		status = exists || same ? object_prepare(space, to, &target)
					: directory_more_prepare(space, to, &target);
	if (status == STATUS_OK)
		status = btree_remove_prepare(space, source->word[0],
					      name_key(old_name, old_length));
	if (status == STATUS_OK)
		status = btree_insert_prepare(space, target->word[0],
					      name_key(new_name, new_length));
	if (status != STATUS_OK)
		return status;

	/* Commit point. */
	btree_remove(space, &source->word[0], name_key(old_name, old_length));
	btree_insert(space, &target->word[0], name_key(new_name, new_length), &moved,
		     sizeof(moved));
	if (!same || exists)
		directory_less(space, source);
	if (!same && !exists)
		directory_more(space, target);
	return STATUS_OK;
}

enum status directory_next(struct space *space, object_t directory, const char *name, size_t length,
			   struct directory_entry *entry)
{
	struct disk_object record;
	size_t found;
	enum status status = object_read_typed(space, directory, OBJECT_DIRECTORY, &record);

	if (status != STATUS_OK)
		return status;
	if (length && !directory_name_valid(name, length))
		return STATUS_INVALID;
	status = btree_next(space, record.word[0], name_key(name, length), (uint8_t *)entry->name,
			    &found, &entry->capability, sizeof(entry->capability));
	if (status != STATUS_OK)
		return status;
	if (!directory_name_valid(entry->name, found))
		return STATUS_CORRUPT;
	entry->name[found] = '\0';
	entry->length = (uint8_t)found;
	return STATUS_OK;
}
