/* SPDX-License-Identifier: MIT */
/*
 * contents.c - commands about what is in objects: cat, hexdump, echo, cp.
 * Interface in shell.h.  Objects are attached and read as memory.
 */
#include "user/shell/shell.h"
#include "base/quantity.h"

#include <string.h>
#include "user/lib/directory.h"
#include "user/lib/file.h"
#include "user/lib/slot.h"
#include "user/lib/table.h"
#include "base/text.h"
#include "user/shell/terminal.h"

#define CONTENTS_STEP	 4096u /* bytes printed between two looks at the keyboard */
#define CONTENTS_ROW	 16u   /* bytes a line of hexdump */
#define CONTENTS_DEFAULT 512u  /* bytes that hexdump shows */

bool contents_refuse(const char *path, const char *bytes, size_t length, const char *advice)
{
	size_t at = 0;

	while (at < length && bytes[at] != '\0')
		at++;
	if (terminal_captures() || at == length)
		return false;
	shell_complain("cat", "%s: is a program, or something else that is no text; %s", path,
		       advice);
	return true;
}

static bool contents_cat(const struct file *file)
{
	const char *text = file_data(file);

	for (uint64_t at = 0; at < file->size; at += CONTENTS_STEP) {
		size_t part = file->size - at < CONTENTS_STEP ? file->size - at : CONTENTS_STEP;
		terminal_write(text + at, part);
		if (part == CONTENTS_STEP && terminal_interrupted())
			return false;
	}
	/* The prompt belongs at the start of a line. */
	if (!terminal_captures() && file->size > 0 && text[file->size - 1] != '\n')
		terminal_write("\n", 1);
	return true;
}

bool command_cat(int argc, char **argv)
{
	uint64_t snapshot;
	bool done = true;

	if (!past_option(&argc, &argv, &snapshot))
		return false;
	for (int i = 1; i < argc && snapshot; i++)
		done &= past_cat(snapshot, argv[i]);
	for (int i = 1; i < argc && !snapshot; i++) {
		struct file file;
		enum status status = file_open(&file, argv[i], RIGHT_READ);

		if (status == STATUS_WRONG_TYPE) {
			done = shell_complain("cat", "%s: has no bytes to print; try `ls %s`",
					      argv[i], argv[i]);
			continue;
		}
		if (status != STATUS_OK) {
			done = shell_path_error("cat", argv[i], status);
			continue;
		}
		if (contents_refuse(argv[i], file_data(&file),
				    file.size < MESSAGE_DATA ? file.size : MESSAGE_DATA,
				    "`hexdump` shows its bytes")) {
			done = false;
		} else if (!contents_cat(&file)) {
			done = false;
			i = argc;
		}
		file_close(&file);
	}
	return done;
}

static void contents_hex_row(const uint8_t *bytes, uint64_t offset, uint64_t count)
{
	char text[100];
	size_t length = text_format(text, sizeof(text), "%08lx ", offset);

	for (uint64_t i = 0; i < CONTENTS_ROW; i++) {
		const char *gap = i == CONTENTS_ROW / 2 ? "  " : " ";

		if (i < count)
			length += text_format(text + length, sizeof(text) - length, "%s%02x", gap,
					      bytes[i]);
		else
			length += text_format(text + length, sizeof(text) - length, "%s  ", gap);
	}
	text[length++] = ' ';
	text[length++] = ' ';
	for (uint64_t i = 0; i < count; i++)
		text[length++] = bytes[i] >= ' ' && bytes[i] < 0x7f ? (char)bytes[i] : '.';
	text[length++] = '\n';
	terminal_write(text, length);
}

static void contents_hexdump(const struct file *file, uint64_t offset, uint64_t length)
{
	uint64_t rest = file->size - offset;
	uint64_t end = offset + (length < rest ? length : rest);
	const uint8_t *bytes = file_data(file);

	for (uint64_t at = offset; at < end; at += CONTENTS_ROW) {
		contents_hex_row(bytes + at, at, end - at < CONTENTS_ROW ? end - at : CONTENTS_ROW);
		if ((at - offset) % CONTENTS_STEP == CONTENTS_STEP - CONTENTS_ROW &&
		    terminal_interrupted())
			return;
	}
	if (end < file->size)
		terminal_print("%08lx  ... %lu bytes follow\n", end, file->size - end);
}

bool command_hexdump(int argc, char **argv)
{
	uint64_t offset = 0, length = CONTENTS_DEFAULT;
	struct file file;
	enum status status;
	bool fits;

	if (argc > 2 && !quantity_parse(argv[2], QUANTITY_ANY, &offset))
		return shell_complain("hexdump", "%s: not a number", argv[2]);
	if (argc > 3 && !quantity_parse(argv[3], QUANTITY_ANY, &length))
		return shell_complain("hexdump", "%s: not a number", argv[3]);
	status = file_open(&file, argv[1], RIGHT_READ);
	if (status != STATUS_OK)
		return shell_path_error("hexdump", argv[1], status);
	fits = offset <= file.size;
	if (!fits)
		shell_complain("hexdump", "%s has only %lu bytes", argv[1], file.size);
	else
		contents_hexdump(&file, offset, length);
	file_close(&file);
	return fits;
}

bool command_echo(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (i > 1)
			terminal_write(" ", 1);
		terminal_write(argv[i], strlen(argv[i]));
	}
	terminal_write("\n", 1);
	return true;
}

/* Pages of zeros in the source stay absent in the copy. */
static void contents_copy_pages(uint8_t *to, const uint8_t *from, uint64_t bytes)
{
	static const uint8_t zeros[PAGE_SIZE];

	for (uint64_t at = 0; at < bytes; at += PAGE_SIZE) {
		size_t part = bytes - at < PAGE_SIZE ? bytes - at : PAGE_SIZE;

		if (memcmp(from + at, zeros, part) != 0)
			memcpy(to + at, from + at, part);
	}
}

static enum status contents_fill(struct file *to, const struct file *from)
{
	enum status status;

	if (from->size > to->size_max)
		return STATUS_LIMIT;
	/* Cut off and grown again it is all zeros. */
	status = file_resize(to, 0);
	if (status == STATUS_OK)
		status = file_resize(to, from->size);
	if (status == STATUS_OK)
		contents_copy_pages(file_data(to), file_data(from), from->size);
	return status;
}

/* A new object is named only when it is complete. */
static enum status contents_copy_new(const struct file *from, struct directory directory,
				     const char *name)
{
	uint64_t size_max = from->size > FILE_SIZE_MAX ? from->size : FILE_SIZE_MAX;
	struct file to;
	enum status status = file_create(&to, size_max, false);

	if (status != STATUS_OK)
		return status;
	status = contents_fill(&to, from);
	if (status == STATUS_OK)
		status = directory_link(directory, name, to.segment.slot, false);
	if (status == STATUS_OK)
		file_close(&to);
	else
		file_discard(&to);
	return status;
}

static const char *contents_last_name(const char *path)
{
	const char *name = path;

	for (const char *at = path; *at != '\0'; at++)
		if (*at == '/' && at[1] != '\0')
			name = at + 1;
	return name;
}

enum status contents_find_target(const char *from, const char *to, struct directory *directory,
				 char *name)
{
	enum object_type type;
	enum status status = path_lookup(to, &directory->slot, &type);

	if (status == STATUS_OK && type == OBJECT_DIRECTORY) {
		text_format(name, DIRECTORY_NAME, "%s", contents_last_name(from));
		return STATUS_OK;
	}
	if (status == STATUS_OK)
		slot_give(directory->slot);
	return path_parent(to, directory, name);
}

/* BUSY: it may not be replaced, which was said. */
static enum status contents_copy(const struct file *from, const char *path,
				 struct directory directory, const char *name)
{
	enum object_type type;
	struct file to;
	uint32_t slot = slot_take();
	enum status status = slot ? directory_lookup(directory, name, slot, &type) : STATUS_LIMIT;

	if (status == STATUS_NOT_FOUND) {
		slot_forget(slot);
		return contents_copy_new(from, directory, name);
	}
	if (status == STATUS_OK && type != OBJECT_SEGMENT)
		status = STATUS_WRONG_TYPE;
	if (status == STATUS_OK && !shell_may_replace("cp", path, slot))
		status = STATUS_BUSY;
	if (status == STATUS_OK)
		status = file_attach(&to, SEGMENT(slot), RIGHT_READ | RIGHT_WRITE);
	if (status != STATUS_OK) {
		slot_give(slot);
		return status;
	}
	status = contents_fill(&to, from);
	file_close(&to);
	return status;
}

bool command_cp(int argc, char **argv)
{
	char name[DIRECTORY_NAME];
	struct file from;
	struct directory directory;
	uint64_t snapshot;
	enum status status;

	if (!past_option(&argc, &argv, &snapshot))
		return false;
	if (argc != 3)
		return shell_usage("cp");
	if (snapshot)
		return past_cp(snapshot, argv[1], argv[2]);
	status = file_open(&from, argv[1], RIGHT_READ);
	if (status != STATUS_OK)
		return shell_path_error("cp", argv[1], status);
	status = contents_find_target(argv[1], argv[2], &directory, name);
	if (status == STATUS_OK) {
		status = contents_copy(&from, argv[2], directory, name);
		slot_give(directory.slot);
	}
	file_close(&from);
	if (status == STATUS_BUSY)
		return false;
	if (status == STATUS_ATTACHED)
		return shell_complain("cp", "%s and %s are the same object", argv[1], argv[2]);
	if (status == STATUS_LIMIT)
		return shell_complain("cp",
				      "%s cannot grow to the size of %s; copy to another name",
				      argv[2], argv[1]);
	return status == STATUS_OK ? true : shell_path_error("cp", argv[2], status);
}
