/*
 * An MTA as doctor sees it: one folder of files per MTA (postfix_*.c, sendmail_*.c), each with a
 * table of checks of its own. The same matter has the same id whatever the MTA is.
 */
#ifndef RESTANTE_DOCTOR_MTA_H
#define RESTANTE_DOCTOR_MTA_H

#include "doctor/checks.h"

struct mta {
	const char *name;
	const char *settings; /* the file that a folder of its settings has */
	/* By the command that lists its queue. Pure. */
	bool (*recognise)(const char *queue_list);
	/* Its settings, the caller's; NULL with error_r. */
	void *(*gather)(const struct facts *facts, const struct gather_options *options,
		struct str *error_r);
	void (*free)(void *settings);
	/* How many connections to the milter it may open at once. Pure. */
	int64_t (*sessions)(const void *settings);
	const struct doctor_check *checks;
};

extern const struct mta postfix_mta, sendmail_mta;

/* NULL behind the last. */
const struct mta *mta_at(size_t index);

/* "smtp:host:port", "lmtp:[::1]:24" and their like; false: a unix socket. Pure. */
struct listener {
	char host[256];
	char port[8];
};
bool listener_parse(const char *text, struct listener *listener_r);
/* Whether host is this machine alone: 127.x, ::1, localhost, brackets or not. */
bool listener_is_loopback(const char *host);

#endif
