/*
 * What the access rules of the directory let the milter's identity read and write. Writes are asked
 * about by changes that cannot succeed (lib/ldap_probe.h).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "doctor/gather.h"
#include "lib/mem.h"
#include "lib/move.h"

/* Result codes of RFC 4511. */
#define LDAP_REFERRED     10
#define LDAP_NO_OBJECT    32
#define LDAP_INSUFFICIENT 50
#define LDAP_UNWILLING    53

/* --- reading -------------------------------------------------------------------------------- */

static void note(struct strings *list, const char *attribute, const char *dn)
{
	char *text = mem_printf("%s of %s", attribute, dn);

	strings_add(list, text);
	mem_free(&text);
}

/*
 * What the milter is not shown: of these attributes those that every entry of the kind has, and
 * those that the administrator sees.
 */
static void compare(const struct sessions *sessions, const char *dn, const char *const *always,
	const char *const *names, struct rights *rights)
{
	struct ldap_entry *seen = NULL, *there = NULL;

	ldap_session_read(sessions->milter, dn, names, &seen);
	if (sessions->administrator != NULL)
		ldap_session_read(sessions->administrator, dn, names, &there);
	for (size_t i = 0; names[i] != NULL; i++) {
		bool expected = there != NULL && ldap_entry_value(there, names[i]) != NULL;

		for (size_t k = 0; there == NULL && always[k] != NULL; k++)
			expected = expected || strcmp(always[k], names[i]) == 0;
		if (expected && (seen == NULL || ldap_entry_value(seen, names[i]) == NULL))
			note(&rights->unread, names[i], dn);
	}
	ldap_entry_free(&seen);
	ldap_entry_free(&there);
}

static const char *const mailbox_always[] = { "objectClass", "entryUUID", "entryCSN",
	"restanteSystem", "mailRoutingAddress", NULL };
static const char *const mailbox_names[] = { "objectClass", "entryUUID", "entryCSN",
	"restanteSystem", "restanteState", "mailRoutingAddress", "mailLocalAddress",
	"restanteAddressUTF8", NULL };
static const char *const federation_names[] = { "objectClass", "entryUUID", "entryCSN",
	"associatedDomain", "restanteEpoch", NULL };
static const char *const system_always[] = { "objectClass", "entryUUID", "entryCSN", "cn", NULL };
static const char *const system_names[] = { "objectClass", "entryUUID", "entryCSN", "cn",
	"restanteState", "restanteReleaseAddress", "restanteReleaseProtocol", "restanteReleaseTLS",
	NULL };
static const char *const node_always[] = { "objectClass", "entryUUID", "entryCSN", "cn",
	"restanteNodeState", NULL };
static const char *const node_names[] = { "objectClass", "entryUUID", "entryCSN", "cn",
	"restanteNodeState", "restanteAckEpoch", "restanteDrainedEpoch", "restanteUndrained",
	"restanteHeartbeat", "restanteMessagesHeld", NULL };

/* Where a move is, the milter tells its record how many messages it held: it has to find that. */
static const char *const move_always[] = { NULL };
static const char *const move_names[] = { "objectClass", "restanteMoveMailbox", "restanteMoveHold",
	NULL };

static int take_dn(void *context, const struct ldap_entry *entry)
{
	struct str *dn = context;

	str_append_z(dn, entry->dn);
	return 1;
}

static void ask_move(const struct sessions *sessions, const char *base, struct rights *rights)
{
	static const char *const names[] = { "1.1", NULL };
	struct str container = STR_INIT, dn = STR_INIT;

	if (sessions->administrator == NULL)
		return;
	move_container_dn(base, &container);
	ldap_session_search(sessions->administrator, str_cstr(&container), LDAP_ONE,
		"(restanteMoveMailbox=*)", names, take_dn, &dn);
	if (dn.len > 0)
		compare(sessions, str_cstr(&dn), move_always, move_names, rights);
	str_free(&container);
	str_free(&dn);
}

static void ask_reading(const struct sessions *sessions, const char *federation,
	const struct directory_facts *d, struct rights *rights)
{
	for (size_t i = 0; i < d->mailboxes.count && i < 5; i++)
		compare(sessions, d->mailboxes.items[i], mailbox_always, mailbox_names, rights);
	for (size_t i = 0; i < d->systems.count && i < 5; i++)
		compare(sessions, d->systems.items[i], system_always, system_names, rights);
	compare(sessions, federation, federation_names, federation_names, rights);
	if (d->node_state != NULL)
		compare(sessions, d->node_dn, node_always, node_names, rights);
}

static int pass_by(void *context, const struct ldap_entry *entry)
{
	(void)context;
	(void)entry;
	return 0;
}

/*
 * A deletion reaches the milter only if it may see the bare entry by a rule that does not look at
 * its attributes (see slapd.conf.example). An entry that is no mailbox shows that: where its
 * "entry" is hidden the server denies that it is there at all.
 */
static bool hides_deletions(struct ldap_session *session, const char *base, const char *mailbox)
{
	static const char *const names[] = { "1.1", NULL };
	const char *parent = mailbox + strcspn(mailbox, ",");

	if (*parent != ',' || strcasecmp(parent + 1, base) == 0)
		return false;
	ldap_session_search(
		session, parent + 1, LDAP_BASE, "(objectClass=*)", names, pass_by, NULL);
	int code = ldap_session_code(session);
	return code == LDAP_NO_OBJECT || code == LDAP_INSUFFICIENT;
}

/* --- writing -------------------------------------------------------------------------------- */

enum value_kind { VALUE_TEXT, VALUE_NUMBER, VALUE_TIME };

struct right {
	const char *attribute;
	enum value_kind kind;
	const char *add; /* NULL: the absent value itself */
};

static const struct right own_needed[] = { { "restanteAckEpoch", VALUE_NUMBER, NULL },
	{ "restanteDrainedEpoch", VALUE_NUMBER, NULL }, { "restanteUndrained", VALUE_TEXT, NULL },
	{ "restanteHeartbeat", VALUE_TIME, NULL }, { "restanteMessagesHeld", VALUE_NUMBER, NULL },
	{ "restanteNodeState", VALUE_TEXT, "disabled" }, { NULL, VALUE_TEXT, NULL } };
static const struct right own_excess[] = { { "restanteNodeState", VALUE_TEXT, "enabled" },
	{ NULL, VALUE_TEXT, NULL } };
static const struct right node_excess[] = { { "restanteAckEpoch", VALUE_NUMBER, NULL },
	{ "restanteDrainedEpoch", VALUE_NUMBER, NULL }, { NULL, VALUE_TEXT, NULL } };
static const struct right mailbox_excess[] = { { "restanteState", VALUE_TEXT, NULL },
	{ "restanteSystem", VALUE_TEXT, NULL }, { "mailRoutingAddress", VALUE_TEXT, NULL },
	{ "mailLocalAddress", VALUE_TEXT, NULL }, { NULL, VALUE_TEXT, NULL } };
static const struct right federation_excess[] = { { "restanteEpoch", VALUE_NUMBER, NULL },
	{ "associatedDomain", VALUE_TEXT, NULL }, { NULL, VALUE_TEXT, NULL } };
static const struct right system_excess[] = { { "restanteState", VALUE_TEXT, NULL },
	{ NULL, VALUE_TEXT, NULL } };
/* of the administrator, for hold and swap */
static const struct right mailbox_needed[] = { { "restanteState", VALUE_TEXT, NULL },
	{ "restanteSystem", VALUE_TEXT, NULL }, { "mailRoutingAddress", VALUE_TEXT, NULL },
	{ NULL, VALUE_TEXT, NULL } };
static const struct right federation_needed[] = { { "restanteEpoch", VALUE_NUMBER, NULL },
	{ NULL, VALUE_TEXT, NULL } };

/* A value that no entry has. */
static void absent_value(enum value_kind kind, char *buffer, size_t size)
{
	uint64_t chance = 0;

	if (getrandom(&chance, sizeof(chance), 0) != sizeof(chance))
		chance = (uint64_t)(uintptr_t)buffer;
	if (kind == VALUE_NUMBER)
		snprintf(buffer, size, "-%" PRIu64, chance / 4 + 1);
	else if (kind == VALUE_TIME)
		snprintf(buffer, size, "16%02u0101%02u%02u%02uZ", (unsigned)(chance % 100),
			(unsigned)(chance / 100 % 24), (unsigned)(chance / 2400 % 60),
			(unsigned)(chance / 144000 % 60));
	else
		snprintf(buffer, size, "restante-doctor-%016" PRIx64, chance);
}

/* Each attribute into `yes`, `no` or unclear, whichever list is given. */
static void ask(struct ldap_session *session, const char *dn, const struct right *list,
	struct strings *yes, struct strings *no, struct rights *rights)
{
	char absent[64];

	for (const struct right *right = list; dn != NULL && right->attribute != NULL; right++) {
		absent_value(right->kind, absent, sizeof(absent));
		switch (ldap_probe_write(session, dn, right->attribute, absent,
			right->add != NULL ? right->add : absent)) {
		case LDAP_ANSWER_YES:
			if (yes != NULL)
				note(yes, right->attribute, dn);
			break;
		case LDAP_ANSWER_NO:
			if (no != NULL)
				note(no, right->attribute, dn);
			break;
		case LDAP_ANSWER_UNCLEAR: note(&rights->unclear, right->attribute, dn); break;
		}
	}
}

static const char *first(const struct strings *list)
{
	return list->count > 0 ? list->items[0] : NULL;
}

static const char *another_node(const struct directory_facts *d)
{
	for (size_t i = 0; i < d->nodes.count; i++)
		if (strcasecmp(d->nodes.items[i], d->node_dn) != 0)
			return d->nodes.items[i];
	return NULL;
}

/* A replica that only copies says so to every change. */
static bool takes_writes(struct ldap_session *session, const char *dn, struct rights *rights)
{
	char absent[64];

	absent_value(VALUE_TEXT, absent, sizeof(absent));
	ldap_probe_write(session, dn, "restanteUndrained", absent, NULL);
	int code = ldap_session_code(session);
	rights->read_only = code == LDAP_REFERRED || code == LDAP_UNWILLING;
	if (rights->read_only)
		rights->read_only_reason = mem_strdup(ldap_session_reason(session));
	return !rights->read_only;
}

static void ask_writing(const struct sessions *sessions, const char *federation,
	const struct directory_facts *d, struct rights *rights)
{
	struct ldap_session *milter = sessions->milter, *person = sessions->administrator;
	const char *own = d->node_state != NULL ? d->node_dn : NULL;

	if (own != NULL && !takes_writes(milter, own, rights))
		return;
	ask(milter, own, own_needed, NULL, &rights->missing, rights);
	ask(milter, own, own_excess, &rights->excess, NULL, rights);
	ask(milter, own != NULL ? another_node(d) : NULL, node_excess, &rights->excess, NULL,
		rights);
	ask(milter, first(&d->mailboxes), mailbox_excess, &rights->excess, NULL, rights);
	ask(milter, first(&d->systems), system_excess, &rights->excess, NULL, rights);
	ask(milter, federation, federation_excess, &rights->excess, NULL, rights);
	if (person == NULL)
		return;
	ask(person, first(&d->mailboxes), mailbox_needed, NULL, &rights->administrator, rights);
	ask(person, federation, federation_needed, NULL, &rights->administrator, rights);
}

void gather_rights(
	const struct sessions *sessions, const char *base, struct directory_facts *directory)
{
	struct str federation = STR_INIT;
	struct rights *rights = &directory->rights;

	federation_dn(base, &federation);
	ask_reading(sessions, str_cstr(&federation), directory, rights);
	ask_move(sessions, base, rights);
	if (directory->mailboxes.count > 0)
		rights->deletions_hidden =
			hides_deletions(sessions->milter, base, directory->mailboxes.items[0]);
	if (directory->federation != NULL)
		ask_writing(sessions, str_cstr(&federation), directory, rights);
	str_free(&federation);
}
