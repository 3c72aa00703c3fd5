#define _GNU_SOURCE
/* dirsync/plan.c: what is put comes out again; dirsync/plan_ldif.c: and reads as LDIF. */
#include "tests/unit/unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "dirsync/plan.h"

static const char *last_error;

static struct plan *fresh(void)
{
	struct plan *plan = plan_new("/tmp", &last_error);

	if (plan == NULL)
		fail_msg("%s", last_error);
	return plan;
}

static void put(struct plan *plan, const char *dn, size_t count)
{
	static const struct plan_value values[] = {
		{ PLAN_PUT, "mailLocalAddress", "a@example.org" },
		{ PLAN_TAKE, "mailLocalAddress", "b@example.org" },
		{ PLAN_SET, "displayName", "" },
		{ PLAN_SET, "restanteVanishedSince", NULL },
	};
	struct plan_change change = { .kind = PLAN_MODIFY,
		.dn = dn,
		.assertion = "(entryCSN=1)",
		.owner = "(restanteSystem=S1)",
		.reason = "because",
		.id = "u-1",
		.counts = PLAN_COUNTS_ADDRESS,
		.count_addresses = 2,
		.values = values,
		.value_count = count };

	strings_add(&change.gains, "a@example.org");
	strings_add(&change.gives, "b@example.org");
	strings_add(&change.gives, "c@example.org");
	if (plan_put(plan, &change, &last_error) < 0)
		fail_msg("%s", last_error);
	strings_free(&change.gains);
	strings_free(&change.gives);
}

static void expect(struct plan *plan, const char *dn, size_t count)
{
	struct plan_change change;

	assert_int_equal(plan_next(plan, &change, &last_error), 1);
	assert_int_equal(change.kind, PLAN_MODIFY);
	assert_string_equal(change.dn, dn);
	assert_string_equal(change.assertion, "(entryCSN=1)");
	assert_string_equal(change.owner, "(restanteSystem=S1)");
	assert_string_equal(change.reason, "because");
	assert_string_equal(change.id, "u-1");
	assert_int_equal(change.counts, PLAN_COUNTS_ADDRESS);
	assert_int_equal(change.count_addresses, 2);
	assert_int_equal(change.value_count, count);
	assert_int_equal(change.gains.count, 1);
	assert_int_equal(change.gives.count, 2);
	assert_true(strings_has(&change.gives, "c@example.org"));
	if (count < 4)
		return;
	assert_int_equal(change.values[1].what, PLAN_TAKE);
	assert_string_equal(change.values[1].attribute, "mailLocalAddress");
	assert_string_equal(change.values[1].value, "b@example.org");
	assert_string_equal(change.values[2].value, "");
	assert_null(change.values[3].value);
}

static void expect_end(struct plan *plan)
{
	struct plan_change change;

	assert_int_equal(plan_next(plan, &change, &last_error), 0);
}

static void in_order(void **state)
{
	struct plan *plan = fresh();

	(void)state;
	expect_end(plan);
	put(plan, "cn=a", 4);
	put(plan, "cn=b", 0);
	assert_int_equal(plan_count(plan), 2);
	for (int i = 0; i < 2; i++) {
		plan_rewind(plan);
		expect(plan, "cn=a", 4);
		expect(plan, "cn=b", 0);
		expect_end(plan);
	}
	plan_free(&plan);
	assert_null(plan);
}

static void reading_and_writing_in_turn(void **state)
{
	struct plan *plan = fresh();

	(void)state;
	put(plan, "cn=a", 1);
	plan_rewind(plan);
	expect(plan, "cn=a", 1);
	put(plan, "cn=b", 2);
	put(plan, "cn=c", 3);
	expect(plan, "cn=b", 2);
	put(plan, "cn=d", 4);
	expect(plan, "cn=c", 3);
	expect(plan, "cn=d", 4);
	expect_end(plan);
	assert_int_equal(plan_count(plan), 4);
	plan_free(&plan);
}

static void places(void **state)
{
	struct plan *plan = fresh();
	uint64_t second;

	(void)state;
	put(plan, "cn=a", 4);
	put(plan, "cn=b", 4);
	put(plan, "cn=c", 4);
	plan_rewind(plan);
	expect(plan, "cn=a", 4);
	expect(plan, "cn=b", 4);
	second = plan_place(plan);
	expect(plan, "cn=c", 4);
	plan_seek(plan, second);
	expect(plan, "cn=b", 4);
	expect(plan, "cn=c", 4);
	expect_end(plan);
	plan_free(&plan);
}

static void what_is_left_out(void **state)
{
	struct plan *plan = fresh();
	struct plan_change change = { .kind = PLAN_REPORT, .dn = "cn=a" };

	(void)state;
	assert_int_equal(plan_put(plan, &change, &last_error), 0);
	plan_rewind(plan);
	assert_int_equal(plan_next(plan, &change, &last_error), 1);
	assert_int_equal(change.kind, PLAN_REPORT);
	assert_string_equal(change.assertion, "");
	assert_string_equal(change.owner, "");
	assert_int_equal(change.value_count, 0);
	plan_free(&plan);
}

static void as_long_as_the_directory(void **state)
{
	struct plan *plan = fresh();
	char dn[32];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		snprintf(dn, sizeof dn, "cn=%d", i);
		put(plan, dn, 4);
	}
	plan_rewind(plan);
	for (int i = 0; i < 20000; i++) {
		snprintf(dn, sizeof dn, "cn=%d", i);
		expect(plan, dn, 4);
	}
	expect_end(plan);
	plan_free(&plan);
}

/* Nobody finds its file, and none is left. */
static void without_a_name(void **state)
{
	char dir[] = "/tmp/test-syncplan.XXXXXX";
	struct plan *plan;

	(void)state;
	assert_non_null(mkdtemp(dir));
	plan = plan_new(dir, &last_error);
	assert_non_null(plan);
	put(plan, "cn=a", 1);
	assert_int_equal(rmdir(dir), 0);
	plan_free(&plan);
	assert_null(plan_new(dir, &last_error));
	assert_non_null(strstr(last_error, dir));
}

/* The disk full, for this process alone: told, at the latest when the plan is read. */
static void disk_full(void **state)
{
	struct rlimit before, small = { 100000, 100000 };
	struct plan *plan = fresh();
	struct plan_change change = { .kind = PLAN_MODIFY, .dn = "cn=a" };
	int result = 0;

	(void)state;
	getrlimit(RLIMIT_FSIZE, &before);
	small.rlim_max = before.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (int i = 0; i < 10000 && result == 0; i++)
		result = plan_put(plan, &change, &last_error);
	if (result == 0)
		result = plan_next(plan, &change, &last_error);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(result, -1);
	assert_non_null(strstr(last_error, "make room"));
	plan_free(&plan);
}

/* --- LDIF ----------------------------------------------------------------------------------- */

static void expect_ldif(const struct plan_change *change, const char *wanted)
{
	struct str out = STR_INIT;

	plan_ldif(change, &out);
	assert_string_equal(str_cstr(&out), wanted);
	str_free(&out);
}

static void ldif_of_changes(void **state)
{
	static const struct plan_value values[] = {
		{ PLAN_PUT, "mailLocalAddress", "a@example.org" },
		{ PLAN_PUT, "mailLocalAddress", "b@example.org" },
		{ PLAN_TAKE, "mailLocalAddress", "c@example.org" },
		{ PLAN_SET, "cn", " Anna" },
		{ PLAN_SET, "restanteVanishedSince", NULL },
	};
	struct plan_change change = { .kind = PLAN_MODIFY,
		.dn = "cn=a,dc=x",
		.assertion = "(entryCSN=1)",
		.reason = "renamed\non S1",
		.id = "u-1",
		.values = values,
		.value_count = COUNT(values) };

	(void)state;
	expect_ldif(&change, "# modify, id u-1: renamed\n# on S1\n# only while (entryCSN=1)\n"
			     "dn: cn=a,dc=x\nchangetype: modify\n"
			     "add: mailLocalAddress\nmailLocalAddress: a@example.org\n"
			     "mailLocalAddress: b@example.org\n-\n"
			     "delete: mailLocalAddress\nmailLocalAddress: c@example.org\n-\n"
			     "replace: cn\ncn:: IEFubmE=\n-\n"
			     "replace: restanteVanishedSince\n-\n\n");
	change.kind = PLAN_ADD;
	change.assertion = change.reason = "";
	change.value_count = 2;
	expect_ldif(&change, "# add, id u-1\ndn: cn=a,dc=x\nchangetype: add\n"
			     "mailLocalAddress: a@example.org\n"
			     "mailLocalAddress: b@example.org\n\n");
	change.kind = PLAN_EXPIRE;
	change.values = &values[3];
	change.value_count = 1;
	expect_ldif(&change, "# expire, id u-1\ndn: cn=a,dc=x\nchangetype: modify\n"
			     "replace: cn\ncn:: IEFubmE=\n-\n\n");
	change.value_count = 0;
	change.id = NULL;
	expect_ldif(&change, "# expire\ndn: cn=a,dc=x\nchangetype: delete\n\n");
	change.kind = PLAN_REPORT;
	change.reason = "taken";
	expect_ldif(&change, "# report: taken\n\n");
}

static void ldif_of_long_and_foreign_text(void **state)
{
	static const struct plan_value values[] = {
		{ PLAN_SET, "description",
			"0123456789012345678901234567890123456789012345678901234567890123456789" },
	};
	struct plan_change change = {
		.kind = PLAN_MODIFY, .dn = "cn=J\303\274rgen", .values = values, .value_count = 1
	};

	(void)state;
	expect_ldif(&change,
		"# modify\ndn:: Y249SsO8cmdlbg==\nchangetype: modify\n"
		"replace: description\n"
		"description: 012345678901234567890123456789012345678901234567890123456789"
		"012\n 3456789\n-\n\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order),
		cmocka_unit_test(reading_and_writing_in_turn),
		cmocka_unit_test(places),
		cmocka_unit_test(what_is_left_out),
		cmocka_unit_test(as_long_as_the_directory),
		cmocka_unit_test(without_a_name),
		cmocka_unit_test(disk_full),
		cmocka_unit_test(ldif_of_changes),
		cmocka_unit_test(ldif_of_long_and_foreign_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
