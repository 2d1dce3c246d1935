/* SPDX-License-Identifier: MIT */
/*
 * tar.c - a tar stream, into the store and out of it; see tree.h.
 *
 * POSIX.1-2008, pax: blocks of 512 bytes; a header, then the bytes of the member padded to
 * blocks; two blocks of zeros at the end.  What does not fit into the header of ustar stands
 * in a member of type 'x' before it, in lines "LENGTH KEY=VALUE\n".  GNU's long names ('L')
 * and numbers of more than 11 digits (base 256) are read, too.  A stream is written by
 * nobody that is trusted.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/mkstore/output.h"
#include "base/assert.h"
#include "tools/mkstore/tree.h"
#include "tools/mkstore/path.h"

#define TAR_BLOCK      512u
#define TAR_EXTRAS_MAX (1024u * 1024u) /* bytes of names and pax lines before a member */
#define TAR_OCTAL_MAX  UINT64_C(077777777777)

struct tar_header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type;
	char link[100], magic[8], user[32], group[32], major[8], minor[8], prefix[155], rest[12];
};
static_assert(sizeof(struct tar_header) == TAR_BLOCK, "a header is a block");

static unsigned tar_checksum(const struct tar_header *header)
{
	const uint8_t *bytes = (const uint8_t *)header;
	unsigned sum = 0;

	for (size_t i = 0; i < sizeof(*header); i++)
		sum += i - offsetof(struct tar_header, checksum) < sizeof(header->checksum)
			       ? ' '
			       : bytes[i];
	return sum;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct tar {
	struct tree *tree;
	int *descriptor;
	uint64_t offset; /* in the stream */
	/* Of the next member, by what stands before it; null or false: as its header says. */
	char *path;
	uint64_t size, wall_ns;
	bool sized, timed;
};

static enum command_exit tar_wrong(const struct tar *tar, uint64_t offset, const char *what)
{
	return command_error("'%s', byte %" PRIu64 ": %s: nothing was put", tar->tree->name, offset,
			     what);
}

static bool tar_read(void *context, void *data, size_t length)
{
	struct tar *tar = context;

	if (!content_read_descriptor(tar->descriptor, data, length))
		return false;
	tar->offset += length;
	return true;
}

static enum command_exit tar_cut(const struct tar *tar)
{
	return tar_wrong(tar, tar->offset,
			 errno == ENODATA ? "the stream is cut off" : strerror(errno));
}

/* Digits of base 8, or 256 where the first bit is set. */
static bool tar_number(const char *field, size_t length, uint64_t *value)
{
	const uint8_t *at = (const uint8_t *)field, *end = at + length;

	*value = 0;
	if (*at & 0x80) {
		*value = *at++ & 0x7f;
		for (; at < end; at++) {
			if (*value >> 55)
				return false;
			*value = *value << 8 | *at;
		}
		return true;
	}
	while (at < end && *at == ' ')
		at++;
	for (; at < end && *at >= '0' && *at <= '7'; at++) {
		if (*value >> 60)
			return false;
		*value = *value << 3 | (uint64_t)(*at - '0');
	}
	return at == end || *at == 0 || *at == ' ';
}

/* Seconds with a fraction. */
static bool tar_time(const char *text, uint64_t *wall_ns)
{
	uint64_t unit = CONTENT_NS;
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*wall_ns = strtoull(text, &end, 10);
	if (errno || *wall_ns > UINT64_MAX / CONTENT_NS - 1)
		return false;
	*wall_ns *= CONTENT_NS;
	if (*end == '.')
		for (end++; isdigit((unsigned char)*end); end++)
			*wall_ns += (uint64_t)(*end - '0') * (unit /= 10);
	return !*end;
}

/* One line of pax, without its length. */
static const char *tar_line(struct tar *tar, char *key, char *value)
{
	char *end;

	if (strncmp(key, "GNU.sparse.", 11) == 0)
		return "a sparse member, which is not understood";
	if (strcmp(key, "path") == 0) {
		free(tar->path);
		tar->path = strdup(value);
		return tar->path ? NULL : "memory is short";
	}
	if (strcmp(key, "size") == 0) {
		errno = 0;
		tar->size = strtoull(value, &end, 10);
		tar->sized = true;
		return !isdigit((unsigned char)*value) || *end || errno ? "a size that is none"
									: NULL;
	}
	/* A time before 1970 is as good as none. */
	if (strcmp(key, "mtime") == 0) {
		tar->timed = true;
		if (!tar_time(value, &tar->wall_ns))
			tar->wall_ns = 0;
	}
	return NULL;
}

static const char *tar_lines(struct tar *tar, char *text, size_t length)
{
	const char *fault = NULL;

	while (length && !fault) {
		char *key, *value;
		size_t line = strtoul(text, &key, 10);

		if (line > length || key >= text + line || *key++ != ' ' || text[line - 1] != '\n')
			return "a pax line that is none";
		text[line - 1] = 0;
		value = strchr(key, '=');
		if (!value || strlen(value) != (size_t)(text + line - 1 - value))
			return "a pax line that is none";
		*value++ = 0;
		fault = tar_line(tar, key, value);
		text += line;
		length -= line;
	}
	return fault;
}

/* What belongs to the next member; pax for all members ('g') and names of links are passed
 * over. */
static enum command_exit tar_extra(struct tar *tar, char type, uint64_t size)
{
	uint64_t at = tar->offset;
	size_t padded = (size_t)((size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK);
	const char *fault = NULL;
	char *text;

	if (size > TAR_EXTRAS_MAX)
		return tar_wrong(tar, at, "a name or a pax header of more than 1 MiB");
	text = calloc(1, padded + 1);
	if (!text)
		return tar_wrong(tar, at, "memory is short");
	if (!tar_read(tar, text, padded)) {
		free(text);
		return tar_cut(tar);
	}
	text[size] = 0;
	if (type == 'x')
		fault = tar_lines(tar, text, (size_t)size);
	if (type == 'L') {
		free(tar->path);
		tar->path = text;
		text = NULL;
	}
	free(text);
	return fault ? tar_wrong(tar, at, fault) : COMMAND_OK;
}

static const char *tar_kind(char type)
{
	switch (type) {
	case '1':
		return "a hard link";
	case '2':
		return "a symbolic link";
	case '3':
	case '4':
		return "a device";
	case '6':
		return "a pipe";
	case 'S':
		return "a sparse file of GNU's form";
	default:
		return "a member of a type that is not known";
	}
}

static enum command_exit tar_skip(struct tar *tar, uint64_t bytes)
{
	uint8_t block[TAR_BLOCK];

	for (; bytes; bytes -= bytes < TAR_BLOCK ? bytes : TAR_BLOCK)
		if (!tar_read(tar, block, TAR_BLOCK))
			return tar_cut(tar);
	return COMMAND_OK;
}

static enum command_exit tar_file(struct tar *tar, const char *path, uint64_t size,
				  uint64_t wall_ns)
{
	uint8_t padding[TAR_BLOCK];
	struct content_source source = {
		.context = tar, .read = tar_read, .name = path, .bytes = size, .wall_ns = wall_ns};

	TRY(tree_file(tar->tree, path, &source));
	if (size % TAR_BLOCK && !tar_read(tar, padding, TAR_BLOCK - size % TAR_BLOCK))
		return tar_cut(tar);
	return COMMAND_OK;
}

static enum command_exit tar_member(struct tar *tar, const struct tar_header *header)
{
	char own[sizeof(header->prefix) + sizeof(header->name) + 2];
	uint64_t at = tar->offset - TAR_BLOCK, size, wall_ns;
	const char *path = tar->path ? tar->path : own;
	bool prefixed = memcmp(header->magic, "ustar", 6) == 0 && header->prefix[0];
	char type = header->type ? header->type : '0';

	snprintf(own, sizeof(own), "%.*s%s%.*s", prefixed ? (int)sizeof(header->prefix) : 0,
		 header->prefix, prefixed ? "/" : "", (int)sizeof(header->name), header->name);
	if (!tar_number(header->size, sizeof(header->size), &size))
		return tar_wrong(tar, at, "a size that is none");
	if (strchr("xgLK", type))
		return tar_extra(tar, type, size);
	/* A time that is none is as good as no time. */
	if (!tar_number(header->mtime, sizeof(header->mtime), &wall_ns) ||
	    wall_ns > UINT64_MAX / CONTENT_NS)
		wall_ns = 0;
	wall_ns = tar->timed ? tar->wall_ns : wall_ns * CONTENT_NS;
	size = tar->sized ? tar->size : size;
	if (type == '5' || (type == '0' && *path && path[strlen(path) - 1] == '/'))
		return tree_directory(tar->tree, path);
	if (type == '0' || type == '7')
		return tar_file(tar, path, size, wall_ns);
	if (tree_other(tar->tree, path, tar_kind(type)) != COMMAND_OK)
		return COMMAND_FAILED;
	/* Links have no bytes, whatever they say. */
	return type == 'S' || !strchr("123456", type) ? tar_skip(tar, size) : COMMAND_OK;
}

/* The next block: a member, or the end. */
static enum command_exit tar_next(struct tar *tar, bool *end)
{
	static const struct tar_header zero;
	struct tar_header header;
	uint64_t sum;
	enum command_exit result;

	ASSERT(tar->offset % TAR_BLOCK == 0); /* whatever was before was read whole */
	if (!tar_read(tar, &header, sizeof(header)))
		return tar_cut(tar);
	*end = memcmp(&header, &zero, sizeof(header)) == 0;
	if (*end)
		return COMMAND_OK;
	if (!tar_number(header.checksum, sizeof(header.checksum), &sum) ||
	    sum != tar_checksum(&header))
		return tar_wrong(tar, tar->offset - TAR_BLOCK,
				 tar->offset > TAR_BLOCK
					 ? "no header of a member where one must be"
					 : "this is no tar stream (unpack a compressed one first)");
	result = tar_member(tar, &header);
	if (!strchr("xgLK", header.type) || !header.type) {
		free(tar->path);
		*tar = (struct tar){
			.tree = tar->tree, .descriptor = tar->descriptor, .offset = tar->offset};
	}
	return result;
}

enum command_exit tar_fill(struct tree *tree, void *context)
{
	struct tar tar = {.tree = tree, .descriptor = context};
	enum command_exit result = COMMAND_OK;
	uint8_t rest[TAR_BLOCK];

	for (bool end = false; result == COMMAND_OK && !end;)
		result = tar_next(&tar, &end);
	/* Who writes into the pipe is not to be told that it is closed. */
	while (result == COMMAND_OK && tar_read(&tar, rest, sizeof(rest)))
		;
	free(tar.path);
	return result;
}

/* ---- writing --------------------------------------------------------------------------------- */

static enum status tar_write(struct tree_sink *sink, const void *data, size_t bytes)
{
	if (output_write(sink->output, data, bytes))
		return STATUS_OK;
	if (sink->output->error != EPIPE)
		command_error("cannot write '%s': %s", sink->output->file,
			      strerror(sink->output->error));
	sink->result = COMMAND_FAILED;
	return STATUS_IO;
}

static enum status tar_pad(struct tree_sink *sink, uint64_t written)
{
	static const uint8_t zeros[TAR_BLOCK];

	return written % TAR_BLOCK ? tar_write(sink, zeros, TAR_BLOCK - written % TAR_BLOCK)
				   : STATUS_OK;
}

static enum status tar_write_header(struct tree_sink *sink, const char *path, char type,
				    uint64_t bytes, uint64_t wall_ns)
{
	struct tar_header header = {.type = type};
	uint64_t seconds = wall_ns / CONTENT_NS;

	memcpy(header.magic, "ustar\00000", 8);
	memcpy(header.name, path, strnlen(path, sizeof(header.name)));
	memcpy(header.mode, type == '5' ? "0000755" : "0000644", 8);
	memcpy(header.uid, "0000000", 8);
	memcpy(header.gid, "0000000", 8);
	snprintf(header.size, sizeof(header.size), "%011" PRIo64,
		 bytes > TAR_OCTAL_MAX ? 0 : bytes);
	snprintf(header.mtime, sizeof(header.mtime), "%011" PRIo64,
		 seconds > TAR_OCTAL_MAX ? 0 : seconds);
	snprintf(header.checksum, sizeof(header.checksum), "%06o", tar_checksum(&header));
	header.checksum[7] = ' ';
	return tar_write(sink, &header, sizeof(header));
}

/* "LENGTH KEY=VALUE\n", whose length counts its own digits. */
static void tar_pax(FILE *lines, const char *key, const char *value)
{
	size_t length = strlen(key) + strlen(value) + 3, digits = 1;

	for (size_t most = 10; length + digits >= most; most *= 10)
		digits++;
	fprintf(lines, "%zu %s=%s\n", length + digits, key, value);
}

/* What does not fit into the header goes before it. */
static enum status tar_write_member(struct tree_sink *sink, const char *path, char type,
				    uint64_t bytes, uint64_t wall_ns)
{
	char number[48], *text = NULL;
	size_t length = 0;
	FILE *lines = open_memstream(&text, &length);
	enum status status = STATUS_OK;

	if (!lines)
		return STATUS_NO_MEMORY;
	if (strlen(path) > sizeof(((struct tar_header *)0)->name))
		tar_pax(lines, "path", path);
	if (bytes > TAR_OCTAL_MAX) {
		snprintf(number, sizeof(number), "%" PRIu64, bytes);
		tar_pax(lines, "size", number);
	}
	if (wall_ns % CONTENT_NS || wall_ns / CONTENT_NS > TAR_OCTAL_MAX) {
		snprintf(number, sizeof(number), "%" PRIu64 ".%09" PRIu64, wall_ns / CONTENT_NS,
			 wall_ns % CONTENT_NS);
		tar_pax(lines, "mtime", number);
	}
	if (fclose(lines) != 0)
		status = STATUS_NO_MEMORY;
	if (status == STATUS_OK && length) {
		status = tar_write_header(sink, "pax", 'x', length, 0);
		if (status == STATUS_OK)
			status = tar_write(sink, text, length);
		if (status == STATUS_OK)
			status = tar_pad(sink, length);
	}
	free(text);
	return status == STATUS_OK ? tar_write_header(sink, path, type, bytes, wall_ns) : status;
}

static enum status tar_write_file(struct tree_sink *sink, const struct walk_item *item)
{
	struct content_sink content = {.descriptor = sink->output->descriptor, .name = item->path};
	uint64_t wall_ns = content_time(sink->tree->host, &item->record);

	ASSERT(item->path[0] == '/');
	TRY(tar_write_member(sink, item->path + 1, '0', item->record.size,
			     wall_ns ? wall_ns : sink->tree->host->recovery.wall_ns));
	tree_read(sink, item, &content);
	return content.complete ? tar_pad(sink, item->record.size) : STATUS_IO;
}

static enum status tar_write_directory(struct tree_sink *sink, const struct walk_item *item)
{
	char *path = malloc(item->length + 1);
	enum status status;

	ASSERT(item->path[0] == '/');
	if (!path)
		return STATUS_NO_MEMORY;
	snprintf(path, item->length + 1, "%s/", item->path + 1);
	status = tar_write_member(sink, path, '5', 0, sink->tree->host->recovery.wall_ns);
	free(path);
	return status;
}

enum command_exit tar_get(struct tree *tree, struct output *output)
{
	static const uint8_t end[2 * TAR_BLOCK];
	struct tree_sink sink = {.tree = tree,
				 .output = output,
				 .file = tar_write_file,
				 .directory = tar_write_directory};
	enum status status = walk_tree(tree->host, tree->top, "", tree_visit, &sink);

	if (status == STATUS_OK)
		status = tar_write(&sink, end, sizeof(end));
	if (status != STATUS_OK && sink.result == COMMAND_OK)
		sink.result = host_result(tree->host, status, "cannot write '%s'", tree->name);
	if (status != STATUS_OK) {
		output_drop(output);
		return COMMAND_FAILED;
	}
	return output_finish(output) == COMMAND_OK ? sink.result : COMMAND_FAILED;
}
