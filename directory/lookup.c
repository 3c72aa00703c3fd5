/* From an address to the facts about it (DESIGN section 3). */
#define _GNU_SOURCE
#include <string.h>

#include "directory/replica_internal.h"

#define VALUE_BYTES 4096 /* of claims, on the stack; more than that is an odd directory */

/* With the lock held for reading, all of them. */

static int read_big(struct replica *replica, const char *key, size_t len, struct claims *claims)
{
	struct str value = STR_INIT;
	enum bdb_result result = bdb_get(replica->store.addresses, NULL, key, len, &value);
	int got = -1;

	if (result == BDB_OK)
		got = claims_read(value.data, value.len, claims);
	else if (result == BDB_NOTFOUND)
		got = 0;
	str_free(&value);
	return got;
}

/* 0; -1: trouble. Nothing there is count 0 and not buried. */
static int read_claims(struct replica *replica, const char *key, struct claims *claims)
{
	char value[VALUE_BYTES];
	size_t key_len = strlen(key), len;
	uint64_t version = atomic_load(&replica->version);
	enum bdb_result result;

	claims->count = 0;
	claims->buried = false;
	if (recall_get(replica->recall, version, key, key_len, value, sizeof(value), &len))
		return claims_read(value, len, claims);
	result = bdb_get_into(
		replica->store.addresses, NULL, key, key_len, value, sizeof(value), &len);
	if (result == BDB_OK || result == BDB_NOTFOUND) {
		recall_put(replica->recall, version, key, key_len, value, len);
		return claims_read(value, len, claims); /* of nothing: nobody */
	}
	return result == BDB_BROKEN ? -1 : read_big(replica, key, key_len, claims);
}

static bool lately_vanished(const struct replica *replica, const struct claims *claims)
{
	struct tombstone_clock now;

	if (claims->count > 0 || !claims->buried)
		return false;
	now = replica_clock(replica);
	return tombstone_alive(&claims->tombstone, &now);
}

static bool physical_federated(const struct replica *replica, const char *physical)
{
	const char *at = strrchr(physical, '@');
	char domain[256];
	size_t i;

	if (at == NULL)
		return false;
	for (i = 0, at++; at[i] != '\0' && i < sizeof(domain) - 1; i++)
		domain[i] = at[i] >= 'A' && at[i] <= 'Z' ? (char)(at[i] | 0x20) : at[i];
	if (i > 0 && domain[i - 1] == '.')
		i--;
	domain[i] = '\0';
	return known_federated(&replica->known, domain);
}

static void set_fault(struct route_facts *facts, const char *fault)
{
	facts->physical[0] = '\0';
	facts->physical_fault = fault;
}

static void set_physical(const struct replica *replica, const char *physical, const char *detail,
	struct route_facts *facts)
{
	struct str text = STR_INIT;
	const char *error;

	if (physical_federated(replica, physical)) {
		set_fault(facts, "physical address is in a federated domain");
		return;
	}
	if (*detail == '\0' || !replica->carry_detail) {
		strcpy(facts->physical, physical);
		return;
	}
	if (address_with_detail(physical, detail, &text, &error) < 0 || text.len > ADDRESS_MAX)
		set_fault(facts, "physical address with the subaddress is too long");
	else
		memcpy(facts->physical, str_cstr(&text), text.len + 1);
	str_free(&text);
}

static void set_mailbox(const struct replica *replica, const struct claims *claims,
	enum route_match match, const char *detail, struct route_facts *facts)
{
	static const char *const faults[] = { [PHYSICAL_MISSING] =
						      "mailbox has no physical address",
		[PHYSICAL_MALFORMED] = "physical address is malformed",
		[PHYSICAL_SEVERAL] = "mailbox has several physical addresses" };
	const struct claim *claim = &claims->first;

	facts->match = match;
	facts->claims = claims->count;
	memcpy(facts->uuid, claim->uuid, sizeof(facts->uuid));
	facts->mailbox_state = claim->state;
	facts->system_state = known_system(&replica->known, claim->system);
	strcpy(facts->system, claim->system);
	if (claim->fault != PHYSICAL_OK)
		set_fault(facts, faults[claim->fault]);
	else
		set_physical(replica, claim->physical, detail, facts);
}

/* True: the search ends here. */
static bool try_key(struct replica *replica, const char *key, enum route_match match,
	const char *detail, struct route_facts *facts)
{
	struct claims claims;

	if (read_claims(replica, key, &claims) < 0) {
		facts->trouble = true;
		return true;
	}
	if (claims.count > 0) {
		set_mailbox(replica, &claims, match, detail, facts);
		return true;
	}
	facts->vanished = lately_vanished(replica, &claims);
	return facts->vanished;
}

static bool try_bare(
	struct replica *replica, const struct address *address, struct route_facts *facts)
{
	struct address bare;
	const char *detail;

	return *replica->delimiters != '\0' &&
	       address_split_detail(address, replica->delimiters, &bare, &detail) &&
	       try_key(replica, bare.key, MATCH_BARE, detail, facts);
}

static void try_postmaster(
	const struct replica *replica, const struct address *address, struct route_facts *facts)
{
	if (replica->postmaster == NULL || address->local_len != 10 ||
		memcmp(address->key, "postmaster", 10) != 0)
		return;
	facts->match = MATCH_POSTMASTER;
	facts->claims = 1;
	set_physical(replica, replica->postmaster, "", facts);
}

static void search(
	struct replica *replica, const struct address *address, struct route_facts *facts)
{
	if (try_key(replica, address->key, MATCH_FULL, "", facts))
		return;
	if (try_bare(replica, address, facts))
		return;
	if (try_key(replica, address->key + address->local_len, MATCH_CATCHALL, "", facts))
		return;
	try_postmaster(replica, address, facts);
}

void replica_lookup(
	struct replica *replica, const struct address *address, struct route_facts *facts_r)
{
	struct replica_facts facts;

	memset(facts_r, 0, sizeof(*facts_r));
	pthread_rwlock_rdlock(&replica->lock);
	facts = replica_facts(replica);
	facts_r->loaded = facts.loaded;
	facts_r->current = replica_is_current(replica);
	facts_r->node_enabled = facts.node == NODE_ENABLED && facts.durable;
	facts_r->trouble = replica->trouble;
	facts_r->federated =
		address->has_domain && known_federated(&replica->known, address_domain(address));
	if (facts_r->loaded && facts_r->federated && !facts_r->trouble)
		search(replica, address, facts_r);
	pthread_rwlock_unlock(&replica->lock);
}

bool replica_system_release(
	struct replica *replica, const char *system, struct replica_release *release_r)
{
	pthread_rwlock_rdlock(&replica->lock);
	const struct record *record = known_system_release(&replica->known, system);
	if (record != NULL) {
		strcpy(release_r->address, record->release);
		strcpy(release_r->protocol, record->protocol);
		strcpy(release_r->tls, record->tls);
	}
	pthread_rwlock_unlock(&replica->lock);
	return record != NULL;
}
