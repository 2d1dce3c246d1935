/* SPDX-License-Identifier: MIT */
/*
 * fake_store.c - see fake_store.h.
 *
 * Page data lies in every second frame of one large mapping; the frames in
 * between are poisoned, so that the address sanitizer sees an access beyond a
 * page.
 */
#include "tests/unit/objects/fake_store.h"
#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <sys/mman.h>

#define SLOTS (UINT32_C(1) << 17)

struct slot {
	uint64_t page;
	bool used, exists;
	uint64_t read_operation, write_operation;
	uint8_t *kept;	/* contents after the last operation */
	uint8_t *saved; /* contents at fake_save, null: absent */
};

struct store {
	store_channel_t channel;
	uint8_t *frames;
	struct slot slot[SLOTS];
	uint32_t order[SLOTS]; /* slots in the order in which they came into use */
	uint32_t count;
	uint64_t operation, generation;
	uint32_t touched[SLOTS];
	uint32_t touched_count;
	uint32_t calls, fail_at;
	uint64_t unread; /* page that the disk does not give; 0: none */
	uint64_t node;	 /* a page under the node that the disk does not give; 0: none */
	uint64_t told;	 /* the operation that was told so */
	bool node_read;	 /* nobody was, since the last read */
	uint64_t damage; /* first page under the node that cannot be read; 0: none */
	enum status fail_status;
	bool failed;
};

static struct store fake;

/* ---- slots ------------------------------------------------------------------------ */

static uint8_t *slot_data(uint32_t index)
{
	return fake.frames + (uint64_t)index * 2 * PAGE_SIZE;
}

static uint32_t slot_of(uint64_t page)
{
	uint32_t at = (uint32_t)((page * UINT64_C(0x9e3779b97f4a7c15)) >> 47) % SLOTS;

	while (fake.slot[at].used && fake.slot[at].page != page)
		at = (at + 1) % SLOTS;
	if (!fake.slot[at].used) {
		assert_true(fake.count < SLOTS / 2);
		fake.slot[at].used = true;
		fake.slot[at].page = page;
		fake.slot[at].kept = calloc(1, PAGE_SIZE);
		fake.order[fake.count++] = at;
		ASAN_POISON_MEMORY_REGION(slot_data(at) + PAGE_SIZE, PAGE_SIZE);
	}
	return at;
}

static void slot_touch(uint32_t index)
{
	const struct slot *slot = &fake.slot[index];

	if (slot->read_operation != fake.operation && slot->write_operation != fake.operation)
		fake.touched[fake.touched_count++] = index;
}

static void operation_check(void)
{
	for (uint32_t i = 0; i < fake.touched_count; i++) {
		uint32_t at = fake.touched[i];
		struct slot *slot = &fake.slot[at];

		if (!slot->exists)
			memset(slot_data(at), 0, PAGE_SIZE);
		if (slot->exists && slot->write_operation != fake.operation)
			assert_memory_equal(slot_data(at), slot->kept, PAGE_SIZE);
		memcpy(slot->kept, slot_data(at), PAGE_SIZE);
	}
	fake.touched_count = 0;
}

/* ---- the store's interface ----------------------------------------------------------- */

static bool call_fails(enum status *status)
{
	fake.calls++;
	if (!fake.fail_at || fake.calls != fake.fail_at)
		return false;
	fake.failed = true;
	fake.channel.n = STORE_CHANNEL_FRAMES;
	*status = fake.fail_status;
	return true;
}

/* Another one whenever a test has changed pages itself. */
generation_t store_generation(const struct store *store)
{
	(void)store;
	return (generation_t){fake.generation};
}

store_channel_t store_channel(const struct store *store)
{
	(void)store;
	return fake.channel;
}

enum status store_wait_for(struct store *store, store_channel_t channel)
{
	(void)store;
	fake.channel = channel;
	return STATUS_WAIT;
}

static bool page_unread(uint64_t page, enum status *status)
{
	*status = STATUS_IO;
	if (fake.unread && page == fake.unread)
		return true;
	if (!fake.node || page / STORE_NODE_PAGES != fake.node / STORE_NODE_PAGES)
		return false;
	if (fake.told == fake.operation)
		return true;
	if (fake.node_read) {
		fake.told = fake.operation;
	} else {
		*status = store_wait_for(&fake, (store_channel_t){STORE_CHANNEL_FIXED});
	}
	fake.node_read = !fake.node_read;
	return true;
}

void store_operation_begin(struct store *store)
{
	(void)store;
	operation_check();
	fake.operation++;
}

uint64_t store_operation(const struct store *store)
{
	(void)store;
	return fake.operation;
}

enum status store_page_read(struct store *store, page_t page, frame_t *frame)
{
	enum status status;
	uint32_t at = slot_of(page.n);

	(void)store;
	if (call_fails(&status))
		return status;
	if (page_unread(page.n, &status))
		return status;
	if (!fake.slot[at].exists)
		return STATUS_ABSENT;
	slot_touch(at);
	fake.slot[at].read_operation = fake.operation;
	frame->n = at * 2;
	return STATUS_OK;
}

enum status store_page_read_zeros(struct store *store, page_t page, frame_t *frame)
{
	enum status status = store_page_read(store, page, frame);
	uint32_t at = slot_of(page.n);

	if (status != STATUS_ABSENT)
		return status;
	memset(slot_data(at), 0, PAGE_SIZE);
	frame->n = at * 2;
	return STATUS_OK;
}

enum status store_page_write(struct store *store, page_t page, frame_t *frame)
{
	enum status status;
	uint32_t at = slot_of(page.n);

	(void)store;
	if (call_fails(&status))
		return status;
	if (page_unread(page.n, &status))
		return status;
	slot_touch(at);
	if (!fake.slot[at].exists)
		memset(slot_data(at), 0, PAGE_SIZE);
	fake.slot[at].exists = true;
	fake.slot[at].write_operation = fake.operation;
	frame->n = at * 2;
	return STATUS_OK;
}

void *store_page_resident(struct store *store, page_t page)
{
	uint32_t at = slot_of(page.n);
	const struct slot *slot = &fake.slot[at];

	(void)store;
	if (!slot->exists ||
	    (slot->read_operation != fake.operation && slot->write_operation != fake.operation))
		return NULL;
	return slot_data(at);
}

void *store_page_writable(struct store *store, page_t page)
{
	uint32_t at = slot_of(page.n);

	(void)store;
	return fake.slot[at].exists && fake.slot[at].write_operation == fake.operation
		       ? slot_data(at)
		       : NULL;
}

void fake_unread(uint64_t page)
{
	fake.unread = page;
}

void fake_unread_node(uint64_t page)
{
	fake.node = page;
	fake.node_read = false;
	fake.told = 0;
}

void fake_damage(uint64_t page)
{
	fake.damage = page / STORE_NODE_PAGES * STORE_NODE_PAGES;
}

/* The first page from `first` to before `end` that is hidden by damage; `end`. */
static uint64_t damage_within(uint64_t first, uint64_t end)
{
	uint64_t damage = fake.damage > first ? fake.damage : first;

	if (!fake.damage || damage >= end || damage >= fake.damage + STORE_NODE_PAGES)
		return end;
	return damage;
}

enum status store_pages_clear(struct store *store, page_t first, uint64_t count)
{
	enum status status;

	(void)store;
	assert_in_range(count, 1, STORE_CLEAR_PAGES);
	if (call_fails(&status))
		return status;
	if (damage_within(first.n, first.n + count) != first.n + count)
		return STATUS_CORRUPT;
	for (uint32_t i = 0; i < fake.count; i++) {
		struct slot *slot = &fake.slot[fake.order[i]];

		if (!slot->exists || slot->page < first.n || slot->page - first.n >= count)
			continue;
		/* Obtained in the same operation: it is pinned. */
		assert_true(slot->read_operation != fake.operation &&
			    slot->write_operation != fake.operation);
		slot->exists = false;
		memset(slot->kept, 0, PAGE_SIZE);
		memset(slot_data(fake.order[i]), 0, PAGE_SIZE);
	}
	return STATUS_OK;
}

enum status store_page_next(struct store *store, page_t from, page_t end, page_t *page)
{
	enum status status;
	bool found = false;

	(void)store;
	*page = from;
	if (call_fails(&status))
		return status;
	for (uint32_t i = 0; i < fake.count; i++) {
		const struct slot *slot = &fake.slot[fake.order[i]];

		if (!slot->exists || slot->page < from.n || slot->page >= end.n ||
		    (found && slot->page >= page->n))
			continue;
		page->n = slot->page;
		found = true;
	}
	if (damage_within(from.n, end.n) < (found ? page->n + 1 : end.n)) {
		page->n = damage_within(from.n, end.n);
		return STATUS_CORRUPT;
	}
	return found ? STATUS_OK : STATUS_NOT_FOUND;
}

void assert_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: check failed: %s\n", file, line, what);
	abort();
}

/* ---- for tests ---------------------------------------------------------------------------- */

struct space fake_space_new(void)
{
	for (uint32_t i = 0; i < fake.count; i++) {
		struct slot *slot = &fake.slot[fake.order[i]];

		free(slot->kept);
		free(slot->saved);
		memset(slot, 0, sizeof(*slot));
	}
	if (!fake.frames) {
		fake.frames = mmap(NULL, (uint64_t)SLOTS * 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		assert_true(fake.frames != MAP_FAILED);
	}
	fake.count = 0;
	fake.touched_count = 0;
	fake.fail_at = 0;
	fake.damage = 0;
	fake.unread = 0;
	fake.node = 0;
	fake.operation++;
	fake.generation++;
	return (struct space){.store = &fake, .frame_base = fake.frames};
}

struct space fake_space_formatted(uint64_t bank_limit_pages)
{
	struct space space = fake_space_new();

	fake_begin();
	assert_int_equal(objects_format(&space, bank_limit_pages), STATUS_OK);
	fake_begin();
	return space;
}

void fake_begin(void)
{
	store_operation_begin(&fake);
}

void fake_fail(uint32_t nth, enum status status)
{
	fake.calls = 0;
	fake.fail_at = nth;
	fake.fail_status = status;
	fake.failed = false;
}

bool fake_failed(void)
{
	return fake.failed;
}

void fake_save(void)
{
	for (uint32_t i = 0; i < fake.count; i++) {
		struct slot *slot = &fake.slot[fake.order[i]];

		free(slot->saved);
		slot->saved = NULL;
		if (!slot->exists)
			continue;
		slot->saved = malloc(PAGE_SIZE);
		memcpy(slot->saved, slot_data(fake.order[i]), PAGE_SIZE);
	}
}

bool fake_unchanged(void)
{
	static const uint8_t zeros[PAGE_SIZE];

	for (uint32_t i = 0; i < fake.count; i++) {
		const struct slot *slot = &fake.slot[fake.order[i]];
		const uint8_t *now = slot->exists ? slot_data(fake.order[i]) : zeros;

		if (memcmp(now, slot->saved ? slot->saved : zeros, PAGE_SIZE) != 0)
			return false;
	}
	return true;
}

void fake_restore(void)
{
	for (uint32_t i = 0; i < fake.count; i++) {
		struct slot *slot = &fake.slot[fake.order[i]];
		uint8_t *data = slot_data(fake.order[i]);

		slot->exists = slot->saved != NULL;
		if (slot->saved)
			memcpy(data, slot->saved, PAGE_SIZE);
		else
			memset(data, 0, PAGE_SIZE);
		memcpy(slot->kept, data, PAGE_SIZE);
	}
	fake.touched_count = 0;
	fake.operation++;
	fake.generation++;
}

void fake_adopt(void)
{
	for (uint32_t i = 0; i < fake.count; i++)
		memcpy(fake.slot[fake.order[i]].kept, slot_data(fake.order[i]), PAGE_SIZE);
	fake.touched_count = 0;
	fake.operation++;
	fake.generation++;
}

uint64_t fake_pages(uint64_t first, uint64_t end)
{
	uint64_t pages = 0;

	for (uint32_t i = 0; i < fake.count; i++) {
		const struct slot *slot = &fake.slot[fake.order[i]];

		pages += slot->exists && slot->page >= first && slot->page < end;
	}
	return pages;
}

uint64_t fake_written(void)
{
	uint64_t pages = 0;

	for (uint32_t i = 0; i < fake.touched_count; i++)
		pages += fake.slot[fake.touched[i]].write_operation == fake.operation;
	return pages;
}

uint8_t *fake_page(uint64_t page)
{
	uint32_t at = slot_of(page);

	return fake.slot[at].exists ? slot_data(at) : NULL;
}

uint8_t *fake_page_nth(uint64_t nth, uint64_t *page)
{
	for (uint32_t i = 0; i < fake.count; i++) {
		const struct slot *slot = &fake.slot[fake.order[i]];

		if (!slot->exists || nth--)
			continue;
		*page = slot->page;
		return slot_data(fake.order[i]);
	}
	return NULL;
}

static enum status try_all(enum status (*call)(struct space *space, void *context),
			   struct space *space, void *context, bool survives_io)
{
	static const enum status failures[] = {STATUS_WAIT, STATUS_NO_SPACE, STATUS_IO};
	enum status status;

	fake_begin();
	fake_save();
	for (uint32_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		for (uint32_t nth = 1;; nth++) {
			fake_begin();
			fake_fail(nth, failures[i]);
			status = call(space, context);
			if (!fake_failed())
				break;
			if (failures[i] == STATUS_IO && survives_io &&
			    (status == STATUS_OK || status == STATUS_CORRUPT)) {
				fake_restore();
				continue;
			}
			assert_int_equal(status, failures[i]);
			assert_true(fake_unchanged());
		}
		fake_restore();
	}
	fake_fail(0, STATUS_OK);
	fake_begin();
	status = call(space, context);
	fake_begin();
	return status;
}

enum status fake_try_all(enum status (*call)(struct space *space, void *context),
			 struct space *space, void *context)
{
	return try_all(call, space, context, false);
}

enum status fake_try_survivor(enum status (*call)(struct space *space, void *context),
			      struct space *space, void *context)
{
	return try_all(call, space, context, true);
}

uint64_t fake_random(uint64_t *state)
{
	/* xorshift64*; the state must not be 0. */
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

enum status fake_destroy(struct space *space, object_t object)
{
	struct ended ended;
	enum status status = object_destroy(space, object, &ended);

	assert_true(status == STATUS_OK ? ended.part[0].object.n == object.n : !ended.count);
	for (uint32_t i = 0; i < ended.count; i++)
		assert_true(ended.part[i].record.version);
	return status;
}

enum status fake_destroy_step(struct space *space, bool *more)
{
	struct ended ended;

	return object_destroy_step(space, more, &ended);
}

void fake_reclaim(struct space *space)
{
	bool more = true;

	for (uint32_t steps = 0; more; steps++) {
		assert_true(steps < 100000);
		fake_begin();
		assert_int_equal(fake_destroy_step(space, &more), STATUS_OK);
	}
	fake_begin();
}

uint64_t fake_tree_pages(void)
{
	const struct disk_system *system = (const void *)fake_page(SYSTEM_PAGE);
	uint64_t pages = 0;

	for (uint64_t page = TREE_ARENA_PAGE; page < system->tree_next; page++)
		pages += ((const struct disk_tree_page *)(const void *)fake_page(page))->magic ==
			 TREE_MAGIC;
	return pages;
}

uint64_t fake_bank_pages(struct space *space)
{
	struct disk_object bank;

	fake_begin();
	assert_int_equal(object_read(space, (object_t){OBJECT_ROOT_BANK}, &bank), STATUS_OK);
	return bank.size;
}

static const struct disk_object *record_at(uint32_t object)
{
	const struct disk_object *page =
		(const void *)fake_page(OBJECT_TABLE_PAGE + object / OBJECTS_PER_PAGE);

	return page + object % OBJECTS_PER_PAGE;
}

static void record_apart(const struct disk_object *a, const struct disk_object *b)
{
	if (!a->range_pages || !b->range_pages)
		return;
	assert_true(a->first_page + a->range_pages <= b->first_page ||
		    b->first_page + b->range_pages <= a->first_page);
	if (a->type == OBJECT_MACHINE && b->type == OBJECT_MACHINE)
		assert_int_not_equal(a->machine.message_page, b->machine.message_page);
	if (a->type == OBJECT_MACHINE && b->type == OBJECT_SEGMENT)
		assert_true(a->machine.message_page + a->machine.message_pages <= b->first_page ||
			    b->first_page + b->range_pages <= a->machine.message_page);
}

static const struct disk_account *account_at(uint32_t object)
{
	static const struct disk_account none;
	const struct disk_account *page =
		(const void *)fake_page(ACCOUNT_TABLE_PAGE + object / ACCOUNTS_PER_PAGE);

	return page ? page + object % ACCOUNTS_PER_PAGE : &none;
}

/* How many there are in a list, each living and of that bank. */
static uint32_t list_length(uint32_t bank, uint32_t head, bool banks)
{
	uint32_t count = 0, previous = 0;

	for (uint32_t at = head; at; at = account_at(at)->next) {
		assert_true(record_at(at)->version && record_at(at)->bank == bank);
		assert_int_equal(record_at(at)->type == OBJECT_BANK, banks);
		assert_int_equal(account_at(at)->previous, previous);
		assert_true(++count < 100000);
		previous = at;
	}
	return count;
}

static void bank_counted(uint32_t bank, uint32_t end)
{
	const struct disk_object *own = record_at(bank);
	const struct disk_account *account = account_at(bank);
	uint64_t pages = 0, addresses = 0, objects = 0, weight = 0, listed[2] = {0, 0};

	for (uint32_t i = 1; i < end; i++) {
		const struct disk_object *record = record_at(i);

		if (record->type == OBJECT_NONE || record->bank != bank)
			continue;
		objects++;
		pages += record_charge(record);
		addresses += record->range_pages;
		if (record->type == OBJECT_MACHINE)
			addresses += record->machine.message_pages;
		if (record->type == OBJECT_BANK)
			addresses += account_at(i)->address_limit;
		if (record->type == OBJECT_BANK)
			weight += account_at(i)->weight;
		listed[record->type == OBJECT_BANK] += record->version && i >= OBJECT_FIRST_FREE;
		if (record->version && own->version)
			assert_int_equal(record->bank_version,
					 bank == OBJECT_ROOT_BANK ? 0 : own->version);
		if (record->type == OBJECT_BANK)
			assert_int_equal(account_at(i)->depth, account->depth + 1);
	}
	assert_int_equal(account->weight_given, weight);
	assert_true(!weight || weight < bank_weight((object_t){bank}, account));
	assert_int_equal(own->size, pages);
	assert_int_equal(own->allowance.objects, objects);
	assert_true(own->size <= own->allowance.limit);
	if (account->depth || account->address_limit) {
		assert_int_equal(account->addresses, addresses);
		assert_true(addresses <= account->address_limit);
	}
	assert_int_equal(list_length(bank, account->first_object, false), listed[0]);
	assert_int_equal(list_length(bank, account->first_bank, true), listed[1]);
}

void fake_invariants(struct space *space)
{
	const struct disk_system *system = (const void *)fake_page(SYSTEM_PAGE);

	(void)space;
	for (uint32_t i = 1; i < system->next_object; i++) {
		const struct disk_object *record = record_at(i);

		if (record->type == OBJECT_NONE) {
			static const struct disk_account none;

			assert_int_equal(record->version, 0);
			assert_memory_equal(account_at(i), &none, sizeof(none));
			continue;
		}
		assert_true(record_valid(record));
		assert_true(record->version <= system->next_version);
		if (record->type == OBJECT_BANK)
			bank_counted(i, system->next_object);
		else if (record->bank)
			assert_int_equal(record_at(record->bank)->type, OBJECT_BANK);
		for (uint32_t k = 1; k < system->next_object; k++)
			if (k != i)
				record_apart(record, record_at(k));
	}
}

/* The view is of what there is now.  Its data is good until the next call of the store. */
enum status store_view_read(struct store *store, struct store_view *view, page_t page,
			    const void **data)
{
	static uint8_t lent[PAGE_SIZE];
	frame_t frame;
	enum status status = store_page_read(store, page, &frame);

	(void)view;
	memset(lent, 0xa5, sizeof(lent));
	if (status == STATUS_OK)
		memcpy(lent, store_frame_data(fake.frames, frame), sizeof(lent));
	*data = lent;
	return status;
}
