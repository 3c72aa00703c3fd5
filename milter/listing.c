#define _GNU_SOURCE
#include "milter/listing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"

#define WORDS_MAX 64

extern char **environ;

/* Splits at blanks; the words point into copy. */
static void split(char *copy, char **words)
{
	size_t count = 0;
	char *rest = NULL;

	for (char *word = strtok_r(copy, " \t", &rest); word != NULL && count < WORDS_MAX - 1;
		word = strtok_r(NULL, " \t", &rest))
		words[count++] = word;
	words[count] = NULL;
}

static int spawn(char **words, int out, int said, pid_t *pid_r)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (said >= 0)
		posix_spawn_file_actions_adddup2(&actions, said, STDERR_FILENO);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(
		&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	int fault = posix_spawnp(pid_r, words[0], &actions, &attr, words, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return fault;
}

static int start(const char *command, int out, int said, pid_t *pid_r)
{
	char *words[WORDS_MAX];
	char *copy = mem_strdup(command);

	if (strpbrk(command, "|&;<>()$`\\\"'*?[#~=%\n") != NULL) {
		words[0] = (char *)"/bin/sh";
		words[1] = (char *)"-c";
		words[2] = copy;
		words[3] = NULL;
	} else {
		split(copy, words);
	}
	int fault = words[0] ? spawn(words, out, said, pid_r) : ENOENT;
	mem_free(&copy);
	return fault;
}

/* How long one run may still take. */
struct limit {
	int64_t deadline_us;
	const atomic_bool *cancelled;
};

#define SLICE (100 * CLOCK_MS)

/* Milliseconds to wait in one go, for poll; 0 once it is over. */
static int left(const struct limit *limit)
{
	int64_t us = limit->deadline_us - clock_mono_us();

	if (limit->cancelled != NULL && atomic_load(limit->cancelled))
		return 0;
	if (us > SLICE)
		us = SLICE;
	return us > 0 ? (int)(us / CLOCK_MS + 1) : 0;
}

/* Reads to the end of the output. -1 with *error_r. */
static int read_all(int fd, const struct limit *limit, struct mtaqueue *queue, const char **error_r)
{
	char buffer[16384];

	for (;;) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		int wait = left(limit);
		int n = wait ? poll(&ready, 1, wait) : 0;
		if (wait && (n == 0 || (n < 0 && errno == EINTR)))
			continue;
		if (n <= 0) {
			*error_r = n < 0 ? strerror(errno) : "it took too long";
			return -1;
		}
		ssize_t got = read(fd, buffer, sizeof buffer);
		if (got < 0) {
			*error_r = strerror(errno);
			return -1;
		}
		if (got == 0)
			return 0;
		if (mtaqueue_feed(queue, buffer, (size_t)got, error_r) < 0)
			return -1;
	}
}

/* Its output is closed, so it ends at once, or is ended when the time is up. */
static int reap(pid_t pid, const struct limit *limit, bool kill_now, struct str *error_r)
{
	int status = 0, got;

	if (kill_now)
		kill(-pid, SIGKILL);
	while ((got = waitpid(pid, &status, kill_now ? 0 : WNOHANG)) == 0) {
		if (left(limit) == 0) {
			kill(-pid, SIGKILL);
			kill_now = true;
		} else {
			clock_sleep_us(CLOCK_MS);
		}
	}
	if (kill_now)
		return -1;
	if (got == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		str_printf(error_r, "it was ended by signal %d", WTERMSIG(status));
	else
		str_printf(error_r, "its exit status was %d", WEXITSTATUS(status));
	return -1;
}

static long collect(
	pid_t pid, int fd, const struct limit *limit, struct mtaqueue *queue, struct str *error_r)
{
	const char *error = "it took too long";
	long files = read_all(fd, limit, queue, &error);

	if (reap(pid, limit, files < 0, error_r) < 0 && files == 0) {
		if (error_r->len == 0)
			str_append_z(error_r, error);
		return -1;
	}
	if (files == 0)
		files = mtaqueue_finish(queue, &error);
	if (files < 0)
		str_append_z(error_r, error);
	return files;
}

/* The last line of what it said on standard error, so that one line tells what is wrong. */
static void quote_said(int said, struct str *error_r)
{
	char text[512];
	off_t size = lseek(said, 0, SEEK_END);
	off_t from = size > (off_t)sizeof text - 1 ? size - (off_t)sizeof text + 1 : 0;
	ssize_t got = size > 0 ? pread(said, text, sizeof text - 1, from) : 0;

	while (got > 0 && strchr("\r\n", text[got - 1]) != NULL)
		got--;
	if (got <= 0)
		return;
	text[got] = '\0';
	const char *line = strrchr(text, '\n');
	str_printf(error_r, ": %s", line != NULL ? line + 1 : text);
}

static long run_listing(const char *command, const struct limit *limit, int said,
	struct mtaqueue *queue, struct str *error_r)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		str_append_z(error_r, strerror(errno));
		return -1;
	}
	int fault = start(command, ends[1], said, &pid);
	close(ends[1]);
	long files = fault ? -1 : collect(pid, ends[0], limit, queue, error_r);
	if (fault)
		str_append_z(error_r, strerror(fault));
	close(ends[0]);
	return files;
}

long listing_run(const char *command, int64_t timeout_us, const atomic_bool *cancelled,
	mtaqueue_recipient callback, void *context, struct str *error_r)
{
	struct limit limit = { clock_mono_us() + timeout_us, cancelled };
	struct mtaqueue *queue = mtaqueue_new(callback, context);
	int said = memfd_create("listing", MFD_CLOEXEC);

	str_reset(error_r);
	long files = run_listing(command, &limit, said, queue, error_r);
	if (files < 0 && said >= 0)
		quote_said(said, error_r);
	if (said >= 0)
		close(said);
	mtaqueue_free(&queue);
	return files;
}
