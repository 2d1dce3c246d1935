/* SPDX-License-Identifier: MIT */
/*
 * objects_bank.c - banks: the account table, who pays for what, and with what it ends.
 *
 * What holds in every space:
 *   - a bank's figures are the sums over the objects charged to it, dying ones included; what
 *     another bank may pay for is charged as a whole, and so is its weight, of which some stays;
 *   - a bank lies one level below the one that pays for it, so that they are a tree;
 *   - an object names the version of its bank, unless that is the first one;
 *   - a bank's lists have each living object that it pays for once.  Those that are older than
 *     the lists are in none, and belong to the first bank.
 */
#include "tools/verify/objects_priv.h"
#include "base/assert.h"

#include <inttypes.h>
#include <string.h>

#define BANK_LIMIT_MOST (UINT64_C(1) << 44) /* of any but the first one */

static uint64_t bank_page(uint32_t object)
{
	return ACCOUNT_TABLE_PAGE + object / ACCOUNTS_PER_PAGE;
}

static bool bank_first(const struct verify_objects *objects, uint32_t object)
{
	return object == objects->system.root_bank;
}

/* Living or dying. */
static bool bank_is(const struct verify_objects *objects, uint32_t object)
{
	return object && object < objects->objects && objects->record[object].type == OBJECT_BANK;
}

/* Does it end with the bank that pays for it?  The first one does not. */
static bool bank_binds(const struct verify_objects *objects, uint32_t object)
{
	uint32_t bank = objects->record[object].bank;

	return bank && !bank_first(objects, bank);
}

bool verify_objects_ended(const struct verify_objects *objects, uint32_t object)
{
	ASSERT(object && object < objects->objects);
	for (unsigned i = 0; i < BANK_DEPTH_MAX && bank_binds(objects, object); i++) {
		object = objects->record[object].bank;
		if (!bank_is(objects, object))
			return false;
		if (!objects->record[object].version)
			return true;
	}
	return false;
}

/* ---- accounts --------------------------------------------------------------------- */

void verify_objects_accounts_read(struct verify_objects *objects)
{
	uint64_t pages = (objects->objects + ACCOUNTS_PER_PAGE - 1) / ACCOUNTS_PER_PAGE;
	struct disk_account accounts[ACCOUNTS_PER_PAGE];

	if (objects->system.version < SYSTEM_VERSION_BANKS)
		return;
	for (uint64_t i = 0; i < pages; i++) {
		uint64_t first = i * ACCOUNTS_PER_PAGE, count = objects->objects - first;

		if (!verify_objects_read(objects, ACCOUNT_TABLE_PAGE + i, accounts))
			continue;
		if (count > ACCOUNTS_PER_PAGE)
			count = ACCOUNTS_PER_PAGE;
		memcpy(&objects->account[first], accounts, count * sizeof(accounts[0]));
		if (!verify_objects_zero(&accounts[count],
					 (ACCOUNTS_PER_PAGE - count) * sizeof(accounts[0])))
			verify_objects_report(objects, ACCOUNT_TABLE_PAGE + i,
					      "the account table goes on behind object %" PRIu32,
					      objects->objects - 1);
	}
	if (!verify_objects_zero(&objects->account[0], sizeof(objects->account[0])))
		verify_objects_report(objects, ACCOUNT_TABLE_PAGE,
				      "the account of object 0 is not empty");
}

/* What is dying has left its list; what is no bank has nothing but its place in one. */
static void bank_account_check(struct verify_objects *objects, uint32_t object)
{
	const struct disk_object *record = &objects->record[object];
	struct disk_account account = objects->account[object];

	if (!record->version && (account.next || account.previous))
		verify_objects_report(objects, bank_page(object),
				      "object %" PRIu32 " does not live, but has a place in a list",
				      object);
	if (account.reserved0 || !verify_objects_zero(account.reserved, sizeof(account.reserved)))
		verify_objects_report(objects, bank_page(object),
				      "account of object %" PRIu32 ": a reserve is not zero",
				      object);
	account = (struct disk_account){.first_bank = account.first_bank,
					.first_object = account.first_object,
					.depth = account.depth,
					.addresses = account.addresses,
					.address_limit = account.address_limit,
					.weight = account.weight,
					.weight_given = account.weight_given};
	if (record->type != OBJECT_BANK && !verify_objects_zero(&account, sizeof(account)))
		verify_objects_report(objects, bank_page(object),
				      "object %" PRIu32 " is no bank, but has the account of one",
				      object);
}

/* ---- charges ---------------------------------------------------------------------- */

void verify_objects_bank_charge(struct verify_objects *objects, uint32_t object)
{
	const struct disk_object *record = &objects->record[object];
	struct verify_objects_bank *bank = &objects->bank[record->bank];

	ASSERT(record->bank && record->bank < objects->objects);
	bank->objects++;
	bank->pages += verify_objects_charge(record);
	bank->addresses += record->range_pages;
	if (record->type == OBJECT_MACHINE)
		bank->addresses += record->machine.message_pages;
	if (record->type == OBJECT_BANK)
		bank->addresses += objects->account[object].address_limit;
	if (record->type == OBJECT_BANK)
		bank->weight += objects->account[object].weight;
}

static void bank_figures(struct verify_objects *objects, uint32_t object)
{
	uint64_t page = OBJECT_TABLE_PAGE + object / OBJECTS_PER_PAGE;
	const struct disk_object *record = &objects->record[object];
	const struct verify_objects_bank *bank = &objects->bank[object];

	if (record->size != bank->pages || record->allowance.objects != bank->objects)
		verify_objects_report(objects, page,
				      "bank %" PRIu32 " counts %" PRIu64 " pages and %" PRIu64
				      " objects, charged are %" PRIu64 " and %" PRIu64,
				      object, record->size, record->allowance.objects, bank->pages,
				      bank->objects);
	if (record->size > record->allowance.limit)
		verify_objects_report(objects, page,
				      "bank %" PRIu32 " is over its limit: %" PRIu64 " of %" PRIu64
				      " pages",
				      object, record->size, record->allowance.limit);
	if (!bank_first(objects, object) &&
	    (record->allowance.limit > BANK_LIMIT_MOST ||
	     objects->account[object].address_limit > BANK_LIMIT_MOST))
		verify_objects_report(objects, page,
				      "bank %" PRIu32 " may pay for more than there can be",
				      object);
}

/* The first bank of an older space does not count them. */
static void bank_addresses(struct verify_objects *objects, uint32_t object)
{
	const struct disk_account *account = &objects->account[object];
	bool counts = account->address_limit || !bank_first(objects, object);
	uint64_t charged = counts ? objects->bank[object].addresses : 0;

	if (account->addresses != charged)
		verify_objects_report(objects, bank_page(object),
				      "bank %" PRIu32 " counts %" PRIu64
				      " addresses, charged are %" PRIu64,
				      object, account->addresses, charged);
	if (account->addresses > account->address_limit && counts)
		verify_objects_report(objects, bank_page(object),
				      "bank %" PRIu32 " is over its limit: %" PRIu64 " of %" PRIu64
				      " addresses",
				      object, account->addresses, account->address_limit);
}

/* Before version 4 there were none, and an older system has not given back what ended. */
static void bank_weights(struct verify_objects *objects, uint32_t object)
{
	const struct disk_account *account = &objects->account[object];
	uint64_t given = objects->bank[object].weight, weight = account->weight;

	if (bank_first(objects, object) && !weight)
		weight = SHARE_ALL;
	if (objects->system.version < SYSTEM_VERSION_WEIGHTS &&
	    (account->weight || account->weight_given))
		verify_objects_report(objects, bank_page(object),
				      "bank %" PRIu32
				      " has a weight in a system of version %" PRIu32,
				      object, objects->system.version);
	if (account->weight_given != given)
		verify_objects_report(objects, bank_page(object),
				      "bank %" PRIu32 " counts a weight of %" PRIu32
				      " given away, the banks made from it have %" PRIu64,
				      object, account->weight_given, given);
	if (weight > SHARE_ALL || (given && given >= weight))
		verify_objects_report(objects, bank_page(object),
				      "bank %" PRIu32 " has a weight of %" PRIu64
				      ", of which %" PRIu64
				      " is given away: some must stay, and there is %u in all",
				      object, weight, given, SHARE_ALL);
}

/* A dying bank is in no list while it waits for the last of what it pays for. */
static void bank_waits(struct verify_objects *objects, uint32_t object)
{
	const struct disk_object *record = &objects->record[object];
	const struct disk_account *account = &objects->account[object];

	if (!(record->flags & OBJECT_WAITS) || record->version)
		return;
	if (record->type != OBJECT_BANK)
		verify_objects_report(objects, OBJECT_TABLE_PAGE + object / OBJECTS_PER_PAGE,
				      "object %" PRIu32 " waits to be destroyed and is no bank",
				      object);
	else if (!record->allowance.objects || record->next_free || account->first_bank ||
		 account->first_object)
		verify_objects_report(objects, OBJECT_TABLE_PAGE + object / OBJECTS_PER_PAGE,
				      "bank %" PRIu32 " waits for the end of %" PRIu64
				      " objects, of which some live (%" PRIu32 ", %" PRIu32
				      ") or object %" PRIu32 " follows",
				      object, record->allowance.objects, account->first_bank,
				      account->first_object, record->next_free);
}

/* ---- the tree ---------------------------------------------------------------------- */

/* Each a level below its own: then none leads back to itself. */
static void bank_depth(struct verify_objects *objects, uint32_t object)
{
	uint32_t depth = objects->account[object].depth, above = objects->record[object].bank;

	if (bank_first(objects, object)) {
		if (depth || above)
			verify_objects_report(objects, bank_page(object),
					      "the first bank lies below bank %" PRIu32
					      ", at depth %" PRIu32,
					      above, depth);
	} else if (!bank_is(objects, above)) {
		verify_objects_report(objects, bank_page(object),
				      "bank %" PRIu32 " is paid for by no bank", object);
	} else if (depth != objects->account[above].depth + 1 || depth >= BANK_DEPTH_MAX) {
		verify_objects_report(objects, bank_page(object),
				      "bank %" PRIu32 " is at depth %" PRIu32 " below bank %" PRIu32
				      ", which is at depth %" PRIu32,
				      object, depth, above, objects->account[above].depth);
	}
}

/* That of a bank which is dying is not known any more. */
static void bank_version(struct verify_objects *objects, uint32_t object)
{
	const struct disk_object *record = verify_objects_record(objects, object);
	uint64_t version = 0;

	if (!record || (record->bank && !bank_is(objects, record->bank)))
		return;
	if (bank_binds(objects, object)) {
		version = objects->record[record->bank].version;
		if (!version && record->bank_version <= objects->system.next_version)
			version = record->bank_version;
		if (version && version == record->bank_version)
			return;
	} else if (!record->bank_version) {
		return;
	}
	verify_objects_report(objects, OBJECT_TABLE_PAGE + object / OBJECTS_PER_PAGE,
			      "object %" PRIu32 " ends with version %" PRIu64 " of bank %" PRIu32
			      ", which has version %" PRIu64 " (0: it never ends with it)",
			      object, record->bank_version, record->bank, version);
}

/* ---- lists ------------------------------------------------------------------------- */

static void bank_list(struct verify_objects *objects, uint32_t bank, bool banks)
{
	const struct disk_account *account = &objects->account[bank];
	uint32_t at = banks ? account->first_bank : account->first_object, previous = 0;
	const char *what = banks ? "banks" : "objects";

	for (; at; at = objects->account[at].next) {
		const struct disk_object *record = verify_objects_record(objects, at);

		if (!record || record->bank != bank || (record->type == OBJECT_BANK) != banks ||
		    verify_objects_bit(objects->bank_listed, at)) {
			verify_objects_report(objects, bank_page(bank),
					      "the list of %s of bank %" PRIu32
					      " leads to object %" PRIu32 ", which is not among "
					      "them or is there already",
					      what, bank, at);
			return;
		}
		verify_objects_bit_set(objects->bank_listed, at);
		if (objects->account[at].previous != previous)
			verify_objects_report(
				objects, bank_page(at),
				"in the list of %s of bank %" PRIu32 " object %" PRIu32
				" follows object %" PRIu32 ", but names object "
				"%" PRIu32,
				what, bank, at, previous, objects->account[at].previous);
		previous = at;
	}
}

static void bank_unlisted(struct verify_objects *objects, uint32_t object)
{
	const struct disk_account *account = &objects->account[object];

	if (!verify_objects_record(objects, object) ||
	    verify_objects_bit(objects->bank_listed, object))
		return;
	if (account->next || account->previous || bank_binds(objects, object))
		verify_objects_report(objects, bank_page(object),
				      "object %" PRIu32 " is missing in the list of bank %" PRIu32
				      " (neighbours: %" PRIu32 ", %" PRIu32 ")",
				      object, objects->record[object].bank, account->previous,
				      account->next);
}

/* ---- all of them --------------------------------------------------------------------- */

void verify_objects_banks(struct verify_objects *objects)
{
	/* Without all records and accounts, sums would seem to be wrong. */
	if (objects->incomplete)
		return;
	for (uint32_t i = 1; i < objects->objects; i++) {
		bank_account_check(objects, i);
		bank_version(objects, i);
		bank_waits(objects, i);
		if (!bank_is(objects, i)) {
			if (objects->bank[i].objects)
				verify_objects_report(
					objects, OBJECT_TABLE_PAGE + i / OBJECTS_PER_PAGE,
					"objects are charged to %" PRIu32 ", which is no bank", i);
			continue;
		}
		bank_figures(objects, i);
		bank_addresses(objects, i);
		bank_weights(objects, i);
		bank_depth(objects, i);
		bank_list(objects, i, true);
		bank_list(objects, i, false);
	}
	for (uint32_t i = 1; i < objects->objects; i++)
		bank_unlisted(objects, i);
}
