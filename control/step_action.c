/* Steps that are actions on a backend. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "control/facts.h"
#include "control/run.h"
#include "control/systems.h"
#include "lib/address.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

/* --- whom it is about ------------------------------------------------------------------------- */

struct subject {
	struct action_subject subject;
	char **addresses, **foreign;
	const char *(*pairs)[2];
	size_t pair_count;
	char *primary;
	char physical[512], source_id[512]; /* of a mailbox that an earlier move has left there */
};

static void append(char ***list, const struct ldap_attribute *from)
{
	size_t count = 0;

	while (*list != NULL && (*list)[count] != NULL)
		count++;
	*list = mem_grow(*list, count + (from != NULL ? from->count : 0) + 1, sizeof **list);
	for (size_t i = 0; from != NULL && i < from->count; i++)
		(*list)[count++] = from->values[i]; /* the entry's */
	(*list)[count] = NULL;
}

static void append_text(char ***list, char *text)
{
	char *values[] = { text };
	const struct ldap_attribute one = { .values = values, .count = 1 };

	append(list, &one);
}

static void take_pairs(struct subject *s, const struct ldap_entry *entry)
{
	size_t count = 0;

	for (size_t i = 0; i < entry->count; i++)
		count += entry->attributes[i].count;
	s->pairs = mem_grow(NULL, count + 1, sizeof *s->pairs);
	for (size_t i = 0; i < entry->count; i++)
		for (size_t v = 0; v < entry->attributes[i].count; v++) {
			s->pairs[s->pair_count][0] = entry->attributes[i].name;
			s->pairs[s->pair_count++][1] = entry->attributes[i].values[v];
		}
}

/* As contacts have it (dirsync/contact.h): the address to be shown, else the first one. */
static char *primary_of(const struct run *r, char *const *addresses)
{
	static const char *const shown[] = { "restantePrimaryUTF8", "mail" };
	const char *error, *text;
	char *first = NULL;
	struct address a;

	for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
		text = r->entry != NULL ? ldap_entry_value(r->entry, shown[i]) : NULL;
		if (text != NULL && address_parse(text, &a, &error) == 0 && a.has_domain &&
			a.local_len > 0)
			return mem_strdup(text);
	}
	for (; *addresses != NULL; addresses++) {
		if (address_parse(*addresses, &a, &error) != 0 || !a.has_domain ||
			a.local_len == 0 || (first != NULL && strcmp(first, a.key) <= 0))
			continue;
		mem_free(&first);
		first = mem_strdup(a.key);
	}
	return first != NULL ? first : mem_strdup(r->move->address);
}

static void fill(const struct run *r, bool on_assignee, struct subject *s)
{
	const struct move *m = r->move;
	struct action_subject *a = &s->subject;

	memset(s, 0, sizeof *s);
	append(&s->addresses, NULL);
	append(&s->foreign, NULL);
	if (r->entry != NULL) {
		append(&s->addresses, ldap_entry_attribute(r->entry, "mailLocalAddress"));
		append(&s->addresses, ldap_entry_attribute(r->entry, "restanteAddressUTF8"));
		append(&s->foreign, ldap_entry_attribute(r->entry, "restanteForeignAddress"));
		take_pairs(s, r->entry);
	} else {
		append_text(&s->addresses, m->address);
	}
	s->primary = primary_of(r, s->addresses);
	*a = (struct action_subject){
		.system = on_assignee ? m->target : m->assignor,
		.identifier = *m->identifier != '\0' ? m->identifier : m->uuid,
		.uuid = m->mailbox,
		.address = m->address,
		.primary = s->primary,
		.addresses = s->addresses,
		.foreign = s->foreign,
		.physical = on_assignee ? m->physical : m->old_physical,
		.source_id = on_assignee ? m->source_id : m->old_source_id,
		.other = on_assignee ? m->old_physical : m->physical,
		.attributes = (const char *const(*)[2])s->pairs,
		.attribute_count = s->pair_count,
	};
	/* it is made, most likely: create finds it by that */
	if (on_assignee && *m->physical == '\0' &&
		store_stands(r->control->store, r->task, m->target, s->physical, s->source_id,
			sizeof s->physical)) {
		a->physical = s->physical;
		a->source_id = s->source_id;
	}
}

static void empty(struct subject *s)
{
	mem_free(&s->addresses);
	mem_free(&s->foreign);
	mem_free(&s->pairs);
	mem_free(&s->primary);
}

/* --- what it told ----------------------------------------------------------------------------- */

struct owner {
	const char *ours; /* entryUUID */
	struct str *dn;   /* of another's entry */
};

static int take_owner(void *context, const struct ldap_entry *entry)
{
	const struct owner *owner = context;
	const char *uuid = ldap_entry_value(entry, "entryUUID");

	if (uuid == NULL || strcasecmp(uuid, owner->ours) == 0)
		return 0;
	str_append_z(owner->dn, entry->dn);
	return 1;
}

/* Front doors would answer 451 for a physical address in a federated domain, and send the mail of
 * two to one mailbox where another entry has it. */
static enum progress check_physical(struct run *r, const struct address *address, struct str *why)
{
	static const char *const attributes[] = { "entryUUID", NULL };
	struct ldap_session *session = run_session(r, why);
	struct str filter = STR_INIT, dn = STR_INIT;
	struct owner owner = { r->move->mailbox, &dn };

	if (session == NULL)
		return STEP_FAILED;
	if (systems_federated(address_domain(address))) {
		str_printf(why,
			"it told the physical address %s, in a federated domain: those are of "
			"access addresses alone",
			address->key);
		return STEP_REFUSED;
	}
	str_append_z(&filter, "(mailRoutingAddress=");
	ldap_filter_escape(address->key, &filter);
	str_append_c(&filter, ')');
	enum ldap_result result = ldap_session_search(session, r->settings->config->ldap.base,
		LDAP_SUB, str_cstr(&filter), attributes, take_owner, &owner);
	str_free(&filter);
	enum progress progress = STEP_DONE;
	if (dn.len > 0) {
		str_printf(why, "it told the physical address %s, which is that of %s",
			address->key, str_cstr(&dn));
		progress = STEP_REFUSED;
	} else if (result != LDAP_DONE && result != LDAP_NO_ENTRY) {
		progress = run_judge(r, result, NULL, why);
	}
	str_free(&dn);
	return progress;
}

static enum progress take_created(
	struct run *r, const struct action_result *result, const struct subject *s, struct str *why)
{
	struct address address;
	const char *error;

	if (result->outcome == ACTION_ALREADY)
		record_done(r->move, &r->change, STEP_FOUND, control_now_us(r->control));
	if (result->physical.len == 0 && *r->move->physical != '\0')
		return STEP_DONE;
	if (address_parse(str_cstr(&result->physical), &address, &error) < 0) {
		str_printf(why, "it told no physical address (%s): %s", error,
			str_cstr(&result->physical));
		return STEP_REFUSED;
	}
	if (strcasecmp(result->physical.data, r->move->old_physical) == 0) {
		str_append_z(why, "it told the physical address of the old mailbox");
		return STEP_REFUSED;
	}
	enum progress progress = check_physical(r, &address, why);
	if (progress != STEP_DONE)
		return progress;
	if (*s->source_id != '\0' && strcmp(s->source_id, str_cstr(&result->source_id)) == 0)
		record_done(r->move, &r->change, STEP_ADOPT, control_now_us(r->control));
	record_text(&r->move->physical, result->physical.data);
	if (result->source_id.len > 0)
		record_text(&r->move->source_id, result->source_id.data);
	r->change.physical = true;
	return STEP_DONE;
}

static bool is_listed(char *const *list, const char *wanted)
{
	struct address a, b;
	const char *error;

	if (address_parse(wanted, &a, &error) < 0)
		return false;
	for (; list != NULL && *list != NULL; list++)
		if (address_parse(*list, &b, &error) == 0 && strcmp(a.key, b.key) == 0)
			return true;
	return false;
}

/* "@example.org": of front doors alone, no backend has it. */
static bool is_catch_all(const char *text)
{
	return text[0] == '@';
}

/* E8: every address that DIR has now. */
static enum progress take_list(
	struct run *r, const struct action_result *result, char *const *wanted)
{
	struct task_facts *facts = &r->task->facts;
	struct str missing = STR_INIT;

	for (; *wanted != NULL; wanted++)
		if (!is_catch_all(*wanted) && !is_listed(result->addresses, *wanted))
			str_printf(&missing, "%s%s", missing.len > 0 ? ", " : "", *wanted);
	mem_free(&facts->missing);
	if (missing.len > 0)
		facts->missing = str_steal(&missing);
	str_reset(&missing);
	if (r->entry != NULL)
		facts_addresses(r->entry, &missing);
	record_text(&facts->listed_for, str_cstr(&missing));
	facts->listed = true;
	facts->listed_us = clock_mono_us();
	str_free(&missing);
	return STEP_DONE;
}

/* Some systems tell an empty list of a mailbox that they have not. */
static enum progress take_first(
	struct run *r, const struct action_result *result, char *const *wanted, struct str *why)
{
	struct task_facts *facts = &r->task->facts;
	bool there = true;

	for (; *wanted != NULL; wanted++) {
		if (is_catch_all(*wanted))
			continue;
		there = is_listed(result->addresses, *wanted);
		if (there)
			break;
	}
	mem_free(&facts->first_gone);
	if (there)
		return STEP_DONE;
	str_append_z(why, "none of its addresses is listed there");
	return STEP_REFUSED;
}

static enum progress take_empty(struct run *r, const struct action_result *result)
{
	mem_free(&r->task->facts.second_trouble);
	r->task->facts.second_empty = result->empty;
	return STEP_DONE;
}

static enum progress take_result(struct run *r, enum step step, const struct action_result *result,
	const struct subject *s, struct str *why)
{
	switch (step) {
	case STEP_CREATE: return take_created(r, result, s, why);
	case STEP_LIST: return take_list(r, result, s->addresses);
	case STEP_LIST_FIRST: return take_first(r, result, s->addresses, why);
	case STEP_EMPTY: return take_empty(r, result);
	default: return STEP_DONE;
	}
}

/* --- running it ------------------------------------------------------------------------------- */

/* Right before a mailbox is deleted: the record, and where the mailbox is, are what was decided on.
 */
static bool is_unchanged(struct run *r, enum step step, struct str *why)
{
	struct ldap_session *session = run_session(r, why);
	struct move *fresh = NULL;
	bool second = step == STEP_DELETE_SECOND, same;

	if (session == NULL || move_read(session, r->move->dn, &fresh) != LDAP_DONE) {
		if (why->len == 0)
			str_append_z(why, ldap_session_reason(session));
		return false;
	}
	same = strcmp(fresh->work_text, r->move->work_text) == 0 &&
	       fresh->request == MOVE_ASKED_NOTHING && fresh->outcome == r->move->outcome &&
	       fresh->may_delete == r->move->may_delete &&
	       strcmp(fresh->physical, r->move->physical) == 0 &&
	       strcmp(fresh->old_physical, r->move->old_physical) == 0;
	move_free(&fresh);
	if (!same) {
		str_append_z(why, "the record was changed right before a mailbox was deleted");
		return false;
	}
	if (run_look(r, why) != STEP_DONE)
		return false;
	if (r->mailbox == NULL) /* whoever has no entry any more keeps the old mailbox */
		same = second;
	else
		same = strcasecmp(r->mailbox->physical,
			       second ? r->move->physical : r->move->old_physical) != 0;
	if (!same)
		str_append_z(why,
			r->mailbox == NULL
				? "the entry of the mailbox is gone"
				: "the directory routes to the mailbox that was to be deleted");
	return same;
}

static enum progress judge(const struct action_result *result, struct str *why)
{
	str_append_z(why, str_cstr(&result->text));
	switch (result->outcome) {
	case ACTION_DONE:
	case ACTION_ALREADY: return STEP_DONE;
	case ACTION_REFUSED:
	case ACTION_ABSENT: return STEP_REFUSED;
	case ACTION_FAILED: break;
	}
	return STEP_FAILED;
}

/*
 * Right before the second mailbox goes: it may be gone already, by a try whose end nobody saw; and
 * mail may have come in since it was asked, for an earlier try may be long ago. DONE: it is gone;
 * PENDING: it has mail, and stays.
 */
static enum progress is_gone_already(
	struct run *r, struct actions *actions, bool *may_go_r, struct str *why)
{
	struct action_result gone = { .text = STR_INIT }, told = { .text = STR_INIT };
	struct task_facts *facts = &r->task->facts;
	enum progress progress = STEP_DONE;
	int64_t until = run_until_us(r, STEP_DELETE_SECOND);
	struct subject s;
	bool answered;

	*may_go_r = false;
	fill(r, true, &s);
	action_run(actions, ACTION_DELETE, &s.subject, true, &r->control->stopping, until, &gone);
	if (gone.outcome != ACTION_ALREADY) {
		action_run(actions, ACTION_EMPTY, &s.subject, false, &r->control->stopping, until,
			&told);
		answered = told.outcome == ACTION_DONE || told.outcome == ACTION_ALREADY;
		facts->second_asked = answered || told.outcome == ACTION_ABSENT;
		facts->second_empty = *may_go_r = answered && told.empty;
		progress = facts->second_asked ? STEP_PENDING : STEP_FAILED;
		if (progress == STEP_FAILED)
			str_append_z(why, str_cstr(&told.text));
		r->due_us = clock_mono_us();
	}
	action_result_free(&gone);
	action_result_free(&told);
	empty(&s);
	return progress;
}

static enum progress act(struct run *r, enum step step, struct actions *actions, struct str *why)
{
	bool on_assignee;
	enum action action = step_action(step, &on_assignee);
	struct action_result result = { .text = STR_INIT };
	struct subject subject;
	enum progress progress;

	fill(r, on_assignee, &subject);
	action_run(actions, action, &subject.subject, false, &r->control->stopping,
		run_until_us(r, step), &result);
	log_debug("control", "acted move=%s system=%s action=%s took_us=%" PRId64, r->move->mailbox,
		subject.subject.system, action_name(action), result.took_us);
	progress = judge(&result, why);
	if (progress == STEP_DONE) {
		str_reset(why);
		progress = take_result(r, step, &result, &subject, why);
	}
	action_result_free(&result);
	empty(&subject);
	return progress;
}

/*
 * Right before a redirection is set: the opposite one was verified gone, but a try to set it whose
 * end nobody saw may have been done by its system since.
 */
static enum progress unset_opposite(struct run *r, enum step step, struct str *why)
{
	struct action_result result = { .text = STR_INIT };
	enum progress progress = STEP_DONE;
	enum step set, unset;
	struct actions *actions;
	struct subject s;
	bool on_assignee;

	if (!step_opposite(step, &set, &unset) || !move_has(r->move, step_mark(set)))
		return STEP_DONE;
	step_action(unset, &on_assignee);
	actions = settings_actions(r->settings, on_assignee ? r->move->target : r->move->assignor);
	if (actions == NULL || !actions_has(actions, ACTION_UNREDIRECT))
		return STEP_DONE;
	fill(r, on_assignee, &s);
	action_run(actions, ACTION_UNREDIRECT, &s.subject, false, &r->control->stopping,
		run_until_us(r, step), &result);
	progress = judge(&result, why);
	if (result.outcome == ACTION_DONE)
		log_warning("control",
			"a redirection that came late is taken away move=%s system=%s",
			r->move->mailbox, s.subject.system);
	if (progress == STEP_DONE)
		str_reset(why);
	action_result_free(&result);
	empty(&s);
	return progress;
}

enum progress step_action_run(struct run *r, enum step step, struct str *why)
{
	bool on_assignee, may_go = true;
	struct actions *actions;
	enum progress opposite;

	step_action(step, &on_assignee);
	actions = settings_actions(r->settings, on_assignee ? r->move->target : r->move->assignor);
	if (step == STEP_DELETE_SECOND) {
		enum progress progress = is_gone_already(r, actions, &may_go, why);
		if (!may_go)
			return progress;
	}
	if ((step == STEP_DELETE_OLD || step == STEP_DELETE_SECOND) && !is_unchanged(r, step, why))
		return STEP_FAILED;
	if (step_claimed(step) && !run_may_act(r, step, why))
		return STEP_FAILED;
	opposite = unset_opposite(r, step, why);
	if (opposite != STEP_DONE)
		return opposite;
	return act(r, step, actions, why);
}
