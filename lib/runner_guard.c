/*
 * The guard: a process beside ours that ends what we have started when we are gone, killed for
 * instance, or do not come to it in time, stopped for instance. It is told of each program by the
 * program's own process right before it becomes that program, so there is none that it does not
 * know; and that we are gone by the end of a socket that nobody else has.
 *
 * It was forked, maybe with threads around: it calls what is async-signal-safe alone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/runner.h"
#include "lib/runner_internal.h"

#define GROUPS_MAX 4096 /* more than may run at once by far */
#define DYING_LOOK (10 * CLOCK_MS)

/* What it is told; both numbers of the kernel. */
struct word {
	pid_t group;
	bool gone;      /* to be forgotten: its number may be another's soon */
	int64_t end_us; /* CLOCK_BOOTTIME: it is killed then, 0 = never */
};

/* --- the guard's side ------------------------------------------------------------------------- */

static struct word guarded[GROUPS_MAX];
static size_t guarded_count;

static void take_word(const struct word *word)
{
	for (size_t i = 0; i < guarded_count; i++)
		if (guarded[i].group == word->group)
			guarded[i--] = guarded[--guarded_count];
	if (!word->gone && guarded_count < GROUPS_MAX)
		guarded[guarded_count++] = *word;
}

static void kill_late(void)
{
	int64_t now = clock_boot_us();

	for (size_t i = 0; i < guarded_count; i++)
		if (guarded[i].end_us != 0 && now >= guarded[i].end_us) {
			kill(-guarded[i].group, SIGKILL);
			guarded[i].end_us = 0;
		}
}

/* Milliseconds until the next one is late; -1: none will be. */
static int patience(void)
{
	int64_t next_us = INT64_MAX, left;

	for (size_t i = 0; i < guarded_count; i++)
		if (guarded[i].end_us != 0 && guarded[i].end_us < next_us)
			next_us = guarded[i].end_us;
	if (next_us == INT64_MAX)
		return -1;
	left = next_us - clock_boot_us();
	if (left > 3600 * CLOCK_SECOND)
		left = 3600 * CLOCK_SECOND;
	return left > 0 ? (int)(left / CLOCK_MS) + 1 : 0;
}

/* Those of which something is left. */
static void signal_all(int number)
{
	for (size_t i = 0; i < guarded_count; i++)
		if (kill(-guarded[i].group, number) != 0 && errno == ESRCH)
			guarded[i--] = guarded[--guarded_count];
}

static void end_all(void)
{
	int64_t until = clock_mono_us() + RUNNER_MERCY;

	signal_all(SIGTERM);
	while (guarded_count > 0 && clock_mono_us() < until) {
		clock_sleep_us(DYING_LOOK);
		signal_all(0);
	}
	signal_all(SIGKILL);
}

/* Until the other end is closed. */
static void guard(int from)
{
	struct pollfd ready = { .fd = from, .events = POLLIN };
	struct word word;

	for (;;) {
		if (poll(&ready, 1, patience()) > 0) {
			ssize_t n = recv(from, &word, sizeof(word), 0);

			if (n == 0 || (n < 0 && errno != EINTR))
				break;
			if (n == (ssize_t)sizeof(word))
				take_word(&word);
		}
		kill_late();
	}
	end_all();
}

/* A service manager that ends all processes of ours at once must not end this one first. */
static void become_guard(int from)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "restante-guard");
	if (chdir("/") != 0 || dup2(from, 0) != 0)
		_exit(1);
	closefrom(1);
	guard(0);
	_exit(0);
}

/* --- our side --------------------------------------------------------------------------------- */

static struct {
	pthread_mutex_t lock;
	pid_t pid; /* 0 = none yet */
	int to;
	struct word *living;
	size_t count;
} ours = { .lock = PTHREAD_MUTEX_INITIALIZER, .to = -1 };

static bool tell(int to, const struct word *word)
{
	ssize_t n;

	do
		n = send(to, word, sizeof(*word), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*word);
}

static bool is_alive(void)
{
	char byte;

	return ours.to >= 0 && recv(ours.to, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       (errno == EAGAIN || errno == EINTR);
}

static void bury(void)
{
	if (ours.to >= 0)
		close(ours.to);
	ours.to = -1;
	if (ours.pid > 0)
		while (waitpid(ours.pid, NULL, 0) < 0 && errno == EINTR)
			;
	ours.pid = 0;
}

/* A process that is forked from ours, not ours any more: it gets a guard of its own. */
static void leave_to_parent(void)
{
	if (ours.to >= 0)
		close(ours.to);
	ours.to = -1;
	ours.pid = 0;
	ours.count = 0;
	mem_free(&ours.living);
	pthread_mutex_init(&ours.lock, NULL);
}

static void at_fork(void)
{
	pthread_atfork(NULL, NULL, leave_to_parent);
}

/* 0, or errno. */
static int start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int ends[2], fault = 0;

	pthread_once(&once, at_fork);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return errno;
	pid_t pid = fork();
	if (pid == 0)
		become_guard(ends[1]);
	if (pid < 0)
		fault = errno;
	close(ends[1]);
	if (fault != 0) {
		close(ends[0]);
		return fault;
	}
	ours.pid = pid;
	ours.to = ends[0];
	for (size_t i = 0; i < ours.count; i++)
		tell(ours.to, &ours.living[i]);
	return 0;
}

int guard_hold(int *to_r)
{
	int fault = 0;

	pthread_mutex_lock(&ours.lock);
	if (!is_alive()) {
		bury();
		fault = start();
	}
	*to_r = ours.to;
	pthread_mutex_unlock(&ours.lock);
	return fault;
}

int runner_guard_start(void)
{
	int to;

	return guard_hold(&to);
}

int guard_watch(int to, pid_t group, int64_t end_us)
{
	struct word word;

	memset(&word, 0, sizeof(word));
	word.group = group;
	word.end_us = end_us;
	return tell(to, &word) ? 0 : errno;
}

void guard_remember(pid_t group, int64_t end_us)
{
	pthread_mutex_lock(&ours.lock);
	ours.living = mem_grow(ours.living, ours.count + 1, sizeof(*ours.living));
	memset(&ours.living[ours.count], 0, sizeof(*ours.living));
	ours.living[ours.count].group = group;
	ours.living[ours.count++].end_us = end_us;
	pthread_mutex_unlock(&ours.lock);
}

void guard_forget(pid_t group)
{
	struct word word;

	memset(&word, 0, sizeof(word));
	word.group = group;
	word.gone = true;
	pthread_mutex_lock(&ours.lock);
	for (size_t i = 0; i < ours.count; i++)
		if (ours.living[i].group == group)
			ours.living[i--] = ours.living[--ours.count];
	if (ours.count == 0)
		mem_free(&ours.living);
	if (ours.to >= 0)
		tell(ours.to, &word);
	pthread_mutex_unlock(&ours.lock);
}

void runner_kill_all(void)
{
	pthread_mutex_lock(&ours.lock);
	for (size_t i = 0; i < ours.count; i++)
		kill(-ours.living[i].group, SIGKILL);
	pthread_mutex_unlock(&ours.lock);
}
