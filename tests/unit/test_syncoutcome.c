/* lib/syncoutcome.c, and what became of a request (lib/syncask.c). */
#include "tests/unit/unit.h"

#include <string.h>

#include "lib/syncask.h"
#include "lib/syncoutcome.h"

static void test_there_and_back(void **state)
{
	const struct sync_outcome first = { .word = SYNC_STOPPED,
		.persons = 700,
		.added = 1,
		.changed = 2,
		.deleted = 3,
		.conflicts = 4,
		.refused = 5,
		.pending = 500,
		.stops = "deletions:440,lost/cn:60",
		.approved = "deletions:7",
		.text = "500 of 1200 mailboxes vanished; persons=9" };
	struct sync_outcome again;
	struct str value = STR_INIT;

	(void)state;
	sync_outcome_format(&first, &value);
	assert_string_equal(str_cstr(&value),
		"stopped persons=700 added=1 changed=2 deleted=3 conflicts=4 refused=5 "
		"pending=500 stops=deletions:440,lost/cn:60 approved=deletions:7; 500 of 1200 "
		"mailboxes vanished; persons=9");
	assert_true(sync_outcome_parse(str_cstr(&value), &again));
	assert_int_equal(again.word, SYNC_STOPPED);
	assert_int_equal(again.persons, 700);
	assert_int_equal(again.deleted, 3);
	assert_int_equal(again.refused, 5);
	assert_int_equal(again.pending, 500);
	assert_int_equal(strcspn(again.stops, " ;"), strlen(first.stops));
	assert_int_equal(strncmp(again.stops, first.stops, strlen(first.stops)), 0);
	assert_int_equal(strncmp(again.approved, "deletions:7;", 12), 0);
	assert_string_equal(again.text, first.text);
	str_free(&value);
}

static void test_every_word(void **state)
{
	(void)state;
	for (int word = SYNC_COMPLETE; word <= SYNC_BUSY; word++) {
		const struct sync_outcome first = { .word = (enum sync_word)word };
		struct sync_outcome again;
		struct str value = STR_INIT;

		sync_outcome_format(&first, &value);
		assert_null(strstr(str_cstr(&value), "pending"));
		assert_null(strchr(str_cstr(&value), ';'));
		assert_true(sync_outcome_parse(str_cstr(&value), &again));
		assert_int_equal(again.word, word);
		assert_string_equal(again.text, "");
		str_free(&value);
	}
}

static void test_what_others_wrote(void **state)
{
	struct sync_outcome outcome;

	(void)state;
	assert_false(sync_outcome_parse("", &outcome));
	assert_false(sync_outcome_parse("completed persons=1", &outcome));
	assert_false(sync_outcome_parse("; complete", &outcome));
	assert_true(sync_outcome_parse("COMPLETE  added=x persons=12 colour=3 =4 added", &outcome));
	assert_int_equal(outcome.persons, 12);
	assert_int_equal(outcome.added, 0);
	assert_true(outcome.stops == NULL && outcome.approved == NULL);
	assert_true(sync_outcome_parse("failed;", &outcome));
	assert_string_equal(outcome.text, "");
}

/* One line, short enough for the attribute, cut between characters. */
static void test_long_reasons(void **state)
{
	(void)state;
	for (size_t ahead = 0; ahead < 4; ahead++) {
		struct str reason = STR_INIT, value = STR_INIT;

		for (size_t i = 0; i < ahead; i++)
			str_append_c(&reason, '\n');
		while (reason.len < 3 * SYNC_OUTCOME_MAX)
			str_append_z(&reason, "ü€😀");
		const struct sync_outcome outcome = { .word = SYNC_FAILED,
			.text = str_cstr(&reason) };
		sync_outcome_format(&outcome, &value);
		assert_true(value.len <= SYNC_OUTCOME_MAX && value.len > SYNC_OUTCOME_MAX - 8);
		assert_null(strchr(str_cstr(&value), '\n'));
		const char *end = strstr(str_cstr(&value), "ü");
		while (*end != '\0') {
			size_t len = strncmp(end, "ü", 2) == 0   ? 2
				     : strncmp(end, "€", 3) == 0 ? 3
				     : strncmp(end, "😀", 4) == 0 ? 4
								 : 0;
			assert_true(len > 0);
			end += len;
		}
		str_free(&reason);
		str_free(&value);
	}
}

static void test_answers(void **state)
{
	const struct sync_side side = { .asked = 9, .finished = 5, .failed = 7 };
	const struct sync_side recovered = { .asked = 9, .finished = 9, .failed = 7 };

	(void)state;
	assert_int_equal(syncask_answer(&side, 5), SYNC_ANSWERED);
	assert_int_equal(syncask_answer(&side, 6), SYNC_REFUSED);
	assert_int_equal(syncask_answer(&side, 7), SYNC_REFUSED);
	assert_int_equal(syncask_answer(&side, 8), SYNC_WAITS);
	assert_int_equal(syncask_answer(&recovered, 7), SYNC_ANSWERED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_every_word),
		cmocka_unit_test(test_what_others_wrote),
		cmocka_unit_test(test_long_reasons),
		cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
