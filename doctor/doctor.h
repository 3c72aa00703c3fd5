/*
 * `restante doctor`: gathers facts, runs the checks that are wanted, hands each result over. The
 * command line and the screen are cli/doctor.c.
 */
#ifndef RESTANTE_DOCTOR_DOCTOR_H
#define RESTANTE_DOCTOR_DOCTOR_H

#include "doctor/checks.h"

/* Which checks: ids, or groups of them ("mta"); nothing in `only` = all. */
struct doctor_choice {
	struct strings only, skip;
};

bool doctor_is_chosen(const struct doctor_choice *choice, const char *id);
/* Whether there is such an id or group. */
bool doctor_knows(const char *name);

typedef void (*doctor_list_callback)(void *context, const struct doctor_check *check);
/* Every check there is, of each MTA; an id once. */
void doctor_list(doctor_list_callback callback, void *context);

/*
 * Gathers what the chosen checks need. facts: config or config_error, config_path, now_us, status
 * or status_error, attention and others are the caller's.
 */
void doctor_gather(struct facts *facts, const struct gather_options *options,
	const struct doctor_choice *choice);

enum doctor_result { DOCTOR_RAN, DOCTOR_NOT_LOOKED_AT /* what it needs is missing */ };
/* Called after each chosen check; its findings are the last ones of the report. */
typedef void (*doctor_callback)(void *context, const struct doctor_check *check,
	enum doctor_result result, const struct doctor_report *report, size_t first);

/* Pure. */
void doctor_run(const struct facts *facts, const struct doctor_choice *choice,
	struct doctor_report *report, doctor_callback callback, void *context);

#endif
