/* SPDX-License-Identifier: MIT */
/*
 * manifest.c - parses the description of an initial system; see manifest.h.
 *
 * One line is one statement.  A line is first cut into words in place; then the
 * statement's own function takes them one after the other.  What refers to
 * something that may follow later in the text is checked at the end.
 */
#include "tools/mkstore/manifest.h"
#include "base/assert.h"
#include "base/quantity.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/keeping.h"
#include "kernel/abi.h"
#include "tools/mkstore/text.h"

#define MANIFEST_WORDS_MAX   48u
#define MANIFEST_INTERVAL_NS UINT64_C(1000000000)
#define MANIFEST_SEGMENT_MAX (UINT64_C(1) << 45)

struct manifest_parser {
	struct manifest *manifest;
	struct manifest_error *error;
	unsigned line;
	char *word[MANIFEST_WORDS_MAX];
	bool quoted[MANIFEST_WORDS_MAX];
	unsigned words, next; /* next: the first not yet taken */
	bool in_machine;
};

__attribute__((format(printf, 2, 3))) static bool manifest_fail(struct manifest_parser *parser,
								const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	parser->error->line = parser->line;
	vsnprintf(parser->error->text, sizeof(parser->error->text), format, arguments);
	va_end(arguments);
	return false;
}

/* ---- words ------------------------------------------------------------------------ */

/* A quoted word, from behind its opening quote; unescaped in place.  *at ends
 * behind the closing quote. */
static bool manifest_quoted(struct manifest_parser *parser, char **at)
{
	char *in = *at, *out = *at;

	for (; *in != '"'; in++) {
		if (*in == 0)
			return manifest_fail(parser, "a quoted string does not end");
		if (*in != '\\') {
			*out++ = *in;
			continue;
		}
		in++;
		if (*in == 'n')
			*out++ = '\n';
		else if (*in == 't')
			*out++ = '\t';
		else if (*in == '"' || *in == '\\')
			*out++ = *in;
		else
			return manifest_fail(parser, "unknown escape: only \\n, \\t, \\\" and \\\\ "
						     "are known");
	}
	ASSERT(out <= in); /* unescaped it is no longer */
	*at = in + 1;
	if (**at && !strchr(" \t\r", **at))
		return manifest_fail(parser, "something follows a closing quote directly");
	*out = 0;
	return true;
}

/* Cuts the line, a string of its own, into words. */
static bool manifest_split(struct manifest_parser *parser, char *line)
{
	char *at = line;

	parser->words = parser->next = 0;
	for (;;) {
		bool last;
		at += strspn(at, " \t\r");
		if (*at == 0 || *at == '#')
			return true;
		if (parser->words == MANIFEST_WORDS_MAX)
			return manifest_fail(parser, "more than %u words", MANIFEST_WORDS_MAX);
		parser->quoted[parser->words] = *at == '"';
		if (*at == '"') {
			parser->word[parser->words++] = ++at;
			if (!manifest_quoted(parser, &at))
				return false;
		} else {
			parser->word[parser->words++] = at;
			at += strcspn(at, " \t\r");
		}
		last = *at == 0;
		/* Ends a plain word; a quoted one has its end already. */
		*at = 0;
		if (last)
			return true;
		at++;
	}
}

/* The next word, or an error that says what is missing. */
static bool manifest_take(struct manifest_parser *parser, const char *what, const char **word)
{
	ASSERT(parser->next <= parser->words && parser->words <= MANIFEST_WORDS_MAX);
	if (parser->next == parser->words)
		return manifest_fail(parser, "%s is missing", what);
	*word = parser->word[parser->next++];
	return true;
}

/* Takes the next word if it is this one. */
static bool manifest_accept(struct manifest_parser *parser, const char *keyword)
{
	ASSERT(parser->next <= parser->words);
	if (parser->next == parser->words || parser->quoted[parser->next] ||
	    strcmp(parser->word[parser->next], keyword) != 0)
		return false;
	parser->next++;
	return true;
}

static bool manifest_end(struct manifest_parser *parser)
{
	if (parser->next == parser->words)
		return true;
	return manifest_fail(parser, "'%.60s' is not expected here", parser->word[parser->next]);
}

static bool manifest_size(struct manifest_parser *parser, const char *what, uint64_t *bytes)
{
	const char *word = NULL;

	if (!manifest_take(parser, what, &word))
		return false;
	if (quantity_parse(word, QUANTITY_SIZE, bytes))
		return true;
	return manifest_fail(parser, "%s '%.60s' is no size: write bytes, or 16K, 4M, 1G", what,
			     word);
}

static bool manifest_number(struct manifest_parser *parser, const char *what, uint64_t least,
			    uint64_t most, uint64_t *number)
{
	const char *word = NULL;

	if (!manifest_take(parser, what, &word))
		return false;
	if (quantity_parse(word, QUANTITY_NUMBER, number) && *number >= least && *number <= most)
		return true;
	return manifest_fail(parser, "%s '%.60s' is not a number from %" PRIu64 " to %" PRIu64,
			     what, word, least, most);
}

/* ---- objects ---------------------------------------------------------------------- */

const struct manifest_object *manifest_object_find(const struct manifest *manifest,
						   const char *path)
{
	for (unsigned i = 0; i < manifest->objects; i++)
		if (strcmp(manifest->object[i].path, path) == 0)
			return &manifest->object[i];
	return NULL;
}

/* A new absolute path, in a directory that an earlier line makes. */
static bool manifest_path(struct manifest_parser *parser, const char **path)
{
	const struct manifest_object *parent = NULL;
	char directory[1024];
	const char *slash;
	size_t length;

	if (!manifest_take(parser, "the path", path))
		return false;
	slash = strrchr(*path, '/');
	if ((*path)[0] != '/' || !slash[1] || strlen(*path) >= sizeof(directory) ||
	    strlen(slash + 1) > TREE_KEY_MAX)
		return manifest_fail(parser, "'%.60s' is no path like /directory/name", *path);
	if (manifest_object_find(parser->manifest, *path))
		return manifest_fail(parser, "'%.60s' is there already", *path);
	length = (size_t)(slash - *path);
	if (length == 0)
		return true;
	memcpy(directory, *path, length);
	directory[length] = 0;
	parent = manifest_object_find(parser->manifest, directory);
	if (parent && parent->kind == MANIFEST_DIRECTORY)
		return true;
	return manifest_fail(parser, "no line before this makes the directory '%.60s'", directory);
}

static bool manifest_object_add(struct manifest_parser *parser, enum manifest_kind kind)
{
	struct manifest *manifest = parser->manifest;
	struct manifest_object object = {.kind = kind, .line = parser->line};

	if (manifest->objects == MANIFEST_OBJECTS_MAX)
		return manifest_fail(parser, "more than %u objects", MANIFEST_OBJECTS_MAX);
	if (!manifest_path(parser, &object.path))
		return false;
	if (kind == MANIFEST_PROGRAM || kind == MANIFEST_FILE) {
		if (!manifest_take(parser, "the name of a file", &object.source))
			return false;
	} else if (kind == MANIFEST_TEXT) {
		if (!manifest_take(parser, "the text", &object.source))
			return false;
	} else if (kind == MANIFEST_SEGMENT) {
		if (manifest_accept(parser, "size") &&
		    !manifest_size(parser, "the size", &object.size))
			return false;
		object.most = object.size ? object.size : PAGE_SIZE;
		if (manifest_accept(parser, "max") &&
		    !manifest_size(parser, "the largest size", &object.most))
			return false;
		if (object.size > object.most || object.most == 0 ||
		    object.most > MANIFEST_SEGMENT_MAX)
			return manifest_fail(parser, "size and max do not go together");
	}
	manifest->object[manifest->objects++] = object;
	return manifest_end(parser);
}

/* ---- machines --------------------------------------------------------------------- */

const struct manifest_machine *manifest_machine_find(const struct manifest *manifest,
						     const char *name)
{
	for (unsigned i = 0; i < manifest->machines; i++)
		if (strcmp(manifest->machine[i].name, name) == 0)
			return &manifest->machine[i];
	return NULL;
}

static bool manifest_machine_options(struct manifest_parser *parser,
				     struct manifest_machine *machine)
{
	uint64_t number;

	while (parser->next < parser->words) {
		if (manifest_accept(parser, "priority")) {
			if (!manifest_number(parser, "the priority", 0, MACHINE_PRIORITIES - 1,
					     &number))
				return false;
			machine->priority = (uint8_t)number;
		} else if (manifest_accept(parser, "essential")) {
			machine->essential = true;
		} else if (manifest_accept(parser, "heap")) {
			if (!manifest_size(parser, "the heap's size", &machine->heap))
				return false;
			if (machine->heap == 0 || machine->heap > MANIFEST_SEGMENT_MAX)
				return manifest_fail(parser, "a heap of that size cannot be");
		} else if (manifest_accept(parser, "arguments")) {
			/* All that follows in quotes. */
			while (parser->next < parser->words && parser->quoted[parser->next]) {
				if (machine->arguments == MANIFEST_ARGUMENTS_MAX)
					return manifest_fail(parser, "more than %u arguments",
							     MANIFEST_ARGUMENTS_MAX);
				machine->argument[machine->arguments++] =
					parser->word[parser->next++];
			}
		} else {
			return manifest_end(parser);
		}
	}
	return true;
}

static bool manifest_machine_add(struct manifest_parser *parser)
{
	struct manifest *manifest = parser->manifest;
	struct manifest_machine machine = {.line = parser->line, .queue = MANIFEST_QUEUE_DEFAULT};

	if (manifest->machines == MANIFEST_MACHINES_MAX)
		return manifest_fail(parser, "more than %u machines", MANIFEST_MACHINES_MAX);
	if (!manifest_take(parser, "the machine's name", &machine.name))
		return false;
	if (!machine.name[0] || strlen(machine.name) >= MACHINE_NAME)
		return manifest_fail(parser, "a machine's name has 1 to %u bytes",
				     MACHINE_NAME - 1);
	if (manifest_machine_find(manifest, machine.name))
		return manifest_fail(parser, "there is a machine '%s' already", machine.name);
	if (!manifest_accept(parser, "program"))
		return manifest_fail(parser, "'program PATH' must follow the machine's name");
	if (!manifest_take(parser, "the program's path", &machine.program) ||
	    !manifest_machine_options(parser, &machine))
		return false;
	manifest->machine[manifest->machines++] = machine;
	parser->in_machine = true;
	return true;
}

static bool manifest_rights(struct manifest_parser *parser, uint16_t *rights)
{
	static const struct {
		const char *word;
		uint16_t right;
	} known[] = {
		{"read", RIGHT_READ},	    {"write", RIGHT_WRITE},	{"execute", RIGHT_EXECUTE},
		{"destroy", RIGHT_DESTROY}, {"control", RIGHT_CONTROL},
	};

	*rights = 0;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]);) {
		if (manifest_accept(parser, known[i].word)) {
			*rights |= known[i].right;
			i = 0;
		} else {
			i++;
		}
	}
	return *rights ? true : manifest_fail(parser, "rights are missing, like 'read write'");
}

static bool manifest_grant_slot(struct manifest_parser *parser,
				const struct manifest_machine *machine,
				struct manifest_grant *grant)
{
	uint64_t slot;

	if (!manifest_number(parser, "the slot", SLOT_FIRST_GRANT, SLOT_FIRST_FREE - 1, &slot))
		return false;
	grant->slot = (uint32_t)slot;
	for (unsigned i = 0; i < machine->grants; i++)
		if (machine->grant[i].slot == grant->slot)
			return manifest_fail(parser, "slot %" PRIu32 " is granted already",
					     grant->slot);
	if (!manifest_accept(parser, "port")) {
		grant->kind = MANIFEST_GRANT_OBJECT;
		return manifest_take(parser, "the object's path", &grant->target) &&
		       manifest_rights(parser, &grant->rights);
	}
	grant->kind = MANIFEST_GRANT_PORT;
	grant->rights = RIGHT_SEND;
	if (!manifest_take(parser, "the name of a machine", &grant->target))
		return false;
	if (!manifest_accept(parser, "send"))
		return manifest_fail(parser, "'send' must follow the machine's name");
	return !manifest_accept(parser, "badge") ||
	       manifest_number(parser, "the badge", 0, UINT64_MAX, &grant->badge);
}

static bool manifest_grant_add(struct manifest_parser *parser, struct manifest_machine *machine)
{
	struct manifest_grant grant = {.line = parser->line};

	if (machine->grants == MANIFEST_GRANTS_MAX)
		return manifest_fail(parser, "more than %u grants", MANIFEST_GRANTS_MAX);
	if (manifest_accept(parser, "console"))
		grant.kind = MANIFEST_GRANT_CONSOLE;
	else if (manifest_accept(parser, "store"))
		grant.kind = MANIFEST_GRANT_STORE;
	else if (manifest_accept(parser, "system"))
		grant.kind = MANIFEST_GRANT_SYSTEM;
	else if (!manifest_grant_slot(parser, machine, &grant))
		return false;
	machine->grant[machine->grants++] = grant;
	return manifest_end(parser);
}

/* A line between `machine` and `end`. */
static bool manifest_machine_line(struct manifest_parser *parser)
{
	struct manifest *manifest = parser->manifest;
	struct manifest_machine *machine = &manifest->machine[manifest->machines - 1];
	uint64_t number;

	ASSERT(parser->in_machine && manifest->machines);
	if (manifest_accept(parser, "end")) {
		parser->in_machine = false;
		return manifest_end(parser);
	}
	if (manifest_accept(parser, "grant"))
		return manifest_grant_add(parser, machine);
	if (!manifest_accept(parser, "queue"))
		return manifest_fail(parser, "'%.60s' is not 'grant', 'queue' or 'end'",
				     parser->word[0]);
	if (!manifest_number(parser, "the queue's capacity", 1, PORT_CAPACITY_MAX, &number))
		return false;
	machine->queue = (uint32_t)number;
	return manifest_end(parser);
}

/* ---- the whole --------------------------------------------------------------------- */

static bool manifest_label(struct manifest_parser *parser)
{
	if (!manifest_take(parser, "the label", &parser->manifest->label))
		return false;
	if (strlen(parser->manifest->label) >= 64)
		return manifest_fail(parser, "a label has at most 63 bytes");
	return manifest_end(parser);
}

static bool manifest_interval(struct manifest_parser *parser)
{
	const char *word = NULL;

	if (!manifest_take(parser, "the interval", &word))
		return false;
	if (!quantity_time(word, &parser->manifest->interval_ns))
		return manifest_fail(parser, "'%.60s' is no interval: " QUANTITY_TIME_FORM, word);
	return manifest_end(parser);
}

static bool manifest_retention(struct manifest_parser *parser)
{
	const char *word = NULL, *fault;

	if (!manifest_take(parser, "the rule", &word))
		return false;
	fault = keeping_rule_parse(word, &parser->manifest->retention);
	if (fault)
		return manifest_fail(parser, "'%.60s' is no rule for automatic snapshots: %s", word,
				     fault);
	return manifest_end(parser);
}

static bool manifest_statement(struct manifest_parser *parser)
{
	static const char *const kinds[] = {"directory", "program", "file", "text", "segment"};

	static_assert(sizeof(kinds) / sizeof(kinds[0]) == MANIFEST_SEGMENT + 1, "a word for each");
	if (parser->words == 0)
		return true;
	if (parser->in_machine)
		return manifest_machine_line(parser);
	if (manifest_accept(parser, "label"))
		return manifest_label(parser);
	if (manifest_accept(parser, "interval"))
		return manifest_interval(parser);
	if (manifest_accept(parser, "retention"))
		return manifest_retention(parser);
	for (unsigned i = MANIFEST_DIRECTORY; i <= MANIFEST_SEGMENT; i++)
		if (manifest_accept(parser, kinds[i]))
			return manifest_object_add(parser, (enum manifest_kind)i);
	if (manifest_accept(parser, "machine"))
		return manifest_machine_add(parser);
	return manifest_fail(parser, "'%.60s' is no statement", parser->word[0]);
}

static bool manifest_grant_check(struct manifest_parser *parser, const struct manifest_grant *grant)
{
	parser->line = grant->line;
	if (grant->kind == MANIFEST_GRANT_OBJECT &&
	    !manifest_object_find(parser->manifest, grant->target))
		return manifest_fail(parser, "there is no object '%.60s'", grant->target);
	if (grant->kind == MANIFEST_GRANT_PORT &&
	    !manifest_machine_find(parser->manifest, grant->target))
		return manifest_fail(parser, "there is no machine '%.60s'", grant->target);
	return true;
}

/* What refers to lines that may come later. */
static bool manifest_check(struct manifest_parser *parser)
{
	for (unsigned i = 0; i < parser->manifest->machines; i++) {
		const struct manifest_machine *machine = &parser->manifest->machine[i];
		const struct manifest_object *program =
			manifest_object_find(parser->manifest, machine->program);
		parser->line = machine->line;
		if (!program || program->kind != MANIFEST_PROGRAM)
			return manifest_fail(parser, "there is no program '%.60s'",
					     machine->program);
		for (unsigned k = 0; k < machine->grants; k++)
			if (!manifest_grant_check(parser, &machine->grant[k]))
				return false;
	}
	return true;
}

static bool manifest_lines(struct manifest_parser *parser, size_t length)
{
	char *line = parser->manifest->text, *end = line + length;

	while (line < end) {
		char *newline = memchr(line, '\n', (size_t)(end - line));
		char *next = newline ? newline + 1 : end;
		parser->line++;
		if (newline)
			*newline = 0;
		if (strlen(line) != (size_t)((newline ? newline : end) - line))
			return manifest_fail(parser, "a zero byte is not text");
		if (!manifest_split(parser, line) || !manifest_statement(parser))
			return false;
		line = next;
	}
	if (parser->in_machine)
		return manifest_fail(
			parser, "the machine '%s' has no 'end'",
			parser->manifest->machine[parser->manifest->machines - 1].name);
	return manifest_check(parser);
}

bool manifest_parse(struct manifest *manifest, const char *text, size_t length,
		    struct manifest_error *error)
{
	struct manifest_parser parser = {.manifest = manifest, .error = error};
	bool parsed;

	ASSERT(text || !length);
	*manifest = (struct manifest){.label = "perdure", .interval_ns = MANIFEST_INTERVAL_NS};
	*error = (struct manifest_error){0};
	if (length > MANIFEST_BYTES_MAX)
		return manifest_fail(&parser, "it has more than %u bytes", MANIFEST_BYTES_MAX);
	manifest->text = calloc(1, length + 1);
	manifest->object = calloc(MANIFEST_OBJECTS_MAX, sizeof(*manifest->object));
	manifest->machine = calloc(MANIFEST_MACHINES_MAX, sizeof(*manifest->machine));
	if (!manifest->text || !manifest->object || !manifest->machine) {
		parsed = manifest_fail(&parser, "memory is short");
	} else {
		memcpy(manifest->text, text, length);
		parsed = manifest_lines(&parser, length);
	}
	if (!parsed)
		manifest_free(manifest);
	return parsed;
}

void manifest_free(struct manifest *manifest)
{
	free(manifest->text);
	free(manifest->object);
	free(manifest->machine);
	*manifest = (struct manifest){0};
}
