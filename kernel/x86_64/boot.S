/* SPDX-License-Identifier: MIT */
/*
 * boot.S - from GRUB's hand-over (Multiboot2 specification 2.0, section 3.3:
 * 32-bit protected mode, no paging, eax = magic, ebx = information) to C code in
 * the upper half.
 *
 * The first page tables map the low 4 GiB twice: one to one, and at KERNEL_BASE
 * (its first GiB).  map.c replaces them with the final ones.
 */
#include "kernel/x86_64/layout.h"

#define PHYSICAL(symbol) (symbol - KERNEL_BASE)

#define MULTIBOOT_MAGIC	      0xe85250d6
#define MULTIBOOT_LOADER      0x36d76289
#define MULTIBOOT_ARCH_I386   0

#define SCREEN_LINE   (0xb8000 + 22 * 160)
#define SCREEN_COLOUR 0x07

#define COM1_DATA   0x3f8
#define COM1_STATUS 0x3fd

	.section .multiboot, "a"
	.balign 8
multiboot_header:
	.long MULTIBOOT_MAGIC
	.long MULTIBOOT_ARCH_I386
	.long multiboot_end - multiboot_header
	.long 0x100000000 - (MULTIBOOT_MAGIC + MULTIBOOT_ARCH_I386 + (multiboot_end - multiboot_header))
	/* information request, optional: command line, memory map, EFI memory map,
	 * ACPI root pointers */
	.balign 8
	.short 1, 1
	.long 28
	.long 1, 6, 17, 14, 15
	/* a screen, optional: text will do; else pixels of 32 bits, any size */
	.balign 8
	.short 4, 1
	.long 12
	.long 2
	.balign 8
	.short 5, 1
	.long 20
	.long 0, 0, 32
	/* end */
	.balign 8
	.short 0, 0
	.long 8
multiboot_end:

	.section .text.boot, "ax"
	.code32
	.globl boot_entry
	.type boot_entry, @function
boot_entry:
	cli
	cld
	movl %eax, %esi
	rdtsc
	movl %eax, PHYSICAL(boot_counter)
	movl %edx, PHYSICAL(boot_counter) + 4
	movl $PHYSICAL(kernel_stack_top), %esp
	movl %ebx, %edi

	movl $PHYSICAL(text_loader), %ebx
	cmpl $MULTIBOOT_LOADER, %esi
	jne boot_stop

	/* CPUID leaf 0x80000001: long mode and no-execute, without which the page
	 * tables below cannot be loaded.  All else is checked later, in C. */
	movl $PHYSICAL(text_long_mode), %ebx
	movl %ebx, %ebp
	movl $0x80000000, %eax
	cpuid
	movl %ebp, %ebx
	cmpl $0x80000001, %eax
	jb boot_stop
	movl $0x80000001, %eax
	cpuid
	movl %ebp, %ebx
	testl $(1 << 29), %edx
	jz boot_stop
	movl $PHYSICAL(text_no_execute), %ebx
	testl $(1 << 20), %edx
	jz boot_stop

	call boot_tables_fill

	movl $0x20, %eax		/* CR4.PAE */
	movl %eax, %cr4
	movl $PHYSICAL(boot_top), %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx		/* EFER: LME, NXE */
	rdmsr
	orl $0x900, %eax
	wrmsr
	movl $0x80010011, %eax		/* CR0: PG, WP, ET, PE */
	movl %eax, %cr0
	lgdt PHYSICAL(boot_descriptor_pointer)
	ljmp $SELECTOR_KERNEL_CODE, $PHYSICAL(boot_long)

	/* 2 MiB pages for 4 GiB; memory beyond the image is zero already. */
boot_tables_fill:
	movl $PHYSICAL(boot_low) + 3, PHYSICAL(boot_top)
	movl $PHYSICAL(boot_high) + 3, PHYSICAL(boot_top) + 511 * 8
	movl $PHYSICAL(boot_pages) + 3, PHYSICAL(boot_high) + 510 * 8
	movl $PHYSICAL(boot_pages) + 3, %eax
	xorl %ecx, %ecx
1:	movl %eax, PHYSICAL(boot_low)(, %ecx, 8)
	addl $4096, %eax
	incl %ecx
	cmpl $4, %ecx
	jb 1b
	movl $0x83, %eax		/* present, writable, large */
	xorl %ecx, %ecx
2:	movl %eax, PHYSICAL(boot_pages)(, %ecx, 8)
	addl $0x200000, %eax
	incl %ecx
	cmpl $2048, %ecx
	jb 2b
	ret

	/* Writes the text at ebx to the serial port and to the screen, which is in text
	 * mode on all PCs that old, and stops.  The wait for each
	 * byte is bounded, so that a PC without the port stops as well.  What is typed
	 * then is taken and forgotten, see arch_halt. */
boot_stop:
	movl $SCREEN_LINE, %edi
0:	movb (%ebx), %ah
	testb %ah, %ah
	jz 3f
	movl $100000, %ecx
1:	movw $COM1_STATUS, %dx
	inb %dx, %al
	testb $0x20, %al
	loopz 1b
	movb %ah, %al
	movw $COM1_DATA, %dx
	outb %al, %dx
	incl %ebx
	cmpb $' ', %al
	jb 0b
	movb %al, (%edi)
	movb $SCREEN_COLOUR, 1(%edi)
	addl $2, %edi
	jmp 0b
3:	pause
	movw $COM1_STATUS, %dx
	inb %dx, %al
	testb $1, %al
	jz 3b
	movw $COM1_DATA, %dx
	inb %dx, %al
	jmp 3b

	.code64
boot_long:
	movabsq $boot_upper, %rax
	jmp *%rax
boot_upper:
	movq $kernel_stack_top, %rsp
	xorl %ebp, %ebp
	movl $SELECTOR_KERNEL_DATA, %eax
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %fs
	movl %eax, %gs
	movl %edi, %edi
	call start_kernel
	ud2

	.section .rodata.boot, "a"
text_loader:
	.asciz "perdure: started by something that is not a Multiboot2 loader; use GRUB 2\r\n"
text_long_mode:
	.asciz "perdure: this CPU has no long mode (64 bits); Perdure needs x86-64\r\n"
text_no_execute:
	.asciz "perdure: this CPU has no no-execute pages (NX), or the firmware has switched them off\r\n"
	.balign 8
boot_descriptors:
	.quad 0
	.quad 0x00af9b000000ffff	/* code, 64 bits */
	.quad 0x00cf93000000ffff	/* data */
boot_descriptor_pointer:
	.short 23
	.long PHYSICAL(boot_descriptors)

	.data
	.balign 8
	.globl boot_counter
boot_counter:
	.quad 0

	.section .stacks, "aw", @nobits
	.balign 4096
	.globl kernel_stack_guard, kernel_stack_top, kernel_exception_stacks
kernel_stack_guard:
	.skip GUARD_BYTES
	.skip STACK_BYTES
kernel_stack_top:
kernel_exception_stacks:		/* each: guard, stack */
	.skip EXCEPTION_STACKS * (GUARD_BYTES + EXCEPTION_STACK_BYTES)

	.section .boot_tables, "aw", @nobits
	.balign 4096
boot_top:
	.skip 4096
boot_low:
	.skip 4096
boot_high:
	.skip 4096
boot_pages:
	.skip 4 * 4096

	.section .note.GNU-stack, "", @progbits
