/* A mailbox that the directory does not have: its new entry, or why there is none. */
#include <stdio.h>
#include <string.h>

#include "dirsync/reconcile_internal.h"
#include "lib/clock.h"
#include "lib/digest.h"

#define RDN_BYTES 16
/* Two hosts that take each other for gone are at most some leases apart. */
#define SPAN_US (300 * CLOCK_SECOND)

void reconcile_new_dn(
	const struct reconcile_run *run, const char *id, const char *address, struct str *out)
{
	static const char digits[] = "0123456789abcdef";
	struct digest *digest = digest_begin();
	uint8_t bytes[DIGEST_BYTES];
	char span[24];

	for (const char *p = run->system; *p != '\0'; p++) {
		char c = *p >= 'A' && *p <= 'Z' ? (char)(*p | 0x20) : *p;

		digest_add(digest, &c, 1);
	}
	digest_add(digest, "", 1);
	digest_add(digest, id, strlen(id) + 1);
	digest_add(digest, address, strlen(address) + 1);
	snprintf(span, sizeof span, "%lld", (long long)(run->now_us / SPAN_US));
	digest_add(digest, span, strlen(span));
	digest_end(&digest, bytes);
	str_append_z(out, "uid=");
	for (size_t i = 0; i < RDN_BYTES; i++) {
		str_append_c(out, digits[bytes[i] >> 4]);
		str_append_c(out, digits[bytes[i] & 15]);
	}
	str_append_c(out, ',');
	str_append_z(out, run->container);
}

void add_primary_key(const struct person *person, struct str *out)
{
	struct address address;
	const char *error;

	str_reset(out);
	if (person->primary.len > 0 &&
		address_parse(str_cstr(&person->primary), &address, &error) == 0)
		str_append_z(out, address.key);
}

static bool usable_physical(const struct reconcile_run *run, const struct person *fresh)
{
	return fresh->physical_key.len > 0 &&
	       !address_federated(run, str_cstr(&fresh->physical_key));
}

/*
 * The address that a new entry is named by; false: none is made. A mailbox whose primary address
 * somebody else has is most likely that person's second one.
 */
static bool new_address(
	const struct reconcile_run *run, const struct reconcile_facts *facts, struct str *address_r)
{
	const struct strings *lists = &facts->fresh->addresses;

	add_primary_key(facts->fresh, address_r);
	if (address_r->len > 0 && address_owner(facts, str_cstr(address_r)) != NULL)
		return false;
	if (address_r->len > 0 && address_federated(run, str_cstr(address_r)))
		return true;
	str_reset(address_r);
	for (const char *k = strings_first(lists); k != NULL; k = strings_next(lists, k)) {
		if (!address_federated(run, k) || address_owner(facts, k) != NULL)
			continue;
		str_append_z(address_r, k);
		return true;
	}
	return false;
}

static void add_addresses(struct reconciling *r)
{
	const struct strings *lists = &r->facts->fresh->addresses;
	struct str value = STR_INIT;

	for (const char *k = strings_first(lists); k != NULL; k = strings_next(lists, k)) {
		const struct reconcile_owner *owner = address_owner(r->facts, k);

		strings_add(&r->trace->addresses, k);
		if (!address_federated(r->run, k)) {
			address_report_domain(r, k);
		} else if (owner != NULL) {
			address_report_owner(r, owner);
		} else {
			str_reset(&value);
			person_address_value(k, &value);
			build_put(&r->build, person_address_attribute(k), str_cstr(&value));
			strings_add(&r->build.gains, k);
		}
	}
	str_free(&value);
}

static void add_entry(struct reconciling *r, const char *address)
{
	struct str dn = STR_INIT, rdn = STR_INIT;

	reconcile_new_dn(r->run, r->facts->id, address, &dn);
	str_append(
		&rdn, str_cstr(&dn) + strlen("uid="), strcspn(str_cstr(&dn), ",") - strlen("uid="));
	value_add_all(r, str_cstr(&rdn), address);
	str_reset(&r->build.reason); /* what it consists of is no reason of its own */
	r->build.reason_full = false;
	build_because(&r->build, "new on %s", r->run->system);
	build_emit_add(r, str_cstr(&dn));
	str_free(&dn);
	str_free(&rdn);
}

void add_mailbox(struct reconciling *r)
{
	const struct person *fresh = r->facts->fresh;
	bool usable = usable_physical(r->run, fresh);
	struct str address = STR_INIT;
	bool named = new_address(r->run, r->facts, &address);

	add_addresses(r);
	if (!usable)
		build_report(r, REPORT_PHYSICAL, str_cstr(&fresh->physical), NULL,
			"id %s of %s (%s) gets no entry: its physical address \"%s\" is empty, or "
			"in "
			"a federated domain",
			r->facts->id, r->run->system, str_cstr(&fresh->place),
			str_cstr(&fresh->physical));
	else if (!named)
		build_report(r, REPORT_NO_ADDRESS, str_cstr(&fresh->primary), NULL,
			"id %s of %s (%s) gets no entry: its primary address %s, or all that it "
			"lists, cannot be its own",
			r->facts->id, r->run->system, str_cstr(&fresh->place),
			str_cstr(&fresh->primary));
	else
		add_entry(r, str_cstr(&address));
	str_free(&address);
}

bool reconcile_addable(const struct reconcile_run *run, const struct reconcile_facts *facts)
{
	return facts->fresh != NULL && !move_is_second(run, facts) && !move_is_old(run, facts) &&
	       usable_physical(run, facts->fresh);
}

bool reconcile_takes(const struct reconcile_run *run, const struct reconcile_facts *facts)
{
	struct str address = STR_INIT;
	bool takes;

	if (facts->fresh == NULL || facts->unusable != NULL)
		return false;
	if (facts->entry != NULL || facts->orphan != NULL)
		return true;
	takes = reconcile_addable(run, facts) && new_address(run, facts, &address);
	str_free(&address);
	return takes;
}
