/* SPDX-License-Identifier: MIT */
/*
 * counts.h - what the engine counts since the mount, with the words for it.
 *
 * Each is a field of struct store_statistics and, for programs, of struct abi_store; the
 * shell's `store` says all of them.  To count something is a row here, and the place where
 * it happens.  Never reorder; append.
 */
#ifndef STORE_COUNTS_H
#define STORE_COUNTS_H

/* X(name, text) */
#define STORE_COUNTS(X)                                                                            \
	X(deltas, "commits that were deltas")                                                      \
	X(abandoned, "commits that failed")                                                        \
	X(discarded_sectors, "sectors discarded")                                                  \
	X(page_bytes, "bytes of pages written")                                                    \
	X(node_bytes, "bytes of map nodes written")                                                \
	X(map_bytes, "bytes of free map written")                                                  \
	X(catalogue_bytes, "bytes of catalogue written")

#define STORE_COUNT_FIELD(name, text) uint64_t name;

#endif
