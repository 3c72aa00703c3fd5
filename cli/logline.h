/*
 * One line of a log, whoever wrote it: our own file, syslog with either kind of time stamp, or the
 * journal. Pure; whatever a line holds, nothing outside of it is read.
 */
#ifndef RESTANTE_CLI_LOGLINE_H
#define RESTANTE_CLI_LOGLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOGLINE_PROGRAM 64
#define LOGLINE_VALUE   512 /* size of a buffer for a value; longer ones are cut */

struct logline {
	int64_t time_us; /* wall clock */
	bool coarse;     /* the stamp has whole seconds only */
	char program[LOGLINE_PROGRAM];
	int pid;           /* 0 = not given */
	const char *level; /* of our own lines: "error", ...; else "" */
	const char *text;  /* points into the line; in our own lines what follows the level */
};

/*
 * now_us: for stamps without a year, which are in local time and not in the future.
 * False: it is no such line.
 */
bool logline_parse(const char *line, int64_t now_us, struct logline *line_r);
/* A record of `journalctl -o json`, one line; memory_r is the caller's, text points into it. */
bool logline_parse_journal(const char *text, size_t len, struct logline *line_r, char **memory_r);

/* Whether one of our daemons wrote it. */
bool logline_is_ours(const struct logline *line);

/*
 * The value of key=VALUE in one of our lines; quotes around it are left out, and what is within
 * quotes is never taken for a key. NULL where there is none.
 */
const char *logline_value(const struct logline *line, const char *key, char buffer[LOGLINE_VALUE]);
/* The same in a line of the MTA: "4XYZ: to=<anna@example.org>, relay=...", without <>. The next one
 * after *cursor, which is NULL at first. */
const char *logline_mta_value(const struct logline *line, const char *key, const char **cursor,
	char buffer[LOGLINE_VALUE]);
/* The MTA's queue id that such a line begins with, or NULL. */
const char *logline_queue_id(const struct logline *line, char buffer[LOGLINE_VALUE]);
/* The queue id under which the next MTA took the message ("queued as 4XYZ"), or NULL. */
const char *logline_queued_as(const struct logline *line, char buffer[LOGLINE_VALUE]);

#endif
