/* SPDX-License-Identifier: MIT */
/*
 * image.c - what a disk holds; see image.h.
 */
#include "tests/sim/image.h"

#include <stdlib.h>
#include <string.h>
#include "disk/format.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

#define LAYERS_MAX 8u

/* ---- life ------------------------------------------------------------- */

void image_create_flat(struct image *image, uint64_t sectors)
{
	memset(image, 0, sizeof(*image));
	image->sectors = sectors;
	image->data = sim_allocate(sectors * SECTOR_SIZE);
	image->print = sim_allocate(sectors * sizeof(*image->print));
}

static void overlay_room(struct image *image, uint32_t room)
{
	image->data = sim_allocate_dirty((uint64_t)room * SECTOR_SIZE);
	image->print = sim_allocate_dirty(room * sizeof(*image->print));
	image->owner = sim_allocate_dirty(room * sizeof(*image->owner));
	image->room = room;
}

void image_create_overlay(struct image *image, uint64_t sectors)
{
	memset(image, 0, sizeof(*image));
	image->sectors = sectors;
	overlay_room(image, 256);
	image->place = sim_allocate_dirty(sectors * sizeof(*image->place));
	image->present = sim_allocate((sectors + 63) / 64 * sizeof(*image->present));
}

void image_free(struct image *image)
{
	free(image->data);
	free(image->print);
	free(image->owner);
	free(image->place);
	free(image->present);
	memset(image, 0, sizeof(*image));
}

void image_reset(struct image *image, const struct image *base)
{
	for (uint32_t i = 0; i < image->used; i++)
		image->present[image->owner[i] / 64] = 0;
	image->used = 0;
	image->base = base;
}

/* ---- prints ----------------------------------------------------------- */

uint64_t sector_print(const void *data)
{
	const uint8_t *bytes = data;

	if (!bytes[0] && memcmp(bytes, bytes + 1, SECTOR_SIZE - 1) == 0)
		return 0;
	return XXH3_64bits(data, SECTOR_SIZE) | 1;
}

static bool image_has(const struct image *image, uint64_t sector)
{
	return image->present[sector / 64] >> (sector % 64) & 1;
}

uint64_t image_print(const struct image *image, uint64_t sector)
{
	for (; image->base; image = image->base)
		if (image_has(image, sector))
			return image->print[image->place[sector]];
	return image->print[sector];
}

uint64_t image_hash(const struct image *image)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < image->used; i++) {
		struct sim_random mix = {image->print[i] ^ (uint64_t)image->owner[i] << 40};

		sum += sim_random_next(&mix);
	}
	return sum;
}

/* ---- zeros in a reader's memory ---------------------------------------- */

#define ZEROS_LOOK_ONE_IN 64u

static uint64_t zeros_index(const struct image_zeros *zeros, const uint8_t *data)
{
	return (uint64_t)(data - zeros->memory) / SECTOR_SIZE;
}

static bool zeros_known(const struct image_zeros *zeros, uint64_t index)
{
	return zeros->known[index / 64] >> index % 64 & 1;
}

static void zeros_note(struct image_zeros *zeros, uint64_t index, bool zero)
{
	uint64_t bit = UINT64_C(1) << index % 64;

	if (zero)
		zeros->known[index / 64] |= bit;
	else
		zeros->known[index / 64] &= ~bit;
}

void image_zeros_forget(struct image_zeros *zeros, const void *data, uint32_t sectors)
{
	uintptr_t from = (uintptr_t)data, memory = (uintptr_t)zeros->memory;

	if (from < memory + IMAGE_ZEROS * SECTOR_SIZE &&
	    from + (uint64_t)sectors * SECTOR_SIZE > memory)
		zeros->memory = NULL;
}

static void zeros_look(const struct image_zeros *zeros)
{
	for (uint32_t i = 0; i < IMAGE_ZEROS; i++)
		SIM_CHECK(!zeros_known(zeros, i) ||
				  sector_print(zeros->memory + (uint64_t)i * SECTOR_SIZE) == 0,
			  "somebody has written to where the last read had put zeros");
}

/* False: this memory is none of which anything is known. */
static bool zeros_open(struct image_zeros *zeros, uint8_t *data, uint32_t count)
{
	uintptr_t offset = (uintptr_t)data - (uintptr_t)zeros->memory;

	if (zeros->memory && data >= zeros->memory && offset % SECTOR_SIZE == 0 &&
	    offset + (uint64_t)count * SECTOR_SIZE <= IMAGE_ZEROS * SECTOR_SIZE) {
		if (zeros->reads++ % ZEROS_LOOK_ONE_IN == 0)
			zeros_look(zeros);
		return true;
	}
	image_zeros_forget(zeros, data, count);
	if (zeros->memory || count != IMAGE_ZEROS)
		return false;
	memset(zeros->known, 0, sizeof(zeros->known));
	zeros->memory = data;
	return true;
}

/* ---- reading ---------------------------------------------------------- */

static void sector_copy(const struct image *image, uint32_t place, uint8_t *to)
{
	memcpy(to, image->data + (uint64_t)place * SECTOR_SIZE, SECTOR_SIZE);
}

static void overlay_sector(const struct image *image, uint32_t place, uint64_t index, uint8_t *data,
			   struct image_zeros *zeros)
{
	uint8_t *to = data + index * SECTOR_SIZE;

	sector_copy(image, place, to);
	if (zeros)
		zeros_note(zeros, zeros_index(zeros, to), false);
}

/* Lays the overlay's sectors over what was read from below. */
static void overlay_read(const struct image *image, uint64_t sector, uint32_t count, uint8_t *data,
			 struct image_zeros *zeros)
{
	uint64_t end = sector + count;

	if (image->used < count / 8) {
		for (uint32_t i = 0; i < image->used; i++) {
			uint64_t owner = image->owner[i];

			if (owner >= sector && owner < end)
				overlay_sector(image, i, owner - sector, data, zeros);
		}
		return;
	}
	for (uint64_t at = sector; at < end; at++)
		if (image_has(image, at))
			overlay_sector(image, image->place[at], at - sector, data, zeros);
}

/* Most of a ring is zeros: setting them costs less than copying them. */
static void flat_read(const struct image *image, uint64_t sector, uint32_t count, uint8_t *data)
{
	const uint64_t *print = image->print + sector;

	for (uint32_t at = 0, first = 0; first < count; first = at) {
		bool zeros = print[first] == 0;

		while (at < count && (print[at] == 0) == zeros)
			at++;
		if (zeros)
			memset(data + (uint64_t)first * SECTOR_SIZE, 0,
			       (uint64_t)(at - first) * SECTOR_SIZE);
		else
			memcpy(data + (uint64_t)first * SECTOR_SIZE,
			       image->data + (sector + first) * SECTOR_SIZE,
			       (uint64_t)(at - first) * SECTOR_SIZE);
	}
}

/* The same to memory of which it is known where zeros are. */
static void flat_read_over(const struct image *image, uint64_t sector, uint32_t count,
			   uint8_t *data, struct image_zeros *zeros)
{
	const uint64_t *print = image->print + sector;
	uint64_t index = zeros_index(zeros, data);

	for (uint32_t i = 0; i < count; i++) {
		uint8_t *to = data + (uint64_t)i * SECTOR_SIZE;

		if (print[i] == 0 && zeros_known(zeros, index + i))
			continue;
		if (print[i] == 0)
			memset(to, 0, SECTOR_SIZE);
		else
			memcpy(to, image->data + (sector + i) * SECTOR_SIZE, SECTOR_SIZE);
		zeros_note(zeros, index + i, print[i] == 0);
	}
}

void image_read_over(const struct image *image, uint64_t sector, uint32_t count, void *data,
		     struct image_zeros *zeros)
{
	const struct image *layers[LAYERS_MAX];
	unsigned depth = 0;

	SIM_CHECK(sector <= image->sectors && count <= image->sectors - sector,
		  "read of sectors %llu+%u beyond the end of the disk", (unsigned long long)sector,
		  count);
	for (; image->base; image = image->base) {
		SIM_CHECK(depth < LAYERS_MAX, "too many layers of images");
		layers[depth++] = image;
	}
	if (zeros && !zeros_open(zeros, data, count))
		zeros = NULL;
	if (zeros)
		flat_read_over(image, sector, count, data, zeros);
	else
		flat_read(image, sector, count, data);
	while (depth)
		overlay_read(layers[--depth], sector, count, data, zeros);
}

void image_read(const struct image *image, uint64_t sector, uint32_t count, void *data)
{
	image_read_over(image, sector, count, data, NULL);
}

/* ---- writing ---------------------------------------------------------- */

static void image_grow(struct image *image)
{
	struct image old = *image;

	overlay_room(image, 2 * old.room);
	memcpy(image->data, old.data, (uint64_t)old.used * SECTOR_SIZE);
	memcpy(image->print, old.print, old.used * sizeof(*old.print));
	memcpy(image->owner, old.owner, old.used * sizeof(*old.owner));
	free(old.data);
	free(old.print);
	free(old.owner);
}

/* Where the sector is kept from now on. */
static uint32_t sector_place(struct image *image, uint64_t sector)
{
	if (!image->base)
		return (uint32_t)sector;
	if (!image_has(image, sector)) {
		if (image->used == image->room)
			image_grow(image);
		image->present[sector / 64] |= UINT64_C(1) << (sector % 64);
		image->owner[image->used] = (uint32_t)sector;
		image->place[sector] = image->used++;
	}
	return image->place[sector];
}

void image_write_printed(struct image *image, uint64_t sector, uint32_t count, const void *data,
			 const uint64_t *print)
{
	const uint8_t *from = data;

	SIM_CHECK(sector <= image->sectors && count <= image->sectors - sector,
		  "write of sectors %llu+%u beyond the end of the disk", (unsigned long long)sector,
		  count);
	for (uint32_t i = 0; i < count; i++, from += SECTOR_SIZE) {
		uint32_t place = sector_place(image, sector + i);

		memcpy(image->data + (uint64_t)place * SECTOR_SIZE, from, SECTOR_SIZE);
		image->print[place] = print[i];
	}
}

void image_write(struct image *image, uint64_t sector, uint32_t count, const void *data)
{
	const uint8_t *from = data;

	for (uint32_t i = 0; i < count; i++, from += SECTOR_SIZE) {
		uint64_t print = sector_print(from);

		image_write_printed(image, sector + i, 1, from, &print);
	}
}

void image_flip(struct image *image, uint64_t sector, uint32_t bit)
{
	uint8_t data[SECTOR_SIZE];

	image_read(image, sector, 1, data);
	data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	image_write(image, sector, 1, data);
}
