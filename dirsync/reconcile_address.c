/* Access addresses: what is gained, marked, given up; who else has them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dirsync/reconcile_internal.h"
#include "lib/clock.h"
#include "lib/when.h"

#define MARK "restanteVanishingAddress"

/* --- facts ----------------------------------------------------------------------------------- */

bool address_federated(const struct reconcile_run *run, const char *key)
{
	const char *at = strrchr(key, '@');

	return at != NULL && run->federated(run->federated_context, at + 1);
}

/* Who has it counts before who lists it, too. */
const struct reconcile_owner *address_owner(const struct reconcile_facts *facts, const char *key)
{
	const struct reconcile_owner *found = NULL;

	for (size_t i = 0; i < facts->taken_count; i++) {
		const struct reconcile_owner *owner = &facts->taken[i];

		if (strcmp(owner->address, key) == 0 && (found == NULL || *found->dn == '\0'))
			found = owner;
	}
	return found;
}

void address_report_domain(struct reconciling *r, const char *key)
{
	build_report(r, REPORT_DOMAIN, key, NULL,
		"%s of %s (id %s, %s) is not in a federated domain", key, r->run->system,
		r->facts->id, str_cstr(&r->facts->fresh->place));
}

void address_report_owner(struct reconciling *r, const struct reconcile_owner *owner)
{
	const char *place = str_cstr(&r->facts->fresh->place);
	const char *system = r->run->system, *id = r->facts->id;

	if (owner->id[0] != '\0' && strcasecmp(owner->system, system) == 0)
		build_report(r, REPORT_DUPLICATE, owner->address, owner,
			"%s is listed by two mailboxes of %s: id %s (%s), and id %s%s%s, which "
			"keeps it",
			owner->address, system, id, place, owner->id, *owner->dn ? ", " : "",
			owner->dn);
	else
		build_report(r, REPORT_CONFLICT, owner->address, owner,
			"%s is claimed by %s (id %s, %s); it stays with %s (%s)", owner->address,
			system, id, place, owner->system, owner->dn);
}

/* "KEY SOMETHING": the value of that key. */
static const char *find_keyed(const struct strings *set, const char *key)
{
	size_t len = strlen(key);

	for (const char *t = strings_first(set); t != NULL; t = strings_next(set, t)) {
		const char *space = strrchr(t, ' ');

		if (space != NULL && (size_t)(space - t) == len && memcmp(t, key, len) == 0)
			return t;
	}
	return NULL;
}

/* Of several marks, which only a person could have made, the last counts. */
bool address_mark(const struct entry *entry, const char *key, int64_t *instant_r)
{
	size_t len = strlen(key);
	bool marked = false;

	*instant_r = -1;
	for (const char *t = strings_first(&entry->going); t != NULL;
		t = strings_next(&entry->going, t)) {
		const char *space = strrchr(t, ' ');
		int64_t instant;

		if (space == NULL || (size_t)(space - t) != len || memcmp(t, key, len) != 0)
			continue;
		marked = true;
		instant = when_generalized_us(space + 1);
		if (instant > *instant_r)
			*instant_r = instant;
	}
	return marked;
}

/* A mark in the future (a clock was wrong) is of negative age, and is waited for. */
bool address_due(const struct reconcile_run *run, int64_t marked_us, unsigned pulls)
{
	return run->complete && run->clock_agrees && pulls >= 2 &&
	       run->now_us - marked_us >= run->grace_us;
}

static unsigned pulls_before(const struct trace *before, const char *key)
{
	const char *text = before != NULL ? find_keyed(&before->lacking, key) : NULL;

	return text != NULL ? (unsigned)strtoul(strrchr(text, ' ') + 1, NULL, 10) : 0;
}

static bool is_passing(const struct reconcile_facts *facts, const char *key)
{
	return facts->passing != NULL && strings_has(facts->passing, key);
}

/* --- values ---------------------------------------------------------------------------------- */

void address_take_marks(struct reconciling *r, const char *key)
{
	const struct strings *going = &r->entry->going;
	size_t len = strlen(key);

	for (const char *t = strings_first(going); t != NULL; t = strings_next(going, t)) {
		const char *space = strrchr(t, ' ');

		if (space != NULL && (size_t)(space - t) == len && memcmp(t, key, len) == 0)
			build_take(&r->build, MARK, t);
	}
}

static void put_mark(struct reconciling *r, const char *key)
{
	struct str text = STR_INIT;
	char instant[32];

	str_printf(&text, "%s %s", key, clock_generalized(instant, sizeof instant, r->run->now_us));
	build_put(&r->build, MARK, str_cstr(&text));
	str_free(&text);
}

static void put_address(struct reconciling *r, const char *key)
{
	struct str value = STR_INIT;

	person_address_value(key, &value);
	build_put(&r->build, person_address_attribute(key), str_cstr(&value));
	strings_add(&r->build.gains, key);
	str_free(&value);
}

/* As it is spelled in the entry: "ATTRIBUTE VALUE". */
static bool take_spelled(struct reconciling *r, const char *key)
{
	const struct strings *spelled = &r->entry->spelled;
	struct address address;
	const char *error;
	char name[64];
	bool taken = false;

	for (const char *t = strings_first(spelled); t != NULL; t = strings_next(spelled, t)) {
		size_t len = strcspn(t, " ");

		if (t[len] == '\0' || len >= sizeof name ||
			address_parse(t + len + 1, &address, &error) < 0 ||
			strcmp(address.key, key) != 0)
			continue;
		memcpy(name, t, len);
		name[len] = '\0';
		build_take(&r->build, name, t + len + 1);
		taken = true;
	}
	return taken;
}

static void take_address(struct reconciling *r, const char *key)
{
	struct str value = STR_INIT;

	if (!take_spelled(r, key)) {
		person_address_value(key, &value);
		build_take(&r->build, person_address_attribute(key), str_cstr(&value));
	}
	address_take_marks(r, key);
	strings_add(&r->build.gives, key);
	str_free(&value);
}

/* --- those that the system lists ------------------------------------------------------------- */

static void listed(struct reconciling *r, const char *key)
{
	const struct reconcile_owner *owner = address_owner(r->facts, key);
	int64_t instant;

	if (strings_has(&r->entry->person.addresses, key)) {
		if (address_mark(r->entry, key, &instant)) {
			address_take_marks(r, key);
			build_because(&r->build, "%s is back", key);
		}
	} else if (!address_federated(r->run, key)) {
		address_report_domain(r, key);
	} else if (owner != NULL) {
		address_report_owner(r, owner);
	} else {
		put_address(r, key);
		build_because(&r->build, "%s added", key);
	}
}

/* --- and those that it does not -------------------------------------------------------------- */

static void note_lacking(struct reconciling *r, const char *key, unsigned pulls)
{
	struct str text = STR_INIT;

	str_printf(&text, "%s %u", key, pulls);
	strings_add(&r->trace->lacking, str_cstr(&text));
	str_free(&text);
}

static void count_gone(struct reconciling *r, bool changes)
{
	r->tally->counts.addresses_gone++;
	if (changes) {
		r->build.counts |= PLAN_COUNTS_ADDRESS;
		r->build.count_addresses++;
	}
}

/* What is held, or moves, is not changed under the hands of whoever does that. */
static bool in_hands(const struct reconciling *r)
{
	return move_open(r->facts->own) || r->entry->state != STATE_ACTIVE;
}

enum address_fate address_fate(struct reconciling *r, const char *key)
{
	unsigned before = pulls_before(r->facts->before, key);
	bool counts = r->run->complete && (!r->run->again || before == 0);
	unsigned pulls = before + (counts ? 1 : 0);
	int64_t marked_us;
	bool marked = address_mark(r->entry, key, &marked_us);

	note_lacking(r, key, pulls);
	if (marked && marked_us >= 0) {
		if (!address_due(r->run, marked_us, pulls))
			return FATE_STAYS;
		return in_hands(r) ? FATE_IN_HANDS : FATE_GOES;
	}
	if (r->run->clock_agrees) {
		address_take_marks(r, key);
		put_mark(r, key);
		build_because(&r->build, "%s is no longer listed by %s", key, r->run->system);
	}
	return FATE_MARKED;
}

void address_report_waits(struct reconciling *r, const char *key)
{
	build_report(r, REPORT_WAITS, key, NULL,
		"%s of id %s of %s (%s) is not listed any more; it is not removed while "
		"the mailbox is held or moves",
		key, r->facts->id, r->run->system, str_cstr(&r->entry->dn));
}

static void lacking(struct reconciling *r, const char *key)
{
	enum address_fate fate = address_fate(r, key);

	strings_add(&r->trace->addresses, key);
	count_gone(r, fate == FATE_GOES || (fate == FATE_MARKED && r->run->clock_agrees));
	if (fate == FATE_IN_HANDS)
		address_report_waits(r, key);
	if (fate != FATE_GOES)
		return;
	r->build.state_matters = true;
	take_address(r, key);
	build_because(&r->build, "%s was not listed by %s for the grace", key, r->run->system);
}

static bool is_ours(const struct reconciling *r, const char *key)
{
	int64_t instant;

	return address_mark(r->entry, key, &instant) ||
	       (r->facts->before != NULL && strings_has(&r->facts->before->addresses, key));
}

static void pass(struct reconciling *r, const char *key)
{
	take_address(r, key);
	build_because(&r->build, "%s passes to another mailbox of %s", key, r->run->system);
}

/* A mark of an address that the entry has no more. */
static void sweep_marks(struct reconciling *r)
{
	const struct strings *going = &r->entry->going;
	struct str key = STR_INIT;

	for (const char *t = strings_first(going); t != NULL; t = strings_next(going, t)) {
		const char *space = strrchr(t, ' ');

		str_reset(&key);
		str_append(&key, t, space != NULL ? (size_t)(space - t) : 0);
		if (strings_has(&r->entry->person.addresses, str_cstr(&key)) ||
			strings_has(&r->entry->person.foreign, str_cstr(&key)))
			continue;
		build_take(&r->build, MARK, t);
		build_because(&r->build, "a mark without its address goes");
	}
	str_free(&key);
}

void address_update(struct reconciling *r)
{
	const struct strings *has = &r->entry->person.addresses;
	const struct strings *lists = &r->facts->fresh->addresses;

	for (const char *k = strings_first(lists); k != NULL; k = strings_next(lists, k)) {
		strings_add(&r->trace->addresses, k);
		listed(r, k);
	}
	for (const char *k = strings_first(has); k != NULL; k = strings_next(has, k)) {
		if (strings_has(lists, k) || !is_ours(r, k))
			continue;
		if (is_passing(r->facts, k)) {
			strings_add(&r->trace->addresses, k);
			pass(r, k);
		} else {
			lacking(r, k);
		}
	}
	sweep_marks(r);
}

/* --- of a mailbox that is not shown ---------------------------------------------------------- */

void address_pass(struct reconciling *r)
{
	const struct strings *has = &r->entry->person.addresses;

	for (const char *k = strings_first(has); k != NULL; k = strings_next(has, k))
		if (is_passing(r->facts, k))
			pass(r, k);
}

void address_count_pending(struct reconciling *r)
{
	const struct strings *has = &r->entry->person.addresses;
	int64_t instant;

	for (const char *k = strings_first(has); k != NULL; k = strings_next(has, k))
		if (address_mark(r->entry, k, &instant) && !is_passing(r->facts, k))
			count_gone(r, false);
}

uint64_t reconcile_pending(const struct entry *entry)
{
	const struct strings *has = &entry->person.addresses;
	uint64_t marked = 0;
	int64_t instant;

	if (entry->vanished_us != 0)
		return 1;
	for (const char *k = strings_first(has); k != NULL; k = strings_next(has, k))
		marked += address_mark(entry, k, &instant);
	return marked;
}
