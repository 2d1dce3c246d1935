/* SPDX-License-Identifier: MIT */
/*
 * machine_index.c - which machines there are, may be ready, and want to be told.
 *
 * All machines are listed in a B+tree at disk_system.machine_root (key: the object,
 * big-endian; no value), so that going through them costs as much as there are
 * machines, not objects.
 */
#include "objects/objects_priv.h"

/* ---- bitmaps ---------------------------------------------------------------------------- */

page_t machine_bit_page(object_t machine, unsigned bitmap)
{
	ASSERT(machine.n < OBJECT_MAX && bitmap < MACHINE_BITMAPS);
	return (page_t){READY_BITMAP_PAGE + bitmap * READY_BITMAP_PAGES +
			machine.n / READY_BITS_PER_PAGE};
}

enum status machine_bit_prepare(struct space *space, object_t machine, unsigned bitmap)
{
	void *data;

	if (!machine.n || machine.n >= OBJECT_MAX)
		return STATUS_NOT_FOUND;
	return space_write(space, machine_bit_page(machine, bitmap), &data);
}

void machine_bit_set(struct space *space, object_t machine, unsigned bitmap, bool set)
{
	uint8_t *bits = space_writable(space, machine_bit_page(machine, bitmap));
	uint32_t bit = machine.n % READY_BITS_PER_PAGE;

	ASSERT(machine.n && machine.n < OBJECT_MAX);
	if (set)
		bits[bit / 8] |= (uint8_t)(1u << bit % 8);
	else
		bits[bit / 8] &= (uint8_t) ~(1u << bit % 8);
}

/* The first set bit of the page at or after `bit`, READY_BITS_PER_PAGE if none. */
static uint32_t bits_scan(const uint64_t *words, uint32_t bit)
{
	uint64_t word;

	ASSERT(bit < READY_BITS_PER_PAGE);
	for (uint32_t i = bit / 64; i < READY_BITS_PER_PAGE / 64; i++) {
		word = words[i];
		if (i == bit / 64)
			word &= UINT64_MAX << bit % 64;
		if (word)
			return i * 64 + (uint32_t)__builtin_ctzll(word);
	}
	return READY_BITS_PER_PAGE;
}

enum status machine_bit_next(struct space *space, unsigned bitmap, object_t from, object_t *machine)
{
	const struct disk_system *system;
	enum status status = system_read(space, &system);
	uint32_t at = from.n;

	if (status != STATUS_OK)
		return status;
	while (at < system->next_object) {
		uint32_t first = at - at % READY_BITS_PER_PAGE;
		void *data;

		status = space_read(space, machine_bit_page((object_t){at}, bitmap), &data);
		if (status == STATUS_OK) {
			uint32_t bit = bits_scan(data, at % READY_BITS_PER_PAGE);

			*machine = (object_t){first + bit};
			if (bit < READY_BITS_PER_PAGE)
				return STATUS_OK;
		} else if (status != STATUS_ABSENT) {
			return status;
		}
		at = first + READY_BITS_PER_PAGE;
	}
	return STATUS_NOT_FOUND;
}

/* ---- all machines --------------------------------------------------------------------------- */

struct machine_key {
	uint8_t bytes[4];
};

static struct machine_key machine_key(uint32_t n)
{
	return (struct machine_key){
		{(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

enum status machine_register_prepare(struct space *space, const struct disk_system *system,
				     object_t machine)
{
	struct machine_key key = machine_key(machine.n);

	return btree_insert_prepare(space, system->machine_root, (struct btree_key){key.bytes, 4});
}

void machine_register(struct space *space, struct disk_system *system, object_t machine)
{
	struct machine_key key = machine_key(machine.n);

	ASSERT(machine.n && machine.n < OBJECT_MAX);
	btree_insert(space, &system->machine_root, (struct btree_key){key.bytes, 4}, NULL, 0);
}

enum status machine_unregister_prepare(struct space *space, const struct disk_system *system,
				       object_t machine)
{
	struct machine_key key = machine_key(machine.n);

	return btree_remove_prepare(space, system->machine_root, (struct btree_key){key.bytes, 4});
}

void machine_unregister(struct space *space, struct disk_system *system, object_t machine)
{
	struct machine_key key = machine_key(machine.n);

	ASSERT(machine.n && machine.n < OBJECT_MAX);
	btree_remove(space, &system->machine_root, (struct btree_key){key.bytes, 4});
}

enum status machine_next(struct space *space, object_t from, object_t *machine)
{
	struct machine_key after = machine_key(from.n - 1);
	const struct disk_system *system;
	uint8_t key[TREE_KEY_MAX];
	size_t length;
	enum status status = system_read(space, &system);

	if (status == STATUS_OK)
		status = btree_next(space, system->machine_root,
				    (struct btree_key){after.bytes, from.n ? 4 : 0}, key, &length,
				    NULL, 0);
	if (status != STATUS_OK)
		return status;
	if (length != 4)
		return STATUS_CORRUPT;
	*machine = (object_t){(uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 |
			      (uint32_t)key[2] << 8 | key[3]};
	return STATUS_OK;
}
