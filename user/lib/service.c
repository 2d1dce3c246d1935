/* SPDX-License-Identifier: MIT */
/*
 * service.c - calls to clock, log, console, store and system.  Interface in
 * service.h.
 */
#include "user/lib/service.h"

#include <stdarg.h>
#include <string.h>
#include "user/lib/message.h"
#include "base/text.h"

/* ---- clock ---------------------------------------------------------------- */

enum status clock_now(uint64_t *uptime_ns, uint64_t *wall_ns)
{
	struct message message = {0};
	enum status status = message_request(SLOT_CLOCK, CLOCK_NOW, &message);

	if (uptime_ns)
		*uptime_ns = message.word[0];
	if (wall_ns)
		*wall_ns = message.word[1];
	return status;
}

uint64_t clock_uptime(void)
{
	uint64_t uptime_ns = 0;

	return clock_now(&uptime_ns, NULL) == STATUS_OK ? uptime_ns : 0;
}

enum status clock_sleep_until(uint64_t uptime_ns)
{
	struct message message = {.word = {uptime_ns}};

	return message_request(SLOT_CLOCK, CLOCK_SLEEP, &message);
}

/* ---- log -------------------------------------------------------------------- */

enum status log_write(const void *text, size_t length)
{
	struct message message = {
		.data = text,
		.length = length < LOG_LINE_MAX ? (uint32_t)length : LOG_LINE_MAX,
	};

	return message_request(SLOT_LOG, LOG_WRITE, &message);
}

void log_print(const char *format, ...)
{
	char line[LOG_LINE_MAX + 1];
	va_list list;
	size_t length;

	va_start(list, format);
	length = text_vformat(line, sizeof(line), format, list);
	va_end(list);
	log_write(line, length);
}

static enum status service_read_log(uint32_t slot, uint64_t label, uint64_t *position, void *buffer,
				    size_t *length)
{
	struct message message = {.word = {*position}, .buffer = buffer, .size = MESSAGE_DATA};
	enum status status = message_request(slot, label, &message);

	if (status != STATUS_OK)
		return status;
	*length = message.length;
	*position = message.word[1];
	return status;
}

enum status log_read(uint64_t *position, void *buffer, size_t *length)
{
	return service_read_log(SLOT_LOG, LOG_READ, position, buffer, length);
}

enum status kernel_log_read(uint64_t *position, void *buffer, size_t *length)
{
	return service_read_log(SLOT_SYSTEM, SYSTEM_KERNEL_LOG, position, buffer, length);
}

/* ---- console ---------------------------------------------------------------- */

enum status console_write(const void *data, size_t length)
{
	struct message message = {.data = data, .length = (uint32_t)length};

	return message_request(SLOT_CONSOLE, CONSOLE_WRITE, &message);
}

enum status console_read(void *data, size_t *length, uint64_t deadline_ns)
{
	struct message message = {.word = {deadline_ns}, .buffer = data, .size = MESSAGE_DATA};
	enum status status = message_request(SLOT_CONSOLE, CONSOLE_READ, &message);

	*length = status == STATUS_OK ? message.length : 0;
	return status;
}

/* ---- store ------------------------------------------------------------------- */

static uint64_t patience_ns; /* 0: without limit */

void store_patience(uint64_t ns)
{
	patience_ns = ns;
}

static uint64_t service_deadline(void)
{
	return patience_ns ? clock_uptime() + patience_ns : 0;
}

/* A call with a name (or none) that may be answered before or after a resume. */
static enum status service_resumable(uint32_t slot, uint64_t label, const char *name,
				     uint64_t *generation)
{
	struct message message = {.word = {[5] = service_deadline()}, MESSAGE_TEXT(name)};
	enum status status = message_request(slot, label, &message);

	*generation = message.word[0];
	return status;
}

enum status store_checkpoint(uint64_t *generation)
{
	return service_resumable(SLOT_STORE, STORE_CHECKPOINT, "", generation);
}

enum status store_snapshot(const char *name, uint64_t *generation)
{
	return service_resumable(SLOT_STORE, STORE_SNAPSHOT, name, generation);
}

enum status store_restore(const char *name, uint64_t *generation)
{
	return service_resumable(SLOT_STORE, STORE_RESTORE, name, generation);
}

enum status store_delete(const char *name)
{
	uint64_t ignored;

	return service_resumable(SLOT_STORE, STORE_DELETE, name, &ignored);
}

enum status store_snapshot_after(uint64_t number, struct store_snapshot *snapshot)
{
	struct message message = {.word = {number}, MESSAGE_INTO(snapshot)};

	return message_request(SLOT_STORE, STORE_SNAPSHOT_NEXT, &message);
}

enum status store_statistics(struct store_statistics *statistics)
{
	struct message message = {MESSAGE_INTO(statistics)};

	return message_request(SLOT_STORE, STORE_STATISTICS, &message);
}

enum status store_interval(uint64_t interval_ns)
{
	struct message message = {.word = {interval_ns}};

	return message_request(SLOT_STORE, STORE_INTERVAL, &message);
}

enum status store_rename(uint64_t number, const char *name, uint64_t *generation)
{
	struct message message = {.word = {number, [5] = service_deadline()}, MESSAGE_TEXT(name)};
	enum status status = message_request(SLOT_STORE, STORE_RENAME, &message);

	*generation = message.word[0];
	return status;
}

enum status store_retention(const struct disk_retention *rule, uint64_t *generation)
{
	struct message message = {
		.word = {[5] = service_deadline()},
		.data = rule,
		.length = sizeof(*rule),
	};
	enum status status = message_request(SLOT_STORE, STORE_RETENTION, &message);

	*generation = message.word[0];
	return status;
}

enum status store_grow(uint64_t *generation)
{
	return service_resumable(SLOT_STORE, STORE_GROW, "", generation);
}

enum status store_past_bytes(uint64_t snapshot, uint32_t segment, uint64_t offset, void *buffer,
			     size_t *length)
{
	struct message message = {
		.word = {snapshot, segment, offset}, .buffer = buffer, .size = MESSAGE_DATA};
	enum status status = message_request(SLOT_STORE, STORE_PAST_BYTES, &message);

	*length = message.length;
	return status;
}

enum status store_scrub(struct abi_scrub *scrub)
{
	static const struct abi_scrub begin;
	bool first = memcmp(scrub, &begin, sizeof(begin)) == 0;
	struct message message = {
		.data = scrub,
		.length = first ? 0 : sizeof(*scrub),
		MESSAGE_INTO(scrub),
	};

	return message_request(SLOT_STORE, STORE_SCRUB, &message);
}

/* ---- system ------------------------------------------------------------------- */

enum status system_info(struct abi_system *info)
{
	struct message message = {MESSAGE_INTO(info)};

	return message_request(SLOT_SYSTEM, SYSTEM_INFO, &message);
}

enum status system_power_off(uint64_t *generation)
{
	return service_resumable(SLOT_SYSTEM, SYSTEM_POWER_OFF, "", generation);
}

enum status system_reboot(uint64_t *generation)
{
	return service_resumable(SLOT_SYSTEM, SYSTEM_REBOOT, "", generation);
}

enum status system_continue(void)
{
	struct message message = {0};

	return message_request(SLOT_SYSTEM, SYSTEM_CONTINUE, &message);
}

enum status system_power_lose(bool reboot)
{
	struct message message = {.word = {ABI_POWER_LOSE}};

	return message_request(SLOT_SYSTEM, reboot ? SYSTEM_REBOOT : SYSTEM_POWER_OFF, &message);
}

enum status system_machine_next(uint32_t object, struct abi_machine_info *info, uint32_t to)
{
	struct message message = {.word = {object}, .take = {(uint16_t)to}, MESSAGE_INTO(info)};

	return message_request(SLOT_SYSTEM, SYSTEM_MACHINE_NEXT, &message);
}
