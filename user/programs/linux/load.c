/* SPDX-License-Identifier: MIT */
/*
 * load.c - an ELF file into the memory of a Linux program.  Interface in linux.h.
 *
 * The headers are copied out of the file once, and every number in them is checked before it is
 * used; whoever changes the file meanwhile changes what its segments hold, and nothing else.
 */
#include "user/programs/linux/linux.h"

#include <string.h>
#include "base/elf.h"
#include "base/text.h"
#include "user/lib/directory.h"
#include "user/lib/segment.h"
#include "user/lib/slot.h"
#include "user/lib/table.h"

#define HEADERS	    32u
#define ALIGN_MAX   (UINT64_C(2) << 20) /* what LINUX_PIE_BASE is a multiple of */
#define IMAGE_PAGES UINT64_C(262144)

static struct {
	struct segment segment;
	struct view view; /* shows it at: */
	uint64_t address, size;
	struct elf_header header;
	struct elf_program program[HEADERS];
} elf;

static char wrong[160];

static const char *say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const char *say(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	text_vformat(wrong, sizeof(wrong), format, list);
	va_end(list);
	return wrong;
}

/* Does [offset, offset + bytes) lie inside the file? */
static bool inside(uint64_t offset, uint64_t bytes)
{
	return offset <= elf.size && bytes <= elf.size - offset;
}

static const char *elf_copy(void *to, uint64_t offset, uint64_t bytes)
{
	void *at;
	enum status status = memory_look(&at, elf.view, elf.address + offset, bytes);

	if (status != STATUS_OK)
		return say("cannot be read at offset 0x%lx: %s", offset, status_text(status));
	memcpy(to, at, bytes);
	return NULL;
}

static const char *elf_open(const char *path)
{
	struct segment_info info = {0};
	enum status status = path_segment(path, &elf.segment);

	if (status == STATUS_OK)
		status = segment_info(elf.segment, &info);
	if (status != STATUS_OK)
		return say("cannot be opened: %s", status_text(status));
	elf.address = info.address;
	elf.size = info.size;
	elf.view = VIEW(slot_take());
	status = elf.view.slot ? bank_view(OWN_BANK, elf.view.slot) : STATUS_LIMIT;
	if (status == STATUS_OK)
		status = view_attach(elf.view, elf.segment, 0, 0, RIGHT_READ, 0);
	return status == STATUS_OK ? NULL : say("cannot be attached: %s", status_text(status));
}

static void elf_close(void)
{
	if (elf.view.slot)
		table_destroy(OWN_TABLE, elf.view.slot);
	slot_give(elf.view.slot);
	slot_give(elf.segment.slot);
}

static const char *check_header(const struct elf_header *header)
{
	static const uint8_t ident[7] = {0x7f, 'E', 'L', 'F', 2, 1, 1};

	if (memcmp(header->ident, ident, 4) != 0)
		return "is no ELF file";
	if (memcmp(header->ident, ident, sizeof(ident)) != 0 || header->machine != EM_X86_64)
		return "is not for a 64-bit x86 processor";
	if (header->ident[7] != 0 && header->ident[7] != 3)
		return say("is for another system than Linux (%u at offset 7)", header->ident[7]);
	if (header->type != ET_EXEC && header->type != ET_DYN)
		return say("is no program: its type is %u", header->type);
	if (header->version != 1 || header->ehsize != sizeof(*header))
		return "has a header of another version or size";
	if (header->phentsize != sizeof(struct elf_program) || header->phnum == 0)
		return "has no usable program headers";
	if (header->phnum > HEADERS)
		return say("has %u program headers, more than %u", header->phnum, HEADERS);
	if (!inside(header->phoff, header->phnum * sizeof(struct elf_program)))
		return say("has its program headers outside the file, at offset 0x%lx",
			   header->phoff);
	return NULL;
}

/* The first byte behind it, in whole pages. */
static uint64_t program_end(const struct elf_program *program)
{
	return (program->vaddr + program->memsz + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
}

/* *end: of the load segments before. */
static const char *check_load(unsigned i, const struct elf_program *program, uint64_t base,
			      uint64_t *end)
{
	uint64_t first = (base + program->vaddr) / PAGE_SIZE;

	if (program->filesz > program->memsz || !inside(program->offset, program->filesz))
		return say("program header %u: its bytes lie outside the file (offset 0x%lx)", i,
			   program->offset);
	if (program->vaddr >= UINT64_C(1) << 47 || program->memsz > IMAGE_PAGES * PAGE_SIZE)
		return say("program header %u: more than 1 GiB, or beyond all addresses", i);
	if (!window_holds(first, (program_end(program) + base) / PAGE_SIZE - first) ||
	    program_end(program) + base > LINUX_MAP_BOTTOM)
		return say("program header %u: nothing can be loaded at address 0x%lx", i,
			   base + program->vaddr);
	if (program->vaddr < *end)
		return say("program header %u: shares a page with one before, or is out of order "
			   "(link with -z separate-code)",
			   i);
	if ((program->flags & (PF_W | PF_X)) == (PF_W | PF_X))
		return say("program header %u: writable and executable (link with -z noexecstack "
			   "and without -N)",
			   i);
	if ((program->vaddr - program->offset) % PAGE_SIZE != 0 || program->align > ALIGN_MAX ||
	    (program->align & (program->align - 1)) != 0)
		return say("program header %u: its alignment makes no sense, or is above 2 MiB", i);
	*end = program_end(program);
	return NULL;
}

static const char *check_programs(uint64_t base, uint64_t *end)
{
	const char *error = NULL;
	uint64_t from = *end;

	for (unsigned i = 0; i < elf.header.phnum && !error; i++) {
		const struct elf_program *program = &elf.program[i];

		if (program->type == PT_LOAD && program->memsz != 0)
			error = check_load(i, program, base, end);
		else if (program->type == PT_INTERP)
			error = "wants a dynamic linker (link with -static)";
		else if (program->type == PT_GNU_STACK && (program->flags & PF_X))
			error = "wants an executable stack (link with -z noexecstack)";
	}
	if (!error && *end == from)
		error = "has nothing that is to be loaded";
	return error;
}

static uint16_t program_rights(const struct elf_program *program)
{
	return (uint16_t)(RIGHT_READ | (program->flags & PF_W ? RIGHT_WRITE : 0) |
			  (program->flags & PF_X ? RIGHT_EXECUTE : 0));
}

static const char *load(unsigned i, const struct elf_program *program, uint64_t base)
{
	uint64_t address = base + program->vaddr, copied;
	uint64_t first = address & ~(uint64_t)(PAGE_SIZE - 1);
	uint64_t pages = (base + program_end(program) - first) / PAGE_SIZE;
	enum status status = memory_map(first, pages, RIGHT_READ | RIGHT_WRITE);

	if (status == STATUS_OK)
		status = memory_load(address, elf.view, elf.address + program->offset,
				     program->filesz, &copied);
	if (status == STATUS_OK)
		status = memory_protect(first, pages, program_rights(program));
	if (status == STATUS_OK)
		return NULL;
	return say("program header %u: %lu pages cannot be loaded: %s%s", i, pages,
		   status_text(status),
		   status == STATUS_ALLOWANCE ? " (`run -m SIZE` gives more)" : "");
}

/* Where the program finds its own headers, and whether it begins in code. */
static const char *image_look(struct image *image)
{
	const uint64_t bytes = elf.header.phnum * sizeof(struct elf_program);
	bool begins = false;

	for (unsigned i = 0; i < elf.header.phnum; i++) {
		const struct elf_program *program = &elf.program[i];
		uint64_t headers = elf.header.phoff - program->offset;

		if (program->type != PT_LOAD)
			continue;
		if (elf.header.phoff >= program->offset && bytes <= program->filesz &&
		    headers <= program->filesz - bytes) {
			image->headers = image->base + program->vaddr + headers;
			image->header_count = elf.header.phnum;
		}
		if (program->flags & PF_X && elf.header.entry >= program->vaddr &&
		    elf.header.entry - program->vaddr < program->memsz)
			begins = true;
	}
	image->entry = image->base + elf.header.entry;
	return begins ? NULL : say("begins at 0x%lx, where it has no code", elf.header.entry);
}

static const char *image_make(struct image *image)
{
	const char *error;

	if (elf.size < sizeof(elf.header))
		return "is too short for an ELF file";
	error = elf_copy(&elf.header, 0, sizeof(elf.header));
	if (!error)
		error = check_header(&elf.header);
	if (!error)
		error = elf_copy(elf.program, elf.header.phoff,
				 elf.header.phnum * sizeof(struct elf_program));
	if (error)
		return error;
	*image = (struct image){.base = elf.header.type == ET_DYN ? LINUX_PIE_BASE : 0};
	error = check_programs(image->base, &image->end);
	if (!error)
		error = image_look(image);
	for (unsigned i = 0; i < elf.header.phnum && !error; i++)
		if (elf.program[i].type == PT_LOAD && elf.program[i].memsz != 0)
			error = load(i, &elf.program[i], image->base);
	image->end += image->base;
	return error;
}

const char *image_load(struct image *image, const char *path)
{
	const char *error = elf_open(path);

	if (!error)
		error = image_make(image);
	elf_close();
	return error;
}
