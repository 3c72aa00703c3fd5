/* lib/route.c: the table of DESIGN section 4, row by row. */
#include "tests/unit/unit.h"

#include "lib/route.h"

/* A mailbox in good order; each test spoils something. */
static struct route_facts good(void)
{
	return (struct route_facts){ .loaded = true,
		.current = true,
		.node_enabled = true,
		.federated = true,
		.match = MATCH_FULL,
		.claims = 1,
		.system = "S1",
		.physical = "u1@s1.example" };
}

static void expect(const struct route_facts *facts, enum route_verdict verdict, const char *why)
{
	struct route route;

	route_decide(facts, &route);
	if (route.verdict != verdict || strstr(route.reason, why) == NULL)
		fail_msg("expected %s (%s), got %s (%s)", route_verdict_name(verdict), why,
			route_verdict_name(route.verdict), route.reason);
	assert_string_equal(route.facts.physical, facts->physical);
}

static void test_active(void **state)
{
	struct route_facts facts = good();

	(void)state;
	expect(&facts, ROUTE_REWRITE, "active");
	for (enum route_match match = MATCH_FULL; match <= MATCH_POSTMASTER; match++) {
		facts.match = match;
		expect(&facts, ROUTE_REWRITE, "active");
	}
	facts.current = false; /* a mailbox that is known stays known */
	expect(&facts, ROUTE_REWRITE, "active");
	facts.vanished = true;
	expect(&facts, ROUTE_REWRITE, "active");
	facts.physical[0] = '\0';
	expect(&facts, ROUTE_TRYAGAIN, "no physical address");
	facts.physical_fault = "physical address is in a federated domain";
	expect(&facts, ROUTE_TRYAGAIN, "in a federated domain");
}

/* Of the two states the larger counts. */
static void test_states(void **state)
{
	static const enum route_verdict verdicts[] = { ROUTE_REWRITE, ROUTE_HOLD, ROUTE_DEFER,
		ROUTE_TRYAGAIN };
	struct route_facts facts = good();

	(void)state;
	for (int mailbox = STATE_ACTIVE; mailbox <= STATE_UNKNOWN; mailbox++) {
		for (int system = STATE_ACTIVE; system <= STATE_UNKNOWN; system++) {
			facts.mailbox_state = (enum route_state)mailbox;
			facts.system_state = (enum route_state)system;
			expect(&facts, verdicts[mailbox > system ? mailbox : system], "");
		}
	}
	/* What is held needs no physical address yet. */
	facts.mailbox_state = STATE_HOLDING;
	facts.system_state = STATE_ACTIVE;
	facts.physical[0] = '\0';
	expect(&facts, ROUTE_HOLD, "held");
}

static void test_nobody(void **state)
{
	struct route_facts facts = good();

	(void)state;
	facts.match = MATCH_NONE;
	facts.claims = 0;
	facts.physical[0] = '\0';
	expect(&facts, ROUTE_NOBODY, "no such mailbox");
	facts.current = false;
	expect(&facts, ROUTE_TRYAGAIN, "not current");
	facts.current = true;
	facts.vanished = true;
	expect(&facts, ROUTE_TRYAGAIN, "vanished");
}

/* Never a guess: each of these comes before whatever the mailbox says. */
static void test_doubt(void **state)
{
	struct route_facts facts = good();

	(void)state;
	facts.claims = 2;
	expect(&facts, ROUTE_TRYAGAIN, "more than one");
	facts.mailbox_state = STATE_HOLDING;
	expect(&facts, ROUTE_TRYAGAIN, "more than one");
	facts = good();
	facts.node_enabled = false;
	expect(&facts, ROUTE_TRYAGAIN, "not enabled");
	facts.match = MATCH_NONE;
	expect(&facts, ROUTE_TRYAGAIN, "not enabled");
	facts = good();
	facts.trouble = true;
	expect(&facts, ROUTE_TRYAGAIN, "cannot be read");
	facts = good();
	facts.loaded = false;
	expect(&facts, ROUTE_TRYAGAIN, "not loaded");
}

static void test_not_federated(void **state)
{
	struct route_facts facts = { .loaded = true };

	(void)state;
	expect(&facts, ROUTE_LEAVE, "not federated");
	facts.current = true;
	expect(&facts, ROUTE_LEAVE, "not federated");
	/* Without a copy nobody knows which domains are federated. */
	facts.loaded = false;
	expect(&facts, ROUTE_TRYAGAIN, "not loaded");
}

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(route_state_parse(NULL), STATE_ACTIVE);
	assert_int_equal(route_state_parse(""), STATE_ACTIVE);
	assert_int_equal(route_state_parse("active"), STATE_ACTIVE);
	assert_int_equal(route_state_parse("HOLDING"), STATE_HOLDING);
	assert_int_equal(route_state_parse("Deferred"), STATE_DEFERRED);
	assert_int_equal(route_state_parse("unknown"), STATE_UNKNOWN);
	assert_int_equal(route_state_parse(" holding"), STATE_UNKNOWN);
	assert_int_equal(route_state_parse("hold"), STATE_UNKNOWN);
	for (int s = STATE_ACTIVE; s <= STATE_UNKNOWN; s++)
		assert_int_equal(route_state_parse(route_state_name((enum route_state)s)), s);
	assert_string_equal(route_verdict_name(ROUTE_LEAVE), "leave");
	assert_string_equal(route_verdict_name(ROUTE_TRYAGAIN), "tryagain");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_active),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_doubt),
		cmocka_unit_test(test_not_federated),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
