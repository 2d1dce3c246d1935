/* SPDX-License-Identifier: MIT */
/*
 * calls.c - the system calls of a Linux program.  Interface in linux.h.
 *
 * Each takes the six words of the call and gives what belongs into rax.  An address of the
 * program's is used by the functions of memory.c only, which know what is there.
 */
#include "user/programs/linux/linux.h"

#include <string.h>
#include "user/lib/machine.h"
#include "user/lib/service.h"

#define SYSCALL_BYTES 2u
#define CALLS	      335u
#define RANDOM_MAX    (UINT64_C(1) << 16)

struct process process = {.name = "linux"};

/* ---- memory ---- */

static uint64_t pages_of(uint64_t bytes)
{
	return bytes / PAGE_SIZE + (bytes % PAGE_SIZE != 0);
}

/* Pages at an address of the program's that it has named: whole, and below the end of all. */
static bool range_good(uint64_t address, uint64_t bytes)
{
	const uint64_t end = USER_ARENA_END * PAGE_SIZE;

	return address % PAGE_SIZE == 0 && bytes && bytes <= end && address <= end - bytes &&
	       pages_of(bytes) * PAGE_SIZE <= end - address;
}

/* False: writable and executable at once, which nothing is here. */
static bool rights_of(uint64_t protection, uint16_t *rights)
{
	enum { PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4 };

	*rights = (uint16_t)((protection & (PROT_READ | PROT_WRITE | PROT_EXEC) ? RIGHT_READ : 0) |
			     (protection & PROT_WRITE ? RIGHT_WRITE : 0) |
			     (protection & PROT_EXEC ? RIGHT_EXECUTE : 0));
	return (protection & (PROT_WRITE | PROT_EXEC)) != (PROT_WRITE | PROT_EXEC);
}

static int64_t call_mmap(const uint64_t *word)
{
	enum { MAP_FIXED = 0x10, MAP_ANONYMOUS = 0x20, MAP_FIXED_NOREPLACE = 0x100000 };
	uint64_t address = word[0], pages = pages_of(word[1]);
	uint16_t rights;
	enum status status = STATUS_OK;

	if (!(word[3] & MAP_ANONYMOUS))
		return -LINUX_ENODEV;
	if (!rights_of(word[2], &rights))
		return -LINUX_EACCES;
	if (!word[1])
		return -LINUX_EINVAL;
	if (!(word[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE))) {
		status = memory_map_somewhere(pages, rights, &address);
		return status == STATUS_OK ? (int64_t)address : -LINUX_ENOMEM;
	}
	if (!range_good(address, word[1]))
		return -LINUX_EINVAL;
	if (word[3] & MAP_FIXED)
		status = memory_unmap(address, pages);
	if (status == STATUS_OK)
		status = memory_map(address, pages, rights);
	if (status == STATUS_EXISTS)
		return -LINUX_EEXIST;
	return status == STATUS_OK ? (int64_t)address : -LINUX_ENOMEM;
}

static int64_t call_munmap(const uint64_t *word)
{
	if (!range_good(word[0], word[1]))
		return -LINUX_EINVAL;
	return memory_free(word[0], pages_of(word[1])) == STATUS_OK ? 0 : -LINUX_ENOMEM;
}

static int64_t call_mprotect(const uint64_t *word)
{
	uint16_t rights;

	if (word[0] % PAGE_SIZE == 0 && !word[1])
		return 0;
	if (!range_good(word[0], word[1]))
		return -LINUX_EINVAL;
	if (!rights_of(word[2], &rights))
		return -LINUX_EACCES;
	return memory_protect(word[0], pages_of(word[1]), rights) == STATUS_OK ? 0 : -LINUX_ENOMEM;
}

static int64_t call_mremap(const uint64_t *word)
{
	enum { MREMAP_MAYMOVE = 1 };
	uint64_t address = word[0];
	enum status status;

	if (!range_good(address, word[1]) || !word[2] || word[3] & ~(uint64_t)MREMAP_MAYMOVE)
		return -LINUX_EINVAL;
	status = memory_resize(&address, pages_of(word[1]), pages_of(word[2]), word[3]);
	if (status == STATUS_NOT_FOUND)
		return -LINUX_EFAULT;
	return status == STATUS_OK ? (int64_t)address : -LINUX_ENOMEM;
}

/* Advice, which nothing here needs; what would change memory is refused. */
static int64_t call_madvise(const uint64_t *word)
{
	enum { MADV_WILLNEED = 3, MADV_FREE = 8 };

	return word[2] <= MADV_WILLNEED || word[2] == MADV_FREE ? 0 : -LINUX_EINVAL;
}

/* Never fails: it answers where the break is now. */
static int64_t call_brk(const uint64_t *word)
{
	uint64_t old = pages_of(process.break_end), new = pages_of(word[0]);
	enum status status = STATUS_OK;

	if (word[0] < process.break_start || word[0] >= LINUX_MAP_BOTTOM)
		return (int64_t)process.break_end;
	if (new > old)
		status = memory_map(old * PAGE_SIZE, new - old, RIGHT_READ | RIGHT_WRITE);
	else if (new < old)
		status = memory_unmap(new *PAGE_SIZE, old - new);
	if (status == STATUS_OK)
		process.break_end = word[0];
	return (int64_t)process.break_end;
}

/* ---- time ---- */

struct linux_time {
	int64_t seconds, fraction;
};

static struct linux_time time_of(uint64_t ns, uint64_t unit)
{
	return (struct linux_time){(int64_t)(ns / NS_PER_SECOND),
				   (int64_t)(ns % NS_PER_SECOND / unit)};
}

/* CLOCK_REALTIME and its like; all others tell the persistent uptime, which never goes back. */
static uint64_t clock_of(uint64_t number)
{
	enum { CLOCK_REALTIME = 0, CLOCK_REALTIME_COARSE = 5, CLOCK_TAI = 11 };
	uint64_t uptime = 0, wall = 0;

	clock_now(&uptime, &wall);
	return number == CLOCK_REALTIME || number == CLOCK_REALTIME_COARSE || number == CLOCK_TAI
		       ? wall
		       : uptime;
}

static int64_t call_clock_gettime(const uint64_t *word)
{
	struct linux_time time = time_of(clock_of((uint32_t)word[0]), 1);

	if ((uint32_t)word[0] > 11)
		return -LINUX_EINVAL;
	return memory_write(word[1], &time, sizeof(time)) ? 0 : -LINUX_EFAULT;
}

static int64_t call_clock_getres(const uint64_t *word)
{
	struct linux_time time = {0, 1};

	if ((uint32_t)word[0] > 11)
		return -LINUX_EINVAL;
	return !word[1] || memory_write(word[1], &time, sizeof(time)) ? 0 : -LINUX_EFAULT;
}

static int64_t call_gettimeofday(const uint64_t *word)
{
	struct linux_time time = time_of(clock_of(0), 1000);

	return !word[0] || memory_write(word[0], &time, sizeof(time)) ? 0 : -LINUX_EFAULT;
}

static int64_t call_time(const uint64_t *word)
{
	struct linux_time time = time_of(clock_of(0), 1);

	if (word[0] && !memory_write(word[0], &time.seconds, sizeof(time.seconds)))
		return -LINUX_EFAULT;
	return time.seconds;
}

/* It sleeps for as long, or until then; the keeper has nothing else to do. */
static int64_t sleep_for(uint64_t address, bool until, uint64_t clock)
{
	struct linux_time time;
	uint64_t ns, now = clock_of(clock);

	if (!memory_read(&time, address, sizeof(time)))
		return -LINUX_EFAULT;
	if (time.seconds < 0 || (uint64_t)time.fraction >= NS_PER_SECOND)
		return -LINUX_EINVAL;
	if ((uint64_t)time.seconds > INT64_MAX / NS_PER_SECOND / 2)
		time.seconds = INT64_MAX / NS_PER_SECOND / 2;
	ns = (uint64_t)time.seconds * NS_PER_SECOND + (uint64_t)time.fraction;
	if (until)
		ns = ns > now ? ns - now : 0;
	return clock_sleep_until(clock_uptime() + ns) == STATUS_OK ? 0 : -LINUX_EINVAL;
}

static int64_t call_nanosleep(const uint64_t *word)
{
	return sleep_for(word[0], false, 1);
}

static int64_t call_clock_nanosleep(const uint64_t *word)
{
	return (uint32_t)word[0] > 11 ? -LINUX_EINVAL : sleep_for(word[2], word[1] & 1, word[0]);
}

/* ---- the process ---- */

void process_signal(unsigned signal)
{
	files_flush();
	log_print("%s: ended by signal %u", process.name, signal);
	process.ended = true;
	process.code = 128 + (int)signal;
}

static int64_t call_exit(const uint64_t *word)
{
	files_flush();
	process.ended = true;
	process.code = word[0] & 0xff;
	return 0;
}

/* To itself, for there is nobody else; there are no handlers, so it ends. */
static int64_t signal_self(uint64_t signal)
{
	if (signal > 64)
		return -LINUX_EINVAL;
	if (signal)
		process_signal((unsigned)signal);
	return 0;
}

static int64_t call_kill(const uint64_t *word)
{
	return signal_self(word[1]);
}

static int64_t call_tgkill(const uint64_t *word)
{
	return signal_self(word[2]);
}

static int64_t call_nothing(const uint64_t *word)
{
	(void)word;
	return 0;
}

static int64_t call_identity(const uint64_t *word)
{
	(void)word;
	return 1;
}

static int64_t call_arch_prctl(const uint64_t *word)
{
	enum { SET_GS = 0x1001, SET_FS = 0x1002, GET_FS = 0x1003, GET_GS = 0x1004 };
	struct abi_registers *registers = &process.registers;
	const uint64_t *base;

	if (word[0] < SET_GS || word[0] > GET_GS ||
	    machine_all_registers(process.machine, registers) != STATUS_OK)
		return -LINUX_EINVAL;
	base = word[0] == GET_FS ? &registers->fs_base : &registers->gs_base;
	if (word[0] == GET_FS || word[0] == GET_GS)
		return memory_write(word[1], base, sizeof(*base)) ? 0 : -LINUX_EFAULT;
	if (word[1] / PAGE_SIZE >= USER_ARENA_END)
		return -LINUX_EPERM;
	*(word[0] == SET_FS ? &registers->fs_base : &registers->gs_base) = word[1];
	process.with_registers = true;
	return 0;
}

static int64_t call_uname(const uint64_t *word)
{
	static const struct {
		char system[65], node[65], release[65], version[65], machine[65], domain[65];
	} names = {"Linux", "perdure", "6.1.0", "a keeper on Perdure", "x86_64", ""};

	return memory_write(word[0], &names, sizeof(names)) ? 0 : -LINUX_EFAULT;
}

static int64_t call_prlimit(const uint64_t *word)
{
	enum { RLIMIT_STACK = 3, RLIMIT_NOFILE = 7 };
	uint64_t limit[2] = {UINT64_MAX, UINT64_MAX};

	if ((uint32_t)word[1] == RLIMIT_STACK)
		limit[0] = limit[1] = LINUX_STACK_MAX;
	if ((uint32_t)word[1] == RLIMIT_NOFILE)
		limit[0] = limit[1] = 32;
	if (word[2])
		return -LINUX_EPERM;
	return !word[3] || memory_write(word[3], limit, sizeof(limit)) ? 0 : -LINUX_EFAULT;
}

/* From the processor's RDRAND; where there is none there are none. */
static int64_t call_getrandom(const uint64_t *word)
{
	uint64_t bytes = word[1] < RANDOM_MAX ? word[1] : RANDOM_MAX, value;

	for (uint64_t done = 0, part; done < bytes; done += part) {
		part = bytes - done < sizeof(value) ? bytes - done : sizeof(value);
		if (!random_bytes(&value, part))
			return -LINUX_ENOSYS;
		if (!memory_write(word[0] + done, &value, part))
			return -LINUX_EFAULT;
	}
	return (int64_t)bytes;
}

/* One thread: whoever waits without limit waits for ever. */
static int64_t call_futex(const uint64_t *word)
{
	enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1, FUTEX_PRIVATE = 128 };
	uint64_t operation = word[1] & ~(uint64_t)FUTEX_PRIVATE;
	uint32_t value;
	int64_t error;

	if (operation == FUTEX_WAKE)
		return 0;
	if (operation != FUTEX_WAIT)
		return -LINUX_ENOSYS;
	if (!memory_read(&value, word[0], sizeof(value)))
		return -LINUX_EFAULT;
	if (value != (uint32_t)word[2])
		return -LINUX_EAGAIN;
	if (word[3]) {
		error = sleep_for(word[3], false, 1);
		return error ? error : -LINUX_ETIMEDOUT;
	}
	log_print("%s: waits for another thread, and there is none", process.name);
	process_signal(6);
	return 0;
}

static int64_t (*const calls[CALLS])(const uint64_t *word) = {
	[0] = call_read,
	[1] = call_write,
	[2] = call_open,
	[3] = call_close,
	[4] = call_stat,
	[5] = call_fstat,
	[6] = call_stat, /* lstat: there are no links */
	[8] = call_lseek,
	[9] = call_mmap,
	[10] = call_mprotect,
	[11] = call_munmap,
	[12] = call_brk,
	[13] = call_nothing, /* rt_sigaction */
	[14] = call_nothing, /* rt_sigprocmask */
	[16] = call_ioctl,
	[17] = call_pread,
	[19] = call_readv,
	[20] = call_writev,
	[24] = call_nothing, /* sched_yield */
	[25] = call_mremap,
	[28] = call_madvise,
	[35] = call_nanosleep,
	[39] = call_identity, /* getpid */
	[60] = call_exit,
	[62] = call_kill,
	[63] = call_uname,
	[72] = call_fcntl,
	[96] = call_gettimeofday,
	[102] = call_nothing, /* getuid, getgid, geteuid, getegid */
	[104] = call_nothing,
	[107] = call_nothing,
	[108] = call_nothing,
	[110] = call_nothing, /* getppid */
	[131] = call_nothing, /* sigaltstack */
	[158] = call_arch_prctl,
	[186] = call_identity, /* gettid */
	[200] = call_kill,     /* tkill */
	[201] = call_time,
	[202] = call_futex,
	[218] = call_identity, /* set_tid_address */
	[228] = call_clock_gettime,
	[229] = call_clock_getres,
	[230] = call_clock_nanosleep,
	[231] = call_exit,
	[234] = call_tgkill,
	[257] = call_openat,
	[262] = call_newfstatat,
	[273] = call_nothing, /* set_robust_list */
	[302] = call_prlimit,
	[318] = call_getrandom,
};

/* Said once for each. */
static int64_t call_unknown(uint64_t number)
{
	static uint64_t said[8];
	uint64_t bit = number < 511 ? number : 511;

	if (!(said[bit / 64] >> bit % 64 & 1))
		log_print("%s: system call %lu is not supported", process.name, number);
	said[bit / 64] |= UINT64_C(1) << bit % 64;
	return -LINUX_ENOSYS;
}

void calls_answer(struct message *message)
{
	uint64_t number = message->label >> 32;
	struct disk_registers *registers = &process.registers.general;
	int64_t result;

	process.with_registers = false;
	if (number < CALLS && calls[number])
		result = calls[number](message->word);
	else
		result = call_unknown(number);
	*message = (struct message){.label = KEEPER_RESULT, .word = {(uint64_t)result}};
	if (!process.with_registers)
		return;
	registers->gpr[REGISTER_RAX] = (uint64_t)result;
	registers->rip += SYSCALL_BYTES;
	registers->gpr[REGISTER_RCX] = registers->rip;
	registers->gpr[REGISTER_R11] = registers->rflags;
	*message = (struct message){.label = KEEPER_REGISTERS,
				    .data = &process.registers,
				    .length = sizeof(process.registers)};
}
