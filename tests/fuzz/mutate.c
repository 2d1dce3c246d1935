/* SPDX-License-Identifier: MIT */
/*
 * mutate.c - makes new lists of changes out of old ones.
 *
 * Whole changes come, go and are replaced; their values are mostly those at
 * which something turns: small numbers, powers of two, sizes of the store, all
 * ones.  Now and then libFuzzer's own mutations do what they like.
 */
#include <string.h>

#include "tests/fuzz/edit.h"
#include "tests/fuzz/fuzz.h"

struct dice {
	uint64_t state;
};

static uint64_t dice_next(struct dice *dice)
{
	dice->state += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t x = dice->state;

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static unsigned dice_below(struct dice *dice, unsigned below)
{
	return (unsigned)(dice_next(dice) % below);
}

static uint64_t value_new(struct dice *dice)
{
	static const uint64_t turning[] = {0,
					   1,
					   2,
					   3,
					   8,
					   127,
					   128,
					   129,
					   511,
					   512,
					   4095,
					   4096,
					   DISK_DATA_SECTOR,
					   DISK_SECTORS_MIN - 8,
					   DISK_SECTORS_MIN - 1,
					   DISK_SECTORS_MIN,
					   DISK_SECTORS_MIN + 1,
					   16383,
					   16384,
					   DISK_DELTA_MAX,
					   UINT16_MAX,
					   UINT32_MAX,
					   DISK_SECTORS_MAX,
					   DISK_PAGE_MAX - 1,
					   DISK_PAGE_MAX,
					   UINT64_MAX - 1,
					   UINT64_MAX};

	switch (dice_below(dice, 8)) {
	case 0:
		return dice_next(dice);
	case 1:
		return UINT64_C(1) << dice_below(dice, 64);
	case 2:
		return dice_below(dice, DISK_SECTORS_MIN);
	case 3:
	case 4:
		return dice_below(dice, 16);
	case 5: /* to be added: a little less */
		return (uint64_t)0 - 1 - dice_below(dice, 4);
	default:
		return turning[dice_below(dice, sizeof(turning) / sizeof(turning[0]))];
	}
}

static void edit_new(struct dice *dice, struct fuzz_edit *edit)
{
	static const uint8_t kinds[] = {EDIT_FIELD, EDIT_FIELD,	    EDIT_FIELD,	   EDIT_FIELD,
					EDIT_ENTRY, EDIT_ENTRY,	    EDIT_ENTRY,	   EDIT_BYTES,
					EDIT_BYTES, EDIT_REFERENCE, EDIT_CONTENT,  EDIT_RAW,
					EDIT_SLOT,  EDIT_STEP,	    EDIT_STEP,	   EDIT_STEP,
					EDIT_STEP,  EDIT_SLOT,	    EDIT_REFERENCE};

	edit->kind = kinds[dice_below(dice, sizeof(kinds))];
	if (edit->kind == EDIT_RAW && dice_below(dice, 3) == 0)
		edit->kind = EDIT_READ_ERROR;
	edit->how = (uint8_t)dice_next(dice);
	edit->target = (uint16_t)dice_next(dice);
	/* The superblocks and the first slots are where a target matters most. */
	if (dice_below(dice, 3) == 0)
		edit->target = (uint16_t)dice_below(dice, 8);
	edit->offset = (uint16_t)dice_next(dice);
	edit->from = (uint16_t)dice_next(dice);
	edit->value = value_new(dice);
}

static void edit_change(struct dice *dice, struct fuzz_edit *edit)
{
	struct fuzz_edit fresh;

	edit_new(dice, &fresh);
	switch (dice_below(dice, 6)) {
	case 0:
		edit->value = fresh.value;
		break;
	case 1:
		edit->value += dice_below(dice, 2) ? 1 : UINT64_MAX;
		break;
	case 2:
		edit->target = fresh.target;
		break;
	case 3:
		edit->offset = fresh.offset;
		break;
	case 4:
		edit->how = fresh.how;
		break;
	default:
		edit->from = fresh.from;
		break;
	}
}

static void script_change(struct dice *dice, struct fuzz_script *script)
{
	unsigned at = script->edits ? dice_below(dice, script->edits) : 0;

	switch (dice_below(dice, 6)) {
	case 0:
		if (script->edits > 1) {
			script->edit[at] = script->edit[--script->edits];
			return;
		}
		break;
	case 1:
	case 2:
		if (script->edits) {
			edit_change(dice, &script->edit[at]);
			return;
		}
		break;
	case 3:
		script->base = dice_below(dice, BASES);
		return;
	default:
		break;
	}
	if (script->edits < EDITS_MAX)
		at = script->edits++;
	edit_new(dice, &script->edit[at]);
}

size_t script_mutate(uint8_t *data, size_t size, size_t most, unsigned seed)
{
	struct dice dice = {seed};
	struct fuzz_script script;
	size_t used;

	if (dice_below(&dice, 8) == 0)
		return LLVMFuzzerMutate(data, size, most);
	script_read(&script, data, size);
	for (unsigned i = 1 + dice_below(&dice, 3); i; i--)
		script_change(&dice, &script);
	used = 1 + script.edits * sizeof(struct fuzz_edit);
	if (used > most) {
		script.edits = most ? (unsigned)((most - 1) / sizeof(struct fuzz_edit)) : 0;
		used = most ? 1 + script.edits * sizeof(struct fuzz_edit) : 0;
	}
	if (!most)
		return 0;
	data[0] = (uint8_t)script.base;
	memcpy(data + 1, script.edit, used - 1);
	return used;
}
