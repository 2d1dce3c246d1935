/* SPDX-License-Identifier: MIT */
/*
 * loader.c - plans a program instance from an ELF file and builds its pages.
 *
 * Interface in loader.h.  Invariants: after a plan was made, every segment's
 * bytes lie inside the file, segments are ascending and share no page, no run
 * is writable and executable, and relocations are ascending, do not overlap and
 * lie in writable segments.  loader_page relies on these but for the contents
 * of the relocation table, which somebody may change after the plan was made;
 * it checks each entry again.
 */
#include "kernel/loader.h"
#include "base/assert.h"
#include "base/elf.h"

#include <stddef.h>
#include <string.h>

static_assert(LOADER_RUNS >= LOADER_SEGMENTS + 2, "the segments, the relro part, the stack");
static_assert(LOADER_STACK_PAGES * PAGE_SIZE > 2 * sizeof(struct abi_start),
	      "the stack begins below what a program is told");
enum {
	DT_NULL = 0,
	DT_NEEDED = 1,
	DT_PLTRELSZ = 2,
	DT_RELA = 7,
	DT_RELASZ = 8,
	DT_RELAENT = 9,
	DT_RELSZ = 18,
	DT_TEXTREL = 22,
	DT_INIT_ARRAYSZ = 27,
	DT_FINI_ARRAYSZ = 28,
	DT_FLAGS = 30,
	DT_PREINIT_ARRAYSZ = 33,
	DT_RELRSZ = 35,
};
enum { DF_TEXTREL = 4, R_X86_64_NONE = 0, R_X86_64_RELATIVE = 8 };

/* A file while it is being planned. */
struct loader_input {
	const struct loader_source *file;
	uint64_t bytes;
	struct elf_header header;
	struct elf_program dynamic, relro; /* type 0: not present */
};

static enum status loader_read(const struct loader_source *file, uint64_t offset, void *to,
			       uint64_t bytes)
{
	if (!file->data)
		return file->read(file->context, offset, to, bytes);
	memcpy(to, (const uint8_t *)file->data + offset, bytes);
	return STATUS_OK;
}

static enum status loader_refuse(struct loader_plan *plan, enum status status, const char *error)
{
	plan->error = error;
	return status;
}

/* Does [offset, offset + length) lie inside a total of `bytes`? */
static bool loader_inside(uint64_t offset, uint64_t length, uint64_t bytes)
{
	return offset <= bytes && length <= bytes - offset;
}

static enum status loader_check_header(struct loader_input *in, struct loader_plan *plan)
{
	static const uint8_t ident[7] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
	struct elf_header *header = &in->header;
	enum status status;

	if (in->bytes < sizeof(*header))
		return loader_refuse(plan, STATUS_FORMAT, "too short for a program");
	status = loader_read(in->file, 0, header, sizeof(*header));
	if (status != STATUS_OK)
		return status;
	if (memcmp(header->ident, ident, 4) != 0)
		return loader_refuse(plan, STATUS_FORMAT, "not a program (no ELF header)");
	if (memcmp(header->ident, ident, sizeof(ident)) != 0 || header->machine != EM_X86_64)
		return loader_refuse(plan, STATUS_FORMAT, "not a 64-bit x86 program");
	if (header->type != ET_DYN)
		return loader_refuse(plan, STATUS_FORMAT,
				     "not position-independent (link it with -static-pie)");
	if (header->phentsize != sizeof(struct elf_program) || header->phnum == 0)
		return loader_refuse(plan, STATUS_FORMAT, "no usable program headers");
	if (header->phnum > LOADER_HEADERS)
		return loader_refuse(plan, STATUS_LIMIT, "too many program headers");
	if (!loader_inside(header->phoff, header->phnum * sizeof(struct elf_program), in->bytes))
		return loader_refuse(plan, STATUS_FORMAT, "program headers lie outside the file");
	return STATUS_OK;
}

static uint16_t loader_rights(uint32_t flags)
{
	return (uint16_t)((flags & PF_R ? RIGHT_READ : 0) | (flags & PF_W ? RIGHT_WRITE : 0) |
			  (flags & PF_X ? RIGHT_EXECUTE : 0));
}

static uint64_t loader_page_up(uint64_t bytes)
{
	return (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
}

static enum status loader_add_segment(struct loader_input *in, struct loader_plan *plan,
				      const struct elf_program *program)
{
	const uint64_t limit = (uint64_t)LOADER_IMAGE_PAGES_MAX * PAGE_SIZE;
	struct loader_segment *segment;

	if (program->memsz == 0)
		return STATUS_OK;
	if (plan->segments == LOADER_SEGMENTS)
		return loader_refuse(plan, STATUS_LIMIT, "too many load segments");
	if (program->filesz > program->memsz ||
	    !loader_inside(program->offset, program->filesz, in->bytes))
		return loader_refuse(plan, STATUS_FORMAT, "a load segment lies outside the file");
	if (!loader_inside(program->vaddr, program->memsz, limit))
		return loader_refuse(plan, STATUS_LIMIT, "the image is larger than 1 GiB");
	if ((program->flags & PF_W) && (program->flags & PF_X))
		return loader_refuse(plan, STATUS_FORMAT,
				     "a segment is both writable and executable");
	if (!(program->flags & PF_R))
		return loader_refuse(plan, STATUS_FORMAT, "a segment is not readable");
	if (program->vaddr / PAGE_SIZE < plan->image_pages)
		return loader_refuse(plan, STATUS_FORMAT,
				     "load segments share a page or are not in ascending order "
				     "(link with -z separate-code)");
	segment = &plan->segment[plan->segments++];
	segment->address = program->vaddr;
	segment->file_offset = program->offset;
	segment->file_bytes = program->filesz;
	segment->memory_bytes = program->memsz;
	segment->rights = loader_rights(program->flags);
	plan->image_pages = loader_page_up(program->vaddr + program->memsz);
	return STATUS_OK;
}

static enum status loader_read_headers(struct loader_input *in, struct loader_plan *plan)
{
	for (unsigned i = 0; i < in->header.phnum; i++) {
		struct elf_program program;
		enum status status = loader_read(in->file, in->header.phoff + i * sizeof(program),
						 &program, sizeof(program));

		if (status != STATUS_OK)
			return status;
		if (program.type == PT_LOAD)
			status = loader_add_segment(in, plan, &program);
		else if (program.type == PT_DYNAMIC)
			in->dynamic = program;
		else if (program.type == PT_GNU_RELRO)
			in->relro = program;
		else if (program.type == PT_INTERP)
			status = loader_refuse(plan, STATUS_FORMAT,
					       "it wants a dynamic linker (link with -static-pie)");
		else if (program.type == PT_TLS && program.memsz != 0)
			status = loader_refuse(plan, STATUS_FORMAT,
					       "it has thread-local storage, which does not exist");
		else if (program.type == PT_GNU_STACK && (program.flags & PF_X))
			status = loader_refuse(
				plan, STATUS_FORMAT,
				"it wants an executable stack (link with -z noexecstack)");
		if (status != STATUS_OK)
			return status;
	}
	if (plan->segments == 0)
		return loader_refuse(plan, STATUS_FORMAT, "nothing in it is to be loaded");
	return STATUS_OK;
}

/* The load segment whose memory covers the whole range, or null. */
static const struct loader_segment *loader_segment_at(const struct loader_plan *plan,
						      uint64_t address, uint64_t length)
{
	for (unsigned i = 0; i < plan->segments; i++) {
		const struct loader_segment *segment = &plan->segment[i];

		if (address >= segment->address &&
		    loader_inside(address - segment->address, length, segment->memory_bytes))
			return segment;
	}
	return NULL;
}

static const char *loader_refuse_dynamic(const struct elf_dynamic *entry)
{
	switch (entry->tag) {
	case DT_NEEDED:
		return "it needs shared libraries (link with -static-pie)";
	case DT_TEXTREL:
		return "it has relocations in its code (compile with -fPIE)";
	case DT_FLAGS:
		return entry->value & DF_TEXTREL
			       ? "it has relocations in its code (compile with -fPIE)"
			       : NULL;
	case DT_PLTRELSZ:
	case DT_RELSZ:
	case DT_RELRSZ:
		return entry->value ? "it has relocations of an unknown form" : NULL;
	case DT_INIT_ARRAYSZ:
	case DT_FINI_ARRAYSZ:
	case DT_PREINIT_ARRAYSZ:
		return entry->value ? "it has constructors, which nobody would call" : NULL;
	case DT_RELAENT:
		return entry->value != sizeof(struct elf_rela)
			       ? "its relocation entries have an unknown size"
			       : NULL;
	}
	return NULL;
}

static enum status loader_read_dynamic(struct loader_input *in, struct loader_plan *plan)
{
	uint64_t table = 0, table_bytes = 0;
	const struct loader_segment *segment;

	if (in->dynamic.type != PT_DYNAMIC)
		return STATUS_OK;
	if (!loader_inside(in->dynamic.offset, in->dynamic.filesz, in->bytes))
		return loader_refuse(plan, STATUS_FORMAT, "its dynamic section lies outside it");
	if (in->dynamic.filesz / sizeof(struct elf_dynamic) > LOADER_DYNAMIC)
		return loader_refuse(plan, STATUS_LIMIT, "its dynamic section is too long");
	for (uint64_t i = 0; i < in->dynamic.filesz / sizeof(struct elf_dynamic); i++) {
		struct elf_dynamic entry;
		enum status status = loader_read(in->file, in->dynamic.offset + i * sizeof(entry),
						 &entry, sizeof(entry));

		if (status != STATUS_OK)
			return status;
		if (entry.tag == DT_NULL)
			break;
		if (loader_refuse_dynamic(&entry))
			return loader_refuse(plan, STATUS_FORMAT, loader_refuse_dynamic(&entry));
		if (entry.tag == DT_RELA)
			table = entry.value;
		else if (entry.tag == DT_RELASZ)
			table_bytes = entry.value;
	}
	if (table_bytes == 0)
		return STATUS_OK;
	plan->relocations = table_bytes / sizeof(struct elf_rela);
	if (plan->relocations > LOADER_RELOCATIONS_MAX)
		return loader_refuse(plan, STATUS_LIMIT, "it has too many relocations");
	segment = loader_segment_at(plan, table, table_bytes);
	if (!segment || !loader_inside(table - segment->address, table_bytes, segment->file_bytes))
		return loader_refuse(plan, STATUS_FORMAT, "its relocations lie outside the file");
	plan->relocation_offset = segment->file_offset + (table - segment->address);
	return STATUS_OK;
}

static enum status loader_relocation(const struct loader_plan *plan,
				     const struct loader_source *file, uint64_t index,
				     struct elf_rela *rela)
{
	ASSERT(index < plan->relocations);
	return loader_read(file, plan->relocation_offset + index * sizeof(*rela), rela,
			   sizeof(*rela));
}

static enum status loader_check_relocations(const struct loader_input *in, struct loader_plan *plan)
{
	uint64_t end = 0;

	for (uint64_t i = 0; i < plan->relocations; i++) {
		const struct loader_segment *segment;
		struct elf_rela rela;
		enum status status = loader_relocation(plan, in->file, i, &rela);

		if (status != STATUS_OK)
			return status;
		if (rela.info == R_X86_64_NONE)
			return loader_refuse(plan, STATUS_FORMAT, "it has empty relocations");
		if (rela.info != R_X86_64_RELATIVE)
			return loader_refuse(plan, STATUS_FORMAT,
					     "it has relocations other than R_X86_64_RELATIVE");
		segment = loader_segment_at(plan, rela.offset, sizeof(uint64_t));
		if (!segment)
			return loader_refuse(plan, STATUS_FORMAT,
					     "a relocation lies outside its image");
		if (!(segment->rights & RIGHT_WRITE))
			return loader_refuse(plan, STATUS_FORMAT,
					     "it has relocations in its code or constants "
					     "(compile with -fPIE)");
		if (rela.offset < end)
			return loader_refuse(plan, STATUS_FORMAT,
					     "its relocations are not in ascending order "
					     "(link with -z combreloc)");
		if (rela.addend > plan->image_pages * PAGE_SIZE)
			return loader_refuse(plan, STATUS_FORMAT,
					     "a relocation points outside its image");
		end = rela.offset + sizeof(uint64_t);
	}
	return STATUS_OK;
}

static void loader_add_run(struct loader_plan *plan, uint64_t first, uint64_t pages,
			   uint16_t rights)
{
	ASSERT(plan->runs < LOADER_RUNS);
	if (pages != 0)
		plan->run[plan->runs++] = (struct loader_run){first, pages, rights};
}

/* One run a segment.  What only relocations write (relro) becomes read-only:
 * relocations are applied before the program runs. */
static void loader_make_runs(const struct loader_input *in, struct loader_plan *plan)
{
	bool relro_done = in->relro.type != PT_GNU_RELRO;

	for (unsigned i = 0; i < plan->segments; i++) {
		const struct loader_segment *segment = &plan->segment[i];
		uint64_t first = segment->address / PAGE_SIZE;
		uint64_t end = loader_page_up(segment->address + segment->memory_bytes);
		uint64_t fixed = 0;

		if (!relro_done && (segment->rights & RIGHT_WRITE) &&
		    in->relro.vaddr / PAGE_SIZE == first &&
		    loader_segment_at(plan, in->relro.vaddr, in->relro.memsz) == segment) {
			fixed = (in->relro.vaddr + in->relro.memsz) / PAGE_SIZE - first;
			ASSERT(fixed <= end - first);
			relro_done = true;
			loader_add_run(plan, first, fixed, RIGHT_READ);
		}
		loader_add_run(plan, first + fixed, end - first - fixed, segment->rights);
	}
	loader_add_run(plan, plan->stack_first, plan->stack_pages, RIGHT_READ | RIGHT_WRITE);
}

static enum status loader_place_stack(const struct loader_input *in, struct loader_plan *plan)
{
	const struct loader_segment *code = loader_segment_at(plan, in->header.entry, 1);
	uint64_t end;

	if (!code || !(code->rights & RIGHT_EXECUTE))
		return loader_refuse(plan, STATUS_FORMAT, "its entry point is not in its code");
	ASSERT(plan->image_pages && plan->image_pages <= LOADER_IMAGE_PAGES_MAX);
	plan->entry_offset = in->header.entry;
	plan->stack_first = plan->image_pages + LOADER_GUARD_PAGES;
	plan->stack_pages = LOADER_STACK_PAGES;
	plan->total_pages = plan->stack_first + plan->stack_pages;
	plan->max_pages = 1;
	while (plan->max_pages < plan->total_pages)
		plan->max_pages *= 2;
	end = plan->total_pages * PAGE_SIZE;
	plan->start_offset = (end - sizeof(struct abi_start)) & ~UINT64_C(63);
	plan->stack_top_offset = plan->start_offset - 64;
	ASSERT(plan->stack_top_offset / PAGE_SIZE >= plan->stack_first);
	return STATUS_OK;
}

enum status loader_plan(const struct loader_source *file, struct loader_plan *plan)
{
	struct loader_input in;
	enum status status;

	memset(&in, 0, sizeof(in));
	memset(plan, 0, sizeof(*plan));
	in.file = file;
	in.bytes = file->bytes;
	status = loader_check_header(&in, plan);
	if (status == STATUS_OK)
		status = loader_read_headers(&in, plan);
	if (status == STATUS_OK)
		status = loader_read_dynamic(&in, plan);
	if (status == STATUS_OK)
		status = loader_check_relocations(&in, plan);
	if (status == STATUS_OK)
		status = loader_place_stack(&in, plan);
	if (status == STATUS_OK)
		loader_make_runs(&in, plan);
	return status;
}

static bool loader_holds_start(const struct loader_plan *plan, uint64_t index)
{
	uint64_t first = plan->start_offset / PAGE_SIZE;
	uint64_t last = (plan->start_offset + sizeof(struct abi_start) - 1) / PAGE_SIZE;

	return index >= first && index <= last;
}

bool loader_page_empty(const struct loader_plan *plan, uint64_t index)
{
	uint64_t begin = index * PAGE_SIZE;

	for (unsigned i = 0; i < plan->segments; i++) {
		const struct loader_segment *segment = &plan->segment[i];
		uint64_t bytes = segment->file_bytes;

		/* A relocation may lie behind the file's bytes. */
		if (segment->rights & RIGHT_WRITE && plan->relocations)
			bytes = segment->memory_bytes;
		if (segment->address < begin + PAGE_SIZE && segment->address + bytes > begin)
			return false;
	}
	return !loader_holds_start(plan, index);
}

/* The part of [address, address + length) that falls into the page which begins at
 * `begin`: where it begins; its length, 0 for none. */
static uint64_t loader_part(uint64_t begin, uint64_t address, uint64_t length, uint64_t *from)
{
	uint64_t end = address + length;

	ASSERT(begin % PAGE_SIZE == 0);
	*from = address > begin ? address : begin;
	if (end > begin + PAGE_SIZE)
		end = begin + PAGE_SIZE;
	return *from < end ? end - *from : 0;
}

static void loader_copy_part(uint8_t *page, uint64_t begin, uint64_t address, const void *source,
			     uint64_t length)
{
	uint64_t from, bytes = loader_part(begin, address, length, &from);

	ASSERT(!bytes || (from >= begin && bytes <= PAGE_SIZE - (from - begin)));
	if (bytes)
		memcpy(page + (from - begin), (const uint8_t *)source + (from - address), bytes);
}

/* The first relocation that ends behind `address`. */
static enum status loader_relocation_search(const struct loader_plan *plan,
					    const struct loader_source *file, uint64_t address,
					    uint64_t *index)
{
	uint64_t low = 0, high = plan->relocations;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		struct elf_rela rela;
		enum status status = loader_relocation(plan, file, middle, &rela);

		if (status != STATUS_OK)
			return status;
		if (rela.offset + sizeof(uint64_t) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	*index = low;
	return STATUS_OK;
}

static enum status loader_relocate(const struct loader_plan *plan, const struct loader_source *file,
				   uint64_t base_address, uint64_t begin, uint8_t *page)
{
	uint64_t i = 0;
	enum status status = loader_relocation_search(plan, file, begin, &i);

	for (; status == STATUS_OK && i < plan->relocations; i++) {
		const struct loader_segment *segment;
		struct elf_rela rela;
		uint64_t value;

		status = loader_relocation(plan, file, i, &rela);
		if (status != STATUS_OK || rela.offset >= begin + PAGE_SIZE)
			break;
		segment = loader_segment_at(plan, rela.offset, sizeof(uint64_t));
		if (rela.info != R_X86_64_RELATIVE || !segment || !(segment->rights & RIGHT_WRITE))
			return STATUS_FORMAT;
		value = base_address + rela.addend;
		loader_copy_part(page, begin, rela.offset, &value, sizeof(value));
	}
	return status;
}

/* What the file has for this page. */
static enum status loader_image(const struct loader_plan *plan, const struct loader_source *file,
				uint64_t begin, uint8_t *page)
{
	for (unsigned i = 0; i < plan->segments; i++) {
		const struct loader_segment *segment = &plan->segment[i];
		uint64_t from,
			bytes = loader_part(begin, segment->address, segment->file_bytes, &from);
		enum status status = STATUS_OK;

		if (!loader_inside(segment->file_offset, segment->file_bytes, file->bytes))
			return STATUS_FORMAT;
		if (bytes)
			status = loader_read(file, segment->file_offset + (from - segment->address),
					     page + (from - begin), bytes);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

enum status loader_page(const struct loader_plan *plan, const struct loader_source *file,
			uint64_t base_address, uint64_t message_page_address,
			const struct abi_start *start, uint64_t index, void *page)
{
	uint64_t begin = index * PAGE_SIZE;
	enum status status;

	if (index >= plan->total_pages || base_address % PAGE_SIZE != 0)
		return STATUS_INVALID;
	if (!loader_inside(plan->relocation_offset, plan->relocations * sizeof(struct elf_rela),
			   file->bytes))
		return STATUS_FORMAT;
	status = loader_image(plan, file, begin, page);
	if (status != STATUS_OK)
		return status;
	if (loader_holds_start(plan, index)) {
		struct abi_start filled = *start;

		filled.magic = START_MAGIC;
		filled.message_page = message_page_address;
		filled.image_address = base_address;
		filled.image_bytes = plan->image_pages * PAGE_SIZE;
		loader_copy_part(page, begin, plan->start_offset, &filled, sizeof(filled));
	}
	return loader_relocate(plan, file, base_address, begin, page);
}

enum status loader_argument_add(struct abi_start *start, const char *text)
{
	size_t used = 0, length = strlen(text) + 1;

	/* A program is told all or is not started. */
	if (start->argument_count >= START_STRINGS)
		return STATUS_LIMIT;
	for (uint64_t i = 0; i < start->argument_count && used < START_ARGUMENTS; i++) {
		while (used < START_ARGUMENTS && start->arguments[used] != '\0')
			used++;
		used++;
	}
	if (used > START_ARGUMENTS || length > START_ARGUMENTS - used)
		return STATUS_LIMIT;
	memcpy(start->arguments + used, text, length);
	start->argument_count++;
	return STATUS_OK;
}
