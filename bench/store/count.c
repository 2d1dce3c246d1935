/* SPDX-License-Identifier: MIT */
/*
 * count.c - counts what this process, its libraries included, writes to files.
 *
 * The linker finds these functions before the C library's, also for the libraries
 * of the other contestants.  So all of them are counted at the same place: what
 * they give to the host's file system, to the byte.  What /proc/self/io says would
 * be whole folios of the host's cache, many times of what is written to the disk.
 * Writing through a mapping (MDB_WRITEMAP) is not seen.
 */
#define _GNU_SOURCE /* pwrite64, pwritev64 */
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bench/store/bench.h"

static uint64_t written_bytes;

uint64_t bench_host_bytes(void)
{
	return written_bytes;
}

static ssize_t counted(long result)
{
	if (result > 0)
		written_bytes += (uint64_t)result;
	return result;
}

ssize_t write(int descriptor, const void *data, size_t bytes)
{
	return counted(syscall(SYS_write, descriptor, data, bytes));
}

ssize_t writev(int descriptor, const struct iovec *part, int parts)
{
	return counted(syscall(SYS_writev, descriptor, part, parts));
}

ssize_t pwrite(int descriptor, const void *data, size_t bytes, off_t offset)
{
	return counted(syscall(SYS_pwrite64, descriptor, data, bytes, offset));
}

ssize_t pwrite64(int descriptor, const void *data, size_t bytes, off64_t offset)
{
	return counted(syscall(SYS_pwrite64, descriptor, data, bytes, offset));
}

/* The kernel wants the offset in two halves; on 64 bits the second is not used. */
ssize_t pwritev(int descriptor, const struct iovec *part, int parts, off_t offset)
{
	return counted(syscall(SYS_pwritev, descriptor, part, parts, offset, 0));
}

ssize_t pwritev64(int descriptor, const struct iovec *part, int parts, off64_t offset)
{
	return counted(syscall(SYS_pwritev, descriptor, part, parts, offset, 0));
}
