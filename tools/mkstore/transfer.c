/* SPDX-License-Identifier: MIT */
/*
 * transfer.c - `cat`, `get` and `put`: objects of the store become bytes of the host and
 * the other way round.
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

#include "base/quantity.h"
#include "tools/mkstore/command.h"
#include "tools/mkstore/content.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/kind.h"
#include "tools/mkstore/output.h"
#include "tools/mkstore/path.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"
#include "tools/mkstore/tree.h"

#define TRANSFER_JSON_MAX (1024u * 1024u)

/* The segment of that path; prints why there is none. */
static enum command_exit transfer_find(struct host *host, const char *path,
				       struct disk_object *record)
{
	struct disk_capability capability;

	TRY(host_result(host, path_find(host, path, &capability, record), "cannot read '%s'",
			path));
	if (record->type == OBJECT_SEGMENT)
		return COMMAND_OK;
	return command_error("%s: '%s' is a %s: only segments have bytes", host->path, path,
			     object_type_name(record->type));
}

/* ---- cat -------------------------------------------------------------------------- */

/* The content as one JSON string, for small objects. */
static enum command_exit transfer_cat_json(const struct command_invocation *invocation,
					   const struct disk_object *record)
{
	const char *path = invocation->operand[1];
	struct host *host = invocation->host;
	struct content_sink sink = {.name = path, .seekable = true};
	enum command_exit result = COMMAND_FAILED;
	FILE *file = tmpfile();
	char *text = malloc(record->size + 1);
	struct json *json;

	if (record->size > TRANSFER_JSON_MAX) {
		command_error("%s: '%s' has %" PRIu64 " bytes, too many for JSON: use get",
			      host->path, path, record->size);
	} else if (!file || !text) {
		command_error("cannot hold '%s': %s", path, strerror(errno));
	} else {
		sink.descriptor = fileno(file);
		result = content_read(host, record, &sink);
		if (result == COMMAND_OK &&
		    pread(sink.descriptor, text, record->size, 0) != (ssize_t)record->size)
			result = COMMAND_FAILED;
	}
	if (result == COMMAND_OK) {
		json = show_json(invocation->show);
		json_text(json, "path", path);
		json_number(json, "size_bytes", record->size);
		json_bytes(json, "text", text, record->size);
	}
	if (file)
		fclose(file);
	free(text);
	return result;
}

static enum command_exit transfer_cat(const struct command_invocation *invocation)
{
	const char *path = invocation->operand[1];
	struct content_sink sink = {.descriptor = STDOUT_FILENO, .name = path};
	struct disk_object record;
	struct output output;
	struct host *host = invocation->host;

	TRY(transfer_find(host, path, &record));
	TRY(output_open(&output, "-", false, host->file));
	return invocation->json ? transfer_cat_json(invocation, &record)
				: content_read(host, &record, &sink);
}

/* ---- get -------------------------------------------------------------------------- */

static const char *transfer_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The bytes into the host's file, which stays as it was if they are not all there.  Where
 * holes were asked for, a file with holes is what was wanted. */
static enum command_exit transfer_write(struct host *host, const struct disk_object *record,
					struct output *output, struct content_sink *sink)
{
	enum command_exit result, finished;

	sink->descriptor = output->descriptor;
	sink->seekable = output->whole;
	result = content_read(host, record, sink);
	if (!sink->complete) {
		output_drop(output);
		return result;
	}
	if (output->whole && sink->wall_ns)
		futimens(output->descriptor, (struct timespec[2]){content_timespec(sink->wall_ns),
								  content_timespec(sink->wall_ns)});
	finished = output_finish(output);
	sink->complete = finished == COMMAND_OK;
	return result == COMMAND_OK ? finished : result;
}

/* A directory, as a folder or a stream. */
static enum command_exit transfer_get_tree(const struct command_invocation *invocation,
					   const struct disk_capability *directory,
					   const char *file)
{
	struct host *host = invocation->host;
	struct tree tree = {.host = host,
			    .name = file,
			    .skip = command_value(invocation, "skip") != NULL,
			    .keep_going = command_value(invocation, "keep-going") != NULL,
			    .top = {directory->object}};
	struct output output;

	if (command_value(invocation, "tar")) {
		TRY(output_open(&output, file, command_value(invocation, "force") != NULL,
				host->file));
		TRY(tar_get(&tree, &output));
	} else {
		TRY(folder_get(&tree));
	}
	tree_show(invocation->show, &tree);
	return COMMAND_OK;
}

static const char *transfer_file(const struct command_invocation *invocation)
{
	return invocation->operands > 2 ? invocation->operand[2]
					: transfer_base(invocation->operand[1]);
}

static bool transfer_get_check(const struct command_invocation *invocation)
{
	if (!invocation->json || strcmp(transfer_file(invocation), "-") != 0)
		return true;
	return command_refuse("the standard output cannot take both the bytes and JSON");
}

static enum command_exit transfer_get(const struct command_invocation *invocation)
{
	const char *path = invocation->operand[1];
	const char *file = transfer_file(invocation);
	struct content_sink sink = {.name = file};
	struct disk_capability capability;
	struct disk_object record;
	struct output output;
	struct host *host = invocation->host;
	struct show *show = invocation->show;
	enum command_exit result;

	if (path_find(host, path, &capability, &record) == STATUS_OK &&
	    record.type == OBJECT_DIRECTORY)
		return transfer_get_tree(invocation, &capability, file);
	result = transfer_find(host, path, &record);
	if (result == COMMAND_OK)
		result = output_open(&output, file, command_value(invocation, "force") != NULL,
				     host->file);
	if (result != COMMAND_OK)
		return result;
	sink.keep_going = command_value(invocation, "keep-going") != NULL;
	result = transfer_write(host, &record, &output, &sink);
	if (sink.complete) {
		fact_text(show, "path", NULL, path);
		fact_text(show, "file", NULL, file);
		fact_number(show, "size_bytes", NULL, record.size);
		fact_number(show, "damaged_pages", NULL, sink.bad_pages);
	}
	return result;
}

/* ---- put -------------------------------------------------------------------------- */

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

	TRY(host_result(host, path_resolve(host, capability, &record),
			"cannot write '%s' (rm removes the name)", put->path));
	if (record.type != OBJECT_SEGMENT)
		return command_error("%s: '%s' is a %s: only segments have bytes", host->path,
				     put->path, object_type_name(record.type));
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

static enum command_exit put_store(struct host *host, struct put *put)
{
	struct content_source source = {.context = &put->descriptor,
					.read = content_read_descriptor,
					.name = put->path,
					.bytes = put->bytes,
					.wall_ns = put->wall_ns};
	struct object_request request = {
		.type = OBJECT_SEGMENT, .size_max = put->most_given ? put->most_bytes : put->bytes};
	struct path_partial partial = {.object = {0}};
	struct disk_capability capability;
	struct path_place place;
	enum command_exit result;
	enum status status;

	TRY(path_result(host, path_place_find(host, put->path, &place), "write", put->path));
	status = path_place_lookup(host, &place, &capability);
	put->created = status == STATUS_NOT_FOUND;
	if (put->created) {
		request.size_max = request.size_max ? request.size_max : PAGE_SIZE;
		status = path_partial_create(host, place.directory, &request, &partial);
		result = host_result(host, status, "cannot create '%s'", put->path);
		put->object = partial.object;
	} else {
		TRY(path_result(host, status, "write", put->path));
		result = put_existing(host, put, &capability);
	}
	if (result == COMMAND_OK)
		result = content_write(host, put->object, &source);
	if (result == COMMAND_OK && put->created)
		result = host_result(host, path_rename(host, &partial.place, &place, false),
				     "cannot name '%s'", put->path);
	if (result == COMMAND_OK)
		return host_result(host, host_finish(host), "cannot commit '%s'", put->path);
	path_partial_undo(host, &partial);
	return result;
}

/* ---- the command -------------------------------------------------------------------- */

/* A directory as the target means the file's own name in it. */
static bool put_target(struct host *host, struct put *put, const char *given, char **made)
{
	const char *base = transfer_base(put->file);
	struct disk_capability capability;
	struct disk_object record;
	size_t length = strlen(given);

	*made = NULL;
	put->path = given;
	if (path_find(host, given, &capability, &record) != STATUS_OK ||
	    record.type != OBJECT_DIRECTORY)
		return true;
	if (strcmp(base, "-") == 0)
		return command_refuse(
			"the standard input has no name: say which object '%s' is to get, as "
			"PATH",
			given);
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
	fact_boolean(show, "created", NULL, put->created);
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
		return host_result(host, STATUS_NO_MEMORY, "cannot put '%s'", put->file);
	result = put->tar ? tree_put(&tree, given, NULL, tar_fill, &put->descriptor)
			  : tree_put(&tree, given, transfer_base(base), folder_fill, base);
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

static const struct command_option transfer_get_options[] = {
	{"force", NULL, "replace FILE if it exists"},
	{"keep-going", NULL, "put zeros where pages are damaged, and go on"},
	{"tar", NULL, "write what is in a directory as a tar stream"},
	{"skip", NULL, "leave out what is neither bytes nor a directory, with a word each"},
	HOST_SNAPSHOT_OPTION,
	HOST_LIVE_OPTION,
	{0},
};

const struct command command_cat = {
	.name = "cat",
	.usage = "IMAGE PATH",
	.summary = "Prints the bytes of an object",
	.details = "With --json the bytes are one string of at most 1 MiB.\n",
	.options = host_look_options,
	.opens = COMMAND_READS,
	.run = transfer_cat,
};

const struct command command_get = {
	.name = "get",
	.usage = "IMAGE PATH [FILE]",
	.summary = "Copies an object into a file, or a directory into a folder",
	.details =
		"FILE is by default the last part of PATH, in the current directory; '-' is the\n"
		"standard output.  Pages that were never written become holes of FILE.  If a page\n"
		"is damaged, get says where and fails, and FILE is as it was before; with\n"
		"--keep-going it goes on and fails at the end.\n\n"
		"A directory becomes a new folder FILE with all that is below it, or a tar "
		"stream.\n"
		"A file has the time of the one that was put, if its bytes are still the same.\n",
	.options = transfer_get_options,
	.opens = COMMAND_READS,
	.check = transfer_get_check,
	.run = transfer_get,
};
