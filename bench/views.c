/* SPDX-License-Identifier: MIT */
/*
 * views.c - what it costs to attach to a view, and to touch what is attached, with few and with
 * many attachments; measure.py runs it where a nanosecond of the clock is an instruction.
 */
#include <stdint.h>
#include "user/lib/file.h"
#include "user/lib/message.h"
#include "user/lib/program.h"
#include "user/lib/service.h"
#include "user/lib/slot.h"
#include "user/lib/table.h"
#include "user/lib/view.h"

#define PLACE  (WINDOW_HIGH_PAGE << PAGE_SHIFT)
#define MOST   65536u
#define SAMPLE 64u /* of each; the median is told */

static uint64_t spent[SAMPLE];

static uint64_t median(void)
{
	for (unsigned i = 1; i < SAMPLE; i++)
		for (unsigned k = i; k && spent[k - 1] > spent[k]; k--) {
			uint64_t more = spent[k - 1];

			spent[k - 1] = spent[k];
			spent[k] = more;
		}
	return spent[SAMPLE / 2];
}

static uint64_t address_of(uint64_t number)
{
	return PLACE + number * 2 * PAGE_SIZE;
}

/* Reads, at so many places of all, each of which has a page of the file; then takes them away and
 * attaches them again. */
static void tell(struct view view, const struct file *file, uint64_t pages, uint64_t count)
{
	uint64_t touch, detach;

	for (unsigned i = 0; i < SAMPLE; i++) {
		volatile uint8_t *byte =
			(uint8_t *)(uintptr_t)address_of((i * UINT64_C(7919) + 5) % count);
		uint64_t before = clock_uptime();

		(void)*byte;
		spent[i] = clock_uptime() - before;
	}
	touch = median();
	for (unsigned i = 0; i < SAMPLE; i++) {
		uint64_t number = (i * UINT64_C(7919) + 5) % count, before = clock_uptime();

		program_check(view_detach(view, address_of(number)), "detach");
		spent[i] = clock_uptime() - before;
		program_check(view_attach(view, file->segment, number % pages, 1, RIGHT_READ,
					  address_of(number)),
			      "attach");
	}
	detach = median();
	for (unsigned i = 0; i < SAMPLE; i++) {
		uint64_t before = clock_uptime();

		program_check(view_attach(view, file->segment, i % pages, 1, RIGHT_READ,
					  address_of(MOST + i)),
			      "attach");
		spent[i] = clock_uptime() - before;
		program_check(view_detach(view, address_of(MOST + i)), "detach");
	}
	log_print("%lu attachments: attach %lu detach %lu touch %lu", count, median(), detach,
		  touch);
}

int main(void)
{
	static const uint64_t counts[] = {10, 1000, MOST};
	struct view view = VIEW(slot_take());
	const uint64_t pages = 1024;
	struct file file;
	uint64_t count = 0, clock;

	program_check(bank_view(OWN_BANK, view.slot), "view");
	program_check(file_create(&file, pages * PAGE_SIZE, true), "file");
	program_check(file_resize(&file, pages * PAGE_SIZE), "size");
	program_check(machine_set_view(OWN_MACHINE, view), "set");
	for (unsigned i = 0; i < SAMPLE; i++) {
		uint64_t before = clock_uptime();

		spent[i] = clock_uptime() - before;
	}
	clock = median();
	for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		for (; count < counts[c]; count++)
			program_check(view_attach(view, file.segment, count % pages, 1, RIGHT_READ,
						  address_of(count)),
				      "attach");
		tell(view, &file, pages, count);
	}
	log_print("done, the clock alone %lu", clock);
	return 0;
}
