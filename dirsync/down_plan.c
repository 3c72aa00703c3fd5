/* From both sides to what is to be written, and whether that may be. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dirsync/down.h"
#include "lib/synclist.h"

#define IDS_AT_ONCE 100

/* --- the merge -------------------------------------------------------------------------------- */

/* The next pair of a side; none = its end. */
struct side {
	struct bulk *bulk;
	struct bulk_pair pair;
	bool none;
};

static int advance(struct down *down, struct side *side)
{
	const char *error;
	int got = bulk_next(side->bulk, &side->pair, &error);

	if (got < 0)
		return down_fail(down, error);
	side->none = got == 0;
	return 0;
}

/* Below 0: the left one comes first. */
static int compare(const struct side *left, const struct side *right)
{
	size_t a = left->pair.key_len, b = right->pair.key_len;
	int order;

	if (left->none || right->none)
		return left->none - right->none;
	order = memcmp(left->pair.key, right->pair.key, a < b ? a : b);
	return order != 0 ? order : (a > b) - (a < b);
}

/* A file is written on the way: what is not wanted by the guard is dropped with it. */
static int plan_verb(struct down *down, enum target_verb verb, const struct bulk_pair *pair)
{
	const char *error, *encoded = pair->value + PERSON_DIGEST_SIZE;
	size_t len = pair->value_len - PERSON_DIGEST_SIZE;
	struct str key = STR_INIT;
	int done;

	down->changes += verb != TARGET_KEEP;
	str_append(&key, pair->key, pair->key_len);
	if (verb == TARGET_DELETE) {
		down->deletions++;
		str_append(&down->deleted, str_cstr(&key), key.len + 1);
	}
	if (down->kind->whole && !down->run->dry_run) {
		done = down_put(down, verb, str_cstr(&key), encoded, len);
	} else if (verb == TARGET_KEEP) {
		done = 0;
	} else {
		str_reset(&key);
		str_append_c(&key, (char)('0' + verb));
		str_append(&key, pair->key, pair->key_len);
		done = bulk_add(down->plan, key.data, key.len, encoded, len, &error);
		if (done < 0)
			down_fail(down, error);
	}
	str_free(&key);
	return done;
}

/* A contact that stays: what it has, and will lack. */
static int count_lost(
	struct down *down, const struct side *want, const struct side *have, bool same)
{
	const size_t before = PERSON_DIGEST_SIZE;
	struct person contact = PERSON_INIT;
	struct down_had had;
	uint64_t lacks = 0;
	int done = 0;

	memcpy(&had, have->pair.value, sizeof(had));
	if (!same && had.has != 0)
		done = person_decode(
			want->pair.value + before, want->pair.value_len - before, &contact);
	if (done < 0)
		done = down_fail(down, "a sorted run is damaged; is the disk sound?");
	else if (!same)
		lacks = had.has & ~contact_has(down->form, &contact);
	for (size_t i = 0; i < down->lost_count; i++) {
		down->lost[i].had += had.has >> i & 1;
		down->lost[i].lacks += lacks >> i & 1;
	}
	person_free(&contact);
	return done;
}

/* One id, of which at least one side knows. */
static int judge(struct down *down, const struct side *want, const struct side *have, int order)
{
	const struct bulk_pair *pair = order > 0 ? &have->pair : &want->pair;
	enum target_verb verb = order < 0 ? TARGET_ADD : order > 0 ? TARGET_DELETE : TARGET_CHANGE;

	if (order == 0 && memcmp(want->pair.value, have->pair.value, PERSON_DIGEST_SIZE) == 0)
		verb = TARGET_KEEP;
	if (order == 0 && count_lost(down, want, have, verb == TARGET_KEEP) < 0)
		return -1;
	/* a file cannot leave alone what it has: a contact stays there as it should be */
	if (verb != TARGET_KEEP && (!down->kind->whole || order != 0) &&
		down_is_alone(down, pair->key, pair->key_len))
		return 0;
	if (verb == TARGET_KEEP && !down->kind->whole)
		return 0;
	return plan_verb(down, verb, pair);
}

static int merge(struct down *down)
{
	struct side want = { .bulk = down->want }, have = { .bulk = down->have };
	uint64_t count = 0;

	if (advance(down, &want) < 0 || advance(down, &have) < 0)
		return -1;
	while (!want.none || !have.none) {
		int order = compare(&want, &have);

		if (++count % 1000 == 0) {
			down_progress(down, "comparing", count, down->wanted);
			if (down_stopped(down))
				return -1;
		}
		if (judge(down, &want, &have, order) < 0)
			return -1;
		if (order <= 0 && advance(down, &want) < 0)
			return -1;
		if (order >= 0 && advance(down, &have) < 0)
			return -1;
	}
	return 0;
}

/* Whether the file is as it was left. */
static bool is_sealed(struct down *down)
{
	struct str seal = STR_INIT;
	bool same;

	down->kind->seal(down->target, &seal);
	same = seal.len > 0 && strcmp(str_cstr(&seal), written_seal(down->written)) == 0;
	str_free(&seal);
	return same;
}

int down_plan(struct down *down)
{
	const char *error;

	down_progress(down, "comparing", 0, down->wanted);
	for (const char *const *n = contact_form_guarded(down->form); *n != NULL; n++)
		down->lost[down->lost_count++].name = *n;
	if (!down->kind->lists && !down->run->dry_run &&
		down->kind->begin(down->target, &down->sink, &error) < 0)
		return down_fail(down, error);
	if (merge(down) < 0)
		return -1;
	if (bulk_sort(down->plan, &error) < 0)
		return down_fail(down, error);
	if (down->kind->whole && !is_sealed(down))
		return 1;
	return down->changes > 0;
}

/* --- the guard -------------------------------------------------------------------------------- */

static int count_entry(void *context, const struct ldap_entry *entry)
{
	(void)entry;
	++*(uint64_t *)context;
	return 0;
}

/* How many of the next ids are mailboxes of this system now: that is no loss. An entry of which no
 * contact comes any more is one: what makes one may have become unreadable. at_r: where the next
 * ones begin. */
static int count_living(struct down *down, const char **at_r, uint64_t *living)
{
	static const char *const nothing[] = { "1.1", NULL };
	const char *end = down->deleted.data + down->deleted.len;
	struct str filter = STR_INIT;
	enum ldap_result result;

	str_append_z(&filter, "(&(objectClass=restanteMailbox)(restanteSystem=");
	ldap_filter_escape(down->run->system, &filter);
	str_append_z(&filter, ")(|");
	for (unsigned i = 0; i < IDS_AT_ONCE && *at_r < end; i++) {
		str_append_z(&filter, "(entryUUID=");
		ldap_filter_escape(*at_r, &filter);
		str_append_c(&filter, ')');
		*at_r += strlen(*at_r) + 1;
	}
	str_append_z(&filter, "))");
	result = ldap_session_search(down->session, down->ldap.base, LDAP_SUB, str_cstr(&filter),
		nothing, count_entry, living);
	str_free(&filter);
	return result == LDAP_DONE ? 0 : down_fail(down, ldap_session_reason(down->session));
}

/* So few are no mass deletion, however small the address book, or the limit. */
static bool is_many(const struct down *down, const struct guard_limits *limits, uint64_t deletions)
{
	return deletions > limits->least && guard_too_many(limits, deletions, down->had);
}

static int guard_deletions(struct down *down, const struct guard_limits *limits,
	const struct guard_approvals *approvals, struct guard_answer *answer)
{
	struct str words = STR_INIT;
	const char *at = str_cstr(&down->deleted);
	uint64_t living = 0, gone;

	if (!is_many(down, limits, down->deletions))
		return 0;
	while (at < down->deleted.data + down->deleted.len)
		if (count_living(down, &at, &living) < 0)
			return -1;
	gone = down->deletions > living ? down->deletions - living : 0;
	if (!is_many(down, limits, gone))
		return 0;
	str_printf(&words,
		"%" PRIu64 " of %" PRIu64
		" contacts have no mailbox any more, or none that makes a "
		"contact: can the account of the sync still read them?",
		gone, down->had);
	guard_add(answer, approvals, SYNC_LIST_DELETIONS, gone, str_cstr(&words));
	str_free(&words);
	return 0;
}

int down_guard(struct down *down, const struct backend *backend)
{
	const struct guard_limits limits = { .most = (uint64_t)down->settings->max_delete,
		.percent = (unsigned)down->settings->max_delete_percent,
		.least = GUARD_LEAST,
		.lost_percent = (unsigned)down->settings->lost_percent };
	const struct guard_approvals approvals = { .fresh = str_cstr(&backend->approved) };
	struct guard_answer answer = { .stops = false };
	int result;

	guard_add_lost(&answer, &approvals, &limits, down->lost, down->lost_count, "contacts");
	result = guard_deletions(down, &limits, &approvals, &answer);
	guard_close(&answer, down->run->system, "--down ");
	if (result == 0 && answer.stops) {
		run_record_stop(down->record, backend, &answer);
		result = 1;
	}
	guard_answer_free(&answer);
	return result;
}
