/*
 * Actions: what differs per backend (DESIGN section 6). Each is a setting of actions NAME {}: an
 * LDIF template applied to the backend's LDAP, or a command, or several of these one after the
 * other (restante-actions(5)). Each is idempotent: where its check says that it is done already
 * nothing is done, and after it has run the check must say so ("verified"). Thread-safe: several
 * actions run at once, each with a connection of its own; connections are kept for later actions.
 */
#ifndef RESTANTE_CONTROL_ACTION_H
#define RESTANTE_CONTROL_ACTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/config.h"
#include "lib/str.h"

enum action {
	ACTION_CREATE,     /* second mailbox; tells its physical address and stable id */
	ACTION_REDIRECT,   /* mail for the mailbox goes to subject->other, and is not kept */
	ACTION_UNREDIRECT, /* no redirection any more; the user's own filter is as it was before */
	ACTION_ADDRESSES,  /* contact of this person brought to DIR's addresses and consumed: they
			      are the mailbox's now, in one operation where addresses are unique */
	ACTION_UNADDRESS,  /* rollback: the addresses go again, the contact comes back */
	ACTION_LIST,       /* tells the mailbox's addresses: asked, nothing changed */
	ACTION_CLOSE,      /* logins refused, sessions ended */
	ACTION_OPEN,       /* the reverse */
	ACTION_EMPTY,      /* tells whether any mail rests there: asked, nothing changed */
	ACTION_DELETE,  /* mailbox and its redirection gone (quarantined where the settings say so)
			 */
	ACTION_CONTACT, /* a contact with dirsync's marker in place of the old mailbox */
	ACTIONS,
};

const char *action_name(enum action action); /* "create": also the key in actions NAME {} */

/* Whom it is about. Strings may be "", lists are NULL-terminated. */
struct action_subject {
	const char *system;     /* the backend it is done on */
	const char *identifier; /* of the move */
	const char *uuid;       /* the federation's id: entryUUID of the mailbox's entry in DIR */
	const char *address;    /* the move's access address */
	const char *primary;    /* the address to be shown */
	char *const *addresses; /* all access addresses of DIR now, the primary one included */
	char *const *foreign;   /* X.400, X500 */
	const char *physical;   /* of the mailbox on `system`; "" before it is made, unless an
				   earlier move has left one there */
	const char *source_id;  /* the same */
	const char *other;      /* physical address of the other mailbox */
	/* Further attributes of DIR's entry: name, value pairs, one for each value. Templates need
	 * those of actions_attributes(), commands get all that are given. */
	const char *const (*attributes)[2];
	size_t attribute_count;
};

enum action_outcome {
	ACTION_DONE,
	ACTION_ALREADY, /* the check said so before */
	ACTION_REFUSED, /* by the backend, or the settings make no sense: an administrator must act
			 */
	ACTION_FAILED,  /* unreachable, over its time, unclear: to be tried again */
	ACTION_ABSENT,  /* the system has no such action configured */
};

struct action_result {
	enum action_outcome outcome;
	struct str text;                /* one line for people: what happened, what to do */
	struct str physical, source_id; /* CREATE */
	char **addresses;               /* LIST: NULL-terminated, as told; may be NULL */
	bool told_empty, empty;         /* EMPTY */
	int64_t took_us;
};

struct actions; /* of one system, from actions NAME {} */

/* NULL with *error_r (valid until the thread's next call): "actions NAME.key: what is wrong; what
 * to do". Templates are read here; the settings may go afterwards. */
struct actions *actions_new(const struct config_actions *settings, const char **error_r);
void actions_free(struct actions **actions);
/* Whether what can be done can be taken back, too: redirect, close and addresses each have a
 * reverse. 0, or -1 with *error_r: without it a way back would leave it there. */
int actions_check_pairs(
	const struct actions *actions, const struct config_actions *settings, const char **error_r);
bool actions_has(const struct actions *actions, enum action action);
/* Attributes of DIR's entry that templates and arguments of commands name: NULL-terminated, valid
 * as long as the actions. */
const char *const *actions_attributes(const struct actions *actions);
/* Time that one action may take, checks included; and how long after its time is over something of
 * it may still go on: an operation that was begun, a command that is being ended. */
int64_t actions_limit_us(const struct actions *actions);
int64_t actions_rest_us(const struct actions *actions);

/*
 * Check, action, check. `verify_only`: the check alone (ALREADY: it holds; FAILED: it does not, or
 * could not be asked: text). LIST and EMPTY are checks alone, always. stop: asked ten times a
 * second while a command runs, and between operations of LDAP; may be NULL. until_us:
 * CLOCK_BOOTTIME, from which on nothing is begun and a command is ended; 0 = its time limit alone.
 */
void action_run(struct actions *actions, enum action action, const struct action_subject *subject,
	bool verify_only, const atomic_bool *stop, int64_t until_us,
	struct action_result *result_r);
void action_result_free(struct action_result *result);

#endif
