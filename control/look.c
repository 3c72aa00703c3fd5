/* The mailbox's entry in DIR: by the entryUUID that the record has, else by its address. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "control/run.h"
#include "control/systems.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/route.h"

#define SYSTEMS_AGE (5 * CLOCK_SECOND)

void run_forget_mailbox(struct run *r)
{
	ldap_entry_free(&r->entry);
	mailbox_free(&r->mailbox);
	mem_free(&r->mailbox_trouble);
	r->mailbox_gone = false;
}

static char *value(const struct ldap_entry *entry, const char *name, const char *fallback)
{
	const char *text = ldap_entry_value(entry, name);

	return mem_strdup(text != NULL ? text : fallback);
}

static struct mailbox *mailbox_of(const struct ldap_entry *entry)
{
	struct mailbox *m = mem_zalloc(sizeof *m);

	m->dn = mem_strdup(entry->dn);
	m->uuid = value(entry, "entryUUID", "");
	m->csn = value(entry, "entryCSN", "");
	m->system = value(entry, "restanteSystem", "");
	m->physical = value(entry, "mailRoutingAddress", "");
	m->source_id = value(entry, "restanteSourceId", NULL);
	m->host = value(entry, "mailHost", NULL);
	m->state_text = value(entry, "restanteState", "");
	m->state = route_state_parse(m->state_text);
	return m;
}

static void set_value(struct ldap_entry *entry, const char *name, const char *text)
{
	for (size_t i = 0; i < entry->count; i++) {
		struct ldap_attribute *a = &entry->attributes[i];

		if (strcasecmp(a->name, name) != 0 || a->count != 1)
			continue;
		mem_free(&a->values[0]);
		a->values[0] = mem_strdup(text);
	}
}

void run_note_mailbox(struct run *r)
{
	const struct mailbox *m = r->mailbox;

	set_value(r->entry, "entryCSN", m->csn);
	set_value(r->entry, "restanteSystem", m->system);
	set_value(r->entry, "mailRoutingAddress", m->physical);
	set_value(r->entry, "restanteState", m->state_text);
	if (m->source_id != NULL)
		set_value(r->entry, "restanteSourceId", m->source_id);
}

/* --- by entryUUID ----------------------------------------------------------------------------- */

static struct ldap_entry *copy_entry(const struct ldap_entry *entry)
{
	struct ldap_entry *copy = mem_zalloc(sizeof *copy);

	copy->dn = mem_strdup(entry->dn);
	copy->count = entry->count;
	copy->attributes = mem_zalloc((entry->count + 1) * sizeof *copy->attributes);
	for (size_t i = 0; i < entry->count; i++) {
		const struct ldap_attribute *from = &entry->attributes[i];
		struct ldap_attribute *to = &copy->attributes[i];

		to->name = mem_strdup(from->name);
		to->count = from->count;
		to->values = mem_zalloc((from->count + 1) * sizeof *to->values);
		for (size_t v = 0; v < from->count; v++)
			to->values[v] = mem_strdup(from->values[v]);
	}
	return copy;
}

static int take_entry(void *context, const struct ldap_entry *entry)
{
	const struct ldap_attribute *classes = ldap_entry_attribute(entry, "objectClass");
	struct ldap_entry **found = context;
	bool mailbox = false;

	for (size_t i = 0; classes != NULL && i < classes->count; i++)
		mailbox = mailbox || strcasecmp(classes->values[i], "restanteMailbox") == 0;
	if (mailbox && *found == NULL)
		*found = copy_entry(entry);
	return 0;
}

/* By that alone: slapd would read the index of a class, which all mailboxes are in, for each. */
static enum ldap_result find_by_uuid(
	struct run *r, struct ldap_session *session, struct ldap_entry **entry_r)
{
	static const char *const attributes[] = { "*", "entryUUID", "entryCSN", NULL };
	struct str filter = STR_INIT;

	str_append_z(&filter, "(entryUUID=");
	ldap_filter_escape(r->move->mailbox, &filter);
	str_append_c(&filter, ')');
	enum ldap_result result = ldap_session_search(session, r->settings->config->ldap.base,
		LDAP_SUB, str_cstr(&filter), attributes, take_entry, entry_r);
	str_free(&filter);
	return result == LDAP_NO_ENTRY ? LDAP_DONE : result;
}

/* --- by address ------------------------------------------------------------------------------- */

static enum ldap_result find_by_address(struct run *r, struct ldap_session *session,
	struct ldap_entry **entry_r, const char **error_r)
{
	static const char *const attributes[] = { "*", "entryUUID", "entryCSN", NULL };
	struct mailbox *found = NULL;
	enum ldap_result result = mailbox_find(
		session, r->settings->config->ldap.base, r->move->address, &found, error_r);

	if (result == LDAP_DONE)
		result = ldap_session_read(session, found->dn, attributes, entry_r);
	mailbox_free(&found);
	return result;
}

enum progress run_look(struct run *r, struct str *why)
{
	struct ldap_session *session = run_session(r, why);
	struct ldap_entry *entry = NULL;
	enum ldap_result result;
	const char *error = NULL;

	run_forget_mailbox(r);
	r->looked_us = clock_mono_us();
	if (session == NULL)
		return STEP_FAILED;
	result = systems_refresh(session, r->settings->config->ldap.base, SYSTEMS_AGE);
	if (result != LDAP_DONE)
		return run_judge(r, result, NULL, why);
	if (*r->move->mailbox != '\0')
		result = find_by_uuid(r, session, &entry);
	else
		result = find_by_address(r, session, &entry, &error);
	if (result == LDAP_TAKEN || (result == LDAP_REFUSED && error != NULL)) {
		r->mailbox_trouble = mem_strdup(error);
		return STEP_DONE;
	}
	if (result != LDAP_DONE && result != LDAP_NO_ENTRY)
		return run_judge(r, result, error, why);
	r->entry = entry;
	if (entry != NULL)
		r->mailbox = mailbox_of(entry);
	else
		r->mailbox_gone = true;
	return STEP_DONE;
}
