/* SPDX-License-Identifier: MIT */
/*
 * cpu.c - what the processor can do, and setting it up to do it.
 *
 * Needed: long mode and NX (checked in boot.S), FXSR and SSE2 (the machines'
 * FPU state), SYSCALL, a local APIC, a time-stamp counter, global pages.  SMEP,
 * SMAP and UMIP are used where they are; without them the kernel works, with one
 * net less.
 */
#include "kernel/x86_64/cpu.h"
#include <string.h>
#include "kernel/print.h"
#include "kernel/x86_64/instructions.h"

struct need {
	uint32_t leaf;
	uint32_t bit; /* of edx */
	const char *name;
};

static const struct need needs[] = {
	{1, 0, "FPU (x87)"},
	{1, 4, "TSC (time-stamp counter)"},
	{1, 5, "MSR"},
	{1, 9, "APIC (local interrupt controller)"},
	{1, 13, "PGE (global pages)"},
	{1, 24, "FXSR (FXSAVE)"},
	{1, 25, "SSE"},
	{1, 26, "SSE2"},
	{0x80000001, 11, "SYSCALL"},
};

static bool cpu_has_7(uint32_t b_bit, uint32_t c_bit)
{
	if (cpuid(0, 0).a < 7)
		return false;
	struct cpuid leaf = cpuid(7, 0);
	return c_bit != 0 ? leaf.c >> c_bit & 1 : leaf.b >> b_bit & 1;
}

static bool cpu_has_smep(void)
{
	return cpu_has_7(7, 0);
}

static bool cpu_has_smap(void)
{
	return cpu_has_7(20, 0);
}

static bool cpu_has_umip(void)
{
	return cpu_has_7(0, 2);
}

static void cpu_check(void)
{
	bool complete = true;

	for (unsigned i = 0; i < sizeof needs / sizeof needs[0]; i++) {
		if (cpuid(needs[i].leaf, 0).d >> needs[i].bit & 1)
			continue;
		kernel_print("perdure: this CPU (%s) lacks %s, which is needed", arch_cpu_name(),
			     needs[i].name);
		complete = false;
	}
	if (complete)
		return;
	kernel_print("perdure: halted; a CPU like QEMU's \"-cpu max\" or any x86-64 of the last "
		     "20 years serves");
	arch_halt();
}

/* Flags cleared by SYSCALL: all that a user could carry into the kernel. */
#define SYSCALL_CLEARS                                                                             \
	(FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_TF | FLAG_IF | FLAG_DF | FLAG_OF | \
	 FLAG_IOPL | FLAG_NT | FLAG_AC | FLAG_ID)

static void cpu_syscall_init(void)
{
	/* SYSRET takes user data at +8 and user code at +16 from the upper half. */
	uint64_t user = SELECTOR_USER_DATA - 8, kernel = SELECTOR_KERNEL_CODE;

	msr_write(MSR_STAR, user << 48 | kernel << 32);
	msr_write(MSR_LSTAR, (uint64_t)trap_syscall_entry);
	msr_write(MSR_FMASK, SYSCALL_CLEARS);
	msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SCE);
}

void cpu_features_init(void)
{
	uint64_t control;

	cpu_check();
	cr0_write((cr0_read() & ~(uint64_t)(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE | CR0_WP | CR0_AM);
	/* A fresh value: what is not named here (FSGSBASE, PCE, OSXSAVE ...) is off. */
	control = CR4_PAE | CR4_MCE | CR4_TSD | CR4_OSFXSR | CR4_OSXMMEXCPT;
	control |= cr4_read() & CR4_PGE;
	control |= cpu_has_smep() ? CR4_SMEP : 0;
	control |= cpu_has_smap() ? CR4_SMAP : 0;
	control |= cpu_has_umip() ? CR4_UMIP : 0;
	cr4_write(control);
	cpu_syscall_init();
	fpu_init();
}

void cpu_features_note(void)
{
	kernel_note("perdure: CPU %s%s%s", arch_cpu_name(), arch_accelerator()[0] ? " under " : "",
		    arch_accelerator());
	if (!cpu_has_smep() || !cpu_has_smap() || !cpu_has_umip())
		kernel_note("perdure: this CPU lacks%s%s%s; the kernel does without",
			    cpu_has_smep() ? "" : " SMEP", cpu_has_smap() ? "" : " SMAP",
			    cpu_has_umip() ? "" : " UMIP");
}

uint64_t cpu_random(void)
{
	uint64_t value = 0;
	uint32_t low, high;

	if (cpuid(1, 0).c >> 30 & 1)
		for (unsigned i = 0; i < 10; i++) {
			uint8_t good;
			__asm__ volatile("rdrand %0; setc %1" : "=r"(value), "=qm"(good));
			if (good)
				break;
		}
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return value ^ ((uint64_t)high << 32 | low) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Copies registers a, b, c, d of a leaf, in the order that texts are told in. */
static void cpu_text(char *to, const struct cpuid *leaf, bool hypervisor)
{
	const uint32_t order[4] = {leaf->a, leaf->b, leaf->c, leaf->d};

	if (hypervisor)
		memcpy(to, order + 1, 12);
	else
		memcpy(to, order, 16);
}

const char *arch_cpu_name(void)
{
	static char name[49];

	if (name[0] != '\0')
		return name;
	if (cpuid(0x80000000, 0).a < 0x80000004)
		return "x86-64";
	for (uint32_t i = 0; i < 3; i++) {
		struct cpuid leaf = cpuid(0x80000002 + i, 0);
		cpu_text(name + 16 * i, &leaf, false);
	}
	/* Some pad the name in front. */
	size_t blank = 0;
	while (name[blank] == ' ')
		blank++;
	memmove(name, name + blank, sizeof name - blank);
	return name;
}

const char *arch_accelerator(void)
{
	char text[13] = {0};

	if (!(cpuid(1, 0).c >> 31 & 1))
		return "";
	struct cpuid leaf = cpuid(0x40000000, 0);
	cpu_text(text, &leaf, true);
	if (memcmp(text, "KVMKVMKVM", 9) == 0)
		return "KVM";
	if (memcmp(text, "TCGTCGTCGTCG", 12) == 0)
		return "TCG";
	return "";
}
