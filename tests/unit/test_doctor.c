/* Parsers of doctor, and those of its checks whose facts a lab cannot be brought to. */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "doctor/doctor.h"
#include "doctor/gather.h"
#include "doctor/postfix_tools.h"
#include "doctor/schema.h"
#include "doctor/sendmail.h"
#include "lib/clock.h"
#include "lib/mem.h"

/* --- lists and lines ------------------------------------------------------------------------ */

static void words_of_a_list(void **state)
{
	struct strings words = { NULL, 0 };
	struct str shown = STR_INIT;

	(void)state;
	strings_split(" a,b ,, { inet:host:1, default_action = accept }\tc", &words);
	assert_int_equal(words.count, 4);
	assert_string_equal(words.items[2], "{ inet:host:1, default_action = accept }");
	assert_true(strings_has(&words, "C"));
	strings_show(&words, 2, &shown);
	assert_string_equal(str_cstr(&shown), "a, b and 2 more");
	strings_free(&words);
	strings_split("{ open", &words);
	assert_int_equal(words.count, 1);
	strings_free(&words);
	strings_lines("one\r\n\ntwo", &words);
	assert_int_equal(words.count, 2);
	assert_string_equal(words.items[0], "one");
	strings_free(&words);
	str_free(&shown);
}

static void definitions_of_a_schema(void **state)
{
	struct strings list = { NULL, 0 };
	const struct schema_name one = { "first", "1.2.3" }, alias = { "Second", "1.2.4" };
	const struct schema_name other = { "first", "1.2.5" }, none = { "fir", "1.2.3" };

	(void)state;
	strings_add(&list, "( 1.2.3 NAME 'first' DESC 'second' SYNTAX 1.3 )");
	strings_add(&list, "( 1.2.4 NAME ( 'x' 'second' ) DESC 'it''s' )");
	strings_add(&list, "( 9.9 DESC 'no name' )");
	strings_add(&list, "( 9.8 NAME 'cut");
	assert_int_equal(schema_judge(&list, &one), SCHEMA_THERE);
	assert_int_equal(schema_judge(&list, &alias), SCHEMA_THERE);
	assert_int_equal(schema_judge(&list, &other), SCHEMA_OTHER);
	assert_int_equal(schema_judge(&list, &none), SCHEMA_MISSING);
	strings_free(&list);
}

static void release_listeners(void **state)
{
	struct listener listener;

	(void)state;
	assert_true(listener_parse("smtp:127.0.0.1:10026", &listener));
	assert_string_equal(listener.host, "127.0.0.1");
	assert_string_equal(listener.port, "10026");
	assert_true(listener_parse("lmtp:[::1]:24", &listener));
	assert_string_equal(listener.host, "::1");
	assert_false(listener_parse("smtp:unix:/run/x", &listener));
	assert_true(listener_is_loopback("[127.0.0.1]:25") && listener_is_loopback("::1"));
	assert_false(listener_is_loopback("192.0.2.1"));
}

/* --- who may what --------------------------------------------------------------------------- */

static void permission_bits(void **state)
{
	gid_t groups[] = { 30, 40 };
	struct identity who = {
		.uid = 10, .gid = 20, .groups = groups, .group_count = 2, .known = true
	};
	struct stat st = { .st_uid = 10, .st_gid = 40, .st_mode = 0464 };

	(void)state;
	assert_true(identity_may(&who, &st, R_OK));
	assert_false(identity_may(&who, &st, W_OK)); /* the owner's bits count, no others */
	st.st_uid = 11;
	assert_true(identity_may(&who, &st, R_OK | W_OK));
	identity_without_groups(&who);
	assert_true(identity_may(&who, &st, R_OK));
	assert_false(identity_may(&who, &st, R_OK | W_OK));
	st.st_gid = 20;
	assert_true(identity_may(&who, &st, W_OK));
	who.uid = 0;
	st.st_mode = 0;
	assert_true(identity_may(&who, &st, R_OK | W_OK | X_OK));
}

/* --- Postfix -------------------------------------------------------------------------------- */

static struct postfix *postfix_of_texts(const char *main, const char *services, const char *more)
{
	struct postfix *postfix = mem_zalloc(sizeof(*postfix));

	postfix_parse_main(main, postfix);
	postfix_parse_services(services, postfix);
	postfix_parse_overrides(more, postfix);
	return postfix;
}

static void what_postconf_prints(void **state)
{
	struct postfix *p = postfix_of_texts(
		"default_process_limit = 50\ncompatibility_level = 3.6\nrelay_domains = a.org, b\n"
		"smtpd_milters =\nno equals sign\n = nameless\n",
		"smtp/inet/command = smtpd -o x=y\nsmtp/inet/chroot = -\n"
		"smtp/inet/process_limit = -\nprivate/odd/unix/command = lmtp\nbroken = 1\n",
		"smtp/inet/smtpd_milters = unix:a/b.sock, x\n");
	const struct postfix_service *smtp = postfix_find(p, "smtp", "inet");

	(void)state;
	assert_non_null(smtp);
	assert_string_equal(smtp->command, "smtpd");
	assert_false(smtp->chrooted);
	assert_int_equal(smtp->processes, 50);
	assert_string_equal(postfix_value(p, smtp, "smtpd_milters"), "unix:a/b.sock, x");
	assert_string_equal(postfix_value(p, smtp, "relay_domains"), "a.org, b");
	assert_string_equal(postfix_main_value(p, "unknown"), "");
	assert_non_null(postfix_find(p, "private/odd", "unix"));
	assert_int_equal(p->service_count, 2);
	assert_true(postfix_lists("a,  B", "b"));
	postfix_free(&p);
}

static void entries_of_smtpd_milters(void **state)
{
	struct postfix_milter milter;

	(void)state;
	postfix_milter_parse("unix:restante/milter.sock", &milter);
	assert_string_equal(milter.socket, "unix:restante/milter.sock");
	assert_null(milter.action);
	postfix_milter_free(&milter);
	postfix_milter_parse(
		"{ inet:host:1, connect_timeout=1s, default_action = accept }", &milter);
	assert_string_equal(milter.socket, "inet:host:1");
	assert_string_equal(milter.action, "accept");
	postfix_milter_free(&milter);
	postfix_milter_parse("{unix:x,default_action=tempfail}", &milter);
	assert_string_equal(milter.action, "tempfail");
	postfix_milter_free(&milter);
	postfix_milter_parse("{}", &milter);
	assert_string_equal(milter.socket, "");
	postfix_milter_free(&milter);
}

static void sockets_as_smtpd_finds_them(void **state)
{
	static char path[] = "unix:/var/spool/postfix/restante/milter.sock", tcp[] = "inet:99@host";
	struct config config = { .milter = { .socket = path } };
	const struct facts facts = { .config = &config };
	const char *queue = "/var/spool/postfix";

	(void)state;
	assert_int_equal(postfix_judge_socket(&facts, queue, true, "unix:restante/milter.sock"),
		MILTER_OURS);
	assert_int_equal(postfix_judge_socket(&facts, queue, false, path), MILTER_OURS);
	assert_int_equal(postfix_judge_socket(&facts, queue, true, path), MILTER_ELSEWHERE);
	assert_int_equal(postfix_judge_socket(&facts, queue, true, "local:/restante/milter.sock"),
		MILTER_OURS);
	assert_int_equal(postfix_judge_socket(&facts, queue, true, "unix:opendkim/dkim.sock"),
		MILTER_ABSENT);
	assert_int_equal(postfix_judge_socket(&facts, queue, true, "inet:host:99"), MILTER_ABSENT);
	config.milter.socket = tcp;
	assert_int_equal(postfix_judge_socket(&facts, queue, true, "inet:host:99"), MILTER_OURS);
	assert_int_equal(postfix_judge_socket(&facts, queue, true, "inet:host:9"), MILTER_ABSENT);
}

static void tools_beside_postqueue(void **state)
{
	struct postfix_tools tools;

	(void)state;
	postfix_tools_find("env A=b /opt/sbin/postqueue -c /etc/p2 -j", NULL, &tools);
	assert_int_equal(tools.before.count, 2);
	assert_string_equal(tools.folder, "/opt/sbin/");
	assert_string_equal(tools.dir, "/etc/p2");
	postfix_tools_free(&tools);
	postfix_tools_find("postqueue -j", "/etc/p3", &tools);
	assert_string_equal(tools.folder, "");
	assert_string_equal(tools.dir, "/etc/p3");
	postfix_tools_free(&tools);
	postfix_tools_find("mailq", NULL, &tools);
	assert_null(tools.dir);
	postfix_tools_free(&tools);
	assert_true(postfix_mta.recognise("/usr/sbin/postqueue -j"));
	assert_false(postfix_mta.recognise("mailq"));
}

/* --- Sendmail ------------------------------------------------------------------------------- */

static const char sendmail_cf[] =
	"# Xnothing, S=unix:/no\n"
	"Cwlocalhost front.lab\n"
	"C{RestanteDomain}example.org\n"
	"FR-o /etc/mail/relay-domains %[^\\#]\n"
	"O InputMailFilters=dkim,restante\n"
	"O AliasFile=/etc/mail/aliases\n"
	"O MaxDaemonChildren=40\n"
	"O DaemonPortOptions=Name=MTA, Family=inet, Addr=0.0.0.0, Port=25\n"
	"O DaemonPortOptions=Name=restante-release, Addr=127.0.0.1, Port=10026, M=ACE, "
	"InputMailFilters=, DeliveryMode=b\n"
	"Kvirtuser hash -o /etc/mail/virtusertable\n"
	"Xrestante, S=unix:/run/restante/sendmail.sock, F=T, T=C:30s;S:60s\n"
	"Mrestante-reentry,\tP=[IPC], F=mkuXa8,\n"
	"\t\tA=TCP $h 10027\n";

static void what_sendmail_cf_says(void **state)
{
	struct sendmail *s = mem_zalloc(sizeof(*s));
	struct strings chain = { NULL, 0 };

	(void)state;
	sendmail_parse(sendmail_cf, s);
	assert_int_equal(s->known_count, 1);
	assert_string_equal(s->known[0].socket, "unix:/run/restante/sendmail.sock");
	assert_string_equal(s->known[0].flags, "T");
	assert_int_equal(s->max_children, 40);
	assert_true(sendmail_class_has(s, "w", "Front.lab"));
	assert_true(sendmail_class_has(s, "RestanteDomain", "example.org"));
	assert_string_equal(sendmail_class_find(s, "R")->files.items[0], "/etc/mail/relay-domains");
	assert_int_equal(s->daemon_count, 2);
	assert_null(s->daemons[0].filters);
	assert_string_equal(s->daemons[1].filters, "");
	assert_string_equal(s->daemons[1].modifiers, "ACE");
	sendmail_chain(s, &s->daemons[0], &chain);
	assert_int_equal(chain.count, 2);
	strings_free(&chain);
	sendmail_chain(s, &s->daemons[1], &chain);
	assert_int_equal(chain.count, 0);
	assert_string_equal(sendmail_mailer_find(s, "restante-reentry")->arguments, "TCP $h 10027");
	assert_string_equal(s->tables.items[0], "hash -o /etc/mail/virtusertable");
	assert_true(sendmail_mta.recognise("/usr/sbin/sendmail -C /etc/x.cf -bp -v"));
	sendmail_free(&s);
}

/* --- checks --------------------------------------------------------------------------------- */

static void pass_by(void *context, const struct doctor_check *check, enum doctor_result result,
	const struct doctor_report *report, size_t first)
{
	(void)context;
	(void)check;
	(void)result;
	(void)report;
	(void)first;
}

/* The severity of that one check; it has one finding at most. */
static enum doctor_severity judge(const struct facts *facts, const char *id)
{
	struct doctor_choice choice = { { NULL, 0 }, { NULL, 0 } };
	struct doctor_report report = { 0 };

	strings_add(&choice.only, id);
	doctor_run(facts, &choice, &report, pass_by, NULL);
	for (size_t i = 0; i < report.count; i++)
		assert_string_equal(report.findings[i].check, id);
	assert_true(report.count <= 1);
	enum doctor_severity worst = report_worst(&report);
	assert_true(report.count == 0 || *report.findings[0].remedy != '\0');
	report_free(&report);
	strings_free(&choice.only);
	return worst;
}

static struct config settings; /* of zeros but for what a check prints */
static char folder[] = "/var/lib/restante", empty[] = "";

static struct facts facts_of_nothing(void)
{
	struct facts facts = { .config = &settings, .config_path = folder };

	settings.milter.queue_dir = settings.milter.replica_dir = folder;
	settings.milter.socket = settings.cli.password_file = empty;
	settings.ldap.base = folder;
	facts.milter.known = true;
	return facts;
}

static void databases_on_a_network(void **state)
{
	struct facts facts = facts_of_nothing();

	(void)state;
	facts.host.queue = (struct space){ true, 1000, 1000, 0xef53 };
	assert_int_equal(judge(&facts, "host.file-system"), DOCTOR_OK);
	facts.host.queue.type = 0x6969;
	assert_int_equal(judge(&facts, "host.file-system"), DOCTOR_ERROR);
}

static void space_that_is_low(void **state)
{
	struct facts facts = facts_of_nothing();

	(void)state;
	assert_int_equal(judge(&facts, "host.replica-space"), DOCTOR_UNSEEN);
	assert_int_equal(judge(&facts, "host.queue-space"), DOCTOR_UNSEEN);
	facts.host.replica = (struct space){ true, 10u << 20, 1000u << 20, 0 };
	assert_int_equal(judge(&facts, "host.replica-space"), DOCTOR_WARNING);
	facts.host.replica.free_bytes = 900u << 20;
	assert_int_equal(judge(&facts, "host.replica-space"), DOCTOR_OK);
	settings.milter.queue_free = 100 << 20;
	facts.host.queue = (struct space){ true, 120u << 20, 1000u << 20, 0 };
	assert_int_equal(judge(&facts, "host.queue-space"), DOCTOR_WARNING);
	facts.host.queue.free_bytes = 200u << 20;
	assert_int_equal(judge(&facts, "host.queue-space"), DOCTOR_OK);
	facts.host.queue.free_bytes = 100u << 20;
	assert_int_equal(judge(&facts, "host.queue-space"), DOCTOR_ERROR);
}

static void a_key_that_others_read(void **state)
{
	struct facts facts = facts_of_nothing();
	struct place_facts *key = &facts.host.places[PLACE_KEY];

	(void)state;
	key->path = folder;
	key->at = (struct path_facts){ .reach = REACH_YES, .exists = true };
	key->at.st.st_mode = 0640;
	assert_int_equal(judge(&facts, "config.certificates"), DOCTOR_OK);
	key->at.st.st_mode = 0644;
	assert_int_equal(judge(&facts, "config.certificates"), DOCTOR_ERROR);
}

static char here[] = "ldap://127.0.0.1:389", there[] = "ldap://ldap.example.org",
	    safe[] = "ldaps://ldap.example.org";

static void passwords_in_the_clear(void **state)
{
	struct reader readers[] = { { .uri = here }, { .uri = safe } };
	struct facts facts = facts_of_nothing();

	(void)state;
	settings.ldap.bind = LDAP_BIND_SIMPLE;
	facts.directory.readers = readers;
	facts.directory.reader_count = 2;
	assert_int_equal(judge(&facts, "directory.cleartext"), DOCTOR_OK);
	readers[1].uri = there;
	assert_int_equal(judge(&facts, "directory.cleartext"), DOCTOR_WARNING);
	settings.ldap.starttls = true;
	assert_int_equal(judge(&facts, "directory.cleartext"), DOCTOR_OK);
	settings.ldap.starttls = false;
	settings.ldap.bind = LDAP_BIND_EXTERNAL;
	assert_int_equal(judge(&facts, "directory.cleartext"), DOCTOR_OK);
}

static char early[] = "20261122053000.000000Z#000000#001#000000",
	    late[] = "20261122053130.000000Z#000000#001#000000",
	    other[] = "20261122053000.000000Z#000000#002#000000";

static void a_server_that_lags(void **state)
{
	char *ahead[] = { late, other }, *behind[] = { other, early };
	struct reader readers[] = { { .uri = here, .level = { ahead, 2 } },
		{ .uri = there, .level = { ahead, 2 } } };
	struct facts facts = facts_of_nothing();

	(void)state;
	facts.directory.readers = readers;
	facts.directory.reader_count = 2;
	assert_int_equal(judge(&facts, "directory.level"), DOCTOR_OK);
	readers[1].level.items = behind;
	assert_int_equal(judge(&facts, "directory.level"), DOCTOR_WARNING);
	behind[1] = other; /* it knows nothing of that server id */
	assert_int_equal(judge(&facts, "directory.level"), DOCTOR_OK);
}

static void clocks(void **state)
{
	struct reader reader = { .uri = here };
	struct node_clock clock = { .name = folder, .own = true };
	struct facts facts = facts_of_nothing();

	(void)state;
	settings.milter.heartbeat = 10 * CLOCK_SECOND;
	facts.directory.readers = &reader;
	facts.directory.reader_count = 1;
	facts.directory.clocks = &clock;
	facts.directory.clock_count = 1;
	facts.now_us = 1000 * CLOCK_SECOND;
	facts.directory.newest_us = 1004 * CLOCK_SECOND;
	clock.beat_us = clock.csn_us = 900 * CLOCK_SECOND;
	assert_int_equal(judge(&facts, "clock.directory"), DOCTOR_OK);
	facts.directory.newest_us = 1100 * CLOCK_SECOND;
	assert_int_equal(judge(&facts, "clock.directory"), DOCTOR_WARNING);
	facts.directory.newest_us = 2000 * CLOCK_SECOND;
	assert_int_equal(judge(&facts, "clock.directory"), DOCTOR_ERROR);
	facts.directory.newest_us = -1;
	assert_int_equal(judge(&facts, "clock.directory"), DOCTOR_UNSEEN);
	assert_int_equal(judge(&facts, "clock.nodes"), DOCTOR_OK);
	clock.csn_us = 915 * CLOCK_SECOND; /* written again within a period */
	assert_int_equal(judge(&facts, "clock.nodes"), DOCTOR_OK);
	clock.csn_us = 930 * CLOCK_SECOND;
	assert_int_equal(judge(&facts, "clock.nodes"), DOCTOR_WARNING);
	clock.own = false; /* by somebody else, any time later */
	assert_int_equal(judge(&facts, "clock.nodes"), DOCTOR_OK);
	clock.csn_us = 500 * CLOCK_SECOND;
	assert_int_equal(judge(&facts, "clock.nodes"), DOCTOR_ERROR);
}

static void rights_that_are_not_clear(void **state)
{
	struct federation federation = { 0 };
	struct facts facts = facts_of_nothing();

	(void)state;
	facts.directory.reader_count = 1;
	facts.directory.federation = &federation;
	assert_int_equal(judge(&facts, "rights.unclear"), DOCTOR_OK);
	strings_add(&facts.directory.rights.unclear, "restanteState of cn=x");
	assert_int_equal(judge(&facts, "rights.unclear"), DOCTOR_UNSEEN);
	strings_free(&facts.directory.rights.unclear);
}

static void a_postfix_that_is_old(void **state)
{
	struct facts facts = facts_of_nothing();
	struct postfix *old = postfix_of_texts("mail_version = 3.3.1\n", "", "");

	(void)state;
	facts.mta = &postfix_mta;
	facts.mta_facts = old;
	assert_int_equal(judge(&facts, "mta.version"), DOCTOR_ERROR);
	postfix_free(&old);
	facts.mta_facts = old = postfix_of_texts("mail_version = 3.10.0\n", "", "");
	assert_int_equal(judge(&facts, "mta.version"), DOCTOR_OK);
	postfix_free(&old);
}

static void findings_are_one_line_with_a_remedy(void **state)
{
	struct doctor_report report = { .check = "a.b" };

	(void)state;
	report_error(&report, "two\nlines of %s" REMEDY "do that", "text");
	report_unseen(&report, "nothing to be done");
	assert_string_equal(report.findings[0].what, "two lines of text");
	assert_string_equal(report.findings[0].remedy, "do that");
	assert_int_equal(report_worst(&report), DOCTOR_ERROR);
	assert_int_equal(report_count(&report, DOCTOR_UNSEEN), 1);
	report_free(&report);
}

/* The kernel takes the connection; nobody says a word. */
static void a_listener_that_is_silent(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char dir[] = "/tmp/rst-doctor-XXXXXX", listener[128];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/silent", dir);
	snprintf(listener, sizeof(listener), "lmtp:unix:%s", address.sun_path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 5), 0);
	alarm(20);
	char *trouble = gather_greeting(listener, 1);
	alarm(0);
	assert_non_null(trouble);
	mem_free(&trouble);
	close(fd);
	unlink(address.sun_path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_a_list),
		cmocka_unit_test(definitions_of_a_schema),
		cmocka_unit_test(release_listeners),
		cmocka_unit_test(permission_bits),
		cmocka_unit_test(what_postconf_prints),
		cmocka_unit_test(entries_of_smtpd_milters),
		cmocka_unit_test(sockets_as_smtpd_finds_them),
		cmocka_unit_test(tools_beside_postqueue),
		cmocka_unit_test(what_sendmail_cf_says),
		cmocka_unit_test(databases_on_a_network),
		cmocka_unit_test(space_that_is_low),
		cmocka_unit_test(a_key_that_others_read),
		cmocka_unit_test(passwords_in_the_clear),
		cmocka_unit_test(a_server_that_lags),
		cmocka_unit_test(clocks),
		cmocka_unit_test(rights_that_are_not_clear),
		cmocka_unit_test(a_postfix_that_is_old),
		cmocka_unit_test(findings_are_one_line_with_a_remedy),
		cmocka_unit_test(a_listener_that_is_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
