/* What the files of control/action*.c share; nobody else includes it. */
#ifndef RESTANTE_CONTROL_ACTION_INTERNAL_H
#define RESTANTE_CONTROL_ACTION_INTERNAL_H

#include <pthread.h>

#include "control/action.h"
#include "control/action_output.h"
#include "control/action_template.h"
#include "lib/words.h"

/* An action is one part or several, done in their order: "close.ldif; kick". */
struct action_part {
	struct action_template *template; /* NULL: a command */
	struct words words;               /* its words, %{name} still in them */
	char *text;                       /* as the settings have it */
};

struct action_parts {
	struct action_part *list;
	size_t count;
};

struct idle_session {
	struct ldap_session *session;
	struct idle_session *next;
};

struct actions {
	struct config_actions settings; /* with texts of our own */
	struct action_parts parts[ACTIONS];
	struct words further; /* NAME=VALUE, the "=" replaced by a NUL */
	char **attributes;    /* NULL-terminated */
	pthread_mutex_t lock; /* of: */
	struct idle_session *idle;
};

/* --- one run -------------------------------------------------------------------------------- */

struct action_run {
	struct actions *actions;
	enum action action;
	const struct action_subject *subject;
	const atomic_bool *stop;
	int64_t deadline_us; /* CLOCK_BOOTTIME */
	struct action_values values;
	struct words made; /* texts of values that are ours */
	struct ldap_session *session;
	struct action_result *result;
};

/* What became of one part; where it is not OK result->text says why. */
enum part_outcome {
	PART_OK,      /* done; of a check: it holds */
	PART_NOT,     /* of a check: it does not hold, and text says what was seen */
	PART_REFUSED, /* an administrator must act */
	PART_FAILED,  /* to be tried again */
};

/* --- secrets -------------------------------------------------------------------------------- */

/* A password, a hash or key of one, by its name: not for commands, the log, or the record. */
bool action_is_secret(const char *name);
/* The first one that the text puts in and that is no setting; size of name_r: TEMPLATE_NAME_MAX. */
bool action_names_secret(const struct actions *actions, const char *text, char *name_r);
/* 0, or -1 with *error_r where one would go elsewhere than into a value of a record. */
int action_template_judge_secrets(const struct actions *actions,
	const struct action_template *template, const char **error_r);

/* Fills run->values from the settings and the subject. */
void action_values_begin(struct action_run *run);
void action_values_add(struct action_run *run, const char *name, const char *data);
/* With copies of both. */
void action_values_add_copy(struct action_run *run, const char *name, const char *data);
void action_values_free(struct action_run *run);

enum part_outcome action_ldap_check(struct action_run *run, const struct action_template *template);
enum part_outcome action_ldap_do(struct action_run *run, const struct action_template *template);
enum part_outcome action_command_run(
	struct action_run *run, const struct action_part *part, const char *verb);

/* Replaces result->text; returns outcome. */
enum part_outcome action_say(struct action_run *run, enum part_outcome outcome, const char *format,
	...) __attribute__((format(printf, 3, 4)));
void action_tell_physical(struct action_run *run, const char *text);
void action_tell_source_id(struct action_run *run, const char *text);
void action_tell_address(struct action_run *run, const char *text);
/* Whether it may go on: neither stopped nor over its time. Else says so: PART_FAILED. */
enum part_outcome action_may_go_on(struct action_run *run);

/* The session goes back to those that are kept, or is closed where it broke. */
void action_session_put(struct action_run *run, bool broken);

#endif
