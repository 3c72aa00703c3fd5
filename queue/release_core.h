/* Private to the release: what queue/release.c, worker.c, job.c, settle.c and keeper.c share. */
#ifndef RESTANTE_QUEUE_RELEASE_CORE_H
#define RESTANTE_QUEUE_RELEASE_CORE_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/address.h"
#include "queue/box.h"
#include "queue/lane.h"
#include "queue/notice.h"
#include "queue/relay.h"
#include "queue/release.h"
#include "queue/smtp.h"

#define RELEASE_WORKERS_MAX 64
#define RELEASE_THREADS_MAX (RELEASE_WORKERS_MAX + 1)
#define RELEASE_VALUE       600 /* bytes of a value in the log */
#define RELEASE_SLICE       32  /* messages of one mailbox before another one's turn */

/* What the options say of a system; of the MTA and of all others in the first of these. */
struct system_settings {
	char *name;
	unsigned connections, rate;
	char *ca_file, *certificate_name, *auth_user, *password_file; /* NULL = none */
	enum tls_version tls_minimum;
	bool auth_in_clear;
	struct tls_context *tls[2]; /* that checks nothing, that verifies; under the release's lock,
				       made when one is needed */
};

/* One generation of the options; counted, the last user frees. */
struct settings {
	unsigned users; /* under the release's lock */
	char *hostname;
	struct system_settings *systems; /* at least one */
	size_t system_count;
	unsigned workers;
	int64_t expire_us, delay_notice_us, retry_min_us, retry_max_us, stop_us, timeout_us;
	uint64_t notice_bytes;
	unsigned hop_limit;
};

/* How a message, or a turn of a mailbox, ended. */
enum step {
	STEP_NEXT,  /* done with this message */
	STEP_AGAIN, /* this message once more, at once */
	STEP_MORE,  /* end of the turn, there is more */
	STEP_END,   /* nothing left that could be done now */
	STEP_HELD,
	STEP_UNDECIDED,
	STEP_DELAY,  /* the mailbox was refused for now */
	STEP_PARK,   /* the listener is in trouble */
	STEP_BROKEN, /* the store is */
};

enum fate {
	FATE_SEND,
	FATE_LATER, /* did not fit into this transaction */
	FATE_HELD,
	FATE_UNDECIDED,
	FATE_NOBODY,
	FATE_REHOME,
};

struct job_recipient {
	struct holdq_held_recipient *held;
	enum fate fate;
	bool of_another;                 /* FATE_SEND, if it can be: not this mailbox's any more */
	size_t target;                   /* FATE_SEND: index */
	uint8_t owner[ROUTE_UUID_BYTES]; /* FATE_REHOME */
};

struct worker;

/* One message's recipients of one mailbox, on their way through one transaction. */
struct job {
	struct worker *worker;
	struct box *box;
	struct holdq_message *message;
	bool is_notice, is_redirected;
	struct job_recipient *recipients;
	size_t count;
	struct smtp_recipient targets[SMTP_RCPT_MAX];
	char addresses[SMTP_RCPT_MAX][ADDRESS_MAX + 1];
	struct str joined[SMTP_RCPT_MAX]; /* parameters of those that stand for several */
	size_t target_count;
	struct lane *lane; /* where the targets are */
	bool kept;         /* the connection had served before: its end is no news */
	bool dsn;          /* the listener announces DSN: it reports success itself */
	bool content_failed;
	bool delayed;       /* the message steps aside */
	const char *reason; /* of the last route that did not send */
};

struct worker {
	struct release *release;
	pthread_t thread;
	unsigned index;
	struct smtp *smtp;
	struct lane *lane;         /* of the session, open or tried last; NULL = none yet; changed
				      under the lock */
	struct settings *settings; /* of the session and the turn */
	unsigned *turn;            /* where this turn is counted as busy */
	int64_t idle_until_us;
	/* under the lock: */
	bool connected;     /* counted in lane->connections */
	struct lane *taken; /* of the mailbox in hand; NULL = the MTA, or there is none */
	struct lane *probe; /* has the right to try this one, which is in trouble */
	bool transacting;   /* under the lock: between look-up and answer */
	struct job job;
};

struct release {
	struct holdq *queue;
	struct release_hooks hooks;
	pthread_mutex_t lock;
	pthread_cond_t work;  /* for workers */
	pthread_cond_t tick;  /* for the keeper */
	pthread_cond_t quiet; /* a worker has gone, or a mailbox that is claimed is free */
	struct settings *settings;
	struct box_table table;
	int64_t started_us;       /* wall */
	struct lane *lanes, *mta; /* all of them; the MTA's own among them */
	int64_t earliest_us;      /* monotonic: no mailbox is due before */
	int64_t wrong_told_us;    /* monotonic: of a system's entry, 0 = never */
	bool vanish_wake;         /* look again for recipients that were nobody's */
	atomic_bool stop;
	bool broken;            /* the store is: nothing more is sent */
	pthread_mutex_t record; /* read, change and write back of a recipient's record */
	struct worker *workers[RELEASE_THREADS_MAX];
	unsigned worker_count, running; /* threads made, threads not gone yet */
	struct box_line mta_line;       /* mailboxes for the MTA; in the table's own are those that
					   nobody has looked up yet */
	unsigned busy, mta_busy, sorting; /* all; those with a mailbox of that line; of the table's
					   */
	pthread_t keeper;
	bool keeper_made;
	uint64_t told_after; /* of the keeper: delay notices are done up to this message */
	struct metric_histogram held_times; /* arrival to delivery, by metric_waiting */
	atomic_uint_least64_t delivered, deferred, bounced, expired;
};

/* worker.c */
void *worker_main(void *context);

/* release_settings.c */
/* NULL with *error_r. */
struct settings *settings_new(const struct release_options *options, const char **error_r);
struct settings *settings_hold(struct release *release);                 /* the lock is held */
void settings_drop(struct release *release, struct settings **settings); /* it is not */
/* The first where nothing is said of that system. */
struct system_settings *settings_system(const struct settings *settings, const char *system);
/* NULL in *tls_r: in clear text. -1 with *error_r. The lock is not held. */
int settings_tls(struct release *release, struct system_settings *system, enum release_tls mode,
	struct tls_context **tls_r, const char **error_r);

/* release.c */
/* Where the mailbox's mail goes, as far as is known; the lock is held. */
struct lane *release_lane(const struct release *release, const struct box *box);
/* As many threads as the destinations need; -1: not all can be started. The lock is held. */
int release_make_workers(struct release *release);

/* worker.c */
/* Makes a mailbox start over; by_name: even one that was refused. The lock is held. */
void release_wake_box(struct release *release, struct box *box, bool by_name);
void release_stored(struct release *release, const uint8_t *mailbox); /* new mail; lock held */
void release_hurry(struct box *box, int64_t now_us);
void release_due(struct release *release, int64_t due_us); /* lock held */

/* job.c */
enum step job_run(struct worker *worker, struct box *box, uint64_t id);

/* job_route.c */
/* Whether that mailbox is where notices to senders are. */
bool job_is_notices(const uint8_t *mailbox);
/* Where the mail of the job's mailbox went last. The lock is not held. */
struct lane *job_lane_so_far(const struct job *job);
/* The fate of each recipient; lane, targets and reason of the job. */
void job_route(struct job *job);

/* job_send.c */
/* STEP_NEXT: every target has its answer, or there is none. */
enum step job_send(struct job *job);

/* settle.c */
enum step job_settle(struct job *job);
/* The mailbox is held again, or in transfer: what was refused before does not count any more. */
void settle_forget(struct worker *worker, struct box *box, const struct holdq_message *message);

/* trouble.c */
/* A reply for the log, to stand between quotes. */
void release_text(const struct reply *reply, char *text_r, size_t size);
void trouble_found(struct worker *worker, const struct answer *answer);
void trouble_over(struct worker *worker);
/* An answer that may be the listener's fault: trouble with the third different one. */
void trouble_suspected(struct job *job, const struct answer *answer, bool by_mailbox);

/* report.c */
/* The notice to the sender about some recipients; NULL content where it cannot be made. */
struct report {
	struct release *release;
	const struct settings *settings;
	const struct holdq_message *message;
	enum notice_kind kind;
	struct notice_recipient *recipients;
	size_t count;
	const char *remote; /* who refused or took it, "" = nobody yet */
};
/* content is the caller's; notice_r points into it and the message. */
void report_write(const struct report *report, struct str *content, struct holdq_notice *notice_r);

/* tell.c */
/* Delay notices that are due. True: there may be more; not all at a time, since the mailboxes that
 * become due wait for the same thread. */
bool tell_delays(struct release *release, const struct settings *settings);

/* keeper.c */
void *keeper_main(void *context);
int keeper_scan(struct release *release); /* every mailbox of the store is known; 0, -1 */

void release_name(const struct release *release, const uint8_t *mailbox, char *name_r, size_t size);

#endif
