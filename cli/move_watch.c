/* `restante move watch`: a wave, or all open moves, as they go. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/move.h"
#include "cli/verbs.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define PERIOD      CLOCK_SECOND
#define REST        4 /* times as long as reading took: many moves must not keep the directory busy */
#define BAR_COLUMNS 30
#define ROWS_MAX    15 /* of those that are under way or in trouble */

struct count {
	size_t all, waiting, way, complete, stopped, over;
};

struct watch {
	struct cli *cli;
	const char *wave;
	struct count first; /* as it was when the watch began */
	int64_t began_us;
	unsigned drawn; /* lines on the screen */
};

static struct count count_of(const struct move_list *list)
{
	struct count count = { .all = list->count };

	for (size_t i = 0; i < list->count; i++) {
		const struct move *move = list->moves[i];

		if (move->outcome != MOVE_OPEN_OR_DONE)
			count.over++;
		else if (move->state >= MOVE_COMPLETE)
			count.complete++;
		else if (move->stopped || move->fault[0] != '\0')
			count.stopped++;
		else if (move->state >= MOVE_ADDRESSED)
			count.way++;
		else
			count.waiting++;
	}
	return count;
}

static struct json *count_json(const struct count *count)
{
	struct json *object = json_new_object();

	json_set_int(object, "moves", (int64_t)count->all);
	json_set_int(object, "waiting", (int64_t)count->waiting);
	json_set_int(object, "under_way", (int64_t)count->way);
	json_set_int(object, "complete", (int64_t)count->complete);
	json_set_int(object, "stopped", (int64_t)count->stopped);
	json_set_int(object, "over", (int64_t)count->over);
	return object;
}

static bool settled(const struct count *count)
{
	return count->waiting == 0 && count->way == 0;
}

/* --- the screen ----------------------------------------------------------------------------- */

static void line(struct watch *watch, const char *text)
{
	struct str cut = STR_INIT;

	term_cut(text, watch->cli->term.width > 1 ? watch->cli->term.width - 1 : 79, &cut);
	printf("%s\n", str_cstr(&cut));
	str_free(&cut);
	watch->drawn++;
}

static void draw_rate(struct watch *watch, const struct count *count, struct str *text)
{
	double seconds = (double)(clock_mono_us() - watch->began_us) / CLOCK_SECOND;
	double rate = seconds > 0 ? (double)(count->complete - watch->first.complete) / seconds : 0;
	char human[32];

	if (count->complete <= watch->first.complete || seconds < 1)
		return;
	int64_t left = (int64_t)((double)(count->waiting + count->way) / rate) + 1; /* seconds */
	if (left < 60)
		snprintf(human, sizeof(human), "%" PRId64 " s", left);
	else
		clock_human(human, sizeof(human), left * CLOCK_SECOND);
	str_printf(text, "  %.1f/s, about %s left", rate, human);
}

static void draw_moves(struct watch *watch, const struct move_list *list)
{
	for (size_t i = 0; i < list->count && watch->drawn < ROWS_MAX + 2; i++) {
		const struct move *move = list->moves[i];
		struct str text = STR_INIT, summary = STR_INIT, safe = STR_INIT;

		if (!move_open(move) || (move->state < MOVE_ADDRESSED && move->error[0] == '\0' &&
						move->fault[0] == '\0'))
			continue;
		move_summary(move, &summary);
		str_printf(&text, "%-32s %-8s %2d  %s", move->address ? move->address : "-",
			move->target, move->state, str_cstr(&summary));
		term_safe(str_cstr(&text), &safe);
		line(watch, str_cstr(&safe));
		str_free(&text);
		str_free(&summary);
		str_free(&safe);
	}
}

static void draw(struct watch *watch, const struct move_list *list, const struct count *count)
{
	struct str text = STR_INIT;

	for (; watch->drawn > 0; watch->drawn--)
		fputs("\033[A\r\033[2K", stdout);
	term_bar((unsigned)(count->complete + count->over), (unsigned)count->all, BAR_COLUMNS,
		&text);
	draw_rate(watch, count, &text);
	line(watch, str_cstr(&text));
	str_reset(&text);
	str_printf(&text, "%zu wait, %zu under way, %zu complete, %zu stopped, %zu over",
		count->waiting, count->way, count->complete, count->stopped, count->over);
	line(watch, str_cstr(&text));
	draw_moves(watch, list);
	fflush(stdout);
	str_free(&text);
}

/* Without a terminal: a line when something has changed. */
static void tell(struct watch *watch, const struct count *count, struct count *last)
{
	if (memcmp(count, last, sizeof(*count)) == 0)
		return;
	*last = *count;
	if (watch->cli->json)
		cli_give(watch->cli, count_json(count));
	else
		cli_say(watch->cli,
			"%zu moves: %zu wait, %zu under way, %zu complete, %zu stopped, %zu over",
			count->all, count->waiting, count->way, count->complete, count->stopped,
			count->over);
	fflush(stdout);
}

/* Until nothing is waited for any more; CLI_FAILED where some have stopped. */
static int watch_on(struct watch *watch)
{
	const bool screen = watch->cli->term.out_tty && !watch->cli->json;
	struct count last = { .all = SIZE_MAX };

	for (;;) {
		struct move_list list;
		int64_t asked_us = clock_mono_us();
		int code = move_list_read(watch->cli, NULL, watch->wave, &list);

		if (code != CLI_DONE)
			return code;
		int64_t rest_us = REST * (clock_mono_us() - asked_us);
		struct count count = count_of(&list);
		if (last.all == SIZE_MAX)
			watch->first = count;
		if (screen)
			draw(watch, &list, &count);
		else
			tell(watch, &count, &last);
		last.all = count.all;
		move_list_free(&list);
		if (count.all == 0 && watch->wave != NULL)
			return cli_fail(watch->cli, CLI_NOTFOUND,
				"%s: there is no move of that wave", watch->wave);
		if (settled(&count))
			return count.stopped > 0 ? CLI_FAILED : CLI_DONE;
		clock_sleep_us(rest_us > PERIOD ? rest_us : PERIOD);
	}
}

int verb_move_watch(struct cli *cli, int argc, char **argv)
{
	struct watch watch = { .cli = cli, .began_us = clock_mono_us() };
	int letter = cli_getopt(cli, argc, argv, "", NULL);

	if (letter != -1)
		return letter == 'h' ? CLI_DONE : CLI_USAGE;
	if (argc - optind > 1)
		return cli_usage(cli, "one wave at most can be named, %d are", argc - optind);
	watch.wave = argc > optind ? argv[optind] : NULL;
	return watch_on(&watch);
}
