#define _GNU_SOURCE
#include "lib/runner.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/runner_internal.h"

#define SLICE     (100 * CLOCK_MS)   /* how often `stop` is looked at */
#define LINGER    (2 * CLOCK_SECOND) /* for output that others hold open */
#define GRACE     (500 * CLOCK_MS)   /* before the guard does what we should have done */
#define LINES_MAX 200                /* of a run, in the log */
#define SAID_MAX  500                /* bytes of one */

struct run {
	const struct runner_options *options;
	struct runner_child child;
	int64_t deadline_us; /* CLOCK_BOOTTIME, 0 = none */
	int64_t mercy;       /* between SIGTERM and SIGKILL */
	int64_t ended_us;    /* monotonic, 0 = it runs */
	bool judged;         /* the outcome is set: we end it */
	struct str line;     /* of standard error */
	unsigned lines;
	struct runner_result *result;
};

/* --- one run ---------------------------------------------------------------------------------- */

static void judge(struct run *run, enum runner_outcome outcome)
{
	run->result->outcome = outcome;
	run->judged = true;
}

/* A whole line of standard error, fit for ours. */
static void end_line(struct run *run)
{
	struct str *line = &run->line;

	for (size_t i = 0; i < line->len; i++)
		if ((unsigned char)line->data[i] < ' ' || line->data[i] == 0x7f)
			line->data[i] = ' ';
		else if (line->data[i] == '"')
			line->data[i] = '\'';
	while (line->len > 0 && line->data[line->len - 1] == ' ')
		line->data[--line->len] = '\0';
	if (line->len > 0) {
		if (++run->lines <= LINES_MAX)
			log_info("command", "it says who=\"%s\" text=\"%s\"", run->options->who,
				line->data);
		str_reset(&run->result->said);
		str_append(&run->result->said, line->data, line->len);
	}
	str_reset(line);
}

static void take_said(struct run *run, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] == '\n')
			end_line(run);
		else if (run->line.len < SAID_MAX)
			str_append_c(&run->line, data[i]);
}

/* What is there now; closes it at its end. False: nothing is there. */
static bool read_some(struct run *run, int *fd)
{
	char buffer[65536];
	ssize_t n = read(*fd, buffer, sizeof(buffer));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		close(*fd);
		*fd = -1;
	} else if (fd == &run->child.said) {
		take_said(run, buffer, (size_t)n);
	} else if (run->options->output != NULL && !run->judged &&
		   run->options->output(run->options->context, buffer, (size_t)n) != 0) {
		judge(run, RUNNER_ENOUGH);
	}
	return n > 0;
}

/* Whether it has ended; it stays a zombie, so that its number stays its own. */
static bool has_ended(struct run *run)
{
	siginfo_t info = { 0 };

	if (run->ended_us == 0 &&
		waitid(P_PID, (id_t)run->child.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
		info.si_pid == run->child.pid) {
		run->ended_us = clock_mono_us();
		if (run->child.gone >= 0)
			close(run->child.gone);
		run->child.gone = -1;
	}
	return run->ended_us != 0;
}

/* Sets an outcome where it may go on no longer. */
static void look_at_limits(struct run *run)
{
	const struct runner_options *options = run->options;
	int64_t now = clock_mono_us();

	if (options->stop != NULL && atomic_load(options->stop))
		judge(run, RUNNER_STOPPED);
	else if (run->deadline_us != 0 && clock_boot_us() >= run->deadline_us)
		judge(run, RUNNER_TOO_LONG);
	else if (run->ended_us != 0 && now >= run->ended_us + LINGER)
		judge(run, RUNNER_LINGERS);
}

static void wait_for_something(const struct run *run, int64_t most_us)
{
	struct pollfd ready[] = {
		{ .fd = run->child.out, .events = POLLIN },
		{ .fd = run->child.said, .events = POLLIN },
		{ .fd = run->child.gone, .events = POLLIN },
	};
	int64_t left = run->deadline_us ? run->deadline_us - clock_boot_us() : most_us;

	if (left > most_us)
		left = most_us;
	if (left > 0)
		poll(ready, 3, (int)((left + CLOCK_MS - 1) / CLOCK_MS));
}

/* Until it has ended and printed all, or must end. */
static void follow(struct run *run)
{
	while (!run->judged) {
		bool ended = has_ended(run);

		if (run->child.said >= 0)
			read_some(run, &run->child.said);
		if (run->child.out >= 0)
			read_some(run, &run->child.out);
		else if (ended)
			break;
		if (!run->judged)
			look_at_limits(run);
		if (!run->judged)
			wait_for_something(run, SLICE);
	}
}

/* Everything of its group; then it is gone. */
static void finish(struct run *run)
{
	int64_t mercy_us = clock_mono_us() + run->mercy;
	int status = 0;

	if (!has_ended(run))
		kill(-run->child.pid, SIGTERM);
	while (!has_ended(run) && clock_mono_us() < mercy_us)
		clock_sleep_us(5 * CLOCK_MS);
	kill(-run->child.pid, SIGKILL);
	guard_forget(run->child.pid);
	while (waitpid(run->child.pid, &status, 0) < 0 && errno == EINTR)
		;
	/* A pipe has room for one read of ours. */
	if (run->child.said >= 0)
		read_some(run, &run->child.said);
	end_line(run);
	if (run->lines > LINES_MAX)
		log_info("command", "it says more lines than are shown who=\"%s\" lines=%u",
			run->options->who, run->lines);
	if (!run->judged)
		judge(run, WIFEXITED(status) ? RUNNER_EXITED : RUNNER_SIGNALED);
	run->result->status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
}

static void close_all(struct run *run)
{
	int *fds[] = { &run->child.out, &run->child.said, &run->child.gone };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (*fds[i] >= 0)
			close(*fds[i]);
	str_free(&run->line);
}

int64_t runner_mercy_us(int64_t time_limit)
{
	return time_limit > 0 && time_limit / 2 < RUNNER_MERCY ? time_limit / 2 : RUNNER_MERCY;
}

int64_t runner_end_us(int64_t time_limit)
{
	return time_limit + runner_mercy_us(time_limit) + GRACE;
}

static int64_t deadline_of(const struct runner_options *options)
{
	int64_t limit = options->time_limit, until = options->until_us;
	int64_t deadline = limit > 0 ? clock_boot_us() + limit : 0;

	return until != 0 && (deadline == 0 || until < deadline) ? until : deadline;
}

void runner_run(const struct runner_options *options, struct runner_result *result_r)
{
	struct run run = { .options = options, .result = result_r };
	const struct words *words = options->words;
	struct words split = { NULL, 0 };
	const char *error;

	*result_r = (struct runner_result){ .outcome = RUNNER_NO_START, .said = STR_INIT };
	if (words == NULL && words_split(options->command, &split, &error) != 0) {
		str_append_z(&result_r->said, error);
		return;
	}
	run.deadline_us = deadline_of(options);
	run.mercy = runner_mercy_us(options->time_limit);
	int64_t end_us = run.deadline_us != 0 ? run.deadline_us + run.mercy + GRACE : 0;
	result_r->status = runner_spawn(words != NULL ? words : &split, options->environment,
		options->input, run.deadline_us, end_us, &run.child);
	words_free(&split);
	if (result_r->status == ETIME)
		judge(&run, RUNNER_TOO_LONG);
	if (result_r->status != 0)
		return;
	guard_remember(run.child.pid, end_us);
	follow(&run);
	finish(&run);
	close_all(&run);
}

bool runner_succeeded(const struct runner_result *result)
{
	return result->outcome == RUNNER_EXITED && result->status == 0;
}

static void put_said(const struct runner_result *result, struct str *out)
{
	if (result->said.len > 0)
		str_printf(out, ": %s", result->said.data);
}

void runner_reason(const struct runner_result *result, struct str *out)
{
	switch (result->outcome) {
	case RUNNER_EXITED: str_printf(out, "ended with status %d", result->status); break;
	case RUNNER_SIGNALED:
		str_printf(
			out, "ended by signal %d (%s)", result->status, strsignal(result->status));
		break;
	case RUNNER_NO_START:
		str_append_z(out, "cannot be started");
		if (result->status != 0)
			str_printf(out, ": %s", strerror(result->status));
		break;
	case RUNNER_TOO_LONG:
		str_append_z(out, "took longer than its time limit and was ended");
		break;
	case RUNNER_STOPPED: str_append_z(out, "was ended, since we stop"); return;
	case RUNNER_ENOUGH: str_append_z(out, "was ended, since its output cannot be used"); return;
	case RUNNER_LINGERS:
		str_append_z(out, "ended, but what it had started keeps its output open");
		break;
	}
	put_said(result, out);
}

void runner_result_free(struct runner_result *result)
{
	str_free(&result->said);
}
