/* SPDX-License-Identifier: MIT */
/*
 * host.h - drives the store engine from a program that can wait.
 *
 * The engine never blocks: it answers STATUS_WAIT.  Here that
 * becomes a loop (HOST_RETRY), with a commit in between when memory is short,
 * so that subcommands read as if everything were at once.
 *
 * Reading opens the file read-only and the store with read_only set: not even
 * a tombstone is written, and what is read is the last durable generation.
 * Writing takes the file's lock for the whole run.
 */
#ifndef TOOLS_MKSTORE_HOST_H
#define TOOLS_MKSTORE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "drivers/gpt.h"
#include "objects/objects.h"
#include "store/store.h"
#include "tools/mkstore/command.h"
#include "tools/mkstore/file_device.h"

/* Most of this is touched only when the work needs it. */
#define HOST_FRAMES	   16384u /* 64 MiB of page cache */
#define HOST_STAGING_BYTES (8u * 1024u * 1024u)
#define HOST_READS	   16u

enum host_mode {
	HOST_READ,
	HOST_READ_LIVE, /* beside whoever has it open; for reading only */
	HOST_WRITE,
	HOST_DISCARD, /* HOST_WRITE, and what becomes free is discarded */
	HOST_RECEIVE, /* HOST_WRITE that goes on where a stream was cut off */
	HOST_FORMAT,  /* nothing is mounted; store_format comes next */
	HOST_RAW,     /* only the file and the place of the store in it, for reading */
	HOST_RAW_LIVE,
	HOST_SALVAGE, /* HOST_RAW, also of a partition of which the file has only a part */
};

struct host {
	const char *path;
	enum host_mode mode;
	bool verbose;
	bool again; /* what there is to be noted was said when it was opened before */
	struct file_device *file;
	struct block_device *device;
	bool partitioned;  /* `partition` says where */
	bool second_table; /* and was found in the second partition table */
	struct gpt_partition partition;
	struct store *store;
	struct space space;
	struct store_recovery recovery;
	uint64_t wall_ns; /* time of the commits; 0: now */
	/* A stream being received, its position kept true by whoever applies it:
	 * every commit says so.  Null: none is. */
	const struct disk_receiving *receiving;
	void *memory;
	size_t memory_bytes;
	uint8_t *frames;
	uint32_t frame_count;
	char last_log[200]; /* what the engine said last: it names damaged places */
};

/* The option that readers share. */
#define HOST_LIVE_OPTION                                                                           \
	{                                                                                          \
		"live", NULL, "read although the store is in use; may fail half-way"               \
	}

/* And those who look at objects. */
#define HOST_SNAPSHOT_OPTION                                                                       \
	{                                                                                          \
		"snapshot", "SNAPSHOT", "look into it: a name, #NUMBER, @GENERATION or -AGE"       \
	}

extern const struct command_option host_live_options[]; /* the one */
extern const struct command_option host_look_options[]; /* both */

/* Runs the subcommand, with the host and the result that its row says it needs. */
enum command_exit host_run(const struct command_invocation *asked);

/* Opens IMAGE and mounts its store.  Otherwise the reason was printed and
 * nothing is left open. */
enum command_exit host_open(struct host *host, const struct command_invocation *invocation,
			    enum host_mode mode);
/* The same with HOST_FORMAT.  Where there is no file one is *made, and one of fewer than `below`
 * bytes gets `bytes` of them, when its lock has been taken. */
enum command_exit host_open_format(struct host *host, const struct command_invocation *invocation,
				   uint64_t below, uint64_t bytes, bool *made);
/* HOST_READ, or HOST_READ_LIVE with --live.  With --snapshot that is what is read. */
enum command_exit host_open_read(struct host *host, const struct command_invocation *invocation);
/* The same for a store that is open already, or was: what the first opening said of
 * its state is not said again. */
enum command_exit host_open_again(struct host *host, const struct command_invocation *invocation);
/* The same as host_open for a store on a device of the caller's, which fills it from its
 * start; `name` is for messages. */
enum command_exit host_open_device(struct host *host, struct block_device *device, const char *name,
				   enum host_mode mode, uint32_t frames);
void host_close(struct host *host);
/* Mounts what this device shows, for reading, instead of what was mounted before.
 * Says nothing; recovery.explanation tells why it failed. */
enum status host_mount_device(struct host *host, struct block_device *device);

/* Waits for what the last WAIT was for, committing what is dirty where that helps.  False:
 * waiting is pointless. */
bool host_wait(struct host *host);

/* One operation of the owner, until it need not wait. */
#define HOST_RETRY(host, expression)                                                               \
	({                                                                                         \
		enum status host_status_;                                                          \
		do {                                                                               \
			store_operation_begin((host)->store);                                      \
			host_status_ = (expression);                                               \
		} while (host_status_ == STATUS_WAIT && host_wait(host));                          \
		host_status_ == STATUS_WAIT ? host_failure(host) : host_status_;                   \
	})

/* Goes on after STATUS_OK or COMMAND_OK; anything else the function returns. */
#define TRY(expression)                                                                            \
	do {                                                                                       \
		__typeof__(expression) try_ = (expression);                                        \
		if (try_)                                                                          \
			return try_;                                                               \
	} while (0)
#define HOST_TRY(host, expression) TRY(HOST_RETRY(host, expression))

/* Why waiting is pointless: the store's health, or NO_MEMORY. */
enum status host_failure(struct host *host);

/* Nothing that is written uses up what a system's essential machines need; so it is
 * for every store that is opened and holds a system. */
void host_set_aside(struct host *host);

/* Commits and waits until it is durable.  After a RESTORE the store is mounted
 * anew.  The counters that no restore turns back are carried over. */
enum status host_commit(struct host *host, enum store_action action, snapshot_t number,
			const char *name);
/* The same for a request of any kind; its times and counters are filled in. */
enum status host_commit_request(struct host *host, struct store_commit_request *request);
/* Commits when the dirty pages should not wait any longer. */
enum status host_relieve(struct host *host);
/* Until no snapshot is dying: each commit gives back a bounded part.  CORRUPT when
 * damage is in the way. */
enum status host_reclaim(struct host *host);
/* Makes the changes durable and takes apart what was destroyed. */
enum status host_finish(struct host *host);

/* Discards everything that is free, after a commit, so that what the last one
 * freed is among it; *bytes: how much the file was told.  Only with HOST_DISCARD. */
enum status host_discard(struct host *host, uint64_t *bytes);

/* The option of commands that free space. */
#define HOST_DISCARD_OPTION                                                                        \
	{                                                                                          \
		"discard", NULL, "give all free space back to the file system (holes in FILE)"     \
	}

/* Makes what exists of the pages [first, end) absent. */
enum status host_clear(struct host *host, uint64_t first, uint64_t end);

/* The place of every directory is known from here on, also in a store from before there
 * were places: directories with names can be moved. */
enum status host_places(struct host *host);

/* All ranges that are free can be had from here on, also in a store from before there was
 * a map of them. */
enum status host_ranges(struct host *host);

/* The snapshot with the smallest number above snapshot->number that can be read;
 * says which cannot.  NOT_FOUND: there is none. */
enum status host_snapshot_next(struct host *host, struct store_snapshot *snapshot);

/* The status; for IO with what the host's system said first, if it did. */
#define HOST_STATUS_TEXT 160u
const char *host_status_text(const struct host *host, enum status status,
			     char text[HOST_STATUS_TEXT]);

/* "IMAGE: cannot WHAT: why", with the engine's last line for damage.  Returns COMMAND_FAILED;
 * for STATUS_OK nothing is said, and COMMAND_OK returned. */
enum command_exit host_result(struct host *host, enum status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- a snapshot by what somebody typed: NAME, #NUMBER, @GENERATION or an age like -10m
 * (store/keeping.h).  What has another form than a name is not looked for among the names. */

#define LOOKUP_HELP                                                                                \
	"SNAPSHOT is a name, #NUMBER, @GENERATION (the newest that is not younger) or -10m\n"      \
	"(the newest that is at least so old; s, m, h, d).\n"

/* NOT_FOUND: there is none, or it is being deleted. */
enum status lookup_snapshot(struct host *host, const char *text, struct store_snapshot *snapshot);
/* "IMAGE: cannot WHAT: why": also that there is none, in the words of what was
 * asked for.  As host_result. */
enum command_exit lookup_result(struct host *host, enum status status, const char *what,
				const char *text);

uint64_t host_now_ns(void);

/* A random UUID.  IO: there are no random numbers (errno). */
enum status host_identity(uint8_t identity[16]);

#endif
