/* lib/config*.c */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/config.h"
#include "lib/config_table.h"
#include "lib/mem.h"

static char dir[] = "/tmp/rst-config-XXXXXX";
static char file[64];

static int make_dir(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(file, sizeof file, "%s/r.conf", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(file);
	return rmdir(dir);
}

static void write_bytes(const char *text, size_t len)
{
	FILE *out = fopen(file, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, len, out), len);
	assert_int_equal(fclose(out), 0);
}

static struct config *load(const char *text)
{
	const char *error = "";

	write_bytes(text, strlen(text));
	struct config *config = config_load(file, &error);
	if (config == NULL)
		fail_msg("%s", error);
	return config;
}

static char *dump(const struct config *config, const char *section)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	config_dump(config, section, out);
	fclose(out);
	return text;
}

static void test_defaults(void **state)
{
	struct config *config = load("");
	char host[256] = "";

	(void)state;
	gethostname(host, sizeof host - 1);
	assert_string_equal(config->milter.hostname, host);
	host[strcspn(host, ".")] = '\0';
	assert_string_equal(config->milter.node, host);
	assert_string_equal(config->path, file);
	assert_int_equal(config->ldap.bind, LDAP_BIND_ANONYMOUS);
	assert_int_equal(config->ldap.timeout, 10 * CLOCK_SECOND);
	assert_int_equal(config->log.target, LOG_TARGET_SYSLOG);
	assert_int_equal(config->log.level, LOG_LEVEL_INFO);
	assert_int_equal(config->milter.replica_cache, 64 << 20);
	assert_int_equal(config->milter.queue_cache, 32 << 20);
	assert_string_equal(config->milter.recipient_delimiter, "+");
	assert_true(config->milter.carry_detail);
	assert_string_equal(config->milter.postmaster, "");
	assert_int_equal(config->milter.vanish_grace, 300 * CLOCK_SECOND);
	assert_int_equal(config->milter.late_commit, 2 * CLOCK_SECOND);
	assert_int_equal(config->milter.mass_delete, 10);
	assert_int_equal(config->milter.socket_mode, 0660);
	assert_int_equal(config->milter.queue_free, INT64_C(512) << 20);
	assert_int_equal(config->milter.release_expire, 5 * 86400 * CLOCK_SECOND);
	assert_int_equal(config->milter.release_workers, 8);
	assert_string_equal(config->milter.release_listener, "smtp:127.0.0.1:10026");
	assert_string_equal(config->milter.queue_dir, LOCALSTATEDIR "/lib/restante/queue");
	assert_string_equal(config->milter.control_socket, RUNSTATEDIR "/restante/milter.sock");
	assert_string_equal(config->cli.control_socket, config->milter.control_socket);
	assert_int_equal(config->cli.wait_timeout, 300 * CLOCK_SECOND);
	config_free(&config);
	assert_null(config);
}

static void test_values(void **state)
{
	struct config *config = load("# all kinds\n"
				     "ldap {\n"
				     "  uri = \"ldap://a ldaps://b\"\n"
				     "  base = 'dc=example,dc=org' /* so */\n"
				     "  bind = external\n"
				     "  starttls = yes\n"
				     "}\n"
				     "log { target = file file = /tmp/x.log level = debug }\n"
				     "milter {\n"
				     "  node = mx1\n"
				     "  socket = inet:8891@127.0.0.1\n"
				     "  socket_mode = 0600\n"
				     "  control_socket = \"/run/x/y.sock\"\n"
				     "  recipient_delimiter = \"+-\"\n"
				     "  vanish_grace = 0\n"
				     "  heartbeat = 100ms\n"
				     "  queue_bytes = 123\n"
				     "  queue_free = 2G\n"
				     "  delay_notice = 1w\n"
				     "  release_tls = verify\n"
				     "  postmaster = pm@s1.example\n"
				     "}\n"
				     "milter { user = \"\" }\n");
	struct ldap_options options = config_ldap_options(config, NULL);

	(void)state;
	assert_string_equal(config->ldap.write_uri, "ldap://a");
	assert_string_equal(options.uri, "ldap://a");
	assert_string_equal(config_ldap_options(config, "ldapi:///").uri, "ldapi:///");
	assert_string_equal(options.base, "dc=example,dc=org");
	assert_int_equal(options.bind, LDAP_BIND_EXTERNAL);
	assert_true(options.starttls);
	assert_null(options.bind_dn);
	assert_null(options.ca_file);
	assert_int_equal(config->log.target, LOG_TARGET_FILE);
	assert_int_equal(config->log.level, LOG_LEVEL_DEBUG);
	assert_string_equal(config->milter.node, "mx1");
	assert_int_equal(config->milter.socket_mode, 0600);
	assert_string_equal(config->cli.control_socket, "/run/x/y.sock");
	assert_int_equal(config->milter.vanish_grace, 0);
	assert_int_equal(config->milter.heartbeat, 100 * CLOCK_MS);
	assert_int_equal(config->milter.queue_bytes, 123);
	assert_int_equal(config->milter.queue_free, INT64_C(2) << 30);
	assert_int_equal(config->milter.delay_notice, 7 * 86400 * CLOCK_SECOND);
	assert_string_equal(config->milter.release_tls, "verify");
	assert_string_equal(config->milter.user, "");
	config_free(&config);
}

struct bad {
	const char *text;
	const char *where; /* what the message begins with, behind the file's name */
	const char *what;  /* and what it holds somewhere */
};

static const struct bad bad_files[] = {
	{ "ldap {\n  urj = x\n}\n", ":2: ldap.urj: ", "no such key" },
	{ "\nuri = x\n", ":2: uri: ", "no such section" },
	{ "controls {\n}\n", ":1: controls: ", "no such section" },
	{ "ldap|uri = x\n", ":1: uri: ", "section" },
	{ "ldap {\n timeout = 10\n}\n", ":2: ldap.timeout: bad value \"10\"", "100ms to 10m" },
	{ "ldap {\n timeout = 10y\n}\n", ":2: ldap.timeout: bad value \"10y\"", "unit" },
	{ "ldap {\n timeout = 11m\n}\n", ":2: ldap.timeout: bad value \"11m\"", "100ms to 10m" },
	{ "ldap {\n timeout = -1s\n}\n", ":2: ldap.timeout: bad value \"-1s\"", "unit" },
	{ "ldap {\n timeout = 99999999999999999999s\n}\n", ":2: ldap.timeout: ", "unit" },
	{ "ldap {\n timeout = 9999999999999w\n}\n", ":2: ldap.timeout: ", "unit" },
	{ "ldap {\n starttls = maybe\n}\n", ":2: ldap.starttls: ", "true or false" },
	{ "ldap {\n bind = sasl\n}\n", ":2: ldap.bind: ", "anonymous, simple, external" },
	{ "ldap {\n uri = http://x\n}\n", ":2: ldap.uri: ", "ldap://" },
	{ "ldap {\n write_uri = 'ldap://x ldap://y'\n}\n", ":2: ldap.write_uri: ", "one URI" },
	{ "ldap {\n base = 'a\nb'\n}\n", ":3: ldap.base: ", "control" },
	{ "ldap {\n ca_file = x.pem\n}\n", ":2: ldap.ca_file: ", "absolute" },
	{ "ldap {\n bind = simple\n}\n", ":2: ldap.bind_dn is not set", "bind = simple" },
	{ "ldap {\n bind_dn = 'cn=x'\n\n bind = simple\n}\n", ":4: ldap.password_file ", "simple" },
	{ "ldap {\n cert_file = /x\n}\n", ":2: ldap.key_file is not set", "cert_file" },
	{ "log { target = file }\n", ":1: log.file is not set", "target = file" },
	{ "log { target = tape }\n", ":1: log.target: ", "stderr, syslog, file, journal" },
	{ "log {\n file_mode = 0666\n}\n", ":2: log.file_mode: ", "0600, 0640" },
	{ "milter {\n metrics_listen = localhost:9811\n}\n",
		":2: milter.metrics_listen: ", "[::1]" },
	{ "milter {\n metrics_listen = 127.0.0.1\n}\n", ":2: milter.metrics_listen: ", ":9811" },
	{ "milter {\n metrics_listen = '[127.0.0.1]:80'\n}\n", ":2: milter.metrics_listen: ", "" },
	{ "milter {\n metrics_listen = '::1:80'\n}\n", ":2: milter.metrics_listen: ", "" },
	{ "milter {\n queue_bytes = 1X\n}\n", ":2: milter.queue_bytes: ", "K, M, G or T" },
	{ "milter {\n replica_cache = 1K\n}\n", ":2: milter.replica_cache: ", "256K to 1T" },
	{ "milter {\n socket_mode = 0689\n}\n", ":2: milter.socket_mode: ", "0000 to 0777" },
	{ "milter {\n release_workers = 0\n}\n", ":2: milter.release_workers: ", "1 to 64" },
	{ "milter {\n release_workers = 8x\n}\n", ":2: milter.release_workers: ", "1 to 64" },
	{ "milter {\n mass_delete = 101\n}\n", ":2: milter.mass_delete: ", "0 to 100" },
	{ "milter {\n release_tls = on\n}\n", ":2: milter.release_tls: ", "encrypt" },
	{ "milter {\n release_listener = 127.0.0.1:25\n}\n",
		":2: milter.release_listener: ", "smtp:host:port" },
	{ "milter {\n release_listener = smtp:h:0\n}\n", ":2: milter.release_listener: ", "smtp:" },
	{ "milter {\n release_listener = smtp:h:99999\n}\n", ":2: milter.release_listener: ", "" },
	{ "milter {\n release_listener = smtp:h\n}\n", ":2: milter.release_listener: ", "smtp:" },
	{ "milter {\n release_listener = lmtp:unix:x\n}\n", ":2: milter.release_listener: ", "" },
	{ "milter {\n socket = /run/x\n}\n", ":2: milter.socket: ", "unix:/path" },
	{ "milter {\n socket = inet:8891\n}\n", ":2: milter.socket: ", "inet:port@host" },
	{ "milter {\n control_socket = x\n}\n", ":2: milter.control_socket: ", "107" },
	{ "milter {\n recipient_delimiter = \"a\"\n}\n", ":2: milter.recipient_delimiter: ", "+" },
	{ "milter {\n recipient_delimiter = \"@\"\n}\n", ":2: milter.recipient_delimiter: ", "+" },
	{ "milter {\n postmaster = root\n}\n", ":2: milter.postmaster: ", "ASCII" },
	{ "milter {\n node = 'a,b'\n}\n", ":2: milter.node: ", "letters" },
	{ "milter {\n queue_dir = queue\n}\n", ":2: milter.queue_dir: ", "absolute" },
	{ "milter {\n queue_list = ' '\n}\n", ":2: milter.queue_list: ", "command" },
	{ "milter {\n release_retry_min = 1h\n}\n", ": milter.release_retry_min ", "larger" },
	{ "milter {\n node = a\n node = b\n}\n", ":3: milter.node: ", "line 2" },
	{ "milter { node = a }\nmilter { node = a }\n", ":2: milter.node: ", "line 1" },
	{ "system S1 {\n rat = 1\n}\n", ":2: system.rat: ", "no such key" },
	{ "system S1 {\n rate = fast\n}\n", ":2: system.rate: ", "0 to 1000000" },
	{ "system S1 {\n connections = 65\n}\n", ":2: system.connections: ", "0 to 64" },
	{ "system S1 {\n tls_minimum = 1.1\n}\n", ":2: system.tls_minimum: ", "1.2, 1.3" },
	{ "system S1 {\n certificate_name = 'a b'\n}\n", ":2: system.certificate_name: ", "host" },
	{ "system S1 {\n ca_file = x\n}\n", ":2: system.ca_file: ", "absolute" },
	{ "system S1 {\n\n auth_user = u\n}\n", ":3: system.password_file is not set",
		"auth_user" },
	{ "system S1 {\n password_file = /x\n}\n", ":2: system.auth_user is not set", "" },
	{ "system S1 { rate = 1 }\nsystem s1 {\n rate = 1\n}\n", ":3: system.rate: ", "line 1" },
	{ "system {\n rate = 1\n}\n", ":1: ", "title" },
	{ "system '' {\n rate = 1\n}\n", ":2: bad name ", "64 bytes" },
	{ "system 'a\tb' {\n}\n", ":2: bad name ", "control" },
	{ "system 0123456789012345678901234567890123456789012345678901234567890123x { }\n",
		":1: bad name ", "64 bytes" },
	{ "system S1 {\n rate = 1\n", ": section system {} ", "not closed" },
	{ "rate = 1\n", ":1: rate: ", "section" },
	{ "dirsync {\n window = 0\n}\n", ":2: dirsync.window: ", "1 to 1000" },
	{ "dirsync {\n lease = 1s\n}\n", ":2: dirsync.lease: ", "5s to 1h" },
	{ "up S1 {\n source = ldpa\n}\n", ":2: up.source: ", "ldap, ldif, csv, command" },
	{ "up S1 {\n\n max_delete_percent = 101\n}\n", ":3: up.max_delete_percent: ", "100" },
	{ "up S1 {\n delta = usn2\n}\n", ":2: up.delta: ", "modifyTimestamp, usn, syncrepl" },
	{ "up S1 {\n folder = drop\n}\n", ":2: up.folder: ", "absolute" },
	{ "up S1 { every = 1m }\nup s1 {\n every = 2m\n}\n", ":3: up.every: ", "line 1" },
	{ "up {\n every = 1m\n}\n", ":1: ", "title" },
	{ "down S1 {\n target = ftp\n}\n", ":2: down.target: ", "vcard, command" },
	{ "scenario A {\n create = 7\n}\n", ":2: scenario.create: ", "never" },
	{ "scenario A {\n create = -4000d\n}\n", ":2: scenario.create: ", "ten years" },
	{ "scenario A {\n hold = long\n}\n", ":2: scenario.hold: ", "transfer" },
	{ "control {\n working_hours = always\n}\n", ":2: control.working_hours: ", "Mon-Fri" },
	{ "down S1 {\n uri = s1\n}\n", ":2: down.uri: ", "ldap://" },
	{ "milter S1 { }\n", ":1: ", "missing opening brace" },
	{ "milter {\n node a\n}\n", ":2: ", "missing equal sign" },
	{ "milter {\n node = {a, b}\n}\n", ":2: ", "unexpected token" },
	{ "milter {\n node += a\n}\n", ":2: ", "append" },
	{ "milter\nnode = a\n", ":2: ", "missing opening brace" },
	{ "}\n", ":1: ", "unexpected closing brace" },
	{ "ldap {\n timeout = 5s\n", ": section ldap {} ", "not closed" },
	{ "ldap {\n base =", ": ldap.base: ", "ends before" },
	{ "ldap {\n base", ":3: ", "missing equal sign" },
	{ "ldap { }\n/* end", ": ", "not closed" },
	{ "ldap { }\n\"end", ": ", "not closed" },
	{ "ldap {\n base = \"end\n}\n", ":", "premature end" },
	{ "ldap {\n base = 'end\n}\n", ":", "unterminated string" },
	{ "\n\x01 = x\n", ":2: byte 0x01", "text file" },
	{ "a\x7f\n\x1b\n", ":2: byte 0x1b", "text file" },
};

static void expect_error(const char *where, const char *what)
{
	const char *error = NULL;
	struct config *config = config_load(file, &error);

	assert_null(config);
	assert_non_null(error);
	if (strncmp(error, file, strlen(file)) != 0 ||
		strncmp(error + strlen(file), where, strlen(where)) != 0 ||
		strstr(error, what) == NULL)
		fail_msg("expected %s ... %s, got %s", where, what, error);
	for (const char *p = error; *p != '\0'; p++)
		assert_true((unsigned char)*p >= ' ');
}

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_files); i++) {
		write_bytes(bad_files[i].text, strlen(bad_files[i].text));
		expect_error(bad_files[i].where, bad_files[i].what);
		/* No bad file spoils the next load. */
		struct config *config = load("ldap { base = 'dc=good' }\n");
		assert_string_equal(config->ldap.base, "dc=good");
		config_free(&config);
	}
}

static void test_bad_files(void **state)
{
	const char *error = NULL;
	struct str big = STR_INIT;

	(void)state;
	unlink(file);
	expect_error(": there is no such file", "restante.conf(5)");
	assert_null(config_load(dir, &error));
	assert_non_null(strstr(error, "is a directory"));
	write_bytes("ldap\0{}\n", 8);
	expect_error(":1: byte 0x00", "text file");
	while (big.len <= 1024 * 1024)
		str_append_z(&big, "# a line of a comment\n");
	write_bytes(big.data, big.len);
	expect_error(": larger than 1 MB", "");
	str_free(&big);
	unlink(file);
	assert_int_equal(mkfifo(file, 0600), 0);
	expect_error(": is no regular file", "");
	unlink(file);
}

/* Root reads everything, so the question is put as somebody else. */
static void test_unreadable(void **state)
{
	int root = geteuid() == 0;

	(void)state;
	write_bytes("", 0);
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(chmod(file, 0), 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	expect_error(": permission denied", "user id");
	if (root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(file, 0600), 0);
}

static void test_round_trip(void **state)
{
	struct config *first = load(
		"ldap { uri = ldapi:/// base = \"o=a\\\"b\\\\c \\${HOME} 'x' #y\" timeout = 90s }\n"
		"log { level = warning }\n"
		"milter { node = n1 queue_bytes = 1536K delay_notice = 36h socket_mode = 07\n"
		"  recipient_delimiter = \"+-$\" release_tls = may carry_detail = off }\n"
		"cli { bind_dn = 'cn=admin' }\n");
	char *text = dump(first, NULL);
	struct config *second = load(text);
	char *again = dump(second, NULL);

	(void)state;
	assert_string_equal(first->ldap.base, "o=a\"b\\c ${HOME} 'x' #y");
	assert_string_equal(text, again);
	assert_string_equal(second->ldap.base, first->ldap.base);
	assert_int_equal(second->milter.queue_bytes, 1536 * 1024);
	assert_int_equal(second->milter.socket_mode, 07);
	assert_false(second->milter.carry_detail);
	assert_non_null(strstr(text, "\tdelay_notice = 36h\n"));
	assert_non_null(strstr(text, "\tqueue_bytes = 1536K\n"));
	char *part = dump(first, "cli");
	assert_int_equal(strncmp(part, "cli {\n", 6), 0);
	assert_null(strstr(part, "ldap"));
	free(part);
	free(text);
	free(again);
	config_free(&first);
	config_free(&second);
}

static void test_reload(void **state)
{
	struct config *running = load("milter { node = a vanish_grace = 1m queue_list = x }\n");
	struct config *fresh = load("milter { node = b vanish_grace = 2m queue_list = y\n"
				    "replica_cache = 1M } log { level = error }\n");
	struct str unchanged = STR_INIT;

	(void)state;
	config_reload(running, fresh, &unchanged);
	assert_string_equal(str_cstr(&unchanged), "milter.node, milter.replica_cache");
	assert_string_equal(running->milter.node, "a");
	assert_string_equal(running->milter.queue_list, "y");
	assert_string_equal(fresh->milter.queue_list, "x");
	assert_int_equal(running->milter.vanish_grace, 120 * CLOCK_SECOND);
	assert_int_equal(running->log.level, LOG_LEVEL_ERROR);
	config_free(&fresh);
	str_reset(&unchanged);
	fresh = load("milter { node = a vanish_grace = 2m queue_list = y }\n"
		     "log { level = error }\n");
	config_reload(running, fresh, &unchanged);
	assert_string_equal(str_cstr(&unchanged), "");
	str_free(&unchanged);
	config_free(&fresh);
	config_free(&running);
}

static const char systems[] =
	"system S2 { rate = 5 auth_user = u password_file = '/p' }\n"
	"system \"S 1\" { connections = 3 tls_minimum = 1.3\n"
	"  ca_file = '/ca' certificate_name = s1.example auth_in_clear = on }\n"
	"system s2 { connections = 7 }\n"
	"system Empty { }\n";

static void test_systems(void **state)
{
	struct config *config = load(systems);
	const struct config_system *one = config_system(config, "s 1");
	const struct config_system *two = config_system(config, "S2");

	(void)state;
	assert_int_equal(config->systems.count, 3);
	assert_string_equal(one->name, "S 1");
	assert_int_equal(one->connections, 3);
	assert_int_equal(one->tls_minimum, TLS_1_3);
	assert_string_equal(one->ca_file, "/ca");
	assert_string_equal(one->certificate_name, "s1.example");
	assert_true(one->auth_in_clear);
	assert_int_equal(one->rate, 0);
	assert_string_equal(one->auth_user, "");
	assert_string_equal(two->name, "S2");
	assert_int_equal(two->rate, 5);
	assert_int_equal(two->connections, 7); /* sections of one name are one */
	assert_int_equal(two->tls_minimum, TLS_1_2);
	assert_string_equal(two->password_file, "/p");
	assert_non_null(config_system(config, "empty"));
	assert_null(config_system(config, "S3"));
	char *text = dump(config, NULL);
	struct config *again = load(text);
	char *twice = dump(again, NULL);
	assert_string_equal(text, twice);
	assert_non_null(strstr(text, "system \"S 1\" {\n\tconnections = 3\n"));
	free(text);
	free(twice);
	config_free(&again);
	config_free(&config);
}

static void test_scenarios(void **state)
{
	struct config *config = load("scenario students { create = -2h delete = +30d drain = 0s }\n"
				     "scenario plain { create = 0 }\n"
				     "actions S2 { create = create.ldif concurrency = 4 }\n"
				     "control { working_hours = \"Mon-Fri 07:00-19:00\" }\n");
	const struct config_scenario *one = config_scenario(config, "Students");
	char *text = dump(config, NULL);

	(void)state;
	assert_int_equal(one->create, -2 * 3600 * CLOCK_SECOND);
	assert_int_equal(one->delete, 30 * 86400 * CLOCK_SECOND);
	assert_int_equal(one->drain, 0);
	assert_true(one->redirect);
	assert_int_equal(config_scenario(config, "plain")->create, 0);
	assert_int_equal(config_scenario(config, "plain")->delete, INT64_MAX);
	assert_string_equal(config_actions(config, "s2")->create, "create.ldif");
	assert_null(config_actions(config, "S1"));
	assert_non_null(strstr(text, "\tcreate = -2h\n"));
	assert_non_null(strstr(text, "\tdelete = +30d\n"));
	assert_non_null(strstr(text, "\tcreate = 0\n"));
	assert_non_null(strstr(text, "\tdelete = never\n"));
	struct config *again = load(text);
	assert_int_equal(config_scenario(again, "students")->create, one->create);
	free(text);
	config_free(&again);
	config_free(&config);
}

/* A system may be in all three kinds of section, or in one of them. */
static void test_syncs(void **state)
{
	struct config *config =
		load("up S1 { physical = \"%{uid}@s1.internal\" delta = syncrepl }\n"
		     "up \"S 2\" { source = csv folder = /drop separator = \";\" }\n"
		     "down s1 { target = vcard file = /book.vcf every = 1h }\n"
		     "dirsync { window = 8 }\n");
	const struct config_up *up = config_up(config, "s1");

	(void)state;
	assert_string_equal(up->name, "S1");
	assert_string_equal(up->source, "ldap");
	assert_string_equal(up->physical, "%{uid}@s1.internal");
	assert_string_equal(up->delta, "syncrepl");
	assert_int_equal(up->max_delete, 100);
	assert_string_equal(config_up(config, "s 2")->separator, ";");
	assert_string_equal(config_down(config, "S1")->target, "vcard");
	assert_int_equal(config_down(config, "S1")->every, 3600 * CLOCK_SECOND);
	assert_null(config_down(config, "S 2"));
	assert_null(config_system(config, "S1"));
	assert_int_equal(config->dirsync.window, 8);
	char *text = dump(config, NULL);
	struct config *again = load(text);
	char *twice = dump(again, NULL);
	assert_string_equal(text, twice);
	free(text);
	free(twice);
	config_free(&again);
	config_free(&config);
}

/* They come and go. */
static void test_systems_reload(void **state)
{
	struct config *running = load("system S1 { rate = 1 } system S2 { rate = 2 }");
	struct config *fresh = load("system S2 { rate = 20 } system S3 { rate = 3 }");
	struct str unchanged = STR_INIT;

	(void)state;
	config_reload(running, fresh, &unchanged);
	assert_string_equal(str_cstr(&unchanged), "");
	assert_null(config_system(running, "S1"));
	assert_int_equal(config_system(running, "S2")->rate, 20);
	assert_int_equal(config_system(running, "S3")->rate, 3);
	assert_int_equal(config_system(fresh, "S1")->rate, 1); /* whoever points there may go on */
	str_free(&unchanged);
	config_free(&fresh);
	config_free(&running);
}

static void test_require(void **state)
{
	struct config *config = load("ldap { uri = ldapi:/// }\n");
	const char *error = NULL;

	(void)state;
	assert_int_equal(config_require(config, "ldap", "uri", &error), 0);
	assert_int_equal(config_require(config, "ldap", "base", &error), -1);
	assert_non_null(strstr(error, "ldap.base is not set"));
	config_free(&config);
}

/* Each default must be a value that its own key takes, and be dumped as it is written. */
static void test_table(void **state)
{
	const struct config_section *section;
	struct config *config = load("");
	size_t keys = 0;

	(void)state;
	for (size_t i = 0; (section = config_section_at(i)) != NULL; i++) {
		char *base = section->titled == 0
				     ? config_section_struct(config, section, 0)
				     : config_list_get(
					       config_section_list(config, section), section, "X");
		assert_ptr_equal(config_section_find(section->name), section);
		for (size_t k = 0; k < section->count; k++, keys++) {
			const struct config_key *key = &section->keys[k];
			struct str allowed = STR_INIT, text = STR_INIT;
			assert_ptr_equal(config_key_find(section, key->name), key);
			assert_non_null(key->help);
			if (config_value_parse(key, base, key->fallback, &allowed) < 0)
				fail_msg("%s.%s: %s", section->name, key->name, allowed.data);
			config_value_format(key, base, &text);
			assert_string_equal(str_cstr(&text), key->fallback);
			str_free(&text);
			str_free(&allowed);
		}
	}
	assert_true(keys > 50);
	assert_null(config_section_find("scenarios"));
	config_free(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_systems),
		cmocka_unit_test(test_scenarios),
		cmocka_unit_test(test_syncs),
		cmocka_unit_test(test_systems_reload),
		cmocka_unit_test(test_require),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
