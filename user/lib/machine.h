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
/* The same with the bases of FS and GS and the FPU. */
enum status machine_all_registers(struct machine machine, struct abi_registers *registers);
enum status machine_set_all_registers(struct machine machine,
				      const struct abi_registers *registers);
/* Whose its system calls are, enum machine_foreign: its keeper's (EVENT_SYSTEM_CALL), or with 0 the
 * kernel's. */
enum status machine_set_foreign(struct machine machine, uint32_t foreign);
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
/* The same at another address, in a window (disk/object.h: below 64 GiB, or from 64 TiB on);
 * 0: at the segment's own.  The same pages may be attached at several. */
enum status machine_attach_at(struct machine machine, struct segment segment, uint64_t first_page,
			      uint64_t pages, uint16_t rights, bool owned, uint64_t address);
/* Other rights for a part of what is attached; 0: it is attached no more.  Those that it has
 * not, it gets by the capability to its segment; NO_SEGMENT: it gets none. */
enum status machine_protect(struct machine machine, struct segment segment, uint64_t address,
			    uint64_t pages, uint16_t rights);
enum status machine_detach(struct machine machine, uint64_t address);

struct machine_attachment {
	uint64_t address, pages;
	uint64_t own_address; /* where these pages are: the same, but in a window */
	uint64_t version;
	uint32_t object; /* of the segment */
	uint16_t rights;
};
struct message;
/* What MACHINE_ATTACHED and VIEW_ATTACHED answer. */
struct machine_attachment machine_attachment_of(const struct message *answer);
/* The first that begins at this address or behind; NOT_FOUND past the last. */
enum status machine_attached(struct machine machine, uint64_t address,
			     struct machine_attachment *attachment);
/* It sees what is attached to the view [EXECUTE], beside its own attachments, which come first;
 * NO_VIEW: those only. */
enum status machine_set_view(struct machine machine, struct view view);
enum status machine_destroy(struct machine machine);

#endif
