/*
 * LDAP sources: Active Directory, by uSNChanged. USNs count the changes of one domain controller;
 * invocationId names its database, which is another one after a restore.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dirsync/source_ldap_internal.h"
#include "lib/mem.h"

#define NO_TOMBSTONES                                                                              \
	"deletions are seen by full pulls alone: bind_dn must be allowed to list and read "        \
	"CN=Deleted Objects"

struct changes {
	struct ldap_pull *pull;
	const char *context;   /* naming context */
	uint64_t first, last;  /* USNs */
	struct person scratch; /* for ids */
	bool sees_tombstones;
	bool failed;
};

/* --- what the domain controller says of itself ---------------------------------------------- */

static int take_invocation(void *context, const struct ldap_stream_entry *entry)
{
	const struct ldap_value *value = ldap_stream_value(entry, "invocationId");
	struct str *text = context;

	for (size_t i = 0; value != NULL && i < value->len; i++)
		str_printf(text, "%02x", (unsigned char)value->data[i]);
	return 0;
}

static bool read_invocation(struct ldap_pull *pull, struct usn_mark *now)
{
	static const char *const names[] = { "invocationId", NULL };
	struct ldap_stream_options options;
	bool stopped;

	ldap_pull_options(pull, "(objectClass=*)", &options);
	options.base = str_cstr(&now->dsa);
	options.scope = LDAP_BASE;
	options.attributes = names;
	options.page = 0;
	if (ldap_stream_search(pull->session, &options, take_invocation, &now->invocation,
		    &stopped) != LDAP_DONE) {
		ldap_pull_failed(pull, stopped);
		return false;
	}
	if (now->invocation.len > 0)
		return true;
	ldap_pull_refuse(pull,
		"%s: invocationId of %s cannot be read; grant it to bind_dn, or choose another "
		"delta",
		pull->uri, str_cstr(&now->dsa));
	return false;
}

/* Before the search: what changes during it is shown again by the next. */
static bool read_now(struct ldap_pull *pull, struct usn_mark *now)
{
	const char *usn = NULL, *dsa = NULL;
	char *end = NULL;

	*now = (struct usn_mark){ 0, STR_INIT, STR_INIT };
	if (pull->root != NULL) {
		usn = ldap_entry_value(pull->root, "highestCommittedUSN");
		dsa = ldap_entry_value(pull->root, "dsServiceName");
	}
	if (usn != NULL)
		now->usn = strtoull(usn, &end, 10);
	if (usn == NULL || dsa == NULL || end == usn || *end != '\0') {
		ldap_pull_refuse(pull,
			"%s: the server's root entry has no highestCommittedUSN and dsServiceName; "
			"delta = usn is for Active Directory alone",
			pull->uri);
		return false;
	}
	str_append_z(&now->dsa, dsa);
	return read_invocation(pull, now);
}

/* --- what is gone --------------------------------------------------------------------------- */

/* Not among those that the first search has shown. Ids that nobody knows are harmless. */
static int take_change(void *context, const struct ldap_stream_entry *entry)
{
	struct changes *changes = context;
	struct ldap_pull *pull = changes->pull;
	const struct ldap_value *guid = ldap_stream_value(entry, "objectGUID");

	if (guid != NULL && guid->len == UUID_BYTES &&
		uuidset_has(&pull->shown, (const uint8_t *)guid->data))
		return 0;
	if (ldap_pull_id(pull, entry, &changes->scratch) < 0)
		return 0;
	return pull->sink->gone(pull->sink->context, str_cstr(&changes->scratch.id));
}

static void changes_options(const struct changes *changes, const char *filter,
	const char *const *attributes, struct ldap_stream_options *options_r)
{
	ldap_pull_options(changes->pull, filter, options_r);
	options_r->base = changes->context;
	options_r->scope = LDAP_SUB;
	options_r->attributes = attributes;
}

/*
 * Not beyond the last USN that was committed before the first search: what changed since then may
 * be in the base without having been shown.
 */
static bool search_changes(struct changes *changes, const char *condition, bool deleted)
{
	const char *names[] = { "objectGUID", changes->pull->settings->id, "isDeleted", NULL };
	struct ldap_stream_options options;
	char filter[160];
	bool stopped;

	snprintf(filter, sizeof(filter), "(&(uSNChanged>=%" PRIu64 ")(uSNChanged<=%" PRIu64 ")%s)",
		changes->first, changes->last, condition);
	changes_options(changes, filter, names, &options);
	options.show_deleted = deleted;
	if (ldap_stream_search(changes->pull->session, &options, take_change, changes, &stopped) ==
		LDAP_DONE)
		return true;
	ldap_pull_failed(changes->pull, stopped);
	return false;
}

static int see(void *context, const struct ldap_stream_entry *entry)
{
	bool *seen = context;

	*seen = entry->deleted;
	return 0;
}

/*
 * Active Directory hides what one may not see without a word: whoever reads the container itself,
 * which is a deleted object as well, sees what is in it.
 */
static bool look_for_tombstones(struct changes *changes)
{
	static const char *const names[] = { "isDeleted", NULL };
	struct ldap_stream_options options;
	struct str base = STR_INIT;
	enum ldap_result result;
	bool stopped;

	str_printf(&base, "CN=Deleted Objects,%s", changes->context);
	changes_options(changes, "(objectClass=*)", names, &options);
	options.base = str_cstr(&base);
	options.scope = LDAP_BASE;
	options.page = 0;
	options.show_deleted = true;
	result = ldap_stream_search(
		changes->pull->session, &options, see, &changes->sees_tombstones, &stopped);
	str_free(&base);
	if (!stopped && result != LDAP_DOWN)
		return true;
	ldap_pull_failed(changes->pull, stopped);
	return false;
}

static bool show_gone(struct changes *changes)
{
	return search_changes(changes, "", false) && look_for_tombstones(changes) &&
	       (!changes->sees_tombstones || search_changes(changes, "(isDeleted=TRUE)", true));
}

/* --- pulls ---------------------------------------------------------------------------------- */

static const char *context_of(const struct ldap_pull *pull)
{
	const struct ldap_attribute *all = ldap_entry_attribute(pull->root, "namingContexts");
	const char *context = NULL;

	if (all != NULL)
		context = naming_context_of((const char *const *)all->values, pull->settings->base);
	return context != NULL ? context : ldap_entry_value(pull->root, "defaultNamingContext");
}

static void pull_delta(struct ldap_pull *pull, uint64_t since, const struct usn_mark *now)
{
	struct changes changes = { .pull = pull,
		.context = context_of(pull),
		.first = since + 1,
		.last = now->usn,
		.scratch = PERSON_INIT };
	/* another object may have any other id as well, and a tombstone lacks it */
	bool by_guid = strcasecmp(pull->settings->id, "objectGUID") == 0;
	char condition[64];

	pull->by_uuid = true;
	snprintf(condition, sizeof(condition), "(uSNChanged>=%" PRIu64 ")", changes.first);
	if (changes.context == NULL)
		ldap_pull_refuse(pull, "%s: base %s is in no naming context of the server",
			pull->uri, pull->settings->base);
	else if (ldap_pull_search(pull, condition) && (!by_guid || show_gone(&changes))) {
		pull->result->outcome = SOURCE_DELTA;
		pull->result->deletes = changes.sees_tombstones && by_guid;
		if (by_guid && !changes.sees_tombstones)
			ldap_pull_remark(pull, NO_TOMBSTONES);
		if (!by_guid)
			ldap_pull_remark(pull, "deletions are seen by full pulls alone: id must be "
					       "objectGUID");
	}
	person_free(&changes.scratch);
}

/* Whether the mark holds; says why not. */
static bool since_of(struct ldap_pull *pull, const struct usn_mark *now, uint64_t *since_r)
{
	const char *rest = ldap_pull_mark(pull, "usn"), *why = "the mark is damaged";
	struct usn_mark old;
	bool holds;

	if (rest == NULL)
		return false;
	holds = usn_mark_read(rest, &old) == 0 && usn_mark_holds(&old, now, &why);
	*since_r = old.usn;
	usn_mark_free(&old);
	if (!holds)
		ldap_pull_remark(pull, why);
	return holds;
}

void ldap_pull_usn(struct ldap_pull *pull)
{
	struct str rest = STR_INIT;
	struct usn_mark now;
	uint64_t since;

	if (read_now(pull, &now)) {
		if (since_of(pull, &now, &since))
			pull_delta(pull, since, &now);
		else
			ldap_pull_plain(pull);
		if (pull->result->outcome != SOURCE_INCOMPLETE) {
			usn_mark_write(&now, &rest);
			source_mark(
				"usn", pull->source->digest, str_cstr(&rest), &pull->result->mark);
		}
	}
	usn_mark_free(&now);
	str_free(&rest);
}
