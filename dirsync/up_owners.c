/*
 * Who has the addresses that mailboxes of this system gain: asked of the directory, many in one
 * search. One that another mailbox of this system loses in the same run passes on; all others are
 * taken.
 */
#define _GNU_SOURCE
#include "dirsync/up_asking.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/address.h"
#include "lib/mailbox.h"
#include "lib/mem.h"

const char *const asking_attributes[] = { "restanteSystem", "restanteSourceId", "mailLocalAddress",
	"restanteAddressUTF8", NULL };

/* --- what is found ---------------------------------------------------------------------------- */

static struct wanted *find(struct asking *a, const char *key)
{
	size_t low = 0, high = a->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(str_cstr(&a->wanted[middle].key), key);

		if (order == 0)
			return &a->wanted[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void put_text(struct str *out, const char *text)
{
	str_append(out, text, strlen(text) + 1);
}

static void put_owner(struct str *out, const struct owner *owner)
{
	put_text(out, owner->system);
	put_text(out, owner->dn);
	put_text(out, owner->id);
	put_text(out, owner->move);
}

void asking_describe(struct asking *a, const struct owner *owner)
{
	str_reset(&a->text);
	put_owner(&a->text, owner);
}

static void describe(struct asking *a, const char *key, const struct owner *owner)
{
	str_reset(&a->text);
	put_text(&a->text, key);
	put_owner(&a->text, owner);
}

static void note_without(struct asking *a, const char *id)
{
	if (a->without_count == a->without_cap) {
		a->without_cap = a->without_cap * 2 + 64;
		a->without = mem_grow(a->without, a->without_cap, sizeof *a->without);
	}
	a->without[a->without_count++] = mem_strdup(id);
}

int asking_taken(struct asking *a, const char *gain, const char *texts, size_t len)
{
	if (gain[0] == UP_GAINS_FIRST && !up_has_orphan(a->up, gain + 1))
		note_without(a, gain + 1);
	return up_part(a->up, gain + 1, UP_TAKEN, texts, len);
}

static int taken(struct asking *a, const char *gain, const char *key, const struct owner *owner)
{
	describe(a, key, owner);
	return asking_taken(a, gain, a->text.data, a->text.len);
}

static void defer(struct asking *a, const char *texts, size_t len)
{
	if (a->passing_count == a->passing_cap) {
		a->passing_cap = a->passing_cap * 2 + 64;
		a->passing = mem_grow(a->passing, a->passing_cap, sizeof *a->passing);
	}
	a->passing[a->passing_count++] = (struct passing){ mem_dup(texts, len), len };
}

const char *asking_field(const char *texts, unsigned number)
{
	while (number-- > 0)
		texts += strlen(texts) + 1;
	return texts;
}

/* Who cannot have an entry does not take it from whoever still has it. */
int asking_passes(struct asking *a, const char *texts, size_t len)
{
	const char *key = asking_field(texts, 0), *loser = asking_field(texts, 3),
		   *gain = asking_field(texts, 5);

	if (gain[0] == UP_GAINS)
		return up_text(a->up, up_heir(a->up, loser), UP_PASSING, key);
	if (gain[0] == UP_GAINS_NOTHING && !up_has_orphan(a->up, gain + 1))
		return asking_taken(a, gain, texts, len);
	defer(a, texts, len);
	return 0;
}

/* A delta says nothing of whoever is the owner now. */
static bool is_late(const struct asking *a, const struct wanted *wanted, const struct owner *owner)
{
	return !a->up->rules.complete && *owner->id != '\0' &&
	       strcasecmp(owner->system, a->up->options->system) == 0 &&
	       !strings_has(&wanted->keeps, owner->id);
}

int asking_owned(struct asking *a, const struct wanted *wanted, const struct owner *owner)
{
	const char *key = wanted->key.data, *gain = strings_first(&wanted->gains);
	bool passes = *owner->id != '\0' && strings_has(&wanted->loses, owner->id) &&
		      !strings_has(&wanted->keeps, owner->id) &&
		      strcasecmp(owner->system, a->up->options->system) == 0;

	if (passes || is_late(a, wanted, owner)) {
		describe(a, key, owner);
		put_text(&a->text, gain);
		if (passes)
			return asking_passes(a, a->text.data, a->text.len);
		late_put(a, a->text.data, a->text.len);
		return 0;
	}
	for (; gain != NULL; gain = strings_next(&wanted->gains, gain))
		if (taken(a, gain, key, owner) < 0)
			return -1;
	return 0;
}

/* --- what passes to mailboxes without an entry -------------------------------------------------
 */

static int compare_ids(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

static int settle(struct asking *a, const struct passing *passing)
{
	const char *key = passing->texts, *loser = asking_field(key, 3),
		   *gainer = asking_field(key, 5) + 1;

	if (a->without_count > 0 && bsearch(&gainer, a->without, a->without_count,
					    sizeof *a->without, compare_ids) != NULL)
		return up_part(a->up, gainer, UP_TAKEN, passing->texts, passing->len);
	return up_text(a->up, up_heir(a->up, loser), UP_PASSING, key);
}

static int settle_all(struct asking *a)
{
	int done = 0;

	if (a->without_count > 1)
		qsort(a->without, a->without_count, sizeof *a->without, compare_ids);
	for (size_t i = 0; i < a->passing_count; i++) {
		if (done == 0)
			done = settle(a, &a->passing[i]);
		mem_free(&a->passing[i].texts);
	}
	for (size_t i = 0; i < a->without_count; i++)
		mem_free(&a->without[i]);
	mem_free(&a->passing);
	mem_free(&a->without);
	return done;
}

static void read_keys(const struct ldap_entry *raw, struct strings *keys)
{
	struct address address;
	const char *error;

	for (const char *const *name = asking_attributes + 2; *name != NULL; name++) {
		const struct ldap_attribute *found = ldap_entry_attribute(raw, *name);
		for (size_t i = 0; found != NULL && i < found->count; i++)
			if (address_parse(found->values[i], &address, &error) == 0)
				strings_add(keys, address.key);
	}
}

const char *asking_move(const struct moves *moves, const struct strings *keys)
{
	const char *key = "";

	if (moves->count == 0)
		return "";
	for (const char *k = strings_first(keys); k != NULL; k = strings_next(keys, k)) {
		const struct move *move = moves_find(moves, k);
		if (move != NULL && (*key == '\0' || move->kind == MOVE_OPEN))
			key = move->key.data;
	}
	return key;
}

static const char *or_empty(const char *text)
{
	return text != NULL ? text : "";
}

static int take_owner(void *context, const struct ldap_entry *raw)
{
	struct asking *a = context;
	struct owner owner = {
		.dn = raw->dn,
		.system = or_empty(ldap_entry_value(raw, "restanteSystem")),
		.id = or_empty(ldap_entry_value(raw, "restanteSourceId")),
	};

	read_keys(raw, &owner.keys);
	owner.move = asking_move(&a->up->moves, &owner.keys);
	for (const char *k = strings_first(&owner.keys); k != NULL && a->failed == 0;
		k = strings_next(&owner.keys, k)) {
		const struct wanted *wanted = find(a, k);
		if (wanted != NULL && wanted->gains.count > 0)
			a->failed = asking_owned(a, wanted, &owner);
	}
	strings_free(&owner.keys);
	return a->failed;
}

/* --- asking ----------------------------------------------------------------------------------- */

static int search(struct asking *a)
{
	struct up *up = a->up;
	struct str filter = STR_INIT;
	struct address address;
	const char *error;

	str_append_z(&filter, "(|");
	for (size_t i = 0; i < a->count; i++)
		if (address_parse(a->wanted[i].key.data, &address, &error) == 0)
			mailbox_filter(&address, &filter);
	str_append_c(&filter, ')');
	enum ldap_result result = ldap_session_search(up->session, up->ldap.base, LDAP_SUB,
		filter.data, asking_attributes, take_owner, a);
	str_free(&filter);

	if (a->failed < 0)
		return -1;
	if (result == LDAP_DONE)
		return 0;
	return up_fail(
		up, "who has which address in the directory: %s", ldap_session_reason(up->session));
}

/* Several mailboxes of the pull that gain one address: the first may have it. */
static int share_out(struct asking *a, const struct wanted *wanted)
{
	const char *first = strings_first(&wanted->gains), *id = first;
	const struct owner owner = {
		.dn = "",
		.system = a->up->options->system,
		.id = first != NULL ? first + 1 : "",
		.move = "",
	};

	while (id != NULL && (id = strings_next(&wanted->gains, id)) != NULL)
		if (taken(a, id, wanted->key.data, &owner) < 0)
			return -1;
	return 0;
}

static int ask(struct asking *a)
{
	int done = 0;

	if (a->count == 0)
		return 0;
	for (size_t i = 0; i < a->count && done == 0; i++) {
		done = share_out(a, &a->wanted[i]);
		if (done == 0 && a->known != NULL)
			done = known_take(a, &a->wanted[i]);
	}
	if (done == 0 && a->known == NULL)
		done = search(a);
	a->asked += a->count;
	a->count = 0;
	up_progress(a->up, "owners", a->asked, 0);
	return up_stopped(a->up) ? up_fail(a->up, "stopped") : done;
}

/* --- the addresses, one after the other ------------------------------------------------------- */

static struct wanted *begin_wanted(struct asking *a, const struct bulk_pair *pair)
{
	struct wanted *wanted = &a->wanted[a->count++];

	str_reset(&wanted->key);
	str_append(&wanted->key, pair->key, pair->key_len);
	strings_reset(&wanted->gains);
	strings_reset(&wanted->loses);
	strings_reset(&wanted->keeps);
	return wanted;
}

static bool is_of(const struct wanted *wanted, const struct bulk_pair *pair)
{
	return wanted != NULL && wanted->key.len == pair->key_len &&
	       memcmp(wanted->key.data, pair->key, pair->key_len) == 0;
}

/* A delta shows who loses it, and not who has waited for it. */
static void drop_unwanted(struct asking *a, const struct wanted *wanted)
{
	if (wanted == NULL || wanted->gains.count > 0)
		return;
	if (wanted->loses.count > 0 && strings_has(&a->claimed, wanted->key.data))
		a->up->unsettled = true;
	a->count--;
}

static int take_claim(void *context, struct json *report)
{
	struct asking *a = context;
	const char *kind = json_get_string(report, "kind"),
		   *address = json_get_string(report, "address");

	if (kind != NULL && strcmp(kind, "duplicate") == 0 && address != NULL && *address != '\0')
		strings_add(&a->claimed, address);
	json_free(&report);
	return 0;
}

static int ask_all(struct asking *a)
{
	struct wanted *wanted = NULL;
	struct bulk_pair pair;
	const char *error;
	int got;

	while ((got = bulk_next(a->up->addresses, &pair, &error)) == 1) {
		if (!is_of(wanted, &pair)) {
			drop_unwanted(a, wanted);
			if (a->count == UP_BATCH && ask(a) < 0)
				return -1;
			wanted = begin_wanted(a, &pair);
		}
		if (pair.value[0] == UP_LOSES)
			strings_add(&wanted->loses, pair.value + 1);
		else if (pair.value[0] == UP_KEEPS)
			strings_add(&wanted->keeps, pair.value + 1);
		else
			strings_add(&wanted->gains, pair.value);
	}
	if (got < 0)
		return up_fail(a->up, "%s", error);
	drop_unwanted(a, wanted);
	return ask(a);
}

int up_owners(struct up *up)
{
	struct asking *a = mem_zalloc(sizeof *a);
	const char *error;
	int done = bulk_sort(up->addresses, &error);

	a->up = up;
	if (!up->rules.complete)
		reports_read(
			up->config->dirsync.state_dir, up->options->system, SYNC_UP, take_claim, a);
	done = done < 0 ? up_fail(up, "%s", error) : known_read(a);
	if (done == 0)
		done = ask_all(a);
	if (done == 0)
		done = late_settle(a);
	late_free(a);
	known_free(a);
	int settled = settle_all(a);
	if (done == 0)
		done = settled;
	for (size_t i = 0; i < UP_BATCH; i++) {
		str_free(&a->wanted[i].key);
		strings_free(&a->wanted[i].gains);
		strings_free(&a->wanted[i].loses);
		strings_free(&a->wanted[i].keeps);
	}
	strings_free(&a->claimed);
	str_free(&a->text);
	mem_free(&a);
	bulk_free(&up->addresses);
	return done;
}
