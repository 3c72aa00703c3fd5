#define _GNU_SOURCE
#include "lib/when.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"

static int digits(const char *text, size_t count, int *value_r)
{
	*value_r = 0;
	for (size_t i = 0; i < count; i++) {
		if (!isdigit((unsigned char)text[i]))
			return -1;
		*value_r = *value_r * 10 + (text[i] - '0');
	}
	return 0;
}

/* "YYYYMMDDhhmmss"; digits stops at the NUL of a shorter text. */
static int64_t seconds(const char *text)
{
	struct tm tm = { 0 };

	if (digits(text, 4, &tm.tm_year) || digits(text + 4, 2, &tm.tm_mon) ||
		digits(text + 6, 2, &tm.tm_mday) || digits(text + 8, 2, &tm.tm_hour) ||
		digits(text + 10, 2, &tm.tm_min) || digits(text + 12, 2, &tm.tm_sec))
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return (int64_t)timegm(&tm);
}

int64_t when_csn_us(const char *csn)
{
	int64_t whole = seconds(csn);
	int micro;

	if (whole < 0 || csn[14] != '.' || digits(csn + 15, 6, &micro) != 0 || csn[21] != 'Z')
		return -1;
	return whole * CLOCK_SECOND + micro;
}

int64_t when_generalized_us(const char *text)
{
	int64_t whole = seconds(text);

	if (whole < 0)
		return -1;
	const char *rest = text + 14;
	if (*rest == '.' || *rest == ',')
		rest += 1 + strspn(rest + 1, "0123456789");
	return strcmp(rest, "Z") == 0 ? whole * CLOCK_SECOND : -1;
}

const char *when_age(char *buffer, size_t size, int64_t instant_us, int64_t now_us)
{
	static const struct {
		int64_t least, unit;
		const char *name;
	} steps[] = { { 172800, 86400, "d" }, { 7200, 3600, "h" }, { 120, 60, "m" },
		{ 1, 1, "s" } };
	int64_t age = (now_us - instant_us) / CLOCK_SECOND;

	if (instant_us <= 0)
		return "never";
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (age < steps[i].least)
			continue;
		snprintf(buffer, size, "%" PRId64 "%s", age / steps[i].unit, steps[i].name);
		return buffer;
	}
	return "now";
}

const char *when_text(char *buffer, size_t size, int64_t instant_us)
{
	time_t instant = (time_t)(instant_us / CLOCK_SECOND);
	struct tm tm;

	gmtime_r(&instant, &tm);
	strftime(buffer, size, "%Y-%m-%d %H:%M:%SZ", &tm);
	return buffer;
}

/* mktime, but for the hour that is left out when clocks go forward: -1, where mktime takes another
 * one. Of an hour that comes twice it is the first one. */
static int64_t local_instant(struct tm *tm)
{
	const int hour = tm->tm_hour, minute = tm->tm_min;
	struct tm summer = *tm;

	summer.tm_isdst = 1;
	time_t instant = mktime(&summer);
	if (instant != (time_t)-1 && summer.tm_isdst > 0 && summer.tm_hour == hour &&
		summer.tm_min == minute)
		return instant;
	instant = mktime(tm);
	return tm->tm_hour == hour && tm->tm_min == minute ? instant : -1;
}

/* No 30 February: mktime makes it the 2 March. */
static bool is_day(const struct tm *tm)
{
	struct tm day = { .tm_year = tm->tm_year, .tm_mon = tm->tm_mon, .tm_mday = tm->tm_mday };

	return timegm(&day) != (time_t)-1 && day.tm_mday == tm->tm_mday;
}

int64_t when_parse(const char *text)
{
	static const char *const formats[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
		"%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d" };

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct tm tm = { .tm_isdst = -1 };
		const char *rest = strptime(text, formats[i], &tm);
		if (rest == NULL || (*rest != '\0' && strcmp(rest, "Z") != 0))
			continue;
		if (!is_day(&tm))
			return -1;
		int64_t instant = *rest == 'Z' ? timegm(&tm) : local_instant(&tm);
		return instant < 0 ? -1 : instant * CLOCK_SECOND;
	}
	return -1;
}
