/* SPDX-License-Identifier: MIT */
/*
 * objects_reach.c - who leads where: the places of directories, and what
 * nothing leads to.
 *
 * Each capability, and each thing that holds an object without one, is an edge from
 * the object that it lies in to the object it names.  What cannot be reached from the
 * root directory, a bank, a machine or a service of the kernel is not damaged, but
 * nobody can use it or end it, and it is charged for ever.
 *
 * Of a heap of such objects that lead to each other the first is reported, with what
 * lies below it: one that no other of them leads to, or any one of a ring.
 */
#include "tools/verify/objects_priv.h"
#include "base/assert.h"

#include <inttypes.h>
#include <stdlib.h>

struct reach {
	struct verify_objects *objects;
	uint64_t *first; /* edges of an object: from first[object] to before first[object + 1] */
	uint32_t *queue;
	uint32_t *holder; /* another object without a way that leads to it; 0: none */
	uint32_t *walked; /* upwards, from this object */
	uint8_t *reached;
};

void verify_objects_edge(struct verify_objects *objects, uint32_t object, uint64_t version)
{
	const struct disk_object *record = verify_objects_record(objects, object);
	void *array = objects->edge;

	ASSERT(objects->source && objects->source < objects->objects);
	if (!record || record->version != version ||
	    !verify_objects_grow(objects, &array, objects->edges, &objects->edges_room,
				 sizeof(*objects->edge)))
		return;
	objects->edge = array;
	objects->edge[objects->edges++] =
		(struct verify_objects_edge){.from = objects->source, .to = object};
}

static int reach_order(const void *left, const void *right)
{
	const struct verify_objects_edge *a = left, *b = right;

	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	return a->to < b->to ? -1 : a->to > b->to;
}

/* ---- the places of directories -------------------------------------------------------- */

static bool reach_directory(const struct verify_objects *objects, uint32_t object)
{
	const struct disk_object *record = verify_objects_record(objects, object);

	return record && record->type == OBJECT_DIRECTORY;
}

static uint64_t reach_page(uint32_t object)
{
	return OBJECT_TABLE_PAGE + object / OBJECTS_PER_PAGE;
}

/* A directory is named once, where its record says.  In states from before there were
 * places it may have more names. */
static void reach_place_named(struct reach *reach, const struct verify_objects_edge *edge)
{
	struct verify_objects *objects = reach->objects;
	uint32_t place = objects->record[edge->to].directory.place;

	ASSERT(edge->from < objects->objects && edge->to < objects->objects);
	if (place == edge->from && !reach->holder[edge->to]) {
		reach->holder[edge->to] = edge->from;
	} else if (place) {
		verify_report_object(objects->verify, VERIFY_NOTE, reach_page(edge->to),
				     "directory %" PRIu32 " has a second name, in directory "
				     "%" PRIu32 ", from before there were places",
				     edge->to, edge->from);
	} else if (objects->system.places && edge->to != objects->system.root_directory) {
		verify_objects_report(objects, reach_page(edge->to),
				      "directory %" PRIu32 " is named by directory %" PRIu32
				      ", of which its record says nothing",
				      edge->to, edge->from);
	}
}

static void reach_places(struct reach *reach)
{
	struct verify_objects *objects = reach->objects;

	for (uint64_t i = 0; i < objects->edges; i++)
		if (reach_directory(objects, objects->edge[i].from) &&
		    reach_directory(objects, objects->edge[i].to))
			reach_place_named(reach, &objects->edge[i]);
	for (uint32_t i = 1; i < objects->objects; i++) {
		/* Of one that has ended nobody notes that its name goes. */
		if (reach_directory(objects, i) && objects->record[i].directory.place &&
		    !reach->holder[i] && !verify_objects_ended(objects, i))
			verify_objects_report(objects, reach_page(i),
					      "directory %" PRIu32 " has its place in object "
					      "%" PRIu32 ", which does not name it",
					      i, objects->record[i].directory.place);
		reach->holder[i] = 0;
	}
}

/* ---- what nothing leads to --------------------------------------------------------------- */

/* Marks all that can be reached from the object; how much was new. */
static void reach_from(struct reach *reach, uint32_t object, uint64_t *count, uint64_t *pages)
{
	struct verify_objects *objects = reach->objects;
	uint32_t queued = 0;

	*count = *pages = 0;
	if (reach->reached[object])
		return;
	reach->reached[object] = 1;
	reach->queue[queued++] = object;
	for (uint32_t at = 0; at < queued; at++) {
		uint32_t from = reach->queue[at];

		++*count;
		*pages += verify_objects_charge(&objects->record[from]);
		for (uint64_t i = reach->first[from]; i < reach->first[from + 1]; i++) {
			uint32_t to = objects->edge[i].to;

			ASSERT(queued < objects->objects);
			if (!reach->reached[to])
				reach->queue[queued++] = to;
			reach->reached[to] = 1;
		}
	}
}

/* Noted to be destroyed by the kernel. */
static bool reach_transient(const struct verify_objects *objects, uint32_t object)
{
	for (unsigned i = 0; i < SYSTEM_TRANSIENT_MAX; i++)
		if (objects->system.transient[i].object == object &&
		    objects->system.transient[i].version == objects->record[object].version)
			return true;
	return false;
}

/* Found without anybody's leading there: by the system page, by the number of a
 * machine, as what pays for the rest, or by the bank with which it has ended. */
static bool reach_root(const struct verify_objects *objects, uint32_t object)
{
	return reach_transient(objects, object) || verify_objects_ended(objects, object) ||
	       object == objects->system.root_directory ||
	       !verify_objects_led(&objects->record[object]);
}

static void reach_report(struct reach *reach, uint32_t object)
{
	struct verify_objects *objects = reach->objects;
	struct verify_unreached found = {.object = object};

	ASSERT(!reach->reached[object]); /* or it and what is below it was told */
	reach_from(reach, object, &found.objects, &found.pages);
	found.objects--;
	found.type = objects->record[object].type;
	verify_report_unreached(objects->verify, &objects->space, &found,
				object_type_name(found.type));
}

/* From an object that others lead to upwards, until one comes again. */
static uint32_t reach_top(struct reach *reach, uint32_t object)
{
	uint32_t at = object;

	while (reach->walked[at] != object) {
		ASSERT(reach->holder[at]); /* or it would have been reported */
		reach->walked[at] = object;
		at = reach->holder[at];
	}
	return at;
}

static void reach_unreached(struct reach *reach)
{
	struct verify_objects *objects = reach->objects;
	uint64_t count, pages;

	for (uint32_t i = 1; i < objects->objects; i++)
		if (objects->record[i].version && reach_root(objects, i))
			reach_from(reach, i, &count, &pages);
	for (uint64_t i = 0; i < objects->edges; i++) {
		const struct verify_objects_edge *edge = &objects->edge[i];

		if (edge->from != edge->to && !reach->reached[edge->from])
			reach->holder[edge->to] = edge->from;
	}
	for (uint32_t i = 1; i < objects->objects; i++)
		if (objects->record[i].version && !reach->reached[i] && !reach->holder[i])
			reach_report(reach, i);
	for (uint32_t i = 1; i < objects->objects; i++)
		if (objects->record[i].version && !reach->reached[i])
			reach_report(reach, reach_top(reach, i));
}

static bool reach_prepare(struct reach *reach)
{
	struct verify_objects *objects = reach->objects;
	uint64_t edge = 0;

	reach->first = calloc((uint64_t)objects->objects + 1, sizeof(*reach->first));
	reach->queue = calloc(objects->objects, sizeof(*reach->queue));
	reach->holder = calloc(objects->objects, sizeof(*reach->holder));
	reach->walked = calloc(objects->objects, sizeof(*reach->walked));
	reach->reached = calloc(objects->objects, 1);
	if (!reach->first || !reach->queue || !reach->holder || !reach->walked || !reach->reached) {
		objects->out_of_memory = true;
		return false;
	}
	if (objects->edges)
		qsort(objects->edge, objects->edges, sizeof(*objects->edge), reach_order);
	for (uint32_t i = 0; i <= objects->objects; i++) {
		while (edge < objects->edges && objects->edge[edge].from < i)
			edge++;
		reach->first[i] = edge;
	}
	ASSERT(edge == objects->edges);
	return true;
}

void verify_objects_reach(struct verify_objects *objects)
{
	struct reach reach = {.objects = objects};

	/* What could not be read may lead anywhere. */
	if (objects->incomplete || objects->out_of_memory)
		return;
	if (reach_prepare(&reach)) {
		reach_places(&reach);
		reach_unreached(&reach);
	}
	free(reach.first);
	free(reach.queue);
	free(reach.holder);
	free(reach.walked);
	free(reach.reached);
}
