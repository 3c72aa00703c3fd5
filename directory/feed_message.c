/* The messages of the search, one by one. */
#define _GNU_SOURCE
#include "directory/feed.h"

#include <string.h>

#include <ldap.h>

#include "directory/refresh.h"
#include "lib/synccontrol.h"
#include "lib/log.h"
#include "lib/mem.h"

#define CHANGES_AT_ONCE 200
/* What a server without it does: it refuses the control, or takes no notice of it. */
#define NO_SYNCPROV "; load the syncprov overlay for this database"

void feed_free(struct feed *feed)
{
	refresh_free(&feed->refresh);
	for (size_t i = 0; feed->changes != NULL && i < CHANGES_AT_ONCE; i++)
		record_free(&feed->changes[i].record);
	mem_free(&feed->changes);
	record_free(&feed->spare.record);
}

/* --- what waits for a transaction ----------------------------------------------------------- */

int feed_flush(struct feed *feed)
{
	const struct csn_vector *cookie = feed->cookie_waits ? &feed->cookie : NULL;
	size_t count = feed->waiting;

	feed->waiting = 0;
	feed->cookie_waits = false;
	if (count > 0)
		return replica_apply(feed->replica, feed->changes, count, cookie, &feed->error);
	if (cookie != NULL)
		replica_advance(feed->replica, cookie);
	return 0;
}

/* The place for one more change; its record's memory is from an earlier one. */
static struct change *next_change(struct feed *feed)
{
	if (feed->changes == NULL)
		feed->changes = mem_zalloc(CHANGES_AT_ONCE * sizeof(feed->changes[0]));
	if (feed->waiting == CHANGES_AT_ONCE && feed_flush(feed) < 0)
		return NULL;
	return &feed->changes[feed->waiting];
}

/* --- cookies -------------------------------------------------------------------------------- */

static int read_cookie(struct feed *feed, struct sync_span cookie, struct csn_vector *vector_r)
{
	vector_r->count = 0;
	if (cookie.data == NULL)
		return 0;
	if (cookie_parse((const char *)cookie.data, cookie.len, vector_r) < 0)
		return feed_fail(feed, "the provider sent a malformed cookie");
	if (vector_merge(&feed->provider, vector_r) < 0)
		return feed_fail(feed, "the provider sent cookies of too many servers");
	return 0;
}

/* Of the persist phase: it goes with the changes that wait. */
static int take_cookie(struct feed *feed, const struct csn_vector *vector)
{
	struct csn_vector ours;

	if (vector->count == 0)
		return 0;
	feed->counts->cookies++;
	if (!feed->cookie_waits)
		feed->cookie.count = 0;
	feed->cookie_waits = true;
	if (vector_merge(&feed->cookie, vector) < 0)
		return feed_fail(feed, "the provider sent cookies of too many servers");
	if (feed->behind) {
		replica_vector(feed->replica, &ours);
		feed->behind = vector_behind(&feed->provider, &ours);
	}
	return 0;
}

/* --- entries -------------------------------------------------------------------------------- */

static int build_record(
	struct feed *feed, LDAPMessage *message, const uint8_t *uuid, struct record *record)
{
	struct berval dn, name, *values;
	BerElement *ber = NULL;
	const char *error = NULL;

	if (ldap_get_dn_ber(feed->handle, message, &ber, &dn) != LDAP_SUCCESS)
		return feed_fail(feed, "the provider sent a malformed entry");
	record_begin(record, uuid, dn.bv_val, dn.bv_len);
	while (ldap_get_attribute_ber(feed->handle, message, ber, &name, &values) == LDAP_SUCCESS &&
		name.bv_val != NULL) {
		int attribute = record_attribute(name.bv_val, name.bv_len);

		for (size_t i = 0; attribute >= 0 && values && values[i].bv_val; i++)
			record_value(record, attribute, values[i].bv_val, values[i].bv_len);
		ldap_memfree(values);
	}
	ber_free(ber, 0);
	if (record_finish(record, &error) < 0)
		return feed_fail(feed, "entry %s: %s", str_cstr(&record->dn), error);
	return 0;
}

static void log_bad(const struct record *record)
{
	char dn[256];

	if (record->bad_count > 0)
		log_warning("directory",
			"a value cannot be used and is left out: %s values=%u last=%s dn=%s",
			record->bad_reason, record->bad_count, record->bad,
			log_value(dn, sizeof(dn), str_cstr(&record->dn)));
}

static int take_upsert(struct feed *feed, LDAPMessage *message, const uint8_t *uuid)
{
	struct change *change = feed->refresh != NULL ? &feed->spare : next_change(feed);

	if (change == NULL || build_record(feed, message, uuid, &change->record) < 0)
		return -1;
	change->kind = CHANGE_UPSERT;
	change->behind = feed->behind;
	feed->counts->entries++;
	log_bad(&change->record);
	if (feed->refresh != NULL)
		return refresh_entry(feed->refresh, change, &feed->error);
	feed->waiting++;
	return 0;
}

/*
 * An explicit deletion is believed, but for one repeated by a provider that is behind: there it
 * must be younger than what is stored.
 */
static int take_delete(struct feed *feed, const uint8_t *uuid, const struct csn_vector *cookie)
{
	struct change *change;

	feed->counts->deletes++;
	if (feed->refresh != NULL) {
		refresh_deleted(feed->refresh, uuid);
		return 0;
	}
	if (feed->behind && cookie->count == 0) {
		/* nothing tells how young it is: the vector must not pass it by */
		replica_withhold(feed->replica, 1);
		return 0;
	}
	if ((change = next_change(feed)) == NULL)
		return -1;
	change->kind = CHANGE_DELETE;
	record_begin(&change->record, uuid, "", 0);
	change->newest[0] = '\0';
	for (size_t i = 0; feed->behind && i < cookie->count; i++)
		if (strcmp(cookie->csn[i], change->newest) > 0)
			memcpy(change->newest, cookie->csn[i], sizeof(change->newest));
	feed->waiting++;
	return 0;
}

/*
 * What is present is told during a refresh only. Whatever this one adds to its list now may have
 * been taken for gone when the list ended.
 */
static int take_present(struct feed *feed, const uint8_t *uuid)
{
	if (feed->refresh != NULL) {
		refresh_present(feed->refresh, uuid);
		return 0;
	}
	log_warning("directory", "the provider says what is present after the end of its refresh: "
				 "all is read again");
	feed->reload = true;
	return feed_fail(feed, "the provider says what is present after the end of its refresh");
}

static int take_state(
	struct feed *feed, LDAPMessage *message, const struct sync_state_control *state)
{
	struct csn_vector cookie;
	int result = 0;

	if (read_cookie(feed, state->cookie, &cookie) < 0)
		return -1;
	switch (state->state) {
	case SYNC_PRESENT: result = take_present(feed, state->uuid); break;
	case SYNC_ADD:
	case SYNC_MODIFY: result = take_upsert(feed, message, state->uuid); break;
	case SYNC_DELETE: result = take_delete(feed, state->uuid, &cookie); break;
	}
	return result == 0 && feed->refresh == NULL ? take_cookie(feed, &cookie) : result;
}

static int take_entry(struct feed *feed, LDAPMessage *message)
{
	struct sync_state_control state;
	LDAPControl **controls = NULL, *control;
	int result = -1;

	ldap_get_entry_controls(feed->handle, message, &controls);
	control = ldap_control_find(LDAP_CONTROL_SYNC_STATE, controls, NULL);
	if (control == NULL || sync_parse_state(control->ldctl_value.bv_val,
				       control->ldctl_value.bv_len, &state) < 0)
		feed_fail(feed, "an entry came without a sound Sync State control%s",
			control == NULL ? NO_SYNCPROV : "");
	else
		result = take_state(feed, message, &state);
	ldap_controls_free(controls);
	return result;
}

/* --- phases --------------------------------------------------------------------------------- */

static int end_refresh(struct feed *feed, const struct csn_vector *cookie)
{
	int result = refresh_end(feed->refresh, cookie, feed->behind, &feed->error);

	refresh_free(&feed->refresh);
	feed->reload = result == REFRESH_INCOMPLETE;
	if (result != 0)
		return -1;
	feed->refreshed = true;
	feed->counts->refreshes++;
	feed->phase(feed->context, "persist");
	return 0;
}

static int take_id_set(struct feed *feed, struct sync_info *info, const struct csn_vector *cookie)
{
	const uint8_t *uuid;
	int result = 0;

	while (result == 0 && (uuid = sync_next_uuid(&info->uuids)) != NULL)
		result = info->refresh_deletes ? take_delete(feed, uuid, cookie)
					       : take_present(feed, uuid);
	return result;
}

static int take_info(struct feed *feed, struct sync_info *info)
{
	struct csn_vector cookie;
	int result = 0;

	if (read_cookie(feed, info->cookie, &cookie) < 0)
		return -1;
	if (info->kind == SYNC_ID_SET)
		result = take_id_set(feed, info, &cookie);
	if (result < 0)
		return -1;
	if (feed->refresh == NULL)
		return take_cookie(feed, &cookie);
	if (info->kind == SYNC_REFRESH_PRESENT)
		refresh_presents_end(feed->refresh);
	if ((info->kind == SYNC_REFRESH_PRESENT || info->kind == SYNC_REFRESH_DELETE) &&
		info->refresh_done)
		return end_refresh(feed, &cookie);
	return 0;
}

static int take_intermediate(struct feed *feed, LDAPMessage *message)
{
	struct berval *data = NULL;
	struct sync_info info;
	char *oid = NULL;
	int result = 0;

	if (ldap_parse_intermediate(feed->handle, message, &oid, &data, NULL, 0) != LDAP_SUCCESS)
		return feed_fail(feed, "the provider sent a malformed message");
	if (oid != NULL && strcmp(oid, LDAP_SYNC_INFO) == 0) {
		if (data == NULL || sync_parse_info(data->bv_val, data->bv_len, &info) < 0)
			result = feed_fail(feed, "the provider sent a malformed Sync Info");
		else
			result = take_info(feed, &info);
	}
	ldap_memfree(oid);
	ber_bvfree(data);
	return result;
}

/* --- the end of the search ------------------------------------------------------------------ */

/* A server that refreshes but does not persist says so here. */
static int take_done(struct feed *feed, LDAPControl **controls)
{
	LDAPControl *control = ldap_control_find(LDAP_CONTROL_SYNC_DONE, controls, NULL);
	struct sync_done_control done;
	struct csn_vector cookie;

	if (control == NULL || feed->refresh == NULL)
		return 0;
	if (sync_parse_done(control->ldctl_value.bv_val, control->ldctl_value.bv_len, &done) < 0)
		return feed_fail(feed, "the provider sent a malformed Sync Done");
	if (read_cookie(feed, done.cookie, &cookie) < 0)
		return -1;
	if (!done.refresh_deletes)
		refresh_presents_end(feed->refresh);
	return end_refresh(feed, &cookie);
}

static enum feed_end judge_end(struct feed *feed, int code, const char *words)
{
	bool has_words = words != NULL && *words != '\0';

	if (code == LDAP_SYNC_REFRESH_REQUIRED && !feed->full)
		return FEED_RELOAD;
	if (code == LDAP_UNWILLING_TO_PERFORM && has_words && strstr(words, "newer") != NULL) {
		feed_fail(feed, "provider is behind: %s", words);
		return FEED_BEHIND;
	}
	feed_fail(feed, "the provider ended the search: %s (%d)%s%s%s", ldap_err2string(code), code,
		has_words ? ": " : "", has_words ? words : "",
		code == LDAP_UNAVAILABLE_CRITICAL_EXTENSION ||
				(code == LDAP_SUCCESS && !feed->answered)
			? NO_SYNCPROV
			: "");
	return FEED_BROKEN;
}

static enum feed_end take_result(struct feed *feed, LDAPMessage *message)
{
	LDAPControl **controls = NULL;
	enum feed_end end;
	char *words = NULL;
	int code = LDAP_DECODING_ERROR;

	ldap_parse_result(feed->handle, message, &code, NULL, &words, NULL, &controls, 0);
	if (code != LDAP_SUCCESS || take_done(feed, controls) == 0)
		end = judge_end(feed, code, words);
	else
		end = feed->reload ? FEED_RELOAD : FEED_BROKEN;
	ldap_controls_free(controls);
	ldap_memfree(words);
	return end;
}

int feed_message(struct feed *feed, void *message, enum feed_end *end_r)
{
	int result = 0;

	switch (ldap_msgtype(message)) {
	case LDAP_RES_SEARCH_ENTRY: result = take_entry(feed, message); break;
	case LDAP_RES_INTERMEDIATE: result = take_intermediate(feed, message); break;
	case LDAP_RES_SEARCH_RESULT: *end_r = take_result(feed, message); return 0;
	default: break;
	}
	*end_r = feed->reload ? FEED_RELOAD : FEED_BROKEN;
	if (result == 0 && !feed->answered) {
		feed->answered = true;
		feed->accepted(feed->context);
	}
	return result == 0;
}
