/* SPDX-License-Identifier: MIT */
/*
 * create.c - `create`: formats a store and lays an initial system down in it.
 *
 * The store goes into the store partition of a disk image that exists, or into
 * a file of its own.  Nothing that could be of use to somebody is overwritten
 * without --force.  With --identity and --created the same inputs give the same
 * bytes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/mkstore/command.h"
#include "base/quantity.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/manifest.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"

#define CREATE_SIZE_DEFAULT   (UINT64_C(1) << 30)
#define CREATE_SYSTEM_SECTORS 65536u /* what is set aside for a full store leaves room */
#define CREATE_PROBE_BYTES    (1024u * 1024u)
#define CREATE_MARGIN_PAGES   192u /* map nodes, free map and a commit of a small store */

struct create {
	const struct command_invocation *invocation;
	const char *path, *manifest_name, *files;
	struct store_format_options format;
	uint64_t size;	    /* bytes asked for; 0: not given */
	uint64_t allowance; /* the same for --allowance */
	bool force;
	bool made; /* the file was created here */
	struct manifest manifest;
};

/* ---- options ------------------------------------------------------------------------ */

static bool create_identity(struct create *create)
{
	const char *text = command_value(create->invocation, "identity");
	uint8_t *identity = create->format.identity;

	if (text) {
		if (text_identity_parse(text, identity))
			return true;
		return command_refuse("--identity '%s' is no UUID", text);
	}
	if (host_identity(identity) == STATUS_OK)
		return true;
	return command_refuse("no random numbers: %s", strerror(errno));
}

/* The time of creation: --created, SOURCE_DATE_EPOCH, or now. */
static bool create_time(struct create *create)
{
	const char *text = command_value(create->invocation, "created");
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	uint64_t seconds;

	create->format.created_ns = host_now_ns();
	if (text) {
		if (quantity_parse(text, QUANTITY_NUMBER, &create->format.created_ns))
			return true;
		return command_refuse("--created '%s' is no number of nanoseconds", text);
	}
	if (epoch && quantity_parse(epoch, QUANTITY_NUMBER, &seconds) &&
	    seconds < UINT64_C(1) << 33)
		create->format.created_ns = seconds * UINT64_C(1000000000);
	return true;
}

static bool create_numbers(struct create *create)
{
	const char *size = command_value(create->invocation, "size");
	const char *unit = command_value(create->invocation, "write-unit");
	const char *allowance = command_value(create->invocation, "allowance");
	const char *rule = command_value(create->invocation, "retention");
	uint64_t number = 0;

	if (size &&
	    (!quantity_parse(size, QUANTITY_SIZE, &create->size) ||
	     create->size % BLOCK_SIZE != 0 || create->size / SECTOR_SIZE < DISK_SECTORS_MIN ||
	     create->size / SECTOR_SIZE > DISK_SECTORS_MAX))
		return command_refuse(
			"--size '%s' must be a multiple of 4096 bytes, at least 4M and at "
			"most 65536T",
			size);
	if (unit && (!quantity_parse(unit, QUANTITY_NUMBER, &number) ||
		     (number != SECTOR_SIZE && number != BLOCK_SIZE)))
		return command_refuse("--write-unit '%s' must be 512 or 4096", unit);
	if (rule && !text_retention_parse(rule, &create->format.retention))
		return false;
	if (allowance &&
	    (!quantity_parse(allowance, QUANTITY_SIZE, &create->allowance) || !create->allowance))
		return command_refuse("--allowance '%s' is no size; write bytes, or 64M, 1G",
				      allowance);
	create->format.write_unit = (uint32_t)number; /* 0: as the device says */
	return true;
}

/* Reads and parses the manifest, if one is named, before anything is touched. */
static bool create_manifest(struct create *create)
{
	struct manifest_error error;
	char *text;
	size_t length;
	FILE *file;
	bool parsed;

	if (!create->manifest_name)
		return manifest_parse(&create->manifest, "", 0, &error);
	file = fopen(create->manifest_name, "re");
	text = malloc(MANIFEST_BYTES_MAX + 1);
	if (!file || !text) {
		command_error("cannot open the manifest '%s': %s", create->manifest_name,
			      strerror(errno));
		if (file)
			fclose(file);
		free(text);
		return false;
	}
	length = fread(text, 1, MANIFEST_BYTES_MAX + 1, file);
	parsed = !ferror(file) && manifest_parse(&create->manifest, text, length, &error);
	if (ferror(file))
		command_error("cannot read the manifest '%s'", create->manifest_name);
	else if (!parsed)
		command_error("%s:%u: %s", create->manifest_name, error.line, error.text);
	fclose(file);
	free(text);
	return parsed;
}

static bool create_label(struct create *create)
{
	const char *label = command_value(create->invocation, "label");

	if (!label)
		label = create->manifest.label;
	if (strlen(label) >= sizeof(create->format.label))
		return command_refuse("a label has at most %zu bytes",
				      sizeof(create->format.label) - 1);
	memcpy(create->format.label, label, strlen(label));
	return true;
}

/* ---- the place ----------------------------------------------------------------------- */

/* Is there anything at the beginning of the place that a store would destroy? */
static enum command_exit create_probe(const struct create *create, struct host *host)
{
	uint64_t first = host->partitioned ? host->partition.first : 0;
	uint64_t bytes = host->device->sectors * SECTOR_SIZE, used = 0, magic;
	uint8_t *data;
	enum status status = STATUS_OK;

	if (create->force || create->made)
		return COMMAND_OK;
	if (bytes > CREATE_PROBE_BYTES)
		bytes = CREATE_PROBE_BYTES;
	data = calloc(1, bytes + sizeof(magic));
	if (!data)
		return host_result(host, STATUS_NO_MEMORY, "cannot look at what is there");
	status = file_device_read(host->file, first * SECTOR_SIZE, data, bytes);
	memcpy(&magic, data, sizeof(magic));
	while (used < bytes && data[used] == 0)
		used++;
	free(data);
	TRY(host_result(host, status, "cannot look at what is there"));
	if (used == bytes)
		return COMMAND_OK;
	return command_error("%s: %s; --force overwrites it", host->path,
			     magic == DISK_MAGIC_SUPERBLOCK ? "there is a store already"
							    : "it is not empty");
}

static enum command_exit create_sectors(struct create *create, const struct host *host)
{
	/* Whole blocks: what a file has beyond them is not used. */
	create->format.sectors = host->device->sectors / BLOCK_SECTORS * BLOCK_SECTORS;
	if (create->size && create->size / SECTOR_SIZE > host->device->sectors)
		return command_error("%s: --size is more than the %" PRIu64 " bytes there are",
				     host->path, host->device->sectors * SECTOR_SIZE);
	if (create->size)
		create->format.sectors = create->size / SECTOR_SIZE;
	if (create->format.sectors < DISK_SECTORS_MIN)
		return command_error("%s: %" PRIu64
				     " bytes are too few: a store has at least 4 MiB",
				     host->path, create->format.sectors * SECTOR_SIZE);
	if (create->format.write_unit && host->partition.sector_bytes > create->format.write_unit)
		return command_error("%s: is partitioned for sectors of %" PRIu32
				     " bytes: its write unit cannot be less",
				     host->path, host->partition.sector_bytes);
	if (create->manifest.machines && create->format.sectors < CREATE_SYSTEM_SECTORS)
		return command_error("%s: %" PRIu64
				     " bytes are too few: a store with a system has at "
				     "least 32 MiB",
				     host->path, create->format.sectors * SECTOR_SIZE);
	create->format.deltas = true;
	create->format.columns = true;
	create->format.counted = true;
	if (create->format.write_unit == 0)
		create->format.write_unit = host->device->write_unit;
	return COMMAND_OK;
}

/* ---- the store -------------------------------------------------------------------------- */

/* Limit of the first bank.  By default what fits without compression, so that
 * objects alone never fill the store; what they do not take is for snapshots. */
static uint64_t create_limit_pages(const struct create *create)
{
	uint64_t blocks = (create->format.sectors - DISK_DATA_SECTOR) / BLOCK_SECTORS;

	if (create->allowance)
		return (create->allowance + PAGE_SIZE - 1) / PAGE_SIZE;
	return blocks - blocks / 16 - CREATE_MARGIN_PAGES;
}

static enum command_exit create_fill(struct create *create, struct host *host)
{
	uint64_t limit_pages = create_limit_pages(create);
	enum status status = store_format(host->store, &create->format);

	if (status == STATUS_OK && create->manifest.machines)
		host_set_aside(host);
	if (status == STATUS_OK)
		status = HOST_RETRY(host, objects_format(&host->space, limit_pages));
	TRY(host_result(host, status, "cannot format the store"));
	TRY(initial_lay(host, &create->manifest, create->manifest_name, create->files));
	status = host_finish(host);
	return host_result(host, status, "cannot commit the first generation");
}

static void create_show(const struct create *create, const struct host *host)
{
	struct show *show = create->invocation->show;

	fact_text(show, "image", NULL, create->path);
	fact_identity(show, "identity", NULL, create->format.identity);
	fact_text(show, "label", NULL, create->format.label);
	fact_number(show, "sectors", NULL, create->format.sectors);
	fact_number(show, "partition", NULL, host->partitioned ? host->partition.number : 0);
	fact_number(show, "generation", NULL, store_durable(host->store).n);
	fact_number(show, "objects", NULL, create->manifest.objects);
	fact_number(show, "machines", NULL, create->manifest.machines);
}

static enum command_exit create_store(struct create *create)
{
	struct host *host = create->invocation->host;
	/* An empty file is as good as none. */
	enum command_exit result =
		host_open_format(host, create->invocation, 1,
				 create->size ? create->size : CREATE_SIZE_DEFAULT, &create->made);

	host->wall_ns = create->format.created_ns;
	if (result == COMMAND_OK)
		result = create_probe(create, host);
	if (result == COMMAND_OK)
		result = create_sectors(create, host);
	if (result == COMMAND_OK)
		result = create_fill(create, host);
	if (result == COMMAND_OK)
		create_show(create, host);
	/* Whoever has locked it meanwhile makes something of it. */
	if (result != COMMAND_OK && result != COMMAND_IN_USE && create->made)
		unlink(create->path);
	return result;
}

static enum command_exit create_run(const struct command_invocation *invocation)
{
	struct create create = {.invocation = invocation,
				.path = invocation->operand[0],
				.manifest_name = command_value(invocation, "manifest"),
				.files = command_value(invocation, "files"),
				.force = command_value(invocation, "force") != NULL};
	enum command_exit result;

	if (!create.files)
		create.files = ".";
	if (!create_identity(&create) || !create_time(&create) || !create_numbers(&create))
		return COMMAND_USAGE;
	if (!create_manifest(&create))
		return COMMAND_FAILED;
	if (!command_value(invocation, "retention"))
		create.format.retention = create.manifest.retention;
	result = create_label(&create) ? create_store(&create) : COMMAND_USAGE;
	manifest_free(&create.manifest);
	return result;
}

static const struct command_option create_options[] = {
	{"manifest", "FILE", "the initial system (default: an empty root directory)"},
	{"files", "DIR", "where the files that the manifest names are (default: here)"},
	{"size", "SIZE", "of the store: bytes, or 64M, 1G (default: 1G, or the partition)"},
	{"allowance", "SIZE", "most that objects may take (default: what fits uncompressed)"},
	{"label", "TEXT", "name of the store (default: as the manifest says)"},
	{"identity", "UUID", "instead of a random one"},
	{"created", "NS", "time of creation, ns since 1970 (default: SOURCE_DATE_EPOCH, now)"},
	{"retention", "RULE", "generations kept automatically (default: as the manifest says)"},
	{"write-unit", "BYTES", "512 or 4096 (default: as the disk or its partition table says)"},
	{"force", NULL, "overwrite what is there"},
	{0},
};

const struct command command_create = {
	.name = "create",
	.usage = "IMAGE",
	.summary = "Makes a store with an initial system",
	.details =
		"If IMAGE is a disk image with a store partition, the store fills the partition;\n"
		"otherwise IMAGE becomes a file with nothing but the store.  The manifest's\n"
		"machines are about to execute their first instruction: booting resumes them.\n"
		"With --identity and --created the same inputs give the same bytes.\n",
	.options = create_options,
	.run = create_run,
};
