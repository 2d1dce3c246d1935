/* SPDX-License-Identifier: MIT */
/*
 * service.c - a message to a kernel object: checked, prepared, run, answered.
 */
#include "kernel/service.h"
#include "base/text.h"
#include "base/assert.h"
#include <string.h>

#define SERVICE_ENTRY(name, number, word) [number] = &word##_service,
static const struct service_type *const types[OBJECT_TYPES] = {OBJECT_LIST(SERVICE_ENTRY)};

const struct service_type *service_type(unsigned type)
{
	return type < OBJECT_TYPES ? types[type] : NULL;
}

static const struct operation *operation_find(const struct disk_capability *target, uint64_t label)
{
	const struct service_type *type = service_type(target->type);
	uint64_t number = label & 0xff;

	if (!type || !type->operations || label >> 8 != target->type ||
	    number >= SERVICE_OPERATIONS_MAX || !type->operations[number].run)
		return NULL;
	return &type->operations[number];
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

	ASSERT(label != STATUS_WAIT && service->length <= MESSAGE_DATA);
	ASSERT(call->entry == ENTRY_SEND || call->entry == ENTRY_CALL);
	ASSERT(call->machine->state == MACHINE_READY); /* what asked runs on */
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
	/* An operation takes the record for one of its own type. */
	ASSERT(service->record.type == capability->type);
	operation = operation_find(capability, service->message.label);
	kernel_stretch_of(service->message.label);
	if (!operation)
		status = STATUS_NO_OPERATION;
	else if ((capability_rights(capability) & operation->right) != operation->right)
		status = STATUS_NO_RIGHT;
	else if (call->moved)
		status = STATUS_INVALID; /* nothing here keeps a reply capability */
	else
		status = service_prepare(service, operation);
	if (status == STATUS_OK)
		status = operation->run(service);
	/* Only what the row says was prepared, and who asked is still there. */
	ASSERT(status != STATUS_OK || !service->length || operation->flags & SERVICE_DATA);
	ASSERT(status != STATUS_OK || !service->capability.version ||
	       operation->flags & SERVICE_CAPABILITY);
	ASSERT(cpu_this()->running == call->task);
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
	enum status status = object_capability(&kernel.space, object, rights, &service->capability);

	/* It ends with what led to it. */
	service->capability.revoker = service->target->revoker;
	service->capability.revoker_version = service->target->revoker_version;
	return status;
}

/* ---- a state from before there were places, or a map of ranges ---------------------- */

/* What may not be known of the state yet; retry_ns: not before then. */
struct survey {
	bool going;
	uint64_t retry_ns;
};

static struct {
	struct survey ranges, places;
	struct directory_survey place;
} service_state;

void service_reset(void)
{
	memset(&service_state, 0, sizeof(service_state));
	service_state.ranges.going = service_state.places.going = true;
	service_state.place.directory = (object_t){1};
	service_end_reset();
}

/* True: more at once.  Who waits is woken when it has come to an end, or does not at once;
 * each range may be the one that somebody waits for. */
static bool survey_stepped(struct survey *survey, enum status status, bool more)
{
	if (status == STATUS_WAIT)
		return false; /* again when something has completed */
	survey->retry_ns = status == STATUS_OK ? 0 : time_uptime_ns() + KERNEL_SPACE_RETRY_NS;
	if (status == STATUS_OK)
		survey->going = more;
	if (status != STATUS_OK || !more || survey == &service_state.ranges)
		task_wake_channel(CHANNEL_SURVEY);
	return status == STATUS_OK && more;
}

static bool survey_due(const struct survey *survey)
{
	return survey->going && time_uptime_ns() >= survey->retry_ns;
}

bool service_survey_step(void)
{
	bool again = false, more = false;
	enum status status;

	if (survey_due(&service_state.ranges)) {
		store_operation_begin(kernel.space.store);
		status = range_survey_step(&kernel.space, &more);
		again |= survey_stepped(&service_state.ranges, status, more);
	}
	if (survey_due(&service_state.places)) {
		store_operation_begin(kernel.space.store);
		status = directory_survey_step(&kernel.space, &service_state.place, &more);
		again |= survey_stepped(&service_state.places, status, more);
	}
	return again;
}

enum status service_survey_wait(void)
{
	const struct survey *ranges = &service_state.ranges, *places = &service_state.places;

	if ((ranges->going && !ranges->retry_ns) || (places->going && !places->retry_ns))
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

	static_assert(sizeof(line) <= LOG_PREPARE_MAX, "a line is written in one operation");
	va_start(arguments, format);
	length += text_vformat_shown(line + length, sizeof(line) - 1 - length, format, arguments);
	va_end(arguments);
	line[length++] = '\n';
	ASSERT(length <= sizeof(line));
	log_add(&kernel.space, line, length);
	task_wake_channel(CHANNEL_LOG);
}
