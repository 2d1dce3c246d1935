/* SPDX-License-Identifier: MIT */
/*
 * tenant.c - a program that makes use of its bank, and loses it, in the ways there are.
 *
 *	tenant WORD...		what each says, one after the other; then it stays
 *
 *	fill		takes memory until it is refused
 *	grow		takes addresses until it is refused
 *	objects		makes one of each type that nothing is attached of
 *	helper		a machine of its own bank, that stays
 *	mate		another one, of another name
 *	guest		one that ends at once
 *	below		one with a bank below its own, and a helper that has
 *	save		puts a file under a name
 *	lose		puts a file under another one, which its own bank pays for
 *	drop		does away with its capability to its bank
 *	destroy		destroys its bank, which pays for itself
 *	derived		writes on where it was attached by what hung from a bank that has ended
 *	paid		writes on to what such a bank has paid for
 *	reduce		takes from the shell what it may do with its bank (run -g)
 *	end		ends
 */
#include "base/text.h"
#include "user/lib/directory.h"
#include "user/lib/file.h"
#include "user/lib/machine.h"
#include "user/lib/program.h"
#include "user/lib/segment.h"
#include "user/lib/service.h"
#include "user/lib/slot.h"
#include "user/lib/spawn.h"
#include "user/lib/table.h"

#define TENANT	 "/bin/tenant"
#define FOR_EVER (UINT64_C(1) << 62)

static void fill(void)
{
	struct file file;
	uint64_t pages = 0;
	enum status status;

	program_check(file_create(&file, UINT64_C(1) << 37, true), "make a segment");
	while ((status = file_resize(&file, (pages + 1) * PAGE_SIZE)) == STATUS_OK)
		((volatile uint8_t *)file_data(&file))[pages++ * PAGE_SIZE] = 1;
	log_print("filled %lu pages: %s", pages, status_text(status));
}

static void grow(void)
{
	uint64_t count = 0, bytes = UINT64_C(8) << 30;
	enum status status;

	while ((status = bank_segment(OWN_BANK, 1, bytes, slot_take())) == STATUS_OK)
		count += 8;
	log_print("grown %lu GiB: %s", count, status_text(status));
}

static void objects(void)
{
	uint64_t page;

	program_check(bank_port(OWN_BANK, 200, slot_take()), "make a port");
	program_check(bank_table(OWN_BANK, 1000, slot_take()), "make a table");
	program_check(bank_directory(OWN_BANK, slot_take()), "make a directory");
	program_check(bank_segment(OWN_BANK, 10 * PAGE_SIZE, 0, slot_take()), "make a segment");
	program_check(bank_machine(OWN_BANK, "idle", 1, slot_take(), &page), "make a machine");
	program_check(bank_bank(OWN_BANK, 100, 1000, slot_take()), "make a bank");
}

static void spawn(const char *name, char *word, uint64_t bank_pages)
{
	char *arguments[] = {word, NULL};
	struct spawn_request request = {
		.name = name,
		.priority = 4,
		.arguments = 1,
		.argument = arguments,
		.inherit = SPAWN_STANDARD,
		.bank_pages = bank_pages,
		.bank_addresses = UINT64_C(1) << 20,
	};
	struct spawned spawned;

	program_check(path_segment(TENANT, &request.program), "find " TENANT);
	program_check(spawn_machine(&request, &spawned), name);
}

static void save(void)
{
	struct file file;

	program_check(file_create_named(&file, "/notes/saved", PAGE_SIZE), "save");
	program_check(file_print(&file, "saved\n"), "save");
	file_close(&file);
}

static void lose(void)
{
	char name[DIRECTORY_NAME];
	struct directory directory;
	struct file file;

	program_check(file_create(&file, PAGE_SIZE, false), "make a file");
	program_check(file_print(&file, "lost\n"), "write it");
	program_check(path_parent("/notes/lost", &directory, name), "find /notes");
	program_check(directory_link(directory, name, file.segment.slot, false), "name it");
}

static void reduce(void)
{
	struct abi_machine_info info = {.object = 0};
	struct machine shell = MACHINE(slot_take());
	uint32_t bank = slot_take();

	while (system_machine_next(info.object, &info, shell.slot) == STATUS_OK)
		if (text_equal(info.name, "shell"))
			break;
	program_check(machine_take(shell, SLOT_BANK, bank), "take the shell's bank");
	program_check(table_reduce(OWN_TABLE, bank, bank, RIGHT_READ | RIGHT_CREATE), "reduce it");
	program_check(machine_place(shell, bank, SLOT_BANK), "give it back");
	slot_give(shell.slot);
	slot_give(bank);
}

/* Writes to the segment, then ends the bank, then writes once more. */
static void write_on(struct segment segment, uint32_t bank)
{
	struct segment_info info;
	volatile char *text;

	program_check(segment_info(segment, &info), "look at it");
	program_check(machine_attach(OWN_MACHINE, segment, 0, 0, RIGHT_READ | RIGHT_WRITE, false),
		      "attach it");
	text = (volatile char *)info.address;
	text[0] = 'a';
	log_print("writes");
	program_check(table_destroy(OWN_TABLE, bank), "end the bank");
	text[0] = 'b';
	log_print("still writes");
}

static void derived(void)
{
	struct segment segment = {slot_take()};
	uint32_t bank = slot_take(), copy = slot_take();

	program_check(bank_bank(OWN_BANK, 0, 0, bank), "make a bank");
	program_check(bank_segment(OWN_BANK, PAGE_SIZE, 0, segment.slot), "make a segment");
	program_check(table_derive(OWN_TABLE, segment.slot, copy, bank, RIGHT_READ | RIGHT_WRITE),
		      "derive");
	write_on(SEGMENT(copy), bank);
}

static void paid(void)
{
	struct segment segment = {slot_take()};
	struct bank bank = {slot_take()};

	program_check(bank_bank(OWN_BANK, 10, 10, bank.slot), "make a bank");
	program_check(bank_segment(bank, PAGE_SIZE, 0, segment.slot), "make a segment");
	write_on(segment, bank.slot);
}

static const struct {
	const char *word;
	void (*act)(void);
} acts[] = {
	{"fill", fill}, {"grow", grow},	    {"objects", objects}, {"save", save},
	{"lose", lose}, {"reduce", reduce}, {"derived", derived}, {"paid", paid},
};

static void act(const char *word)
{
	for (unsigned i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		if (text_equal(acts[i].word, word))
			acts[i].act();
	if (text_equal(word, "helper") || text_equal(word, "mate"))
		spawn(word, "stay", 0);
	else if (text_equal(word, "guest"))
		spawn("guest", "end", 0);
	else if (text_equal(word, "below"))
		spawn("below", "helper", 300);
	else if (text_equal(word, "drop"))
		program_check(table_delete(OWN_TABLE, SLOT_BANK), "drop it");
	else if (text_equal(word, "destroy"))
		program_check(table_destroy(OWN_TABLE, SLOT_BANK), "destroy it");
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (text_equal(argv[i], "end"))
			return 0;
		act(argv[i]);
	}
	log_print("stays");
	clock_sleep_until(FOR_EVER);
	return 0;
}
