/* Runs that are asked for by the control socket, and waited for. */
#include "dirsync/commands.h"

#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/mem.h"

/* A run that somebody waits for. */
struct wait {
	struct unit *unit;
	enum sync_direction direction;
	uint64_t number; /* 0 = not asked for yet */
	bool ended;
	char phase[24];
	uint64_t done;
};

struct waits {
	struct wait *list;
	size_t count;
};

static bool names(const struct json *systems, const char *system)
{
	for (size_t i = 0; i < json_count(systems); i++) {
		const char *text = json_text(json_at(systems, i));
		if (text != NULL && strcasecmp(text, system) == 0)
			return true;
	}
	return systems == NULL;
}

static bool knows(const struct dirsync *d, const char *system)
{
	for (size_t i = 0; i < d->unit_count; i++)
		if (system != NULL && strcasecmp(unit_system(d->units[i]), system) == 0)
			return true;
	return false;
}

/* NULL: all are known; else the one that is not. By the lock's holder. */
static const char *find_stranger(const struct dirsync *d, const struct json *systems)
{
	for (size_t i = 0; i < json_count(systems); i++) {
		const char *text = json_text(json_at(systems, i));
		if (!knows(d, text))
			return text != NULL ? text : "(no text)";
	}
	return NULL;
}

static void pick(struct dirsync *d, const struct json *request, struct waits *waits)
{
	const struct json *systems = json_get(request, "systems");
	const char *only = json_get_string(request, "direction");

	waits->list = mem_grow(NULL, d->unit_count + 1, sizeof *waits->list);
	for (size_t i = 0; i < d->unit_count; i++) {
		struct unit *unit = d->units[i];
		const char *direction = sync_direction_name(unit_direction(unit));
		if (!names(systems, unit_system(unit)) ||
			(only != NULL && strcasecmp(only, direction) != 0))
			continue;
		unit_pin(unit);
		waits->list[waits->count++] =
			(struct wait){ .unit = unit, .direction = unit_direction(unit) };
	}
}

/* Up first: a down sync begins once the up syncs that were asked for with it have ended. */
static void ask_due(struct waits *waits, bool full)
{
	bool ups = false;

	for (size_t i = 0; i < waits->count; i++)
		ups |= waits->list[i].direction == SYNC_UP && !waits->list[i].ended;
	for (size_t i = 0; i < waits->count; i++) {
		struct wait *wait = &waits->list[i];
		if (wait->number == 0 && (wait->direction == SYNC_UP || !ups))
			wait->number = unit_ask(wait->unit, full);
	}
}

static struct json *begin_item(const struct wait *wait)
{
	struct json *j = json_new_object();

	json_set_string(j, "system", unit_system(wait->unit));
	json_set_string(j, "direction", sync_direction_name(wait->direction));
	return j;
}

static int tell_progress(
	struct control_reply *reply, struct wait *wait, const struct unit_view *view)
{
	struct json *j;

	if (!view->running || (strcmp(view->phase, wait->phase) == 0 && view->done == wait->done))
		return 0;
	memcpy(wait->phase, view->phase, sizeof wait->phase);
	wait->done = view->done;
	j = begin_item(wait);
	json_set_string(j, "phase", view->phase);
	json_set_int(j, "done", (int64_t)view->done);
	json_set_int(j, "total", (int64_t)view->total);
	return control_item(reply, j);
}

static int tell(struct control_reply *reply, struct wait *wait)
{
	struct run_record last;
	struct unit_view view;
	int done = 0;

	if (wait->number == 0 || wait->ended)
		return 0;
	unit_view(wait->unit, &view, &last);
	wait->ended = view.ended >= wait->number;
	if (wait->ended) {
		struct json *j = begin_item(wait);
		json_set(j, "record", commands_record(&last));
		done = control_item(reply, j);
	} else {
		done = tell_progress(reply, wait, &view);
	}
	run_record_free(&last);
	return done;
}

static bool all_ended(const struct waits *waits)
{
	for (size_t i = 0; i < waits->count; i++)
		if (!waits->list[i].ended)
			return false;
	return true;
}

static void stream_runs(
	struct dirsync *d, struct waits *waits, bool full, struct control_reply *reply)
{
	int done = control_stream(reply);

	while (done == 0 && !all_ended(waits) && !atomic_load(&d->stopping)) {
		ask_due(waits, full);
		for (size_t i = 0; i < waits->count && done == 0; i++)
			done = tell(reply, &waits->list[i]);
		if (done == 0 && !all_ended(waits))
			clock_sleep_us(COMMANDS_LOOK);
	}
	if (done == 0)
		control_end(reply, NULL);
}

void commands_run(void *context, const struct json *request, struct control_reply *reply)
{
	struct dirsync *d = context;
	bool full = json_get_bool(request, "full", false);
	struct waits waits = { .count = 0 };
	struct json *j;

	pthread_mutex_lock(&d->lock);
	const char *stranger = find_stranger(d, json_get(request, "systems"));
	if (stranger == NULL)
		pick(d, request, &waits);
	pthread_mutex_unlock(&d->lock);
	if (stranger != NULL) {
		control_fail(reply, "notfound", "no section up or down is for %s", stranger);
	} else if (json_get_bool(request, "wait", false)) {
		stream_runs(d, &waits, full, reply);
	} else {
		for (size_t i = 0; i < waits.count; i++)
			unit_ask(waits.list[i].unit, full);
		j = json_new_object();
		json_set_int(j, "started", (int64_t)waits.count);
		control_ok(reply, j);
	}
	for (size_t i = 0; i < waits.count; i++)
		unit_unpin(waits.list[i].unit);
	mem_free(&waits.list);
}
