#define _GNU_SOURCE
#include "control/facts.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "control/systems.h"
#include "lib/clock.h"
#include "lib/hours.h"

/* A list of the second mailbox's addresses that is older is read again before the swap. */
#define LIST_AGE (5 * 60 * CLOCK_SECOND)

static const char *scenario_name(const struct run *r)
{
	return *r->move->scenario != '\0' ? r->move->scenario : "default";
}

void facts_scenario(struct run *r)
{
	r->scenario = config_scenario(r->settings->config, scenario_name(r));
}

static void gather_scenario(const struct run *r, struct move_facts *f)
{
	static _Thread_local char text[256];

	if (r->scenario != NULL) {
		f->scenario_fault = scenario_fault(r->scenario);
		return;
	}
	snprintf(text, sizeof text, "there is no section scenario %s in the settings",
		scenario_name(r));
	f->scenario_fault = text;
}

static void gather_actions(const struct run *r, struct move_facts *f)
{
	for (int step = STEP_TAKE; step < STEPS; step++) {
		bool on_assignee;
		enum action action = step_action((enum step)step, &on_assignee);
		struct actions *actions;

		if (action == ACTIONS)
			continue;
		actions = settings_actions(
			r->settings, on_assignee ? r->move->target : r->move->assignor);
		f->action_absent[step] = actions == NULL || !actions_has(actions, action);
	}
}

static void gather_mailbox(const struct run *r, struct move_facts *f)
{
	const struct mailbox *m = r->mailbox;
	const struct move *move = r->move;

	f->mailbox_known = m != NULL || r->mailbox_gone;
	f->mailbox_gone = r->mailbox_gone;
	f->mailbox_trouble = r->mailbox_trouble;
	if (m == NULL)
		return;
	f->held = m->state == STATE_HOLDING;
	if (m->state != STATE_HOLDING && m->state != STATE_ACTIVE)
		f->other_state = m->state_text;
	f->at_target = strcasecmp(m->system, move->target) == 0;
	f->at_assignor = strcasecmp(m->system, move->assignor) == 0;
	f->on_assignee = f->at_target && *move->physical != '\0' &&
			 strcasecmp(m->physical, move->physical) == 0;
	f->on_assignor = f->at_assignor && strcasecmp(m->physical, move->old_physical) == 0;
}

/* The fence is of one hold: a mailbox that was touched since has another entryCSN. */
static void gather_fence(const struct run *r, struct move_facts *f)
{
	const struct kept *t = &r->kept;
	bool same = r->mailbox != NULL && strcmp(t->fence_csn, r->mailbox->csn) == 0;

	f->fenced = same && t->fenced;
	f->drained = same && t->drained;
	f->drain_over = f->fenced && r->scenario != NULL && r->scenario->drain > 0 &&
			clock_mono_us() - t->fenced_us >= r->scenario->drain;
}

static void gather_systems(const struct run *r, struct move_facts *f)
{
	struct system_view assignor, assignee;

	systems_view(r->move->assignor, &assignor);
	systems_view(r->move->target, &assignee);
	f->target_known = assignee.known;
	f->assignor_redirects = assignor.redirects;
	f->assignee_redirects = assignee.redirects;
}

static void gather_others(struct run *r, struct move_facts *f)
{
	char dn[400];

	if (store_other(r->control->store, r->task, dn, sizeof dn)) {
		snprintf(r->other, sizeof r->other, "the mailbox is on the move already: %s", dn);
		f->other_open = r->other;
	}
	f->returned = r->move->state >= MOVE_COMPLETE &&
		      store_returned(r->control->store, r->task, r->move->assignor);
	f->moves_back = r->move->state >= MOVE_COMPLETE &&
			store_moves_to(r->control->store, r->task, r->move->assignor);
}

/* They begin and end with a minute, and what is asked of one minute is asked for many moves. */
static void gather_hours(const struct run *r, int64_t now_us, struct move_facts *f)
{
	static _Thread_local struct {
		uint64_t serial;
		int64_t minute, next_us;
		bool open;
	} last = { .minute = -1 };
	int64_t minute = now_us / (60 * CLOCK_SECOND);
	const char *text = r->settings->config->control.working_hours;

	if (last.minute != minute || last.serial != r->settings->serial) {
		last.serial = r->settings->serial;
		last.minute = minute;
		last.open = hours_open(text, now_us);
		last.next_us = last.open ? 0 : hours_next(text, now_us);
	}
	f->working_hours = last.open;
	f->hours_us = last.next_us;
}

void facts_addresses(const struct ldap_entry *entry, struct str *out)
{
	static const char *const names[] = { "mailLocalAddress", "restanteAddressUTF8" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const struct ldap_attribute *a = ldap_entry_attribute(entry, names[i]);

		for (size_t v = 0; a != NULL && v < a->count; v++)
			str_printf(out, "%s\n", a->values[v]);
	}
}

/* The list says nothing of an address that the entry has got since, and little when it is old. */
static bool is_listed(const struct run *r, const struct task_facts *t)
{
	struct str now = STR_INIT;
	bool same;

	if (!t->listed || clock_mono_us() - t->listed_us >= LIST_AGE)
		return false;
	if (r->entry == NULL)
		return true;
	facts_addresses(r->entry, &now);
	same = t->listed_for != NULL && strcmp(t->listed_for, str_cstr(&now)) == 0;
	str_free(&now);
	return same;
}

void facts_gather(struct run *r, struct move_facts *f)
{
	const struct config_control *c = &r->settings->config->control;
	const struct task_facts *t = &r->task->facts;
	int64_t now = control_now_us(r->control);

	memset(f, 0, sizeof *f);
	store_kept(r->control->store, r->task, &r->kept);
	gather_scenario(r, f);
	gather_actions(r, f);
	gather_mailbox(r, f);
	gather_fence(r, f);
	gather_systems(r, f);
	gather_others(r, f);
	f->syncs = r->kept.syncs;
	f->sync_reason = r->kept.sync_reason;
	f->listed = is_listed(r, t);
	f->missing = t->missing;
	f->second_asked = t->second_asked;
	f->second_empty = t->second_empty;
	f->second_trouble = t->second_trouble;
	f->first_asked = t->first_asked;
	f->first_gone = t->first_gone;
	f->create_refused = t->create_refused;
	gather_hours(r, now, f);
	f->room = store_has_room(r->control->store, r->task, (size_t)c->moves);
}
