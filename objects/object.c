/* SPDX-License-Identifier: MIT */
/*
 * object.c - the object table: records, versions, capabilities, creation.
 *
 * A record is free (type NONE), living (version not 0) or dying (a type, but
 * version 0).  Versions come from one counter that only rises, so a version
 * names one life of one object for ever; an index is used again after the last
 * step of a destruction.
 *
 *            object_create             object_destroy
 *     FREE ----------------> LIVING -------------------> DYING
 *      ^                                                   |
 *      +----------- object_destroy_step (the last) --------+
 */
#include "objects/objects_priv.h"
#include <string.h>

/* ---- records -------------------------------------------------------------------- */

enum status record_read(struct space *space, object_t object, const struct disk_object **record)
{
	const void *data;
	enum status status;

	if (!object.n || object.n >= OBJECT_MAX)
		return STATUS_NOT_FOUND;
	status = space_read_zeros(space, record_page(object), &data);
	if (status == STATUS_OK)
		*record = (const struct disk_object *)data + object.n % OBJECTS_PER_PAGE;
	return status;
}

enum status record_prepare(struct space *space, object_t object, struct disk_object **record)
{
	enum status status;
	void *data;

	if (!object.n || object.n >= OBJECT_MAX)
		return STATUS_NOT_FOUND;
	status = space_write(space, record_page(object), &data);
	if (status == STATUS_OK)
		*record = (struct disk_object *)data + object.n % OBJECTS_PER_PAGE;
	return status;
}

struct disk_object *record_writable(struct space *space, object_t object)
{
	struct disk_object *records = space_writable(space, record_page(object));

	return records + object.n % OBJECTS_PER_PAGE;
}

/* A body in the kernel arena with a count of things that must fit in it. */
static bool body_valid(const struct disk_object *record, uint64_t size_max, uint64_t pages)
{
	return record->size && record->size <= size_max && pages <= record->range_pages &&
	       range_valid(RANGE_KERNEL, record->first_page, record->range_pages);
}

bool record_valid(const struct disk_object *record)
{
	switch (record->type) {
	case OBJECT_SEGMENT:
		return range_valid(RANGE_USER, record->first_page, record->range_pages) &&
		       record->size <= record->range_pages * PAGE_SIZE;
	case OBJECT_MACHINE:
		return range_valid(RANGE_KERNEL, record->first_page, record->range_pages) &&
		       range_valid(RANGE_USER, record->word[0], record->word[1]);
	case OBJECT_PORT:
		return body_valid(record, PORT_CAPACITY_MAX, 1 + (record->size + 1) / 2);
	case OBJECT_TABLE:
		return body_valid(record, TABLE_SLOTS_MAX,
				  (record->size + TABLE_SLOTS_PER_PAGE - 1) / TABLE_SLOTS_PER_PAGE);
	case OBJECT_DIRECTORY:
		return !record->range_pages && record->word[1] < OBJECT_MAX &&
		       (record->word[0] ? record->size && btree_page_valid(record->word[0])
					: !record->size);
	case OBJECT_LOG:
		return body_valid(record, LOG_BYTES, 1 + LOG_PAGES) && record->size == LOG_BYTES;
	case OBJECT_BANK:
	case OBJECT_CLOCK:
	case OBJECT_CONSOLE:
	case OBJECT_STORE:
	case OBJECT_SYSTEM:
		return !record->range_pages;
	default:
		return false;
	}
}

static enum status record_living(struct space *space, object_t object,
				 const struct disk_object **record)
{
	enum status status = record_read(space, object, record);

	if (status != STATUS_OK)
		return status;
	if (!(*record)->version)
		return STATUS_DEAD;
	return record_valid(*record) ? STATUS_OK : STATUS_CORRUPT;
}

enum status object_read(struct space *space, object_t object, struct disk_object *record)
{
	const struct disk_object *found;
	enum status status = record_living(space, object, &found);

	if (status == STATUS_OK)
		*record = *found;
	return status;
}

enum status object_prepare(struct space *space, object_t object, struct disk_object **record)
{
	const struct disk_object *found;
	enum status status = record_living(space, object, &found);

	return status == STATUS_OK ? record_prepare(space, object, record) : status;
}

enum status object_read_typed(struct space *space, object_t object, enum object_type type,
			      struct disk_object *record)
{
	enum status status = object_read(space, object, record);

	if (status == STATUS_OK && record->type != type)
		return STATUS_WRONG_TYPE;
	return status;
}

enum status object_prepare_typed(struct space *space, object_t object, enum object_type type,
				 struct disk_object **record)
{
	struct disk_object found;
	enum status status = object_read_typed(space, object, type, &found);

	return status == STATUS_OK ? record_prepare(space, object, record) : status;
}

/* ---- capabilities ----------------------------------------------------------------- */

static struct disk_capability capability_make(object_t object, uint64_t version,
					      enum object_type type, uint16_t rights)
{
	return (struct disk_capability){
		.version = version, .object = object.n, .type = (uint8_t)type, .rights = rights};
}

enum status object_capability(struct space *space, object_t object, uint16_t rights,
			      struct disk_capability *capability)
{
	struct disk_object record;
	enum status status = object_read(space, object, &record);

	if (status == STATUS_OK)
		*capability = capability_make(object, record.version, record.type, rights);
	return status;
}

/* Everything derived through a revoker ends with it. */
static enum status revoker_alive(struct space *space, const struct disk_capability *capability)
{
	struct disk_object record;
	enum status status;

	if (!capability->revoker)
		return STATUS_OK;
	status = object_read(space, (object_t){capability->revoker}, &record);
	if (status == STATUS_NOT_FOUND)
		return STATUS_CORRUPT;
	if (status == STATUS_OK && record.version != capability->revoker_version)
		return STATUS_DEAD;
	return status;
}

enum status object_resolve(struct space *space, const struct disk_capability *capability,
			   enum object_type type, uint16_t rights, struct disk_object *record)
{
	struct disk_object found;
	enum status status;

	if (!capability->version)
		return STATUS_NO_CAPABILITY;
	status = object_read(space, (object_t){capability->object}, &found);
	if (status == STATUS_NOT_FOUND)
		return STATUS_CORRUPT;
	if (status != STATUS_OK)
		return status;
	if (found.version != capability->version)
		return STATUS_DEAD;
	/* A version has one type: only a reply names a record of another one. */
	if (found.type !=
	    (capability->type == OBJECT_REPLY ? (uint8_t)OBJECT_MACHINE : capability->type))
		return STATUS_CORRUPT;
	status = revoker_alive(space, capability);
	if (status != STATUS_OK)
		return status;
	if (type != OBJECT_NONE && capability->type != type)
		return STATUS_WRONG_TYPE;
	if ((capability->rights & rights) != rights)
		return STATUS_NO_RIGHT;
	if (record)
		*record = found;
	return STATUS_OK;
}

/* ---- creation ----------------------------------------------------------------------- */

/* A creation between its prepare and its commit.  A machine is two objects: itself
 * and its table. */
struct creation {
	const struct object_request *request;
	struct disk_system *system;
	object_t bank;
	uint64_t size; /* of the record */
	uint64_t charge;
	uint32_t objects;
	object_t object[2];
	uint32_t next_object, free_object; /* of the system page, afterwards */
	struct range_plan plan;
};

uint64_t object_charge(enum object_type type, uint64_t size)
{
	switch (type) {
	case OBJECT_SEGMENT:
		return size ? pages_of(size) : 1;
	case OBJECT_MACHINE:
		return 2;
	case OBJECT_PORT:
		return 1 + size / 2 + size % 2;
	case OBJECT_TABLE:
		return size / TABLE_SLOTS_PER_PAGE + (size % TABLE_SLOTS_PER_PAGE != 0);
	case OBJECT_DIRECTORY:
		return 1 + size / 16;
	case OBJECT_LOG:
		return 1 + LOG_PAGES;
	default:
		return 0;
	}
}

static enum status request_check(const struct object_request *request)
{
	switch (request->type) {
	case OBJECT_SEGMENT:
		if (request->size_max && request->size > request->size_max)
			return STATUS_INVALID;
		if (request->size > RANGE_LARGEST * PAGE_SIZE ||
		    request->size_max > RANGE_LARGEST * PAGE_SIZE)
			return STATUS_LIMIT;
		return STATUS_OK;
	case OBJECT_MACHINE:
		return request->priority < MACHINE_PRIORITIES ? STATUS_OK : STATUS_INVALID;
	case OBJECT_PORT:
		if (!request->size)
			return STATUS_INVALID;
		return request->size <= PORT_CAPACITY_MAX ? STATUS_OK : STATUS_LIMIT;
	case OBJECT_TABLE:
		if (!request->size)
			return STATUS_INVALID;
		return request->size <= TABLE_SLOTS_MAX ? STATUS_OK : STATUS_LIMIT;
	case OBJECT_DIRECTORY:
		return STATUS_OK;
	default:
		return STATUS_INVALID;
	}
}

/* Free records first, then indexes never used. */
static enum status creation_objects(struct space *space, struct creation *creation)
{
	creation->next_object = creation->system->next_object;
	creation->free_object = creation->system->free_object;
	for (uint32_t i = 0; i < creation->objects; i++) {
		bool fresh = !creation->free_object;
		struct disk_object *record;
		enum status status;

		if (fresh && creation->next_object >= OBJECT_MAX)
			return STATUS_LIMIT;
		creation->object[i].n = fresh ? creation->next_object++ : creation->free_object;
		status = record_prepare(space, creation->object[i], &record);
		if (status != STATUS_OK)
			return status;
		if (record->version || record->type != OBJECT_NONE ||
		    record->next_free >= creation->system->next_object ||
		    (i && creation->object[i].n == creation->object[0].n))
			return STATUS_CORRUPT;
		if (!fresh)
			creation->free_object = record->next_free;
	}
	return STATUS_OK;
}

static enum status creation_ranges(struct space *space, struct creation *creation)
{
	const struct object_request *request = creation->request;
	struct range_plan *plan = &creation->plan;
	uint64_t bytes = request->size_max ? request->size_max : request->size;
	enum status status;

	range_plan_begin(plan, creation->system);
	switch (request->type) {
	case OBJECT_SEGMENT:
		return range_plan_add(space, creation->system, plan, RANGE_USER,
				      range_round(pages_of(bytes)));
	case OBJECT_PORT:
	case OBJECT_TABLE:
		return range_plan_add(space, creation->system, plan, RANGE_KERNEL,
				      range_round(object_charge(request->type, request->size)));
	case OBJECT_MACHINE:
		status = range_plan_add(space, creation->system, plan, RANGE_KERNEL, 1);
		if (status == STATUS_OK)
			status = range_plan_add(
				space, creation->system, plan, RANGE_KERNEL,
				range_round(object_charge(OBJECT_TABLE, TABLE_MACHINE_SLOTS)));
		if (status == STATUS_OK)
			status = range_plan_add(space, creation->system, plan, RANGE_USER, 1);
		return status;
	default:
		return STATUS_OK;
	}
}

/* Obtains the machine's page and its table's first, and its place among the
 * machines. */
static enum status creation_machine(struct space *space, struct creation *creation)
{
	enum status status;
	void *page;

	if (creation->request->type != OBJECT_MACHINE)
		return STATUS_OK;
	status = space_write(space, (page_t){creation->plan.range[0].first}, &page);
	if (status == STATUS_OK)
		status = space_write(space, (page_t){creation->plan.range[1].first}, &page);
	if (status == STATUS_OK)
		status = machine_register_prepare(space, creation->system, creation->object[0]);
	return status;
}

static enum status creation_prepare(struct space *space, struct creation *creation)
{
	const struct object_request *request = creation->request;
	bool machine = request->type == OBJECT_MACHINE;
	enum status status = system_prepare(space, &creation->system);

	creation->objects = machine ? 2 : 1;
	creation->size = machine || request->type == OBJECT_DIRECTORY ? 0 : request->size;
	creation->charge = object_charge(request->type, creation->size);
	if (machine)
		creation->charge += object_charge(OBJECT_TABLE, TABLE_MACHINE_SLOTS);
	if (status == STATUS_OK)
		status = bank_charge_prepare(space, creation->bank, creation->charge);
	if (status == STATUS_OK)
		status = creation_objects(space, creation);
	if (status == STATUS_OK)
		status = creation_ranges(space, creation);
	if (status == STATUS_OK)
		status = creation_machine(space, creation);
	return status;
}

uint16_t object_rights(enum object_type type)
{
	switch (type) {
	case OBJECT_SEGMENT:
		return RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE | RIGHT_DESTROY;
	case OBJECT_PORT:
		return RIGHT_READ | RIGHT_SEND | RIGHT_RECEIVE | RIGHT_CONTROL | RIGHT_DESTROY;
	case OBJECT_DIRECTORY:
		return RIGHT_READ | RIGHT_WRITE | RIGHT_DESTROY;
	default: /* machine, table */
		return RIGHT_READ | RIGHT_CONTROL | RIGHT_DESTROY;
	}
}

/* Writes record `index` of the creation and gives the capability to it. */
static struct disk_capability creation_record(struct space *space, struct creation *creation,
					      uint32_t index, enum object_type type, uint64_t size)
{
	struct disk_object *record = record_writable(space, creation->object[index]);

	memset(record, 0, sizeof(*record));
	record->version = creation->system->next_version =
		objects_version(space, creation->system) + 1;
	record->type = (uint8_t)type;
	record->bank = creation->bank.n;
	record->size = size;
	if (index < creation->plan.count) {
		record->first_page = creation->plan.range[index].first;
		record->range_pages = creation->plan.range[index].pages;
	}
	return capability_make(creation->object[index], record->version, type, object_rights(type));
}

static struct disk_capability creation_commit_machine(struct space *space,
						      struct creation *creation)
{
	struct disk_capability self = creation_record(space, creation, 0, OBJECT_MACHINE, 0);
	struct disk_capability table =
		creation_record(space, creation, 1, OBJECT_TABLE, TABLE_MACHINE_SLOTS);
	struct disk_object *record = record_writable(space, creation->object[0]);
	struct disk_capability *slots =
		space_writable(space, (page_t){creation->plan.range[1].first});

	record->word[0] = creation->plan.range[2].first;
	record->word[1] = creation->plan.range[2].pages;
	memset(slots, 0, PAGE_SIZE);
	slots[TABLE_SLOT_SELF] = self;
	slots[TABLE_SLOT_TABLE] = table;
	machine_initialise(space_writable(space, (page_t){record->first_page}), creation->request,
			   record->word[0], &self, &table);
	machine_register(space, creation->system, creation->object[0]);
	return self;
}

enum status object_create(struct space *space, object_t bank, const struct object_request *request,
			  struct disk_capability *capability)
{
	struct creation creation = {.request = request, .bank = bank};
	enum status status = request_check(request);

	if (status == STATUS_OK)
		status = creation_prepare(space, &creation);
	if (status != STATUS_OK)
		return status;

	/* Commit point. */
	if (request->type == OBJECT_MACHINE)
		*capability = creation_commit_machine(space, &creation);
	else
		*capability = creation_record(space, &creation, 0, request->type, creation.size);
	range_plan_commit(space, creation.system, &creation.plan);
	creation.system->next_object = creation.next_object;
	creation.system->free_object = creation.free_object;
	bank_charge(space, bank, creation.charge, creation.objects);
	return STATUS_OK;
}
