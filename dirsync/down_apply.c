/* Writing the plan. */
#include <string.h>

#include "dirsync/down.h"
#include "lib/clock.h"
#include "lib/log.h"

#define MOVES_EVERY (2 * CLOCK_SECOND)

static const char *const verb_names[] = { "deleted", "changed", "added", "kept" };

/* --- results ---------------------------------------------------------------------------------- */

static void count_done(struct down *down, enum target_verb verb)
{
	struct sync_outcome *outcome = &down->record->outcome;

	outcome->deleted += verb == TARGET_DELETE;
	outcome->changed += verb == TARGET_CHANGE;
	outcome->added += verb == TARGET_ADD;
}

static void take_done(
	struct down *down, enum target_verb verb, const char *id, const struct target_note *note)
{
	bool adopted = *note->place != '\0';
	char shown[512];

	count_done(down, verb);
	if (down->kind->lists) /* else it counts once all of it is written */
		log_info("dirsync", "contact %s system=%s id=%s%s%s",
			adopted ? "taken over" : verb_names[verb], down->run->system, id,
			adopted ? " was=" : "", log_value(shown, sizeof(shown), note->place));
	if (adopted && down->run->adopted != NULL)
		target_dn(down->settings, id, down->run->adopted);
}

void down_take_result(void *context, enum target_verb verb, const char *id,
	enum target_result result, const struct target_note *note)
{
	struct down *down = context;
	struct sync_outcome *outcome = &down->record->outcome;
	bool foreign = result == TARGET_FOREIGN;
	const struct report report = { .kind = foreign ? "foreign" : "refused",
		.id = id,
		.address = note->address,
		.place = note->place,
		.text = note->text };
	char place[512], text[512];

	if (result == TARGET_DONE) {
		take_done(down, verb, id, note);
		return;
	}
	outcome->conflicts += foreign;
	outcome->refused += !foreign;
	reports_add(down->reports, &report);
	log_warning("dirsync", "contact not %s: %s system=%s id=%s address=%s dn=%s text=%s",
		verb_names[verb], foreign ? "an object of somebody else is in the way" : "refused",
		down->run->system, id, note->address, log_value(place, sizeof(place), note->place),
		log_value(text, sizeof(text), note->text));
}

/* --- putting ---------------------------------------------------------------------------------- */

static bool has_address(const struct person *contact, const char *key)
{
	struct address address;

	for (const char *t = strings_first(&contact->attributes); t != NULL;
		t = strings_next(&contact->attributes, t))
		if (contact_address(strchr(t, '=') + 1, &address) && strcmp(address.key, key) == 0)
			return true;
	return false;
}

static bool is_adopted(const struct down *down, enum target_verb verb, const struct person *contact)
{
	struct address address;
	const char *error;

	return down->run->adopt != NULL && verb == TARGET_ADD &&
	       address_parse(down->run->adopt, &address, &error) == 0 &&
	       has_address(contact, address.key);
}

static int decode(struct down *down, enum target_verb verb, const char *id, const char *encoded,
	size_t len, struct person *contact)
{
	if (verb != TARGET_DELETE && person_decode(encoded, len, contact) < 0)
		return down_fail(down, "a sorted run is damaged; is the disk sound?");
	if (verb == TARGET_DELETE)
		str_append_z(&contact->id, id);
	return 0;
}

static int note(struct down *down, enum target_verb verb, const struct person *contact)
{
	struct down_had had = { .has = contact_has(down->form, contact) };
	const char *error;

	if (down->written == NULL || verb == TARGET_KEEP)
		return 0;
	person_digest(contact, had.digest);
	if (bulk_add(down->done, contact->id.data, contact->id.len, &had,
		    verb == TARGET_DELETE ? 0 : sizeof(had), &error) < 0)
		return down_fail(down, error);
	return 0;
}

int down_put(
	struct down *down, enum target_verb verb, const char *id, const char *encoded, size_t len)
{
	struct person contact = PERSON_INIT;
	const char *error;
	int done = decode(down, verb, id, encoded, len, &contact);

	if (done == 0 && verb == TARGET_DELETE && down->kind->whole)
		count_done(down, verb);
	else if (done == 0 && down->kind->put(down->target, verb, &contact,
				      is_adopted(down, verb, &contact), &error) < 0)
		done = down_fail(down, error);
	if (done == 0)
		done = note(down, verb, &contact);
	person_free(&contact);
	return done;
}

/* --- the plan --------------------------------------------------------------------------------- */

typedef int (*plan_callback)(
	struct down *down, enum target_verb verb, const char *id, const char *encoded, size_t len);

static int for_each(struct down *down, plan_callback callback)
{
	struct str id = STR_INIT;
	struct bulk_pair pair;
	uint64_t count = 0;
	const char *error;
	int got, done = 0;

	while (done == 0 && (got = bulk_next(down->plan, &pair, &error)) != 0) {
		if (got < 0) {
			done = down_fail(down, error);
			break;
		}
		if (++count % 100 == 0)
			down_progress(down, "writing", count, down->changes);
		str_reset(&id);
		str_append(&id, pair.key + 1, pair.key_len - 1);
		done = down_stopped(down) ? -1
					  : callback(down, (enum target_verb)(pair.key[0] - '0'),
						    str_cstr(&id), pair.value, pair.value_len);
	}
	str_free(&id);
	return done;
}

static int show(
	struct down *down, enum target_verb verb, const char *id, const char *encoded, size_t len)
{
	static const char *const names[] = { "delete", "modify", "add" };
	static const char *const reasons[] = { "no mailbox of another system any more",
		"the mailbox has changed", "a mailbox of another system" };
	struct target_options options = { .settings = down->settings, .form = down->form };
	struct run_change change = { .kind = names[verb], .id = id, .reason = reasons[verb] };
	struct person contact = PERSON_INIT;
	struct str text = STR_INIT, dn = STR_INIT;
	int done = decode(down, verb, id, encoded, len, &contact);

	if (done == 0) {
		target_ldif_record(&options, verb, &contact, &text);
		target_dn(down->settings, id, &dn);
		change.dn = str_cstr(&dn);
		change.ldif = str_cstr(&text);
		count_done(down, verb);
	}
	if (done == 0 && down->run->change != NULL)
		down->run->change(down->run->context, &change);
	str_free(&dn);
	str_free(&text);
	person_free(&contact);
	return done;
}

int down_show(struct down *down)
{
	return for_each(down, show);
}

/* A move may have begun since the plan was made: its contact is the controller's now. */
static int apply(
	struct down *down, enum target_verb verb, const char *id, const char *encoded, size_t len)
{
	if (clock_mono_us() - down->moves_us > MOVES_EVERY && down_read_moves(down) < 0)
		return -1;
	return down_is_alone(down, id, strlen(id)) ? 0 : down_put(down, verb, id, encoded, len);
}

int down_apply(struct down *down)
{
	const char *error;

	down_progress(down, "writing", 0, down->changes);
	if (for_each(down, apply) < 0)
		return -1;
	if (down->kind->end(down->target, &error) < 0)
		return down_fail(down, error);
	return 0;
}

int down_remember(struct down *down)
{
	struct str seal = STR_INIT, id = STR_INIT;
	struct bulk_pair pair;
	const char *error;
	int got = bulk_sort(down->done, &error);

	while (got >= 0 && (got = bulk_next(down->done, &pair, &error)) == 1) {
		struct down_had had = { .has = 0 };

		memcpy(&had, pair.value, pair.value_len);
		str_reset(&id);
		str_append(&id, pair.key, pair.key_len);
		got = written_put(down->written, str_cstr(&id),
			pair.value_len > 0 ? had.digest : NULL, had.has, &error);
		log_info("dirsync", "contact %s system=%s id=%s",
			pair.value_len > 0 ? "written" : "deleted", down->run->system,
			str_cstr(&id));
	}
	if (down->kind->seal != NULL)
		down->kind->seal(down->target, &seal);
	if (got == 0)
		got = written_commit(
			down->written, str_cstr(&down->record->run), str_cstr(&seal), &error);
	str_free(&seal);
	str_free(&id);
	return got < 0 ? down_fail(down, error) : 0;
}
