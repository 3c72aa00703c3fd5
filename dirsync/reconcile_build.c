/* A change is put together: values, the assertion, the reason; and what is reported. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "dirsync/reconcile_internal.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define REASON_MAX 300 /* bytes; further reasons of one change are left out */

static void free_values(struct build *build)
{
	for (size_t i = 0; i < build->count; i++) {
		mem_free_((void **)&build->values[i].attribute);
		mem_free_((void **)&build->values[i].value);
	}
	mem_free(&build->values);
}

void build_drop(struct build *build)
{
	free_values(build);
	build->count = build->cap = 0;
	str_reset(&build->reason);
	build->reason_full = false;
}

void build_free(struct build *build)
{
	free_values(build);
	strings_free(&build->gains);
	strings_free(&build->gives);
	str_free(&build->asserts);
	str_free(&build->reason);
	*build = (struct build){ 0 };
}

static void add(struct build *build, int what, const char *attribute, const char *value)
{
	struct plan_value *v;

	if (build->count == build->cap) {
		build->cap = build->cap == 0 ? 16 : build->cap * 2;
		build->values = mem_grow(build->values, build->cap, sizeof *build->values);
	}
	v = &build->values[build->count++];
	v->what = what;
	v->attribute = mem_strdup(attribute);
	v->value = mem_strdup(value);
}

void build_put(struct build *build, const char *attribute, const char *value)
{
	add(build, PLAN_PUT, attribute, value);
}

void build_take(struct build *build, const char *attribute, const char *value)
{
	add(build, PLAN_TAKE, attribute, value);
}

void build_set(struct build *build, const char *attribute, const char *value)
{
	add(build, PLAN_SET, attribute, value);
}

void build_because(struct build *build, const char *format, ...)
{
	char text[200];
	va_list args;

	if (build->reason_full)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (build->reason.len + strlen(text) > REASON_MAX) {
		str_append_z(&build->reason, ", ...");
		build->reason_full = true;
		return;
	}
	if (build->reason.len > 0)
		str_append_z(&build->reason, ", ");
	str_append_z(&build->reason, text);
}

/* --- assertions ------------------------------------------------------------------------------ */

static void term(struct str *out, const char *attribute, const char *value)
{
	if (*value == '\0') {
		str_printf(out, "(!(%s=*))", attribute);
		return;
	}
	str_printf(out, "(%s=", attribute);
	ldap_filter_escape(value, out);
	str_append_c(out, ')');
}

void build_assert(struct build *build, const char *attribute, const char *value)
{
	term(&build->asserts, attribute, value);
}

/* Still this system's. */
static void owner_filter(const struct reconciling *r, struct str *out)
{
	str_append_z(out, "(&");
	if (r->entry->uuid.len > 0)
		term(out, "entryUUID", str_cstr(&r->entry->uuid));
	term(out, "restanteSystem", r->run->system);
	str_append_c(out, ')');
}

/* That, and all that was read is as it was. */
static void entry_filter(const struct reconciling *r, struct str *out)
{
	str_append_z(out, "(&");
	term(out, "restanteSystem", r->run->system);
	term(out, "restanteSourceId", str_cstr(&r->entry->person.id));
	if (r->build.state_matters)
		str_append_z(out, "(|(!(restanteState=*))(restanteState=active))");
	str_append(out, str_cstr(&r->build.asserts), r->build.asserts.len);
	if (r->entry->csn.len > 0)
		term(out, "entryCSN", str_cstr(&r->entry->csn));
	str_append_c(out, ')');
}

/* --- handing over ---------------------------------------------------------------------------- */

static void sign(struct reconciling *r, bool fresh)
{
	void (*write)(struct build *, const char *, const char *) = fresh ? build_put : build_set;
	struct str text = STR_INIT;
	char instant[32];

	str_printf(&text, "%s %s", r->run->system, r->run->run);
	write(&r->build, "restanteProvenance", str_cstr(&text));
	clock_generalized(instant, sizeof instant, r->run->now_us);
	write(&r->build, "restanteSyncedAt", instant);
	str_free(&text);
}

static void hand_over(struct reconciling *r, enum plan_kind kind, const char *dn,
	const char *assertion, const char *owner)
{
	struct build *build = &r->build;
	const struct plan_change change = { .kind = kind,
		.dn = dn,
		.assertion = assertion,
		.owner = owner,
		.reason = str_cstr(&build->reason),
		.id = r->facts->id,
		.counts = build->counts,
		.count_addresses = build->count_addresses,
		.values = build->values,
		.value_count = build->count,
		.gains = build->gains,
		.gives = build->gives };

	if (!r->stopped && r->sink->change(r->sink->context, &change) < 0)
		r->stopped = true;
}

void build_emit(struct reconciling *r, enum plan_kind kind)
{
	struct str assertion = STR_INIT, owner = STR_INIT;

	if (r->build.count == 0 && kind != PLAN_EXPIRE)
		return;
	if (kind != PLAN_EXPIRE)
		sign(r, false);
	entry_filter(r, &assertion);
	owner_filter(r, &owner);
	hand_over(r, kind, str_cstr(&r->entry->dn), str_cstr(&assertion), str_cstr(&owner));
	str_free(&assertion);
	str_free(&owner);
}

void build_emit_add(struct reconciling *r, const char *dn)
{
	sign(r, true);
	hand_over(r, PLAN_ADD, dn, "", "");
}

/* The controller writes that entry as well: what it has set stays. */
void build_emit_claim(struct reconciling *r, const struct move *move)
{
	struct str assertion = STR_INIT, owner = STR_INIT;

	if (r->build.count == 0)
		return;
	str_append_z(&owner, "(&");
	term(&owner, "restanteMoveTarget", str_cstr(&move->assignee));
	str_append_c(&owner, ')');
	str_append_z(&assertion, "(&");
	term(&assertion, "restanteMoveTarget", str_cstr(&move->assignee));
	str_append(&assertion, str_cstr(&r->build.asserts), r->build.asserts.len);
	str_append_c(&assertion, ')');
	hand_over(r, PLAN_CLAIM, str_cstr(&move->dn), str_cstr(&assertion), str_cstr(&owner));
	str_free(&assertion);
	str_free(&owner);
}

/* --- reports --------------------------------------------------------------------------------- */

const char *reconcile_report_name(enum reconcile_report kind)
{
	switch (kind) {
	case REPORT_CONFLICT: return "conflict";
	case REPORT_DUPLICATE: return "duplicate";
	case REPORT_DOMAIN: return "domain";
	case REPORT_REKEY: return "rekey";
	case REPORT_NO_ADDRESS: return "no_address";
	case REPORT_UNREADABLE: return "unreadable";
	case REPORT_PHYSICAL: return "physical";
	case REPORT_WAITS: return "waits";
	}
	return "unknown";
}

void build_report(struct reconciling *r, enum reconcile_report kind, const char *address,
	const struct reconcile_owner *owner, const char *format, ...)
{
	const struct person *fresh = r->facts->fresh;
	struct reconcile_finding finding = { .kind = kind,
		.id = r->facts->id,
		.address = address,
		.place = fresh != NULL ? str_cstr(&fresh->place) : "",
		.owner_system = owner != NULL ? owner->system : "",
		.owner_dn = owner != NULL ? owner->dn : "" };
	char text[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	finding.text = text;
	if (!r->stopped && r->sink->report(r->sink->context, &finding) < 0)
		r->stopped = true;
}
