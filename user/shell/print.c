/* SPDX-License-Identifier: MIT */
/*
 * print.c - values in words.  Interface in shell.h.
 */
#include "user/shell/shell.h"

#include "base/calendar.h"
#include "user/lib/service.h"
#include "base/text.h"

const char *print_bytes(uint64_t bytes, char text[PRINT_SIZE])
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
	uint64_t tenths = bytes;
	unsigned unit = 0;

	if (bytes < 1024) {
		text_format(text, PRINT_SIZE, "%lu bytes", bytes);
		return text;
	}
	/* Down to below 1024 units, then tenths of one. */
	while (tenths >= UINT64_C(1024) * 1024 && unit < 4) {
		tenths /= 1024;
		unit++;
	}
	tenths = tenths * 10 / 1024;
	text_format(text, PRINT_SIZE, "%lu.%lu %s", tenths / 10, tenths % 10, units[unit]);
	return text;
}

const char *print_duration(uint64_t ns, char text[PRINT_SIZE])
{
	uint64_t ms = ns / NS_PER_MILLISECOND, seconds = ms / 1000;

	if (seconds < 60)
		text_format(text, PRINT_SIZE, "%lu.%03lu s", seconds, ms % 1000);
	else if (seconds < 3600)
		text_format(text, PRINT_SIZE, "%lum %02lus", seconds / 60, seconds % 60);
	else if (seconds < 86400)
		text_format(text, PRINT_SIZE, "%luh %02lum", seconds / 3600, seconds / 60 % 60);
	else
		text_format(text, PRINT_SIZE, "%lud %02luh", seconds / 86400, seconds / 3600 % 24);
	return text;
}

const char *print_date(uint64_t wall_ns, char text[PRINT_SIZE])
{
	struct calendar_time time = calendar_from_ns(wall_ns);

	text_format(text, PRINT_SIZE, "%04u-%02u-%02u %02u:%02u:%02u", time.year, time.month,
		    time.day, time.hour, time.minute, time.second);
	return text;
}

const char *print_operation(uint64_t label)
{
	const char *name = abi_operation_name(label);

	if (label == EVENT_FAULT)
		return "a page fault";
	if (!label)
		return "a message, or its own work";
	return name ? name : "an operation that does not exist";
}

const char *print_resume(enum abi_resume reason)
{
	switch (reason) {
	case RESUME_FRESH:
		return "fresh";
	case RESUME_CLEAN:
		return "clean";
	case RESUME_POWER_CUT:
		return "power cut";
	case RESUME_RESTORE:
		return "restored";
	case RESUME_MOVED:
		return "stood still or set back by the host";
	case RESUME_COPY:
		return "a copy or an earlier state by the host";
	}
	return "unknown reason";
}

const char *print_fault(uint64_t fault)
{
	switch (fault) {
	case FAULT_PAGE:
		return "address that is not attached, or not for this use";
	case FAULT_INSTRUCTION:
		return "undefined or privileged instruction";
	case FAULT_ARITHMETIC:
		return "division by zero or other arithmetic error";
	case FAULT_BREAKPOINT:
		return "breakpoint";
	case FAULT_PROTECTION:
		return "protection violation";
	case FAULT_STORAGE:
		return "a page that the store cannot give";
	case FAULT_SYSTEM_CALL:
		return "system call that does not exist";
	}
	return "unknown fault";
}
