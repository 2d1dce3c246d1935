/* SPDX-License-Identifier: MIT */
/*
 * options.h - the words that GRUB puts behind the kernel's name.
 *
 *	multiboot2 /perdure/kernel.elf verbose panic=reboot
 *
 * A word is an option by itself (`verbose`) or has a value (`panic=reboot`).  Words
 * that nobody asks for are ignored: boot loaders add some of their own.
 */
#ifndef KERNEL_OPTIONS_H
#define KERNEL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Is this very word on the line? */
bool option_given(const char *line, const char *word);
/* The value of the last `name=VALUE`: where it begins on the line, and how long it is.
 * False: there is none. */
bool option_value(const char *line, const char *name, const char **value, size_t *length);
/* The same for a decimal number; false also when the value is something else or too
 * large. */
bool option_number(const char *line, const char *name, uint64_t *number);

#endif
