/* SPDX-License-Identifier: MIT */
/*
 * put.c - `put`: a file of the host becomes an object of the store.
 *
 * A file larger than the page cache takes several commits.  A new object
 * therefore carries the name .partial-NUMBER until all of it is there; the one
 * rename that gives it its own is in the last commit.  An existing object is
 * overwritten in place, because capabilities to it are in other hands.
 */
#define _GNU_SOURCE /* asprintf */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/mkstore/command.h"
#include "base/quantity.h"
#include "tools/mkstore/content.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/kind.h"
#include "tools/mkstore/path.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"
#include "tools/mkstore/tree.h"

struct put {
	const char *file; /* of the host */
	int descriptor;
	uint64_t bytes;
	uint64_t most_bytes; /* what a new object may grow to */
	bool most_given;
	uint64_t wall_ns; /* when the file was changed last */
	bool folder, tar;
	const char *path; /* in the store */
	object_t object;
	char partial[40]; /* name that it has until it is whole */
	bool created;
	bool force;
};

/* ---- the host's file ------------------------------------------------------------ */

/* A pipe has no size: its bytes go into an unnamed file first. */
static bool put_spool(struct put *put)
{
	char data[65536];
	FILE *file = tmpfile();
	ssize_t got = 0;
	bool written = file != NULL;

	while (written && ((got = read(put->descriptor, data, sizeof(data))) > 0 ||
			   (got < 0 && errno == EINTR)))
		if (got > 0)
			written = fwrite(data, 1, (size_t)got, file) == (size_t)got;
	if (!written || got < 0 || fflush(file) != 0) {
		command_error("cannot read '%s': %s", put->file, strerror(errno));
		if (file)
			fclose(file);
		return false;
	}
	/* The stream stays open until the process ends, and with it the file. */
	put->descriptor = fileno(file);
	return true;
}

static bool put_open(struct put *put)
{
	struct stat information;

	put->descriptor = STDIN_FILENO;
	if (strcmp(put->file, "-") != 0)
		put->descriptor = open(put->file, O_RDONLY | O_CLOEXEC);
	if (put->descriptor < 0 || fstat(put->descriptor, &information) != 0)
		return command_refuse("cannot open '%s': %s", put->file, strerror(errno));
	put->folder = S_ISDIR(information.st_mode);
	if (put->folder || put->tar)
		return true;
	if (!S_ISREG(information.st_mode) &&
	    (!put_spool(put) || fstat(put->descriptor, &information) != 0 ||
	     lseek(put->descriptor, 0, SEEK_SET) != 0))
		return false;
	put->bytes = (uint64_t)information.st_size;
	put->wall_ns = content_wall_ns(information.st_mtim);
	return true;
}

/* ---- the object ------------------------------------------------------------------- */

static bool put_is_program(const void *bytes, size_t length)
{
	return length >= 4 && memcmp(bytes, "\177ELF", 4) == 0;
}

/* A program is replaced by another one with a word, and by anything else only on
 * purpose: its name was probably a slip. */
static enum command_exit put_over(struct host *host, const struct put *put,
				  const struct disk_object *record)
{
	char first[4];
	void *data;
	enum status status = STATUS_ABSENT;

	if (record->size && !put->force)
		status = HOST_RETRY(host,
				    space_read(&host->space, (page_t){record->first_page}, &data));
	if (status != STATUS_OK || !put_is_program(data, record->size))
		return COMMAND_OK;
	if (put_is_program(first, pread(put->descriptor, first, 4, 0) == 4 ? 4 : 0)) {
		command_note("%s: '%s' was a program, and becomes another one", host->path,
			     put->path);
		return COMMAND_OK;
	}
	return command_error(
		"%s: '%s' is a program, and '%s' is none: --force overwrites it all the same",
		host->path, put->path, put->file);
}

/* An object of that name is there: can it take the bytes? */
static enum command_exit put_existing(struct host *host, struct put *put,
				      const struct disk_capability *capability)
{
	char most[TEXT_SIZE];
	struct disk_object record;
	enum status status =
		HOST_RETRY(host, object_resolve(&host->space, capability, OBJECT_NONE, 0, &record));

	if (status != STATUS_OK)
		return host_error(host, status, "cannot write '%s' (rm removes the name)",
				  put->path);
	if (record.type != OBJECT_SEGMENT)
		return command_error("%s: '%s' is a %s: only segments have bytes", host->path,
				     put->path, kind_type_text(record.type));
	if (put->bytes > record.range_pages * PAGE_SIZE)
		return command_error("%s: '%s' can grow to %s only, '%s' has %" PRIu64
				     " bytes: rm it first, or give the new object another name",
				     host->path, put->path,
				     text_size(most, record.range_pages * PAGE_SIZE), put->file,
				     put->bytes);
	if (put_over(host, put, &record) != COMMAND_OK)
		return COMMAND_FAILED;
	if (put->most_given)
		command_note("%s: '%s' exists: --max is for new objects", host->path, put->path);
	put->object = (object_t){capability->object};
	return COMMAND_OK;
}

/* Under a name of its own, until it is whole. */
static enum command_exit put_create(struct host *host, struct put *put,
				    const struct path_place *place)
{
	const struct path_place partial = {.directory = place->directory,
					   .name = put->partial,
					   .length = strlen(put->partial)};
	struct object_request request = {.type = OBJECT_SEGMENT,
					 .size = 0,
					 .size_max =
						 put->most_given ? put->most_bytes : put->bytes};
	enum status status;

	if (request.size_max == 0)
		request.size_max = PAGE_SIZE;
	status = path_create(host, &partial, &request, &put->object);
	put->created = put->object.n != 0;
	return host_result(host, status, "cannot create '%s'", put->path);
}

/* Gives the finished object its own name. */
static enum command_exit put_name(struct host *host, struct put *put,
				  const struct path_place *place)
{
	enum status status =
		HOST_RETRY(host, directory_rename(&host->space, place->directory, put->partial,
						  strlen(put->partial), place->directory,
						  place->name, place->length, false));

	return host_result(host, status, "cannot name '%s'", put->path);
}

/* Takes back what earlier commits of this run made durable. */
static void put_undo(struct host *host, const struct put *put, const struct path_place *place)
{
	enum status status = path_remove(host, place->directory, put->partial, strlen(put->partial),
					 put->object);

	if (status == STATUS_OK)
		status = host_finish(host);
	if (status != STATUS_OK)
		command_note("%s: part of the object stays as '%s'; rm removes it", host->path,
			     put->partial);
}

static enum command_exit put_store(struct host *host, struct put *put)
{
	struct content_source source = {.context = &put->descriptor,
					.read = content_read_descriptor,
					.name = put->path,
					.bytes = put->bytes,
					.wall_ns = put->wall_ns};
	generation_t before = store_durable(host->store);
	struct disk_capability capability;
	struct path_place place;
	enum command_exit result;
	enum status status = path_place_find(host, put->path, &place);

	snprintf(put->partial, sizeof(put->partial), ".partial-%" PRIu64, before.n);
	if (status != STATUS_OK)
		return path_error(host, status, "write", put->path);
	status = HOST_RETRY(host, directory_lookup(&host->space, place.directory, place.name,
						   place.length, &capability));
	if (status == STATUS_NOT_FOUND)
		result = put_create(host, put, &place);
	else if (status == STATUS_OK)
		result = put_existing(host, put, &capability);
	else
		return path_error(host, status, "write", put->path);
	if (result == COMMAND_OK)
		result = content_write(host, put->object, &source);
	if (result == COMMAND_OK && put->created)
		result = put_name(host, put, &place);
	if (result == COMMAND_OK) {
		status = host_finish(host);
		if (status != STATUS_OK)
			result = host_error(host, status, "cannot commit '%s'", put->path);
	} else if (put->created && store_durable(host->store).n != before.n) {
		put_undo(host, put, &place);
	}
	return result;
}

/* ---- the command -------------------------------------------------------------------- */

static const char *put_base(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash && slash[1] ? slash + 1 : file;
}

/* A directory as the target means the file's own name in it. */
static bool put_target(struct host *host, struct put *put, const char *given, char **made)
{
	const char *base = put_base(put->file);
	struct disk_capability capability;
	struct disk_object record;
	size_t length = strlen(given);

	*made = NULL;
	put->path = given;
	if (strcmp(base, "-") == 0 && path_find(host, given, &capability, &record) == STATUS_OK &&
	    record.type == OBJECT_DIRECTORY)
		return command_refuse(
			"the standard input has no name: say which object '%s' is to get, as "
			"PATH",
			given);
	if (path_find(host, given, &capability, &record) != STATUS_OK ||
	    record.type != OBJECT_DIRECTORY)
		return true;
	while (length && given[length - 1] == '/')
		length--;
	if (asprintf(made, "%.*s/%s", (int)length, given, base) < 0)
		return command_refuse("memory is short");
	put->path = *made;
	return true;
}

static void put_show(const struct command_invocation *invocation, const struct put *put)
{
	struct show *show = invocation->show;

	fact_text(show, "path", NULL, put->path);
	fact_number(show, "object", NULL, put->object.n);
	fact_number(show, "size_bytes", NULL, put->bytes);
	show_fact(show, "created", NULL);
	show_boolean(show, put->created);
	fact_number(show, "generation", NULL, store_durable(invocation->host->store).n);
}

/* A folder or a stream. */
static enum command_exit put_tree(struct host *host, struct put *put,
				  const struct command_invocation *invocation, const char *given)
{
	size_t length = strlen(put->file);
	struct tree tree = {
		.host = host, .name = put->file, .skip = command_value(invocation, "skip") != NULL};
	enum command_exit result;
	char *base;

	while (length > 1 && put->file[length - 1] == '/')
		length--;
	base = strndup(put->file, length);
	if (!base)
		return host_error(host, STATUS_NO_MEMORY, "cannot put '%s'", put->file);
	result = put->tar ? tree_put(&tree, given, NULL, tar_fill, &put->descriptor)
			  : tree_put(&tree, given, put_base(base), folder_fill, base);
	free(base);
	if (result != COMMAND_OK)
		return result;
	tree_show(invocation->show, &tree);
	fact_number(invocation->show, "generation", NULL, store_durable(host->store).n);
	return result;
}

static enum command_exit put_run(const struct command_invocation *invocation)
{
	const char *most = command_value(invocation, "max");
	const char *given = invocation->operands > 2 ? invocation->operand[2] : "/";
	struct put put = {.file = invocation->operand[1],
			  .most_given = most != NULL,
			  .force = command_value(invocation, "force") != NULL,
			  .tar = command_value(invocation, "tar") != NULL};
	char *made = NULL;
	struct host *host = invocation->host;
	enum command_exit result;

	if (most && !quantity_parse(most, QUANTITY_SIZE, &put.most_bytes))
		return command_misuse("--max '%s' is no size; write bytes, or 16K, 4M, 1G", most);
	if (!put_open(&put))
		return COMMAND_FAILED;
	if (most && (put.folder || put.tar))
		return command_misuse("--max is for one object");
	if (most && put.most_bytes < put.bytes)
		return command_misuse("--max %s is less than the %" PRIu64 " bytes of '%s'", most,
				      put.bytes, put.file);
	result = host_open(host, invocation, HOST_WRITE);
	if (result != COMMAND_OK)
		return result;
	if (put.folder || put.tar)
		return put_tree(host, &put, invocation, given);
	result = put_target(host, &put, given, &made) ? put_store(host, &put) : COMMAND_FAILED;
	if (result == COMMAND_OK)
		put_show(invocation, &put);
	free(made);
	return result;
}

static const struct command_option put_options[] = {
	{"max", "SIZE", "what a new object may grow to (default: the file's size)"},
	{"force", NULL, "overwrite a program with what is none"},
	{"tar", NULL, "FILE is a tar stream: put what is in it"},
	{"skip", NULL, "leave out links, devices and the like, with a word each"},
	{0},
};

const struct command command_put = {
	.name = "put",
	.usage = "IMAGE FILE [PATH]",
	.summary = "Copies a file, a folder or a tar stream in",
	.details =
		"PATH is by default the root directory; in a directory the object gets FILE's own\n"
		"name.  FILE '-' is the standard input.  An object that exists is overwritten in\n"
		"place, and programs that hold it see the new bytes.  A new object is there as a\n"
		"whole or not at all; overwriting is so too up to 8 MiB, beyond that take a\n"
		"snapshot first.\n\n"
		"A folder, or what is in a tar stream, becomes a new directory PATH, or goes into\n"
		"PATH if that is one: all of it or nothing.  Names, sizes and times are kept.\n",
	.options = put_options,
	.run = put_run,
};
