/* `restante queue`: the hold queue of the front door on this machine, through its control socket.
 */
#include "cli/verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/queue_ask.h"
#include "cli/queue_show.h"

#define LIST_DEFAULT 1000
#define LIST_PAGE    500
#define ALL          INT64_MAX

static bool is_number(const char *text, int64_t *number_r)
{
	char *end;

	errno = 0;
	*number_r = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *number_r >= 0;
}

static int need_id(struct cli *cli, int argc, char **argv, int64_t *id_r)
{
	if (argc - optind != 1)
		return cli_usage(cli, "one message id is needed, %d are given", argc - optind);
	if (!is_number(argv[optind], id_r) || *id_r == 0)
		return cli_usage(
			cli, "%s is no message id; `restante queue list` shows them", argv[optind]);
	return CLI_DONE;
}

struct json *queue_request(const char *command, int64_t id)
{
	struct json *request = cli_request(command);

	json_set_int(request, "id", id);
	return request;
}

struct json *queue_ask_by_id(
	struct cli *cli, int argc, char **argv, const char *command, int64_t *id_r, int *code_r)
{
	*code_r = need_id(cli, argc, argv, id_r);
	return *code_r == CLI_DONE ? cli_ask(cli, queue_request(command, *id_r), code_r) : NULL;
}

/* The same for a verb without options; NULL after --help, too. */
static struct json *ask_plainly(
	struct cli *cli, int argc, char **argv, const char *command, int64_t *id_r, int *code_r)
{
	int letter = cli_getopt(cli, argc, argv, "", NULL);

	if (letter == -1)
		return queue_ask_by_id(cli, argc, argv, command, id_r, code_r);
	*code_r = letter == 'h' ? CLI_DONE : CLI_USAGE;
	return NULL;
}

/* --- streams -------------------------------------------------------------------------------- */

/* Moves the items of a streaming reply to `items`; the line that ends it, NULL after a complaint.
 */
static struct json *read_stream(
	struct cli *cli, struct json *request, struct json *items, int *code_r)
{
	const char *error;
	struct json *line = cli_ask(cli, request, code_r);

	if (line == NULL)
		return NULL;
	json_free(&line);
	while ((line = control_next(cli->control, &error)) != NULL) {
		if (json_get_bool(line, "end", false))
			return line;
		json_add(items, line);
	}
	*code_r = cli_fail(cli, CLI_MILTER, "%s", error);
	return NULL;
}

/* --- list ----------------------------------------------------------------------------------- */

static int64_t smaller(int64_t one, int64_t other)
{
	return one < other ? one : other;
}

/* Page after page, so that neither side keeps the other waiting. */
static int collect(
	struct cli *cli, const char *address, int64_t limit, struct json *items, bool *more_r)
{
	int64_t after = 0;
	int code = CLI_DONE;

	*more_r = true;
	while (*more_r && (int64_t)json_count(items) < limit) {
		struct json *request = cli_request("queue.list");
		json_set_string(request, "address", address);
		json_set_int(request, "after", after);
		json_set_int(
			request, "limit", smaller(LIST_PAGE, limit - (int64_t)json_count(items)));
		struct json *end = read_stream(cli, request, items, &code);
		if (end == NULL)
			return code;
		*more_r = json_get_bool(end, "more", false);
		after = json_get_int(end, "last", after);
		json_free(&end);
	}
	return CLI_DONE;
}

int verb_queue_list(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = { { "limit", required_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 } };
	int64_t limit = LIST_DEFAULT;
	int letter;
	bool more;

	while ((letter = cli_getopt(cli, argc, argv, "l:", options)) == 'l')
		if (!is_number(optarg, &limit))
			return cli_usage(cli, "--limit %s: a number is needed", optarg);
	if (letter != -1)
		return letter == 'h' ? CLI_DONE : CLI_USAGE;
	if (argc - optind > 1)
		return cli_usage(cli, "one address at most, %d are given", argc - optind);
	struct json *items = json_new_array();
	int code = collect(
		cli, optind < argc ? argv[optind] : NULL, limit > 0 ? limit : ALL, items, &more);
	if (code != CLI_DONE) {
		json_free(&items);
		return code;
	}
	queue_show_list(cli, items, more);
	cli_give(cli, items);
	return CLI_DONE;
}

int verb_queue_stats(struct cli *cli, int argc, char **argv)
{
	int code, letter = cli_getopt(cli, argc, argv, "", NULL);

	if (letter != -1)
		return letter == 'h' ? CLI_DONE : CLI_USAGE;
	struct json *totals = cli_ask(cli, cli_request("queue.stats"), &code);
	if (totals == NULL)
		return code;
	queue_show_stats(cli, totals);
	cli_give(cli, totals);
	return CLI_DONE;
}

/* --- one message ---------------------------------------------------------------------------- */

int verb_queue_show(struct cli *cli, int argc, char **argv)
{
	int64_t id;
	int code;
	struct json *reply = ask_plainly(cli, argc, argv, "queue.show", &id, &code);

	if (reply == NULL)
		return code;
	queue_show_message(cli, reply);
	cli_give(cli, reply);
	return CLI_DONE;
}

static int copy_content(struct cli *cli, int64_t bytes, struct str *kept)
{
	char buffer[16384];
	const char *error;

	while (bytes > 0) {
		size_t want = (size_t)smaller(bytes, (int64_t)sizeof(buffer));
		ssize_t got = control_read(cli->control, buffer, want, &error);

		if (got <= 0)
			return cli_fail(cli, CLI_MILTER, "content cut short: %s",
				got < 0 ? error : "connection closed");
		if (kept != NULL)
			str_append(kept, buffer, (size_t)got);
		else
			queue_show_content(cli, buffer, (size_t)got);
		bytes -= got;
	}
	return CLI_DONE;
}

int verb_queue_cat(struct cli *cli, int argc, char **argv)
{
	struct str kept = STR_INIT;
	int64_t id;
	int code;
	struct json *reply = ask_plainly(cli, argc, argv, "queue.cat", &id, &code);

	if (reply == NULL)
		return code;
	code = copy_content(cli, json_get_int(reply, "bytes", 0), cli->json ? &kept : NULL);
	if (cli->json && code == CLI_DONE) {
		json_set_int(reply, "id", id);
		json_set_string(reply, "content", str_cstr(&kept));
		cli_give(cli, reply);
		reply = NULL;
	}
	json_free(&reply);
	str_free(&kept);
	return code;
}

/* --- changing ------------------------------------------------------------------------------- */

int verb_queue_release(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = { { "all", no_argument, NULL, 'a' },
		{ NULL, 0, NULL, 0 } };
	int letter, code;
	bool all = false;

	while ((letter = cli_getopt(cli, argc, argv, "a", options)) == 'a')
		all = true;
	if (letter != -1)
		return letter == 'h' ? CLI_DONE : CLI_USAGE;
	if (argc - optind != (all ? 0 : 1))
		return cli_usage(cli, "one address is needed, or --all");
	struct json *request = cli_request("queue.release");
	if (all)
		json_set_bool(request, "all", true);
	else
		json_set_string(request, "address", argv[optind]);
	struct json *reply = cli_ask(cli, request, &code);
	if (reply == NULL)
		return code;
	cli_say(cli, "delays are forgotten: what is not held any more is tried again now");
	cli_give(cli, reply);
	return CLI_DONE;
}
