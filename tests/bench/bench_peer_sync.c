#define _GNU_SOURCE
#include "tests/bench/bench_peer_sync.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ldap.h>

#include "lib/synccontrol.h"
#include "lib/clock.h"

void bench_die(const char *what, const char *why)
{
	fprintf(stderr, "bench_replica: %s: %s\n", what, why);
	bench_slapd_stop();
	exit(1);
}

/* --- the consumer that does nothing --------------------------------------------------------- */

static bool refresh_ended(LDAP *handle, LDAPMessage *message)
{
	struct berval *data = NULL;
	struct sync_info info;
	bool ended;

	ldap_parse_intermediate(handle, message, NULL, &data, NULL, 0);
	ended = data != NULL && sync_parse_info(data->bv_val, data->bv_len, &info) == 0 &&
		(info.kind == SYNC_REFRESH_DELETE || info.kind == SYNC_REFRESH_PRESENT) &&
		info.refresh_done;
	ber_bvfree(data);
	return ended;
}

static void read_refresh(LDAP *handle, int msgid)
{
	LDAPMessage *message;
	bool ended = false;

	while (!ended) {
		if (ldap_result(handle, msgid, LDAP_MSG_ONE, NULL, &message) <= 0 ||
			ldap_msgtype(message) == LDAP_RES_SEARCH_RESULT)
			bench_die("refresh", "broke off");
		if (ldap_msgtype(message) == LDAP_RES_INTERMEDIATE)
			ended = refresh_ended(handle, message);
		ldap_msgfree(message);
	}
}

int64_t peer_sync_us(struct ldap_session *session, const char *base, const char *filter,
	const char *const *attributes)
{
	struct str none = STR_INIT, request = STR_INIT;
	LDAP *handle = ldap_session_handle(session);
	LDAPControl sync = { .ldctl_oid = (char *)(uintptr_t)LDAP_CONTROL_SYNC,
		.ldctl_iscritical = 1 };
	LDAPControl *controls[] = { &sync, NULL };
	struct timeval forever = { 600, 0 };
	int64_t began = clock_mono_us();
	int msgid;

	sync_make_request(&none, true, &request);
	sync.ldctl_value.bv_val = request.data;
	sync.ldctl_value.bv_len = request.len;
	ldap_set_option(handle, LDAP_OPT_TIMEOUT, &forever);
	if (ldap_search_ext(handle, base, LDAP_SCOPE_SUBTREE, filter,
		    (char **)(uintptr_t)attributes, 0, controls, NULL, NULL, LDAP_NO_LIMIT,
		    &msgid) != LDAP_SUCCESS)
		bench_die("refresh", "cannot be asked for");
	read_refresh(handle, msgid);
	str_free(&request);
	return clock_mono_us() - began;
}

/* --- the server ----------------------------------------------------------------------------- */

static pid_t slapd_pid;

static const char configuration[] =
	"include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n"
	"include /etc/ldap/schema/inetorgperson.schema\ninclude /etc/ldap/schema/misc.schema\n"
	"include " BENCH_SOURCE "/ldap-schema/restante.schema\n"
	"modulepath /usr/lib/ldap\nmoduleload back_mdb\nmoduleload syncprov\n"
	"database mdb\nsuffix dc=example,dc=org\ndirectory %s/db\nmaxsize 17179869184\n"
	"sizelimit unlimited\ndbnosync\n"
	"index objectClass,entryUUID,entryCSN,mailLocalAddress eq\n"
	"access to * by dn.exact=gidNumber=%d+uidNumber=%d,cn=peercred,cn=external,cn=auth manage\n"
	"overlay syncprov\nsyncprov-sessionlog 100000\n";

static const char top[] = "dn: dc=example,dc=org\nobjectClass: organization\n"
			  "objectClass: dcObject\ndc: example\no: Example\n\n"
			  "dn: cn=restante,dc=example,dc=org\nobjectClass: restanteFederation\n"
			  "cn: restante\nassociatedDomain: example.org\nrestanteEpoch: 1\n\n"
			  "dn: ou=systems,cn=restante,dc=example,dc=org\n"
			  "objectClass: organizationalUnit\nou: systems\n\n"
			  "dn: cn=S1,ou=systems,cn=restante,dc=example,dc=org\n"
			  "objectClass: restanteBackend\ncn: S1\n\n"
			  "dn: ou=nodes,cn=restante,dc=example,dc=org\n"
			  "objectClass: organizationalUnit\nou: nodes\n\n"
			  "dn: cn=front1,ou=nodes,cn=restante,dc=example,dc=org\n"
			  "objectClass: restanteNode\ncn: front1\nrestanteNodeState: enabled\n\n"
			  "dn: ou=people,dc=example,dc=org\nobjectClass: organizationalUnit\n"
			  "ou: people\n\n";

static void load(unsigned mailboxes)
{
	FILE *out = popen("/usr/sbin/slapadd -q -f slapd.conf", "w");

	if (out == NULL)
		bench_die("slapadd", "cannot be started");
	fputs(top, out);
	for (unsigned n = 0; n < mailboxes; n++)
		fprintf(out,
			"dn: uid=u%07u,ou=people,dc=example,dc=org\n"
			"objectClass: inetOrgPerson\nobjectClass: inetLocalMailRecipient\n"
			"objectClass: restanteMailbox\nuid: u%07u\ncn: User %u\nsn: User\n"
			"mailLocalAddress: u%07u@example.org\n"
			"mailLocalAddress: first.last%07u@example.org\n"
			"mailLocalAddress: %07u.alias@example.org\n"
			"mailRoutingAddress: u%07u@s1.example.net\nrestanteSystem: S1\n\n",
			n, n, n, n, n, n, n);
	if (pclose(out) != 0)
		bench_die("slapadd", "failed");
}

static void write_configuration(void)
{
	char here[512];
	FILE *out = fopen("slapd.conf", "w");

	if (out == NULL || getcwd(here, sizeof(here)) == NULL)
		bench_die("slapd.conf", "cannot be written here");
	fprintf(out, configuration, here, (int)getgid(), (int)getuid());
	fclose(out);
	if (system("mkdir db") != 0)
		bench_die("db", "cannot be made here");
}

static const char *make_uri(void)
{
	static char uri[1024];
	char here[256];
	size_t n = 0;

	if (getcwd(here, sizeof(here)) == NULL)
		bench_die("directory", "has no name");
	n = (size_t)snprintf(uri, sizeof(uri), "ldapi://");
	for (const char *p = here; *p != '\0'; p++)
		n += (size_t)snprintf(uri + n, sizeof(uri) - n, *p == '/' ? "%%2f" : "%c", *p);
	snprintf(uri + n, sizeof(uri) - n, "%%2fldapi");
	return uri;
}

const char *bench_slapd_start(unsigned mailboxes)
{
	const char *uri = make_uri();

	write_configuration();
	load(mailboxes);
	slapd_pid = fork();
	if (slapd_pid == 0) {
		execl("/usr/sbin/slapd", "slapd", "-f", "slapd.conf", "-h", uri, "-d", "0",
			(char *)NULL);
		_exit(127);
	}
	for (int tries = 0; access("ldapi", F_OK) != 0; tries++) {
		if (tries == 1000)
			bench_die("slapd", "does not come up");
		clock_sleep_us(10 * CLOCK_MS);
	}
	clock_sleep_us(200 * CLOCK_MS);
	return uri;
}

void bench_slapd_stop(void)
{
	pid_t pid = slapd_pid;

	slapd_pid = 0;
	if (pid > 0) {
		kill(pid, SIGTERM);
		waitpid(pid, NULL, 0);
	}
}
