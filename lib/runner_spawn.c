#define _GNU_SOURCE
#include "lib/runner_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/runner.h"

static const char *const kept[] = { "HOME", "USER", "LOGNAME", "TZ", "TMPDIR" };

/* NULL-terminated. */
static char **environment_new(const char *const *further)
{
	struct words list = { NULL, 0 };
	size_t most = 3 + sizeof(kept) / sizeof(kept[0]);

	for (const char *const *f = further; f != NULL && *f != NULL; f++)
		most++;
	list.list = mem_grow(NULL, most, sizeof(*list.list));
	list.list[list.count++] = mem_strdup("PATH=" RUNNER_PATH);
	list.list[list.count++] = mem_strdup("LANG=C.UTF-8");
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (getenv(kept[i]) != NULL)
			list.list[list.count++] = mem_printf("%s=%s", kept[i], getenv(kept[i]));
	for (; further != NULL && *further != NULL; further++)
		list.list[list.count++] = mem_strdup(*further);
	list.list[list.count] = NULL;
	return list.list;
}

static void environment_free(char ***environment)
{
	for (char **name = *environment; *name != NULL; name++)
		mem_free(name);
	mem_free(environment);
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* Where the command is; NULL: nowhere. The caller frees. */
static char *find(const char *command)
{
	const char *dir = RUNNER_PATH;

	if (strchr(command, '/') != NULL)
		return mem_strdup(command);
	for (;;) {
		size_t len = strcspn(dir, ":");
		char *path = mem_printf("%.*s/%s", (int)len, dir, command);

		if (is_program(path))
			return path;
		mem_free(&path);
		if (dir[len] == '\0')
			return NULL;
		dir += len + 1;
	}
}

/* --- the process between ours and the program ------------------------------------------------- */

#define STACK 65536

struct start {
	const char *path;
	char **words, **environment;
	int input, out, said, guard;
	int64_t latest_us, end_us;
	int *fault; /* errno; 0: it has become the program */
};

static void signals_default(void)
{
	const struct sigaction plain = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		sigaction(number, &plain, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool standard_ones(const struct start *s)
{
	int input = s->input >= 0 ? s->input : open("/dev/null", O_RDONLY);

	return input >= 0 && dup2(input, STDIN_FILENO) >= 0 && dup2(s->out, STDOUT_FILENO) >= 0 &&
	       dup2(s->said, STDERR_FILENO) >= 0;
}

/* The guard knows of it before it does anything. Returns errno where it stays what it is. */
static int become(const struct start *s)
{
	int fault;

	/* A session of its own: no terminal that it could ask, and a group to kill. */
	if (setsid() < 0)
		return errno;
	if ((fault = guard_watch(s->guard, getpid(), s->end_us)) != 0)
		return fault;
	if (!standard_ones(s) || chdir("/") != 0)
		return errno;
	/* Sockets of libraries are not all closed by exec. */
	closefrom(STDERR_FILENO + 1);
	signals_default();
	if (s->latest_us != 0 && clock_boot_us() >= s->latest_us)
		return ETIME;
	execve(s->path, s->words, s->environment);
	return errno;
}

static int child(void *context)
{
	struct start *s = context;

	*s->fault = become(s);
	_exit(127);
}

/* As posix_spawn(3) does it: the child has our memory and a stack of its own until it is the
 * program, and this thread waits so long; so it costs the same however large we are.
 * ThreadSanitizer would take it for the thread that waits: it gets a copy there. */
#ifdef __SANITIZE_THREAD__
#define CHILD (CLONE_VFORK | SIGCHLD)
#else
#define CHILD (CLONE_VM | CLONE_VFORK | SIGCHLD)
#endif

static int spawn(struct start *s, pid_t *pid_r)
{
	/* of both, copy or not: the stack, and at its far end the fault */
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sigset_t all, before;
	int fault;

	if (stack == MAP_FAILED)
		return errno;
	s->fault = (int *)(void *)stack;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* no handler of ours runs in the child */
	*pid_r = clone(child, stack + STACK, CHILD, s);
	fault = *pid_r < 0 ? errno : *s->fault;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	munmap(stack, STACK);
	if (*pid_r > 0 && fault != 0) {
		guard_forget(*pid_r);
		while (waitpid(*pid_r, NULL, 0) < 0 && errno == EINTR)
			;
	}
	return fault;
}

/* --- its surroundings ------------------------------------------------------------------------- */

static int gone_open(pid_t pid)
{
#ifdef SYS_pidfd_open
	return (int)syscall(SYS_pidfd_open, pid, 0);
#else
	(void)pid;
	return -1;
#endif
}

/* Our end does not block, and nobody inherits either. */
static int pipe_open(int ends_r[2])
{
	if (pipe2(ends_r, O_CLOEXEC) != 0)
		return errno;
	if (fcntl(ends_r[0], F_SETFL, O_NONBLOCK) == 0)
		return 0;
	close(ends_r[0]);
	close(ends_r[1]);
	return EIO;
}

static int start(struct start *s, struct runner_child *child_r)
{
	int out[2], said[2], fault;

	if ((fault = pipe_open(out)) != 0)
		return fault;
	if ((fault = pipe_open(said)) != 0) {
		close(out[0]);
		close(out[1]);
		return fault;
	}
	s->out = out[1];
	s->said = said[1];
	fault = spawn(s, &child_r->pid);
	close(out[1]);
	close(said[1]);
	if (fault != 0) {
		close(out[0]);
		close(said[0]);
		return fault;
	}
	child_r->out = out[0];
	child_r->said = said[0];
	child_r->gone = gone_open(child_r->pid);
	return 0;
}

int runner_spawn(const struct words *words, const char *const *environment, int input,
	int64_t latest_us, int64_t end_us, struct runner_child *child_r)
{
	struct start s = {
		.words = words->list, .input = input, .latest_us = latest_us, .end_us = end_us
	};
	char *path = find(words->list[0]);
	int fault;

	if (path == NULL)
		return ENOENT;
	s.path = path;
	s.environment = environment_new(environment);
	if ((fault = guard_hold(&s.guard)) == 0)
		fault = start(&s, child_r);
	environment_free(&s.environment);
	mem_free(&path);
	return fault;
}
