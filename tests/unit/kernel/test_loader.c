/* SPDX-License-Identifier: MIT */
/*
 * test_loader.c - kernel/loader.c with good programs and with hostile files.
 *
 * Good files are one that is put together here, so that every part of it is known,
 * and one of the real programs.  Hostile files are made of them: cut off anywhere,
 * every byte of the headers and tables changed, random changes all over.  Such a
 * file is either refused with a reason, or the plan holds every invariant and all
 * its pages can be built (the sanitizer watches for bytes outside the file).
 */
#include "kernel/loader.h"

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define BASE	UINT64_C(0x1000000000)
#define MESSAGE UINT64_C(0x2000000000)
#define PROGRAM "build/user/hello.elf"

/* ---- a program put together by hand ------------------------------------------- */

enum { HEADERS = 7, RELOCATIONS = 3, FILE_BYTES = 0x4000 };
enum { H_CONSTANTS, H_CODE, H_DATA, H_DYNAMIC, H_STACK, H_RELRO, H_UNUSED };

struct image {
	Elf64_Ehdr header;
	Elf64_Phdr program[HEADERS];
	Elf64_Dyn dynamic[6];
	Elf64_Rela relocation[RELOCATIONS];
};

static uint8_t file[FILE_BYTES];
static struct image *const image = (struct image *)(void *)file;
static const struct loader_source whole = {.bytes = FILE_BYTES, .data = file};
static const struct loader_source cut = {.bytes = 0x3000, .data = file};
static struct abi_start start;

static void segment(unsigned index, uint32_t type, uint32_t flags, uint64_t offset,
		    uint64_t address, uint64_t bytes, uint64_t memory)
{
	image->program[index] = (Elf64_Phdr){
		.p_type = type,
		.p_flags = flags,
		.p_offset = offset,
		.p_vaddr = address,
		.p_filesz = bytes,
		.p_memsz = memory,
		.p_align = PAGE_SIZE,
	};
}

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(file); i++)
		file[i] = (uint8_t)(i * 7 + i / 256);
	memset(image, 0, sizeof(*image));
	memcpy(image->header.e_ident,
	       "\x7f"
	       "ELF\x02\x01\x01",
	       7);
	image->header.e_type = ET_DYN;
	image->header.e_machine = EM_X86_64;
	image->header.e_version = 1;
	image->header.e_entry = 0x1010;
	image->header.e_phoff = offsetof(struct image, program);
	image->header.e_phentsize = sizeof(Elf64_Phdr);
	image->header.e_phnum = HEADERS;
	segment(H_CONSTANTS, PT_LOAD, PF_R, 0, 0, 0x800, 0x800);
	segment(H_CODE, PT_LOAD, PF_R | PF_X, 0x1000, 0x1000, 0x123, 0x123);
	/* Data from the middle of a page over a file part into a page of bss. */
	segment(H_DATA, PT_LOAD, PF_R | PF_W, 0x2e00, 0x3e00, 0x1000, 0x3000);
	segment(H_DYNAMIC, PT_DYNAMIC, PF_R, offsetof(struct image, dynamic),
		offsetof(struct image, dynamic), sizeof(image->dynamic), sizeof(image->dynamic));
	segment(H_STACK, PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0);
	segment(H_RELRO, PT_GNU_RELRO, PF_R, 0x2e00, 0x3e00, 0x200, 0x200);
	segment(H_UNUSED, PT_NULL, 0, 0, 0, 0, 0);
	image->dynamic[0] = (Elf64_Dyn){DT_RELA, {offsetof(struct image, relocation)}};
	image->dynamic[1] = (Elf64_Dyn){DT_RELASZ, {sizeof(image->relocation)}};
	image->dynamic[2] = (Elf64_Dyn){DT_RELAENT, {sizeof(Elf64_Rela)}};
	image->dynamic[3] = (Elf64_Dyn){DT_FLAGS_1, {DF_1_PIE}};
	/* One in relro, one across the border of two pages, one in bss. */
	image->relocation[0] = (Elf64_Rela){0x3e10, R_X86_64_RELATIVE, 0x1010};
	image->relocation[1] = (Elf64_Rela){0x3ffc, R_X86_64_RELATIVE, 0x20};
	image->relocation[2] = (Elf64_Rela){0x6008, R_X86_64_RELATIVE, 0x3e00};
	memset(&start, 0, sizeof(start));
	return 0;
}

/* ---- good files ------------------------------------------------------------------ */

static void check_run(const struct loader_plan *plan, unsigned index, uint64_t first,
		      uint64_t pages, uint16_t rights)
{
	assert_int_equal(plan->run[index].first, first);
	assert_int_equal(plan->run[index].pages, pages);
	assert_int_equal(plan->run[index].rights, rights);
}

static void test_plan(void **state)
{
	struct loader_plan plan;

	(void)state;
	assert_int_equal(loader_plan(&whole, &plan), STATUS_OK);
	assert_null(plan.error);
	assert_int_equal(plan.image_pages, 7);
	assert_int_equal(plan.runs, 5);
	check_run(&plan, 0, 0, 1, RIGHT_READ);
	check_run(&plan, 1, 1, 1, RIGHT_READ | RIGHT_EXECUTE);
	check_run(&plan, 2, 3, 1, RIGHT_READ); /* relro */
	check_run(&plan, 3, 4, 3, RIGHT_READ | RIGHT_WRITE);
	check_run(&plan, 4, 7 + LOADER_GUARD_PAGES, LOADER_STACK_PAGES, RIGHT_READ | RIGHT_WRITE);
	assert_int_equal(plan.total_pages, 7 + LOADER_GUARD_PAGES + LOADER_STACK_PAGES);
	assert_int_equal(plan.max_pages, 32);
	assert_int_equal(plan.entry_offset, 0x1010);
	assert_int_equal(plan.stack_top_offset % 16, 0);
	assert_true(plan.stack_top_offset < plan.start_offset);
	assert_true(plan.start_offset + sizeof(start) <= plan.total_pages * PAGE_SIZE);
}

static uint8_t *build(const struct loader_plan *plan, const void *bytes, size_t length,
		      uint64_t limit)
{
	const struct loader_source source = {.bytes = length, .data = bytes};
	uint8_t *instance = calloc(limit, PAGE_SIZE);

	for (uint64_t i = 0; i < limit; i++)
		assert_int_equal(loader_page(plan, &source, BASE, MESSAGE, &start, i,
					     instance + i * PAGE_SIZE),
				 STATUS_OK);
	return instance;
}

static uint64_t word_at(const uint8_t *instance, uint64_t offset)
{
	uint64_t word;

	memcpy(&word, instance + offset, sizeof(word));
	return word;
}

static void test_pages(void **state)
{
	static const uint8_t zeros[PAGE_SIZE];
	struct loader_plan plan;
	struct abi_start told;
	uint8_t *instance;

	(void)state;
	assert_int_equal(loader_argument_add(&start, "name"), STATUS_OK);
	assert_int_equal(loader_argument_add(&start, "argument"), STATUS_OK);
	assert_int_equal(loader_plan(&whole, &plan), STATUS_OK);
	instance = build(&plan, file, sizeof(file), plan.total_pages);
	assert_memory_equal(instance, file, 0x800);
	assert_memory_equal(instance + 0x800, zeros, 0x800);
	assert_memory_equal(instance + 0x1000, file + 0x1000, 0x123);
	assert_memory_equal(instance + 0x1123, zeros, PAGE_SIZE - 0x123);
	assert_memory_equal(instance + 0x3e00, file + 0x2e00, 0x10);
	assert_int_equal(word_at(instance, 0x3e10), BASE + 0x1010);
	assert_memory_equal(instance + 0x3e18, file + 0x2e18, 0x1e4);
	assert_int_equal(word_at(instance, 0x3ffc), BASE + 0x20);
	assert_memory_equal(instance + 0x4004, file + 0x3004, 0xdfc);
	assert_memory_equal(instance + 0x4e00, zeros, PAGE_SIZE);
	assert_int_equal(word_at(instance, 0x6008), BASE + 0x3e00);
	memcpy(&told, instance + plan.start_offset, sizeof(told));
	assert_true(told.magic == START_MAGIC && told.message_page == MESSAGE);
	assert_true(told.image_address == BASE && told.image_bytes == 7 * PAGE_SIZE);
	assert_int_equal(told.argument_count, 2);
	assert_memory_equal(told.arguments, "name\0argument\0", 15);
	for (uint64_t i = 0; i < plan.total_pages; i++)
		if (loader_page_empty(&plan, i))
			assert_memory_equal(instance + i * PAGE_SIZE, zeros, PAGE_SIZE);
	assert_true(loader_page_empty(&plan, 2) && loader_page_empty(&plan, 8));
	assert_false(loader_page_empty(&plan, 0) || loader_page_empty(&plan, 6));
	free(instance);
}

/* A file that is read in parts, as the kernel does, which cannot be had at one of them. */
struct parts {
	unsigned left; /* reads that succeed */
	unsigned done;
};

static enum status parts_read(void *context, uint64_t offset, void *to, uint64_t bytes)
{
	struct parts *parts = context;

	assert_true(offset <= sizeof(file) && bytes <= sizeof(file) - offset);
	if (!parts->left--)
		return STATUS_WAIT;
	parts->done++;
	memcpy(to, file + offset, bytes);
	return STATUS_OK;
}

static enum status parts_build(struct parts *parts, uint8_t *instance)
{
	const struct loader_source source = {sizeof(file), NULL, parts_read, parts};
	struct loader_plan plan;
	enum status status = loader_plan(&source, &plan);

	for (uint64_t i = 0; status == STATUS_OK && i < plan.total_pages; i++)
		status = loader_page(&plan, &source, BASE, MESSAGE, &start, i,
				     instance + i * PAGE_SIZE);
	return status;
}

static void test_parts(void **state)
{
	struct parts parts = {.left = UINT32_MAX};
	static uint8_t instance[64 * PAGE_SIZE];
	struct loader_plan plan;
	unsigned reads;
	uint8_t *expected;

	(void)state;
	assert_int_equal(loader_plan(&whole, &plan), STATUS_OK);
	expected = build(&plan, file, sizeof(file), plan.total_pages);
	assert_int_equal(parts_build(&parts, instance), STATUS_OK);
	assert_memory_equal(instance, expected, plan.total_pages * PAGE_SIZE);
	free(expected);
	reads = parts.done;
	for (unsigned i = 0; i < reads; i++) {
		parts = (struct parts){.left = i};
		memset(instance, 0, sizeof(instance));
		assert_int_equal(parts_build(&parts, instance), STATUS_WAIT);
		assert_int_equal(parts.done, i); /* nothing is read after it */
	}
}

static void test_page_refuses(void **state)
{
	uint8_t page[PAGE_SIZE] = {0};
	struct loader_plan plan;

	(void)state;
	assert_int_equal(loader_plan(&whole, &plan), STATUS_OK);
	assert_int_equal(loader_page(&plan, &whole, BASE, MESSAGE, &start, plan.total_pages, page),
			 STATUS_INVALID);
	assert_int_equal(loader_page(&plan, &whole, BASE + 1, MESSAGE, &start, 0, page),
			 STATUS_INVALID);
	/* The file was cut, or its relocations changed, after the plan was made. */
	assert_int_equal(loader_page(&plan, &cut, BASE, MESSAGE, &start, 0, page), STATUS_FORMAT);
	image->relocation[0].r_info = R_X86_64_64;
	assert_int_equal(loader_page(&plan, &whole, BASE, MESSAGE, &start, 3, page), STATUS_FORMAT);
	image->relocation[0].r_info = R_X86_64_RELATIVE;
	image->relocation[0].r_offset = 0x1008;
	assert_int_equal(loader_page(&plan, &whole, BASE, MESSAGE, &start, 1, page), STATUS_FORMAT);
}

static void test_arguments(void **state)
{
	char text[START_ARGUMENTS];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(loader_argument_add(&start, text), STATUS_OK);
	assert_int_equal(loader_argument_add(&start, ""), STATUS_LIMIT);
	memset(&start, 0, sizeof(start));
	for (unsigned i = 0; i < START_STRINGS; i++)
		assert_int_equal(loader_argument_add(&start, ""), STATUS_OK);
	assert_int_equal(loader_argument_add(&start, ""), STATUS_LIMIT);
	assert_int_equal(start.argument_count, START_STRINGS);
}

/* ---- refused, each with its reason --------------------------------------------------- */

static void refused(enum status status, const char *part)
{
	struct loader_plan plan;

	assert_int_equal(loader_plan(&whole, &plan), status);
	assert_non_null(plan.error);
	if (!strstr(plan.error, part))
		fail_msg("the reason is \"%s\", not \"...%s...\"", plan.error, part);
	setup(NULL);
}

static void test_refused_headers(void **state)
{
	(void)state;
	image->header.e_ident[0] = 0;
	refused(STATUS_FORMAT, "not a program");
	image->header.e_ident[EI_CLASS] = ELFCLASS32;
	refused(STATUS_FORMAT, "64-bit");
	image->header.e_machine = EM_AARCH64;
	refused(STATUS_FORMAT, "x86");
	image->header.e_type = ET_EXEC;
	refused(STATUS_FORMAT, "-static-pie");
	image->header.e_phoff = sizeof(file) - 8;
	refused(STATUS_FORMAT, "outside the file");
	image->header.e_phoff = UINT64_MAX - 8;
	refused(STATUS_FORMAT, "outside the file");
	image->header.e_phnum = LOADER_HEADERS + 1;
	refused(STATUS_LIMIT, "too many program headers");
	image->header.e_entry = 0x3e00;
	refused(STATUS_FORMAT, "entry point");
	image->program[H_UNUSED].p_type = PT_INTERP;
	refused(STATUS_FORMAT, "dynamic linker");
	segment(H_UNUSED, PT_TLS, PF_R, 0, 0, 8, 8);
	refused(STATUS_FORMAT, "thread-local");
	image->program[H_STACK].p_flags |= PF_X;
	refused(STATUS_FORMAT, "executable stack");
}

static void test_refused_segments(void **state)
{
	(void)state;
	image->program[H_DATA].p_flags |= PF_X;
	refused(STATUS_FORMAT, "writable and executable");
	image->program[H_CODE].p_flags = PF_X;
	refused(STATUS_FORMAT, "not readable");
	image->program[H_DATA].p_filesz = sizeof(file);
	refused(STATUS_FORMAT, "outside the file");
	image->program[H_DATA].p_memsz = 8;
	refused(STATUS_FORMAT, "outside the file");
	image->program[H_DATA].p_memsz = UINT64_C(1) << 40;
	refused(STATUS_LIMIT, "1 GiB");
	image->program[H_DATA].p_vaddr = UINT64_MAX - 0x100;
	refused(STATUS_LIMIT, "1 GiB");
	image->program[H_CODE].p_vaddr = 0x7f0;
	refused(STATUS_FORMAT, "share a page");
	image->program[H_CODE].p_vaddr = 0x10000;
	refused(STATUS_FORMAT, "ascending");
	for (unsigned i = 0; i < 3; i++)
		image->program[i].p_type = PT_NULL;
	refused(STATUS_FORMAT, "nothing");
}

static void test_refused_dynamic(void **state)
{
	static const struct {
		int64_t tag;
		uint64_t value;
		const char *reason;
	} cases[] = {
		{DT_NEEDED, 1, "shared libraries"},   {DT_TEXTREL, 0, "code"},
		{DT_FLAGS, DF_TEXTREL, "code"},	      {DT_PLTRELSZ, 24, "unknown form"},
		{DT_RELSZ, 16, "unknown form"},	      {DT_INIT_ARRAYSZ, 8, "constructors"},
		{DT_FINI_ARRAYSZ, 8, "constructors"}, {DT_RELAENT, 16, "unknown size"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		image->dynamic[4] = (Elf64_Dyn){cases[i].tag, {cases[i].value}};
		refused(STATUS_FORMAT, cases[i].reason);
	}
	image->dynamic[0].d_un.d_ptr = 0x7f8;
	refused(STATUS_FORMAT, "outside the file");
	image->dynamic[1].d_un.d_val = UINT64_MAX - 7;
	refused(STATUS_LIMIT, "too many relocations");
	image->program[H_DYNAMIC].p_offset = sizeof(file) - 8;
	refused(STATUS_FORMAT, "dynamic section");
	image->program[H_DYNAMIC].p_filesz = 0x3000;
	refused(STATUS_LIMIT, "dynamic section");
}

static void test_refused_relocations(void **state)
{
	(void)state;
	image->relocation[0].r_info = R_X86_64_GLOB_DAT;
	refused(STATUS_FORMAT, "other than");
	image->relocation[0].r_info |= (uint64_t)1 << 32;
	refused(STATUS_FORMAT, "other than");
	image->relocation[0].r_info = R_X86_64_NONE;
	refused(STATUS_FORMAT, "empty");
	image->relocation[0].r_offset = 0x1008;
	refused(STATUS_FORMAT, "code or constants");
	image->relocation[2].r_offset = 0x6dfc;
	refused(STATUS_FORMAT, "outside its image");
	image->relocation[2].r_offset = UINT64_MAX - 3;
	refused(STATUS_FORMAT, "outside its image");
	image->relocation[1].r_offset = 0x3e14;
	refused(STATUS_FORMAT, "ascending");
	image->relocation[1].r_addend = 0x7008;
	refused(STATUS_FORMAT, "points outside");
	image->relocation[1].r_addend = -8;
	refused(STATUS_FORMAT, "points outside");
}

/* ---- hostile files ---------------------------------------------------------------------- */

static void check_runs(const struct loader_plan *plan)
{
	uint64_t end = 0;

	assert_true(plan->runs >= 2 && plan->runs <= LOADER_RUNS);
	for (unsigned i = 0; i < plan->runs; i++) {
		const struct loader_run *run = &plan->run[i];

		assert_true(run->first >= end && run->pages > 0);
		end = run->first + run->pages;
		assert_true(end <= plan->total_pages);
		assert_true(run->rights & RIGHT_READ);
		assert_true((run->rights & (RIGHT_WRITE | RIGHT_EXECUTE)) !=
			    (RIGHT_WRITE | RIGHT_EXECUTE));
	}
	assert_int_equal(end, plan->total_pages);
}

/* Refused with a reason, or all that loader.h promises.  True: accepted. */
static bool check_file(const uint8_t *bytes, size_t length)
{
	const struct loader_source source = {.bytes = length, .data = bytes};
	struct loader_plan plan;
	enum status status = loader_plan(&source, &plan);
	uint8_t *instance;

	if (status != STATUS_OK) {
		assert_true(status == STATUS_FORMAT || status == STATUS_LIMIT);
		assert_non_null(plan.error);
		return false;
	}
	check_runs(&plan);
	assert_true(plan.image_pages <= LOADER_IMAGE_PAGES_MAX);
	assert_true(plan.image_pages + LOADER_GUARD_PAGES <= plan.stack_first);
	assert_true(plan.max_pages >= plan.total_pages);
	assert_int_equal(plan.max_pages & (plan.max_pages - 1), 0);
	assert_true(plan.entry_offset < plan.image_pages * PAGE_SIZE);
	instance = build(&plan, bytes, length, plan.total_pages < 64 ? plan.total_pages : 64);
	free(instance);
	return true;
}

/* A copy of its own size, so that the sanitizer sees the first byte too far. */
static bool check_copy(const uint8_t *bytes, size_t length)
{
	uint8_t *copy = malloc(length ? length : 1);
	bool accepted;

	memcpy(copy, bytes, length);
	accepted = check_file(copy, length);
	free(copy);
	return accepted;
}

static void test_cut_anywhere(void **state)
{
	(void)state;
	assert_true(check_copy(file, sizeof(file)));
	for (size_t length = 0; length < sizeof(file); length += length < 0x400 ? 1 : 61)
		assert_int_equal(check_copy(file, length), length >= 0x3e00);
}

static void test_every_byte_changed(void **state)
{
	static const uint8_t values[] = {0, 1, 2, 6, 7, 0x10, 0x7f, 0x80, 0xf8, 0xff};
	unsigned accepted = 0, refused = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(*image); i++) {
		uint8_t old = file[i];

		for (size_t v = 0; v < sizeof(values); v++) {
			file[i] = values[v];
			check_file(file, sizeof(file)) ? accepted++ : refused++;
		}
		file[i] = old;
	}
	/* Neither of the two may be the answer to everything. */
	assert_true(accepted > 100 && refused > 100);
}

static void random_changes(uint8_t *bytes, size_t length, size_t header, unsigned rounds)
{
	uint8_t *copy = malloc(length);

	for (unsigned round = 0; round < rounds; round++) {
		memcpy(copy, bytes, length);
		for (int change = rand() % 6; change >= 0; change--) {
			size_t at = (size_t)rand() % (rand() % 4 ? header : length);

			copy[at] = rand() % 2 ? (uint8_t)rand() : copy[at] ^ (1 << rand() % 8);
		}
		check_file(copy, length);
	}
	free(copy);
}

static void test_random_changes(void **state)
{
	(void)state;
	srand(11);
	random_changes(file, sizeof(file), sizeof(*image), 20000);
}

static uint8_t *read_program(size_t *length)
{
	FILE *stream = fopen(PROGRAM, "rb");
	uint8_t *bytes = malloc(1 << 20);

	if (!stream)
		fail_msg("%s is missing: run from the project's folder after `make programs`",
			 PROGRAM);
	*length = fread(bytes, 1, 1 << 20, stream);
	fclose(stream);
	return bytes;
}

static void test_real_program(void **state)
{
	size_t length;
	uint8_t *bytes = read_program(&length);

	(void)state;
	assert_true(check_copy(bytes, length));
	srand(12);
	random_changes(bytes, length, 0x400, 3000);
	for (size_t cut = 0; cut < length; cut += 97)
		check_copy(bytes, cut);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_plan, setup),
		cmocka_unit_test_setup(test_pages, setup),
		cmocka_unit_test_setup(test_parts, setup),
		cmocka_unit_test_setup(test_page_refuses, setup),
		cmocka_unit_test_setup(test_arguments, setup),
		cmocka_unit_test_setup(test_refused_headers, setup),
		cmocka_unit_test_setup(test_refused_segments, setup),
		cmocka_unit_test_setup(test_refused_dynamic, setup),
		cmocka_unit_test_setup(test_refused_relocations, setup),
		cmocka_unit_test_setup(test_cut_anywhere, setup),
		cmocka_unit_test_setup(test_every_byte_changed, setup),
		cmocka_unit_test_setup(test_random_changes, setup),
		cmocka_unit_test_setup(test_real_program, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
