/* SPDX-License-Identifier: MIT */
/*
 * fault.c - page faults, and faults that a machine cannot serve itself.
 *
 * A page fault inside what is attached is served by mapping the page, after the
 * store has read it or made it writable; the instruction is executed anew.  While the
 * disk reports errors it is tried again, after pauses.  All
 * other faults stop the machine and are told to its keeper as a call; without a
 * keeper it stays stopped, visibly, and nothing else does.
 */
#include "kernel/kernel.h"
#include "kernel/console.h"
#include "kernel/mapping.h"
#include "kernel/print.h"
#include "kernel/syscall.h"
#include "base/assert.h"
#include <string.h>

static const char *const fault_names[] = {
	"no fault",   "page fault",	  "bad instruction", "arithmetic fault",
	"breakpoint", "protection fault", "storage fault",   "bad system call",
};
static_assert(sizeof(fault_names) / sizeof(fault_names[0]) == FAULT_SYSTEM_CALL + 1,
	      "one for each");

/* What lies where the machine has touched, and what it may do with that, 0 if nothing is. */
struct place {
	uint16_t rights;
	uint8_t why; /* enum fault_place, when a right is missing */
	page_t page;
	struct mapping_shown shown;
};

/* What an attachment shows there; DEAD: it is attached no more. */
static enum status place_attached(const struct disk_attachment *attachment, page_t at,
				  struct place *place)
{
	struct disk_object segment;
	enum status status =
		object_resolve(&kernel.space, &attachment->segment, OBJECT_SEGMENT, 0, &segment);
	uint64_t banks;

	if (status != STATUS_OK)
		return status;
	place->page = attachment_page(attachment, at);
	place->why = FAULT_BEYOND;
	if (place->page.n - segment.first_page >= (segment.size + PAGE_SIZE - 1) / PAGE_SIZE)
		return STATUS_OK;
	place->rights = (uint16_t)attachment->rights;
	place->why = FAULT_NO_RIGHT;
	place->shown.range = (struct mapping_range){segment.first_page, segment.range_pages};
	place->shown.further = at.n - place->page.n;
	status = capability_banks(&kernel.space, &attachment->segment, &segment, &banks);
	place->shown.banks |= banks;
	return status;
}

/* And through the view that the machine has. */
static enum status place_viewed(const struct disk_capability *capability, page_t at,
				struct place *place)
{
	struct disk_attachment attachment;
	struct disk_object view;
	enum status status = object_resolve(&kernel.space, capability, OBJECT_VIEW, 0, &view);

	if (status == STATUS_OK)
		status = view_attachment(&kernel.space, &view, at, &attachment);
	if (status == STATUS_OK)
		status = capability_banks(&kernel.space, capability, &view, &place->shown.banks);
	if (status != STATUS_OK)
		return status;
	place->shown.view = (object_t){capability->object};
	place->shown.banks |= bank_bit(capability->version);
	return place_attached(&attachment, at, place);
}

static enum status fault_place(struct disk_machine *machine, page_t at, struct place *place)
{
	const struct disk_attachment *attachment = machine_attachment(machine, at);
	enum status status = STATUS_DEAD;

	*place = (struct place){.rights = 0, .why = FAULT_NOT_ATTACHED, .page = at};
	if (at.n == machine->message_page) {
		place->why = FAULT_NO_RIGHT;
		place->rights = RIGHT_READ | RIGHT_WRITE;
		place->shown.range = (struct mapping_range){at.n, 1};
		return STATUS_OK;
	}
	if (attachment)
		status = place_attached(attachment, at, place);
	if (status == STATUS_DEAD)
		status = place_viewed(&machine->view, at, place);
	return status == STATUS_NO_CAPABILITY || status == STATUS_DEAD || status == STATUS_NOT_FOUND
		       ? STATUS_OK
		       : status;
}

/* A disk that fails may be well again soon.  A keeper is told after a while; who has none
 * waits as long as it takes. */
static void fault_disk(const struct disk_machine *machine, page_t page)
{
	kernel.space.failed = page;
	if (!machine->keeper.version || !kernel_read_given_up())
		kernel_park_for_disk(TASK_READS_FAULT);
}

/* A page that is read and does not exist is mapped as a frame of zeros, which is the page's
 * own: so nothing is to be withdrawn from anybody when it is first written. */
static enum status fault_map(struct task *task, const struct place *place, bool write)
{
	unsigned flags = place->rights & RIGHT_EXECUTE ? ARCH_MAP_EXECUTE : 0;
	enum status status;
	frame_t frame;

	if (write) {
		/* Whatever a page of the store says: never both. */
		flags = ARCH_MAP_WRITE;
		status = store_page_write(kernel.space.store, place->page, &frame);
	} else {
		status = store_page_read_zeros(kernel.space.store, place->page, &frame);
	}
	if (status != STATUS_OK)
		return status;
	if (mapping_add(task, &place->shown, place->page, frame, flags))
		return STATUS_OK;
	return kernel_wait(STORE_CHANNEL_FRAMES);
}

void fault_page(const struct arch_trap_info *info)
{
	struct task *task = cpu_this()->running;
	page_t at = {info->address >> PAGE_SHIFT};
	uint16_t wanted = RIGHT_READ;
	struct disk_machine *machine;
	struct place place;
	enum status status;

	ASSERT(task->place == TASK_RUNNING && task->root);
	if (info->code & ARCH_FAULT_WRITE)
		wanted = RIGHT_WRITE;
	else if (info->code & ARCH_FAULT_FETCH)
		wanted = RIGHT_EXECUTE;
	kernel_stretch_of(EVENT_FAULT);
	store_operation_begin(kernel.space.store);
	status = machine_prepare(&kernel.space, task->object, &machine);
	if (status == STATUS_IO)
		kernel_park_for_disk(TASK_READS_FAULT);
	if (status == STATUS_OK)
		status = fault_place(machine, at, &place);
	if (status == STATUS_WAIT)
		kernel_park(0);
	if (status == STATUS_IO)
		fault_disk(machine, kernel.space.failed);
	if (status != STATUS_OK)
		fault_raise(FAULT_STORAGE, info->address, status);
	if (!(place.rights & wanted))
		fault_raise(FAULT_PAGE, info->address, info->code | (uint64_t)place.why << 32);
	status = fault_map(task, &place, wanted == RIGHT_WRITE);
	if (status == STATUS_WAIT)
		kernel_park(0);
	if (status == STATUS_NO_SPACE && !machine->keeper.version)
		kernel_park_for_space();
	if (status == STATUS_IO)
		fault_disk(machine, place.page);
	if (status != STATUS_OK)
		fault_raise(FAULT_STORAGE, info->address, status);
	task_has_read(task, TASK_READS_FAULT);
	machine->faults_served++;
	kernel_leave();
}

/* ---- faults for the keeper ---------------------------------------------------- */

enum status fault_keeper(const struct disk_machine *machine, struct disk_object *port,
			 object_t *keeper, uint64_t *version)
{
	struct disk_machine *receiver;
	enum status status =
		object_resolve(&kernel.space, &machine->keeper, OBJECT_PORT, RIGHT_SEND, port);

	if (status == STATUS_OK)
		status = bond_receiver((object_t){machine->keeper.object}, port, &receiver);
	if (status == STATUS_NO_CAPABILITY || status == STATUS_EMPTY)
		return STATUS_DEAD;
	if (status != STATUS_OK)
		return status;
	*keeper = (object_t){receiver->object};
	*version = receiver->version;
	return STATUS_OK;
}

/* By the same way as any call. */
enum status fault_tell(const struct disk_machine *machine, const struct transit *message)
{
	struct sending sending;
	enum status status;

	ASSERT(machine->keeper.version);
	status = object_resolve(&kernel.space, &machine->keeper, OBJECT_PORT, RIGHT_SEND,
				&sending.port);
	if (status == STATUS_OK)
		status = send_prepare(&sending, &machine->keeper, message);
	if (status == STATUS_FULL)
		return kernel_wait(kernel_port_channel((object_t){machine->keeper.object}));
	if (status == STATUS_OK)
		send_commit(&sending, message);
	return status;
}

static struct transit fault_message(const struct disk_machine *machine, enum machine_fault fault,
				    uint64_t address, uint64_t code)
{
	return (struct transit){
		.badge = machine->keeper.badge,
		.label = EVENT_FAULT,
		.word = {fault, address, machine->registers.rip, code, machine->object, 0},
		.sender = machine->object,
		.flags = MESSAGE_EVENT,
		.reply =
			{
				.version = machine->version,
				.object = machine->object,
				.type = OBJECT_REPLY,
				.rights = RIGHT_SEND,
				.aux = machine->call_number + 1,
			},
	};
}

static bool call_is_foreign(const struct disk_machine *machine, enum machine_fault fault)
{
	return fault == FAULT_SYSTEM_CALL && machine->foreign & FOREIGN_CALLS;
}

/* A system call of somebody else's system, as a message. */
static struct transit foreign_message(const struct disk_machine *machine)
{
	static const uint8_t argument[MESSAGE_WORDS] = {
		REGISTER_RDI, REGISTER_RSI, REGISTER_RDX, REGISTER_R10, REGISTER_R8, REGISTER_R9,
	};
	struct transit message = fault_message(machine, FAULT_SYSTEM_CALL, 0, 0);

	message.label = EVENT_SYSTEM_CALL | machine->registers.gpr[REGISTER_RAX] << 32;
	for (unsigned i = 0; i < MESSAGE_WORDS; i++)
		message.word[i] = machine->registers.gpr[argument[i]];
	return message;
}

/* A line for `log -k`; a page that the disk cannot give back is said loudly. */
static void fault_print(const struct disk_machine *machine)
{
	if (machine->fault == FAULT_STORAGE && machine->fault_code != STATUS_NO_SPACE)
		kernel_print_loud("perdure: machine %u (%s) stopped: the page at address 0x%lx "
				  "cannot be had: %s",
				  machine->object, machine->name,
				  (unsigned long)machine->fault_address,
				  status_text((enum status)machine->fault_code));
	else
		kernel_print("machine %u (%s) stopped: %s, address 0x%lx, instruction 0x%lx, "
			     "code 0x%lx",
			     machine->object, machine->name, fault_names[machine->fault],
			     (unsigned long)machine->fault_address,
			     (unsigned long)machine->registers.rip,
			     (unsigned long)machine->fault_code);
}

/* The instruction is executed anew after a wait and faults again, so a fault that
 * cannot be told at once is simply raised once more. */
void fault_raise(enum machine_fault fault, uint64_t address, uint64_t code)
{
	struct task *task = cpu_this()->running;
	struct disk_machine *machine;
	struct transit message;
	enum status status;
	bool told;

	ASSERT(fault > FAULT_NONE && fault < sizeof(fault_names) / sizeof(fault_names[0]));
	ASSERT(task->place == TASK_RUNNING);
	store_operation_begin(kernel.space.store);
	status = machine_prepare(&kernel.space, task->object, &machine);
	if (status == STATUS_IO)
		kernel_park_for_disk(TASK_READS_OWN);
	if (status == STATUS_OK)
		status = log_prepare(&kernel.space, KERNEL_LOG_LINE);
	if (status == STATUS_WAIT)
		kernel_park(0);
	ASSERT(machine->state == MACHINE_READY && machine->version == task->version);
	told = status == STATUS_OK;
	message = call_is_foreign(machine, fault) ? foreign_message(machine)
						  : fault_message(machine, fault, address, code);
	/* Without a keeper it stops for good, and who has called it is told. */
	status = reply_lost_prepare(&machine->reply);
	if (status == STATUS_OK)
		status = machine->keeper.version ? fault_tell(machine, &message)
						 : STATUS_NO_CAPABILITY;
	if (status == STATUS_WAIT)
		kernel_park(0);
	/* A keeper must not miss a fault. */
	if (status == STATUS_NO_SPACE)
		kernel_park_for_space();
	if (status == STATUS_IO)
		kernel_park_for_disk(TASK_READS_FAULT);
	/* COMMIT POINT */
	if (status == STATUS_OK) {
		machine->call_number++;
	} else {
		reply_lost(&machine->reply, STATUS_GONE);
		memset(&machine->reply, 0, sizeof(machine->reply));
	}
	machine->state = MACHINE_FAULTED;
	machine->fault = (uint8_t)fault;
	machine->fault_address = address;
	machine->fault_code = code;
	/* What the keeper of a foreign machine is told of is its daily work. */
	if (status == STATUS_OK && machine->foreign & FOREIGN_CALLS)
		told = false;
	else
		fault_print(machine);
	if (told)
		service_log_line("%u %s stopped: %s at address 0x%lx, instruction 0x%lx%s",
				 machine->object, machine->name, fault_names[fault],
				 (unsigned long)address, (unsigned long)machine->registers.rip,
				 status == STATUS_OK ? ", its keeper was told" : "");
	console_examine();
	task_idle(task);
	cpu_this()->running = NULL;
	kernel_leave();
}
