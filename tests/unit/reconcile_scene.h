/* A row of facts, played: what reconcile() makes of them. */
#ifndef RESTANTE_TESTS_UNIT_RECONCILE_SCENE_H
#define RESTANTE_TESTS_UNIT_RECONCILE_SCENE_H

#include "tests/unit/reconcile_lab.h"

#define SCENE_OWNERS 4

struct row {
	const char *name;
	const char *fresh, *entry, *orphan, *before, *move; /* NULL: none */
	const char *taken[SCENE_OWNERS];                    /* "KEY SYSTEM ID", "*": moving */
	const char *passing;
	bool delta, gone, clock_wrong;
	const char *wants;   /* "" = nothing */
	const char *asserts; /* a part of the assertion; NULL: not looked at */
};

#define A      "id=a phys=a@s1.lab prim=a@example.org cn=A sn=A"
#define B      " addr=b@example.org"
#define LISTED "addr=a@example.org,b@example.org"
#define MARK   "restanteVanishingAddress"
#define TODAY  "20261119000000Z"
#define ADD(addresses, rest)                                                                       \
	"add" addresses " +objectClass:inetOrgPerson +objectClass:inetLocalMailRecipient "         \
	"+objectClass:restanteMailbox +uid:HASH" rest
#define NAMES  " +cn:A +sn:A"
#define THERE  " +mailRoutingAddress:a@s1.lab +restanteSystem:S1 +restanteSourceId:a"
#define MOVE12 "from=S1 to=S2 old=a id=a2 phys=a@s2.lab"
#define MOVE21 "from=S2 to=S1 old=z id=a phys=a@s1.lab"

struct scene {
	struct person fresh;
	struct entry entry, orphan;
	struct trace before, after;
	struct move move;
	struct strings passing;
	struct reconcile_owner taken[SCENE_OWNERS];
	char words[SCENE_OWNERS][3][64];
	struct reconcile_policy *policy;
	struct reconcile_run run;
	struct reconcile_facts facts;
	struct guard_tally tally;
	struct lab_sink sink;
	int result;
};

/* id: that of fresh, else "a". */
void scene_play(struct scene *s, const struct row *row);
void scene_end(struct scene *s);

#endif
