/* SPDX-License-Identifier: MIT */
/*
 * list.c - the lists of the source, as the compiler reads them, for reference.py.
 *
 * A line for each entry: its kind and its fields, with tabs between them.  A field that is a
 * list has a part for each of its own: what it is, and what is said of it.
 */
#include <stdio.h>
#include "kernel/abi.h"

/* What no text has. */
#define BETWEEN "\x1f"
#define END	"\x1e"

#define NOTHING				       ""
#define WORD(n, what)			       "word " #n BETWEEN what END
#define CAPABILITY(n, what)		       "capability " #n BETWEEN what END
#define DATA(what)			       "data" BETWEEN what END
#define WORDS(first, last, what)	       "words " #first " to " #last BETWEEN what END
#define CAPABILITIES(first, last, what)	       "capabilities " #first " to " #last BETWEEN what END
#define ANSWER_WORDS(first, last, what)	       WORDS(first, last, what)
#define ANSWER_CAPABILITIES(first, last, what) CAPABILITIES(first, last, what)
#define ANSWER_WORD(n, what)		       WORD(n, what)
#define ANSWER_CAPABILITY(n, what)	       CAPABILITY(n, what)
#define ANSWER_DATA(what)		       DATA(what)
#define ERROR(status, when)		       #status BETWEEN when END

static void calls(void)
{
#define ENTRY(name, number, does, takes, gives, fails)                                             \
	printf("entry\t%s\t%u\t%s\t%s\t%s\t%s\n", #name, (unsigned)(number), does, takes, gives,   \
	       fails);
#define EVENT(name, number, does, takes, gives)                                                    \
	printf("event\t%s\t%u\t%s\t%s\t%s\n", #name, (unsigned)(number), does, takes, gives);
#define EVERY_ERROR(status, when) printf("every\t%s\t%s\n", #status, when);
#include "kernel/operations.def"
}

static void objects(void)
{
#define OBJECT(type, text)	printf("object\t%s\t%u\t%s\n", #type, (unsigned)OBJECT_##type, text);
#define RIGHT(type, name, text) printf("means\t%s\t%s\t%s\n", #type, #name, text);
#define OPERATION(type, name, number, right, handler, flags, does, takes, gives, fails)            \
	printf("operation\t%s\t%s\t%u\t%u\t%s\t%s\t%s\t%s\t%s\n", #type, #name,                    \
	       (unsigned)(number), (unsigned)(right), #flags, does, takes, gives, fails);
#include "kernel/operations.def"
}

/* That each error is a status, and each right one, the compiler says. */
#undef ERROR
#undef NOTHING
#define ERROR(status, when) | UINT64_C(1) << STATUS_##status
#define NOTHING
static const uint64_t errors = 0
#define ENTRY(name, number, does, takes, gives, fails)					fails
#define OPERATION(type, name, number, right, handler, flags, does, takes, gives, fails) fails
#define EVERY_ERROR(status, when)							ERROR(status, when)
#include "kernel/operations.def"
	;
static const unsigned rights = 0
#define RIGHT(type, name, text) | RIGHT_##name
#include "kernel/operations.def"
	;

static void structures(void)
{
#define SIZE(name) printf("size\t%s\t%zu\n", #name, sizeof(struct name));
	SIZE(abi_start)
	SIZE(abi_message_page)
	SIZE(abi_state_table)
	SIZE(abi_state)
	SIZE(abi_transition)
	SIZE(abi_machine_info)
	SIZE(abi_scrub)
	SIZE(abi_system)
	SIZE(disk_registers)
	SIZE(abi_registers)
	SIZE(disk_retention)
	SIZE(store_snapshot)
	SIZE(store_statistics)
}

int main(void)
{
	calls();
	objects();
	structures();
#define STATUS_LINE(name, number, text)                                                            \
	printf("status\t%s\t%u\t%s\n", #name, (unsigned)(number), text);
	STATUS_LIST(STATUS_LINE)
#define RIGHT_LINE(name, bit, text) printf("right\t%s\t%u\t%s\n", #name, (unsigned)(bit), text);
	RIGHT_LIST(RIGHT_LINE)
	return !errors || !rights;
}
