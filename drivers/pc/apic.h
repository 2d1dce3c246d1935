/* SPDX-License-Identifier: MIT */
/*
 * apic.h - interrupt controllers: the processor's local APIC with its timer, the
 * I/O APIC, and the old 8259 pair, which is silenced.
 */
#ifndef DRIVERS_PC_APIC_H
#define DRIVERS_PC_APIC_H

#include <stdbool.h>
#include <stdint.h>

/* Vectors: the first 32 are exceptions; the old controllers are parked behind
 * them in case one stutters. */
enum apic_vector {
	VECTOR_PIC = 0x20,
	VECTOR_TIMER = 0x40,
	VECTOR_SERIAL = 0x41,
	VECTOR_MESSAGE = 0x50, /* first of APIC_MESSAGES for devices */
	VECTOR_ERROR = 0xfe,
	VECTOR_SPURIOUS = 0xff,
};
#define APIC_MESSAGES 16u

/* Local APIC on, everything masked, NMI let through.  False: its registers or the
 * I/O APIC's could not be mapped. */
bool apic_init(void);
void apic_end_of_interrupt(void);
/* Ends whatever was being served, at any depth. */
void apic_end_all(void);
/* Is this vector being served, so that it needs its end signalled? */
bool apic_in_service(uint8_t vector);

/* Periodic timer at `hz`, vector VECTOR_TIMER; measures against clock_ns() for
 * about 1 ms.  False: the timer stands still. */
bool apic_timer_start(uint32_t hz);

/* Lets an ISA interrupt through to a vector of this processor. */
bool apic_isa_route(uint32_t irq, uint8_t vector);

/* Where a device must write, and what, to raise a vector here. */
uint64_t apic_message_address(void);

#endif
