/* SPDX-License-Identifier: MIT */
/*
 * fake_kernel.c - see fake_kernel.h.
 */
#include "tests/unit/kernel/fake_kernel.h"
#include <stdio.h>
#include "kernel/console.h"
#include "kernel/mapping.h"
#include "kernel/print.h"

#define TASKS 32u

struct kernel kernel;
uint64_t fake_now_ns;
bool fake_disk_fails, fake_restarts;
struct store_pages fake_essential[STORE_ESSENTIAL_RUNS];
uint32_t fake_essential_runs, fake_fails_at, fake_full;
enum status fake_fails_with;
struct fake_withdrawn fake_withdrawn;
uint64_t fake_banks_ended;

static struct task tasks[TASKS];
static jmp_buf left;

/* ---- what the kernel asks of the rest ------------------------------------------------- */

void kernel_leave(void)
{
	longjmp(left, 1);
}

void kernel_make_ready(object_t machine, const struct disk_machine *data)
{
	task_get(machine, data->version, data->priority);
}

void kernel_panic(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	abort();
}

bool checkpoint_disk_fails(void)
{
	return fake_disk_fails;
}

uint64_t arch_time_ns(void)
{
	return fake_now_ns;
}

void arch_console_write_sync(const char *text, uint32_t length)
{
	(void)text;
	(void)length;
}

void kernel_fpu_save(void)
{
}
void console_examine(void)
{
}

bool store_essential_set(struct store *store, const struct store_pages *run, uint32_t count)
{
	bool same =
		count == fake_essential_runs && !memcmp(fake_essential, run, count * sizeof(*run));

	(void)store;
	fake_essential_runs = count;
	memcpy(fake_essential, run, count * sizeof(*run));
	return !same;
}

void console_full(uint64_t version)
{
	(void)version;
	fake_full++;
}

bool console_restarts(void)
{
	return fake_restarts;
}

void kernel_stretch_of(uint64_t of)
{
	(void)of;
}

bool mapping_reclaim(void)
{
	return false;
}

void mapping_root_destroy(struct task *task)
{
	(void)task;
}

bool mapping_add(struct task *task, const struct mapping_shown *shown, page_t page, frame_t frame,
		 unsigned flags)
{
	(void)task;
	(void)shown;
	(void)page;
	(void)frame;
	(void)flags;
	return true;
}

void mapping_withdraw_at(struct task *task, page_t place, uint64_t pages)
{
	fake_withdrawn =
		(struct fake_withdrawn){fake_withdrawn.times + 1, task, {place.n, pages}, 0, 0};
}

void mapping_withdraw_range(const struct mapping_range *range)
{
	fake_withdrawn = (struct fake_withdrawn){fake_withdrawn.times + 1, NULL, *range, 0, 0};
}

void mapping_withdraw_view(object_t view, uint64_t version, page_t place, uint64_t pages)
{
	fake_withdrawn = (struct fake_withdrawn){
		fake_withdrawn.times + 1, NULL, {place.n, pages}, view.n, version};
}

void mapping_withdraw_view_end(object_t view, uint64_t version)
{
	fake_withdrawn = (struct fake_withdrawn){
		.times = fake_withdrawn.times + 1, .view = view.n, .version = version};
}

void mapping_withdraw_bank(uint64_t version)
{
	fake_banks_ended |= bank_bit(version);
}

/* ---- for tests ------------------------------------------------------------------------ */

void fake_kernel_new(void)
{
	memset(&kernel, 0, sizeof(kernel));
	kernel.space = fake_space_formatted(10000);
	task_init(tasks, TASKS);
	service_reset();
	time_reset();
	fake_now_ns = UINT64_C(1000000000);
	fake_disk_fails = false;
	fake_fails_at = 0;
	fake_fails_with = STATUS_NO_SPACE;
	memset(&fake_withdrawn, 0, sizeof(fake_withdrawn));
	fake_banks_ended = 0;
	fake_restarts = false;
	memset(&fake_asked, 0, sizeof(fake_asked));
}

struct disk_capability fake_create_from(object_t bank, enum object_type type, uint64_t size)
{
	struct object_request request = {.type = type, .size = size, .size_max = size, .name = "m"};
	struct disk_capability capability;

	fake_begin();
	assert_int_equal(object_create(&kernel.space, bank, &request, &capability), STATUS_OK);
	fake_begin();
	return capability;
}

struct disk_capability fake_create(enum object_type type, uint64_t size)
{
	return fake_create_from((object_t){OBJECT_ROOT_BANK}, type, size);
}

uint64_t fake_machine_page(const struct disk_capability *machine)
{
	struct disk_object record;

	fake_begin();
	assert_int_equal(object_read(&kernel.space, (object_t){machine->object}, &record),
			 STATUS_OK);
	return record.first_page;
}

struct disk_machine *fake_machine(const struct disk_capability *machine)
{
	fake_adopt();
	return (struct disk_machine *)fake_page(fake_machine_page(machine));
}

void fake_place(const struct disk_capability *machine, uint32_t slot,
		const struct disk_capability *capability)
{
	struct disk_capability held = fake_machine(machine)->table;
	struct disk_object table;

	fake_adopt();
	assert_int_equal(object_read(&kernel.space, (object_t){held.object}, &table), STATUS_OK);
	assert_int_equal(table_prepare(&kernel.space, &table, slot), STATUS_OK);
	table_put(&kernel.space, &table, slot, capability);
	fake_begin();
}

struct disk_capability fake_held(const struct disk_capability *machine, uint32_t slot)
{
	struct disk_capability table = fake_machine(machine)->table, found;
	struct disk_object record;

	fake_begin();
	assert_int_equal(object_resolve(&kernel.space, &table, OBJECT_TABLE, 0, &record),
			 STATUS_OK);
	assert_int_equal(table_get(&kernel.space, &record, slot, &found), STATUS_OK);
	fake_begin();
	return found;
}

static enum fake_end run(object_t object, uint64_t version)
{
	struct task *task = task_get(object, version, 0);
	struct task *volatile kept = task;
	enum fake_end end = FAKE_DONE;

	kernel_wait(CHANNEL_CONSOLE_OUTPUT);
	fake_adopt();
	task_queue(task);
	assert_ptr_equal(task_next(), task);
	cpu_this()->running = task;
	fake_fail(fake_fails_at, fake_fails_with);
	if (!setjmp(left))
		syscall_run();
	fake_fail(0, STATUS_OK);
	cpu_this()->running = NULL;
	fake_adopt();
	if (kept->version != version)
		return FAKE_GONE;
	if (kept->place == TASK_WAITING)
		return FAKE_PARKED;
	if (kept->place != TASK_RUNNING)
		return FAKE_BLOCKED;
	/* It goes on with the same call, if it is still its turn. */
	if (store_channel(kernel.space.store).n == CHANNEL_TURN)
		end = FAKE_TURN;
	/* No processor is anybody's now, and it keeps what is known of its reads. */
	task_wait(kept, CHANNEL_CONSOLE_OUTPUT, 0);
	return end;
}

enum fake_end fake_again(const struct disk_capability *machine)
{
	/* The processor has executed the SYSCALL again. */
	fake_machine(machine)->registers.rip += ARCH_SYSCALL_LENGTH;
	return run((object_t){machine->object}, machine->version);
}

enum fake_end fake_call(const struct disk_capability *machine, enum abi_entry entry, uint32_t slot,
			uint64_t label, uint32_t length)
{
	uint64_t *gpr = fake_machine(machine)->registers.gpr;

	fake_machine(machine)->state = MACHINE_READY;
	gpr[REGISTER_RAX] = (uint64_t)entry | (uint64_t)length << 16;
	gpr[REGISTER_RDI] = slot;
	gpr[REGISTER_RSI] = label;
	return fake_again(machine);
}

uint32_t fake_wait(const struct disk_capability *machine, uint32_t seconds, enum fake_end *end)
{
	for (uint32_t second = 1; second <= seconds; second++) {
		fake_now_ns += KERNEL_SPACE_RETRY_NS;
		*end = fake_again(machine);
		if (*end != FAKE_PARKED)
			return second;
	}
	return seconds;
}

void fake_settle(void)
{
	fake_adopt();
	for (uint32_t steps = 0; service_destroy_step(); steps++)
		assert_true(steps < 10000);
	fake_adopt();
}

enum status fake_result(const struct disk_capability *machine)
{
	return (enum status)(fake_machine(machine)->registers.gpr[REGISTER_RAX] & 0xffff);
}
