/* SPDX-License-Identifier: MIT */
/*
 * banks.c - `banks`: the tree of banks, and which machines each pays for.
 *
 * Read from the object table, not from the lists in the accounts: a bank that is being
 * destroyed is in none, but still is paid for, and pays.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/mkstore/array.h"
#include "tools/mkstore/command.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"

struct banks_bank {
	object_t object;
	struct disk_object record;
	struct disk_account account;
	bool ended; /* or one with which it ends */
	bool shown;
};

struct banks_machine {
	object_t object;
	uint32_t bank;
	char name[MACHINE_NAME];
};

struct banks {
	struct host *host;
	struct show *show;
	uint32_t root, next_object;
	struct banks_bank *bank;
	size_t count, room;
	struct banks_machine *machine;
	size_t machines, machines_room;
};

/* ---- the object table ---------------------------------------------------------------- */

/* What is absent reads as zeros. */
static enum status banks_page(struct host *host, uint64_t page, void *data)
{
	void *found;
	enum status status = HOST_RETRY(host, space_read(&host->space, (page_t){page}, &found));

	if (status == STATUS_OK)
		memcpy(data, found, PAGE_SIZE);
	else if (status == STATUS_ABSENT)
		memset(data, 0, PAGE_SIZE);
	return status == STATUS_ABSENT ? STATUS_OK : status;
}

static enum status banks_add(struct banks *banks, object_t object, const struct disk_object *record)
{
	struct host *host = banks->host;
	struct banks_bank *bank =
		array_grow(banks->bank, sizeof(*bank), banks->count, &banks->room);

	if (!bank)
		return STATUS_NO_MEMORY;
	banks->bank = bank;
	bank += banks->count++;
	*bank = (struct banks_bank){.object = object, .record = *record, .ended = !record->version};
	return HOST_RETRY(host, account_read(&host->space, object, &bank->account));
}

static enum status banks_add_machine(struct banks *banks, object_t object,
				     const struct disk_object *record)
{
	struct banks_machine *machine = array_grow(banks->machine, sizeof(*machine),
						   banks->machines, &banks->machines_room);
	struct disk_machine body;

	if (!machine)
		return STATUS_NO_MEMORY;
	banks->machine = machine;
	machine += banks->machines++;
	*machine = (struct banks_machine){object, record->bank, ""};
	TRY(banks_page(banks->host, record->first_page, &body));
	/* One whose page makes no sense is shown by its number. */
	if (body.magic == MACHINE_MAGIC && body.object == object.n)
		memcpy(machine->name, body.name, sizeof(machine->name));
	return STATUS_OK;
}

static int order(uint32_t a_bank, uint32_t b_bank, object_t a, object_t b)
{
	if (a_bank != b_bank)
		return a_bank < b_bank ? -1 : 1;
	return (a.n > b.n) - (a.n < b.n);
}

/* Those that the same bank pays for side by side. */
static int bank_order(const void *one, const void *other)
{
	const struct banks_bank *a = one, *b = other;

	return order(a->record.bank, b->record.bank, a->object, b->object);
}

static int machine_order(const void *one, const void *other)
{
	const struct banks_machine *a = one, *b = other;

	return order(a->bank, b->bank, a->object, b->object);
}

static enum status banks_gather(struct banks *banks)
{
	struct disk_object records[OBJECTS_PER_PAGE];
	const struct disk_system *system;

	HOST_TRY(banks->host, system_read(&banks->host->space, &system));
	banks->root = system->root_bank;
	banks->next_object = system->next_object;
	if (banks->next_object > OBJECT_MAX)
		return STATUS_CORRUPT;
	for (uint32_t i = 0; i < banks->next_object; i++) {
		const struct disk_object *record = &records[i % OBJECTS_PER_PAGE];
		object_t object = {i};

		if (i % OBJECTS_PER_PAGE == 0)
			TRY(banks_page(banks->host, OBJECT_TABLE_PAGE + i / OBJECTS_PER_PAGE,
				       records));
		if (i && record->type == OBJECT_BANK)
			TRY(banks_add(banks, object, record));
		else if (i && record->type == OBJECT_MACHINE && record->version)
			TRY(banks_add_machine(banks, object, record));
	}
	if (banks->count)
		qsort(banks->bank, banks->count, sizeof(*banks->bank), bank_order);
	if (banks->machines)
		qsort(banks->machine, banks->machines, sizeof(*banks->machine), machine_order);
	return STATUS_OK;
}

/* ---- one row ----------------------------------------------------------------------------- */

/* Of `count` items of `size` bytes in the order of the number at `key`: the first that the bank
 * pays for. */
static size_t first_paid(const void *item, size_t count, size_t size, size_t key, uint32_t bank)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		uint32_t payer;

		memcpy(&payer, (const char *)item + middle * size + key, sizeof(payer));
		if (payer < bank)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t machine_first(const struct banks *banks, uint32_t bank)
{
	return first_paid(banks->machine, banks->machines, sizeof(*banks->machine),
			  offsetof(struct banks_machine, bank), bank);
}

/* "shell, counter"; one without a name is "machine 27". */
static void banks_names(const struct banks *banks, FILE *out, uint32_t bank)
{
	char name[TEXT_NAME(MACHINE_NAME)];
	const char *before = "";

	for (size_t i = machine_first(banks, bank); i < banks->machines; i++) {
		const struct banks_machine *machine = &banks->machine[i];

		if (machine->bank != bank)
			break;
		if (machine->name[0])
			fprintf(out, "%s%s", before, TEXT_FIELD(name, machine->name));
		else
			fprintf(out, "%smachine %" PRIu32, before, machine->object.n);
		before = ", ";
	}
}

static void banks_names_json(const struct banks *banks, struct json *json, const char *member,
			     uint32_t bank)
{
	json_array(json, member);
	for (size_t i = machine_first(banks, bank); i < banks->machines; i++) {
		if (banks->machine[i].bank != bank)
			break;
		json_object(json, NULL);
		json_number(json, "object", banks->machine[i].object.n);
		JSON_FIELD(json, "name", banks->machine[i].name);
		json_object_end(json);
	}
	json_array_end(json);
}

static enum status banks_machines(const struct banks *banks, uint32_t bank)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	const char *member;
	bool whole;

	if (!out)
		return STATUS_NO_MEMORY;
	banks_names(banks, out, bank);
	whole = !ferror(out);
	if (fclose(out) || !whole) {
		free(text);
		return STATUS_NO_MEMORY;
	}
	member = show_member(banks->show, length ? text : "-");
	if (member)
		banks_names_json(banks, &banks->show->json, member, bank);
	free(text);
	return STATUS_OK;
}

static const struct show_column banks_columns[] = {
	{"object", "BANK", -14},
	{"parent", NULL, 0},
	{"depth", NULL, 0},
	{"state", "STATE", -6},
	{"pages", "PAGES", 10},
	{"limit_pages", "LIMIT", 10},
	{"addresses", "ADDRESSES", 11},
	{"limit_addresses", "LIMIT", 11},
	{"objects", "OBJECTS", 8},
	{"weight", "WEIGHT", 7},
	SHOW_GAP,
	{"machines", "MACHINES", 0},
	{0},
};

static const char *banks_state(const struct banks_bank *bank)
{
	if (!bank->ended)
		return "lives";
	return bank->record.version ? "ended" : "dying";
}

static enum status banks_row(const struct banks *banks, const struct banks_bank *bank,
			     unsigned depth)
{
	const struct disk_account *account = &bank->account;
	struct show *show = banks->show;
	/* The first bank of an older store does not count them. */
	bool counts = account->depth || account->address_limit;
	char number[2 * BANK_DEPTH_MAX + TEXT_SIZE];

	snprintf(number, sizeof(number), "%*s%" PRIu32, (int)(2 * depth), "", bank->object.n);
	show_row(show);
	show_number_as(show, bank->object.n, number);
	show_number(show, bank->record.bank);
	show_number(show, depth);
	show_text(show, banks_state(bank));
	show_number(show, bank->record.size);
	show_number(show, bank->record.allowance.limit);
	if (counts) {
		show_number(show, account->addresses);
		show_number(show, account->address_limit);
	} else {
		show_none(show);
		show_none(show);
	}
	show_number(show, bank->record.allowance.objects);
	show_number(show, bank_weight(bank->object, account));
	return banks_machines(banks, bank->object.n);
}

/* ---- the tree ------------------------------------------------------------------------------ */

static size_t bank_first(const struct banks *banks, object_t parent)
{
	return first_paid(banks->bank, banks->count, sizeof(*banks->bank),
			  offsetof(struct banks_bank, record.bank), parent.n);
}

/* The banks that the parent pays for. The next of them from *at on, that was not shown already: a
 * damaged table may lead anywhere. */
static struct banks_bank *bank_below(const struct banks *banks, object_t parent, size_t *at)
{
	while (*at < banks->count && banks->bank[*at].record.bank == parent.n) {
		struct banks_bank *bank = &banks->bank[(*at)++];

		if (!bank->shown)
			return bank;
	}
	return NULL;
}

/* It, and all below it. */
static enum status banks_tree(struct banks *banks, struct banks_bank *top)
{
	struct {
		struct banks_bank *bank;
		size_t at; /* where to go on among those below it */
	} level[BANK_DEPTH_MAX];
	unsigned depth = 0;

	level[0].bank = top;
	level[0].at = bank_first(banks, top->object);
	top->shown = true;
	TRY(banks_row(banks, top, 0));
	for (;;) {
		struct banks_bank *bank = level[depth].bank, *below = NULL;

		if (depth + 1 < BANK_DEPTH_MAX)
			below = bank_below(banks, bank->object, &level[depth].at);
		if (!below && !depth)
			return STATUS_OK;
		if (!below) {
			depth--;
			continue;
		}
		below->shown = true;
		below->ended |= bank->ended;
		level[++depth].bank = below;
		level[depth].at = bank_first(banks, below->object);
		TRY(banks_row(banks, below, depth));
	}
}

/* Whatever a damaged table does not put below the first one is shown by itself. */
static enum status banks_all(struct banks *banks)
{
	for (size_t i = 0; i < banks->count; i++)
		if (banks->bank[i].object.n == banks->root)
			TRY(banks_tree(banks, &banks->bank[i]));
	for (size_t i = 0; i < banks->count; i++)
		if (!banks->bank[i].shown)
			TRY(banks_tree(banks, &banks->bank[i]));
	return STATUS_OK;
}

static enum command_exit banks_run(const struct command_invocation *invocation)
{
	struct banks banks = {.host = invocation->host, .show = invocation->show};
	enum status status = banks_gather(&banks);

	if (status == STATUS_OK) {
		fact_number(banks.show, "generation", NULL, banks.host->recovery.generation.n);
		show_list(banks.show, "banks", banks_columns);
		status = banks_all(&banks);
		show_list_end(banks.show);
	}
	free(banks.bank);
	free(banks.machine);
	return host_result(invocation->host, status, "cannot read the banks");
}

const struct command command_banks = {
	.name = "banks",
	.usage = "IMAGE",
	.summary = "Lists who pays for what",
	.details = "Each bank below the one that pays for it, with what it pays for itself, in "
		   "pages:\n"
		   "of memory, and of addresses ('-' where they are not counted), each with its "
		   "limit.\n"
		   "A bank is charged for all that it may pay for.  A bank that is dying, and one\n"
		   "that has ended with it, pay until what they pay for is taken apart.\n",
	.options = host_look_options,
	.opens = COMMAND_READS,
	.run = banks_run,
};
