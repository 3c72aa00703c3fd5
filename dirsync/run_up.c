/* An up sync from its lease to its record; its steps are in dirsync/up_*.c. */
#define _GNU_SOURCE
#include "dirsync/run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dirsync/folder.h"
#include "dirsync/instance.h"
#include "dirsync/runid.h"
#include "dirsync/up.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/when.h"

/* Marks are instants that both clocks must understand. */
#define CLOCK_TOLERANCE (60 * CLOCK_SECOND)

/* --- for the steps ---------------------------------------------------------------------------- */

int up_fail(struct up *up, const char *format, ...)
{
	va_list args;

	if (up->error[0] != '\0')
		return -1; /* the first one is the cause */
	va_start(args, format);
	vsnprintf(up->error, sizeof up->error, format, args);
	va_end(args);
	return -1;
}

void up_progress(const struct up *up, const char *phase, uint64_t done, uint64_t total)
{
	if (up->options->progress != NULL)
		up->options->progress(up->options->context, phase, done, total);
}

bool up_stopped(const struct up *up)
{
	return atomic_load(&up->stop) ||
	       (up->options->stop != NULL && atomic_load(up->options->stop));
}

int up_part(struct up *up, const char *id, enum up_part part, const void *data, size_t len)
{
	const char *error;

	str_reset(&up->encoded);
	str_append_c(&up->encoded, (char)part);
	str_append(&up->encoded, data, len);
	if (bulk_add(up->pending, id, strlen(id), up->encoded.data, up->encoded.len, &error) == 0)
		return 0;
	return up_fail(up, "%s", error);
}

int up_text(struct up *up, const char *id, enum up_part part, const char *text)
{
	return up_part(up, id, part, text, strlen(text) + 1);
}

void up_report(struct up *up, const char *kind, const char *id, const char *place, const char *text)
{
	const struct report report = { .kind = kind, .id = id, .place = place, .text = text };

	reports_add(up->reports, &report);
}

/* --- opening ---------------------------------------------------------------------------------- */

static int open_settings(struct up *up)
{
	const struct run_options *o = up->options;
	const char *error;

	up->settings = config_up(o->config, o->system);
	if (up->settings == NULL)
		return up_fail(up, "%s: there is no section up %s {}", o->config->path, o->system);
	up->kind = source_kind_find(up->settings->source);
	if (up->kind == NULL)
		return up_fail(up, "up %s.source: there is no connector %s", o->system,
			up->settings->source);
	if ((up->mapping = mapping_new(up->settings, &error)) == NULL ||
		(up->policy = reconcile_policy_new(up->settings, &error)) == NULL)
		return up_fail(up, "%s", error);
	if (up->settings->container[0] != '\0')
		str_append_z(&up->container, up->settings->container);
	else
		str_printf(&up->container, "ou=people,%s", o->config->ldap.base);
	reconcile_tally_init(up->policy, &up->tally);
	return 0;
}

static int open_directory(struct up *up)
{
	const struct run_options *o = up->options;
	const char *error;
	enum ldap_result result;

	up->ldap = config_dirsync_options(o->config);
	if ((up->session = ldap_session_open(&up->ldap, &error)) == NULL)
		return up_fail(up, "%s", error);
	result = backend_read(up->session, up->ldap.base, o->system, SYNC_UP, &up->backend, &error);
	if (result == LDAP_NO_ENTRY)
		return up_fail(up,
			"the system %s has no entry below ou=systems: add one "
			"(restante-schema(5))",
			o->system);
	return result == LDAP_DONE ? 0 : up_fail(up, "the system's entry: %s", error);
}

static int open_federation(struct up *up)
{
	if (federation_read(up->session, up->ldap.base, &up->federation) == LDAP_DONE)
		return 0;
	return up_fail(up, "the federation's entry: %s", ldap_session_reason(up->session));
}

/* A host that cannot keep its secret has a lease all the same, and no other's: in it it says so. */
static void name_holder(struct up *up)
{
	const struct config_dirsync *d = &up->config->dirsync;
	const char *error;

	if (up->options->dry_run ||
		instance_holder(d->state_dir, d->holder, &up->holder, &error) == 0)
		return;
	up_fail(up, "%s", error);
	str_reset(&up->holder);
	str_printf(&up->holder, "%s/-", d->holder);
}

/* 1: another host has it. */
static int take_lease(struct up *up)
{
	const struct config_dirsync *d = &up->config->dirsync;
	const struct keeper_options options = {
		.ldap = &up->ldap,
		.system = up->options->system,
		.direction = SYNC_UP,
		.backend = &up->backend,
		.watch = up->watch,
		.holder = str_cstr(&up->holder),
		.length_us = d->lease,
		.from = up->options->stop,
		.stop = &up->stop,
	};
	const char *error;
	enum ldap_result result;

	if (up->options->dry_run)
		return 0;
	result = backend_lease(up->session, &up->backend, SYNC_UP, str_cstr(&up->holder), d->lease,
		up->watch, &error);
	if (result == LDAP_ASSERTION) {
		up->error[0] = '\0'; /* what else is wrong here is not for the one that has it */
		up_fail(up, "%s", error);
		return 1;
	}
	if (result != LDAP_DONE)
		return up_fail(up, "the lease: %s", error);
	up->leased = true;
	up->keeper = keeper_start(&options);
	return up->keeper != NULL ? 0 : up_fail(up, "no thread can be made");
}

/* The safety net: what was read already is read again, a file in a drop folder, too. */
static bool is_due(const struct up *up)
{
	int64_t every = up->settings->full_every, now = up->record->start_us;

	if (up->options->full || !up->has_before || up->head.mark.len == 0)
		return true;
	/* it is used up by the run that reads it: which must see the whole list */
	if (up->backend.approved.len > 0)
		return true;
	/* a clock that was turned back counts as time enough */
	return every > 0 && (now - up->head.full_us >= every || now < up->head.full_us);
}

/* Whose run it is: the one that the directory names, or one that could not be recorded there. */
static bool is_level(const struct up *up)
{
	const char *run = str_cstr(&up->backend.run);

	if (up->head.run.len == 0)
		return false;
	return strcmp(run, up->head.run.data) == 0 || strcmp(run, str_cstr(&up->head.parent)) == 0;
}

static int open_snapshot(struct up *up)
{
	const struct config_dirsync *d = &up->config->dirsync;
	const char *error;

	up->work = folder_work(d->state_dir, up->options->system, "up.work", &error);
	if (up->work == NULL)
		return up_fail(up, "%s", error);
	up->snapshot = snapshot_open(d->state_dir, up->options->system, (uint64_t)d->cache, &error);
	if (up->snapshot == NULL)
		return up_fail(up, "%s", error);
	snapshot_head(up->snapshot, &up->head);
	up->has_before = is_level(up);
	if (!up->has_before) {
		if (up->head.run.len > 0 || up->backend.run.len > 0)
			log_info("sync",
				"the snapshot is not of the last run and does not count "
				"system=%s",
				up->options->system);
		snapshot_head_free(&up->head);
	} else if (strcmp(str_cstr(&up->backend.run), str_cstr(&up->head.run)) != 0) {
		/* of a run that did not come to its record, or the directory was restored: what it
		 * says of mailboxes counts, but what was read already is read again */
		str_reset(&up->head.mark);
	}
	up->again = is_due(up);
	up->full = up->again || !up->kind->deltas;
	return 0;
}

static void tell_unusable(void *context, const char *dn, const char *reason)
{
	up_report(context, "unreadable", "", dn, reason);
}

static int open_parts(struct up *up)
{
	const char *error;
	const struct view_options view = {
		.ldap = &up->ldap,
		.system = up->options->system,
		.mapped = mapping_directory_names(up->mapping),
		.dir = up->work,
		.memory = UP_SORT_MEMORY,
		.tally = &up->tally,
		.stop = &up->stop,
		.unusable = tell_unusable,
		.context = up,
	};

	if (up_moves_read(up) < 0)
		return -1;
	up->view = view_new(&view);
	up->pull = bulk_new(up->work, "pull", UP_SORT_MEMORY);
	up->joins = bulk_new(up->work, "joins", UP_SORT_MEMORY);
	up->addresses = bulk_new(up->work, "addresses", UP_SORT_MEMORY);
	up->pending = bulk_new(up->work, "pending", UP_SORT_MEMORY);
	if ((up->plan = plan_new(up->work, &error)) == NULL)
		return up_fail(up, "%s", error);
	return 0;
}

static int open_source(struct up *up)
{
	const char *marker = config_marker(up->config, up->options->system);
	struct source **kept = up->options->source;

	source_settings(up->settings, marker, up->settings_digest);
	if (kept != NULL && *kept == NULL)
		*kept = up->kind->open(up->settings, marker);
	up->source = kept != NULL ? *kept : up->kind->open(up->settings, marker);
	return up->source != NULL ? 0 : up_fail(up, "the connector cannot be opened");
}

void run_source_close(const struct run_options *options)
{
	const struct config_up *settings = config_up(options->config, options->system);
	const struct source_kind *kind =
		settings != NULL ? source_kind_find(settings->source) : NULL;

	if (kind != NULL && options->source != NULL && *options->source != NULL)
		kind->close(options->source);
}

/* --- the rules of this run -------------------------------------------------------------------- */

static bool federated(const void *context, const char *domain)
{
	const struct up *up = context;

	return federation_serves(up->federation, domain);
}

/* The entry was written a moment ago, by the directory's clock. A dry run wrote nothing. latest_r:
 * when the request that it has was made, at the latest; 0 is not known. */
static bool clock_agrees(struct up *up, int64_t *latest_r)
{
	static const char *const wanted[] = { "entryCSN", NULL };
	struct ldap_entry *entry = NULL;
	bool agrees = false;

	*latest_r = 0;
	if (up->options->dry_run)
		return true;
	if (ldap_session_read(up->session, str_cstr(&up->backend.dn), wanted, &entry) ==
		LDAP_DONE) {
		const char *csn = ldap_entry_value(entry, "entryCSN");
		int64_t theirs = csn != NULL ? when_csn_us(csn) : -1, now = clock_wall_us();
		agrees = theirs >= 0 && llabs(theirs - now) <= CLOCK_TOLERANCE;
		if (agrees)
			*latest_r = runid_latest(str_cstr(&up->backend.csn), csn, now);
	}
	ldap_entry_free(&entry);
	if (!agrees)
		log_warning("sync",
			"the clocks of this host and of the directory differ: nothing is marked "
			"or expires; set them right system=%s",
			up->options->system);
	return agrees;
}

static int set_rules(struct up *up)
{
	int64_t latest_us;
	bool agrees = clock_agrees(up, &latest_us);

	up->rules = (struct reconcile_run){
		.system = up->settings->name,
		.run = str_cstr(&up->record->run),
		.container = str_cstr(&up->container),
		.policy = up->policy,
		.now_us = up->record->start_us,
		.grace_us = up->settings->grace,
		.clock_agrees = agrees,
		.federated = federated,
		.federated_context = up,
	};
	up->asked_us = runid_asked(up->config->dirsync.state_dir, up->options->system, SYNC_UP,
		up->backend.asked > up->backend.finished ? up->backend.asked : 0, latest_us);
	return 0;
}

/* --- the run ---------------------------------------------------------------------------------- */

static int compare(struct up *up)
{
	static int (*const steps[])(
		struct up *) = { up_meet, up_join, up_owners, up_judge, up_apply };
	int done = 0;

	for (size_t i = 0; i < sizeof steps / sizeof *steps && done == 0; i++) {
		done = steps[i](up);
		if (done == 0 && up_stopped(up))
			done = up_fail(up, "stopped");
	}
	return done;
}

static void take_reason(struct up *up, const char *text)
{
	str_reset(&up->record->reason);
	str_append_z(&up->record->reason, text);
}

static enum sync_word pull_and_compare(struct up *up)
{
	if (up_pull(up) < 0)
		return SYNC_FAILED;
	up->record->full = up->rules.complete;
	switch (up->result.outcome) {
	case SOURCE_NOTHING: take_reason(up, str_cstr(&up->result.reason)); return SYNC_NOTHING;
	case SOURCE_COMPLETE:
	case SOURCE_DELTA: break;
	default: take_reason(up, str_cstr(&up->result.reason)); return SYNC_INCOMPLETE;
	}
	int done = up_moves_read_again(up);
	if (done == 0)
		done = compare(up);
	if (done < 0)
		return SYNC_FAILED;
	if (done == 0)
		take_reason(up, str_cstr(&up->result.reason));
	if (done == 0 && up->options->mark != NULL && up_is_settled(up))
		str_append_z(up->options->mark, str_cstr(&up->result.mark));
	return done == 1 ? SYNC_STOPPED : SYNC_COMPLETE;
}

/* Whatever cannot be done is said where people wait for it: in the directory, with the lease. */
static enum sync_word work(struct up *up)
{
	static int (*const further[])(struct up *) = { open_federation, open_snapshot, open_parts,
		up_freed, up_waiting_read, open_source, set_rules };

	int ready = open_settings(up);
	if (open_directory(up) < 0)
		return SYNC_FAILED;
	name_holder(up);
	int leased = take_lease(up);
	if (leased != 0)
		return leased < 0 ? SYNC_FAILED : SYNC_BUSY;
	if (ready < 0 || up->error[0] != '\0')
		return SYNC_FAILED;
	for (size_t i = 0; i < sizeof further / sizeof *further; i++)
		if (further[i](up) < 0)
			return SYNC_FAILED;
	return pull_and_compare(up);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void close_all(struct up *up)
{
	bulk_free(&up->pull);
	bulk_free(&up->joins);
	bulk_free(&up->addresses);
	bulk_free(&up->pending);
	plan_free(&up->plan);
	rawset_free(&up->same);
	view_free(&up->view);
	snapshot_close(&up->snapshot);
	snapshot_head_free(&up->head);
	up_moves_free(up);
	up_heirs_free(up);
	up_waiting_free(up);
	if (up->options->source == NULL && up->source != NULL)
		up->kind->close(&up->source);
	source_result_free(&up->result);
	federation_free(&up->federation);
	backend_free(&up->backend);
	lease_watch_free(&up->own_watch);
	mapping_free(&up->mapping);
	reconcile_policy_free(&up->policy);
	reports_free(&up->reports);
	ldap_session_close(&up->session);
	mem_free(&up->work);
	str_free(&up->container);
	str_free(&up->holder);
	str_free(&up->encoded);
}

enum sync_word run_up(const struct run_options *options, struct run_record *record_r)
{
	struct up *up = mem_zalloc(sizeof *up);

	*record_r = (struct run_record){ .direction = SYNC_UP, .start_us = clock_wall_us() };
	runid_new(record_r->start_us, &record_r->run);
	up->options = options;
	up->config = options->config;
	up->record = record_r;
	up->watch = options->watch != NULL ? options->watch : &up->own_watch;
	up->reports = reports_new(options->system, SYNC_UP);
	enum sync_word word = work(up);
	/* what a guard said, or the source, is there already */
	if (up->error[0] != '\0')
		take_reason(up, up->error);
	up_record(up, word);
	close_all(up);
	mem_free(&up);
	return word;
}
