/*
 * Release (DESIGN section 4): held recipients whose mailbox is no longer held are handed to the
 * MTA's release listener, several mailboxes in parallel, each in arrival order. It decides by
 * asking where the mailbox lives now (decision 4), immediately before each MAIL FROM.
 */
#ifndef RESTANTE_QUEUE_RELEASE_H
#define RESTANTE_QUEUE_RELEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/json.h"
#include "lib/metrics.h"
#include "lib/route.h"
#include "lib/tls.h"
#include "queue/holdq.h"

enum release_tls { RELEASE_TLS_NONE, RELEASE_TLS_MAY, RELEASE_TLS_ENCRYPT, RELEASE_TLS_VERIFY };

#define RELEASE_LISTENER_MAX 320

/* How a system is talked to that takes its mail straight; borrowed for the call. */
struct release_system {
	const char *name;             /* compared without case */
	unsigned connections;         /* at once, 1..64; 0 = as many as workers */
	unsigned rate;                /* messages per second, 0 = no limit */
	const char *ca_file;          /* NULL = that of the options */
	const char *certificate_name; /* NULL = the host of the listener */
	enum tls_version tls_minimum;
	const char *auth_user, *password_file; /* NULL = no AUTH */
	bool auth_in_clear;                    /* without TLS, too */
};

/* Where the mail of a system goes, past the MTA. */
struct release_target {
	char listener[RELEASE_LISTENER_MAX]; /* as in struct release_options */
	enum release_tls tls;
};

/* How the release asks the outside; all called from worker threads. */
struct release_hooks {
	void *context;
	/* A decision begins before the look-up and ends after the MTA's answer: the fence waits. */
	uint64_t (*begin)(void *context);
	void (*end)(void *context, uint64_t token);
	void (*route)(void *context, const char *recipient, struct route *route_r);
	/* 1: straight to the target; 0: through the MTA; -1: its entry is wrong, *error_r says how
	 * (static text). NULL: through the MTA always. */
	int (*straight)(void *context, const char *system, struct release_target *target_r,
		const char **error_r);
	/* A transaction whose outcome is unknown (connection lost after the final dot): the MTA may
	 * yet queue mail for this physical address. */
	void (*unclear)(void *context, const char *physical);
	/* A name of the mailbox for the log. */
	void (*name)(void *context, const uint8_t *mailbox, char *name_r, size_t size);
	/* Whether the directory still has the mailbox. */
	bool (*known)(void *context, const uint8_t *mailbox);
	/* The store is unusable: nothing is released until the process starts again. Quick. */
	void (*broken)(void *context, const char *reason);
};

struct release_options {
	const char *listener; /* "smtp:host:port", "lmtp:host:port", "smtp:unix:/path",
				 "lmtp:unix:/path" */
	const char *hostname; /* EHLO, Received, notices */
	enum release_tls tls;
	const char *ca_file;
	unsigned workers; /* mailboxes released in parallel, 1..64 */
	int64_t expire_us, delay_notice_us, retry_min_us, retry_max_us;
	uint64_t notice_bytes; /* larger content is returned to its sender by its header alone */
	unsigned hop_limit;    /* with more Received fields it is returned; 0 = any number */
	int64_t timeout_us;    /* of one SMTP reply; 0 = 300 s */
	int64_t stop_us;       /* transactions in flight get that long at a stop; 0 = 30 s */
	const struct release_system *systems; /* those that differ from the above */
	size_t system_count;
};

struct release;

struct release *release_start(struct holdq *queue, const struct release_options *options,
	const struct release_hooks *hooks, const char **error_r);
/* Finishes the transactions in flight, then returns. */
void release_stop(struct release **release);
void release_configure(struct release *release, const struct release_options *options);

/* A mailbox may have become releasable; NULL: all may. Cheap, from any thread. */
void release_wake(struct release *release, const uint8_t *mailbox);
/* Administrator: forget backoff and try now. mailbox NULL = all. */
void release_retry_now(struct release *release, const uint8_t *mailbox);
/*
 * No worker has the mailbox until release_let_go: an administrator changes its mail. False: a
 * transaction did not end within wait_us.
 */
bool release_claim(struct release *release, const uint8_t *mailbox, int64_t wait_us);
void release_let_go(struct release *release, const uint8_t *mailbox);
/* Some of its mail came from another mailbox: it is looked at from the first message on. */
void release_rewind(struct release *release, const uint8_t *mailbox);
/*
 * These recipients of a claimed mailbox's message go back to the sender, with this reason in the
 * notice. *told_r: of how many the sender hears (not with NOTIFY=NEVER).
 */
enum holdq_result release_return(struct release *release, const struct holdq_message *message,
	const uint32_t *numbers, size_t count, const char *reason, size_t *told_r);
/* True while a worker is in a transaction. */
bool release_busy(struct release *release);

struct release_totals {
	uint64_t delivered, deferred, bounced, expired; /* recipients since start */
	unsigned connections, workers_busy;
	bool listener_trouble;
	int64_t trouble_since_us; /* wall clock, 0 = none */
};
void release_totals(struct release *release, struct release_totals *totals_r);

/* A destination, for metrics. */
struct release_figures {
	const char *name; /* "mta", or "lmtp:host:port" of a backend; good until release_stop */
	bool trouble;     /* and mail waits for it */
	unsigned connections;
	struct metric_histogram times; /* transactions, look-up to answer, by metric_work */
};
#define RELEASE_FIGURES_MAX 64
/* The first of them; how many. */
size_t release_figures(
	struct release *release, struct release_figures figures_r[RELEASE_FIGURES_MAX]);
/* From arrival to delivery, by metric_waiting. */
const struct metric_histogram *release_held_times(const struct release *release);
void release_status(struct release *release, struct json *object);
/* What the mail of a mailbox waits for: "held", "due", "listener", "delayed", "undecided" (the
 * route cannot be told), "vanished" (some of it is nobody's any more), "" = nothing is known. */
const char *release_waits(struct release *release, const uint8_t *mailbox);

#endif
