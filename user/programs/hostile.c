/* SPDX-License-Identifier: MIT */
/*
 * hostile.c - calls the kernel with nonsense, to see whether it stays calm.
 *
 *	hostile [CALLS [SEED]]		100000 calls if not given
 *
 * The calls are made by child machines, which hold a set of objects made for
 * them and nothing else that matters.  A child may destroy, stop or fault itself;
 * the parent sees it by a counter in a shared segment that stands still, takes it
 * away and starts the next one, until the calls are done.  What the kernel
 * answered is counted and told to the log.
 */
#include <string.h>
#include "user/lib/directory.h"
#include "base/quantity.h"
#include "user/lib/file.h"
#include "user/lib/machine.h"
#include "user/lib/message.h"
#include "user/lib/program.h"
#include "user/lib/service.h"
#include "user/lib/slot.h"
#include "user/lib/spawn.h"
#include "user/lib/table.h"
#include "base/text.h"

#define HOSTILE_ANSWERS	 64u	/* counted by status, the last one: any other */
#define HOSTILE_CHILD	 20000u /* calls of one child */
#define HOSTILE_POLL_NS	 (20 * NS_PER_MILLISECOND)
#define HOSTILE_PATIENCE 500u /* polls without progress; one in which it waits counts more */
#define HOSTILE_WAITING	 100u
#define HOSTILE_VICTIM	 SLOT_FIRST_GRANT
#define HOSTILE_CREATED	 250u /* slot of a child */

/* In the shared segment. */
struct hostile_shared {
	uint64_t done; /* calls made by the present child */
	uint64_t finished;
	uint64_t answers[HOSTILE_ANSWERS];
};

/* All registers of a system call. */
struct hostile_registers {
	uint64_t rax, rdi, rsi, rdx, r10, r8, r9, r12, r13, r14, r15, rbx;
};

static uint64_t seed;

static uint64_t hostile_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint64_t hostile_below(uint64_t limit)
{
	return hostile_random() % limit;
}

/* ---- child -------------------------------------------------------------------- */

static void hostile_invoke(struct hostile_registers *r)
{
	register uint64_t r10 __asm__("r10") = r->r10;
	register uint64_t r8 __asm__("r8") = r->r8;
	register uint64_t r9 __asm__("r9") = r->r9;
	register uint64_t r12 __asm__("r12") = r->r12;
	register uint64_t r13 __asm__("r13") = r->r13;
	register uint64_t r14 __asm__("r14") = r->r14;
	register uint64_t r15 __asm__("r15") = r->r15;

	__asm__ volatile("syscall"
			 : "+a"(r->rax), "+D"(r->rdi), "+S"(r->rsi), "+d"(r->rdx), "+b"(r->rbx),
			   "+r"(r10), "+r"(r8), "+r"(r9), "+r"(r12), "+r"(r13), "+r"(r14), "+r"(r15)
			 :
			 : "rcx", "r11", "memory");
}

/* A slot, now and then one that cannot be. */
static uint64_t hostile_slot(void)
{
	static const uint8_t known[] = {
		SLOT_NONE,	    SLOT_REPLY,		SLOT_SELF,	    SLOT_TABLE,
		SLOT_BANK,	    SLOT_ROOT,		SLOT_PORT,	    SLOT_CLOCK,
		SLOT_INSTANCE,	    HOSTILE_VICTIM,	HOSTILE_VICTIM + 1, HOSTILE_VICTIM + 2,
		HOSTILE_VICTIM + 3, HOSTILE_VICTIM + 4,
	};

	switch (hostile_below(16)) {
	case 0:
		return hostile_random();
	case 1:
		return hostile_below(2 * SLOTS_DEFAULT);
	case 2:
		return SLOT_FIRST_FREE + hostile_below(16);
	}
	return known[hostile_below(sizeof(known))];
}

static uint64_t hostile_word(const struct hostile_shared *shared)
{
	switch (hostile_below(10)) {
	case 0:
		return hostile_random();
	case 1:
		return UINT64_C(1) << hostile_below(64);
	case 2:
		return 0 - hostile_below(16);
	case 3:
		return (uintptr_t)shared + hostile_below(3 * PAGE_SIZE) - PAGE_SIZE;
	case 4:
		return hostile_below(64) * PAGE_SIZE;
	case 5:
		return UINT64_C(0xffff800000000000) + hostile_below(UINT64_C(1) << 40);
	}
	return hostile_below(40);
}

static uint64_t hostile_slots(void)
{
	uint64_t slots = 0;

	for (unsigned i = 0; i < 4 && hostile_below(3) == 0; i++)
		slots |= (hostile_slot() & 0xffff) << (16 * i);
	return slots;
}

/* Names that exist, and noise. */
static void hostile_fill_page(void)
{
	uint64_t bytes = hostile_below(sizeof(*program_page));

	if (hostile_below(2)) {
		program_page->data[0] = (uint8_t)('a' + hostile_below(4));
		return;
	}
	/* Up to the end of the page: also the part where the state is told. */
	for (uint64_t i = 0; i < bytes; i++)
		((uint8_t *)program_page)[i] = (uint8_t)hostile_random();
}

static bool hostile_is_creation(uint64_t label)
{
	return label >> 8 == OBJECT_BANK || label == DIRECTORY_CREATE;
}

/* Of an operation; those of banks go on from 32. */
static uint64_t hostile_number(void)
{
	uint64_t number = hostile_below(21);

	return number < 18 ? number : number - 18 + (BANK_BANK & 0xff);
}

static void hostile_choose(struct hostile_registers *r, const struct hostile_shared *shared)
{
	uint64_t *word[] = {&r->rdx, &r->r10, &r->r8, &r->r9, &r->r12, &r->r13};
	uint64_t length = hostile_below(4) ? hostile_below(8) : hostile_below(0x10000);
	bool wild = hostile_below(1000) == 0;
	uint64_t entry = wild && hostile_below(4) == 0 ? hostile_below(256) : hostile_below(5);

	r->rdi = hostile_slot();
	r->rsi = hostile_below(16) == 0 ? hostile_random()
					: LABEL(hostile_below(OBJECT_TYPES), hostile_number());
	for (unsigned i = 0; i < 6; i++)
		*word[i] = hostile_word(shared);
	r->r14 = hostile_slots();
	r->r15 = hostile_slots();
	r->rbx = hostile_below(2) ? 1 : hostile_random();
	/* What waits for ever, or ends this child, only now and then. */
	if (!wild) {
		if (entry == ENTRY_CALL && (r->rdi == SLOT_PORT || r->rdi == HOSTILE_VICTIM + 1))
			entry = ENTRY_SEND;
		if (entry == ENTRY_RECEIVE || entry == ENTRY_REPLY_RECEIVE)
			r->rbx = 1 + hostile_below(1000);
		if (r->rsi == CLOCK_SLEEP)
			r->rdx = 1;
		if (r->rsi >> 8 == OBJECT_MACHINE && r->rdi == SLOT_SELF)
			r->rdi = HOSTILE_VICTIM + 4;
		if (r->rdi == SLOT_TABLE && r->rdx < SLOT_FIRST_GRANT && r->rsi != TABLE_INFO)
			r->rdx += SLOT_FIRST_GRANT;
		if (r->rdi == SLOT_TABLE && r->r10 < SLOT_FIRST_GRANT)
			r->r10 += SLOT_FIRST_GRANT;
	}
	r->rax = entry | (hostile_below(8) ? 0 : hostile_random() % 256) << 8 | length << 16;
	if (entry == ENTRY_SEND && !wild)
		r->rax &= ~((uint64_t)FLAG_WAIT << 8);
	if (hostile_below(64) == 0)
		r->rax |= hostile_random() << 32;
}

/* A creation as hostile as any other call, but the new object comes into a slot from
 * which it is taken away again, or the bank would run dry.  An asynchronous one is
 * not even told that it succeeded. */
static void hostile_create(struct hostile_registers *r)
{
	r->r15 = (r->r15 & ~UINT64_C(0xffff)) | HOSTILE_CREATED;
	if (hostile_below(8) == 0)
		r->r15 = hostile_below(2) ? 0 : 0xffff;
	hostile_invoke(r);
	table_destroy(OWN_TABLE, HOSTILE_CREATED);
}

/* Is the table in SLOT_TABLE still the one that this machine began with? */
static bool hostile_has_table(uint32_t object)
{
	struct table_info info;

	return table_info(OWN_TABLE, SLOT_TABLE, &info) == STATUS_OK && info.type == OBJECT_TABLE &&
	       info.object == object;
}

static int hostile_child(struct hostile_shared *shared)
{
	struct hostile_registers before, after;
	struct table_info own;

	if (table_info(OWN_TABLE, SLOT_TABLE, &own) != STATUS_OK)
		return 1;
	for (uint64_t call = 0; call < HOSTILE_CHILD; call++) {
		uint64_t answer;

		hostile_choose(&before, shared);
		if (hostile_is_creation(before.rsi) && !hostile_has_table(own.object))
			break;
		hostile_fill_page();
		after = before;
		if (hostile_is_creation(before.rsi))
			hostile_create(&after);
		else
			hostile_invoke(&after);
		answer = after.rax & 0xffff;
		if (answer == STATUS_OK && (before.rax & 0xff) == ENTRY_CALL)
			answer = after.rsi;
		shared->answers[answer < HOSTILE_ANSWERS ? answer : HOSTILE_ANSWERS - 1]++;
		shared->done++;
	}
	shared->finished = 1;
	return 0;
}

/* ---- parent --------------------------------------------------------------------- */

struct hostile_run {
	struct file shared;
	struct segment program;
	uint32_t victims[5], port, instance; /* slots of what the present child has */
	uint64_t machines, ended, faulted, stuck;
};

static void hostile_make_victims(struct hostile_run *run)
{
	uint64_t message_page;

	for (unsigned i = 0; i < 5; i++) {
		run->victims[i] = slot_take();
		if (run->victims[i] == 0)
			program_fail("no slot left");
	}
	program_check(bank_segment(OWN_BANK, 4 * PAGE_SIZE, 16 * PAGE_SIZE, run->victims[0]),
		      "make a segment");
	program_check(bank_port(OWN_BANK, 8, run->victims[1]), "make a port");
	program_check(bank_table(OWN_BANK, 64, run->victims[2]), "make a table");
	program_check(bank_directory(OWN_BANK, run->victims[3]), "make a directory");
	program_check(bank_machine(OWN_BANK, "victim", 1, run->victims[4], &message_page),
		      "make a machine");
}

/* Only an empty directory can be destroyed.  What was made in it may have no other name. */
static void hostile_empty_directory(struct directory directory)
{
	static struct directory_item item;
	uint32_t slot = slot_take();

	item.name[0] = '\0';
	while (directory_next(directory, &item) == STATUS_OK) {
		if (directory_lookup(directory, item.name, slot, NULL) == STATUS_OK)
			table_destroy(OWN_TABLE, slot);
		directory_unlink(directory, item.name);
		item.name[0] = '\0';
	}
	slot_give(slot);
}

static void hostile_end_victims(struct hostile_run *run)
{
	hostile_empty_directory(DIRECTORY(run->victims[3]));
	for (unsigned i = 0; i < 5; i++) {
		/* The child may have destroyed it already. */
		table_destroy(OWN_TABLE, run->victims[i]);
		slot_give(run->victims[i]);
	}
}

static struct machine hostile_start_child(struct hostile_run *run)
{
	static char number[24], address[24];
	char *arguments[] = {"child", number, address, NULL};
	struct spawn_request request = {
		.name = "hostile-child",
		.priority = 5,
		.program = run->program,
		.arguments = 3,
		.argument = arguments,
		.inherit = 1u << SLOT_BANK | 1u << SLOT_CLOCK,
		.grant = {{run->victims[3], SLOT_ROOT}},
		.grants = 1,
		.hold = true,
	};
	struct spawned spawned;

	for (uint32_t i = 0; i < 5; i++)
		request.grant[request.grants++] =
			(struct spawn_grant){run->victims[i], HOSTILE_VICTIM + i};
	text_format(number, sizeof(number), "%lu", (hostile_random() >> 1) | 1);
	text_format(address, sizeof(address), "0x%lx", run->shared.address);
	program_check(spawn_machine(&request, &spawned), "start a child");
	program_check(machine_attach(spawned.machine, run->shared.segment, 0, 0,
				     RIGHT_READ | RIGHT_WRITE, false),
		      "share memory with it");
	/* These end with their machine, unless it has lost them before. */
	run->port = slot_take();
	run->instance = slot_take();
	program_check(machine_take(spawned.machine, SLOT_PORT, run->port), "take its port");
	program_check(machine_take(spawned.machine, SLOT_INSTANCE, run->instance),
		      "take its instance");
	program_check(machine_start(spawned.machine, spawned.rip, spawned.rsp, spawned.rdi),
		      "let it run");
	run->machines++;
	return spawned.machine;
}

/* Waits until the child has ended, in whatever way. */
static void hostile_watch_child(struct hostile_run *run, struct machine child)
{
	struct hostile_shared *shared = file_data(&run->shared);
	uint64_t last = 0, cpu_ns = 0;
	unsigned still = 0;

	while (still < HOSTILE_PATIENCE) {
		struct abi_machine_info info;

		clock_sleep_until(clock_uptime() + HOSTILE_POLL_NS);
		if (machine_info(child, &info) != STATUS_OK) {
			run->ended++;
			return;
		}
		if (info.state == MACHINE_FAULTED) {
			run->faulted++;
			return;
		}
		if (info.state == MACHINE_STOPPED || info.held)
			break;
		if (shared->done != last)
			still = 0;
		else
			still += info.cpu_ns == cpu_ns ? HOSTILE_WAITING : 1;
		last = shared->done;
		cpu_ns = info.cpu_ns;
	}
	run->stuck++;
}

static uint64_t hostile_run_child(struct hostile_run *run)
{
	struct hostile_shared *shared = file_data(&run->shared);
	struct machine child;

	shared->done = shared->finished = 0;
	hostile_make_victims(run);
	child = hostile_start_child(run);
	hostile_watch_child(run, child);
	machine_destroy(child);
	slot_give(child.slot);
	table_destroy(OWN_TABLE, run->port);
	slot_give(run->port);
	table_destroy(OWN_TABLE, run->instance);
	slot_give(run->instance);
	hostile_end_victims(run);
	return shared->done;
}

static void hostile_report(const struct hostile_run *run, uint64_t done)
{
	const struct hostile_shared *shared = file_data(&run->shared);
	char line[240];
	size_t length = 0;

	log_print("%lu calls by %lu machines: %lu ended, %lu faulted, %lu stopped or stuck", done,
		  run->machines, run->ended, run->faulted, run->stuck);
	line[0] = '\0';
	for (unsigned i = 0; i < HOSTILE_ANSWERS; i++) {
		if (shared->answers[i] == 0)
			continue;
		length += text_format(line + length, sizeof(line) - length, " %u:%lu", i,
				      shared->answers[i]);
	}
	log_print("answers by status:%s", line);
}

/* That the bank pays for. */
static uint64_t hostile_objects(void)
{
	struct bank_usage usage;

	program_check(bank_usage(OWN_BANK, &usage), "ask the bank");
	return usage.objects;
}

/* What was destroyed is taken apart by and by; what is lost stays. */
static uint64_t hostile_objects_left(uint64_t before)
{
	uint64_t left = hostile_objects();

	for (unsigned i = 0; i < HOSTILE_PATIENCE && left != before; i++) {
		clock_sleep_until(clock_uptime() + HOSTILE_POLL_NS);
		left = hostile_objects();
	}
	return left;
}

static int hostile_parent(uint64_t calls)
{
	static struct hostile_run run;
	uint64_t done = 0, objects;

	program_check(path_segment("/bin/hostile", &run.program), "find /bin/hostile");
	program_check(file_create(&run.shared, PAGE_SIZE, true), "make a shared segment");
	program_check(file_resize(&run.shared, PAGE_SIZE), "make a shared segment");
	objects = hostile_objects();
	while (done < calls)
		done += hostile_run_child(&run);
	hostile_report(&run, done);
	log_print("%lu objects before, %lu behind it", objects, hostile_objects_left(objects));
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t calls = 100000, address;

	seed = 0x9e3779b97f4a7c15u;
	if (argc == 4 && text_equal(argv[1], "child") &&
	    quantity_parse(argv[2], QUANTITY_ANY, &seed) &&
	    quantity_parse(argv[3], QUANTITY_ANY, &address))
		return hostile_child((struct hostile_shared *)(uintptr_t)address);
	if ((argc > 1 && !quantity_parse(argv[1], QUANTITY_ANY, &calls)) ||
	    (argc > 2 && (!quantity_parse(argv[2], QUANTITY_ANY, &seed) || seed == 0)))
		program_fail("usage: hostile [CALLS [SEED]]");
	return hostile_parent(calls);
}
