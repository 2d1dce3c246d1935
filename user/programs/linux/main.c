/* SPDX-License-Identifier: MIT */
/*
 * main.c - runs a static Linux program.
 *
 *	linux [-d DIRECTORY] [-o FILE] [-e NAME=VALUE]... PROGRAM [ARGUMENT]...
 *
 * What it writes goes to the log, or with -o to that file; files it finds below DIRECTORY only.
 * It ends with the program's code; 128 and the signal, when that would have ended it; 126 when it
 * cannot be run.  The parts are listed in linux.h.
 */
#include "user/programs/linux/linux.h"

#include <string.h>
#include "base/text.h"
#include "user/lib/machine.h"
#include "user/lib/program.h"
#include "user/lib/service.h"
#include "user/lib/slot.h"
#include "user/lib/table.h"

#define REFUSED 126

static const char *usage =
	"linux [-d DIRECTORY] [-o FILE] [-e NAME=VALUE]... PROGRAM [ARGUMENT]...";
static struct strings arguments, environment;

static void __attribute__((noreturn)) refuse(const char *what, const char *why)
{
	log_print("%s: %s", what, why);
	program_exit(REFUSED);
}

static void check(enum status status, const char *what)
{
	if (status == STATUS_OK)
		return;
	log_print("cannot %s: %s%s", what, status_text(status),
		  status == STATUS_ALLOWANCE ? " (`run -m SIZE -a SIZE` gives more)" : "");
	program_exit(REFUSED);
}

static void options(int argc, char **argv)
{
	int i = 1;

	for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
		if (text_equal(argv[i], "-d"))
			files_begin(argv[i + 1]);
		else if (text_equal(argv[i], "-o"))
			check(files_output(argv[i + 1]), "write to the file of -o");
		else if (text_equal(argv[i], "-e"))
			environment.text[environment.count++] = argv[i + 1];
		else
			refuse(argv[i], usage);
	}
	if (i == argc || argv[i][0] == '-')
		refuse("which program is it", usage);
	for (; i < argc; i++)
		arguments.text[arguments.count++] = argv[i];
}

/* The last name of its path, as far as a machine can be called so. */
static void machine_name(char name[MACHINE_NAME])
{
	const char *path = arguments.text[0], *slash;

	while ((slash = text_find(path, '/')) && slash[1] != '\0')
		path = slash + 1;
	text_format(name, MACHINE_NAME, "%s", path);
}

static void begin(void)
{
	static char name[MACHINE_NAME];
	struct abi_machine_info own;
	struct image image;
	uint64_t message_page, top;
	const char *wrong;

	machine_name(name);
	process.name = name;
	check(memory_begin(), "make memory for the program");
	wrong = image_load(&image, arguments.text[0]);
	if (wrong)
		refuse(arguments.text[0], wrong);
	check(stack_fill(&image, &arguments, &environment, &top), "make its stack");
	process.break_start = process.break_end = image.end;
	process.machine = MACHINE(slot_take());
	check(machine_info(OWN_MACHINE, &own), "look at the own machine");
	check(bank_machine(OWN_BANK, name, own.priority, process.machine.slot, &message_page),
	      "make its machine");
	check(machine_set_view(process.machine, memory_view()), "give it its memory");
	check(machine_set_foreign(process.machine, FOREIGN_CALLS), "take over its system calls");
	check(machine_set_keeper(process.machine, OWN_PORT), "become its keeper");
	check(machine_start(process.machine, image.entry, top, 0), "start it");
}

/* RDTSC and RDTSCP, which the kernel lets nobody execute, count ns. */
static bool answer_counter(struct message *message, uint64_t rip)
{
	struct abi_registers *registers = &process.registers;
	uint64_t *gpr = registers->general.gpr, now = clock_uptime(), there;
	const uint8_t *code = memory_at(rip, RIGHT_EXECUTE, &there);
	bool wide = code && there >= 3 && code[0] == 0x0f && code[1] == 0x01 && code[2] == 0xf9;

	if (!wide && (!code || there < 2 || code[0] != 0x0f || code[1] != 0x31))
		return false;
	if (machine_all_registers(process.machine, registers) != STATUS_OK)
		return false;
	gpr[REGISTER_RAX] = (uint32_t)now;
	gpr[REGISTER_RDX] = now >> 32;
	if (wide)
		gpr[REGISTER_RCX] = 0;
	registers->general.rip += wide ? 3 : 2;
	*message = (struct message){
		.label = KEEPER_REGISTERS, .data = registers, .length = sizeof(*registers)};
	return true;
}

/* What no Linux would forgive ends it. */
static void answer_fault(struct message *message)
{
	static const uint8_t signals[] = {
		[FAULT_PAGE] = 11,	[FAULT_INSTRUCTION] = 4, [FAULT_ARITHMETIC] = 8,
		[FAULT_BREAKPOINT] = 5, [FAULT_PROTECTION] = 11, [FAULT_STORAGE] = 7,
	};
	uint64_t fault = message->word[0], address = message->word[1], rip = message->word[2];
	enum status status = (enum status)message->word[3];

	if (fault == FAULT_PROTECTION && answer_counter(message, rip))
		return;
	*message = (struct message){.label = KEEPER_AGAIN};
	if (fault == FAULT_PAGE && memory_stack_grows(address))
		return;
	/* A disk may be well again, a store have room again. */
	if (fault == FAULT_STORAGE && (status == STATUS_IO || status == STATUS_NO_SPACE)) {
		clock_sleep_until(clock_uptime() + NS_PER_SECOND);
		return;
	}
	files_flush();
	log_print("%s: fault %lu at address 0x%lx, instruction 0x%lx", process.name, fault, address,
		  rip);
	process_signal(fault < sizeof(signals) ? signals[fault] : 11);
}

int main(int argc, char **argv)
{
	struct message message = {0};

	options(argc, argv);
	begin();
	while (!process.ended) {
		program_check(message_reply_receive(OWN_PORT, &message), "receive");
		if (message.event && (uint32_t)message.label == EVENT_SYSTEM_CALL)
			calls_answer(&message);
		else if (message.event && (uint32_t)message.label == EVENT_FAULT)
			answer_fault(&message);
		else
			message = (struct message){.label = STATUS_NO_OPERATION};
	}
	machine_destroy(process.machine);
	return process.code;
}
