/*
 * The federation's own entries (DESIGN section 3): `cn=restante,<base>` with the epoch and the
 * federated domains, and below it the front doors (ou=nodes) and the backends (ou=systems).
 * Read only; what raises the epoch is lib/fence.h.
 */
#ifndef RESTANTE_LIB_FEDERATION_H
#define RESTANTE_LIB_FEDERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ldap_session.h"
#include "lib/str.h"

/* Append the DN of the federation entry, of ou=nodes and of ou=systems below it. */
void federation_dn(const char *base, struct str *out);
void federation_nodes_dn(const char *base, struct str *out);
void federation_systems_dn(const char *base, struct str *out);

struct federation {
	uint64_t epoch; /* 0 where there is none yet */
	bool has_epoch;
	char **domains; /* in normal form; values that are no domain are left out */
	size_t domain_count;
	char *controller;       /* who leads the moves, or did last; "" = nobody ever */
	int64_t lease_until_us; /* wall clock; 0 = none */
};

/* LDAP_NO_ENTRY: there is no federation entry. */
enum ldap_result federation_read(
	struct ldap_session *session, const char *base, struct federation **federation_r);
void federation_free(struct federation **federation);
/* Exact match (DESIGN section 3); domain in normal form. */
bool federation_serves(const struct federation *federation, const char *domain);

/* A front door as its entry says. */
struct federation_node {
	char *name, *dn;
	char *state;   /* as it stands in the entry, "" where absent */
	bool disabled; /* the one state the fence does not wait for */
	bool enabled;
	uint64_t acked, drained; /* 0 = never */
	char **undrained;        /* physical addresses */
	size_t undrained_count;
	char *heartbeat; /* GeneralizedTime, "" = never */
	int64_t held;    /* messages, -1 = not said */
};

struct federation_nodes {
	struct federation_node *nodes;
	size_t count;
};

/* All of ou=nodes, in no order; empty where there is no ou=nodes. */
enum ldap_result federation_read_nodes(
	struct ldap_session *session, const char *base, struct federation_nodes *nodes_r);
void federation_nodes_free(struct federation_nodes *nodes);

struct federation_system {
	char *name;
	char *state; /* "" where absent: active */
};

struct federation_systems {
	struct federation_system *systems;
	size_t count;
};

enum ldap_result federation_read_systems(
	struct ldap_session *session, const char *base, struct federation_systems *systems_r);
void federation_systems_free(struct federation_systems *systems);

#endif
