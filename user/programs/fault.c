/* SPDX-License-Identifier: MIT */
/*
 * fault.c - does something that is not allowed, to see what happens.
 *
 *	fault KIND
 *
 * The machine stops where it is, visibly in `ps`, and nothing else does.
 */
#include "user/lib/program.h"
#include "user/lib/service.h"
#include "base/text.h"

static volatile uint64_t zero;

static void fault_divide(void)
{
	zero = 1000 / zero;
}

static void fault_null(void)
{
	/* From a variable, or the compiler makes an undefined instruction of it. */
	volatile uint64_t *address = (volatile uint64_t *)(uintptr_t)zero;

	*address = 1;
}

static void fault_privileged(void)
{
	__asm__ volatile("hlt");
}

static void fault_undefined(void)
{
	__asm__ volatile("ud2");
}

static void fault_code(void)
{
	volatile uint8_t *code = (volatile uint8_t *)(uintptr_t)fault_code;

	*code = 0;
}

static void fault_data(void)
{
	static const uint8_t instructions[] = {0xc3};
	void (*function)(void) = (void (*)(void))(uintptr_t)instructions;

	function();
}

/* Deeper than any stack; the guard pages are in between. */
static uint64_t fault_descend(uint64_t depth)
{
	volatile uint8_t room[PAGE_SIZE / 2];

	room[0] = (uint8_t)depth;
	return depth == 0 ? room[0] : fault_descend(depth - 1) + room[0];
}

static void fault_stack(void)
{
	zero = fault_descend(1000);
}

static void fault_kernel(void)
{
	zero = *(volatile uint64_t *)(uintptr_t)0xffff800000000000u;
}

static void fault_entry(void)
{
	uint64_t entry = 0xff;

	__asm__ volatile("syscall" : "+a"(entry) : : "rcx", "r11", "memory");
}

static void fault_breakpoint(void)
{
	__asm__ volatile("int3");
}

static const struct {
	const char *name;
	void (*function)(void);
} faults[] = {
	{"divide", fault_divide},
	{"null", fault_null},
	{"privileged", fault_privileged},
	{"undefined", fault_undefined},
	{"code", fault_code},
	{"data", fault_data},
	{"stack", fault_stack},
	{"kernel", fault_kernel},
	{"entry", fault_entry},
	{"breakpoint", fault_breakpoint},
};

int main(int argc, char **argv)
{
	for (unsigned i = 0; argc > 1 && i < sizeof(faults) / sizeof(faults[0]); i++) {
		if (!text_equal(argv[1], faults[i].name))
			continue;
		log_print("about to do: %s", argv[1]);
		faults[i].function();
		log_print("%s: nothing happened", argv[1]);
		return 1;
	}
	program_fail("say which: divide null privileged undefined code data stack kernel entry "
		     "breakpoint");
}
