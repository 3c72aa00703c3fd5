/* One entry of a large search: its bytes, and values that come in parts. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/ldap_stream_internal.h"
#include "lib/mem.h"
#include "lib/tlv.h"

#define RANGE "range="

static void forget_more(struct stream_reader *reader)
{
	for (size_t i = 0; i < reader->more_count; i++)
		ldap_msgfree(reader->more[i]);
	reader->more_count = 0;
}

void stream_reader_free(struct stream_reader *reader)
{
	forget_more(reader);
	str_free(&reader->rests);
	mem_free(&reader->more);
	mem_free(&reader->values);
}

const struct ldap_value *ldap_stream_value(const struct ldap_stream_entry *entry, const char *name)
{
	for (size_t i = 0; i < entry->count; i++)
		if (strcasecmp(entry->values[i].name, name) == 0)
			return &entry->values[i];
	return NULL;
}

/* --- ranges --------------------------------------------------------------------------------- */

/* Of "LOW-HIGH" or "LOW-*", up to the end or the next option. */
static long range_end(const char *text, size_t len)
{
	char copy[48], *rest;
	long low, high;

	if (len >= sizeof(copy))
		return -2;
	memcpy(copy, text, len);
	copy[len] = '\0';
	copy[strcspn(copy, ";")] = '\0';
	low = strtol(copy, &rest, 10);
	if (rest == copy || low < 0 || *rest != '-')
		return -2;
	if (strcmp(rest, "-*") == 0)
		return -1;
	high = strtol(rest + 1, &rest, 10);
	return *rest == '\0' && high >= low && high < LONG_MAX ? high : -2;
}

long stream_range_end(const char *name, size_t len, size_t *bare_r)
{
	const char *option = memchr(name, ';', len), *end = name + len;

	*bare_r = option != NULL ? (size_t)(option - name) : len;
	while (option != NULL) {
		size_t left = (size_t)(end - ++option);

		if (left > strlen(RANGE) && strncasecmp(option, RANGE, strlen(RANGE)) == 0)
			return range_end(option + strlen(RANGE), left - strlen(RANGE));
		option = memchr(option, ';', left);
	}
	return -1;
}

/* --- values --------------------------------------------------------------------------------- */

static void put_value(struct stream_reader *reader, const char *name, const char *data, size_t len)
{
	if (reader->count == reader->room) {
		reader->room = reader->room > 0 ? 2 * reader->room : 32;
		reader->values = mem_grow(reader->values, reader->room, sizeof(*reader->values));
	}
	reader->values[reader->count++] =
		(struct ldap_value){ .name = name, .data = data, .len = len };
}

static bool begins_with(const char *text, size_t len, const char *prefix)
{
	return len >= strlen(prefix) && strncasecmp(text, prefix, strlen(prefix)) == 0;
}

/* Options that make it another attribute, such as ";lang-de": whoever wants cn does not mean it. */
static bool has_own_options(const char *name, size_t len, size_t bare)
{
	return len > bare && !begins_with(name + bare, len - bare, ";binary") &&
	       !begins_with(name + bare, len - bare, ";" RANGE);
}

/* The name as callers know it, in its place; more of its values are noted to be fetched. */
static int cut_name(struct stream_reader *reader, char *name, size_t len)
{
	size_t bare;
	long end = stream_range_end(name, len, &bare);

	if (end == -2)
		return LDAP_DECODING_ERROR;
	if (has_own_options(name, len, bare))
		bare = len;
	if (end >= 0) {
		str_printf(&reader->rests, "%.*s;" RANGE "%ld-*", (int)bare, name, end + 1);
		str_append_c(&reader->rests, '\0');
	}
	name[bare] = '\0';
	return LDAP_SUCCESS;
}

/* PartialAttribute (RFC 4511 section 4.1.7). */
static int put_attribute(struct stream_reader *reader, void *bytes, size_t size)
{
	struct tlv parts, values;
	char *name, *data;
	size_t len;
	int got;

	tlv_begin(&parts, bytes, size);
	if (tlv_next(&parts, TLV_OCTETS, &name, &len) != 1 ||
		cut_name(reader, name, len) != LDAP_SUCCESS ||
		tlv_next(&parts, TLV_SET, &data, &len) != 1)
		return LDAP_DECODING_ERROR;
	tlv_begin(&values, data, len);
	while ((got = tlv_next(&values, TLV_OCTETS, &data, &len)) == 1)
		put_value(reader, name, data, len);
	return got == 0 ? LDAP_SUCCESS : LDAP_DECODING_ERROR;
}

/* Into the bytes of libldap's element, which remembers the tag that lies behind them: its own way
 * of handing texts out, too, ends them with a NUL there. */
static int put_attributes(struct stream_reader *reader, LDAPMessage *message, bool first)
{
	struct berval dn, bytes;
	BerElement *ber = NULL;
	ber_len_t left = 0;
	int code = ldap_get_dn_ber(reader->session->handle, message, &ber, &dn);

	if (code == LDAP_SUCCESS && first)
		reader->dn = dn.bv_val;
	while (code == LDAP_SUCCESS &&
		ber_get_option(ber, LBER_OPT_BER_REMAINING_BYTES, &left) == LBER_OPT_SUCCESS &&
		left > 0)
		code = ber_skip_element(ber, &bytes) == LBER_SEQUENCE
			       ? put_attribute(reader, bytes.bv_val, bytes.bv_len)
			       : LDAP_DECODING_ERROR;
	if (ber != NULL)
		ber_free(ber, 0);
	return code;
}

/* --- the rest of values that come in parts -------------------------------------------------- */

static enum ldap_result ask_rest(
	struct stream_reader *reader, const char *rest, LDAPMessage **message_r)
{
	static const struct ldap_stream_options plain = { .filter = "(objectClass=*)" };
	const char *attributes[] = { rest, NULL };
	struct ldap_stream_options options = plain;
	struct stream_controls controls;
	enum ldap_result result;
	int msgid;

	options.base = reader->dn;
	options.scope = LDAP_BASE;
	options.attributes = attributes;
	options.show_deleted = reader->show_deleted;
	stream_controls_init(&controls, &options);
	result = stream_send(reader->session, &options, &controls, &msgid);
	if (result == LDAP_DONE)
		result = ldap_session_wait(
			reader->session, "read the rest of", reader->dn, msgid, message_r);
	return result;
}

static enum ldap_result fetch_rest(struct stream_reader *reader, const char *rest)
{
	LDAPMessage *message = NULL, *entry;
	enum ldap_result result = ask_rest(reader, rest, &message);
	size_t before = reader->count;
	int code;

	if (result != LDAP_DONE)
		return result;
	entry = ldap_first_entry(reader->session->handle, message);
	code = entry == NULL ? LDAP_NO_SUCH_OBJECT : put_attributes(reader, entry, false);
	/* each answer must get us further */
	if (code == LDAP_SUCCESS && reader->count == before && reader->rests.len > 0)
		code = LDAP_DECODING_ERROR;
	reader->more = mem_grow(reader->more, reader->more_count + 1, sizeof(*reader->more));
	reader->more[reader->more_count++] = message;
	return ldap_session_judge(reader->session, "read", reader->dn, code, NULL);
}

static enum ldap_result fetch_rests(struct stream_reader *reader)
{
	enum ldap_result result = LDAP_DONE;

	while (result == LDAP_DONE && reader->rests.len > 0) {
		struct str rests = reader->rests;

		reader->rests = (struct str)STR_INIT;
		for (size_t at = 0; result == LDAP_DONE && at < rests.len;
			at += strlen(rests.data + at) + 1)
			result = fetch_rest(reader, rests.data + at);
		str_free(&rests);
	}
	return result;
}

/* --- the entry ------------------------------------------------------------------------------ */

static bool is_deleted(const struct ldap_stream_entry *entry)
{
	const struct ldap_value *value = ldap_stream_value(entry, "isDeleted");

	return value != NULL && strcasecmp(value->data, "TRUE") == 0;
}

static void settle(struct stream_reader *reader)
{
	reader->entry = (struct ldap_stream_entry){
		.dn = reader->dn, .values = reader->values, .count = reader->count
	};
	reader->entry.deleted = reader->show_deleted && is_deleted(&reader->entry);
}

enum ldap_result stream_reader_take(struct stream_reader *reader, LDAPMessage *message)
{
	enum ldap_result result = LDAP_DONE;
	int code;

	forget_more(reader);
	str_reset(&reader->rests);
	reader->count = 0;
	code = put_attributes(reader, message, true);
	if (code != LDAP_SUCCESS)
		return ldap_session_judge(reader->session, "an entry", NULL, code, NULL);
	if (reader->rests.len > 0)
		result = fetch_rests(reader);
	settle(reader);
	return result;
}
