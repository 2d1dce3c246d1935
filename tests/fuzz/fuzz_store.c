/* SPDX-License-Identifier: MIT */
/*
 * fuzz_store.c - a store of any content is mounted, read, written and committed,
 * and the verifier, which shares no code with the engine, is asked as well.
 *
 * Whatever the content:
 *   - both choose the same generation, or both refuse (unless something matches
 *     its checksum and makes no sense, which no disk does: they may differ on what
 *     to make of it, but not on that something is wrong);
 *   - what the verifier finds without fault, the engine reads whole and equal;
 *   - what the engine cannot read, the verifier reports;
 *   - a store without fault is one after any operations, too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_priv.h"
#include "tests/fuzz/edit.h"
#include "tests/fuzz/fuzz.h"
#include "tools/verify/verify.h"

/* More pages than a base has: a space that seems larger is not read to its end. */
#define PAGES_READ     400u
#define SNAPSHOTS_READ 40u

static struct fuzz_engine engine;
static struct fuzz_base *bases[BASES];

int LLVMFuzzerInitialize(int *count, char ***words)
{
	(void)count;
	(void)words;
	fuzz_engine_create(&engine);
	for (unsigned i = 0; i < BASES; i++)
		bases[i] = base_make(i, &engine);
	return 0;
}

/* ---- the verifier's opinion -------------------------------------------------------- */

struct opinion {
	enum status status;
	struct verify *verify;
	struct verify_totals totals;
	bool strange; /* something matches its checksum and makes no sense */
};

static void opinion_report(void *context, const struct verify_finding *finding)
{
	struct opinion *opinion = context;

	const uint32_t senseless =
		1u << VERIFY_SUPERBLOCK | 1u << VERIFY_RECORD | 1u << VERIFY_TOMBSTONE |
		1u << VERIFY_RING | 1u << VERIFY_REFERENCE | 1u << VERIFY_CONTENT |
		1u << VERIFY_NODE | 1u << VERIFY_OVERLAP | 1u << VERIFY_AUXILIARY;

	if (finding->severity == VERIFY_ERROR && senseless >> finding->code & 1)
		opinion->strange = true;
	if (fuzz_verbose())
		fprintf(stderr, "    verify: %s: %s\n", verify_code_text(finding->code),
			finding->text);
}

static void opinion_get(struct fuzz_base *base, struct opinion *opinion)
{
	struct verify_reader reader = fuzz_disk_reader(&base->disk);
	struct verify_options options = {.report = opinion_report, .context = opinion};

	memset(opinion, 0, sizeof(*opinion));
	opinion->verify = verify_open(&reader, &options);
	FUZZ_CHECK(opinion->verify, "no memory for the verifier");
	opinion->status = verify_run(opinion->verify);
	opinion->totals = *verify_totals_get(opinion->verify);
	FUZZ_CHECK((opinion->status == STATUS_OK) == (opinion->totals.errors == 0),
		   "the verifier says %s and %llu errors", status_text(opinion->status),
		   (unsigned long long)opinion->totals.errors);
}

/* ---- reading everything --------------------------------------------------------------- */

/* Reads all pages with both; they must tell the same. */
static void pages_compare(struct opinion *opinion)
{
	uint8_t expected[PAGE_SIZE];
	uint64_t page, from = 0;

	for (unsigned i = 0; i < PAGES_READ; i++) {
		enum status status = fuzz_engine_next(&engine, from, &page), other;
		page_t next = {0};
		void *data;

		if (opinion->status == STATUS_OK) {
			other = verify_page_next(opinion->verify, (page_t){from}, &next);
			FUZZ_CHECK(status == other, "next page after %llx: %s, verifier %s",
				   (unsigned long long)from, status_text(status),
				   status_text(other));
			FUZZ_CHECK(status != STATUS_OK || page == next.n, "next page after %llx",
				   (unsigned long long)from);
		}
		if (status != STATUS_OK)
			break;
		status = fuzz_engine_page(&engine, page, false, &data);
		other = verify_page_read(opinion->verify, (page_t){page}, expected);
		FUZZ_CHECK(opinion->strange || status == other, "page %llx: engine %s, verifier %s",
			   (unsigned long long)page, status_text(status), status_text(other));
		FUZZ_CHECK(status != STATUS_OK || other != STATUS_OK ||
				   memcmp(data, expected, PAGE_SIZE) == 0,
			   "page %llx differs", (unsigned long long)page);
		FUZZ_CHECK(status == STATUS_OK || opinion->status != STATUS_OK,
			   "page %llx: %s, and the verifier is content", (unsigned long long)page,
			   status_text(status));
		from = page + 1;
	}
}

static void snapshots_compare(struct opinion *opinion)
{
	struct store_snapshot snapshot, found;
	uint64_t after = 0;

	for (unsigned i = 0; i < SNAPSHOTS_READ; i++) {
		enum status status = fuzz_engine_snapshot_next(&engine, after, &snapshot);
		const struct disk_snapshot *other = verify_snapshot_at(opinion->verify, i);

		if (opinion->status == STATUS_OK) {
			FUZZ_CHECK((status == STATUS_OK) == (other != NULL),
				   "snapshot after %llu: %s", (unsigned long long)after,
				   status_text(status));
			FUZZ_CHECK(!other || (snapshot.number.n == other->number &&
					      snapshot.generation.n == other->generation &&
					      !strcmp(snapshot.name, other->name)),
				   "snapshot after %llu differs", (unsigned long long)after);
		}
		if (status != STATUS_OK)
			return;
		after = snapshot.number.n;
		status = fuzz_engine_snapshot_find(&engine, snapshot.name, &found);
		FUZZ_CHECK(opinion->status != STATUS_OK || !snapshot.name[0] ||
				   (snapshot.flags & DISK_SNAPSHOT_DYING) || status == STATUS_OK,
			   "snapshot '%s' is not found", snapshot.name);
	}
}

/* Both see the same store, or none.  True: they do, and it can be read. */
static bool choice_compare(const struct opinion *opinion, enum status mounted)
{
	uint64_t generation = opinion->totals.generation.n;
	bool same = mounted == STATUS_OK && engine.recovery.generation.n == generation;

	if (mounted != STATUS_OK) {
		FUZZ_CHECK(opinion->totals.errors, "not mounted (%s: %s), the verifier is content",
			   status_text(mounted), engine.recovery.explanation);
		return false;
	}
	/* Two records of one generation: each may take another. */
	if (opinion->strange)
		return same && engine.store->record.slot == opinion->totals.slot;
	FUZZ_CHECK(generation, "mounted at %llu, the verifier (%s) finds nothing",
		   (unsigned long long)engine.recovery.generation.n, status_text(opinion->status));
	FUZZ_CHECK(same, "mounted at generation %llu, the verifier chooses %llu",
		   (unsigned long long)engine.recovery.generation.n,
		   (unsigned long long)generation);
	FUZZ_CHECK((engine.recovery.torn.n != 0) == (opinion->totals.torn.n != 0),
		   "torn %llu, the verifier says %llu", (unsigned long long)engine.recovery.torn.n,
		   (unsigned long long)opinion->totals.torn.n);
	return true;
}

/* ---- operations ------------------------------------------------------------------------- */

enum step { STEP_WRITE, STEP_CLEAR, STEP_COMMIT, STEP_ACTION, STEP_REMOUNT, STEP_WRITES_FAIL };

/* False: the store is gone. */
static bool step_action(struct fuzz_base *base, const struct fuzz_edit *edit)
{
	static const enum store_action actions[] = {STORE_ACTION_SNAPSHOT, STORE_ACTION_RESTORE,
						    STORE_ACTION_DELETE, STORE_ACTION_STOP};
	char name[8] = {'n', (char)('a' + edit->offset % 4)};

	fuzz_engine_commit(&engine, actions[edit->how / 16 % 4], edit->from % 8,
			   edit->target & 1 ? name : "");
	return !store_replaced(engine.store) ||
	       fuzz_engine_mount(&engine, &base->disk, false) == STATUS_OK;
}

static bool step_run(struct fuzz_base *base, const struct fuzz_edit *edit)
{
	uint64_t page = base_page(edit->target, edit->offset % 160);
	void *data;

	switch ((enum step)(edit->how % 8)) {
	case STEP_CLEAR:
		fuzz_engine_clear(&engine, page, 1 + edit->from % 300);
		return true;
	case STEP_COMMIT:
		fuzz_engine_commit(&engine, STORE_ACTION_NONE, 0, "");
		return true;
	case STEP_ACTION:
		return step_action(base, edit);
	case STEP_REMOUNT:
		return fuzz_engine_mount(&engine, &base->disk, edit->from & 1) == STATUS_OK;
	case STEP_WRITES_FAIL:
		base->disk.writes_left = edit->from % 16;
		return true;
	default:
		for (unsigned i = 0; i <= edit->from % 8u; i++)
			if (fuzz_engine_page(&engine, page + i, true, &data) == STATUS_OK)
				fuzz_page_fill(data, (uint32_t)edit->value + i);
		return true;
	}
}

static void steps_run(struct fuzz_base *base, const struct fuzz_script *script)
{
	bool there = true;

	for (unsigned i = 0; there && i < script->edits; i++)
		if (script->edit[i].kind == EDIT_STEP)
			there = step_run(base, &script->edit[i]);
	if (there)
		fuzz_engine_commit(&engine, STORE_ACTION_NONE, 0, "");
}

static bool has_steps(const struct fuzz_script *script)
{
	for (unsigned i = 0; i < script->edits; i++)
		if (script->edit[i].kind == EDIT_STEP)
			return true;
	return false;
}

/* ---- one run ----------------------------------------------------------------------------- */

/* Is the store without fault, also where it cannot be read now?  One whose ring says that
 * half of its slots failed one after the other was never written: its newest record's
 * predecessor lies where the next ones come.  *generation: the one that recovery chooses
 * when all can be read. */
static bool base_is_sound(struct fuzz_base *base, uint64_t *generation)
{
	uint64_t bad = base->disk.bad_count;
	struct opinion opinion;
	bool sound;

	base->disk.bad_count = 0;
	opinion_get(base, &opinion);
	sound = opinion.status == STATUS_OK && opinion.totals.warnings < DISK_RING_SLOTS / 2;
	*generation = opinion.totals.generation.n;
	verify_close(opinion.verify);
	base->disk.bad_count = bad;
	return sound;
}

static void run(struct fuzz_base *base, const struct fuzz_script *script)
{
	uint64_t whole = 0;
	bool sound = has_steps(script) && base_is_sound(base, &whole);
	struct opinion opinion;
	enum status mounted;

	opinion_get(base, &opinion);
	/* What cannot be read is no sign of a torn commit: one that is torn there goes on. */
	sound &= opinion.totals.generation.n == whole;
	mounted = fuzz_engine_mount(&engine, &base->disk, false);
	if (choice_compare(&opinion, mounted)) {
		pages_compare(&opinion);
		snapshots_compare(&opinion);
	}
	verify_close(opinion.verify);
	if (mounted != STATUS_OK || !has_steps(script))
		return;
	steps_run(base, script);
	if (!sound)
		return;
	base->disk.bad_count = 0;
	opinion_get(base, &opinion);
	FUZZ_CHECK(opinion.status == STATUS_OK, "the operations left a store with faults");
	verify_close(opinion.verify);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_script script;

	script_read(&script, data, size);
	script_apply(bases[script.base], &script);
	run(bases[script.base], &script);
	script_revert(bases[script.base]);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
	return script_mutate(data, size, most, seed);
}
