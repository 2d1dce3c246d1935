/* SPDX-License-Identifier: MIT */
/*
 * image.h - what a disk holds: flat, or an overlay of changed sectors over
 * another image.
 *
 * Each sector has a print: 64 bits that stand for its content, 0 for zeros.  They
 * are made when a sector is written and go with it from image to image, so that
 * whether two images agree somewhere is known without looking at the data.
 */
#ifndef TESTS_SIM_IMAGE_H
#define TESTS_SIM_IMAGE_H

#include "tests/sim/sim.h"

struct image {
	const struct image *base; /* null: flat */
	uint64_t sectors;
	uint8_t *data;	   /* flat: all sectors; overlay: `used` sectors */
	uint64_t *print;   /* of these */
	uint64_t *present; /* overlay: bit per sector */
	uint32_t *place;   /* overlay: sector -> index in data */
	uint32_t *owner;   /* overlay: index in data -> sector */
	uint32_t used, room;
};

void image_create_flat(struct image *image, uint64_t sectors);
void image_create_overlay(struct image *image, uint64_t sectors);
/* Empties an overlay and puts it over another image of the same size. */
void image_reset(struct image *image, const struct image *base);
void image_free(struct image *image);
void image_read(const struct image *image, uint64_t sector, uint32_t count, void *data);
void image_write(struct image *image, uint64_t sector, uint32_t count, const void *data);
/* The same for sectors whose prints are known. */
void image_write_printed(struct image *image, uint64_t sector, uint32_t count, const void *data,
			 const uint64_t *print);
void image_flip(struct image *image, uint64_t sector, uint32_t bit);

/*
 * Every mount reads a ring, which is nearly all zeros, to the same buffer, and writing them
 * anew would drive all else out of the processor's caches.  Where they are since the last
 * reads is known, as long as nobody but reads writes there; whether that is so is looked
 * at now and then.
 */
#define IMAGE_ZEROS 512u
struct image_zeros {
	uint8_t *memory; /* IMAGE_ZEROS sectors that one read has filled; null: none yet */
	uint64_t known[IMAGE_ZEROS / 64];
	uint32_t reads;
};
/* The same as image_read; `zeros` may be null. */
void image_read_over(const struct image *image, uint64_t sector, uint32_t count, void *data,
		     struct image_zeros *zeros);
/* The reader has written to this memory of its own. */
void image_zeros_forget(struct image_zeros *zeros, const void *data, uint32_t sectors);

uint64_t sector_print(const void *data);
uint64_t image_print(const struct image *image, uint64_t sector);
/* Of what an overlay changes, whatever the order in which it was written. */
uint64_t image_hash(const struct image *image);

#endif
