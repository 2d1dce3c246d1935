/* SPDX-License-Identifier: MIT */
/*
 * slot.c - which slots are in use.  Interface in slot.h.
 */
#include "user/lib/slot.h"

#include "user/lib/table.h"
#include "base/assert.h"

static struct slot_set taken, new;
static_assert(sizeof(taken.bits) * 8 >= SLOTS_DEFAULT, "a bit for each slot");

bool slot_set_has(const struct slot_set *set, uint32_t slot)
{
	ASSERT(slot < SLOTS_DEFAULT);
	return set->bits[slot / 64] >> (slot % 64) & 1;
}

void slot_set_note(struct slot_set *set)
{
	*set = taken;
}

static bool slot_is_ours(uint32_t slot)
{
	return slot >= SLOT_FIRST_FREE && slot < SLOTS_DEFAULT;
}

bool slot_is_taken(uint32_t slot)
{
	return slot_is_ours(slot) && slot_set_has(&taken, slot);
}

void slot_set_new(uint32_t slot)
{
	if (slot_is_taken(slot))
		new.bits[slot / 64] |= UINT64_C(1) << (slot % 64);
}

void slot_set_kept(uint32_t slot)
{
	if (slot_is_ours(slot))
		new.bits[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

bool slot_is_new(uint32_t slot)
{
	return slot_is_taken(slot) && slot_set_has(&new, slot);
}

uint32_t slot_take(void)
{
	for (uint32_t slot = SLOT_FIRST_FREE; slot < SLOTS_DEFAULT; slot++) {
		if (slot_set_has(&taken, slot))
			continue;
		taken.bits[slot / 64] |= UINT64_C(1) << (slot % 64);
		return slot;
	}
	return 0;
}

void slot_forget(uint32_t slot)
{
	if (slot_is_ours(slot)) {
		taken.bits[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
		new.bits[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
	}
}

void slot_give(uint32_t slot)
{
	if (!slot_is_ours(slot))
		return;
	table_delete(OWN_TABLE, slot);
	slot_forget(slot);
}
