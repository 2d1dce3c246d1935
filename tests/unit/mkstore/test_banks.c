/* SPDX-License-Identifier: MIT */
/*
 * test_banks.c - what `mkstore banks` shows of a tree of banks, two deep, of which some are
 * dying; and what mkstore does in the directories that they pay for.
 */
#include <fcntl.h>

#include "tests/unit/mkstore/verify_sample.h"

static char output[1u << 16];

/* What the command prints. */
static enum command_exit run(const struct command *command, const char *one, const char *two,
			     bool json)
{
	struct command_invocation invocation = {.command = command,
						.operand = {copy_path, one, two},
						.operands = 1u + (one != NULL) + (two != NULL),
						.json = json};
	FILE *file = tmpfile();
	int out = dup(1);
	enum command_exit result;
	size_t length;

	assert_non_null(file);
	fflush(stdout);
	dup2(fileno(file), 1);
	result = host_run(&invocation);
	fflush(stdout);
	dup2(out, 1);
	close(out);
	rewind(file);
	length = fread(output, 1, sizeof(output) - 1, file);
	output[length] = 0;
	fclose(file);
	return result;
}

static void copy_reopen(struct host *host)
{
	struct command_invocation invocation = invocation_of(copy_path);

	assert_int_equal(host_open(host, &invocation, HOST_WRITE), COMMAND_OK);
}

static void copy_open(struct host *host)
{
	sample_copy();
	copy_reopen(host);
}

static void copy_close(struct host *host)
{
	commit(host);
	host_close(host);
}

/* The row begins with this, and the one that was expected before stands above it. */
static const char *expect_row(const char *above, const char *row)
{
	const char *found = strstr(above, row);

	if (!found || (found != output && found[-1] != '\n'))
		fail_msg("expected '%s' in what follows:\n%s", row, above);
	return found + 1;
}

static void test_text(void **state)
{
	const char *at = output;
	struct disk_account *accounts;
	struct host host;
	char row[160];

	(void)state;
	copy_open(&host);
	accounts = page_of(&host, ACCOUNT_TABLE_PAGE);
	accounts[made.bank.n].weight = accounts[OBJECT_ROOT_BANK].weight_given = 70;
	copy_close(&host);
	assert_int_equal(run(&command_banks, NULL, NULL, false), COMMAND_OK);
	at = expect_row(at, "BANK           STATE       PAGES      LIMIT   ADDRESSES       LIMIT  "
			    "OBJECTS  WEIGHT  MACHINES\n");
	at = expect_row(at, "1              lives ");
	assert_non_null(strstr(at, " 1048576  "));
	/* A page, three for a port, four and 16 for a machine and its table, 1 + 20 and 1 + 5. */
	snprintf(row, sizeof(row), "  %-12u lives %11u %10u %11u %11u %8u      70  sample\n",
		 made.bank.n, 1 + 3 + 2 + 4 + 21 + 6, 100, 8 + 4 + 1 + 4 + 1 + 64, 4096, 6);
	at = expect_row(at, row);
	snprintf(row, sizeof(row), "    %-10u lives %11u %10u %11u %11u %8u       0  -\n",
		 made.inner.n, 3, 20, 2, 64, 2);
	at = expect_row(at, row);
	snprintf(row, sizeof(row), "    %-10u lives %11u %10u %11u %11u %8u       0  -\n",
		 made.inner.n + 1, 0, 5, 0, 0, 0);
	at = expect_row(at, row);
	snprintf(row, sizeof(row), "  %-12u dying ", made.ending.n);
	at = expect_row(at, row);
	/* Its machine has its turn still to come, and is paid for until then. */
	snprintf(row, sizeof(row), "    %-10u ended %11u %10u %11u %11u %8u       0  sample\n",
		 made.below.n, 2 + 4, 10, 1 + 4 + 1, 20, 2);
	at = expect_row(at, row);
	snprintf(row, sizeof(row), "  %-12u dying %11u %10u %11u %11u %8u       0  -\n",
		 made.waiting.n, 1, 30, 1, 30, 1);
	expect_row(at, row);
}

static void test_json(void **state)
{
	char row[400];

	(void)state;
	sample_copy();
	assert_int_equal(run(&command_banks, NULL, NULL, true), COMMAND_OK);
	snprintf(row, sizeof(row),
		 "{\"object\":%u,\"parent\":%u,\"depth\":2,\"state\":\"ended\",\"pages\":6,"
		 "\"limit_pages\":10,\"addresses\":6,\"limit_addresses\":20,\"objects\":2,"
		 "\"weight\":0,"
		 "\"machines\":[{\"object\":%u,\"name\":\"sample\"}]}",
		 made.below.n, made.ending.n, made.left_below.n);
	for (char *from = output, *to = output; (*to = *from); from++)
		to += *from != ' ' && *from != '\n';
	assert_non_null(strstr(output, row));
}

/* It tells of all objects, whoever pays for them, and ends where a list leads round. */
static void test_info(void **state)
{
	struct disk_account *accounts;
	struct disk_object bank;
	struct host host;
	char row[60];

	(void)state;
	copy_open(&host);
	expect_ok(HOST_RETRY(&host, object_read(&host.space, (object_t){OBJECT_ROOT_BANK}, &bank)));
	host_close(&host);
	snprintf(row, sizeof(row), "\nobjects      %u, charged for %u of 10000 pages\n",
		 (unsigned)bank.allowance.objects + 6 + 2, (unsigned)bank.size);
	assert_int_equal(run(&command_info, NULL, NULL, false), COMMAND_OK);
	assert_non_null(strstr(output, row));
	copy_reopen(&host);
	accounts = page_of(&host, ACCOUNT_TABLE_PAGE);
	accounts[made.inner.n].next = made.inner.n;
	accounts[made.inner.n + 1].next = made.inner.n;
	copy_close(&host);
	assert_int_equal(run(&command_info, NULL, NULL, false), COMMAND_OK);
	assert_non_null(strstr(output, "\nobjects      "));
}

/* The first bank of an older space counts no addresses. */
static void test_uncounted(void **state)
{
	struct disk_account *accounts;
	struct host host;

	(void)state;
	copy_open(&host);
	accounts = page_of(&host, ACCOUNT_TABLE_PAGE);
	accounts[OBJECT_ROOT_BANK].address_limit = accounts[OBJECT_ROOT_BANK].addresses = 0;
	copy_close(&host);
	assert_int_equal(run(&command_banks, NULL, NULL, false), COMMAND_OK);
	assert_non_null(strstr(strstr(output, "\n1 "), " 10000           -           - "));
	assert_int_equal(run(&command_banks, NULL, NULL, true), COMMAND_OK);
	assert_non_null(strstr(output, "null"));
}

/* Each is shown once, and it ends, where one bank is its own, or another's that is its own. */
static void test_ring(void **state)
{
	struct host host;
	char row[40];

	(void)state;
	copy_open(&host);
	record_of(&host, made.bank)->bank = made.inner.n;
	record_of(&host, made.ending)->bank = made.ending.n;
	copy_close(&host);
	assert_int_equal(run(&command_banks, NULL, NULL, false), COMMAND_OK);
	snprintf(row, sizeof(row), "\n%-14u lives ", made.inner.n);
	assert_non_null(strstr(output, row));
	snprintf(row, sizeof(row), "\n  %-12u lives ", made.bank.n);
	assert_non_null(strstr(output, row));
	assert_null(strstr(strstr(output, row) + 1, row));
	snprintf(row, sizeof(row), "\n%-14u dying ", made.ending.n);
	assert_non_null(strstr(output, row));
}

/* In a directory of a bank, that pays for what is put there, and is asked no more than that. */
static void test_directory(void **state)
{
	struct disk_capability directory;
	struct disk_object record, bank;
	struct host host;

	(void)state;
	copy_open(&host);
	directory = create_from(&host, made.bank, OBJECT_DIRECTORY, 0, 0);
	link_name(&host, (object_t){OBJECT_ROOT_DIRECTORY}, "tenant", &directory);
	copy_close(&host);
	assert_int_equal(run(&command_mkdir, "/tenant/below", NULL, false), COMMAND_OK);
	assert_int_equal(run(&command_put, "/proc/self/cmdline", "/tenant/below/x", false),
			 COMMAND_OK);
	assert_int_equal(run(&command_put, copy_path, "/tenant/large", false), COMMAND_FAILED);
	assert_int_equal(run(&command_put, copy_path, "/large", false), COMMAND_OK);
	copy_reopen(&host);
	expect_ok(
		HOST_RETRY(&host, object_read(&host.space, (object_t){directory.object}, &record)));
	expect_ok(HOST_RETRY(&host, object_read(&host.space, made.bank, &bank)));
	assert_int_equal(record.size, 1);
	assert_int_equal(bank.allowance.objects, 6 + 3);
	host_close(&host);
	assert_int_equal(run(&command_rm, "/tenant/below/x", NULL, false), COMMAND_OK);
	copy_reopen(&host);
	end(&host, made.bank, false);
	copy_close(&host);
	/* What has ended with its bank is nothing any more, but a name. */
	assert_int_equal(run(&command_ls, "/tenant", NULL, false), COMMAND_FAILED);
	assert_int_equal(run(&command_mkdir, "/tenant/more", NULL, false), COMMAND_FAILED);
	assert_int_equal(run(&command_rm, "/tenant", NULL, false), COMMAND_OK);
	if (run(&command_verify, NULL, NULL, false) != COMMAND_OK)
		fail_msg("%s", output);
}

/* A store that is saved has the same banks, as sound as they were. */
static void test_salvage(void **state)
{
	static char before[sizeof(output)];
	char saved[80];

	(void)state;
	sample_copy();
	snprintf(saved, sizeof(saved), "%s.saved", copy_path);
	assert_int_equal(run(&command_banks, NULL, NULL, false), COMMAND_OK);
	memcpy(before, output, sizeof(before));
	assert_int_equal(run(&command_salvage, saved, NULL, false), COMMAND_OK);
	assert_int_equal(rename(saved, copy_path), 0);
	assert_int_equal(run(&command_banks, NULL, NULL, false), COMMAND_OK);
	assert_string_equal(output, before);
	if (run(&command_verify, NULL, NULL, false) != COMMAND_OK)
		fail_msg("%s", output);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),	cmocka_unit_test(test_json),
		cmocka_unit_test(test_info),	cmocka_unit_test(test_uncounted),
		cmocka_unit_test(test_ring),	cmocka_unit_test(test_directory),
		cmocka_unit_test(test_salvage),
	};

	return cmocka_run_group_tests(tests, sample_create, sample_remove);
}
