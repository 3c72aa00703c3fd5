/* Which mailboxes moves keep out of a down sync. */
#include "dirsync/moves.h"
#include "tests/unit/unit.h"

static void set(struct str *s, const char *text)
{
	str_reset(s);
	str_append_z(s, text);
}

static void test_kept_out(void **state)
{
	static const struct {
		enum move_kind kind;
		const char *assignor, *owner, *system;
		bool out;
	} cases[] = {
		/* S1 -> S2, the record says so */
		{ MOVE_OPEN, "S1", "S1", "S1", true },
		{ MOVE_OPEN, "S1", "S1", "s2", true },
		{ MOVE_OPEN, "S1", "S1", "S3", false },
		{ MOVE_OPEN, "S1", "S2", "S1", true },
		{ MOVE_OPEN, "S1", "S2", "S3", false },
		{ MOVE_FINISHED, "S1", "S2", "S1", true },
		{ MOVE_FINISHED, "S1", "S2", "S2", false },
		{ MOVE_FINISHED, "S1", "S2", "S3", false },
		{ MOVE_OVER, "S1", "S2", "S1", false },
		{ MOVE_OVER, "S1", "S1", "S2", false },
		/* it does not: the owner until the swap, then anybody */
		{ MOVE_OPEN, "", "S1", "S1", true },
		{ MOVE_OPEN, "", "S1", "S3", false },
		{ MOVE_OPEN, "", "S2", "S3", true },
		{ MOVE_FINISHED, "", "S2", "S3", true },
		/* moved on since, by another move that is over */
		{ MOVE_FINISHED, "S1", "S3", "S1", true },
	};
	struct move move = { .state = 0 };

	(void)state;
	set(&move.assignee, "S2");
	for (size_t i = 0; i < COUNT(cases); i++) {
		move.kind = cases[i].kind;
		set(&move.assignor, cases[i].assignor);
		if (move_keeps_out(&move, cases[i].system, cases[i].owner) != cases[i].out)
			fail_msg("case %zu", i);
	}
	str_free(&move.assignee);
	str_free(&move.assignor);
}

static void test_find(void **state)
{
	struct move list[4] = { { .kind = MOVE_OVER }, { .kind = MOVE_OPEN },
		{ .kind = MOVE_FINISHED }, { .kind = MOVE_OVER } };
	struct moves moves = { list, 4 };

	(void)state;
	set(&list[0].key, "a@example.org");
	set(&list[1].key, "b@example.org");
	set(&list[2].key, "b@example.org");
	set(&list[3].key, "b@example.org");
	assert_null(moves_find(&moves, "a@example.org"));
	assert_ptr_equal(moves_find(&moves, "b@example.org"), &list[1]);
	assert_null(moves_find(&moves, "c@example.org"));
	assert_null(moves_find(&moves, ""));
	for (size_t i = 0; i < 4; i++)
		str_free(&list[i].key);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_kept_out),
		cmocka_unit_test(test_find) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
