#include "dirsync/mapping.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "dirsync/mapping_internal.h"
#include "lib/mem.h"
#include "lib/utf8.h"

#define VALUES_ON_STACK 64
#define SHOWN_MAX       100 /* bytes of a refused value in its reason */

struct filling {
	const struct mapping *mapping;
	const char *place;
	struct template_value *values; /* those with a name of the mapping, by its pointer */
	size_t count;
	struct person *person;
	mapping_refused refused;
	void *context;
};

/* --- what is refused ------------------------------------------------------------------------ */

static void append_shown(const char *data, size_t len, struct str *out)
{
	size_t shown = len < SHOWN_MAX ? len : SHOWN_MAX;

	for (size_t i = 0; i < shown; i++)
		str_append_c(out, (unsigned char)data[i] < ' ' || data[i] == 0x7f ? '?' : data[i]);
	if (shown < len)
		str_append_z(out, "...");
}

static int tell(const struct filling *f, const char *what, const char *why)
{
	struct str reason = STR_INIT;

	str_printf(&reason, "%s: %s", what, why);
	int result = f->refused(f->context, f->place, str_cstr(&reason));
	str_free(&reason);
	return result < 0 ? -1 : 0;
}

static int tell_value(const struct filling *f, const struct template_value *value, const char *why)
{
	struct str reason = STR_INIT;

	str_printf(&reason, "%s: \"", why);
	append_shown(value->data, value->len, &reason);
	str_append_c(&reason, '"');
	int result = tell(f, value->name, str_cstr(&reason));
	str_free(&reason);
	return result;
}

/* --- one value ------------------------------------------------------------------------------ */

bool mapping_is_binary_id(const char *name)
{
	static const char *const names[] = { "objectGUID", "objectSid", "GUID",
		"mS-DS-ConsistencyGuid", "msExchMailboxGuid", "msExchArchiveGUID" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

static bool is_text(const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)data[i] < ' ')
			return false;
	return utf8_valid(data);
}

int mapping_id(const struct mapping *mapping, const void *data, size_t len, struct person *person_r,
	const char **error_r)
{
	/* The id is the first field. */
	if (mapping_is_binary_id(mapping->fields[0].name) || !is_text(data, len))
		return person_set_id_bytes(person_r, data, len, error_r);
	return person_set_id(person_r, data, error_r);
}

/* Spaces at the ends of an address count nowhere. */
static int add_address(struct person *person, const struct template_value *value, bool primary,
	const char **error_r)
{
	char text[ADDRESS_MAX + 1];
	const char *begin = value->data + strspn(value->data, " \t");
	size_t len = strlen(begin);

	while (len > 0 && (begin[len - 1] == ' ' || begin[len - 1] == '\t'))
		len--;
	if (len > ADDRESS_MAX) {
		*error_r = "address too long";
		return -1;
	}
	memcpy(text, begin, len);
	text[len] = '\0';
	return person_add_address(person, text, primary, error_r);
}

static int add_foreign(
	struct person *person, const struct template_value *value, const char **error_r)
{
	struct str text = STR_INIT;
	const char *data = value->data;
	int result;

	if (strncasecmp(data, "X500:", 5) != 0 && strncasecmp(data, "X400:", 5) != 0)
		str_append_z(&text, "X500:");
	str_append_z(&text, data);
	result = person_add_foreign(person, str_cstr(&text), error_r);
	str_free(&text);
	return result;
}

static int add_value(struct person *person, enum field_kind kind,
	const struct template_value *value, const char **error_r)
{
	if (kind != FIELD_ID && strlen(value->data) != value->len) {
		*error_r = "a NUL in it";
		return -1;
	}
	switch (kind) {
	case FIELD_PRIMARY: return add_address(person, value, true, error_r);
	case FIELD_ADDRESS: return add_address(person, value, false, error_r);
	case FIELD_PROXY: return person_add_proxy(person, value->data, error_r);
	case FIELD_FOREIGN: return add_foreign(person, value, error_r);
	case FIELD_ID: break;
	}
	return 0;
}

/* --- the parts of a person ------------------------------------------------------------------ */

/* 1, 0 where there is none that is usable, -1. */
static int fill_id(const struct filling *f)
{
	const char *name = f->mapping->fields[0].name, *error;
	const struct template_value *id = NULL;

	for (size_t i = 0; i < f->count; i++) {
		if (f->values[i].name != name || f->values[i].len == 0)
			continue;
		if (id != NULL)
			return tell(f, name, "several values; the id must have one");
		id = &f->values[i];
	}
	if (id == NULL)
		return tell(f, name, "no value; every mailbox must have an id");
	if (mapping_id(f->mapping, id->data, id->len, f->person, &error) < 0)
		return tell_value(f, id, error);
	return 1;
}

/* Whether what is refused of the primary address is told when it is read as one of all. */
static bool is_read_again(const struct mapping *m, const char *name)
{
	for (size_t i = 0; i < m->field_count; i++)
		if (m->fields[i].kind == FIELD_ADDRESS && m->fields[i].name == name)
			return true;
	return false;
}

static int fill_field(const struct filling *f, const struct field *field)
{
	const char *error;
	bool primary = field->kind == FIELD_PRIMARY;
	bool quiet = primary && is_read_again(f->mapping, field->name);

	for (size_t i = 0; i < f->count; i++) {
		const struct template_value *value = &f->values[i];
		if (value->name != field->name || value->len == 0)
			continue;
		if (add_value(f->person, field->kind, value, &error) < 0 && !quiet &&
			tell_value(f, value, error) < 0)
			return -1;
		if (primary && f->person->primary.len > 0)
			break;
	}
	return 0;
}

static int fill_physical(const struct filling *f)
{
	struct str text = STR_INIT;
	const char *error;
	int result = 1;

	if (template_fill(f->mapping->physical, f->values, f->count, &text, &error) < 0)
		result = tell(f, "physical", error);
	else if (person_set_physical(f->person, str_cstr(&text), &error) < 0)
		result = tell_value(f,
			&(struct template_value){ "physical", str_cstr(&text), text.len }, error);
	str_free(&text);
	return result;
}

static int add_attribute(
	const struct filling *f, const struct attribute *a, const struct template_value *value)
{
	const char *error = "a NUL in it";

	if (strlen(value->data) == value->len &&
		person_add_attribute(f->person, a->directory, value->data, &error) == 0)
		return 0;
	return tell_value(f, value, error);
}

static int fill_template(const struct filling *f, const struct attribute *a)
{
	struct str text = STR_INIT;
	const char *error;
	int result = 0;

	/* An attribute that is missing leaves this one without a value. */
	if (template_fill(a->template, f->values, f->count, &text, &error) == 0)
		result = add_attribute(
			f, a, &(struct template_value){ a->directory, str_cstr(&text), text.len });
	str_free(&text);
	return result;
}

static int fill_attribute(const struct filling *f, const struct attribute *a)
{
	const struct template_value *least = NULL;

	if (a->template != NULL)
		return fill_template(f, a);
	for (size_t i = 0; i < f->count; i++) {
		const struct template_value *value = &f->values[i];
		if (value->name != a->source || value->len == 0)
			continue;
		if (!a->single && add_attribute(f, a, value) < 0)
			return -1;
		if (least == NULL || strcmp(value->data, least->data) < 0)
			least = value;
	}
	return a->single && least != NULL ? add_attribute(f, a, least) : 0;
}

static int fill(const struct filling *f)
{
	const struct mapping *m = f->mapping;
	int physical;

	for (size_t i = 1; i < m->field_count; i++)
		if (fill_field(f, &m->fields[i]) < 0)
			return -1;
	for (size_t i = 0; i < m->attribute_count; i++)
		if (fill_attribute(f, &m->attributes[i]) < 0)
			return -1;
	if ((physical = fill_physical(f)) <= 0)
		return physical;
	if (f->person->addresses.count == 0)
		return tell(f, "addresses", "no usable access address");
	return 1;
}

/* --- all of it ------------------------------------------------------------------------------ */

/* template_same_name, what is the same for all names found once. */
static const char *find_name(const struct mapping *m, const char *name)
{
	const char *canonical = template_canonical_name(name);

	for (size_t i = 0; i < m->name_count; i++)
		if (((m->canonical[i][0] ^ canonical[0]) & 0xdf) == 0 &&
			strcasecmp(m->canonical[i], canonical) == 0)
			return m->names[i];
	return NULL;
}

/* The values that the mapping needs, each under its pointer of mapping->names. */
static size_t pick(const struct mapping *m, const struct template_value *values, size_t count,
	struct template_value *picked)
{
	const char *before = NULL, *known = NULL;
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if (values[i].name != before) {
			known = find_name(m, values[i].name);
			before = values[i].name;
		}
		if (known != NULL)
			picked[n++] =
				(struct template_value){ known, values[i].data, values[i].len };
	}
	return n;
}

int mapping_apply(const struct mapping *mapping, const char *place,
	const struct template_value *values, size_t count, struct person *person_r,
	mapping_refused refused, void *context)
{
	struct template_value small[VALUES_ON_STACK];
	struct template_value *picked =
		count <= VALUES_ON_STACK ? small : mem_grow(NULL, count, sizeof *picked);
	struct filling f = { mapping, place, picked, 0, person_r, refused, context };
	int result;

	person_reset(person_r);
	str_append_z(&person_r->place, place);
	f.count = pick(mapping, values, count, picked);
	if ((result = fill_id(&f)) > 0)
		result = fill(&f);
	if (picked != small)
		mem_free(&picked);
	return result;
}
