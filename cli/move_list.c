/* `restante move list` and `restante move show`. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/move.h"
#include "cli/verbs.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/when.h"

/* --- list ----------------------------------------------------------------------------------- */

enum { OPTION_WAVE = 1000, OPTION_ALL, OPTION_ERRORS, OPTION_LIMIT };
static const struct option options[] = { { "wave", required_argument, NULL, OPTION_WAVE },
	{ "all", no_argument, NULL, OPTION_ALL }, { "errors", no_argument, NULL, OPTION_ERRORS },
	{ "limit", required_argument, NULL, OPTION_LIMIT }, { NULL, 0, NULL, 0 } };
static const char *const headers[] = { "ADDRESS", "FROM", "TO", "INSTANT", ">STATE", "WAVE",
	"WHAT IT DOES", NULL };

struct listing {
	const char *wave;
	bool all, errors;
	int64_t limit;
};

static bool shown(const struct listing *listing, const struct move *move)
{
	if (listing->errors)
		return move->error[0] != '\0' || move->fault[0] != '\0';
	return listing->all || listing->wave != NULL || move_open(move);
}

static const char *or_dash(const char *text)
{
	return text != NULL && text[0] != '\0' ? text : "-";
}

static void row(struct table *table, const struct move *move)
{
	struct str summary = STR_INIT;
	char instant[32];

	move_summary(move, &summary);
	table_cell(table, PAINT_NONE, "%s", or_dash(move->address));
	table_cell(table, PAINT_NONE, "%s", or_dash(move->assignor));
	table_cell(table, PAINT_NONE, "%s", move->target);
	table_cell(table, PAINT_NONE, "%s",
		move->instant_us > 0 ? when_text(instant, sizeof(instant), move->instant_us) : "-");
	if (move->state >= 0)
		table_cell(table, PAINT_NONE, "%d", move->state);
	else
		table_cell(table, PAINT_DIM, "-");
	table_cell(table, PAINT_NONE, "%s", or_dash(move->wave));
	table_cell(table, move_paint(move), "%s", str_cstr(&summary));
	str_free(&summary);
}

static void show_list(struct cli *cli, const struct listing *listing, const struct move_list *list)
{
	struct json *moves = json_new_array();
	struct table *table = table_new(headers);
	int64_t count = 0, left = 0;

	for (size_t i = 0; i < list->count; i++) {
		if (!shown(listing, list->moves[i]))
			continue;
		if (listing->limit > 0 && count >= listing->limit) {
			left++;
			continue;
		}
		count++;
		row(table, list->moves[i]);
		json_add(moves, move_json(list->moves[i]));
	}
	if (!cli->json && count > 0)
		table_print(table, &cli->term, stdout);
	if (count == 0)
		cli_say(cli, "no move%s", listing->all ? "" : "; --all shows those that are over");
	if (left > 0)
		cli_say(cli, "... and %" PRId64 " more: --limit 0 lists all", left);
	struct json *object = json_new_object();
	json_set(object, "moves", moves);
	json_set_int(object, "left", left);
	cli_give(cli, object);
	table_free(&table);
}

int verb_move_list(struct cli *cli, int argc, char **argv)
{
	struct listing listing = { .limit = 1000 };
	struct move_list list;
	char none[] = "", *end = none;
	int letter;

	while ((letter = cli_getopt(cli, argc, argv, "", options)) >= OPTION_WAVE) {
		switch (letter) {
		case OPTION_WAVE: listing.wave = optarg; break;
		case OPTION_ALL: listing.all = true; break;
		case OPTION_ERRORS: listing.errors = true; break;
		default: listing.limit = strtoll(optarg, &end, 10);
		}
	}
	if (letter != -1)
		return letter == 'h' ? CLI_DONE : CLI_USAGE;
	if (*end != '\0' || listing.limit < 0)
		return cli_usage(cli, "--limit is a number, 0 or more");
	if (argc != optind)
		return cli_usage(cli, "no argument is taken: `restante move show` shows one");
	int code = move_list_read(cli, NULL, listing.wave, &list);
	if (code != CLI_DONE)
		return code;
	show_list(cli, &listing, &list);
	move_list_free(&list);
	return CLI_DONE;
}

/* --- show ----------------------------------------------------------------------------------- */

static void say_line(struct cli *cli, const char *what, const char *text)
{
	struct str safe = STR_INIT;

	term_safe(text, &safe);
	if (text[0] != '\0')
		cli_say(cli, "  %-12s %s", what, str_cstr(&safe));
	str_free(&safe);
}

struct event {
	int64_t at_us;
	int leads_to; /* the state that a step is on the way to */
	char text[64];
	bool state;
};

/* Steps of the way back, and what is unknown, come after all. */
static int leads_to(const char *step)
{
	static const struct {
		const char *step;
		int state;
	} way[] = { { "create", 1 }, { "redirect-second", 1 }, { "addresses", 4 },
		{ "ask-syncs", 4 }, { "list", 5 }, { "open-second", 5 }, { "hold", 5 },
		{ "fence", 5 }, { "unredirect-second", 6 }, { "redirect-first", 6 }, { "drain", 6 },
		{ "swap", 6 }, { "ask-down", 10 }, { "close", 10 }, { "delete-old", 13 },
		{ "contact", 13 } };

	for (size_t i = 0; i < sizeof(way) / sizeof(way[0]); i++)
		if (strcmp(way[i].step, step) == 0)
			return way[i].state;
	return MOVE_STATES;
}

static size_t events_of(const struct move *move, struct event *events)
{
	size_t count = 0;

	for (size_t i = 0; i < move->done_count; i++) {
		events[count].at_us = move->done[i].at_us;
		events[count].leads_to = leads_to(move->done[i].step);
		snprintf(events[count].text, sizeof(events->text), "%s", move->done[i].step);
		events[count++].state = false;
	}
	for (int state = 0; state < MOVE_STATES; state++) {
		if (move->reached_us[state] <= 0)
			continue;
		events[count].at_us = move->reached_us[state];
		events[count].leads_to = state;
		snprintf(events[count].text, sizeof(events->text), "state %d: %s", state,
			move_state_text(state));
		events[count++].state = true;
	}
	return count;
}

/* In order of time; instants are whole seconds, and within one steps come before the state that
 * they led to, and after the one before. */
static int earlier(const void *a, const void *b)
{
	const struct event *left = a, *right = b;

	if (left->at_us != right->at_us)
		return left->at_us < right->at_us ? -1 : 1;
	if (left->leads_to != right->leads_to)
		return left->leads_to - right->leads_to;
	return (int)left->state - (int)right->state;
}

static void say_timeline(struct cli *cli, const struct move *move)
{
	struct event *events = mem_grow(NULL, move->done_count + MOVE_STATES + 1, sizeof(*events));
	size_t count = events_of(move, events);
	char at[32];

	qsort(events, count, sizeof(*events), earlier);
	for (size_t i = 0; i < count; i++) {
		struct str line = STR_INIT;

		term_paint(&cli->term, events[i].state ? PAINT_BOLD : PAINT_NONE, events[i].text,
			&line);
		cli_say(cli, "  %s  %s%s", when_text(at, sizeof(at), events[i].at_us),
			events[i].state ? "" : "    ", str_cstr(&line));
		str_free(&line);
	}
	mem_free(&events);
}

/* A step that was begun, and not seen to end. */
static void say_work(struct cli *cli, const struct move *move)
{
	struct str text = STR_INIT;
	char at[32];

	if (move->work.step == NULL || *move->work.step == '\0' ||
		strcmp(move->work.step, "-") == 0)
		return;
	str_printf(&text, "%s, by %s", move->work.step, or_dash(move->work.holder));
	if (move->work.since_us > 0)
		str_printf(&text, " since %s", when_text(at, sizeof(at), move->work.since_us));
	say_line(cli, "working on", str_cstr(&text));
	str_free(&text);
}

static void say_held(struct cli *cli, const struct move *move)
{
	char human[32], count[TERM_COUNT], text[32 + TERM_COUNT + 8];

	if (move_held_us(move) < 0)
		return;
	snprintf(text, sizeof(text), "%s, %s",
		clock_human(human, sizeof(human), move_held_us(move)),
		term_count(count, (int64_t)move->held_messages, "message", "messages"));
	say_line(cli, "held", text);
}

static void say_move(struct cli *cli, const struct move *move)
{
	struct str summary = STR_INIT;
	char name[128], at[32] = "at once";

	if (move->instant_us > 0)
		when_text(at, sizeof(at), move->instant_us);
	move_summary(move, &summary);
	cli_say(cli, "%s: %s -> %s", or_dash(move->address), or_dash(move->assignor), move->target);
	say_line(cli, "name", move_name(move, name, sizeof(name)));
	say_line(cli, "instant", at);
	say_line(cli, "scenario", move->scenario);
	say_line(cli, "wave", move->wave);
	say_line(cli, "from", move->old_physical);
	say_line(cli, "to", move->physical);
	say_line(cli, "now", str_cstr(&summary));
	say_work(cli, move);
	say_held(cli, move);
	say_timeline(cli, move);
	str_free(&summary);
}

int verb_move_show(struct cli *cli, int argc, char **argv)
{
	struct move *move = NULL;
	int letter = cli_getopt(cli, argc, argv, "", NULL);

	if (letter != -1)
		return letter == 'h' ? CLI_DONE : CLI_USAGE;
	if (argc - optind != 1)
		return cli_usage(cli, "one address or name of a move is needed, %d are given",
			argc - optind);
	int code = move_find(cli, argv[optind], &move);
	if (code != CLI_DONE)
		return code;
	say_move(cli, move);
	cli_give(cli, move_json(move));
	move_free(&move);
	return CLI_DONE;
}
