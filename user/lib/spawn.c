/* SPDX-License-Identifier: MIT */
/*
 * spawn.c - starting a new machine from a program object.  Interface in spawn.h.
 *
 *   program object --plan--> layout --pages--> instance segment
 *   machine: instance attached in runs, capabilities placed, started
 *
 * Every step leaves what it made in struct spawn_work, and one function takes
 * everything apart again if a later step fails.
 */
#include "user/lib/spawn.h"

#include <string.h>
#include "user/lib/file.h"
#include "kernel/loader.h"
#include "user/lib/machine.h"
#include "user/lib/slot.h"
#include "user/lib/table.h"

#define SPAWN_QUEUE 16u

struct spawn_work {
	const struct spawn_request *request;
	struct loader_plan plan;
	struct loader_source source;
	struct abi_start start;
	struct file program, instance;
	struct machine machine; /* slot 0: not made yet */
	uint32_t port;		/* slot, in the same way */
	uint64_t message_page;
	const char *step; /* what is being done */
};

static enum status spawn_plan(struct spawn_work *work)
{
	enum status status;

	work->step = "attach the program";
	status = file_attach(&work->program, work->request->program, RIGHT_READ);
	if (status != STATUS_OK)
		return status;
	work->source.data = file_data(&work->program);
	work->source.bytes = work->program.size;
	status = loader_plan(&work->source, &work->plan);
	if (status != STATUS_OK)
		work->step = work->plan.error;
	return status;
}

static enum status spawn_arguments(struct spawn_work *work)
{
	enum status status = loader_argument_add(&work->start, work->request->name);

	work->step = "pass the arguments (at most 63, and 511 bytes in all)";
	for (int i = 0; i < work->request->arguments && status == STATUS_OK; i++)
		status = loader_argument_add(&work->start, work->request->argument[i]);
	return status;
}

static enum status spawn_create(struct spawn_work *work)
{
	const struct spawn_request *request = work->request;
	uint32_t queue = request->queue ? request->queue : SPAWN_QUEUE;
	enum status status;

	work->step = "make a segment for it";
	status = file_create(&work->instance, work->plan.max_pages * PAGE_SIZE, false);
	if (status == STATUS_OK)
		status = file_resize(&work->instance, work->plan.total_pages * PAGE_SIZE);
	if (status != STATUS_OK)
		return status;
	work->step = "make the machine";
	work->machine.slot = slot_take();
	if (work->machine.slot == 0)
		return STATUS_LIMIT;
	status = bank_machine(OWN_BANK, request->name, request->priority, work->machine.slot,
			      &work->message_page);
	if (status != STATUS_OK) {
		slot_forget(work->machine.slot);
		work->machine.slot = 0;
		return status;
	}
	slot_set_new(work->machine.slot);
	work->step = "make its port";
	work->port = slot_take();
	if (work->port == 0)
		return STATUS_LIMIT;
	status = bank_port(OWN_BANK, queue, work->port);
	if (status != STATUS_OK) {
		slot_forget(work->port);
		work->port = 0;
		return status;
	}
	slot_set_new(work->port);
	return STATUS_OK;
}

static enum status spawn_fill(struct spawn_work *work)
{
	uint8_t *base = file_data(&work->instance);

	work->step = "load the program";
	for (uint64_t i = 0; i < work->plan.total_pages; i++) {
		enum status status;

		if (loader_page_empty(&work->plan, i))
			continue;
		status = loader_page(&work->plan, &work->source, work->instance.address,
				     work->message_page, &work->start, i, base + i * PAGE_SIZE);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

/* The segment belongs to the machine from its first attachment on. */
static enum status spawn_attach(struct spawn_work *work)
{
	work->step = "attach its memory";
	for (unsigned i = 0; i < work->plan.runs; i++) {
		const struct loader_run *run = &work->plan.run[i];
		enum status status = machine_attach(work->machine, work->instance.segment,
						    run->first, run->pages, run->rights, i == 0);

		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

static enum status spawn_place(struct spawn_work *work)
{
	const struct spawn_request *request = work->request;
	enum status status;

	work->step = "give it its capabilities";
	status = machine_place(work->machine, work->instance.segment.slot, SLOT_INSTANCE);
	if (status == STATUS_OK)
		status = machine_place(work->machine, work->port, SLOT_PORT);
	for (uint32_t slot = 1; slot < 32 && status == STATUS_OK; slot++) {
		if (!(request->inherit >> slot & 1))
			continue;
		status = machine_place(work->machine, slot, slot);
		if (status == STATUS_NO_CAPABILITY)
			status = STATUS_OK;
	}
	for (uint32_t i = 0; i < request->grants && status == STATUS_OK; i++)
		status = machine_place(work->machine, request->grant[i].from, request->grant[i].to);
	return status;
}

static void spawn_clean_up(struct spawn_work *work, bool failed)
{
	/* The slot of the program is the caller's: only detach. */
	if (work->program.attached)
		machine_detach(OWN_MACHINE, work->program.address);
	if (work->instance.attached) {
		machine_detach(OWN_MACHINE, work->instance.address);
		work->instance.attached = false;
	}
	if (failed) {
		if (work->machine.slot)
			machine_destroy(work->machine);
		if (work->port)
			table_destroy(OWN_TABLE, work->port);
		if (work->instance.segment.slot)
			table_destroy(OWN_TABLE, work->instance.segment.slot);
		slot_give(work->machine.slot);
	}
	slot_give(work->port);
	slot_give(work->instance.segment.slot);
}

enum status spawn_machine(const struct spawn_request *request, struct spawned *spawned)
{
	static enum status (*const steps[])(struct spawn_work *) = {
		spawn_plan, spawn_arguments, spawn_create, spawn_fill, spawn_attach, spawn_place,
	};
	struct spawn_work work;
	enum status status = STATUS_OK;

	memset(&work, 0, sizeof(work));
	work.request = request;
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]) && status == STATUS_OK; i++)
		status = steps[i](&work);
	spawned->machine = work.machine;
	spawned->rip = work.instance.address + work.plan.entry_offset;
	spawned->rsp = work.instance.address + work.plan.stack_top_offset;
	spawned->rdi = work.instance.address + work.plan.start_offset;
	if (status == STATUS_OK && !request->hold) {
		work.step = "start it";
		status = machine_start(work.machine, spawned->rip, spawned->rsp, spawned->rdi);
	}
	slot_set_kept(work.machine.slot);
	spawn_clean_up(&work, status != STATUS_OK);
	spawned->step = work.step;
	return status;
}
