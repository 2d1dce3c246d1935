/* SPDX-License-Identifier: MIT */
/*
 * spin.c - a pure computation of a given length, to measure with.
 *
 *	spin [MILLIONS]		of steps; 100 if not given
 *
 * Reports the result, the time that passed and the CPU time that it got.
 */
#include "user/lib/machine.h"
#include "base/quantity.h"
#include "user/lib/program.h"
#include "user/lib/service.h"
#include "base/text.h"

#define STEPS_PER_MILLION 1000000u

static uint64_t spin_cpu_ns(void)
{
	struct abi_machine_info info;

	return machine_info(OWN_MACHINE, &info) == STATUS_OK ? info.cpu_ns : 0;
}

int main(int argc, char **argv)
{
	uint64_t millions = 100, value = 88172645463325252u;
	uint64_t begin_ns = clock_uptime(), begin_cpu_ns = spin_cpu_ns();

	if (argc > 1 && !quantity_parse(argv[1], QUANTITY_ANY, &millions))
		program_fail("%s: not a number", argv[1]);
	for (uint64_t million = 0; million < millions; million++) {
		for (uint32_t step = 0; step < STEPS_PER_MILLION; step++) {
			value ^= value << 13;
			value ^= value >> 7;
			value ^= value << 17;
		}
	}
	log_print("%lu million steps: result %016lx, %lu ms passed, %lu ms of CPU", millions, value,
		  (clock_uptime() - begin_ns) / NS_PER_MILLISECOND,
		  (spin_cpu_ns() - begin_cpu_ns) / NS_PER_MILLISECOND);
	return 0;
}
