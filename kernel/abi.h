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

enum abi_entry {
	ENTRY_CALL = 0, /* send to rdi, wait for the answer */
	ENTRY_SEND = 1, /* asynchronous; FULL at once unless FLAG_WAIT */
	/* From port rdi (0: any of mine), until rbx: TIMEOUT.  DEAD: it was destroyed meanwhile;
	 * NO_CAPABILITY: it does not lie in that slot any more. */
	ENTRY_RECEIVE = 2,
	ENTRY_REPLY_RECEIVE = 3, /* answer SLOT_REPLY (nothing if it is empty), then receive */
	ENTRY_YIELD = 4,	 /* let another of the same priority run */
	ENTRY_COUNT = 5,
	/* A call whose message is delivered is rewritten into this; executed anew
	 * it waits on.  A program that enters it without a call in progress gets
	 * INVALID. */
	ENTRY_AWAIT_REPLY = 5,
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
 * Written as: arguments -> results [right].  wN are words, cN capabilities,
 * "data" the message data.  Every operation can answer INVALID, NO_RIGHT,
 * DEAD, and, where it writes, NO_SPACE, IO, CORRUPT.
 */

#define LOG_LINE_MAX 960u

#define LABEL(type, number) ((uint64_t)(type) << 8 | (number))

enum abi_operation {
	/* -> w0 address, w1 size in bytes, w2 most bytes it can grow to, w3 rights [any] */
	SEGMENT_INFO = LABEL(OBJECT_SEGMENT, 1),
	/* w0 bytes; what is cut off is zero when it comes back; ALLOWANCE, LIMIT [WRITE] */
	SEGMENT_RESIZE = LABEL(OBJECT_SEGMENT, 2),

	/* -> data struct abi_machine_info [READ] */
	MACHINE_INFO = LABEL(OBJECT_MACHINE, 1),
	/* w0 rip, w1 rsp, w2 rdi: makes a machine run that never did; else BUSY [CONTROL] */
	MACHINE_START = LABEL(OBJECT_MACHINE, 2),
	MACHINE_STOP = LABEL(OBJECT_MACHINE, 3), /* holds it, whatever its state [CONTROL] */
	/* Lets it go on; a faulted one tries anew.  STOPPED if it was never started or
	 * has exited [CONTROL] */
	MACHINE_CONTINUE = LABEL(OBJECT_MACHINE, 4),
	/* w0 code; never answered.  Without a keeper the machine is destroyed, with one it
	 * stays, exited, until somebody destroys it.  Who waits for its answers is told GONE
	 * [CONTROL, self only] */
	MACHINE_EXIT = LABEL(OBJECT_MACHINE, 5),
	MACHINE_REGISTERS = LABEL(OBJECT_MACHINE, 6), /* -> data struct disk_registers [CONTROL] */
	/* data; only while it is held, faulted or not started: BUSY.  If it waits, for a
	 * message, an answer or a time, it does not any more: it goes on with these registers,
	 * and an answer that comes yet is dropped [CONTROL] */
	MACHINE_SET_REGISTERS = LABEL(OBJECT_MACHINE, 7),
	/* c0 port with SEND, none: no keeper; w0 enum keeper_want, what it is told beside
	 * faults [CONTROL] */
	MACHINE_SET_KEEPER = LABEL(OBJECT_MACHINE, 8),
	/* w0 0 .. 15, not above the caller's own: NO_RIGHT [CONTROL] */
	MACHINE_SET_PRIORITY = LABEL(OBJECT_MACHINE, 9),
	/* c0 (none: the slot is emptied), w0 slot of its table [CONTROL] */
	MACHINE_PLACE = LABEL(OBJECT_MACHINE, 10),
	MACHINE_TAKE = LABEL(OBJECT_MACHINE, 11), /* w0 slot -> c0, a copy [CONTROL] */
	/* c0 segment, w0 first page of it, w1 pages (0: all it can grow to), w2 rights
	 * (WRITE and EXECUTE together are INVALID), w3 1: destroy the segment with the machine
	 * (needs DESTROY on it), w4 address at which they appear: 0, the segment's own, or one in
	 * a window (disk/object.h), below 64 GiB but for the first 64 KiB, or from 64 TiB on; the
	 * same pages may appear at several.  ATTACHED on overlap, LIMIT beyond
	 * MACHINE_ATTACHMENTS [CONTROL] */
	MACHINE_ATTACH = LABEL(OBJECT_MACHINE, 12),
	/* w0 address inside the run; NOT_FOUND [CONTROL] */
	MACHINE_DETACH = LABEL(OBJECT_MACHINE, 13),
	/* Destroys machine, table, message page and owned segments, and the port in SLOT_PORT
	 * and the bank in SLOT_BANK, with all that it pays for, if those capabilities have DESTROY;
	 * callers waiting for its answer are answered GONE. What is queued in other ports stays
	 * there for the next receiver [DESTROY] */
	MACHINE_DESTROY = LABEL(OBJECT_MACHINE, 14),
	/* c0 port with SEND: gets one message after every resume (EVENT_RESUMED) [CONTROL] */
	MACHINE_ON_RESUME = LABEL(OBJECT_MACHINE, 15),
	/* w0 address, w1 pages, w2 rights that they have from now on, 0: they are attached no
	 * more; all of them are of one attachment, of which the rest stays.  NOT_FOUND: nothing is
	 * attached there, INVALID: not so much, NO_RIGHT: its capability has not got it, LIMIT
	 * [CONTROL] */
	MACHINE_PROTECT = LABEL(OBJECT_MACHINE, 16),
	/* w0 address (0: from the start) -> the first attachment that begins there or behind: w0
	 * its address, w1 pages, w2 rights, w3 where these pages are (the segment's own
	 * address), w4 segment, w5 its version; NOT_FOUND past the last [READ] */
	MACHINE_ATTACHED = LABEL(OBJECT_MACHINE, 17),

	/* Slots are of the table invoked.  A slot that is written loses what it held. */
	TABLE_COPY = LABEL(OBJECT_TABLE, 1),   /* w0 from, w1 to [CONTROL] */
	TABLE_MOVE = LABEL(OBJECT_TABLE, 2),   /* w0 from, w1 to [CONTROL] */
	TABLE_DELETE = LABEL(OBJECT_TABLE, 3), /* w0 slot [CONTROL] */
	TABLE_REDUCE = LABEL(OBJECT_TABLE, 4), /* w0 from, w1 to, w2 rights kept [CONTROL] */
	/* w0 from, w1 to, w2 badge, w3 rights kept: a port capability with CONTROL
	 * makes one that tells the receiver who sends [CONTROL] */
	TABLE_BADGE = LABEL(OBJECT_TABLE, 5),
	/* w0 slot -> w0 type, w1 rights, w2 badge, w3 object, w4 1 if alive;
	 * NO_CAPABILITY if it is empty [CONTROL] */
	TABLE_INFO = LABEL(OBJECT_TABLE, 6),
	/* w0 slot: destroys the object it names, which needs DESTROY in that
	 * capability; its storage goes back to its bank [CONTROL] */
	TABLE_DESTROY = LABEL(OBJECT_TABLE, 7),
	/* w0 from, w1 to, w2 slot of a bank with CREATE, w3 rights kept: a copy that ends with the
	 * bank, as do all that are made of it, wherever they are then: in tables, directories and
	 * messages, attached, or as what a machine receives through.  A copy that ends with a bank
	 * already can end with one below: else INVALID, and so is the first bank [CONTROL] */
	TABLE_DERIVE = LABEL(OBJECT_TABLE, 8),

	/* Names are data of 1 .. 255 bytes without '/' and NUL. */
	DIRECTORY_LOOKUP = LABEL(OBJECT_DIRECTORY, 1), /* data -> c0, w0 type [READ] */
	/* data, c0, w0 1: replace; EXISTS.  A directory can have one name: NAMED; not below
	 * itself: LOOP; its capability needs WRITE: NO_RIGHT; a directory with names is not
	 * replaced: NOT_EMPTY; LIMIT more than 128 directories deep [WRITE] */
	DIRECTORY_LINK = LABEL(OBJECT_DIRECTORY, 2),
	DIRECTORY_UNLINK = LABEL(OBJECT_DIRECTORY, 3), /* data [WRITE] */
	/* data old name followed by new name, w0 length of the old one, w1 1: replace;
	 * c0 directory for the new name, none: the same; LOOP, NOT_EMPTY, LIMIT as above
	 * [WRITE on both] */
	DIRECTORY_RENAME = LABEL(OBJECT_DIRECTORY, 4),
	/* data name (empty: from the start) -> the next one: data, w0 type, w1 size,
	 * w2 rights, w3 object, w4 1 if alive; NOT_FOUND past the last [READ] */
	DIRECTORY_NEXT = LABEL(OBJECT_DIRECTORY, 5),
	DIRECTORY_INFO = LABEL(OBJECT_DIRECTORY, 6), /* -> w0 entries [READ] */
	/* data name, w0 bytes, w1 most bytes -> c0 a new segment under that name; the bank that
	 * pays for the directory pays for it, and it ends with that one.  INVALID, EXISTS,
	 * ALLOWANCE, LIMIT [WRITE] */
	DIRECTORY_CREATE = LABEL(OBJECT_DIRECTORY, 7),

	/* What makes an object of a type has the type's number.  w0 bytes, w1 most bytes -> c0
	 * [CREATE] */
	BANK_SEGMENT = LABEL(OBJECT_BANK, OBJECT_SEGMENT),
	/* data name (visible characters), w0 priority as above -> c0 machine (stopped, with a new
	 * table in which SLOT_SELF and SLOT_TABLE are set), w0 address of its message page [CREATE]
	 */
	BANK_MACHINE = LABEL(OBJECT_BANK, OBJECT_MACHINE),
	BANK_PORT = LABEL(OBJECT_BANK, OBJECT_PORT),   /* w0 messages it can queue -> c0 [CREATE] */
	BANK_TABLE = LABEL(OBJECT_BANK, OBJECT_TABLE), /* w0 slots -> c0 [CREATE] */
	BANK_DIRECTORY = LABEL(OBJECT_BANK, OBJECT_DIRECTORY), /* -> c0 [CREATE] */
	/* -> w0 pages used, w1 at most, w2 objects, w3 addresses used, in pages, w4 at most
	 * (both 0: the first bank of an older state does not count them) [READ] */
	BANK_USAGE = LABEL(OBJECT_BANK, OBJECT_BANK),
	/* w0 pages, w1 addresses in pages -> c0 a bank that can give so much, which is set aside
	 * from what this one can, together with one page; with it ends all that is made from it,
	 * at once.  ALLOWANCE: this one has not so much left; LIMIT: more than BANK_DEPTH_MAX in
	 * a line, or than 2^44 of either [CREATE] */
	BANK_BANK = LABEL(OBJECT_BANK, 32),
	/* w0 object (0: from the start) -> c0 the next of the banks made from this one, with the
	 * rights of the capability invoked, and ending with what that ends with; w0 .. w4 its
	 * usage, w5 its object; DEAD: w0 is none of them any more, NOT_FOUND past the last
	 * [CONTROL] */
	BANK_NEXT = LABEL(OBJECT_BANK, 33),
	/* w0 object -> c0 the bank that pays for it, if it is this one or was made from it or
	 * below, as of BANK_NEXT; w5 its object; NOT_FOUND [CONTROL] */
	BANK_OF = LABEL(OBJECT_BANK, 34),
	/* c0 object, with DESTROY: from now on this bank pays for it, and not who did, and it ends
	 * with this one.  NO_OPERATION for banks, machines, and what was there at the beginning
	 * (objects 1 to 7); WRONG_TYPE for a reply; ALLOWANCE [CREATE] */
	BANK_ADOPT = LABEL(OBJECT_BANK, 35),

	CLOCK_NOW = LABEL(OBJECT_CLOCK, 1),   /* -> w0 uptime ns, w1 wall ns since 1970 [READ] */
	CLOCK_SLEEP = LABEL(OBJECT_CLOCK, 2), /* w0 uptime ns [READ] */

	CONSOLE_WRITE = LABEL(OBJECT_CONSOLE, 1), /* data [SEND] */
	/* w0 deadline (uptime ns, 0: none) -> data of at least one byte; TIMEOUT;
	 * RESTARTED first after every resume, for WRITE too, and READ after the kernel's own
	 * console has had the terminal, unless it was said since then [RECEIVE] */
	CONSOLE_READ = LABEL(OBJECT_CONSOLE, 2),

	/* data: one line, without newline, at most LOG_LINE_MAX bytes.  The kernel puts time,
	 * number and name of the machine before it; bytes that would steer a terminal become
	 * dots [SEND] */
	LOG_WRITE = LABEL(OBJECT_LOG, 1),
	/* w0 position, w1 deadline (0: do not wait) -> data, w0 where it begins (later
	 * than asked if that is overwritten), w1 where to go on; EMPTY, TIMEOUT [READ] */
	LOG_READ = LABEL(OBJECT_LOG, 2),

	/* Answered OK (w0 generation) when durable.  If the system is resumed from
	 * that very generation: RESUMED, w0 generation (SYSTEM_INFO tells why).  A disk
	 * that fails or does not answer is waited for, here and below, unless w5 is a
	 * deadline (uptime ns): IO, nothing was done; TIMEOUT, it may still be done. */
	STORE_CHECKPOINT = LABEL(OBJECT_STORE, 1), /* [SNAPSHOT] */
	/* data name; EXISTS; INVALID: a name that means something else (store/keeping.h)
	 * [SNAPSHOT] */
	STORE_SNAPSHOT = LABEL(OBJECT_STORE, 2),
	/* data name; answered only if it fails: otherwise the whole system goes on from
	 * the snapshot.  Kept: the replaced state, in which this is answered RESUMED
	 * [CONTROL] */
	STORE_RESTORE = LABEL(OBJECT_STORE, 3),
	STORE_DELETE = LABEL(OBJECT_STORE, 4), /* data name [CONTROL] */
	/* w0 number (0: from the start) -> the next one: data struct store_snapshot
	 * (store/keeping.h), those that cannot be read included;
	 * NOT_FOUND past the last [READ] */
	STORE_SNAPSHOT_NEXT = LABEL(OBJECT_STORE, 5),
	STORE_STATISTICS = LABEL(OBJECT_STORE, 6), /* -> data struct store_statistics [READ] */
	STORE_INTERVAL = LABEL(OBJECT_STORE, 7),   /* w0 ns between checkpoints, 0: only on
						      request [CONTROL] */
	/* Answered like a checkpoint. */
	STORE_RENAME = LABEL(OBJECT_STORE, 8), /* w0 number, data its new name; EXISTS,
						  INVALID [CONTROL] */
	/* data struct disk_retention: which generations are kept automatically; INVALID,
	 * LIMIT [CONTROL] */
	STORE_RETENTION = LABEL(OBJECT_STORE, 9),
	/* The store takes what its disk has become larger by; INVALID: nothing, BUSY:
	 * another partition is in the way [CONTROL] */
	STORE_GROW = LABEL(OBJECT_STORE, 10),

	/* Objects as they were in a snapshot, by their numbers: whoever may restore it may
	 * see all of it.  w0 snapshot, w1 directory (0: the root), data a name, w2 1: that
	 * one, 0: the next one -> as DIRECTORY_NEXT [CONTROL] */
	STORE_PAST_NAME = LABEL(OBJECT_STORE, 13),
	/* w0 snapshot, w1 segment, w2 offset -> data, w0 size in bytes; no data at the end
	 * [CONTROL] */
	STORE_PAST_BYTES = LABEL(OBJECT_STORE, 14),

	/* data struct abi_scrub as it was answered last, or nothing to begin -> data the
	 * same further on, a few blocks of the store read and verified [CONTROL] */
	STORE_SCRUB = LABEL(OBJECT_STORE, 15),

	SYSTEM_INFO = LABEL(OBJECT_SYSTEM, 1), /* -> data struct abi_system [READ] */
	/* Answered RESUMED (w0 generation) when the system is on again.  w0
	 * ABI_POWER_LOSE: at once, what is not saved is lost. */
	SYSTEM_POWER_OFF = LABEL(OBJECT_SYSTEM, 2), /* [CONTROL] */
	SYSTEM_REBOOT = LABEL(OBJECT_SYSTEM, 3),    /* [CONTROL] */
	/* w0 position -> data, w0 where it begins, w1 where to go on; EMPTY [READ] */
	SYSTEM_KERNEL_LOG = LABEL(OBJECT_SYSTEM, 4),
	/* w0 object (0: from the start) -> the next machine: data struct
	 * abi_machine_info (state MACHINE_STATES: it cannot be read), c0 the machine (READ;
	 * with CONTROL here also CONTROL and DESTROY), which ends with what this ends with;
	 * NOT_FOUND past the last [READ] */
	SYSTEM_MACHINE_NEXT = LABEL(OBJECT_SYSTEM, 5),
	/* Ends the safe mode: all machines go on [CONTROL] */
	SYSTEM_CONTINUE = LABEL(OBJECT_SYSTEM, 6),
};

#define ABI_POWER_LOSE 1u

/* Messages that the kernel sends.  The labels alone say nothing, for programs choose their
 * own; RECEIVED_EVENT in rax does. */
enum abi_event {
	/* To a keeper, as a call: w0 enum machine_fault, w1 address, w2 rip, w3 code,
	 * w4 object of the machine.  Answer OK: it tries again; else it stays faulted. */
	EVENT_FAULT = LABEL(OBJECT_NONE, 1),
	/* w0 generation, w1 enum abi_resume, w2 ns of wall time away */
	EVENT_RESUMED = LABEL(OBJECT_NONE, 2),
	/* To a keeper that wants it (KEEPER_EXIT): w0 code, w4 object of the machine, which has
	 * exited and can be destroyed */
	EVENT_EXIT = LABEL(OBJECT_NONE, 3),
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
};

#endif
