#define _GNU_SOURCE
#include "doctor/command.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"

#define SBIN            "/usr/local/sbin:/usr/sbin:/sbin"
#define EXIT_CANNOT_RUN 127
#define EXIT_CANNOT_BE  126
#define PATH_LONGEST    4096

static int become(const struct identity *who)
{
	if (who == NULL || geteuid() != 0)
		return 0;
	if (setgroups((size_t)who->group_count, who->groups) < 0 ||
		setresgid(who->gid, who->gid, who->gid) < 0)
		return -1;
	return setresuid(who->uid, who->uid, who->uid);
}

/* An administrator's PATH may lack the folders of the MTA's tools. */
static void widen_path(void)
{
	const char *path = getenv("PATH");
	char wide[PATH_LONGEST];
	int len = snprintf(wide, sizeof(wide), "%s:" SBIN, path != NULL ? path : "/usr/bin:/bin");

	if (len > 0 && (size_t)len < sizeof(wide))
		setenv("PATH", wide, 1);
}

_Noreturn static void be_child(const struct command *command, int in, int out, int said)
{
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(said, STDERR_FILENO);
	setpgid(0, 0);
	signal(SIGPIPE, SIG_DFL);
	widen_path();
	if (command->no_new_privileges)
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (become(command->identity) < 0)
		_exit(EXIT_CANNOT_BE);
	execvp(command->argv[0], (char *const *)(uintptr_t)command->argv);
	_exit(EXIT_CANNOT_RUN);
}

/* True once the output has ended; false where time or room are over. */
static bool read_all(int fd, int64_t deadline_us, struct str *out)
{
	char buffer[16384];

	for (;;) {
		int64_t left = deadline_us - clock_mono_us();
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		int n = left > 0 ? poll(&ready, 1, (int)(left / CLOCK_MS) + 1) : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		ssize_t got = read(fd, buffer, sizeof(buffer));
		if (got <= 0)
			return got == 0;
		if (out->len + (size_t)got > COMMAND_OUTPUT_MAX)
			return false;
		str_append(out, buffer, (size_t)got);
	}
}

static int end(pid_t pid, bool ended, struct str *error_r)
{
	int status = 0;

	if (!ended)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!ended)
		str_append_z(error_r, "it took too long or said too much");
	else if (WIFEXITED(status))
		return WEXITSTATUS(status);
	else
		str_printf(error_r, "it was ended by signal %d", WTERMSIG(status));
	return -1;
}

/* A memory file with the text, at its beginning. */
static int file_of(const char *text)
{
	int fd = memfd_create("restante-doctor", MFD_CLOEXEC);
	size_t len = text != NULL ? strlen(text) : 0;

	if (fd >= 0 && write(fd, text != NULL ? text : "", len) != (ssize_t)len)
		len = 0;
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

static void take_last_line(int said, struct str *error_r)
{
	char text[1024];
	off_t size = lseek(said, 0, SEEK_END);
	off_t from = size > (off_t)sizeof(text) - 1 ? size - (off_t)sizeof(text) + 1 : 0;
	ssize_t got = size > 0 ? pread(said, text, sizeof(text) - 1, from) : 0;

	while (got > 0 && strchr("\r\n", text[got - 1]) != NULL)
		got--;
	if (got <= 0)
		return;
	text[got] = '\0';
	const char *line = strrchr(text, '\n');
	str_reset(error_r);
	str_append_z(error_r, line != NULL ? line + 1 : text);
}

static int run(const struct command *command, int in, int said, struct str *out, struct str *error)
{
	int64_t deadline_us = clock_mono_us() + command->timeout_us;
	int ends[2];

	if (in < 0 || said < 0 || pipe2(ends, O_CLOEXEC) < 0) {
		str_append_z(error, strerror(errno));
		return -1;
	}
	pid_t pid = fork();
	if (pid == 0)
		be_child(command, in, ends[1], said);
	close(ends[1]);
	int status = -1;
	if (pid < 0)
		str_append_z(error, strerror(errno));
	else
		status = end(pid, read_all(ends[0], deadline_us, out), error);
	close(ends[0]);
	return status;
}

int command_run(const struct command *command, struct str *out, struct str *error_r)
{
	int in = file_of(command->input), said = file_of(NULL);

	str_reset(out);
	str_reset(error_r);
	int status = run(command, in, said, out, error_r);
	if (status == EXIT_CANNOT_RUN || status == EXIT_CANNOT_BE) {
		str_printf(error_r, "%s cannot be run", command->argv[0]);
		status = -1;
	}
	if (said >= 0)
		take_last_line(said, error_r);
	if (in >= 0)
		close(in);
	if (said >= 0)
		close(said);
	return status;
}
