/* SPDX-License-Identifier: MIT */
/*
 * file.c - objects as memory.  Interface in file.h.
 */
#include "user/lib/file.h"

#include <stdarg.h>
#include <string.h>
#include "base/text.h"
#include "user/lib/directory.h"
#include "user/lib/machine.h"
#include "user/lib/segment.h"
#include "user/lib/slot.h"
#include "user/lib/table.h"
#include "base/assert.h"

static enum status file_attach_as(struct file *file, struct segment segment, uint16_t rights,
				  bool owned)
{
	struct segment_info info;
	enum status status = segment_info(segment, &info);

	memset(file, 0, sizeof(*file));
	if (status != STATUS_OK)
		return status;
	status = machine_attach(OWN_MACHINE, segment, 0, 0, rights, owned);
	if (status != STATUS_OK)
		return status;
	file->segment = segment;
	file->address = info.address;
	file->size = info.size;
	file->size_max = info.size_max;
	file->attached = true;
	file->owned = owned;
	return STATUS_OK;
}

enum status file_attach(struct file *file, struct segment segment, uint16_t rights)
{
	return file_attach_as(file, segment, rights, false);
}

enum status file_open(struct file *file, const char *path, uint16_t rights)
{
	struct segment segment;
	enum status status = path_segment(path, &segment);

	memset(file, 0, sizeof(*file));
	if (status != STATUS_OK)
		return status;
	status = file_attach(file, segment, rights);
	if (status != STATUS_OK)
		slot_give(segment.slot);
	return status;
}

enum status file_create_from(struct file *file, struct bank bank, uint64_t size_max, bool owned)
{
	struct segment segment = {slot_take()};
	enum status status;

	memset(file, 0, sizeof(*file));
	if (segment.slot == 0)
		return STATUS_LIMIT;
	status = bank_segment(bank, 0, size_max, segment.slot);
	if (status != STATUS_OK) {
		slot_forget(segment.slot);
		return status;
	}
	slot_set_new(segment.slot);
	status = file_attach_as(file, segment, RIGHT_READ | RIGHT_WRITE, owned);
	if (status != STATUS_OK) {
		table_destroy(OWN_TABLE, segment.slot);
		slot_give(segment.slot);
	}
	return status;
}

enum status file_create(struct file *file, uint64_t size_max, bool owned)
{
	return file_create_from(file, OWN_BANK, size_max, owned);
}

enum status file_create_named(struct file *file, const char *path, uint64_t size_max)
{
	char name[DIRECTORY_NAME];
	struct directory directory;
	struct segment segment;
	enum status status = path_parent(path, &directory, name);

	memset(file, 0, sizeof(*file));
	if (status != STATUS_OK)
		return status;
	segment = SEGMENT(slot_take());
	status = segment.slot ? directory_create(directory, name, 0, size_max, segment.slot)
			      : STATUS_LIMIT;
	if (status == STATUS_OK) {
		status = file_attach(file, segment, RIGHT_READ | RIGHT_WRITE);
		if (status != STATUS_OK) {
			directory_unlink(directory, name);
			table_destroy(OWN_TABLE, segment.slot);
		}
	}
	if (status != STATUS_OK)
		slot_give(segment.slot);
	slot_give(directory.slot);
	return status;
}

void file_close(struct file *file)
{
	if (file->owned)
		table_destroy(OWN_TABLE, file->segment.slot);
	else if (file->attached)
		machine_detach(OWN_MACHINE, file->address);
	slot_give(file->segment.slot);
	memset(file, 0, sizeof(*file));
}

void file_discard(struct file *file)
{
	file->owned = true;
	file_close(file);
}

enum status file_resize(struct file *file, uint64_t bytes)
{
	enum status status;

	if (bytes == file->size)
		return STATUS_OK;
	status = segment_resize(file->segment, bytes);
	if (status == STATUS_OK)
		file->size = bytes;
	return status;
}

/* The first bytes in one instruction: nothing can come between.  What follows
 * is zero, so that a size that is still the old one shows no rest of old text. */
static void file_set_head(struct file *file, const void *bytes, uint64_t length)
{
	typedef uint8_t vector __attribute__((vector_size(FILE_HEAD)));
	vector value = {0};

	ASSERT(length && length <= FILE_HEAD && file->size);
	memcpy(&value, bytes, length);
	*(volatile vector *)file_data(file) = value;
}

enum status file_set(struct file *file, const void *bytes, uint64_t length)
{
	enum status status = STATUS_OK;

	if (length > file->size_max)
		return STATUS_LIMIT;
	if (length == 0)
		return file_resize(file, 0);
	/* Memory has to be there before it is written; one byte gives a page.  What is
	 * longer gets its size first: zeros are seen behind old text, never new text
	 * without its end. */
	if (length > FILE_HEAD && length > file->size)
		status = file_resize(file, length);
	else if (file->size == 0)
		status = file_resize(file, 1);
	if (status != STATUS_OK)
		return status;
	if (length <= FILE_HEAD)
		file_set_head(file, bytes, length);
	else
		memcpy(file_data(file), bytes, length);
	return file_resize(file, length);
}

enum status file_print(struct file *file, const char *format, ...)
{
	char text[256];
	va_list list;
	size_t length;

	va_start(list, format);
	length = text_vformat(text, sizeof(text), format, list);
	va_end(list);
	return file_set(file, text, length);
}
