/* SPDX-License-Identifier: MIT */
/*
 * scrub.c - the command `scrub`.  Interface in shell.h.
 *
 * The kernel verifies a few blocks at each call; how far it has come is in this
 * machine's memory, so the command goes on after a power cut where it was.
 */
#include "user/shell/shell.h"
#include "base/quantity.h"

#include "user/lib/service.h"
#include "base/text.h"
#include "user/shell/terminal.h"

#define SCRUB_RATE_MAX 1000000u /* MiB/s */

static void scrub_print_damage(const struct abi_scrub *scrub)
{
	static const char *const trees[] = {"superblock", "page", "free map", "catalogue",
					    "commit record"};
	uint32_t tree = scrub->tree < 5 ? scrub->tree : 0;

	terminal_print("damaged: %s 0x%lx", trees[tree], scrub->key << 7 * scrub->level);
	if (scrub->level)
		terminal_print(" to 0x%lx", ((scrub->key + 1) << 7 * scrub->level) - 1);
	terminal_print(", sector %lu", scrub->sector);
	if (scrub->generation)
		terminal_print(", written by generation %lu", scrub->generation);
	if (scrub->snapshot)
		terminal_print(", in snapshot %lu", scrub->snapshot);
	terminal_print(": %s\n", status_text((enum status)scrub->found));
}

/* Not before so many sectors may have been read. */
static void scrub_pace(uint64_t begun_ns, uint64_t sectors, uint64_t rate)
{
	if (rate)
		clock_sleep_until(begun_ns +
				  sectors * SECTOR_SIZE / 1024 * NS_PER_SECOND / (rate * 1024));
}

bool command_scrub(int argc, char **argv)
{
	struct abi_scrub scrub = {.done = 0};
	uint64_t begun_ns = clock_uptime(), rate = 0;
	char size[PRINT_SIZE];
	enum status status;

	if (argc > 1 &&
	    (!quantity_parse(argv[1], QUANTITY_ANY, &rate) || !rate || rate > SCRUB_RATE_MAX))
		return shell_complain("scrub", "%s: not a rate, as 20 for 20 MiB in a second",
				      argv[1]);
	while (!scrub.done) {
		status = store_scrub(&scrub);
		if (status != STATUS_OK)
			return shell_error("scrub", "the store", status);
		if (scrub.found)
			scrub_print_damage(&scrub);
		if (terminal_interrupted())
			return shell_complain("scrub",
					      "stopped after %lu blocks, %lu damaged places",
					      scrub.extents, scrub.damaged);
		scrub_pace(begun_ns, scrub.sectors, rate);
	}
	terminal_print("scrub: %lu blocks, %s, %lu snapshots: %lu damaged places", scrub.extents,
		       print_bytes(scrub.sectors * SECTOR_SIZE, size), scrub.snapshots,
		       scrub.damaged);
	terminal_print(scrub.repaired ? ", %lu written anew\n" : "\n", scrub.repaired);
	return scrub.damaged == 0;
}
