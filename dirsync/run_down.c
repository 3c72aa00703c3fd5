/* One down sync of one system, from its lease to its record. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "dirsync/down.h"
#include "dirsync/folder.h"
#include "dirsync/instance.h"
#include "dirsync/keeper.h"
#include "dirsync/runid.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

/* --- what the parts say ------------------------------------------------------------------------
 */

int down_fail(struct down *down, const char *error)
{
	/* what stopped it first is the reason */
	if (down->error[0] == '\0')
		snprintf(down->error, sizeof(down->error), "%s", error != NULL ? error : "stopped");
	return -1;
}

void down_progress(struct down *down, const char *phase, uint64_t done, uint64_t total)
{
	if (down->run->progress != NULL)
		down->run->progress(down->run->context, phase, done, total);
}

bool down_stopped(struct down *down)
{
	if (clock_mono_us() > down->deadline_us) {
		down_fail(down, "it took longer than time_limit");
		atomic_store(&down->stop, true);
	}
	if (!atomic_load(&down->stop))
		return false;
	down_fail(down, "stopped");
	return true;
}

/* --- making and freeing ------------------------------------------------------------------------
 */

static struct ldap_options directory_of(const struct config *config)
{
	struct ldap_options options = config_ldap_options(config, NULL);

	if (*config->dirsync.bind_dn != '\0') {
		options.bind = LDAP_BIND_SIMPLE;
		options.bind_dn = config->dirsync.bind_dn;
		options.password_file = config->dirsync.password_file;
	}
	return options;
}

/* One that outlives the run, and an empty one for its sorts. */
static int make_folders(struct down *down)
{
	const char *state = down->run->config->dirsync.state_dir, *error;
	char *own, text[600];

	if (folder_make(state, down->run->system, &error) < 0)
		return down_fail(down, error);
	own = folder_of(state, down->run->system);
	down->dir = mem_printf("%s/down", own);
	mem_free(&own);
	if (mkdir(down->dir, 0700) < 0 && errno != EEXIST) {
		snprintf(text, sizeof(text), "%s: cannot be made: %s; see dirsync.state_dir",
			down->dir, strerror(errno));
		return down_fail(down, text);
	}
	down->work = folder_work(
		state, down->run->system, down->run->dry_run ? "down.shown" : "down.work", &error);
	return down->work != NULL ? 0 : down_fail(down, error);
}

static void open_target(struct down *down)
{
	struct target_options options = { .settings = down->settings,
		.form = down->form,
		.dir = down->dir,
		.window = (unsigned)down->run->config->dirsync.window,
		.stop = &down->stop };

	down->target = down->kind->open(&options);
	down->sink = (struct target_sink){ down, down_take_had, down_take_result };
	down->want = bulk_new(down->work, "want", DOWN_SORT_BYTES);
	down->have = bulk_new(down->work, "have", DOWN_SORT_BYTES);
	down->plan = bulk_new(down->work, "plan", DOWN_SORT_BYTES);
	down->done = bulk_new(down->work, "done", DOWN_SORT_BYTES / 4);
}

static int prepare(struct down *down)
{
	const struct config *config = down->run->config;
	const char *error;
	char text[256];

	down->settings = config_down(config, down->run->system);
	if (down->settings == NULL) {
		snprintf(text, sizeof(text), "%s: no section down %s {}", config->path,
			down->run->system);
		return down_fail(down, text);
	}
	down->kind = target_kind_find(down->settings->target);
	if (down->kind == NULL)
		return down_fail(down, "no such target");
	if (down->kind->check(down->settings, &error) < 0)
		return down_fail(down, error);
	down->form = contact_form_new(down->settings, &error);
	if (down->form == NULL)
		return down_fail(down, error);
	down->deadline_us = clock_mono_us() + down->settings->time_limit;
	if (make_folders(down) < 0)
		return -1;
	open_target(down);
	return 0;
}

static void release(struct down *down)
{
	if (down->target != NULL)
		down->kind->close(&down->target);
	written_close(&down->written);
	bulk_free(&down->want);
	bulk_free(&down->have);
	bulk_free(&down->plan);
	bulk_free(&down->done);
	contact_form_free(&down->form);
	reports_free(&down->reports);
	strings_free(&down->alone);
	str_free(&down->deleted);
	str_free(&down->holder);
	mem_free(&down->dir);
	mem_free(&down->work);
}

/* --- the run ------------------------------------------------------------------------------------
 */

static void begin_record(struct run_record *record)
{
	*record = (struct run_record){ .direction = SYNC_DOWN, .full = true };
	record->start_us = clock_wall_us();
	runid_new(record->start_us, &record->run);
}

/* Writes, or shows: SYNC_COMPLETE, SYNC_STOPPED, or SYNC_FAILED with down->error. */
static enum sync_word carry_out(struct down *down, const struct backend *backend)
{
	int todo, guard;

	if (down_read(down) < 0 || down_read_moves(down) < 0 || (todo = down_plan(down)) < 0 ||
		(guard = down_guard(down, backend)) < 0)
		return SYNC_FAILED;
	down->record->outcome.persons = down->wanted;
	if (down->run->dry_run && down_show(down) < 0)
		return SYNC_FAILED;
	if (guard > 0)
		return SYNC_STOPPED;
	if (down->run->dry_run)
		return SYNC_COMPLETE;
	/* an `after` command that failed is owed still, where nothing is to be changed, too */
	if ((todo > 0 || down->kind->lists) && down_apply(down) < 0)
		return SYNC_FAILED;
	return down->written == NULL || down_remember(down) == 0 ? SYNC_COMPLETE : SYNC_FAILED;
}

static int open_written(struct down *down, const char *run)
{
	const char *error;
	char *dir;

	if (down->kind->lists)
		return 0;
	dir = mem_printf("%s/written", down->dir);
	down->written = written_open(dir, (uint64_t)down->run->config->dirsync.cache, run,
		contact_form_guarded(down->form), &error);
	mem_free(&dir);
	return down->written != NULL ? 0 : down_fail(down, error);
}

/* While the lease is kept. */
static enum sync_word run_leased(
	struct down *down, const char *last_run, const struct backend *backend)
{
	enum sync_word word = SYNC_FAILED;
	struct sync_outcome *outcome = &down->record->outcome;
	const char *error;

	if (open_written(down, last_run) == 0)
		word = carry_out(down, backend);
	if (word != SYNC_COMPLETE)
		down->kind->abort(down->target);
	if (word != SYNC_COMPLETE && !down->kind->lists && !down->run->dry_run)
		outcome->added = outcome->changed = outcome->deleted = 0;
	if (!down->run->dry_run && word == SYNC_COMPLETE &&
		reports_keep(down->reports, down->run->config->dirsync.state_dir, REPORTS_WHOLE,
			&error) < 0)
		log_warning("dirsync", "the reports of the run are lost: %s", error);
	return word;
}

static enum sync_word with_keeper(
	struct down *down, struct backend *backend, struct lease_watch *watch)
{
	const struct config_dirsync *settings = &down->run->config->dirsync;
	struct keeper_options options = { .ldap = &down->ldap,
		.system = down->run->system,
		.direction = SYNC_DOWN,
		.backend = backend,
		.watch = watch,
		.holder = str_cstr(&down->holder),
		.length_us = settings->lease,
		.from = down->run->stop,
		.stop = &down->stop };
	char *last_run = mem_strdup(str_cstr(&backend->run));
	enum sync_word word = SYNC_FAILED;
	struct keeper *keeper = keeper_start(&options);

	if (keeper == NULL)
		down_fail(down, "no thread could be started to keep the lease");
	else
		word = run_leased(down, last_run, backend);
	keeper_stop(&keeper);
	mem_free(&last_run);
	/* one that was not needed must not wait for another list of that size */
	down->record->uses_approval = word == SYNC_COMPLETE;
	return word;
}

static void record_run(struct down *down, const struct backend *backend, enum sync_word word)
{
	struct run_record *record = down->record;
	const char *error;

	record->outcome.word = word;
	record->end_us = clock_wall_us();
	if (word == SYNC_FAILED)
		str_append_z(&record->reason, down->error);
	if (down->run->dry_run || word == SYNC_BUSY)
		return;
	if (backend_record(down->session, backend, record, &error) != LDAP_DONE)
		log_error("dirsync", "the run is not recorded system=%s: %s", down->run->system,
			error);
}

/* With the entry of the system read. */
static enum sync_word run_system(struct down *down, struct backend *backend)
{
	const struct config_dirsync *settings = &down->run->config->dirsync;
	struct lease_watch own = { .term = 0 };
	struct lease_watch *watch = down->run->watch != NULL ? down->run->watch : &own;
	const char *error;
	enum ldap_result result;
	enum sync_word word = SYNC_FAILED;

	down->record->answers = backend->asked;
	if (down->run->dry_run && down->target == NULL)
		return SYNC_FAILED;
	if (down->run->dry_run)
		return run_leased(down, str_cstr(&backend->run), backend);
	if (instance_holder(settings->state_dir, settings->holder, &down->holder, &error) < 0) {
		down_fail(down, error);
		record_run(down, backend, SYNC_FAILED);
		return SYNC_FAILED;
	}
	result = backend_lease(down->session, backend, SYNC_DOWN, str_cstr(&down->holder),
		settings->lease, watch, &error);
	if (result != LDAP_DONE) {
		down_fail(down, error);
		if (result == LDAP_ASSERTION)
			str_append_z(&down->record->reason, error);
		word = result == LDAP_ASSERTION ? SYNC_BUSY : SYNC_FAILED;
		record_run(down, backend, word);
	} else {
		word = down->target != NULL ? with_keeper(down, backend, watch) : SYNC_FAILED;
		record_run(down, backend, word);
		backend_unlease(down->session, backend, SYNC_DOWN, watch);
	}
	if (watch == &own)
		lease_watch_free(&own);
	return word;
}

static void tell(const struct down *down, enum sync_word word)
{
	const struct sync_outcome *outcome = &down->record->outcome;

	if (word == SYNC_BUSY)
		log_info("dirsync", "down sync is another's system=%s: %s", down->run->system,
			str_cstr(&down->record->reason));
	else if (word != SYNC_COMPLETE)
		log_error("dirsync", "down sync %s system=%s: %s", sync_word_name(word),
			down->run->system, str_cstr(&down->record->reason));
	else
		log_info("dirsync",
			"down sync complete system=%s run=%s persons=%" PRIu64 " added=%" PRIu64
			" changed=%" PRIu64 " deleted=%" PRIu64 " conflicts=%" PRIu64
			" refused=%" PRIu64,
			down->run->system, str_cstr(&down->record->run), outcome->persons,
			outcome->added, outcome->changed, outcome->deleted, outcome->conflicts,
			outcome->refused);
}

enum sync_word run_down(const struct run_options *options, struct run_record *record_r)
{
	struct down down = { .run = options,
		.record = record_r,
		.reports = reports_new(options->system, SYNC_DOWN) };
	struct backend backend = { .asked = 0 };
	enum sync_word word = SYNC_FAILED;
	const char *error;

	begin_record(record_r);
	down.ldap = directory_of(options->config);
	/* where the settings are wrong, those who wait for the run are told so in the directory */
	prepare(&down);
	down.session = ldap_session_open(&down.ldap, &error);
	if (down.session == NULL || backend_read(down.session, down.ldap.base, options->system,
					    SYNC_DOWN, &backend, &error) != LDAP_DONE)
		down_fail(&down, error);
	else
		word = run_system(&down, &backend);
	if (record_r->end_us == 0) { /* it did not get as far as a record, or wrote none */
		record_r->outcome.word = word;
		record_r->end_us = clock_wall_us();
		if (word == SYNC_FAILED)
			str_append_z(&record_r->reason, down.error);
	}
	tell(&down, word);
	backend_free(&backend);
	ldap_session_close(&down.session);
	release(&down);
	return word;
}
