/* SPDX-License-Identifier: MIT */
/*
 * kind.h - the words for object types, rights, machine states and faults.
 */
#ifndef TOOLS_MKSTORE_KIND_H
#define TOOLS_MKSTORE_KIND_H

#include <stdint.h>
#include "disk/object.h"
#include "tools/mkstore/json.h"

/* "ready", "receive" ... */
const char *kind_state_text(unsigned state);
/* "none", "page" ... */
const char *kind_fault_text(unsigned fault);

/* One letter per right, '-' where it is missing: rwxslcndp for read, write,
 * execute, send, listen (receive), control, create (new), destroy, snapshot (preserve). */
#define KIND_RIGHTS 10u
const char *kind_rights_text(char out[KIND_RIGHTS], uint16_t rights);
/* The same as an array of words. */
void kind_rights_json(struct json *json, const char *name, uint16_t rights);

#endif
