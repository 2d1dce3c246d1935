/* SPDX-License-Identifier: MIT */
/*
 * status.h - the one enumeration of outcomes, from the disk to the shell.
 *
 * Every function that can fail returns one of these and gives its data by
 * out-pointer.  The numbers are part of the disk format: a parked machine's
 * registers hold them.  Never renumber; append.
 *
 * Four kinds stay apart:
 *   the caller's mistake      an error code below
 *   must wait                 STATUS_WAIT, invisible to programs: the call is
 *                             executed anew when the wait is over
 *   media or corruption       STATUS_IO, STATUS_CORRUPT (the log names the place)
 *   a bug in the kernel       no status: a panic
 */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

/* X(name, number, text): the text completes the sentence "cannot do it: ...". */
#define STATUS_LIST(X)                                                                             \
	X(OK, 0, "done")                                                                           \
	X(WAIT, 1, "must wait; executed anew later")                                               \
	X(ABSENT, 2, "the page does not exist")                                                    \
	X(INVALID, 3, "an argument is not valid")                                                  \
	X(NO_CAPABILITY, 4, "the slot holds no capability")                                        \
	X(DEAD, 5, "the object no longer exists")                                                  \
	X(WRONG_TYPE, 6, "the capability is for another type of object")                           \
	X(NO_RIGHT, 7, "the capability does not carry the right")                                  \
	X(NO_OPERATION, 8, "the object does not know this operation")                              \
	X(NOT_FOUND, 9, "no such name")                                                            \
	X(EXISTS, 10, "the name is taken")                                                         \
	X(FULL, 11, "the queue is full")                                                           \
	X(EMPTY, 12, "the queue is empty")                                                         \
	X(NO_SPACE, 13, "the store is full")                                                       \
	X(LIMIT, 14, "a limit is reached")                                                         \
	X(ALLOWANCE, 15, "the bank's allowance is used up")                                        \
	X(NO_MEMORY, 16, "memory is short")                                                        \
	X(TIMEOUT, 17, "the deadline has passed")                                                  \
	X(GONE, 18, "the other side is gone and will not answer")                                  \
	X(RESTARTED, 19, "the device was restarted; ask again")                                    \
	X(RESUMED, 20, "the system was resumed from this point")                                   \
	X(IO, 21, "the disk reported an error")                                                    \
	X(CORRUPT, 22, "stored data does not match its checksum")                                  \
	X(READ_ONLY, 23, "the store is read-only")                                                 \
	X(BUSY, 24, "another operation is in progress")                                            \
	X(NOT_A_STORE, 25, "this is not a Perdure store")                                          \
	X(VERSION, 26, "the store's format version is not known")                                  \
	X(FEATURE, 27, "the store uses a feature that is not known")                               \
	X(TRUNCATED, 28, "the disk is smaller than the store on it")                               \
	X(NO_DEVICE, 29, "there is no such device")                                                \
	X(DEVICE, 30, "the device does not behave as its specification says")                      \
	X(FORMAT, 31, "the data has not the expected form")                                        \
	X(NOT_EMPTY, 32, "it is not empty")                                                        \
	X(ATTACHED, 33, "it is attached already")                                                  \
	X(STOPPED, 34, "the machine is stopped")                                                   \
	X(LOOP, 35, "a directory cannot be put below itself")                                      \
	X(NAMED, 36, "the directory has a name already, and can have only one")

#define STATUS_ENUMERATOR(name, number, text) STATUS_##name = number,
enum status { STATUS_LIST(STATUS_ENUMERATOR) STATUS_COUNT };
#undef STATUS_ENUMERATOR

/* The text of a status, lower case, without a full stop; never null. */
static inline const char *status_text(enum status status)
{
	switch (status) {
#define STATUS_CASE(name, number, text)                                                            \
	case STATUS_##name:                                                                        \
		return text;
		STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
	case STATUS_COUNT:
		break;
	}
	return "unknown status";
}

#endif
