/* The mass-deletion guards: a row each. */
#include "tests/unit/unit.h"

#include "dirsync/guard.h"

struct row {
	const char *name;
	struct guard_counts counts;
	struct guard_lost lost;
	uint64_t persons, approved;
	bool delta, new_system;
	enum guard_verdict wants;
	uint64_t size;
	const char *says;
};

static const struct guard_limits limits = { 100, 5, GUARD_LEAST, 5 };

static const struct row rows[] = {
	{ "nothing", { .had = 10 }, .persons = 10, .wants = GUARD_PASS },
	{ "three are never too many",
		{ .had = 4, .vanished = 1, .expired = 1, .addresses_gone = 1 }, .persons = 2,
		.wants = GUARD_PASS },
	{ "four of a small system", { .had = 5, .vanished = 4 }, .persons = 1,
		.wants = GUARD_DELETIONS, .size = 4, .says = "restante sync approve S1" },
	{ "five percent", { .had = 1000, .vanished = 20, .expired = 10, .addresses_gone = 20 },
		.persons = 970, .wants = GUARD_PASS },
	{ "a bit more, all kinds together",
		{ .had = 1000, .vanished = 20, .expired = 10, .addresses_gone = 21 },
		.persons = 970, .wants = GUARD_DELETIONS, .size = 51, .says = "51 deletions" },
	{ "five percent of a system that 100 does not divide", { .had = 99, .vanished = 5 },
		.persons = 94, .wants = GUARD_DELETIONS, .size = 5 },
	{ "a hundred", { .had = 1000000, .vanished = 100 }, .persons = 1000000,
		.wants = GUARD_PASS },
	{ "a hundred and one", { .had = 1000000, .vanished = 101 }, .persons = 1000000,
		.wants = GUARD_DELETIONS, .size = 101 },
	{ "in a delta as well", { .had = 1000000, .addresses_gone = 101 }, .delta = true,
		.wants = GUARD_DELETIONS, .size = 101 },
	{ "what a move explains", { .had = 1000, .explained = 900 }, .persons = 1000,
		.wants = GUARD_PASS },
	{ "approved", { .had = 1000, .vanished = 400 }, .persons = 600, .approved = 400,
		.wants = GUARD_PASS },
	{ "approved for a shorter list", { .had = 1000, .vanished = 400 }, .persons = 600,
		.approved = 399, .wants = GUARD_DELETIONS, .size = 400 },
	{ "re-keyed", { .had = 1000, .rekeyed = 50 }, .persons = 1000, .wants = GUARD_PASS },
	{ "all ids new", { .had = 1000, .rekeyed = 1000 }, .persons = 1000, .wants = GUARD_REKEYS,
		.size = 1000, .says = "another id" },
	{ "all ids new, approved", { .had = 1000, .rekeyed = 1000 }, .persons = 1000,
		.approved = 1000, .wants = GUARD_PASS },
	{ "re-keyed first, deletions after", { .had = 1000, .rekeyed = 500, .vanished = 600 },
		.persons = 1000, .approved = 500, .wants = GUARD_DELETIONS, .size = 600 },
	{ "an attribute", { .had = 100 }, { "cn", 100, 6 }, .persons = 100,
		.wants = GUARD_ATTRIBUTE, .size = 6, .says = "attribute cn" },
	{ "five percent lost", { .had = 100 }, { "cn", 100, 5 }, .persons = 100,
		.wants = GUARD_PASS },
	{ "of those that had it", { .had = 1000 }, { "pager", 20, 20 }, .persons = 1000,
		.wants = GUARD_ATTRIBUTE, .size = 20, .says = "attribute pager" },
	{ "three lost", { .had = 3 }, { "cn", 3, 3 }, .persons = 3, .wants = GUARD_PASS },
	{ "an attribute, approved", { .had = 100 }, { "cn", 100, 60 }, .persons = 100,
		.approved = 60, .wants = GUARD_PASS },
	{ "an attribute before deletions", { .had = 100, .vanished = 50 }, { "cn", 50, 50 },
		.persons = 50, .wants = GUARD_ATTRIBUTE, .size = 50 },
	{ "empty", { .had = 3, .vanished = 3 }, .wants = GUARD_EMPTY, .says = "outage" },
	{ "empty, nothing approves it", { .had = 100, .vanished = 100 }, .approved = 100,
		.wants = GUARD_EMPTY, .says = "new_system = true in up S1 {}" },
	{ "empty for the first time", { .had = 0 }, .wants = GUARD_EMPTY },
	{ "empty and new", { .had = 0 }, .new_system = true, .wants = GUARD_PASS },
	{ "new, but it had many", { .had = 100, .vanished = 100 }, .new_system = true,
		.wants = GUARD_DELETIONS, .size = 100 },
	{ "an empty delta", { .had = 100 }, .delta = true, .wants = GUARD_PASS },
};

static int check(const struct row *row)
{
	struct guard_tally tally = { .counts = row->counts,
		.lost = { { "sn", 100, 0 }, row->lost },
		.lost_count = row->lost.name != NULL ? 2 : 1 };
	struct guard_run run = { "S1", !row->delta, row->persons, row->approved, row->new_system };
	struct str reason = STR_INIT;
	uint64_t size = 77;
	enum guard_verdict verdict = guard_judge(&limits, &tally, &run, &reason, &size);
	int wrong = verdict != row->wants || size != row->size ||
		    (verdict == GUARD_PASS) != (reason.len == 0) ||
		    strchr(str_cstr(&reason), '\n') != NULL ||
		    (row->says != NULL && strstr(str_cstr(&reason), row->says) == NULL);

	if (wrong)
		print_error("%s: verdict %d, size %llu: %s\n", row->name, (int)verdict,
			(unsigned long long)size, str_cstr(&reason));
	str_free(&reason);
	return wrong;
}

static void test_rows(void **state)
{
	int failed = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		failed += check(&rows[i]);
	assert_int_equal(failed, 0);
}

/* max_delete = 0: each is to be approved. */
static void test_none_without_approval(void **state)
{
	const struct guard_limits strict = { 0, 5, GUARD_LEAST, 5 };
	struct guard_tally tally = { .counts = { .had = 1000, .vanished = 1 } };
	struct guard_run run = { "S1", true, 999, 0, false };
	struct str reason = STR_INIT;

	(void)state;
	assert_int_equal(guard_judge(&strict, &tally, &run, &reason, NULL), GUARD_DELETIONS);
	run.approved = 1;
	assert_int_equal(guard_judge(&strict, &tally, &run, &reason, NULL), GUARD_PASS);
	str_free(&reason);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_none_without_approval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
