/* What the directory offers and shows to the milter's identity. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor/gather.h"
#include "lib/mem.h"
#include "lib/route.h"
#include "lib/when.h"

/* Nobody's address: it is to be deleted where it is not. */
#define ABSENT      "restante-doctor-2c8f51d07b3e94a6@doctor.invalid"
#define SAMPLE      20   /* mailboxes looked at closely */
#define SEEN_ENOUGH 1000 /* entries: more than the limit of 500 that slapd has by itself */
/* Result codes of RFC 4511. */
#define LDAP_TIME_LIMIT  3
#define LDAP_SIZE_LIMIT  4
#define LDAP_ADMIN_LIMIT 11

/* --- what any server shows ------------------------------------------------------------------ */

static void take_all(const struct ldap_entry *entry, const char *name, struct strings *list)
{
	const struct ldap_attribute *attribute = ldap_entry_attribute(entry, name);

	for (size_t i = 0; attribute != NULL && i < attribute->count; i++)
		strings_add(list, attribute->values[i]);
}

static char *copy_value(const struct ldap_entry *entry, const char *name)
{
	return mem_strdup(ldap_entry_value(entry, name));
}

static void read_schema(struct ldap_session *session, const char *dn, struct directory_facts *d)
{
	static const char *const names[] = { "attributeTypes", "objectClasses", NULL };
	struct ldap_entry *entry = NULL;

	if (dn == NULL || ldap_session_read(session, dn, names, &entry) != LDAP_DONE)
		return;
	take_all(entry, "attributeTypes", &d->attribute_types);
	take_all(entry, "objectClasses", &d->object_classes);
	d->schema_seen = d->attribute_types.count > 0;
	ldap_entry_free(&entry);
}

/* Where contextCSN is: at the root of the database, which may be above the base. */
static void find_suffix(const struct ldap_entry *root, const char *base, struct directory_facts *d)
{
	const struct ldap_attribute *contexts = ldap_entry_attribute(root, "namingContexts");

	for (size_t i = 0; contexts != NULL && i < contexts->count; i++)
		if (gather_holds(contexts->values[i], base) &&
			(d->suffix == NULL || strlen(contexts->values[i]) > strlen(d->suffix))) {
			mem_free(&d->suffix);
			d->suffix = mem_strdup(contexts->values[i]);
		}
	if (d->suffix == NULL)
		d->suffix = mem_strdup(base);
}

static void read_root(struct ldap_session *session, const char *base, struct directory_facts *d)
{
	static const char *const names[] = { "supportedControl", "subschemaSubentry",
		"namingContexts", NULL };
	struct ldap_entry *entry = NULL;

	if (ldap_session_read(session, "", names, &entry) != LDAP_DONE) {
		d->suffix = mem_strdup(base);
		return;
	}
	find_suffix(entry, base, d);
	take_all(entry, "supportedControl", &d->controls);
	read_schema(session, ldap_entry_value(entry, "subschemaSubentry"), d);
	ldap_entry_free(&entry);
}

static void read_level(struct ldap_session *session, const char *base, struct strings *level)
{
	static const char *const names[] = { "contextCSN", NULL };
	struct ldap_entry *entry = NULL;

	if (ldap_session_read(session, base, names, &entry) == LDAP_DONE)
		take_all(entry, "contextCSN", level);
	ldap_entry_free(&entry);
}

/* --- the servers of uri --------------------------------------------------------------------- */

static struct reader *add_reader(struct directory_facts *d, const char *uri)
{
	d->readers = mem_grow(d->readers, d->reader_count + 1, sizeof(*d->readers));
	struct reader *reader = &d->readers[d->reader_count++];

	memset(reader, 0, sizeof(*reader));
	reader->uri = mem_strdup(uri);
	return reader;
}

static void ask_reader(const struct config *config, const char *uri, struct directory_facts *d)
{
	struct reader *reader = add_reader(d, uri);
	struct ldap_options options = config_ldap_options(config, reader->uri);
	const char *error;
	struct ldap_session *session = ldap_session_open(&options, &error);

	if (session == NULL) {
		reader->error = mem_strdup(error);
		return;
	}
	read_level(session, d->suffix, &reader->level);
	ldap_session_close(&session);
}

static void ask_readers(
	const struct config *config, struct ldap_session *writer, struct directory_facts *d)
{
	struct strings uris = { NULL, 0 };

	read_level(writer, d->suffix, &add_reader(d, config->ldap.write_uri)->level);
	strings_split(config->ldap.uri, &uris);
	for (size_t i = 0; i < uris.count; i++)
		if (strcmp(uris.items[i], config->ldap.write_uri) != 0)
			ask_reader(config, uris.items[i], d);
	strings_free(&uris);
}

/* --- the tree ------------------------------------------------------------------------------- */

struct sampling {
	struct directory_facts *d;
	size_t seen;
};

static int sample_mailbox(void *context, const struct ldap_entry *entry)
{
	struct sampling *sampling = context;

	if (sampling->seen < SAMPLE) {
		strings_add(&sampling->d->mailboxes, entry->dn);
		take_all(entry, "mailLocalAddress", &sampling->d->addresses);
	}
	return ++sampling->seen >= SEEN_ENOUGH;
}

/* As the milter, which must be shown all of them. */
static void read_mailboxes(
	struct ldap_session *session, const char *base, struct directory_facts *d)
{
	static const char *const names[] = { "mailLocalAddress", NULL };
	struct sampling sampling = { d, 0 };

	ldap_session_search(session, base, LDAP_SUB, "(objectClass=restanteMailbox)", names,
		sample_mailbox, &sampling);
	int code = ldap_session_code(session);
	d->limited = code == LDAP_SIZE_LIMIT || code == LDAP_TIME_LIMIT || code == LDAP_ADMIN_LIMIT;
	if (d->limited)
		d->limited_reason = mem_strdup(ldap_session_reason(session));
}

/* Would one mailbox get the address of another? */
static void ask_unique(struct ldap_session *session, struct directory_facts *d)
{
	static const char *const names[] = { "mailLocalAddress", NULL };
	struct ldap_entry *entry = NULL;

	if (d->mailboxes.count < 2)
		return;
	ldap_session_read(session, d->mailboxes.items[1], names, &entry);
	const char *taken = entry != NULL ? ldap_entry_value(entry, "mailLocalAddress") : NULL;
	d->unique_asked = taken != NULL;
	if (taken != NULL)
		d->unique = ldap_probe_unique(
			session, d->mailboxes.items[0], "mailLocalAddress", taken, ABSENT);
	ldap_entry_free(&entry);
}

static int take_system(void *context, const struct ldap_entry *entry)
{
	struct directory_facts *d = context;
	const char *name = ldap_entry_value(entry, "cn");
	struct backend_facts backend = { .name = mem_strdup(name != NULL ? name : entry->dn),
		.active =
			route_state_parse(ldap_entry_value(entry, "restanteState")) == STATE_ACTIVE,
		.address = copy_value(entry, "restanteReleaseAddress"),
		.protocol = copy_value(entry, "restanteReleaseProtocol"),
		.tls = copy_value(entry, "restanteReleaseTLS") };

	strings_add(&d->systems, entry->dn);
	backend.listener = gather_listener_of(&backend);
	d->backends = mem_grow(d->backends, d->backend_count + 1, sizeof(*d->backends));
	d->backends[d->backend_count++] = backend;
	return 0;
}

static void read_systems(struct ldap_session *session, const char *base, struct directory_facts *d)
{
	static const char *const names[] = { "cn", "restanteState", "restanteReleaseAddress",
		"restanteReleaseProtocol", "restanteReleaseTLS", NULL };
	struct str dn = STR_INIT;

	federation_systems_dn(base, &dn);
	ldap_session_search(session, str_cstr(&dn), LDAP_ONE, "(objectClass=restanteBackend)",
		names, take_system, d);
	str_free(&dn);
}

static void take_clock(const struct ldap_entry *entry, struct directory_facts *d)
{
	const char *name = ldap_entry_value(entry, "cn");
	const char *beat = ldap_entry_value(entry, "restanteHeartbeat");
	const char *csn = ldap_entry_value(entry, "entryCSN");
	const char *author = ldap_entry_value(entry, "modifiersName");

	if (name == NULL || beat == NULL || csn == NULL)
		return;
	d->clocks = mem_grow(d->clocks, d->clock_count + 1, sizeof(*d->clocks));
	d->clocks[d->clock_count++] = (struct node_clock){ .name = mem_strdup(name),
		.beat_us = when_generalized_us(beat),
		.csn_us = when_csn_us(csn),
		.own = author != NULL && strcmp(author, entry->dn) == 0 };
}

static int take_node(void *context, const struct ldap_entry *entry)
{
	struct directory_facts *d = context;

	strings_add(&d->nodes, entry->dn);
	take_clock(entry, d);
	return 0;
}

static void read_nodes(struct ldap_session *session, const char *base, struct directory_facts *d)
{
	static const char *const names[] = { "cn", "restanteHeartbeat", "entryCSN", "modifiersName",
		NULL };
	struct str dn = STR_INIT;

	federation_nodes_dn(base, &dn);
	ldap_session_search(session, str_cstr(&dn), LDAP_ONE, "(objectClass=restanteNode)", names,
		take_node, d);
	str_free(&dn);
}

/* This front door's own entry. */
static void read_own(
	struct ldap_session *session, const struct config *config, struct directory_facts *d)
{
	static const char *const names[] = { "restanteNodeState", NULL };
	struct ldap_entry *entry = NULL;
	struct str dn = STR_INIT;

	str_append_z(&dn, "cn=");
	ldap_dn_escape(config->milter.node, &dn);
	str_append_c(&dn, ',');
	federation_nodes_dn(config->ldap.base, &dn);
	if (ldap_session_read(session, str_cstr(&dn), names, &entry) == LDAP_DONE) {
		d->node_state = copy_value(entry, "restanteNodeState");
		if (d->node_state == NULL)
			d->node_state = mem_strdup("");
	}
	d->node_dn = str_steal(&dn);
	ldap_entry_free(&entry);
}

static void note_newest(struct directory_facts *d)
{
	d->newest_us = -1;
	for (size_t i = 0; i < d->readers[0].level.count; i++) {
		int64_t at = when_csn_us(d->readers[0].level.items[i]);

		if (at > d->newest_us)
			d->newest_us = at;
	}
	for (size_t i = 0; i < d->clock_count; i++)
		if (d->clocks[i].csn_us > d->newest_us)
			d->newest_us = d->clocks[i].csn_us;
}

static void read_tree(
	const struct sessions *sessions, const struct config *config, struct directory_facts *d)
{
	const char *base = config->ldap.base;

	d->sync = ldap_probe_sync(sessions->milter, base);
	d->sync_reason = mem_strdup(ldap_session_reason(sessions->milter));
	read_mailboxes(sessions->milter, base, d);
	ask_unique(sessions->milter, d);
	if (federation_read(sessions->milter, base, &d->federation) != LDAP_DONE)
		d->federation_reason = mem_strdup(ldap_session_reason(sessions->milter));
	read_own(sessions->milter, config, d);
	read_systems(sessions_best(sessions), base, d);
	read_nodes(sessions_best(sessions), base, d);
	note_newest(d);
}

/* --- opening -------------------------------------------------------------------------------- */

/* The password is the milter's: others than root and it cannot ask on its behalf. */
static bool may_bind(const struct config *config)
{
	return config->ldap.bind != LDAP_BIND_SIMPLE ||
	       access(config->ldap.password_file, R_OK) == 0 || errno != EACCES;
}

static bool open_as_milter(
	const struct facts *facts, struct sessions *sessions, struct directory_facts *d)
{
	const struct config *config = facts->config;
	struct ldap_options options = config_ldap_options(config, NULL);
	const char *error;

	d->state = DIRECTORY_DOWN;
	if (config_require_directory(config, &error) < 0) {
		d->reason = mem_strdup(error);
	} else if (!may_bind(config)) {
		d->state = DIRECTORY_UNSEEN;
		d->reason = mem_strdup(config->ldap.password_file);
	} else if (facts->host.password_fault != NULL) {
		d->state = DIRECTORY_NO_PASSWORD;
	} else {
		sessions->milter = ldap_session_open(&options, &error);
		d->reason = sessions->milter == NULL ? mem_strdup(error) : NULL;
	}
	return sessions->milter != NULL;
}

void gather_directory(struct facts *facts, const struct gather_options *options)
{
	struct directory_facts *d = &facts->directory;
	struct sessions sessions = { NULL, NULL };
	const char *error, *base = facts->config->ldap.base;

	if (!open_as_milter(facts, &sessions, d))
		return;
	d->state = DIRECTORY_OPEN;
	if (options->has_administrator && facts->host.administrator_fault == NULL)
		sessions.administrator = ldap_session_open(&options->administrator, &error);
	if (options->has_administrator && facts->host.administrator_fault == NULL &&
		sessions.administrator == NULL)
		d->administrator_reason = mem_strdup(error);
	read_root(sessions.milter, base, d);
	ask_readers(facts->config, sessions.milter, d);
	read_tree(&sessions, facts->config, d);
	gather_rights(&sessions, base, d);
	gather_settings(&sessions, base, &d->settings);
	ldap_session_close(&sessions.administrator);
	ldap_session_close(&sessions.milter);
}
