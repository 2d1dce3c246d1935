/* SPDX-License-Identifier: MIT */
/*
 * selftest.h - what the parts of selftest share.
 *
 * Each part is a function that uses CHECK and EXPECT and leaves nothing behind.  No check
 * is about what others do meanwhile, or have done before: that nothing was left is seen
 * from outside, where all objects that nothing leads to are found.
 */
#ifndef USER_PROGRAMS_SELFTEST_SELFTEST_H
#define USER_PROGRAMS_SELFTEST_SELFTEST_H

#include <stdbool.h>
#include <stdint.h>
#include "kernel/abi.h"
#include "user/lib/spawn.h"

#define SELFTEST_LABEL	77u
#define SELFTEST_LIMIT	(30 * NS_PER_SECOND) /* what takes longer has not happened */
#define SELFTEST_SECOND (SLOT_FIRST_GRANT)   /* a child's slot for what it is given */

/* Scratch slots below the ones that the library hands out. */
enum { SLOT_A = 20, SLOT_B = 21, SLOT_C = 22, SLOT_D = 23, SLOT_EMPTY = 24 };

#define CHECK(condition)     selftest_check((condition), #condition, __FILE__, __LINE__)
#define EXPECT(call, wanted) selftest_expect((call), STATUS_##wanted, #call, __FILE__, __LINE__)

/* main.c: count, and log what is not as it should be. */
bool selftest_check(bool condition, const char *text, const char *file, int line);
bool selftest_expect(enum status status, enum status wanted, const char *text, const char *file,
		     int line);

/* child.c: what a second machine of this program does, and starting one.  `grant`
 * is put into its SELFTEST_SECOND; 0: nothing. */
int selftest_child(int argc, char **argv);
bool selftest_start(const char *what, const char *argument, uint32_t grant, bool hold,
		    struct spawned *spawned);
bool selftest_go(const struct spawned *spawned);

/* The parts. */
void selftest_tables(void);
void selftest_forgery(void);
void selftest_segments(void);
void selftest_heap(void);
void selftest_windows(void);
void selftest_views(void);
void selftest_foreign(void);
void selftest_directories(void);
void selftest_ports(void);
void selftest_calls(void);
void selftest_waiting_sender(void);
void selftest_control(void);
void selftest_keepers(void);
void selftest_replies(void);
void selftest_clock(void);
void selftest_log(void);
void selftest_services(void);
void selftest_banks(void);

#endif
