/*
 * A system's entry in ou=systems: the lease of its syncs, the runs asked for and finished, and what
 * the last ones did. All writes go to write_uri and assert what they replace.
 *
 * Runs: whoever wants a sync raises restanteSyncAsked (a number) and waits until
 * restanteSyncFinished reaches it. A run that begins reads the number first: it answers all
 * requests up to it, since its data is read later. A run that fails writes restanteSyncFailed =
 * "NUMBER reason", so that nobody waits in vain; a later run that is complete answers these, too.
 * Up and down have numbers of their own (restanteDownSyncAsked, ...).
 */
#ifndef RESTANTE_DIRSYNC_BACKEND_H
#define RESTANTE_DIRSYNC_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/ldap_session.h"
#include "lib/str.h"

enum direction { DIRECTION_UP, DIRECTION_DOWN };

struct backend {
	struct str dn, csn;
	uint64_t asked, finished; /* of this direction */
	struct str holder;        /* of the lease, "" = nobody */
	uint64_t term;
	int64_t expires_us; /* wall clock of the directory's writers */
	struct str run;     /* id of the run that the snapshot must be of (up) */
	uint64_t approved;  /* restanteSyncApproved: size of the deletion list that was approved */
};

/* LDAP_NO_ENTRY: the system has no entry. */
enum ldap_result backend_read(struct ldap_session *session, const char *base, const char *system,
	enum direction direction, struct backend *backend_r, const char **error_r);
void backend_free(struct backend *backend);

/*
 * Takes or renews the lease: compare-and-swap on what was read. The term rises with each new
 * holder. LDAP_ASSERTION: another one has it, or was faster. An expired lease of another is taken
 * only after its full length was seen to pass on our own monotonic clock without a renewal: clocks
 * of hosts are not compared.
 */
struct lease_watch {
	uint64_t term;
	struct str value; /* as it was when we first saw it */
	int64_t since_mono_us;
};
enum ldap_result backend_lease(struct ldap_session *session, struct backend *backend,
	enum direction direction, const char *holder, int64_t length_us, struct lease_watch *watch,
	const char **error_r);
/* Gives it back, where it is still ours. */
void backend_unlease(struct ldap_session *session, struct backend *backend,
	enum direction direction, const char *holder);

struct run_record {
	enum direction direction;
	struct str run; /* id: "20261122T153000Z-4f2a" */
	int64_t start_us, end_us;
	uint64_t answers; /* requests up to this number */
	bool complete;    /* else failed: reason */
	bool changed;     /* false: nothing but this record was written */
	uint64_t added, modified, deleted, conflicts, refused, persons;
	struct str outcome; /* "complete", "stopped: 120 mailboxes vanished ...", ... */
};

/* Writes it, asserted on the lease's term: a run that lost its lease records nothing. */
enum ldap_result backend_record(struct ldap_session *session, const char *base, const char *system,
	uint64_t term, const struct run_record *record, const char **error_r);
void run_record_free(struct run_record *record);

/* For whoever asks (cli, controller): raises the number; *number_r is what to wait for. */
enum ldap_result backend_ask(struct ldap_session *session, const char *base, const char *system,
	enum direction direction, uint64_t *number_r, const char **error_r);

#endif
