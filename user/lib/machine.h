/* SPDX-License-Identifier: MIT */
/*
 * machine.h - calls to machines.  OWN_MACHINE is the own one.
 */
#ifndef USER_LIB_MACHINE_H
#define USER_LIB_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include "user/lib/handle.h"

enum status machine_info(struct machine machine, struct abi_machine_info *info);
enum status machine_start(struct machine machine, uint64_t rip, uint64_t rsp, uint64_t rdi);
enum status machine_stop(struct machine machine);
enum status machine_continue(struct machine machine);
/* Does not return when it succeeds on the own machine. */
enum status machine_exit(struct machine machine, uint32_t code);
enum status machine_registers(struct machine machine, struct disk_registers *registers);
enum status machine_set_registers(struct machine machine, const struct disk_registers *registers);
/* NO_PORT: no keeper any more. */
enum status machine_set_keeper(struct machine machine, struct port port);
enum status machine_set_priority(struct machine machine, uint32_t priority);
enum status machine_on_resume(struct machine machine, struct port port);
/* Copies the capability in our slot `from` to slot `to` of its table. */
enum status machine_place(struct machine machine, uint32_t from, uint32_t to);
/* Fetches the capability in its slot `from` into our slot `to`. */
enum status machine_take(struct machine machine, uint32_t from, uint32_t to);
/* pages 0: all that the segment can grow to. */
enum status machine_attach(struct machine machine, struct segment segment, uint64_t first_page,
			   uint64_t pages, uint16_t rights, bool owned);
enum status machine_detach(struct machine machine, uint64_t address);
enum status machine_destroy(struct machine machine);

#endif
