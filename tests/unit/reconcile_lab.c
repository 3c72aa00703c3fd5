#include "tests/unit/unit.h"

#include "tests/unit/reconcile_lab.h"

#include <stdlib.h>

#include "lib/mem.h"

/* --- words ----------------------------------------------------------------------------------- */

typedef void (*take_value)(void *object, const char *key, const char *value);

static void each_value(char *values, const char *key, take_value take, void *object)
{
	char *save = NULL;

	for (char *v = strtok_r(values, ",", &save); v != NULL; v = strtok_r(NULL, ",", &save)) {
		for (char *p = v; *p != '\0'; p++)
			if (*p == '_')
				*p = ' ';
		take(object, key, v);
	}
}

static void each_word(const char *text, take_value take, void *object)
{
	char *copy = mem_strdup(text), *save = NULL;

	for (char *w = strtok_r(copy, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
		char *equals = strchr(w, '=');

		assert_non_null(equals);
		*equals = '\0';
		if (strcmp(w, "dn") == 0) /* has commas of its own */
			take(object, w, equals + 1);
		else
			each_value(equals + 1, w, take, object);
	}
	mem_free(&copy);
}

static bool is(const char *key, const char *name)
{
	return strcmp(key, name) == 0;
}

/* --- persons and entries --------------------------------------------------------------------- */

static bool take_person(struct person *person, const char *key, const char *value)
{
	const char *error = "";
	int result = 0;

	if (is(key, "id"))
		result = person_set_id(person, value, &error);
	else if (is(key, "phys"))
		result = person_set_physical(person, value, &error);
	else if (is(key, "prim"))
		result = person_add_address(person, value, true, &error);
	else if (is(key, "addr"))
		result = person_add_address(person, value, false, &error);
	else if (is(key, "foreign"))
		result = person_add_foreign(person, value, &error);
	else if (is(key, "cn") || is(key, "sn"))
		result = person_add_attribute(person, key, value, &error);
	else if (is(key, "phone"))
		result = person_add_attribute(person, "telephoneNumber", value, &error);
	else if (is(key, "room"))
		result = person_add_attribute(person, "roomNumber", value, &error);
	else
		return false;
	if (result < 0)
		fail_msg("%s=%s: %s", key, value, error);
	return true;
}

static void person_word(void *object, const char *key, const char *value)
{
	if (!take_person(object, key, value))
		fail_msg("%s: no such word of a person", key);
}

void lab_person(const char *text, struct person *person_r)
{
	person_reset(person_r);
	each_word(text, person_word, person_r);
	str_append_z(&person_r->place, "cn=there,dc=s1");
}

static void ago(struct str *out, const char *days)
{
	char instant[32];

	str_append_z(out, clock_generalized(instant, sizeof instant,
				  LAB_NOW - strtol(days, NULL, 10) * LAB_DAY));
}

static void add_mark(struct entry *entry, const char *value)
{
	const char *slash = strrchr(value, '/');
	struct str mark = STR_INIT;

	str_append(&mark, value, (size_t)(slash - value));
	str_append_c(&mark, ' ');
	ago(&mark, slash + 1);
	strings_add(&entry->going, str_cstr(&mark));
	str_free(&mark);
}

static void set(struct str *s, const char *value)
{
	str_reset(s);
	str_append_z(s, value);
}

static void entry_word(void *object, const char *key, const char *value)
{
	struct entry *entry = object;

	if (is(key, "sys"))
		set(&entry->system, value);
	else if (is(key, "state"))
		entry->state = route_state_parse(value);
	else if (is(key, "mark"))
		add_mark(entry, value);
	else if (is(key, "gone"))
		entry->vanished_us = LAB_NOW - strtol(value, NULL, 10) * LAB_DAY;
	else if (is(key, "dn"))
		set(&entry->dn, value);
	else if (is(key, "spelled"))
		strings_add(&entry->spelled, value);
	else if (!take_person(&entry->person, key, value))
		fail_msg("%s: no such word of an entry", key);
}

void lab_entry(const char *text, struct entry *entry_r)
{
	entry_reset(entry_r);
	set(&entry_r->dn, "uid=x,ou=people,dc=example,dc=org");
	set(&entry_r->uuid, "4f0c63f2-5b1e-4c4a-9d7e-0a1b2c3d4e5f");
	set(&entry_r->csn, "20261101000000.000000Z#000000#000#000000");
	set(&entry_r->system, "S1");
	each_word(text, entry_word, entry_r);
}

/* --- traces and moves ------------------------------------------------------------------------ */

static void trace_word(void *object, const char *key, const char *value)
{
	struct trace *trace = object;
	char *copy = mem_strdup(value);

	if (is(key, "addr"))
		strings_add(&trace->addresses, value);
	else if (is(key, "foreign"))
		strings_add(&trace->foreign, value);
	else if (is(key, "missing"))
		trace->missing = (unsigned)strtoul(value, NULL, 10);
	else if (is(key, "lacking"))
		strings_add(&trace->lacking, (*strrchr(copy, '/') = ' ', copy));
	else
		fail_msg("%s: no such word of a trace", key);
	mem_free(&copy);
}

void lab_trace(const char *text, struct trace *trace_r)
{
	trace_reset(trace_r);
	each_word(text, trace_word, trace_r);
}

static void move_word(void *object, const char *key, const char *value)
{
	struct move *move = object;

	if (is(key, "kind"))
		move->kind = is(value, "open")       ? MOVE_OPEN
			     : is(value, "finished") ? MOVE_FINISHED
						     : MOVE_OVER;
	else if (is(key, "from"))
		set(&move->assignor, value);
	else if (is(key, "to"))
		set(&move->assignee, value);
	else if (is(key, "old"))
		set(&move->old_source_id, value);
	else if (is(key, "id"))
		set(&move->source_id, value);
	else if (is(key, "phys"))
		set(&move->physical, value);
	else if (is(key, "claims"))
		strings_add(&move->claims, value);
	else
		fail_msg("%s: no such word of a move", key);
}

void lab_move(const char *text, struct move *move_r)
{
	*move_r = (struct move){ 0 };
	set(&move_r->dn, "cn=m,ou=moves,cn=restante,dc=example,dc=org");
	each_word(text, move_word, move_r);
}

void lab_move_free(struct move *move)
{
	struct str *texts[] = { &move->dn, &move->key, &move->assignor, &move->assignee,
		&move->old_source_id, &move->source_id, &move->physical };

	for (size_t i = 0; i < COUNT(texts); i++)
		str_free(texts[i]);
	strings_free(&move->claims);
}

/* --- runs ------------------------------------------------------------------------------------ */

struct reconcile_policy *lab_policy(void)
{
	struct config_up settings = { .name = (char *)"S1",
		.attributes = (char *)"cn=cn surname=sn telephoneNumber=phone",
		.attributes_once = (char *)"roomNumber=room",
		.object_class = (char *)"inetOrgPerson" };
	const char *error = "";
	struct reconcile_policy *policy = reconcile_policy_new(&settings, &error);

	if (policy == NULL)
		fail_msg("%s", error);
	return policy;
}

static bool federated(const void *context, const char *domain)
{
	(void)context;
	return strcmp(domain, "example.org") == 0 || strcmp(domain, "example.net") == 0;
}

struct reconcile_run lab_run(const struct reconcile_policy *policy)
{
	return (struct reconcile_run){ .system = "S1",
		.run = "20261119T000000Z-1",
		.container = "ou=people,dc=example,dc=org",
		.policy = policy,
		.complete = true,
		.now_us = LAB_NOW,
		.grace_us = 7 * LAB_DAY,
		.clock_agrees = true,
		.federated = federated };
}

/* --- what comes out -------------------------------------------------------------------------- */

static const char *const kinds[] = { [PLAN_ADD] = "add",
	[PLAN_MODIFY] = "modify",
	[PLAN_ADOPT] = "adopt",
	[PLAN_REKEY] = "rekey",
	[PLAN_VANISHED] = "vanished",
	[PLAN_RETURNED] = "returned",
	[PLAN_EXPIRE] = "expire",
	[PLAN_CLAIM] = "claim",
	[PLAN_REPORT] = "report" };

static void show_value(struct str *out, const struct plan_value *v)
{
	static const char signs[] = { [PLAN_PUT] = '+', [PLAN_TAKE] = '-', [PLAN_SET] = '=' };

	/* What may never be written, whatever else is. */
	assert_string_not_equal(v->attribute, "restanteState");
	if (v->value == NULL)
		str_printf(out, " !%s", v->attribute);
	else
		str_printf(out, " %c%s:%s", signs[v->what], v->attribute, v->value);
}

/* Written with a change of a mailbox, and never alone. */
static void check_signed(const struct plan_change *change)
{
	const struct plan_value *last;

	if (change->kind == PLAN_EXPIRE || change->kind == PLAN_CLAIM)
		return;
	assert_true(change->value_count > 2);
	last = &change->values[change->value_count - 1];
	assert_string_equal(last[0].attribute, "restanteSyncedAt");
	assert_string_equal(last[-1].attribute, "restanteProvenance");
	assert_string_equal(last[-1].value, "S1 20261119T000000Z-1");
}

static void copy_set(struct strings *to, const struct strings *from)
{
	strings_reset(to);
	for (const char *t = strings_first(from); t != NULL; t = strings_next(from, t))
		strings_add(to, t);
}

static int take_change(void *context, const struct plan_change *change)
{
	struct lab_sink *lab = context;
	size_t shown = change->value_count;

	check_signed(change);
	if (change->kind != PLAN_EXPIRE && change->kind != PLAN_CLAIM)
		shown -= 2;
	if (lab->text.len > 0)
		str_append_z(&lab->text, "; ");
	str_append_z(&lab->text, kinds[change->kind]);
	for (size_t i = 0; i < shown; i++) {
		if (change->kind != PLAN_ADD)
			assert_string_not_equal(change->values[i].attribute, "restanteSystem");
		show_value(&lab->text, &change->values[i]);
	}
	set(&lab->assertion, change->assertion);
	set(&lab->owner, change->owner);
	set(&lab->reason, change->reason);
	set(&lab->dn, change->dn);
	copy_set(&lab->gains, &change->gains);
	copy_set(&lab->gives, &change->gives);
	lab->counts = change->counts;
	lab->count_addresses = change->count_addresses;
	assert_true(lab->reason.len > 0);
	return 0;
}

static int take_finding(void *context, const struct reconcile_finding *finding)
{
	struct lab_sink *lab = context;

	if (lab->text.len > 0)
		str_append_z(&lab->text, "; ");
	str_printf(&lab->text, "report %s", reconcile_report_name(finding->kind));
	if (finding->address[0] != '\0')
		str_printf(&lab->text, " %s", finding->address);
	assert_true(strlen(finding->text) > 0);
	if (finding->kind == REPORT_CONFLICT) /* both claimants */
		assert_true(strstr(finding->text, finding->id) != NULL &&
			    strstr(finding->text, finding->owner_dn) != NULL &&
			    strstr(finding->text, finding->owner_system) != NULL);
	return 0;
}

void lab_sink_init(struct lab_sink *lab)
{
	*lab = (struct lab_sink){ .sink = { lab, take_change, take_finding } };
}

void lab_sink_free(struct lab_sink *lab)
{
	struct str *texts[] = { &lab->text, &lab->assertion, &lab->owner, &lab->reason, &lab->dn };

	for (size_t i = 0; i < COUNT(texts); i++)
		str_free(texts[i]);
	strings_free(&lab->gains);
	strings_free(&lab->gives);
}
