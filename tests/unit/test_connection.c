/* A transaction from MAIL to the answer at end of message, on faked stores and a faked MTA. */
#include "tests/unit/milter_bed.h"

/* --- RCPT ----------------------------------------------------------------------------------------
 */

static void the_table_at_rcpt(void **state)
{
	struct bed *bed = *state;

	mail(bed, "<s@x>");
	assert_int_equal(rcpt(bed, "<x@else.test>"), REPLY_NONE);
	assert_int_equal(rcpt(bed, "<nobody@fed.test>"), REPLY_NOBODY);
	assert_int_equal(rcpt(bed, "<a@fed.test>"), REPLY_NONE);
	assert_int_equal(rcpt(bed, "<h@fed.test>"), REPLY_NONE);
	assert_int_equal(rcpt(bed, "<d@fed.test>"), REPLY_DEFER);
	assert_int_equal(bed->connection->envelope.count, 3);
	fake.current = false;
	assert_int_equal(rcpt(bed, "<nobody@fed.test>"), REPLY_TRYAGAIN);
	assert_int_equal(rcpt(bed, "<a@fed.test>"), REPLY_NONE);
	fake.node_enabled = false;
	assert_int_equal(rcpt(bed, "<a@fed.test>"), REPLY_TRYAGAIN);
	assert_int_equal(rcpt(bed, "<x@else.test>"), REPLY_NONE);
	fake.loaded = false;
	assert_int_equal(rcpt(bed, "<x@else.test>"), REPLY_TRYAGAIN);
	assert_int_equal(rcpt(bed, "<postmaster>"), REPLY_TRYAGAIN);
}

static void a_full_queue_at_rcpt(void **state)
{
	struct bed *bed = *state;

	mail(bed, "<s@x>");
	fake.room = HOLDQ_FULL;
	assert_int_equal(rcpt(bed, "<h@fed.test>"), REPLY_FULL);
	assert_int_equal(rcpt(bed, "<a@fed.test>"), REPLY_NONE);
	fake.room = HOLDQ_FAILED;
	assert_int_equal(rcpt(bed, "<h@fed.test>"), REPLY_STORE);
	assert_false(bed->front->broken);
	fake.room = HOLDQ_BROKEN;
	assert_int_equal(rcpt(bed, "<h@fed.test>"), REPLY_STORE);
	assert_true(bed->front->broken);
}

/* What is malformed is our business only in a domain of ours. */
static void malformed_recipients(void **state)
{
	struct bed *bed = *state;

	mail(bed, "<s@x>");
	assert_int_equal(rcpt(bed, "<a b@fed.test>"), REPLY_SYNTAX);
	assert_int_equal(rcpt(bed, "<a b@else.test>"), REPLY_NONE);
	assert_int_equal(rcpt(bed, "<@fed.test>"), REPLY_SYNTAX);
	assert_int_equal(bed->connection->envelope.count, 1);
	small_content(bed);
	expect_end(bed, "");
	mail(bed, "<s@x>");
	fake.loaded = false;
	assert_int_equal(rcpt(bed, "<a b@else.test>"), REPLY_TRYAGAIN);
}

static void a_name_without_domain_is_the_mtas(void **state)
{
	struct bed *bed = *state;

	GIVE(bed, "<>", "<postmaster>");
	expect_end(bed, "");
}

static void a_stopping_front_takes_no_recipient(void **state)
{
	struct bed *bed = *state;

	mail(bed, "<s@x>");
	assert_int_equal(rcpt(bed, "<a@fed.test>"), REPLY_NONE);
	bed->front->stopping = true;
	assert_int_equal(rcpt(bed, "<b@fed.test>"), REPLY_STOPPING);
	small_content(bed);
	assert_int_equal(eom(bed), REPLY_NONE);
	mail(bed, "<s@x>");
	bed->front->stopping = false;
	assert_int_equal(rcpt(bed, "<h@fed.test>"), REPLY_NONE);
	small_content(bed);
	bed->front->closed = true;
	assert_int_equal(eom(bed), REPLY_STOPPING);
	assert_int_equal(fake.commits, 0);
}

/* --- end of message ------------------------------------------------------------------------------
 */

static void trap_1_deleted_as_it_came(void **state)
{
	struct bed *bed = *state;

	GIVE(bed, "<s@x>", "<A@Fed.TEST>");
	expect_end(bed, "-<A@Fed.TEST>\n+a@s1.test ORCPT=rfc822;A@Fed.TEST\n");
}

static void trap_2_both_spellings_deleted_one_added(void **state)
{
	struct bed *bed = *state;

	GIVE(bed, "<s@x>", "<A@fed.test>", "<a@fed.test>", "<alias@fed.test>");
	expect_end(bed, "-<A@fed.test>\n-<a@fed.test>\n-<alias@fed.test>\n"
			"+a@s1.test ORCPT=rfc822;A@fed.test\n");
}

static void trap_3_source_routes(void **state)
{
	struct bed *bed = *state;

	GIVE(bed, "<s@x>", "<@h1.test,@[IPv6:::1]:A@fed.test>", "<@h1:h@fed.test>");
	expect_end(bed, "-<A@fed.test>\n-<h@fed.test>\n+a@s1.test ORCPT=rfc822;A@fed.test\n");
	assert_non_null(strstr(str_cstr(&fake.envelope), " <h@fed.test> \n"));
}

static void trap_6_deletions_come_first(void **state)
{
	struct bed *bed = *state;

	GIVE(bed, "<s@x>", "<a@fed.test>", "<b@fed.test>");
	expect_end(bed, "-<a@fed.test>\n-<b@fed.test>\n+a@s1.test ORCPT=rfc822;a@fed.test\n"
			"+b@s2.test ORCPT=rfc822;b@fed.test\n");
}

static void trap_7_parameters_are_kept(void **state)
{
	struct bed *bed = *state;
	char *arguments[] = { (char *)"<a@fed.test>", (char *)"NOTIFY=FAILURE,DELAY",
		(char *)"X-OWN=1", (char *)"ORCPT=rfc822;o+2Br@x", NULL };

	mail(bed, "<s@x>");
	assert_int_equal(connection_rcpt(bed->connection, arguments), REPLY_NONE);
	arguments[0] = (char *)"<h@fed.test>";
	assert_int_equal(connection_rcpt(bed->connection, arguments), REPLY_NONE);
	small_content(bed);
	expect_end(bed, "-<a@fed.test>\n-<h@fed.test>\n"
			"+a@s1.test NOTIFY=FAILURE,DELAY ORCPT=rfc822;o+2Br@x\n");
	assert_string_equal(str_cstr(&fake.envelope),
		"<s@x> BODY=8BITMIME ENVID=x\n"
		"3 <h@fed.test> NOTIFY=FAILURE,DELAY X-OWN=1 ORCPT=rfc822;o+2Br@x\n");
}

static void held_as_the_mta_shows_it(void **state)
{
	struct bed *bed = *state;

	GIVE(bed, "<>", "<h@fed.test>");
	expect_end(bed, "-<h@fed.test>\n");
	assert_string_equal(str_cstr(&fake.content),
		"Message-ID: <1@x>\r\nSubject: two\r\n lines\r\nX-None:\r\n\r\nbody\r\n");
	assert_true(fake.repeatable);
	mail(bed, "<s@x>");
	rcpt(bed, "<h@fed.test>");
	connection_header(bed->connection, "Subject", " no body, no id");
	assert_int_equal(eom(bed), REPLY_NONE);
	assert_string_equal(str_cstr(&fake.content), "Subject: no body, no id\r\n\r\n");
	assert_false(fake.repeatable);
}

static void a_repeat_of_what_waits_for_release_is_not_sent_again(void **state)
{
	struct bed *bed = *state;

	fake.waiting = "a@fed.test";
	GIVE(bed, "<s@x>", "<a@fed.test>", "<b@fed.test>");
	expect_end(bed, "-<a@fed.test>\n-<b@fed.test>\n+b@s2.test ORCPT=rfc822;b@fed.test\n");
	assert_int_equal(fake.commits, 0);
	/* without a Message-ID it is no repeat: rather twice than lost */
	mail(bed, "<s@x>");
	rcpt(bed, "<a@fed.test>");
	connection_header(bed->connection, "Subject", " no id");
	expect_end(bed, "-<a@fed.test>\n+a@s1.test ORCPT=rfc822;a@fed.test\n");
}

static void an_mta_that_shows_no_leading_space(void **state)
{
	struct bed *bed = *state;

	bed->connection->leading_space = false;
	mail(bed, "<s@x>");
	rcpt(bed, "<h@fed.test>");
	connection_header(bed->connection, "Subject", "x");
	assert_int_equal(eom(bed), REPLY_NONE);
	assert_string_equal(str_cstr(&fake.content), "Subject: x\r\n\r\n");
}

static void one_4xx_and_nothing_is_stored(void **state)
{
	struct bed *bed = *state;

	GIVE(bed, "<s@x>", "<h@fed.test>", "<a@fed.test>");
	fake.mailboxes[0].state = STATE_DEFERRED;
	assert_int_equal(eom(bed), REPLY_DEFER);
	expect_told(bed, "");
	assert_int_equal(fake.commits, 0);
}

static void decided_again(void **state)
{
	struct bed *bed = *state;

	/* active at RCPT, holding now: held */
	GIVE(bed, "<s@x>", "<a@fed.test>");
	fake.mailboxes[0].state = STATE_HOLDING;
	expect_end(bed, "-<a@fed.test>\n");
	assert_int_equal(fake.commits, 1);
	/* the other way round: rewritten */
	GIVE(bed, "<s@x>", "<a@fed.test>");
	fake.mailboxes[0].state = STATE_ACTIVE;
	expect_end(bed, "-<a@fed.test>\n+a@s1.test ORCPT=rfc822;a@fed.test\n");
	assert_int_equal(fake.commits, 1);
	/* unknown meanwhile: left as it is */
	GIVE(bed, "<s@x>", "<a@fed.test>");
	fake.mailboxes[0].address = "other@fed.test";
	expect_end(bed, "");
}

static void the_commit_fails(void **state)
{
	static const struct {
		enum holdq_result result;
		enum reply reply;
	} cases[] = { { HOLDQ_FULL, REPLY_FULL }, { HOLDQ_FAILED, REPLY_STORE },
		{ HOLDQ_BROKEN, REPLY_STORE } };
	struct bed *bed = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		fake.commit = cases[i].result;
		GIVE(bed, "<s@x>", "<h@fed.test>", "<a@fed.test>");
		assert_int_equal(eom(bed), cases[i].reply);
		/* what was not accepted is not late */
		assert_int_equal(lateness_until(bed->front->lateness, NULL, ""), 0);
	}
	assert_true(bed->front->broken);
}

static void the_mta_takes_no_change(void **state)
{
	struct bed *bed = *state;

	bed->told.refuse = true;
	GIVE(bed, "<s@x>", "<h@fed.test>");
	assert_int_equal(eom(bed), REPLY_MTA);
	assert_int_equal(fake.commits, 0);
}

static void late_until_the_connections_next_event(void **state)
{
	struct bed *bed = *state;

	GIVE(bed, "<s@x>", "<a@fed.test>");
	assert_int_equal(eom(bed), REPLY_NONE);
	assert_true(lateness_until(bed->front->lateness, NULL, "") != 0);
	mail(bed, "<s@x>");
	assert_int_equal(lateness_until(bed->front->lateness, NULL, ""), 0);
	rcpt(bed, "<h@fed.test>");
	small_content(bed);
	assert_int_equal(eom(bed), REPLY_NONE);
	assert_int_equal(lateness_until(bed->front->lateness, NULL, ""), 0);
}

/* --- the re-entry listener -----------------------------------------------------------------------
 */

/* It is a recipient already, so it is not added; the message is for it all the same. */
static void late_for_a_physical_address_that_was_there(void **state)
{
	struct bed *bed = *state;
	struct physical_set *set = physical_set_new();

	physical_set_add(set, "a@s1.test");
	physical_set_finish(set);
	GIVE(bed, "x@y", "<a@s1.test>", "<a@fed.test>");
	expect_end(bed, "-<a@fed.test>\n");
	assert_true(lateness_until(bed->front->lateness, set, "") != 0);
	physical_set_free(&set);
}

static enum route_verdict released(struct bed *bed)
{
	struct release_hooks hooks = front_release_hooks(bed->front);
	struct route route;

	hooks.route(hooks.context, "a@fed.test", &route);
	return route.verdict;
}

static enum route_verdict taken(struct bed *bed)
{
	struct address address;
	struct route route;
	const char *error;

	assert_int_equal(address_parse("a@fed.test", &address, &error), 0);
	front_route(bed->front, &address, &route);
	return route.verdict;
}

static void what_the_nodes_state_allows(void **state)
{
	struct bed *bed = *state;
	struct replica_view view = { .node = NODE_DISABLING };

	assert_int_equal(taken(bed), ROUTE_REWRITE);
	assert_int_equal(released(bed), ROUTE_REWRITE);
	/* that it serves is not on disk yet */
	bed->front->recorded = false;
	assert_int_equal(taken(bed), ROUTE_TRYAGAIN);
	assert_int_equal(released(bed), ROUTE_TRYAGAIN);
	bed->front->recorded = true;
	/* it leaves, as it is told by a replica that may lack what was written before that */
	fake.node_enabled = false;
	front_follow(bed->front, &view);
	assert_int_equal(released(bed), ROUTE_TRYAGAIN);
	view.node_durable = true;
	front_follow(bed->front, &view);
	assert_int_equal(taken(bed), ROUTE_TRYAGAIN);
	assert_int_equal(released(bed), ROUTE_REWRITE);
	bed->front->recorded = false;
	assert_int_equal(released(bed), ROUTE_REWRITE);
	bed->front->cut_off = true;
	assert_int_equal(released(bed), ROUTE_TRYAGAIN);
	fake.node_enabled = bed->front->recorded = true;
	assert_int_equal(taken(bed), ROUTE_TRYAGAIN);
}

static void trap_13_reentry(void **state)
{
	struct bed *bed = *state;

	bed->connection->reentry = true;
	assert_true(front_is_reentry(bed->front, "reentry"));
	assert_false(front_is_reentry(bed->front, ""));
	mail(bed, "<s@x>");
	assert_int_equal(rcpt(bed, "<x@else.test>"), REPLY_CIRCLE);
	assert_int_equal(rcpt(bed, "<a b@else.test>"), REPLY_SYNTAX);
	assert_int_equal(rcpt(bed, "<nobody@fed.test>"), REPLY_NOBODY);
	assert_int_equal(rcpt(bed, "<a@fed.test>"), REPLY_NONE);
	assert_int_equal(rcpt(bed, "<h@fed.test>"), REPLY_NONE);
	small_content(bed);
	assert_int_equal(eom(bed), REPLY_NONE);
	GIVE(bed, "<s@x>", "<a@fed.test>");
	fake.mailboxes[0].address = "other@fed.test";
	assert_int_equal(eom(bed), REPLY_TRYAGAIN);
	expect_told(bed, "");
}

/* --- many recipients -----------------------------------------------------------------------------
 */

static void more_recipients_than_fit(void **state)
{
	struct bed *bed = *state;
	enum reply reply = REPLY_NONE;
	size_t taken = 0;
	char path[64];

	mail(bed, "<s@x>");
	for (; reply == REPLY_NONE && taken <= ENVELOPE_RECIPIENTS_MAX;
		taken += reply == REPLY_NONE) {
		snprintf(path, sizeof path, "<r%zu@else.test>", taken);
		reply = rcpt(bed, path);
	}
	assert_int_equal(reply, REPLY_TOO_MANY);
	assert_int_equal(taken, ENVELOPE_RECIPIENTS_MAX);
	small_content(bed);
	assert_int_equal(eom(bed), REPLY_NONE);
	assert_int_equal(bed->connection->envelope.cap, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED_TEST(the_table_at_rcpt),
		BED_TEST(a_full_queue_at_rcpt),
		BED_TEST(malformed_recipients),
		BED_TEST(a_name_without_domain_is_the_mtas),
		BED_TEST(a_stopping_front_takes_no_recipient),
		BED_TEST(trap_1_deleted_as_it_came),
		BED_TEST(trap_2_both_spellings_deleted_one_added),
		BED_TEST(trap_3_source_routes),
		BED_TEST(trap_6_deletions_come_first),
		BED_TEST(trap_7_parameters_are_kept),
		BED_TEST(held_as_the_mta_shows_it),
		BED_TEST(a_repeat_of_what_waits_for_release_is_not_sent_again),
		BED_TEST(an_mta_that_shows_no_leading_space),
		BED_TEST(one_4xx_and_nothing_is_stored),
		BED_TEST(decided_again),
		BED_TEST(the_commit_fails),
		BED_TEST(the_mta_takes_no_change),
		BED_TEST(late_until_the_connections_next_event),
		BED_TEST(late_for_a_physical_address_that_was_there),
		BED_TEST(what_the_nodes_state_allows),
		BED_TEST(trap_13_reentry),
		BED_TEST(more_recipients_than_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
