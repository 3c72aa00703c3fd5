/* Large messages: captured when somebody is held, skipped otherwise. */
#include "tests/unit/milter_bed.h"

#define BIG (200 * 1024)

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

/* A message to one recipient as far as its body is taken: whether more of it is wanted. */
static bool give_big(struct bed *bed, const char *path, size_t bytes)
{
	mail(bed, "<s@x>");
	assert_int_equal(rcpt(bed, path), REPLY_NONE);
	return big_body(bed, bytes);
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

	assert_false(give_big(bed, "<a@fed.test>", BIG));
	assert_int_equal(eom(bed), REPLY_NONE);
	assert_int_equal(fake.drafts, 0);
}

static void a_large_message_in_flight_as_the_flag_flips(void **state)
{
	struct bed *bed = *state;

	assert_false(give_big(bed, "<a@fed.test>", BIG));
	fake.mailboxes[0].state = STATE_HOLDING;
	assert_int_equal(eom(bed), REPLY_FLIPPED);
	expect_told(bed, "");
	/* the client sends it again */
	assert_true(give_big(bed, "<a@fed.test>", BIG));
	assert_int_equal(eom(bed), REPLY_NONE);
	assert_int_equal(fake.commits, 1);
}

static void a_message_that_just_fits_is_held_as_the_flag_flips(void **state)
{
	struct bed *bed = *state;

	assert_true(give_big(bed, "<a@fed.test>", CONTENT_CHUNK - 1));
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

static void many_headers(struct bed *bed, const char *message_id)
{
	char value[30001];

	memset(value, 'h', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	mail(bed, "<s@x>");
	rcpt(bed, "<h@fed.test>");
	for (int i = 0; i < 10; i++)
		connection_header(bed->connection, "X", value);
	connection_header(bed->connection, "Message-ID", message_id);
}

/* Two messages alike but for a Message-ID that comes late are two. */
static void a_message_id_behind_huge_headers_counts(void **state)
{
	static const char *const ids[] = { " <1@x>", " <2@x>", " <1@x>" };
	struct bed *bed = *state;
	uint8_t digests[3][32];

	for (int i = 0; i < 3; i++) {
		many_headers(bed, ids[i]);
		connection_body(bed->connection, "body\r\n", 6);
		assert_int_equal(eom(bed), REPLY_NONE);
		memcpy(digests[i], fake.repeat, sizeof digests[i]);
	}
	assert_memory_not_equal(digests[0], digests[1], sizeof digests[0]);
	assert_memory_equal(digests[0], digests[2], sizeof digests[0]);
}

static void huge_headers_alone_get_their_empty_line(void **state)
{
	struct bed *bed = *state;

	many_headers(bed, " <1@x>");
	assert_int_equal(eom(bed), REPLY_NONE);
	assert_int_equal(fake.content.len, 10 * 30004 + 19 + 2);
	assert_memory_equal(fake.content.data + fake.content.len - 4, "\r\n\r\n", 4);
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

	assert_true(give_big(bed, "<h@fed.test>", BIG));
	connection_abort(bed->connection);
	connection_abort(bed->connection);
	assert_int_equal(bed->front->transactions, 0);
	assert_int_equal(fake.drafts_freed, 1);
	assert_true(give_big(bed, "<h@fed.test>", BIG));
	mail(bed, "<s2@x>");
	assert_int_equal(bed->front->transactions, 1);
	assert_int_equal(bed->connection->envelope.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED_TEST(a_large_message_is_captured),
		BED_TEST(a_large_message_for_nobody_held_is_skipped),
		BED_TEST(a_large_message_in_flight_as_the_flag_flips),
		BED_TEST(a_message_that_just_fits_is_held_as_the_flag_flips),
		BED_TEST(huge_headers),
		BED_TEST(a_message_id_behind_huge_headers_counts),
		BED_TEST(huge_headers_alone_get_their_empty_line),
		BED_TEST(the_disk_fills_while_a_large_message_comes),
		BED_TEST(aborted_transactions_leave_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
