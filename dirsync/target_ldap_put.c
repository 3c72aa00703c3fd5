/* Writing contacts: the operations in flight. */
#include <string.h>
#include <strings.h>

#include "dirsync/target_ldap.h"
#include "lib/clock.h"
#include "lib/mem.h"

static const char *const nothing[] = { "1.1", NULL };

static int broken(struct target *target, const char **error_r)
{
	return target_fail(error_r, "down %s: %s", target->settings->name,
		ldap_session_reason(target->session));
}

static void finish(struct target *target, struct slot *slot, enum target_result result,
	const struct target_note *note)
{
	slot->phase = SLOT_FREE;
	target->used--;
	if (slot->attempt == SLOT_GIVE) /* the last attempt tells */
		return;
	target->sink->result(
		target->sink->context, slot->verb, str_cstr(&slot->contact.id), result, note);
}

static void finish_done(struct target *target, struct slot *slot)
{
	finish(target, slot, TARGET_DONE, &target_no_note);
}

static void refuse(struct target *target, struct slot *slot, const char *text)
{
	const struct target_note note = { text, "", "" };

	finish(target, slot, TARGET_REFUSED, &note);
}

/* Somebody else's object, slot->foreign, is in the way. */
static void finish_foreign(struct target *target, struct slot *slot, const char *text)
{
	const struct target_note note = { text, str_cstr(&slot->foreign), str_cstr(&slot->has) };

	finish(target, slot, TARGET_FOREIGN, &note);
}

static void finish_lost(struct target *target, struct slot *slot)
{
	str_reset(&slot->foreign);
	str_append(&slot->foreign, slot->dn.data, slot->dn.len);
	finish_foreign(target, slot, "it has lost our marker");
}

/* --- one step after another ----------------------------------------------------------------- */

/* Each sends the next operation of a slot, or finishes it: 0, or -1 with *error_r. */

static int sent(struct target *target, struct slot *slot, enum slot_phase phase,
	enum ldap_result result, const char **error_r)
{
	if (result == LDAP_DOWN)
		return broken(target, error_r);
	if (result == LDAP_DONE)
		slot->phase = phase;
	else
		refuse(target, slot, ldap_session_reason(target->session));
	return 0;
}

static int send_write(struct target *target, struct slot *slot, const char **error_r)
{
	enum ldap_result result;
	bool same = false;

	if (target_ldap_note(target, str_cstr(&slot->dn), error_r) < 0)
		return -1;
	if (slot->verb == TARGET_DELETE)
		result = ldap_async_delete(target->session, str_cstr(&slot->dn),
			target_ldap_asserted(target), &slot->number);
	else if (slot->found)
		result = target_ldap_send_change(target, slot, &same);
	else
		result = target_ldap_send_add(target, slot);
	if (same) {
		finish_done(target, slot);
		return 0;
	}
	return sent(target, slot, SLOT_WRITE, result, error_r);
}

static int send_clash(struct target *target, struct slot *slot, const char **error_r)
{
	const struct config_down *settings = target->settings;
	struct strings keys = STRINGS_INIT;
	struct str filter = STR_INIT;
	enum ldap_result result = LDAP_DONE;
	bool none;

	target_ldap_new_addresses(slot, &keys);
	none = keys.count == 0;
	if (!none) {
		target_ldap_clash_filter(target, &keys, &filter);
		result = ldap_async_search(target->session, settings->search_base, LDAP_SUB,
			str_cstr(&filter), (const char *const *)target->searched, &slot->number);
	}
	strings_free(&keys);
	str_free(&filter);
	return none ? send_write(target, slot, error_r)
		    : sent(target, slot, SLOT_CLASH, result, error_r);
}

static int send_look(struct target *target, struct slot *slot, const char **error_r)
{
	const char *const *names = slot->verb == TARGET_DELETE
					   ? (const char *const[]){ target->marker_name, NULL }
					   : (const char *const *)target->names;
	enum ldap_result result = ldap_async_search(target->session, str_cstr(&slot->dn), LDAP_BASE,
		"(objectClass=*)", *target->marker_name != '\0' ? names : nothing, &slot->number);

	return sent(target, slot, SLOT_LOOK, result, error_r);
}

/* --- entries of searches -------------------------------------------------------------------- */

static bool has_marker(const struct target *target, const struct ldap_entry *entry)
{
	const struct ldap_attribute *values = ldap_entry_attribute(entry, target->marker_name);

	for (size_t i = 0; values != NULL && i < values->count; i++)
		if (strcasecmp(values->values[i], target->marker_value) == 0)
			return true;
	return false;
}

static void take_current(
	const struct target *target, struct slot *slot, const struct ldap_entry *entry)
{
	slot->found = true;
	slot->ours = has_marker(target, entry);
	for (size_t i = 0; i < entry->count; i++)
		for (size_t v = 0; v < entry->attributes[i].count; v++)
			target_ldap_take(target, entry->attributes[i].name,
				entry->attributes[i].values[v], &slot->current);
}

/* The address of the contact that the object has. */
static void take_shared(const struct slot *slot, const struct ldap_entry *entry, struct str *has)
{
	struct strings keys = STRINGS_INIT;
	struct address address;

	target_ldap_new_addresses(slot, &keys);
	for (size_t i = 0; i < entry->count && has->len == 0; i++)
		for (size_t v = 0; v < entry->attributes[i].count && has->len == 0; v++)
			if (contact_address(entry->attributes[i].values[v], &address) &&
				strings_has(&keys, address.key))
				str_append_z(has, address.key);
	strings_free(&keys);
}

/* Whether the last part of the name is that of our contact. Ids have no commas. */
static bool same_name(const char *dn, const struct slot *slot)
{
	size_t len = strcspn(str_cstr(&slot->dn), ",");

	return strncasecmp(dn, str_cstr(&slot->dn), len) == 0 && dn[len] == ',';
}

static void take_clash(
	const struct target *target, struct slot *slot, const struct ldap_entry *entry)
{
	/* itself, or another contact of ours, which gives the address up in this run; but one of
	 * this very id, where we look for none, was moved by somebody */
	if (has_marker(target, entry) && (slot->found || !same_name(entry->dn, slot)))
		return;
	if (slot->foreign_count++ > 0)
		return;
	str_append_z(&slot->foreign, entry->dn);
	take_shared(slot, entry, &slot->has);
}

struct pump {
	struct target *target;
	int number;
};

static struct slot *slot_of(const struct target *target, int number)
{
	for (size_t i = 0; i < target->options.window; i++)
		if (target->slots[i].phase != SLOT_FREE && target->slots[i].number == number)
			return &target->slots[i];
	return NULL;
}

static int take_entry(void *context, const struct ldap_entry *entry)
{
	struct pump *pump = context;
	struct slot *slot = slot_of(pump->target, pump->number);

	if (slot != NULL && slot->phase == SLOT_LOOK)
		take_current(pump->target, slot, entry);
	else if (slot != NULL && slot->phase == SLOT_CLASH)
		take_clash(pump->target, slot, entry);
	return 0;
}

/* --- results -------------------------------------------------------------------------------- */

static int looked(struct target *target, struct slot *slot, enum ldap_result result,
	const char *text, const char **error_r)
{
	if (result != LDAP_DONE && result != LDAP_NO_ENTRY) {
		refuse(target, slot, text);
		return 0;
	}
	if (slot->found && !slot->ours) {
		finish_lost(target, slot);
		return 0;
	}
	if (slot->verb != TARGET_DELETE && slot->attempt != SLOT_GIVE)
		return send_clash(target, slot, error_r);
	if (slot->found)
		return send_write(target, slot, error_r);
	finish_done(target, slot); /* somebody was faster */
	return 0;
}

static int adopt(struct target *target, struct slot *slot, const char **error_r)
{
	enum target_result result;
	struct str text = STR_INIT;

	if (target_ldap_note(target, str_cstr(&slot->dn), error_r) < 0)
		return -1;
	if (target_ldap_adopt(target, slot, &result, &text) < 0) {
		str_free(&text);
		return broken(target, error_r);
	}
	if (result == TARGET_DONE) {
		const struct target_note note = { "", str_cstr(&slot->foreign), "" };

		finish(target, slot, result, &note);
	} else {
		refuse(target, slot, str_cstr(&text));
	}
	str_free(&text);
	return 0;
}

static int searched(struct target *target, struct slot *slot, enum ldap_result result,
	const char *text, const char **error_r)
{
	struct str more = STR_INIT;

	if (result == LDAP_NO_ENTRY)
		return target_fail(error_r, "down %s.search_base: %s; correct it",
			target->settings->name, text);
	if (result != LDAP_DONE) {
		refuse(target, slot, text);
		return 0;
	}
	if (slot->foreign_count == 0)
		return send_write(target, slot, error_r);
	if (slot->foreign_count == 1 && slot->adopt && !slot->found)
		return adopt(target, slot, error_r);
	if (slot->foreign_count > 1)
		str_printf(&more, "and %u further objects have addresses of it",
			slot->foreign_count - 1);
	finish_foreign(target, slot, str_cstr(&more));
	str_free(&more);
	return 0;
}

static int written(
	struct target *target, struct slot *slot, enum ldap_result result, const char *text)
{
	bool done = result == LDAP_DONE || (result == LDAP_NO_ENTRY && slot->verb == TARGET_DELETE);

	if (result == LDAP_TAKEN && slot->attempt == SLOT_FIRST && slot->verb != TARGET_DELETE &&
		target_ldap_keep_again(target, slot)) {
		slot->phase = SLOT_FREE;
		target->used--;
	} else if (done) {
		finish_done(target, slot);
	} else if (result == LDAP_ASSERTION) {
		finish_lost(target, slot);
	} else {
		refuse(target, slot, text);
	}
	return 0;
}

static int take_result(struct target *target, struct slot *slot, enum ldap_result result,
	const char *text, const char **error_r)
{
	if (result == LDAP_DOWN) /* unavailable, busy: not of this entry alone */
		return target_fail(error_r, "down %s: %s", target->settings->name, text);
	switch (slot->phase) {
	case SLOT_LOOK: return looked(target, slot, result, text, error_r);
	case SLOT_CLASH: return searched(target, slot, result, text, error_r);
	case SLOT_WRITE: return written(target, slot, result, text);
	case SLOT_FREE: break;
	}
	return 0;
}

/* Waits for one result and takes it on. */
static int pump(struct target *target, const char **error_r)
{
	struct pump pump = { target, 0 };
	enum ldap_result result;
	const char *text = "";
	struct slot *slot;
	int got = ldap_async_result(target->session, target->settings->timeout, &pump.number,
		&result, &text, take_entry, &pump);

	if (got < 0)
		return broken(target, error_r);
	if (got == 0)
		return target_fail(error_r, "down %s: %s did not answer in time; is it overloaded?",
			target->settings->name, target->settings->uri);
	slot = slot_of(target, pump.number);
	if (slot == NULL)
		return 0;
	/* the text is valid until the next call only, and a next operation is one */
	return take_result(target, slot, result, text, error_r);
}

int target_ldap_drain(struct target *target, const char **error_r)
{
	while (target->used > 0)
		if (pump(target, error_r) < 0)
			return -1;
	return 0;
}

/* --- put and end ---------------------------------------------------------------------------- */

static struct slot *take_slot(
	struct target *target, enum target_verb verb, const struct person *contact, bool adopt_it)
{
	struct slot *slot = target->slots;

	while (slot->phase != SLOT_FREE)
		slot++;
	slot->verb = verb;
	slot->adopt = adopt_it;
	slot->found = slot->ours = false;
	slot->foreign_count = 0;
	str_reset(&slot->dn);
	str_reset(&slot->foreign);
	str_reset(&slot->has);
	person_reset(&slot->current);
	person_reset(&slot->contact);
	str_append(&slot->contact.id, contact->id.data, contact->id.len);
	str_append(&slot->current.id, contact->id.data, contact->id.len);
	for (const char *t = strings_first(&contact->attributes); t != NULL;
		t = strings_next(&contact->attributes, t))
		strings_add(&slot->contact.attributes, t);
	target_dn(target->settings, str_cstr(&contact->id), &slot->dn);
	target->used++;
	return slot;
}

int target_ldap_try(struct target *target, enum target_verb verb, const struct person *contact,
	bool adopt_it, enum slot_try attempt, const char **error_r)
{
	struct slot *slot;

	while (target->used == target->options.window)
		if (pump(target, error_r) < 0)
			return -1;
	if (target->options.stop != NULL && atomic_load(target->options.stop))
		return target_fail(error_r, "down %s: stopped", target->settings->name);
	slot = take_slot(target, verb, contact, adopt_it);
	slot->attempt = attempt;
	return verb == TARGET_ADD ? send_clash(target, slot, error_r)
				  : send_look(target, slot, error_r);
}

int target_ldap_put(struct target *target, enum target_verb verb, const struct person *contact,
	bool adopt_it, const char **error_r)
{
	/* an address that passes between contacts is given up before it is gained */
	if (verb != target->last && (target_ldap_drain(target, error_r) < 0 ||
					    target_ldap_write_again(target, error_r) < 0))
		return -1;
	target->last = verb;
	return target_ldap_try(target, verb, contact, adopt_it, SLOT_FIRST, error_r);
}

int target_ldap_end(struct target *target, const char **error_r)
{
	int result = target_ldap_drain(target, error_r);

	if (result == 0)
		result = target_ldap_write_again(target, error_r);
	ldap_session_close(&target->session);
	return result < 0 ? -1 : target_ldap_run_after(target, error_r);
}
