/* SPDX-License-Identifier: MIT */
/*
 * initial.h - lays a described system down in an empty space.
 */
#ifndef TOOLS_MKSTORE_INITIAL_H
#define TOOLS_MKSTORE_INITIAL_H

#include "tools/mkstore/host.h"
#include "tools/mkstore/manifest.h"

/*
 * Creates the objects of the manifest in a space that objects_format has just
 * prepared: directories, segments with the bytes of files below `files`, and
 * machines that are about to execute their first instruction.  Does not commit
 * (but for want of memory).  What goes wrong was printed.
 */
enum command_exit initial_lay(struct host *host, const struct manifest *manifest,
			      const char *manifest_name, const char *files);

#endif
