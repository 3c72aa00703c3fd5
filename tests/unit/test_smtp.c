/* queue/smtp.c, smtp_mail.c and link.c against a server that misbehaves as told. */
#include "tests/unit/unit.h"

#include "lib/clock.h"
#include "lib/mem.h"
#include "queue/smtp.h"
#include "tests/unit/smtp_server.h"

static const char *text = "Subject: x\r\n\r\n.dot\r\nbody\r\n";

static int read_text(void *context, uint64_t offset, void *buffer, size_t size, size_t *len_r)
{
	const char *content = context;
	size_t len = strlen(content);

	*len_r = offset < len ? len - offset : 0;
	*len_r = *len_r < size ? *len_r : size;
	memcpy(buffer, content + offset, *len_r);
	return 0;
}

/* A connection, one transaction per call of send_one. */
struct talk {
	struct server *server;
	struct smtp *smtp;
	struct smtp_settings settings;
	struct smtp_recipient recipients[3];
	struct smtp_mail mail;
};

static void open_talk_with(struct talk *talk, struct server *server)
{
	const char *error;

	memset(talk, 0, sizeof *talk);
	talk->server = server;
	talk->smtp = smtp_new();
	assert_int_equal(
		endpoint_parse(server_listener(talk->server), &talk->settings.endpoint, &error), 0);
	talk->settings.hostname = "test.example";
	talk->settings.timeout_us = 1 * CLOCK_SECOND;
	talk->recipients[0] = (struct smtp_recipient){ .address = "a@s", .params = "NOTIFY=NEVER" };
	talk->recipients[1] = (struct smtp_recipient){ .address = "b@s", .params = "" };
	talk->recipients[2] =
		(struct smtp_recipient){ .address = "c@s", .params = "ORCPT=rfc822;c@x FOO=1" };
	talk->mail = (struct smtp_mail){ .sender = "s@x",
		.params = "BODY=8BITMIME RET=HDRS ENVID=e",
		.prefix = "Received: y\r\n",
		.bytes = strlen(text),
		.read = read_text,
		.context = (void *)text,
		.recipients = talk->recipients,
		.count = 3 };
}

static void open_talk(
	struct talk *talk, bool lmtp, const char *ehlo, const struct server_rule *rules)
{
	open_talk_with(talk, server_start(lmtp, ehlo, rules));
}

static void greet(struct talk *talk)
{
	struct answer failure;

	assert_int_equal(smtp_open(talk->smtp, &talk->settings, &failure), 0);
}

/* The same, and the session is open. */
static void begin_talk(
	struct talk *talk, bool lmtp, const char *ehlo, const struct server_rule *rules)
{
	open_talk(talk, lmtp, ehlo, rules);
	greet(talk);
}

static void close_talk(struct talk *talk)
{
	smtp_quit(talk->smtp);
	smtp_free(&talk->smtp);
	server_stop(&talk->server);
	endpoint_clear(&talk->settings.endpoint);
}

static void expect_stages(struct talk *talk, enum stage a, enum stage b, enum stage c)
{
	assert_int_equal(talk->recipients[0].answer.stage, a);
	assert_int_equal(talk->recipients[1].answer.stage, b);
	assert_int_equal(talk->recipients[2].answer.stage, c);
}

static void expect_sent(struct talk *talk, enum stage a, enum stage b, enum stage c)
{
	smtp_send(talk->smtp, &talk->mail);
	expect_stages(talk, a, b, c);
}

static void expect_all(struct talk *talk, enum stage stage)
{
	expect_sent(talk, stage, stage, stage);
}

static const char *const abilities[] = { "PIPELINING\n8BITMIME\nDSN\nSIZE 10000",
	"8BITMIME\nDSN\nSIZE 10000" };

static void test_delivers(void **state)
{
	struct talk talk;

	(void)state;
	for (size_t i = 0; i < COUNT(abilities); i++) {
		begin_talk(&talk, false, abilities[i], NULL);
		for (int n = 0; n < 3; n++) {
			expect_all(&talk, STAGE_DOT);
			assert_int_equal(talk.recipients[1].answer.reply.code, 250);
		}
		assert_int_equal(server_count(talk.server), 3);
		assert_int_equal(server_connections(talk.server), 1);
		const struct server_mail *mail = server_mail(talk.server, 2);
		assert_string_equal(
			mail->content, "Received: y\r\nSubject: x\r\n\r\n.dot\r\nbody\r\n");
		assert_string_equal(mail->sender, "<s@x> SIZE=39 BODY=8BITMIME RET=HDRS ENVID=e");
		assert_string_equal(
			mail->recipients, "<a@s> NOTIFY=NEVER, <b@s>, <c@s> ORCPT=rfc822;c@x");
		assert_int_equal(smtp_used(talk.smtp), 3);
		close_talk(&talk);
	}
}

static void test_plain_server(void **state)
{
	struct talk talk;

	(void)state;
	open_talk(&talk, false, "", NULL); /* says nothing but 250 to EHLO */
	talk.mail.sender = "";
	talk.mail.params = "RET=HDRS ENVID=e";
	greet(&talk);
	expect_all(&talk, STAGE_DOT);
	assert_string_equal(server_mail(talk.server, 0)->sender, "<>");
	assert_string_equal(server_mail(talk.server, 0)->recipients, "<a@s>, <b@s>, <c@s>");
	close_talk(&talk);
}

static void test_some_refused(void **state)
{
	const struct server_rule rules[] = {
		{ "RCPT", "a@s", 0, 1, "550 5.1.1 nobody" },
		{ "RCPT", "c@s", 0, 1, "450-4.2.1 later\r\n450 4.2.1 really" },
		{ NULL, NULL, 0, 0, NULL },
	};
	struct talk talk;

	(void)state;
	for (size_t i = 0; i < COUNT(abilities); i++) {
		begin_talk(&talk, false, abilities[i], rules);
		expect_sent(&talk, STAGE_RCPT, STAGE_DOT, STAGE_RCPT);
		assert_int_equal(talk.recipients[0].answer.reply.code, 550);
		assert_int_equal(talk.recipients[2].answer.reply.code, 450);
		assert_string_equal(server_mail(talk.server, 0)->recipients, "<b@s>");
		expect_all(&talk, STAGE_DOT);
		close_talk(&talk);
	}
}

/* After each of these the same connection must serve the next transaction. */
static void test_refused_then_fine(void **state)
{
	static const struct {
		struct server_rule rules[3];
		enum stage stage;
		int code;
	} cases[] = {
		{ { { "MAIL", NULL, 0, 1, "550 5.7.1 no" } }, STAGE_MAIL, 550 },
		{ { { "RCPT", NULL, 0, 3, "550 5.1.1 no" } }, STAGE_RCPT, 550 },
		{ { { "RCPT", NULL, 0, 3, "450 no" }, { "DATA", NULL, 0, 1, "354 go on" } },
			STAGE_RCPT, 450 },
		{ { { "DATA", NULL, 0, 1, "451 4.3.0 no" } }, STAGE_DATA, 451 },
		{ { { "DATA", NULL, 0, 1, "554 5.6.0 no" } }, STAGE_DATA, 554 },
		{ { { ".", NULL, 0, 1, "451 4.3.0 no" } }, STAGE_DOT, 451 },
		{ { { ".", NULL, 0, 1, "554 5.6.0 no" } }, STAGE_DOT, 554 },
	};
	struct talk talk;

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(cases); i++) {
		enum stage stage = cases[i / 2].stage;
		begin_talk(&talk, false, abilities[i % 2], cases[i / 2].rules);
		expect_all(&talk, stage);
		assert_int_equal(talk.recipients[2].answer.reply.code, cases[i / 2].code);
		/* The empty message that ends a pointless 354 is for nobody. */
		size_t before = server_count(talk.server);
		assert_true(smtp_is_ready(talk.smtp));
		expect_all(&talk, STAGE_DOT);
		assert_int_equal(server_count(talk.server), before + 1);
		assert_int_equal(server_connections(talk.server), 1);
		close_talk(&talk);
	}
}

static void test_link_lost(void **state)
{
	static const struct {
		struct server_rule rules[2];
		enum stage stage;
	} cases[] = {
		{ { { "MAIL", NULL, 0, 0, SERVER_CLOSE } }, STAGE_LOST },
		{ { { "MAIL", NULL, 0, 0, "421 4.3.2 bye" } }, STAGE_LOST },
		{ { { "MAIL", NULL, 0, 0, SERVER_SILENT } }, STAGE_LOST },
		{ { { "MAIL", NULL, 0, 0, "what do you want" } }, STAGE_LOST },
		{ { { "MAIL", NULL, 0, 0, "354 what" } }, STAGE_LOST },
		{ { { "RCPT", NULL, 0, 0, SERVER_CLOSE } }, STAGE_LOST },
		{ { { "RCPT", NULL, 0, 0, "421 4.3.2 bye" } }, STAGE_LOST },
		{ { { "RCPT", NULL, 0, 0, SERVER_SILENT } }, STAGE_LOST },
		{ { { "DATA", NULL, 0, 0, SERVER_CLOSE } }, STAGE_LOST },
		{ { { "DATA", NULL, 0, 0, "250 what" } }, STAGE_LOST },
		{ { { "DATA", NULL, 0, 0, SERVER_SILENT } }, STAGE_LOST },
		{ { { ".", NULL, 0, 0, SERVER_CLOSE } }, STAGE_UNCLEAR },
		{ { { ".", NULL, 0, 0, SERVER_SILENT } }, STAGE_UNCLEAR },
		{ { { ".", NULL, 0, 0, "!" } }, STAGE_UNCLEAR },
		{ { { ".", NULL, 0, 0, "354 what" } }, STAGE_UNCLEAR },
		{ { { ".", NULL, 0, 0, "421 4.3.2 bye" } }, STAGE_DOT },
	};
	struct talk talk;

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(cases); i++) {
		enum stage stage = cases[i / 2].stage;
		begin_talk(&talk, false, abilities[i % 2], cases[i / 2].rules);
		expect_all(&talk, stage);
		assert_false(smtp_is_open(talk.smtp));
		close_talk(&talk);
	}
}

static void test_closed_mid_data(void **state)
{
	const struct server_rule rules[] = {
		{ "DATA", NULL, 0, 0, SERVER_CUT },
		{ NULL, NULL, 0, 0, NULL },
	};
	size_t size = 20 * 1000 * 1000;
	char *big = mem_alloc(size + 1);
	struct talk talk;

	(void)state;
	memset(big, 'x', size);
	for (size_t i = 98; i < size; i += 100)
		memcpy(big + i, "\r\n", 2);
	big[size] = '\0';
	open_talk(&talk, false, "PIPELINING", rules);
	talk.mail.context = big;
	talk.mail.bytes = size;
	greet(&talk);
	expect_all(&talk, STAGE_LOST);
	assert_int_equal(server_count(talk.server), 0);
	server_rules(talk.server, NULL);
	greet(&talk);
	expect_all(&talk, STAGE_DOT);
	const struct server_mail *mail = server_mail(talk.server, 0);
	assert_int_equal(mail->bytes, size + strlen(talk.mail.prefix));
	assert_memory_equal(mail->content + strlen(talk.mail.prefix), big, size);
	close_talk(&talk);
	mem_free(&big);
}

static int read_broken(void *context, uint64_t offset, void *buffer, size_t size, size_t *len_r)
{
	(void)context;
	memset(buffer, 'x', size);
	*len_r = offset < 100000 ? size : 0;
	return offset < 100000 ? 0 : -1;
}

/* Content that ends too early, or cannot be read, never gets its final dot. */
static void test_content_fails(void **state)
{
	struct talk talk;

	(void)state;
	begin_talk(&talk, false, NULL, NULL);
	talk.mail.bytes++;
	expect_all(&talk, STAGE_LOST);
	assert_true(talk.mail.content_failed);
	talk.mail.read = read_broken;
	talk.mail.bytes = 200000;
	greet(&talk);
	expect_all(&talk, STAGE_LOST);
	assert_true(talk.mail.content_failed);
	assert_int_equal(server_count(talk.server), 0);
	close_talk(&talk);
}

static void test_cannot_open(void **state)
{
	static const struct {
		struct server_rule rules[2];
		enum stage stage;
		int code;
	} cases[] = {
		{ { { "CONNECT", NULL, 0, 0, "554 5.3.2 no service" } }, STAGE_GREETING, 554 },
		{ { { "CONNECT", NULL, 0, 0, "421 busy" } }, STAGE_GREETING, 421 },
		{ { { "CONNECT", NULL, 0, 0, SERVER_CLOSE } }, STAGE_GREETING, 0 },
		{ { { "CONNECT", NULL, 0, 0, SERVER_SILENT } }, STAGE_GREETING, 0 },
		{ { { "CONNECT", NULL, 0, 0, "SSH-2.0-OpenSSH" } }, STAGE_GREETING, 0 },
		{ { { "EHLO", NULL, 0, 0, "502 5.5.2 what" } }, STAGE_EHLO, 502 },
		{ { { "EHLO", NULL, 0, 0, SERVER_CLOSE } }, STAGE_EHLO, 0 },
	};
	struct answer failure;
	struct talk talk;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		open_talk(&talk, false, NULL, cases[i].rules);
		assert_int_equal(smtp_open(talk.smtp, &talk.settings, &failure), -1);
		assert_int_equal(failure.stage, cases[i].stage);
		assert_int_equal(failure.reply.code, cases[i].code);
		assert_false(smtp_is_open(talk.smtp));
		close_talk(&talk);
	}
	open_talk(&talk, false, NULL, NULL);
	server_stop(&talk.server);
	assert_int_equal(smtp_open(talk.smtp, &talk.settings, &failure), -1);
	assert_int_equal(failure.stage, STAGE_CONNECT);
	assert_non_null(strstr(failure.reply.text, "Connection refused"));
	talk.server = server_start(false, NULL, NULL);
	close_talk(&talk);
}

/* A unix socket has no host to name; one that offers STARTTLS all the same is like any other. */
static void test_starttls_without_a_host(void **state)
{
	const struct tls_options encrypt = { .verify = false };
	struct answer failure;
	const char *error;
	struct talk talk;

	(void)state;
	for (int required = 0; required < 2; required++) {
		open_talk_with(&talk, server_start_unix(true, "STARTTLS", NULL));
		talk.settings.tls = tls_context_new(&encrypt, &error);
		talk.settings.tls_required = required;
		assert_int_equal(smtp_open(talk.smtp, &talk.settings, &failure), -required);
		if (required)
			assert_int_equal(failure.stage, STAGE_TLS);
		tls_context_free(&talk.settings.tls);
		close_talk(&talk);
	}
}

/* Nothing of the envelope gets to the other side as a command. */
static void test_control_characters(void **state)
{
	struct talk talk;

	(void)state;
	begin_talk(&talk, false, NULL, NULL);
	talk.mail.params = "ENVID=e\r\nNOOP RET=HDRS";
	talk.recipients[0].address = "a@s>\r\nRCPT TO:<evil@x";
	talk.recipients[1].params = "NOTIFY=NEVER\rNOOP ORCPT=rfc822;b@x";
	expect_sent(&talk, STAGE_RCPT, STAGE_DOT, STAGE_DOT);
	assert_int_equal(talk.recipients[0].answer.reply.code, 553);
	const struct server_mail *mail = server_mail(talk.server, 0);
	assert_string_equal(mail->sender, "<s@x> SIZE=39 RET=HDRS");
	assert_string_equal(mail->recipients, "<b@s> ORCPT=rfc822;b@x, <c@s> ORCPT=rfc822;c@x");
	assert_int_equal(server_commands(talk.server, "NOOP"), 0);
	talk.recipients[1].address = talk.recipients[2].address = talk.recipients[0].address;
	expect_all(&talk, STAGE_RCPT);
	assert_int_equal(server_commands(talk.server, "MAIL"), 1);
	close_talk(&talk);
}

static void test_lmtp(void **state)
{
	const struct server_rule rules[] = {
		{ "RCPT", "a@s", 0, 0, "550 5.1.1 nobody" },
		{ ".", "b@s", 0, 1, "452 4.2.2 full" },
		{ ".", "c@s", 1, 1, SERVER_CLOSE },
		{ NULL, NULL, 0, 0, NULL },
	};
	struct talk talk;

	(void)state;
	begin_talk(&talk, true, NULL, rules);
	expect_sent(&talk, STAGE_RCPT, STAGE_DOT, STAGE_DOT);
	assert_int_equal(talk.recipients[1].answer.reply.code, 452);
	assert_int_equal(talk.recipients[2].answer.reply.code, 250);
	assert_int_equal(server_count(talk.server), 1);
	expect_sent(&talk, STAGE_RCPT, STAGE_DOT, STAGE_UNCLEAR);
	assert_int_equal(server_count(talk.server), 2);
	close_talk(&talk);
}

static void expect_code(struct talk *talk, const char *start)
{
	smtp_send(talk->smtp, &talk->mail);
	assert_int_equal(strncmp(talk->recipients[0].answer.reply.text, start, strlen(start)), 0);
	assert_int_equal(outcome_decide(talk->recipients[0].answer.stage,
				 &talk->recipients[0].answer.reply, 1)
				 .action,
		OUTCOME_BOUNCE);
	assert_int_equal(server_count(talk->server), 0);
}

static void test_not_able(void **state)
{
	struct talk talk;

	(void)state;
	begin_talk(&talk, false, "PIPELINING\nSIZE 38", NULL);
	expect_code(&talk, "552 5.3.4");
	talk.mail.prefix = "";
	talk.mail.context = (void *)"Subject: \xc3\xa9\r\n\r\nx\r\n";
	talk.mail.bytes = strlen(talk.mail.context);
	expect_code(&talk, "554 5.6.3");
	talk.mail.params = "SMTPUTF8";
	expect_code(&talk, "554 5.6.7");
	talk.mail.sender = "s\r\nRCPT TO:<evil@x>";
	talk.mail.params = "";
	expect_code(&talk, "553 5.1.7");
	/* Declared, but not needed. */
	talk.mail.sender = "s@x";
	talk.mail.params = "BODY=8BITMIME SMTPUTF8";
	talk.mail.context = (void *)"Subject: x\r\n\r\nx\r\n";
	talk.mail.bytes = strlen(talk.mail.context);
	expect_all(&talk, STAGE_DOT);
	close_talk(&talk);
}

/* A header that ends where one read ends and the next begins is looked at no further. */
static void test_header_ends_between_reads(void **state)
{
	const size_t header = 32768 - 2;
	char content[32768 + 64];
	struct talk talk;

	(void)state;
	memset(content, 'x', sizeof content);
	memcpy(content, "Subject: ", 9);
	snprintf(content + header, sizeof content - header, "\r\n\r\n\xc3\xa9\r\n");
	begin_talk(&talk, false, "PIPELINING\n8BITMIME", NULL);
	talk.mail.params = "BODY=8BITMIME SMTPUTF8";
	talk.mail.context = content;
	talk.mail.bytes = strlen(content);
	expect_all(&talk, STAGE_DOT);
	close_talk(&talk);
}

/* The header is longer than one read: it is counted, and the content is sent from its beginning. */
static void test_hops_in_a_long_header(void **state)
{
	char content[80000];
	struct talk talk;
	size_t len = 0;

	(void)state;
	while (len < 70000)
		len += (size_t)snprintf(content + len, sizeof content - len,
			"Received: %zu by way of somewhere\r\n", len);
	snprintf(content + len, sizeof content - len, "\r\nbody\r\n");
	unsigned hops = 0;
	for (const char *p = content; (p = strstr(p, "Received: ")) != NULL; p++)
		hops++;
	begin_talk(&talk, false, NULL, NULL);
	talk.mail.context = content;
	talk.mail.bytes = strlen(content);
	talk.mail.hop_limit = hops - 1;
	expect_code(&talk, "554 5.4.6");
	assert_int_equal(server_commands(talk.server, "MAIL"), 0);
	talk.mail.hop_limit = hops;
	expect_all(&talk, STAGE_DOT);
	assert_string_equal(
		server_mail(talk.server, 0)->content + strlen("Received: y\r\n"), content);
	close_talk(&talk);
}

/* RFC 6531 section 3.4, for a recipient alone; and where it is offered, it is asked for. */
static void test_recipient_beyond_ascii(void **state)
{
	struct talk talk;

	(void)state;
	begin_talk(&talk, false, "PIPELINING", NULL);
	talk.recipients[1].address = "\xc3\xbc@s";
	smtp_send(talk.smtp, &talk.mail);
	assert_int_equal(talk.recipients[1].answer.stage, STAGE_RCPT);
	assert_true(talk.recipients[1].answer.reply.own);
	assert_int_equal(talk.recipients[0].answer.stage, STAGE_DOT);
	assert_false(talk.recipients[0].answer.reply.own);
	assert_string_equal(server_mail(talk.server, 0)->recipients, "<a@s>, <c@s>");
	close_talk(&talk);
	begin_talk(&talk, false, "PIPELINING\nSMTPUTF8", NULL);
	talk.recipients[1].address = "\xc3\xbc@s";
	expect_all(&talk, STAGE_DOT);
	assert_string_equal(server_mail(talk.server, 0)->sender, "<s@x> SMTPUTF8");
	close_talk(&talk);
}

static void test_goes_stale(void **state)
{
	const struct server_rule rules[] = {
		{ ".", NULL, 0, 0, "250 ok\r\n421 4.4.2 time is over" },
		{ NULL, NULL, 0, 0, NULL },
	};
	struct talk talk;

	(void)state;
	begin_talk(&talk, false, NULL, rules);
	expect_all(&talk, STAGE_DOT);
	assert_false(smtp_is_ready(talk.smtp));
	close_talk(&talk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delivers),
		cmocka_unit_test(test_plain_server),
		cmocka_unit_test(test_some_refused),
		cmocka_unit_test(test_refused_then_fine),
		cmocka_unit_test(test_link_lost),
		cmocka_unit_test(test_closed_mid_data),
		cmocka_unit_test(test_content_fails),
		cmocka_unit_test(test_cannot_open),
		cmocka_unit_test(test_starttls_without_a_host),
		cmocka_unit_test(test_control_characters),
		cmocka_unit_test(test_lmtp),
		cmocka_unit_test(test_not_able),
		cmocka_unit_test(test_header_ends_between_reads),
		cmocka_unit_test(test_hops_in_a_long_header),
		cmocka_unit_test(test_recipient_beyond_ascii),
		cmocka_unit_test(test_goes_stale),
	};

	return cmocka_run_group_tests_name("smtp", tests, NULL, NULL);
}
