/*
 * Runs a program: without a shell (lib/words.h), in a session of its own, in /, with an environment
 * of PATH, LANG=C.UTF-8, HOME, USER, LOGNAME, TZ and TMPDIR, with no descriptor of ours but its
 * standard ones. What it says on standard error goes to the log, line by line. What is left of its
 * process group when it ends, or must end, is killed; so it is when we are killed ourselves, or
 * stopped beyond its time limit: a process of ours beside us, the guard, does it then. What runs as
 * another user (sudo) can be killed by neither. Thread-safe: many may run at once.
 *
 * A command without a slash is looked for in RUNNER_PATH, whatever PATH we have.
 */
#ifndef RESTANTE_LIB_RUNNER_H
#define RESTANTE_LIB_RUNNER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/str.h"
#include "lib/words.h"

/* Between SIGTERM and SIGKILL at most, microseconds. */
#define RUNNER_MERCY INT64_C(2000000)
#define RUNNER_PATH  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct runner_options {
	const char *command;
	const struct words *words; /* the same in words: instead of it, where it is not NULL */
	const char *who;           /* for the log: "up S1" */
	/* Further variables, "NAME=value", none of those above; NULL behind the last; or NULL. */
	const char *const *environment;
	int input;               /* its standard input, from where that stands; -1: nothing */
	int64_t time_limit;      /* microseconds, sleep of the machine included; 0 = none */
	int64_t until_us;        /* CLOCK_BOOTTIME: it is not begun later, nor runs on; 0 = none */
	const atomic_bool *stop; /* asked ten times a second; or NULL */
	/* What it prints, in pieces; NULL: dropped. -1: it must end, we have enough. */
	int (*output)(void *context, const char *data, size_t len);
	void *context;
};

enum runner_outcome {
	RUNNER_EXITED,   /* by itself; status */
	RUNNER_SIGNALED, /* by a signal that was none of ours: status */
	RUNNER_NO_START, /* status: errno; 0: the command is not understood */
	RUNNER_TOO_LONG, /* the time limit, or until_us */
	RUNNER_STOPPED,
	RUNNER_ENOUGH,
	RUNNER_LINGERS, /* it ended, but what it had started kept its output open: not complete */
};

struct runner_result {
	enum runner_outcome outcome;
	int status;
	struct str said; /* the last line on standard error; of RUNNER_NO_START with 0: why */
};

/* Returns when the program is gone. All that it printed was given to `output` then. */
void runner_run(const struct runner_options *options, struct runner_result *result_r);
/* It ended by itself, with status 0. */
bool runner_succeeded(const struct runner_result *result);
/* Appends one line: "ended with status 1: no such user". */
void runner_reason(const struct runner_result *result, struct str *out);
void runner_result_free(struct runner_result *result);
/* Half of a time limit that is shorter than twice RUNNER_MERCY. */
int64_t runner_mercy_us(int64_t time_limit);
/* How long after its start it is gone for sure, whatever happens to us. */
int64_t runner_end_us(int64_t time_limit);
/* Starts the guard, which the first program would do: 0, or errno. It is a fork of this process, so
 * as long as that is small. */
int runner_guard_start(void);
/* Kills all programs that run: by a process that ends at once. */
void runner_kill_all(void);

#endif
