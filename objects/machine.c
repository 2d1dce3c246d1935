/* SPDX-License-Identifier: MIT */
/*
 * machine.c - machine pages, attachments, the may-be-ready bitmap.
 *
 * All machines are also listed in a B+tree at disk_system.machine_root (key:
 * the object, big-endian; no value), so that going through them costs as much
 * as there are machines, not objects.
 */
#include "objects/objects_priv.h"
#include <string.h>

/* ---- the page --------------------------------------------------------------------- */

void machine_initialise(struct disk_machine *machine, const struct object_request *request,
			uint64_t message_page, const struct disk_capability *self,
			const struct disk_capability *table)
{
	const uint16_t fpu_control = 0x37f;   /* FCW: all exceptions masked, 64-bit precision */
	const uint32_t simd_control = 0x1f80; /* MXCSR: all exceptions masked */

	memset(machine, 0, sizeof(*machine));
	machine->magic = MACHINE_MAGIC;
	machine->object = self->object;
	machine->version = self->version;
	machine->state = MACHINE_STOPPED;
	machine->priority = request->priority;
	machine->message_page = message_page;
	machine->registers.rflags = 0x202; /* interrupts on; bit 1 is always set */
	memcpy(machine->fpu, &fpu_control, sizeof(fpu_control));
	memcpy(machine->fpu + 24, &simd_control, sizeof(simd_control));
	machine->table = *table;
	memcpy(machine->name, request->name, MACHINE_NAME - 1);
}

static bool machine_sound(const struct disk_machine *machine, object_t object,
			  const struct disk_object *record)
{
	return machine->magic == MACHINE_MAGIC && machine->object == object.n &&
	       machine->version == record->version && machine->message_page == record->word[0] &&
	       machine->state < MACHINE_STATES && machine->priority < MACHINE_PRIORITIES &&
	       machine->name[MACHINE_NAME - 1] == '\0';
}

static enum status machine_find(struct space *space, object_t object, page_t *page,
				struct disk_machine **data)
{
	struct disk_object record;
	void *found;
	enum status status = object_read_typed(space, object, OBJECT_MACHINE, &record);

	if (status != STATUS_OK)
		return status;
	*page = (page_t){record.first_page};
	status = space_read(space, *page, &found);
	if (status == STATUS_ABSENT)
		return STATUS_CORRUPT;
	if (status != STATUS_OK)
		return status;
	*data = found;
	return machine_sound(found, object, &record) ? STATUS_OK : STATUS_CORRUPT;
}

enum status machine_read(struct space *space, object_t machine, struct disk_machine **data)
{
	page_t page;

	return machine_find(space, machine, &page, data);
}

enum status machine_prepare(struct space *space, object_t machine, struct disk_machine **data)
{
	void *writable;
	page_t page;
	enum status status = machine_find(space, machine, &page, data);

	if (status == STATUS_OK)
		status = space_write(space, page, &writable);
	if (status == STATUS_OK)
		*data = writable;
	return status;
}

/* ---- attachments -------------------------------------------------------------------- */

static bool overlap(uint64_t first, uint64_t pages, uint64_t other_first, uint64_t other_pages)
{
	return first < other_first ? other_first - first < pages
				   : first - other_first < other_pages;
}

enum status machine_attach(struct disk_machine *machine, const struct disk_object *segment,
			   const struct disk_capability *capability, uint64_t first, uint64_t pages,
			   uint16_t rights, bool owned)
{
	struct disk_attachment *entry = NULL;

	ASSERT(segment->type == OBJECT_SEGMENT);
	if (first >= segment->range_pages || pages > segment->range_pages - first)
		return STATUS_INVALID;
	if (!rights || (rights & ~(RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE)))
		return STATUS_INVALID;
	if ((rights & ~capability->rights) || (owned && !(capability->rights & RIGHT_DESTROY)))
		return STATUS_NO_RIGHT;
	if (!pages)
		pages = segment->range_pages - first;
	first += segment->first_page;
	if (overlap(first, pages, machine->message_page, 1))
		return STATUS_ATTACHED;
	for (uint32_t i = MACHINE_ATTACHMENTS; i-- > 0;) {
		struct disk_attachment *other = &machine->attachments[i];

		if (!other->segment.version)
			entry = other;
		else if (overlap(first, pages, other->first_page, other->pages))
			return STATUS_ATTACHED;
	}
	if (!entry)
		return STATUS_LIMIT;

	/* Commit point. */
	*entry = (struct disk_attachment){.segment = *capability,
					  .first_page = first,
					  .pages = pages,
					  .rights = rights,
					  .flags = owned ? ATTACHMENT_OWNED : 0};
	return STATUS_OK;
}

const struct disk_attachment *machine_attachment(const struct disk_machine *machine, page_t page)
{
	/* Whatever an entry says, nothing but the user arena can be attached. */
	if (page.n < USER_ARENA_PAGE || page.n >= USER_ARENA_END)
		return NULL;
	for (uint32_t i = 0; i < MACHINE_ATTACHMENTS; i++) {
		const struct disk_attachment *entry = &machine->attachments[i];

		if (entry->segment.version && page.n >= entry->first_page &&
		    page.n - entry->first_page < entry->pages)
			return entry;
	}
	return NULL;
}

enum status machine_detach(struct disk_machine *machine, page_t page)
{
	const struct disk_attachment *found = machine_attachment(machine, page);

	if (!found)
		return STATUS_INVALID;
	machine->attachments[found - machine->attachments] = (struct disk_attachment){.pages = 0};
	return STATUS_OK;
}

enum status machine_attachments_prune(struct space *space, struct disk_machine *machine)
{
	uint32_t dead = 0;

	for (uint32_t i = 0; i < MACHINE_ATTACHMENTS; i++) {
		enum status status = object_resolve(space, &machine->attachments[i].segment,
						    OBJECT_SEGMENT, 0, NULL);

		if (status == STATUS_DEAD)
			dead |= 1u << i;
		else if (status != STATUS_OK && status != STATUS_NO_CAPABILITY)
			return status;
	}

	/* Commit point. */
	for (uint32_t i = 0; i < MACHINE_ATTACHMENTS; i++)
		if (dead & 1u << i)
			machine->attachments[i] = (struct disk_attachment){.pages = 0};
	return STATUS_OK;
}

/* ---- may-be-ready bitmap ---------------------------------------------------------------- */

static page_t ready_page(object_t machine)
{
	return (page_t){READY_BITMAP_PAGE + machine.n / READY_BITS_PER_PAGE};
}

enum status machine_ready_prepare(struct space *space, object_t machine)
{
	void *data;

	if (!machine.n || machine.n >= OBJECT_MAX)
		return STATUS_NOT_FOUND;
	return space_write(space, ready_page(machine), &data);
}

void machine_ready_set(struct space *space, object_t machine, bool ready)
{
	uint8_t *bits = space_writable(space, ready_page(machine));
	uint32_t bit = machine.n % READY_BITS_PER_PAGE;

	if (ready)
		bits[bit / 8] |= (uint8_t)(1u << bit % 8);
	else
		bits[bit / 8] &= (uint8_t) ~(1u << bit % 8);
}

/* The first set bit of the page at or after `bit`, READY_BITS_PER_PAGE if none. */
static uint32_t ready_scan(const uint64_t *words, uint32_t bit)
{
	uint64_t word;

	for (uint32_t i = bit / 64; i < READY_BITS_PER_PAGE / 64; i++) {
		word = words[i];
		if (i == bit / 64)
			word &= UINT64_MAX << bit % 64;
		if (word)
			return i * 64 + (uint32_t)__builtin_ctzll(word);
	}
	return READY_BITS_PER_PAGE;
}

enum status machine_ready_next(struct space *space, object_t from, object_t *machine)
{
	const struct disk_system *system;
	enum status status = system_read(space, &system);
	uint32_t at = from.n;

	if (status != STATUS_OK)
		return status;
	while (at < system->next_object) {
		uint32_t first = at - at % READY_BITS_PER_PAGE;
		void *data;

		status = space_read(space, ready_page((object_t){at}), &data);
		if (status == STATUS_OK) {
			uint32_t bit = ready_scan(data, at % READY_BITS_PER_PAGE);

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
