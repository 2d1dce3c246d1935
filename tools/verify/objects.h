/* SPDX-License-Identifier: MIT */
/*
 * objects.h - the independent verifier of the objects in a store.
 *
 * Checks the structures of disk/object.h in the live space and in every
 * snapshot that can be restored, through verify_space_read alone: it shares no
 * code with objects/.
 */
#ifndef TOOLS_VERIFY_OBJECTS_H
#define TOOLS_VERIFY_OBJECTS_H

#include "tools/verify/verify.h"

/* For struct verify_options.objects.  Findings are reported through `verify`;
 * NO_MEMORY if it could not go on, otherwise OK. */
enum status verify_objects(struct verify *verify);
/* The same of the live state alone, of a generation that was chosen. */
enum status verify_objects_live(struct verify *verify);

#endif
