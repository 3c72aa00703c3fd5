/* A transaction from MAIL to the answer at end of message, on faked stores and a faked MTA. */
#include "tests/unit/unit.h"

#include "lib/log.h"
#include "lib/mem.h"
#include "milter/connection.h"
#include "tests/unit/milter_fakes.h"

#define BIG (200 * 1024)

/* The MTA: what it was told, in order. */
struct told {
	struct str changes;
	bool refuse;
};

static int told_delete(void *context, const char *argument)
{
	struct told *told = context;

	str_printf(&told->changes, "-%s\n", argument);
	return told->refuse ? -1 : 0;
}

static int told_add(void *context, const char *address, const char *params)
{
	struct told *told = context;

	str_printf(&told->changes, "+%s %s\n", address, params ? params : "");
	return 0;
}

static const char *told_id(void *context)
{
	(void)context;
	return "4hQ";
}

struct bed {
	struct front *front;
	struct connection *connection;
	struct told told;
};

static int setup(void **state)
{
	struct bed *bed = mem_zalloc(sizeof *bed);

	fake_reset();
	fake_add("a@fed.test", "a@s1.test", STATE_ACTIVE);
	fake_add("alias@fed.test", "a@s1.test", STATE_ACTIVE);
	fake_add("h@fed.test", "h@s1.test", STATE_HOLDING);
	fake_add("d@fed.test", "d@s1.test", STATE_DEFERRED);
	fake_add("b@fed.test", "b@s2.test", STATE_ACTIVE);
	log_set_level(LOG_LEVEL_ERROR);
	bed->front = fake_front();
	bed->connection = connection_new(bed->front);
	bed->connection->leading_space = true;
	*state = bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;
	int64_t age;

	connection_free(&bed->connection);
	assert_int_equal(decisions_count(bed->front->decisions, &age), 0);
	assert_int_equal(bed->front->transactions, 0);
	assert_int_equal(bed->front->connections, 0);
	assert_int_equal(fake.drafts, fake.drafts_freed);
	fake_front_free(&bed->front);
	str_free(&bed->told.changes);
	mem_free(&bed);
	fake_reset();
	return 0;
}

static void mail(struct bed *bed, const char *sender)
{
	char *arguments[] = { (char *)sender, (char *)"SIZE=99", (char *)"BODY=8BITMIME",
		(char *)"ENVID=x", NULL };

	connection_event(bed->connection);
	connection_mail(bed->connection, arguments, NULL);
}

static enum reply rcpt(struct bed *bed, const char *path)
{
	char *arguments[] = { (char *)path, NULL };

	return connection_rcpt(bed->connection, arguments);
}

static void small_content(struct bed *bed)
{
	connection_header(bed->connection, "Message-ID", " <1@x>");
	connection_header(bed->connection, "Subject", " two\n lines");
	connection_header(bed->connection, "X-None", "");
	assert_true(connection_body(bed->connection, "body\r\n", 6));
}

static enum reply eom(struct bed *bed)
{
	struct mta mta = { &bed->told, told_delete, told_add, told_id };

	str_reset(&bed->told.changes);
	return connection_eom(bed->connection, &mta);
}

static void expect_told(const struct bed *bed, const char *text)
{
	assert_string_equal(str_cstr(&bed->told.changes), text);
}

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
	assert_int_equal(eom(bed), REPLY_NONE);
	expect_told(bed, "");
	mail(bed, "<s@x>");
	fake.loaded = false;
	assert_int_equal(rcpt(bed, "<a b@else.test>"), REPLY_TRYAGAIN);
}

static void a_name_without_domain_is_the_mtas(void **state)
{
	struct bed *bed = *state;

	mail(bed, "<>");
	assert_int_equal(rcpt(bed, "<postmaster>"), REPLY_NONE);
	small_content(bed);
	assert_int_equal(eom(bed), REPLY_NONE);
	expect_told(bed, "");
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

	mail(bed, "<s@x>");
	assert_int_equal(rcpt(bed, "<A@Fed.TEST>"), REPLY_NONE);
	small_content(bed);
	assert_int_equal(eom(bed), REPLY_NONE);
	expect_told(bed, "-<A@Fed.TEST>\n+a@s1.test ORCPT=rfc822;A@Fed.TEST\n");
}

static void trap_2_both_spellings_deleted_one_added(void **state)
{
	struct bed *bed = *state;

	mail(bed, "<s@x>");
	rcpt(bed, "<A@fed.test>");
	rcpt(bed, "<a@fed.test>");
	rcpt(bed, "<alias@fed.test>");
	small_content(bed);
	assert_int_equal(eom(bed), REPLY_NONE);
	expect_told(bed, "-<A@fed.test>\n-<a@fed.test>\n-<alias@fed.test>\n"
			 "+a@s1.test ORCPT=rfc822;A@fed.test\n");
}

static void trap_3_source_routes(void **state)
{
	struct bed *bed = *state;

	mail(bed, "<s@x>");
	assert_int_equal(rcpt(bed, "<@h1.test,@[IPv6:::1]:A@fed.test>"), REPLY_NONE);
	assert_int_equal(rcpt(bed, "<@h1:h@fed.test>"), REPLY_NONE);
	small_content(bed);
	assert_int_equal(eom(bed), REPLY_NONE);
	expect_told(bed, "-<A@fed.test>\n-<h@fed.test>\n+a@s1.test ORCPT=rfc822;A@fed.test\n");
	assert_non_null(strstr(str_cstr(&fake.envelope), "<h@fed.test> ORCPT=rfc822;h@fed.test"));
}

static void trap_6_deletions_come_first(void **state)
{
	struct bed *bed = *state;

	mail(bed, "<s@x>");
	rcpt(bed, "<a@fed.test>");
	rcpt(bed, "<b@fed.test>");
	small_content(bed);
	assert_int_equal(eom(bed), REPLY_NONE);
	expect_told(bed, "-<a@fed.test>\n-<b@fed.test>\n+a@s1.test ORCPT=rfc822;a@fed.test\n"
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
	assert_int_equal(eom(bed), REPLY_NONE);
	expect_told(bed, "-<a@fed.test>\n-<h@fed.test>\n"
			 "+a@s1.test NOTIFY=FAILURE,DELAY ORCPT=rfc822;o+2Br@x\n");
	assert_string_equal(str_cstr(&fake.envelope),
		"<s@x> BODY=8BITMIME ENVID=x\n"
		"3 <h@fed.test> NOTIFY=FAILURE,DELAY X-OWN=1 ORCPT=rfc822;o+2Br@x\n");
}

static void held_as_the_mta_shows_it(void **state)
{
	struct bed *bed = *state;

	mail(bed, "<>");
	rcpt(bed, "<h@fed.test>");
	small_content(bed);
	assert_int_equal(eom(bed), REPLY_NONE);
	expect_told(bed, "-<h@fed.test>\n");
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

	mail(bed, "<s@x>");
	rcpt(bed, "<h@fed.test>");
	rcpt(bed, "<a@fed.test>");
	small_content(bed);
	fake.mailboxes[0].state = STATE_DEFERRED;
	assert_int_equal(eom(bed), REPLY_DEFER);
	expect_told(bed, "");
	assert_int_equal(fake.commits, 0);
}

static void decided_again(void **state)
{
	struct bed *bed = *state;

	/* active at RCPT, holding now: held */
	mail(bed, "<s@x>");
	rcpt(bed, "<a@fed.test>");
	small_content(bed);
	fake.mailboxes[0].state = STATE_HOLDING;
	assert_int_equal(eom(bed), REPLY_NONE);
	expect_told(bed, "-<a@fed.test>\n");
	assert_int_equal(fake.commits, 1);
	/* the other way round: rewritten */
	mail(bed, "<s@x>");
	rcpt(bed, "<a@fed.test>");
	small_content(bed);
	fake.mailboxes[0].state = STATE_ACTIVE;
	assert_int_equal(eom(bed), REPLY_NONE);
	expect_told(bed, "-<a@fed.test>\n+a@s1.test ORCPT=rfc822;a@fed.test\n");
	assert_int_equal(fake.commits, 1);
	/* unknown meanwhile: left as it is */
	mail(bed, "<s@x>");
	rcpt(bed, "<a@fed.test>");
	small_content(bed);
	fake.mailboxes[0].address = "other@fed.test";
	assert_int_equal(eom(bed), REPLY_NONE);
	expect_told(bed, "");
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
		mail(bed, "<s@x>");
		rcpt(bed, "<h@fed.test>");
		rcpt(bed, "<a@fed.test>");
		small_content(bed);
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
	mail(bed, "<s@x>");
	rcpt(bed, "<h@fed.test>");
	small_content(bed);
	assert_int_equal(eom(bed), REPLY_MTA);
	assert_int_equal(fake.commits, 0);
}

static void late_until_the_connections_next_event(void **state)
{
	struct bed *bed = *state;

	mail(bed, "<s@x>");
	rcpt(bed, "<a@fed.test>");
	small_content(bed);
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
	mail(bed, "<s@x>");
	assert_int_equal(rcpt(bed, "<a@fed.test>"), REPLY_NONE);
	small_content(bed);
	fake.mailboxes[0].address = "other@fed.test";
	assert_int_equal(eom(bed), REPLY_TRYAGAIN);
	expect_told(bed, "");
}

/* --- large messages ------------------------------------------------------------------------------
 */

static bool big_body(struct bed *bed, size_t bytes)
{
	static char chunk[CONTENT_CHUNK];
	bool more = true;

	memset(chunk, 'x', sizeof chunk);
	for (; bytes && more; bytes -= bytes < sizeof chunk ? bytes : sizeof chunk)
		more = connection_body(
			bed->connection, chunk, bytes < sizeof chunk ? bytes : sizeof chunk);
	return more;
}

static void a_large_message_is_captured(void **state)
{
	struct bed *bed = *state;
	uint8_t first[32];

	for (int round = 0; round < 2; round++) {
		mail(bed, "<s@x>");
		rcpt(bed, "<a@fed.test>");
		rcpt(bed, "<h@fed.test>");
		connection_header(bed->connection, "Message-ID", " <1@x>");
		connection_header(bed->connection, "X-Round", round ? " 1" : " 0");
		assert_true(big_body(bed, BIG));
		assert_int_equal(bed->connection->content.state, CONTENT_DRAFT);
		assert_int_equal(eom(bed), REPLY_NONE);
		assert_int_equal(fake.content.len, 19 + 12 + 2 + BIG);
		if (round == 0)
			memcpy(first, fake.repeat, sizeof first);
	}
	assert_memory_equal(first, fake.repeat, sizeof first);
}

static void a_large_message_for_nobody_held_is_skipped(void **state)
{
	struct bed *bed = *state;

	mail(bed, "<s@x>");
	rcpt(bed, "<a@fed.test>");
	assert_false(big_body(bed, BIG));
	assert_int_equal(eom(bed), REPLY_NONE);
	assert_int_equal(fake.drafts, 0);
}

static void a_large_message_in_flight_as_the_flag_flips(void **state)
{
	struct bed *bed = *state;

	mail(bed, "<s@x>");
	rcpt(bed, "<a@fed.test>");
	assert_false(big_body(bed, BIG));
	fake.mailboxes[0].state = STATE_HOLDING;
	assert_int_equal(eom(bed), REPLY_FLIPPED);
	expect_told(bed, "");
	/* the client sends it again */
	mail(bed, "<s@x>");
	rcpt(bed, "<a@fed.test>");
	assert_true(big_body(bed, BIG));
	assert_int_equal(eom(bed), REPLY_NONE);
	assert_int_equal(fake.commits, 1);
}

static void a_message_that_just_fits_is_held_as_the_flag_flips(void **state)
{
	struct bed *bed = *state;

	mail(bed, "<s@x>");
	rcpt(bed, "<a@fed.test>");
	assert_true(big_body(bed, CONTENT_CHUNK - 1));
	fake.mailboxes[0].state = STATE_HOLDING;
	assert_int_equal(eom(bed), REPLY_NONE);
	assert_int_equal(fake.content.len, CONTENT_CHUNK - 1 + 2);
}

static void huge_headers(void **state)
{
	struct bed *bed = *state;
	char value[30001];

	memset(value, 'h', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	for (int held = 0; held < 2; held++) {
		mail(bed, "<s@x>");
		rcpt(bed, held ? "<h@fed.test>" : "<a@fed.test>");
		for (int i = 0; i < 20; i++)
			connection_header(bed->connection, "X", value);
		connection_body(bed->connection, "body\r\n", 6);
		assert_true(bed->connection->content.kept.cap <= 2 * CONTENT_KEPT_MAX);
		assert_int_equal(eom(bed), REPLY_NONE);
	}
	assert_int_equal(fake.content.len, 20 * 30004 + 2 + 6);
}

static void the_disk_fills_while_a_large_message_comes(void **state)
{
	struct bed *bed = *state;

	mail(bed, "<s@x>");
	rcpt(bed, "<h@fed.test>");
	fake.append = HOLDQ_FULL;
	assert_false(big_body(bed, BIG));
	assert_int_equal(eom(bed), REPLY_FULL);
	expect_told(bed, "");
}

static void aborted_transactions_leave_nothing(void **state)
{
	struct bed *bed = *state;

	mail(bed, "<s@x>");
	rcpt(bed, "<h@fed.test>");
	assert_true(big_body(bed, BIG));
	connection_abort(bed->connection);
	connection_abort(bed->connection);
	assert_int_equal(bed->front->transactions, 0);
	assert_int_equal(fake.drafts_freed, 1);
	mail(bed, "<s@x>");
	rcpt(bed, "<h@fed.test>");
	assert_true(big_body(bed, BIG));
	mail(bed, "<s2@x>");
	assert_int_equal(bed->front->transactions, 1);
	assert_int_equal(bed->connection->envelope.count, 0);
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

#define BED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED(the_table_at_rcpt),
		BED(a_full_queue_at_rcpt),
		BED(malformed_recipients),
		BED(a_name_without_domain_is_the_mtas),
		BED(a_stopping_front_takes_no_recipient),
		BED(trap_1_deleted_as_it_came),
		BED(trap_2_both_spellings_deleted_one_added),
		BED(trap_3_source_routes),
		BED(trap_6_deletions_come_first),
		BED(trap_7_parameters_are_kept),
		BED(held_as_the_mta_shows_it),
		BED(an_mta_that_shows_no_leading_space),
		BED(one_4xx_and_nothing_is_stored),
		BED(decided_again),
		BED(the_commit_fails),
		BED(the_mta_takes_no_change),
		BED(late_until_the_connections_next_event),
		BED(trap_13_reentry),
		BED(a_large_message_is_captured),
		BED(a_large_message_for_nobody_held_is_skipped),
		BED(a_large_message_in_flight_as_the_flag_flips),
		BED(a_message_that_just_fits_is_held_as_the_flag_flips),
		BED(huge_headers),
		BED(the_disk_fills_while_a_large_message_comes),
		BED(aborted_transactions_leave_nothing),
		BED(more_recipients_than_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
