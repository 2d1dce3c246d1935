/* SPDX-License-Identifier: MIT */
/*
 * serial.h - the first serial port (16550), the system's console.
 *
 * Output goes through a ring that the interrupt drains; boot and panic write
 * synchronously instead.  Input is collected in a ring; when that is full the
 * port's own flow control holds the sender back, so nothing is dropped.  A
 * machine without the port works: output vanishes, input never comes.
 */
#ifndef DRIVERS_PC_SERIAL_H
#define DRIVERS_PC_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

#define SERIAL_ISA_IRQ 4u

/* Finds and sets up the port, interrupts off at the port. */
void serial_init(void);
bool serial_present(void);

/* Lets the port interrupt, once its interrupt is routed. */
void serial_interrupt_enable(void);

/* To be called at the port's interrupt; tells what happened (SERIAL_*). */
enum { SERIAL_INPUT = 1, SERIAL_OUTPUT = 2, SERIAL_ATTENTION = 4 };
unsigned serial_interrupt(void);

/* Puts all of it into the output ring, or nothing: false when there is no room,
 * which is there again after SERIAL_OUTPUT (for up to SERIAL_WRITE_MAX bytes). */
#define SERIAL_WRITE_MAX 4096u
bool serial_write(const uint8_t *data, uint32_t length);
/* Bytes taken from the input ring. */
uint32_t serial_read(uint8_t *data, uint32_t size);

/* Forgets what was typed, so that whoever is at the other end (QEMU) does not wait for
 * room.  False: the port does not interrupt when more comes, so it must be asked. */
bool serial_discard(void);

/* Writes at once, behind all that is in the ring; a newline becomes CR LF.  The
 * wait is bounded: a port that does not take a byte in time is not waited for
 * again until it takes one. */
void serial_write_sync(const char *text, uint32_t length);

#endif
