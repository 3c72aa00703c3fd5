/* LDAP sources: pulls, whole or by modifyTimestamp. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "dirsync/source_ldap_internal.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/when.h"

#define CAPABILITY_AD "1.2.840.113556.1.4.800"
/* A large search may be silent for longer than one answer takes. */
#define SILENCE 6

/* --- the result ----------------------------------------------------------------------------- */

void ldap_pull_refuse(struct ldap_pull *pull, const char *format, ...)
{
	char text[1536];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	pull->result->outcome = SOURCE_INCOMPLETE;
	str_reset(&pull->result->mark);
	str_reset(&pull->result->reason);
	str_append_z(&pull->result->reason, text);
}

void ldap_pull_failed(struct ldap_pull *pull, bool stopped)
{
	ldap_pull_refuse(pull, "%s", stopped ? "stopped" : ldap_session_reason(pull->session));
}

void ldap_pull_remark(struct ldap_pull *pull, const char *text)
{
	str_printf(&pull->result->reason, "%s%s", pull->result->reason.len > 0 ? "; " : "", text);
}

const char *ldap_pull_mark(const struct ldap_pull *pull, const char *kind)
{
	return pull->request->delta
		       ? source_mark_rest(pull->request->mark, kind, pull->source->digest)
		       : NULL;
}

/* --- entries -------------------------------------------------------------------------------- */

static bool is_ours(const struct source *source, const struct ldap_stream_entry *entry)
{
	if (source->marker_name == NULL)
		return false;
	for (size_t i = 0; i < entry->count; i++)
		if (strcasecmp(entry->values[i].name, source->marker_name) == 0 &&
			strcasecmp(entry->values[i].data, source->marker_value) == 0)
			return true;
	return false;
}

/* An entry that matched is known to be there, whether it is of use or not. */
static void note_shown(struct ldap_pull *pull, const struct ldap_stream_entry *entry)
{
	const struct ldap_value *guid = ldap_stream_value(entry, "objectGUID");

	if (entry->uuid != NULL)
		uuidset_add(&pull->shown, entry->uuid);
	else if (guid != NULL && guid->len == UUID_BYTES)
		uuidset_add(&pull->shown, (const uint8_t *)guid->data);
}

/* One in the future would hide all changes until then. */
static void note_date(struct ldap_pull *pull, const struct ldap_stream_entry *entry)
{
	const struct ldap_value *date = ldap_stream_value(entry, "modifyTimestamp");

	if (date == NULL || strcmp(date->data, str_cstr(&pull->newest)) <= 0)
		return;
	int64_t us = when_generalized_us(date->data);

	if (us < 0 || us > pull->now_us)
		return;
	str_reset(&pull->newest);
	str_append_z(&pull->newest, date->data);
}

int ldap_pull_id(
	const struct ldap_pull *pull, const struct ldap_stream_entry *entry, struct person *scratch)
{
	const struct ldap_value *id = ldap_stream_value(entry, pull->settings->id);
	const char *error;

	if (id == NULL)
		return -1;
	return mapping_id(pull->source->mapping, id->data, id->len, scratch, &error);
}

/* mapping_apply has read the id before anything else. */
static int refused(void *context, const char *place, const char *reason)
{
	struct ldap_pull *pull = context;

	pull->result->refused++;
	return pull->sink->refused(pull->sink->context, str_cstr(&pull->person.id), place, reason);
}

static void take_values(struct ldap_pull *pull, const struct ldap_stream_entry *entry)
{
	if (pull->room < entry->count) {
		pull->room = 2 * entry->count;
		pull->values = mem_grow(pull->values, pull->room, sizeof(*pull->values));
	}
	for (size_t i = 0; i < entry->count; i++)
		pull->values[i] = (struct template_value){ entry->values[i].name,
			entry->values[i].data, entry->values[i].len };
}

/* 1: the sink knows it. */
static int is_same(struct ldap_pull *pull, const struct ldap_stream_entry *entry)
{
	const struct source_sink *sink = pull->sink;

	if (sink->same == NULL)
		return 0;
	str_reset(&pull->raw);
	ldap_raw_put(pull->source, entry, &pull->raw);
	return sink->same(sink->context, pull->raw.data, pull->raw.len);
}

int ldap_pull_entry(void *context, const struct ldap_stream_entry *entry)
{
	struct ldap_pull *pull = context;
	int same, usable;

	if (is_ours(pull->source, entry))
		return 0;
	if (pull->by_uuid)
		note_shown(pull, entry);
	if (pull->dated)
		note_date(pull, entry);
	if ((same = is_same(pull, entry)) != 0) {
		pull->result->persons += same == 1;
		return same < 0 ? -1 : 0;
	}
	take_values(pull, entry);
	person_reset(&pull->person);
	usable = mapping_apply(pull->source->mapping, entry->dn, pull->values, entry->count,
		&pull->person, refused, pull);
	if (usable <= 0)
		return usable;
	pull->result->persons++;
	return pull->sink->person(pull->sink->context, &pull->person);
}

/* --- searches ------------------------------------------------------------------------------- */

void ldap_pull_filter(const struct ldap_pull *pull, const char *condition, struct str *filter_r)
{
	const char *filter = pull->settings->filter;
	bool bare = *filter != '(';

	str_reset(filter_r);
	str_printf(filter_r, "%s%s%s%s%s%s", *condition != '\0' ? "(&" : "", bare ? "(" : "",
		filter, bare ? ")" : "", condition, *condition != '\0' ? ")" : "");
}

static enum ldap_scope scope_of(const struct config_up *settings)
{
	if (strcasecmp(settings->scope, "base") == 0)
		return LDAP_BASE;
	return strcasecmp(settings->scope, "one") == 0 ? LDAP_ONE : LDAP_SUB;
}

void ldap_pull_options(
	const struct ldap_pull *pull, const char *filter, struct ldap_stream_options *options_r)
{
	*options_r = (struct ldap_stream_options){ .base = pull->settings->base,
		.scope = scope_of(pull->settings),
		.filter = filter,
		.attributes = pull->source->attributes,
		.page = (unsigned)pull->settings->page,
		.one_domain = pull->active_directory,
		.timeout_us = SILENCE * pull->settings->timeout,
		.deadline_us = pull->deadline_us,
		.stop = pull->request->stop };
}

bool ldap_pull_search(struct ldap_pull *pull, const char *condition)
{
	struct ldap_stream_options options;
	struct str filter = STR_INIT;
	enum ldap_result result;
	bool stopped;

	ldap_pull_filter(pull, condition, &filter);
	ldap_pull_options(pull, str_cstr(&filter), &options);
	result = ldap_stream_search(pull->session, &options, ldap_pull_entry, pull, &stopped);
	str_free(&filter);
	if (result != LDAP_DONE)
		ldap_pull_failed(pull, stopped);
	return result == LDAP_DONE;
}

void ldap_pull_plain(struct ldap_pull *pull)
{
	if (ldap_pull_search(pull, ""))
		pull->result->outcome = SOURCE_COMPLETE;
}

/* --- modifyTimestamp ------------------------------------------------------------------------ */

/* The later of the newest that was shown and the last mark's own. */
static void mark_time(struct ldap_pull *pull, int64_t before_us)
{
	int64_t newest_us = pull->newest.len > 0 ? when_generalized_us(pull->newest.data) : -1;
	struct str rest = STR_INIT;
	char instant[32];

	if (newest_us < before_us)
		newest_us = before_us;
	if (newest_us < 0) {
		if (pull->result->persons > 0)
			ldap_pull_remark(pull, "no entry shows modifyTimestamp, so that each pull "
					       "is a full one; grant reading it");
		return;
	}
	clock_generalized(instant, sizeof(instant), newest_us);
	str_printf(&rest, "%s %s", instant, pull->uri);
	source_mark("modifyTimestamp", pull->source->digest, str_cstr(&rest), &pull->result->mark);
	str_free(&rest);
}

void ldap_pull_modified(struct ldap_pull *pull)
{
	const char *rest = ldap_pull_mark(pull, "modifyTimestamp");
	int64_t margin = pull->settings->delta_margin, since = -1;
	char condition[64] = "", instant[32];

	if (pull->active_directory) {
		ldap_pull_refuse(pull,
			"%s: Active Directory cannot be searched by modifyTimestamp; set delta = "
			"usn",
			pull->uri);
		return;
	}
	pull->dated = true;
	if (rest != NULL && time_mark_read(rest, pull->uri, margin, &since) == 0)
		snprintf(condition, sizeof(condition), "(modifyTimestamp>=%s)",
			clock_generalized(instant, sizeof(instant), since));
	if (!ldap_pull_search(pull, condition))
		return;
	/* what is not shown may be unchanged or gone: that is for the next full pull */
	pull->result->outcome = *condition != '\0' ? SOURCE_DELTA : SOURCE_COMPLETE;
	mark_time(pull, *condition != '\0' ? since + margin : -1);
}

/* --- pulls ---------------------------------------------------------------------------------- */

static bool root_has(const struct ldap_pull *pull, const char *name, const char *value)
{
	const struct ldap_attribute *attribute =
		pull->root != NULL ? ldap_entry_attribute(pull->root, name) : NULL;

	for (size_t i = 0; attribute != NULL && i < attribute->count; i++)
		if (strcmp(attribute->values[i], value) == 0)
			return true;
	return false;
}

/* What the server says of itself; one that says nothing is taken for a plain one. */
static bool read_root(struct ldap_pull *pull)
{
	static const char *const names[] = { "supportedCapabilities", "dsServiceName",
		"highestCommittedUSN", "currentTime", "defaultNamingContext", "namingContexts",
		NULL };
	const char *now;

	if (ldap_session_read(pull->session, "", names, &pull->root) == LDAP_DOWN) {
		ldap_pull_failed(pull, false);
		return false;
	}
	pull->active_directory = root_has(pull, "supportedCapabilities", CAPABILITY_AD);
	now = pull->root != NULL ? ldap_entry_value(pull->root, "currentTime") : NULL;
	if (now != NULL && when_generalized_us(now) > 0)
		pull->now_us = when_generalized_us(now);
	return true;
}

static void run(struct ldap_pull *pull)
{
	static const struct {
		const char *delta;
		void (*pull)(struct ldap_pull *pull);
	} ways[] = { { "none", ldap_pull_plain }, { "modifyTimestamp", ldap_pull_modified },
		{ "usn", ldap_pull_usn }, { "syncrepl", ldap_pull_sync } };

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcasecmp(pull->settings->delta, ways[i].delta) == 0)
			ways[i].pull(pull);
	if (pull->result->outcome == SOURCE_DELTA)
		ldap_pull_ids(pull);
}

static void connect_and_run(struct ldap_pull *pull)
{
	struct str error = STR_INIT;

	if (pull->source->mapping == NULL) {
		ldap_pull_refuse(pull, "%s", pull->source->broken);
		return;
	}
	pull->session = ldap_source_session(pull->settings, &pull->uri, &error);
	if (pull->session == NULL)
		ldap_pull_refuse(pull, "%s", str_cstr(&error));
	else if (read_root(pull))
		run(pull);
	str_free(&error);
}

static void pull_all(struct source *source, const struct source_request *request,
	const struct source_sink *sink, struct source_result *result_r)
{
	struct ldap_pull pull = { .source = source,
		.settings = source->settings,
		.request = request,
		.sink = sink,
		.result = result_r,
		.person = PERSON_INIT,
		.newest = STR_INIT,
		.shown = UUIDSET_INIT };

	*result_r = (struct source_result){ .outcome = SOURCE_INCOMPLETE,
		.mark = STR_INIT,
		.reason = STR_INIT,
		.read_us = clock_wall_us() };
	pull.now_us = result_r->read_us;
	pull.deadline_us = clock_mono_us() + source->settings->time_limit;
	connect_and_run(&pull);
	ldap_session_close(&pull.session);
	ldap_entry_free(&pull.root);
	person_free(&pull.person);
	uuidset_free(&pull.shown);
	str_free(&pull.newest);
	str_free(&pull.raw);
	mem_free(&pull.values);
	mem_free(&pull.uri);
}

const struct source_kind source_ldap = { .name = "ldap",
	.deltas = true,
	.check = ldap_source_check,
	.open = ldap_source_open,
	.close = ldap_source_close,
	.pull = pull_all,
	.tell = ldap_source_tell,
	.wait = ldap_source_wait };
