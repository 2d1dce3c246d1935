/* SPDX-License-Identifier: MIT */
/*
 * test_lookup.c - what may be a snapshot's name, what is meant by what somebody
 * types, and rules for what is kept.
 */
#include "store/keeping.h"
#include "tests/unit/store/fixture.h"
#include "tools/mkstore/host.h"

#define FRAMES 200u

/* ---- names ----------------------------------------------------------------------- */

static void test_names(void **state)
{
	static const char *const good[] = {
		"a", "live1",	"alive", "auto",     "auto-",		"auto-x",
		"1", "auto-1.", "a b",	 "\xc3\xa4", "before-restore-", "before-5"};
	static const char *const bad[] = {"",
					  "live",
					  "#",
					  "#1",
					  "#a",
					  "@",
					  "@2",
					  "-",
					  "-1s",
					  "-a",
					  "a\n",
					  "a\x7fz",
					  "auto-0",
					  "auto-17",
					  "before-restore-3",
					  "before-receive-0"};
	char text[DISK_SNAPSHOT_NAME + 1];

	(void)state;
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_null(keeping_name_fault(good[i]));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(keeping_name_fault(bad[i]));
	memset(text, 'x', sizeof(text));
	text[DISK_SNAPSHOT_NAME] = 0;
	assert_non_null(keeping_name_fault(text));
	text[DISK_SNAPSHOT_NAME - 1] = 0;
	assert_null(keeping_name_fault(text));
}

/* ---- rules ------------------------------------------------------------------------- */

static void test_rules(void **state)
{
	static const struct {
		const char *text, *fault;
	} bad[] = {
		{"", "write it like"},
		{"10s,", "write it like"},
		{"10s;5m", "write it like"},
		{"1.5s", "write it like"},
		{"offer", "write it like"},
		{"0s", "a second"},
		{"60m", "is missing"},
		{"10s,65536m", "too large"},
		{"10s,65536h", "too large"},
		{"10s,65536d", "too large"},
		{"4294967296s", "too large"},
		{"10s,100.1%", "100 %"},
		{"10s,800m,80h,9d", "more than 896"}, /* and 8 of the last minute */
	};
	struct disk_retention rule;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *fault = keeping_rule_parse(bad[i].text, &rule);

		assert_non_null(fault);
		assert_non_null(strstr(fault, bad[i].fault));
	}
	assert_null(keeping_rule_parse("10s,800m,80h,8d,2.5%", &rule));
	assert_int_equal(keeping_rule_snapshots(&rule), KEEPING_RULE_MOST);
	assert_int_equal(rule.budget, 25);
	assert_null(keeping_rule_parse("off", &rule));
	assert_int_equal(keeping_rule_snapshots(&rule), 0);
}

/* ---- snapshots that have such names already ----------------------------------------- */

static uint64_t found(struct host *host, const char *text)
{
	struct store_snapshot snapshot;
	enum status status = lookup_snapshot(host, text, &snapshot);

	if (status == STATUS_NOT_FOUND)
		return 0;
	assert_int_equal(status, STATUS_OK);
	return snapshot.number.n;
}

static void host_do(struct host *host, enum store_action action, uint64_t number, const char *name)
{
	assert_int_equal(host_commit(host, action, (snapshot_t){number}, name), STATUS_OK);
}

/* Each is reached by its number, whatever it and others are called. */
static void test_existing(void **state)
{
	static const char *const names[] = {"live", "#1", "@2", "-0s", "auto-7", "#3"};
	struct fixture *f = fixture_new(DISK_SECTORS_MIN, 64, 512);
	struct host host;
	char text[8];

	(void)state;
	fixture_checkpoint(f);
	f->queued = 0;
	assert_int_equal(host_open_device(&host, &f->device, "store", HOST_WRITE, FRAMES),
			 COMMAND_OK);
	for (unsigned i = 0; i < 6; i++)
		host_do(&host, STORE_ACTION_SNAPSHOT, 0, names[i]);
	for (unsigned i = 1; i <= 6; i++) {
		snprintf(text, sizeof(text), "#%u", i);
		assert_int_equal(found(&host, text), i);
	}
	assert_int_equal(found(&host, "live"), 1);
	assert_int_equal(found(&host, "auto-7"), 5);
	assert_int_equal(found(&host, "-0s"), 6);
	assert_int_equal(found(&host, "#7"), 0);
	assert_int_equal(found(&host, "@1000"), 6);
	host_do(&host, STORE_ACTION_RENAME, 2, "ordinary");
	assert_int_equal(found(&host, "ordinary"), 2);
	host_do(&host, STORE_ACTION_RESTORE, 3, "");
	host_do(&host, STORE_ACTION_DELETE, 4, "");
	assert_int_equal(found(&host, "#4"), 0);
	assert_int_equal(found(&host, "#3"), 3);
	host_close(&host);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_existing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
