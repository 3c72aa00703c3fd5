#define _GNU_SOURCE
#include "lib/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * CLOCK_SECOND + now.tv_nsec / 1000;
}

static struct timespec to_timespec(int64_t us)
{
	return (struct timespec){ .tv_sec = us / CLOCK_SECOND,
		.tv_nsec = (long)(us % CLOCK_SECOND) * 1000 };
}

int64_t clock_wall_us(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t clock_mono_us(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_boot_us(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

void clock_sleep_us(int64_t us)
{
	struct timespec left = to_timespec(us);

	while (us > 0 && nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

void clock_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

int clock_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline_us)
{
	struct timespec deadline = to_timespec(deadline_us);

	return pthread_cond_timedwait(cond, lock, &deadline);
}

const char *clock_generalized(char *buffer, size_t size, int64_t wall_us)
{
	time_t seconds = (time_t)(wall_us / CLOCK_SECOND);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(buffer, size, "%Y%m%d%H%M%SZ", &tm);
	return buffer;
}

const char *clock_rfc5322(char *buffer, size_t size, int64_t wall_us)
{
	static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
		"Sep", "Oct", "Nov", "Dec" };
	time_t seconds = (time_t)(wall_us / CLOCK_SECOND);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	snprintf(buffer, size, "%s, %d %s %d %02d:%02d:%02d +0000", days[tm.tm_wday], tm.tm_mday,
		months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	return buffer;
}

const char *clock_human(char *buffer, size_t size, int64_t interval_us)
{
	int64_t s = interval_us / CLOCK_SECOND;

	if (s < 60)
		snprintf(buffer, size, "%.3f s", (double)interval_us / 1e6);
	else if (s < 3600)
		snprintf(buffer, size, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buffer, size, "%" PRId64 " h %" PRId64 " min", s / 3600, s / 60 % 60);
	else
		snprintf(buffer, size, "%" PRId64 " d %" PRId64 " h", s / 86400, s / 3600 % 24);
	return buffer;
}
