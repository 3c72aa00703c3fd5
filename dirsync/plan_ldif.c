/* Changes as LDIF change records (RFC 2849). */
#include <string.h>
#include <strings.h>

#include "dirsync/plan.h"
#include "lib/ldif.h"

static const char *const verbs[] = { "add", "delete", "replace" };

const char *plan_kind_name(enum plan_kind kind)
{
	static const char *const names[] = { "add", "modify", "adopt", "rekey", "vanished",
		"returned", "expire", "claim", "report" };

	return names[kind];
}

static void put_comment(const struct plan_change *change, struct str *out)
{
	struct str text = STR_INIT;

	str_append_z(&text, plan_kind_name(change->kind));
	if (change->id != NULL && *change->id != '\0')
		str_printf(&text, ", id %s", change->id);
	if (change->reason != NULL && *change->reason != '\0')
		str_printf(&text, ": %s", change->reason);
	ldif_put_comment(out, str_cstr(&text));
	if (change->assertion != NULL && *change->assertion != '\0') {
		str_reset(&text);
		str_printf(&text, "only while %s", change->assertion);
		ldif_put_comment(out, str_cstr(&text));
	}
	str_free(&text);
}

static void put_attributes(const struct plan_change *change, struct str *out)
{
	for (size_t i = 0; i < change->value_count; i++)
		if (change->values[i].what != PLAN_TAKE && change->values[i].value != NULL)
			ldif_put_text(out, change->values[i].attribute, change->values[i].value);
}

/* Neighbours of one kind and attribute are one modification. */
static bool is_same(const struct plan_value *a, const struct plan_value *b)
{
	return a->what == b->what && strcasecmp(a->attribute, b->attribute) == 0;
}

static void put_modifications(const struct plan_change *change, struct str *out)
{
	const struct plan_value *values = change->values;

	for (size_t i = 0; i < change->value_count; i++) {
		if (i == 0 || !is_same(&values[i - 1], &values[i]))
			ldif_put_text(out, verbs[values[i].what], values[i].attribute);
		if (values[i].value != NULL)
			ldif_put_text(out, values[i].attribute, values[i].value);
		if (i + 1 == change->value_count || !is_same(&values[i], &values[i + 1]))
			str_append_z(out, "-\n");
	}
}

/* A record with an empty line behind it; of a report the comment only. */
void plan_ldif(const struct plan_change *change, struct str *out)
{
	put_comment(change, out);
	if (change->kind == PLAN_REPORT) {
		str_append_c(out, '\n');
		return;
	}
	ldif_put_text(out, "dn", change->dn);
	if (change->kind == PLAN_ADD) {
		str_append_z(out, "changetype: add\n");
		put_attributes(change, out);
	} else if (change->kind == PLAN_EXPIRE && change->value_count == 0) {
		str_append_z(out, "changetype: delete\n");
	} else {
		str_append_z(out, "changetype: modify\n");
		put_modifications(change, out);
	}
	str_append_c(out, '\n');
}
