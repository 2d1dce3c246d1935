/* SPDX-License-Identifier: MIT */
/*
 * bond.c - who receives from a port.
 *
 * The port names its receiver, and that machine the port with the slot through which it
 * receives: a bond.  Whoever needs one looks anew whether the slot still holds the port, to
 * receive from it.  As soon as it does not, the machine is no receiver any more, and where
 * it waits for nothing else it is told so.
 */
#include "kernel/syscall.h"
#include "kernel/print.h"
#include "base/assert.h"

/* MACHINE_PORTS: the machine has none of that port. */
static unsigned bond_find(const struct disk_machine *machine, object_t port, uint64_t version)
{
	unsigned index = 0;

	ASSERT(version);
	while (index < MACHINE_PORTS &&
	       (machine->ports[index].object != port.n || machine->ports[index].version != version))
		index++;
	return index;
}

static bool names_receiver(const struct disk_object *record, const struct disk_machine *machine)
{
	return record->port.receiver == machine->object &&
	       record->port.receiver_version == machine->version;
}

/* NO_CAPABILITY: something else lies there. */
static enum status slot_holds(const struct disk_object *table, uint32_t slot, object_t port,
			      uint64_t version, struct disk_object *record)
{
	struct disk_capability held;
	enum status status = table_get(&kernel.space, table, slot, &held);

	if (status == STATUS_INVALID ||
	    (status == STATUS_OK &&
	     (held.type != OBJECT_PORT || held.object != port.n || held.version != version)))
		return STATUS_NO_CAPABILITY;
	if (status == STATUS_OK)
		status = object_resolve(&kernel.space, &held, OBJECT_PORT, RIGHT_RECEIVE, record);
	return status == STATUS_NO_RIGHT ? STATUS_NO_CAPABILITY : status;
}

/* A bond of a state from before they named their slots is that of the first which holds it. */
static enum status bond_slot(const struct disk_machine *machine, unsigned index, uint32_t *slot,
			     struct disk_object *record)
{
	object_t port = {machine->ports[index].object};
	uint64_t version = machine->ports[index].version;
	struct disk_object table;
	enum status status =
		object_resolve(&kernel.space, &machine->table, OBJECT_TABLE, 0, &table);

	*slot = machine->ports[index].slot;
	if (status == STATUS_DEAD)
		return STATUS_NO_CAPABILITY; /* without a table it holds nothing */
	if (status != STATUS_OK || *slot)
		return status == STATUS_OK ? slot_holds(&table, *slot, port, version, record)
					   : status;
	status = STATUS_NO_CAPABILITY;
	while (status == STATUS_NO_CAPABILITY && ++*slot < table.size)
		status = slot_holds(&table, *slot, port, version, record);
	return status;
}

enum status bond_check(const struct disk_machine *machine, unsigned index, uint32_t *slot,
		       struct disk_object *record)
{
	enum status status = bond_slot(machine, index, slot, record);

	ASSERT(index < MACHINE_PORTS && machine->ports[index].object);
	/* Another one may have become the receiver meanwhile. */
	if (status == STATUS_OK && !names_receiver(record, machine))
		status = STATUS_NO_CAPABILITY;
	return status;
}

static bool bond_over(enum status status)
{
	return status == STATUS_DEAD || status == STATUS_NO_CAPABILITY;
}

/* The machine that the port names.  EMPTY: none, or it has ended. */
static enum status receiver_read(const struct disk_object *record, struct disk_machine **machine)
{
	object_t object = {(uint32_t)record->port.receiver};
	struct disk_object found;
	enum status status;

	ASSERT(record->type == OBJECT_PORT);
	if (!object.n)
		return STATUS_EMPTY;
	status = object_read(&kernel.space, object, &found);
	if (status == STATUS_OK && found.version != record->port.receiver_version)
		status = STATUS_DEAD;
	if (status == STATUS_DEAD || status == STATUS_NOT_FOUND)
		return STATUS_EMPTY;
	return status == STATUS_OK ? machine_read(&kernel.space, object, machine) : status;
}

/* Does the machine receive from the port, whatever it does now?  EMPTY: no more. */
static enum status receiver_check(const struct disk_machine *machine, object_t port,
				  uint64_t version)
{
	unsigned index = bond_find(machine, port, version);
	struct disk_object record;
	enum status status = STATUS_EMPTY;
	uint32_t slot;

	/* One that has exited will not receive again, whatever it holds. */
	if (index < MACHINE_PORTS && machine->state != MACHINE_EXITED)
		status = bond_check(machine, index, &slot, &record);
	return bond_over(status) ? STATUS_EMPTY : status;
}

/* ---- making one -------------------------------------------------------------------- */

/* A place for a bond: a free one, or one that is over. */
static enum status bond_place(const struct disk_machine *machine, unsigned *index)
{
	struct disk_object record;
	enum status status = STATUS_OK;
	uint32_t slot;

	for (*index = 0; *index < MACHINE_PORTS; ++*index)
		if (!machine->ports[*index].object)
			return STATUS_OK;
	for (*index = 0; *index < MACHINE_PORTS && status == STATUS_OK; ++*index) {
		status = bond_check(machine, *index, &slot, &record);
		if (bond_over(status))
			return STATUS_OK;
	}
	return status == STATUS_OK ? STATUS_LIMIT : status;
}

/* BUSY: another machine receives from the port. */
static enum status bond_others(const struct disk_machine *machine, object_t port,
			       const struct disk_object *record)
{
	struct disk_machine *other;
	enum status status;

	if (names_receiver(record, machine))
		return STATUS_OK;
	status = receiver_read(record, &other);
	if (status == STATUS_OK)
		status = receiver_check(other, port, record->version);
	if (status == STATUS_WAIT || status == STATUS_IO)
		return status;
	if (status == STATUS_OK)
		return STATUS_BUSY;
	/* Who waited through what is gone is told so before another takes its place. */
	return bond_abandon(port, record, STATUS_NO_CAPABILITY);
}

enum status bond_make(struct disk_machine *machine, uint32_t slot, object_t port,
		      const struct disk_object *record)
{
	unsigned index = bond_find(machine, port, record->version);
	struct disk_object *writable;
	enum status status = bond_others(machine, port, record);

	ASSERT(slot && record->type == OBJECT_PORT && record->version);
	if (status == STATUS_OK && index == MACHINE_PORTS)
		status = bond_place(machine, &index);
	if (status == STATUS_OK && !names_receiver(record, machine)) {
		status = object_prepare(&kernel.space, port, &writable);
		/* COMMIT POINT: harmless by itself, so the receive may still wait after it. */
		if (status == STATUS_OK) {
			writable->port.receiver = machine->object;
			writable->port.receiver_version = machine->version;
		}
	}
	if (status != STATUS_OK)
		return status;
	machine->ports[index].object = port.n;
	machine->ports[index].version = record->version;
	machine->ports[index].slot = slot;
	return STATUS_OK;
}

/* ---- using one --------------------------------------------------------------------- */

static bool waits_for(const struct disk_machine *machine, object_t port, uint64_t version)
{
	return machine->state == MACHINE_RECEIVE &&
	       (!machine->callee ||
		(machine->callee == port.n && machine->callee_version == version));
}

enum status deliver_receiver(const struct disk_capability *port, const struct disk_object *record,
			     struct disk_machine **receiver)
{
	object_t object = {port->object};
	enum status status = receiver_read(record, receiver);

	if (status == STATUS_OK && !waits_for(*receiver, object, port->version))
		status = STATUS_EMPTY;
	if (status != STATUS_OK)
		return status;
	status = receiver_check(*receiver, object, port->version);
	/* What it holds cannot be known any more: then it is as good as gone. */
	if (status == STATUS_CORRUPT)
		status = STATUS_EMPTY;
	return status == STATUS_OK
		       ? machine_prepare(&kernel.space, (object_t){(*receiver)->object}, receiver)
		       : status;
}

/* ---- losing one -------------------------------------------------------------------- */

/* Who waits for this port, or for any.  EMPTY: nobody. */
static enum status waiter_read(object_t port, const struct disk_object *record,
			       struct disk_machine **waiter)
{
	enum status status = receiver_read(record, waiter);

	if (status != STATUS_OK)
		return status;
	return bond_find(*waiter, port, record->version) < MACHINE_PORTS &&
			       waits_for(*waiter, port, record->version)
		       ? STATUS_OK
		       : STATUS_EMPTY;
}

/* Of the outcome of a search for one that waits, without its bond `except`, which is being
 * lost.  EMPTY: there is something else that it waits for. */
static enum status waiter_last(enum status found, const struct disk_machine *waiter,
			       unsigned except)
{
	for (unsigned i = 0; found == STATUS_OK && i < MACHINE_PORTS; i++) {
		object_t port = {waiter->ports[i].object};
		struct disk_object other;
		uint32_t slot;

		if (!port.n || i == except || !waits_for(waiter, port, waiter->ports[i].version))
			continue;
		found = bond_check(waiter, i, &slot, &other);
		if (bond_over(found))
			found = STATUS_OK;
		else if (found == STATUS_OK)
			found = STATUS_EMPTY;
	}
	return found;
}

/* What keeps the end of a wait from being prepared; what cannot be known does not. */
static enum status waiter_prepare(enum status found, struct disk_machine *waiter)
{
	enum status status = found;

	if (status == STATUS_OK)
		status = machine_prepare(&kernel.space, (object_t){waiter->object}, &waiter);
	if (status == STATUS_OK)
		status = wait_end_prepare(waiter);
	return kernel_tries_again(status) ? status : STATUS_OK;
}

/* In one operation several can be lost, so each may be the last: the others that there still
 * are count for nothing here, they are only looked at. */
static enum status waiter_prepare_any(enum status found, struct disk_machine *waiter,
				      unsigned except)
{
	enum status last = waiter_last(found, waiter, except);

	return waiter_prepare(found == STATUS_OK && last == STATUS_EMPTY ? STATUS_OK : last,
			      waiter);
}

/* COMMIT.  What could not be prepared is not done by half. */
static void waiter_end(enum status found, struct disk_machine *waiter, enum status answer)
{
	enum status status = found;

	if (status == STATUS_OK)
		status = machine_prepare(&kernel.space, (object_t){waiter->object}, &waiter);
	if (status == STATUS_OK)
		status = wait_end_prepare(waiter);
	if (status == STATUS_IO || status == STATUS_CORRUPT)
		kernel_print_loud("perdure: who waits for a port that is gone cannot be told: %s",
				  status_text(status));
	if (status != STATUS_OK)
		return;
	ASSERT(waiter->state == MACHINE_RECEIVE);
	call_registers_done(waiter, answer, 0, 0);
	wait_end(waiter);
}

/* Who waits and receives through this slot. */
static enum status waiter_find_slot(const struct disk_capability *table, uint32_t slot,
				    const struct disk_capability *held,
				    struct disk_machine **waiter, unsigned *bond)
{
	object_t port = {held->object};
	struct disk_object record;
	enum status status;
	uint32_t named;

	if (held->type != OBJECT_PORT || !(held->rights & RIGHT_RECEIVE))
		return STATUS_EMPTY;
	status = object_read(&kernel.space, port, &record);
	if (status == STATUS_OK && record.version != held->version)
		status = STATUS_DEAD;
	if (status == STATUS_OK)
		status = waiter_read(port, &record, waiter);
	if (status != STATUS_OK)
		return status;
	if ((*waiter)->table.object != table->object || (*waiter)->table.version != table->version)
		return STATUS_EMPTY;
	*bond = bond_find(*waiter, port, record.version);
	status = bond_check(*waiter, *bond, &named, &record);
	return status == STATUS_OK && named != slot ? STATUS_EMPTY : status;
}

/* The same port again, to receive from. */
static bool bond_stays(const struct disk_capability *held, const struct disk_capability *put)
{
	return put && put->type == OBJECT_PORT && put->object == held->object &&
	       put->version == held->version && put->revoker_version == held->revoker_version &&
	       put->rights & RIGHT_RECEIVE;
}

enum status bond_review(object_t machine)
{
	struct disk_machine *waiter;
	enum status status = machine_read(&kernel.space, machine, &waiter);
	bool waits = false;

	for (unsigned i = 0; status == STATUS_OK && i < MACHINE_PORTS; i++)
		waits |= waiter->ports[i].object &&
			 waits_for(waiter, (object_t){waiter->ports[i].object},
				   waiter->ports[i].version);
	/* Nobody waits for a port that there never was; that is a sleep. */
	if (status == STATUS_OK)
		status = waits ? waiter_last(STATUS_OK, waiter, MACHINE_PORTS) : STATUS_EMPTY;
	if (status != STATUS_OK)
		return status;
	status = waiter_prepare(status, waiter);
	/* COMMIT POINT */
	if (status == STATUS_OK)
		waiter_end(STATUS_OK, waiter, STATUS_DEAD);
	return status;
}

enum status bond_lost_prepare(const struct disk_capability *table, uint32_t slot,
			      const struct disk_capability *held, const struct disk_capability *put)
{
	struct disk_machine *waiter = NULL;
	unsigned bond = MACHINE_PORTS;
	enum status found;

	if (bond_stays(held, put))
		return STATUS_OK;
	found = waiter_find_slot(table, slot, held, &waiter, &bond);
	return waiter_prepare_any(found, waiter, bond);
}

void bond_lost(const struct disk_capability *table, uint32_t slot,
	       const struct disk_capability *held, const struct disk_capability *put)
{
	struct disk_machine *waiter = NULL;
	unsigned bond = MACHINE_PORTS;
	enum status found;

	if (bond_stays(held, put))
		return;
	found = waiter_find_slot(table, slot, held, &waiter, &bond);
	waiter_end(waiter_last(found, waiter, bond), waiter, STATUS_NO_CAPABILITY);
}

/* By its number: a port that is dying has no version any more, and nobody else has its
 * number yet. */
static bool waits_on(const struct disk_machine *machine, object_t port)
{
	for (unsigned i = 0; i < MACHINE_PORTS; i++)
		if (machine->ports[i].object == port.n &&
		    waits_for(machine, port, machine->ports[i].version))
			return true;
	return false;
}

enum status bond_abandon(object_t port, const struct disk_object *record, enum status answer)
{
	struct disk_machine *waiter = NULL;
	enum status status, found = receiver_read(record, &waiter);

	if (found == STATUS_OK && !waits_on(waiter, port))
		found = STATUS_EMPTY;
	found = waiter_last(found, waiter, MACHINE_PORTS);
	status = waiter_prepare(found, waiter);
	/* COMMIT POINT */
	if (status == STATUS_OK)
		waiter_end(found, waiter, answer);
	return status;
}

enum status bond_receiver(object_t port, const struct disk_object *record,
			  struct disk_machine **receiver)
{
	enum status status = receiver_read(record, receiver);

	return status == STATUS_OK ? receiver_check(*receiver, port, record->version) : status;
}
