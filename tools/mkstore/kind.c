/* SPDX-License-Identifier: MIT */
/*
 * kind.c - see kind.h.
 */
#include "tools/mkstore/kind.h"

#define KIND_COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const kind_states[MACHINE_STATES] = {
	"stopped", "ready", "await-reply", "receive", "sleep", "faulted", "exited",
};

static const char *const kind_faults[] = {
	"none",	      "page",	    "instruction", "arithmetic",
	"breakpoint", "protection", "storage",	   "system-call",
};

static const struct {
	uint16_t right;
	char letter;
	const char *word;
} kind_rights[] = {
	{RIGHT_READ, 'r', "read"},	   {RIGHT_WRITE, 'w', "write"},
	{RIGHT_EXECUTE, 'x', "execute"},   {RIGHT_SEND, 's', "send"},
	{RIGHT_RECEIVE, 'l', "receive"},   {RIGHT_CONTROL, 'c', "control"},
	{RIGHT_CREATE, 'n', "create"},	   {RIGHT_DESTROY, 'd', "destroy"},
	{RIGHT_SNAPSHOT, 'p', "snapshot"},
};
_Static_assert(KIND_COUNT(kind_rights) + 1 == KIND_RIGHTS, "letters and a NUL");

static const char *kind_text(const char *const *words, size_t count, unsigned number)
{
	return number < count ? words[number] : "unknown";
}

const char *kind_state_text(unsigned state)
{
	return kind_text(kind_states, KIND_COUNT(kind_states), state);
}

const char *kind_fault_text(unsigned fault)
{
	return kind_text(kind_faults, KIND_COUNT(kind_faults), fault);
}

const char *kind_rights_text(char out[KIND_RIGHTS], uint16_t rights)
{
	for (size_t i = 0; i < KIND_COUNT(kind_rights); i++)
		out[i] = rights & kind_rights[i].right ? kind_rights[i].letter : '-';
	out[KIND_COUNT(kind_rights)] = 0;
	return out;
}

void kind_rights_json(struct json *json, const char *name, uint16_t rights)
{
	json_array(json, name);
	for (size_t i = 0; i < KIND_COUNT(kind_rights); i++)
		if (rights & kind_rights[i].right)
			json_text(json, NULL, kind_rights[i].word);
	json_array_end(json);
}
