/* SPDX-License-Identifier: MIT */
/*
 * start.S - the first instruction of every program.
 *
 * On entry rdi is the address of struct abi_start, rsp the 16-byte aligned top
 * of the stack, everything else zero.  program_enter does not return.
 */
	.section .text.start, "ax", @progbits
	.globl _start
	.type _start, @function
_start:
	xorl	%ebp, %ebp	/* ends the call chain */
	call	program_enter
	ud2
	.size _start, . - _start
	.section .note.GNU-stack, "", @progbits
