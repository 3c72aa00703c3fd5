/* The mass-deletion guards: a row each. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "dirsync/guard.h"

struct row {
	const char *name;
	struct guard_counts counts;
	struct guard_lost lost;
	struct guard_lost also;
	uint64_t persons;
	const char *approved, *standing;
	bool delta, new_system;
	const char *wants;  /* the list that it is stopped with; NULL: it passes */
	const char *needed; /* the same with what stands, where it is another */
	const char *says, *hides;
};

static const struct guard_limits limits = { 100, 5, GUARD_LEAST, 5 };

static const struct row rows[] = {
	{ "nothing", { .had = 10 }, .persons = 10 },
	{ "three are never too many",
		{ .had = 4, .vanished = 1, .expired = 1, .addresses_gone = 1 }, .persons = 2 },
	{ "four of a small system", { .had = 5, .vanished = 4 }, .persons = 1,
		.wants = "deletions:4", .says = "restante sync approve S1" },
	{ "five percent", { .had = 1000, .vanished = 20, .expired = 10, .addresses_gone = 20 },
		.persons = 970 },
	{ "a bit more, all kinds together",
		{ .had = 1000, .vanished = 20, .expired = 10, .addresses_gone = 21 },
		.persons = 970, .wants = "deletions:51", .says = "51 deletions" },
	{ "five percent of a system that 100 does not divide", { .had = 99, .vanished = 5 },
		.persons = 94, .wants = "deletions:5" },
	{ "a hundred", { .had = 1000000, .vanished = 100 }, .persons = 1000000 },
	{ "a hundred and one", { .had = 1000000, .vanished = 101 }, .persons = 1000000,
		.wants = "deletions:101" },
	{ "in a delta as well", { .had = 1000000, .addresses_gone = 101 }, .delta = true,
		.wants = "deletions:101" },
	{ "what a move explains", { .had = 1000, .explained = 900 }, .persons = 1000 },
	{ "approved", { .had = 1000, .vanished = 400 }, .persons = 600, .approved = "deletions:400",
		.needed = "deletions:400" },
	{ "approved for a shorter list", { .had = 1000, .vanished = 400 }, .persons = 600,
		.approved = "deletions:399", .wants = "deletions:400" },
	{ "re-keyed", { .had = 1000, .rekeyed = 50 }, .persons = 1000 },
	{ "all ids new", { .had = 1000, .rekeyed = 1000 }, .persons = 1000, .wants = "rekeyed:1000",
		.says = "another id" },
	{ "all ids new, approved", { .had = 1000, .rekeyed = 1000 }, .persons = 1000,
		.approved = "rekeyed:1000", .needed = "rekeyed:1000" },
	{ "all at once, each by its name", { .had = 1000, .rekeyed = 500, .vanished = 600 },
		{ "cn", 90, 70 }, { "pager", 10, 9 }, .persons = 1000,
		.wants = "lost/cn:70,lost/pager:9,rekeyed:500,deletions:600",
		.says = "70 of 90 entries of S1 had the attribute cn and lack it now, 9 of 10 "
			"pager:" },
	{ "approved for another kind", { .had = 1000, .vanished = 500 }, .persons = 500,
		.approved = "lost/cn:600,rekeyed:600", .wants = "deletions:500" },
	{ "an attribute, approved for another one", { .had = 100 }, { "cn", 100, 60 },
		.persons = 100, .approved = "lost/pager:60,deletions:60,rekeyed:60,lost:60,cn:60",
		.wants = "lost/cn:60" },
	{ "one kind approved, another one not", { .had = 1000, .vanished = 500 }, { "cn", 90, 70 },
		.persons = 1000, .approved = "deletions:500", .wants = "lost/cn:70,deletions:500",
		.says = "approved already: 500 deletions", .hides = "deletions are pending" },
	{ "all of it approved", { .had = 1000, .rekeyed = 100, .vanished = 500 }, { "cn", 90, 70 },
		.persons = 1000, .approved = "deletions:500,Rekeyed:100,LOST/CN:70",
		.needed = "lost/cn:70,rekeyed:100,deletions:500" },
	{ "what stands is not asked for again", { .had = 1000, .vanished = 500 }, { "cn", 90, 70 },
		.persons = 1000, .standing = "deletions:500", .wants = "lost/cn:70",
		.needed = "lost/cn:70,deletions:500", .hides = "deletion" },
	{ "more than what stands", { .had = 1000, .vanished = 501 }, .persons = 1000,
		.standing = "deletions:500", .wants = "deletions:501" },
	{ "an approval of an earlier form", { .had = 1000, .vanished = 500 }, .persons = 500,
		.approved = "500", .standing = "500", .wants = "deletions:500" },
	{ "an attribute", { .had = 100 }, { "cn", 100, 6 }, .persons = 100, .wants = "lost/cn:6",
		.says = "attribute cn" },
	{ "five percent lost", { .had = 100 }, { "cn", 100, 5 }, .persons = 100 },
	{ "of those that had it", { .had = 1000 }, { "pager", 20, 20 }, .persons = 1000,
		.wants = "lost/pager:20", .says = "attribute pager" },
	{ "three lost", { .had = 3 }, { "cn", 3, 3 }, .persons = 3 },
	{ "an attribute, approved", { .had = 100 }, { "cn", 100, 60 }, .persons = 100,
		.approved = "lost/cn:60", .needed = "lost/cn:60" },
	{ "an attribute with odd letters", { .had = 100 }, { "cn;lang-de", 50, 50 }, .persons = 50,
		.wants = "lost/cn%3blang-de:50" },
	{ "the same, approved", { .had = 100 }, { "cn;lang-de", 50, 50 }, .persons = 50,
		.approved = "lost/cn%3blang-de:50", .needed = "lost/cn%3blang-de:50" },
	{ "empty", { .had = 3, .vanished = 3 }, .wants = "", .says = "outage" },
	{ "empty, nothing approves it", { .had = 100, .vanished = 100 },
		.approved = "deletions:100", .wants = "", .says = "new_system = true in up S1 {}" },
	{ "empty for the first time", { .had = 0 }, .wants = "" },
	{ "empty and new", { .had = 0 }, .new_system = true },
	{ "new, but it had many", { .had = 100, .vanished = 100 }, .new_system = true,
		.wants = "deletions:100" },
	{ "an empty delta", { .had = 100 }, .delta = true },
};

static int check(const struct row *row)
{
	struct guard_tally tally = { .counts = row->counts,
		.lost = { { "sn", 100, 0 }, row->lost, row->also },
		.lost_count = row->also.name != NULL   ? 3
			      : row->lost.name != NULL ? 2
						       : 1 };
	struct guard_run run = { "S1", !row->delta, row->persons, { row->approved, row->standing },
		row->new_system };
	const char *wants = row->wants != NULL ? row->wants : "";
	struct guard_answer answer;
	int wrong;

	guard_judge(&limits, &tally, &run, &answer);
	wrong = answer.stops != (row->wants != NULL) || answer.stops != (answer.reason.len > 0) ||
		(answer.stops && strcmp(str_cstr(&answer.list), wants) != 0) ||
		strcmp(str_cstr(&answer.needed), row->needed != NULL ? row->needed : wants) != 0 ||
		strchr(str_cstr(&answer.reason), '\n') != NULL ||
		(row->says != NULL && strstr(str_cstr(&answer.reason), row->says) == NULL) ||
		(row->hides != NULL && strstr(str_cstr(&answer.reason), row->hides) != NULL);
	if (wrong)
		print_error("%s: %s, list %s, needed %s: %s\n", row->name,
			answer.stops ? "stops" : "passes", str_cstr(&answer.list),
			str_cstr(&answer.needed), str_cstr(&answer.reason));
	guard_answer_free(&answer);
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
	struct guard_run run = { "S1", true, 999, { NULL, NULL }, false };
	struct guard_answer answer;

	(void)state;
	guard_judge(&strict, &tally, &run, &answer);
	assert_true(answer.stops);
	run.approvals.fresh = str_cstr(&answer.list);
	assert_string_equal(run.approvals.fresh, "deletions:1");
	struct guard_answer again;
	guard_judge(&strict, &tally, &run, &again);
	assert_false(again.stops);
	guard_answer_free(&again);
	guard_answer_free(&answer);
}

/* However many are lost, the reason stays a line that somebody reads; the list has all of them. */
static void test_many_attributes(void **state)
{
	struct guard_tally tally = { .counts = { .had = 100 }, .lost_count = GUARD_LOST_MAX };
	const struct guard_run run = { .system = "S1", .complete = true, .persons = 100 };
	struct guard_answer answer;
	char names[GUARD_LOST_MAX][24];

	(void)state;
	for (size_t i = 0; i < GUARD_LOST_MAX; i++) {
		snprintf(names[i], sizeof names[i], "attribute%zu", i);
		tally.lost[i] = (struct guard_lost){ names[i], 100, 100 };
	}
	guard_judge(&limits, &tally, &run, &answer);
	assert_true(answer.stops && answer.reason.len < 450);
	assert_non_null(strstr(str_cstr(&answer.reason), "restante sync approve S1"));
	for (size_t i = 0; i < GUARD_LOST_MAX; i++)
		assert_non_null(strstr(str_cstr(&answer.list), names[i]));
	guard_answer_free(&answer);
}

/* What was let pass is pending until it is deleted; an attribute that is gone is done. */
static void test_what_lasts(void **state)
{
	struct str lasting = STR_INIT;

	(void)state;
	guard_lasting("lost/cn:60,rekeyed:40,deletions:500", false, NULL, &lasting);
	assert_string_equal(str_cstr(&lasting), "deletions:500");
	str_reset(&lasting);
	guard_lasting("lost/cn:60,deletions:500", true, NULL, &lasting);
	assert_string_equal(str_cstr(&lasting), "lost/cn:60,deletions:500");
	/* foreign addresses have a grace; a delta does not see all that are marked */
	str_reset(&lasting);
	guard_lasting("lost/cn:60,lost/restanteForeignAddress:9", false, NULL, &lasting);
	assert_string_equal(str_cstr(&lasting), "lost/restanteForeignAddress:9");
	str_reset(&lasting);
	guard_lasting("lost/restanteForeignAddress:4,deletions:5", false,
		"lost/restanteForeignAddress:9,deletions:7", &lasting);
	assert_string_equal(str_cstr(&lasting), "lost/restanteForeignAddress:9,deletions:5");
	str_reset(&lasting);
	guard_lasting(
		"lost/restanteForeignAddress:9", false, "lost/restanteForeignAddress:4", &lasting);
	assert_string_equal(str_cstr(&lasting), "lost/restanteForeignAddress:9");
	str_free(&lasting);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_none_without_approval),
		cmocka_unit_test(test_many_attributes),
		cmocka_unit_test(test_what_lasts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
