/*
 * The replica: a local copy of what the directory says about mailboxes, systems, federated domains
 * and this node (DESIGN section 3), in its own Berkeley DB environment. Commits are written, not
 * synced; replica_sync makes them durable. Lookups are safe from any thread, and never wait for
 * LDAP.
 */
#ifndef RESTANTE_DIRECTORY_REPLICA_H
#define RESTANTE_DIRECTORY_REPLICA_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/address.h"
#include "lib/json.h"
#include "lib/route.h"

struct replica_options {
	const char *dir;
	uint64_t cache_bytes;
	const char *base;       /* a replica of another base is refused */
	const char *node;       /* name of this front door's node entry */
	const char *delimiters; /* of subaddresses, "" = none */
	bool carry_detail;
	const char
		*postmaster; /* physical address for postmaster@<federated domain>, may be NULL */
	int64_t vanish_grace_us;
	int64_t heartbeat_us; /* current = own heartbeat came back within three of these */
	unsigned mass_delete_percent;
};

struct replica;

/* NULL with *error_r: a line that says what to do. An environment of another version is refused. */
struct replica *replica_open(const struct replica_options *options, const char **error_r);
void replica_close(struct replica **replica);
/* On reload: delimiters, carry_detail, postmaster, vanish_grace_us, mass_delete_percent. */
void replica_configure(struct replica *replica, const struct replica_options *options);

/*
 * The facts about one recipient, node_enabled included; always filled, `trouble` says when the
 * store failed. One or two B-tree look-ups for an address that is there; allocates for a subaddress
 * only.
 */
void replica_lookup(
	struct replica *replica, const struct address *address, struct route_facts *facts_r);

#define REPLICA_RELEASE_MAX 255

/* Where a system takes released mail straight, as its entry says. */
struct replica_release {
	char address[REPLICA_RELEASE_MAX + 1]; /* host:port or unix:/path */
	char protocol[16], tls[16];            /* "" where the entry has none */
};

/* False: it does not, or is not known. */
bool replica_system_release(
	struct replica *replica, const char *system, struct replica_release *release_r);

enum node_state { NODE_ABSENT, NODE_ENABLED, NODE_DISABLING, NODE_DISABLED, NODE_UNKNOWN };

/* What the replica says of the federation and of this node. */
struct replica_view {
	bool loaded, current, refreshing;
	uint64_t epoch;     /* restanteEpoch as last seen */
	bool epoch_covered; /* the vector covers the entryCSN that carries it */
	char epoch_csn[64];
	enum node_state node;
	/* The write that made the node what it is, is durable here (synced), so no crash goes back
	 * behind it. */
	bool node_durable;
	char node_dn[512];                 /* "" while NODE_ABSENT */
	char node_csn[64];                 /* the version of its entry that is known here */
	char node_mark[64];                /* the one that made it what it is */
	uint64_t node_acked, node_drained; /* as the directory has them */
	char node_heartbeat[32];           /* same, "" = none */
	int64_t heartbeat_age_us;          /* since the last one that came back, monotonic */
	uint64_t mailboxes, addresses;
	uint64_t refused_deletes; /* a mass disappearance waits for `restante node approve` */
};
void replica_view(struct replica *replica, struct replica_view *view_r);

/* Whether it has all that was written up to that change (a CSN): also where the changes since came
 * from another server id. */
bool replica_includes(struct replica *replica, const char *csn);

/* Everything committed so far is on disk when it returns 0. */
int replica_sync(struct replica *replica, const char **error_r);

/* An administrator's word: the refused mass disappearance is applied. The number of entries
 * deleted; -1 with *error_r where none waits. */
int64_t replica_approve(struct replica *replica, const char **error_r);

/*
 * Called after each commit, from the consumer's thread, outside of any lock; must be quick.
 * uuid: the mailbox that changed, came or went; NULL: everything may have (a system's state, a
 * refresh ended, this node's state, the epoch).
 */
typedef void (*replica_observer)(void *context, const uint8_t *uuid);
void replica_observe(struct replica *replica, replica_observer observer, void *context);

/* Each mailbox that is held now (its own state or its system's), with its physical address.
 * callback non-zero stops. */
typedef int (*replica_held_callback)(void *context, const uint8_t *uuid, const char *physical);
int replica_each_held(struct replica *replica, replica_held_callback callback, void *context);
/* Each mailbox, whatever its state. Both: 0, what the callback said, or -1: the store failed. */
int replica_each_mailbox(struct replica *replica, replica_held_callback callback, void *context);
/* The primary name of a mailbox for people (its first access address, else its DN); "" where
 * unknown. */
void replica_mailbox_name(struct replica *replica, const uint8_t *uuid, char *name_r, size_t size);

/* A mailbox as it is stored here: the version (entryCSN), its own state, its system's. */
struct replica_version {
	char csn[64];
	enum route_state state, system_state;
};
/* False: there is none of that uuid. */
bool replica_mailbox_version(
	struct replica *replica, const uint8_t *uuid, struct replica_version *version_r);

/* For `restante status`: entries, vector, last cookie, cache. */
void replica_status(struct replica *replica, struct json *object);

#endif
