/* SPDX-License-Identifier: MIT */
/*
 * boot-4096.S - first sector of a disk with sectors of 4096 bytes, of which GRUB's
 * first stage knows nothing: a BIOS that runs it gets a line for its user, on the screen
 * and on the first serial line, and nothing else.
 */
	.code16
	.globl _start
_start:
	cli
	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %ss
	movw $0x7c00, %sp
	sti
	cld
	ljmp $0, $begin
begin:
	movw $text, %si
next:
	lodsb
	testb %al, %al
	jz stop
	pushw %ax
	movb $0x0e, %ah		/* teletype */
	movw $0x0007, %bx
	int $0x10
	xorw %cx, %cx		/* a port that is not there is not waited for */
	movw $0x3fd, %dx
busy:
	inb %dx, %al
	testb $0x20, %al
	loopz busy
	popw %ax
	movw $0x3f8, %dx
	outb %al, %dx
	jmp next
stop:
	hlt
	jmp stop

text:
	.ascii "\r\nPerdure: a disk with sectors of 4096 bytes boots by UEFI only: choose UEFI\r\n"
	.ascii "firmware (QEMU: make run UEFI=1); or make the image for sectors of 512 bytes.\r\n"
	.byte 0
