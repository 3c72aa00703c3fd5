/* `restante sync run` and `restante sync diff`: a run watched. */
#include "cli/sync.h"

#include <stdlib.h>
#include <string.h>

#include "cli/verbs.h"
#include "lib/mem.h"

#define DIFF_LIMIT 1000

/* --- the daemon ------------------------------------------------------------------------------- */

bool sync_connect(struct cli *cli, const char **error_r)
{
	cli->control = control_connect(cli->config->dirsync.control_socket, error_r);
	return cli->control != NULL;
}

int sync_need_daemon(struct cli *cli, const char *instead)
{
	const char *error;
	int code = cli_need_config(cli);

	if (code != CLI_DONE || sync_connect(cli, &error))
		return code;
	return cli_fail(cli, CLI_MILTER, "restante-dirsync: %s; %s", error, instead);
}

static const char *text_of(const struct json *object, const char *key)
{
	const char *text = json_get_string(object, key);

	return text != NULL ? text : "";
}

/* What a stream has told so far. */
struct watch {
	struct sync_view view;
	struct json *list; /* with --json: what is given at the end */
	int64_t limit;     /* of changes that are shown; 0 = all */
	int64_t changes;
	int worst; /* exit code */
};

static void take_record(struct watch *watch, const char *system, const struct json *record)
{
	struct str line = STR_INIT;
	int code = sync_record_code(record);

	if (code != CLI_DONE && (watch->worst == CLI_DONE || code == CLI_FAILED))
		watch->worst = code;
	sync_view_update(&watch->view, system, text_of(record, "direction"), "", 0, 0);
	str_printf(&line, "%s %s: ", system, text_of(record, "direction"));
	sync_record_text(record, &line);
	if (code == CLI_DONE) {
		sync_view_say(&watch->view, str_cstr(&line));
	} else {
		struct cli quiet = *watch->view.cli;

		quiet.json = false; /* the record itself says it to programs */
		sync_view_end(&watch->view);
		cli_fail(&quiet, (enum cli_exit)code, "%s", str_cstr(&line));
	}
	str_free(&line);
}

/* A copy that outlives the line: there is no sharing of values between documents. */
static struct json *copy(const struct json *value)
{
	struct str text = STR_INIT;
	const char *error;

	json_dump(value, &text);
	struct json *fresh = json_parse(text.data, text.len, &error);
	str_free(&text);
	return fresh;
}

static void keep_record(struct watch *watch, const char *system, const struct json *record)
{
	struct json *kept = copy(record);

	json_set_bool(kept, "ok", sync_record_code(record) == CLI_DONE);
	json_set_string(kept, "system", system);
	json_add(watch->list, kept);
}

static void take_change(struct watch *watch, const struct json *item)
{
	const char *ldif = text_of(item, "ldif");
	size_t len = strlen(ldif);

	if (++watch->changes > watch->limit && watch->limit > 0)
		return;
	if (watch->view.cli->json) {
		json_add(watch->list, copy(item));
		return;
	}
	while (len > 0 && ldif[len - 1] == '\n')
		len--;
	struct str text = STR_INIT;
	str_append(&text, ldif, len);
	sync_view_end(&watch->view);
	cli_say(watch->view.cli, "%s\n", str_cstr(&text));
	str_free(&text);
}

static void take_item(struct watch *watch, const struct json *item, const char *system)
{
	const struct json *record = json_get(item, "record");
	const char *name = json_get_string(item, "system");

	name = name != NULL ? name : system;
	if (record != NULL) {
		take_record(watch, name, record);
		if (watch->view.cli->json)
			keep_record(watch, name, record);
	} else if (json_get(item, "ldif") != NULL) {
		take_change(watch, item);
	} else {
		sync_view_update(&watch->view, name, text_of(item, "direction"),
			text_of(item, "phase"), json_get_int(item, "done", 0),
			json_get_int(item, "total", 0));
	}
}

/* Reads the stream to its end; the end line, or NULL after a complaint. */
static struct json *follow(struct watch *watch, const char *system)
{
	struct cli *cli = watch->view.cli;
	const char *error;
	struct json *item;

	while ((item = control_next(cli->control, &error)) != NULL) {
		if (json_get_bool(item, "end", false))
			break;
		take_item(watch, item, system);
		json_free(&item);
	}
	sync_view_end(&watch->view);
	if (item == NULL)
		watch->worst = cli_fail(cli, CLI_MILTER,
			"%s; what it was doing goes on there, `restante sync status` shows it",
			error);
	return item;
}

/* --- run -------------------------------------------------------------------------------------- */

static struct json *run_request(const struct sync_wish *wish)
{
	struct json *request = cli_request("run");

	if (wish->count > 0) {
		struct json *names = json_new_array();

		for (size_t i = 0; i < wish->count; i++)
			json_add_string(names, wish->names[i]);
		json_set(request, "systems", names);
	}
	if (wish->up != wish->down)
		json_set_string(request, "direction", wish->up ? "up" : "down");
	json_set_bool(request, "full", wish->full);
	json_set_bool(request, "wait", wish->wait);
	return request;
}

static int run_daemon(struct cli *cli, const struct sync_wish *wish)
{
	struct watch watch = { .view = { .cli = cli } };
	char runs[TERM_COUNT];
	int code;
	struct json *reply = cli_ask(cli, run_request(wish), &code);

	if (reply == NULL)
		return code;
	if (!wish->wait) {
		cli_say(cli, "%s asked for; `restante sync status` shows what they do",
			term_count(runs, json_get_int(reply, "started", 0), "sync", "syncs"));
		cli_give(cli, reply);
		return CLI_DONE;
	}
	json_free(&reply);
	watch.list = json_new_array();
	struct json *end = follow(&watch, "");
	json_free(&end);
	cli_give(cli, watch.list);
	return watch.worst;
}

static int read_wish(struct cli *cli, int argc, char **argv, struct sync_wish *wish)
{
	static const struct option options[] = { { "up", no_argument, NULL, 'u' },
		{ "down", no_argument, NULL, 'd' }, { "full", no_argument, NULL, 'f' },
		{ "wait", no_argument, NULL, 'w' }, { "timeout", required_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 } };
	int letter;

	while ((letter = cli_getopt(cli, argc, argv, "", options)) != -1) {
		switch (letter) {
		case 'u': wish->up = true; break;
		case 'd': wish->down = true; break;
		case 'f': wish->full = true; break;
		case 'w': wish->wait = true; break;
		case 't':
			if (cli_duration(cli, optarg, &wish->timeout_us) < 0)
				return CLI_USAGE;
			break;
		default: return letter == 'h' ? CLI_DONE : CLI_USAGE;
		}
	}
	wish->names = argv + optind;
	wish->count = (size_t)(argc - optind);
	return -1;
}

int verb_sync_run(struct cli *cli, int argc, char **argv)
{
	struct sync_wish wish = { .timeout_us = 0 };
	const char *error;
	int code = read_wish(cli, argc, argv, &wish);

	if (code >= 0)
		return code;
	code = cli_need_config(cli);
	if (code != CLI_DONE)
		return code;
	if (sync_connect(cli, &error))
		return run_daemon(cli, &wish);
	if (wish.full)
		return cli_fail(cli, CLI_MILTER,
			"restante-dirsync: %s; where it runs give --full, or "
			"`restante-dirsync --once --full`",
			error);
	return sync_run_directory(cli, &wish);
}

/* --- diff ------------------------------------------------------------------------------------- */

/* Its counts are of what was written: nothing. */
static void end_diff(struct watch *watch, const char *system, const struct json *record)
{
	char changes[TERM_COUNT];

	if (sync_record_code(record) != CLI_DONE)
		take_record(watch, system, record);
	else
		cli_say(watch->view.cli, "%s %s: %s; nothing was written", system,
			text_of(record, "direction"),
			term_count(changes, watch->changes, "change", "changes"));
}

static int diff(struct cli *cli, struct json *request, const char *system, int64_t limit)
{
	struct watch watch = { .view = { .cli = cli }, .limit = limit };
	int code;
	struct json *reply = cli_ask(cli, request, &code);

	if (reply == NULL)
		return code;
	json_free(&reply);
	watch.list = json_new_array();
	struct json *end = follow(&watch, system);
	const struct json *record = json_get(end, "record");
	if (record != NULL)
		end_diff(&watch, system, record);
	if (watch.limit > 0 && watch.changes > watch.limit)
		cli_say(cli, "... and more: --limit 0 shows all");
	struct json *object = json_new_object();
	json_set_bool(object, "ok", watch.worst == CLI_DONE);
	json_set(object, "changes", watch.list);
	if (record != NULL)
		json_set(object, "record", copy(record));
	if (end != NULL)
		cli_give(cli, object);
	else
		json_free(&object);
	json_free(&end);
	return watch.worst;
}

int verb_sync_diff(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = { { "down", no_argument, NULL, 'd' },
		{ "full", no_argument, NULL, 'f' }, { "limit", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 } };
	bool down = false, full = false;
	int64_t limit = DIFF_LIMIT;
	char *end;
	int letter;

	while ((letter = cli_getopt(cli, argc, argv, "", options)) != -1) {
		switch (letter) {
		case 'd': down = true; break;
		case 'f': full = true; break;
		case 'n':
			limit = strtoll(optarg, &end, 10);
			if (end == optarg || *end != '\0' || limit < 0)
				return cli_usage(cli, "--limit %s: a number is needed", optarg);
			break;
		default: return letter == 'h' ? CLI_DONE : CLI_USAGE;
		}
	}
	if (argc - optind != 1)
		return cli_usage(
			cli, "one name of a system is needed, %d are given", argc - optind);
	int code = sync_need_daemon(
		cli, "`restante-dirsync --once --dry-run` shows the same without it");
	if (code != CLI_DONE)
		return code;
	struct json *request = cli_request("diff");
	json_set_string(request, "system", argv[optind]);
	json_set_string(request, "direction", down ? "down" : "up");
	json_set_bool(request, "full", full);
	return diff(cli, request, argv[optind], limit);
}
