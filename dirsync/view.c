#define _GNU_SOURCE
#include "dirsync/view.h"

#include <stdio.h>
#include <string.h>

#include "lib/bulksort.h"
#include "lib/mem.h"

struct view {
	struct view_options options;
	const char **attributes;
	bool whole;
	struct bulk *entries, *orphans;
	struct view_counts counts;
	_Atomic uint64_t progress;
	struct entry entry;
	struct str encoded;
	struct str id;          /* of the entry given out last */
	struct bulk_pair given; /* the rest of it */
	const char *error;      /* of the callback that stopped a search */
	view_callback found;
	void *found_context;
};

static _Thread_local char failure[1024];
static const char bad_sort[] = "what was sorted of the directory is not what was written";

static void begin_lists(struct view *view)
{
	bulk_free(&view->entries);
	bulk_free(&view->orphans);
	view->entries = bulk_new(view->options.dir, "entries", view->options.memory);
	view->orphans = bulk_new(view->options.dir, "orphans", view->options.memory / 4);
	view->counts = (struct view_counts){ .entries = 0 };
}

struct view *view_new(const struct view_options *options)
{
	struct view *view = mem_zalloc(sizeof *view);

	view->options = *options;
	view->attributes = entry_attributes(options->mapped);
	view->entry = (struct entry)ENTRY_INIT;
	begin_lists(view);
	return view;
}

void view_free(struct view **view)
{
	struct view *v = *view;

	if (v == NULL)
		return;
	bulk_free(&v->entries);
	bulk_free(&v->orphans);
	entry_free(&v->entry);
	str_free(&v->encoded);
	str_free(&v->id);
	mem_free(&v->attributes);
	mem_free(view);
}

uint64_t view_progress(const struct view *view)
{
	return atomic_load(&view->progress);
}

struct view_counts view_counts(const struct view *view)
{
	return view->counts;
}

static bool stopped(const struct view *view)
{
	return view->options.stop != NULL && atomic_load(view->options.stop);
}

/* --- the searches --------------------------------------------------------------------------- */

static void begin_filter(const struct view *view, struct str *filter)
{
	str_append_z(filter, "(&(objectClass=restanteMailbox)(restanteSystem=");
	ldap_filter_escape(view->options.system, filter);
	str_append_c(filter, ')');
}

static void add_any(struct str *filter, const char *attribute, const char *const *values, size_t n)
{
	str_append_z(filter, "(|");
	for (size_t i = 0; i < n; i++) {
		str_printf(filter, "(%s=", attribute);
		ldap_filter_escape(values[i], filter);
		str_append_c(filter, ')');
	}
	str_append_c(filter, ')');
}

static int search(struct view *view, struct ldap_session *session, const char *filter,
	const char *const *attributes, ldap_stream_callback callback, const char **error_r)
{
	const struct ldap_stream_options options = { .base = view->options.ldap->base,
		.scope = LDAP_SUB,
		.filter = filter,
		.attributes = attributes,
		.stop = view->options.stop };
	enum ldap_result result;
	bool ended;

	view->error = NULL;
	result = ldap_stream_search(session, &options, callback, view, &ended);
	if (result != LDAP_DONE && stopped(view))
		view->error = "stopped";
	if (view->error != NULL)
		*error_r = view->error;
	else if (result != LDAP_DONE)
		snprintf(failure, sizeof failure, "the mailboxes in the directory: %s",
			ldap_session_reason(session));
	if (view->error == NULL && result != LDAP_DONE)
		*error_r = failure;
	return view->error == NULL && result == LDAP_DONE ? 0 : -1;
}

static bool read_entry(struct view *view, const struct ldap_stream_entry *raw)
{
	const char *reason;

	if (entry_read_stream(raw, view->options.mapped, &view->entry, &reason) == 0)
		return true;
	if (view->options.unusable != NULL)
		view->options.unusable(view->options.context, raw->dn, reason);
	return false;
}

bool view_is_whole(const struct view *view)
{
	return view->whole;
}

/* --- what is sorted: the version, then of whole entries a head and their bytes, else the DN ----
 */

struct head {
	struct guard_had had;
	uint32_t person; /* where its bytes begin behind the head */
	bool plain;
};

static bool is_named(const char *attribute, const char *name)
{
	while (*name != '\0' && *attribute == *name) {
		attribute++;
		name++;
	}
	return *name == '\0' && *attribute == '=';
}

struct guard_had view_had(const struct guard_tally *tally, const struct person *person)
{
	const struct strings *all = &person->attributes;
	struct guard_had had;

	memset(&had, 0, sizeof had); /* its gaps, too: it is written to files */
	had.foreign = person->foreign.count > 0;
	for (const char *a = strings_first(all); a != NULL; a = strings_next(all, a))
		for (size_t i = 0; i + 1 < tally->lost_count; i++)
			if (is_named(a, tally->lost[i].name))
				had.attributes |= UINT64_C(1) << i;
	return had;
}

static void encode(const struct view *view, const struct entry *entry, struct str *out)
{
	struct head head;

	memset(&head, 0, sizeof head); /* its gaps, too */
	head.had = view_had(view->options.tally, &entry->person);
	head.plain =
		entry->vanished_us == 0 && entry->going.count == 0 && entry->spelled.count == 0;
	str_reset(out);
	str_append(out, str_cstr(&entry->csn), entry->csn.len + 1);
	size_t at = out->len;
	str_append(out, &head, sizeof head);
	head.person = (uint32_t)entry_encode(entry, out);
	memcpy(out->data + at, &head, sizeof head);
}

/* --- everything ----------------------------------------------------------------------------- */

static bool go_on(struct view *view)
{
	atomic_fetch_add(&view->progress, 1);
	if (stopped(view))
		view->error = "stopped";
	return view->error == NULL;
}

static int collect(void *context, const struct ldap_stream_entry *raw)
{
	struct view *view = context;
	const struct str *id = &view->entry.person.id;

	if (!go_on(view))
		return -1;
	if (!read_entry(view, raw))
		return 0;
	view->counts.entries++;
	view->counts.addresses += view->entry.person.addresses.count;
	view->counts.orphans += id->len == 0;
	encode(view, &view->entry, &view->encoded);
	return bulk_add(id->len > 0 ? view->entries : view->orphans, str_cstr(id), id->len,
		view->encoded.data, view->encoded.len, &view->error);
}

static int collect_version(void *context, const struct ldap_stream_entry *raw)
{
	struct view *view = context;
	const struct ldap_value *id = ldap_stream_value(raw, "restanteSourceId"),
				*version = ldap_stream_value(raw, "entryCSN");
	struct str *out = &view->encoded;

	if (!go_on(view))
		return -1;
	if (id == NULL) {
		view->counts.orphans++;
		return 0;
	}
	view->counts.entries++;
	str_reset(out);
	str_append_z(out, version != NULL ? version->data : "");
	str_append_c(out, '\0');
	str_append(out, raw->dn, strlen(raw->dn) + 1);
	return bulk_add(view->entries, id->data, id->len, out->data, out->len, &view->error);
}

/* condition: a further one. */
static int search_all(struct view *view, struct ldap_session *session, const char *condition,
	const char *const *attributes, ldap_stream_callback callback, const char **error_r)
{
	struct str filter = STR_INIT;
	int done;

	begin_filter(view, &filter);
	str_printf(&filter, "%s)", condition);
	done = search(view, session, filter.data, attributes, callback, error_r);
	str_free(&filter);
	return done;
}

static int read_versions(struct view *view, struct ldap_session *session, const char **error_r)
{
	static const char *const names[] = { "restanteSourceId", "entryCSN", NULL };
	uint64_t orphans;
	int done = search_all(view, session, "", names, collect_version, error_r);

	orphans = view->counts.orphans;
	if (done < 0 || orphans == 0)
		return done;
	view->counts.orphans = 0;
	done = search_all(
		view, session, "(!(restanteSourceId=*))", view->attributes, collect, error_r);
	view->whole = done == 0 && view->counts.orphans != orphans;
	return done;
}

static int read_all(struct view *view, struct ldap_session *session, const char **error_r)
{
	int done = view->whole ? 0 : read_versions(view, session, error_r);

	if (done < 0 || !view->whole)
		return done;
	begin_lists(view);
	return search_all(view, session, "", view->attributes, collect, error_r);
}

int view_read(struct view *view, bool whole, const char **error_r)
{
	struct ldap_session *session = ldap_session_open(view->options.ldap, error_r);
	int done;

	if (session == NULL)
		return -1;
	view->whole = whole;
	done = read_all(view, session, error_r);
	ldap_session_close(&session);
	if (done == 0)
		done = bulk_sort(view->entries, error_r);
	return done == 0 ? bulk_sort(view->orphans, error_r) : done;
}

/* Behind the version: 0, or -1 where that does not end. */
static int find_rest(
	const struct bulk_pair *pair, const char **rest_r, size_t *len_r, const char **error_r)
{
	const char *nul = memchr(pair->value, '\0', pair->value_len);

	*error_r = bad_sort;
	if (nul == NULL)
		return -1;
	*rest_r = nul + 1;
	*len_r = pair->value_len - (size_t)(nul + 1 - pair->value);
	return 0;
}

static int decode(const struct bulk_pair *pair, struct entry *entry_r, const char **error_r)
{
	const char *rest;
	size_t len;

	if (find_rest(pair, &rest, &len, error_r) == 0 && len > sizeof(struct head) &&
		entry_decode(rest + sizeof(struct head), len - sizeof(struct head), entry_r) == 0)
		return 0;
	return -1;
}

int view_entry(const struct view *view, struct entry *entry_r, const char **error_r)
{
	return decode(&view->given, entry_r, error_r);
}

static int tell_again(struct view *view, const char **error_r)
{
	const char *dn;
	size_t len;

	if (view->whole && view_entry(view, &view->entry, error_r) < 0)
		return -1;
	if (find_rest(&view->given, &dn, &len, error_r) < 0)
		return -1;
	if (view->whole)
		dn = str_cstr(&view->entry.dn);
	if (view->options.unusable != NULL)
		view->options.unusable(view->options.context, dn,
			"another entry of this system has the same restanteSourceId; "
			"remove it from one of them");
	return 0;
}

static bool is_again(const struct view *view)
{
	return view->id.len == view->given.key_len &&
	       memcmp(str_cstr(&view->id), view->given.key, view->given.key_len) == 0;
}

static int take_whole(struct view *view, struct view_item *item, const char **error_r)
{
	struct head head = { .person = UINT32_MAX };
	const char *rest;
	size_t len;

	if (find_rest(&view->given, &rest, &len, error_r) < 0)
		return -1;
	if (len >= sizeof head)
		memcpy(&head, rest, sizeof head);
	if (len < sizeof head + (size_t)head.person)
		return -1;
	item->plain = head.plain;
	item->had = head.had;
	item->person = rest + sizeof head + head.person;
	item->person_len = len - sizeof head - head.person;
	return 0;
}

int view_next(struct view *view, struct view_item *item_r, const char **error_r)
{
	struct bulk_pair *given = &view->given;
	int got;

	while ((got = bulk_next(view->entries, given, error_r)) == 1 && is_again(view))
		if (tell_again(view, error_r) < 0)
			return -1;
	if (got != 1)
		return got;
	str_reset(&view->id);
	str_append(&view->id, given->key, given->key_len);
	*item_r = (struct view_item){ .id = view->id.data, .version = given->value };
	if (view->whole && take_whole(view, item_r, error_r) < 0)
		return -1;
	return 1;
}

int view_orphan(struct view *view, struct entry *entry_r, const char **error_r)
{
	struct bulk_pair pair;
	int got = bulk_next(view->orphans, &pair, error_r);

	return got == 1 && decode(&pair, entry_r, error_r) < 0 ? -1 : got;
}

/* --- some ----------------------------------------------------------------------------------- */

static int hand_over(void *context, const struct ldap_stream_entry *raw)
{
	struct view *view = context;

	if (!read_entry(view, raw))
		return 0;
	if (view->found(view->found_context, &view->entry) == 0)
		return 0;
	view->error = "stopped";
	return -1;
}

static int find(struct view *view, struct ldap_session *session, struct str *filter,
	view_callback callback, void *context, const char **error_r)
{
	int done;

	str_append_c(filter, ')');
	view->found = callback;
	view->found_context = context;
	done = search(view, session, filter->data, view->attributes, hand_over, error_r);
	str_free(filter);
	return done;
}

int view_find_ids(struct view *view, struct ldap_session *session, const char *const *ids,
	size_t count, view_callback callback, void *context, const char **error_r)
{
	struct str filter = STR_INIT;

	begin_filter(view, &filter);
	add_any(&filter, "restanteSourceId", ids, count);
	return find(view, session, &filter, callback, context, error_r);
}

int view_find_orphans(struct view *view, struct ldap_session *session, const char *const *physicals,
	size_t count, view_callback callback, void *context, const char **error_r)
{
	struct str filter = STR_INIT;

	begin_filter(view, &filter);
	str_append_z(&filter, "(!(restanteSourceId=*))");
	add_any(&filter, "mailRoutingAddress", physicals, count);
	return find(view, session, &filter, callback, context, error_r);
}
