/* Address books as files: escaping, folding, replacing as a whole, disks that are full. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dirsync/target_internal.h"
#include "lib/mem.h"
#include "tests/unit/down_scene.h"

static const char id[] = "0b5c1c0e-1111-4222-8333-444455556666";
static char dir[] = "/tmp/restante-target-XXXXXX";
static char path[64];
static struct person contact = PERSON_INIT;
static unsigned told;

static void count_result(void *context, enum target_verb verb, const char *which,
	enum target_result result, const struct target_note *note)
{
	(void)context;
	(void)verb;
	assert_string_equal(which, id);
	assert_int_equal(result, TARGET_DONE);
	assert_string_equal(note->text, "");
	told++;
}

static const struct target_sink sink = { .result = count_result };

static struct config_down settings_of(const char *target, const char *attributes)
{
	struct config_down settings = down_settings();

	settings.target = (char *)(uintptr_t)target;
	settings.attributes = (char *)(uintptr_t)attributes;
	settings.file = path;
	return settings;
}

/* Writes the one contact; NULL, or the error. */
static const char *write_one(const struct config_down *settings)
{
	const struct target_kind *kind = target_kind_find(settings->target);
	struct contact_form *form;
	struct target_options options = { .settings = settings, .dir = dir, .window = 4 };
	struct target *target;
	const char *error = NULL;
	int result = kind->check(settings, &error);

	if (result < 0)
		return error;
	options.form = form = contact_form_new(settings, &error);
	assert_non_null(form);
	target = kind->open(&options);
	result = kind->begin(target, &sink, &error);
	if (result == 0)
		result = kind->put(target, TARGET_ADD, &contact, false, &error);
	if (result == 0)
		result = kind->end(target, &error);
	if (result < 0)
		kind->abort(target);
	kind->close(&target);
	contact_form_free(&form);
	return result < 0 ? error : NULL;
}

static const char *written(const char *target, const char *attributes)
{
	struct config_down settings = settings_of(target, attributes);

	told = 0;
	assert_null(write_one(&settings));
	assert_int_equal(told, 1);
	return down_file(path);
}

/* --- vCard ------------------------------------------------------------------------------------ */

static void test_vcard(void **state)
{
	(void)state;
	down_contact(&contact, id, "displayname=Ost, Anna; \\ \"x\"", "sn=Ost", "givenname=Anna",
		"mail=anna@example.org", "othermailbox=a@example.org", "telephonenumber=+49 1",
		"ou=Sales,EU", "o=Example", "description=one\ntwo", NULL);
	assert_string_equal(
		written("vcard", "displayName=x sn=x givenName=x mail=x otherMailbox=x o=x ou=x"),
		"BEGIN:VCARD\r\nVERSION:4.0\r\n"
		"UID:urn:uuid:0b5c1c0e-1111-4222-8333-444455556666\r\n"
		"FN:Ost\\, Anna\\; \\\\ \"x\"\r\n"
		"N:Ost;Anna;;;\r\n"
		"ORG:Example;Sales\\,EU\r\n"
		"EMAIL;PREF=1:anna@example.org\r\n"
		"EMAIL:a@example.org\r\n"
		"TEL;TYPE=work:+49 1\r\n"
		"NOTE:one\\ntwo\r\n"
		"END:VCARD\r\n");
}

/* RFC 6350 section 3.2: no line is longer than 75 octets, and no character is parted. */
static void test_vcard_folding(void **state)
{
	char name[600] = "displayname=", unfolded[700] = "";
	const char *at;
	size_t longest = 0;

	(void)state;
	for (int i = 0; i < 90; i++)
		strcat(name, i % 3 == 0 ? "x" : i % 3 == 1 ? "\u00e4" : "\u20ac");
	down_contact(&contact, id, name, NULL);
	at = strstr(written("vcard", "displayName=x"), "FN:");
	assert_non_null(at);
	for (const char *line = at; strncmp(line, "END:", 4) != 0;) {
		size_t len = strcspn(line, "\r");
		const char *text = line + (*line == ' ');

		if (line != at && *line != ' ')
			break;
		longest = len > longest ? len : longest;
		/* a character goes on with 10xxxxxx: none begins a line */
		assert_int_not_equal((unsigned char)*text & 0xc0, 0x80);
		strncat(unfolded, text, len - (size_t)(text - line));
		line += len + 2;
	}
	assert_in_range(longest, 70, 75);
	assert_string_equal(unfolded + 3, name + strlen("displayname="));
}

static void test_vcard_place(void **state)
{
	struct config_down settings = settings_of("vcard", "proxyAddresses=smtp:%{primary}");

	(void)state;
	assert_non_null(strstr(write_one(&settings),
		"down S2.attributes: proxyAddresses has no place in a vCard"));
}

/* --- CSV -------------------------------------------------------------------------------------- */

static void test_csv(void **state)
{
	(void)state;
	down_contact(&contact, id, "displayname=Ost, \"Anna\"", "mail=a@example.org",
		"mail=b@example.org", "sn= Ost", NULL);
	assert_string_equal(written("csv", "displayName=x mail=x sn=x title=x"),
		"id,displayName,mail,sn,title\r\n"
		"0b5c1c0e-1111-4222-8333-444455556666,\"Ost, \"\"Anna\"\"\","
		"a@example.org;b@example.org,\" Ost\",\r\n");
}

/* --- LDIF ------------------------------------------------------------------------------------- */

static void test_ldif(void **state)
{
	(void)state;
	down_contact(&contact, id, "displayname=\u00c4nne", "mail=a@example.org", NULL);
	assert_string_equal(written("ldif", "displayName=x mail=x"),
		"version: 1\n"
		"dn: cn=0b5c1c0e-1111-4222-8333-444455556666,ou=contacts,dc=s2\n"
		"objectClass: inetOrgPerson\n"
		"cn: 0b5c1c0e-1111-4222-8333-444455556666\n"
		"employeeType: restante\n"
		"displayName:: w4RubmU=\n"
		"mail: a@example.org\n"
		"\n"
		"# end 1\n");
}

static void test_ldif_changes(void **state)
{
	struct config_down settings = settings_of("ldif", "mail=x employeeType=x sn=x");
	const char *error;
	struct contact_form *form = contact_form_new(&settings, &error);
	struct target_options options = { .settings = &settings, .form = form };
	struct str text = STR_INIT;

	(void)state;
	down_contact(&contact, id, "mail=a@example.org", "employeetype=temp", NULL);
	target_ldif_record(&options, TARGET_CHANGE, &contact, &text);
	/* what has no value goes, and the marker stays */
	assert_string_equal(str_cstr(&text),
		"dn: cn=0b5c1c0e-1111-4222-8333-444455556666,ou=contacts,dc=s2\n"
		"changetype: modify\n"
		"replace: mail\nmail: a@example.org\n-\n"
		"replace: employeeType\nemployeeType: temp\nemployeeType: restante\n-\n"
		"replace: sn\n-\n"
		"\n");
	str_reset(&text);
	target_ldif_record(&options, TARGET_DELETE, &contact, &text);
	assert_string_equal(str_cstr(&text),
		"dn: cn=0b5c1c0e-1111-4222-8333-444455556666,ou=contacts,dc=s2\n"
		"changetype: delete\n\n");
	str_free(&text);
	contact_form_free(&form);
}

/* --- the file --------------------------------------------------------------------------------- */

static void seal(struct str *seal_r)
{
	outfile_seal(path, seal_r);
}

/* Nobody sees a part of it: until the end the old file is there, and after a failure, too. */
static void test_replaced_whole(void **state)
{
	struct outfile *file;
	struct stat now;
	struct str before = STR_INIT, after = STR_INIT;
	const char *error;

	(void)state;
	down_contact(&contact, id, "mail=a@example.org", NULL);
	written("csv", "mail=x");
	assert_int_equal(chmod(path, 0640), 0);
	seal(&before);
	file = outfile_open(path, &error);
	assert_non_null(file);
	assert_int_equal(outfile_write(file, "new", 3, &error), 0);
	assert_non_null(strstr(down_file(path), "a@example.org"));
	outfile_drop(&file);
	seal(&after);
	assert_string_equal(str_cstr(&before), str_cstr(&after));

	file = outfile_open(path, &error);
	assert_int_equal(outfile_write(file, "new", 3, &error), 0);
	assert_int_equal(outfile_commit(&file, &error), 0);
	assert_null(file);
	assert_string_equal(down_file(path), "new");
	assert_int_equal(stat(path, &now), 0);
	assert_int_equal(now.st_mode & 07777, 0640);
	seal(&after);
	assert_string_not_equal(str_cstr(&before), str_cstr(&after));
	str_free(&before);
	str_free(&after);
}

static bool is_there(const char *suffix)
{
	char *name = mem_printf("%s%s", path, suffix);
	bool there = access(name, F_OK) == 0;

	mem_free(&name);
	return there;
}

static void test_full_disk(void **state)
{
	struct rlimit old, small;
	struct config_down settings = settings_of("csv", "mail=x");
	const char *error;

	(void)state;
	down_contact(&contact, id, "mail=a@example.org", NULL);
	written("csv", "mail=x");
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	down_contact(&contact, id, "mail=other@example.org", NULL);
	error = write_one(&settings);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_non_null(error);
	assert_non_null(strstr(error, path));
	assert_non_null(strstr(error, "cannot be written: File too large"));
	/* the old one is whole, and nothing lies about */
	assert_non_null(strstr(down_file(path), "a@example.org"));
	assert_false(is_there(".new"));
}

static void test_no_folder(void **state)
{
	struct config_down settings = settings_of("csv", "mail=x");
	char missing[] = "/tmp/restante-no-such-folder/book.csv";
	const char *error;

	(void)state;
	settings.file = missing;
	error = write_one(&settings);
	assert_non_null(error);
	assert_non_null(strstr(error, "cannot be written: No such file or directory; make the "
				      "folder"));
}

/* As nobody, for root may write everywhere. */
static void test_unwritable_folder(void **state)
{
	struct config_down settings = settings_of("csv", "mail=x");
	const char *error;
	int root = geteuid() == 0;

	(void)state;
	assert_int_equal(chmod(dir, 0555), 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	error = write_one(&settings);
	if (root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(dir, 0700), 0);
	assert_non_null(error);
	assert_non_null(strstr(error, "Permission denied; the folder must be writable"));
}

/* What a run that was killed left, or a link that leads elsewhere. */
static void test_debris(void **state)
{
	char *fresh = mem_printf("%s.new", path), *victim = mem_printf("%s.victim", path);

	(void)state;
	assert_int_equal(symlink(victim, fresh), 0);
	down_contact(&contact, id, "mail=a@example.org", NULL);
	assert_non_null(strstr(written("csv", "mail=x"), "a@example.org"));
	assert_false(is_there(".victim"));
	assert_false(is_there(".new"));
	mem_free(&fresh);
	mem_free(&victim);
}

/* --- a program -------------------------------------------------------------------------------- */

static struct config_down command_of(const char *command, const char *format)
{
	struct config_down settings = settings_of("command", "mail=x");

	settings.command = (char *)(uintptr_t)command;
	settings.format = (char *)(uintptr_t)format;
	settings.time_limit = 500000;
	return settings;
}

static void test_command(void **state)
{
	char *tee = mem_printf("tee %s", path);
	struct config_down settings = command_of(tee, "csv");

	(void)state;
	down_contact(&contact, id, "mail=a@example.org", NULL);
	assert_null(write_one(&settings));
	assert_string_equal(down_file(path), "operation,id,mail\r\nadd,0b5c1c0e-1111-4222-8333-"
					     "444455556666,a@example.org\r\n");
	settings = command_of(tee, "ldif");
	assert_null(write_one(&settings));
	assert_non_null(strstr(down_file(path), "changetype: add\nobjectClass: inetOrgPerson\n"));
	mem_free(&tee);
}

static void test_command_fails(void **state)
{
	struct config_down settings = command_of("false", "csv");
	const char *error;

	(void)state;
	down_contact(&contact, id, "mail=a@example.org", NULL);
	error = write_one(&settings);
	assert_non_null(error);
	assert_non_null(strstr(error, "down S2.command: "));
	assert_non_null(strstr(error, "status 1"));
	settings = command_of("sleep 60", "csv");
	error = write_one(&settings);
	assert_non_null(error);
	assert_non_null(strstr(error, "down S2.command: "));
}

static int prepare(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/book", dir);
	return 0;
}

static int finish(void **state)
{
	char *command = mem_printf("rm -r %s", dir);

	(void)state;
	person_free(&contact);
	assert_int_equal(system(command), 0);
	mem_free(&command);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_vcard),
		cmocka_unit_test(test_vcard_folding), cmocka_unit_test(test_vcard_place),
		cmocka_unit_test(test_csv), cmocka_unit_test(test_ldif),
		cmocka_unit_test(test_ldif_changes), cmocka_unit_test(test_replaced_whole),
		cmocka_unit_test(test_full_disk), cmocka_unit_test(test_no_folder),
		cmocka_unit_test(test_unwritable_folder), cmocka_unit_test(test_debris),
		cmocka_unit_test(test_command), cmocka_unit_test(test_command_fails) };

	return cmocka_run_group_tests(tests, prepare, finish);
}
