/* SPDX-License-Identifier: MIT */
/*
 * objects_attachment.c - what is attached, to machines and to views.
 */
#include "tools/verify/objects_priv.h"
#include "base/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ATTACH_RIGHTS (RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE)

static bool attachment_alive(const struct verify_objects *objects,
			     const struct disk_attachment *attachment)
{
	const struct disk_object *record =
		verify_objects_record(objects, attachment->segment.object);

	return record && record->version == attachment->segment.version &&
	       record->type == OBJECT_SEGMENT;
}

/* Null, or what is wrong. */
static const char *attachment_wrong(const struct verify_objects *objects,
				    const struct disk_attachment *attachment)
{
	const struct disk_object *record;

	if (attachment->segment.type != OBJECT_SEGMENT)
		return "it is not of a segment";
	if (attachment->rights == 0 || attachment->rights & ~(uint64_t)ATTACH_RIGHTS ||
	    attachment->rights & ~(uint64_t)attachment->segment.rights)
		return "it has rights that its capability has not";
	if (attachment->rights & RIGHT_WRITE && attachment->rights & RIGHT_EXECUTE)
		return "it can be written to and executed";
	if (attachment->flags & ~(ATTACHMENT_PLACE | ATTACHMENT_OWNED))
		return "an unknown flag is set";
	if (attachment->flags & ATTACHMENT_PLACE &&
	    (objects->system.version < SYSTEM_VERSION_PLACE ||
	     !window_holds(attachment_place(attachment), attachment->pages)))
		return "it appears where nothing can";
	if (!attachment_alive(objects, attachment))
		return NULL;
	record = &objects->record[attachment->segment.object];
	if (attachment->pages == 0 || attachment->first_page < record->first_page ||
	    attachment->first_page - record->first_page > record->range_pages ||
	    attachment->pages > record->range_pages - (attachment->first_page - record->first_page))
		return "it lies outside its segment";
	return NULL;
}

/* ---- of machines ------------------------------------------------------------------------ */

static bool attachment_overlap(const struct disk_attachment *a, const struct disk_attachment *b)
{
	uint64_t first = attachment_place(a), other = attachment_place(b);

	return first < other ? other - first < a->pages : first - other < b->pages;
}

void verify_objects_attachments(struct verify_objects *objects, uint32_t object,
				const struct disk_machine *machine)
{
	uint64_t page = objects->record[object].first_page;
	char where[60];

	for (unsigned i = 0; i < MACHINE_ATTACHMENTS; i++) {
		const struct disk_attachment *attachment = &machine->attachments[i];
		const char *wrong;

		snprintf(where, sizeof(where), "machine %" PRIu32 ", attachment %u", object, i);
		verify_objects_capability(objects, page, &attachment->segment, where);
		if (attachment->segment.version == 0)
			continue;
		wrong = attachment_wrong(objects, attachment);
		for (unsigned k = 0; k < i && !wrong; k++)
			if (attachment_alive(objects, attachment) &&
			    attachment_alive(objects, &machine->attachments[k]) &&
			    attachment_overlap(attachment, &machine->attachments[k]))
				wrong = "it overlaps with another one";
		if (wrong && !objects->incomplete)
			verify_objects_report(objects, page, "%s: %s", where, wrong);
	}
}

/* ---- of views --------------------------------------------------------------------------- */

struct view_look {
	uint64_t end; /* of what was attached before */
	bool living;
};

/* Where it appears, by the last page.  False: nothing can be like that. */
static bool view_place(uint64_t last, const struct disk_view_attachment *entry, uint64_t *place)
{
	if (!entry->pages || last >= USER_ARENA_END || entry->pages > last)
		return false;
	*place = last - (entry->pages - 1);
	return true;
}

static const char *view_wrong(struct verify_objects *objects, struct view_look *look, uint64_t last,
			      const struct disk_view_attachment *entry)
{
	struct disk_attachment attachment = {
		.segment = {.version = entry->segment_version,
			    .object = entry->segment,
			    .type = OBJECT_SEGMENT,
			    .rights = entry->segment_rights},
		.first_page = entry->first_page,
		.pages = entry->pages,
		.rights = entry->rights,
	};
	uint64_t place;

	if (entry->reserved)
		return "a reserve is not zero";
	if (!entry->segment_version || !view_place(last, entry, &place))
		return "it makes no sense";
	if (place != entry->first_page)
		attachment.flags = place * PAGE_SIZE;
	if (place < look->end)
		return "it overlaps with another one";
	look->end = last + 1;
	return attachment_wrong(objects, &attachment);
}

static void view_entry(struct verify_objects *objects, struct verify_objects_tree *tree,
		       uint64_t page, const struct verify_objects_entry *entry)
{
	struct view_look *look = tree->context;
	struct disk_view_attachment attachment;
	struct disk_capability segment;
	const char *wrong;

	if (entry->key_length != 8 || entry->value_length != sizeof(attachment)) {
		verify_objects_report(objects, page, "%s has an entry that is no attachment",
				      tree->what);
		return;
	}
	memcpy(&attachment, entry->value, sizeof(attachment));
	/* Of a dying one only the tree counts. */
	if (!look->living)
		return;
	segment = (struct disk_capability){.version = attachment.segment_version,
					   .object = attachment.segment,
					   .type = OBJECT_SEGMENT,
					   .rights = attachment.segment_rights,
					   .revoker = attachment.revoker,
					   .revoker_version = attachment.revoker_version};
	verify_objects_capability(objects, page, &segment, tree->what);
	wrong = view_wrong(objects, look, verify_objects_big_endian(entry->key, 8), &attachment);
	if (wrong && !objects->incomplete)
		verify_objects_report(objects, page,
				      "%s, attachment that ends at page 0x%" PRIx64 ": %s",
				      tree->what, verify_objects_big_endian(entry->key, 8), wrong);
}

void verify_objects_view(struct verify_objects *objects, uint32_t object)
{
	const struct disk_object *record = &objects->record[object];
	struct view_look look = {.living = record->version != 0};
	char what[40];
	struct verify_objects_tree tree = {.what = what, .context = &look, .entry = view_entry};

	snprintf(what, sizeof(what), "view %" PRIu32, object);
	verify_objects_tree_walk(objects, record->view.root, &tree);
	if (!tree.damaged && tree.entries != record->size)
		verify_objects_report(objects, OBJECT_TABLE_PAGE + object / OBJECTS_PER_PAGE,
				      "%s counts %" PRIu64 " attachments and has %" PRIu64, what,
				      record->size, tree.entries);
	if (!tree.damaged && tree.pages != record->view.pages)
		verify_objects_report(objects, OBJECT_TABLE_PAGE + object / OBJECTS_PER_PAGE,
				      "%s counts %" PRIu32 " pages and has %" PRIu64, what,
				      record->view.pages, tree.pages);
}
