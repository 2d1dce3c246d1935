/* SPDX-License-Identifier: MIT */
/*
 * options.h - the words that GRUB puts behind the kernel's name.
 *
 *	multiboot2 /perdure/kernel.elf verbose panic=reboot
 *
 * Words that nobody asks for are ignored: boot loaders add some of their own.
 */
#ifndef KERNEL_OPTIONS_H
#define KERNEL_OPTIONS_H

#include <stdbool.h>

/* Is this very word on the line? */
bool option_given(const char *line, const char *word);

#endif
