/* SPDX-License-Identifier: MIT */
/*
 * keeping.h - how people write which snapshot, and which generations are kept.
 *
 *   which snapshot    NAME, #NUMBER, @GENERATION (the newest that is not younger),
 *                     -10m (the newest that is at least so old; s, m, h, d); what can
 *                     be read as one of these is never read as a name, so nobody may
 *                     give such a name
 *   retention rule    10s,60m,24h,7d,20%: one at most every 10 seconds, then one
 *                     for each of 60 minutes, 24 hours, 7 days, within 20 % of the
 *                     store; or `off`
 *
 * For the host tool and for programs alike, so it includes nothing but integers.
 */
#ifndef STORE_KEEPING_H
#define STORE_KEEPING_H

#include <stdbool.h>
#include <stdint.h>
#include "base/quantity.h"
#include "base/text.h"
#include "base/types.h"
#include "disk/format.h"

#define KEEPING_RULE_TEXT 64u /* bytes of a rule as text, at most */
/* Snapshots that a rule may keep; there is room for those on their way out. */
#define KEEPING_RULE_MOST      896u
#define KEEPING_RULE_MOST_TEXT "896"

enum keeping_form { KEEPING_NAME, KEEPING_NUMBER, KEEPING_GENERATION, KEEPING_AGE };

/* *value: the number, the generation, or the age in seconds. */
static inline enum keeping_form keeping_form_of(const char *text, uint64_t *value)
{
	const char *at = text + 1;

	if ((*text == '#' || *text == '@') && quantity_digits(&at, UINT64_MAX / 20, value) && !*at)
		return *text == '#' ? KEEPING_NUMBER : KEEPING_GENERATION;
	at = text + 1;
	if (*text == '-' && quantity_digits(&at, UINT32_MAX, value) && quantity_unit(*at) &&
	    !at[1]) {
		*value *= quantity_unit(*at);
		return KEEPING_AGE;
	}
	return KEEPING_NAME;
}

/* What is meant to stand for a number, a generation or an age, and does not: why; null:
 * it can be read, or is a name. */
static inline const char *keeping_form_fault(const char *text)
{
	uint64_t value;

	if (keeping_form_of(text, &value) != KEEPING_NAME)
		return 0;
	switch (*text) {
	case '-':
		return "not an age: write it like -30s, -10m, -2h or -7d";
	case '#':
		return "not the number of a snapshot: write it like #12";
	case '@':
		return "not a generation: write it like @57";
	}
	return 0;
}

/* Where a generation comes from that was received as a stream. */
struct store_source {
	uint8_t identity[16]; /* of the store that sent it */
	uint64_t generation;  /* its number there; 0: it was not received */
	uint64_t digest;      /* store_view_digest of it there */
	uint64_t uptime_ns;   /* persistent uptime there; only for a commit */
};

/* In the flags of a snapshot, besides enum disk_snapshot_flags: nothing but its number is
 * known, those behind the one before and up to it cannot be read. */
#define STORE_SNAPSHOT_UNREADABLE 0x80000000u
#define STORE_SNAPSHOT_FAILED	  0x40000000u /* the disk reports an error, which may pass */
/* Nobody can go back to it. */
#define STORE_SNAPSHOT_GONE (DISK_SNAPSHOT_DYING | DISK_SNAPSHOT_BRANCH)

/* A snapshot as all see it from the store to the shell.  Programs of older systems know
 * the beginning of it: append. */
struct store_snapshot {
	snapshot_t number;
	snapshot_t parent;
	generation_t generation;
	uint64_t pages;
	uint64_t wall_ns;
	uint64_t uptime_ns;
	uint32_t flags;
	uint32_t children;
	uint64_t held_sectors;	       /* replaced in what descends from it and kept for it */
	char name[DISK_SNAPSHOT_NAME]; /* ends with a zero */
	struct store_source source;
};

/* A search through all snapshots, oldest first, for the one that is meant. */
struct keeping_search {
	const char *text;
	enum keeping_form form;
	uint64_t value, now_ns;
	snapshot_t last;	     /* the one looked at last */
	struct store_snapshot found; /* the newest so far; number 0: none */
	/* Those up to these numbers cannot be read and may be meant, for the disk fails, or
	 * are damaged; 0: none. */
	uint64_t failed, damaged;
};

static inline void keeping_search_begin(struct keeping_search *search, const char *text,
					uint64_t now_ns)
{
	*search = (struct keeping_search){.text = text, .now_ns = now_ns};
	search->form = keeping_form_of(text, &search->value);
}

static inline bool keeping_name_is(const char *name, const char *text)
{
	for (uint32_t i = 0; i < DISK_SNAPSHOT_NAME; i++) {
		if (name[i] != text[i])
			return false;
		if (!text[i])
			return true;
	}
	return !text[DISK_SNAPSHOT_NAME];
}

/* Is it what is meant? */
static inline bool keeping_search_meets(const struct keeping_search *search,
					const struct store_snapshot *snapshot)
{
	uint64_t now = search->now_ns;

	switch (search->form) {
	case KEEPING_NUMBER:
		return snapshot->number.n == search->value;
	case KEEPING_GENERATION:
		return snapshot->generation.n <= search->value;
	case KEEPING_AGE:
		return snapshot->wall_ns <= now &&
		       now - snapshot->wall_ns >= search->value * 1000000000;
	case KEEPING_NAME:
		return keeping_name_is(snapshot->name, search->text);
	}
	return false;
}

/* The next one, as store_snapshot_next tells it. */
static inline void keeping_search_look(struct keeping_search *search,
				       const struct store_snapshot *snapshot)
{
	uint64_t number = snapshot->number.n;
	bool passed = search->form == KEEPING_NUMBER &&
		      (search->value <= search->last.n || search->value > number);

	search->last = snapshot->number;
	if (!(snapshot->flags & STORE_SNAPSHOT_UNREADABLE)) {
		if (!(snapshot->flags & STORE_SNAPSHOT_GONE) &&
		    keeping_search_meets(search, snapshot))
			search->found = *snapshot;
	} else if (!passed) {
		if (snapshot->flags & STORE_SNAPSHOT_FAILED)
			search->failed = number;
		else
			search->damaged = number;
	}
}

/* At the end: may what the disk does not read now be meant rather than what was found?  What
 * is damaged stays so, and hinders nothing that was found. */
static inline bool keeping_search_doubtful(const struct keeping_search *search)
{
	bool sole =
		search->form == KEEPING_NAME || search->form == KEEPING_NUMBER ||
		(search->form == KEEPING_GENERATION && search->found.generation.n == search->value);

	return search->failed &&
	       (!search->found.number.n || (!sole && search->failed > search->found.number.n));
}

/* Who gave a snapshot its name.  The system's are a word and the number of the generation:
 * it has taken that by itself, or a restore, or a stream, has replaced it. */
enum keeping_giver { KEEPING_OWNER, KEEPING_TAKEN, KEEPING_RESTORED, KEEPING_RECEIVED };

static inline const char *keeping_prefix(enum keeping_giver giver)
{
	return giver == KEEPING_TAKEN	   ? "auto-"
	       : giver == KEEPING_RESTORED ? "before-restore-"
	       : giver == KEEPING_RECEIVED ? "before-receive-"
					   : "";
}

/* *generation: the number in a name of the system's. */
static inline enum keeping_giver keeping_giver_of(const char *name, uint64_t *generation)
{
	for (enum keeping_giver giver = KEEPING_RECEIVED; giver != KEEPING_OWNER; giver--) {
		const char *prefix = keeping_prefix(giver), *at = name;

		while (*prefix && *at == *prefix)
			at++, prefix++;
		if (!*prefix && quantity_digits(&at, UINT64_MAX, generation) && !*at)
			return giver;
	}
	return KEEPING_OWNER;
}

/* The same of a snapshot: whoever was given a name, or another one, is its owner's. */
static inline enum keeping_giver keeping_keeper(uint32_t flags, const char *name,
						uint64_t generation)
{
	uint64_t number;
	enum keeping_giver giver = keeping_giver_of(name, &number);

	return flags & DISK_SNAPSHOT_AUTOMATIC && giver != KEEPING_OWNER && number == generation
		       ? giver
		       : KEEPING_OWNER;
}

/*
 * What is wrong with this as the name that somebody gives a snapshot, completing
 * "cannot name a snapshot: ..."; null: nothing.  Snapshots that have such a name,
 * from elsewhere or from before, keep it, and are found by their numbers.
 */
static inline const char *keeping_name_fault(const char *name)
{
	unsigned length = 0;
	uint64_t number;

	if (*name == '#' || *name == '@' || *name == '-')
		return "what begins with #, @ or - stands for a number, a generation or an age";
	if (text_equal(name, "live"))
		return "'live' stands for the present state";
	for (; name[length]; length++)
		if ((unsigned char)name[length] < ' ' || name[length] == 0x7f)
			return "a control character is in it";
	if (!length || length >= DISK_SNAPSHOT_NAME)
		return "a name has 1 to 63 bytes";
	if (name[0] == ' ' || name[length - 1] == ' ')
		return "a space is at its beginning or end";
	return keeping_giver_of(name, &number) != KEEPING_OWNER
		       ? "the system gives such names to the generations that it keeps"
		       : 0;
}

/* ---- the rule ------------------------------------------------------------------ */

#define KEEPING_RULE_FORM   "write it like 10s,60m,24h,7d,20%, or off"
#define KEEPING_RULE_NUMBER "a number in it is too large"

/* Snapshots that a rule keeps, at most. */
static inline uint64_t keeping_rule_snapshots(const struct disk_retention *rule)
{
	uint64_t most = (uint64_t)rule->minutes + rule->hours + rule->days;

	/* All of the last minute, from its end to its end. */
	return rule->interval_s ? most + 60 / rule->interval_s + 2 : most;
}

/* One part of a rule: "60m", "2.5%".  *text is left behind it.  Null, or what is
 * wrong. */
static inline const char *keeping_rule_part(const char **text, struct disk_retention *rule)
{
	uint64_t value, tenth = 0;
	bool small = true;

	if (**text < '0' || **text > '9')
		return KEEPING_RULE_FORM;
	if (!quantity_digits(text, UINT32_MAX, &value))
		return KEEPING_RULE_NUMBER;
	if (**text == '.') {
		++*text;
		if (!quantity_digits(text, 9, &tenth) || **text != '%')
			return KEEPING_RULE_FORM;
	}
	switch (*(*text)++) {
	case 's':
		rule->interval_s = (uint32_t)value;
		return value ? 0 : "there must be a second between two, at least";
	case 'm':
		rule->minutes = (uint16_t)value;
		small = value <= UINT16_MAX;
		break;
	case 'h':
		rule->hours = (uint16_t)value;
		small = value <= UINT16_MAX;
		break;
	case 'd':
		rule->days = (uint16_t)value;
		small = value <= UINT16_MAX;
		break;
	case '%':
		rule->budget = (uint16_t)(value * 10 + tenth);
		return value * 10 + tenth <= 1000 ? 0 : "they cannot hold more than 100 %";
	default:
		return KEEPING_RULE_FORM;
	}
	return small ? 0 : KEEPING_RULE_NUMBER;
}

/* Null, or what is wrong with it as a rule. */
static inline const char *keeping_rule_parse(const char *text, struct disk_retention *rule)
{
	const char *fault = 0;

	*rule = (struct disk_retention){.budget = 200};
	if (text_equal(text, "off")) {
		rule->budget = 0;
		return 0;
	}
	while (!(fault = keeping_rule_part(&text, rule)) && *text)
		if (*text++ != ',')
			return KEEPING_RULE_FORM;
	if (fault)
		return fault;
	if (!rule->interval_s)
		return "the least time between two is missing, as in 10s,60m";
	return keeping_rule_snapshots(rule) <= KEEPING_RULE_MOST
		       ? 0
		       : "it would keep more than " KEEPING_RULE_MOST_TEXT " snapshots";
}

static inline char *keeping_put(char *at, uint64_t value, char unit)
{
	char digits[20];
	unsigned count = 0;

	do
		digits[count++] = (char)('0' + value % 10);
	while (value /= 10);
	while (count)
		*at++ = digits[--count];
	*at++ = unit;
	return at;
}

static inline const char *keeping_rule_text(const struct disk_retention *rule,
					    char text[KEEPING_RULE_TEXT])
{
	char *at = text;

	if (!rule->interval_s) {
		text[0] = 'o';
		text[1] = text[2] = 'f';
		text[3] = 0;
		return text;
	}
	at = keeping_put(at, rule->interval_s, 's');
	*at++ = ',';
	at = keeping_put(at, rule->minutes, 'm');
	*at++ = ',';
	at = keeping_put(at, rule->hours, 'h');
	*at++ = ',';
	at = keeping_put(at, rule->days, 'd');
	*at++ = ',';
	if (rule->budget % 10) {
		at = keeping_put(at, rule->budget / 10, '.');
		at = keeping_put(at, rule->budget % 10, '%');
	} else {
		at = keeping_put(at, rule->budget / 10, '%');
	}
	*at = 0;
	return text;
}

#endif
