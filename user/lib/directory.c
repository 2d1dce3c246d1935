/* SPDX-License-Identifier: MIT */
/*
 * directory.c - calls to directories and path walking.  Interface in directory.h.
 *
 * A walk holds at most two slots: the directory it is in and the next one.
 */
#include "user/lib/directory.h"

#include <string.h>
#include "user/lib/message.h"
#include "user/lib/slot.h"
#include "user/lib/table.h"

static_assert(2 * TREE_KEY_MAX <= MESSAGE_DATA, "a message has room for two names");
static_assert(DIRECTORY_NAME == TREE_KEY_MAX + 1, "a name and its end");

enum status directory_lookup(struct directory directory, const char *name, uint32_t to,
			     enum object_type *type)
{
	struct message message = {.take = {(uint16_t)to}, MESSAGE_TEXT(name)};
	enum status status = message_request(directory.slot, DIRECTORY_LOOKUP, &message);

	if (type)
		*type = (enum object_type)message.word[0];
	return status;
}

enum status directory_link(struct directory directory, const char *name, uint32_t from,
			   bool replace)
{
	struct message message = {.word = {replace}, .pass = {(uint16_t)from}, MESSAGE_TEXT(name)};

	return message_request(directory.slot, DIRECTORY_LINK, &message);
}

enum status directory_create(struct directory directory, const char *name, uint64_t bytes,
			     uint64_t bytes_max, uint32_t to)
{
	struct message message = {
		.word = {bytes, bytes_max}, .take = {(uint16_t)to}, MESSAGE_TEXT(name)};

	return message_request(directory.slot, DIRECTORY_CREATE, &message);
}

enum status directory_unlink(struct directory directory, const char *name)
{
	struct message message = {MESSAGE_TEXT(name)};

	return message_request(directory.slot, DIRECTORY_UNLINK, &message);
}

enum status directory_rename(struct directory directory, const char *old_name, struct directory to,
			     const char *new_name, bool replace)
{
	size_t old_length = strlen(old_name), new_length = strlen(new_name);
	char names[2 * TREE_KEY_MAX];
	struct message message = {
		.word = {old_length, replace},
		.pass = {(uint16_t)to.slot},
		.data = names,
		.length = (uint32_t)(old_length + new_length),
	};

	if (old_length > TREE_KEY_MAX || new_length > TREE_KEY_MAX)
		return STATUS_INVALID;
	memcpy(names, old_name, old_length);
	memcpy(names + old_length, new_name, new_length);
	return message_request(directory.slot, DIRECTORY_RENAME, &message);
}

/* Asks with the item's name for an item. */
static enum status directory_ask(uint32_t slot, uint64_t label, struct message *message,
				 struct directory_item *item)
{
	enum status status;

	message->data = message->buffer = item->name;
	message->length = (uint32_t)strlen(item->name);
	message->size = DIRECTORY_NAME - 1;
	status = message_request(slot, label, message);
	if (status != STATUS_OK)
		return status;
	if (message->cut > 0)
		return STATUS_FORMAT;
	item->name[message->length] = '\0';
	item->type = (enum object_type)message->word[0];
	item->size = message->word[1];
	item->rights = (uint16_t)message->word[2];
	item->object = (uint32_t)message->word[3];
	item->alive = message->word[4] == 1;
	return STATUS_OK;
}

enum status directory_next(struct directory directory, struct directory_item *item)
{
	struct message message = {0};

	return directory_ask(directory.slot, DIRECTORY_NEXT, &message, item);
}

static enum status directory_list_more(struct directory_list *list)
{
	struct message message = {
		.buffer = list->data, .size = sizeof(list->data), MESSAGE_TEXT(list->last)};
	enum status status = message_request(list->directory.slot, DIRECTORY_LIST, &message);

	list->at = list->count = list->end = 0;
	list->alive = message.word[1];
	if (status == STATUS_OK)
		list->end = message.length;
	return status;
}

enum status directory_list_next(struct directory_list *list, struct directory_item *item)
{
	struct abi_entry_listed listed;
	enum status status = list->at < list->end ? STATUS_OK : directory_list_more(list);

	if (status != STATUS_OK)
		return status;
	if (list->end - list->at < sizeof(listed))
		return STATUS_FORMAT;
	memcpy(&listed, list->data + list->at, sizeof(listed));
	list->at += (uint32_t)sizeof(listed);
	if (listed.length == 0 || listed.length > list->end - list->at)
		return STATUS_FORMAT;
	memcpy(item->name, list->data + list->at, listed.length);
	item->name[listed.length] = '\0';
	list->at += listed.length;
	memcpy(list->last, item->name, listed.length + 1u);
	item->type = (enum object_type)listed.type;
	item->size = listed.size;
	item->rights = listed.rights;
	item->object = listed.object;
	item->alive = list->alive >> list->count++ & 1;
	return STATUS_OK;
}

enum status directory_past(uint64_t snapshot, uint32_t directory, struct directory_item *item,
			   bool exact)
{
	struct message message = {.word = {snapshot, directory, exact}};

	return directory_ask(SLOT_STORE, STORE_PAST_NAME, &message, item);
}

enum status directory_info(struct directory directory, uint64_t *entries)
{
	struct message message = {0};
	enum status status = message_request(directory.slot, DIRECTORY_INFO, &message);

	*entries = message.word[0];
	return status;
}

/* Copies the next name of *path and moves *path behind it.  False: no more;
 * *length is the whole length, even if it does not fit. */
static bool path_next_name(const char **path, char name[DIRECTORY_NAME], size_t *length)
{
	const char *text = *path;

	do {
		while (*text == '/')
			text++;
		for (*length = 0; text[*length] != '\0' && text[*length] != '/'; (*length)++)
			if (*length < DIRECTORY_NAME - 1)
				name[*length] = text[*length];
		text += *length;
	} while (*length == 1 && name[0] == '.');
	name[*length < DIRECTORY_NAME ? *length : DIRECTORY_NAME - 1] = '\0';
	*path = text;
	return *length > 0;
}

/* Goes from the directory in *slot to what `name` means there; *slot is taken
 * from or given back, so that it is always the only one held. */
static enum status path_step(uint32_t *slot, const char *name, size_t length,
			     enum object_type *type)
{
	uint32_t next;
	enum status status;

	if (length >= DIRECTORY_NAME)
		return STATUS_INVALID;
	if (*type != OBJECT_DIRECTORY)
		return STATUS_NOT_FOUND;
	next = slot_take();
	if (next == 0)
		return STATUS_LIMIT;
	status = directory_lookup(DIRECTORY(*slot), name, next, type);
	if (status != STATUS_OK) {
		slot_forget(next);
		return status;
	}
	slot_give(*slot);
	*slot = next;
	return STATUS_OK;
}

static enum status path_begin(uint32_t *slot)
{
	enum status status;

	*slot = slot_take();
	if (*slot == 0)
		return STATUS_LIMIT;
	status = table_copy(OWN_TABLE, SLOT_ROOT, *slot);
	if (status != STATUS_OK)
		slot_forget(*slot);
	return status;
}

enum status path_lookup(const char *path, uint32_t *slot, enum object_type *type)
{
	char name[DIRECTORY_NAME];
	enum object_type found = OBJECT_DIRECTORY;
	enum status status = path_begin(slot);
	size_t length;

	while (status == STATUS_OK && path_next_name(&path, name, &length)) {
		status = path_step(slot, name, length, &found);
		if (status != STATUS_OK)
			slot_give(*slot);
	}
	if (status == STATUS_OK && type)
		*type = found;
	return status;
}

/* What is not of this type is given back. */
static enum status path_typed(const char *path, enum object_type wanted, uint32_t *slot)
{
	enum object_type type;
	enum status status = path_lookup(path, slot, &type);

	if (status != STATUS_OK || type == wanted)
		return status;
	slot_give(*slot);
	return STATUS_WRONG_TYPE;
}

enum status path_port(const char *path, struct port *port)
{
	return path_typed(path, OBJECT_PORT, &port->slot);
}

enum status path_segment(const char *path, struct segment *segment)
{
	return path_typed(path, OBJECT_SEGMENT, &segment->slot);
}

enum status path_parent(const char *path, struct directory *parent, char name[DIRECTORY_NAME])
{
	char following[DIRECTORY_NAME];
	enum object_type found = OBJECT_DIRECTORY;
	enum status status;
	size_t length, following_length;

	if (!path_next_name(&path, name, &length))
		return STATUS_INVALID;
	status = path_begin(&parent->slot);
	while (status == STATUS_OK && path_next_name(&path, following, &following_length)) {
		status = path_step(&parent->slot, name, length, &found);
		if (status == STATUS_OK && found != OBJECT_DIRECTORY)
			status = STATUS_NOT_FOUND;
		if (status != STATUS_OK) {
			slot_give(parent->slot);
			return status;
		}
		memcpy(name, following, sizeof(following));
		length = following_length;
	}
	if (status == STATUS_OK && length >= DIRECTORY_NAME) {
		slot_give(parent->slot);
		return STATUS_INVALID;
	}
	return status;
}

enum status port_publish(const char *path)
{
	char name[DIRECTORY_NAME];
	struct directory directory;
	enum status status = path_parent(path, &directory, name);
	uint32_t port;

	if (status != STATUS_OK)
		return status;
	port = slot_take();
	status = port ? table_reduce(OWN_TABLE, SLOT_PORT, port, RIGHT_SEND) : STATUS_LIMIT;
	if (status == STATUS_OK)
		status = directory_link(directory, name, port, true);
	slot_give(port);
	slot_give(directory.slot);
	return status;
}

enum status path_past(uint64_t snapshot, const char *path, struct directory_item *item)
{
	size_t length;

	*item = (struct directory_item){.type = OBJECT_DIRECTORY, .alive = true};
	while (path_next_name(&path, item->name, &length)) {
		enum status status = STATUS_WRONG_TYPE;

		if (length >= DIRECTORY_NAME)
			return STATUS_INVALID;
		if (item->type == OBJECT_DIRECTORY && item->alive)
			status = directory_past(snapshot, item->object, item, true);
		if (status != STATUS_OK)
			return status;
	}
	return item->alive ? STATUS_OK : STATUS_DEAD;
}
