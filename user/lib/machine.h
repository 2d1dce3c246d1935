/* SPDX-License-Identifier: MIT */
/*
 * machine.h - calls to machines.  SLOT_SELF is the own one.
 */
#ifndef USER_LIB_MACHINE_H
#define USER_LIB_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include "kernel/abi.h"

enum status machine_info(uint32_t slot, struct abi_machine_info *info);
enum status machine_start(uint32_t slot, uint64_t rip, uint64_t rsp, uint64_t rdi);
enum status machine_stop(uint32_t slot);
enum status machine_continue(uint32_t slot);
/* Does not return when it succeeds on the own machine. */
enum status machine_exit(uint32_t slot, uint32_t code);
enum status machine_registers(uint32_t slot, struct disk_registers *registers);
enum status machine_set_registers(uint32_t slot, const struct disk_registers *registers);
/* port 0: no keeper any more. */
enum status machine_set_keeper(uint32_t slot, uint32_t port);
enum status machine_set_priority(uint32_t slot, uint32_t priority);
enum status machine_on_resume(uint32_t slot, uint32_t port);
/* Copies the capability in our slot `from` to slot `to` of its table. */
enum status machine_place(uint32_t slot, uint32_t from, uint32_t to);
/* Fetches the capability in its slot `from` into our slot `to`. */
enum status machine_take(uint32_t slot, uint32_t from, uint32_t to);
/* pages 0: all that the segment can grow to. */
enum status machine_attach(uint32_t slot, uint32_t segment, uint64_t first_page, uint64_t pages,
			   uint16_t rights, bool owned);
enum status machine_detach(uint32_t slot, uint64_t address);
enum status machine_destroy(uint32_t slot);

#endif
