/* SPDX-License-Identifier: MIT */
/*
 * service.h - calls to the kernel's own services: clock, log, console, store and
 * system.  What each operation means is in kernel/abi.h.
 */
#ifndef USER_LIB_SERVICE_H
#define USER_LIB_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kernel/abi.h"

#define NS_PER_SECOND	   UINT64_C(1000000000)
#define NS_PER_MILLISECOND UINT64_C(1000000)

/* ---- clock ---- */

enum status clock_now(uint64_t *uptime_ns, uint64_t *wall_ns); /* either may be null */
/* Persistent uptime; 0 if there is no clock. */
uint64_t clock_uptime(void);
/* Waits until the persistent uptime has come; at once if it has passed. */
enum status clock_sleep_until(uint64_t uptime_ns);

/* ---- log ---- */

/* One line, without newline; what is beyond LOG_LINE_MAX bytes is cut off.  The kernel
 * puts time and name of the machine before it. */
enum status log_write(const void *text, size_t length);
void log_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Text from *position on (the log, or the kernel's with `kernel`) into buffer,
 * which has MESSAGE_DATA bytes; *position moves to where to go on. */
enum status log_read(uint64_t *position, void *buffer, size_t *length);
enum status kernel_log_read(uint64_t *position, void *buffer, size_t *length);

/* ---- console ---- */

enum status console_write(const void *data, size_t length);
/* At least one byte into data, which has MESSAGE_DATA bytes; TIMEOUT, RESTARTED. */
enum status console_read(void *data, size_t *length, uint64_t deadline_ns);

/* ---- store ---- */

/* These are answered OK when what they ask for is durable, RESUMED when the system
 * was resumed from the very generation that they made; system_info tells why.  They wait
 * for a disk that fails or does not answer: as long as it takes (0, at first), or so many
 * ns; then IO (nothing was done) or TIMEOUT (it may still be done). */
void store_patience(uint64_t ns);
enum status store_checkpoint(uint64_t *generation);
enum status store_snapshot(const char *name, uint64_t *generation);
enum status store_restore(const char *name, uint64_t *generation);
enum status store_delete(const char *name);
/* The snapshot after the one with that number (0: the first). */
enum status store_snapshot_after(uint64_t number, struct store_snapshot *snapshot);
enum status store_statistics(struct store_statistics *statistics);
enum status store_interval(uint64_t interval_ns);
/* The snapshot of this number is called so from now on. */
enum status store_rename(uint64_t number, const char *name, uint64_t *generation);
/* Which generations are kept automatically. */
enum status store_retention(const struct disk_retention *rule, uint64_t *generation);
/* The store takes all of its disk. */
enum status store_grow(uint64_t *generation);
/* Bytes of a segment as it was in a snapshot, by its number there, into buffer, which has
 * MESSAGE_DATA bytes; none at its end. */
enum status store_past_bytes(uint64_t snapshot, uint32_t segment, uint64_t offset, void *buffer,
			     size_t *length);
/* Verifies a few blocks more; all zeros to begin.  Until scrub->done. */
enum status store_scrub(struct abi_scrub *scrub);

/* ---- system ---- */

enum status system_info(struct abi_system *info);
enum status system_power_off(uint64_t *generation);
enum status system_reboot(uint64_t *generation);
/* Ends the safe mode: all machines go on. */
enum status system_continue(void);
/* At once: what is not saved is lost. */
enum status system_power_lose(bool reboot);
/* The machine after `object` (0: the first); its capability into slot `to`, 0:
 * none. */
enum status system_machine_next(uint32_t object, struct abi_machine_info *info, uint32_t to);

#endif
