/* SPDX-License-Identifier: MIT */
/*
 * spawn.c - starting a new machine from a program object.  Interface in spawn.h.
 *
 *   bank of its own, if it is to have one: all else is made from that
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
	struct bank bank;	/* pays for all; the own one, or: */
	uint32_t own_bank;	/* slot of the new one, 0: none */
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

/* In a newly taken slot: what is made there goes with whoever is cleaned up after. */
static enum status spawn_made(uint32_t *slot, enum status status)
{
	if (status == STATUS_OK) {
		slot_set_new(*slot);
		return STATUS_OK;
	}
	slot_forget(*slot);
	*slot = 0;
	return status;
}

static enum status spawn_bank(struct spawn_work *work)
{
	const struct spawn_request *request = work->request;

	work->bank = OWN_BANK;
	if (!request->bank_pages)
		return STATUS_OK;
	work->step = "make a bank for it";
	work->own_bank = slot_take();
	if (work->own_bank == 0)
		return STATUS_LIMIT;
	work->bank = BANK(work->own_bank);
	return spawn_made(&work->own_bank,
			  bank_bank_weighed(OWN_BANK, request->bank_pages, request->bank_addresses,
					    request->bank_weight, work->own_bank));
}

static enum status spawn_create(struct spawn_work *work)
{
	const struct spawn_request *request = work->request;
	uint32_t queue = request->queue ? request->queue : SPAWN_QUEUE;
	enum status status;

	work->step = "make a segment for it";
	status = file_create_from(&work->instance, work->bank, work->plan.max_pages * PAGE_SIZE,
				  false);
	if (status == STATUS_OK)
		status = file_resize(&work->instance, work->plan.total_pages * PAGE_SIZE);
	if (status != STATUS_OK)
		return status;
	work->step = "make the machine";
	work->machine.slot = slot_take();
	if (work->machine.slot == 0)
		return STATUS_LIMIT;
	status = spawn_made(&work->machine.slot,
			    bank_machine(work->bank, request->name, request->priority,
					 work->machine.slot, &work->message_page));
	if (status != STATUS_OK)
		return status;
	work->step = "make its port";
	work->port = slot_take();
	if (work->port == 0)
		return STATUS_LIMIT;
	return spawn_made(&work->port, bank_port(work->bank, queue, work->port));
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

/* Our capability in that slot becomes one of its.  A bank that it may destroy would end with it:
 * that is for the one that is its own only. */
static enum status spawn_give(const struct spawn_work *work, uint32_t from, uint32_t to)
{
	uint32_t reduced;
	enum status status;

	if (to != SLOT_BANK)
		return machine_place(work->machine, from, to);
	reduced = slot_take();
	if (reduced == 0)
		return STATUS_LIMIT;
	status = table_reduce(OWN_TABLE, from, reduced, RIGHT_READ | RIGHT_CREATE);
	if (status == STATUS_OK)
		status = machine_place(work->machine, reduced, to);
	slot_give(reduced);
	return status;
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
		status = spawn_give(work, slot, slot);
		if (status == STATUS_NO_CAPABILITY)
			status = STATUS_OK;
	}
	for (uint32_t i = 0; i < request->grants && status == STATUS_OK; i++)
		status = spawn_give(work, request->grant[i].from, request->grant[i].to);
	if (status == STATUS_OK && work->own_bank)
		status = machine_place(work->machine, work->own_bank, SLOT_BANK);
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
	if (failed && work->own_bank) {
		table_destroy(OWN_TABLE, work->own_bank); /* and with it all that is made */
		slot_give(work->machine.slot);
	} else if (failed) {
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
	slot_give(work->own_bank);
}

enum status spawn_machine(const struct spawn_request *request, struct spawned *spawned)
{
	static enum status (*const steps[])(struct spawn_work *) = {
		spawn_plan, spawn_arguments, spawn_bank,  spawn_create,
		spawn_fill, spawn_attach,    spawn_place,
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
	spawned->no_bank = request->bank_pages && !work.own_bank && status == STATUS_ALLOWANCE;
	return status;
}
