/* SPDX-License-Identifier: MIT */
/*
 * transfer.c - `cat` and `get`: objects of the store become bytes of the host.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/mkstore/command.h"
#include "tools/mkstore/content.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/kind.h"
#include "tools/mkstore/output.h"
#include "tools/mkstore/path.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/tree.h"

#define TRANSFER_JSON_MAX (1024u * 1024u)

/* The segment of that path; prints why there is none. */
static enum command_exit transfer_find(struct host *host, const char *path,
				       struct disk_object *record)
{
	struct disk_capability capability;
	enum status status = path_find(host, path, &capability, record);

	if (status != STATUS_OK)
		return host_error(host, status, "cannot read '%s'", path);
	if (record->type == OBJECT_SEGMENT)
		return COMMAND_OK;
	return command_error("%s: '%s' is a %s: only segments have bytes", host->path, path,
			     kind_type_text(record->type));
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
	enum command_exit result = transfer_find(host, path, &record);

	if (result == COMMAND_OK)
		result = output_open(&output, "-", false, host->file);
	if (result != COMMAND_OK)
		return result;
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
	enum command_exit result;

	if (command_value(invocation, "tar")) {
		result = output_open(&output, file, command_value(invocation, "force") != NULL,
				     host->file);
		if (result == COMMAND_OK)
			result = tar_get(&tree, &output);
	} else {
		result = folder_get(&tree);
	}
	if (result == COMMAND_OK)
		tree_show(invocation->show, &tree);
	return result;
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
