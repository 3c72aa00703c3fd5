/*
 * What a check has to say: findings, a line each, with the remedy. Nothing found is "ok"; what
 * cannot be looked at from here, or by this user, is a finding as well, never "ok".
 */
#ifndef RESTANTE_DOCTOR_REPORT_H
#define RESTANTE_DOCTOR_REPORT_H

#include <stddef.h>

/* In the order in which they count. */
enum doctor_severity { DOCTOR_OK, DOCTOR_UNSEEN, DOCTOR_WARNING, DOCTOR_ERROR };

struct doctor_finding {
	const char *check; /* id, static text */
	enum doctor_severity severity;
	char *what, *remedy;
};

struct doctor_report {
	const char *check; /* the one that runs */
	struct doctor_finding *findings;
	size_t count;
};

/* Between what is wrong and what to do about it, in one format. */
#define REMEDY "\n"

#define REPORT_PRINTF_ __attribute__((format(printf, 2, 3)))
void report_error(struct doctor_report *report, const char *format, ...) REPORT_PRINTF_;
void report_warning(struct doctor_report *report, const char *format, ...) REPORT_PRINTF_;
void report_unseen(struct doctor_report *report, const char *format, ...) REPORT_PRINTF_;

const char *doctor_severity_name(enum doctor_severity severity); /* "ok", "unseen", ... */
enum doctor_severity report_worst(const struct doctor_report *report);
size_t report_count(const struct doctor_report *report, enum doctor_severity severity);
void report_free(struct doctor_report *report);

#endif
