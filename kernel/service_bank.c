/* SPDX-License-Identifier: MIT */
/*
 * service_bank.c - banks, from which all objects are made.
 */
#include "kernel/service.h"
#include "base/assert.h"

static enum status bank_create(struct service *service)
{
	struct object_request request = {.type = (enum object_type)(service->message.label & 0xff)};
	const struct service_type *made = service_type(request.type);
	enum status status;

	if (!made || !made->request)
		return STATUS_NO_OPERATION;
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
	/* What is being taken apart gives its allowance and its addresses back: wait for that. */
	if ((status == STATUS_ALLOWANCE || status == STATUS_LIMIT) && service_destroying())
		return kernel_wait(CHANNEL_DESTROY);
	if (status == STATUS_BUSY)
		return service_survey_wait();
	ASSERT(status != STATUS_OK || service->capability.type == request.type);
	return status == STATUS_OK && made->created ? made->created(service) : status;
}

static enum status bank_usage(struct service *service)
{
	service->word[0] = service->record.size;
	service->word[1] = service->record.allowance.limit;
	service->word[2] = service->record.allowance.objects;
	return STATUS_OK;
}

/* Operation n makes an object of type n; a bank itself is nothing that it makes. */
static_assert(OBJECT_TYPES <= SERVICE_OPERATIONS_MAX, "each type has its operation");
static_assert((BANK_USAGE & 0xff) == OBJECT_BANK, "it has the number of a bank's own type");
static const struct operation bank_operations[SERVICE_OPERATIONS_MAX] = {
	[1 ... OBJECT_BANK - 1] = {bank_create, RIGHT_CREATE, SERVICE_CAPABILITY},
	[BANK_USAGE & 0xff] = {bank_usage, RIGHT_READ, 0},
	[OBJECT_BANK + 1 ... SERVICE_OPERATIONS_MAX - 1] = {bank_create, RIGHT_CREATE,
							    SERVICE_CAPABILITY},
};

const struct service_type bank_service = {.operations = bank_operations};
