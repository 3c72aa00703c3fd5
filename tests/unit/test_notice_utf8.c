/* Notices about internationalized mail (RFC 6533). tests/system parses them with a mail library. */
#include "tests/unit/unit.h"

#include "lib/mem.h"
#include "queue/notice.h"

#define UE     "\xc3\xbc" /* U+00FC */
#define ASCII  "A: b\r\n\r\nc\r\n"
#define HEADER "A: " UE "\r\n\r\nc\r\n"
#define BODY   "A: b\r\n\r\n" UE "\r\n"

struct given {
	enum notice_kind kind;
	const char *sender, *params, *recipient, *orcpt, *original;
};

static struct holdq_envelope envelope(const struct given *given)
{
	return (struct holdq_envelope){ .sender = (char *)(uintptr_t)given->sender,
		.mail_params = (char *)(uintptr_t)given->params,
		.client_name = (char *)"",
		.client_address = (char *)"",
		.helo = (char *)"",
		.auth_user = (char *)"",
		.queue_id = (char *)"",
		.id = (char *)"",
		.arrived_us = 1700000000000000 };
}

/* The text, the parameters with which it is sent behind it. */
static char *write_given(const struct given *given, bool no_8bit)
{
	const struct holdq_envelope e = envelope(given);
	const struct notice_recipient recipient = { .address = given->recipient,
		.params = given->orcpt,
		.status = "5.6.7",
		.diagnostic = "554 5.6.7 no" };
	const struct notice notice = { .kind = given->kind,
		.hostname = "front.example",
		.remote = "",
		.envelope = &e,
		.recipients = &recipient,
		.count = 1,
		.now_us = 1700000100000000,
		.original = given->original,
		.original_len = strlen(given->original),
		.complete = true,
		.no_8bit = no_8bit };
	struct str out = STR_INIT;

	notice_write(&notice, &out);
	str_printf(&out, "MAIL<%s>", notice_mail_params(&notice));
	return str_steal(&out);
}

static void expect(const struct given *given, bool no_8bit, const char *const *there,
	const char *const *absent)
{
	char *text = write_given(given, no_8bit);

	for (; *there != NULL; there++)
		if (strstr(text, *there) == NULL)
			fail_msg("%s is not in %s", *there, text);
	for (; *absent != NULL; absent++)
		if (strstr(text, *absent) != NULL)
			fail_msg("%s is in %s", *absent, text);
	mem_free(&text);
}

#define EXPECT(given, there, ...)                                                                  \
	expect(&(given), false, (const char *const[])there,                                        \
		(const char *const[]){ __VA_ARGS__, NULL })
#define EXPECT_NO_8BIT(given, there, ...)                                                          \
	expect(&(given), true, (const char *const[])there,                                         \
		(const char *const[]){ __VA_ARGS__, NULL })
#define ALL(...)                                                                                   \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

static bool is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

/* Section 4.5: nothing is known of the way back, so nothing in it may need more than 7 bits. */
static void test_to_an_ascii_sender(void **state)
{
	const struct given given = { NOTICE_FAILED, "s@o", "SMTPUTF8 BODY=8BITMIME", "b" UE "+d@x",
		"ORCPT=utf-8;B\\x{FC}\\x{2B}D@x", HEADER };

	(void)state;
	EXPECT(given,
		ALL("Content-Type: text/plain; charset=utf-8\r\n"
		    "Content-Transfer-Encoding: quoted-printable\r\n",
			"\r\n  <b=C3=BC+d@x>\r\n",
			"Content-Type: message/global-delivery-status\r\n"
			"Content-Transfer-Encoding: quoted-printable\r\n",
			"Original-Recipient: utf-8; B=C3=BC+D@x\r\n"
			"Final-Recipient: utf-8; b=C3=BC+d@x\r\n",
			"Content-Type: message/global\r\n"
			"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
			"A: =C3=BC\r\n\r\nc\r\n",
			"MAIL<>"),
		"8bit", "\\x{");
	char *text = write_given(&given, false);
	assert_true(is_ascii(text));
	mem_free(&text);
}

/* The way to the sender takes internationalized mail anyhow. */
static void test_to_an_internationalized_sender(void **state)
{
	const struct given given = { NOTICE_FAILED, "s" UE "@o", "SMTPUTF8", "b" UE "@x",
		"ORCPT=utf-8;B\\x{FC}@x", HEADER };

	(void)state;
	EXPECT(given,
		ALL("To: <s" UE "@o>\r\n", "\r\n  <b" UE "@x>\r\n",
			"Content-Type: message/global-delivery-status\r\n"
			"Content-Transfer-Encoding: 8bit\r\n",
			"Original-Recipient: utf-8; B" UE "@x\r\n"
			"Final-Recipient: utf-8; b" UE "@x\r\n",
			"Content-Type: message/global\r\n"
			"Content-Transfer-Encoding: 8bit\r\n\r\n" HEADER,
			"MAIL<BODY=8BITMIME SMTPUTF8>"),
		"quoted-printable");
}

static void test_header_alone(void **state)
{
	struct given given = { NOTICE_DELAYED, "s" UE "@o", "SMTPUTF8", "b@x", "", HEADER };

	(void)state;
	EXPECT(given,
		ALL("Content-Type: message/global-headers\r\nContent-Transfer-Encoding: "
		    "8bit\r\n\r\n"
		    "A: " UE "\r\n\r\n",
			"Content-Type: message/delivery-status\r\n\r\n"),
		"message/global-delivery-status");
	given.sender = "s@o";
	EXPECT(given,
		ALL("Content-Type: message/global-headers\r\n"
		    "Content-Transfer-Encoding: quoted-printable\r\n\r\nA: =C3=BC\r\n\r\n",
			"MAIL<>"),
		"8bit");
}

/* Section 4.4: where nothing is lost by it the traditional types are used, which all can read. */
static void test_all_ascii(void **state)
{
	struct given given = { NOTICE_FAILED, "s@o", "SMTPUTF8", "b@x", "ORCPT=rfc822;b@x", ASCII };

	(void)state;
	EXPECT(given,
		ALL("message/delivery-status\r\n", "message/rfc822\r\n", "us-ascii", "MAIL<>"),
		"global", "Transfer-Encoding");
	given.original = BODY; /* that needs 8-bit, but the header does not */
	EXPECT(given, ALL("message/global\r\n", "=C3=BC\r\n", "MAIL<>"), "8bit");
}

/* Without SMTPUTF8: RFC 3464 alone, and addresses in the form that is ASCII. */
static void test_traditional(void **state)
{
	struct given given = { NOTICE_FAILED, "s@o", "", "\xc3\xa9lan+x@x",
		"ORCPT=utf-8;\xc3\xa9lan\\x{2B}x@x", BODY };

	(void)state;
	EXPECT(given,
		ALL("Content-Type: message/delivery-status\r\n\r\n",
			"Original-Recipient: utf-8; \\x{E9}lan\\x{2B}x@x\r\n"
			"Final-Recipient: utf-8; \\x{E9}lan\\x{2B}x@x\r\n",
			"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: "
			"8bit\r\n\r\n" BODY,
			"MAIL<BODY=8BITMIME>"),
		"global", "=C3=BC");
	given.kind = NOTICE_DELAYED;
	given.original = HEADER; /* RFC 6522 section 4: a header may be encoded */
	EXPECT(given,
		ALL("Content-Type: text/rfc822-headers\r\n"
		    "Content-Transfer-Encoding: quoted-printable\r\n\r\nA: =C3=BC\r\n\r\n",
			"MAIL<>"),
		"8bit");
	given.sender = "s" UE "@o";
	EXPECT(given,
		ALL("Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 8bit\r\n",
			"MAIL<BODY=8BITMIME SMTPUTF8>"),
		"quoted");
}

/* A system that takes no 8-bit content gets the header instead of none at all. */
static void test_where_8_bit_is_not_taken(void **state)
{
	struct given given = { NOTICE_FAILED, "s@o", "BODY=8BITMIME RET=FULL", "b@x", "", BODY };

	(void)state;
	EXPECT_NO_8BIT(given,
		ALL("Content-Type: text/rfc822-headers\r\n\r\nA: b\r\n\r\n", "MAIL<>"), UE, "=C3");
	given.params = "BODY=8BITMIME SMTPUTF8 RET=FULL";
	EXPECT_NO_8BIT(given, ALL("Content-Type: message/global\r\n", "=C3=BC\r\n", "MAIL<>"), UE);
	given.params = "RET=FULL";
	given.original = ASCII;
	EXPECT_NO_8BIT(given, ALL("Content-Type: message/rfc822\r\n\r\n" ASCII), "headers");
}

/* What is no UTF-8 is shown byte by byte, in either form. */
static void test_not_utf8(void **state)
{
	struct given given = { NOTICE_FAILED, "s@o", "SMTPUTF8", "b\xff@x", "", ASCII };

	(void)state;
	EXPECT(given, ALL("Final-Recipient: utf-8; b\\x{FF}@x\r\n", "  utf-8; b\\x{FF}@x\r\n"),
		"\xff", "=FF");
	given.params = "";
	EXPECT(given, ALL("Final-Recipient: utf-8; b\\x{FF}@x\r\n"), "\xff", "=FF");
}

/* RFC 6533 section 3: labelled utf-8 but of none of its forms: copied as it is. */
static void test_orcpt_that_is_wrong(void **state)
{
	const struct given given = { NOTICE_FAILED, "s" UE "@o", "SMTPUTF8", "b@x",
		"ORCPT=UTF-8;a\\x{D800}\\x{}@x", ASCII };

	(void)state;
	EXPECT(given,
		ALL("message/global-delivery-status\r\n",
			"Original-Recipient: UTF-8; a\\x{D800}\\x{}@x\r\n"),
		"?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_to_an_ascii_sender),
		cmocka_unit_test(test_to_an_internationalized_sender),
		cmocka_unit_test(test_header_alone),
		cmocka_unit_test(test_all_ascii),
		cmocka_unit_test(test_traditional),
		cmocka_unit_test(test_where_8_bit_is_not_taken),
		cmocka_unit_test(test_not_utf8),
		cmocka_unit_test(test_orcpt_that_is_wrong),
	};

	return cmocka_run_group_tests_name("notice utf8", tests, NULL, NULL);
}
