/* SPDX-License-Identifier: MIT */
/*
 * probe.c - a Linux program that tries what a keeper has to give it: each `good` line is one thing
 * that was as it has to be.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul

static _Thread_local long local = 41;
static _Thread_local char zeros[100];
static int failures;

static void check(const char *what, int good)
{
	printf("%s %s\n", good ? "good" : "bad", what);
	failures += !good;
}

static int same(const char *memory, int byte, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (memory[i] != byte)
			return 0;
	return 1;
}

static void start(int argc, char **argv)
{
	check("arguments", argc == 3 && !strcmp(argv[1], "one") && !strcmp(argv[2], "two words"));
	check("environment", getenv("WHERE") && !strcmp(getenv("WHERE"), "here"));
	check("auxiliary", getauxval(AT_PAGESZ) == PAGE && getauxval(AT_PHDR) &&
				   getauxval(AT_ENTRY) && getauxval(AT_RANDOM));
	local++;
	check("thread-local", local == 42 && same(zeros, 0, sizeof(zeros)));
}

/* The compiler may not know the number. */
static void floating(volatile double x)
{
	char text[64];

	snprintf(text, sizeof(text), "%.15f %.10g %a", sqrt(x), sin(x) + exp(x), x / 3);
	check("floating point",
	      !strcmp(text, "1.414213562373095 8.298353526 0x1.5555555555555p-1"));
}

/* The C library's own sbrk does nothing. */
static char *break_at(const char *to)
{
	return (char *)syscall(SYS_brk, to);
}

static void breaks(void)
{
	char *old = break_at(NULL), *whole = (char *)(((uintptr_t)old + PAGE - 1) & -PAGE);
	const size_t bytes = 3 * PAGE + 100;

	check("brk grows", break_at(old + bytes) == old + bytes && same(whole, 0, 2 * PAGE));
	memset(old, 7, bytes);
	check("brk shrinks", break_at(old) == old && break_at(NULL) == old);
	check("brk is zero again",
	      break_at(old + bytes) == old + bytes && same(whole, 0, 2 * PAGE));
	check("brk has an end",
	      break_at((char *)(1ul << 46)) == old + bytes && break_at(old) == old);
}

static void maps(void)
{
	const int rights = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *at = mmap(NULL, 64 * PAGE, rights, flags, -1, 0), *moved, *again;

	check("mmap", at != MAP_FAILED && same(at, 0, 64 * PAGE));
	memset(at, 5, 64 * PAGE);
	check("mprotect", !mprotect(at + 8 * PAGE, 8 * PAGE, PROT_READ) && same(at, 5, 64 * PAGE) &&
				  !mprotect(at + 8 * PAGE, 8 * PAGE, rights));
	check("no access, and its bytes stay", !mprotect(at, PAGE, PROT_NONE) &&
						       write(1, at, 1) == -1 && errno == EFAULT &&
						       !mprotect(at, PAGE, rights) && at[9] == 5);
	check("a hole", !munmap(at + 16 * PAGE, 16 * PAGE) && mprotect(at, 64 * PAGE, rights) &&
				errno == ENOMEM);
	again = mmap(at + 16 * PAGE, 16 * PAGE, rights, flags | MAP_FIXED_NOREPLACE, -1, 0);
	check("the hole filled", again == at + 16 * PAGE && same(again, 0, 16 * PAGE));
	check("mmap over what is there fails",
	      mmap(at, PAGE, rights, flags | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED &&
		      errno == EEXIST);
	moved = mremap(at, 64 * PAGE, 200 * PAGE, MREMAP_MAYMOVE);
	check("mremap", moved != MAP_FAILED && same(moved, 5, 16 * PAGE) &&
				same(moved + 16 * PAGE, 0, 16 * PAGE) &&
				same(moved + 32 * PAGE, 5, 32 * PAGE) &&
				same(moved + 64 * PAGE, 0, 136 * PAGE));
	check("mremap shrinks", mremap(moved, 200 * PAGE, PAGE, 0) == moved && moved[0] == 5);
	check("munmap", !munmap(moved, PAGE));
	check("a reservation of 32 GiB",
	      (at = mmap(NULL, 32ul << 30, PROT_NONE, flags, -1, 0)) != MAP_FAILED &&
		      !mprotect(at + (31ul << 30), PAGE, rights) && !at[31ul << 30] &&
		      !munmap(at, 32ul << 30));
	check("too much",
	      mmap(NULL, 1ul << 31, rights, flags, -1, 0) == MAP_FAILED && errno == ENOMEM);
	check("nothing is writable and executable",
	      mmap(NULL, PAGE, rights | PROT_EXEC, flags, -1, 0) == MAP_FAILED && errno == EACCES);
}

/* What was given back comes again, at the same place or not, and is zero. */
static void maps_again(void)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *at[3] = {0};
	size_t bytes[3] = {0};
	int bad = 0;

	for (int i = 0; i < 600; i++) {
		int n = i % 3;

		if (at[n])
			bad += munmap(at[n], bytes[n]) != 0;
		bytes[n] = (size_t)(i % 7 + 1) * PAGE;
		at[n] = mmap(NULL, bytes[n], PROT_READ | PROT_WRITE, flags, -1, 0);
		bad += at[n] == MAP_FAILED || !same(at[n], 0, bytes[n]);
		memset(at[n], 3, bytes[n]);
	}
	check("mmap is zero again", !bad);
	munmap(at[0], bytes[0]);
	check("what is unmapped is no address", write(1, at[0], 1) == -1 && errno == EFAULT);
	check("nor can it be changed", mprotect(at[0], PAGE, PROT_READ) == -1 && errno == ENOMEM);
	check("but it is free",
	      mmap(at[0], bytes[0], PROT_READ, flags | MAP_FIXED_NOREPLACE, -1, 0) == at[0] &&
		      same(at[0], 0, bytes[0]));
}

/* mov $42, %eax; ret */
static void made_code(void)
{
	static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};
	void *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int (*function)(void);

	memcpy(at, code, sizeof(code));
	memcpy(&function, &at, sizeof(function));
	check("code made at run time",
	      !mprotect(at, PAGE, PROT_READ | PROT_EXEC) && function() == 42);
}

static int deep(int depth)
{
	volatile char room[1 << 15];

	memset((char *)room, depth, sizeof(room));
	return depth ? deep(depth - 1) + room[100] * 0 + 1 : 0;
}

/* A buffer below what the stack has come to so far. */
static int stack_read(int file)
{
	char room[1 << 20];

	return pread(file, room, 7, 0) == 7 && !memcmp(room, "letters", 7);
}

static void files(void)
{
	char text[64] = "";
	struct stat stat;
	int file = open("/letters", O_RDONLY);
	struct iovec parts[2] = {{text, 3}, {text + 10, 50}};
	FILE *stream = fopen("/letters", "r");

	check("open", file > 2 && stream);
	check("readv", readv(file, parts, 2) == 8 && !memcmp(text, "let", 3) &&
			       !memcmp(text + 10, "ters\n", 5) && !read(file, text, 1));
	check("lseek", lseek(file, -6, SEEK_END) == 2 && read(file, text, 2) == 2 &&
			       !memcmp(text, "tt", 2) && lseek(file, 0, SEEK_CUR) == 4 &&
			       lseek(1, 0, SEEK_CUR) == -1 && errno == ESPIPE);
	check("pread far down the stack", stack_read(file));
	check("fstat", !fstat(file, &stat) && S_ISREG(stat.st_mode) && stat.st_size == 8 &&
			       !fstat(1, &stat) && S_ISCHR(stat.st_mode));
	check("stat", !lstat("/letters", &stat) && stat.st_size == 8 && !lstat("/", &stat) &&
			      S_ISDIR(stat.st_mode));
	check("fgets", fgets(text, sizeof(text), stream) && !strcmp(text, "letters\n"));
	check("bad pointers", read(file, (void *)64, 8) == -1 && errno == EFAULT &&
				      open((char *)-PAGE, 0) == -1 && errno == EFAULT &&
				      write(1, (void *)(1ul << 46), 9) == -1 && errno == EFAULT);
	check("close", !fclose(stream) && !close(file) && close(file) == -1 && errno == EBADF);
	check("no such file", open("/nothing", 0) == -1 && errno == ENOENT);
	check("above the directory", open("/../bin/shell", 0) == -1 && errno == ENOENT);
	check("nothing is written", open("/letters", O_RDWR) == -1 && errno == EROFS &&
					    open("/new", O_WRONLY | O_CREAT, 0600) == -1 &&
					    errno == EROFS);
	check("end of input", !read(0, text, 1));
}

static void times(void)
{
	struct timespec before, after, pause = {0, 1000000}, real;
	uint64_t low, high, next_low, next_high;

	clock_gettime(CLOCK_MONOTONIC, &before);
	check("nanosleep", !nanosleep(&pause, NULL));
	clock_gettime(CLOCK_MONOTONIC, &after);
	check("clock",
	      (after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec >=
		      1000000);
	clock_gettime(CLOCK_REALTIME, &real);
	check("wall time", real.tv_sec > 1700000000 && time(NULL) >= real.tv_sec);
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	__asm__ volatile("rdtscp" : "=a"(next_low), "=d"(next_high) : : "rcx");
	check("rdtsc",
	      (next_high << 32 | next_low) >= (high << 32 | low) && (high << 32 | low) > 0);
}

static void process(void)
{
	struct utsname names;
	uint64_t random[4] = {0};
	uint32_t word = 1;
	struct timespec pause = {0, 1000};
	ssize_t got = getrandom(random, sizeof(random), 0);

	check("uname", !uname(&names) && !strcmp(names.sysname, "Linux"));
	check("getpid", getpid() == 1 && syscall(SYS_gettid) == 1);
	check("getrandom",
	      got == sizeof(random) && random[0] != random[1] && random[2] != random[3]);
	check("futex", syscall(SYS_futex, &word, 0, 2, NULL) == -1 && errno == EAGAIN &&
			       syscall(SYS_futex, &word, 0, 1, &pause) == -1 &&
			       errno == ETIMEDOUT && !syscall(SYS_futex, &word, 1, 1));
	check("what is not there", fork() == -1 && errno == ENOSYS && fork() == -1 &&
					   syscall(100000) == -1 && errno == ENOSYS &&
					   syscall(-1) == -1 && errno == ENOSYS);
	check("a bad base of FS",
	      syscall(SYS_arch_prctl, 0x1002, 1ul << 63) == -1 && errno == EPERM && local == 42);
}

static void heap(void)
{
	unsigned seed = 1, bad = 0;
	char *block[200] = {0};
	size_t size[200] = {0};

	for (int i = 0; i < 3000; i++) {
		unsigned n = (seed = seed * 1103515245 + 12345) / 65536 % 200;

		if (block[n])
			bad += !same(block[n], (char)n, size[n]);
		size[n] = (seed / 7) % (n % 20 ? 2000 : 200000) + 1;
		block[n] = realloc(block[n], size[n]);
		memset(block[n], (char)n, size[n]);
	}
	for (int n = 0; n < 200; n++)
		free(block[n]);
	check("malloc", bad == 0);
}

/* How it ends, by name. */
int main(int argc, char **argv);

static void finish(const char *how)
{
	if (!strcmp(how, "abort"))
		abort();
	if (!strcmp(how, "null"))
		*(volatile int *)(uintptr_t)(local - 42) = 1;
	if (!strcmp(how, "text"))
		*(volatile char *)(uintptr_t)main = 1;
	if (!strcmp(how, "data"))
		((void (*)(void))(uintptr_t)&local)();
	if (!strcmp(how, "divide"))
		failures /= (int)local - 42;
	if (!strcmp(how, "undefined"))
		__asm__ volatile("ud2");
	if (!strcmp(how, "native")) /* a call of the system below: none for it */
		__asm__ volatile("syscall" : : "a"(0x4000000000000004) : "rcx", "r11", "memory");
	if (!strcmp(how, "wait"))
		syscall(SYS_futex, &failures, 0, failures, NULL);
	if (!strcmp(how, "memory"))
		while (malloc(1 << 16))
			local++;
	printf("ends by itself\n");
	exit(7);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2) {
		local++;
		finish(argv[1]);
	}
	start(argc, argv);
	floating(2);
	breaks();
	maps();
	maps_again();
	made_code();
	check("a deep stack", deep(200) == 200);
	files();
	times();
	process();
	heap();
	fprintf(stderr, "to the other descriptor\n");
	printf("%s: %d failures, and a line without end", argv[0], failures);
	return failures != 0;
}
