/*
 * A system's entry in ou=systems: the lease of its syncs, the run asked for, and what the last one
 * did. All writes go to write_uri and assert what they replace. What others may ask is
 * lib/syncask.h.
 *
 * A run that begins reads the number asked first: it answers all requests up to it, since its data
 * is read later. A run that fails says so by number and reason, so that nobody waits in vain; a
 * later run that is complete answers these, too.
 */
#ifndef RESTANTE_DIRSYNC_BACKEND_H
#define RESTANTE_DIRSYNC_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "dirsync/guard.h"
#include "lib/ldap_session.h"
#include "lib/str.h"
#include "lib/syncask.h"
#include "lib/syncoutcome.h"

struct backend {
	struct str dn;
	uint64_t asked, finished; /* of this direction */
	uint64_t failed;          /* what the last run that failed was to answer, 0 = none */
	struct str lease;         /* as it stands there: what the next one replaces */
	struct str holder;        /* of the lease, "" = nobody */
	uint64_t term;
	int64_t expires_us; /* wall clock of its holder, for people */
	int64_t length_us;  /* by its holder's settings, 0 = it does not say */
	struct str run;     /* id of the run that the snapshot must be of */
	bool recorded;      /* it has an outcome */
	/* entryCSN, "" = not shown: what is asked for was asked for before, by that server's clock
	 */
	struct str csn;
	/* Lists (lib/synclist.h), "" = none: what was approved; and of what was used, what is
	 * pending still. */
	struct str approved, standing;
	/* An approval that names no kind, as earlier versions wrote, or that cannot be read, does
	 * not count: a line for people, "" = there is none. */
	struct str disregarded;
	struct str approval, earlier; /* as they stand there: what a complete run removes */
};

/* LDAP_NO_ENTRY: the system has no entry. */
enum ldap_result backend_read(struct ldap_session *session, const char *base, const char *system,
	enum sync_direction direction, struct backend *backend_r, const char **error_r);
void backend_free(struct backend *backend);

/* "TERM HOLDER EXPIRY SECONDS", without the last where it was given back (or by an earlier
 * version); a holder "-" is nobody. Pure; false: it is none. */
bool backend_lease_parse(const char *text, uint64_t *term_r, struct str *holder_r,
	int64_t *expires_us_r, int64_t *length_us_r);

/*
 * Takes or renews the lease: compare-and-swap on what was read, which is `backend` (of this moment,
 * or of the last call here). The term rises with each new holder, and when a holder that was
 * started again takes over from itself. LDAP_ASSERTION: another one has it, or was faster. A lease
 * of another is taken only after the longer one of its length and of ours was seen to pass on our
 * own monotonic clock without a renewal: clocks of hosts are not compared. Whoever waits calls with
 * what it has just read, more than once.
 */
struct lease_watch {
	uint64_t term;         /* of ours, 0 = we have none */
	struct str value;      /* as we saw it first, or as we wrote it */
	int64_t since_mono_us; /* ours: just before it was written */
	struct str tried;      /* ours, where its answer was lost: it may stand there or not */
};
enum ldap_result backend_lease(struct ldap_session *session, struct backend *backend,
	enum sync_direction direction, const char *holder, int64_t length_us,
	struct lease_watch *watch, const char **error_r);
/* Whether it is ours still, by our own clock: asked before each batch of writes. */
bool backend_leased(const struct lease_watch *watch, int64_t length_us);
/* Gives it back, where it is still ours. */
void backend_unlease(struct ldap_session *session, struct backend *backend,
	enum sync_direction direction, struct lease_watch *watch);
void lease_watch_free(struct lease_watch *watch);

struct run_record {
	enum sync_direction direction;
	struct str run; /* id: "20261122T153000Z-4f2a" */
	bool full;      /* no delta */
	int64_t start_us, end_us;
	uint64_t answers;            /* requests up to this number */
	bool uses_approval;          /* what stood there as the run began is used up */
	struct sync_outcome outcome; /* its texts do not count: */
	struct str reason;           /* one line, "" = none */
	struct str stops, standing;  /* outcome.stops and outcome.approved */
};
/* A guard stopped it: what is to be approved, and why. */
void run_record_stop(struct run_record *record, const struct backend *backend,
	const struct guard_answer *answer);
/* With its texts, valid as long as the record. */
struct sync_outcome run_record_outcome(const struct run_record *record);

/*
 * A complete run answers the requests, and its id is what the snapshot must be of. One that was
 * stopped, is incomplete or failed tells them so; where there was nothing new they wait on,
 * but for those that what was read before is newer than (`answers`).
 * Asserted on the term of the lease in `backend`: LDAP_ASSERTION where another one has it
 * meanwhile.
 */
enum ldap_result backend_record(struct ldap_session *session, const struct backend *backend,
	const struct run_record *record, const char **error_r);
void run_record_free(struct run_record *record);

#endif
