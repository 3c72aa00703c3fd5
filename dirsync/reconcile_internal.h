/* What the files of reconcile share. */
#ifndef RESTANTE_DIRSYNC_RECONCILE_INTERNAL_H
#define RESTANTE_DIRSYNC_RECONCILE_INTERNAL_H

#include "dirsync/reconcile.h"

struct names {
	char *list[GUARD_ATTRIBUTES_MAX]; /* lower case */
	size_t count;
};

bool policy_maps(const struct reconcile_policy *policy, const char *attribute);

struct reconcile_policy {
	struct names decided; /* the source is the authority */
	struct names once;    /* only where the directory has none; not in `decided` */
	char *object_class;
};

/* A change that is being put together. */
struct build {
	struct plan_value *values; /* attribute and value are its own */
	size_t count, cap;
	struct strings gains, gives;
	unsigned counts, count_addresses;
	bool state_matters; /* the assertion names the state */
	struct str asserts; /* further terms of the assertion */
	struct str reason;
	bool reason_full;
};

struct reconciling {
	const struct reconcile_run *run;
	const struct reconcile_facts *facts;
	const struct reconcile_sink *sink;
	const struct entry *entry; /* the directory's, or the orphan that becomes it; NULL: none */
	struct guard_tally *tally;
	struct trace *trace;
	struct build build;
	bool stopped; /* the sink said so */
};

/* --- reconcile_build.c */

void build_free(struct build *build);
void build_put(struct build *build, const char *attribute, const char *value);
void build_take(struct build *build, const char *attribute, const char *value);
void build_set(struct build *build, const char *attribute, const char *value); /* NULL: none */
void build_drop(struct build *build); /* no values any more */
/* Asserts that the attribute has this value; "" = that it has none. */
void build_assert(struct build *build, const char *attribute, const char *value);
void build_because(struct build *build, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Hands the change over, where there is one. */
void build_emit(struct reconciling *r, enum plan_kind kind);
void build_emit_add(struct reconciling *r, const char *dn);
void build_emit_claim(struct reconciling *r, const struct move *move);
/* The words of a finding; owner: NULL where nobody else is concerned. */
void build_report(struct reconciling *r, enum reconcile_report kind, const char *address,
	const struct reconcile_owner *owner, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* --- reconcile_address.c */

bool address_federated(const struct reconcile_run *run, const char *key);
const struct reconcile_owner *address_owner(const struct reconcile_facts *facts, const char *key);
void address_report_domain(struct reconciling *r, const char *key);
void address_report_owner(struct reconciling *r, const struct reconcile_owner *owner);
/* The addresses of `fresh` for an entry that is there. */
void address_update(struct reconciling *r);
/* Those that another mailbox of this system has gained; the mailbox itself is not shown. */
void address_pass(struct reconciling *r);
/* Counts the marks that stand, where nothing else is looked at. */
void address_count_pending(struct reconciling *r);
/* The mark of the key: its instant, -1 where it has none that can be read; false: no mark. */
bool address_mark(const struct entry *entry, const char *key, int64_t *instant_r);
/* An address that the system lists no more, with a mark where it may have one: and then? Counts the
 * pulls that lacked it. */
enum address_fate {
	FATE_MARKED,   /* by this change, or as soon as the clocks agree */
	FATE_STAYS,    /* for the grace */
	FATE_IN_HANDS, /* beyond it, while the mailbox is held or moves */
	FATE_GOES,
};
enum address_fate address_fate(struct reconciling *r, const char *key);
/* It may not go yet: reported. */
void address_report_waits(struct reconciling *r, const char *key);
void address_take_marks(struct reconciling *r, const char *key);
/* When a thing that was marked then may go. */
bool address_due(const struct reconcile_run *run, int64_t marked_us, unsigned pulls);

/* --- reconcile_value.c */

void value_physical(struct reconciling *r);
void value_primary(struct reconciling *r);
void value_foreign(struct reconciling *r);
void value_attributes(struct reconciling *r);
void value_add_all(struct reconciling *r, const char *rdn, const char *address);

/* --- reconcile_add.c */

/* The key of its primary address, "" where it has none. */
void add_primary_key(const struct person *person, struct str *out);
void add_mailbox(struct reconciling *r);

/* --- reconcile_moves.c */

bool move_open(const struct move *move);
/* `fresh` is the second mailbox of an open move to this system. */
bool move_is_second(const struct reconcile_run *run, const struct reconcile_facts *facts);
/* `fresh` is the old mailbox of a move away from this system: its claims are explained. */
bool move_is_old(const struct reconcile_run *run, const struct reconcile_facts *facts);
void move_claim(struct reconciling *r);
void move_unclaim(struct reconciling *r);

#endif
