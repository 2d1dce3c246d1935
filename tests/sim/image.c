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

/* ---- reading ---------------------------------------------------------- */

static void sector_copy(const struct image *image, uint32_t place, uint8_t *to)
{
	memcpy(to, image->data + (uint64_t)place * SECTOR_SIZE, SECTOR_SIZE);
}

/* Lays the overlay's sectors over what was read from below. */
static void overlay_read(const struct image *image, uint64_t sector, uint32_t count, uint8_t *data)
{
	uint64_t end = sector + count;

	if (image->used < count / 8) {
		for (uint32_t i = 0; i < image->used; i++) {
			uint64_t owner = image->owner[i];

			if (owner >= sector && owner < end)
				sector_copy(image, i, data + (owner - sector) * SECTOR_SIZE);
		}
		return;
	}
	for (uint64_t at = sector; at < end; at++)
		if (image_has(image, at))
			sector_copy(image, image->place[at], data + (at - sector) * SECTOR_SIZE);
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

void image_read(const struct image *image, uint64_t sector, uint32_t count, void *data)
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
	flat_read(image, sector, count, data);
	while (depth)
		overlay_read(layers[--depth], sector, count, data);
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
