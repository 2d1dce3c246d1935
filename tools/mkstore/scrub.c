/* SPDX-License-Identifier: MIT */
/*
 * scrub.c - `scrub`: reads every reachable block by the engine's own code.
 *
 * The engine keeps where it has got to in a structure; with --state that goes
 * into a file, replaced once a second, so that a scrub can be stopped at any
 * time and goes on from there.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tools/mkstore/command.h"
#include "base/quantity.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/owner.h"
#include "tools/mkstore/output.h"
#include "tools/mkstore/progress.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"

#define SCRUB_MAGIC	UINT64_C(0x4255524353505030) /* "0PPSCRUB" */
#define SCRUB_RATE_MAX	1000000u		     /* MiB/s */
#define SCRUB_SECOND_NS UINT64_C(1000000000)

struct scrub_state {
	uint64_t magic;
	struct store_scrub scrub;
	uint64_t check; /* all bytes before, summed up: a file that was cut off */
};
static_assert(offsetof(struct scrub_state, check) + sizeof(uint64_t) == sizeof(struct scrub_state),
	      "no byte behind it");

struct scrub {
	struct host *host;
	const char *state;     /* file, or null */
	bool resumed, unsaved; /* the latter: the reason was printed */
	uint64_t rate;	       /* bytes in a second, 0: as fast as possible */
	struct store_scrub scrub;
	uint64_t start_sectors, start_ns, saved_ns;
	struct progress progress;
	struct json *json;     /* null: text */
	struct owners *owners; /* null: no page was named yet */
};

static volatile sig_atomic_t scrub_stop;

static void scrub_on_signal(int number)
{
	(void)number;
	scrub_stop = 1;
}

/* ---- the state file ---------------------------------------------------------------- */

static uint64_t scrub_state_check(const struct scrub_state *state)
{
	const uint8_t *bytes = (const uint8_t *)state;
	uint64_t sum = 1;

	for (size_t i = 0; i < offsetof(struct scrub_state, check); i++)
		sum = sum * 31 + bytes[i];
	return sum;
}

/* No file: a new scrub. */
static bool scrub_state_load(struct scrub *scrub)
{
	struct scrub_state state;
	struct stat information;
	FILE *file;
	size_t got;

	/* What is no file is not opened: that would wait for the other end of a pipe. */
	if (stat(scrub->state, &information) == 0 && !S_ISREG(information.st_mode))
		return command_refuse("%s: is no file: name another one", scrub->state);
	file = fopen(scrub->state, "rb");
	if (!file && errno == ENOENT)
		return true;
	if (!file)
		return command_refuse("%s: cannot be opened: %s", scrub->state, strerror(errno));
	got = fread(&state, 1, sizeof(state), file);
	fclose(file);
	if (got != sizeof(state) || state.magic != SCRUB_MAGIC ||
	    state.check != scrub_state_check(&state))
		return command_refuse(
			"%s: is not the state of a scrub; remove it or name another file",
			scrub->state);
	scrub->scrub = state.scrub;
	scrub->resumed = true;
	return true;
}

/* There is always a whole one. */
static bool scrub_state_save(struct scrub *scrub)
{
	struct scrub_state state = {.magic = SCRUB_MAGIC, .scrub = scrub->scrub};
	struct output output;

	state.check = scrub_state_check(&state);
	if (output_open(&output, scrub->state, true, scrub->host->file) != COMMAND_OK)
		return false;
	if (output_write(&output, &state, sizeof(state)))
		return output_finish(&output) == COMMAND_OK;
	command_error("cannot write '%s': %s", scrub->state, strerror(output.error));
	output_drop(&output);
	return false;
}

/* ---- damage -------------------------------------------------------------------------- */

static const char *scrub_tree_text(uint32_t tree)
{
	static const char *const names[] = {"superblock", "space", "free map", "catalogue",
					    "commit record"};

	static_assert(sizeof(names) / sizeof(names[0]) == STORE_DAMAGE_RECORD + 1,
		      "a word for each");
	return names[tree <= STORE_DAMAGE_RECORD ? tree : STORE_DAMAGE_SUPERBLOCK];
}

/* Of the page, if it is one. */
static const char *scrub_owner(struct scrub *scrub, const struct store_damage *damage)
{
	if (damage->tree != DISK_TREE_SPACE || damage->level)
		return "";
	if (!scrub->owners)
		scrub->owners = owners_open(scrub->host, NULL);
	return owners_name_anywhere(scrub->owners, damage->key);
}

static void scrub_place_text(const struct store_damage *damage, char *text, size_t size)
{
	unsigned shift = DISK_NODE_SHIFT * damage->level;

	if (damage->tree == STORE_DAMAGE_RECORD)
		snprintf(text, size, "commit record in slot %" PRIu64, damage->key);
	else if (damage->tree == STORE_DAMAGE_SUPERBLOCK)
		snprintf(text, size, "%s", damage->key ? "superblock copy" : "superblock");
	else if (!damage->level)
		snprintf(text, size, "%s, %s 0x%" PRIx64, scrub_tree_text(damage->tree),
			 damage->tree == DISK_TREE_CATALOGUE ? "entry" : "page", damage->key);
	else
		snprintf(text, size, "%s, node of level %u, pages 0x%" PRIx64 " to 0x%" PRIx64,
			 scrub_tree_text(damage->tree), damage->level, damage->key << shift,
			 ((damage->key + 1) << shift) - 1);
}

/* Tells who sees the damage: the present state first, then each snapshot. */
static enum status scrub_viewers(struct scrub *scrub, const struct store_damage *damage)
{
	struct store_snapshot snapshot = {.number = {0}};
	struct host *host = scrub->host;
	struct json *json = scrub->json;
	char name[TEXT_NAME(DISK_SNAPSHOT_NAME)];
	enum status status;
	bool sees;

	status = HOST_RETRY(host, store_damage_live(host->store, damage, &sees));
	json_boolean(json, "live", status == STATUS_OK && sees);
	json_array(json, "snapshots");
	if (status == STATUS_OK && sees)
		TEXT_LINE(json, "  seen by the present state\n");
	while (status == STATUS_OK) {
		snapshot_t after = snapshot.number;

		status = HOST_RETRY(
			host, store_damage_next(host->store, damage, after, &snapshot, &sees));
		/* What cannot be read is told as damage of its own. */
		if ((status == STATUS_CORRUPT || status == STATUS_IO) &&
		    snapshot.number.n > after.n)
			status = STATUS_OK;
		if (status != STATUS_OK || !sees)
			continue;
		json_number(json, NULL, snapshot.number.n);
		TEXT_LINE(json, "  seen by snapshot %" PRIu64 " %s\n", snapshot.number.n,
			  TEXT_FIELD(name, snapshot.name));
	}
	json_array_end(json);
	/* Snapshots that cannot be read are told as damage of their own. */
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static void scrub_damage(struct scrub *scrub, const struct store_damage *damage)
{
	const struct disk_reference *reference = &damage->reference;
	const char *owner = scrub_owner(scrub, damage);
	unsigned shift = DISK_NODE_SHIFT * damage->level;
	char place[160], generation[48] = "";
	struct json *json = scrub->json;

	progress_clear(&scrub->progress);
	json_object(json, NULL);
	json_text(json, "problem", damage->status == STATUS_IO ? "read" : "checksum");
	json_text(json, "tree", scrub_tree_text(damage->tree));
	json_number(json, "level", damage->level);
	json_number(json, "key", damage->key);
	if (damage->tree == DISK_TREE_SPACE) {
		json_number(json, "page", damage->key << shift);
		json_number(json, "pages", UINT64_C(1) << shift);
		owners_json(json, owner);
	}
	json_number(json, "sector", disk_reference_sector(reference).n);
	json_number(json, "sectors", reference->sectors);
	json_number(json, "generation", reference->birth);
	json_boolean(json, "repaired", damage->repaired);
	scrub_place_text(damage, place, sizeof(place));
	if (reference->birth)
		snprintf(generation, sizeof(generation), ", of generation %" PRIu64,
			 reference->birth);
	TEXT_LINE(json, "damaged: %s%s%s: %u sectors from %" PRIu64 "%s: %s%s\n", place,
		  *owner ? " of " : "", owner, reference->sectors,
		  disk_reference_sector(reference).n, generation, status_text(damage->status),
		  damage->repaired ? "; written anew" : "");
	if (damage->tree == DISK_TREE_SPACE)
		scrub_viewers(scrub, damage);
	json_object_end(json);
}

/* ---- the run ---------------------------------------------------------------------------- */

/* Sleeps off what was read faster than the rate allows. */
static void scrub_pace(const struct scrub *scrub)
{
	uint64_t bytes = (scrub->scrub.sectors - scrub->start_sectors) * SECTOR_SIZE;
	uint64_t passed = progress_now_ns() - scrub->start_ns, due;
	struct timespec rest;

	if (!scrub->rate)
		return;
	due = bytes / scrub->rate * SCRUB_SECOND_NS +
	      bytes % scrub->rate * SCRUB_SECOND_NS / scrub->rate;
	if (due <= passed)
		return;
	rest.tv_sec = (time_t)((due - passed) / SCRUB_SECOND_NS);
	rest.tv_nsec = (long)((due - passed) % SCRUB_SECOND_NS);
	nanosleep(&rest, NULL);
}

static bool scrub_save_due(struct scrub *scrub)
{
	uint64_t now = progress_now_ns();

	if (!scrub->state || (now - scrub->saved_ns < SCRUB_SECOND_NS && !scrub_stop))
		return true;
	scrub->saved_ns = now;
	scrub->unsaved = !scrub_state_save(scrub);
	return !scrub->unsaved;
}

/* NOT_FOUND: all was read.  OK: stopped. */
static enum status scrub_loop(struct scrub *scrub)
{
	struct store_statistics statistics;
	struct store_damage damage;
	enum status status = STATUS_OK;

	store_statistics_get(scrub->host->store, &statistics);
	/* At once: hours of work shall not end with a file that cannot be written. */
	while (!scrub_stop && scrub_save_due(scrub)) {
		status = store_scrub_step(scrub->host->store, &scrub->scrub, &damage);
		if (status == STATUS_IO || status == STATUS_CORRUPT) {
			scrub_damage(scrub, &damage);
			status = STATUS_OK;
		} else if (status == STATUS_WAIT) {
			status = store_wait(scrub->host->store) ? STATUS_OK
								: host_failure(scrub->host);
		}
		if (status != STATUS_OK)
			break;
		progress_update(&scrub->progress, scrub->scrub.sectors * SECTOR_SIZE,
				statistics.used_sectors * SECTOR_SIZE);
		scrub_pace(scrub);
	}
	if (scrub_stop)
		scrub_save_due(scrub);
	return status;
}

static void scrub_totals(const struct scrub *scrub, bool complete)
{
	const struct store_scrub *totals = &scrub->scrub;
	uint64_t errors = totals->read_errors + totals->checksum_errors;
	char size[TEXT_SIZE];

	TEXT_LINE(scrub->json,
		  "%" PRIu64 " extents, %s, %" PRIu64 " pages, %" PRIu64 " snapshots: %" PRIu64
		  " damaged places%s\n",
		  totals->extents, text_size(size, totals->sectors * SECTOR_SIZE), totals->pages,
		  totals->snapshots, errors, complete ? "" : "; not finished");
	json_object(scrub->json, "totals");
	json_number(scrub->json, "generation", totals->generation);
	json_number(scrub->json, "extents", totals->extents);
	json_number(scrub->json, "sectors", totals->sectors);
	json_number(scrub->json, "nodes", totals->nodes);
	json_number(scrub->json, "pages", totals->pages);
	json_number(scrub->json, "zero_pages", totals->zero_pages);
	json_number(scrub->json, "snapshots", totals->snapshots);
	json_number(scrub->json, "read_errors", totals->read_errors);
	json_number(scrub->json, "checksum_errors", totals->checksum_errors);
	json_number(scrub->json, "repaired", totals->repaired);
	json_object_end(scrub->json);
	json_boolean(scrub->json, "resumed", scrub->resumed);
	json_boolean(scrub->json, "complete", complete);
	json_boolean(scrub->json, "ok", complete && !errors);
}

static enum command_exit scrub_end(struct scrub *scrub, enum status status)
{
	const struct store_scrub *totals = &scrub->scrub;

	if (status == STATUS_INVALID)
		return command_error(
			"%s: is the state of another store's scrub, or damaged: remove it or "
			"name another file",
			scrub->state);
	if (scrub->unsaved)
		return COMMAND_FAILED;
	if (status != STATUS_NOT_FOUND && status != STATUS_OK)
		return host_result(scrub->host, status, "cannot go on reading");
	if (status == STATUS_OK)
		return command_error("stopped; the same command goes on from there%s",
				     scrub->state ? "" : " only with --state FILE");
	if (scrub->state)
		unlink(scrub->state);
	return totals->read_errors + totals->checksum_errors ? COMMAND_FAILED : COMMAND_OK;
}

static enum command_exit scrub_store(struct scrub *scrub)
{
	enum status status;

	if (!scrub->resumed)
		store_scrub_begin(scrub->host->store, &scrub->scrub);
	scrub->start_sectors = scrub->scrub.sectors;
	scrub->start_ns = progress_now_ns();
	signal(SIGINT, scrub_on_signal);
	signal(SIGTERM, scrub_on_signal);
	progress_begin(&scrub->progress, "reading", true);
	status = scrub_loop(scrub);
	progress_end(&scrub->progress);
	json_array_end(scrub->json);
	scrub_totals(scrub, status == STATUS_NOT_FOUND);
	return scrub_end(scrub, status);
}

static bool scrub_rate_parse(const char *text, uint64_t *rate)
{
	uint64_t value = 0;

	if (text &&
	    (!quantity_parse(text, QUANTITY_NUMBER, &value) || !value || value > SCRUB_RATE_MAX))
		return command_refuse("'%s' is no rate: a whole number of MiB in a second, 1 to %u",
				      text, SCRUB_RATE_MAX);
	*rate = value << 20;
	return true;
}

static enum command_exit scrub_run(const struct command_invocation *invocation)
{
	bool repair = command_value(invocation, "repair") != NULL;
	struct scrub scrub = {.host = invocation->host,
			      .state = command_value(invocation, "state")};
	enum command_exit result;

	if (!scrub_rate_parse(command_value(invocation, "rate"), &scrub.rate))
		return COMMAND_USAGE;
	if (scrub.state && !scrub_state_load(&scrub))
		return COMMAND_FAILED;
	result = host_open(scrub.host, invocation, repair ? HOST_WRITE : HOST_READ);
	if (result != COMMAND_OK)
		return result;
	scrub.json = show_json(invocation->show);
	json_text(scrub.json, "image", scrub.host->path);
	json_array(scrub.json, "damage");
	result = scrub_store(&scrub);
	owners_close(scrub.owners);
	return result;
}

static const struct command_option scrub_options[] = {
	{"rate", "MIB", "read at most so many MiB in a second"},
	{"state", "FILE", "where it has got to: goes on from there if it was stopped"},
	{"repair", NULL, "write a damaged superblock anew from the other one"},
	{0},
};

const struct command command_scrub = {
	.name = "scrub",
	.usage = "IMAGE",
	.summary = "Reads everything once and says what is damaged",
	.details =
		"Superblocks, the two newest commit records, catalogue, free map, every snapshot\n"
		"and the present state are read from the disk and verified, each block once; "
		"damage\n"
		"is told with the page, the sectors, and the snapshots that see it, and does not\n"
		"stop the reading of others.\n"
		"With --state a scrub that was stopped goes on; FILE is removed when all is read.\n"
		"Exit code 0: no damage; 1: damage was found (in a part before --state's, too), "
		"or\n"
		"it was stopped.  'verify' checks more: that all of it fits together.\n",
	.options = scrub_options,
	.run = scrub_run,
};
