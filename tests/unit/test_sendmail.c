/* What an end of message asks of Sendmail, which drops without a word what it does not like. */
#include "tests/unit/milter_bed.h"

static int sendmail_setup(void **state)
{
	bed_setup(state);
	((struct bed *)*state)->connection->sendmail = true;
	return 0;
}

#define SENDMAIL_TEST(test) cmocka_unit_test_setup_teardown(test, sendmail_setup, bed_teardown)

static void plain_mail(struct bed *bed)
{
	char *arguments[] = { (char *)"<s@x>", (char *)"BODY=8BITMIME", NULL };

	connection_mail(bed->connection, arguments, NULL);
}

static enum reply rcpt_with(struct bed *bed, const char *path, const char *param)
{
	char *arguments[] = { (char *)path, (char *)param, NULL };

	return connection_rcpt(bed->connection, arguments);
}

/* It parses what it was given and what it is to delete, and compares the results. */
static void trap_24_deleted_with_its_source_route(void **state)
{
	struct bed *bed = *state;

	plain_mail(bed);
	rcpt(bed, "<@h1.test:A@fed.test>");
	rcpt(bed, "<A@fed.test>");
	rcpt(bed, "<@h1.test:h@fed.test>");
	small_content(bed);
	expect_end(bed, "-<@h1.test:A@fed.test>\n-<A@fed.test>\n-<@h1.test:h@fed.test>\n"
			"+a@s1.test \n");
	assert_non_null(strstr(str_cstr(&fake.envelope), "<h@fed.test>"));
}

/* Where it does not offer DSN a recipient with a parameter would be lost. */
static void parameters_only_where_it_has_shown_to_take_them(void **state)
{
	struct bed *bed = *state;

	plain_mail(bed);
	rcpt(bed, "<a@fed.test>");
	rcpt_with(bed, "<b@fed.test>", "NOTIFY=NEVER");
	small_content(bed);
	expect_end(bed, "-<a@fed.test>\n-<b@fed.test>\n+a@s1.test \n"
			"+b@s2.test NOTIFY=NEVER ORCPT=rfc822;b@fed.test\n");
	GIVE(bed, "<s@x>", "<a@fed.test>"); /* with ENVID */
	expect_end(bed, "-<a@fed.test>\n+a@s1.test ORCPT=rfc822;a@fed.test\n");
}

static void an_original_recipient_beyond_ascii_stays_encoded(void **state)
{
	struct bed *bed = *state;

	plain_mail(bed);
	rcpt_with(bed, "<a@fed.test>", "ORCPT=utf-8;b\\x{FC}@x");
	small_content(bed);
	expect_end(bed, "-<a@fed.test>\n+a@s1.test ORCPT=utf-8;b\\x{FC}@x\n");
}

/* It takes 256 bytes with the brackets, its end included. */
static void an_address_that_is_too_long_is_not_added(void **state)
{
	struct bed *bed = *state;
	char physical[300];

	memset(physical, 'p', sizeof physical);
	for (size_t len = 253; len <= 254; len++) {
		strcpy(physical + len - 8, "@s1.test");
		fake.mailboxes[0].physical = physical;
		plain_mail(bed);
		rcpt(bed, "<a@fed.test>");
		rcpt(bed, "<h@fed.test>");
		small_content(bed);
		assert_int_equal(eom(bed), len == 253 ? REPLY_NONE : REPLY_MTA);
		assert_int_equal(fake.commits, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SENDMAIL_TEST(trap_24_deleted_with_its_source_route),
		SENDMAIL_TEST(parameters_only_where_it_has_shown_to_take_them),
		SENDMAIL_TEST(an_original_recipient_beyond_ascii_stays_encoded),
		SENDMAIL_TEST(an_address_that_is_too_long_is_not_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
