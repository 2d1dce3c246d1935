/* SPDX-License-Identifier: MIT */
/*
 * hello.c - says what it was called with.
 *
 *	hello [ARGUMENT]...
 */
#include "user/lib/program.h"
#include "user/lib/service.h"

int main(int argc, char **argv)
{
	log_print("hello from %s, %d arguments", argv[0], argc - 1);
	for (int i = 1; i < argc; i++)
		log_print("argument %d: %s", i, argv[i]);
	return 0;
}
