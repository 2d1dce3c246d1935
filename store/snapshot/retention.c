/* SPDX-License-Identifier: MIT */
/*
 * retention.c - recent generations kept as automatic snapshots, and let go.
 *
 * The rule is in the commit record (struct disk_retention).  All this happens in
 * full commits that the owner makes anyway, in those without an action:
 *
 *   thinned   one in a commit.  Kept are, from the newest to the oldest: all of
 *             the last minute; then the newest of each minute until so many
 *             minutes have one, of each hour, of each day.  What is over goes, the
 *             oldest first
 *   budget    when nothing is over and yet they hold more than their part of the
 *             store: the oldest
 *   taken     after that, in the same commit, when the last one was taken an
 *             interval ago and space is not short: "auto-<generation>".  While
 *             more have to go than this commit could let go none is taken, and
 *             commits are full ones, so that they are soon gone, however seldom
 *             full commits are otherwise
 *   yielding  when a writer finds no space: the oldest, at once, until there is
 *             enough or none is left (reserve.c)
 *
 * The minutes, hours and days that count are those in which something was kept,
 * not those of a calendar.  So a clock that jumps, or a machine that was off
 * for a year, makes nothing vanish: each one goes only because of newer ones.
 *
 * What restores replaced is thinned by the same rule, but by itself, for nothing that is
 * taken later stands for it, and a person chooses among it: instead of the last minute's,
 * all of the last hour are kept, so many at most (LIMIT_REPLACED).  Whoever restores
 * more often than that keeps the newest of these, and of each minute before.  It goes
 * for the budget, and yields, like the others.
 *
 * An automatic snapshot that was renamed is not automatic any more.
 */
#include "store/store_priv.h"
#include "base/text.h"

#include "store/keeping.h"

/* A few more than the rule says are there while they wait for their turn. */
#define AUTOMATIC_KEPT (LIMIT_AUTOMATIC - LIMIT_AUTOMATIC / 8)
static_assert(KEEPING_RULE_MOST <= AUTOMATIC_KEPT, "there is room for all that are taken");
static_assert(KEEPING_RULE_MOST + LIMIT_REPLACED <= LIMIT_AUTOMATIC, "and for an hour's restores");

#define NS_PER_SECOND UINT64_C(1000000000)
#define NS_PER_MINUTE (60 * NS_PER_SECOND)
#define NS_PER_HOUR   (60 * NS_PER_MINUTE)
#define NS_PER_DAY    (24 * NS_PER_HOUR)

enum status retention_check(const struct disk_retention *rule)
{
	for (unsigned i = 0; i < sizeof(rule->reserved); i++)
		if (rule->reserved[i])
			return STATUS_INVALID;
	if (rule->budget > 1000)
		return STATUS_INVALID;
	return keeping_rule_snapshots(rule) <= KEEPING_RULE_MOST ? STATUS_OK : STATUS_LIMIT;
}

void retention_begin(struct store *store)
{
	store->retention.budget = store->retention.yield ? UINT32_MAX : LIMIT_INDEX_STEP;
	store->retention.gone = 0;
}

/* ---- which one goes ------------------------------------------------------------------- */

/* The zones of the rule, and where a walk from the newest to the oldest is. */
struct zones {
	uint64_t end, length; /* all that are no later and less than this old are kept ... */
	uint32_t most;	      /* ... but so many at most */
	unsigned zone;	      /* 0: minutes, 1: hours, 2: days, 3: none */
	uint32_t left[3];
	uint64_t last; /* minute, hour or day kept last in this zone */
};

static bool zones_keep(struct zones *zones, uint64_t wall_ns)
{
	static const uint64_t length[3] = {NS_PER_MINUTE, NS_PER_HOUR, NS_PER_DAY};

	if (zones->most && wall_ns <= zones->end && zones->end - wall_ns < zones->length) {
		zones->most--;
		return true;
	}
	for (; zones->zone < 3; zones->zone++, zones->last = UINT64_MAX) {
		uint64_t slot = wall_ns / length[zones->zone];

		if (slot == zones->last)
			return false;
		if (!zones->left[zones->zone])
			continue;
		zones->left[zones->zone]--;
		zones->last = slot;
		return true;
	}
	return false;
}

/* Is it there still, with what this commit has done? */
static bool automatic_stays(const struct store *store, uint32_t i)
{
	return store->index.automatic[i].number != store->retention.gone;
}

static bool over_budget(const struct store *store)
{
	const struct index *index = &store->index;
	const struct disk_record *record = &store->next;
	uint64_t held = 0;

	for (uint32_t i = 0; i < index->automatics; i++) {
		if (!automatic_stays(store, i))
			continue;
		held = held_add(store, held, index->automatic[i].held);
		if (index->automatic[i].number == record->origin)
			held = held_add(store, held, record->held_sectors);
	}
	return held > record->sectors / 1000 * record->retention.budget;
}

/* Index of the next to go; the number of them when none has to. */
static uint32_t automatic_surplus(const struct store *store)
{
	const struct index *index = &store->index;
	const struct disk_retention *rule = &store->next.retention;
	struct zones zones[2] = {{.end = store->next.wall_ns,
				  .length = NS_PER_MINUTE,
				  .most = UINT32_MAX,
				  .left = {rule->minutes, rule->hours, rule->days},
				  .last = UINT64_MAX}};
	uint32_t surplus = index->automatics, oldest = index->automatics;

	/* Of either side of the hour: a clock that is set right loses none. */
	zones[1] = zones[0];
	zones[1].end += NS_PER_HOUR;
	zones[1].length = 2 * NS_PER_HOUR;
	zones[1].most = LIMIT_REPLACED;
	for (uint32_t i = index->automatics; i; i--) {
		if (!automatic_stays(store, i - 1))
			continue;
		oldest = i - 1;
		if (!zones_keep(&zones[index->automatic[i - 1].replaced],
				index->automatic[i - 1].wall_ns))
			surplus = i - 1;
	}
	/* What is over with the newest unknown is so with all of them. */
	if (surplus == index->automatics && (index->more || over_budget(store)))
		return oldest;
	return surplus;
}

/* ---- in a commit ------------------------------------------------------------------------ */

/* One dies at a time; one that rests because it did not find the next goes on with this. */
static bool may_delete(const struct store *store)
{
	return !store->next.dying || (store->reclaim.broken && store->reclaim.missed);
}

static bool automatic_due(const struct store *store)
{
	const struct index *index = &store->index;
	const struct disk_record *record = &store->next;
	uint64_t interval_ns = record->retention.interval_s * NS_PER_SECOND;
	uint64_t last = store->retention.taken_ns;

	if (index->more || index->automatics == LIMIT_AUTOMATIC ||
	    record->next_snapshot >= DISK_SNAPSHOT_END || !reserve_has_room(store))
		return false;
	/* None was taken since the mount. */
	if (!last && index->automatics)
		last = index->automatic[index->automatics - 1].wall_ns;
	return !last || record->wall_ns < last || record->wall_ns - last >= interval_ns;
}

/* Somebody may have given the name already, or there may be no place for the entry that
 * can be read: then the next commit tries. */
static enum status automatic_take(struct store *store)
{
	char name[DISK_SNAPSHOT_NAME] = {0};
	struct disk_snapshot other;
	enum status status = STATUS_NOT_FOUND;

	text_format(name, sizeof(name), "%s%lu", keeping_prefix(KEEPING_TAKEN),
		    store->next.generation);
	if (!store->index.overflow)
		status = index_find(store, name, &other);
	if (status == STATUS_NOT_FOUND)
		status = snapshot_takeable(store);
	else if (status == STATUS_OK)
		status = STATUS_EXISTS;
	if (status != STATUS_OK)
		return status == STATUS_WAIT ? status : STATUS_OK;
	status = snapshot_take(store, DISK_SNAPSHOT_AUTOMATIC, name);
	if (status == STATUS_OK)
		store->retention.taken_ns = store->next.wall_ns;
	return status;
}

static enum status automatic_delete(struct store *store, uint32_t i)
{
	snapshot_t number = {store->index.automatic[i].number};
	enum status status = snapshot_deletable(store, number);

	ASSERT(i < store->index.automatics);
	if (status == STATUS_OK)
		status = snapshot_delete(store, number);
	if (status == STATUS_OK)
		store->retention.gone = number.n;
	/* Damaged: it cannot be deleted, so it is not counted upon any more. */
	if (status == STATUS_NOT_FOUND || commit_read_failed(store, status)) {
		index_forget(store, number);
		status = STATUS_OK;
	}
	return status;
}

/* Lets one go if one has to; *more: another one has to. */
static enum status retention_thin(struct store *store, bool *more)
{
	struct retention *retention = &store->retention;
	const struct index *index = &store->index;
	uint32_t surplus = automatic_surplus(store);

	if (surplus < index->automatics && !retention->gone && may_delete(store)) {
		enum status status = automatic_delete(store, surplus);

		if (status != STATUS_OK)
			return status;
		/* Nobody waits for its space. */
		retention->lazy = retention->gone;
		surplus = automatic_surplus(store);
	}
	*more = surplus < index->automatics;
	if (*more)
		retention->lazy = 0;
	/* Where damage has stopped the deletions none can be waited for. */
	if (reclaim_is_stuck(store))
		*more = over_budget(store);
	return STATUS_OK;
}

static enum status retention_follow(struct store *store)
{
	const struct index *index = &store->index;
	enum status status;
	bool more;

	ASSERT(index->complete);
	if (index->more && index->automatics <= AUTOMATIC_KEPT) {
		index_drop(store); /* The next ones become known. */
		return STATUS_OK;
	}
	status = retention_thin(store, &more);
	if (status == STATUS_OK && !more && automatic_due(store))
		status = automatic_take(store);
	return status;
}

enum status retention_apply(struct store *store)
{
	struct retention *retention = &store->retention;
	bool rules = store->next.retention.interval_s && !store->request.offline;
	enum status status;

	if (!retention->yield && !rules)
		return STATUS_OK;
	status = index_build(store, &retention->budget);
	if (status != STATUS_OK)
		return status == STATUS_WAIT ? status : STATUS_OK;
	if (retention->yield) {
		status = STATUS_OK;
		if (store->index.automatics && may_delete(store))
			status = automatic_delete(store, 0);
		/* After a read error the step is done again. */
		retention->yield = status == STATUS_WAIT || status == STATUS_IO;
		return status;
	}
	return retention_follow(store);
}

/* ---- space is short ------------------------------------------------------------------------ */

void retention_press(struct store *store)
{
	store->retention.lazy = 0;
}

bool retention_yields(struct store *store)
{
	struct retention *retention = &store->retention;

	retention->lazy = 0;
	/* A stream may build on an automatic snapshot, or lead back to one. */
	if (!store->record.snapshots || reclaim_is_stuck(store) ||
	    store->record.receiving.generation ||
	    (store->index.complete && !store->index.automatics))
		return false;
	retention->yield = true;
	return true;
}
