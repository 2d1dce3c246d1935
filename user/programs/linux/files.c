/* SPDX-License-Identifier: MIT */
/*
 * files.c - the descriptors of a Linux program.  Interface in linux.h.
 *
 * 0 is always at its end.  1 and 2 become lines of the log; 1 may be a file instead.  Others are
 * files of one directory of the store, to be read: each has a view of its own, out of which the
 * kernel copies, so what happens to the file meanwhile is an error of the read and nothing else.
 */
#include "user/programs/linux/linux.h"

#include <string.h>
#include "base/text.h"
#include "user/lib/directory.h"
#include "user/lib/file.h"
#include "user/lib/segment.h"
#include "user/lib/service.h"
#include "user/lib/slot.h"
#include "user/lib/table.h"

#define DESCRIPTORS 32u
#define OUTPUT_MAX  (UINT64_C(64) << 20)
#define PATH_BYTES  1024u
#define VECTOR_MAX  1024u
#define TRANSFER    (UINT64_C(1) << 20) /* bytes of one part of a call, at most */

#define O_ACCESS    3u
#define O_CREAT	    0x40u
#define O_TRUNC	    0x200u
#define O_DIRECTORY 0x10000u
#define AT_EMPTY    0x1000u
#define AT_CWD	    UINT32_C(0xffffff9c)

enum { S_IFCHR = 0020000, S_IFDIR = 0040000, S_IFREG = 0100000 };

struct open {
	bool used;
	struct segment segment;
	struct view view; /* shows it at: */
	uint64_t address, position;
};

struct line {
	uint32_t length;
	char text[LOG_LINE_MAX];
};

static struct open files[DESCRIPTORS]; /* 0 to 2 by themselves */
static struct open output;
static struct line lines[2];
static const char *directory;

struct linux_stat {
	uint64_t dev, ino, nlink;
	uint32_t mode, uid, gid, zero;
	uint64_t rdev, size, blksize, blocks, times[6], reserved[3];
};
static_assert(sizeof(struct linux_stat) == 144, "as Linux has it");

void files_begin(const char *path)
{
	directory = path;
}

/* ---- files of the store ---- */

static enum status open_segment(struct open *file, uint16_t rights)
{
	struct segment_info info;
	enum status status = segment_info(file->segment, &info);

	file->address = info.address;
	file->view = VIEW(status == STATUS_OK ? slot_take() : 0);
	if (status == STATUS_OK && !file->view.slot)
		status = STATUS_LIMIT;
	if (status == STATUS_OK)
		status = bank_view(OWN_BANK, file->view.slot);
	if (status == STATUS_OK)
		status = view_attach(file->view, file->segment, 0, 0, rights, 0);
	file->used = status == STATUS_OK;
	return status;
}

static void open_end(struct open *file)
{
	if (file->view.slot)
		table_destroy(OWN_TABLE, file->view.slot);
	slot_give(file->view.slot);
	slot_give(file->segment.slot);
	memset(file, 0, sizeof(*file));
}

static uint64_t open_size(const struct open *file)
{
	struct segment_info info;

	return segment_info(file->segment, &info) == STATUS_OK ? info.size : 0;
}

static struct open *open_of(uint64_t descriptor)
{
	return (uint32_t)descriptor < DESCRIPTORS && files[(uint32_t)descriptor].used
		       ? &files[(uint32_t)descriptor]
		       : NULL;
}

static bool standard(uint64_t descriptor)
{
	return (uint32_t)descriptor <= 2;
}

enum status files_output(const char *path)
{
	struct file made;
	enum status status = file_create_named(&made, path, OUTPUT_MAX);

	if (status == STATUS_OK)
		file_close(&made);
	else if (status != STATUS_EXISTS)
		return status;
	status = path_segment(path, &output.segment);
	if (status == STATUS_OK)
		status = segment_resize(output.segment, 0);
	return status == STATUS_OK ? open_segment(&output, RIGHT_READ | RIGHT_WRITE) : status;
}

/* The path in the store of a program's; 0, or a negative error. */
static int64_t path_take(uint64_t address, char path[PATH_BYTES])
{
	size_t length;

	if (!directory)
		return -LINUX_ENOENT;
	length = text_format(path, PATH_BYTES, "%s/", directory);
	for (; length < PATH_BYTES; length++, address++) {
		if (!memory_read(&path[length], address, 1))
			return -LINUX_EFAULT;
		if (path[length] == '\0')
			return 0;
	}
	return -LINUX_ENAMETOOLONG;
}

static int64_t error_of(enum status status)
{
	switch (status) {
	case STATUS_OK:
		return 0;
	case STATUS_NOT_FOUND:
	case STATUS_DEAD:
	case STATUS_INVALID:
		return -LINUX_ENOENT;
	case STATUS_WRONG_TYPE:
		return -LINUX_ENOTDIR;
	case STATUS_NO_RIGHT:
		return -LINUX_EACCES;
	case STATUS_ALLOWANCE:
	case STATUS_LIMIT:
		return -LINUX_ENOMEM;
	default:
		return -LINUX_EIO;
	}
}

static int64_t file_open_at(uint64_t address, uint64_t flags)
{
	char path[PATH_BYTES];
	enum object_type type = OBJECT_NONE;
	struct open file = {0};
	unsigned number = 3;
	int64_t error = path_take(address, path);

	while (number < DESCRIPTORS && files[number].used)
		number++;
	if (number == DESCRIPTORS)
		return -LINUX_EMFILE;
	if (!error)
		error = error_of(path_lookup(path, &file.segment.slot, &type));
	if (error == -LINUX_ENOENT && flags & O_CREAT)
		return -LINUX_EROFS;
	if (error)
		return error;
	if (flags & O_ACCESS || flags & O_TRUNC)
		error = -LINUX_EROFS;
	else if (type == OBJECT_DIRECTORY)
		error = -LINUX_EISDIR;
	else if (type != OBJECT_SEGMENT)
		error = -LINUX_EACCES;
	else if (flags & O_DIRECTORY)
		error = -LINUX_ENOTDIR;
	else
		error = error_of(open_segment(&file, RIGHT_READ));
	if (error) {
		open_end(&file);
		return error;
	}
	files[number] = file;
	return number;
}

int64_t call_open(const uint64_t *word)
{
	return file_open_at(word[0], word[1]);
}

/* There is one directory, so it does not matter from which one it looks. */
int64_t call_openat(const uint64_t *word)
{
	return file_open_at(word[1], word[2]);
}

int64_t call_close(const uint64_t *word)
{
	struct open *file = open_of(word[0]);

	if (!file)
		return standard(word[0]) ? 0 : -LINUX_EBADF;
	open_end(file);
	return 0;
}

int64_t call_lseek(const uint64_t *word)
{
	struct open *file = open_of(word[0]);
	uint64_t from[] = {0, file ? file->position : 0, file ? open_size(file) : 0}, position;

	if (!file)
		return standard(word[0]) ? -LINUX_ESPIPE : -LINUX_EBADF;
	if (word[2] > 2)
		return -LINUX_EINVAL;
	position = from[word[2]] + word[1];
	if (position > INT64_MAX)
		return -LINUX_EINVAL;
	file->position = position;
	return (int64_t)position;
}

/* ---- reading ---- */

static int64_t read_at(const struct open *file, uint64_t position, uint64_t address, uint64_t bytes)
{
	uint64_t size = open_size(file), copied;
	enum status status;

	if (position >= size)
		return 0;
	bytes = bytes < size - position ? bytes : size - position;
	bytes = bytes < TRANSFER ? bytes : TRANSFER;
	status = memory_load(address, file->view, file->address + position, bytes, &copied);
	if (copied || status == STATUS_OK || status == STATUS_LIMIT)
		return (int64_t)copied;
	return status == STATUS_INVALID ? -LINUX_EFAULT : -LINUX_EIO;
}

static int64_t read_part(uint64_t descriptor, uint64_t address, uint64_t bytes)
{
	struct open *file = open_of(descriptor);
	int64_t got;

	if (!file)
		return standard(descriptor) ? 0 : -LINUX_EBADF;
	got = read_at(file, file->position, address, bytes);
	file->position += got > 0 ? (uint64_t)got : 0;
	return got;
}

int64_t call_read(const uint64_t *word)
{
	return read_part(word[0], word[1], word[2]);
}

int64_t call_pread(const uint64_t *word)
{
	const struct open *file = open_of(word[0]);

	if (!file)
		return standard(word[0]) ? -LINUX_ESPIPE : -LINUX_EBADF;
	return word[3] > INT64_MAX ? -LINUX_EINVAL : read_at(file, word[3], word[1], word[2]);
}

/* ---- writing ---- */

static void line_end(struct line *line)
{
	log_write(line->text, line->length);
	line->length = 0;
}

void files_flush(void)
{
	for (unsigned i = 0; i < 2; i++)
		if (lines[i].length)
			line_end(&lines[i]);
}

static void line_add(struct line *line, const char *text, uint64_t bytes)
{
	for (uint64_t i = 0; i < bytes; i++) {
		if (text[i] != '\n')
			line->text[line->length++] = text[i];
		if (text[i] == '\n' || line->length == LOG_LINE_MAX)
			line_end(line);
	}
}

/* All of it, or an error. */
static int64_t output_add(const void *text, uint64_t bytes)
{
	uint64_t end = output.position + bytes, copied;

	if (segment_resize(output.segment, end) != STATUS_OK)
		return -LINUX_ENOSPC;
	if (memory_save(text, output.view, output.address + output.position, bytes, &copied) !=
	    STATUS_OK) {
		segment_resize(output.segment, output.position);
		return -LINUX_EIO;
	}
	output.position = end;
	return 0;
}

static int64_t write_part(uint64_t descriptor, uint64_t address, uint64_t bytes)
{
	uint64_t done = 0;

	if (!standard(descriptor) || (uint32_t)descriptor == 0)
		return -LINUX_EBADF;
	bytes = bytes < TRANSFER ? bytes : TRANSFER;
	while (done < bytes) {
		uint64_t part;
		const void *text = memory_at(address + done, RIGHT_READ, &part);
		int64_t error = text ? 0 : -LINUX_EFAULT;

		part = !text || part < bytes - done ? part : bytes - done;
		if (text && (uint32_t)descriptor == 1 && output.used)
			error = output_add(text, part);
		else if (text)
			line_add(&lines[(uint32_t)descriptor - 1], text, part);
		if (error)
			return done ? (int64_t)done : error;
		done += part;
	}
	return (int64_t)done;
}

int64_t call_write(const uint64_t *word)
{
	return write_part(word[0], word[1], word[2]);
}

/* Part by part, until one is short. */
static int64_t vector(const uint64_t *word,
		      int64_t (*part)(uint64_t descriptor, uint64_t address, uint64_t bytes))
{
	int64_t done = 0;

	if (word[2] > VECTOR_MAX)
		return -LINUX_EINVAL;
	for (uint64_t i = 0; i < word[2]; i++) {
		uint64_t entry[2];
		int64_t got = -LINUX_EFAULT;

		if (memory_read(entry, word[1] + i * sizeof(entry), sizeof(entry)))
			got = part(word[0], entry[0], entry[1]);
		if (got < 0)
			return done ? done : got;
		done += got;
		if ((uint64_t)got < entry[1])
			break;
	}
	return done;
}

int64_t call_readv(const uint64_t *word)
{
	return vector(word, read_part);
}

int64_t call_writev(const uint64_t *word)
{
	return vector(word, write_part);
}

/* ---- what they are ---- */

static int64_t stat_put(uint64_t address, uint32_t mode, uint64_t size, uint64_t number)
{
	struct linux_stat stat = {
		.dev = 1,
		.ino = number,
		.nlink = 1,
		.mode = mode,
		.size = size,
		.blksize = PAGE_SIZE,
		.blocks = (size + 511) / 512,
	};

	return memory_write(address, &stat, sizeof(stat)) ? 0 : -LINUX_EFAULT;
}

int64_t call_fstat(const uint64_t *word)
{
	const struct open *file = open_of(word[0]);

	if (file)
		return stat_put(word[1], S_IFREG | 0444, open_size(file), file->address);
	return standard(word[0]) ? stat_put(word[1], S_IFCHR | 0620, 0, word[0] + 1) : -LINUX_EBADF;
}

static int64_t stat_path(uint64_t path_address, uint64_t address)
{
	char path[PATH_BYTES];
	enum object_type type = OBJECT_NONE;
	struct segment_info info = {0};
	uint32_t slot = 0;
	int64_t error = path_take(path_address, path);

	if (!error)
		error = error_of(path_lookup(path, &slot, &type));
	if (!error && type == OBJECT_SEGMENT)
		error = error_of(segment_info(SEGMENT(slot), &info));
	slot_give(slot);
	if (error)
		return error;
	return stat_put(address, type == OBJECT_DIRECTORY ? S_IFDIR | 0555 : S_IFREG | 0444,
			info.size, info.address);
}

int64_t call_stat(const uint64_t *word)
{
	return stat_path(word[0], word[1]);
}

int64_t call_newfstatat(const uint64_t *word)
{
	const uint64_t by_number[] = {word[0], word[2]};
	char first = 0;

	if (word[3] & AT_EMPTY && (uint32_t)word[0] != AT_CWD) {
		if (!memory_read(&first, word[1], 1))
			return -LINUX_EFAULT;
		if (first == '\0')
			return call_fstat(by_number);
	}
	return stat_path(word[1], word[2]);
}

int64_t call_ioctl(const uint64_t *word)
{
	return standard(word[0]) || open_of(word[0]) ? -LINUX_ENOTTY : -LINUX_EBADF;
}

/* Flags of descriptors mean nothing here. */
int64_t call_fcntl(const uint64_t *word)
{
	enum { F_GETFD = 1, F_SETFD = 2, F_GETFL = 3, F_SETFL = 4 };

	if (!standard(word[0]) && !open_of(word[0]))
		return -LINUX_EBADF;
	return word[1] >= F_GETFD && word[1] <= F_SETFL ? 0 : -LINUX_EINVAL;
}
