/* SPDX-License-Identifier: MIT */
/*
 * table.c - the table of commands.  Interface in shell.h.
 */
#include "user/shell/shell.h"

#include "base/text.h"

/* In the order in which `help` lists them. */
const struct shell_command shell_commands[] = {
	{"help", "[COMMAND]", "commands, or more about one", NULL, 0, 1, command_help},
	{"ls", "[--snapshot SNAPSHOT] [PATH]", "names in a directory",
	 "Type, size in bytes, rights and name. Rights: r read, w write, x execute,\n"
	 "s send, c control, d destroy. With --snapshot: as it was there.",
	 0, 3, command_ls},
	{"tree", "[--snapshot SNAPSHOT] [PATH]", "all names below a directory",
	 "With --snapshot: as they were there.", 0, 3, command_tree},
	{"cat", "[--snapshot SNAPSHOT] OBJECT...", "print objects as text",
	 "Control characters are shown as dots. ^C ends it. With --snapshot: as they were there.",
	 1, -1, command_cat},
	{"hexdump", "OBJECT [OFFSET [LENGTH]]", "print an object's bytes",
	 "Numbers may be decimal, 0x..., and end with K, M, G or T. Without LENGTH: 512 bytes.", 1,
	 3, command_hexdump},
	{"echo", "[TEXT]...", "print text, or write it",
	 "> replaces what is in the object, >> adds to it; a new object is made if there is\n"
	 "none. This works with every command, as in `ps > /notes/ps`.",
	 0, -1, command_echo},
	{"cp", "[--snapshot SNAPSHOT] FROM TO", "copy an object",
	 "Into an object that exists, or a new one. A program is only replaced with `force`. With\n"
	 "--snapshot: a new one, as FROM was there, so that a lost one comes back.",
	 2, 4, command_cp},
	{"mv", "FROM TO", "rename or move",
	 "What was called TO before is destroyed, but a program only with `force`, and a\n"
	 "directory never.",
	 2, 2, command_mv},
	{"force", "COMMAND...", "do what may be a slip",
	 "cp, mv, > and >> replace a program: `force cp /notes/new /bin/hello`. rm destroys\n"
	 "a port, table, bank or machine where its name gives the right to, and takes the name\n"
	 "alone away where it does not. rm and mv take " SYSTEM_SHELL " from those who need it.",
	 1, -1, command_force},
	{"rm", "[--recursive] OBJECT...", "destroy objects",
	 "Every capability to the object is dead afterwards, programs that use it fault.\n"
	 "With --recursive: a directory, too, and all that is below it.\n"
	 "A port, table, bank or machine goes with `force` only, and so does " SYSTEM_SHELL ", of\n"
	 "which a new shell is made when this one is lost.",
	 1, -1, command_rm},
	{"mkdir", "PATH...", "make directories", NULL, 1, -1, command_mkdir},
	{"rmdir", "PATH...", "destroy empty directories", NULL, 1, -1, command_rmdir},
	{"ps", "", "machines and what they do",
	 "STATE is what a state machine says of itself. SENT and RECEIVED count messages.", 0, 0,
	 command_ps},
	{"state", "MACHINE", "all about one machine",
	 "MACHINE is a number or a name, as `ps` shows them.", 1, 1, command_state},
	{"run", "[-m SIZE] [-a SIZE] [-w N] [-p N] [-n NAME] [-g] PROGRAM [ARGUMENT]...",
	 "start a program",
	 "PROGRAM is a path, or a name in /bin. The new machine has a bank of its own, the root\n"
	 "directory, log and clock; with -g also store and system. -m: what the bank can give,\n"
	 "like 64M, normally 16M; -a: for how much it has addresses, normally 256G. All that the\n"
	 "program makes is paid for by that bank and ends with it. -p: the priority, 0 (lowest) "
	 "to\n"
	 "8, the shell's own, normally 5. -w: the weight of the bank among machines of the same\n"
	 "priority, normally 100 (`help weight`). What it says is in the log.",
	 1, -1, command_run},
	{"stop", "MACHINE", "hold a machine where it is", NULL, 1, 1, command_stop},
	{"continue", "[MACHINE]", "let a machine go on",
	 "One that has faulted tries the same instruction again.  Without a machine: after a boot\n"
	 "in safe mode, all that were there go on.",
	 0, 1, command_continue},
	{"kill", "MACHINE|BANK", "destroy a machine, or a bank",
	 "The bank that pays for it goes, too, with all machines that it pays for: what the "
	 "program\n"
	 "has started, and who has started it from the same bank.  BANK is a number from `banks`.",
	 1, 1, command_kill},
	{"weight", "MACHINE|BANK N", "a bank's part of the CPU",
	 "Among machines of the same priority each bank has a part of the time as large as its\n"
	 "weight, however many machines it has; one of weight 0 runs on the part of the bank "
	 "above\n"
	 "it. BANK is a number from `banks`, which shows the weights; of a machine it is the one\n"
	 "that pays for it.",
	 2, 2, command_weight},
	{"banks", "", "who may take how much",
	 "Each below the one that it was made from: pages (4 KiB) charged and at most, objects,\n"
	 "pages of addresses taken and at most, its weight (`help weight`), and the machines that\n"
	 "it pays for.",
	 0, 0, command_banks},
	{"checkpoint", "", "make everything durable now", NULL, 0, 0, command_checkpoint},
	{"snapshot", "NAME", "keep the present state",
	 "1 to 63 bytes; one with spaces in it is put into quotation marks.", 1, 1,
	 command_snapshot},
	{"snapshots", "", "the states kept", NULL, 0, 0, command_snapshots},
	{"restore", "SNAPSHOT", "take all back to a snapshot",
	 "A name, #NUMBER, @GENERATION or an age like -10m. The state it replaces is kept as a\n"
	 "snapshot too.",
	 1, 1, command_restore},
	{"rename", "SNAPSHOT NAME", "rename a snapshot",
	 "One that was taken automatically is kept from then on.", 2, 2, command_rename},
	{"delete", "SNAPSHOT", "delete a snapshot",
	 "A name, #NUMBER, @GENERATION or an age like -10m.", 1, 1, command_delete},
	{"retention", "[RULE]", "what is kept by itself",
	 "RULE is like 10s,60m,24h,7d,20%: one at most every 10 seconds, then one for each of\n"
	 "60 minutes, 24 hours, 7 days, within 20 % of the store. `off`: none are taken.",
	 0, 1, command_retention},
	{"grow", "", "take up a larger disk", "The store takes what its disk was made larger by.",
	 0, 0, command_grow},
	{"store", "", "space, compression", NULL, 0, 0, command_store},
	{"interval", "[TIME]", "time between checkpoints",
	 "TIME is like 500ms, 2s, 10m, 1h; a number alone are seconds. 0: only on request.", 0, 1,
	 command_interval},
	{"scrub", "[RATE]", "look for damage",
	 "Reads all that is stored and tells what does not match or cannot be read.\n"
	 "RATE: MiB in a second at most. ^C stops it; a power cut does not.",
	 0, 1, command_scrub},
	{"mem", "", "use of memory", NULL, 0, 0, command_mem},
	{"uptime", "[-l]", "how long the system lives",
	 "-l: how long, since the resume, the kernel was busy at most before it looked again\n"
	 "whose turn it is, and with what.",
	 0, 1, command_uptime},
	{"date", "", "wall time (UTC)", NULL, 0, 0, command_date},
	{"about", "", "version and machine", NULL, 0, 0, command_about},
	{"log", "[-f] [-k] [LINES]", "what programs said",
	 "-f follows until a key is pressed, -k is the kernel's own log.", 0, 3, command_log},
	{"clear", "", "clear the screen", NULL, 0, 0, command_clear},
	{"history", "", "lines typed before", NULL, 0, 0, command_history},
	{"reboot", "[--lose]", "save all, start anew",
	 "Makes everything durable, then starts the machine anew.\n"
	 "--lose: at once, what is not saved is lost.",
	 0, 1, command_reboot},
	{"poweroff", "[--lose]", "save all, turn off",
	 "Makes everything durable, then turns the machine off.\n"
	 "--lose: at once, what is not saved is lost.",
	 0, 1, command_poweroff},
};
const uint32_t shell_command_count = sizeof(shell_commands) / sizeof(shell_commands[0]);

const struct shell_command *shell_command_find(const char *name)
{
	for (uint32_t i = 0; i < shell_command_count; i++)
		if (text_equal(shell_commands[i].name, name))
			return &shell_commands[i];
	return NULL;
}
