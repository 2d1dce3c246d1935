/* SPDX-License-Identifier: MIT */
/*
 * banks.c - the tree of banks below the shell's own: what each is charged with, and whose it
 * is; and the end of one.  Interface in shell.h.
 *
 * Programs go on meanwhile: what is shown of a bank is exact for the instant in which that
 * was asked.  All rows are found before the first is shown.
 */
#include "user/shell/shell.h"

#include <string.h>
#include "user/lib/heap.h"
#include "user/lib/machine.h"
#include "user/lib/service.h"
#include "user/lib/slot.h"
#include "user/lib/table.h"
#include "base/text.h"
#include "user/shell/columns.h"
#include "user/shell/terminal.h"

#define BANKS_TRIES 16u /* to see the tree while others change it */

static void machines_note(struct banks_machines *machines, const struct abi_machine_info *info)
{
	char *end = machines->text + machines->length;
	size_t left = sizeof(machines->text) - machines->length;

	if (machines->count++ < BANKS_NAMES)
		machines->length +=
			text_format(end, left, "%s%u %.*s", machines->length ? ", " : "",
				    info->object, (int)MACHINE_NAME, info->name);
	else
		text_format(end, left, ", %u more", machines->count - BANKS_NAMES);
}

/* The number of the shell's own bank; 0: it cannot be told. */
static uint32_t banks_own(void)
{
	struct table_info info;

	return table_info(OWN_TABLE, SLOT_BANK, &info) == STATUS_OK ? info.object : 0;
}

/* ---- the tree ---------------------------------------------------------------------- */

struct banks_row {
	uint32_t number, depth;
	struct bank_usage usage;
	struct banks_machines machines;
};

static struct {
	struct banks_row *row; /* each bank before those that are made from it */
	uint32_t count, room;
} tree;

static void tree_release(void)
{
	heap_release(tree.row);
	memset(&tree, 0, sizeof(tree));
}

static enum status tree_add(uint32_t number, uint32_t depth, const struct bank_usage *usage)
{
	struct banks_row *row;

	if (tree.count == tree.room) {
		uint32_t room = tree.room ? 2 * tree.room : 16;

		row = heap_resize(tree.row, room * sizeof(*row));
		if (!row)
			return STATUS_NO_MEMORY;
		tree.row = row;
		tree.room = room;
	}
	row = &tree.row[tree.count++];
	memset(row, 0, sizeof(*row));
	row->number = number;
	row->depth = depth;
	row->usage = *usage;
	return STATUS_OK;
}

/* One step further in the tree: to the first bank made from this one, or the next of its
 * parent's; slot[d] holds the bank at that depth, last[d] its number.  NOT_FOUND: that was all. */
static enum status tree_step(uint32_t slot[BANK_DEPTH_MAX], uint32_t last[BANK_DEPTH_MAX],
			     uint32_t *depth)
{
	struct bank_usage usage;
	enum status status;

	if (*depth + 1 == BANK_DEPTH_MAX) {
		(*depth)--; /* nothing can be made from that one */
		return STATUS_OK;
	}
	if (!slot[*depth + 1]) {
		slot[*depth + 1] = slot_take();
		if (!slot[*depth + 1])
			return STATUS_LIMIT;
	}
	status = bank_child(BANK(slot[*depth]), &last[*depth + 1], &usage, slot[*depth + 1]);
	if (status == STATUS_NOT_FOUND && *depth > 0) {
		last[*depth + 1] = 0;
		(*depth)--;
		return STATUS_OK;
	}
	if (status != STATUS_OK)
		return status;
	(*depth)++;
	return tree_add(last[*depth], *depth, &usage);
}

/* DEAD: a bank has ended where the walk was. */
static enum status tree_walk(void)
{
	uint32_t slot[BANK_DEPTH_MAX] = {SLOT_BANK}, last[BANK_DEPTH_MAX] = {0}, depth = 0;
	struct bank_usage usage;
	enum status status = bank_usage(OWN_BANK, &usage);

	tree.count = 0;
	if (status == STATUS_OK)
		status = tree_add(banks_own(), 0, &usage);
	while (status == STATUS_OK) {
		status = tree_step(slot, last, &depth);
		if (status == STATUS_OK && terminal_interrupted())
			status = STATUS_GONE;
	}
	for (uint32_t i = 1; i < BANK_DEPTH_MAX; i++)
		slot_give(slot[i]);
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status tree_machines(void)
{
	struct abi_machine_info info = {.object = 0};
	enum status status;

	while ((status = system_machine_next(info.object, &info, 0)) == STATUS_OK) {
		uint32_t number;

		if (bank_payer(OWN_BANK, info.object, &number, SLOT_NONE) != STATUS_OK)
			continue;
		for (uint32_t i = 0; i < tree.count; i++)
			if (tree.row[i].number == number)
				machines_note(&tree.row[i].machines, &info);
		if (terminal_interrupted())
			return STATUS_GONE;
	}
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* ---- banks -------------------------------------------------------------------------- */

static const struct column banks_column[] = {
	{"BANK", 6, true, 0},	  {"PAGES", 6, false, 0},     {"LIMIT", 7, false, 0},
	{"OBJECTS", 7, false, 2}, {"ADDRESSES", 9, false, 4}, {"LIMIT", 11, false, 3},
	{"WEIGHT", 6, false, 1},  {"MACHINES", 8, true, 0},
};

static void banks_print_row(const struct columns *table, const struct banks_row *row)
{
	char number[12 + BANK_DEPTH_MAX], pages[24], limit[24], objects[24], addresses[24] = "-";
	char address_limit[24] = "-", weight[12];
	const char *const cell[] = {number,    pages,	      limit,  objects,
				    addresses, address_limit, weight, row->machines.text};
	const struct bank_usage *usage = &row->usage;

	text_format(number, sizeof(number), "%*s%u", (int)row->depth, "", row->number);
	text_format(pages, sizeof(pages), "%lu", usage->pages);
	text_format(limit, sizeof(limit), "%lu", usage->limit);
	text_format(objects, sizeof(objects), "%lu", usage->objects);
	text_format(weight, sizeof(weight), "%u", usage->weight);
	if (row->depth || usage->address_limit) {
		text_format(addresses, sizeof(addresses), "%lu", usage->addresses);
		text_format(address_limit, sizeof(address_limit), "%lu", usage->address_limit);
	}
	terminal_row(table, cell);
}

static void banks_print(void)
{
	struct columns table;

	terminal_table(&table, banks_column, sizeof(banks_column) / sizeof(banks_column[0]));
	for (uint32_t i = 0; i < tree.count; i++)
		banks_print_row(&table, &tree.row[i]);
	terminal_table_end(&table);
}

bool command_banks(int argc, char **argv)
{
	enum status status = STATUS_DEAD, machines = STATUS_OK;

	(void)argc;
	(void)argv;
	for (unsigned i = 0; i < BANKS_TRIES && status == STATUS_DEAD; i++)
		status = tree_walk();
	if (status == STATUS_OK)
		machines = tree_machines();
	/* Without the right it is its own bank that it sees. */
	if (tree.count && (status == STATUS_OK || status == STATUS_NO_RIGHT))
		banks_print();
	tree_release();
	if (status == STATUS_GONE || machines == STATUS_GONE)
		return false;
	if (status == STATUS_NO_RIGHT)
		return shell_complain(
			"banks",
			"this shell comes from an older system, and may not see what is made "
			"from its bank; `restart` at the kernel's console makes one that may");
	if (status == STATUS_DEAD)
		return shell_complain("banks", "they come and go too fast to be shown; try again");
	return status == STATUS_OK && machines == STATUS_OK
		       ? true
		       : shell_error("banks", "banks", status == STATUS_OK ? machines : status);
}

/* ---- the end of one ------------------------------------------------------------------- */

enum status banks_of(uint32_t object, struct bank *bank)
{
	uint32_t number;
	enum status status;

	bank->slot = slot_take();
	if (!bank->slot)
		return STATUS_LIMIT;
	status = bank_payer(OWN_BANK, object, &number, bank->slot);
	if (status == STATUS_OK && number == banks_own())
		status = STATUS_NOT_FOUND;
	if (status != STATUS_OK)
		slot_give(bank->slot);
	return status;
}

enum status banks_above(struct bank bank, struct bank *above)
{
	struct table_info info;
	uint32_t number;
	enum status status = table_info(OWN_TABLE, bank.slot, &info);

	above->slot = slot_take();
	if (status == STATUS_OK)
		status = above->slot ? bank_payer(OWN_BANK, info.object, &number, above->slot)
				     : STATUS_LIMIT;
	return status;
}

enum status banks_find(uint32_t number, struct bank *bank)
{
	struct bank parent = {slot_take()};
	struct bank_usage usage;
	uint32_t at = 0, above;
	enum status status =
		parent.slot ? bank_payer(OWN_BANK, number, &above, parent.slot) : STATUS_LIMIT;

	bank->slot = slot_take();
	if (!bank->slot)
		status = STATUS_LIMIT;
	while (status == STATUS_OK) {
		status = bank_child(parent, &at, &usage, bank->slot);
		if (status == STATUS_OK && at == number)
			break;
		if (status == STATUS_DEAD && at) {
			at = 0; /* one of them has ended: from the start */
			status = STATUS_OK;
		}
	}
	slot_give(parent.slot);
	if (status != STATUS_OK)
		slot_give(bank->slot);
	return status;
}

enum status banks_end(struct bank bank, uint32_t but, struct banks_machines *others)
{
	struct abi_machine_info info = {.object = 0};
	uint32_t number;

	memset(others, 0, sizeof(*others));
	while (system_machine_next(info.object, &info, 0) == STATUS_OK)
		if (info.object != but &&
		    bank_payer(bank, info.object, &number, SLOT_NONE) == STATUS_OK)
			machines_note(others, &info);
	return table_destroy(OWN_TABLE, bank.slot);
}
