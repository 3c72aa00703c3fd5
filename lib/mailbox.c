#include "lib/mailbox.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/federation.h"
#include "lib/mem.h"

static _Thread_local char fault[1024];

static const char *const mailbox_attributes[] = { "entryUUID", "entryCSN", "restanteSystem",
	"mailRoutingAddress", "restanteSourceId", "mailHost", "restanteState", "mailLocalAddress",
	"restanteAddressUTF8", NULL };

static enum ldap_result failed(
	const struct ldap_session *session, enum ldap_result result, const char **error_r)
{
	if (result != LDAP_DONE) {
		snprintf(fault, sizeof(fault), "%s", ldap_session_reason(session));
		*error_r = fault;
	}
	return result;
}

/* --- reading ------------------------------------------------------------------------------- */

static char *value(const struct ldap_entry *entry, const char *name, const char *fallback)
{
	const char *text = ldap_entry_value(entry, name);

	return mem_strdup(text != NULL ? text : fallback);
}

static void clear(struct mailbox *mailbox)
{
	mem_free(&mailbox->dn);
	mem_free(&mailbox->uuid);
	mem_free(&mailbox->csn);
	mem_free(&mailbox->system);
	mem_free(&mailbox->physical);
	mem_free(&mailbox->source_id);
	mem_free(&mailbox->host);
	mem_free(&mailbox->state_text);
}

static void take_entry(struct mailbox *mailbox, const struct ldap_entry *entry)
{
	mailbox->dn = mem_strdup(entry->dn);
	mailbox->uuid = value(entry, "entryUUID", "");
	mailbox->csn = value(entry, "entryCSN", "");
	mailbox->system = value(entry, "restanteSystem", "");
	mailbox->physical = value(entry, "mailRoutingAddress", "");
	mailbox->source_id = value(entry, "restanteSourceId", NULL);
	mailbox->host = value(entry, "mailHost", NULL);
	mailbox->state_text = value(entry, "restanteState", "");
	mailbox->state = route_state_parse(mailbox->state_text);
}

void mailbox_free(struct mailbox **mailbox)
{
	if (*mailbox == NULL)
		return;
	clear(*mailbox);
	mem_free(mailbox);
}

enum ldap_result mailbox_reread(
	struct ldap_session *session, struct mailbox *mailbox, const char **error_r)
{
	struct ldap_entry *entry = NULL;
	enum ldap_result result =
		ldap_session_read(session, mailbox->dn, mailbox_attributes, &entry);

	if (result != LDAP_DONE)
		return failed(session, result, error_r);
	clear(mailbox);
	take_entry(mailbox, entry);
	ldap_entry_free(&entry);
	return LDAP_DONE;
}

/* --- finding ------------------------------------------------------------------------------- */

static void add_term(struct str *out, const char *attribute, const char *text)
{
	str_printf(out, "(%s=", attribute);
	ldap_filter_escape(text, out);
	str_append_c(out, ')');
}

static bool is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

static void add_spelling(struct str *out, const char *local, const char *domain)
{
	struct str text = STR_INIT;

	str_printf(&text, "%s@%s", local, domain);
	/* mailLocalAddress is IA5: a value with other bytes is invalid there and matches nothing.
	 */
	if (is_ascii(str_cstr(&text)))
		add_term(out, "mailLocalAddress", str_cstr(&text));
	else
		add_term(out, "restanteAddressUTF8", str_cstr(&text));
	str_free(&text);
}

/* In place, as RFC 5321 writes a local part with such characters. */
static void quote(struct str *local)
{
	char *plain = str_steal(local);

	str_append_c(local, '"');
	for (const char *p = plain; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			str_append_c(local, '\\');
		str_append_c(local, *p);
	}
	str_append_c(local, '"');
	mem_free(&plain);
}

/* A local part with the domain as it is stored, and as people write it. */
static void add_local(struct str *out, const char *local, const char *domain)
{
	struct str unicode = STR_INIT;

	add_spelling(out, local, domain);
	if (address_domain_unicode(domain, &unicode))
		add_spelling(out, local, str_cstr(&unicode));
	str_free(&unicode);
}

void mailbox_filter(const struct address *address, struct str *out)
{
	const char *domain = address_domain(address);
	struct str local = STR_INIT;

	str_append_z(out, "(&(objectClass=restanteMailbox)(|");
	str_append(&local, address->key, address->local_len);
	add_local(out, str_cstr(&local), domain);
	/* The normal form folds more than a server does: sharp s, for one. */
	if (!is_ascii(address->local))
		add_local(out, address->local, domain);
	if (strpbrk(str_cstr(&local), " ()<>[]:;@\\,\"") != NULL) {
		quote(&local);
		add_local(out, str_cstr(&local), domain);
	}
	str_append_z(out, "))");
	str_free(&local);
}

struct search {
	const char *key;
	struct mailbox *found;
	char *other; /* DN of a second one */
};

static bool has_address(const struct ldap_attribute *attribute, const char *key)
{
	struct address address;
	const char *error;

	for (size_t i = 0; attribute != NULL && i < attribute->count; i++)
		if (address_parse(attribute->values[i], &address, &error) == 0 &&
			strcmp(address.key, key) == 0)
			return true;
	return false;
}

static int take_found(void *context, const struct ldap_entry *entry)
{
	struct search *search = context;

	/* The directory's matching rules are wider than the normal form (spaces, for one). */
	if (!has_address(ldap_entry_attribute(entry, "mailLocalAddress"), search->key) &&
		!has_address(ldap_entry_attribute(entry, "restanteAddressUTF8"), search->key))
		return 0;
	if (search->found != NULL) {
		search->other = mem_strdup(entry->dn);
		return 1;
	}
	search->found = mem_zalloc(sizeof(*search->found));
	take_entry(search->found, entry);
	return 0;
}

static enum ldap_result judge_found(
	struct search *search, struct mailbox **mailbox_r, const char **error_r)
{
	if (search->other != NULL) {
		snprintf(fault, sizeof(fault), "%s is claimed by %s and by %s; remove it from one",
			search->key, search->found->dn, search->other);
		mem_free(&search->other);
		mailbox_free(&search->found);
		*error_r = fault;
		return LDAP_TAKEN;
	}
	*mailbox_r = search->found;
	return search->found != NULL ? LDAP_DONE : LDAP_NO_ENTRY;
}

enum ldap_result mailbox_find(struct ldap_session *session, const char *base, const char *address,
	struct mailbox **mailbox_r, const char **error_r)
{
	struct address parsed;
	struct search search = { .key = parsed.key };
	struct str filter = STR_INIT;

	*mailbox_r = NULL;
	if (address_parse(address, &parsed, error_r) != 0)
		return LDAP_REFUSED;
	if (!parsed.has_domain) {
		*error_r = "address has no domain";
		return LDAP_REFUSED;
	}
	mailbox_filter(&parsed, &filter);
	enum ldap_result result = ldap_session_search(session, base, LDAP_SUB, str_cstr(&filter),
		mailbox_attributes, take_found, &search);
	str_free(&filter);
	if (result != LDAP_DONE && result != LDAP_NO_ENTRY) {
		mailbox_free(&search.found);
		mem_free(&search.other);
		return failed(session, result, error_r);
	}
	result = judge_found(&search, mailbox_r, error_r);
	if (result == LDAP_NO_ENTRY) {
		snprintf(fault, sizeof(fault), "no mailbox has the address %s", parsed.key);
		*error_r = fault;
	}
	return result;
}

/* --- changing ------------------------------------------------------------------------------ */

static void assert_value(const char *attribute, const char *text, struct str *out)
{
	if (text[0] == '\0')
		str_printf(out, "(!(%s=*))", attribute);
	else
		add_term(out, attribute, text);
}

/* That physical address is what a drain will look for: it must be the one that is held. */
static void assert_seen(const struct mailbox *mailbox, struct str *out)
{
	str_append_z(out, "(&");
	assert_value("restanteState", mailbox->state_text, out);
	assert_value("mailRoutingAddress", mailbox->physical, out);
	str_append_c(out, ')');
}

bool mailbox_csn_fault(const char *dn, const char *before, const char *after, const char **error_r)
{
	if (*before == '\0' || *after == '\0' || strcmp(after, before) > 0)
		return false;
	snprintf(fault, sizeof(fault),
		"%s was written, but its version %s is not newer than the one before, %s: the "
		"clock of the directory server was set back; front doors ignore such a version: "
		"set the clock right, then write it again",
		dn, after, before);
	*error_r = fault;
	return true;
}

static void take_csn(struct mailbox *mailbox, const char *csn)
{
	mem_free(&mailbox->csn);
	mailbox->csn = mem_strdup(csn);
}

static void take_state(struct mailbox *mailbox, enum route_state state)
{
	mem_free(&mailbox->state_text);
	mailbox->state_text = mem_strdup(route_state_name(state));
	mailbox->state = state;
}

static enum ldap_result set_state(struct ldap_session *session, struct mailbox *mailbox,
	enum route_state state, const char *assertion, const char **error_r)
{
	const char *const values[] = { route_state_name(state), NULL };
	const struct ldap_change change = { LDAP_CHANGE_REPLACE, "restanteState", values };
	char csn[64] = "";
	enum ldap_result result =
		ldap_session_modify(session, mailbox->dn, &change, 1, assertion, csn, sizeof(csn));

	if (result != LDAP_DONE)
		return failed(session, result, error_r);
	bool stale = mailbox_csn_fault(mailbox->dn, mailbox->csn, csn, error_r);
	take_csn(mailbox, csn);
	take_state(mailbox, state);
	return stale ? LDAP_REFUSED : LDAP_DONE;
}

enum ldap_result mailbox_set_state(struct ldap_session *session, struct mailbox *mailbox,
	enum route_state state, const char **error_r)
{
	struct str assertion = STR_INIT;

	assert_seen(mailbox, &assertion);
	enum ldap_result result = set_state(session, mailbox, state, str_cstr(&assertion), error_r);
	str_free(&assertion);
	return result;
}

enum ldap_result mailbox_set_state_seen(struct ldap_session *session, struct mailbox *mailbox,
	enum route_state state, const char **error_r)
{
	struct str assertion = STR_INIT;

	add_term(&assertion, "entryCSN", mailbox->csn);
	enum ldap_result result = set_state(session, mailbox, state, str_cstr(&assertion), error_r);
	str_free(&assertion);
	return result;
}

static void replace_text(char **target, const char *text)
{
	char *copy = mem_strdup(text); /* text may point into what goes */

	mem_free(target);
	*target = copy;
}

static void take_swap(struct mailbox *mailbox, const char *system, const char *physical,
	const char *source_id, const char *csn)
{
	if (strcasecmp(system, mailbox->system) != 0)
		mem_free(&mailbox->host);
	replace_text(&mailbox->system, system);
	replace_text(&mailbox->physical, physical);
	replace_text(&mailbox->source_id, source_id);
	take_csn(mailbox, csn);
	take_state(mailbox, STATE_ACTIVE);
}

enum ldap_result mailbox_swap(struct ldap_session *session, struct mailbox *mailbox,
	const char *system, const char *physical, const char *source_id, const char **error_r)
{
	const char *const to[] = { physical, NULL }, *const at[] = { system, NULL };
	const char *const id[] = { source_id, NULL }, *const active[] = { "active", NULL };
	bool stale_host = mailbox->host != NULL && strcasecmp(system, mailbox->system) != 0;
	const struct ldap_change changes[] = {
		{ LDAP_CHANGE_REPLACE, "mailRoutingAddress", to },
		{ LDAP_CHANGE_REPLACE, "restanteSystem", at },
		{ LDAP_CHANGE_REPLACE, "restanteSourceId", source_id != NULL ? id : NULL },
		{ LDAP_CHANGE_REPLACE, "restanteState", active },
		{ LDAP_CHANGE_REPLACE, "mailHost", NULL },
	};
	struct str assertion = STR_INIT;
	char csn[64] = "";

	str_append_z(&assertion, "(&(restanteState=holding)");
	add_term(&assertion, "entryCSN", mailbox->csn);
	str_append_c(&assertion, ')');
	enum ldap_result result = ldap_session_modify(session, mailbox->dn, changes,
		stale_host ? 5 : 4, str_cstr(&assertion), csn, sizeof(csn));
	str_free(&assertion);
	if (result != LDAP_DONE)
		return failed(session, result, error_r);
	bool stale = mailbox_csn_fault(mailbox->dn, mailbox->csn, csn, error_r);
	take_swap(mailbox, system, physical, source_id, csn);
	return stale ? LDAP_REFUSED : LDAP_DONE;
}

/* --- systems ------------------------------------------------------------------------------- */

enum ldap_result mailbox_system_exists(
	struct ldap_session *session, const char *base, const char *system, const char **error_r)
{
	struct federation_systems systems;
	enum ldap_result result = federation_read_systems(session, base, &systems);
	bool found = false;

	if (result != LDAP_DONE)
		return failed(session, result, error_r);
	for (size_t i = 0; i < systems.count; i++)
		found = found || strcasecmp(systems.systems[i].name, system) == 0;
	federation_systems_free(&systems);
	if (found)
		return LDAP_DONE;
	snprintf(fault, sizeof(fault), "no system %s below ou=systems", system);
	*error_r = fault;
	return LDAP_NO_ENTRY;
}
