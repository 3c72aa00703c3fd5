/* The listing of Sendmail's queue, and recipients of which it shows the beginning alone. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/str.h"
#include "milter/mtaqueue.h"
#include "milter/physical.h"

static void collect(void *context, const char *recipient, bool cut)
{
	struct str *seen = context;

	str_printf(seen, "%s%s|", recipient, cut ? "..." : "");
}

static long parse(const char *text, size_t step, struct str *seen, const char **error_r)
{
	struct mtaqueue *q = mtaqueue_new(collect, seen);
	size_t len = strlen(text);
	long files = 0;

	str_reset(seen);
	for (size_t at = 0; at < len && files == 0; at += step)
		files = mtaqueue_feed(q, text + at, len - at < step ? len - at : step, error_r);
	if (files == 0)
		files = mtaqueue_finish(q, error_r);
	mtaqueue_free(&q);
	return files;
}

#define MORE "\t\t\t\t\t\t"
#define LESS "\t\t\t\t\t "
#define HEAD(requests)                                                                             \
	"\t\t/var/spool/mqueue (" requests ")\n"                                                   \
	"-----Q-ID----- --Size-- -Priority- ---Q-Time--- --------Sender/Recipient--------\n"
#define TOTAL "\t\tTotal requests: 3\n"

#define FILE_1                                                                                     \
	"4AMBvXkq012345*     615     120651+Nov 22 11:57 <someone@outside.test>\n"                 \
	"      8BITMIME\n" MORE "<box1@s1.lab>\n" MORE "(---news---)\n" MORE "box2@s1.lab\n"
#define FILE_2                                                                                     \
	"4AMBvXkq012346       52      30087 Nov 22 11:57 MAILER-DAEMON\n"                          \
	"     QUARANTINE: for a look\n"                                                            \
	"                 (Deferred: Connection refused by [127.0.0.1])\n" MORE                    \
	"<\"b\\\\\\\\x\"@s1.lab>\n\t\t (Deferred: 4.2.1 later)\n" MORE "<b\\303\\274@s1.lab>\n"
#define GONE "4AMBvXkq012347 (job completed)\n"

static void files_and_recipients(void **state)
{
	struct str seen = STR_INIT;
	const char *error = NULL;

	(void)state;
	for (size_t step = 1; step < 300; step += 7) {
		assert_int_equal(
			parse(HEAD("3 requests") FILE_1 FILE_2 GONE TOTAL, step, &seen, &error), 2);
		assert_string_equal(str_cstr(&seen), "<box1@s1.lab>|box2@s1.lab|"
						     "<\"b\\\\x\"@s1.lab>|<b??@s1.lab>|");
	}
	str_free(&seen);
}

static void several_listings(void **state)
{
	struct str seen = STR_INIT;
	const char *error = NULL;
	const char *empty = "/var/spool/mqueue is empty\n\t\tTotal requests: 0\n";
	const char *twice = "/var/spool/mqueue/q1 is empty\n" HEAD("1 request") FILE_1 TOTAL
		"/var/spool/mqueue is empty\r\n\t\tTotal requests: 0\r\n";
	const char *less =
		"\t\t/var/spool/mqueue (1 request)\n"
		"-----Q-ID----- --Size-- -----Q-Time----- ------------Sender/Recipient-----------\n"
		"4AMBvXkq012345X      52 Sun Nov 22 11:57 <someone@outside.test>\n"
		"      8BITMIME   (Deferred: 451 4.3.0 later)\n" LESS "<box1@s1.lab>\n" TOTAL;

	(void)state;
	assert_int_equal(parse(empty, 9, &seen, &error), 0);
	assert_int_equal(parse(twice, 9, &seen, &error), 1);
	assert_string_equal(str_cstr(&seen), "<box1@s1.lab>|box2@s1.lab|");
	assert_int_equal(parse(less, 9, &seen, &error), 1);
	assert_string_equal(str_cstr(&seen), "<box1@s1.lab>|");
	str_free(&seen);
}

#define TEN "0123456789"

static void what_fills_its_columns_is_cut(void **state)
{
	struct str seen = STR_INIT;
	const char *error = NULL;
	const char *more =
		HEAD("1 request") "4AMBvXkq012345       52      30087 Nov 22 11:57 <>\n" MORE
				  "<" TEN TEN TEN TEN TEN TEN "@s1.exampl\n" MORE
				  "<" TEN TEN TEN TEN "@s1.lab>\n" TOTAL;
	const char *less = HEAD("1 request") "4AMBvXkq012345       52 Sun Nov 22 11:57 <>\n" LESS
					     "<" TEN TEN TEN "@s1.lab\n" TOTAL;
	/* 67 columns: "\303" would need one more than are left, and is left out */
	const char *escape =
		HEAD("1 request") "4AMBvXkq012345       52      30087 Nov 22 11:57 <>\n" MORE
				  "<a+" TEN TEN TEN TEN TEN TEN "1234\n" TOTAL;

	(void)state;
	assert_int_equal(parse(more, 9, &seen, &error), 1);
	assert_string_equal(str_cstr(&seen),
		"<" TEN TEN TEN TEN TEN TEN "@s1.exampl...|<" TEN TEN TEN TEN "@s1.lab>|");
	assert_int_equal(parse(less, 9, &seen, &error), 1);
	assert_string_equal(str_cstr(&seen), "<" TEN TEN TEN "@s1.lab...|");
	assert_int_equal(parse(escape, 9, &seen, &error), 1);
	assert_string_equal(str_cstr(&seen), "<a+" TEN TEN TEN TEN TEN TEN "1234...|");
	str_free(&seen);
}

static void what_is_no_listing(void **state)
{
	static const char *const bad[] = {
		HEAD("1 request") FILE_1,
		HEAD("1 request") FILE_1 TOTAL "4AMBvX",
		HEAD("1 request") FILE_1 TOTAL FILE_2,
		HEAD("3 requests") FILE_1 FILE_2 TOTAL, /* J= of its queue group */
		HEAD("1 request") FILE_1 GONE TOTAL HEAD("2 requests") FILE_2 TOTAL,
		HEAD("-1 requests") FILE_1 TOTAL,
		"\t\t/var/spool/mqueue (3 requests, only 2 printed)\n" TOTAL,
		HEAD("1 request") "4AMBvXkq012345 (permission denied)\n" TOTAL,
		HEAD("1 request") "4AMBvXkq012345 (Permission denied)\n" TOTAL,
		HEAD("1 request") "\t\t\t\t\tbox1@s1.lab\n" TOTAL,
		HEAD("1 request") FILE_1 "{\"recipients\":[]}\n" TOTAL,
		"\t\tsomething else\n" TOTAL,
		"sendmail: fatal: no queue\n",
		"Mail queue is not here\n",
	};
	struct str seen = STR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const char *error = NULL;
		assert_int_equal(parse(bad[i], 5, &seen, &error), -1);
		assert_non_null(error);
	}
	str_free(&seen);
}

/* Whether that address may be the recipient of which so much was shown. */
static bool may_be(const char *beginning, const char *physical)
{
	struct physical_set *set = physical_set_new();

	physical_set_add_cut(set, beginning, "+-");
	physical_set_finish(set);
	assert_int_equal(physical_set_count(set), 0);
	assert_false(physical_set_is_empty(set));
	bool may = physical_set_mark(set, physical, "", NULL);
	physical_set_free(&set);
	return may;
}

static void whoever_begins_so_may_be_it(void **state)
{
	(void)state;
	assert_true(may_be("<Anna@S1.la", "anna@s1.lab"));
	assert_true(may_be("<anna@s1.lab", "ANNA@s1.lab"));
	assert_true(may_be("<anna@s1.lab>", "anna@s1.lab"));
	assert_true(may_be("<anna", "annamaria@s1.lab"));
	assert_true(may_be("anna+lists@s", "anna@s1.lab"));
	assert_true(may_be("<anna+lis", "anna@s1.lab"));
	assert_true(may_be("<anna-a+lis", "anna-a@s1.lab"));
	assert_true(may_be("<\"an \\na\"@s1", "\"an na\"@s1.lab"));
	assert_true(may_be("<\"an na@h", "\"an na@home\"@s1.lab"));
	assert_false(may_be("<anna@s1.la", "ann@s1.lab"));
	assert_false(may_be("<anna@s1.la", "annamaria@s1.lab"));
	assert_false(may_be("<anna@s2", "anna@s1.lab"));
	assert_false(may_be("<anna+lis", "annamaria@s1.lab"));
	assert_false(may_be("<anna+lists@s2", "anna@s1.lab"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_and_recipients),
		cmocka_unit_test(several_listings),
		cmocka_unit_test(what_fills_its_columns_is_cut),
		cmocka_unit_test(what_is_no_listing),
		cmocka_unit_test(whoever_begins_so_may_be_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
