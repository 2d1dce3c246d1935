/* SPDX-License-Identifier: MIT */
/*
 * fuzz_command.c - any words as a command line of mkstore, and any word as each of
 * the things that words stand for: numbers, sizes, identities, names.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "base/quantity.h"
#include "tools/mkstore/command.h"
#include "tools/mkstore/text.h"

#define WORDS_MAX 24u
#define BYTES_MAX 1024u

static const struct command *const commands[] = {
	&command_create,   &command_info,   &command_cat,     &command_put,
	&command_snapshot, &command_verify, &command_restore,
};

int LLVMFuzzerInitialize(int *count, char ***words)
{
	(void)count;
	(void)words;
	return 0;
}

static void check_invocation(const struct command *command,
			     const struct command_invocation *invocation)
{
	unsigned least, most;

	if (invocation->help)
		return;
	command_operands(command, &least, &most);
	FUZZ_CHECK(invocation->operands >= least && invocation->operands <= most &&
			   invocation->operands <= COMMAND_OPERANDS_MAX,
		   "%s with %u operands", command->name, invocation->operands);
	for (unsigned i = 0; i < invocation->operands; i++)
		FUZZ_CHECK(invocation->operand[i], "%s: operand %u", command->name, i);
	for (unsigned i = 0; command->options && command->options[i].name; i++) {
		const char *value = command_value(invocation, command->options[i].name);

		FUZZ_CHECK(!value || command->options[i].value || !value[0],
			   "%s: the flag %s has a value", command->name, command->options[i].name);
	}
}

static void check_word(const char *word)
{
	uint8_t identity[16], again[16];
	char text[TEXT_IDENTITY], size_text[TEXT_SIZE], name[TEXT_NAME(BYTES_MAX)];
	uint64_t number = 0, bytes = 0;

	if (quantity_parse(word, QUANTITY_NUMBER, &number)) {
		FUZZ_CHECK(strtoull(word, NULL, 10) == number, "number '%s'", word);
		FUZZ_CHECK(quantity_parse(word, QUANTITY_SIZE, &bytes) && bytes == number,
			   "size '%s'", word);
	}
	if (quantity_parse(word, QUANTITY_SIZE, &bytes))
		FUZZ_CHECK(strlen(text_size(size_text, bytes)) < TEXT_SIZE, "size '%s'", word);
	if (text_identity_parse(word, identity))
		FUZZ_CHECK(text_identity_parse(text_identity(text, identity), again) &&
				   memcmp(identity, again, sizeof(again)) == 0,
			   "identity '%s'", word);
	text_name(name, sizeof(name), word, strlen(word));
	for (const char *at = name; *at; at++)
		FUZZ_CHECK((unsigned char)*at >= ' ' && *at != 0x7f, "a name is shown raw");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct command *command;
	struct command_invocation invocation;
	char text[BYTES_MAX + 1];
	char *words[WORDS_MAX + 1];
	int count = 0;

	if (!size || size > BYTES_MAX)
		return 0;
	command = commands[data[0] % (sizeof(commands) / sizeof(commands[0]))];
	memcpy(text, data + 1, size - 1);
	text[size - 1] = 0;
	/* A newline ends a word. */
	for (char *at = text; at && count < (int)WORDS_MAX;) {
		char *end = strchr(at, '\n');

		words[count++] = at;
		if (end)
			*end++ = 0;
		at = end;
	}
	words[count] = NULL;
	for (int i = 0; i < count; i++)
		check_word(words[i]);
	if (command_parse(command, count, words, &invocation))
		check_invocation(command, &invocation);
	return 0;
}
