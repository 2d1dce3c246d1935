/* SPDX-License-Identifier: MIT */
/*
 * ps.c - `ps`: the machines of a store, as the last generation has them.
 *
 * The state by name is what the program itself keeps in its message page
 * (struct abi_message_page); it is shown, never relied on.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kernel/abi.h"
#include "tools/mkstore/command.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/json.h"
#include "tools/mkstore/kind.h"
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

static void ps_json(struct json *json, const struct ps_machine *found)
{
	const struct disk_machine *machine = &found->machine;

	json_object(json, NULL);
	json_number(json, "object", found->object.n);
	json_bytes(json, "name", machine->name, strnlen(machine->name, sizeof(machine->name)));
	json_text(json, "state", kind_state_text(machine->state));
	json_boolean(json, "held", machine->stopped);
	if (found->has_state)
		json_bytes(json, "state_name", found->state,
			   strnlen(found->state, sizeof(found->state)));
	else
		json_null(json, "state_name");
	json_number(json, "state_moves", found->moves);
	json_number(json, "state_moved_ns", found->moved_ns);
	json_number(json, "priority", machine->priority);
	json_number(json, "cpu_ns", machine->cpu_ns);
	json_number(json, "messages_sent", machine->messages_sent);
	json_number(json, "messages_received", machine->messages_received);
	json_number(json, "faults_served", machine->faults_served);
	json_text(json, "fault", kind_fault_text(machine->fault));
	json_number(json, "fault_address", machine->fault_address);
	json_number(json, "exit_code", machine->exit_code);
	json_number(json, "deadline_ns", machine->deadline);
	json_number(json, "rip", machine->registers.rip);
	json_object_end(json);
}

static void ps_text(const struct ps_machine *found)
{
	const struct disk_machine *machine = &found->machine;
	char name[TEXT_NAME(MACHINE_NAME)], state[TEXT_NAME(STATE_NAME)], cpu[TEXT_SIZE];

	text_name(name, sizeof(name), machine->name, strnlen(machine->name, sizeof(machine->name)));
	text_name(state, sizeof(state), found->state, strnlen(found->state, sizeof(found->state)));
	printf("%6" PRIu32 " %-16s %-11s %-16s %4u %12s %10" PRIu64 " %10" PRIu64 "\n",
	       found->object.n, name, machine->stopped ? "held" : kind_state_text(machine->state),
	       found->has_state ? state : "-", machine->priority,
	       text_duration(cpu, machine->cpu_ns), machine->messages_sent,
	       machine->messages_received);
	if (machine->fault != FAULT_NONE)
		printf("%6s %s fault at 0x%" PRIx64 ", instruction 0x%" PRIx64 "\n", "",
		       kind_fault_text(machine->fault), machine->fault_address,
		       machine->registers.rip);
}

static enum status ps_list(struct host *host, struct json *json)
{
	struct ps_machine found;
	object_t from = {0}, object;
	enum status status;

	if (!json)
		printf("%6s %-16s %-11s %-16s %4s %12s %10s %10s\n", "OBJECT", "NAME", "STATE",
		       "IN", "PRIO", "CPU", "SENT", "RECEIVED");
	for (;;) {
		status = HOST_RETRY(host, machine_next(&host->space, from, &object));
		if (status != STATUS_OK)
			break;
		status = ps_read(host, object, &found);
		if (status != STATUS_OK)
			break;
		if (json)
			ps_json(json, &found);
		else
			ps_text(&found);
		from = (object_t){object.n + 1};
	}
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum command_exit ps_run(const struct command_invocation *invocation)
{
	struct host host;
	struct json json;
	enum status status;
	enum command_exit result = host_open_read(&host, invocation);

	if (result != COMMAND_OK)
		return result;
	if (invocation->json) {
		json_begin(&json, stdout);
		json_object(&json, NULL);
		json_number(&json, "generation", host.recovery.generation.n);
		json_number(&json, "uptime_ns", host.recovery.counters.uptime_ns);
		json_array(&json, "machines");
	}
	status = ps_list(&host, invocation->json ? &json : NULL);
	if (invocation->json) {
		json_array_end(&json);
		json_object_end(&json);
		json_end(&json);
	}
	if (status != STATUS_OK)
		result = host_error(&host, status, "cannot read the machines");
	host_close(&host);
	return result;
}

static const struct command_option ps_options[] = {HOST_LIVE_OPTION, {0}};

const struct command command_ps = {
	.name = "ps",
	.usage = "IMAGE",
	.summary = "Lists the machines",
	.details =
		"STATE is what the kernel knows of a machine, IN the state that a program made of\n"
		"states says it is in.  A machine that faulted shows where in a second line.\n",
	.options = ps_options,
	.operands_min = 1,
	.operands_max = 1,
	.run = ps_run,
};
