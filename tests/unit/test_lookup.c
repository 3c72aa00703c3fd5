/* directory/lookup.c, replica_held.c: from addresses to facts. */
#define _GNU_SOURCE
#include "tests/unit/replica_lab.h"

#include "lib/clock.h"

static void test_lookup_order(void **state)
{
	struct fixture *f = *state;
	struct route_facts facts;

	first_load(f, 2);
	assert_physical(f, "box1+Tag@example.org", "old+Tag@s1.example.net");
	assert_int_equal(look(f, "box1+Tag@example.org").match, MATCH_BARE);
	facts = look(f, "postmaster@example.org");
	assert_int_equal(facts.match, MATCH_POSTMASTER);
	assert_string_equal(facts.physical, "root@local.example.net");
	push(f, mailbox(3, "0.30", "all@s1.example.net", NULL, "@example.org"),
		cookie("0.30", NULL));
	facts = look(f, "nobody+x@example.org");
	assert_int_equal(facts.match, MATCH_CATCHALL);
	assert_string_equal(facts.physical, "all@s1.example.net");
	push(f, mailbox(1, "0.31", "old@s1.example.net", NULL, "box1+tag@example.org"),
		cookie("0.31", NULL));
	assert_int_equal(look(f, "box1+Tag@example.org").match, MATCH_FULL);
	/* gone: neither the bare address nor the catch-all gets it */
	push(f, mailbox(1, "0.32", "old@s1.example.net", NULL, NULL), cookie("0.32", NULL));
	facts = look(f, "box1+tag@example.org");
	assert_true(facts.vanished);
	assert_int_equal(facts.match, MATCH_NONE);
	assert_false(look(f, "box1@elsewhere.example").federated);
}

static void test_detail_is_left_out_where_configured(void **state)
{
	struct fixture *f = *state;

	first_load(f, 1);
	f->options.carry_detail = false;
	replica_configure(f->replica, &f->options);
	assert_physical(f, "box1+tag@example.org", "old@s1.example.net");
	f->options.delimiters = "";
	replica_configure(f->replica, &f->options);
	assert_int_equal(look(f, "box1+tag@example.org").match, MATCH_NONE);
}

static void test_physical_faults(void **state)
{
	struct fixture *f = *state;
	struct route_facts facts;

	first_load(f, 0);
	push(f, mailbox(1, "0.30", "x@EXAMPLE.org", NULL, NULL), cookie("0.30", NULL));
	facts = look(f, "box1@example.org");
	assert_string_equal(facts.physical, "");
	assert_string_equal(facts.physical_fault, "physical address is in a federated domain");
	push(f, mailbox(1, "0.31", "x y", NULL, NULL), cookie("0.31", NULL));
	assert_string_equal(
		look(f, "box1@example.org").physical_fault, "physical address is malformed");
}

static void test_vanished_is_forgotten(void **state)
{
	struct fixture *f = *state;

	first_load(f, 2);
	push_delete(f, 1, NULL);
	assert_true(look(f, "box1@example.org").vanished);
	replica_tick(f->replica); /* too young to be purged */
	f->options.vanish_grace_us = 0;
	replica_configure(f->replica, &f->options);
	assert_false(look(f, "box1@example.org").vanished);
	replica_tick(f->replica);
	f->options.vanish_grace_us = 300 * CLOCK_SECOND;
	replica_configure(f->replica, &f->options);
	assert_false(look(f, "box1@example.org").vanished);
	/* moved from one entry to the other: never nobody's */
	push(f, mailbox(3, "0.30", "c@s1.example.net", NULL, "box2@example.org"),
		cookie(NULL, NULL));
	assert_int_equal(look(f, "box2@example.org").claims, 2);
	push_delete(f, 2, NULL);
	assert_int_equal(look(f, "box2@example.org").claims, 1);
	assert_physical(f, "box2@example.org", "c@s1.example.net");
}

static int collect(void *context, const uint8_t *uuid, const char *physical)
{
	struct str *out = context;

	(void)uuid;
	str_append_z(out, physical);
	str_append_c(out, ' ');
	return 0;
}

static void test_held(void **state)
{
	struct fixture *f = *state;
	struct str held = STR_INIT;
	char name[64];
	uint8_t uuid[16];

	first_load(f, 300);
	push(f, mailbox(1, "0.30", "h@s1.example.net", "holding", NULL), cookie("0.30", NULL));
	assert_int_equal(replica_each_held(f->replica, collect, &held), 0);
	assert_string_equal(str_cstr(&held), "h@s1.example.net ");
	push(f, mailbox(1, "0.31", "h@s1.example.net", NULL, NULL), cookie("0.31", NULL));
	str_reset(&held);
	assert_int_equal(replica_each_held(f->replica, collect, &held), 0);
	assert_int_equal(held.len, 0);
	f->all = f->one = 0;
	push(f, backend("0.32", "holding"), cookie("0.32", NULL));
	assert_int_equal(f->all, 1);
	assert_int_equal(f->one, 0);
	assert_int_equal(look(f, "box7@example.org").system_state, STATE_HOLDING);
	assert_int_equal(replica_each_held(f->replica, collect, &held), 0);
	assert_int_equal(
		held.len, 299 * strlen("old@s1.example.net ") + strlen("h@s1.example.net "));
	set_uuid(uuid, 7);
	replica_mailbox_name(f->replica, uuid, name, sizeof(name));
	assert_string_equal(name, "box7@example.org");
	str_free(&held);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_lookup_order),
		TEST(test_detail_is_left_out_where_configured), TEST(test_physical_faults),
		TEST(test_vanished_is_forgotten), TEST(test_held) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
