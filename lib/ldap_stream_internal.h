/* What the files of lib/ldap_stream*.c share; nobody else includes it. */
#ifndef RESTANTE_LIB_LDAP_STREAM_INTERNAL_H
#define RESTANTE_LIB_LDAP_STREAM_INTERNAL_H

#include <ldap.h>

#include "lib/ldap_internal.h"
#include "lib/ldap_stream.h"

/* --- one entry ------------------------------------------------------------------------------ */

/*
 * Reads one entry after the other. Names and values are not copied: libldap hands them out where
 * they are in the message, each with a NUL behind it.
 */
struct stream_reader {
	struct ldap_session *session;
	bool show_deleted;
	const char *dn;
	struct ldap_value *values;
	size_t count, room;
	struct str rests;   /* "member;range=1500-*": still to be fetched, each followed by NUL */
	LDAPMessage **more; /* what was fetched: values are in there */
	size_t more_count;
	struct ldap_stream_entry entry;
};

#define STREAM_READER_INIT(its_session, its_options)                                               \
	{                                                                                          \
		.session = (its_session), .show_deleted = (its_options)->show_deleted              \
	}

void stream_reader_free(struct stream_reader *reader);
/* Fills reader->entry, valid until the next call and as long as the message. LDAP_NO_ENTRY: it went
 * away while its values were fetched. */
enum ldap_result stream_reader_take(struct stream_reader *reader, LDAPMessage *message);

/*
 * The end of the range in "member;range=0-1499", *bare_r: length of the name alone. -1: there is
 * no range, or it is the last one ("*"); -2: malformed.
 */
long stream_range_end(const char *name, size_t len, size_t *bare_r);

/* --- messages ------------------------------------------------------------------------------- */

#define STREAM_CONTROLS 3

struct stream_controls {
	LDAPControl items[STREAM_CONTROLS];
	LDAPControl *list[STREAM_CONTROLS + 1];
	size_t count;
};

void stream_control(struct stream_controls *controls, const char *oid, bool critical,
	const struct berval *value);
/* Those of the options, pages aside. */
void stream_controls_init(
	struct stream_controls *controls, const struct ldap_stream_options *options);

enum ldap_result stream_send(struct ldap_session *session,
	const struct ldap_stream_options *options, struct stream_controls *controls, int *msgid_r);

/* The next message of it: 1; 0: options->stop; -1: *result_r, the session has the reason. */
int stream_receive(struct ldap_session *session, const struct ldap_stream_options *options,
	int msgid, LDAPMessage **message_r, enum ldap_result *result_r);

/* LDAP_REFUSED with a reason of ours. */
enum ldap_result stream_refuse(struct ldap_session *session,
	const struct ldap_stream_options *options, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A reference to another server: what is there is missing here. */
enum ldap_result stream_reference(struct ldap_session *session,
	const struct ldap_stream_options *options, LDAPMessage *message);

#endif
