/* SPDX-License-Identifier: MIT */
/*
 * service.h - kernel objects as servers: what their operations are given.
 *
 * An operation is a function that prepares all it needs, commits, fills in the
 * answer and returns the status that becomes the answer's label.  WAIT parks the
 * caller for what was waited for (store_channel); the operation is then executed anew.
 * The places its answer goes to (message page, receive slot) are prepared before
 * it is called, so nothing can fail after its commit.
 */
#ifndef KERNEL_SERVICE_H
#define KERNEL_SERVICE_H

#include "kernel/syscall.h"

struct service {
	struct call *call;
	const struct disk_capability *target; /* what was invoked */
	struct disk_object record;	      /* its object */
	struct transit message;		      /* what was said; data never null if length */
	/* the answer */
	uint64_t word[MESSAGE_WORDS];
	struct disk_capability capability; /* goes to the first receive slot */
	uint64_t wake_ns;		   /* with WAIT: latest time to be executed anew, 0: none */
	uint32_t length;
	/* Last: all before it is zero at first.  Aligned: structures are put together in it. */
	uint8_t data[MESSAGE_DATA] __attribute__((aligned(8)));
};

enum service_flags {
	SERVICE_DATA = 1,	/* answers with data */
	SERVICE_CAPABILITY = 2, /* answers with a capability */
	SERVICE_PATIENT = 4,	/* waits for a page that cannot be read, and may do without it */
};

struct operation {
	enum status (*run)(struct service *service); /* null: no such operation */
	uint16_t right;
	uint8_t flags; /* enum service_flags */
};

/* Operation n of a type is entry n (entry 0 is empty). */
#define SERVICE_OPERATIONS_MAX 40u

/* An entry of kernel/operations.def as a row of the type's table: what it answers with says
 * what is prepared for it. */
#define SERVICE_ROW(name, number, right, handler, flags, does, takes, gives, fails)                \
	[number] = {handler, right, flags gives},
#define ANSWER_WORD(n, what)
#define ANSWER_WORDS(first, last, what)
#define ANSWER_CAPABILITY(n, what) | SERVICE_CAPABILITY
#define ANSWER_DATA(what)	   | SERVICE_DATA
#define NOTHING

/*
 * What a type of objects is to the kernel: one descriptor, in the file of the type,
 * WORD_service as disk/object.h lists it.  Where a function is null there is nothing to do;
 * without `request` a bank does not make it.  What it is to the space is its descriptor in
 * objects/.
 */
struct service_type {
	const struct operation *operations; /* null: it has none */

	/* What the caller of a bank asks for; the type is filled in. */
	enum status (*request)(const struct service *service, struct object_request *request);
	/* Answers more than the capability to what has just been made. */
	enum status (*created)(struct service *service);

	/* It has ended; `record` is as it was.  Cannot fail. */
	void (*after_end)(object_t object, const struct disk_object *record);
	/* An operation of its own, before it is taken apart: who waits for it is told.  Done anew
	 * after a wait or a power cut.  Who waits for what it holds is told by service_end.c. */
	enum status (*abandon)(object_t object, const struct disk_object *record);
};
/* Null: there is nothing of that type that the kernel answers for. */
const struct service_type *service_type(unsigned type);

#define SERVICE_DECLARE(name, number, word) extern const struct service_type word##_service;
OBJECT_LIST(SERVICE_DECLARE)
#undef SERVICE_DECLARE

/* service_machine_end.c */
/* Answers some of the callers that a machine, which exits, will not answer, in operations of
 * their own.  OK: there may be more; NOT_FOUND: there is none any more. */
enum status machine_abandon(object_t object);
void machine_after_end(object_t object, const struct disk_object *record);
/* service_machine.c: the machine that was invoked, to be changed. */
enum status service_machine_prepare(struct service *service, struct disk_machine **machine);
/* service_attach.c: the system page, for what an older system does not know and must not misread:
 * it is to be of this version.  BUSY: nothing was made since one without banks has written it. */
enum status service_version_prepare(struct disk_system **system);
/* Operations of machines. */
enum status machine_op_attach(struct service *service);
enum status machine_op_protect(struct service *service);
enum status machine_op_detach(struct service *service);
enum status machine_op_attached(struct service *service);
/* And what they have in common with those of views: the arguments of ATTACH, with the segment, of
 * PROTECT, and of ATTACHED, and what that answers. */
enum status service_attach_run(const struct service *service, struct attachment_run *run,
			       struct disk_object *segment);
enum status service_attach_change(const struct service *service, struct attachment_change *change);
page_t service_attached_from(const struct service *service);
void service_answer_attachment(struct service *service, const struct disk_attachment *attachment);
/* service_view.c */
enum status machine_op_set_view(struct service *service);
/* service_segment.c: nobody maps anything of it any more. */
void segment_withdraw(const struct disk_object *segment);
/* service_end.c */
void service_end_reset(void);

/* The capability of `object` with these rights as the answer; it ends with what the one that was
 * invoked ends with. */
enum status service_answer_object(struct service *service, object_t object, uint16_t rights);

/* A name of a directory as the answer (DIRECTORY_NEXT), with what the space knows of its
 * object; WAIT. */
enum status service_answer_entry(struct service *service, struct space *space,
				 const struct directory_entry *entry);

/* For what can only be answered when the places of directories, or the ranges that are
 * free, are known: WAIT; BUSY if that cannot be for now, as on a full store. */
enum status service_survey_wait(void);

/* service_bank.c: the outcome of an attempt to create something; WAIT: it is to be tried again. */
enum status service_create_wait(enum status status);

/* service_past.c: operations of the store that read in a snapshot. */
enum status store_op_past_name(struct service *service);
enum status store_op_past_bytes(struct service *service);
/* What a snapshot holds, 0: the live state; until the next call.  WAIT. */
enum status service_past_open(snapshot_t snapshot, struct space **space);

/* Begins a line of the log: persistent uptime in seconds and a space; its length. */
size_t service_log_time(char *line, size_t size);

#endif
