#define _GNU_SOURCE
#include "milter/events.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "lib/clock.h"

static int pipe_ends[2] = { -1, -1 };

static void signal_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
}

/*
 * Called by libmilter's thread in place of the C library's: signals are the main thread's alone. It
 * is not enough that they are blocked everywhere else, since a second one that comes while the
 * first is being delivered goes to whoever waits for it, and libmilter stops at each, SIGHUP too.
 */
int sigwait(const sigset_t *restrict set, int *restrict number)
{
	(void)set, (void)number;
	for (;;)
		pause();
}

int events_open(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;

	signal_set(&set);
	sigaction(SIGPIPE, &ignore, NULL);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK);
}

void events_raise(enum event event)
{
	int saved = errno;
	char byte = (char)event;

	/* A full pipe has news enough. */
	if (write(pipe_ends[1], &byte, 1) < 0)
		errno = saved;
	errno = saved;
}

static void on_signal(int signal)
{
	events_raise(signal == SIGHUP ? EVENT_RELOAD : EVENT_STOP);
}

void events_take_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	sigset_t set;

	signal_set(&set);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* For poll: rounded up, or it would come back too early. */
static int milliseconds_until(int64_t until_us)
{
	int64_t left = until_us - clock_mono_us();

	if (until_us < 0)
		return -1;
	return left > 0 ? (int)(left / CLOCK_MS % INT_MAX) + 1 : 0;
}

enum event events_wait(int64_t until_us)
{
	char byte;

	for (;;) {
		struct pollfd ready = { .fd = pipe_ends[0], .events = POLLIN };
		if (read(pipe_ends[0], &byte, 1) == 1)
			return (enum event)byte;
		int got = poll(&ready, 1, milliseconds_until(until_us));
		if (got == 0)
			return EVENT_TIME;
		if (got < 0 && errno != EINTR)
			return EVENT_STOP;
	}
}
