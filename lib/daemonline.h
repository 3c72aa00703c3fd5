/*
 * The command line that all daemons have: -c, -t, -f, -V, -h, --dump-config, --pid-file,
 * --ready-fd, and what a program has besides.
 */
#ifndef RESTANTE_LIB_DAEMONLINE_H
#define RESTANTE_LIB_DAEMONLINE_H

#include <stdbool.h>
#include <stddef.h>

/* An option of one program alone; it takes no argument. */
struct daemon_option {
	const char *name; /* "once" */
	bool *set;        /* to true where it is given */
	const char *help; /* lines of the usage, with their line ends; "" = another's tells of it */
};

#define DAEMON_OPTIONS_MAX 8

struct daemon_program {
	const char *name; /* "restante-milter" */
	const char *version;
	const char *synopsis; /* behind the common ones: " [--once]"; may go on in further lines */
	const char *ready;    /* when READY is written: "it works" */
	struct daemon_option own[DAEMON_OPTIONS_MAX + 1]; /* ends with a name of NULL */
};

struct daemon_line {
	const char *config_path; /* CONFIG_DEFAULT_PATH where none is given */
	const char *pid_file;    /* NULL = none */
	int ready_fd;            /* -1 = none */
	bool check, dump;
	int first; /* of argv that is no option */
};

/* -1: go on. Else the exit code: help and version were printed (0), or the usage (64). */
int daemon_line_read(
	const struct daemon_program *program, int argc, char **argv, struct daemon_line *line_r);
/* Prints the usage on standard error; 64. */
int daemon_line_usage(const struct daemon_program *program);

#endif
