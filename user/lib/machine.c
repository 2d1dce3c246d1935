/* SPDX-License-Identifier: MIT */
/*
 * machine.c - calls to machines.  Interface in machine.h.
 */
#include "user/lib/machine.h"

#include "user/lib/message.h"

/* Calls whose arguments are words only. */
static enum status machine_words(struct machine machine, uint64_t label, uint64_t w0, uint64_t w1,
				 uint64_t w2)
{
	struct message message = {.word = {w0, w1, w2}};

	return message_request(machine.slot, label, &message);
}

enum status machine_info(struct machine machine, struct abi_machine_info *info)
{
	struct message message = {MESSAGE_INTO(info)};

	return message_request(machine.slot, MACHINE_INFO, &message);
}

enum status machine_start(struct machine machine, uint64_t rip, uint64_t rsp, uint64_t rdi)
{
	return machine_words(machine, MACHINE_START, rip, rsp, rdi);
}

enum status machine_stop(struct machine machine)
{
	return machine_words(machine, MACHINE_STOP, 0, 0, 0);
}

enum status machine_continue(struct machine machine)
{
	return machine_words(machine, MACHINE_CONTINUE, 0, 0, 0);
}

enum status machine_exit(struct machine machine, uint32_t code)
{
	return machine_words(machine, MACHINE_EXIT, code, 0, 0);
}

enum status machine_registers(struct machine machine, struct disk_registers *registers)
{
	struct message message = {MESSAGE_INTO(registers)};

	return message_request(machine.slot, MACHINE_REGISTERS, &message);
}

enum status machine_set_registers(struct machine machine, const struct disk_registers *registers)
{
	struct message message = {.data = registers, .length = sizeof(*registers)};

	return message_request(machine.slot, MACHINE_SET_REGISTERS, &message);
}

enum status machine_all_registers(struct machine machine, struct abi_registers *registers)
{
	struct message message = {MESSAGE_INTO(registers), .word = {1}};

	return message_request(machine.slot, MACHINE_REGISTERS, &message);
}

enum status machine_set_all_registers(struct machine machine, const struct abi_registers *registers)
{
	struct message message = {.data = registers, .length = sizeof(*registers)};

	return message_request(machine.slot, MACHINE_SET_REGISTERS, &message);
}

enum status machine_set_foreign(struct machine machine, uint32_t foreign)
{
	return machine_words(machine, MACHINE_FOREIGN, foreign, 0, 0);
}

enum status machine_set_keeper(struct machine machine, struct port port)
{
	struct message message = {.word = {KEEPER_EXIT}, .pass = {(uint16_t)port.slot}};

	return message_request(machine.slot, MACHINE_SET_KEEPER, &message);
}

enum status machine_set_priority(struct machine machine, uint32_t priority)
{
	return machine_words(machine, MACHINE_SET_PRIORITY, priority, 0, 0);
}

enum status machine_on_resume(struct machine machine, struct port port)
{
	struct message message = {.pass = {(uint16_t)port.slot}};

	return message_request(machine.slot, MACHINE_ON_RESUME, &message);
}

enum status machine_place(struct machine machine, uint32_t from, uint32_t to)
{
	struct message message = {.word = {to}, .pass = {(uint16_t)from}};

	return message_request(machine.slot, MACHINE_PLACE, &message);
}

enum status machine_take(struct machine machine, uint32_t from, uint32_t to)
{
	struct message message = {.word = {from}, .take = {(uint16_t)to}};

	return message_request(machine.slot, MACHINE_TAKE, &message);
}

enum status machine_attach(struct machine machine, struct segment segment, uint64_t first_page,
			   uint64_t pages, uint16_t rights, bool owned)
{
	return machine_attach_at(machine, segment, first_page, pages, rights, owned, 0);
}

enum status machine_attach_at(struct machine machine, struct segment segment, uint64_t first_page,
			      uint64_t pages, uint16_t rights, bool owned, uint64_t address)
{
	struct message message = {
		.word = {first_page, pages, rights, owned, address},
		.pass = {(uint16_t)segment.slot},
	};

	return message_request(machine.slot, MACHINE_ATTACH, &message);
}

enum status machine_protect(struct machine machine, struct segment segment, uint64_t address,
			    uint64_t pages, uint16_t rights)
{
	struct message message = {
		.word = {address, pages, rights},
		.pass = {(uint16_t)segment.slot},
	};

	return message_request(machine.slot, MACHINE_PROTECT, &message);
}

struct machine_attachment machine_attachment_of(const struct message *answer)
{
	return (struct machine_attachment){
		.address = answer->word[0],
		.pages = answer->word[1],
		.rights = (uint16_t)answer->word[2],
		.own_address = answer->word[3],
		.object = (uint32_t)answer->word[4],
		.version = answer->word[5],
	};
}

enum status machine_attached(struct machine machine, uint64_t address,
			     struct machine_attachment *attachment)
{
	struct message message = {.word = {address}};
	enum status status = message_request(machine.slot, MACHINE_ATTACHED, &message);

	*attachment = machine_attachment_of(&message);
	return status;
}

enum status machine_detach(struct machine machine, uint64_t address)
{
	return machine_words(machine, MACHINE_DETACH, address, 0, 0);
}

enum status machine_set_view(struct machine machine, struct view view)
{
	struct message message = {.pass = {(uint16_t)view.slot}};

	return message_request(machine.slot, MACHINE_SET_VIEW, &message);
}

enum status machine_destroy(struct machine machine)
{
	return machine_words(machine, MACHINE_DESTROY, 0, 0, 0);
}
