/* SPDX-License-Identifier: MIT */
/*
 * mapping.c - page tables in borrowed frames, and who maps what.
 *
 * A page lies in one range, and each root that maps something of a range has a `use` of it, for
 * each place at which it shows it.
 * Those of one range are a ring, of which one member is in the hash table:
 *
 *	hash[first, shift] --> use --ring--> use --ring--> ...     one range
 *	                        |
 *	task.uses ------------> use -----> use -----> ...          one root, noted last at the end
 *
 * A root that looks through a view has a use of that, too, as if it were a range of one page, under
 * the view's number, where no range is; so is found out who looks through it.  So withdrawing costs
 *by those who use the same range, not by how many machines there are. Nor by how many pages they
 *map: a root in which a run is not found out with a few looks is given up as a whole.  If there are
 *many users, the epoch is raised: all roots of before are given up, each when its machine is about
 *to be entered, and no use of theirs counts any more.  Nor by how many ranges they map something
 *of: of those of one root the one that was noted longest ago is withdrawn for one more.
 *
 * A use says that something may be mapped, and stays until its root goes or the range ends.
 *
 * Banks end with all that was made from them, and views with all that is seen through them.  A root
 * knows by a bit for each, of 64, through which of these it maps something; if one of those has
 * ended since it was looked at last, it is given up like one of an older epoch.
 */
#include "kernel/mapping.h"
#include <string.h>
#include "base/assert.h"
#include "kernel/kernel.h"
#include "kernel/memory.h"

struct use {
	uint64_t first;	    /* of the range */
	uint64_t further;   /* what it maps of it appears so many pages behind, modulo 2^64 */
	uint32_t shift;	    /* log2 of its pages */
	uint64_t low, high; /* pages of it, between which all lies that it maps */
	struct task *task;
	struct link link;	     /* in the list of its task, or of free ones */
	struct use *next, *previous; /* the ring */
	struct use *hash_next;	     /* only of the one that is in the table */
};

#define SHIFTS 34u /* the largest range has 2^33 pages */
#define CHAIN  8u  /* uses for each head of the hash table, about */

struct chain {
	struct use *first;
};

static struct {
	struct use *use; /* all of them */
	uint32_t count;
	struct list free;
	struct chain *hash; /* a power of two of them */
	uint32_t hash_shift;
	uint32_t ranges[SHIFTS]; /* rings by the size of their range */
	struct list roots;	 /* all tasks with page tables, who was entered last at the end */
	uint64_t epoch;
	uint64_t dying;		 /* a root that is to be given back; it names the next */
	uint64_t banks_ended;	 /* so many, */
	uint64_t bank_ended[64]; /* and the last of those with this bit */
} mapping;

static struct task *rooted(struct link *link)
{
	return (struct task *)link_owner(link, offsetof(struct task, root_link));
}

static struct use *use_of(struct link *link)
{
	return (struct use *)link_owner(link, offsetof(struct use, link));
}

/* ---- uses ------------------------------------------------------------------------- */

static uint64_t hash_heads(void)
{
	return UINT64_C(1) << (64 - mapping.hash_shift);
}

static struct use **hash_head(uint64_t first, uint32_t shift)
{
	uint64_t key = ((first >> shift) + shift) * UINT64_C(0x9e3779b97f4a7c15);

	return &mapping.hash[key >> mapping.hash_shift].first;
}

/* Where the ring's first is named; it names null if there is none. */
static struct use **ring_find(uint64_t first, uint32_t shift)
{
	struct use **link = hash_head(first, shift);

	while (*link && ((*link)->first != first || (*link)->shift != shift))
		link = &(*link)->hash_next;
	return link;
}

static void use_join(struct use *use)
{
	struct use **link = ring_find(use->first, use->shift), *first = *link;

	if (first) {
		use->next = first->next;
		use->previous = first;
		use->next->previous = use->previous->next = use;
		return;
	}
	use->next = use->previous = use;
	use->hash_next = NULL;
	*link = use;
	mapping.ranges[use->shift]++;
}

static void use_leave(struct use *use)
{
	struct use **link = ring_find(use->first, use->shift);

	ASSERT(*link);
	if (*link == use && use->next == use) {
		*link = use->hash_next;
		ASSERT(mapping.ranges[use->shift]);
		mapping.ranges[use->shift]--;
	} else if (*link == use) {
		use->next->hash_next = use->hash_next;
		*link = use->next;
	}
	use->next->previous = use->previous;
	use->previous->next = use->next;
}

/* In no ring are those of which the root was given up by an epoch. */
static void use_free(struct use *use)
{
	if (use->task->root_epoch == mapping.epoch)
		use_leave(use);
	list_remove(&use->task->uses, &use->link);
	memset(use, 0, sizeof(*use));
	list_append(&mapping.free, &use->link);
}

/* All that the use stands for.  `looks`: at so many entries of tables; what is left of them. */
static bool use_unmap(const struct use *use, uint32_t *looks)
{
	page_t first = {use->low + use->further};

	ASSERT(use->low <= use->high);
	return arch_unmap_range(use->task->root, first, use->high - use->low + 1, looks);
}

/* Nothing of it is mapped any more.  False: that was not found out, and the root is gone. */
static bool use_withdraw(struct use *use, uint32_t *looks)
{
	if (!use_unmap(use, looks)) {
		mapping_root_destroy(use->task); /* and with it the uses */
		return false;
	}
	use_free(use);
	return true;
}

static uint32_t range_shift(const struct mapping_range *range)
{
	ASSERT(range->pages && !(range->pages & (range->pages - 1)));
	ASSERT(!(range->first & (range->pages - 1)));
	return (uint32_t)__builtin_ctzll(range->pages);
}

static bool use_is(const struct use *use, uint64_t first, uint32_t shift)
{
	return use->first == first && use->shift == shift;
}

static bool use_is_view(const struct use *use)
{
	return use->first < USER_ARENA_PAGE;
}

/* The use of a place of the task's root, which is the last now, or null; then one of too many
 * is in *over, or null. */
static struct use *use_find(struct task *task, const struct use *wanted, struct use **over)
{
	/* Where there is none to be had, who has many gives one of his own. */
	uint32_t most = mapping.free.first ? KERNEL_USES_ROOT : KERNEL_USES_OWN;
	uint32_t uses = 0, places = 0;

	*over = NULL;
	for (struct link *link = task->uses.last; link; link = link->previous) {
		struct use *use = use_of(link);
		bool same = use_is(use, wanted->first, wanted->shift);

		if (same && use->further == wanted->further) {
			list_remove(&task->uses, link);
			list_append(&task->uses, link);
			return use;
		}
		/* A view stays known as long as something may be seen through it. */
		if ((same && ++places >= KERNEL_USES_PLACES) ||
		    (++uses >= most && places < KERNEL_USES_PLACES && !use_is_view(use)))
			*over = use;
	}
	return NULL;
}

/* The task's root is about to map something of the range.  False: there is no use to be had,
 * and its tables are gone. */
static bool use_note(struct task *task, const struct use *wanted)
{
	uint32_t looks = KERNEL_UNMAP_LOOKS;
	struct use *over, *use = use_find(task, wanted, &over);

	if (use) {
		use->low = wanted->low < use->low ? wanted->low : use->low;
		use->high = wanted->high > use->high ? wanted->high : use->high;
		return true;
	}
	if (over && !use_withdraw(over, &looks))
		return false;
	/* Each root that goes gives back its own; the task's is the last. */
	while (!mapping.free.first && task->root)
		mapping_root_destroy(rooted(mapping.roots.first));
	if (!task->root)
		return false;
	use = use_of(mapping.free.last);
	list_remove(&mapping.free, &use->link);
	*use = *wanted;
	use->task = task;
	list_append(&task->uses, &use->link);
	use_join(use);
	return true;
}

static bool shown_note(struct task *task, const struct mapping_shown *shown, page_t page)
{
	struct use range = {.first = shown->range.first,
			    .further = shown->further,
			    .shift = range_shift(&shown->range),
			    .low = page.n,
			    .high = page.n};
	struct use view = {.first = shown->view.n};

	ASSERT(shown->range.first >= USER_ARENA_PAGE && shown->view.n < OBJECT_MAX);
	static_assert(OBJECT_MAX <= USER_ARENA_PAGE, "where a view's number is, no range is");
	/* Of a root there is one view: with another it begins anew. */
	return (!shown->view.n || use_note(task, &view)) && use_note(task, &range);
}

/* Constant time, but for forgetting the rings. */
static void epoch_raise(void)
{
	memset(mapping.hash, 0, hash_heads() * sizeof(struct chain));
	memset(mapping.ranges, 0, sizeof(mapping.ranges));
	mapping.epoch++;
}

void mapping_init(uint32_t tasks)
{
	static_assert(KERNEL_TASKS_MIN * KERNEL_USES_TASK > KERNEL_USES_ROOT + 1,
		      "one root does not need all");
	ASSERT(tasks >= KERNEL_TASKS_MIN);
	mapping.count = tasks * KERNEL_USES_TASK;
	mapping.hash_shift = (uint32_t)__builtin_clzll(mapping.count / CHAIN) + 1;
	mapping.use = memory_boot_take_dirty(mapping.count * sizeof(struct use));
	mapping.hash = memory_boot_take_dirty(hash_heads() * sizeof(struct chain));
}

void mapping_reset(void)
{
	ASSERT(mapping.use && mapping.count);
	for (struct link *link = mapping.roots.first; link; link = link->next)
		arch_root_leave(rooted(link)->root);
	mapping.roots = (struct list){NULL, NULL};
	mapping.dying = 0;
	mapping.free = (struct list){NULL, NULL};
	epoch_raise();
	memset(mapping.use, 0, mapping.count * sizeof(*mapping.use));
	for (uint32_t i = 0; i < mapping.count; i++)
		list_append(&mapping.free, &mapping.use[i].link);
}

/* ---- roots ------------------------------------------------------------------------ */

static uint64_t table_take(void *context)
{
	frame_t frame;

	(void)context;
	if (store_frame_borrow(kernel.space.store, &frame) != STATUS_OK)
		return 0;
	return (uint64_t)frame.n * PAGE_SIZE;
}

static void table_give(void *context, uint64_t physical)
{
	(void)context;
	ASSERT(physical && physical % PAGE_SIZE == 0);
	store_frame_return(kernel.space.store, (frame_t){(uint32_t)(physical / PAGE_SIZE)});
}

static const struct arch_tables tables = {table_take, table_give, NULL};

/* Does it map nothing of what has ended? */
static bool root_good(struct task *task)
{
	bool good = task->root_epoch == mapping.epoch;

	if (task->root_banks_seen == mapping.banks_ended)
		return good;
	for (uint64_t bits = task->root_banks; bits && good; bits &= bits - 1)
		good = mapping.bank_ended[__builtin_ctzll(bits)] <= task->root_banks_seen;
	task->root_banks_seen = mapping.banks_ended;
	return good;
}

void mapping_withdraw_bank(uint64_t version)
{
	ASSERT(version);
	mapping.bank_ended[__builtin_ctzll(bank_bit(version))] = ++mapping.banks_ended;
}

bool mapping_root_ensure(struct task *task)
{
	ASSERT(task->place != TASK_FREE && task->object.n);
	if (task->root && !root_good(task))
		mapping_root_destroy(task);
	if (task->root) {
		list_remove(&mapping.roots, &task->root_link);
		list_append(&mapping.roots, &task->root_link);
		return true;
	}
	ASSERT(!task->uses.first);
	task->root = arch_root_create(&tables);
	if (!task->root)
		return false;
	task->root_generation = store_generation(kernel.space.store).n;
	task->root_epoch = mapping.epoch;
	task->root_banks = 0;
	task->root_banks_seen = mapping.banks_ended;
	list_append(&mapping.roots, &task->root_link);
	return true;
}

/* The last word of a root, which is of the kernel's half, is nobody's when that is not
 * loaded any more. */
static uint64_t *dying_next(uint64_t root)
{
	return (uint64_t *)(void *)(arch_direct(root) + PAGE_SIZE) - 1;
}

void mapping_root_destroy(struct task *task)
{
	if (!task->root)
		return;
	list_remove(&mapping.roots, &task->root_link);
	while (task->uses.first)
		use_free(use_of(task->uses.first));
	arch_root_leave(task->root);
	*dying_next(task->root) = mapping.dying;
	mapping.dying = task->root;
	task->root = 0;
}

bool mapping_step(void)
{
	uint64_t root = mapping.dying, next;

	if (!root)
		return false;
	next = *dying_next(root);
	if (arch_root_give(&tables, root))
		mapping.dying = next;
	return mapping.dying != 0;
}

bool mapping_reclaim(void)
{
	struct task *task = rooted(mapping.roots.first);

	if (!mapping.dying) {
		if (task && task->place == TASK_RUNNING)
			task = rooted(task->root_link.next);
		if (!task)
			return false;
		mapping_root_destroy(task);
	}
	mapping_step();
	return true;
}

/* ---- mapping ---------------------------------------------------------------------- */

bool mapping_add(struct task *task, const struct mapping_shown *shown, page_t page, frame_t frame,
		 unsigned flags)
{
	page_t place = {page.n + shown->further};

	/* Nothing else is ever a program's, whatever a page of the store says. */
	ASSERT(page.n >= USER_ARENA_PAGE && page.n < USER_ARENA_END);
	ASSERT(page.n - shown->range.first < shown->range.pages);
	ASSERT(!shown->further || window_holds(place.n, 1));
	ASSERT(task->root);
	/* The frame may have been had by withdrawing another page from everybody.  Here and
	 * below: it is entered with new tables, and faults again. */
	if (task->root_epoch != mapping.epoch)
		return true;
	if (!shown_note(task, shown, page))
		return true;
	task->root_banks |= shown->banks;
	return arch_map(&tables, task->root, place, (uint64_t)frame.n * PAGE_SIZE, flags);
}

/* ---- withdrawing ------------------------------------------------------------------- */

/* So many of the ring are asked for the page.  If they are not all, the next time it begins
 * with those who were not, and the answer is false. */
static bool ring_visit(struct use **link, uint32_t most, page_t page,
		       bool (*visit)(uint64_t root, page_t page), bool *any)
{
	struct use *first = *link, *use = first;

	for (uint32_t i = 0; use && i < most; i++) {
		if (page.n >= use->low && page.n <= use->high)
			*any |= visit(use->task->root, (page_t){page.n + use->further});
		use = use->next == first ? NULL : use->next;
	}
	if (!use)
		return true;
	use->hash_next = first->hash_next;
	*link = use;
	return false;
}

/* Who uses the range that the page is of, of whatever size that is: so many of each. */
static bool page_visit(page_t page, uint32_t most, bool (*visit)(uint64_t root, page_t page),
		       bool *any)
{
	bool all = true;

	*any = false;
	if (page.n < USER_ARENA_PAGE || page.n >= USER_ARENA_END)
		return true;
	for (uint32_t shift = 0; shift < SHIFTS; shift++)
		if (mapping.ranges[shift])
			all &= ring_visit(ring_find(page.n >> shift << shift, shift), most, page,
					  visit, any);
	return all;
}

void mapping_withdraw(page_t page)
{
	bool any;

	if (!page_visit(page, KERNEL_USERS_PAGE, arch_unmap, &any))
		epoch_raise();
}

bool mapping_referenced(page_t page)
{
	bool any;

	page_visit(page, KERNEL_USERS_ASKED, arch_referenced, &any);
	return any;
}

static void task_withdraw(struct task *task, page_t place, uint64_t pages, uint32_t *looks)
{
	ASSERT(place.n < USER_ARENA_END);
	if (pages > USER_ARENA_END - place.n)
		pages = USER_ARENA_END - place.n;
	if (task->root && !arch_unmap_range(task->root, place, pages, looks))
		mapping_root_destroy(task);
}

void mapping_withdraw_at(struct task *task, page_t place, uint64_t pages)
{
	uint32_t looks = KERNEL_UNMAP_LOOKS;

	task_withdraw(task, place, pages, &looks);
}

void mapping_withdraw_range(const struct mapping_range *range)
{
	uint32_t shift = range_shift(range), looks = KERNEL_UNMAP_LOOKS;
	struct use *use;

	for (uint32_t i = 0, roots = 0; (use = *ring_find(range->first, shift)); i++) {
		if (i == KERNEL_USERS_RANGE || roots == KERNEL_ROOTS_RANGE) {
			epoch_raise();
			return;
		}
		roots += !use_withdraw(use, &looks);
	}
}

void mapping_withdraw_view_end(object_t view, uint64_t version)
{
	struct use *use;

	for (uint32_t i = 0; (use = *ring_find(view.n, 0)); i++) {
		if (i == KERNEL_ROOTS_RANGE) {
			mapping_withdraw_bank(version);
			return;
		}
		mapping_root_destroy(use->task);
	}
}

void mapping_withdraw_view(object_t view, uint64_t version, page_t place, uint64_t pages)
{
	struct use *first = *ring_find(view.n, 0), *use = first;
	uint32_t looks = KERNEL_UNMAP_LOOKS, users = 0;
	struct task *user[KERNEL_ROOTS_RANGE];

	while (use && users < KERNEL_ROOTS_RANGE) {
		user[users++] = use->task;
		use = use->next == first ? NULL : use->next;
	}
	if (use) {
		mapping_withdraw_bank(version);
		return;
	}
	for (uint32_t i = 0; i < users; i++)
		task_withdraw(user[i], place, pages, &looks);
}
