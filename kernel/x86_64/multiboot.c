/* SPDX-License-Identifier: MIT */
/*
 * multiboot.c - reads the boot loader's information.
 *
 * Firmware's memory maps come unsorted, overlapping and in hundreds of pieces.
 * Usable memory is collected first; then everything that some entry says is not
 * usable is taken out again.
 */
#include "kernel/x86_64/multiboot.h"
#include "kernel/x86_64/layout.h"
#include "base/assert.h"
#include <stddef.h>
#include <string.h>

#define TAG_END		 0u
#define TAG_COMMAND_LINE 1u
#define TAG_MODULE	 3u
#define TAG_MEMORY_MAP	 6u
#define TAG_SCREEN	 8u
#define TAG_EFI_32	 11u
#define TAG_EFI_64	 12u
#define TAG_RSDP_1	 14u
#define TAG_RSDP_2	 15u
#define TAG_EFI_MEMORY	 17u

/* Kinds of memory, as the memory map tag numbers them. */
#define MEMORY_USABLE 1u
#define MEMORY_ACPI   3u
#define MEMORY_NVS    4u

#define ADDRESS_END (UINT64_C(1) << 46) /* as far as the direct map reaches */
static_assert(ADDRESS_END <= DEVICE_BASE - DIRECT_BASE, "beside the device window");

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof value);
	return value;
}

static uint64_t get64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof value);
	return value;
}

/* ---- lists ---------------------------------------------------------------------------- */

static void list_delete(struct memory_list *list, uint32_t index)
{
	ASSERT(index < list->count && list->count <= ARCH_MEMORY_RANGES);
	list->count--;
	memmove(&list->range[index], &list->range[index + 1],
		(list->count - index) * sizeof list->range[0]);
}

/* Makes room by dropping the smallest range if the new one is larger. */
static bool list_room(struct memory_list *list, uint64_t pages, uint32_t *index)
{
	uint32_t smallest = 0;

	if (list->count < ARCH_MEMORY_RANGES)
		return true;
	for (uint32_t i = 1; i < list->count; i++)
		if (list->range[i].pages < list->range[smallest].pages)
			smallest = i;
	if (list->range[smallest].pages >= pages)
		return false;
	list_delete(list, smallest);
	if (*index > smallest)
		(*index)--;
	return true;
}

static uint64_t range_end(const struct arch_memory_range *range)
{
	return range->first + range->pages * PAGE_SIZE;
}

void memory_list_add(struct memory_list *list, uint64_t first, uint64_t end)
{
	uint32_t at = 0;

	ASSERT(first % PAGE_SIZE == 0 && end % PAGE_SIZE == 0);
	if (first >= end)
		return;
	while (at < list->count && range_end(&list->range[at]) < first)
		at++;
	/* Swallow all that overlap or touch. */
	while (at < list->count && list->range[at].first <= end) {
		if (list->range[at].first < first)
			first = list->range[at].first;
		if (range_end(&list->range[at]) > end)
			end = range_end(&list->range[at]);
		list_delete(list, at);
	}
	if (!list_room(list, (end - first) / PAGE_SIZE, &at))
		return;
	ASSERT(at <= list->count && list->count < ARCH_MEMORY_RANGES);
	memmove(&list->range[at + 1], &list->range[at], (list->count - at) * sizeof list->range[0]);
	list->range[at] = (struct arch_memory_range){first, (end - first) / PAGE_SIZE};
	list->count++;
}

void memory_list_remove(struct memory_list *list, uint64_t first, uint64_t end)
{
	if (first >= end)
		return;
	for (uint32_t i = 0; i < list->count;) {
		struct arch_memory_range *range = &list->range[i];
		uint64_t from = range->first, to = range_end(range);
		if (to <= first || from >= end) {
			i++;
			continue;
		}
		list_delete(list, i);
		/* What is left on either side; the two never merge with others. */
		if (to > end)
			memory_list_add(list, end, to);
		if (from < first) {
			memory_list_add(list, from, first);
			i++;
		}
	}
}

/* ---- memory maps ------------------------------------------------------------------------ */

static void memory_entry(struct multiboot *found, uint64_t base, uint64_t length, uint32_t kind,
			 bool removing)
{
	uint64_t end = base + length;

	if (end < base || end > ADDRESS_END)
		end = ADDRESS_END;
	if (base >= end)
		return;
	/* Usable memory shrinks to whole pages, everything else grows to them. */
	uint64_t inner = (base + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
	uint64_t outer = base & ~(uint64_t)(PAGE_SIZE - 1);
	uint64_t inner_end = end & ~(uint64_t)(PAGE_SIZE - 1);
	uint64_t outer_end = (end + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
	if (removing) {
		if (kind != MEMORY_USABLE)
			memory_list_remove(&found->usable, outer, outer_end);
		return;
	}
	if (kind == MEMORY_USABLE) {
		found->memory_bytes += end - base;
		memory_list_add(&found->usable, inner, inner_end);
		memory_list_add(&found->kept, inner, inner_end);
	} else if (kind == MEMORY_ACPI || kind == MEMORY_NVS) {
		memory_list_add(&found->kept, outer, outer_end);
	}
}

/* Tag 6: entries of address, length, kind. */
static void memory_map(struct multiboot *found, const uint8_t *tag, uint32_t bytes, bool removing)
{
	uint32_t step = get32(tag + 8);

	if (bytes < 16 || step < 24)
		return;
	for (uint32_t at = 16; at + 20 <= bytes && step <= bytes - at; at += step)
		memory_entry(found, get64(tag + at), get64(tag + at + 8), get32(tag + at + 16),
			     removing);
}

/* Tag 17: EFI descriptors (UEFI 2.10, section 7.2.3).  Loader and boot services
 * memory is free once boot services have ended. */
static void memory_map_efi(struct multiboot *found, const uint8_t *tag, uint32_t bytes,
			   bool removing)
{
	uint32_t step = get32(tag + 8);

	if (bytes < 16 || step < 40)
		return;
	for (uint32_t at = 16; at + 40 <= bytes && step <= bytes - at; at += step) {
		uint32_t type = get32(tag + at), kind = 2;
		uint64_t pages = get64(tag + at + 24);
		if ((type >= 1 && type <= 4) || type == 7)
			kind = MEMORY_USABLE;
		else if (type == 9 || type == 10)
			kind = MEMORY_ACPI;
		if (pages < ADDRESS_END / PAGE_SIZE)
			memory_entry(found, get64(tag + at + 8), pages * PAGE_SIZE, kind, removing);
	}
}

/* ---- tags --------------------------------------------------------------------------------- */

struct tags {
	const uint8_t *memory, *efi_memory;
	uint32_t memory_bytes, efi_memory_bytes;
};

static void tag_rsdp(struct multiboot *found, const uint8_t *tag, uint32_t bytes)
{
	uint32_t size = bytes - 8 < MULTIBOOT_RSDP_BYTES ? bytes - 8 : MULTIBOOT_RSDP_BYTES;

	if (size < found->rsdp_bytes)
		return; /* the newer, longer one is better */
	memcpy(found->rsdp, tag + 8, size);
	found->rsdp_bytes = size;
}

/* Start, end and the words behind the file's name in the boot loader's menu. */
static void tag_module(struct multiboot *found, const uint8_t *tag, uint32_t bytes)
{
	static const char name[] = "store";
	uint32_t start = get32(tag + 8), end = get32(tag + 12);

	if (bytes < 16 + sizeof name || memcmp(tag + 16, name, sizeof name) != 0 || end <= start)
		return;
	found->store = start;
	found->store_bytes = end - start;
}

#define SCREEN_PIXELS 1u
#define SCREEN_TEXT   2u

/* Address, bytes of a row, width, height, bits of a cell or pixel, kind. */
static void tag_screen(struct multiboot *found, const uint8_t *tag)
{
	uint8_t bits = tag[28], kind = tag[29];

	if ((kind != SCREEN_TEXT || bits != 16) && (kind != SCREEN_PIXELS || bits != 32))
		return;
	found->screen = (struct screen_mode){.address = get64(tag + 8),
					     .pitch = get32(tag + 16),
					     .width = get32(tag + 20),
					     .height = get32(tag + 24),
					     .text = kind == SCREEN_TEXT};
}

static void tag_read(struct multiboot *found, struct tags *tags, const uint8_t *tag, uint32_t bytes)
{
	switch (get32(tag)) {
	case TAG_COMMAND_LINE:
		for (uint32_t i = 0; i < sizeof found->command_line - 1 && 8 + i < bytes; i++)
			found->command_line[i] = (char)tag[8 + i];
		break;
	case TAG_MODULE:
		if (bytes >= 16)
			tag_module(found, tag, bytes);
		break;
	case TAG_SCREEN:
		if (bytes >= 30)
			tag_screen(found, tag);
		break;
	case TAG_MEMORY_MAP:
		tags->memory = tag;
		tags->memory_bytes = bytes;
		break;
	case TAG_EFI_MEMORY:
		tags->efi_memory = tag;
		tags->efi_memory_bytes = bytes;
		found->from_uefi = true;
		break;
	case TAG_EFI_32:
	case TAG_EFI_64:
		found->from_uefi = true;
		break;
	case TAG_RSDP_1:
	case TAG_RSDP_2:
		tag_rsdp(found, tag, bytes);
		break;
	default:
		break;
	}
}

bool multiboot_read(const void *info, struct multiboot *found)
{
	const uint8_t *at = info;
	uint32_t total = get32(at), offset = 8;
	struct tags tags = {0};

	memset(found, 0, sizeof *found);
	if (total < 16 || total > MULTIBOOT_BYTES_MAX)
		return false;
	while (total - offset >= 8) {
		uint32_t bytes = get32(at + offset + 4);
		if (bytes < 8 || bytes > total - offset)
			return false;
		if (get32(at + offset) == TAG_END)
			break;
		tag_read(found, &tags, at + offset, bytes);
		bytes = (bytes + 7) & ~7u;
		if (bytes > total - offset)
			break;
		offset += bytes;
	}
	found->command_line[sizeof found->command_line - 1] = '\0';
	/* GRUB has made the first out of the second; the second serves alone. */
	for (unsigned pass = 0; pass < 2; pass++) {
		if (tags.memory != NULL)
			memory_map(found, tags.memory, tags.memory_bytes, pass == 1);
		else if (tags.efi_memory != NULL)
			memory_map_efi(found, tags.efi_memory, tags.efi_memory_bytes, pass == 1);
	}
	return found->usable.count > 0;
}
