/* SPDX-License-Identifier: MIT */
/*
 * deadline.c - the ordered queue of deadlines.
 *
 * A B+tree at disk_system.deadline_root without values: the key is deadline
 * (persistent uptime, ns) and machine, both big-endian, so that byte order is
 * order in time.  A machine can have several; who takes one out compares it with
 * the machine's own page.
 */
#include "objects/objects_priv.h"

#define DEADLINE_KEY 12u

struct deadline_key {
	uint8_t bytes[DEADLINE_KEY];
};

static struct deadline_key deadline_key(uint64_t deadline, object_t machine)
{
	struct deadline_key key;

	for (uint32_t i = 0; i < 8; i++)
		key.bytes[i] = (uint8_t)(deadline >> (56 - 8 * i));
	for (uint32_t i = 0; i < 4; i++)
		key.bytes[8 + i] = (uint8_t)(machine.n >> (24 - 8 * i));
	return key;
}

enum status deadline_insert_prepare(struct space *space, uint64_t deadline, object_t machine)
{
	struct deadline_key key = deadline_key(deadline, machine);
	struct disk_system *system;
	enum status status = system_prepare(space, &system);

	if (status != STATUS_OK)
		return status;
	return btree_insert_prepare(space, system->deadline_root,
				    (struct btree_key){key.bytes, DEADLINE_KEY});
}

void deadline_insert(struct space *space, uint64_t deadline, object_t machine)
{
	struct deadline_key key = deadline_key(deadline, machine);
	struct disk_system *system = space_writable(space, (page_t){SYSTEM_PAGE});

	/* 0 stands for none, in machines and at the beginning of the queue. */
	ASSERT(deadline && machine.n);
	btree_insert(space, &system->deadline_root, (struct btree_key){key.bytes, DEADLINE_KEY},
		     NULL, 0);
}

enum status deadline_remove_prepare(struct space *space, uint64_t deadline, object_t machine)
{
	struct deadline_key key = deadline_key(deadline, machine);
	struct disk_system *system;
	enum status status = system_prepare(space, &system);

	if (status != STATUS_OK)
		return status;
	return btree_remove_prepare(space, system->deadline_root,
				    (struct btree_key){key.bytes, DEADLINE_KEY});
}

void deadline_remove(struct space *space, uint64_t deadline, object_t machine)
{
	struct deadline_key key = deadline_key(deadline, machine);
	struct disk_system *system = space_writable(space, (page_t){SYSTEM_PAGE});

	btree_remove(space, &system->deadline_root, (struct btree_key){key.bytes, DEADLINE_KEY});
}

enum status deadline_next(struct space *space, uint64_t *deadline, object_t *machine)
{
	struct deadline_key after = deadline_key(*deadline, *machine);
	const struct disk_system *system;
	uint8_t key[TREE_KEY_MAX];
	size_t length;
	enum status status = system_read(space, &system);

	if (status == STATUS_OK)
		status = btree_next(space, system->deadline_root,
				    (struct btree_key){after.bytes, DEADLINE_KEY}, key, &length,
				    NULL, 0);
	if (status != STATUS_OK)
		return status;
	if (length != DEADLINE_KEY)
		return STATUS_CORRUPT;
	*deadline = 0;
	machine->n = 0;
	for (uint32_t i = 0; i < 8; i++)
		*deadline = *deadline << 8 | key[i];
	for (uint32_t i = 8; i < DEADLINE_KEY; i++)
		machine->n = machine->n << 8 | key[i];
	return STATUS_OK;
}
