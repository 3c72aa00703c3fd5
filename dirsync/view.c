#define _GNU_SOURCE
#include "dirsync/view.h"

#include <stdio.h>
#include <string.h>

#include "lib/bulksort.h"
#include "lib/mem.h"

struct view {
	struct view_options options;
	const char **attributes;
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

struct view *view_new(const struct view_options *options)
{
	struct view *view = mem_zalloc(sizeof *view);

	view->options = *options;
	view->attributes = entry_attributes(options->mapped);
	view->entry = (struct entry)ENTRY_INIT;
	view->entries = bulk_new(options->dir, "entries", options->memory);
	view->orphans = bulk_new(options->dir, "orphans", options->memory / 4);
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
	ldap_stream_callback callback, const char **error_r)
{
	const struct ldap_stream_options options = { .base = view->options.ldap->base,
		.scope = LDAP_SUB,
		.filter = filter,
		.attributes = view->attributes,
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

/* --- everything ----------------------------------------------------------------------------- */

/* What stands before an entry that is sorted. */
struct head {
	struct view_had had;
	uint32_t person; /* where its bytes begin behind the head */
	bool plain;
};

static bool is_named(const char *attribute, const char *name)
{
	size_t len = strlen(name);

	return strncmp(attribute, name, len) == 0 && attribute[len] == '=';
}

struct view_had view_had(const struct view *view, const struct entry *entry)
{
	const struct guard_tally *tally = view->options.tally;
	const struct strings *all = &entry->person.attributes;
	struct view_had had = { .foreign = entry->person.foreign.count > 0 };

	for (const char *a = strings_first(all); a != NULL; a = strings_next(all, a))
		for (size_t i = 0; i + 1 < tally->lost_count; i++)
			if (is_named(a, tally->lost[i].name))
				had.attributes |= UINT64_C(1) << i;
	return had;
}

static void encode(const struct view *view, const struct entry *entry, struct str *out)
{
	struct head head;

	memset(&head, 0, sizeof head); /* its gaps, too: it is written to files */
	head.had = view_had(view, entry);
	head.plain =
		entry->vanished_us == 0 && entry->going.count == 0 && entry->spelled.count == 0;
	str_reset(out);
	str_append(out, &head, sizeof head);
	head.person = (uint32_t)entry_encode(entry, out);
	memcpy(out->data, &head, sizeof head);
}

static int collect(void *context, const struct ldap_stream_entry *raw)
{
	struct view *view = context;
	const struct str *id = &view->entry.person.id;

	atomic_fetch_add(&view->progress, 1);
	if (stopped(view)) {
		view->error = "stopped";
		return -1;
	}
	if (!read_entry(view, raw))
		return 0;
	view->counts.entries++;
	view->counts.addresses += view->entry.person.addresses.count;
	view->counts.orphans += id->len == 0;
	encode(view, &view->entry, &view->encoded);
	return bulk_add(id->len > 0 ? view->entries : view->orphans, str_cstr(id), id->len,
		view->encoded.data, view->encoded.len, &view->error);
}

int view_read(struct view *view, const char **error_r)
{
	struct ldap_session *session = ldap_session_open(view->options.ldap, error_r);
	struct str filter = STR_INIT;
	int done;

	if (session == NULL)
		return -1;
	begin_filter(view, &filter);
	str_append_c(&filter, ')');
	done = search(view, session, filter.data, collect, error_r);
	ldap_session_close(&session);
	str_free(&filter);
	if (done == 0)
		done = bulk_sort(view->entries, error_r);
	return done == 0 ? bulk_sort(view->orphans, error_r) : done;
}

static int decode(const struct bulk_pair *pair, struct entry *entry_r, const char **error_r)
{
	if (pair->value_len > sizeof(struct head) &&
		entry_decode(pair->value + sizeof(struct head),
			pair->value_len - sizeof(struct head), entry_r) == 0)
		return 0;
	*error_r = bad_sort;
	return -1;
}

int view_entry(const struct view *view, struct entry *entry_r, const char **error_r)
{
	return decode(&view->given, entry_r, error_r);
}

static int tell_again(struct view *view, const char **error_r)
{
	if (view_entry(view, &view->entry, error_r) < 0)
		return -1;
	if (view->options.unusable != NULL)
		view->options.unusable(view->options.context, str_cstr(&view->entry.dn),
			"another entry of this system has the same restanteSourceId; "
			"remove it from one of them");
	return 0;
}

static bool is_again(const struct view *view)
{
	return view->id.len == view->given.key_len &&
	       memcmp(str_cstr(&view->id), view->given.key, view->given.key_len) == 0;
}

int view_next(struct view *view, struct view_item *item_r, const char **error_r)
{
	struct bulk_pair *given = &view->given;
	struct head head = { .person = UINT32_MAX };
	int got;

	while ((got = bulk_next(view->entries, given, error_r)) == 1 && is_again(view))
		if (tell_again(view, error_r) < 0)
			return -1;
	if (got != 1)
		return got;
	str_reset(&view->id);
	str_append(&view->id, given->key, given->key_len);
	if (given->value_len >= sizeof head)
		memcpy(&head, given->value, sizeof head);
	if (given->value_len < sizeof head + (size_t)head.person) {
		*error_r = bad_sort;
		return -1;
	}
	*item_r = (struct view_item){
		.id = view->id.data,
		.plain = head.plain,
		.had = head.had,
		.person = given->value + sizeof head + head.person,
		.person_len = given->value_len - sizeof head - head.person,
	};
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
	done = search(view, session, filter->data, hand_over, error_r);
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
