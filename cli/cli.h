/*
 * What every verb of `restante` shares: options, the lazily opened configuration, directory
 * session and control socket, errors as one line, and the documented exit codes (restante(1)).
 */
#ifndef RESTANTE_CLI_CLI_H
#define RESTANTE_CLI_CLI_H

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

#include "cli/term.h"
#include "lib/config.h"
#include "lib/control.h"
#include "lib/json.h"
#include "lib/ldap_session.h"

enum cli_exit {
	CLI_DONE = 0,
	CLI_FAILED = 1, /* it failed, or something needs attention */
	CLI_USAGE = 2,
	CLI_DOCTOR_ERRORS = 2, /* of `doctor`, which tells warnings (1) from errors */
	CLI_NOTFOUND = 3,
	CLI_REFUSED = 4,   /* not held, not fenced, not drained, exists already, not confirmed */
	CLI_DIRECTORY = 5, /* the directory does not answer */
	CLI_MILTER = 6,    /* restante-milter, or for sync restante-dirsync, does not answer */
	CLI_CONFIG = 78,   /* EX_CONFIG */
};

struct cli {
	const char *config_path;
	bool json, quiet;
	struct term term;
	struct config *config;
	struct ldap_session *session; /* on write_uri */
	struct control_client *control;
	const struct verb *verb; /* the one that runs */
	/* With --json: where complaints go while a list is being made, so that there is one
	 * document. */
	struct json *list;
	const char *subject; /* the address that such a complaint is about */
	const char *place;   /* "FILE:LINE" that complaints begin with, NULL = none */
};

struct verb {
	const char *name;     /* "swap", "queue list" */
	const char *synopsis; /* arguments only */
	const char *summary;  /* one line */
	const char *details;  /* options, a line each; "" where there are none */
	int (*run)(struct cli *cli, int argc, char **argv); /* argv[0] is the verb; exit code */
};

extern const struct verb cli_verbs[]; /* ends with a NULL name */

/* Runs the command line; the exit code. */
int cli_main(int argc, char **argv);

void cli_print_verb(const struct verb *verb, FILE *out);
/*
 * getopt_long with the options that every verb has (--json, --quiet, --help) put behind its own.
 * Returns the option's character, -1 at the end, '?' after a complaint (return CLI_USAGE) and 'h'
 * once help was printed (return CLI_DONE).
 */
int cli_getopt(
	struct cli *cli, int argc, char **argv, const char *letters, const struct option *options);
/* Duration like restante.conf has it ("5s", "10m", "500ms"); -1 after a complaint. */
int cli_duration(struct cli *cli, const char *text, int64_t *us_r);
/* CLI_DONE where it can be an access address, or CLI_USAGE after a complaint. */
int cli_address(struct cli *cli, const char *text);
/* A complaint about the command line: prints it with a pointer to the help; CLI_USAGE. */
int cli_usage(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Opened at first use; CLI_DONE, or the exit code after a complaint. */
int cli_need_config(struct cli *cli);
int cli_need_directory(struct cli *cli);
int cli_need_control(struct cli *cli);
/* What these two open: the administrator's own bind, the milter's control socket. */
struct ldap_options cli_ldap_options(const struct cli *cli);
const char *cli_control_path(const struct cli *cli);

/*
 * One line on standard error, "restante: what; what to do"; with --json the same as an object on
 * standard output. Returns the code.
 */
int cli_fail(struct cli *cli, enum cli_exit code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for a failed directory operation: code and remedy follow from the result. */
int cli_fail_ldap(struct cli *cli, enum ldap_result result, const char *what, const char *reason);

/*
 * Asks the milter, or whoever cli->control is connected to. The reply (the caller's), or NULL after
 * a complaint with *code_r set; a reply with "ok":false is a complaint as well. request is taken.
 */
struct json *cli_ask(struct cli *cli, struct json *request, int *code_r);
/* A request with its command set. */
struct json *cli_request(const char *command);
/* Exit code for the "code" of a refusal. */
int cli_code_of(const char *code);

/* A line for people; nothing with --json or --quiet. */
void cli_say(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The result for programs (taken): indented on a terminal, one line otherwise. Only with --json. */
void cli_give(struct cli *cli, struct json *value);

/*
 * True when --yes was given, or the person at the terminal types "yes". Without a terminal and
 * without --yes: false, after saying so.
 */
bool cli_confirm(struct cli *cli, bool yes, const char *question);

#endif
