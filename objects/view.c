/* SPDX-License-Identifier: MIT */
/*
 * view.c - attachments that several machines share, in the order of their places.
 *
 * A view is a record: `size` attachments in the B+tree at `root`, each under the last page at
 * which it appears.  Its bank pays for the tree's `pages`.  What holds one capability of a segment
 * by a view holds it wherever a machine looks through that; so the entry keeps all that the
 * capability ends with.
 */
#include "objects/objects_priv.h"
#include <string.h>

static uint64_t view_charge(uint64_t attachments)
{
	(void)attachments; /* of a new one, which has none */
	return 1;
}

static uint64_t view_pays(const struct disk_object *record)
{
	return 1 + (uint64_t)record->view.pages;
}

static bool view_valid(const struct disk_object *record)
{
	return record->view.root
		       ? record->size && record->view.pages &&
				 record->view.pages <= USER_ARENA_PAGE - TREE_ARENA_PAGE &&
				 btree_page_valid(record->view.root)
		       : !record->size && !record->view.pages;
}

static enum status view_check(const struct object_request *request)
{
	(void)request;
	return STATUS_OK;
}

/* ---- entries ----------------------------------------------------------------------- */

#define KEY_BYTES     8u
#define ATTACH_RIGHTS (unsigned)(RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE)

struct view_key {
	uint8_t bytes[KEY_BYTES];
};

static struct view_key key_of(uint64_t page)
{
	struct view_key key;

	for (unsigned i = 0; i < KEY_BYTES; i++)
		key.bytes[i] = (uint8_t)(page >> (8 * (KEY_BYTES - 1 - i)));
	return key;
}

static struct btree_key tree_key(const struct view_key *key)
{
	return (struct btree_key){key->bytes, KEY_BYTES};
}

static uint64_t last_page(const struct disk_attachment *attachment)
{
	return attachment_place(attachment) + attachment->pages - 1;
}

static struct disk_view_attachment entry_pack(const struct disk_attachment *attachment)
{
	const struct disk_capability *segment = &attachment->segment;

	static_assert(sizeof(struct disk_view_attachment) <= TREE_VALUE_MAX, "a value of the tree");
	return (struct disk_view_attachment){
		.segment_version = segment->version,
		.revoker_version = segment->revoker_version,
		.segment = segment->object,
		.revoker = segment->revoker,
		.segment_rights = segment->rights,
		.rights = (uint16_t)attachment->rights,
		.first_page = attachment->first_page,
		.pages = attachment->pages,
	};
}

/* False: no attachment can be like that. */
static bool entry_unpack(const struct view_key *key, const struct disk_view_attachment *entry,
			 struct disk_attachment *attachment)
{
	uint64_t last = 0, place;

	for (unsigned i = 0; i < KEY_BYTES; i++)
		last = last << 8 | key->bytes[i];
	if (entry->rights & ~ATTACH_RIGHTS || !entry->rights ||
	    (entry->rights & RIGHT_WRITE && entry->rights & RIGHT_EXECUTE))
		return false;
	if (!entry->segment_version || !entry->segment || !entry->pages || last >= USER_ARENA_END ||
	    entry->pages > last)
		return false;
	place = last - (entry->pages - 1);
	*attachment = (struct disk_attachment){
		.segment =
			{
				.version = entry->segment_version,
				.object = entry->segment,
				.type = OBJECT_SEGMENT,
				.rights = entry->segment_rights,
				.revoker = entry->revoker,
				.revoker_version = entry->revoker_version,
			},
		.first_page = entry->first_page,
		.pages = entry->pages,
		.rights = entry->rights,
		.flags = place == entry->first_page ? 0 : place * PAGE_SIZE,
	};
	return true;
}

/* The first that ends at this page or behind it. */
static enum status entry_at(struct space *space, const struct disk_object *view, uint64_t page,
			    struct disk_attachment *attachment)
{
	struct view_key before = key_of(page - 1), found;
	struct disk_view_attachment entry;
	uint8_t key[TREE_KEY_MAX];
	size_t length;
	enum status status;

	ASSERT(view->type == OBJECT_VIEW);
	ASSERT(page);
	status = btree_next(space, view->view.root, tree_key(&before), key, &length, &entry,
			    sizeof(entry));
	if (status != STATUS_OK)
		return status;
	if (length != KEY_BYTES)
		return STATUS_CORRUPT;
	memcpy(found.bytes, key, KEY_BYTES);
	return entry_unpack(&found, &entry, attachment) ? STATUS_OK : STATUS_CORRUPT;
}

enum status view_attachment(struct space *space, const struct disk_object *view, page_t page,
			    struct disk_attachment *attachment)
{
	enum status status = page.n ? entry_at(space, view, page.n, attachment) : STATUS_NOT_FOUND;

	if (status == STATUS_OK && !attachment_shows(attachment, page))
		status = STATUS_NOT_FOUND;
	return status;
}

enum status view_next(struct space *space, const struct disk_object *view, page_t page,
		      struct disk_attachment *attachment)
{
	enum status status = entry_at(space, view, page.n ? page.n : 1, attachment);

	/* No other of them begins before the end of one that does. */
	if (status == STATUS_OK && attachment_place(attachment) < page.n)
		status = entry_at(space, view, last_page(attachment) + 1, attachment);
	return status;
}

/* ---- changes ------------------------------------------------------------------------ */

/* COMMIT: it has so many attachments now, and its tree so many pages since space->tree_pages was
 * `before`.  What damage has made of the counts does not keep it from going on. */
static void view_count(struct space *space, struct disk_object *record, uint64_t before,
		       uint64_t attachments)
{
	uint64_t pays = view_pays(record), now;
	int64_t pages = (int64_t)record->view.pages + (int64_t)(space->tree_pages - before);
	object_t bank = {record->bank};

	record->size = attachments ? attachments : 1;
	record->view.pages = pages > 0 ? (uint32_t)pages : 1;
	if (!record->view.root)
		record->size = record->view.pages = 0;
	now = view_pays(record);
	if (now > pays)
		bank_charge(space, bank, now - pays, 0, 0);
	else if (now < pays)
		bank_credit(space, bank, pays - now, 0, 0);
}

/* The view becomes one with these instead of `old`, or null; of which it is known that nothing
 * is in their way.  The bank must have what the tree can take; what is only taken out needs
 * nothing. */
static enum status view_replace(struct space *space, object_t view,
				const struct disk_attachment *old,
				const struct attachment_parts *parts)
{
	struct view_key out = key_of(old ? last_page(old) : 0), in[ATTACHMENT_PARTS];
	struct disk_object *record;
	uint64_t before;
	uint32_t spares;
	enum status status = object_prepare_typed(space, view, OBJECT_VIEW, &record);

	space_operation_note(space);
	spares = space->tree_spares;
	for (uint32_t i = 0; i < parts->count && status == STATUS_OK; i++) {
		in[i] = key_of(last_page(&parts->part[i]));
		status = btree_insert_prepare(space, record->view.root, tree_key(&in[i]));
	}
	spares = space->tree_spares - spares;
	if (status == STATUS_OK && old)
		status = btree_remove_prepare(space, record->view.root, tree_key(&out));
	if (status == STATUS_OK)
		status = spares ? bank_charge_prepare(space, (object_t){record->bank}, spares, 0)
				: bank_credit_prepare(space, (object_t){record->bank}, 0);
	if (status != STATUS_OK)
		return status;

	/* Commit point. */
	before = space->tree_pages;
	if (old)
		btree_remove(space, &record->view.root, tree_key(&out));
	for (uint32_t i = 0; i < parts->count; i++) {
		struct disk_view_attachment entry = entry_pack(&parts->part[i]);

		btree_insert(space, &record->view.root, tree_key(&in[i]), &entry, sizeof(entry));
	}
	view_count(space, record, before, record->size + parts->count - (old ? 1 : 0));
	return STATUS_OK;
}

enum status view_add(struct space *space, object_t view, const struct disk_object *segment,
		     const struct disk_capability *capability, const struct attachment_run *run,
		     bool *more)
{
	struct attachment_parts made = {.count = 1};
	struct disk_attachment other;
	struct disk_object record;
	uint64_t place;
	enum status status = attachment_make(segment, capability, run, &made.part[0]);

	*more = false;
	if (status == STATUS_OK && run->owned)
		status = STATUS_INVALID;
	if (status == STATUS_OK)
		status = object_read_typed(space, view, OBJECT_VIEW, &record);
	if (status != STATUS_OK)
		return status;
	place = attachment_place(&made.part[0]);
	status = entry_at(space, &record, place, &other);
	if (status == STATUS_OK &&
	    pages_overlap(place, made.part[0].pages, attachment_place(&other), other.pages)) {
		status = object_resolve(space, &other.segment, OBJECT_SEGMENT, 0, NULL);
		if (status != STATUS_DEAD)
			return status == STATUS_OK ? STATUS_ATTACHED : status;
		*more = true;
		made.count = 0;
		return view_replace(space, view, &other, &made);
	}
	if (status != STATUS_OK && status != STATUS_NOT_FOUND)
		return status;
	return view_replace(space, view, NULL, &made);
}

enum status view_change(struct space *space, object_t view, const struct attachment_change *change,
			struct disk_attachment *old)
{
	struct attachment_parts parts;
	struct disk_object record;
	enum status status = object_read_typed(space, view, OBJECT_VIEW, &record);

	if (status == STATUS_OK)
		status = view_attachment(space, &record, change->page, old);
	if (status == STATUS_OK)
		status = attachment_split(old, change, &parts);
	return status == STATUS_OK ? view_replace(space, view, old, &parts) : status;
}

/* ---- the end ------------------------------------------------------------------------- */

/* The first of a dying one goes, whatever it says; what damage hides of the tree is lost. */
static enum status view_clear(struct space *space, object_t object, const struct disk_object *dying)
{
	struct disk_object *record;
	struct disk_view_attachment entry;
	uint8_t key[TREE_KEY_MAX];
	struct btree_key first = {key, 0};
	uint64_t before;
	bool lost;
	enum status status, prepared;

	if (!dying->view.root)
		return STATUS_NOT_FOUND;
	status = btree_next(space, dying->view.root, first, key, &first.length, &entry,
			    sizeof(entry));
	if (status == STATUS_OK)
		status = btree_remove_prepare(space, dying->view.root, first);
	lost = status == STATUS_NOT_FOUND || space_lost(space, status);
	if (status != STATUS_OK && !lost)
		return status;
	prepared = record_prepare(space, object, &record);
	if (prepared == STATUS_OK)
		prepared = bank_credit_prepare(space, (object_t){record->bank}, 0);
	if (prepared != STATUS_OK)
		return prepared;

	/* Commit point. */
	ASSERT(!record->version && record->type == OBJECT_VIEW && record->size);
	before = space->tree_pages;
	if (lost)
		record->view.root = 0;
	else
		btree_remove(space, &record->view.root, first);
	view_count(space, record, before, record->size - 1);
	return STATUS_OK;
}

const struct type_descriptor view_type = {
	.arena = RANGE_NONE,
	.rights = RIGHT_READ | RIGHT_EXECUTE | RIGHT_CONTROL | RIGHT_DESTROY,
	.charge = view_charge,
	.pays = view_pays,
	.valid = view_valid,
	.starts_empty = true,
	.check = view_check,
	.clear = view_clear,
};
