/*
 * What a person comes from, as bytes: the digest of the settings, the DN, then name, length and
 * value of each value, in the order in which the server has them. When an entry was edited last is
 * left out, unless it is mapped: that is so of edits to what is not read, too.
 */
#include <string.h>
#include <strings.h>

#include "dirsync/source_ldap_internal.h"
#include "lib/mem.h"

struct telling {
	const struct source_sink *sink;
	struct person person;
};

static bool is_left_out(const struct source *source, const char *name)
{
	if (strcasecmp(name, "modifyTimestamp") != 0)
		return false;
	for (size_t i = 0; i < source->mapped; i++)
		if (strcasecmp(source->attributes[i], name) == 0)
			return false;
	return true;
}

static void put_text(struct str *out, const char *text)
{
	str_append(out, text, strlen(text) + 1);
}

void ldap_raw_put(
	const struct source *source, const struct ldap_stream_entry *entry, struct str *out)
{
	const char *before = NULL;
	bool left_out = false;

	put_text(out, source->digest);
	put_text(out, entry->dn);
	for (size_t i = 0; i < entry->count; i++) {
		const struct ldap_value *value = &entry->values[i];
		const uint32_t len = (uint32_t)value->len;

		if (value->name != before)
			left_out = is_left_out(source, value->name);
		before = value->name;
		if (left_out)
			continue;
		put_text(out, value->name);
		str_append(out, &len, sizeof len);
		str_append(out, value->data, value->len + 1);
	}
}

static int refused(void *context, const char *place, const char *reason)
{
	struct telling *t = context;

	return t->sink->refused(t->sink->context, str_cstr(&t->person.id), place, reason);
}

/* The bytes are ours: they were kept in a file without a name. */
static struct template_value *values_of(const char *at, const char *end, size_t *count_r)
{
	struct template_value *values = NULL;
	size_t count = 0, room = 0;
	uint32_t len;

	while (at < end) {
		const char *name = at;

		at += strlen(at) + 1;
		memcpy(&len, at, sizeof len);
		at += sizeof len;
		if (count == room) {
			room = room * 2 + 16;
			values = mem_grow(values, room, sizeof *values);
		}
		values[count++] = (struct template_value){ name, at, len };
		at += len + 1;
	}
	*count_r = count;
	return values;
}

int ldap_source_tell(
	struct source *source, const void *bytes, size_t len, const struct source_sink *sink)
{
	struct telling t = { .sink = sink, .person = PERSON_INIT };
	const char *settings = bytes, *dn = settings + strlen(settings) + 1;
	size_t count;
	struct template_value *values =
		values_of(dn + strlen(dn) + 1, (const char *)bytes + len, &count);
	int done = mapping_apply(source->mapping, dn, values, count, &t.person, refused, &t);

	if (done == 1)
		done = sink->person(sink->context, &t.person);
	person_free(&t.person);
	mem_free(&values);
	return done;
}
