/* SPDX-License-Identifier: MIT */
/*
 * folder.c - a folder of the host, into the store and out of it; see tree.h.
 *
 * A folder that is made is made under another name first, so that nobody sees half of it.
 */
#define _GNU_SOURCE /* renameat2, asprintf */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/mkstore/tree.h"
#include "tools/mkstore/path.h"

/* ---- from the host ------------------------------------------------------------------------ */

static enum command_exit folder_unreadable(const char *path, int error)
{
	return command_error("cannot read '%s': %s", path, strerror(error));
}

static enum command_exit folder_file(struct tree *tree, const FTSENT *entry, const char *path)
{
	const struct stat *information = entry->fts_statp;
	int descriptor = open(entry->fts_accpath, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct content_source source = {
		.context = &descriptor,
		.read = content_read_descriptor,
		.name = entry->fts_path,
		.bytes = (uint64_t)information->st_size,
		.wall_ns = content_wall_ns(information->st_mtim),
	};
	enum command_exit result;

	if (descriptor < 0)
		return folder_unreadable(entry->fts_path, errno);
	if (file_device_is(tree->host->file, information)) {
		close(descriptor);
		return command_error("'%s' is the store itself: put a folder that does not hold it",
				     entry->fts_path);
	}
	result = tree_file(tree, path, &source);
	close(descriptor);
	return result;
}

static const char *folder_kind(mode_t mode)
{
	return S_ISLNK(mode)	? "a symbolic link"
	       : S_ISFIFO(mode) ? "a pipe"
	       : S_ISSOCK(mode) ? "a socket"
				: "a device";
}

static enum command_exit folder_entry(struct tree *tree, const FTSENT *entry, size_t prefix)
{
	const char *path = entry->fts_path + prefix;

	path += *path == '/';
	switch (entry->fts_info) {
	case FTS_D:
		return tree_directory(tree, path);
	case FTS_F:
		return folder_file(tree, entry, path);
	case FTS_DP:
		return COMMAND_OK;
	case FTS_SL:
	case FTS_SLNONE:
	case FTS_DEFAULT:
		return tree_other(tree, path, folder_kind(entry->fts_statp->st_mode));
	case FTS_DC:
		return folder_unreadable(entry->fts_path, ELOOP);
	default:
		return folder_unreadable(entry->fts_path, entry->fts_errno);
	}
}

static int folder_order(const FTSENT **one, const FTSENT **other)
{
	return strcmp((*one)->fts_name, (*other)->fts_name);
}

enum command_exit folder_fill(struct tree *tree, void *context)
{
	char *roots[] = {context, NULL};
	size_t prefix = strlen(roots[0]);
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_COMFOLLOW, folder_order);
	enum command_exit result = COMMAND_OK;
	const FTSENT *entry;

	if (!walk)
		return folder_unreadable(roots[0], errno);
	while (result == COMMAND_OK && (errno = 0, entry = fts_read(walk)) != NULL)
		result = folder_entry(tree, entry, prefix);
	if (result == COMMAND_OK && errno)
		result = folder_unreadable(roots[0], errno);
	fts_close(walk);
	return result;
}

/* ---- to the host --------------------------------------------------------------------------- */

static enum status folder_failed(struct tree_sink *sink, const char *path)
{
	command_error("cannot write '%s' of '%s': %s", path, sink->tree->name, strerror(errno));
	sink->result = COMMAND_FAILED;
	return STATUS_IO;
}

static enum status folder_write(struct tree_sink *sink, const struct walk_item *item)
{
	const char *path = item->path + 1;
	struct content_sink content = {.name = path, .seekable = true};
	struct timespec times[2];

	content.descriptor =
		openat(sink->folder, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (content.descriptor < 0)
		return folder_failed(sink, path);
	tree_read(sink, item, &content);
	times[0] = times[1] = content_timespec(content.wall_ns);
	if (content.complete && content.wall_ns)
		futimens(content.descriptor, times);
	if (close(content.descriptor) != 0)
		return folder_failed(sink, path);
	return content.complete ? STATUS_OK : STATUS_IO;
}

static enum status folder_directory(struct tree_sink *sink, const struct walk_item *item)
{
	const char *path = item->path + 1;

	return mkdirat(sink->folder, path, 0777) == 0 ? STATUS_OK : folder_failed(sink, path);
}

static void folder_remove(const char *path)
{
	char *roots[] = {(char *)path, NULL};
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	const FTSENT *entry;

	while (walk && (entry = fts_read(walk)) != NULL)
		if (entry->fts_info == FTS_DP)
			rmdir(entry->fts_accpath);
		else if (entry->fts_info != FTS_D)
			unlink(entry->fts_accpath);
	if (walk)
		fts_close(walk);
}

/* Durable, then by its name; only where nothing is. */
static enum command_exit folder_finish(const struct tree_sink *sink, const char *made)
{
	if (syncfs(sink->folder) == 0 &&
	    renameat2(AT_FDCWD, made, AT_FDCWD, sink->tree->name, RENAME_NOREPLACE) == 0)
		return sink->result;
	return command_error("cannot make '%s': %s", sink->tree->name, strerror(errno));
}

enum command_exit folder_get(struct tree *tree)
{
	struct tree_sink sink = {
		.tree = tree, .folder = -1, .file = folder_write, .directory = folder_directory};
	size_t length = strlen(tree->name);
	enum status status;
	char *made;

	while (length > 1 && tree->name[length - 1] == '/')
		length--;
	if (access(tree->name, F_OK) == 0)
		return command_error("'%s' exists: name a folder that does not", tree->name);
	if (asprintf(&made, "%.*s.new-XXXXXX", (int)length, tree->name) < 0)
		return COMMAND_FAILED;
	if (mkdtemp(made)) {
		chmod(made, 0755);
		sink.folder = open(made, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (sink.folder < 0) {
		command_error("cannot make '%s': %s", tree->name, strerror(errno));
		free(made);
		return COMMAND_FAILED;
	}
	status = walk_tree(tree->host, tree->top, "", tree_visit, &sink);
	if (status != STATUS_OK && sink.result == COMMAND_OK)
		sink.result = host_result(tree->host, status, "cannot read '%s'", tree->name);
	if (status == STATUS_OK && folder_finish(&sink, made) != COMMAND_OK &&
	    sink.result == COMMAND_OK)
		sink.result = COMMAND_FAILED;
	if (access(made, F_OK) == 0)
		folder_remove(made);
	close(sink.folder);
	free(made);
	return sink.result;
}
