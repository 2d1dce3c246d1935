/* SPDX-License-Identifier: MIT */
/*
 * counter.c - counts once a second, in the text of an object.
 *
 *	counter [OBJECT]	without OBJECT: the one granted in slot 16
 *
 * It sleeps until absolute times of the persistent uptime, so it does not drift.
 * Uptime never goes back, not even when an old state is restored: then a deadline
 * can lie far behind, and the beat begins anew instead of hurrying after it.
 * Started again it goes on from the number that it finds.  The text is changed by a single
 * store into memory (file_set): whoever looks sees one number or the next.
 */
#include "user/lib/file.h"
#include "user/lib/program.h"
#include "user/lib/service.h"
#include "base/text.h"

static struct file file;

/* The number at the start of the object; 0 if there is none. */
static uint64_t counter_read(void)
{
	const char *text = file_data(&file);
	uint64_t value = 0;

	for (uint64_t i = 0; i < file.size && i < 15 && text[i] >= '0' && text[i] <= '9'; i++)
		value = value * 10 + (uint64_t)(text[i] - '0');
	return value;
}

static void counter_write(uint64_t value)
{
	char text[24];
	size_t length = text_format(text, sizeof(text), "%llu\n", (unsigned long long)value);
	enum status status = file_set(&file, text, length);

	if (status != STATUS_OK)
		program_fail("cannot write the number: %s", status_text(status));
}

int main(int argc, char **argv)
{
	const uint16_t rights = RIGHT_READ | RIGHT_WRITE;
	enum status status = argc > 1 ? file_open(&file, argv[1], rights)
				      : file_attach(&file, SLOT_FIRST_GRANT, rights);
	uint64_t next_ns, value;

	if (status != STATUS_OK)
		program_fail("no object to count in: %s", status_text(status));
	value = counter_read();
	counter_write(value);
	next_ns = clock_uptime() + NS_PER_SECOND;
	for (;;) {
		status = clock_sleep_until(next_ns);
		if (status != STATUS_OK)
			program_fail("cannot sleep: %s", status_text(status));
		counter_write(++value);
		next_ns += NS_PER_SECOND;
		if (next_ns < clock_uptime())
			next_ns = clock_uptime() + NS_PER_SECOND;
	}
}
