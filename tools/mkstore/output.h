/* SPDX-License-Identifier: MIT */
/*
 * output.h - a file of the host that is written whole or not at all.
 *
 * What is written goes into a new file beside the one that is meant, and gets its name
 * when all of it is durable: whoever looks sees what was there before or all that is
 * new.  The standard output, pipes and devices are written straight.
 *
 * A file that is replaced must be free: the locks of an image (file_device.h) are taken
 * on it, and it is not what the bytes come from.  One at a time.
 */
#ifndef TOOLS_MKSTORE_OUTPUT_H
#define TOOLS_MKSTORE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include "tools/mkstore/command.h"
#include "tools/mkstore/file_device.h"

struct output {
	const char *file; /* as it was named; "-": the standard output */
	int descriptor;	  /* for writing */
	bool whole;	  /* a file, written beside its place; seekable */
	bool force;	  /* replaces what is there */
	int error;	  /* errno of the output_write that failed */
	/* Private to output.c: */
	int replaced;	 /* descriptor of the file that is replaced; -1: there is none */
	char *target;	 /* its place, with every symbolic link followed */
	char *temporary; /* what is beside it */
};

/* What is not COMMAND_OK was printed, and nothing is left open or made.  `source`: what
 * is read meanwhile, or null. */
enum command_exit output_open(struct output *output, const char *file, bool force,
			      const struct file_device *source);

/* All bytes, at the end; false: output->error says why not, and nothing was printed. */
bool output_write(struct output *output, const void *data, size_t bytes);

/* Makes it durable, then gives it its name; or leaves everything as it was. */
enum command_exit output_finish(struct output *output);

/* Leaves everything as it was. */
void output_drop(struct output *output);

#endif
