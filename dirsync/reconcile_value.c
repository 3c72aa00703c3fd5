/* Physical and primary address, foreign addresses, mapped attributes. */
#include <string.h>
#include <strings.h>

#include "dirsync/reconcile_internal.h"
#include "lib/mem.h"

/* --- physical address ------------------------------------------------------------------------ */

void value_physical(struct reconciling *r)
{
	const struct person *fresh = r->facts->fresh, *has = &r->entry->person;
	const char *physical = str_cstr(&fresh->physical);

	if (strcmp(str_cstr(&fresh->physical_key), str_cstr(&has->physical_key)) == 0)
		return;
	if (fresh->physical_key.len == 0 ||
		address_federated(r->run, str_cstr(&fresh->physical_key))) {
		build_report(r, REPORT_PHYSICAL, physical, NULL,
			"id %s of %s: \"%s\" is not taken as physical address: it is empty, or in "
			"a "
			"federated domain; %s stays",
			r->facts->id, r->run->system, physical, str_cstr(&has->physical));
		return;
	}
	if (move_open(r->facts->own) || r->entry->state != STATE_ACTIVE) {
		r->tally->waiting++;
		build_report(r, REPORT_WAITS, physical, NULL,
			"id %s of %s: the physical address %s waits until %s", r->facts->id,
			r->run->system, physical,
			move_open(r->facts->own) ? "the move has ended" : "the mailbox is active");
		return;
	}
	r->build.state_matters = true;
	if (has->physical.len > 0)
		build_assert(&r->build, "mailRoutingAddress", str_cstr(&has->physical));
	build_set(&r->build, "mailRoutingAddress", physical);
	build_because(&r->build, "physical address %s", physical);
}

/* --- primary address ------------------------------------------------------------------------- */

/* Whether the entry has it once the change is done. */
static bool will_have(const struct reconciling *r, const char *address)
{
	struct address parsed;
	const char *error;

	if (*address == '\0' || address_parse(address, &parsed, &error) < 0)
		return false;
	if (strings_has(&r->build.gains, parsed.key))
		return true;
	return r->entry != NULL && strings_has(&r->entry->person.addresses, parsed.key) &&
	       !strings_has(&r->build.gives, parsed.key);
}

static bool gives_up(const struct reconciling *r, const char *address)
{
	struct address parsed;
	const char *error;

	return *address != '\0' && address_parse(address, &parsed, &error) == 0 &&
	       strings_has(&r->build.gives, parsed.key);
}

/* One that this mailbox cannot have is not shown as its own; one that it gives up goes. */
void value_primary(struct reconciling *r)
{
	const char *wanted = str_cstr(&r->facts->fresh->primary);
	const char *has = str_cstr(&r->entry->person.primary);
	const char *attribute = person_primary_attribute(wanted);

	if (strcmp(wanted, has) == 0)
		return;
	if (!will_have(r, wanted)) {
		if (gives_up(r, has))
			build_set(&r->build, person_primary_attribute(has), NULL);
		return;
	}
	if (*has != '\0' && strcmp(attribute, person_primary_attribute(has)) != 0)
		build_set(&r->build, person_primary_attribute(has), NULL);
	build_set(&r->build, attribute, wanted);
	build_because(&r->build, "primary address %s", wanted);
}

/* --- foreign addresses ----------------------------------------------------------------------- */

/* The directory's rule, caseIgnoreMatch. */
static bool same_text(const char *a, const char *b)
{
	struct str one = STR_INIT, other = STR_INIT;
	const char *error;
	bool same = strcmp(a, b) == 0;

	if (!same && address_rule_form(a, true, &one, &error) == 0 &&
		address_rule_form(b, true, &other, &error) == 0)
		same = strcmp(str_cstr(&one), str_cstr(&other)) == 0;
	str_free(&one);
	str_free(&other);
	return same;
}

static bool has_text(const struct strings *set, const char *text)
{
	if (strings_has(set, text))
		return true;
	for (const char *t = strings_first(set); t != NULL; t = strings_next(set, t))
		if (same_text(t, text))
			return true;
	return false;
}

static bool was_listed(const struct trace *before, const char *text)
{
	return before != NULL && has_text(&before->foreign, text);
}

static bool is_ours(const struct reconciling *r, const char *text)
{
	int64_t instant;

	return was_listed(r->facts->before, text) || address_mark(r->entry, text, &instant);
}

/* None of them is one that may have become unreadable: what is marked counts until it goes. */
static void count_foreign(struct reconciling *r)
{
	const struct strings *has = &r->entry->person.foreign;
	struct guard_lost *lost = &r->tally->lost[r->run->policy->decided.count];

	for (const char *t = strings_first(has); t != NULL; t = strings_next(has, t)) {
		if (!is_ours(r, t))
			continue;
		lost->had++;
		lost->lacks += r->facts->fresh->foreign.count == 0;
		return;
	}
}

static void foreign_is_back(struct reconciling *r, const char *text)
{
	int64_t instant;

	if (!address_mark(r->entry, text, &instant))
		return;
	address_take_marks(r, text);
	build_because(&r->build, "%s is back", text);
}

static void foreign_lacking(struct reconciling *r, const char *text)
{
	enum address_fate fate = address_fate(r, text);

	strings_add(&r->trace->foreign, text);
	if (fate == FATE_IN_HANDS)
		address_report_waits(r, text);
	if (fate != FATE_GOES)
		return;
	r->build.state_matters = true;
	build_take(&r->build, "restanteForeignAddress", text);
	address_take_marks(r, text);
	build_because(&r->build, "%s was not listed by %s for the grace", text, r->run->system);
}

/* Replies to old mail use them: one by hand stays, as an access address does. */
void value_foreign(struct reconciling *r)
{
	const struct strings *has = &r->entry->person.foreign, *lists = &r->facts->fresh->foreign;

	count_foreign(r);
	for (const char *t = strings_first(lists); t != NULL; t = strings_next(lists, t)) {
		strings_add(&r->trace->foreign, t);
		if (has_text(has, t))
			continue;
		build_put(&r->build, "restanteForeignAddress", t);
		build_because(&r->build, "%s added", t);
	}
	for (const char *t = strings_first(has); t != NULL; t = strings_next(has, t))
		if (has_text(lists, t))
			foreign_is_back(r, t);
		else if (is_ours(r, t))
			foreign_lacking(r, t);
}

/* --- attributes ------------------------------------------------------------------------------ */

static void values_of(const struct person *person, const char *name, struct strings *out)
{
	const struct strings *all = &person->attributes;
	size_t len = strlen(name);

	strings_reset(out);
	for (const char *t = strings_first(all); t != NULL; t = strings_next(all, t))
		if (strncmp(t, name, len) == 0 && t[len] == '=')
			strings_add(out, t + len + 1);
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 4514: a value up to the next "+" or ","; behind it. */
static const char *rdn_value(const char *p, struct str *out)
{
	str_reset(out);
	while (*p != '\0' && *p != ',' && *p != '+') {
		if (*p == '\\' && p[1] != '\0') {
			p++;
			if (hex(p[0]) >= 0 && hex(p[1]) >= 0) {
				str_append_c(out, (char)(hex(p[0]) * 16 + hex(p[1])));
				p += 2;
				continue;
			}
		}
		str_append_c(out, *p++);
	}
	return p;
}

/* What the entry's name is made of stays in the entry, whatever the source says. */
static void keep_rdn(const char *dn, const char *name, struct strings *wanted)
{
	struct str value = STR_INIT;
	size_t len = strlen(name);
	const char *p = dn, *equals;

	while ((equals = strchr(p, '=')) != NULL) {
		bool hit = (size_t)(equals - p) == len && strncasecmp(p, name, len) == 0;

		p = rdn_value(equals + 1, &value);
		if (hit && !has_text(wanted, str_cstr(&value)))
			strings_add(wanted, str_cstr(&value));
		if (*p++ != '+')
			break;
	}
	str_free(&value);
}

static void replace(struct reconciling *r, const char *name, const struct strings *wanted)
{
	const char *first = strings_first(wanted);

	build_set(&r->build, name, first);
	if (first == NULL) {
		build_because(&r->build, "%s is gone", name);
		return;
	}
	for (const char *t = strings_next(wanted, first); t != NULL; t = strings_next(wanted, t))
		build_put(&r->build, name, t);
	build_because(&r->build, "%s", name);
}

/* Without these two most structural classes of people are not valid. */
static bool must_have(const char *name)
{
	return strcmp(name, "cn") == 0 || strcmp(name, "sn") == 0;
}

/* What add_name() put where the source has no name: the source has not lost it. */
static bool is_stopgap(const char *name, const struct strings *has)
{
	struct address address;
	const char *error;

	return must_have(name) && has->count == 1 &&
	       address_parse(strings_first(has), &address, &error) == 0 && address.has_domain;
}

static void decide(struct reconciling *r, const char *name, struct guard_lost *lost)
{
	struct strings wanted = STRINGS_INIT, has = STRINGS_INIT;

	values_of(r->facts->fresh, name, &wanted);
	values_of(&r->entry->person, name, &has);
	if (has.count > 0 && !is_stopgap(name, &has)) {
		lost->had++;
		lost->lacks += wanted.count == 0;
	}
	if (wanted.count > 0 || !must_have(name)) {
		if (has.count > 0)
			keep_rdn(str_cstr(&r->entry->dn), name, &wanted);
		if (!strings_equal(&wanted, &has))
			replace(r, name, &wanted);
	}
	strings_free(&wanted);
	strings_free(&has);
}

static void put_all(struct reconciling *r, const char *name)
{
	struct strings wanted = STRINGS_INIT;

	values_of(r->facts->fresh, name, &wanted);
	for (const char *t = strings_first(&wanted); t != NULL; t = strings_next(&wanted, t))
		build_put(&r->build, name, t);
	if (wanted.count > 0)
		build_because(&r->build, "%s", name);
	strings_free(&wanted);
}

void value_attributes(struct reconciling *r)
{
	const struct reconcile_policy *policy = r->run->policy;

	for (size_t i = 0; i < policy->decided.count; i++)
		decide(r, policy->decided.list[i], &r->tally->lost[i]);
	for (size_t i = 0; i < policy->once.count; i++)
		if (person_attribute(&r->entry->person, policy->once.list[i]) == NULL)
			put_all(r, policy->once.list[i]);
}

/* --- of a new entry -------------------------------------------------------------------------- */

static bool is_person_class(const char *name)
{
	return strcasecmp(name, "inetOrgPerson") == 0 || strcasecmp(name, "person") == 0 ||
	       strcasecmp(name, "organizationalPerson") == 0;
}

static void add_name(struct reconciling *r, const char *name, const char *fallback)
{
	if (person_attribute(r->facts->fresh, name) == NULL &&
		is_person_class(r->run->policy->object_class))
		build_put(&r->build, name, fallback);
}

/* RDN value and address are what the entry is named by, and by what it is shown without a name. */
void value_add_all(struct reconciling *r, const char *rdn, const char *address)
{
	const struct reconcile_policy *policy = r->run->policy;
	const struct person *fresh = r->facts->fresh;
	const struct strings *foreign = &fresh->foreign;
	const char *primary = str_cstr(&fresh->primary);

	build_put(&r->build, "objectClass", policy->object_class);
	build_put(&r->build, "objectClass", "inetLocalMailRecipient");
	build_put(&r->build, "objectClass", "restanteMailbox");
	build_put(&r->build, "uid", rdn);
	add_name(r, "cn", address);
	add_name(r, "sn", address);
	for (size_t i = 0; i < policy->decided.count; i++)
		put_all(r, policy->decided.list[i]);
	for (size_t i = 0; i < policy->once.count; i++)
		put_all(r, policy->once.list[i]);
	build_put(&r->build, "mailRoutingAddress", str_cstr(&fresh->physical));
	build_put(&r->build, "restanteSystem", r->run->system);
	build_put(&r->build, "restanteSourceId", r->facts->id);
	if (will_have(r, primary))
		build_put(&r->build, person_primary_attribute(primary), primary);
	for (const char *t = strings_first(foreign); t != NULL; t = strings_next(foreign, t)) {
		strings_add(&r->trace->foreign, t);
		build_put(&r->build, "restanteForeignAddress", t);
	}
}
