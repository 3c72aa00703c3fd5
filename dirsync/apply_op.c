#include "dirsync/apply_op.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "dirsync/person.h"
#include "lib/address.h"
#include "lib/mem.h"

void apply_op_free(struct apply_op *op)
{
	str_free(&op->bytes);
	str_free(&op->assertion);
	str_free(&op->text);
	str_free(&op->returned);
	strings_free(&op->change.gains);
	strings_free(&op->change.gives);
	mem_free(&op->values);
	mem_free(&op->belongs);
	mem_free(&op->changes);
	mem_free(&op->pointers);
}

/* FNV-1a */
uint64_t apply_entry(const char *dn)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *dn != '\0'; dn++)
		hash = (hash ^ (unsigned char)tolower((unsigned char)*dn)) *
		       UINT64_C(0x100000001b3);
	return hash;
}

/* --- the copy ------------------------------------------------------------------------------- */

static size_t size_of(const char *text)
{
	return text != NULL ? strlen(text) + 1 : 0;
}

/* There is room for it. */
static const char *keep(struct str *bytes, const char *text)
{
	const char *kept = bytes->data + bytes->len;

	if (text == NULL)
		return NULL;
	str_append(bytes, text, strlen(text) + 1);
	return kept;
}

static void make_room(struct apply_op *op, const struct plan_change *change)
{
	size_t size = size_of(change->dn) + size_of(change->assertion) + size_of(change->owner) +
		      size_of(change->reason) + size_of(change->id) + 1;

	for (size_t i = 0; i < change->value_count; i++)
		size += size_of(change->values[i].attribute) + size_of(change->values[i].value);
	str_reset(&op->bytes);
	str_reserve(&op->bytes, size);
	if (change->value_count < op->values_room)
		return;
	op->values_room = change->value_count + 16;
	op->values = mem_grow(op->values, op->values_room, sizeof(*op->values));
	op->changes = mem_grow(op->changes, op->values_room, sizeof(*op->changes));
	op->belongs = mem_grow(op->belongs, op->values_room, sizeof(*op->belongs));
	/* each value, and a NULL behind the last of each change */
	op->pointers = mem_grow(op->pointers, 2 * op->values_room, sizeof(*op->pointers));
}

static void copy_set(struct strings *to, const struct strings *from)
{
	strings_reset(to);
	str_append(&to->bytes, str_cstr(&from->bytes), from->bytes.len);
	to->count = from->count;
}

void apply_op_take(
	struct apply_op *op, const struct plan_change *change, const struct handover_todo *todo)
{
	struct plan_change *own = &op->change;

	make_room(op, change);
	own->kind = change->kind;
	own->dn = keep(&op->bytes, change->dn);
	own->assertion = keep(&op->bytes, change->assertion);
	own->owner = keep(&op->bytes, change->owner);
	own->reason = keep(&op->bytes, change->reason);
	own->id = keep(&op->bytes, change->id);
	own->counts = change->counts;
	own->count_addresses = change->count_addresses;
	for (size_t i = 0; i < change->value_count; i++)
		op->values[i] = (struct plan_value){ change->values[i].what,
			keep(&op->bytes, change->values[i].attribute),
			keep(&op->bytes, change->values[i].value) };
	own->values = op->values;
	own->value_count = change->value_count;
	copy_set(&own->gains, &change->gains);
	copy_set(&own->gives, &change->gives);
	op->entry = apply_entry(own->dn);
	op->aside = todo != NULL;
	op->asking = false;
	op->todo = todo != NULL ? *todo : (struct handover_todo){ .step = HANDOVER_WHOLE };
	str_reset(&op->text);
}

/* --- what is sent --------------------------------------------------------------------------- */

bool apply_op_deletes(const struct apply_op *op)
{
	return op->change.kind == PLAN_EXPIRE && op->change.value_count == 0 &&
	       op->todo.step == HANDOVER_WHOLE;
}

static bool is_address(const char *attribute)
{
	return strcasecmp(attribute, "mailLocalAddress") == 0 ||
	       strcasecmp(attribute, "restanteAddressUTF8") == 0;
}

/* The key of an address that this value takes from the entry; false: it is none. */
static bool taken_key(const struct plan_value *value, struct address *address_r)
{
	const char *error;

	return value->what == PLAN_TAKE && value->value != NULL && is_address(value->attribute) &&
	       address_parse(value->value, address_r, &error) == 0;
}

static bool is_for_step(const struct apply_op *op, const struct plan_value *value)
{
	struct address address;
	bool given;

	if (op->todo.step == HANDOVER_WHOLE)
		return true;
	given = taken_key(value, &address) && strings_has(&op->change.gives, address.key);
	return given == (op->todo.step == HANDOVER_REMOVE);
}

static enum ldap_change_kind kind_of(const struct plan_value *value)
{
	switch (value->what) {
	case PLAN_TAKE: return LDAP_CHANGE_DELETE;
	case PLAN_SET: return LDAP_CHANGE_REPLACE;
	case PLAN_PUT: break;
	}
	return LDAP_CHANGE_ADD;
}

/* The change that the value belongs to: the last one of that attribute, where it is of that kind.
 * An attribute's changes stay in their order. */
static size_t find_change(const struct apply_op *op, const struct plan_value *value)
{
	for (size_t i = op->count; i-- > 0;)
		if (strcasecmp(op->changes[i].attribute, value->attribute) == 0)
			return op->changes[i].kind == kind_of(value) ? i : op->count;
	return op->count;
}

static void find_changes(struct apply_op *op)
{
	op->count = 0;
	for (size_t i = 0; i < op->change.value_count; i++) {
		const struct plan_value *value = &op->values[i];

		op->belongs[i] = SIZE_MAX;
		if (!is_for_step(op, value))
			continue;
		op->belongs[i] = find_change(op, value);
		if (op->belongs[i] == op->count)
			op->changes[op->count++] =
				(struct ldap_change){ kind_of(value), value->attribute, NULL };
	}
}

/* The values of each change one behind the other, with NULL at their end. */
static void gather(struct apply_op *op)
{
	const char **next = op->pointers;

	find_changes(op);
	for (size_t c = 0; c < op->count; c++) {
		const char **first = next;

		for (size_t i = 0; i < op->change.value_count; i++)
			if (op->belongs[i] == c && op->values[i].value != NULL)
				*next++ = op->values[i].value;
		op->changes[c].values = next > first ? first : NULL;
		*next++ = NULL;
	}
}

/* As the entry had it; else as dirsync writes it. */
static void compose_return(struct apply_op *op)
{
	const char *key = strings_first(&op->change.gives), *attribute;
	struct address address;

	while (key != NULL && handover_key(key) != op->todo.key)
		key = strings_next(&op->change.gives, key);
	op->count = 0;
	if (key == NULL || op->change.kind == PLAN_EXPIRE)
		return;
	str_reset(&op->returned);
	attribute = person_address_attribute(key);
	for (size_t i = 0; i < op->change.value_count; i++)
		if (taken_key(&op->values[i], &address) && strcmp(address.key, key) == 0) {
			attribute = op->values[i].attribute;
			str_append_z(&op->returned, op->values[i].value);
			break;
		}
	if (op->returned.len == 0)
		person_address_value(key, &op->returned);
	op->pointers[0] = str_cstr(&op->returned);
	op->pointers[1] = NULL;
	op->changes[0] = (struct ldap_change){ LDAP_CHANGE_ADD, attribute, op->pointers };
	op->count = 1;
}

/* The second part of a change asserts what the first one left. */
static void assert_rest(struct apply_op *op, const char *csn)
{
	str_printf(&op->assertion, "%s%s", *csn != '\0' ? "(&" : "", op->change.owner);
	if (*csn != '\0')
		str_printf(&op->assertion, "(entryCSN=%s))", csn);
}

void apply_op_compose(struct apply_op *op, const char *csn)
{
	str_reset(&op->assertion);
	switch (op->todo.step) {
	case HANDOVER_WHOLE:
	case HANDOVER_REMOVE: str_append_z(&op->assertion, op->change.assertion); break;
	case HANDOVER_REST: assert_rest(op, csn); break;
	case HANDOVER_RETURN:
		str_append_z(&op->assertion, op->change.owner);
		compose_return(op);
		return;
	case HANDOVER_DROP: op->count = 0; return;
	}
	gather(op);
}
