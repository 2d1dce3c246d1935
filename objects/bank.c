/* SPDX-License-Identifier: MIT */
/*
 * bank.c - banks: who pays for what, and with what it ends.
 *
 * A bank's record counts the pages charged to it (`size`) against its limit
 * (`limit`) and the objects that it pays for (`objects`); its account does the same for
 * addresses, and leads to the objects that live.  An object is paid for from its creation until
 * the last step of its destruction.
 *
 * Banks are a tree.  What a bank may pay for is charged, when it is made, to the one that it is
 * made from, so no bank can give what another was promised.  An object lives while it has a
 * version and the banks that pay for it, up to the first one, have theirs: so the end of a bank
 * is the end of all that was made from it, and below it, whatever it takes to clear that away.
 */
#include "objects/objects_priv.h"
#include <string.h>

#define BANK_MOST (UINT64_C(1) << 44) /* pages or addresses: more than there can be */

/* ---- accounts -------------------------------------------------------------------- */

static page_t account_page(object_t object)
{
	return (page_t){ACCOUNT_TABLE_PAGE + object.n / ACCOUNTS_PER_PAGE};
}

enum status account_read(struct space *space, object_t object, struct disk_account *account)
{
	const struct disk_account *found;
	const void *data;
	enum status status;

	if (!object.n || object.n >= OBJECT_MAX)
		return STATUS_NOT_FOUND;
	status = space_read_zeros(space, account_page(object), &data);
	if (status != STATUS_OK)
		return status;
	found = data;
	*account = found[object.n % ACCOUNTS_PER_PAGE];
	return STATUS_OK;
}

enum status account_prepare(struct space *space, object_t object, struct disk_account **account)
{
	enum status status;
	void *data;

	if (!object.n || object.n >= OBJECT_MAX)
		return STATUS_NOT_FOUND;
	status = space_write(space, account_page(object), &data);
	if (status == STATUS_OK)
		*account = (struct disk_account *)data + object.n % ACCOUNTS_PER_PAGE;
	return status;
}

struct disk_account *account_writable(struct space *space, object_t object)
{
	struct disk_account *accounts = space_writable(space, account_page(object));

	ASSERT(object.n && object.n < OBJECT_MAX);
	return accounts + object.n % ACCOUNTS_PER_PAGE;
}

/* The account of an object, if it was prepared. */
static struct disk_account *neighbour(struct space *space, uint32_t object)
{
	struct disk_account *accounts;

	if (!object || object >= OBJECT_MAX)
		return NULL;
	accounts = store_page_writable(space->store, account_page((object_t){object}));
	return accounts ? accounts + object % ACCOUNTS_PER_PAGE : NULL;
}

/* ---- life ------------------------------------------------------------------------- */

enum status bank_walk(struct space *space, const struct disk_object *record,
		      enum status (*visit)(void *context, object_t bank, uint64_t version),
		      void *context)
{
	uint64_t version = record->bank_version;
	object_t bank = {record->bank};
	uint32_t kept = space->kept_pages;
	enum status status = STATUS_OK;

	for (uint32_t i = 0; version && status == STATUS_OK; i++) {
		const struct disk_object *found;

		status = i < BANK_DEPTH_MAX ? record_read(space, bank, &found) : STATUS_CORRUPT;
		if (status == STATUS_NOT_FOUND)
			status = STATUS_CORRUPT;
		if (status == STATUS_OK && found->version != version)
			status = STATUS_DEAD;
		if (status == STATUS_OK && found->type != OBJECT_BANK)
			status = STATUS_CORRUPT;
		if (status == STATUS_OK)
			status = visit(context, bank, version);
		if (status != STATUS_OK)
			break;
		version = found->bank_version;
		bank = (object_t){found->bank};
		space->kept_pages = kept; /* looked at, and not again */
	}
	return status;
}

static enum status visit_bits(void *context, object_t bank, uint64_t version)
{
	(void)bank;
	*(uint64_t *)context |= bank_bit(version);
	return STATUS_OK;
}

/*
 * Nearly every page that is looked at in a trap is of a bank that was found alive in the trap
 * before.  Only the end of a bank changes that, which forgets all of them, or another state of the
 * space, which is another generation.
 *
 * What was asked in the prepare phase of an operation can be asked again in its commit phase and
 * does not wait: either the answer is still remembered, or the pages of the walk are still there.
 */
enum status bank_bits(struct space *space, const struct disk_object *record, uint64_t *bits)
{
	uint64_t version = record->bank_version, generation = store_generation(space->store).n;
	uint64_t operation = store_operation(space->store);
	uint32_t entry = version % SPACE_BANKS;
	enum status status;

	*bits = 0;
	if (!version)
		return STATUS_OK;
	if (space->living_generation != generation) {
		banks_forget(space);
		space->living_generation = generation;
	}
	if (space->living[entry].version == version && !space->view) {
		space->living[entry].operation = operation;
		*bits = space->living[entry].bits;
		return STATUS_OK;
	}
	status = bank_walk(space, record, visit_bits, bits);
	if (status != STATUS_OK || space->view || space->living[entry].operation == operation)
		return status;
	space->living[entry].version = version;
	space->living[entry].bits = *bits;
	space->living[entry].operation = operation;
	return STATUS_OK;
}

void banks_forget(struct space *space)
{
	memset(space->living, 0, sizeof(space->living));
}

enum status bank_alive(struct space *space, const struct disk_object *record)
{
	uint64_t bits;

	ASSERT(record->version);
	return space->ends_bank ? STATUS_OK : bank_bits(space, record, &bits);
}

static enum status visit_top(void *context, object_t bank, uint64_t version)
{
	(void)version;
	return bank.n == ((const object_t *)context)->n ? STATUS_EXISTS : STATUS_OK;
}

enum status bank_below(struct space *space, object_t bank, const struct disk_object *record,
		       object_t top)
{
	enum status status =
		bank.n == top.n ? STATUS_EXISTS : bank_walk(space, record, visit_top, &top);

	if (status == STATUS_OK)
		return STATUS_INVALID;
	return status == STATUS_EXISTS ? STATUS_OK : status;
}

enum status bank_of(struct space *space, object_t top, object_t object, object_t *bank)
{
	struct disk_object record;
	enum status status = object_read(space, object, &record);

	if (status == STATUS_OK && top.n != OBJECT_ROOT_BANK)
		status = bank_walk(space, &record, visit_top, &top);
	else if (status == STATUS_OK)
		status = STATUS_EXISTS; /* everything is below it */
	if (status != STATUS_EXISTS)
		return status == STATUS_OK || status == STATUS_DEAD ? STATUS_NOT_FOUND : status;
	*bank = (object_t){record.bank ? record.bank : OBJECT_ROOT_BANK};
	return STATUS_OK;
}

/* ---- charges ------------------------------------------------------------------------ */

/* Does the bank count addresses? */
static bool counts_addresses(const struct disk_account *account)
{
	return account->depth || account->address_limit;
}

enum status bank_charge_prepare(struct space *space, object_t bank, uint64_t pages,
				uint64_t addresses)
{
	struct disk_object record, *writable;
	struct disk_account *account = NULL;
	enum status status = object_read_typed(space, bank, OBJECT_BANK, &record);

	if (status != STATUS_OK)
		return status;
	if (record.size > record.allowance.limit || pages > record.allowance.limit - record.size)
		return STATUS_ALLOWANCE;
	status = record_prepare(space, bank, &writable);
	if (status == STATUS_OK && addresses)
		status = account_prepare(space, bank, &account);
	if (status != STATUS_OK || !account || !counts_addresses(account))
		return status;
	return account->addresses > account->address_limit ||
			       addresses > account->address_limit - account->addresses
		       ? STATUS_ALLOWANCE
		       : STATUS_OK;
}

enum status bank_credit_prepare(struct space *space, object_t bank, uint64_t addresses)
{
	struct disk_object *record;
	struct disk_account *account;
	enum status status = record_prepare(space, bank, &record);

	/* Of the first objects nobody is asked to pay for some. */
	if (status == STATUS_NOT_FOUND)
		return STATUS_OK;
	if (status != STATUS_OK || !addresses)
		return status;
	status = account_prepare(space, bank, &account);
	return space_lost(space, status) ? STATUS_OK : status;
}

void bank_charge(struct space *space, object_t bank, uint64_t pages, uint64_t addresses,
		 uint64_t objects)
{
	struct disk_object *record = record_writable(space, bank);
	struct disk_account *account = addresses ? account_writable(space, bank) : NULL;

	ASSERT(record->version); /* living, as it was when it was prepared */
	ASSERT(record->type == OBJECT_BANK);
	/* A charge never goes beyond the limit: that was looked at. */
	ASSERT(record->size <= record->allowance.limit);
	ASSERT(pages <= record->allowance.limit - record->size);
	record->size += pages;
	record->allowance.objects += objects;
	if (!account || !counts_addresses(account))
		return;
	ASSERT(addresses <= account->address_limit - account->addresses);
	account->addresses += addresses;
}

/* Stops at 0: a damaged count must not turn into a huge one. */
static uint64_t less(uint64_t count, uint64_t by)
{
	return count < by ? 0 : count - by;
}

bool bank_credit(struct space *space, object_t bank, uint64_t pages, uint64_t addresses,
		 uint64_t objects)
{
	struct disk_object *record;
	struct disk_account *account;

	if (!bank.n || bank.n >= OBJECT_MAX)
		return false;
	record = store_page_writable(space->store, record_page(bank));
	if (!record)
		return false;
	record += bank.n % OBJECTS_PER_PAGE;
	/* It may be dying itself: then it is the last to go. */
	if (record->type != OBJECT_BANK)
		return false;
	record->size = less(record->size, pages);
	record->allowance.objects = less(record->allowance.objects, objects);
	account = addresses ? neighbour(space, bank.n) : NULL;
	if (account)
		account->addresses = less(account->addresses, addresses);
	return objects && !record->allowance.objects && record->flags & OBJECT_WAITS;
}

/* ---- lists ---------------------------------------------------------------------------- */

static uint32_t *list_head(struct disk_account *bank, enum object_type type)
{
	return type == OBJECT_BANK ? &bank->first_bank : &bank->first_object;
}

/* The account of a neighbour in a list, which may be damaged: then it is left alone. */
static enum status neighbour_prepare(struct space *space, const struct disk_system *system,
				     uint32_t neighbour)
{
	struct disk_account *account;
	enum status status;

	if (!neighbour || neighbour >= system->next_object)
		return STATUS_OK;
	status = account_prepare(space, (object_t){neighbour}, &account);
	return space_lost(space, status) ? STATUS_OK : status;
}

enum status bank_list_prepare(struct space *space, const struct disk_system *system, object_t bank,
			      enum object_type type)
{
	struct disk_account *account;
	enum status status = account_prepare(space, bank, &account);

	return status == STATUS_OK ? neighbour_prepare(space, system, *list_head(account, type))
				   : status;
}

void bank_list_add(struct space *space, object_t bank, object_t object, enum object_type type)
{
	uint32_t *head = list_head(account_writable(space, bank), type);
	struct disk_account *own = account_writable(space, object), *next = neighbour(space, *head);

	ASSERT(!own->next && !own->previous);
	own->next = next && !next->previous ? *head : 0;
	if (own->next)
		next->previous = object.n;
	*head = object.n;
}

enum status bank_unlist_prepare(struct space *space, const struct disk_system *system,
				object_t object, const struct disk_object *record)
{
	struct disk_account account, *own;
	enum status status = account_read(space, object, &account);

	if (status == STATUS_OK)
		status = neighbour_prepare(space, system, account.previous);
	if (status == STATUS_OK)
		status = neighbour_prepare(space, system, account.next);
	if (status == STATUS_OK && !account.previous)
		status = neighbour_prepare(space, system, record->bank);
	if (status == STATUS_OK && (account.next || account.previous))
		status = account_prepare(space, object, &own);
	return status;
}

/* Neighbours that do not know it are not its own: the list is damaged there. */
void bank_unlist(struct space *space, object_t object, const struct disk_object *record)
{
	struct disk_account *own = neighbour(space, object.n), *beside;
	uint32_t next = own ? own->next : 0, previous = own ? own->previous : 0, *head;

	beside = neighbour(space, next);
	if (beside && beside->previous == object.n)
		beside->previous = previous;
	beside = neighbour(space, previous);
	if (beside && beside->next == object.n)
		beside->next = next;
	beside = previous ? NULL : neighbour(space, record->bank);
	head = beside ? list_head(beside, record->type) : NULL;
	if (head && *head == object.n)
		*head = next;
	if (own)
		own->next = own->previous = 0;
}

/* What a list of the bank leads to; NOT_FOUND: nothing, or nothing that makes sense. */
static enum status list_find(struct space *space, object_t bank, uint32_t index,
			     enum object_type type, object_t *object, struct disk_object *record)
{
	const struct disk_object *found;
	enum status status;

	*object = (object_t){index};
	status = record_read(space, *object, &found);
	if (status != STATUS_OK)
		return status;
	if (!found->version || found->bank != bank.n ||
	    (found->type == OBJECT_BANK) != (type == OBJECT_BANK) || !record_valid(found))
		return STATUS_NOT_FOUND;
	*record = *found;
	return STATUS_OK;
}

/* That list leads to nothing, or nowhere any more. */
static bool left_none(const struct space *space, enum status status)
{
	return status == STATUS_NOT_FOUND || space_lost(space, status);
}

enum status bank_left(struct space *space, object_t bank, object_t *object,
		      struct disk_object *record)
{
	struct disk_account account = {.next = 0};
	enum status status = account_read(space, bank, &account);

	if (status == STATUS_OK)
		status = list_find(space, bank, account.first_bank, OBJECT_BANK, object, record);
	if (left_none(space, status))
		status = list_find(space, bank, account.first_object, OBJECT_NONE, object, record);
	return left_none(space, status) ? STATUS_NOT_FOUND : status;
}

enum status bank_next(struct space *space, object_t parent, object_t *bank,
		      struct disk_object *record)
{
	struct disk_account account;
	enum status status = account_read(space, bank->n ? *bank : parent, &account);

	if (status == STATUS_OK && bank->n) {
		status = object_read_typed(space, *bank, OBJECT_BANK, record);
		if (status == STATUS_OK && record->bank != parent.n)
			status = STATUS_DEAD;
	}
	if (status != STATUS_OK)
		return status == STATUS_NOT_FOUND || status == STATUS_WRONG_TYPE ? STATUS_DEAD
										 : status;
	return list_find(space, parent, bank->n ? account.next : account.first_bank, OBJECT_BANK,
			 bank, record);
}

enum status bank_adopt(struct space *space, object_t bank, object_t object)
{
	struct disk_object found, to, *record;
	struct disk_account *own;
	struct disk_system *system;
	uint64_t charge, addresses;
	enum status status = object_read(space, object, &found);

	if (status == STATUS_OK)
		status = object_read_typed(space, bank, OBJECT_BANK, &to);
	if (status != STATUS_OK)
		return status;
	/* A machine is more than one object, and a bank has others below it. */
	if (object.n < OBJECT_FIRST_FREE || found.type == OBJECT_BANK ||
	    found.type == OBJECT_MACHINE)
		return STATUS_NO_OPERATION;
	if (found.bank == bank.n)
		return STATUS_OK;
	charge = record_charge(&found);
	addresses = record_addresses(&found);
	status = system_prepare(space, &system);
	if (status == STATUS_OK)
		status = record_prepare(space, object, &record);
	if (status == STATUS_OK)
		status = account_prepare(space, object, &own);
	if (status == STATUS_OK)
		status = bank_unlist_prepare(space, system, object, &found);
	if (status == STATUS_OK)
		status = bank_credit_prepare(space, (object_t){found.bank}, addresses);
	if (status == STATUS_OK)
		status = bank_list_prepare(space, system, bank, found.type);
	if (status == STATUS_OK)
		status = bank_charge_prepare(space, bank, charge, addresses);
	if (status != STATUS_OK)
		return status;

	/* Commit point. */
	bank_unlist(space, object, record);
	bank_credit(space, (object_t){found.bank}, charge, addresses, 1);
	record->bank = bank.n;
	record->bank_version = bank.n == OBJECT_ROOT_BANK ? 0 : to.version;
	bank_list_add(space, bank, object, found.type);
	bank_charge(space, bank, charge, addresses, 1);
	return STATUS_OK;
}

/* ---- beginning -------------------------------------------------------------------------- */

static uint64_t bank_size_charge(uint64_t size)
{
	return 1 + size;
}

static enum status bank_check(const struct object_request *request)
{
	bool most = request->size <= BANK_MOST && request->size_max <= BANK_MOST;

	return most && request->weight <= SHARE_ALL ? STATUS_OK : STATUS_LIMIT;
}

static enum status bank_create_prepare(struct space *space, struct creation *creation)
{
	struct disk_account account;
	enum status status = account_read(space, creation->bank, &account);

	creation->addresses += creation->request->size_max;
	if (status == STATUS_OK && account.depth + 1 >= BANK_DEPTH_MAX)
		status = STATUS_LIMIT;
	return status == STATUS_OK
		       ? weight_give_check(space, creation->bank, creation->request->weight)
		       : status;
}

static void bank_create_commit(struct space *space, struct creation *creation)
{
	object_t object = creation->part[0].object;
	struct disk_object *record = record_writable(space, object);
	struct disk_account *account = account_writable(space, object);

	record->size = 0; /* what it pays for, from now on */
	record->allowance.limit = creation->request->size;
	account->depth = account_writable(space, creation->bank)->depth + 1;
	account->address_limit = creation->request->size_max;
	weight_give(space, creation->bank, account, (uint32_t)creation->request->weight);
}

/* Any machine may wait through what hung from it. */
static enum status bank_held(struct space *space, object_t object, const struct disk_object *record,
			     uint32_t at, uint32_t *next, struct disk_capability *capability)
{
	object_t machine;
	enum status status = machine_next(space, (object_t){at}, &machine);

	(void)object, (void)record;
	if (status != STATUS_OK)
		return status;
	*next = machine.n + 1;
	*capability = (struct disk_capability){.object = machine.n, .type = OBJECT_MACHINE};
	return STATUS_OK;
}

const struct type_descriptor bank_type = {
	.arena = RANGE_NONE,
	.rights = RIGHT_READ | RIGHT_CREATE | RIGHT_CONTROL | RIGHT_DESTROY,
	.charge = bank_size_charge,
	.check = bank_check,
	.create_prepare = bank_create_prepare,
	.create_commit = bank_create_commit,
	.held = bank_held,
};
