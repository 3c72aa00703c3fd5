/* `restante sync status`: the last runs as the directory has them, and what the daemon here does.
 */
#include "cli/sync.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "cli/verbs.h"
#include "lib/clock.h"
#include "lib/when.h"

struct status {
	struct cli *cli;
	struct sync_systems systems;
	bool directory;
	struct json *daemon; /* its answer, NULL = it does not answer */
	struct json *lines;  /* what needs attention */
	struct json *list;   /* an object for each system */
	struct table *table;
	int64_t now_us;
};

static const char *text_of(const struct json *object, const char *key)
{
	const char *text = json_get_string(object, key);

	return text != NULL ? text : "";
}

static void note(struct status *status, const char *format, const char *system,
	const char *direction, const char *text)
{
	struct str line = STR_INIT;

	str_printf(&line, "%s%s%s: %s%s", system, *direction ? " " : "", direction, format, text);
	json_add_string(status->lines, str_cstr(&line));
	str_free(&line);
}

/* --- asking --------------------------------------------------------------------------------- */

static void ask_daemon(struct status *status)
{
	const char *error = NULL;
	struct json *request = cli_request("status");

	if (sync_connect(status->cli, &error))
		status->daemon = control_ask(status->cli->control, request, &error);
	json_free(&request);
	if (status->daemon != NULL && !json_get_bool(status->daemon, "ok", false))
		json_free(&status->daemon);
}

static void ask_directory(struct status *status)
{
	struct cli *cli = status->cli;
	const char *error;
	struct ldap_options options = cli_ldap_options(cli);

	if (config_require_directory(cli->config, &error) == 0)
		cli->session = ldap_session_open(&options, &error);
	if (cli->session == NULL) {
		note(status, "", "directory", "", error);
		return;
	}
	enum ldap_result result =
		syncask_read(cli->session, cli->config->ldap.base, NULL, &status->systems);
	status->directory = result == LDAP_DONE;
	if (result != LDAP_DONE)
		note(status, "", "directory", "",
			result == LDAP_NO_ENTRY ? "no system has an entry in ou=systems, or "
						  "bind_dn may not see it"
						: ldap_session_reason(cli->session));
}

/* What the daemon says of a direction of a system; NULL = nothing. */
static const struct json *live_of(
	const struct status *status, const char *system, const char *direction)
{
	const struct json *systems = json_get(status->daemon, "systems");

	for (size_t i = 0; i < json_count(systems); i++)
		if (strcasecmp(text_of(json_at(systems, i), "system"), system) == 0)
			return json_get(json_at(systems, i), direction);
	return NULL;
}

/* --- a row ---------------------------------------------------------------------------------- */

static const char *const headers[] = { "SYSTEM", "SYNC", ">RAN", ">TOOK", ">MAILBOXES", ">ADDED",
	">CHANGED", ">DELETED", ">CONFLICTS", ">REFUSED", "STATE", NULL };

static void count_cell(struct status *status, const struct json *record, const char *key)
{
	static const char *const clashes[] = { "conflicts", "refused" };
	int64_t count = json_get_int(record, key, 0);
	bool clash = strcmp(key, clashes[0]) == 0 || strcmp(key, clashes[1]) == 0;

	table_cell(status->table, clash && count > 0 ? PAINT_WARN : PAINT_NONE, "%" PRId64, count);
}

static void state_cell(struct status *status, const struct json *live, const struct json *record,
	const char *holder)
{
	int64_t total = json_get_int(live, "total", 0), done = json_get_int(live, "done", 0);
	char age[16];

	if (json_get_bool(live, "running", false) && total > 0)
		table_cell(status->table, PAINT_BOLD, "%s %d%%", text_of(live, "phase"),
			(int)(100.0 * (double)done / (double)total));
	else if (json_get_bool(live, "running", false))
		table_cell(status->table, PAINT_BOLD, "%s %" PRId64, text_of(live, "phase"), done);
	else if (record == NULL)
		table_cell(status->table, PAINT_DIM, "never ran");
	else if (sync_record_code(record) != CLI_DONE)
		table_cell(status->table, PAINT_BAD, "%s", text_of(record, "outcome"));
	else if (json_get_int(live, "next_us", 0) > status->now_us)
		table_cell(status->table, PAINT_GOOD, "%s, next in %s", text_of(record, "outcome"),
			when_age(age, sizeof(age), status->now_us,
				json_get_int(live, "next_us", 0)));
	else
		table_cell(status->table, PAINT_GOOD, "%s%s%s", text_of(record, "outcome"),
			*holder ? ", synced by " : "", holder);
}

static void row(struct status *status, const char *system, const char *direction,
	const struct json *live, const struct json *record, const char *holder)
{
	static const char *const counts[] = { "persons", "added", "changed", "deleted", "conflicts",
		"refused" };
	int64_t start_us = json_get_int(record, "start_us", 0);
	int64_t end_us = json_get_int(record, "end_us", 0);
	char age[16], human[32];

	table_cell(status->table, PAINT_BOLD, "%s", system);
	table_cell(status->table, PAINT_NONE, "%s", direction);
	table_cell(status->table, PAINT_NONE, "%s",
		when_age(age, sizeof(age), end_us, status->now_us));
	if (start_us > 0 && end_us >= start_us)
		table_cell(status->table, PAINT_NONE, "%s",
			clock_human(human, sizeof(human), end_us - start_us));
	else
		table_cell(status->table, PAINT_DIM, "-");
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		count_cell(status, record, counts[i]);
	state_cell(status, live, record, holder);
}

/* --- what needs attention ------------------------------------------------------------------------
 */

static void attend(struct status *status, const char *system, const char *direction,
	const struct json *live, const struct json *record)
{
	const char *outcome = text_of(record, "outcome"), *remark = text_of(live, "remark");
	struct str line = STR_INIT;

	if (record != NULL && strcmp(outcome, "busy") != 0 &&
		sync_record_code(record) != CLI_DONE) {
		str_printf(&line, "%s: %s", outcome, text_of(record, "text"));
		note(status, "", system, direction, str_cstr(&line));
	}
	if (json_get_int(record, "conflicts", 0) > 0 || json_get_int(record, "refused", 0) > 0)
		note(status, "conflicts or refusals; `restante sync conflicts` lists them", system,
			direction, "");
	if (*remark != '\0')
		note(status, "", system, direction, remark);
	str_free(&line);
}

static void set_live(struct json *object, const struct json *live)
{
	static const char *const texts[] = { "connector", "run", "phase", "remark" };
	static const char *const numbers[] = { "done", "total", "began_us", "next_us" };

	if (live == NULL)
		return;
	json_set_bool(object, "running", json_get_bool(live, "running", false));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		json_set_string(object, texts[i], json_get_string(live, texts[i]));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (json_get(live, numbers[i]) != NULL)
			json_set_int(object, numbers[i], json_get_int(live, numbers[i], 0));
}

/* One direction; record is taken. Whether there is such a sync at all. */
static bool show_side(struct status *status, struct json *object, const char *system,
	const char *direction, struct json *record, const char *holder)
{
	const struct json *live = live_of(status, system, direction);
	bool set = strcmp(direction, "up") == 0 ? config_up(status->cli->config, system) != NULL
						: config_down(status->cli->config, system) != NULL;

	if (live == NULL && record == NULL && !set)
		return false;
	row(status, system, direction, live, record, holder);
	attend(status, system, direction, live, record);
	struct json *side = json_new_object();
	set_live(side, live);
	if (*holder != '\0')
		json_set_string(side, "holder", holder);
	if (record != NULL)
		json_set(side, "last", record);
	json_set(object, direction, side);
	return true;
}

/* --- all of them ---------------------------------------------------------------------------------
 */

static bool is_named(int count, char **names, const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcasecmp(names[i], name) == 0)
			return true;
	return count == 0;
}

static void show_known(struct status *status, const struct sync_system *system)
{
	struct json *object = json_new_object();

	json_set_string(object, "system", system->name);
	for (int direction = SYNC_UP; direction <= SYNC_DOWN; direction++) {
		const struct sync_side *side = &system->side[direction];

		show_side(status, object, system->name,
			sync_direction_name((enum sync_direction)direction),
			sync_record(side, (enum sync_direction)direction), side->holder);
	}
	json_add(status->list, object);
}

/* While the directory is away the daemon's own memory must do. */
static struct json *last_of(const struct json *live)
{
	const struct json *last = json_get(live, "last");
	struct str text = STR_INIT;
	const char *error;

	if (last == NULL)
		return NULL;
	json_dump(last, &text);
	struct json *fresh = json_parse(text.data, text.len, &error);
	str_free(&text);
	return fresh;
}

static void show_remembered(struct status *status, const struct json *system)
{
	static const char *const directions[] = { "up", "down" };
	struct json *object = json_new_object();
	const char *name = text_of(system, "system");

	json_set_string(object, "system", name);
	for (int i = 0; i < 2; i++)
		show_side(status, object, name, directions[i],
			last_of(json_get(system, directions[i])), "");
	json_add(status->list, object);
}

static void show_all(struct status *status, int count, char **names)
{
	const struct json *systems = json_get(status->daemon, "systems");

	for (size_t i = 0; i < status->systems.count; i++)
		if (is_named(count, names, status->systems.systems[i].name))
			show_known(status, &status->systems.systems[i]);
	for (size_t i = 0; !status->directory && i < json_count(systems); i++)
		if (is_named(count, names, text_of(json_at(systems, i), "system")))
			show_remembered(status, json_at(systems, i));
}

static void show_daemon(struct status *status)
{
	struct cli *cli = status->cli;
	char human[32];

	if (status->daemon == NULL)
		cli_say(cli, "restante-dirsync does not run on this machine");
	else
		cli_say(cli, "restante-dirsync %s runs as %s, up %s",
			text_of(status->daemon, "version"), text_of(status->daemon, "holder"),
			clock_human(human, sizeof(human),
				json_get_int(status->daemon, "uptime_us", 0)));
}

static void print_all(struct status *status)
{
	struct cli *cli = status->cli;
	struct str line = STR_INIT;

	show_daemon(status);
	if (json_count(status->list) > 0 && !cli->json && !cli->quiet)
		table_print(status->table, &cli->term, stdout);
	for (size_t i = 0; i < json_count(status->lines); i++) {
		str_reset(&line);
		str_append_z(&line, "  ! ");
		term_safe(json_text(json_at(status->lines, i)), &line);
		cli_say(cli, "%s", str_cstr(&line));
	}
	str_free(&line);
}

/* Takes list and lines. */
static void give(struct status *status)
{
	struct json *object = json_new_object();

	json_set_bool(object, "ok", json_count(status->lines) == 0);
	json_set_bool(object, "daemon", status->daemon != NULL);
	json_set(object, "attention", status->lines);
	json_set(object, "systems", status->list);
	cli_give(status->cli, object);
}

static int missing(const struct status *status, int count, char **names)
{
	for (int i = 0; i < count; i++) {
		bool found = false;

		for (size_t n = 0; !found && n < json_count(status->list); n++)
			found = strcasecmp(text_of(json_at(status->list, n), "system"), names[i]) ==
				0;
		if (!found)
			return cli_fail(status->cli, CLI_NOTFOUND,
				"%s: no such system in ou=systems", names[i]);
	}
	return CLI_DONE;
}

static int run(struct status *status, int count, char **names)
{
	int code;

	ask_daemon(status);
	ask_directory(status);
	if (!status->directory && status->daemon == NULL)
		code = cli_fail(
			status->cli, CLI_DIRECTORY, "%s", json_text(json_at(status->lines, 0)));
	else {
		show_all(status, count, names);
		code = missing(status, count, names);
	}
	if (code != CLI_DONE) {
		json_free(&status->lines);
		json_free(&status->list);
		return code;
	}
	code = json_count(status->lines) == 0 ? CLI_DONE : CLI_FAILED;
	print_all(status);
	give(status);
	return code;
}

int verb_sync_status(struct cli *cli, int argc, char **argv)
{
	struct status status = { .cli = cli, .now_us = clock_wall_us() };
	int letter = cli_getopt(cli, argc, argv, "", NULL), code;

	if (letter != -1)
		return letter == 'h' ? CLI_DONE : CLI_USAGE;
	code = cli_need_config(cli);
	if (code != CLI_DONE)
		return code;
	status.lines = json_new_array();
	status.list = json_new_array();
	status.table = table_new(headers);
	code = run(&status, argc - optind, argv + optind);
	table_free(&status.table);
	json_free(&status.daemon);
	syncask_free(&status.systems);
	return code;
}
