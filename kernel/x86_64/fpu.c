/* SPDX-License-Identifier: MIT */
/*
 * fpu.c - the machines' FPU state: the 512-byte FXSAVE image, x87 and SSE2.
 *
 * The kernel itself never uses these registers.
 */
#include <string.h>
#include "kernel/x86_64/cpu.h"
#include "base/assert.h"

/* Offsets in the image (SDM volume 1, table 10-2). */
#define FPU_MXCSR      24u
#define FPU_MXCSR_MASK 28u
#define FPU_BYTES      512u

static_assert(sizeof(((struct disk_machine *)0)->fpu) == FPU_BYTES &&
		      offsetof(struct disk_machine, fpu) % 16 == 0,
	      "as it lies in a machine's page");

#define MXCSR_MASK_DEFAULT 0xffbfu

static uint32_t mxcsr_mask;

static uint32_t image_get32(const uint8_t *image, uint32_t offset)
{
	uint32_t value;

	memcpy(&value, image + offset, sizeof value);
	return value;
}

void fpu_init(void)
{
	static uint8_t image[FPU_BYTES] __attribute__((aligned(16)));

	__asm__ volatile("fninit; fxsave64 %0" : "=m"(image));
	mxcsr_mask = image_get32(image, FPU_MXCSR_MASK);
	if (mxcsr_mask == 0)
		mxcsr_mask = MXCSR_MASK_DEFAULT;
}

void arch_fpu_load(const uint8_t *image)
{
	uint8_t copy[FPU_BYTES] __attribute__((aligned(16)));
	uint32_t mxcsr = image_get32(image, FPU_MXCSR);

	ASSERT((uint64_t)image % 16 == 0);
	/* Reserved bits of MXCSR are a fault in FXRSTOR, that is, in the kernel. */
	if (mxcsr & ~mxcsr_mask) {
		memcpy(copy, image, FPU_BYTES);
		mxcsr &= mxcsr_mask;
		memcpy(copy + FPU_MXCSR, &mxcsr, sizeof mxcsr);
		image = copy;
	}
	__asm__ volatile("fxrstor64 %0" : : "m"(*(const uint8_t(*)[FPU_BYTES])image));
}

void arch_fpu_save(uint8_t *image)
{
	ASSERT((uint64_t)image % 16 == 0);
	__asm__ volatile("fxsave64 %0" : "=m"(*(uint8_t(*)[FPU_BYTES])image));
}
