/* SPDX-License-Identifier: MIT */
/*
 * elf.h - ELF files for x86-64, as far as they are looked at here.  Names follow the
 * specification (System V ABI, chapters 4 and 5).
 */
#ifndef BASE_ELF_H
#define BASE_ELF_H

#include <assert.h>
#include <stdint.h>

struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct elf_program {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
struct elf_dynamic {
	uint64_t tag, value;
};
struct elf_rela {
	uint64_t offset, info, addend;
};
static_assert(sizeof(struct elf_header) == 64 && sizeof(struct elf_program) == 56,
	      "as in the file");
static_assert(sizeof(struct elf_dynamic) == 16 && sizeof(struct elf_rela) == 24, "as in the file");

enum { ET_EXEC = 2, ET_DYN = 3, EM_X86_64 = 62, PF_X = 1, PF_W = 2, PF_R = 4 };
enum { PT_LOAD = 1, PT_DYNAMIC = 2, PT_INTERP = 3, PT_TLS = 7 };
#define PT_GNU_STACK UINT32_C(0x6474e551)
#define PT_GNU_RELRO UINT32_C(0x6474e552)

#endif
