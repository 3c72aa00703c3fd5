/* Records as bytes. */
#include "directory/record.h"

#include <string.h>

#include "directory/bytes.h"

#define RECORD_VERSION 2

static void put_text16(struct str *out, const char *text, size_t len)
{
	bytes_put(out, len, 2);
	str_append(out, text, len);
}

static void put_text8(struct str *out, const char *text)
{
	bytes_put(out, strlen(text), 1);
	str_append(out, text, strlen(text));
}

void record_encode(const struct record *record, struct str *out)
{
	bytes_put(out, RECORD_VERSION, 1);
	bytes_put(out, (uint64_t)record->kind, 1);
	bytes_put(out, (uint64_t)record->state, 1);
	bytes_put(out, (uint64_t)record->fault, 1);
	str_append(out, record->csn, CSN_LEN);
	put_text8(out, record->name);
	put_text16(out, record->physical, strlen(record->physical));
	put_text16(out, str_cstr(&record->dn), record->dn.len);
	bytes_put(out, record->keys.len, 4);
	str_append(out, str_cstr(&record->keys), record->keys.len);
	if (record->kind == RECORD_SYSTEM) {
		put_text16(out, record->release, strlen(record->release));
		put_text8(out, record->protocol);
		put_text8(out, record->tls);
	}
	if (record->kind == RECORD_MAILBOX || record->kind == RECORD_SYSTEM)
		return;
	str_append(out, record->mark, CSN_LEN);
	bytes_put(out, (uint64_t)record->node, 1);
	bytes_put(out, record->epoch, 8);
	bytes_put(out, record->drained, 8);
	put_text8(out, record->heartbeat);
}

static void take_csn(struct bytes *in, char *csn_r)
{
	bytes_text(in, CSN_LEN, csn_r, CSN_LEN + 1);
	if (!in->bad && !csn_valid(csn_r, CSN_LEN))
		in->bad = true;
}

static unsigned take_bounded(struct bytes *in, unsigned last)
{
	uint64_t number = bytes_number(in, 1);

	if (number > last)
		in->bad = true;
	return in->bad ? 0 : (unsigned)number;
}

static void take_str(struct bytes *in, unsigned octets, struct str *text_r)
{
	size_t len = bytes_number(in, octets);
	const uint8_t *data = bytes_take(in, len);

	str_reset(text_r);
	if (data != NULL)
		str_append(text_r, data, len);
}

static void take_keys(struct bytes *in, struct str *keys_r)
{
	take_str(in, 4, keys_r);
	/* the last key ends with its NUL, or walking them would leave the memory */
	if (keys_r->len > 0 && keys_r->data[keys_r->len - 1] != '\0')
		in->bad = true;
}

static void decode_rest(struct bytes *in, struct record *record)
{
	take_csn(in, record->mark);
	record->node = (enum node_state)take_bounded(in, NODE_UNKNOWN);
	record->epoch = bytes_number(in, 8);
	record->drained = bytes_number(in, 8);
	bytes_text(in, bytes_number(in, 1), record->heartbeat, sizeof(record->heartbeat));
}

int record_decode(const void *data, size_t len, const uint8_t *uuid, struct record *record_r)
{
	struct bytes in = { .data = data, .len = len };

	record_begin(record_r, uuid, "", 0);
	if (bytes_number(&in, 1) != RECORD_VERSION)
		return -1;
	record_r->kind = (enum record_kind)take_bounded(&in, RECORD_NODE);
	record_r->state = (enum route_state)take_bounded(&in, STATE_UNKNOWN);
	record_r->fault = (enum physical_fault)take_bounded(&in, PHYSICAL_SEVERAL);
	take_csn(&in, record_r->csn);
	bytes_text(&in, bytes_number(&in, 1), record_r->name, sizeof(record_r->name));
	bytes_text(&in, bytes_number(&in, 2), record_r->physical, sizeof(record_r->physical));
	take_str(&in, 2, &record_r->dn);
	take_keys(&in, &record_r->keys);
	if (record_r->kind == RECORD_SYSTEM) {
		bytes_text(&in, bytes_number(&in, 2), record_r->release, sizeof(record_r->release));
		bytes_text(
			&in, bytes_number(&in, 1), record_r->protocol, sizeof(record_r->protocol));
		bytes_text(&in, bytes_number(&in, 1), record_r->tls, sizeof(record_r->tls));
	}
	if (record_r->kind == RECORD_FEDERATION || record_r->kind == RECORD_NODE)
		decode_rest(&in, record_r);
	return in.bad || in.len > 0 || record_r->kind == RECORD_NONE ? -1 : 0;
}
