/* Commands of actions, with programs that are real. */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/action.h"
#include "lib/clock.h"
#include "lib/mem.h"

struct bed {
	char dir[64];
	struct config_actions settings;
	struct action_subject subject;
	struct actions *actions;
	struct action_result result;
};

static char *addresses[] = { (char[]){ "Anna@Example.org" }, (char[]){ "a.b@example.org" },
	(char[]){ "@example.org" }, NULL };
static const char *const attributes[][2] = { { "sn", "O'Neill; rm -rf $HOME" }, { "mobile", "1" },
	{ "mobile", "2" }, { "userPassword", "{SSHA}sesame" }, { "sambaNTPassword", "sesame" },
	{ "unicodePwd", "sesame" }, { "krbPrincipalKey", "sesame" },
	{ "userPassword;lang-de", "sesame" } };

static char *path_of(struct bed *bed, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", bed->dir, name);
	return path;
}

static void program(struct bed *bed, const char *name, const char *text)
{
	FILE *file = fopen(path_of(bed, name), "w");

	assert_non_null(file);
	fprintf(file, "#!/bin/sh\n%s\n", text);
	fclose(file);
	assert_int_equal(chmod(path_of(bed, name), 0700), 0);
}

static int setup(void **state)
{
	static char empty[] = "", name[] = "S2";
	static char further[] = "host='imap one' port=143 password_file=/etc/s2";
	struct bed *bed = calloc(1, sizeof(*bed));

	snprintf(bed->dir, sizeof(bed->dir), "/tmp/restante-action-XXXXXX");
	assert_non_null(mkdtemp(bed->dir));
	bed->settings = (struct config_actions){ .name = name,
		.uri = empty,
		.base = empty,
		.templates = bed->dir,
		.settings = further,
		.time_limit = 20 * CLOCK_SECOND };
	bed->subject = (struct action_subject){ .system = "S2",
		.identifier = "20261122T1-7",
		.uuid = "0001",
		.address = "anna@example.org",
		.primary = "anna@example.org",
		.addresses = addresses,
		.physical = "",
		.source_id = "s-7",
		.other = "anna@s1.example",
		.attributes = attributes,
		.attribute_count = COUNT(attributes) };
	*state = bed;
	return 0;
}

static void forget(struct bed *bed)
{
	actions_free(&bed->actions);
	action_result_free(&bed->result);
	memset(&bed->result, 0, sizeof(bed->result));
}

static int teardown(void **state)
{
	struct bed *bed = *state;
	char *command = mem_printf("rm -rf '%s'", bed->dir);

	forget(bed);
	mem_free(&bed->settings.redirect);
	assert_int_equal(system(command), 0);
	mem_free(&command);
	free(bed);
	return 0;
}

static void run(struct bed *bed, enum action action, bool verify_only)
{
	const char *error = NULL;

	forget(bed);
	bed->actions = actions_new(&bed->settings, &error);
	if (bed->actions == NULL)
		fail_msg("%s", error);
	action_run(bed->actions, action, &bed->subject, verify_only, NULL, 0, &bed->result);
}

static void expect(struct bed *bed, enum action_outcome outcome, const char *text)
{
	if (bed->result.outcome != outcome || strcmp(str_cstr(&bed->result.text), text) != 0)
		fail_msg("%d \"%s\"", bed->result.outcome, str_cstr(&bed->result.text));
}

static void redirect_is(struct bed *bed, const char *command)
{
	mem_free(&bed->settings.redirect);
	bed->settings.redirect = mem_strdup(command);
}

static void read_back(struct bed *bed, const char *name, struct str *out)
{
	FILE *file = fopen(path_of(bed, name), "r");
	int c;

	str_reset(out);
	assert_non_null(file);
	while ((c = fgetc(file)) != EOF)
		str_append_c(out, (char)c);
	fclose(file);
}

/* --- what it is given ----------------------------------------------------------------------- */

static void arguments_and_document(void **state)
{
	struct bed *bed = *state;
	struct str seen = STR_INIT;

	program(bed, "redirect",
		"cd \"$(dirname \"$0\")\"; verb=$(eval echo \\${$#})\n"
		"if [ $verb = check ]; then [ -e args ] || { echo nothing yet >&2; exit 1; }; exit "
		"0; fi\n"
		"for a in \"$@\"; do echo \"<$a>\"; done >args; cat >document; env >environment\n"
		"echo 'text: it goes on'");
	redirect_is(bed,
		"redirect --to=%{other} '%{sn}' -- %{addresses*} %{none*} %{others*:local} "
		"%{host} %{password_file}");
	run(bed, ACTION_REDIRECT, false);
	expect(bed, ACTION_DONE, "");
	read_back(bed, "args", &seen);
	assert_string_equal(str_cstr(&seen),
		"<--to=anna@s1.example>\n<O'Neill; rm -rf $HOME>\n<-->\n<anna@example.org>\n"
		"<a.b@example.org>\n<a.b>\n<imap one>\n</etc/s2>\n<do>\n");
	read_back(bed, "document", &seen);
	assert_string_equal(str_cstr(&seen),
		"{\"v\":1,\"action\":\"redirect\",\"verb\":\"do\",\"system\":\"S2\","
		"\"identifier\":\"20261122T1-7\",\"id\":\"0001\",\"address\":\"anna@example.org\","
		"\"primary\":\"anna@example.org\",\"addresses\":[\"Anna@Example.org\","
		"\"a.b@example.org\",\"@example.org\"],\"foreign\":[],\"physical\":\"\","
		"\"source_id\":\"s-7\",\"other\":\"anna@s1.example\",\"attributes\":{\"sn\":["
		"\"O'Neill; rm -rf $HOME\"],\"mobile\":[\"1\",\"2\"]},\"settings\":{\"host\":"
		"\"imap one\",\"port\":\"143\",\"password_file\":\"/etc/s2\"}}\n");
	read_back(bed, "environment", &seen);
	assert_non_null(strstr(seen.data, "RESTANTE_ACTION=redirect\n"));
	assert_non_null(strstr(seen.data, "RESTANTE_VERB=do\n"));
	str_free(&seen);
	/* again: nothing is done */
	assert_int_equal(unlink(path_of(bed, "environment")), 0);
	run(bed, ACTION_REDIRECT, false);
	expect(bed, ACTION_ALREADY, "");
	assert_int_not_equal(access(path_of(bed, "environment"), F_OK), 0);
	run(bed, ACTION_REDIRECT, true);
	expect(bed, ACTION_ALREADY, "");
}

static void missing_value(void **state)
{
	struct bed *bed = *state;

	program(bed, "redirect", "echo ran >>\"$(dirname \"$0\")/ran\"");
	redirect_is(bed, "redirect %{other} %{physical}");
	run(bed, ACTION_REDIRECT, false);
	expect(bed, ACTION_REFUSED, "redirect:2: argument: no value of physical");
	assert_int_not_equal(access(path_of(bed, "ran"), F_OK), 0);
}

/* --- how it ends ---------------------------------------------------------------------------- */

static void exit_statuses(void **state)
{
	static const struct {
		const char *at_do;
		enum action_outcome outcome;
		const char *text;
	} cases[] = {
		{ "echo 'no such user' >&2; exit 1", ACTION_REFUSED, "redirect: no such user" },
		{ "exit 1", ACTION_REFUSED, "redirect: it refuses, and does not say why" },
		{ "echo busy >&2; exit 75", ACTION_FAILED, "redirect: busy" },
		{ "exit 75", ACTION_FAILED, "redirect: it asks to be tried again later" },
		{ "echo odd >&2; exit 3", ACTION_FAILED, "redirect ended with status 3: odd" },
		{ "kill -9 $$", ACTION_FAILED, "redirect ended by signal 9 (Killed)" },
		{ "exit 0", ACTION_FAILED,
			"it was done, but its check still says: redirect: not yet" },
		{ "echo rubbish", ACTION_REFUSED,
			"redirect: what it printed is not understood: a line is no NAME: VALUE: "
			"\"rubbish\"" },
		{ "head -c 3000000 /dev/zero", ACTION_REFUSED,
			"redirect was ended, since its output cannot be used" },
	};
	struct bed *bed = *state;

	redirect_is(bed, "redirect");
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *text = mem_printf(
			"[ \"$1\" = do ] || { echo not yet >&2; exit 1; }\n%s", cases[i].at_do);

		program(bed, "redirect", text);
		mem_free(&text);
		run(bed, ACTION_REDIRECT, false);
		expect(bed, cases[i].outcome, cases[i].text);
	}
	program(bed, "redirect",
		"echo \"$1\" >>\"$(dirname \"$0\")/ran\"; echo not yet >&2; exit 1");
	run(bed, ACTION_REDIRECT, true);
	expect(bed, ACTION_FAILED, "redirect: not yet");
	struct str ran = STR_INIT;
	read_back(bed, "ran", &ran);
	assert_string_equal(str_cstr(&ran), "check\n");
	str_free(&ran);
	program(bed, "redirect", "echo down >&2; exit 75");
	run(bed, ACTION_REDIRECT, true);
	expect(bed, ACTION_FAILED, "redirect: down");
}

static void hanging_and_missing(void **state)
{
	struct bed *bed = *state;

	program(bed, "redirect", "sleep 100");
	bed->settings.time_limit = CLOCK_SECOND / 5;
	redirect_is(bed, "redirect");
	run(bed, ACTION_REDIRECT, false);
	expect(bed, ACTION_FAILED,
		"redirect took longer than its time limit and was ended; see time_limit");
	assert_true(bed->result.took_us < 10 * CLOCK_SECOND);
	redirect_is(bed, "/nowhere/at-all");
	run(bed, ACTION_REDIRECT, false);
	expect(bed, ACTION_REFUSED, "/nowhere/at-all cannot be started: No such file or directory");
	run(bed, ACTION_UNREDIRECT, false);
	expect(bed, ACTION_ABSENT, "actions S2 has no unredirect");
}

static void stopped(void **state)
{
	struct bed *bed = *state;
	const atomic_bool stop = true;
	const char *error;

	program(bed, "redirect", "sleep 100");
	redirect_is(bed, "redirect");
	bed->actions = actions_new(&bed->settings, &error);
	action_run(bed->actions, ACTION_REDIRECT, &bed->subject, false, &stop, 0, &bed->result);
	expect(bed, ACTION_FAILED, "was ended, since we stop");
}

/* --- what it tells -------------------------------------------------------------------------- */

static void told(void **state)
{
	struct bed *bed = *state;

	program(bed, "tell", "cat \"$(dirname \"$0\")/said\"");
	bed->settings.create = bed->settings.list = bed->settings.empty = (char[]){ "tell" };
	program(bed, "said", "");
	for (int a = ACTION_CREATE; a <= ACTION_EMPTY; a++) {
		static const char *const none[ACTIONS] = {
			[ACTION_CREATE] = "its check tells no physical address of the mailbox",
			[ACTION_LIST] = "its check tells no addresses",
			[ACTION_EMPTY] = "its check tells neither empty: yes nor empty: no",
		};
		FILE *said = fopen(path_of(bed, "said"), "w");

		fclose(said);
		if (none[a] == NULL)
			continue;
		run(bed, (enum action)a, false);
		expect(bed, ACTION_REFUSED, none[a]);
		said = fopen(path_of(bed, "said"), "w");
		fputs("{\"physical\":\"anna@s2.example\",\"source_id\":\"9\","
		      "\"addresses\":[\"anna@example.org\"],\"empty\":true}",
			said);
		fclose(said);
		run(bed, (enum action)a, false);
		expect(bed, ACTION_ALREADY, "");
		assert_string_equal(str_cstr(&bed->result.physical), "anna@s2.example");
		assert_string_equal(str_cstr(&bed->result.source_id), "9");
		assert_string_equal(bed->result.addresses[0], "anna@example.org");
		assert_null(bed->result.addresses[1]);
		assert_true(bed->result.empty);
	}
}

static void several_parts(void **state)
{
	struct bed *bed = *state;
	struct str ran = STR_INIT;
	static const char text[] = "cd \"$(dirname \"$0\")\"; echo \"$(basename $0) $2 $1\" >>ran\n"
				   "[ $2 = do ] && >$(basename $0).done\n"
				   "[ -e $(basename $0).done ]";

	program(bed, "one", text);
	program(bed, "two", text);
	redirect_is(bed, " one 'a;b' ; two c");
	run(bed, ACTION_REDIRECT, false);
	expect(bed, ACTION_DONE, "");
	run(bed, ACTION_REDIRECT, false);
	expect(bed, ACTION_ALREADY, "");
	read_back(bed, "ran", &ran);
	assert_string_equal(str_cstr(&ran),
		"one check a;b\none do a;b\none check a;b\ntwo check c\ntwo do c\ntwo check c\n"
		"one check a;b\ntwo check c\n");
	str_free(&ran);
}

/* --- settings ------------------------------------------------------------------------------- */

static void settings_refused(void **state)
{
	static const struct {
		const char *redirect, *error;
	} cases[] = {
		{ "a %{userPassword*}", "actions S2.redirect: %{userPassword} is a secret" },
		{ "a '-p=%{sn|SambaNTPassword:lower}'",
			"actions S2.redirect: %{SambaNTPassword} is a secret" },
		{ "a | b", "actions S2.redirect: \"a | b\": there is no shell" },
		{ "a;", "actions S2.redirect: \"\": there is no command" },
		{ "a %{b", "actions S2.redirect: behind a percent sign" },
		{ "none.ldif", "actions S2.redirect: " },
		{ "bad.ldif", "actions S2.redirect: bad.ldif:2: this is no NAME: VALUE" },
		{ "leak.ldif", "actions S2.redirect: leak.ldif:9: %{a.userPassword} is a secret" },
		{ "good.ldif", "actions S2.redirect: a template needs uri" },
	};
	struct bed *bed = *state;
	const char *error = NULL;
	FILE *file = fopen(path_of(bed, "good.ldif"), "w");

	fputs("check: present\nbase: x\n", file);
	fclose(file);
	file = fopen(path_of(bed, "leak.ldif"), "w");
	fputs("find: a\nbase: x\n\ncheck: present\nbase: x\n\nrefuse: present\nbase: x\n"
	      "text: was %{a.userPassword}\n\ndn: x\nchangetype: modify\n"
	      "replace: userPassword\nuserPassword: %{userPassword*}\n",
		file);
	fclose(file);
	program(bed, "bad.ldif", "nonsense");
	for (size_t i = 0; i < COUNT(cases); i++) {
		redirect_is(bed, cases[i].redirect);
		bed->actions = actions_new(&bed->settings, &error);
		if (bed->actions != NULL ||
			strncmp(error, cases[i].error, strlen(cases[i].error)) != 0)
			fail_msg("%s: %s", cases[i].redirect, error);
	}
	mem_free(&bed->settings.redirect);
	bed->settings.settings = (char[]){ "host" };
	assert_null(actions_new(&bed->settings, &error));
	assert_string_equal(error,
		"actions S2.settings: \"host\" is no NAME=VALUE; NAME has none of "
		"%{}|:*.");
}

static void attributes_that_are_needed(void **state)
{
	struct bed *bed = *state;
	const char *const *needed;
	const char *error;

	redirect_is(bed, "a '%{sn|cn}' %{other} %{host} %{mobile*}; b %{SN}");
	bed->actions = actions_new(&bed->settings, &error);
	assert_non_null(bed->actions);
	needed = actions_attributes(bed->actions);
	assert_string_equal(needed[0], "sn");
	assert_string_equal(needed[1], "cn");
	assert_string_equal(needed[2], "mobile");
	assert_null(needed[3]);
	assert_true(actions_has(bed->actions, ACTION_REDIRECT));
	assert_false(actions_has(bed->actions, ACTION_CREATE));
	assert_int_equal(actions_limit_us(bed->actions), bed->settings.time_limit);
	assert_true(actions_rest_us(bed->actions) >= bed->settings.timeout);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(arguments_and_document),
		TEST(missing_value),
		TEST(exit_statuses),
		TEST(hanging_and_missing),
		TEST(stopped),
		TEST(told),
		TEST(several_parts),
		TEST(settings_refused),
		TEST(attributes_that_are_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
