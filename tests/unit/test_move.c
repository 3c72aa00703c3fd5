/* lib/move.h: a record as the directory has it, and what people and programs leave there. */
#include "tests/unit/unit.h"

#include <string.h>

#include "lib/mem.h"
#include "lib/move.h"
#include "lib/when.h"

struct given {
	const char *name;
	const char *values[4];
};

/* The names are those of the caller. */
static struct move *parse(struct given *given, size_t count)
{
	struct ldap_attribute attributes[32];
	char dn[] = "cn=x,ou=moves";
	struct ldap_entry entry = { dn, attributes, count };

	for (size_t i = 0; i < count; i++) {
		size_t n = 0;

		while (n < 4 && given[i].values[n] != NULL)
			n++;
		attributes[i] = (struct ldap_attribute){ (char *)(uintptr_t)given[i].name,
			(char **)given[i].values, n };
	}
	return move_parse(&entry);
}

#define PARSE(...)                                                                                 \
	parse((struct given[]){ __VA_ARGS__ },                                                     \
		sizeof((struct given[]){ __VA_ARGS__ }) / sizeof(struct given))

static void test_whole(void **state)
{
	struct move *move = PARSE({ "restanteMoveAddress", { "Anna@EXAMPLE.org" } },
		{ "restanteMoveTarget", { "S2" } }, { "restanteMoveState", { "5" } },
		{ "restanteMoveInstant", { "20261122120000Z" } },
		{ "restanteMoveReached", { "0 20261101000000Z", "5 20261122120003Z" } },
		{ "restanteMoveWaits", { "S1 7", "Big System 12" } },
		{ "restanteMoveDone", { "create 20261101000000Z", "hold 20261122120001Z" } },
		{ "restanteMoveWork", { "3 fence 20261122120002Z db01 90" } },
		{ "restanteMoveRequest", { "Rollback Leave-Mail" } },
		{ "restanteMoveStopped", { "TRUE" } },
		{ "restanteMoveMade", { "S2 m anna@example.org" } },
		{ "restanteMoveHeld",
			{ "front1 3 20261122120005.000000Z", "front2 40 20261122120005.000000Z",
				"front2 -1 x", "nonsense" } },
		{ "restanteMoveHold", { "20261122120001.000000Z#000000#001#000000" } });

	(void)state;
	assert_string_equal(move->fault, "");
	assert_string_equal(move->made, "S2 m anna@example.org");
	assert_string_equal(move->address, "anna@example.org");
	assert_int_equal(move->state, MOVE_FENCED);
	assert_int_equal(move->reached_us[5], when_generalized_us("20261122120003Z"));
	assert_int_equal(move->reached_us[1], 0);
	assert_int_equal(move->wait_count, 2);
	assert_string_equal(move->waits[1].system, "Big System");
	assert_int_equal(move->waits[1].number, 12);
	assert_true(move_has(move, "hold"));
	assert_false(move_has(move, "swap"));
	assert_int_equal(move->work.term, 3);
	assert_string_equal(move->work.step, "fence");
	assert_string_equal(move->work.holder, "db01");
	assert_string_equal(move->work_text, "3 fence 20261122120002Z db01 90");
	assert_int_equal(move->work.length_us, 90000000);
	assert_int_equal(move->request, MOVE_ASKED_ROLLBACK_LEAVE_MAIL);
	assert_true(move->stopped);
	assert_string_equal(move->hold_csn, "20261122120001.000000Z#000000#001#000000");
	assert_string_equal(move->swap_csn, "");
	assert_int_equal(move->held_messages, 43);
	assert_true(move_open(move));
	move_free(&move);
	assert_null(move);
}

static void test_by_hand(void **state)
{
	struct move *move = PARSE(
		{ "restanteMoveAddress", { "a@b.example" } }, { "restanteMoveTarget", { "S2" } });

	(void)state;
	assert_string_equal(move->fault, "");
	assert_int_equal(move->state, MOVE_NEW);
	assert_int_equal(move->instant_us, 0);
	assert_int_equal(move->request, MOVE_ASKED_NOTHING);
	assert_int_equal(move->work.term, 0);
	assert_string_equal(move->work.step, "");
	assert_true(move_open(move));
	move_free(&move);
}

static void expect_fault(struct move *move, const char *part)
{
	if (strstr(move->fault, part) == NULL)
		fail_msg("fault \"%s\" does not say \"%s\"", move->fault, part);
	move_free(&move);
}

static void test_faults(void **state)
{
	(void)state;
	expect_fault(PARSE({ "restanteMoveTarget", { "S2" } }), "restanteMoveAddress");
	expect_fault(PARSE({ "restanteMoveAddress", { "@example.org" } }), "restanteMoveAddress");
	expect_fault(PARSE({ "restanteMoveAddress", { "a@b.example" } }), "restanteMoveTarget");
	static const char *const states[] = { "11", "12", "14", "-1", "5x" };
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		expect_fault(PARSE({ "restanteMoveAddress", { "a@b.example" } },
				     { "restanteMoveTarget", { "S2" } },
				     { "restanteMoveState", { states[i] } }),
			"restanteMoveState");
	expect_fault(PARSE({ "restanteMoveAddress", { "a@b.example" } },
			     { "restanteMoveTarget", { "S2" } },
			     { "restanteMoveInstant", { "tomorrow" } }),
		"restanteMoveInstant");
}

static void test_over(void **state)
{
	struct move *move = PARSE({ "restanteMoveAddress", { "a@b.example" } },
		{ "restanteMoveTarget", { "S2" } }, { "restanteMoveState", { "6" } },
		{ "restanteMoveOutcome", { "Rolled Back" } },
		{ "restanteMoveRequest", { "destroy" } });

	(void)state;
	assert_int_equal(move->outcome, MOVE_ROLLED_BACK);
	assert_int_equal(move->request, MOVE_ASKED_UNKNOWN);
	assert_false(move_open(move));
	move_free(&move);
	move = PARSE({ "restanteMoveAddress", { "a@b.example" } },
		{ "restanteMoveTarget", { "S2" } }, { "restanteMoveOutcome", { "won" } });
	assert_int_equal(move->outcome, MOVE_OUTCOME_UNKNOWN);
	assert_false(move_open(move));
	move_free(&move);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
