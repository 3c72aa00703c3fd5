/* The table of checks: a stable id, what it looks at, what it needs, and a pure function. */
#ifndef RESTANTE_DOCTOR_CHECKS_H
#define RESTANTE_DOCTOR_CHECKS_H

#include "doctor/facts.h"
#include "doctor/report.h"

/* What must have been gathered; where it was not, another check has said why. */
#define NEED_CONFIG     1u
#define NEED_DIRECTORY  2u
#define NEED_SETTINGS   4u /* cn=config */
#define NEED_FEDERATION 8u
#define NEED_MILTER     16u
#define NEED_MTA        32u
/* What is used where it was gathered, and must be tried. */
#define WANT_DIRECTORY 64u
#define WANT_MTA       128u
#define WANT_SYSTEMS   256u /* that backends are connected to */

struct doctor_check {
	const char *id;       /* "group.name" */
	const char *looks_at; /* what is true where it finds nothing */
	unsigned needs;
	void (*run)(const struct facts *facts, struct doctor_report *report);
};

/* Each ends with a NULL id. */
extern const struct doctor_check doctor_host_checks[];
extern const struct doctor_check doctor_directory_checks[];
extern const struct doctor_check doctor_settings_checks[];
extern const struct doctor_check doctor_rights_checks[];
extern const struct doctor_check doctor_systems_checks[];
extern const struct doctor_check doctor_milter_checks[];
extern const struct doctor_check doctor_mta_checks[];

#endif
