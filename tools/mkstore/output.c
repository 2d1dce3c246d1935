/* SPDX-License-Identifier: MIT */
/*
 * output.c - see output.h.
 *
 * The order is: write, owner and mode, fsync, rename, fsync of the directory.  The file
 * that is replaced stays locked until then.
 */
#define _GNU_SOURCE /* mkostemp, renameat2, asprintf */
#include "tools/mkstore/output.h"
#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of the target's name in the temporary one, so that this one is never too long. */
#define OUTPUT_NAME_MAX 200

/* ---- interruption ------------------------------------------------------------------- */

static const int output_signals[] = {SIGHUP, SIGINT, SIGTERM};
#define OUTPUT_SIGNALS (sizeof(output_signals) / sizeof(output_signals[0]))

/* What a signal that ends the process removes first; null: nothing. */
static const char *volatile output_unfinished;

static void output_on_signal(int number)
{
	const char *name = output_unfinished;

	if (name)
		unlink(name);
	signal(number, SIG_DFL);
	raise(number);
}

/* Only where nobody else wants to know: `scrub` ends by itself, nohup ignores SIGHUP. */
static void output_guard(void)
{
	struct sigaction action = {.sa_handler = output_on_signal}, before;

	for (size_t i = 0; i < OUTPUT_SIGNALS; i++)
		if (sigaction(output_signals[i], NULL, &before) == 0 &&
		    before.sa_handler == SIG_DFL)
			sigaction(output_signals[i], &action, NULL);
}

/* Makes the new file and notes it, with no signal in between.  False: errno says why. */
static bool output_make(struct output *output)
{
	sigset_t all, before;
	int error;

	ASSERT(!output_unfinished); /* one at a time */
	output_guard();
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	output->descriptor = mkostemp(output->temporary, O_CLOEXEC);
	error = errno;
	if (output->descriptor >= 0)
		output_unfinished = output->temporary;
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return output->descriptor >= 0;
}

/* ---- opening -------------------------------------------------------------------------- */

static enum command_exit output_refused(const struct output *output, int error)
{
	return command_error("cannot create '%s': %s", output->file, strerror(error));
}

static enum command_exit output_is_source(const struct output *output)
{
	return command_error("%s: is the store that is read: name another file", output->file);
}

static enum command_exit output_in_use(const struct output *output)
{
	command_error("%s: is in use by a running system or another program: stop it first",
		      output->file);
	return COMMAND_IN_USE;
}

/* A pipe waits for who reads it, as it does for every writer. */
static enum command_exit output_open_straight(struct output *output, const struct stat *information)
{
	output->descriptor = open(output->file, O_WRONLY | O_CLOEXEC);
	if (output->descriptor < 0)
		return output_refused(output, errno);
	if (S_ISBLK(information->st_mode) &&
	    !file_device_lock(output->descriptor, FILE_DEVICE_WRITE))
		return output_in_use(output);
	return COMMAND_OK;
}

/* The new file, beside the target, for nobody else to see until it is whole. */
static enum command_exit output_open_beside(struct output *output)
{
	const char *slash = strrchr(output->target, '/');
	const char *name = slash ? slash + 1 : output->target;
	int directory = (int)(name - output->target);

	ASSERT(!output->temporary && output->descriptor < 0);
	if (!name[0])
		return output_refused(output, EISDIR);
	if (asprintf(&output->temporary, "%.*s%.*s.new-XXXXXX", directory, output->target,
		     OUTPUT_NAME_MAX, name) < 0) {
		output->temporary = NULL;
		return output_refused(output, ENOMEM);
	}
	if (!output_make(output)) {
		command_error("cannot create '%s': no file can be made beside it: %s", output->file,
			      strerror(errno));
		free(output->temporary);
		output->temporary = NULL;
		return COMMAND_FAILED;
	}
	output->whole = true;
	return COMMAND_OK;
}

/* Where nothing is yet. */
static enum command_exit output_open_new(struct output *output)
{
	struct stat information;

	if (lstat(output->file, &information) == 0)
		return command_error("cannot create '%s': it is a symbolic link that leads nowhere",
				     output->file);
	output->target = strdup(output->file);
	return output->target ? output_open_beside(output) : output_refused(output, ENOMEM);
}

/* In the place of a file.  Who may not write it may not replace it. */
static enum command_exit output_open_replacing(struct output *output)
{
	output->replaced = open(output->file, O_WRONLY | O_CLOEXEC);
	if (output->replaced < 0)
		return output_refused(output, errno);
	if (!file_device_lock(output->replaced, FILE_DEVICE_WRITE))
		return output_in_use(output);
	output->target = realpath(output->file, NULL);
	return output->target ? output_open_beside(output) : output_refused(output, errno);
}

static enum command_exit output_open_file(struct output *output, const struct file_device *source)
{
	struct stat information;

	if (stat(output->file, &information) != 0)
		return errno == ENOENT ? output_open_new(output) : output_refused(output, errno);
	if (source && file_device_is(source, &information))
		return output_is_source(output);
	if (S_ISDIR(information.st_mode))
		return output_refused(output, EISDIR);
	if (!output->force)
		return command_error("cannot create '%s': %s; --force replaces it", output->file,
				     strerror(EEXIST));
	return S_ISREG(information.st_mode) ? output_open_replacing(output)
					    : output_open_straight(output, &information);
}

enum command_exit output_open(struct output *output, const char *file, bool force,
			      const struct file_device *source)
{
	struct stat information;
	enum command_exit result;

	*output = (struct output){
		.file = file, .force = force, .descriptor = STDOUT_FILENO, .replaced = -1};
	if (strcmp(file, "-") == 0) {
		if (source && fstat(STDOUT_FILENO, &information) == 0 &&
		    file_device_is(source, &information))
			return output_is_source(output);
		return COMMAND_OK;
	}
	output->descriptor = -1;
	result = output_open_file(output, source);
	if (result != COMMAND_OK)
		output_drop(output);
	return result;
}

/* ---- writing -------------------------------------------------------------------------- */

bool output_write(struct output *output, const void *data, size_t bytes)
{
	ASSERT(output->descriptor >= 0); /* it is open */
	if (file_write(output->descriptor, data, bytes, -1))
		return true;
	output->error = errno;
	return false;
}

/* ---- the end -------------------------------------------------------------------------- */

/* As any program makes a file, or as the one that is replaced.  A file system that knows
 * no modes leaves it to its owner. */
static void output_permit(const struct output *output)
{
	struct stat before, now;
	mode_t mask = umask(0), mode = 0666 & ~mask;

	ASSERT(output->temporary);
	umask(mask);
	if (output->replaced >= 0 && fstat(output->replaced, &before) == 0 &&
	    fstat(output->descriptor, &now) == 0) {
		mode = before.st_mode & 0777;
		/* What the old group was allowed is not for another one. */
		if ((before.st_uid != now.st_uid || before.st_gid != now.st_gid) &&
		    fchown(output->descriptor, before.st_uid, before.st_gid) != 0 &&
		    before.st_gid != now.st_gid)
			mode = (mode & ~(mode_t)070) | (mode & 07) << 3;
	}
	(void)fchmod(output->descriptor, mode);
}

/* A file that somebody else has made meanwhile is only replaced with `force`. */
static bool output_name(const struct output *output)
{
	struct stat information;

	ASSERT(output->temporary && output->target && output->descriptor < 0);
	if (output->force)
		return rename(output->temporary, output->target) == 0;
	if (renameat2(AT_FDCWD, output->temporary, AT_FDCWD, output->target, RENAME_NOREPLACE) == 0)
		return true;
	if (errno != EINVAL && errno != ENOSYS)
		return false;
	/* A file system that cannot do both at once. */
	if (lstat(output->target, &information) == 0) {
		errno = EEXIST;
		return false;
	}
	return rename(output->temporary, output->target) == 0;
}

/* The new name, too.  A directory that cannot be opened or flushed is not worth a failure:
 * the file is whole under either name. */
static void output_name_flush(const struct output *output)
{
	const char *slash = strrchr(output->target, '/');
	char *name = slash ? strndup(output->target, (size_t)(slash + 1 - output->target)) : NULL;
	int directory = -1;

	if (!slash || name)
		directory = open(name ? name : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory >= 0) {
		(void)fsync(directory);
		close(directory);
	}
	free(name);
}

/* All of it on the disk, whatever it is written to.  EINVAL: what cannot be flushed. */
static bool output_flush(struct output *output)
{
	int descriptor = output->descriptor;
	bool flushed;

	ASSERT(descriptor >= 0);
	if (descriptor == STDOUT_FILENO)
		return true;
	if (output->whole)
		output_permit(output);
	flushed = fsync(descriptor) == 0 || (!output->whole && errno == EINVAL);
	if (!flushed)
		return false;
	output->descriptor = -1;
	return close(descriptor) == 0;
}

enum command_exit output_finish(struct output *output)
{
	enum command_exit result = COMMAND_OK;

	ASSERT(!output->whole || (output->temporary && output->target));
	if (!output_flush(output) || (output->whole && !output_name(output))) {
		result = command_error("cannot write '%s': %s", output->file, strerror(errno));
	} else if (output->whole) {
		output_name_flush(output);
		output_unfinished = NULL;
		free(output->temporary);
		output->temporary = NULL;
	}
	output_drop(output);
	return result;
}

void output_drop(struct output *output)
{
	if (output->descriptor >= 0 && output->descriptor != STDOUT_FILENO)
		close(output->descriptor);
	if (output->temporary)
		unlink(output->temporary);
	output_unfinished = NULL;
	/* Closing it gives its locks back. */
	if (output->replaced >= 0)
		close(output->replaced);
	free(output->temporary);
	free(output->target);
	*output = (struct output){.file = output->file, .descriptor = -1, .replaced = -1};
}
