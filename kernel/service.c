/* SPDX-License-Identifier: MIT */
/*
 * service.c - a message to a kernel object: checked, prepared, run, answered.
 */
#include "kernel/service.h"
#include "base/text.h"
#include "kernel/console.h"
#include "kernel/memory.h"
#include "kernel/print.h"
#include "base/assert.h"
#include <string.h>

static struct {
	bool transient;		/* there may be objects noted that are to go */
	bool destroying;	/* there may be objects to take apart */
	uint64_t retry_ns;	/* not before this: the store is full, or the disk fails */
	struct failing failing; /* what taking apart cannot read */
	uint64_t transient_retry_ns;
	struct failing transient_failing;
	bool surveying; /* the places of directories may not be known */
	uint64_t survey_ns;
	struct directory_survey survey;
} service_state;

void service_reset(void)
{
	memset(&service_state, 0, sizeof(service_state));
	service_state.transient = true;
	service_state.destroying = true;
	service_state.surveying = true;
	service_state.survey.directory = (object_t){1};
}

static const struct operation *operation_find(const struct disk_capability *target, uint64_t label)
{
	static const struct operation *const by_type[OBJECT_TYPES] = {
		[OBJECT_SEGMENT] = segment_operations, [OBJECT_MACHINE] = machine_operations,
		[OBJECT_TABLE] = table_operations,     [OBJECT_DIRECTORY] = directory_operations,
		[OBJECT_BANK] = bank_operations,       [OBJECT_CLOCK] = clock_operations,
		[OBJECT_CONSOLE] = console_operations, [OBJECT_STORE] = store_operations,
		[OBJECT_SYSTEM] = system_operations,   [OBJECT_LOG] = log_operations,
	};
	uint64_t number = label & 0xff;
	const struct operation *operation;

	if (target->type >= OBJECT_TYPES || !by_type[target->type])
		return NULL;
	if (label >> 8 != target->type || number >= SERVICE_OPERATIONS_MAX)
		return NULL;
	operation = &by_type[target->type][number];
	return operation->run ? operation : NULL;
}

/* The slot that the answer's capability goes to: must exist and hold no reply. */
static enum status service_slot_prepare(struct call *call)
{
	uint32_t slot = call_slot(call->gpr[REGISTER_R15], 0);
	struct disk_capability held;
	enum status status;

	if (slot == SLOT_NONE)
		return STATUS_OK;
	if (slot == SLOT_REPLY)
		return STATUS_INVALID;
	status = table_get(&kernel.space, &call->table, slot, &held);
	if (status == STATUS_NO_CAPABILITY)
		status = STATUS_OK;
	if (status == STATUS_OK && held.version && held.type == OBJECT_REPLY)
		return STATUS_INVALID;
	if (status == STATUS_OK)
		status = table_prepare(&kernel.space, &call->table, slot);
	return status;
}

static enum status service_prepare(struct service *service, const struct operation *operation)
{
	struct call *call = service->call;
	enum status status = STATUS_OK;
	void *page;

	if (operation->flags & SERVICE_DATA)
		status = space_write(&kernel.space, (page_t){call->machine->message_page}, &page);
	if (status == STATUS_OK && operation->flags & SERVICE_CAPABILITY)
		status = service_slot_prepare(call);
	return status;
}

/* COMMIT part: the answer into the caller's registers, page and table. */
static void service_answer(struct service *service, enum status label)
{
	struct call *call = service->call;
	uint32_t slot = call_slot(call->gpr[REGISTER_R15], 0);
	unsigned got = 0;

	if (label != STATUS_OK)
		service->length = 0;
	else if (service->capability.version && slot) {
		table_put(&kernel.space, &call->table, slot, &service->capability);
		got = 1;
	}
	if (service->length)
		memcpy(store_page_writable(kernel.space.store,
					   (page_t){call->machine->message_page}),
		       service->data, service->length);
	call->machine->messages_sent++;
	if (call->entry == ENTRY_SEND) {
		call_registers_done(call->machine, STATUS_OK, 0, 0);
		return;
	}
	call->gpr[REGISTER_RDI] = 0;
	call->gpr[REGISTER_RSI] = label;
	for (unsigned i = 0; i < MESSAGE_WORDS; i++)
		call->gpr[call_word_register[i]] = service->word[i];
	call_registers_done(call->machine, STATUS_OK, service->length, got);
}

/* Too large for the stack of every trap.  One will do: a service begins and ends
 * within one trap, and one CPU at a time is in the kernel. */
static struct service service_area;

enum status service_run(struct call *call, const struct disk_capability *capability)
{
	struct service *service = &service_area;
	const struct operation *operation;
	enum status status;

	memset(service, 0, offsetof(struct service, data));
	service->call = call;
	service->target = capability;
	status = object_resolve(&kernel.space, capability, OBJECT_NONE, 0, &service->record);
	if (status == STATUS_OK)
		status = call_message(call, capability, &service->message);
	if (status != STATUS_OK)
		return status;
	operation = operation_find(capability, service->message.label);
	if (!operation)
		status = STATUS_NO_OPERATION;
	else if ((capability->rights & operation->right) != operation->right)
		status = STATUS_NO_RIGHT;
	else if (call->moved)
		status = STATUS_INVALID; /* nothing here keeps a reply capability */
	else
		status = service_prepare(service, operation);
	if (status == STATUS_OK)
		status = operation->run(service);
	if (status == STATUS_WAIT)
		kernel_park(service->wake_ns);
	if (status == STATUS_IO && operation && operation->flags & SERVICE_PATIENT &&
	    !kernel_read_given_up())
		kernel_park_for_disk(TASK_READS_CALL);
	service_answer(service, status);
	kernel_leave();
}

enum status service_answer_object(struct service *service, object_t object, uint16_t rights)
{
	return object_capability(&kernel.space, object, rights, &service->capability);
}

/* ---- destruction ---------------------------------------------------------------- */

/* What has to be known of a machine after it may have left memory. */
struct ending {
	object_t table, port[MACHINE_PORTS];
	uint64_t version[MACHINE_PORTS];
};

/* Nobody may wait for an answer of the machine any more. */
static enum status ending_replies(const struct ending *ending)
{
	enum status status = ending->table.n ? reply_abandon_table(ending->table) : STATUS_OK;

	for (unsigned i = 0; i < MACHINE_PORTS && status == STATUS_OK; i++) {
		struct disk_object record;

		if (!ending->port[i].n)
			continue;
		store_operation_begin(kernel.space.store);
		status = object_read(&kernel.space, ending->port[i], &record);
		if (status == STATUS_OK && record.version == ending->version[i])
			status = reply_abandon_port(ending->port[i]);
		if (status == STATUS_DEAD || status == STATUS_NOT_FOUND)
			status = STATUS_OK;
	}
	return status;
}

/* Its own port dies with it, if it may destroy it. */
static enum status ending_port(const struct ending *ending)
{
	struct disk_capability port;
	struct disk_object table;
	enum status status;

	if (!ending->table.n)
		return STATUS_OK;
	store_operation_begin(kernel.space.store);
	status = object_read(&kernel.space, ending->table, &table);
	if (status == STATUS_OK)
		status = table_get(&kernel.space, &table, SLOT_PORT, &port);
	if (status == STATUS_OK)
		status = object_resolve(&kernel.space, &port, OBJECT_PORT, RIGHT_DESTROY, NULL);
	if (status == STATUS_WAIT || (status == STATUS_IO && !kernel_read_given_up()))
		return status;
	return status == STATUS_OK ? service_destroy((object_t){port.object}, OBJECT_PORT)
				   : STATUS_OK;
}

/* The segments that it owns go with it: all of them, wherever they are mapped, not
 * only the pages that it had attached itself. */
static enum status ending_unmap(const struct disk_machine *machine)
{
	for (unsigned i = 0; i < MACHINE_ATTACHMENTS; i++) {
		const struct disk_attachment *attachment = &machine->attachments[i];
		struct disk_object segment;
		enum status status;

		if (!(attachment->flags & ATTACHMENT_OWNED))
			continue;
		status = object_resolve(&kernel.space, &attachment->segment, OBJECT_SEGMENT, 0,
					&segment);
		if (status == STATUS_WAIT || status == STATUS_IO)
			return status;
		if (status == STATUS_OK)
			memory_unmap_run((page_t){segment.first_page}, segment.range_pages);
	}
	return STATUS_OK;
}

/* Before its end: its callers are answered, its port goes. */
static enum status ending_begin(object_t object)
{
	static const struct disk_capability none;
	struct ending ending;
	struct disk_machine *machine;
	enum status status;

	store_operation_begin(kernel.space.store);
	status = machine_prepare(&kernel.space, object, &machine);
	if (status == STATUS_OK)
		status = reply_abandon(&machine->reply, STATUS_GONE);
	if (status != STATUS_OK)
		return status;
	machine->reply = none;
	/* By capability, not by number (P4): if its table was destroyed before it, the
	 * number may be that of somebody else's by now. */
	status = object_resolve(&kernel.space, &machine->table, OBJECT_TABLE, 0, NULL);
	if (status == STATUS_WAIT || status == STATUS_IO)
		return status;
	ending.table = (object_t){status == STATUS_OK ? machine->table.object : 0};
	for (unsigned i = 0; i < MACHINE_PORTS; i++) {
		ending.port[i] = (object_t){machine->ports[i].object};
		ending.version[i] = machine->ports[i].version;
	}
	status = ending_replies(&ending);
	return status == STATUS_OK ? ending_port(&ending) : status;
}

/* A machine's end, in steps that each leave a sound state; the last one takes the
 * object, with its table, message page and owned segments.  What a damaged machine
 * owned is not known any more, but it goes all the same. */
static enum status destroy_machine(object_t object)
{
	struct disk_machine *machine;
	struct task *task;
	enum status status = ending_begin(object);

	if (status != STATUS_OK && status != STATUS_CORRUPT)
		return status;
	store_operation_begin(kernel.space.store);
	status = machine_read(&kernel.space, object, &machine);
	if (status == STATUS_OK)
		status = ending_unmap(machine);
	if (status == STATUS_OK || status == STATUS_CORRUPT)
		status = object_destroy(&kernel.space, object);
	if (status != STATUS_OK)
		return status;
	task = task_find(object);
	if (task) {
		essential_ended(task);
		task_forget(task);
	}
	console_examine();
	return STATUS_OK;
}

enum status service_destroy(object_t object, enum object_type type)
{
	struct disk_object record;
	enum status status = STATUS_OK;

	if (object.n < OBJECT_FIRST_FREE)
		return STATUS_NO_RIGHT;
	service_state.destroying = true;
	if (type == OBJECT_MACHINE) {
		status = destroy_machine(object);
	} else {
		if (type == OBJECT_PORT)
			status = reply_abandon_port(object);
		else if (type == OBJECT_TABLE)
			status = reply_abandon_table(object);
		store_operation_begin(kernel.space.store);
		if (status == STATUS_OK)
			status = object_read(&kernel.space, object, &record);
		if (status == STATUS_OK)
			status = object_destroy(&kernel.space, object);
		if (status == STATUS_OK && type == OBJECT_SEGMENT)
			memory_unmap_run((page_t){record.first_page}, record.range_pages);
		if (status == STATUS_OK && type == OBJECT_PORT)
			task_wake_channel(kernel_port_channel(object));
	}
	return status;
}

bool service_destroying(void)
{
	return service_state.destroying;
}

static enum status destroy_transient(void)
{
	enum status status = STATUS_NO_SPACE, failed = STATUS_NOT_FOUND;
	struct disk_system *system;
	struct disk_object record;
	object_t object;

	/* One that cannot go now does not keep those behind it. */
	for (uint32_t at = 0; status == STATUS_NO_SPACE || status == STATUS_IO; at++) {
		store_operation_begin(kernel.space.store);
		status = transient_find(&kernel.space, &at, &object, &record);
		if (status != STATUS_OK)
			return status == STATUS_NOT_FOUND ? failed : status;
		status = service_destroy(object, (enum object_type)record.type);
		failed = status;
	}
	if (status == STATUS_OK || status == STATUS_WAIT)
		return status;
	kernel_print_loud("perdure: object %u, which was to go, cannot be destroyed: %s", object.n,
			  status_text(status));
	store_operation_begin(kernel.space.store);
	status = system_prepare(&kernel.space, &system);
	if (status == STATUS_OK)
		transient_remove(system, record.version);
	return status;
}

enum status service_destroy_transient(void)
{
	enum status status;

	kernel_work_begin(&service_state.transient_failing);
	status = destroy_transient();
	kernel_work_end(status);
	return status;
}

/* Is it to be tried again after a pause? */
static bool destroy_failed(enum status status, uint64_t *retry_ns)
{
	if (status != STATUS_NO_SPACE && status != STATUS_IO)
		return false;
	*retry_ns = time_uptime_ns() + KERNEL_SPACE_RETRY_NS;
	return true;
}

/* OK: go on. */
static enum status destroy_step(void)
{
	enum status status;
	bool more = false;

	store_operation_begin(kernel.space.store);
	kernel_work_begin(&service_state.failing);
	kernel.space.patient = !kernel_read_given_up();
	status = object_destroy_step(&kernel.space, &more);
	kernel_work_end(status);
	if (status == STATUS_WAIT || status == STATUS_NO_SPACE || status == STATUS_IO)
		return status;
	if (status != STATUS_OK)
		kernel_print_loud("perdure: a destroyed object cannot be taken apart, and its "
				  "space is not given back: %s",
				  status_text(status));
	if (!more || status != STATUS_OK) {
		service_state.destroying = false;
		task_wake_channel(CHANNEL_DESTROY);
	}
	return STATUS_OK;
}

bool service_destroy_step(void)
{
	/* What a restart has noted is its own to end, as long as it is under way. */
	bool restarts = console_restarts(), transient = service_state.transient && !restarts;
	uint64_t now_ns = time_uptime_ns();
	enum status status;

	service_state.transient |= restarts;
	if (transient && now_ns >= service_state.transient_retry_ns) {
		status = service_destroy_transient();
		service_state.transient = status != STATUS_NOT_FOUND;
		if (!destroy_failed(status, &service_state.transient_retry_ns))
			return status == STATUS_OK || status == STATUS_NOT_FOUND;
	}
	if (!service_state.destroying || now_ns < service_state.retry_ns)
		return false;
	status = destroy_step();
	destroy_failed(status, &service_state.retry_ns);
	return status == STATUS_OK; /* else again when something has completed */
}

/* ---- a state from before directories had places ------------------------------------ */

bool service_survey_step(void)
{
	enum status status;
	bool more;

	if (!service_state.surveying || time_uptime_ns() < service_state.survey_ns)
		return false;
	store_operation_begin(kernel.space.store);
	status = directory_survey_step(&kernel.space, &service_state.survey, &more);
	if (status == STATUS_WAIT)
		return false; /* again when something has completed */
	service_state.survey_ns =
		status == STATUS_OK ? 0 : time_uptime_ns() + KERNEL_SPACE_RETRY_NS;
	if (status == STATUS_OK)
		service_state.surveying = more;
	/* Who waits for the end is told if it does not come at once. */
	if (status != STATUS_OK || !more)
		task_wake_channel(CHANNEL_SURVEY);
	return status == STATUS_OK && more;
}

enum status service_survey_wait(void)
{
	if (service_state.surveying && !service_state.survey_ns)
		return kernel_wait(CHANNEL_SURVEY);
	return STATUS_BUSY;
}

/* ---- the log ---------------------------------------------------------------------- */

size_t service_log_time(char *line, size_t size)
{
	uint64_t uptime_ms = time_uptime_ns() / 1000000;

	return text_format(line, size, "%lu.%03lu ", (unsigned long)(uptime_ms / 1000),
			   (unsigned long)(uptime_ms % 1000));
}

void service_log_line(const char *format, ...)
{
	char line[KERNEL_LOG_LINE];
	va_list arguments;
	size_t length = service_log_time(line, sizeof(line));

	va_start(arguments, format);
	length += text_vformat_shown(line + length, sizeof(line) - 1 - length, format, arguments);
	va_end(arguments);
	line[length++] = '\n';
	log_write(&kernel.space, line, length);
	task_wake_channel(CHANNEL_LOG);
}
