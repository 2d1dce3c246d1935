/* SPDX-License-Identifier: MIT */
/*
 * trap.S - into the kernel and back to user mode.
 *
 * A trap from user mode saves the registers straight into the structure that
 * arch_user_enter was given, takes the CPU's stack from its top, and does not
 * return.  A trap from the kernel (an interrupt in arch_idle, or a bug) keeps
 * its registers on the stack and returns.
 */
#include "kernel/x86_64/layout.h"

/* Offsets in struct disk_registers. */
#define RAX    0
#define RBX    8
#define RCX    16
#define RDX    24
#define RSI    32
#define RDI    40
#define RBP    48
#define RSP    56
#define R8     64
#define R9     72
#define R10    80
#define R11    88
#define R12    96
#define R13    104
#define R14    112
#define R15    120
#define RIP    128
#define RFLAGS 136

	.text

	/* All but rsp, rip, rflags and the register that points there. */
	.macro SAVE_TO base
	movq %rax, RAX(\base)
	movq %rbx, RBX(\base)
	movq %rcx, RCX(\base)
	movq %rdx, RDX(\base)
	movq %rsi, RSI(\base)
	movq %rbp, RBP(\base)
	movq %r8, R8(\base)
	movq %r9, R9(\base)
	movq %r10, R10(\base)
	movq %r11, R11(\base)
	movq %r12, R12(\base)
	movq %r13, R13(\base)
	movq %r14, R14(\base)
	movq %r15, R15(\base)
	.endm

	/* SYSCALL: rcx = rip behind the instruction, r11 = rflags; interrupts are
	 * off and the direction and alignment flags clear by the flag mask.  Only
	 * exceptions with stacks of their own can come before rsp is ours. */
	.globl trap_syscall_entry
	.type trap_syscall_entry, @function
trap_syscall_entry:
	swapgs
	movq %rsp, %gs:CPU_USER_RSP
	movq %gs:CPU_REGISTERS, %rsp
	SAVE_TO %rsp
	movq %rdi, RDI(%rsp)
	movq %rcx, RIP(%rsp)
	movq %r11, RFLAGS(%rsp)
	movq %gs:CPU_USER_RSP, %rax
	movq %rax, RSP(%rsp)
	movq %gs:CPU_STACK_TOP, %rsp
	xorl %ebp, %ebp
	call trap_syscall
	ud2

	/* One entry for each vector, 16 bytes apart: error code (0 where the CPU
	 * pushes none), vector, and on. */
	.balign 16
	.globl trap_stubs
trap_stubs:
	.set vector, 0
	.rept 256
	.balign 16
	.if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
	.else
	pushq $0
	.endif
	pushq $vector
	jmp trap_common
	.set vector, vector + 1
	.endr

	/* Stack: vector, error, rip, cs, rflags, rsp, ss. */
	.type trap_common, @function
trap_common:
	testb $3, 24(%rsp)
	jz trap_from_kernel
	swapgs
	pushq %rdi
	movq %gs:CPU_REGISTERS, %rdi
	SAVE_TO %rdi
	popq %rax
	movq %rax, RDI(%rdi)
	movq 16(%rsp), %rax
	movq %rax, RIP(%rdi)
	movq 32(%rsp), %rax
	movq %rax, RFLAGS(%rdi)
	movq 40(%rsp), %rax
	movq %rax, RSP(%rdi)
	movq 0(%rsp), %rdi		/* vector */
	movq 8(%rsp), %rsi		/* error code */
	pushq $2			/* the user's direction and alignment flags */
	popfq				/* do not hold in the kernel */
	movq %gs:CPU_STACK_TOP, %rsp
	xorl %ebp, %ebp
	call trap_user
	ud2

trap_from_kernel:
	/* A debug exception that the user set up and SYSCALL carried into the
	 * kernel (MOV SS, then SYSCALL): nothing to do, and GS may not be ours. */
	cmpq $1, (%rsp)
	je trap_ignore
	pushq %rax
	pushq %rbx
	pushq %rcx
	pushq %rdx
	pushq %rsi
	pushq %rdi
	pushq %rbp
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	cld
	/* Whose is GS?  A trap can come between SWAPGS and the border to user
	 * mode; the kernel's base is negative, no machine's is. */
	xorl %r12d, %r12d
	movl $0xc0000101, %ecx		/* GS base */
	rdmsr
	testl %edx, %edx
	js 1f
	swapgs
	incl %r12d
1:	movq %rsp, %rdi
	movq %rsp, %rbx
	andq $-16, %rsp
	call trap_kernel
	testl %r12d, %r12d
	jz 1f
	swapgs
1:	movq %rbx, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rbp
	popq %rdi
	popq %rsi
	popq %rdx
	popq %rcx
	popq %rbx
	popq %rax
trap_ignore:
	addq $16, %rsp
	iretq

	.macro LOAD_FROM_RDI
	movq RAX(%rdi), %rax
	movq RBX(%rdi), %rbx
	movq RDX(%rdi), %rdx
	movq RSI(%rdi), %rsi
	movq RBP(%rdi), %rbp
	movq R8(%rdi), %r8
	movq R9(%rdi), %r9
	movq R10(%rdi), %r10
	movq R12(%rdi), %r12
	movq R13(%rdi), %r13
	movq R14(%rdi), %r14
	movq R15(%rdi), %r15
	movq RCX(%rdi), %rcx
	movq R11(%rdi), %r11
	.endm

	.globl arch_stack_reset
	.type arch_stack_reset, @function
arch_stack_reset:
	movq %gs:CPU_STACK_TOP, %rsp
	xorl %ebp, %ebp
	call *%rdi
	ud2

	/* rcx = rip and r11 = rflags already, as SYSCALL left them. */
	.globl user_leave_sysret
	.type user_leave_sysret, @function
user_leave_sysret:
	LOAD_FROM_RDI
	movq RSP(%rdi), %rsp
	movq RDI(%rdi), %rdi
	swapgs
	sysretq

	.globl user_leave_iret
	.type user_leave_iret, @function
user_leave_iret:
	pushq $SELECTOR_USER_DATA
	pushq RSP(%rdi)
	pushq RFLAGS(%rdi)
	pushq $SELECTOR_USER_CODE
	pushq RIP(%rdi)
	LOAD_FROM_RDI
	movq RDI(%rdi), %rdi
	swapgs
	iretq

	.section .note.GNU-stack, "", @progbits
