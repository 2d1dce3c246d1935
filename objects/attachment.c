/* SPDX-License-Identifier: MIT */
/*
 * attachment.c - what a machine may touch, and where.
 *
 * An attachment shows a run of a segment's pages at a place.  What is said about a place is
 * asked by the page that the machine touches, and answers the page that lies there: the two
 * are the same but in a window.
 */
#include "objects/objects_priv.h"

#define RIGHTS (RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE)

/* ---- one attachment ------------------------------------------------------------------ */

/* Never to be written and executed both. */
static enum status rights_check(uint64_t rights, uint64_t most)
{
	if (rights & ~(uint64_t)RIGHTS || (rights & RIGHT_WRITE && rights & RIGHT_EXECUTE))
		return STATUS_INVALID;
	return rights & ~most ? STATUS_NO_RIGHT : STATUS_OK;
}

enum status attachment_make(const struct disk_object *segment,
			    const struct disk_capability *capability,
			    const struct attachment_run *run, struct disk_attachment *made)
{
	uint64_t pages = run->pages ? run->pages : segment->range_pages - run->first;
	enum status status = rights_check(run->rights, capability->rights);

	ASSERT(segment->type == OBJECT_SEGMENT);
	ASSERT(capability->type == OBJECT_SEGMENT);
	if (run->first >= segment->range_pages || pages > segment->range_pages - run->first ||
	    !run->rights)
		return STATUS_INVALID;
	if (run->place && !window_holds(run->place, pages))
		return STATUS_INVALID;
	if (status == STATUS_OK && run->owned && !(capability->rights & RIGHT_DESTROY))
		status = STATUS_NO_RIGHT;
	*made = (struct disk_attachment){.segment = *capability,
					 .first_page = segment->first_page + run->first,
					 .pages = pages,
					 .rights = run->rights,
					 .flags = run->place * PAGE_SIZE |
						  (run->owned ? ATTACHMENT_OWNED : 0)};
	/* Within the range of the segment, and in the user arena: programs map it. */
	ASSERT(made->first_page >= USER_ARENA_PAGE && made->first_page < USER_ARENA_END);
	return status;
}

bool attachment_shows(const struct disk_attachment *attachment, page_t page)
{
	uint64_t at = page.n - attachment_place(attachment), shown = attachment->first_page + at;

	return attachment->segment.version && at < attachment->pages && shown >= USER_ARENA_PAGE &&
	       shown < USER_ARENA_END && (page.n == shown || window_holds(page.n, 1));
}

/* A part, from its page `at` on. */
static struct disk_attachment attachment_part(const struct disk_attachment *attachment, uint64_t at,
					      uint64_t pages)
{
	struct disk_attachment part = *attachment;

	ASSERT(pages && at < attachment->pages && pages <= attachment->pages - at);
	part.first_page += at;
	part.pages = pages;
	if (part.flags & ATTACHMENT_PLACE)
		part.flags += at * PAGE_SIZE;
	part.flags &= ~(uint64_t)ATTACHMENT_OWNED;
	return part;
}

enum status attachment_split(const struct disk_attachment *attachment,
			     const struct attachment_change *change, struct attachment_parts *parts)
{
	const struct disk_capability *capability = change->capability;
	uint64_t at = change->page.n - attachment_place(attachment), pages = change->pages;
	enum status status;

	parts->count = 0;
	if (!pages || pages > attachment->pages - at)
		return STATUS_INVALID;
	if (capability && (capability->object != attachment->segment.object ||
			   capability->version != attachment->segment.version))
		return STATUS_INVALID;
	status = rights_check(change->rights, capability ? capability->rights : attachment->rights);
	if (status != STATUS_OK)
		return status;
	if (at)
		parts->part[parts->count++] = attachment_part(attachment, 0, at);
	if (change->rights) {
		struct disk_attachment *part = &parts->part[parts->count++];

		*part = attachment_part(attachment, at, pages);
		if (capability)
			part->segment = *capability;
		part->rights = change->rights;
	}
	if (pages < attachment->pages - at)
		parts->part[parts->count++] =
			attachment_part(attachment, at + pages, attachment->pages - at - pages);
	ASSERT(parts->count <= ATTACHMENT_PARTS);
	return STATUS_OK;
}

/* ---- those of a machine ---------------------------------------------------------------- */

enum status attachment_add(struct disk_machine *machine, const struct disk_object *segment,
			   const struct disk_capability *capability,
			   const struct attachment_run *run)
{
	struct disk_attachment made, *entry = NULL;
	enum status status = attachment_make(segment, capability, run, &made);
	uint64_t place;

	if (status != STATUS_OK)
		return status;
	place = attachment_place(&made);
	if (pages_overlap(place, made.pages, machine->message_page, 1))
		return STATUS_ATTACHED;
	for (uint32_t i = MACHINE_ATTACHMENTS; i-- > 0;) {
		struct disk_attachment *other = &machine->attachments[i];

		if (!other->segment.version)
			entry = other;
		else if (pages_overlap(place, made.pages, attachment_place(other), other->pages))
			return STATUS_ATTACHED;
	}
	if (!entry)
		return STATUS_LIMIT;

	/* Commit point. */
	*entry = made;
	return STATUS_OK;
}

const struct disk_attachment *machine_attachment(const struct disk_machine *machine, page_t page)
{
	for (uint32_t i = 0; i < MACHINE_ATTACHMENTS; i++)
		if (attachment_shows(&machine->attachments[i], page))
			return &machine->attachments[i];
	return NULL;
}

const struct disk_attachment *machine_attachment_next(const struct disk_machine *machine,
						      page_t page)
{
	const struct disk_attachment *next = NULL;

	for (uint32_t i = 0; i < MACHINE_ATTACHMENTS; i++) {
		const struct disk_attachment *entry = &machine->attachments[i];

		if (entry->segment.version && attachment_place(entry) >= page.n &&
		    (!next || attachment_place(entry) < attachment_place(next)))
			next = entry;
	}
	return next;
}

/* An entry has gone as a whole: what is left of its segment is the machine's now, if it may destroy
 * that by what it is attached by. */
static void owned_pass(struct disk_machine *machine, const struct disk_attachment *gone)
{
	for (uint32_t i = 0; i < MACHINE_ATTACHMENTS && gone->flags & ATTACHMENT_OWNED; i++) {
		struct disk_attachment *entry = &machine->attachments[i];

		if (entry->segment.version != gone->segment.version ||
		    entry->segment.object != gone->segment.object ||
		    !(entry->segment.rights & RIGHT_DESTROY))
			continue;
		entry->flags |= ATTACHMENT_OWNED;
		break;
	}
}

enum status attachment_change(struct disk_machine *machine, const struct attachment_change *change)
{
	const struct disk_attachment *found = machine_attachment(machine, change->page);
	struct attachment_parts parts;
	struct disk_attachment entry;
	uint32_t free[ATTACHMENT_PARTS], frees = 0;
	enum status status;

	if (!found)
		return STATUS_NOT_FOUND;
	entry = *found;
	status = attachment_split(&entry, change, &parts);
	if (status != STATUS_OK)
		return status;
	free[frees++] = (uint32_t)(found - machine->attachments);
	for (uint32_t i = 0; i < MACHINE_ATTACHMENTS && frees < parts.count; i++)
		if (!machine->attachments[i].segment.version)
			free[frees++] = i;
	if (frees < parts.count)
		return STATUS_LIMIT;

	/* Commit point. */
	machine->attachments[free[0]] = (struct disk_attachment){.pages = 0};
	for (uint32_t i = 0; i < parts.count; i++)
		machine->attachments[free[i]] = parts.part[i];
	owned_pass(machine, &entry);
	return STATUS_OK;
}

enum status attachment_remove(struct disk_machine *machine, page_t page)
{
	const struct disk_attachment *found = machine_attachment(machine, page);
	struct disk_attachment entry;

	if (!found)
		return STATUS_NOT_FOUND;
	entry = *found;
	machine->attachments[found - machine->attachments] = (struct disk_attachment){.pages = 0};
	owned_pass(machine, &entry);
	return STATUS_OK;
}

enum status machine_attachments_prune(struct space *space, struct disk_machine *machine)
{
	uint32_t dead = 0;

	static_assert(MACHINE_ATTACHMENTS <= 32, "a bit of `dead` for each");
	for (uint32_t i = 0; i < MACHINE_ATTACHMENTS; i++) {
		enum status status = object_resolve(space, &machine->attachments[i].segment,
						    OBJECT_SEGMENT, 0, NULL);

		if (status == STATUS_DEAD)
			dead |= 1u << i;
		else if (status != STATUS_OK && status != STATUS_NO_CAPABILITY)
			return status;
	}

	/* Commit point. */
	for (uint32_t i = 0; i < MACHINE_ATTACHMENTS; i++) {
		struct disk_attachment entry = machine->attachments[i];

		if (!(dead & 1u << i))
			continue;
		machine->attachments[i] = (struct disk_attachment){.pages = 0};
		owned_pass(machine, &entry);
	}
	return STATUS_OK;
}
