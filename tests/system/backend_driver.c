/*
 * One host's view of a system's lease and records, asked line by line:
 *
 *   backend_driver URI BASE BIND_DN PASSWORD_FILE SYSTEM up|down HOLDER LENGTH_MS
 *
 *   read                                "ok asked=N finished=N failed=N approved=L term=N holder=H
 * run=R" lease      on what was read last    "ok term=N", or "no ERROR" leased "ok yes", "ok no"
 *   unlease                             "ok"
 *   record WORD ANSWERS yes|no RUN REASON   "ok", or "no ERROR"
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dirsync/backend.h"
#include "lib/clock.h"

struct host {
	struct ldap_session *session;
	const char *base, *system, *holder;
	enum sync_direction direction;
	int64_t length_us;
	struct backend backend;
	struct lease_watch watch;
};

static void tell(enum ldap_result result, const char *error)
{
	if (result == LDAP_DONE)
		printf("ok\n");
	else
		printf("no %s\n", error);
}

static void do_read(struct host *host, char *line)
{
	struct backend *b = &host->backend;
	const char *error;

	(void)line;
	backend_free(b);
	if (backend_read(host->session, host->base, host->system, host->direction, b, &error) !=
		LDAP_DONE)
		printf("no %s\n", error);
	else
		printf("ok asked=%" PRIu64 " finished=%" PRIu64 " failed=%" PRIu64
		       " approved=%s term=%" PRIu64 " holder=%s run=%s\n",
			b->asked, b->finished, b->failed, str_cstr(&b->approved), b->term,
			str_cstr(&b->holder), str_cstr(&b->run));
}

static void do_lease(struct host *host, char *line)
{
	const char *error = "";
	enum ldap_result result = backend_lease(host->session, &host->backend, host->direction,
		host->holder, host->length_us, &host->watch, &error);

	(void)line;
	if (result == LDAP_DONE)
		printf("ok term=%" PRIu64 "\n", host->watch.term);
	else
		tell(result, error);
}

static void do_leased(struct host *host, char *line)
{
	(void)line;
	printf("ok %s\n", backend_leased(&host->watch, host->length_us) ? "yes" : "no");
}

static void do_unlease(struct host *host, char *line)
{
	(void)line;
	backend_unlease(host->session, &host->backend, host->direction, &host->watch);
	printf("ok\n");
}

static enum sync_word word_of(const char *name)
{
	for (int w = SYNC_COMPLETE; w <= SYNC_FAILED; w++)
		if (strcmp(name, sync_word_name((enum sync_word)w)) == 0)
			return (enum sync_word)w;
	fprintf(stderr, "backend_driver: no outcome: %s\n", name);
	exit(1);
}

static void do_record(struct host *host, char *line)
{
	struct run_record record = { .direction = host->direction };
	char word[32], uses[8], run[64], reason[2048] = "";
	const char *error = "";

	if (sscanf(line, "%*s %31s %" SCNu64 " %7s %63s %2047[^\n]", word, &record.answers, uses,
		    run, reason) < 4)
		exit(1);
	record.outcome = (struct sync_outcome){ .word = word_of(word), .persons = 7, .added = 3 };
	record.uses_approval = strcmp(uses, "yes") == 0;
	record.start_us = clock_wall_us() - CLOCK_SECOND;
	record.end_us = clock_wall_us();
	str_append_z(&record.run, run);
	str_append_z(&record.reason, reason);
	enum ldap_result result = backend_record(host->session, &host->backend, &record, &error);
	tell(result, error);
	run_record_free(&record);
}

static const struct {
	const char *name;
	void (*run)(struct host *host, char *line);
} commands[] = { { "read", do_read }, { "leased", do_leased }, { "lease", do_lease },
	{ "unlease", do_unlease }, { "record", do_record } };

static void obey(struct host *host, char *line)
{
	size_t len = strcspn(line, " \n");

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strlen(commands[i].name) == len && strncmp(line, commands[i].name, len) == 0) {
			commands[i].run(host, line);
			fflush(stdout);
			return;
		}
	fprintf(stderr, "backend_driver: no such command: %s", line);
	exit(1);
}

int main(int argc, char **argv)
{
	struct host host = { .watch = { .term = 0 } };
	const char *error;
	char *line = NULL;
	size_t size = 0;

	if (argc != 9)
		return 2;
	const struct ldap_options ldap = { .uri = argv[1],
		.base = argv[2],
		.bind = LDAP_BIND_SIMPLE,
		.bind_dn = argv[3],
		.password_file = argv[4] };
	host.base = argv[2];
	host.system = argv[5];
	host.direction = strcmp(argv[6], "up") == 0 ? SYNC_UP : SYNC_DOWN;
	host.holder = argv[7];
	host.length_us = strtol(argv[8], NULL, 10) * CLOCK_MS;
	if ((host.session = ldap_session_open(&ldap, &error)) == NULL) {
		fprintf(stderr, "backend_driver: %s\n", error);
		return 1;
	}
	while (getline(&line, &size, stdin) > 0)
		obey(&host, line);
	free(line);
	backend_free(&host.backend);
	lease_watch_free(&host.watch);
	ldap_session_close(&host.session);
	return 0;
}
