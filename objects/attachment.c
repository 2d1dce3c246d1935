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

static bool overlap(uint64_t first, uint64_t pages, uint64_t other_first, uint64_t other_pages)
{
	return first < other_first ? other_first - first < pages
				   : first - other_first < other_pages;
}

/* Never to be written and executed both. */
static enum status rights_check(uint64_t rights, uint64_t most)
{
	if (rights & ~(uint64_t)RIGHTS || (rights & RIGHT_WRITE && rights & RIGHT_EXECUTE))
		return STATUS_INVALID;
	return rights & ~most ? STATUS_NO_RIGHT : STATUS_OK;
}

/* The run as an entry of its own, if it makes sense. */
static enum status attachment_make(const struct disk_object *segment,
				   const struct disk_capability *capability,
				   const struct attachment_run *run, struct disk_attachment *entry)
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
	*entry = (struct disk_attachment){.segment = *capability,
					  .first_page = segment->first_page + run->first,
					  .pages = pages,
					  .rights = run->rights,
					  .flags = run->place * PAGE_SIZE |
						   (run->owned ? ATTACHMENT_OWNED : 0)};
	/* Within the range of the segment, and in the user arena: programs map it. */
	ASSERT(entry->first_page >= USER_ARENA_PAGE && entry->first_page < USER_ARENA_END);
	return status;
}

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
	if (overlap(place, made.pages, machine->message_page, 1))
		return STATUS_ATTACHED;
	for (uint32_t i = MACHINE_ATTACHMENTS; i-- > 0;) {
		struct disk_attachment *other = &machine->attachments[i];

		if (!other->segment.version)
			entry = other;
		else if (overlap(place, made.pages, attachment_place(other), other->pages))
			return STATUS_ATTACHED;
	}
	if (!entry)
		return STATUS_LIMIT;

	/* Commit point. */
	*entry = made;
	return STATUS_OK;
}

/* Whatever an entry says, nothing but the user arena is ever shown, and nowhere else than
 * there or in a window. */
static bool entry_shows(const struct disk_attachment *entry, uint64_t page)
{
	uint64_t at = page - attachment_place(entry), shown = entry->first_page + at;

	return entry->segment.version && at < entry->pages && shown >= USER_ARENA_PAGE &&
	       shown < USER_ARENA_END && (page == shown || window_holds(page, 1));
}

const struct disk_attachment *machine_attachment(const struct disk_machine *machine, page_t page)
{
	for (uint32_t i = 0; i < MACHINE_ATTACHMENTS; i++)
		if (entry_shows(&machine->attachments[i], page.n))
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

/* A part of an entry, from its page `at` on. */
static struct disk_attachment entry_part(const struct disk_attachment *entry, uint64_t at,
					 uint64_t pages)
{
	struct disk_attachment part = *entry;

	ASSERT(pages && at < entry->pages && pages <= entry->pages - at);
	part.first_page += at;
	part.pages = pages;
	if (part.flags & ATTACHMENT_PLACE)
		part.flags += at * PAGE_SIZE;
	part.flags &= ~(uint64_t)ATTACHMENT_OWNED;
	return part;
}

/* An entry has gone as a whole: what is left of its segment is the machine's now. */
static void owned_pass(struct disk_machine *machine, const struct disk_attachment *gone)
{
	for (uint32_t i = 0; i < MACHINE_ATTACHMENTS && gone->flags & ATTACHMENT_OWNED; i++) {
		struct disk_attachment *entry = &machine->attachments[i];

		if (entry->segment.version != gone->segment.version ||
		    entry->segment.object != gone->segment.object)
			continue;
		entry->flags |= ATTACHMENT_OWNED;
		break;
	}
}

enum status attachment_change(struct disk_machine *machine, page_t page, uint64_t pages,
			      uint16_t rights, const struct disk_capability *capability)
{
	const struct disk_attachment *found = machine_attachment(machine, page);
	struct disk_attachment part[3], entry;
	uint32_t free[3], frees = 0, parts = 0;
	enum status status;
	uint64_t at;

	if (!found)
		return STATUS_NOT_FOUND;
	entry = *found;
	at = page.n - attachment_place(&entry);
	if (!pages || pages > entry.pages - at)
		return STATUS_INVALID;
	if (capability && (capability->object != entry.segment.object ||
			   capability->version != entry.segment.version))
		return STATUS_INVALID;
	status = rights_check(rights, capability ? capability->rights : entry.rights);
	if (status != STATUS_OK)
		return status;
	if (at)
		part[parts++] = entry_part(&entry, 0, at);
	if (rights) {
		part[parts] = entry_part(&entry, at, pages);
		part[parts].segment = capability ? *capability : entry.segment;
		part[parts++].rights = rights;
	}
	if (pages < entry.pages - at)
		part[parts++] = entry_part(&entry, at + pages, entry.pages - at - pages);
	free[frees++] = (uint32_t)(found - machine->attachments);
	for (uint32_t i = 0; i < MACHINE_ATTACHMENTS && frees < parts; i++)
		if (!machine->attachments[i].segment.version)
			free[frees++] = i;
	if (frees < parts)
		return STATUS_LIMIT;

	/* Commit point. */
	machine->attachments[free[0]] = (struct disk_attachment){.pages = 0};
	for (uint32_t i = 0; i < parts; i++)
		machine->attachments[free[i]] = part[i];
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
	for (uint32_t i = 0; i < MACHINE_ATTACHMENTS; i++)
		if (dead & 1u << i)
			machine->attachments[i] = (struct disk_attachment){.pages = 0};
	return STATUS_OK;
}
