/* SPDX-License-Identifier: MIT */
/*
 * instructions.h - privileged instructions and their bits.
 */
#ifndef KERNEL_X86_64_INSTRUCTIONS_H
#define KERNEL_X86_64_INSTRUCTIONS_H

#include <stdint.h>

#define CR0_PE (1u << 0)
#define CR0_MP (1u << 1)
#define CR0_EM (1u << 2)
#define CR0_TS (1u << 3)
#define CR0_ET (1u << 4)
#define CR0_NE (1u << 5)
#define CR0_WP (1u << 16)
#define CR0_AM (1u << 18)
#define CR0_PG (1u << 31)

#define CR4_TSD	       (1u << 2)
#define CR4_PAE	       (1u << 5)
#define CR4_MCE	       (1u << 6)
#define CR4_PGE	       (1u << 7)
#define CR4_OSFXSR     (1u << 9)
#define CR4_OSXMMEXCPT (1u << 10)
#define CR4_UMIP       (1u << 11)
#define CR4_SMEP       (1u << 20)
#define CR4_SMAP       (1u << 21)

#define MSR_EFER	   0xc0000080u
#define MSR_STAR	   0xc0000081u
#define MSR_LSTAR	   0xc0000082u
#define MSR_FMASK	   0xc0000084u
#define MSR_FS_BASE	   0xc0000100u
#define MSR_GS_BASE	   0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define EFER_SCE	   (1u << 0)
#define EFER_LME	   (1u << 8)
#define EFER_NXE	   (1u << 11)

#define FLAG_CF	  (1u << 0)
#define FLAG_ONE  (1u << 1)
#define FLAG_PF	  (1u << 2)
#define FLAG_AF	  (1u << 4)
#define FLAG_ZF	  (1u << 6)
#define FLAG_SF	  (1u << 7)
#define FLAG_TF	  (1u << 8)
#define FLAG_IF	  (1u << 9)
#define FLAG_DF	  (1u << 10)
#define FLAG_OF	  (1u << 11)
#define FLAG_IOPL (3u << 12)
#define FLAG_NT	  (1u << 14)
#define FLAG_AC	  (1u << 18)
#define FLAG_ID	  (1u << 21)

struct cpuid {
	uint32_t a, b, c, d;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid r;

	__asm__ volatile("cpuid"
			 : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

static inline uint64_t msr_read(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
	return (uint64_t)high << 32 | low;
}

static inline void msr_write(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

#define CONTROL_REGISTER(n)                                                                        \
	static inline uint64_t cr##n##_read(void)                                                  \
	{                                                                                          \
		uint64_t value;                                                                    \
                                                                                                   \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(value) : : "memory");                 \
		return value;                                                                      \
	}                                                                                          \
	static inline void cr##n##_write(uint64_t value)                                           \
	{                                                                                          \
		__asm__ volatile("mov %0, %%cr" #n : : "r"(value) : "memory");                     \
	}
CONTROL_REGISTER(0)
CONTROL_REGISTER(2)
CONTROL_REGISTER(3)
CONTROL_REGISTER(4)
#undef CONTROL_REGISTER

static inline void page_invalidate(uint64_t address)
{
	__asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

#endif
