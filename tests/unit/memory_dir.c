#include "tests/unit/unit.h"

#include "tests/unit/memory_dir.h"

#include <strings.h>

#include "lib/mem.h"

static const char *const mapped[] = { "cn", "sn", "telephonenumber", "roomnumber", NULL };

/* --- entries --------------------------------------------------------------------------------- */

static void free_values(struct memory_entry *entry)
{
	for (size_t i = 0; i < entry->count; i++) {
		mem_free(&entry->values[i].name);
		mem_free(&entry->values[i].value);
	}
	mem_free(&entry->values);
}

static void free_entry(struct memory_entry **entry)
{
	free_values(*entry);
	mem_free(&(*entry)->dn);
	mem_free(entry);
}

void memory_free(struct memory_dir *dir)
{
	for (size_t i = 0; i < dir->count; i++)
		free_entry(&dir->entries[i]);
	mem_free(&dir->entries);
	dir->count = 0;
}

static void append(struct memory_entry *entry, const char *name, const char *value)
{
	entry->values = mem_grow(entry->values, entry->count + 1, sizeof *entry->values);
	entry->values[entry->count++] =
		(struct memory_value){ mem_strdup(name), mem_strdup(value) };
}

static struct memory_entry *new_entry(struct memory_dir *dir, const char *dn)
{
	struct memory_entry *entry = mem_zalloc(sizeof *entry);

	entry->dn = mem_strdup(dn);
	dir->entries = mem_grow(dir->entries, dir->count + 1, sizeof *dir->entries);
	dir->entries[dir->count++] = entry;
	return entry;
}

void memory_copy(struct memory_dir *to, const struct memory_dir *from)
{
	memory_free(to);
	to->writes = from->writes > to->writes ? from->writes : to->writes;
	for (size_t i = 0; i < from->count; i++) {
		struct memory_entry *entry = new_entry(to, from->entries[i]->dn);

		for (size_t v = 0; v < from->entries[i]->count; v++)
			append(entry, from->entries[i]->values[v].name,
				from->entries[i]->values[v].value);
	}
}

void memory_delete(struct memory_dir *dir, struct memory_entry *entry)
{
	size_t i = 0;

	while (dir->entries[i] != entry)
		i++;
	memmove(&dir->entries[i], &dir->entries[i + 1],
		(dir->count - i - 1) * sizeof *dir->entries);
	dir->count--;
	free_entry(&entry);
}

struct memory_entry *memory_find(const struct memory_dir *dir, const char *dn)
{
	for (size_t i = 0; i < dir->count; i++)
		if (strcasecmp(dir->entries[i]->dn, dn) == 0)
			return dir->entries[i];
	return NULL;
}

/* --- values ---------------------------------------------------------------------------------- */

static bool same_value(const char *name, const char *a, const char *b)
{
	bool exact = strcasecmp(name, "restanteSourceId") == 0 ||
		     strcasecmp(name, "restanteVanishingAddress") == 0 ||
		     strcasecmp(name, "restanteMoveSourceId") == 0;

	return exact ? strcmp(a, b) == 0 : strcasecmp(a, b) == 0;
}

const char *memory_get(const struct memory_entry *entry, const char *name)
{
	for (size_t i = 0; i < entry->count; i++)
		if (strcasecmp(entry->values[i].name, name) == 0)
			return entry->values[i].value;
	return NULL;
}

static struct memory_value *find_value(
	const struct memory_entry *entry, const char *name, const char *value)
{
	for (size_t i = 0; i < entry->count; i++)
		if (strcasecmp(entry->values[i].name, name) == 0 &&
			same_value(name, entry->values[i].value, value))
			return &entry->values[i];
	return NULL;
}

bool memory_has(const struct memory_entry *entry, const char *name, const char *value)
{
	return find_value(entry, name, value) != NULL;
}

static void drop_value(struct memory_entry *entry, struct memory_value *v)
{
	mem_free(&v->name);
	mem_free(&v->value);
	*v = entry->values[--entry->count];
}

static void drop_all(struct memory_entry *entry, const char *name)
{
	for (size_t i = entry->count; i-- > 0;)
		if (strcasecmp(entry->values[i].name, name) == 0)
			drop_value(entry, &entry->values[i]);
}

static void touch(struct memory_dir *dir, struct memory_entry *entry)
{
	char csn[64];

	snprintf(csn, sizeof csn, "20261101000000.%06lluZ#000000#000#000000",
		(unsigned long long)++dir->writes % 1000000);
	drop_all(entry, "entryCSN");
	append(entry, "entryCSN", csn);
}

struct memory_entry *memory_add(struct memory_dir *dir, const char *dn)
{
	struct memory_entry *entry = new_entry(dir, dn);
	char uuid[ROUTE_UUID_TEXT];

	touch(dir, entry);
	snprintf(uuid, sizeof uuid, "4f0c63f2-5b1e-4c4a-9d7e-%012llx",
		(unsigned long long)dir->writes);
	append(entry, "entryUUID", uuid);
	return entry;
}

void memory_put(
	struct memory_dir *dir, struct memory_entry *entry, const char *name, const char *value)
{
	append(entry, name, value);
	touch(dir, entry);
}

void memory_take(
	struct memory_dir *dir, struct memory_entry *entry, const char *name, const char *value)
{
	drop_value(entry, find_value(entry, name, value));
	touch(dir, entry);
}

void memory_set(
	struct memory_dir *dir, struct memory_entry *entry, const char *name, const char *value)
{
	drop_all(entry, name);
	if (value != NULL)
		append(entry, name, value);
	touch(dir, entry);
}

struct memory_entry *memory_owner(const struct memory_dir *dir, const char *key)
{
	for (size_t i = 0; i < dir->count; i++)
		if (memory_has(dir->entries[i], "mailLocalAddress", key))
			return dir->entries[i];
	return NULL;
}

void memory_read(const struct memory_entry *entry, struct entry *entry_r)
{
	struct ldap_attribute *attributes = mem_grow(NULL, entry->count + 1, sizeof *attributes);
	char **values = mem_grow(NULL, entry->count + 1, sizeof *values);
	struct ldap_entry raw = { entry->dn, attributes, entry->count };
	const char *error = "";

	for (size_t i = 0; i < entry->count; i++) {
		values[i] = entry->values[i].value;
		attributes[i] = (struct ldap_attribute){ entry->values[i].name, &values[i], 1 };
	}
	if (entry_read(&raw, mapped, entry_r, &error) < 0)
		fail_msg("%s: %s", entry->dn, error);
	mem_free(&attributes);
	mem_free(&values);
}

/* --- filters: & | ! presence equality, without escapes --------------------------------------- */

static bool match(const struct memory_entry *entry, const char **p);

static bool match_list(const struct memory_entry *entry, const char **p, bool all)
{
	bool result = all;

	while (**p == '(') {
		bool one = match(entry, p);

		result = all ? result && one : result || one;
	}
	return result;
}

static bool match_item(const struct memory_entry *entry, const char **p)
{
	char name[64], value[256];
	size_t len = strcspn(*p, "="), rest;

	assert_true(len < sizeof name && (*p)[len] == '=');
	snprintf(name, sizeof name, "%.*s", (int)len, *p);
	*p += len + 1;
	rest = strcspn(*p, ")");
	assert_true(rest < sizeof value);
	snprintf(value, sizeof value, "%.*s", (int)rest, *p);
	assert_null(strchr(value, '\\'));
	*p += rest;
	if (strcmp(value, "*") == 0)
		return memory_get(entry, name) != NULL;
	return memory_has(entry, name, value);
}

static bool match(const struct memory_entry *entry, const char **p)
{
	bool result;

	assert_int_equal(**p, '(');
	(*p)++;
	if (**p == '&' || **p == '|') {
		bool all = *(*p)++ == '&';

		result = match_list(entry, p, all);
	} else if (**p == '!') {
		(*p)++;
		result = !match(entry, p);
	} else {
		result = match_item(entry, p);
	}
	assert_int_equal(**p, ')');
	(*p)++;
	return result;
}

bool memory_match(const struct memory_entry *entry, const char *filter)
{
	bool result = match(entry, &filter);

	assert_int_equal(*filter, '\0');
	return result;
}

/* --- changes --------------------------------------------------------------------------------- */

static bool refuse(struct memory_dir *dir, const struct plan_change *change, const char *what,
	const char *detail)
{
	snprintf(dir->fault, sizeof dir->fault, "%s: %s (%s): %s", change->dn, what, detail,
		change->reason);
	return false;
}

static bool is_address(const char *name)
{
	return strcasecmp(name, "mailLocalAddress") == 0;
}

static bool is_gain(const struct plan_change *change, const struct plan_value *v)
{
	return v->what == PLAN_PUT && is_address(v->attribute) &&
	       strings_has(&change->gains, v->value);
}

/* Never by dirsync, but at the birth of an entry. */
static void check_never(const struct plan_change *change, const struct plan_value *v)
{
	assert_string_not_equal(v->attribute, "restanteState");
	if (change->kind != PLAN_ADD)
		assert_string_not_equal(v->attribute, "restanteSystem");
}

static bool do_value(struct memory_dir *dir, struct memory_entry *entry,
	const struct plan_change *change, const struct plan_value *v)
{
	struct memory_value *there =
		v->value != NULL ? find_value(entry, v->attribute, v->value) : NULL;

	check_never(change, v);
	if (v->what == PLAN_SET) {
		drop_all(entry, v->attribute);
		if (v->value != NULL)
			append(entry, v->attribute, v->value);
		return true;
	}
	if (v->what == PLAN_TAKE) {
		if (there == NULL)
			return refuse(dir, change, "noSuchAttribute", v->value);
		drop_value(entry, there);
		return true;
	}
	if (there != NULL)
		return refuse(dir, change, "typeOrValueExists", v->value);
	if (is_address(v->attribute) && memory_owner(dir, v->value) != NULL)
		return refuse(dir, change, "not unique", v->value);
	append(entry, v->attribute, v->value);
	return true;
}

/* All of them or none. */
static bool do_values(struct memory_dir *dir, struct memory_entry *entry,
	const struct plan_change *change, bool gains)
{
	struct memory_entry before = { NULL, NULL, 0 }, spoiled;
	bool done = true;

	for (size_t i = 0; i < entry->count; i++)
		append(&before, entry->values[i].name, entry->values[i].value);
	for (size_t i = 0; i < change->value_count && done; i++)
		if (is_gain(change, &change->values[i]) == gains)
			done = do_value(dir, entry, change, &change->values[i]);
	spoiled = done ? before : *entry;
	if (!done) {
		entry->values = before.values;
		entry->count = before.count;
	} else {
		touch(dir, entry);
	}
	free_values(&spoiled);
	return done;
}

bool memory_apply_first(struct memory_dir *dir, const struct plan_change *change)
{
	struct memory_entry *entry = memory_find(dir, change->dn);

	if (change->kind == PLAN_ADD) {
		if (entry != NULL)
			return refuse(dir, change, "entryAlreadyExists", "");
		return do_values(dir, memory_add(dir, change->dn), change, false);
	}
	if (entry == NULL || !memory_match(entry, change->assertion))
		return refuse(dir, change, "assertionFailed", change->assertion);
	if (change->kind != PLAN_EXPIRE)
		return do_values(dir, entry, change, false);
	memory_delete(dir, entry);
	return true;
}

bool memory_apply_gains(struct memory_dir *dir, const struct plan_change *change)
{
	struct memory_entry *entry = memory_find(dir, change->dn);

	if (change->gains.count == 0)
		return true;
	if (change->kind != PLAN_ADD && !memory_match(entry, change->owner))
		return refuse(dir, change, "not ours any more", change->owner);
	return do_values(dir, entry, change, true);
}
