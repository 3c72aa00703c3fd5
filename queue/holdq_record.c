#define _GNU_SOURCE
#include "queue/holdq_record.h"

#include <string.h>

#include "lib/mem.h"

#define RECORD_VERSION 1
#define STRING_MAX     (1U << 20)

static void put_number(uint8_t *out, uint64_t value, size_t bytes)
{
	while (bytes-- > 0) {
		out[bytes] = (uint8_t)value;
		value >>= 8;
	}
}

static uint64_t get_number(const uint8_t *in, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | in[i];
	return value;
}

/* --- keys ------------------------------------------------------------------------------------ */

void key_id(uint8_t key_r[ID_KEY], uint64_t id)
{
	put_number(key_r, id, 8);
}

void key_recipient(uint8_t key_r[RECIPIENT_KEY], uint64_t id, uint32_t number)
{
	put_number(key_r, id, 8);
	put_number(key_r + 8, number, 4);
}

void key_index(uint8_t key_r[INDEX_KEY], const uint8_t *mailbox, uint64_t id, uint32_t number)
{
	memcpy(key_r, mailbox, ROUTE_UUID_BYTES);
	key_recipient(key_r + ROUTE_UUID_BYTES, id, number);
}

void key_digest(uint8_t key_r[DIGEST_KEY], uint32_t day, const uint8_t *digest, uint64_t id)
{
	put_number(key_r, day, 4);
	memcpy(key_r + 4, digest, DIGEST_BYTES);
	put_number(key_r + 4 + DIGEST_BYTES, id, 8);
}

void key_chunk(uint8_t key_r[CHUNK_KEY], uint64_t content, uint32_t n)
{
	key_recipient(key_r, content, n);
}

uint64_t key_u64(const void *key, size_t len, size_t offset)
{
	return len >= offset + 8 ? get_number((const uint8_t *)key + offset, 8) : 0;
}

uint32_t key_u32(const void *key, size_t len, size_t offset)
{
	return len >= offset + 4 ? (uint32_t)get_number((const uint8_t *)key + offset, 4) : 0;
}

/* --- fields ---------------------------------------------------------------------------------- */

static void add_number(struct str *out, uint64_t value, size_t bytes)
{
	uint8_t field[8];

	put_number(field, value, bytes);
	str_append(out, field, bytes);
}

static void add_string(struct str *out, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	add_number(out, len, 4);
	str_append(out, text, len);
}

/* What is left to decode; bad once anything was missing, and everything read after that is 0. */
struct input {
	const uint8_t *data;
	size_t left;
	bool bad;
};

static const uint8_t *take(struct input *in, size_t bytes)
{
	if (in->bad || in->left < bytes) {
		in->bad = true;
		return NULL;
	}
	const uint8_t *field = in->data;
	in->data += bytes;
	in->left -= bytes;
	return field;
}

static uint64_t take_number(struct input *in, size_t bytes)
{
	const uint8_t *field = take(in, bytes);

	return field ? get_number(field, bytes) : 0;
}

static void take_bytes(struct input *in, uint8_t *out, size_t bytes)
{
	const uint8_t *field = take(in, bytes);

	if (field != NULL)
		memcpy(out, field, bytes);
}

static char *take_string(struct input *in)
{
	size_t len = (size_t)take_number(in, 4);
	const uint8_t *text = len <= STRING_MAX ? take(in, len) : NULL;

	if (text == NULL || memchr(text, '\0', len) != NULL) {
		in->bad = true;
		return NULL;
	}
	return mem_strndup((const char *)text, len);
}

static struct input begin(const void *data, size_t len)
{
	struct input in = { data, len, false };

	if (take_number(&in, 1) != RECORD_VERSION)
		in.bad = true;
	return in;
}

static bool finished(const struct input *in)
{
	return !in->bad && in->left == 0;
}

/* --- messages -------------------------------------------------------------------------------- */

#define ENVELOPE_STRINGS 8

/* The strings in the order in which they are stored. */
static void envelope_strings(struct holdq_envelope *envelope, char **strings_r[ENVELOPE_STRINGS])
{
	strings_r[0] = &envelope->sender;
	strings_r[1] = &envelope->mail_params;
	strings_r[2] = &envelope->client_name;
	strings_r[3] = &envelope->client_address;
	strings_r[4] = &envelope->helo;
	strings_r[5] = &envelope->auth_user;
	strings_r[6] = &envelope->queue_id;
	strings_r[7] = &envelope->id;
}

void envelope_clear(struct holdq_envelope *envelope)
{
	char **strings[ENVELOPE_STRINGS];

	envelope_strings(envelope, strings);
	for (size_t i = 0; i < ENVELOPE_STRINGS; i++)
		mem_free(strings[i]);
}

void message_encode(struct str *out, const struct message_record *record)
{
	struct holdq_envelope envelope = record->envelope;
	char **strings[ENVELOPE_STRINGS];

	add_number(out, RECORD_VERSION, 1);
	add_number(out, record->content, 8);
	add_number(out, record->bytes, 8);
	add_number(out, record->large, 1);
	add_number(out, (uint64_t)envelope.arrived_us, 8);
	add_number(out, record->has_digest, 1);
	if (record->has_digest) {
		add_number(out, record->day, 4);
		str_append(out, record->digest, DIGEST_BYTES);
	}
	envelope_strings(&envelope, strings);
	for (size_t i = 0; i < ENVELOPE_STRINGS; i++)
		add_string(out, *strings[i]);
}

int message_decode(const void *data, size_t len, struct message_record *record_r)
{
	struct input in = begin(data, len);
	char **strings[ENVELOPE_STRINGS];

	memset(record_r, 0, sizeof(*record_r));
	record_r->content = take_number(&in, 8);
	record_r->bytes = take_number(&in, 8);
	record_r->large = take_number(&in, 1) != 0;
	record_r->envelope.arrived_us = (int64_t)take_number(&in, 8);
	record_r->has_digest = take_number(&in, 1) != 0;
	if (record_r->has_digest) {
		record_r->day = (uint32_t)take_number(&in, 4);
		take_bytes(&in, record_r->digest, DIGEST_BYTES);
	}
	envelope_strings(&record_r->envelope, strings);
	for (size_t i = 0; i < ENVELOPE_STRINGS; i++)
		*strings[i] = take_string(&in);
	if (finished(&in))
		return 0;
	envelope_clear(&record_r->envelope);
	return -1;
}

/* --- recipients ------------------------------------------------------------------------------ */

void recipient_clear(struct holdq_held_recipient *recipient)
{
	mem_free(&recipient->address);
	mem_free(&recipient->params);
	mem_free(&recipient->last_reply);
}

void recipient_encode(struct str *out, const struct holdq_held_recipient *recipient)
{
	add_number(out, RECORD_VERSION, 1);
	str_append(out, recipient->mailbox, ROUTE_UUID_BYTES);
	add_number(out, (uint64_t)recipient->release_began_us, 8);
	add_number(out, (uint64_t)recipient->trouble_us, 8);
	add_number(out, recipient->attempts, 4);
	add_number(out, recipient->delay_told, 1);
	add_string(out, recipient->address);
	add_string(out, recipient->params);
	add_string(out, recipient->last_reply);
}

int recipient_decode(const void *data, size_t len, struct holdq_held_recipient *recipient_r)
{
	struct input in = begin(data, len);

	memset(recipient_r, 0, sizeof(*recipient_r));
	take_bytes(&in, recipient_r->mailbox, ROUTE_UUID_BYTES);
	recipient_r->release_began_us = (int64_t)take_number(&in, 8);
	recipient_r->trouble_us = (int64_t)take_number(&in, 8);
	recipient_r->attempts = (uint32_t)take_number(&in, 4);
	recipient_r->delay_told = take_number(&in, 1) != 0;
	recipient_r->address = take_string(&in);
	recipient_r->params = take_string(&in);
	recipient_r->last_reply = take_string(&in);
	if (finished(&in))
		return 0;
	recipient_clear(recipient_r);
	return -1;
}

/* --- counts ---------------------------------------------------------------------------------- */

void index_encode(struct str *out, const struct index_record *record)
{
	add_number(out, RECORD_VERSION, 1);
	add_number(out, (uint64_t)record->arrived_us, 8);
	add_number(out, record->bytes, 8);
}

int index_decode(const void *data, size_t len, struct index_record *record_r)
{
	struct input in = begin(data, len);

	record_r->arrived_us = (int64_t)take_number(&in, 8);
	record_r->bytes = take_number(&in, 8);
	return finished(&in) ? 0 : -1;
}

void mailbox_encode(struct str *out, const struct holdq_mailbox *mailbox)
{
	add_number(out, RECORD_VERSION, 1);
	add_number(out, mailbox->recipients, 8);
	add_number(out, mailbox->bytes, 8);
	add_number(out, (uint64_t)mailbox->oldest_us, 8);
}

int mailbox_decode(const void *data, size_t len, struct holdq_mailbox *mailbox_r)
{
	struct input in = begin(data, len);

	mailbox_r->recipients = take_number(&in, 8);
	mailbox_r->bytes = take_number(&in, 8);
	mailbox_r->oldest_us = (int64_t)take_number(&in, 8);
	return finished(&in) ? 0 : -1;
}

void totals_encode(struct str *out, const struct holdq_totals *totals)
{
	add_number(out, RECORD_VERSION, 1);
	add_number(out, totals->messages, 8);
	add_number(out, totals->recipients, 8);
	add_number(out, totals->bytes, 8);
	add_number(out, totals->mailboxes, 8);
}

int totals_decode(const void *data, size_t len, struct holdq_totals *totals_r)
{
	struct input in = begin(data, len);

	totals_r->messages = take_number(&in, 8);
	totals_r->recipients = take_number(&in, 8);
	totals_r->bytes = take_number(&in, 8);
	totals_r->mailboxes = take_number(&in, 8);
	return finished(&in) ? 0 : -1;
}
