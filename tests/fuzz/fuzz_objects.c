/* SPDX-License-Identifier: MIT */
/*
 * fuzz_objects.c - objects of any content, with every checksum right: what the
 * verifier of the objects says, and what objects/ makes of them.
 *
 *   - neither crashes or goes on for ever;
 *   - what the verifier finds without fault, objects/ reads without complaint, and
 *     after it has changed it, it is without fault still.
 */
#include <stdio.h>
#include <string.h>

#include "objects/objects.h"
#include "tests/fuzz/edit.h"
#include "tests/fuzz/fuzz.h"
#include "tools/verify/verify.h"
#include "tools/verify/objects.h"

#define OBJECTS_READ 64u
#define ENTRIES_READ 64u
#define STEPS_MOST   200u
#define BANK_PAGES   600u

static struct fuzz_engine engine;
static struct space space;
static struct ended ended;
static struct fuzz_base *base;

#define RETRY(call)                                                                                \
	({                                                                                         \
		enum status status_;                                                               \
		FUZZ_RETRY(&engine, status_, (call));                                              \
		status_;                                                                           \
	})

static void expect(enum status status, const char *what)
{
	FUZZ_CHECK(status == STATUS_OK, "%s: %s", what, status_text(status));
}

static void space_open(void)
{
	space = (struct space){.store = engine.store, .frame_base = engine.frames};
}

/* ---- the sample ----------------------------------------------------------------- */

static struct disk_capability sample_create(enum object_type type, uint64_t size, uint64_t most)
{
	struct object_request request = {
		.type = type, .size = size, .size_max = most, .name = "sample", .priority = 5};
	struct disk_capability capability;

	expect(RETRY(object_create(&space, (object_t){OBJECT_ROOT_BANK}, &request, &capability)),
	       "create");
	return capability;
}

/* A bank below the first one, with something of each kind, and one that is ending. */
static void sample_banks(void)
{
	static const enum object_type types[] = {OBJECT_SEGMENT, OBJECT_PORT, OBJECT_MACHINE,
						 OBJECT_DIRECTORY, OBJECT_BANK};
	struct disk_capability outer = sample_create(OBJECT_BANK, 200, 500), made, ending;
	struct object_request request = {.name = "inside"};

	ending = sample_create(OBJECT_BANK, 50, 50);
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		request.type = types[i];
		request.size = request.size_max = 10;
		expect(RETRY(object_create(&space, (object_t){outer.object}, &request, &made)),
		       "in a bank");
		if (types[i] == OBJECT_MACHINE)
			continue;
		expect(RETRY(object_create(&space, (object_t){ending.object}, &request, &made)),
		       "in a bank");
	}
	expect(RETRY(object_destroy(&space, (object_t){ending.object}, &ended)), "end");
}

static void sample_link(object_t directory, const char *name,
			const struct disk_capability *capability)
{
	expect(RETRY(entry_link(&space, directory, name, strlen(name), capability, false)), "link");
}

static enum status sleep_prepare(object_t object, struct disk_machine **machine)
{
	enum status status = machine_prepare(&space, object, machine);

	if (status == STATUS_OK)
		status = deadline_insert_prepare(&space, 5000, object);
	return status == STATUS_OK ? machine_bit_prepare(&space, object, (*machine)->priority)
				   : status;
}

static void sample_make(void)
{
	object_t root = {OBJECT_ROOT_DIRECTORY}, inner, sleeper;
	struct disk_capability directory, segment, port, table, machine;
	struct disk_message message = {.length = 5};
	struct disk_machine *data;
	struct disk_object record;
	char name[16];

	directory = sample_create(OBJECT_DIRECTORY, 0, 0);
	segment = sample_create(OBJECT_SEGMENT, PAGE_SIZE, 4 * PAGE_SIZE);
	port = sample_create(OBJECT_PORT, 8, 0);
	table = sample_create(OBJECT_TABLE, 100, 0);
	machine = sample_create(OBJECT_MACHINE, 0, 0);
	inner.n = directory.object;
	sleeper.n = machine.object;
	sample_link(root, "directory", &directory);
	sample_link(root, "segment", &segment);
	for (unsigned i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "name %03u", i * 7 % 60);
		sample_link(inner, name, i % 2 ? &port : &table);
	}
	expect(RETRY(sleep_prepare(sleeper, &data)), "machine");
	data->state = MACHINE_SLEEP;
	data->deadline = 5000;
	deadline_insert(&space, 5000, sleeper);
	expect(RETRY(object_read(&space, (object_t){port.object}, &record)), "port");
	expect(RETRY(port_put_prepare(&space, &record)), "put");
	port_put(&space, &record, &message);
	expect(RETRY(log_prepare(&space, 5)), "log");
	log_add(&space, "hello", 5);
	sample_banks();
	expect(RETRY(object_destroy(&space, (object_t){table.object}, &ended)), "destroy");
}

int LLVMFuzzerInitialize(int *count, char ***words)
{
	(void)count;
	(void)words;
	fuzz_engine_create(&engine);
	base = fuzz_allocate(sizeof(*base));
	base->name = "objects";
	fuzz_disk_create(&base->disk, DISK_SECTORS_MIN, SECTOR_SIZE);
	expect(fuzz_engine_format(&engine, &base->disk, true), "format");
	space_open();
	expect(RETRY(objects_format(&space, BANK_PAGES)), "objects_format");
	expect(fuzz_engine_commit(&engine, STORE_ACTION_NONE, 0, ""), "commit");
	sample_make();
	expect(fuzz_engine_commit(&engine, STORE_ACTION_SNAPSHOT, 0, "kept"), "commit");
	base_index(base);
	return 0;
}

/* ---- reading and changing ----------------------------------------------------------- */

/* Refusals that say that something stored makes no sense. */
static void tell(bool sound, enum status status, const char *what, uint64_t number)
{
	FUZZ_CHECK(!sound || (status != STATUS_CORRUPT && status != STATUS_FORMAT),
		   "%s %llu: %s, and the verifier is content", what, (unsigned long long)number,
		   status_text(status));
}

static void read_directory(bool sound, object_t directory)
{
	struct directory_entry entry = {0}, next;
	enum status status = STATUS_OK;

	for (unsigned i = 0; status == STATUS_OK && i < ENTRIES_READ; i++) {
		struct disk_capability found;

		status = RETRY(entry_next(&space, directory, entry.name, entry.length, &next));
		tell(sound, status, "directory", directory.n);
		if (status != STATUS_OK)
			break;
		FUZZ_CHECK(next.length && (!entry.length ||
					   memcmp(entry.name, next.name, sizeof(next.name)) != 0),
			   "a name comes again");
		entry = next;
		tell(sound,
		     RETRY(entry_lookup(&space, directory, entry.name, entry.length, &found)),
		     "name in directory", directory.n);
	}
}

static void read_object(bool sound, object_t object)
{
	struct disk_object record;
	const struct disk_message *message;
	struct disk_capability capability;
	struct disk_machine *machine;
	enum status status = RETRY(object_read(&space, object, &record));

	tell(sound, status, "object", object.n);
	if (status != STATUS_OK)
		return;
	if (record.type == OBJECT_DIRECTORY)
		read_directory(sound, object);
	else if (record.type == OBJECT_MACHINE)
		tell(sound, RETRY(machine_read(&space, object, &machine)), "machine", object.n);
	else if (record.type == OBJECT_PORT)
		tell(sound, RETRY(port_peek_prepare(&space, &record, &message)), "port", object.n);
	else if (record.type == OBJECT_TABLE)
		tell(sound, RETRY(table_get(&space, &record, 5, &capability)), "table", object.n);
}

static void read_all(bool sound)
{
	const struct disk_system *system;
	object_t machine = {0};
	uint64_t deadline = 0, from = 0;
	uint8_t text[64];
	size_t length;

	tell(sound, RETRY(system_read(&space, &system)), "system", 0);
	for (uint64_t n = 0; n < OBJECTS_READ; n++)
		read_object(sound, (object_t){n});
	tell(sound, RETRY(deadline_next(&space, &deadline, &machine)), "deadline", 0);
	tell(sound, RETRY(machine_bit_next(&space, 0, (object_t){0}, &machine)), "ready", 0);
	tell(sound, RETRY(log_copy(&space, &from, text, sizeof(text), &length)), "log", 0);
}

/* What the first one that is dying holds, to the end. */
static void look_held(void)
{
	struct disk_capability held;
	struct disk_object record;
	object_t object = {0};
	enum status status = RETRY(object_dying(&space, &object, &record));
	bool looks = status == STATUS_OK && object_awaited(&record);

	for (uint32_t at = 0, next; looks; at = next) {
		status = RETRY(object_held(&space, object, &record, at, &next, &held));
		looks = status != STATUS_NOT_FOUND;
		FUZZ_CHECK(!looks || next > at, "object %u: %u follows %u", object.n, next, at);
	}
}

static void destroy_all(bool sound)
{
	bool more = true;
	enum status status = STATUS_OK;

	for (unsigned i = 0; more && status == STATUS_OK && i < STEPS_MOST; i++) {
		look_held();
		status = RETRY(object_destroy_step(&space, &more, &ended));
	}
	tell(sound, status, "destruction", 0);
}

static enum status derive_try(struct disk_capability *made, const struct disk_capability *bank)
{
	enum status status = capability_derive_prepare(&space, made, bank);

	if (status == STATUS_OK)
		capability_derive(&space, made);
	return status;
}

/* One that hangs from a bank, under a name. */
static void derive(bool sound, object_t object, const struct disk_capability *bank,
		   const char *name)
{
	struct disk_capability made;
	enum status status = RETRY(object_capability(&space, object, RIGHT_ALL, &made));

	if (status == STATUS_OK)
		status = RETRY(derive_try(&made, bank));
	if (status == STATUS_OK)
		status = RETRY(entry_link(&space, (object_t){OBJECT_ROOT_DIRECTORY}, name,
					  strlen(name), &made, true));
	tell(sound, status, "derivation of", object.n);
}

static void change(bool sound, const struct fuzz_edit *edit)
{
	struct object_request request = {
		.type = 1 + edit->target % 6, .size = edit->from, .size_max = 65536, .name = "new"};
	object_t object = {edit->offset % OBJECTS_READ};
	object_t bank = {edit->value & 1 ? OBJECT_ROOT_BANK : edit->value % OBJECTS_READ};
	struct disk_capability capability;
	char name[8] = {'k', (char)('a' + edit->from % 26)};
	bool more;

	switch (edit->how % 7) {
	case 0:
		tell(sound, RETRY(object_create(&space, bank, &request, &capability)), "creation",
		     request.type);
		break;
	case 1:
		if (object.n >= OBJECT_FIRST_FREE)
			tell(sound, RETRY(object_destroy(&space, object, &ended)), "end of",
			     object.n);
		destroy_all(sound);
		break;
	case 2:
		if (RETRY(object_capability(&space, object, RIGHT_ALL, &capability)) == STATUS_OK)
			tell(sound,
			     RETRY(entry_link(&space, (object_t){OBJECT_ROOT_DIRECTORY}, name,
					      strlen(name), &capability, true)),
			     "linking", object.n);
		break;
	case 3:
		tell(sound,
		     RETRY(entry_unlink(&space, (object_t){OBJECT_ROOT_DIRECTORY},
					edit->from & 1 ? name : "segment",
					edit->from & 1 ? strlen(name) : 7)),
		     "unlinking", 0);
		break;
	case 5:
		if (edit->from & 1)
			tell(sound, RETRY(bank_adopt(&space, bank, object)), "adoption of",
			     object.n);
		else if (edit->from & 2)
			tell(sound, RETRY(bank_weigh(&space, bank, object, edit->value % 300)),
			     "weight of", bank.n);
		else if (RETRY(object_capability(&space, bank, RIGHT_ALL, &capability)) ==
			 STATUS_OK)
			derive(sound, object, &capability, name);
		break;
	case 4:
		tell(sound,
		     RETRY(segment_size_set(&space, object, edit->value % (8 * PAGE_SIZE), &more)),
		     "resizing", object.n);
		break;
	default:
		tell(sound, fuzz_engine_commit(&engine, STORE_ACTION_NONE, 0, ""), "commit", 0);
		break;
	}
}

/* ---- one run -------------------------------------------------------------------------- */

static void opinion_report(void *context, const struct verify_finding *finding)
{
	(void)context;
	if (fuzz_verbose())
		fprintf(stderr, "    verify: %s: %s\n", verify_code_text(finding->code),
			finding->text);
}

static bool opinion_get(void)
{
	struct verify_reader reader = fuzz_disk_reader(&base->disk);
	struct verify_options options = {.report = opinion_report,
					 .objects = verify_objects,
					 .skip_predecessor = true,
					 .skip_slot_tails = true};
	struct verify *verify = verify_open(&reader, &options);
	const struct verify_totals *totals;
	bool sound;

	FUZZ_CHECK(verify, "no memory for the verifier");
	sound = verify_run(verify) == STATUS_OK;
	totals = verify_totals_get(verify);
	FUZZ_CHECK(sound == !totals->errors, "the verifier contradicts itself");
	/* A warning may be a thing that objects/ stumbles over, too, but not that nothing
	 * leads to an object. */
	sound &= totals->warnings == totals->unreached;
	verify_close(verify);
	return sound;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_script script;
	bool sound, changed = false;

	script_read(&script, data, size);
	script_apply(base, &script);
	sound = opinion_get();
	if (fuzz_engine_mount(&engine, &base->disk, false) == STATUS_OK) {
		space_open();
		read_all(sound);
		for (unsigned i = 0; i < script.edits; i++) {
			if (script.edit[i].kind == EDIT_STEP) {
				change(sound, &script.edit[i]);
				changed = true;
			}
		}
		if (changed && fuzz_engine_commit(&engine, STORE_ACTION_NONE, 0, "") == STATUS_OK &&
		    sound)
			FUZZ_CHECK(opinion_get(), "the changes left faults");
	}
	script_revert(base);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
	return script_mutate(data, size, most, seed);
}
