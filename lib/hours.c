#include "lib/hours.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/clock.h"

#define DAY    1440
#define MINUTE (60 * CLOCK_SECOND)

static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };

struct span {
	int first, last; /* days of the week, both included; first > last goes round */
	int begin, end;  /* minutes of the day; end <= begin: of the next one */
};

static bool take_day(const char **text, int *day_r)
{
	for (*day_r = 0; *day_r < 7; ++*day_r)
		if (strncasecmp(*text, days[*day_r], 3) == 0) {
			*text += 3;
			return true;
		}
	return false;
}

static bool take_minute(const char **text, int *minute_r)
{
	int hour, minute, used = 0;

	if (sscanf(*text, "%2d:%2d%n", &hour, &minute, &used) != 2 || used != 5)
		return false;
	*text += used;
	*minute_r = hour * 60 + minute;
	return hour >= 0 && minute >= 0 && minute < 60 && *minute_r <= DAY;
}

static void skip(const char **text, const char *set)
{
	*text += strspn(*text, set);
}

static bool take_days(const char **text, struct span *span)
{
	if (!take_day(text, &span->first))
		return false;
	span->last = span->first;
	if (**text != '-')
		return true;
	++*text;
	return take_day(text, &span->last);
}

/* The next span of the list; false where there is none that can be read. */
static bool take_span(const char **text, struct span *span_r)
{
	*span_r = (struct span){ 0, 6, 0, DAY };
	if (!(**text >= '0' && **text <= '9')) {
		if (!take_days(text, span_r))
			return false;
		skip(text, " ");
	}
	if (**text >= '0' && **text <= '9') {
		if (!take_minute(text, &span_r->begin) || *(*text)++ != '-' ||
			!take_minute(text, &span_r->end))
			return false;
	}
	skip(text, " ");
	if (**text == ',') {
		++*text;
		skip(text, " ");
		return **text != '\0';
	}
	return **text == '\0';
}

bool hours_valid(const char *text)
{
	struct span span;

	skip(&text, " ");
	while (*text != '\0')
		if (!take_span(&text, &span))
			return false;
	return true;
}

static bool on_day(const struct span *span, int day)
{
	return span->first <= span->last ? day >= span->first && day <= span->last
					 : day >= span->first || day <= span->last;
}

static bool covers(const struct span *span, int day, int minute)
{
	if (span->begin < span->end)
		return on_day(span, day) && minute >= span->begin && minute < span->end;
	return (on_day(span, day) && minute >= span->begin) ||
	       (on_day(span, (day + 6) % 7) && minute < span->end);
}

bool hours_open(const char *text, int64_t wall_us)
{
	const time_t now = wall_us / CLOCK_SECOND;
	struct span span;
	struct tm local;

	skip(&text, " ");
	if (*text == '\0')
		return true;
	localtime_r(&now, &local);
	while (*text != '\0' && take_span(&text, &span))
		if (covers(&span, local.tm_wday, local.tm_hour * 60 + local.tm_min))
			return true;
	return false;
}

int64_t hours_next(const char *text, int64_t wall_us)
{
	if (hours_open(text, wall_us))
		return wall_us;
	for (int i = 1; i <= 8 * DAY; i++) {
		int64_t at = (wall_us / MINUTE + i) * MINUTE;

		if (hours_open(text, at))
			return at;
	}
	return INT64_MAX;
}
