/* Every rule of reconciling, once: a row each. */
#include "tests/unit/unit.h"

#include "tests/unit/reconcile_lab.h"

#define OWNERS 4

struct row {
	const char *name;
	const char *fresh, *entry, *orphan, *before, *move; /* NULL: none */
	const char *taken[OWNERS];                          /* "KEY SYSTEM ID", "*": moving */
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

static const struct row rows[] = {
	/* nothing to do */
	{ "equal", .fresh = A B, .entry = A B, .before = LISTED, .wants = "" },
	{ "equal without a snapshot", .fresh = A B, .entry = A B, .wants = "" },
	{ "by hand: address, attribute of nobody, once", .fresh = A " room=2",
		.entry = A " addr=hand@example.org room=1", .before = "addr=a@example.org",
		.wants = "" },
	{ "another spelling of the physical address", .fresh = A,
		.entry = "id=a phys=A@S1.lab prim=a@example.org cn=A sn=A", .wants = "" },
	{ "unknown everywhere", .before = LISTED, .wants = "" },
	{ "not shown by a delta", .entry = A B, .before = LISTED, .delta = true, .wants = "" },
	/* new mailboxes */
	{ "new", .fresh = A B " room=1 foreign=X500:/o=A",
		.wants = ADD(" +mailLocalAddress:a@example.org +mailLocalAddress:b@example.org",
			NAMES " +roomnumber:1" THERE
			      " +mail:a@example.org +restanteForeignAddress:X500:/o=A") },
	{ "new, its name is missing", .fresh = "id=a phys=a@s1.lab prim=A@Example.org",
		.wants = ADD(" +mailLocalAddress:a@example.org",
			" +cn:a@example.org +sn:a@example.org" THERE " +mail:A@Example.org") },
	{ "new, local part not ASCII",
		.fresh = "id=a phys=a@s1.lab prim=j\xc3\xbcrg@example.org cn=A sn=A",
		.wants = ADD(" +restanteAddressUTF8:j\xc3\xbcrg@example.org",
			NAMES THERE " +restantePrimaryUTF8:j\xc3\xbcrg@example.org") },
	{ "new, an address outside", .fresh = A " addr=a@s1.lab",
		.wants = "report domain a@s1.lab; " ADD(
			" +mailLocalAddress:a@example.org", NAMES THERE " +mail:a@example.org") },
	{ "new, an alias is another's", .fresh = A B, .taken = { "b@example.org S2 z" },
		.wants = "report conflict b@example.org; " ADD(
			" +mailLocalAddress:a@example.org", NAMES THERE " +mail:a@example.org") },
	{ "new, its primary is another's: the person has an entry", .fresh = A B,
		.taken = { "a@example.org S2 z" },
		.wants = "report conflict a@example.org; report no_address a@example.org" },
	{ "new, all addresses outside", .fresh = "id=a phys=a@s1.lab prim=a@s1.lab",
		.wants = "report domain a@s1.lab; report no_address a@s1.lab" },
	{ "new, physical address in a federated domain",
		.fresh = "id=a phys=x@example.org prim=a@example.org",
		.wants = "report physical x@example.org" },
	/* addresses */
	{ "an address more", .fresh = A B, .entry = A, .before = "addr=a@example.org",
		.wants = "modify +mailLocalAddress:b@example.org" },
	{ "an address more, outside", .fresh = A " addr=b@s1.lab", .entry = A,
		.wants = "report domain b@s1.lab" },
	{ "one that DIR has stays, though its domain is not federated", .fresh = A " addr=b@s1.lab",
		.entry = A " addr=b@s1.lab", .before = "addr=a@example.org,b@s1.lab", .wants = "" },
	{ "claimed by two systems", .fresh = A B, .entry = A, .taken = { "b@example.org S2 z" },
		.wants = "report conflict b@example.org" },
	{ "given to another system by an administrator", .fresh = A B, .entry = A, .before = LISTED,
		.taken = { "b@example.org S2 z" }, .wants = "report conflict b@example.org" },
	{ "one by hand on an entry of the same system", .fresh = A B, .entry = A,
		.taken = { "b@example.org S1 -" }, .wants = "report conflict b@example.org" },
	{ "listed by two of the system", .fresh = A B, .entry = A,
		.taken = { "b@example.org S1 z" }, .wants = "report duplicate b@example.org" },
	{ "listed by two, neither has it", .fresh = A B, .taken = { "a@example.org S1 0" },
		.wants = "report duplicate a@example.org; report no_address a@example.org" },
	{ "an alias removed: marked", .fresh = A, .entry = A B, .before = LISTED,
		.wants = "modify +" MARK ":b@example.org " TODAY },
	{ "the same, shown by a delta", .fresh = A, .entry = A B, .before = LISTED, .delta = true,
		.wants = "modify +" MARK ":b@example.org " TODAY },
	{ "the same, our clock is wrong", .fresh = A, .entry = A B, .before = LISTED,
		.clock_wrong = true, .wants = "" },
	{ "without a snapshot it may be by hand", .fresh = A, .entry = A B, .wants = "" },
	{ "marked, in its grace", .fresh = A, .entry = A B " mark=b@example.org/6",
		.before = LISTED " lacking=b@example.org/9", .wants = "" },
	{ "marked, over: gone", .fresh = A, .entry = A B " mark=b@example.org/7",
		.before = LISTED " lacking=b@example.org/1",
		.wants = "modify -mailLocalAddress:b@example.org -" MARK ":b@example.org "
			 "20261112000000Z" },
	{ "over, but one complete pull alone has lacked it", .fresh = A,
		.entry = A B " mark=b@example.org/30", .wants = "" },
	{ "over, but this is a delta", .fresh = A, .entry = A B " mark=b@example.org/30",
		.before = LISTED " lacking=b@example.org/5", .delta = true, .wants = "" },
	{ "over by a clock that is wrong", .fresh = A, .entry = A B " mark=b@example.org/30",
		.before = LISTED " lacking=b@example.org/5", .clock_wrong = true, .wants = "" },
	{ "marked in the future", .fresh = A, .entry = A B " mark=b@example.org/-300",
		.before = LISTED " lacking=b@example.org/5", .wants = "" },
	{ "it is back", .fresh = A B, .entry = A B " mark=b@example.org/30", .before = LISTED,
		.wants = "modify -" MARK ":b@example.org 20261020000000Z" },
	{ "a mark without its address", .fresh = A, .entry = A " mark=b@example.org/1",
		.wants = "modify -" MARK ":b@example.org 20261118000000Z" },
	{ "passes to another mailbox of the system: at once", .fresh = A, .entry = A B,
		.before = LISTED, .passing = "b@example.org",
		.wants = "modify -mailLocalAddress:b@example.org" },
	{ "the same, marked earlier", .fresh = A, .entry = A B " mark=b@example.org/1",
		.before = LISTED, .passing = "b@example.org",
		.wants = "modify -mailLocalAddress:b@example.org -" MARK
			 ":b@example.org 20261118000000Z" },
	{ "the same, this one not shown by the delta", .entry = A B " mark=b@example.org/1",
		.before = LISTED, .delta = true, .passing = "b@example.org",
		.wants = "modify -mailLocalAddress:b@example.org -" MARK
			 ":b@example.org 20261118000000Z" },
	{ "by hand stays, even so", .fresh = A, .entry = A B, .before = "addr=a@example.org",
		.passing = "b@example.org", .wants = "" },
	{ "one that is spelled otherwise is named as it stands", .fresh = A,
		.entry = A " addr=b@b\xc3\xbc"
			   "cher.example mark=b@xn--bcher-kva.example/8 "
			   "spelled=restanteAddressUTF8_b@b\xc3\xbc"
			   "cher.example",
		.before = "addr=b@xn--bcher-kva.example lacking=b@xn--bcher-kva.example/2",
		.wants = "modify -restanteAddressUTF8:b@b\xc3\xbc"
			 "cher.example -" MARK ":b@xn--bcher-kva.example 20261111000000Z" },
	/* primary address */
	{ "a rename", .fresh = "id=a phys=a@s1.lab prim=c@example.org addr=a@example.org cn=C sn=A",
		.entry = A, .before = "addr=a@example.org",
		.wants = "modify +mailLocalAddress:c@example.org =mail:c@example.org =cn:C" },
	{ "its spelling counts", .fresh = "id=a phys=a@s1.lab prim=A.A@example.org cn=A sn=A",
		.entry = "id=a phys=a@s1.lab prim=a.a@example.org cn=A sn=A",
		.wants = "modify =mail:A.A@example.org" },
	{ "of somebody else: not shown as its own",
		.fresh = "id=a phys=a@s1.lab prim=c@example.org addr=a@example.org cn=A sn=A",
		.entry = A, .taken = { "c@example.org S2 z" },
		.wants = "report conflict c@example.org" },
	{ "in another attribute",
		.fresh =
			"id=a phys=a@s1.lab prim=\xc3\xa4@example.org addr=a@example.org cn=A sn=A",
		.entry = A,
		.wants = "modify +restanteAddressUTF8:\xc3\xa4@example.org !mail "
			 "=restantePrimaryUTF8:\xc3\xa4@example.org" },
	{ "goes with its address", .fresh = "id=a phys=a@s1.lab addr=b@example.org cn=A sn=A",
		.entry = A B " mark=a@example.org/9", .before = LISTED " lacking=a@example.org/2",
		.wants = "modify -mailLocalAddress:a@example.org -" MARK
			 ":a@example.org 20261110000000Z !mail" },
	/* physical address */
	{ "another physical address", .fresh = "id=a phys=new@s1.lab prim=a@example.org cn=A sn=A",
		.entry = A, .wants = "modify =mailRoutingAddress:new@s1.lab",
		.asserts = "(restanteSystem=S1)(restanteSourceId=a)(|(!(restanteState=*))"
			   "(restanteState=active))(mailRoutingAddress=a@s1.lab)(entryCSN=" },
	{ "it waits for the move", .fresh = "id=a phys=new@s1.lab prim=a@example.org cn=A sn=A",
		.entry = A, .move = "kind=open " MOVE12, .wants = "report waits new@s1.lab" },
	{ "it does not wait for one that is over",
		.fresh = "id=a phys=new@s1.lab prim=a@example.org cn=A sn=A", .entry = A,
		.move = "kind=over " MOVE12, .wants = "modify =mailRoutingAddress:new@s1.lab" },
	{ "it waits for the hold", .fresh = "id=a phys=new@s1.lab prim=a@example.org cn=A sn=A",
		.entry = A " state=holding", .wants = "report waits new@s1.lab" },
	{ "never into a federated domain",
		.fresh = "id=a phys=new@example.net prim=a@example.org cn=A sn=A", .entry = A,
		.wants = "report physical new@example.net" },
	/* attributes */
	{ "decided by the system", .fresh = A " phone=1,2", .entry = A " phone=3",
		.wants = "modify =telephonenumber:1 +telephonenumber:2" },
	{ "gone there, gone here", .fresh = A, .entry = A " phone=3",
		.wants = "modify !telephonenumber" },
	{ "a name that is gone stays", .fresh = "id=a phys=a@s1.lab prim=a@example.org", .entry = A,
		.wants = "" },
	{ "once: where there is none", .fresh = A " room=1", .entry = A,
		.wants = "modify +roomnumber:1" },
	{ "what the DN is made of stays",
		.fresh = "id=a phys=a@s1.lab prim=a@example.org cn=New sn=A",
		.entry = A " dn=cn=A,ou=people,dc=example,dc=org",
		.wants = "modify =cn:A +cn:New" },
	{ "and then nothing is written",
		.fresh = "id=a phys=a@s1.lab prim=a@example.org cn=New sn=A",
		.entry = A " cn=New dn=uid=1+CN=\\41,ou=people,dc=example,dc=org", .wants = "" },
	/* foreign addresses */
	{ "a foreign address", .fresh = A " foreign=X500:/o=A", .entry = A,
		.wants = "modify +restanteForeignAddress:X500:/o=A" },
	{ "another case of it", .fresh = A " foreign=X500:/o=A", .entry = A " foreign=X500:/O=a",
		.wants = "" },
	{ "by hand it stays", .fresh = A, .entry = A " foreign=X500:/o=A", .wants = "" },
	{ "no longer listed it goes", .fresh = A, .entry = A " foreign=X500:/o=A",
		.before = "foreign=X500:/o=A",
		.wants = "modify -restanteForeignAddress:X500:/o=A" },
	/* adopted */
	{ "an entry without id has its physical address", .fresh = A B,
		.orphan = "phys=a@s1.lab prim=a@example.org addr=hand@example.org cn=A sn=A",
		.taken = { "a@example.org S1 -" },
		.wants = "adopt =restanteSourceId:a +mailLocalAddress:b@example.org",
		.asserts = "(!(restanteSourceId=*))" },
	{ "not of another system", .fresh = A,
		.orphan = "sys=S2 phys=a@s1.lab prim=a@example.org cn=A sn=A",
		.taken = { "a@example.org S2 -" },
		.wants = "report conflict a@example.org; report no_address a@example.org" },
	/* re-keyed */
	{ "made anew", .fresh = A B,
		.orphan = "id=old phys=a@s1.lab prim=A@example.org addr=c@example.org cn=A sn=A "
			  "gone=1",
		.before = "addr=a@example.org,c@example.org",
		.wants = "report rekey a@example.org; rekey !restanteVanishedSince "
			 "=restanteSourceId:a +mailLocalAddress:b@example.org +" MARK
			 ":c@example.org " TODAY " =mail:a@example.org",
		.asserts = "(restanteSourceId=old)" },
	{ "made anew, held: it stays held", .fresh = A,
		.orphan = "id=old phys=a@s1.lab prim=a@example.org cn=A sn=A state=holding",
		.wants = "report rekey a@example.org; rekey =restanteSourceId:a" },
	{ "not while a move is open", .fresh = A,
		.orphan = "id=old phys=a@s1.lab prim=a@example.org cn=A sn=A",
		.move = "kind=open from=S1 to=S2 old=old", .taken = { "a@example.org S1 old" },
		.wants = "report duplicate a@example.org; report no_address a@example.org" },
	{ "not by a delta", .fresh = A,
		.orphan = "id=old phys=a@s1.lab prim=a@example.org cn=A sn=A", .delta = true,
		.taken = { "a@example.org S1 old" },
		.wants = "report duplicate a@example.org; report no_address a@example.org" },
	{ "another primary address is another mailbox", .fresh = A,
		.orphan = "id=old phys=a@s1.lab prim=b@example.org addr=a@example.org cn=A sn=A",
		.taken = { "a@example.org S1 old" },
		.wants = "report duplicate a@example.org; report no_address a@example.org" },
	/* vanished mailboxes */
	{ "vanished", .entry = A B, .before = LISTED,
		.wants = "vanished =restanteVanishedSince:" TODAY,
		.asserts = "(!(restanteVanishedSince=*))" },
	{ "told gone by a delta", .entry = A B, .before = LISTED, .delta = true, .gone = true,
		.wants = "vanished =restanteVanishedSince:" TODAY },
	{ "vanished, our clock is wrong", .entry = A B, .clock_wrong = true, .wants = "" },
	{ "in its grace", .entry = A " gone=6", .before = "missing=9", .wants = "" },
	{ "expired", .entry = A B " gone=7", .before = "missing=1", .wants = "expire",
		.asserts =
			"(|(!(restanteState=*))(restanteState=active))(restanteVanishedSince=*)" },
	{ "one complete pull alone has lacked it", .entry = A " gone=30", .wants = "" },
	{ "expires in no delta", .entry = A " gone=30", .before = "missing=5", .delta = true,
		.gone = true, .wants = "" },
	{ "nor by a wrong clock", .entry = A " gone=30", .before = "missing=5", .clock_wrong = true,
		.wants = "" },
	{ "nor when it is marked in the future", .entry = A " gone=-300", .before = "missing=5",
		.wants = "" },
	{ "nor while it is held", .entry = A " gone=30 state=holding", .before = "missing=5",
		.wants = "report waits" },
	{ "nor while a move is open", .entry = A " gone=30", .before = "missing=5",
		.move = "kind=open " MOVE12, .wants = "report waits" },
	{ "back", .fresh = A, .entry = A " gone=30", .before = "missing=5",
		.wants = "returned !restanteVanishedSince" },
	{ "its address passes to another mailbox", .entry = A B, .before = LISTED,
		.passing = "b@example.org",
		.wants = "vanished -mailLocalAddress:b@example.org =restanteVanishedSince:" TODAY },
	/* moves */
	{ "second mailbox: its claims go to the move", .fresh = A B,
		.move = "kind=open from=S2 to=S1", .taken = { "a@example.org S2 z*" },
		.wants = "claim +restanteMoveClaim:a@example.org +restanteMoveClaim:b@example.org "
			 "+restanteMoveSourceId:a +restanteMovePhysical:a@s1.lab",
		.asserts = "(restanteMoveTarget=S1)(!(restanteMoveSourceId=*))(!("
			   "restanteMovePhysical=*))" },
	{ "what the controller has set stays", .fresh = A,
		.move = "kind=open from=S2 to=S1 id=other phys=A@s1.lab "
			"claims=a@example.org,b@example.org",
		.taken = { "a@example.org S2 z*" },
		.wants = "claim -restanteMoveClaim:b@example.org" },
	{ "claimed already", .fresh = A, .move = "kind=open claims=a@example.org " MOVE21,
		.taken = { "a@example.org S2 z*" }, .wants = "" },
	{ "a third one's address is no claim", .fresh = A B,
		.move = "kind=open claims=a@example.org " MOVE21,
		.taken = { "a@example.org S2 z*", "b@example.org S2 y" },
		.wants = "report conflict b@example.org" },
	{ "another mailbox of the assignee", .fresh = "id=q phys=q@s1.lab prim=a@example.org",
		.move = "kind=open " MOVE21, .taken = { "a@example.org S2 z*" },
		.wants = "report conflict a@example.org; report no_address a@example.org" },
	{ "second mailbox gone", .move = "kind=open claims=a@example.org " MOVE21, .before = LISTED,
		.wants = "claim -restanteMoveClaim:a@example.org" },
	{ "a move that is over explains nothing", .fresh = A, .move = "kind=over " MOVE21,
		.taken = { "a@example.org S2 z*" },
		.wants = "report conflict a@example.org; report no_address a@example.org" },
	{ "after the swap the assignee is the owner", .fresh = A B, .entry = A,
		.move = "kind=open " MOVE21, .wants = "modify +mailLocalAddress:b@example.org" },
	{ "after the swap the old mailbox is explained", .fresh = A B, .move = "kind=open " MOVE12,
		.taken = { "a@example.org S2 a2*", "b@example.org S2 a2*" }, .wants = "" },
	{ "and when the move is finished", .fresh = A B, .move = "kind=finished " MOVE12,
		.taken = { "a@example.org S2 a2*", "b@example.org S2 a2*" }, .wants = "" },
	{ "even with an address that nobody has", .fresh = A B, .move = "kind=finished " MOVE12,
		.taken = { "a@example.org S2 a2*" }, .wants = "" },
	{ "and it may vanish", .before = LISTED, .move = "kind=finished " MOVE12, .wants = "" },
	{ "a record without the old id", .fresh = A, .move = "kind=finished to=S2",
		.taken = { "a@example.org S2 a2*" }, .wants = "" },
	{ "another mailbox of the assignor is not explained",
		.fresh = "id=q phys=q@s1.lab prim=q@example.org addr=a@example.org cn=Q sn=Q",
		.entry = "id=q phys=q@s1.lab prim=q@example.org cn=Q sn=Q",
		.move = "kind=finished " MOVE12, .taken = { "a@example.org S2 a2*" },
		.wants = "report conflict a@example.org" },
	{ "moved back: the owner again", .entry = A, .move = "kind=finished " MOVE12,
		.wants = "vanished =restanteVanishedSince:" TODAY },
};

/* --- a row ----------------------------------------------------------------------------------- */

struct scene {
	struct person fresh;
	struct entry entry, orphan;
	struct trace before, after;
	struct move move;
	struct strings passing;
	struct reconcile_owner taken[OWNERS];
	char words[OWNERS][3][64];
	struct reconcile_policy *policy;
	struct reconcile_run run;
	struct reconcile_facts facts;
	struct guard_tally tally;
	struct lab_sink sink;
	int result;
};

static void set_owner(struct scene *s, const char *text)
{
	char(*w)[64] = s->words[s->facts.taken_count];
	struct reconcile_owner *owner = &s->taken[s->facts.taken_count++];
	size_t len;

	assert_int_equal(sscanf(text, "%63s %63s %63s", w[0], w[1], w[2]), 3);
	len = strlen(w[2]);
	*owner = (struct reconcile_owner){ w[0], w[1], "uid=owner,dc=example,dc=org", w[2],
		w[2][len - 1] == '*' };
	if (owner->moving)
		w[2][len - 1] = '\0';
	if (strcmp(w[2], "-") == 0)
		owner->id = "";
}

static void set_facts(struct scene *s, const struct row *row)
{
	struct reconcile_facts *f = &s->facts;

	f->id = "a";
	if (row->fresh != NULL) {
		lab_person(row->fresh, &s->fresh);
		f->fresh = &s->fresh;
		f->id = str_cstr(&s->fresh.id);
	}
	if (row->entry != NULL)
		f->entry = (lab_entry(row->entry, &s->entry), &s->entry);
	if (row->orphan != NULL)
		f->orphan = (lab_entry(row->orphan, &s->orphan), &s->orphan);
	if (row->before != NULL)
		f->before = (lab_trace(row->before, &s->before), &s->before);
	if (row->move != NULL)
		f->move = (lab_move(row->move, &s->move), &s->move);
	f->taken = s->taken;
	for (size_t i = 0; i < OWNERS && row->taken[i] != NULL; i++)
		set_owner(s, row->taken[i]);
	if (row->passing != NULL)
		f->passing = (strings_add(&s->passing, row->passing), &s->passing);
	f->gone = row->gone;
}

static void play(struct scene *s, const struct row *row)
{
	*s = (struct scene){ .fresh = PERSON_INIT,
		.entry = ENTRY_INIT,
		.orphan = ENTRY_INIT,
		.before = TRACE_INIT,
		.after = TRACE_INIT };
	s->policy = lab_policy();
	s->run = lab_run(s->policy);
	s->run.complete = !row->delta;
	s->run.clock_agrees = !row->clock_wrong;
	set_facts(s, row);
	lab_sink_init(&s->sink);
	reconcile_tally_init(s->policy, &s->tally);
	s->result = reconcile(&s->run, &s->facts, &s->sink.sink, &s->tally, &s->after);
}

static void end(struct scene *s)
{
	person_free(&s->fresh);
	entry_free(&s->entry);
	entry_free(&s->orphan);
	trace_free(&s->before);
	trace_free(&s->after);
	lab_move_free(&s->move);
	strings_free(&s->passing);
	lab_sink_free(&s->sink);
	reconcile_policy_free(&s->policy);
}

/* The digest in a new entry's RDN, as HASH. */
static void hide_hash(struct str *text)
{
	char *uid = text->len > 0 ? strstr(text->data, "+uid:") : NULL;

	if (uid == NULL)
		return;
	memcpy(uid + 5, "HASH", 4);
	memmove(uid + 9, uid + 37, strlen(uid + 37) + 1);
}

static void test_rules(void **state)
{
	int failed = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct scene s;

		play(&s, &rows[i]);
		hide_hash(&s.sink.text);
		if (s.result < 0 || strcmp(str_cstr(&s.sink.text), rows[i].wants) != 0) {
			print_error("%s:\n  wants \"%s\"\n  has   \"%s\"\n", rows[i].name,
				rows[i].wants, str_cstr(&s.sink.text));
			failed++;
		}
		if (rows[i].asserts != NULL &&
			strstr(str_cstr(&s.sink.assertion), rows[i].asserts) == NULL) {
			print_error("%s: asserts %s\n", rows[i].name, str_cstr(&s.sink.assertion));
			failed++;
		}
		end(&s);
	}
	assert_int_equal(failed, 0);
}

/* --- beside the rows ------------------------------------------------------------------------- */

static void test_assertion_covers_all(void **state)
{
	static const struct row row = { .fresh = A B, .entry = A };
	struct scene s;

	(void)state;
	play(&s, &row);
	assert_string_equal(str_cstr(&s.sink.assertion),
		"(&(restanteSystem=S1)(restanteSourceId=a)"
		"(entryCSN=20261101000000.000000Z#000000#000#000000))");
	assert_string_equal(str_cstr(&s.sink.owner),
		"(&(entryUUID=4f0c63f2-5b1e-4c4a-9d7e-0a1b2c3d4e5f)(restanteSystem=S1))");
	assert_true(strings_has(&s.sink.gains, "b@example.org"));
	assert_int_equal(s.sink.gives.count, 0);
	end(&s);
}

static void test_counts(void **state)
{
	static const struct {
		struct row row;
		struct guard_counts wants;
		unsigned counts, addresses;
	} cases[] = {
		{ { .fresh = A, .entry = A B, .before = LISTED }, { 1, 2, 0, 0, 1, 0, 0 },
			PLAN_COUNTS_ADDRESS, 1 },
		/* what is pending counts although nothing is written */
		{ { .fresh = A, .entry = A B " mark=b@example.org/1", .before = LISTED },
			{ 1, 2, 0, 0, 1, 0, 0 }, 0, 0 },
		{ { .entry = A " gone=1", .before = "missing=1" }, { 1, 1, 1, 0, 0, 0, 0 }, 0, 0 },
		{ { .entry = A }, { 1, 1, 1, 0, 0, 0, 0 }, PLAN_COUNTS_VANISH, 0 },
		{ { .entry = A, .clock_wrong = true }, { 1, 1, 1, 0, 0, 0, 0 }, 0, 0 },
		{ { .entry = A " gone=9", .before = "missing=1" }, { 1, 1, 0, 1, 0, 0, 0 },
			PLAN_COUNTS_EXPIRE, 0 },
		{ { .fresh = A, .orphan = "id=old prim=a@example.org phys=a@s1.lab cn=A sn=A" },
			{ 1, 1, 0, 0, 0, 1, 0 }, PLAN_COUNTS_REKEY, 0 },
		{ { .fresh = A, .entry = A B, .before = LISTED, .passing = "b@example.org" },
			{ 1, 2, 0, 0, 0, 0, 0 }, 0, 0 },
		{ { .fresh = A, .move = "kind=finished " MOVE12 }, { 0, 0, 0, 0, 0, 0, 1 }, 0, 0 },
		{ { .before = LISTED, .move = "kind=finished " MOVE12 }, { 0 }, 0, 0 },
		{ { .entry = A B " mark=b@example.org/1 gone=1", .delta = true },
			{ 1, 2, 1, 0, 1, 0, 0 }, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct scene s;

		play(&s, &cases[i].row);
		if (memcmp(&s.tally.counts, &cases[i].wants, sizeof cases[i].wants) != 0 ||
			s.sink.counts != cases[i].counts ||
			s.sink.count_addresses != cases[i].addresses)
			fail_msg("case %zu: counts %u, addresses %u, gone %llu", i, s.sink.counts,
				s.sink.count_addresses,
				(unsigned long long)s.tally.counts.addresses_gone);
		end(&s);
	}
}

static void test_lost_attributes(void **state)
{
	static const struct row row = { .fresh = "id=a phys=a@s1.lab prim=a@example.org sn=A",
		.entry = A " phone=1" };
	struct scene s;

	(void)state;
	play(&s, &row);
	assert_int_equal(s.tally.lost_count, 3);
	assert_string_equal(s.tally.lost[0].name, "cn");
	assert_int_equal(s.tally.lost[0].lacks, 1);
	assert_int_equal(s.tally.lost[1].lacks, 0);
	assert_int_equal(s.tally.lost[2].had, 1);
	assert_int_equal(s.tally.lost[2].lacks, 1);
	end(&s);
}

static void test_unusable(void **state)
{
	static const struct row row = { .entry = A B, .before = LISTED };
	struct scene s;

	(void)state;
	play(&s, &row);
	trace_reset(&s.after);
	str_reset(&s.sink.text);
	s.facts.unusable = "no usable address";
	assert_int_equal(reconcile(&s.run, &s.facts, &s.sink.sink, &s.tally, &s.after), 1);
	assert_string_equal(str_cstr(&s.sink.text), "report unreadable");
	assert_true(strings_has(&s.after.addresses, "b@example.org"));
	assert_int_equal(s.after.missing, 0);
	end(&s);
}

static void test_traces(void **state)
{
	static const struct row shown = { .fresh = A, .entry = A B, .before = LISTED };
	static const struct row missing = { .entry = A B, .before = LISTED " missing=4" };
	struct trace again = TRACE_INIT;
	struct str bytes = STR_INIT, twice = STR_INIT;
	struct scene s;

	(void)state;
	play(&s, &shown);
	assert_int_equal(s.result, 1);
	assert_true(strings_has(&s.after.addresses, "b@example.org"));
	assert_true(strings_has(&s.after.lacking, "b@example.org 1"));
	trace_encode(&s.after, &bytes);
	assert_int_equal(trace_decode(bytes.data, bytes.len, &again), 0);
	trace_encode(&again, &twice);
	assert_int_equal(bytes.len, twice.len);
	assert_memory_equal(bytes.data, twice.data, bytes.len);
	for (size_t len = 0; len < bytes.len; len++)
		assert_int_equal(trace_decode(bytes.data, len, &again), -1);
	end(&s);
	play(&s, &missing);
	assert_int_equal(s.after.missing, 5);
	assert_true(strings_has(&s.after.addresses, "b@example.org"));
	end(&s);
	trace_free(&again);
	str_free(&bytes);
	str_free(&twice);
}

static void test_look_ups(void **state)
{
	static const struct row row = { .fresh = A " addr=c@example.org,d@s1.lab",
		.entry = A B " addr=hand@example.org",
		.before = LISTED };
	static const struct row vanished = { .entry = A B };
	struct strings keys = STRINGS_INIT;
	struct scene s;

	(void)state;
	play(&s, &row);
	reconcile_gains(&s.run, &s.facts, &keys);
	assert_int_equal(keys.count, 1);
	assert_true(strings_has(&keys, "c@example.org"));
	strings_reset(&keys);
	reconcile_loses(&s.run, &s.facts, &keys);
	assert_int_equal(keys.count, 1);
	assert_true(strings_has(&keys, "b@example.org"));
	end(&s);
	strings_reset(&keys);
	play(&s, &vanished);
	reconcile_gains(&s.run, &s.facts, &keys);
	assert_int_equal(keys.count, 0);
	reconcile_loses(&s.run, &s.facts, &keys);
	assert_int_equal(keys.count, 2);
	end(&s);
	strings_free(&keys);
}

static void test_takes(void **state)
{
	static const struct row yes = { .fresh = A };
	static const struct row no = { .fresh = A B, .taken = { "a@example.org S2 z" } };
	static const struct row second = { .fresh = A, .move = "kind=open " MOVE21 };
	struct scene s;

	(void)state;
	play(&s, &yes);
	assert_true(reconcile_takes(&s.run, &s.facts));
	end(&s);
	play(&s, &no);
	assert_false(reconcile_takes(&s.run, &s.facts));
	end(&s);
	play(&s, &second);
	assert_false(reconcile_takes(&s.run, &s.facts));
	end(&s);
}

static void test_new_dn(void **state)
{
	struct reconcile_run run = lab_run(NULL);
	struct str one = STR_INIT, other = STR_INIT;

	(void)state;
	reconcile_new_dn(&run, "a", "a@example.org", &one);
	run.system = "s1";
	reconcile_new_dn(&run, "a", "a@example.org", &other);
	assert_string_equal(str_cstr(&one), str_cstr(&other));
	assert_int_equal(strcspn(str_cstr(&one), ","), 4 + 32);
	assert_non_null(strstr(str_cstr(&one), ",ou=people,dc=example,dc=org"));
	str_reset(&other);
	reconcile_new_dn(&run, "a", "b@example.org", &other);
	assert_string_not_equal(str_cstr(&one), str_cstr(&other));
	str_free(&one);
	str_free(&other);
}

static void test_policy_refuses(void **state)
{
	static const char *const words[] = { "mail=mail", "cn", "=cn", "restanteState=x",
		"cn=cn MailLocalAddress=m" };
	const char *error;

	(void)state;
	for (size_t i = 0; i < COUNT(words); i++) {
		struct config_up settings = { .name = (char *)"S1",
			.attributes = (char *)words[i],
			.attributes_once = (char *)"",
			.object_class = (char *)"inetOrgPerson" };

		error = NULL;
		assert_null(reconcile_policy_new(&settings, &error));
		assert_non_null(strstr(error, "up S1.attributes: "));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_assertion_covers_all),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_lost_attributes),
		cmocka_unit_test(test_unusable),
		cmocka_unit_test(test_traces),
		cmocka_unit_test(test_look_ups),
		cmocka_unit_test(test_takes),
		cmocka_unit_test(test_new_dn),
		cmocka_unit_test(test_policy_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
