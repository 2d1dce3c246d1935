/* SPDX-License-Identifier: MIT */
/*
 * program.c - start and end of a program.  Interface in program.h.
 */
#include "user/lib/program.h"

#include <stdarg.h>
#include <stddef.h>
#include "user/lib/machine.h"
#include "user/lib/message.h"
#include "user/lib/service.h"
#include "base/assert.h"
#include "base/text.h"

struct abi_message_page *program_page;

int main(int argc, char **argv);

/* Copies of the strings, so that the start structure may be overwritten by a
 * stack that needs more room. */
static char arguments[START_ARGUMENTS + 1];
static char *argument[START_STRINGS + 1];

static int program_split(const struct abi_start *start)
{
	char *text = arguments;
	int count = 0;

	for (unsigned i = 0; i < START_ARGUMENTS; i++)
		arguments[i] = start->arguments[i];
	while (count < (int)START_STRINGS && (uint64_t)count < start->argument_count &&
	       text < arguments + START_ARGUMENTS) {
		argument[count++] = text;
		while (*text != '\0')
			text++;
		text++;
	}
	argument[count] = NULL;
	return count;
}

void program_enter(const struct abi_start *start)
{
	if (start->magic != START_MAGIC)
		__builtin_trap();
	program_page = (struct abi_message_page *)(uintptr_t)start->message_page;
	program_exit(main(program_split(start), argument));
}

void program_exit(int code)
{
	machine_exit(OWN_MACHINE, (uint32_t)code);
	/* Only without the right to end itself does a program get here. */
	for (;;)
		__builtin_trap();
}

void program_check(enum status status, const char *what)
{
	if (status != STATUS_OK)
		program_fail("cannot %s: %s", what, status_text(status));
}

void program_fail(const char *format, ...)
{
	char line[200];
	va_list list;

	va_start(list, format);
	text_vformat(line, sizeof(line), format, list);
	va_end(list);
	log_print("failed: %s", line);
	program_exit(127);
}

/* Of the library, or of the program (base/assert.h). */
void assert_failed(const char *file, int line, const char *what)
{
	program_fail("%s:%d: this must hold and does not: %s", file, line, what);
}
