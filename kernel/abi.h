/* SPDX-License-Identifier: MIT */
/*
 * abi.h - what a program and the kernel say to each other.
 *
 * Shared by the kernel and ring 3.  All numbers here are persistent: parked
 * machines hold them in their registers.  Never renumber; append.
 *
 * There are five entries (SYSCALL).  Everything else is a message to the
 * object that a capability names; kernel objects answer exactly as a machine
 * behind a port would.
 *
 *   register  on entry                               on return
 *   rax       entry | flags << 8 | length << 16      status | length << 16 | got << 32 |
 *                                                    event << 40
 *   rdi       slot of the capability or port         badge of the sender (receive)
 *   rsi       label                                  label
 *   rdx r10 r8 r9 r12 r13   words 0 .. 5             words 0 .. 5
 *   r14       4 x 16-bit slots to pass, 0: none      unchanged
 *   r15       4 x 16-bit slots to receive into, 0: refuse      unchanged
 *   rbx       deadline: persistent uptime in ns, 0: none       unchanged
 *   rcx r11   -                                      destroyed
 *
 * `length` bytes of data (at most MESSAGE_DATA) travel from the start of the
 * sender's message page to the start of the receiver's.  `got` has bit i set
 * when a capability arrived in receive slot i.  A passed capability is copied;
 * a reply capability moves.  `event` is 1 when the kernel itself has sent what was
 * received (enum abi_event): no program can send that, whatever label it chooses.
 *
 * `status` tells whether the message arrived and an answer came.  What the
 * object answered is the reply's label: for kernel objects an enum status.
 */
#ifndef KERNEL_ABI_H
#define KERNEL_ABI_H

#include <stddef.h>
#include <stdint.h>
#include "disk/object.h"
#include "base/status.h"
#include "store/counts.h"
#include "store/keeping.h"

/* What each does: kernel/operations.def. */
enum abi_entry {
#define ENTRY(name, number, ...) ENTRY_##name = number,
#include "kernel/operations.def"
	ENTRY_COUNT = ENTRY_AWAIT_REPLY, /* that is what calls become, and no entry */
};

#define FLAG_WAIT      1u		   /* send: wait while the queue is full */
#define RECEIVED_EVENT (UINT64_C(1) << 40) /* in rax, after a receive */

/* ---- slots every program starts with ------------------------------------- */

enum abi_slot {
	SLOT_NONE = 0,
	SLOT_REPLY = 1, /* reply capability of the call being served */
	SLOT_SELF = 2,	/* own machine */
	SLOT_TABLE = 3, /* own capability table */
	SLOT_BANK = 4,	/* where new objects come from */
	SLOT_ROOT = 5,	/* the root directory */
	SLOT_PORT = 6,	/* own port, right to receive */
	SLOT_LOG = 7,	/* system log, right to write */
	SLOT_CLOCK = 8,
	SLOT_INSTANCE = 9, /* segment with the program's image and stack */
	SLOT_HEAP = 10,	   /* heap segment, put there by the library */
	SLOT_CONSOLE = 11, /* only those that own the terminal */
	SLOT_STORE = 12,
	SLOT_SYSTEM = 13,
	SLOT_FIRST_GRANT = 16, /* 16 .. 31: further grants, by the manifest or parent */
	SLOT_FIRST_FREE = 32,  /* the library hands out slots from here */
};
#define SLOTS_DEFAULT 256u

/* The keeper that a shell makes for itself: a machine of this name that holds the shell in
 * this slot.  By that the kernel finds it, to end it with the shell. */
#define GUARD_NAME "guard"
#define GUARD_HELD SLOT_FIRST_GRANT

/* ---- program start -------------------------------------------------------- */

/* At its first instruction a program has rdi = address of this, in its
 * instance, rsp = top of its stack, 16-byte aligned, all else zero. */
#define START_MAGIC	UINT64_C(0x5452415453524550)
#define START_ARGUMENTS 512u /* bytes */
#define START_STRINGS	64u  /* at most, the name included */
struct abi_start {
	uint64_t magic;
	uint64_t message_page; /* address */
	uint64_t image_address, image_bytes;
	uint64_t argument_count;
	char arguments[START_ARGUMENTS]; /* that many strings, one after the other */
};

/* ---- message page --------------------------------------------------------- */

/* 4 KiB that belong to the machine.  The library keeps `state` true, so that ps
 * and mkstore can name it. */
#define STATE_MAGIC UINT64_C(0x4554415453524550)
#define STATE_NAME  32u
struct abi_message_page {
	uint8_t data[MESSAGE_DATA];
	uint64_t state_magic; /* STATE_MAGIC when the program is a state machine */
	uint64_t state_table; /* address of its struct abi_state_table */
	uint64_t state_index;
	uint64_t state_moves;	 /* transitions so far */
	uint64_t state_moved_ns; /* persistent uptime of the last one, as it last read it */
	char state_name[STATE_NAME];
	uint8_t reserved[4096 - MESSAGE_DATA - 40 - STATE_NAME];
};
static_assert(sizeof(struct abi_message_page) == 4096, "a page");

/* The tables of a state machine in a program's image; addresses are the program's own. */
#define STATE_TABLE_MAGIC UINT64_C(0x32454c4241544553)
struct abi_state_table {
	uint64_t magic; /* STATE_TABLE_MAGIC */
	uint32_t states, transitions;
	uint64_t state_list;	  /* address of struct abi_state[states] */
	uint64_t transition_list; /* address of struct abi_transition[transitions] */
};
struct abi_state {
	char name[STATE_NAME];
	uint64_t timer_ns; /* from entering it to its timer; 0: none */
	uint64_t enter;	   /* address of what runs then; 0: nothing */
};
struct abi_transition {
	uint32_t from;	     /* state; UINT32_MAX: whatever it is */
	uint32_t to;	     /* UINT32_MAX: the same, and nothing is entered */
	uint64_t on;	     /* label of a message; 0: the timer */
	uint64_t guard, act; /* addresses; 0: always, nothing */
};

/* ---- operations ------------------------------------------------------------
 *
 * TYPE_NAME, as SEGMENT_INFO.  What each takes, answers and needs is in
 * kernel/operations.def, and in docs/reference/.
 */

#define LABEL(type, number) ((uint64_t)(type) << 8 | (number))

enum abi_operation {
#define OPERATION(type, name, number, ...) type##_##name = LABEL(OBJECT_##type, number),
#include "kernel/operations.def"
};

/* Its type and its name; null: there is no such operation. */
static inline const char *abi_operation_name(uint64_t label)
{
	switch (label) {
#define OPERATION(type, name, ...)                                                                 \
	case type##_##name:                                                                        \
		return #type " " #name;
#include "kernel/operations.def"
	default:
		return NULL;
	}
}

#define LOG_LINE_MAX   960u
#define ABI_POWER_LOSE 1u

/* Messages that the kernel sends.  The labels alone say nothing, for programs choose their
 * own; RECEIVED_EVENT in rax does. */
enum abi_event {
#define EVENT(name, number, ...) EVENT_##name = LABEL(OBJECT_NONE, number),
#include "kernel/operations.def"
};

enum abi_resume {
	RESUME_FRESH = 0,
	RESUME_CLEAN = 1,
	RESUME_POWER_CUT = 2,
	RESUME_RESTORE = 3,
	/* The machine did not resume from its disk; its host has moved it in time: */
	RESUME_MOVED = 4, /* it stood still, or was set back to an earlier state */
	RESUME_COPY = 5,  /* its host says that it is a copy, or an earlier state */
};

/* What a keeper's answer is, by its label, to a fault or a foreign system call.  Any other, or a
 * keeper that is gone: the machine stays where it is, and who had called it is answered GONE. */
enum keeper_answer {
	KEEPER_AGAIN = 0,	    /* STATUS_OK: what has faulted is done again */
	KEEPER_RESULT = 0x10000,    /* system call: it goes on behind it, with word 0 in rax */
	KEEPER_REGISTERS = 0x10001, /* it goes on with these: data as of MACHINE_SET_REGISTERS */
	KEEPER_HOLD = 0x10002,	    /* it stays, and owes what it owed: MACHINE_CONTINUE */
};

/* Why a page fault is one (EVENT_FAULT, upper half of the code). */
enum fault_place {
	FAULT_NOT_ATTACHED = 1,
	FAULT_NO_RIGHT = 2, /* it is attached with others */
	FAULT_BEYOND = 3,   /* it is attached, beyond the size of its segment */
};

/* All registers of a machine. */
struct abi_registers {
	struct disk_registers general;
	uint64_t fs_base, gs_base;
	uint8_t fpu[512]; /* FXSAVE image */
};

struct abi_machine_info {
	uint32_t object;
	uint8_t state, priority, fault, held;
	uint64_t cpu_ns, messages_sent, messages_received, faults_served;
	uint64_t fault_address, rip;
	uint64_t started_ns, last_ns;
	uint64_t state_moves, state_moved_ns;
	uint32_t exit_code, waits_for; /* object of the port called, or 0 */
	char name[MACHINE_NAME];
	char state_name[STATE_NAME]; /* empty: not a state machine */
};

/* A name that a directory lists; its bytes are behind it. */
struct abi_entry_listed {
	uint64_t size;
	uint32_t object;
	uint16_t rights;
	uint8_t type, length;
};

/* Blocks that the kernel sets aside, at most, when a machine becomes essential: then what
 * room there was for new pages (room_blocks) is so much less. */
#define ESSENTIAL_BLOCKS_MAX 384u

static_assert(sizeof(struct store_statistics) <= MESSAGE_DATA, "one answer");
static_assert(offsetof(struct store_statistics, room_blocks) == 440 &&
		      sizeof(struct store_statistics) >= 448 + 8 * STORE_COUNTS_MAX &&
		      offsetof(struct store_snapshot, source) == 128,
	      "as programs of older systems know them");

/* How far a scrub has come; it stays good over power cuts and restores. */
struct abi_scrub {
	uint8_t cursor[160];		       /* the kernel's, to be given back as it is */
	uint64_t extents, sectors, pages;      /* verified so far */
	uint64_t snapshots, damaged, repaired; /* so far */
	uint32_t done;			       /* all has been read */
	uint32_t found;			       /* enum status of damage found just now, 0: none */
	uint32_t tree, level;		       /* where: enum disk_tree, 0: a superblock,
						* 4: a commit record */
	uint64_t key, sector, generation;      /* key: page number >> 7 * level,
						* or slot */
	uint64_t snapshot;		       /* in whose tree, 0: the present state's */
};

struct abi_system {
	uint64_t memory_bytes, kernel_bytes, frames, free_frames, clean_frames;
	uint64_t dirty_frames, borrowed_frames, staging_bytes;
	uint64_t uptime_ns, since_resume_ns, wall_ns, generation, resume_reason;
	uint64_t resume_us;		     /* from kernel entry to the first machine, without
					      * what the kernel's console waited for a person */
	uint64_t resumes, machines, idle_ns; /* machines: that run or wait in memory now */
	char version[32];
	char cpu[48];
	char accelerator[16]; /* "KVM", "TCG" or empty */
	/* What the PC has; of these one processor and the disk of the store are used. */
	uint32_t processors, disks, networks, displays;
	/* The longest, since the resume, that a machine of highest priority may have waited for
	 * the kernel to let it run, and what the kernel did meanwhile: an operation's label,
	 * EVENT_FAULT, or 0 for messages and its own work. */
	uint64_t longest_ns, longest_of;
};

#endif
