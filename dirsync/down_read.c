/* What the directory wants, what the target has, and which mailboxes moves keep out of it. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "dirsync/down.h"
#include "dirsync/moves.h"
#include "lib/address.h"
#include "lib/clock.h"
#include "lib/mailbox.h"

#define MOVES_AT_ONCE 50
#define GRACE_US      (7 * 24 * 3600 * CLOCK_SECOND) /* of a system without up NAME {} */

/* --- the directory ---------------------------------------------------------------------------- */

/* In a thread of its own. */
struct reader {
	struct down *down;
	struct contact_source source;
	struct person contact;
	struct str value;
	_Atomic uint64_t count;
	const char *why; /* of the callback */
	bool failed;
	char error[1024];
};

/* Whether a mailbox that its system does not list any more is still worth a contact: while it is
 * routed. It is deleted after the grace, or waits for somebody to approve that. */
static bool is_gone(const struct down *down, const struct contact_source *source)
{
	const struct config_up *up = config_up(down->run->config, str_cstr(&source->system));
	int64_t grace = up != NULL ? up->grace : GRACE_US;

	return source->vanished_us > 0 && clock_wall_us() - source->vanished_us > grace;
}

static int take_mailbox(void *context, const struct ldap_stream_entry *entry)
{
	struct reader *reader = context;
	struct down *down = reader->down;
	uint8_t digest[PERSON_DIGEST_SIZE];

	if (contact_source_read(entry, &reader->source) == 0 ||
		strcasecmp(str_cstr(&reader->source.system), down->run->system) == 0 ||
		is_gone(down, &reader->source))
		return 0;
	contact_render(down->form, &reader->source, &reader->contact);
	if (reader->contact.attributes.count == 0)
		return 0;
	person_digest(&reader->contact, digest);
	str_reset(&reader->value);
	str_append(&reader->value, digest, sizeof(digest));
	person_encode(&reader->contact, &reader->value);
	atomic_fetch_add(&reader->count, 1);
	return bulk_add(down->want, reader->contact.id.data, reader->contact.id.len,
		reader->value.data, reader->value.len, &reader->why);
}

static int read_directory(struct reader *reader, struct ldap_session *session)
{
	struct down *down = reader->down;
	struct ldap_stream_options options = { .base = down->ldap.base,
		.scope = LDAP_SUB,
		.attributes = contact_form_sources(down->form),
		.deadline_us = down->deadline_us,
		.stop = &down->stop };
	struct str filter = STR_INIT;
	enum ldap_result result;
	bool stopped = false;

	str_append_z(&filter, "(&(objectClass=restanteMailbox)(!(restanteSystem=");
	ldap_filter_escape(down->run->system, &filter);
	str_append_z(&filter, ")))");
	options.filter = str_cstr(&filter);
	result = ldap_stream_search(session, &options, take_mailbox, reader, &stopped);
	str_free(&filter);
	if (result == LDAP_DONE)
		return 0;
	if (!stopped)
		reader->why = ldap_session_reason(session);
	return -1;
}

static int read_wanted(struct reader *reader)
{
	const char *why = NULL;
	struct ldap_session *session = ldap_session_open(&reader->down->ldap, &why);
	int done = session == NULL ? -1 : read_directory(reader, session);

	if (session != NULL)
		why = reader->why;
	if (done == 0)
		done = bulk_sort(reader->down->want, &why);
	/* the text may be this thread's alone, or the session's */
	if (done < 0)
		snprintf(reader->error, sizeof(reader->error), "the mailboxes in the directory: %s",
			why != NULL ? why : "stopped");
	ldap_session_close(&session);
	return done;
}

static void *reader_thread(void *context)
{
	struct reader *reader = context;

	pthread_setname_np(pthread_self(), "down");
	reader->failed = read_wanted(reader) < 0;
	return NULL;
}

/* --- the target ------------------------------------------------------------------------------- */

int down_take_had(
	void *context, const char *id, const uint8_t digest[PERSON_DIGEST_SIZE], uint64_t has)
{
	struct down *down = context;
	struct down_had had = { .has = has };
	const char *error;

	if (++down->had % 1000 == 0)
		down_progress(down, "reading", down->had, 0);
	memcpy(had.digest, digest, sizeof(had.digest));
	if (bulk_add(down->have, id, strlen(id), &had, sizeof(had), &error) == 0)
		return 0;
	return down_fail(down, error);
}

static int list_target(struct down *down)
{
	const char *error = NULL;
	int done;

	if (down->kind->lists) {
		done = down->kind->begin(down->target, &down->sink, &error);
		if (done == 0)
			done = down->kind->list(down->target, &error);
	} else {
		done = written_list(down->written, down_take_had, down, &error);
	}
	if (done == 0)
		done = bulk_sort(down->have, &error);
	return done < 0 ? down_fail(down, error) : 0;
}

static void free_reader(struct reader *reader)
{
	contact_source_free(&reader->source);
	person_free(&reader->contact);
	str_free(&reader->value);
}

int down_read(struct down *down)
{
	struct reader reader = { .down = down, .contact = PERSON_INIT };
	pthread_t thread;
	int done;

	down_progress(down, "reading", 0, 0);
	if (pthread_create(&thread, NULL, reader_thread, &reader) != 0)
		return down_fail(down, "no thread could be started to read the directory");
	done = list_target(down);
	if (done < 0)
		atomic_store(&down->stop, true);
	pthread_join(thread, NULL);
	down->wanted = atomic_load(&reader.count);
	if (done == 0 && reader.failed)
		done = down_fail(down, reader.error);
	free_reader(&reader);
	return done;
}

/* --- moves ------------------------------------------------------------------------------------ */

struct keeping {
	struct down *down;
	const struct moves *moves;
};

static bool kept_out(const struct keeping *keeping, const char *key, const char *owner)
{
	const struct moves *moves = keeping->moves;

	for (const struct move *m = moves_find(moves, key);
		m != NULL && m < moves->list + moves->count && strcmp(str_cstr(&m->key), key) == 0;
		m++)
		if (move_keeps_out(m, keeping->down->run->system, owner))
			return true;
	return false;
}

static int take_moving(void *context, const struct ldap_entry *entry)
{
	static const char *const names[] = { "mailLocalAddress", "restanteAddressUTF8" };
	const struct keeping *keeping = context;
	const char *id = ldap_entry_value(entry, "entryUUID");
	const char *owner = ldap_entry_value(entry, "restanteSystem");
	struct address address;

	for (size_t n = 0; n < 2 && id != NULL && owner != NULL; n++) {
		const struct ldap_attribute *values = ldap_entry_attribute(entry, names[n]);

		for (size_t i = 0; values != NULL && i < values->count; i++)
			if (contact_address(values->values[i], &address) &&
				kept_out(keeping, address.key, owner))
				strings_add(&keeping->down->alone, id);
	}
	return 0;
}

/* The mailboxes of some moves. */
static enum ldap_result find_moving(
	struct keeping *keeping, struct ldap_session *session, size_t from, size_t to)
{
	static const char *const names[] = { "entryUUID", "restanteSystem", "mailLocalAddress",
		"restanteAddressUTF8", NULL };
	struct str filter = STR_INIT;
	struct address address;
	enum ldap_result result = LDAP_DONE;
	const char *error;
	bool any = false;

	str_append_z(&filter, "(|");
	for (size_t i = from; i < to; i++)
		if (keeping->moves->list[i].kind != MOVE_OVER &&
			address_parse(str_cstr(&keeping->moves->list[i].key), &address, &error) ==
				0) {
			mailbox_filter(&address, &filter);
			any = true;
		}
	str_append_c(&filter, ')');
	if (any)
		result = ldap_session_search(session, keeping->down->ldap.base, LDAP_SUB,
			str_cstr(&filter), names, take_moving, keeping);
	str_free(&filter);
	return result;
}

bool down_is_alone(const struct down *down, const char *id, size_t len)
{
	char text[PERSON_ID_MAX + 1];

	if (down->alone.count == 0 || len > PERSON_ID_MAX)
		return false;
	memcpy(text, id, len);
	text[len] = '\0';
	return strings_has(&down->alone, text);
}

int down_read_moves(struct down *down)
{
	struct moves moves;
	struct keeping keeping = { down, &moves };
	struct ldap_session *session = down->session;
	enum ldap_result result;

	down->moves_us = clock_mono_us();
	strings_reset(&down->alone);
	result = moves_read(session, down->ldap.base, &moves);
	for (size_t i = 0; i < moves.count && result == LDAP_DONE; i += MOVES_AT_ONCE)
		result = find_moving(&keeping, session, i,
			moves.count - i < MOVES_AT_ONCE ? moves.count : i + MOVES_AT_ONCE);
	moves_free(&moves);
	return result == LDAP_DONE ? 0 : down_fail(down, ldap_session_reason(session));
}
