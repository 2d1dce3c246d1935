/* SPDX-License-Identifier: MIT */
/*
 * ps.c - `ps` and `log`: the machines of a store, as the last generation has them, and what
 * programs have said last.
 *
 * The state by name is what the program itself keeps in its message page
 * (struct abi_message_page); it is shown, never relied on.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/abi.h"
#include "tools/mkstore/command.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/kind.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"

struct ps_machine {
	object_t object;
	struct disk_machine machine;
	bool has_state; /* a state machine by its own account */
	uint64_t moves, moved_ns;
	char state[STATE_NAME];
};

static enum status ps_read(struct host *host, object_t object, struct ps_machine *found)
{
	struct disk_machine *machine;
	struct abi_message_page *message;
	void *page;
	enum status status = HOST_RETRY(host, machine_read(&host->space, object, &machine));

	if (status != STATUS_OK)
		return status;
	*found = (struct ps_machine){.object = object, .machine = *machine};
	status = HOST_RETRY(host,
			    space_read(&host->space, (page_t){found->machine.message_page}, &page));
	/* A message page never written reads as zeros; a damaged one hides only the name. */
	if (status != STATUS_OK)
		return STATUS_OK;
	message = page;
	if (message->state_magic != STATE_MAGIC)
		return STATUS_OK;
	found->has_state = true;
	found->moves = message->state_moves;
	found->moved_ns = message->state_moved_ns;
	memcpy(found->state, message->state_name, sizeof(found->state));
	return STATUS_OK;
}

static const struct show_column ps_columns[] = {
	{"object", "OBJECT", 6},
	{"name", "NAME", -16},
	{"state", "STATE", -11},
	{"held", NULL, 0},
	{"state_name", "IN", -16},
	{"state_moves", NULL, 0},
	{"state_moved_ns", NULL, 0},
	{"priority", "PRIO", 4},
	{"cpu_ns", "CPU", 12},
	{"messages_sent", "SENT", 10},
	{"messages_received", "RECEIVED", 10},
	{"faults_served", NULL, 0},
	{"fault", NULL, 0},
	{"fault_address", NULL, 0},
	{"exit_code", NULL, 0},
	{"deadline_ns", NULL, 0},
	{"rip", NULL, 0},
	{0},
};

static void ps_show(struct show *show, const struct ps_machine *found)
{
	const struct disk_machine *machine = &found->machine;
	const char *state = kind_state_text(machine->state);
	char cpu[TEXT_SIZE];

	show_row(show);
	show_number(show, found->object.n);
	SHOW_FIELD(show, machine->name);
	show_text_as(show, state, machine->stopped ? "held" : state);
	show_boolean(show, machine->stopped);
	if (found->has_state)
		SHOW_FIELD(show, found->state);
	else
		show_none(show);
	show_number(show, found->moves);
	show_number(show, found->moved_ns);
	show_number(show, machine->priority);
	show_number_as(show, machine->cpu_ns, text_duration(cpu, machine->cpu_ns));
	show_number(show, machine->messages_sent);
	show_number(show, machine->messages_received);
	show_number(show, machine->faults_served);
	show_text(show, kind_fault_text(machine->fault));
	show_number(show, machine->fault_address);
	show_number(show, machine->exit_code);
	show_number(show, machine->deadline);
	show_number(show, machine->registers.rip);
	if (machine->fault != FAULT_NONE)
		show_note(show, "%6s %s fault at 0x%" PRIx64 ", instruction 0x%" PRIx64, "",
			  kind_fault_text(machine->fault), machine->fault_address,
			  machine->registers.rip);
}

static enum status ps_list(struct host *host, struct show *show)
{
	struct ps_machine found;

	for (object_t object = {0};; object.n++) {
		enum status status = HOST_RETRY(host, machine_next(&host->space, object, &object));

		if (status != STATUS_OK)
			return status == STATUS_NOT_FOUND ? STATUS_OK : status;
		status = ps_read(host, object, &found);
		if (status == STATUS_DEAD) /* with its bank */
			continue;
		TRY(status);
		ps_show(show, &found);
	}
}

static enum command_exit ps_run(const struct command_invocation *invocation)
{
	struct host *host = invocation->host;
	struct show *show = invocation->show;
	enum status status;

	fact_number(show, "generation", NULL, host->recovery.generation.n);
	fact_number(show, "uptime_ns", NULL, host->recovery.counters.uptime_ns);
	show_list(show, "machines", ps_columns);
	status = ps_list(host, show);
	show_list_end(show);
	return host_result(host, status, "cannot read the machines");
}

const struct command command_ps = {
	.name = "ps",
	.usage = "IMAGE",
	.summary = "Lists the machines",
	.details =
		"STATE is what the kernel knows of a machine, IN the state that a program made of\n"
		"states says it is in.  A machine that faulted shows where in a second line.\n",
	.options = host_look_options,
	.opens = COMMAND_READS,
	.run = ps_run,
};

/* ---- log ------------------------------------------------------------------------------- */

#define LOG_TEXT_BYTES (LOG_PAGES * PAGE_SIZE)

static enum command_exit log_run(const struct command_invocation *invocation)
{
	char *text = malloc(LOG_TEXT_BYTES);
	size_t length = 0, piece = 0;
	uint64_t from = 0;
	struct host *host = invocation->host;
	struct json *json;
	enum status status = text ? STATUS_OK : STATUS_NO_MEMORY;
	enum command_exit result = COMMAND_OK;

	/* Nobody writes meanwhile, so it fits. */
	while (status == STATUS_OK && length < LOG_TEXT_BYTES) {
		status = HOST_RETRY(host, log_copy(&host->space, &from, text + length,
						   LOG_TEXT_BYTES - length, &piece));
		if (status == STATUS_OK) {
			length += piece;
			from += piece;
		}
	}
	if (status != STATUS_OK && status != STATUS_EMPTY) {
		result = host_result(host, status, "cannot read the log");
	} else if ((json = show_json(invocation->show)) != NULL) {
		json_number(json, "generation", host->recovery.generation.n);
		json_number(json, "end_bytes", from);
		json_bytes(json, "text", text, length);
	} else {
		fwrite(text, 1, length, stdout);
	}
	free(text);
	return result;
}

const struct command command_log = {
	.name = "log",
	.usage = "IMAGE",
	.summary = "Prints the system's log",
	.details = "What programs have written to it, as far as it goes back, byte for byte.  In\n"
		   "JSON, end_bytes is how much was ever written.\n",
	.options = host_look_options,
	.opens = COMMAND_READS,
	.run = log_run,
};
