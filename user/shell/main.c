/* SPDX-License-Identifier: MIT */
/*
 * main.c - the shell: prompt, line, command, for ever.
 *
 * It holds nothing but memory, so it goes on like everything else: the history
 * and the line half typed are there after a power cut.  Only the terminal was
 * restarted; then a notice is printed and the line shown again.
 */
#include "user/lib/program.h"
#include "user/lib/message.h"
#include "user/lib/service.h"
#include "base/text.h"
#include "user/shell/guard.h"
#include "user/shell/line.h"
#include "user/shell/shell.h"
#include "user/shell/terminal.h"

static struct line line;

size_t shell_resume_notice(char *text, size_t size)
{
	static uint64_t resumes; /* at the last notice, 0: there was none */
	struct abi_system info;
	bool begins = resumes == 0;

	if (system_info(&info) != STATUS_OK)
		return text_format(text, size, "\r\n[resumed]\r\n");
	if (info.resumes == resumes)
		return text_format(text, size, "\r\n[back from the kernel's console]\r\n");
	resumes = info.resumes;
	if (info.resume_reason == RESUME_FRESH)
		return text_format(text, size,
				   "\r\nPerdure %.*s. Type help for the commands.\r\n\r\n",
				   (int)sizeof(info.version), info.version);
	if (begins)
		return text_format(text, size, "\r\n[a new shell]\r\n");
	return text_format(text, size, "\r\n[resumed: generation %lu, %s]\r\n", info.generation,
			   print_resume((enum abi_resume)info.resume_reason));
}

const char *shell_history(uint32_t index)
{
	return line_history(&line, index);
}

/* Reads until Enter; the text is in line.text. */
static void shell_read_line(void)
{
	struct line_output output = {.length = 0};
	enum line_event event = LINE_EDITING;

	terminal_ask_width();
	line.width = terminal_width();
	line_begin(&line, &output);
	while (event != LINE_DONE) {
		enum terminal_input kind;
		uint8_t byte;

		terminal_raw(output.bytes, output.length);
		output.length = 0;
		kind = terminal_read(&byte, 0);
		line.width = terminal_width();
		if (kind == TERMINAL_RESUMED) {
			terminal_ask_width();
			line_redraw(&line, &output);
			continue;
		}
		event = line_feed(&line, byte, &output);
		if (event == LINE_TOO_LONG) {
			terminal_raw(output.bytes, output.length);
			output.length = 0;
			shell_complain(
				"shell",
				"a line has at most %u bytes; nothing of this one was executed",
				LINE_BYTES);
		}
		if (event == LINE_CANCELLED || event == LINE_TOO_LONG)
			line_begin(&line, &output);
		/* The machine has no end and no parent to go back to. */
		if (event == LINE_END) {
			terminal_print("\nThe shell does not end; `poweroff` turns the machine "
				       "off.\n");
			line_begin(&line, &output);
		}
	}
	terminal_raw(output.bytes, output.length);
	/* What was typed is on the screen before anything else happens. */
	terminal_flush();
}

static void shell_turn(const struct guard_fault *fault)
{
	if (fault)
		shell_given_up("shell", fault);
	shell_read_line();
	shell_execute(line.text);
}

int main(void)
{
	message_impatient();
	store_patience(SHELL_PATIENCE_NS);
	line_init(&line, SHELL_PROMPT);
	guard_for_ever(shell_turn);
}
