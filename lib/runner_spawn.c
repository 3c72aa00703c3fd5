#define _GNU_SOURCE
#include "lib/runner_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

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

static void attributes_init(posix_spawnattr_t *attr)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(attr);
	/* A session of its own: no terminal that it could ask, and a group to kill. */
	posix_spawnattr_setflags(
		attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setsigdefault(attr, &all);
}

static void actions_init(posix_spawn_file_actions_t *actions, int input, int out, int said)
{
	posix_spawn_file_actions_init(actions);
	if (input < 0)
		posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	else
		posix_spawn_file_actions_adddup2(actions, input, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(actions, said, STDERR_FILENO);
	/* Sockets of libraries are not all closed by exec. */
	posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
	posix_spawn_file_actions_addchdir_np(actions, "/");
}

static int spawn(const char *path, char **words, char **environment, int input, int out, int said,
	pid_t *pid_r)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;

	actions_init(&actions, input, out, said);
	attributes_init(&attr);
	int fault = posix_spawn(pid_r, path, &actions, &attr, words, environment);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return fault;
}

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

static int start(
	const char *path, char **words, char **environment, int input, struct runner_child *child_r)
{
	int out[2], said[2], fault;

	if ((fault = pipe_open(out)) != 0)
		return fault;
	if ((fault = pipe_open(said)) != 0) {
		close(out[0]);
		close(out[1]);
		return fault;
	}
	fault = spawn(path, words, environment, input, out[1], said[1], &child_r->pid);
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
	struct runner_child *child_r)
{
	char *path = find(words->list[0]);
	char **variables;
	int fault;

	if (path == NULL)
		return ENOENT;
	variables = environment_new(environment);
	fault = start(path, words->list, variables, input, child_r);
	environment_free(&variables);
	mem_free(&path);
	return fault;
}
