/* SPDX-License-Identifier: MIT */
/*
 * serial.c - 16550 UART at COM1, 115200 baud, 8N1, FIFOs on.
 *
 *   program --> output ring --(transmitter empty)--> FIFO of 16 --> line
 *   line --> FIFO of 16 --(data ready)--> input ring --> program
 *
 * A person asks for attention with a BREAK, which the port reports by itself, or by
 * pressing Ctrl-\ three times in a row, which no text has in it.
 *
 * Invariant: the transmit interrupt is enabled exactly while the output ring
 * is not empty, the receive interrupt exactly while the input ring has room.
 */
#include "drivers/pc/serial.h"
#include "drivers/pc/port.h"
#include "drivers/platform.h"
#include "base/assert.h"
#include <assert.h>

#define BASE 0x3f8u
enum {
	DATA = BASE,
	ENABLE,
	FIFO_CONTROL,
	LINE_CONTROL,
	MODEM_CONTROL,
	LINE_STATUS,
	MODEM_STATUS,
	SCRATCH
};
#define IDENTIFICATION FIFO_CONTROL /* when read */

#define ENABLE_RECEIVE	    1u
#define ENABLE_TRANSMIT	    2u
#define ENABLE_LINE	    4u /* a BREAK interrupts also while the input ring is full */
#define STATUS_RECEIVED	    1u
#define STATUS_BREAK	    0x10u
#define STATUS_EMPTY	    0x20u /* the transmitter takes FIFO_BYTES more */
#define IDENTIFICATION_NONE 1u	  /* no interrupt is pending */
#define FIFO_BYTES	    16u

#define OUTPUT_BYTES (2 * SERIAL_WRITE_MAX)
#define INPUT_BYTES  4096u /* what is pasted in one go */
static_assert(!(OUTPUT_BYTES & (OUTPUT_BYTES - 1)) && !(INPUT_BYTES & (INPUT_BYTES - 1)),
	      "the rings' counters run round");

/* A byte at 115200 baud takes 87 us and a full FIFO 1.4 ms; one poll of a real
 * port takes about 1 us. */
#define PATIENCE	100000u
#define ATTENTION_KEY	0x1cu /* Ctrl-\ */
#define ATTENTION_TIMES 3u

/* Interrupt causes served in one go, so that a broken port cannot hold us. */
#define CAUSES 64u

struct ring {
	uint32_t head, tail; /* free-running: written, taken */
};

static struct {
	bool present, interrupts, stuck;
	bool attention;	 /* a person asks for it */
	uint8_t keys;	 /* ATTENTION_KEYs in a row */
	uint8_t enabled; /* what is in the ENABLE register */
	struct ring out, in;
	uint8_t output[OUTPUT_BYTES];
	uint8_t input[INPUT_BYTES];
} serial;

bool serial_present(void)
{
	return serial.present;
}

void serial_init(void)
{
	port_write8(ENABLE, 0);
	port_write8(SCRATCH, 0x5a);
	bool first = port_read8(SCRATCH) == 0x5a;
	port_write8(SCRATCH, 0xa5);
	serial.present = first && port_read8(SCRATCH) == 0xa5;
	if (!serial.present)
		return;
	port_write8(LINE_CONTROL, 0x80); /* divisor latch */
	port_write8(DATA, 1);		 /* 115200 baud */
	port_write8(ENABLE, 0);
	port_write8(LINE_CONTROL, 0x03);  /* 8 data bits, no parity, 1 stop bit */
	port_write8(FIFO_CONTROL, 0x07);  /* on and empty, interrupt at each byte */
	port_write8(MODEM_CONTROL, 0x0b); /* DTR, RTS, OUT2: interrupt line on */
	serial.enabled = 0;
}

static void serial_enable(uint8_t what)
{
	if (what == serial.enabled || !serial.interrupts)
		return;
	serial.enabled = what;
	port_write8(ENABLE, what);
}

/* Brings the interrupt enables to what the rings ask for. */
static void serial_update(void)
{
	uint8_t what = ENABLE_LINE;

	if (serial.out.head != serial.out.tail)
		what |= ENABLE_TRANSMIT;
	if (serial.in.head - serial.in.tail < INPUT_BYTES)
		what |= ENABLE_RECEIVE;
	serial_enable(what);
}

void serial_interrupt_enable(void)
{
	if (!serial.present)
		return;
	serial.interrupts = true;
	serial_update();
}

/* Reading the line's status forgets a BREAK, so it is noted wherever that is read. */
static uint8_t serial_status(void)
{
	uint8_t status = port_read8(LINE_STATUS);

	serial.attention |= (status & STATUS_BREAK) != 0;
	return status;
}

static bool serial_receive(void)
{
	bool any = false;

	while (serial.in.head - serial.in.tail < INPUT_BYTES && serial_status() & STATUS_RECEIVED) {
		uint8_t byte = port_read8(DATA);

		serial.input[serial.in.head++ % INPUT_BYTES] = byte;
		serial.keys = byte == ATTENTION_KEY ? serial.keys + 1 : 0;
		if (serial.keys == ATTENTION_TIMES) {
			serial.attention = true;
			serial.keys = 0;
		}
		any = true;
	}
	return any;
}

/* Fills the FIFO from the ring if it is empty; true when anything went. */
static bool serial_transmit(void)
{
	if (serial.out.head == serial.out.tail || !(serial_status() & STATUS_EMPTY))
		return false;
	for (uint32_t i = 0; i < FIFO_BYTES && serial.out.head != serial.out.tail; i++)
		port_write8(DATA, serial.output[serial.out.tail++ % OUTPUT_BYTES]);
	serial.stuck = false;
	return true;
}

unsigned serial_interrupt(void)
{
	unsigned happened = 0;

	if (!serial.present)
		return 0;
	/* The line is edge-triggered: it must have been low once before we leave, that
	 * is, no cause may be pending at the last look. */
	for (unsigned i = 0; i < CAUSES; i++) {
		if (serial_receive())
			happened |= SERIAL_INPUT;
		/* Whoever waits for room may need all that one write can take. */
		if (serial_transmit() && serial.out.head - serial.out.tail <= OUTPUT_BYTES / 2)
			happened |= SERIAL_OUTPUT;
		serial_update();
		if (port_read8(IDENTIFICATION) & IDENTIFICATION_NONE)
			break;
		serial_status();
		port_read8(MODEM_STATUS);
	}
	if (serial.attention)
		happened |= SERIAL_ATTENTION;
	serial.attention = false;
	return happened;
}

bool serial_write(const uint8_t *data, uint32_t length)
{
	if (!serial.present)
		return true;
	ASSERT(serial.out.head - serial.out.tail <= OUTPUT_BYTES);
	if (length > OUTPUT_BYTES - (serial.out.head - serial.out.tail))
		return false;
	for (uint32_t i = 0; i < length; i++)
		serial.output[serial.out.head++ % OUTPUT_BYTES] = data[i];
	serial_transmit();
	serial_update();
	return true;
}

uint32_t serial_read(uint8_t *data, uint32_t size)
{
	uint32_t got = 0;

	while (got < size && serial.in.tail != serial.in.head)
		data[got++] = serial.input[serial.in.tail++ % INPUT_BYTES];
	if (serial.present && got > 0) {
		serial_receive();
		serial_update();
	}
	return got;
}

bool serial_discard(void)
{
	if (!serial.present)
		return true;
	serial.in.tail = serial.in.head;
	for (uint32_t i = 0; i < CAUSES && port_read8(LINE_STATUS) & STATUS_RECEIVED; i++)
		port_read8(DATA);
	serial_update();
	return serial.interrupts;
}

static bool serial_wait_empty(void)
{
	for (uint32_t i = 0; i < (serial.stuck ? 1u : PATIENCE); i++) {
		if (serial_status() & STATUS_EMPTY) {
			serial.stuck = false;
			return true;
		}
		platform_relax();
	}
	serial.stuck = true;
	return false;
}

void serial_write_sync(const char *text, uint32_t length)
{
	uint32_t room = 0;

	if (!serial.present)
		return;
	while (serial.out.head != serial.out.tail) {
		if (!serial_wait_empty())
			return;
		serial_transmit();
	}
	serial_update();
	for (uint32_t i = 0; i < length; i++) {
		if (room < 2) {
			if (!serial_wait_empty())
				return;
			room = FIFO_BYTES;
		}
		if (text[i] == '\n') {
			port_write8(DATA, '\r');
			room--;
		}
		port_write8(DATA, (uint8_t)text[i]);
		room--;
	}
}
