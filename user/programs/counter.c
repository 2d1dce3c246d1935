/* SPDX-License-Identifier: MIT */
/*
 * counter.c - counts once a second, in the text of an object.
 *
 *	counter [OBJECT]	without OBJECT: the one granted in slot 16
 *
 * It sleeps until absolute times of the persistent uptime, so it does not drift.
 * Uptime never goes back, not even when an old state is restored: then a deadline
 * can lie far behind, and the beat begins anew instead of hurrying after it.
 * Started again it goes on from the number that it finds.
 */
#include "user/lib/file.h"
#include "user/lib/program.h"
#include "user/lib/service.h"

/* The number at the start of the object; 0 if there is none. */
static uint64_t counter_read(const struct file *file)
{
	const char *text = file_data(file);
	uint64_t value = 0;

	for (uint64_t i = 0; i < file->size && i < 15 && text[i] >= '0' && text[i] <= '9'; i++)
		value = value * 10 + (uint64_t)(text[i] - '0');
	return value;
}

int main(int argc, char **argv)
{
	const uint16_t rights = RIGHT_READ | RIGHT_WRITE;
	uint64_t next_ns = clock_uptime();
	struct file file;

	program_check(argc > 1 ? file_open(&file, argv[1], rights)
			       : file_attach(&file, SEGMENT(SLOT_FIRST_GRANT), rights),
		      "find an object to count in");
	for (uint64_t value = counter_read(&file);; value++) {
		program_check(file_print(&file, "%lu\n", value), "write the number");
		next_ns += NS_PER_SECOND;
		if (next_ns < clock_uptime())
			next_ns = clock_uptime() + NS_PER_SECOND;
		program_check(clock_sleep_until(next_ns), "sleep");
	}
}
