/* Runs a tool of the MTA, bounded in time and output. */
#ifndef RESTANTE_DOCTOR_COMMAND_H
#define RESTANTE_DOCTOR_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "doctor/identity.h"
#include "lib/str.h"

#define COMMAND_OUTPUT_MAX (16u << 20)

struct command {
	const char *const *argv; /* NULL-terminated; looked up in PATH and the sbin folders */
	const char *input;       /* standard input; NULL = none */
	const struct identity *identity; /* become that one (we are root); NULL = stay */
	bool no_new_privileges;          /* as a service manager may run the daemon */
	int64_t timeout_us;
};

/*
 * Its exit status, its output in out (binary zeros never come). -1: it could not be run, was
 * killed, took too long or said too much. error_r: the last line that it wrote to standard error,
 * or why.
 */
int command_run(const struct command *command, struct str *out, struct str *error_r);

#endif
