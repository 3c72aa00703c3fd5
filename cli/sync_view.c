/* Progress bars, one for each run: on a terminal only. */
#include "cli/sync.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"

#define BAR_COLUMNS   20
#define BARS_MAX      16 /* more runs than that are not shown at once */
#define DRAW_EVERY_US (100 * CLOCK_MS)

struct sync_bar {
	char name[80]; /* "S1 up" */
	char phase[64];
	int64_t done, total, began_us;
};

static bool visible(const struct sync_view *view)
{
	return view->cli->term.error_tty && !view->cli->quiet;
}

static void erase(struct sync_view *view)
{
	for (; view->drawn > 0; view->drawn--)
		fputs("\033[A\r\033[2K", stderr);
}

static void draw_one(const struct sync_view *view, const struct sync_bar *bar, int64_t now_us)
{
	struct str line = STR_INIT, safe = STR_INIT, shown = STR_INIT;
	char human[32];

	str_printf(&line, "%-12s ", bar->name);
	if (bar->total > 0 && bar->total <= UINT32_MAX)
		term_bar((unsigned)(bar->done < bar->total ? bar->done : bar->total),
			(unsigned)bar->total, BAR_COLUMNS, &line);
	else
		str_printf(&line, "%" PRId64, bar->done);
	str_printf(&line, "  %s  %s", bar->phase,
		clock_human(human, sizeof(human), now_us - bar->began_us));
	term_safe(str_cstr(&line), &safe);
	term_cut(str_cstr(&safe), view->cli->term.width > 1 ? view->cli->term.width - 1 : 79,
		&shown);
	fprintf(stderr, "%s\n", str_cstr(&shown));
	str_free(&line);
	str_free(&safe);
	str_free(&shown);
}

static void draw(struct sync_view *view)
{
	int64_t now_us = clock_mono_us();

	erase(view);
	for (size_t i = 0; i < view->count && view->drawn < BARS_MAX; i++) {
		if (view->bars[i].phase[0] == '\0')
			continue;
		draw_one(view, &view->bars[i], now_us);
		view->drawn++;
	}
	fflush(stderr);
	view->drawn_us = now_us;
}

static struct sync_bar *bar_of(struct sync_view *view, const char *system, const char *direction)
{
	char name[sizeof(view->bars->name)];

	snprintf(name, sizeof(name), "%s %s", system, direction);
	for (size_t i = 0; i < view->count; i++)
		if (strcmp(view->bars[i].name, name) == 0)
			return &view->bars[i];
	view->bars = mem_grow(view->bars, view->count + 1, sizeof(*view->bars));
	struct sync_bar *bar = &view->bars[view->count++];
	memset(bar, 0, sizeof(*bar));
	memcpy(bar->name, name, sizeof(bar->name));
	bar->began_us = clock_mono_us();
	return bar;
}

void sync_view_update(struct sync_view *view, const char *system, const char *direction,
	const char *phase, int64_t done, int64_t total)
{
	if (!visible(view))
		return;
	struct sync_bar *bar = bar_of(view, system, direction);
	bool other = strncmp(bar->phase, phase, sizeof(bar->phase) - 1) != 0;

	snprintf(bar->phase, sizeof(bar->phase), "%s", phase);
	bar->done = done;
	bar->total = total;
	if (other || clock_mono_us() - view->drawn_us >= DRAW_EVERY_US)
		draw(view);
}

void sync_view_say(struct sync_view *view, const char *line)
{
	struct str safe = STR_INIT;

	if (view->cli->json || view->cli->quiet)
		return;
	term_safe(line, &safe);
	if (visible(view))
		erase(view);
	fflush(stderr);
	cli_say(view->cli, "%s", str_cstr(&safe));
	fflush(stdout);
	if (visible(view))
		draw(view);
	str_free(&safe);
}

void sync_view_end(struct sync_view *view)
{
	if (visible(view)) {
		erase(view);
		fflush(stderr);
	}
	mem_free(&view->bars);
	view->count = 0;
}
