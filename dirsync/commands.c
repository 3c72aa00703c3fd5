/* What the control socket answers; docs/sync.md describes requests and answers. */
#include "config.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "dirsync/commands.h"
#include "dirsync/reports.h"
#include "lib/clock.h"
#include "lib/mem.h"

/* --- what is shown -----------------------------------------------------------------------------
 */

struct json *commands_record(const struct run_record *record)
{
	const struct sync_outcome outcome = run_record_outcome(record), *o = &outcome;
	struct json *j = json_new_object();

	json_set_string(j, "run", str_cstr(&record->run));
	json_set_string(j, "direction", sync_direction_name(record->direction));
	json_set_string(j, "outcome", sync_word_name(o->word));
	json_set_string(j, "text", str_cstr(&record->reason));
	json_set_int(j, "start_us", record->start_us);
	json_set_int(j, "end_us", record->end_us);
	json_set_bool(j, "full", record->full);
	sync_outcome_set(j, o);
	return j;
}

static const char *connector_of(const struct config *config, const struct unit *unit)
{
	const struct config_up *up = config_up(config, unit_system(unit));
	const struct config_down *down = config_down(config, unit_system(unit));

	if (unit_direction(unit) == SYNC_UP)
		return up != NULL ? up->source : "";
	return down != NULL ? down->target : "";
}

static struct json *json_of_unit(const struct config *config, struct unit *unit)
{
	struct json *j = json_new_object();
	struct run_record last;
	struct unit_view view;

	unit_view(unit, &view, &last);
	json_set_string(j, "connector", connector_of(config, unit));
	json_set_bool(j, "running", view.running);
	if (view.running) {
		json_set_string(j, "phase", view.phase);
		json_set_int(j, "done", (int64_t)view.done);
		json_set_int(j, "total", (int64_t)view.total);
		json_set_int(j, "began_us", view.began_us);
	}
	json_set_int(j, "next_us", view.next_us);
	json_set_string(j, "remark",
		view.has_last && last.outcome.word == SYNC_COMPLETE ? str_cstr(&last.reason) : "");
	if (view.has_last)
		json_set(j, "last", commands_record(&last));
	run_record_free(&last);
	return j;
}

/* --- status ------------------------------------------------------------------------------------
 */

static bool is_asked(const struct json *request, const char *system)
{
	const char *wanted = json_get_string(request, "system");

	return wanted == NULL || strcasecmp(wanted, system) == 0;
}

static bool seen_before(const struct dirsync *d, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (strcasecmp(unit_system(d->units[i]), unit_system(d->units[index])) == 0)
			return true;
	return false;
}

/* By the lock's holder. */
static struct json *json_of_system(const struct dirsync *d, const char *system)
{
	struct json *j = json_new_object();

	json_set_string(j, "system", system);
	for (size_t i = 0; i < d->unit_count; i++)
		if (strcasecmp(unit_system(d->units[i]), system) == 0)
			json_set(j, sync_direction_name(unit_direction(d->units[i])),
				json_of_unit(d->settings->config, d->units[i]));
	return j;
}

static void command_status(void *context, const struct json *request, struct control_reply *reply)
{
	struct dirsync *d = context;
	struct json *j = json_new_object(), *systems = json_new_array();

	json_set_string(j, "program", "restante-dirsync");
	json_set_string(j, "version", PACKAGE_VERSION);
	json_set_int(j, "pid", getpid());
	json_set_int(j, "uptime_us", clock_wall_us() - d->started_us);
	json_set_bool(j, "stopping", atomic_load(&d->stopping));
	pthread_mutex_lock(&d->lock);
	json_set_string(j, "holder", d->settings->config->dirsync.holder);
	for (size_t i = 0; i < d->unit_count; i++)
		if (!seen_before(d, i) && is_asked(request, unit_system(d->units[i])))
			json_add(systems, json_of_system(d, unit_system(d->units[i])));
	pthread_mutex_unlock(&d->lock);
	json_set(j, "systems", systems);
	control_ok(reply, j);
}

/* --- diff --------------------------------------------------------------------------------------
 */

struct diff {
	struct control_reply *reply;
	const struct unit *unit;
	int64_t told_us;
	bool gone;
};

static void item(struct diff *diff, struct json *j)
{
	if (diff->gone)
		json_free(&j);
	else
		diff->gone = control_item(diff->reply, j) < 0;
}

static void diff_progress(void *context, const char *phase, uint64_t done, uint64_t total)
{
	struct diff *diff = context;
	struct json *j;

	if (clock_mono_us() - diff->told_us < COMMANDS_LOOK)
		return;
	diff->told_us = clock_mono_us();
	j = json_new_object();
	json_set_string(j, "system", unit_system(diff->unit));
	json_set_string(j, "direction", sync_direction_name(unit_direction(diff->unit)));
	json_set_string(j, "phase", phase);
	json_set_int(j, "done", (int64_t)done);
	json_set_int(j, "total", (int64_t)total);
	item(diff, j);
}

static void diff_change(void *context, const struct run_change *change)
{
	struct json *j = json_new_object();

	json_set_string(j, "kind", change->kind);
	json_set_string(j, "dn", change->dn);
	json_set_string(j, "id", change->id);
	json_set_string(j, "reason", change->reason);
	json_set_string(j, "ldif", change->ldif);
	item(context, j);
}

/* "up" where nothing is said; false: it is neither. */
static bool direction_of(const struct json *request, enum sync_direction *direction_r)
{
	const char *text = json_get_string(request, "direction");

	*direction_r = text != NULL && strcasecmp(text, "down") == 0 ? SYNC_DOWN : SYNC_UP;
	return text == NULL || strcasecmp(text, sync_direction_name(*direction_r)) == 0;
}

static void command_diff(void *context, const struct json *request, struct control_reply *reply)
{
	struct dirsync *d = context;
	const char *system = json_get_string(request, "system");
	enum sync_direction direction;
	struct unit *unit = NULL;

	if (system == NULL || !direction_of(request, &direction)) {
		control_fail(reply, "usage", "a system is needed; direction is up or down");
		return;
	}
	if ((unit = dirsync_unit(d, system, direction)) == NULL) {
		control_fail(reply, "notfound", "no section %s is for %s",
			sync_direction_name(direction), system);
		return;
	}
	struct diff diff = { .reply = reply, .unit = unit };
	const struct run_options options = {
		.full = json_get_bool(request, "full", false),
		.dry_run = true,
		.progress = diff_progress,
		.change = diff_change,
		.context = &diff,
	};
	struct run_record record = { .run = STR_INIT };
	diff.gone = control_stream(reply) < 0;
	unit_try(unit, &options, &record);
	struct json *j = json_new_object();
	json_set(j, "record", commands_record(&record));
	if (diff.gone)
		json_free(&j);
	else
		control_end(reply, j);
	run_record_free(&record);
	unit_unpin(unit);
}

/* --- conflicts ---------------------------------------------------------------------------------
 */

struct listing {
	struct control_reply *reply;
	int64_t count;
};

static int list_report(void *context, struct json *report)
{
	struct listing *listing = context;

	listing->count++;
	return control_item(listing->reply, report);
}

static void command_conflicts(
	void *context, const struct json *request, struct control_reply *reply)
{
	struct dirsync *d = context;
	struct settings *settings = settings_hold(d);
	const char *only = json_get_string(request, "direction");
	const char *dir = settings->config->dirsync.state_dir;
	struct listing listing = { .reply = reply };
	int done = control_stream(reply);

	for (int side = SYNC_UP; side <= SYNC_DOWN && done == 0; side++) {
		const struct config_list *list =
			side == SYNC_UP ? &settings->config->ups : &settings->config->downs;
		const char *direction = sync_direction_name((enum sync_direction)side);
		if (only != NULL && strcasecmp(only, direction) != 0)
			continue;
		for (size_t i = 0; i < list->count && done == 0; i++) {
			const char *system = *(char **)list->items[i];
			if (is_asked(request, system))
				done = reports_read(dir, system, (enum sync_direction)side,
					list_report, &listing);
		}
	}
	settings_drop(&settings);
	if (done < 0)
		return;
	struct json *j = json_new_object();
	json_set_int(j, "count", listing.count);
	control_end(reply, j);
}

/* --- adopt, reload -----------------------------------------------------------------------------
 */

static void command_adopt(void *context, const struct json *request, struct control_reply *reply)
{
	struct dirsync *d = context;
	const char *system = json_get_string(request, "system");
	const char *address = json_get_string(request, "address");
	struct run_record record = { .run = STR_INIT };
	struct str dn = STR_INIT;
	struct unit *unit;

	if (system == NULL || address == NULL) {
		control_fail(reply, "usage", "a system and an address are needed");
		return;
	}
	if ((unit = dirsync_unit(d, system, SYNC_DOWN)) == NULL) {
		control_fail(reply, "notfound", "no section down is for %s", system);
		return;
	}
	const struct run_options options = { .adopt = address, .adopted = &dn };
	enum sync_word word = unit_try(unit, &options, &record);
	if (word != SYNC_COMPLETE) {
		control_fail(reply, "trouble", "the sync is %s: %s", sync_word_name(word),
			str_cstr(&record.reason));
	} else if (dn.len == 0) {
		control_fail(reply, "refused",
			"no object of somebody else on %s has the address %s of a contact", system,
			address);
	} else {
		struct json *j = json_new_object();
		json_set_string(j, "dn", dn.data);
		control_ok(reply, j);
	}
	str_free(&dn);
	run_record_free(&record);
	unit_unpin(unit);
}

static void command_reload(void *context, const struct json *request, struct control_reply *reply)
{
	struct str unchanged = STR_INIT, error = STR_INIT;

	(void)request;
	int result = dirsync_reload(context, &unchanged, &error);
	control_reloaded(reply, result, &unchanged, &error);
}

const struct control_command dirsync_commands[] = {
	{ "status", command_status },
	{ "run", commands_run },
	{ "diff", command_diff },
	{ "conflicts", command_conflicts },
	{ "adopt", command_adopt },
	{ "reload", command_reload },
	{ NULL, NULL },
};
