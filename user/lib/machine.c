/* SPDX-License-Identifier: MIT */
/*
 * machine.c - calls to machines.  Interface in machine.h.
 */
#include "user/lib/machine.h"

#include "user/lib/message.h"

/* Calls whose arguments are words only. */
static enum status machine_words(uint32_t slot, uint64_t label, uint64_t w0, uint64_t w1,
				 uint64_t w2)
{
	struct message message = {.word = {w0, w1, w2}};

	return message_request(slot, label, &message);
}

enum status machine_info(uint32_t slot, struct abi_machine_info *info)
{
	struct message message = {MESSAGE_INTO(info)};

	return message_request(slot, MACHINE_INFO, &message);
}

enum status machine_start(uint32_t slot, uint64_t rip, uint64_t rsp, uint64_t rdi)
{
	return machine_words(slot, MACHINE_START, rip, rsp, rdi);
}

enum status machine_stop(uint32_t slot)
{
	return machine_words(slot, MACHINE_STOP, 0, 0, 0);
}

enum status machine_continue(uint32_t slot)
{
	return machine_words(slot, MACHINE_CONTINUE, 0, 0, 0);
}

enum status machine_exit(uint32_t slot, uint32_t code)
{
	return machine_words(slot, MACHINE_EXIT, code, 0, 0);
}

enum status machine_registers(uint32_t slot, struct disk_registers *registers)
{
	struct message message = {MESSAGE_INTO(registers)};

	return message_request(slot, MACHINE_REGISTERS, &message);
}

enum status machine_set_registers(uint32_t slot, const struct disk_registers *registers)
{
	struct message message = {.data = registers, .length = sizeof(*registers)};

	return message_request(slot, MACHINE_SET_REGISTERS, &message);
}

enum status machine_set_keeper(uint32_t slot, uint32_t port)
{
	struct message message = {.pass = {(uint16_t)port}};

	return message_request(slot, MACHINE_SET_KEEPER, &message);
}

enum status machine_set_priority(uint32_t slot, uint32_t priority)
{
	return machine_words(slot, MACHINE_SET_PRIORITY, priority, 0, 0);
}

enum status machine_on_resume(uint32_t slot, uint32_t port)
{
	struct message message = {.pass = {(uint16_t)port}};

	return message_request(slot, MACHINE_ON_RESUME, &message);
}

enum status machine_place(uint32_t slot, uint32_t from, uint32_t to)
{
	struct message message = {.word = {to}, .pass = {(uint16_t)from}};

	return message_request(slot, MACHINE_PLACE, &message);
}

enum status machine_take(uint32_t slot, uint32_t from, uint32_t to)
{
	struct message message = {.word = {from}, .take = {(uint16_t)to}};

	return message_request(slot, MACHINE_TAKE, &message);
}

enum status machine_attach(uint32_t slot, uint32_t segment, uint64_t first_page, uint64_t pages,
			   uint16_t rights, bool owned)
{
	struct message message = {
		.word = {first_page, pages, rights, owned},
		.pass = {(uint16_t)segment},
	};

	return message_request(slot, MACHINE_ATTACH, &message);
}

enum status machine_detach(uint32_t slot, uint64_t address)
{
	return machine_words(slot, MACHINE_DETACH, address, 0, 0);
}

enum status machine_destroy(uint32_t slot)
{
	return machine_words(slot, MACHINE_DESTROY, 0, 0, 0);
}
