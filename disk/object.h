/* SPDX-License-Identifier: MIT */
/*
 * object.h - objects as they lie in the pages of the space.
 *
 * Everything here is persistent: it is checkpointed, paged and recovered like
 * any other page.  Little-endian, fixed width, zeroed reserves.
 *
 *   address            page number     what
 *   0                  0               never used: null pointers fault
 *   4 GiB              0x00100000      the system page (struct disk_system), and behind it
 *                                      the map of free ranges
 *   8 GiB              0x00200000      object table, 64 records a page
 *   10 GiB             0x00280000      account table, 64 accounts a page
 *   16 GiB             0x00400000      may-be-ready bitmaps, one for each priority, 2 MiB
 *                                      of addresses each; 32,768 objects a page
 *   20 GiB ...         0x00500000      kernel arena: bodies of objects
 *   48 GiB ...         0x00c00000      tree arena: pages of the B+trees

 *   64 GiB ...         0x01000000      user arena: segments and message pages
 *   128 TiB - 4 KiB    0x7ffffffff     never used (SYSRET)
 *
 * Pages below the user arena are never mapped for user mode.
 */
#ifndef DISK_OBJECT_H
#define DISK_OBJECT_H

#include <stdbool.h>
#include <stdint.h>
#include "disk/format.h"

#define SYSTEM_PAGE	   UINT64_C(0x00100000)
#define OBJECT_TABLE_PAGE  UINT64_C(0x00200000)
#define ACCOUNT_TABLE_PAGE UINT64_C(0x00280000)
#define READY_BITMAP_PAGE  UINT64_C(0x00400000)
#define KERNEL_ARENA_PAGE  UINT64_C(0x00500000)
#define TREE_ARENA_PAGE	   UINT64_C(0x00c00000)
#define USER_ARENA_PAGE	   UINT64_C(0x01000000)

#define USER_ARENA_END UINT64_C(0x7ffffffff) /* page after the last usable one */

#define OBJECT_MAX	    (1u << 24) /* objects a store can hold */
#define OBJECTS_PER_PAGE    64u
#define ACCOUNTS_PER_PAGE   64u
#define READY_BITS_PER_PAGE 32768u
#define READY_BITMAP_PAGES  (OBJECT_MAX / READY_BITS_PER_PAGE) /* of one priority */
/* Behind those of the priorities: of the machines that may want a message after a resume. */
#define RESUME_BITMAP	MACHINE_PRIORITIES
#define MACHINE_BITMAPS (MACHINE_PRIORITIES + 1u)

/* Of this program a new shell is made where the old one is lost (kernel/restart.c), and
 * the shell's own guard. */
#define SYSTEM_SHELL "/bin/shell"

/* What leads to it: each directory on the way there, from an empty `path` on, then itself.
 * False: that was all. */
static inline bool system_shell_next(char path[sizeof(SYSTEM_SHELL)])
{
	static const char shell[] = SYSTEM_SHELL;
	uint32_t end = 0;

	while (path[end])
		end++;
	if (!shell[end])
		return false;
	do {
		path[end] = shell[end];
		end++;
	} while (shell[end] && shell[end] != '/');
	path[end] = 0;
	return true;
}

/* ---- types and rights -------------------------------------------------- */

/* X(NAME, number, word): every type of objects.  The word is what it is called; WORD_type is
 * its descriptor in objects/, WORD_service that in kernel/.  Never renumber; append. */
#define OBJECT_LIST(X)                                                                             \
	X(OBJECT_SEGMENT, 1, segment)                                                              \
	X(OBJECT_MACHINE, 2, machine)                                                              \
	X(OBJECT_PORT, 3, port)                                                                    \
	X(OBJECT_TABLE, 4, table)                                                                  \
	X(OBJECT_DIRECTORY, 5, directory)                                                          \
	X(OBJECT_BANK, 6, bank)                                                                    \
	X(OBJECT_CLOCK, 8, clock)                                                                  \
	X(OBJECT_CONSOLE, 9, console)                                                              \
	X(OBJECT_STORE, 10, store)                                                                 \
	X(OBJECT_SYSTEM, 11, system)                                                               \
	X(OBJECT_LOG, 12, log)                                                                     \
	X(OBJECT_VIEW, 13, view)

#define OBJECT_ENUMERATOR(name, number, word) name = number,
enum object_type {
	OBJECT_NONE = 0,
	/* No object, but a right used once: machine (object, version) and call number in `aux`. */
	OBJECT_REPLY = 7,
	OBJECT_LIST(OBJECT_ENUMERATOR) OBJECT_TYPES
};
#undef OBJECT_ENUMERATOR

#define OBJECT_WORD(name, number, word) [number] = #word,
static inline const char *object_type_name(unsigned type)
{
	static const char *const names[OBJECT_TYPES] = {"none", [OBJECT_REPLY] = "reply",
							OBJECT_LIST(OBJECT_WORD)};

	return type < OBJECT_TYPES && names[type] ? names[type] : "unknown";
}
#undef OBJECT_WORD

/* X(name, bit, text): rights, 16 bits.  What each means for a type of objects is in
 * kernel/operations.def. */
#define RIGHT_LIST(X)                                                                              \
	X(READ, 1, "look at it, list it; attach a segment to be read")                             \
	X(WRITE, 2, "change names and sizes; attach a segment to be written to")                   \
	X(EXECUTE, 4, "attach a segment to be executed")                                           \
	X(SEND, 8, "send to a port, write to a console or a log")                                  \
	X(RECEIVE, 16, "receive from a port, read from a console")                                 \
	X(CONTROL, 32, "steer it: machines, tables, the store, the system; make badged ports")     \
	X(CREATE, 64, "make objects from a bank")                                                  \
	X(DESTROY, 128, "destroy it")                                                              \
	X(SNAPSHOT, 256, "make checkpoints and snapshots")

#define RIGHT_ENUMERATOR(name, bit, text) RIGHT_##name = bit,
enum object_right { RIGHT_LIST(RIGHT_ENUMERATOR) RIGHT_ALL = 0xffff };
#undef RIGHT_ENUMERATOR

/* ---- capability --------------------------------------------------------- */

/* The only thing that gives authority.  Lies in capability tables, directories,
 * queued messages and attachments, all kernel-only pages.  An all-zero record
 * is an empty slot.  Valid while the object table's record of `object` has the
 * same `version`. */
struct disk_capability {
	uint64_t version; /* 0: empty */
	uint32_t object;
	uint8_t type; /* enum object_type */
	uint8_t flags;
	uint16_t rights;
	uint64_t badge; /* port: told to the receiver */
	uint64_t aux;	/* reply: call number; device: resume epoch last seen */
	uint64_t revoker_version;
	uint32_t revoker; /* a bank, with which it ends; 0: hangs from none */
	uint32_t reserved0;
	uint64_t reserved[2];
};

#define TABLE_SLOTS_PER_PAGE 64u
#define TABLE_SLOTS_MAX	     4096u

/* ---- object table ------------------------------------------------------- */

/* Record of object i lies in page OBJECT_TABLE_PAGE + i / 64.
 *
 *   type       range         size
 *   segment    user arena    bytes
 *   machine    kernel, 1     0
 *   port       kernel        capacity
 *   table      kernel        slots
 *   directory  none          entries
 *   bank       none          pages in use
 *   log        kernel        bytes of text
 *   view       none          attachments
 *   others     none          0
 *
 * The time of a segment is when the bytes that it was given from outside were changed last,
 * ns since 1970; 0: unknown.  Programs write to memory, which nobody notes, so it holds as
 * long as the digest is that of the bytes: XXH3 over the index (8 bytes) and the bytes, as far
 * as the size goes, of each page that is not all zeros, then the size (8 bytes).
 *
 * A record with version 0 and a type is being taken apart (disk_system.destroying
 * leads to it, next_free to the following one); with type NONE it is free.  While it
 * is taken apart `passed` counts the runs of 128 pages from the start of its range
 * that are done with although one of them could not be read, and so could not be
 * cleared; all bits set: that goes for all its pages.
 */
struct disk_object {
	uint64_t version; /* 0: free or being destroyed */
	uint8_t type;
	uint8_t flags; /* enum object_flag */
	uint16_t reserved0;
	uint32_t bank;	      /* charged for it; 0 for the first bank and when free */
	uint64_t first_page;  /* its range in the space, naturally aligned; 0: none */
	uint64_t range_pages; /* power of two; most it can grow to */
	uint64_t size;
	union { /* others: 0 */
		struct {
			uint64_t wall_ns; /* see above */
			uint64_t digest;
		} segment;
		struct {
			uint64_t message_page; /* a range of its own in the user arena */
			uint64_t message_pages;
		} machine;
		struct {
			uint64_t receiver; /* object of the machine that receives from it */
			uint64_t receiver_version;
		} port;
		struct {
			uint64_t root;	/* of its B+tree; 0: empty */
			uint32_t place; /* object of the directory that names it; 0: none */
			uint32_t pages; /* of its B+tree; 0: none, or they are not counted */
		} directory;
		struct {
			uint64_t root; /* of its B+tree; 0: empty */
			uint32_t reserved;
			uint32_t pages; /* of its B+tree */
		} view;
		struct {
			uint64_t limit;	  /* pages */
			uint64_t objects; /* that it pays for */
		} allowance;		  /* of a bank */
	};
	union {
		/* Living: of its bank, with which it ends; 0: of the first bank, which does not. */
		uint64_t bank_version;
		struct {		    /* free or dying */
			uint32_t next_free; /* index of the next such record, 0: last */
			uint32_t passed;    /* dying only */
		};
	};
};
#define OBJECT_PASSED_ALL UINT32_MAX
enum object_flag {
	OBJECT_TOLD = 1, /* dying: who waited for it, or for what it holds, has been told */
	/* Dying bank: in no list, until the last that it pays for is gone, which puts it there. */
	OBJECT_WAITS = 2,
	OBJECT_DERIVED = 4,  /* living bank: capabilities hang from it (disk_capability.revoker), */
	OBJECT_RECEIVES = 8, /* and among them some to receive from a port */
};

/* ---- account table ------------------------------------------------------ */

#define BANK_DEPTH_MAX 16u /* banks from the first one on, it included */

/*
 * Account of object i lies in page ACCOUNT_TABLE_PAGE + i / 64: its place among the objects
 * that the same bank pays for, and of a bank what it has made.  Those that it pays for are two
 * lists, banks and all others, of living ones only; what was made before there were accounts
 * (system page of version 1 or 2) is in none of them, and belongs to the first bank.
 *
 * Addresses are pages of ranges, whether anything is in them or not.  The first bank of an older
 * space neither counts nor limits them: its address_limit is 0.
 *
 * A weight is the share of the processor that the machines of a bank have beside those of other
 * banks.  What banks made from it were given is set aside from it.  The first bank has SHARE_ALL,
 * which may be told as 0; any other bank with 0 has none of its own, and nor have those below.
 */
struct disk_account {
	uint32_t next, previous; /* 0: last, first */
	/* of a bank */
	uint32_t first_bank, first_object; /* heads of its lists, 0: empty */
	uint32_t depth;			   /* of the first bank 0, of its banks 1 */
	uint32_t reserved0;
	uint64_t addresses, address_limit; /* taken by what it pays for, at most */
	uint32_t weight, weight_given;	   /* as a whole, of it to the banks made from it */
	uint64_t reserved[2];
};

#define SHARE_ALL   (1u << 20) /* the weight of the first bank, with all that it has given */
#define SHARE_FIRST 100u       /* what its own machines have of that at most, lest all go to them */

/* ---- system page -------------------------------------------------------- */

#define SYSTEM_RESUME_MAX      64u
#define SYSTEM_ESSENTIAL_MAX   8u
#define SYSTEM_TRANSIENT_MAX   8u
#define SYSTEM_MAGIC	       UINT64_C(0x4d4554535953524d)
#define SYSTEM_VERSION	       5u
#define SYSTEM_VERSION_MAP     2u /* from here on with a map of free ranges, */
#define SYSTEM_VERSION_BANKS   3u /* with accounts and banks below the first one, */
#define SYSTEM_VERSION_WEIGHTS 4u /* with weights, which the end of a bank gives back, */
#define SYSTEM_VERSION_PLACE   4u /* and attachments in windows, */
#define SYSTEM_VERSION_VIEWS   5u /* with views, and foreign machines, */
#define SYSTEM_VERSION_PAGES   5u /* and directories that pay for the pages of their trees */

struct disk_system {
	uint64_t magic;
	uint32_t version; /* of the object formats: SYSTEM_VERSION */
	uint32_t reserved0;
	uint64_t next_version;	  /* last object version handed out */
	uint32_t next_object;	  /* first index never used */
	uint32_t free_object;	  /* head of the free list */
	uint64_t kernel_next;	  /* first page of the kernel arena never handed out */
	uint64_t user_next;	  /* the same for the user arena */
	uint64_t quarantine_root; /* version 1: B+tree of ranges at rest; 0: empty */
	uint64_t quarantine_sequence;
	uint64_t deadline_root;	 /* B+tree: deadline, machine -> nothing; 0: empty */
	uint64_t tree_free;	 /* list of free pages of the tree arena; 0: empty */
	uint32_t root_directory; /* object of the directory `/` */
	uint32_t root_bank;
	uint64_t checkpoint_ns; /* interval; 0: only on request */
	/* First of the objects being destroyed in steps, 0: none. */
	uint32_t destroying;
	uint32_t places;       /* 1: the record of every directory says its place */
	uint64_t tree_next;    /* first page of the tree arena never handed out */
	uint64_t machine_root; /* B+tree: machine -> nothing; 0: empty */
	/* From before there was a bitmap of these: machines that want a message after every
	 * resume; version 0: free entry. */
	struct {
		uint64_t version;
		uint32_t object;
		uint32_t reserved;
	} resume[SYSTEM_RESUME_MAX];
	/* The machine that serves the terminal: the last one that read from it; version 0:
	 * none is known. */
	struct {
		uint64_t version;
		uint32_t object;
		uint32_t reserved;
	} terminal;
	/* Machines that stay usable when all else is used up; version 0: free entry. */
	struct {
		uint64_t version;
		uint32_t object;
		uint32_t reserved;
	} essential[SYSTEM_ESSENTIAL_MAX];
	/* Objects that are to go, unless what is under way keeps them: after a resume nothing
	 * is; version 0: free entry. */
	struct {
		uint64_t version;
		uint32_t object;
		uint32_t reserved;
	} transient[SYSTEM_TRANSIENT_MAX];
	uint32_t destroying_last; /* of the list; 0: what an older kernel has begun */
	uint8_t reserved[2676];
};

/* Is it a system page, of a version that is understood? */
static inline bool system_known(const struct disk_system *system)
{
	return system->magic == SYSTEM_MAGIC && system->version >= 1 &&
	       system->version <= SYSTEM_VERSION;
}

/* ---- machine ------------------------------------------------------------ */

#define MACHINE_MAGIC	    0x4843414du /* "MACH" */
#define MACHINE_NAME	    32u
#define MACHINE_ATTACHMENTS 24u
#define MACHINE_PORTS	    8u
#define MACHINE_PRIORITIES  16u /* 0 lowest .. 15 highest */

enum machine_state {
	MACHINE_STOPPED = 0,	 /* created, or stopped by somebody */
	MACHINE_READY = 1,	 /* runs when its turn comes; also while it waits for a page */
	MACHINE_AWAIT_REPLY = 2, /* has called; the answer comes into its registers */
	MACHINE_RECEIVE = 3,	 /* waits for a message, until `deadline` if not 0 */
	MACHINE_SLEEP = 4,	 /* until `deadline` */
	MACHINE_FAULTED = 5,	 /* see fault_*; its keeper was told, or it has none */
	MACHINE_EXITED = 6,	 /* ended by itself */
	MACHINE_STATES = 7,
};

enum machine_fault {
	FAULT_NONE = 0,
	FAULT_PAGE = 1,	       /* address outside what is attached, or against its rights */
	FAULT_INSTRUCTION = 2, /* undefined or privileged instruction */
	FAULT_ARITHMETIC = 3,  /* divide error, overflow, FPU or SIMD exception */
	FAULT_BREAKPOINT = 4,
	FAULT_PROTECTION = 5,  /* general protection, stack, segment, alignment */
	FAULT_STORAGE = 6,     /* the page cannot be had: media error or store full */
	FAULT_SYSTEM_CALL = 7, /* entry number that does not exist */
};

/* General registers in the order of struct disk_registers.gpr. */
enum machine_register {
	REGISTER_RAX,
	REGISTER_RBX,
	REGISTER_RCX,
	REGISTER_RDX,
	REGISTER_RSI,
	REGISTER_RDI,
	REGISTER_RBP,
	REGISTER_RSP,
	REGISTER_R8,
	REGISTER_R9,
	REGISTER_R10,
	REGISTER_R11,
	REGISTER_R12,
	REGISTER_R13,
	REGISTER_R14,
	REGISTER_R15,
};

struct disk_registers {
	uint64_t gpr[16];
	uint64_t rip;
	uint64_t rflags;
};

/* What a keeper is told beside faults. */
enum keeper_want {
	KEEPER_EXIT = 1, /* that the machine has exited */
};

/* Whose system calls are not those of this system. */
enum machine_foreign {
	FOREIGN_CALLS = 1,  /* each goes to its keeper, */
	FOREIGN_NATIVE = 2, /* but those with bit FOREIGN_NATIVE_BIT of rax set */
};
#define FOREIGN_NATIVE_BIT 62u

/* A run of pages of a segment that the machine may touch.  It appears at its place: the
 * segment's own address, or anywhere in one of the windows.  The places of one machine do not
 * overlap. */
enum attachment_flag {
	ATTACHMENT_OWNED = 1, /* the segment is destroyed with the machine */
};
struct disk_attachment {
	struct disk_capability segment; /* empty: free entry */
	uint64_t first_page;
	uint64_t pages;
	uint64_t rights; /* RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE */
	/* enum attachment_flag; from bit 12 on the place in a window, as an address; 0: the
	 * segment's own */
	uint64_t flags;
};
#define ATTACHMENT_PLACE (~(uint64_t)(PAGE_SIZE - 1))

/* Windows: below the user arena, where no segment lies, but for its first 64 KiB, which catch
 * null pointers; and the upper half of what programs can address, where there is no segment
 * before all below is taken. */
#define WINDOW_LOW_PAGE	 UINT64_C(0x10)
#define WINDOW_LOW_END	 USER_ARENA_PAGE
#define WINDOW_HIGH_PAGE UINT64_C(0x400000000)
#define WINDOW_HIGH_END	 USER_ARENA_END

static inline bool window_holds(uint64_t first, uint64_t pages)
{
	return (first >= WINDOW_LOW_PAGE && first < WINDOW_LOW_END &&
		pages <= WINDOW_LOW_END - first) ||
	       (first >= WINDOW_HIGH_PAGE && first < WINDOW_HIGH_END &&
		pages <= WINDOW_HIGH_END - first);
}

/* The first page at which the run appears. */
static inline uint64_t attachment_place(const struct disk_attachment *attachment)
{
	uint64_t place = (attachment->flags & ATTACHMENT_PLACE) / PAGE_SIZE;

	return place ? place : attachment->first_page;
}

/* An attachment in the B+tree of a view, under the last page at which it appears (8 bytes,
 * big-endian): the first one at or behind a page is the one that shows it, if any does.  Those of
 * one view do not overlap. */
struct disk_view_attachment {
	uint64_t segment_version, revoker_version;
	uint32_t segment, revoker; /* of the capability by which it was attached, */
	uint16_t segment_rights;   /* and its rights */
	uint16_t rights;	   /* RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE */
	uint32_t reserved;
	uint64_t first_page, pages; /* where they lie; the key says where they appear */
};

/* The one page of a machine: all of it that the kernel needs to run it. */
struct disk_machine {
	uint32_t magic;
	uint32_t object;
	uint64_t version;
	uint8_t state; /* enum machine_state */
	uint8_t priority;
	uint8_t fault;	 /* enum machine_fault */
	uint8_t stopped; /* 1: held by `stop`, whatever the state; `continue` clears it */
	uint32_t exit_code;
	uint64_t message_page; /* page number, user arena; mapped read-write for it */
	struct disk_registers registers;
	uint64_t resume_revoker_version;
	uint64_t fs_base, gs_base; /* below the end of the user arena */
	uint32_t foreign;	   /* enum machine_foreign */
	uint32_t reserved0;
	uint64_t reserved1[5];
	uint8_t fpu[512] __attribute__((aligned(16))); /* FXSAVE image */
	struct disk_capability table;
	struct disk_capability keeper; /* port that is told of faults; empty: none */
	uint64_t deadline;	       /* persistent uptime, ns; 0: none */
	uint64_t call_number;	       /* of the call in progress or the last one */
	uint64_t callee_version;       /* AWAIT_REPLY: the port called, for ps */
	uint32_t callee;
	uint32_t keeper_wants; /* enum keeper_want */
	uint64_t fault_address, fault_code;
	uint64_t cpu_ns;
	uint64_t messages_sent, messages_received;
	uint64_t faults_served;	      /* page faults resolved for it */
	uint64_t started_ns, last_ns; /* persistent uptime: start, last message or wait */
	uint64_t resume_seen;	      /* epoch of the last resume of which it was told */
	uint64_t resume_port_version;
	uint32_t resume_port;	 /* told after each resume; 0: none */
	uint32_t resume_revoker; /* of that capability */
	struct {
		uint64_t version;
		uint32_t object;
		uint32_t slot;	/* of its table, through which; 0: an older kernel's, any */
	} ports[MACHINE_PORTS]; /* that it receives from, for "any of mine" too */
	char name[MACHINE_NAME];
	/* SLOT_REPLY lies here and not in the table, so that a call touches two
	 * machine pages only.  Empty whenever the machine is in RECEIVE. */
	struct disk_capability reply __attribute__((aligned(16)));
	struct disk_capability view; /* what it can touch beside its attachments; empty: nothing */
	uint8_t reserved3[480];
	struct disk_attachment attachments[MACHINE_ATTACHMENTS];
};

/* ---- port --------------------------------------------------------------- */

#define MESSAGE_WORDS	     6u
#define MESSAGE_CAPABILITIES 4u
#define MESSAGE_DATA	     1024u /* bytes of the message page that travel along */
#define PORT_CAPACITY_MAX    256u

enum message_flag {
	MESSAGE_EVENT = 1, /* the kernel itself has sent it */
};

/* A message in a port's queue: half a page. */
struct disk_message {
	uint64_t badge;
	uint64_t label;
	uint64_t word[MESSAGE_WORDS];
	uint32_t length; /* bytes of data */
	uint32_t sender; /* machine, for ps and the log only */
	uint64_t flags;	 /* enum message_flag */
	uint64_t reserved0[6];
	struct disk_capability reply; /* empty: asynchronous */
	struct disk_capability capability[MESSAGE_CAPABILITIES];
	uint8_t data[MESSAGE_DATA];
	uint8_t reserved[576];
};

#define PORT_MAGIC 0x54524f50u

/* First page of a port's range; the queue of `capacity` messages follows, two a
 * page, as a ring. */
struct disk_port {
	uint32_t magic;
	uint32_t capacity;
	uint32_t head; /* index of the oldest message */
	uint32_t count;
	uint64_t received; /* messages taken out so far */
	uint8_t reserved[4072];
};

/* ---- B+trees (disk/structures.h) ----------------------------------------- */

#define TREE_KEY_MAX   255u /* bytes; directory names are 1 .. 255 bytes, no '/' and no NUL */
#define TREE_VALUE_MAX 64u

#endif
