/*
 * Who has the addresses that are gained, where these are many: the directory's mailboxes are read
 * once, sorted by address, and merged with what is wanted. A search for each hundred would cost the
 * server several times as much.
 */
#define _GNU_SOURCE
#include "dirsync/up_asking.h"

#include <string.h>

#include "lib/address.h"
#include "lib/ldap_stream.h"

#define WORTH_IT 1000 /* addresses; fewer are asked for */
/* Mailboxes for each address: where there are more it is less work to ask after all. */
#define MOST_FOR_ONE 3

struct reading {
	struct asking *a;
	uint64_t seen, most;
	struct strings keys;
	const char *error;
};

static int put_key(struct reading *r, const char *key)
{
	const struct str *text = &r->a->text;

	return bulk_add(r->a->known, key, strlen(key), text->data, text->len, &r->error);
}

static int take_entry(void *context, const struct ldap_stream_entry *raw)
{
	struct reading *r = context;
	struct owner owner = { .dn = raw->dn, .system = "", .id = "" };
	struct address address;
	const char *error;
	int done = 0;

	if (++r->seen > r->most || up_stopped(r->a->up))
		return -1;
	strings_reset(&r->keys);
	for (size_t i = 0; i < raw->count; i++) {
		const struct ldap_value *value = &raw->values[i];
		if (strcasecmp(value->name, "restanteSystem") == 0)
			owner.system = value->data;
		else if (strcasecmp(value->name, "restanteSourceId") == 0)
			owner.id = value->data;
		else if (address_parse(value->data, &address, &error) == 0)
			strings_add(&r->keys, address.key);
	}
	owner.move = asking_move(&r->a->up->moves, &r->keys);
	asking_describe(r->a, &owner);
	for (const char *k = strings_first(&r->keys); k != NULL && done == 0;
		k = strings_next(&r->keys, k))
		done = put_key(r, k);
	return done;
}

static void forget(struct asking *a)
{
	bulk_free(&a->known);
	a->has_known = false;
}

static int next_known(struct asking *a)
{
	const char *error;
	int got = bulk_next(a->known, &a->pair, &error);

	a->has_known = got == 1;
	return got < 0 ? up_fail(a->up, "%s", error) : 0;
}

int known_read(struct asking *a)
{
	struct up *up = a->up;
	struct reading r = { .a = a, .most = up->gain_count * MOST_FOR_ONE };
	const struct ldap_stream_options options = {
		.base = up->ldap.base,
		.scope = LDAP_SUB,
		.filter = "(objectClass=restanteMailbox)",
		.attributes = asking_attributes,
		.stop = &up->stop,
	};
	bool stopped;

	if (up->gain_count < WORTH_IT)
		return 0;
	a->known = bulk_new(up->work, "known", UP_SORT_MEMORY);
	enum ldap_result result =
		ldap_stream_search(up->session, &options, take_entry, &r, &stopped);
	strings_free(&r.keys);
	if (up_stopped(up))
		return up_fail(up, "stopped");
	if (r.error != NULL || (result == LDAP_DONE && bulk_sort(a->known, &r.error) < 0))
		return up_fail(up, "%s", r.error);
	if (result == LDAP_DONE)
		return next_known(a);
	forget(a);
	if (stopped)
		return 0;
	return up_fail(
		up, "who has which address in the directory: %s", ldap_session_reason(up->session));
}

static int compare(const struct bulk_pair *pair, const struct str *key)
{
	size_t common = pair->key_len < key->len ? pair->key_len : key->len;
	int order = memcmp(pair->key, key->data, common);

	if (order != 0)
		return order;
	return (pair->key_len > key->len) - (pair->key_len < key->len);
}

int known_take(struct asking *a, const struct wanted *wanted)
{
	int order;

	while (a->has_known && (order = compare(&a->pair, &wanted->key)) <= 0) {
		const char *texts = a->pair.value;
		const struct owner owner = {
			.system = texts,
			.dn = asking_field(texts, 1),
			.id = asking_field(texts, 2),
			.move = asking_field(texts, 3),
		};
		if (order == 0 && wanted->gains.count > 0 && asking_owned(a, wanted, &owner) < 0)
			return -1;
		if (next_known(a) < 0)
			return -1;
	}
	return 0;
}

void known_free(struct asking *a)
{
	forget(a);
}
