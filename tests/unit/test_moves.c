/* Which mailboxes moves keep out of a down sync. */
#include "dirsync/moves.h"
#include "lib/mem.h"
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

/* --- lists ---------------------------------------------------------------------------------- */

static struct move record(const char *key, const char *dn, const char *physical)
{
	struct move move = { .state = 0 };

	set(&move.key, key);
	set(&move.dn, dn);
	set(&move.physical, physical);
	return move;
}

static void make(struct moves *moves, const char *const (*what)[3], size_t count)
{
	moves->list = mem_grow(NULL, count + 1, sizeof *moves->list);
	for (moves->count = 0; moves->count < count; moves->count++)
		moves->list[moves->count] =
			record(what[moves->count][0], what[moves->count][1], what[moves->count][2]);
}

static void expect(const struct moves *moves, const char *wanted)
{
	struct str all = STR_INIT;

	for (size_t i = 0; i < moves->count; i++)
		str_printf(&all, "%s%s=%s", i > 0 ? " " : "", str_cstr(&moves->list[i].dn),
			str_cstr(&moves->list[i].physical));
	assert_string_equal(str_cstr(&all), wanted);
	str_free(&all);
}

/* What is there stays as it is, though it is told again. */
static void test_join(void **state)
{
	static const char *const first[][3] = { { "b", "2", "x" }, { "b", "3", "x" },
		{ "d", "4", "x" } };
	static const char *const same[][3] = { { "b", "3", "y" }, { "d", "4", "y" } };
	static const char *const more[][3] = { { "a", "1", "y" }, { "b", "25", "y" },
		{ "b", "3", "y" }, { "d", "4", "y" }, { "e", "5", "y" } };
	struct moves moves, other;

	(void)state;
	make(&moves, first, COUNT(first));
	make(&other, same, COUNT(same));
	assert_false(moves_join(&moves, &other));
	assert_int_equal(other.count, 0);
	expect(&moves, "2=x 3=x 4=x");
	make(&other, more, COUNT(more));
	assert_true(moves_join(&moves, &other));
	expect(&moves, "1=y 2=x 25=y 3=x 4=x 5=y");
	moves_free(&moves);
	make(&other, more, COUNT(more));
	moves = (struct moves){ NULL, 0 };
	assert_true(moves_join(&moves, &other));
	expect(&moves, "1=y 25=y 3=y 4=y 5=y");
	moves_free(&moves);
}

/* Whichever of them goes last. */
static void test_shared_texts(void **state)
{
	struct move a = record("a", "1", "x"), b = move_share(&a), c = move_share(&a);

	(void)state;
	move_free_fields(&a);
	assert_string_equal(str_cstr(&c.physical), "x");
	move_free_fields(&c);
	assert_string_equal(str_cstr(&b.dn), "1");
	move_free_fields(&b);
	assert_null(b.dn.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_kept_out),
		cmocka_unit_test(test_find), cmocka_unit_test(test_join),
		cmocka_unit_test(test_shared_texts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
