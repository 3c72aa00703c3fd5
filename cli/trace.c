/* `restante trace`: the life of a message, put together from the logs. */
#include "cli/verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/trace_join.h"
#include "cli/trace_now.h"
#include "cli/trace_source.h"
#include "lib/when.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define LOGS_MAX 16
#define MAIL_LOG "/var/log/mail.log"
#define DAY      (86400 * CLOCK_SECOND)
#define REACH    (14 * DAY) /* how far back logs are read unless more is asked for */

struct trace_request {
	const char *key;
	const char *logs[LOGS_MAX];
	size_t log_count;
	int64_t since_us, until_us; /* -1 = not given */
	struct trace_sources *sources;
	struct str unread; /* why a log is missing */
};

/* --- the command line ----------------------------------------------------------------------- */

static int take_time(struct cli *cli, const char *text, int64_t *us_r)
{
	int64_t ago;

	*us_r = when_parse(text);
	if (*us_r >= 0)
		return 0;
	if (strchr(text, '-') != NULL) {
		cli_usage(cli, "%s is no time, like 2h, 3d, 2026-11-22 or 2026-11-22T05:30", text);
		return -1;
	}
	if (cli_duration(cli, text, &ago) < 0)
		return -1;
	*us_r = clock_wall_us() - ago;
	return 0;
}

static int take_log(struct cli *cli, struct trace_request *r, const char *path)
{
	if (r->log_count == LOGS_MAX) {
		cli_usage(cli, "at most %d times --log", LOGS_MAX);
		return -1;
	}
	r->logs[r->log_count++] = path;
	return 0;
}

/* -1 = go on. */
static int parse(struct cli *cli, int argc, char **argv, struct trace_request *r)
{
	static const struct option options[] = { { "since", required_argument, NULL, 's' },
		{ "until", required_argument, NULL, 'u' }, { "log", required_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 } };
	int letter, bad = 0;

	while ((letter = cli_getopt(cli, argc, argv, "", options)) != -1) {
		switch (letter) {
		case 's': bad = take_time(cli, optarg, &r->since_us); break;
		case 'u': bad = take_time(cli, optarg, &r->until_us); break;
		case 'l': bad = take_log(cli, r, optarg); break;
		case 'h': return CLI_DONE;
		default: return CLI_USAGE;
		}
		if (bad < 0)
			return CLI_USAGE;
	}
	if (argc - optind != 1 || *argv[optind] == '\0')
		return cli_usage(cli, "trace needs one id, number, Message-ID or address");
	r->key = argv[optind];
	return -1;
}

/* An address has many messages: those of a day are enough. */
static void set_window(struct trace_request *r)
{
	int64_t now = clock_wall_us();

	if (r->until_us < 0)
		r->until_us = INT64_MAX;
	if (r->since_us < 0)
		r->since_us = now - (strchr(r->key, '@') && r->key[0] != '<' ? DAY : REACH);
	int64_t reach = now - REACH;
	r->sources = trace_sources_new(r->since_us < reach ? r->since_us : reach);
}

/* --- which logs ----------------------------------------------------------------------------- */

static void cannot_read(struct trace_request *r, const char *reason)
{
	str_printf(&r->unread, "%s%s", r->unread.len ? "; " : "", reason);
}

static void add_file(struct trace_request *r, const char *path)
{
	const char *error;

	if (trace_sources_add_file(r->sources, path, &error) < 0)
		cannot_read(r, error);
}

static void add_journal(struct trace_request *r)
{
	const char *error;

	if (trace_sources_add_journal(r->sources, &error) < 0)
		cannot_read(r, error);
}

/* Where syslog puts it. */
static void add_mail_log(struct trace_request *r)
{
	if (access(MAIL_LOG, F_OK) == 0)
		add_file(r, MAIL_LOG);
	else
		add_journal(r);
}

static void add_configured(struct trace_request *r, const struct config *config)
{
	enum log_target target = config->log.target;
	bool mta_log = config->cli.mta_log[0] != '\0';

	if (target == LOG_TARGET_FILE)
		add_file(r, config->log.file);
	if (mta_log)
		add_file(r, config->cli.mta_log);
	if (target == LOG_TARGET_JOURNAL || target == LOG_TARGET_STDERR)
		add_journal(r);
	else if (target == LOG_TARGET_SYSLOG || !mta_log)
		add_mail_log(r);
}

static int find_sources(struct cli *cli, struct trace_request *r)
{
	int code = r->log_count == 0 ? cli_need_config(cli) : CLI_DONE;

	if (code != CLI_DONE)
		return code;
	for (size_t i = 0; i < r->log_count; i++)
		add_file(r, r->logs[i]);
	if (r->log_count == 0)
		add_configured(r, cli->config);
	if (trace_sources_count(r->sources) > 0)
		return CLI_DONE;
	return cli_fail(cli, CLI_FAILED,
		"no log can be read: %s; run it as root, or name a log with --log",
		str_cstr(&r->unread));
}

/* --- what is shown -------------------------------------------------------------------------- */

static const char *time_text(char *buffer, size_t size, const struct trace_line *line)
{
	char whole[32];

	when_text(whole, sizeof whole, line->time_us);
	whole[strcspn(whole, "Z")] = '\0';
	if (line->coarse)
		snprintf(buffer, size, "%s    Z", whole);
	else
		snprintf(buffer, size, "%s.%03dZ", whole,
			(int)(line->time_us % CLOCK_SECOND / CLOCK_MS));
	return buffer;
}

static void show_names(const struct trace_message *message, enum trace_kind kind, const char *label,
	struct str *out)
{
	for (size_t i = 0; i < message->name_count; i++)
		if (message->names[i].kind == kind)
			str_printf(out, " %s=%s", label, message->names[i].text);
}

static void show_heading(struct cli *cli, const struct trace_message *message)
{
	struct str text = STR_INIT, safe = STR_INIT, painted = STR_INIT;

	str_append_z(&text, "message");
	show_names(message, TRACE_ID, "id", &text);
	show_names(message, TRACE_QUEUE, "queue_id", &text);
	if (message->number != 0)
		str_printf(&text, " number=%" PRIu64, message->number);
	show_names(message, TRACE_ONWARD, "onward", &text);
	term_safe(str_cstr(&text), &safe);
	term_paint(&cli->term, PAINT_BOLD, str_cstr(&safe), &painted);
	cli_say(cli, "%s", str_cstr(&painted));
	str_free(&text);
	str_free(&safe);
	str_free(&painted);
}

static enum paint paint_of(const struct trace_line *line)
{
	if (strcmp(line->level, "error") == 0)
		return PAINT_BAD;
	return strcmp(line->level, "warning") == 0 ? PAINT_WARN : PAINT_NONE;
}

static void show_line(struct cli *cli, const struct trace_line *line)
{
	struct str text = STR_INIT, safe = STR_INIT, painted = STR_INIT;
	enum paint paint = paint_of(line);
	char when[48];

	str_printf(&text, "%-16s ", line->program);
	if (paint != PAINT_NONE)
		str_printf(&text, "%s: ", line->level);
	trace_hide(line->text, &text);
	term_safe(str_cstr(&text), &safe);
	term_paint(&cli->term, paint, str_cstr(&safe), &painted);
	cli_say(cli, "%s %s", time_text(when, sizeof when, line), str_cstr(&painted));
	str_free(&text);
	str_free(&safe);
	str_free(&painted);
}

/* The lines cannot tell what did not happen yet. */
static void show_now(struct cli *cli, const struct trace_message *message)
{
	struct json *held;

	if (trace_now(cli, message, &held) != TRACE_HELD)
		return;
	const struct json *recipients = json_get(held, "recipients");
	for (size_t i = 0; i < json_count(recipients); i++) {
		const struct json *one = json_at(recipients, i);
		const char *address = json_get_string(one, "address");
		const char *waits = json_get_string(one, "waits");
		struct str safe = STR_INIT;
		term_safe(address ? address : "", &safe);
		cli_say(cli, "still held for %s (%s): restante queue show %" PRIu64,
			str_cstr(&safe), waits ? waits : "", message->number);
		str_free(&safe);
	}
	json_free(&held);
}

static void show(struct cli *cli, const struct trace *trace, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct trace_message *message = trace_message(trace, i);
		if (i > 0)
			cli_say(cli, "%s", "");
		show_heading(cli, message);
		for (size_t k = 0; k < message->line_count; k++)
			show_line(cli, &message->lines[k]);
		show_now(cli, message);
	}
}

static struct json *names_json(const struct trace_message *message, enum trace_kind kind)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < message->name_count; i++)
		if (message->names[i].kind == kind)
			json_add_string(array, message->names[i].text);
	return array;
}

static struct json *line_json(const struct trace_line *line)
{
	struct json *o = json_new_object();
	struct str text = STR_INIT;

	trace_hide(line->text, &text);
	json_set_int(o, "time_us", line->time_us);
	json_set_string(o, "program", line->program);
	json_set_int(o, "pid", line->pid);
	if (line->level[0] != '\0')
		json_set_string(o, "level", line->level);
	json_set_string(o, "text", str_cstr(&text));
	str_free(&text);
	return o;
}

static struct json *message_json(struct cli *cli, const struct trace_message *message)
{
	struct json *o = json_new_object(), *lines = json_new_array(), *held;
	enum trace_now now = trace_now(cli, message, &held);

	json_set(o, "ids", names_json(message, TRACE_ID));
	json_set(o, "queue_ids", names_json(message, TRACE_QUEUE));
	json_set(o, "onward", names_json(message, TRACE_ONWARD));
	if (message->number != 0)
		json_set_int(o, "number", (int64_t)message->number);
	if (now != TRACE_UNKNOWN)
		json_set_bool(o, "held", now == TRACE_HELD);
	json_free(&held);
	for (size_t i = 0; i < message->line_count; i++)
		json_add(lines, line_json(&message->lines[i]));
	json_set(o, "lines", lines);
	return o;
}

static void give(
	struct cli *cli, const struct trace_request *r, const struct trace *trace, size_t count)
{
	struct json *o = json_new_object(), *messages = json_new_array();
	struct json *sources = json_new_array();

	for (size_t i = 0; i < count; i++)
		json_add(messages, message_json(cli, trace_message(trace, i)));
	for (size_t i = 0; i < trace_sources_count(r->sources); i++)
		json_add_string(sources, trace_sources_name(r->sources, i));
	json_set(o, "messages", messages);
	json_set(o, "logs", sources);
	if (r->unread.len > 0)
		json_set_string(o, "unread", str_cstr(&r->unread));
	json_set_bool(o, "complete", !trace_cut(trace) && r->unread.len == 0);
	cli_give(cli, o);
}

/* --- the verb ------------------------------------------------------------------------------- */

static void take_line(void *trace, const struct logline *line)
{
	trace_take(trace, line);
}

static void read_all(struct trace_request *r, struct trace *trace)
{
	const char *error = NULL;
	bool said = false;

	while (trace_pass(trace))
		if (trace_sources_read(r->sources, take_line, trace, &error) < 0 && !said) {
			cannot_read(r, error);
			said = true;
		}
}

/* Not an error of its own: what was found stands. */
static void warn(struct cli *cli, const struct trace_request *r, const struct trace *trace)
{
	struct str safe = STR_INIT;

	if (trace_cut(trace))
		fprintf(stderr,
			"restante: more than %d messages; narrow it with --since and --until\n",
			TRACE_MESSAGES_MAX);
	if (r->unread.len > 0 && !cli->quiet) {
		term_safe(str_cstr(&r->unread), &safe);
		fprintf(stderr, "restante: lines may be missing: %s\n", str_cstr(&safe));
	}
	str_free(&safe);
}

static int run(struct cli *cli, struct trace_request *r)
{
	int code = find_sources(cli, r);

	if (code != CLI_DONE)
		return code;
	struct trace *trace = trace_new(r->key, r->since_us, r->until_us);
	read_all(r, trace);
	size_t count = trace_end(trace);
	if (count == 0) {
		code = cli_fail(cli, CLI_NOTFOUND, "%s: no line of the logs names it%s%s", r->key,
			r->unread.len ? "; not read: " : "", str_cstr(&r->unread));
	} else {
		warn(cli, r, trace);
		if (!cli->json)
			show(cli, trace, count);
		else
			give(cli, r, trace, count);
	}
	trace_free(&trace);
	return code;
}

int verb_trace(struct cli *cli, int argc, char **argv)
{
	struct trace_request r = { .since_us = -1, .until_us = -1 };
	int code = parse(cli, argc, argv, &r);

	if (code >= 0)
		return code;
	set_window(&r);
	code = run(cli, &r);
	trace_sources_free(&r.sources);
	str_free(&r.unread);
	return code;
}
