/*
 * The hold queue (DESIGN section 4): messages for mailboxes that are migrating, in a Berkeley DB
 * environment of their own whose commits are synced. Store, repeats, limits and removal; the
 * release is queue/release.h. Thread-safe but for struct holdq_draft, which belongs to one thread.
 */
#ifndef RESTANTE_QUEUE_HOLDQ_H
#define RESTANTE_QUEUE_HOLDQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/json.h"
#include "lib/metrics.h"
#include "lib/route.h"

struct holdq_options {
	const char *dir;
	const char *node; /* name of this front door; an environment of another node is refused */
	uint64_t cache_bytes;
	uint64_t limit_bytes;   /* content held in all; 0 = no limit */
	uint64_t limit_free;    /* bytes that must stay free on the file system */
	uint64_t limit_mailbox; /* content held per mailbox; 0 = no limit */
};

enum holdq_result {
	HOLDQ_OK = 0,
	HOLDQ_FULL,   /* a limit or the disk: 452 4.3.1; other messages may still fit */
	HOLDQ_GONE,   /* no such message or recipient (any more) */
	HOLDQ_FAILED, /* this message cannot be stored now: 451 4.3.0 */
	HOLDQ_BROKEN, /* the store is unusable until the process starts again (recovery) */
};

struct holdq;

struct holdq *holdq_open(const struct holdq_options *options, const char **error_r);
void holdq_close(struct holdq **queue); /* commits what waits, checkpoints */
void holdq_configure(struct holdq *queue, const struct holdq_options *options); /* limits */
/* HOLDQ_OK, or why a message would be refused now; cheap, for RCPT. mailbox may be NULL. */
enum holdq_result holdq_room(struct holdq *queue, const uint8_t *mailbox);
const char *holdq_reason(void); /* of this thread's last result that was not OK */

/* Everything the client said that release needs. Strings are never NULL; "" = not given. */
struct holdq_envelope {
	char *sender;      /* as in MAIL FROM, without angle brackets; "" = <> */
	char *mail_params; /* "BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=..." as given, SIZE left out */
	char *client_name, *client_address, *helo, *auth_user;
	char *queue_id;     /* the MTA's */
	char *id;           /* ours, the id= of the log */
	int64_t arrived_us; /* wall clock; set by holdq_commit where it is 0 */
};

struct holdq_recipient {
	char *address; /* access address exactly as given, without angle brackets */
	char *params;  /* "NOTIFY=... ORCPT=..." as given */
	uint8_t mailbox[ROUTE_UUID_BYTES]; /* whose mail it is: the unit of order and release */
};

/* --- storing ------------------------------------------------------------------------------- */

struct holdq_draft;

/*
 * A message being received. Content is the message as the MTA shows it, CRLF line ends, no dot
 * stuffing. Memory stays bounded (about 128 KB): a larger one goes to disk in chunks, unsynced, as
 * it comes.
 */
struct holdq_draft *holdq_draft_new(struct holdq *queue);
enum holdq_result holdq_draft_append(struct holdq_draft *draft, const void *data, size_t len);
size_t holdq_draft_bytes(const struct holdq_draft *draft);
void holdq_draft_free(struct holdq_draft **draft); /* not committed: its chunks are removed */

/*
 * repeat: what makes a later copy the same message - SHA-256 over sender, the client's Message-ID
 * and Date and the body; NULL where there is no Message-ID (never a repeat). Recipients of a
 * message with the same digest that are still held are not stored again. Returns HOLDQ_OK once all
 * of it is on disk (one synced transaction, shared with others that wait). id_r: number of the
 * message (of the new one; of the earlier one where nothing was new). held_r: how many recipients
 * were new.
 */
enum holdq_result holdq_commit(struct holdq_draft *draft, const struct holdq_envelope *envelope,
	const struct holdq_recipient *recipients, size_t count, const uint8_t *repeat,
	uint64_t *id_r, size_t *held_r);

/* Whether the mailbox has held mail, on its way to release included; cheap. */
bool holdq_has(struct holdq *queue, const uint8_t *mailbox);
/*
 * For recipients that are no longer held: held[i] says for which of them an earlier copy (same
 * repeat) is still in the queue and will be released.
 */
enum holdq_result holdq_find_repeat(struct holdq *queue, const uint8_t *repeat,
	const struct holdq_recipient *recipients, size_t count, bool *held);

/* --- reading ------------------------------------------------------------------------------- */

struct holdq_held_recipient {
	uint32_t number; /* within the message */
	char *address, *params;
	uint8_t mailbox[ROUTE_UUID_BYTES];
	/* kept by the release: */
	int64_t release_began_us; /* 0 = not yet; expiry counts from here */
	int64_t trouble_us;       /* time spent waiting for a listener in trouble: does not count */
	uint32_t attempts;        /* 4xx answers for this recipient or message */
	bool delay_told;          /* a delay notice was sent */
	char *last_reply;         /* "" or the last refusal, one line */
};

struct holdq_message {
	uint64_t id;
	struct holdq_envelope envelope;
	uint64_t bytes;
	struct holdq_held_recipient *recipients; /* those still held; of all mailboxes */
	size_t count;
};

enum holdq_result holdq_read(struct holdq *queue, uint64_t id, struct holdq_message **message_r);
void holdq_message_free(struct holdq_message **message);
/* Content from offset; *len_r 0 at its end. */
enum holdq_result holdq_content(struct holdq *queue, uint64_t id, uint64_t offset, void *buffer,
	size_t size, size_t *len_r);

/* The mailboxes that have held mail. */
struct holdq_mailbox {
	uint8_t mailbox[ROUTE_UUID_BYTES];
	uint64_t recipients; /* message-recipient pairs held */
	uint64_t bytes;
	int64_t oldest_us;
};
typedef int (*holdq_mailbox_callback)(void *context, const struct holdq_mailbox *mailbox);
enum holdq_result holdq_each_mailbox(
	struct holdq *queue, holdq_mailbox_callback callback, void *context);
/* Message ids of one mailbox in arrival order, larger than `after`; returns how many (<= max). */
size_t holdq_ids(
	struct holdq *queue, const uint8_t *mailbox, uint64_t after, uint64_t *ids_r, size_t max);
/* All message ids in arrival order, larger than `after`. */
size_t holdq_all_ids(struct holdq *queue, uint64_t after, uint64_t *ids_r, size_t max);

/* --- changing (each waits for a synced transaction, shared with others, but for handed_over) -- */

#define HOLDQ_LAG_US 20000

/* The mail that a removal leaves behind: an RFC 3464 notice, released without look-up. */
struct holdq_notice {
	const char *recipient; /* where the notice goes: the sender of the message */
	const char *content;   /* the whole notice, CRLF */
	size_t bytes;
	const char *mail_params;
};

/* Notices are held under this mailbox (all zeros). */
extern const uint8_t holdq_notices[ROUTE_UUID_BYTES];
/* And here what an administrator sends to an address as it stands (all ones). */
extern const uint8_t holdq_redirected[ROUTE_UUID_BYTES];

/*
 * Takes recipients (numbers) off a message, and the message with its last one; in the same
 * transaction the notice (NULL = none) is stored.
 */
enum holdq_result holdq_remove(struct holdq *queue, uint64_t id, const uint32_t *numbers,
	size_t count, const struct holdq_notice *notice);
/*
 * The same, without a notice, for mail that another server answers for now: written at once, on
 * disk within HOLDQ_LAG_US. The end of this process brings nothing back; a loss of power may bring
 * back what was handed over just before.
 */
enum holdq_result holdq_handed_over(
	struct holdq *queue, uint64_t id, const uint32_t *numbers, size_t count);
/* All that was done so far is on disk when it returns HOLDQ_OK. */
enum holdq_result holdq_sync(struct holdq *queue);
/* Writes back the fields kept by the release of one recipient (not synced; a notice makes it so).
 */
enum holdq_result holdq_update(struct holdq *queue, uint64_t id,
	const struct holdq_held_recipient *recipient, const struct holdq_notice *notice);
/*
 * Notes that the sender was told that these recipients (numbers) are delayed, and stores the notice
 * that tells him, in one synced transaction; GONE: none of them is held any more, and there is no
 * notice.
 */
enum holdq_result holdq_tell(struct holdq *queue, uint64_t id, const uint32_t *numbers,
	size_t count, const struct holdq_notice *notice);
/* Moves a recipient to another mailbox (its address now belongs there): it keeps its place in
 * arrival order. */
enum holdq_result holdq_rehome(
	struct holdq *queue, uint64_t id, uint32_t number, const uint8_t *mailbox);
/* The same for some recipients at once, with another address (NULL: their own): the release begins
 * anew. */
enum holdq_result holdq_readdress(struct holdq *queue, uint64_t id, const uint32_t *numbers,
	size_t count, const uint8_t *mailbox, const char *address);

/* --- state --------------------------------------------------------------------------------- */

/* Called after a commit that gave this mailbox mail; from the writer's thread, must be quick. */
typedef void (*holdq_observer)(void *context, const uint8_t *mailbox);
/* Once it returns, the earlier observer is not called any more (NULL: nobody is). */
void holdq_observe(struct holdq *queue, holdq_observer observer, void *context);

/*
 * Called once for each message and mailbox that a commit stored, repeats left out; notices come
 * with their mailbox. From the writer's thread, must be quick; as for NULL, see above.
 */
void holdq_observe_stored(struct holdq *queue, holdq_observer observer, void *context);

struct holdq_totals {
	uint64_t messages, recipients, bytes, mailboxes;
	int64_t oldest_us;                          /* arrival of the oldest, 0 = empty */
	uint64_t stored, removed, repeats, refused; /* since start */
	uint64_t batches;                           /* transactions since start */
	uint64_t syncs;                             /* of them synced; and syncs besides */
	bool lags;                                  /* something is not on disk yet */
};
void holdq_totals(struct holdq *queue, struct holdq_totals *totals_r);
/* How long the transactions took that changed something, by metric_work; lives with the queue. */
const struct metric_histogram *holdq_commit_times(const struct holdq *queue);
/* For how long the writer has been at one batch, in microseconds; 0 = nothing waits for it. */
int64_t holdq_busy_us(const struct holdq *queue);

#endif
