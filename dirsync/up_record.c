/* What a run leaves: its reports, the record in the system's entry, a line in the log. */
#define _GNU_SOURCE
#include "dirsync/up.h"

#include <inttypes.h>

#include "lib/clock.h"
#include "lib/log.h"

static void count_reports(struct up *up)
{
	struct sync_outcome *outcome = &up->record->outcome;

	outcome->conflicts =
		reports_count(up->reports, "conflict") + reports_count(up->reports, "duplicate");
	outcome->refused = reports_count(up->reports, "refused") +
			   reports_count(up->reports, "domain") +
			   reports_count(up->reports, "unreadable");
}

/* Data that is older than a request does not answer it: the next run will. */
static void set_answers(struct up *up)
{
	enum sync_word word = up->record->outcome.word;
	bool newer = up->asked_us == 0 || up->result.read_us >= up->asked_us;

	up->record->answers = up->backend.asked;
	if ((word == SYNC_COMPLETE || word == SYNC_NOTHING) && !newer)
		up->record->answers = up->backend.finished;
}

static void keep_reports(struct up *up)
{
	enum sync_word word = up->record->outcome.word;
	enum reports_extent extent = !up->rules.complete     ? REPORTS_PARTIAL
				     : word == SYNC_COMPLETE ? REPORTS_WHOLE
							     : REPORTS_UNDONE;
	const char *error;

	if (up->options->dry_run || word == SYNC_NOTHING || word == SYNC_BUSY)
		return;
	if (reports_keep(up->reports, up->config->dirsync.state_dir, extent, &error) < 0)
		log_error("sync", "the reports cannot be kept: %s", error);
}

static void write_record(struct up *up)
{
	const char *error;
	enum ldap_result result;

	if (!up->leased)
		return;
	keeper_stop(&up->keeper);
	if (!backend_leased(up->watch, up->config->dirsync.lease)) {
		log_warning("sync", "the run is not recorded, its lease has ended system=%s",
			up->options->system);
		return;
	}
	result = backend_record(up->session, &up->backend, up->record, &error);
	if (result == LDAP_DOWN) {
		/* the server may have been restarted meanwhile */
		ldap_session_close(&up->session);
		up->session = ldap_session_open(&up->ldap, &error);
		if (up->session != NULL)
			result = backend_record(up->session, &up->backend, up->record, &error);
	}
	if (result != LDAP_DONE)
		log_error("sync", "the run cannot be recorded system=%s run=%s: %s",
			up->options->system, str_cstr(&up->record->run), error);
	if (up->session != NULL)
		backend_unlease(up->session, &up->backend, SYNC_UP, up->watch);
}

static void log_end(const struct up *up)
{
	const struct sync_outcome *o = &up->record->outcome;
	char time[32];

	clock_human(time, sizeof time, up->record->end_us - up->record->start_us);
	void (*say)(const char *, const char *, ...) LOG_PRINTF_ =
		o->word == SYNC_COMPLETE || o->word == SYNC_NOTHING || o->word == SYNC_BUSY
			? log_info
			: log_error;
	say("sync",
		"up sync %s system=%s run=%s full=%d persons=%" PRIu64 " added=%" PRIu64
		" changed=%" PRIu64 " deleted=%" PRIu64 " conflicts=%" PRIu64 " refused=%" PRIu64
		" time=\"%s\"%s%s",
		sync_word_name(o->word), up->options->system, str_cstr(&up->record->run),
		up->record->full, o->persons, o->added, o->changed, o->deleted, o->conflicts,
		o->refused, time, up->record->reason.len > 0 ? ": " : "",
		str_cstr(&up->record->reason));
}

void up_record(struct up *up, enum sync_word word)
{
	up->record->outcome.word = word;
	up->record->end_us = clock_wall_us();
	count_reports(up);
	set_answers(up);
	keep_reports(up);
	write_record(up);
	log_end(up);
}
