/* Programs as sources (dirsync/source_command.c), and what the settings of such sources may be. */
#include "tests/unit/source_bed.h"

#include "lib/clock.h"
#include "lib/log.h"

static void run(const char *command, enum source_outcome outcome, const char *said)
{
	settings.command = (char *)command;
	expect("command", outcome, said);
}

static void programs(void **state)
{
	(void)state;
	run("printf 'id,mail,alias,name\\na,a@x.example,,A\\n'", SOURCE_COMPLETE,
		"a output:2 a@x.example cn=A\n");
	run("sh -c 'echo id,mail,alias,name; echo $RESTANTE_SYSTEM,a@x.example,,'", SOURCE_COMPLETE,
		"S1 output:2 a@x.example\n");
	settings.format = (char *)"ldif";
	run("printf 'dn: a\\nid: a\\nmail: a@x.example\\n\\n'", SOURCE_COMPLETE,
		"a output:1 a@x.example\n");
}

static void bad_programs(void **state)
{
	(void)state;
	run("sh -c 'echo id,mail,alias,name; echo a,a@x.example,,; echo no more >&2; exit 1'",
		SOURCE_INCOMPLETE,
		"the program \"sh -c 'echo id,mail,alias,name; echo a,a@x.example,,; echo no more "
		">&2; exit 1'\" ended with status 1: no more");
	run("sh -c 'echo id,mail,alias,name; echo -n a,a@x'", SOURCE_INCOMPLETE,
		"output:2: the last line has no end: truncated");
	run("true", SOURCE_INCOMPLETE,
		"output:1: it is empty; the first line must name the columns");
	run("head -c 3000000 /dev/urandom", SOURCE_INCOMPLETE, NULL);
	run("/no/such/program x", SOURCE_INCOMPLETE,
		"the program \"/no/such/program x\" cannot be started: No such file or directory");
	settings.time_limit = 300 * CLOCK_MS;
	run("sh -c 'echo id,mail,alias,name; echo a,a@x.example,,; sleep 1000'", SOURCE_INCOMPLETE,
		"the program \"sh -c 'echo id,mail,alias,name; echo a,a@x.example,,; sleep 1000'\" "
		"took longer than its time limit and was ended; see time_limit");
	run("yes a,b,c,d", SOURCE_INCOMPLETE,
		"output:1: there is no column \"id\", but the settings of up S1 name it; there are "
		"\"a\", \"b\", \"c\", \"d\"");
}

static void bad_settings(const char *kind, const char *expected)
{
	const char *error = NULL;

	assert_int_equal(source_kind_find(kind)->check(&settings, &error), -1);
	assert_string_equal(error, expected);
}

static void checks(void **state)
{
	const char *error = NULL;

	(void)state;
	assert_int_equal(source_kind_find("csv")->check(&settings, &error), 0);
	bad_settings("command", "up S1.command: there is no command");
	settings.command = (char *)"a 'b";
	bad_settings("command", "up S1.command: a quote is not closed");
	settings.command = (char *)"a";
	assert_int_equal(source_kind_find("command")->check(&settings, &error), 0);
	settings.folder = (char *)"";
	bad_settings("ldif", "up S1.folder: is not set; name the folder into which the files are "
			     "renamed");
	settings.physical = (char *)"%{";
	assert_int_equal(source_kind_find("ldif")->check(&settings, &error), -1);
	assert_non_null(strstr(error, "up S1.physical: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SOURCE_TEST(programs),
		SOURCE_TEST(bad_programs),
		SOURCE_TEST(checks),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
