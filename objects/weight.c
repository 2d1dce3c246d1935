/* SPDX-License-Identifier: MIT */
/*
 * weight.c - weights of banks: what the machines of each have of the processor.
 *
 * A weight is set aside from that of the bank above, as pages and addresses are, so nobody gets
 * more by making banks.  What a bank has not given away is its own, and never less than 1: who has
 * given all away would run on the share of the bank above, which was promised to others.  So the
 * banks that have a weight are a tree of their own from the first one on, and whatever lies
 * below a bank without one has none either.
 */
#include "objects/objects_priv.h"

static bool weight_first(object_t bank)
{
	return bank.n == OBJECT_ROOT_BANK;
}

uint32_t bank_weight(object_t bank, const struct disk_account *account)
{
	return weight_first(bank) && !account->weight ? SHARE_ALL : account->weight;
}

/* What it could give to banks that are made from it. */
static uint32_t weight_left(object_t bank, const struct disk_account *account)
{
	uint32_t weight = bank_weight(bank, account);

	return weight > account->weight_given ? weight - account->weight_given - 1 : 0;
}

/* What its own machines have; 0: it has no weight.  Not more than there is, whatever is damaged. */
static uint32_t weight_own(object_t bank, const struct disk_account *account)
{
	uint32_t own = weight_left(bank, account) + 1;
	uint32_t most = weight_first(bank) ? SHARE_FIRST : SHARE_ALL;

	if (!weight_first(bank) && !account->weight)
		return 0;
	return own < most ? own : most;
}

/* ---- whose share a machine has ---------------------------------------------------------- */

struct share_walk {
	struct space *space;
	uint64_t version;
	uint32_t weight;
};

/* EXISTS: it is this one's. */
static enum status visit_share(void *context, object_t bank, uint64_t version)
{
	struct share_walk *walk = context;
	struct disk_account account;
	enum status status = account_read(walk->space, bank, &account);

	if (status != STATUS_OK)
		return status;
	walk->version = version;
	walk->weight = weight_own(bank, &account);
	return walk->weight ? STATUS_EXISTS : STATUS_OK;
}

enum status bank_share(struct space *space, object_t machine, uint64_t *share, uint32_t *weight)
{
	const object_t first = {OBJECT_ROOT_BANK};
	struct share_walk walk = {.space = space};
	struct disk_account account = {.weight = 0};
	const struct disk_object *record;
	enum status status = record_read(space, machine, &record);

	if (status == STATUS_OK)
		status = bank_walk(space, record, visit_share, &walk);
	if (status == STATUS_EXISTS) {
		*share = walk.version;
		*weight = walk.weight;
		return STATUS_OK;
	}
	if (status != STATUS_WAIT)
		status = account_read(space, first, &account);
	*share = 0;
	*weight = weight_own(first, &account);
	return status == STATUS_WAIT ? status : STATUS_OK;
}

/* ---- setting aside -------------------------------------------------------------------- */

enum status weight_give_check(struct space *space, object_t bank, uint64_t weight)
{
	struct disk_account account;
	enum status status = account_read(space, bank, &account);

	if (status != STATUS_OK || !weight)
		return status;
	return weight <= weight_left(bank, &account) ? STATUS_OK : STATUS_ALLOWANCE;
}

/* A damaged figure must not turn into a huge one. */
static uint32_t given_less(const struct disk_account *account, uint32_t weight)
{
	return account->weight_given -
	       (weight < account->weight_given ? weight : account->weight_given);
}

/* COMMIT.  What is left to the bank is another; its record was obtained. */
static void weight_note(struct space *space, object_t bank, const struct disk_account *account)
{
	const struct disk_object *records = space_resident(space, record_page(bank));
	uint64_t version = records[bank.n % OBJECTS_PER_PAGE].version;
	uint64_t at = space->weights++ % SPACE_WEIGHED;

	space->weighed[at].version = weight_first(bank) ? 0 : version;
	space->weighed[at].own = weight_own(bank, account);
}

void weight_give(struct space *space, object_t bank, struct disk_account *to, uint32_t weight)
{
	struct disk_account *from = account_writable(space, bank);

	if (!weight)
		return;
	ASSERT(weight <= weight_left(bank, from) && !to->weight);
	from->weight_given += weight;
	to->weight = weight;
	weight_note(space, bank, from);
}

void weight_give_back(struct space *space, object_t bank, struct disk_account *from,
		      uint32_t weight)
{
	from->weight_given = given_less(from, weight);
	weight_note(space, bank, from);
}

enum status bank_weigh(struct space *space, object_t above, object_t bank, uint64_t weight)
{
	struct disk_object record, giver;
	struct disk_account *own, *from;
	struct disk_system *system;
	enum status status = object_read_typed(space, bank, OBJECT_BANK, &record);

	if (status != STATUS_OK)
		return status;
	if (weight_first(bank) || record.bank != above.n)
		return STATUS_INVALID;
	status = object_read_typed(space, above, OBJECT_BANK, &giver);
	if (status == STATUS_OK)
		status = system_prepare(space, &system);
	if (status == STATUS_OK)
		status = account_prepare(space, bank, &own);
	if (status == STATUS_OK)
		status = account_prepare(space, above, &from);
	if (status != STATUS_OK)
		return status;
	if (own->weight_given && weight <= own->weight_given)
		return STATUS_ALLOWANCE;
	if (weight > own->weight && weight - own->weight > weight_left(above, from))
		return STATUS_ALLOWANCE;

	/* Commit point. */
	from->weight_given = given_less(from, own->weight) + (uint32_t)weight;
	own->weight = (uint32_t)weight;
	weight_note(space, above, from);
	weight_note(space, bank, own);
	system->version = SYSTEM_VERSION;
	return STATUS_OK;
}
