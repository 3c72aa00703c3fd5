/* What MAIL and RCPT said: paths and ESMTP parameters (milter/envelope, queue/params, queue/offer).
 */
#include "lib/address.h"
#include "milter/envelope.h"
#include "queue/offer.h"
#include "queue/params.h"
#include "tests/fuzz/fuzz.h"

#define WORDS_MAX 16

/* The words of a line as libmilter hands them over: split at blanks, NULL at the end. */
static void split(char *line, char *words_r[WORDS_MAX + 1])
{
	size_t count = 0;
	char *rest, *word = strtok_r(line, " ", &rest);

	for (; word != NULL && count < WORDS_MAX; word = strtok_r(NULL, " ", &rest))
		words_r[count++] = word;
	words_r[count] = NULL;
}

static void check_inside(const char *params, const char *value, size_t len)
{
	FUZZ_CHECK(value >= params && (size_t)(value - params) + len <= strlen(params));
	FUZZ_CHECK(memchr(value, ' ', len) == NULL);
}

/* What is copied is found again with the same value. */
static void check_copy(const char *params, const char *name)
{
	const char *value, *copied;
	size_t len, copied_len;
	struct str copy = STR_INIT;

	FUZZ_CHECK(params_has(params, name) == params_get(params, name, &value, &len));
	params_copy(params, name, &copy);
	if (params_get(params, name, &value, &len))
		check_inside(params, value, len);
	if (copy.len > 0) {
		FUZZ_CHECK(copy.data[0] == ' ');
		FUZZ_CHECK(params_get(copy.data + 1, name, &copied, &copied_len));
		FUZZ_CHECK(copied_len == len && memcmp(copied, value, len) == 0);
	}
	str_free(&copy);
}

/* Whatever was given, the recipient goes on with one ORCPT or none, and the same NOTIFY. */
static void check_dsn(const char *params, const char *argument)
{
	struct str out = STR_INIT;
	const char *value, *kept;
	size_t len, kept_len;

	envelope_dsn_params(params, argument, ORCPT_MILTER, &out);
	const char *made = str_cstr(&out);
	if (params_get(params, "NOTIFY", &value, &len) && value[-1] == '=') {
		FUZZ_CHECK(params_get(made, "NOTIFY", &kept, &kept_len));
		FUZZ_CHECK(kept_len == len && memcmp(kept, value, len) == 0);
	}
	if (params_get(params, "ORCPT", &value, &len) && value[-1] == '=')
		FUZZ_CHECK(params_has(made, "ORCPT"));
	str_free(&out);
}

/* To whom has DSN a recipient goes on with the NOTIFY that was given, and without SMTPUTF8 in
 * ASCII; nothing that ends a line gets there. */
static void check_offer(const char *params, const char *argument)
{
	struct ehlo ehlo = { .dsn = true };
	struct str out = STR_INIT, notify = STR_INIT;

	offer_rcpt_params(&ehlo, params, argument, &out);
	params_copy(params, "NOTIFY", &notify);
	FUZZ_CHECK(strncmp(str_cstr(&out), str_cstr(&notify), notify.len) == 0);
	for (size_t i = notify.len; i < out.len; i++)
		FUZZ_CHECK(out.data[i] >= ' ' && out.data[i] < 0x7f);
	str_reset(&out);
	ehlo.utf8 = true;
	offer_rcpt_params(&ehlo, params, argument, &out);
	for (size_t i = 0; i < out.len; i++)
		FUZZ_CHECK((unsigned char)out.data[i] >= ' ' && out.data[i] != 0x7f);
	ehlo.dsn = false;
	str_reset(&out);
	offer_rcpt_params(&ehlo, params, argument, &out);
	FUZZ_CHECK(out.len == 0);
	str_free(&out);
	str_free(&notify);
}

static void check_recipient(const struct envelope *envelope, size_t i)
{
	const char *argument = envelope_argument(envelope, i);
	const char *params = envelope_params(envelope, i);

	check_dsn(params, argument);
	check_offer(params, argument);
	check_copy(params, "NOTIFY");
	check_copy(params, "ORCPT");
	params_lists(params, "NOTIFY", "DELAY");
}

/* A path and the same path without its source route are one recipient. */
static void check_route(const char *given, const char *kept)
{
	struct address one, other;
	const char *error;

	if (address_parse_path(given, &one, &error) < 0)
		return;
	FUZZ_CHECK(address_parse_path(kept, &other, &error) == 0);
	FUZZ_CHECK(strcmp(one.key, other.key) == 0 && !address_path_has_route(kept));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct envelope envelope = { 0 };
	char *words[WORDS_MAX + 1], *mail = fuzz_line(&in);

	split(mail, words);
	envelope_begin(&envelope, words, NULL);
	check_copy(envelope_text(&envelope, envelope.mail_params), "ENVID");
	check_copy(envelope_text(&envelope, envelope.mail_params), "RET");
	while (in.left > 0) {
		char *line = fuzz_line(&in);
		split(line, words);
		if (words[0] != NULL) {
			FUZZ_CHECK(envelope_add(&envelope, words) == 0);
			check_route(words[0], envelope_argument(&envelope, envelope.count - 1));
			check_recipient(&envelope, envelope.count - 1);
		}
		free(line);
	}
	FUZZ_CHECK(strchr(envelope_text(&envelope, envelope.sender), ' ') == NULL);
	envelope_free(&envelope);
	free(mail);
	return 0;
}
