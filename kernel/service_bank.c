/* SPDX-License-Identifier: MIT */
/*
 * service_bank.c - banks, from which all objects are made.
 */
#include "kernel/console.h"
#include "kernel/mapping.h"
#include "kernel/service.h"
#include "base/assert.h"

/* Operation n makes an object of type n; but the number of a bank's own type asks for its use. */
static_assert(OBJECT_TYPES <= (BANK_BANK & 0xff), "each type has its operation");
static_assert((BANK_USAGE & 0xff) == OBJECT_BANK, "it has the number of a bank's own type");

static enum object_type bank_makes(uint64_t label)
{
	return label == BANK_BANK ? OBJECT_BANK : (enum object_type)(label & 0xff);
}

/* What is being taken apart gives its allowance and its addresses back: wait for that. */
enum status service_create_wait(enum status status)
{
	if ((status == STATUS_ALLOWANCE || status == STATUS_LIMIT) && service_destroying())
		return kernel_wait(CHANNEL_DESTROY);
	return status == STATUS_BUSY ? service_survey_wait() : status;
}

static enum status bank_create(struct service *service)
{
	struct object_request request = {.type = bank_makes(service->message.label)};
	const struct service_type *made = service_type(request.type);
	enum status status;

	ASSERT(made && made->request);
	status = made->request(service, &request);
	if (status == STATUS_OK)
		status = object_request_check(&request);
	if (status != STATUS_OK)
		return status;
	/* Without a slot for its capability the new object would be lost at once. */
	if (call_slot(service->call->gpr[REGISTER_R15], 0) == SLOT_NONE)
		return STATUS_INVALID;
	kernel.space.patient = !kernel_read_given_up();
	status = object_create(&kernel.space, (object_t){service->target->object}, &request,
			       &service->capability);
	/* Of banks the limit is how many are in a line, and no end of something changes that. */
	if (status != STATUS_LIMIT || request.type != OBJECT_BANK)
		status = service_create_wait(status);
	ASSERT(status != STATUS_OK || service->capability.type == request.type);
	return status == STATUS_OK && made->created ? made->created(service) : status;
}

static enum status usage_answer(struct service *service, object_t bank,
				const struct disk_object *record)
{
	struct disk_account account = {.next = 0}; /* told also when it cannot be read */
	enum status status = account_read(&kernel.space, bank, &account);

	service->word[0] = record->size;
	service->word[1] = record->allowance.limit;
	service->word[2] = record->allowance.objects;
	service->word[3] = account.addresses;
	service->word[4] = account.address_limit;
	service->word[5] = (uint64_t)bank_weight(bank, &account) << 32;
	return status;
}

static enum status bank_usage(struct service *service)
{
	return usage_answer(service, (object_t){service->target->object}, &service->record);
}

static enum status bank_answer(struct service *service, object_t bank)
{
	service->word[5] |= bank.n;
	return service_answer_object(service, bank, service->target->rights);
}

static enum status bank_op_next(struct service *service)
{
	uint64_t last = service->message.word[0];
	object_t bank = {(uint32_t)last};
	struct disk_object record;
	enum status status = STATUS_DEAD;

	if (last < OBJECT_MAX)
		status = bank_next(&kernel.space, (object_t){service->target->object}, &bank,
				   &record);
	if (status == STATUS_OK)
		status = usage_answer(service, bank, &record);
	return status == STATUS_OK ? bank_answer(service, bank) : status;
}

static enum status bank_op_of(struct service *service)
{
	uint64_t object = service->message.word[0];
	object_t bank;
	enum status status;

	if (object >= OBJECT_MAX)
		return STATUS_NOT_FOUND;
	status = bank_of(&kernel.space, (object_t){service->target->object},
			 (object_t){(uint32_t)object}, &bank);
	return status == STATUS_OK ? bank_answer(service, bank) : status;
}

static enum status bank_op_adopt(struct service *service)
{
	const struct disk_capability *adopted = &service->message.capability[0];
	struct disk_object record;
	enum status status =
		object_resolve(&kernel.space, adopted, OBJECT_NONE, RIGHT_DESTROY, &record);

	if (status == STATUS_OK && adopted->type == OBJECT_REPLY)
		status = STATUS_WRONG_TYPE;
	if (status != STATUS_OK)
		return status;
	kernel.space.patient = !kernel_read_given_up();
	status = bank_adopt(&kernel.space, (object_t){service->target->object},
			    (object_t){adopted->object});
	/* Whoever maps it does not know of the bank with which it ends now. */
	if (status == STATUS_OK && record.type == OBJECT_SEGMENT)
		segment_withdraw(&record);
	if (status == STATUS_OK && record.type == OBJECT_VIEW)
		mapping_withdraw_view_end((object_t){adopted->object}, record.version);
	return service_create_wait(status);
}

static enum status bank_op_weight(struct service *service)
{
	const struct disk_capability *bank = &service->message.capability[0];
	enum status status = object_resolve(&kernel.space, bank, OBJECT_BANK, 0, NULL);

	if (status != STATUS_OK)
		return status;
	kernel.space.patient = !kernel_read_given_up();
	status = bank_weigh(&kernel.space, (object_t){service->target->object},
			    (object_t){bank->object}, service->message.word[0]);
	return service_create_wait(status);
}

static enum status bank_request(const struct service *service, struct object_request *request)
{
	request->size = service->message.word[0];
	request->size_max = service->message.word[1];
	request->weight = service->message.word[2];
	return STATUS_OK;
}

/* All that it pays for is dead from now on; it ends one by one, as if by itself. */
static void bank_after_end(object_t object, const struct disk_object *record)
{
	struct cpu *cpu = cpu_this();
	struct disk_machine *machine;

	(void)object;
	/* Nothing was made from most revokers, nothing hung from most banks. */
	if (!record->allowance.objects && !(record->flags & OBJECT_DERIVED))
		return;
	mapping_withdraw_bank(record->version);
	essential_changed();
	console_examine();
	/* The machine that asked may be one of those: it is not answered. */
	if (cpu->running &&
	    machine_read(&kernel.space, cpu->running->object, &machine) == STATUS_DEAD)
		task_forget(cpu->running);
}

static const struct operation bank_operations[SERVICE_OPERATIONS_MAX] = {
#define BANK_OPERATION SERVICE_ROW
#include "kernel/operations.def"
};

const struct service_type bank_service = {
	.operations = bank_operations,
	.request = bank_request,
	.after_end = bank_after_end,
};
