#include "lib/synccontrol.h"

#include <string.h>

#define TAG_BOOLEAN     0x01
#define TAG_OCTETS      0x04
#define TAG_ENUMERATED  0x0a
#define TAG_SEQUENCE    0x30
#define TAG_SET         0x31
#define TAG_NEW_COOKIE  0x80 /* syncInfoValue, RFC 4533 section 2.5 */
#define TAG_REF_DELETE  0xa1
#define TAG_REF_PRESENT 0xa2
#define TAG_ID_SET      0xa3

#define REFRESH_ONLY        1
#define REFRESH_AND_PERSIST 3

/* Length octets in the definite form (RFC 4511 section 5.1 allows no other). */
static int take_length(struct sync_span *in, size_t *len_r)
{
	size_t count, len = 0;

	if (in->len == 0)
		return -1;
	count = *in->data++;
	in->len--;
	if (count < 0x80) {
		*len_r = count;
		return count <= in->len ? 0 : -1;
	}
	count &= 0x7f;
	if (count == 0 || count > 4 || count > in->len)
		return -1;
	for (size_t i = 0; i < count; i++)
		len = len << 8 | in->data[i];
	in->data += count;
	in->len -= count;
	*len_r = len;
	return len <= in->len ? 0 : -1;
}

/* 1 and the contents where the next element has that tag, 0 where it has not, -1 malformed. */
static int take(struct sync_span *in, uint8_t tag, struct sync_span *contents_r)
{
	size_t len;

	if (in->len == 0 || in->data[0] != tag)
		return 0;
	in->data++;
	in->len--;
	if (take_length(in, &len) < 0)
		return -1;
	contents_r->data = in->data;
	contents_r->len = len;
	in->data += len;
	in->len -= len;
	return 1;
}

static int take_boolean(struct sync_span *in, bool *value)
{
	struct sync_span contents;
	int got = take(in, TAG_BOOLEAN, &contents);

	if (got == 1 && contents.len == 1)
		*value = contents.data[0] != 0;
	return got == 0 || (got == 1 && contents.len == 1) ? 0 : -1;
}

static int take_cookie(struct sync_span *in, struct sync_span *cookie_r)
{
	cookie_r->data = NULL;
	cookie_r->len = 0;
	return take(in, TAG_OCTETS, cookie_r) < 0 ? -1 : 0;
}

static struct sync_span span_of(const void *data, size_t len)
{
	return (struct sync_span){ .data = data, .len = len };
}

int sync_parse_state(const void *data, size_t len, struct sync_state_control *control_r)
{
	struct sync_span in = span_of(data, len), body, state, uuid;

	if (take(&in, TAG_SEQUENCE, &body) != 1)
		return -1;
	if (take(&body, TAG_ENUMERATED, &state) != 1 || state.len != 1 || *state.data > SYNC_DELETE)
		return -1;
	if (take(&body, TAG_OCTETS, &uuid) != 1 || uuid.len != SYNC_UUID_BYTES)
		return -1;
	control_r->state = (enum sync_state) * state.data;
	control_r->uuid = uuid.data;
	return take_cookie(&body, &control_r->cookie);
}

int sync_parse_done(const void *data, size_t len, struct sync_done_control *control_r)
{
	struct sync_span in = span_of(data, len), body;

	control_r->refresh_deletes = false;
	if (take(&in, TAG_SEQUENCE, &body) != 1 || take_cookie(&body, &control_r->cookie) < 0)
		return -1;
	return take_boolean(&body, &control_r->refresh_deletes);
}

static int check_uuids(struct sync_span uuids)
{
	struct sync_span uuid;
	int got;

	while ((got = take(&uuids, TAG_OCTETS, &uuid)) == 1)
		if (uuid.len != SYNC_UUID_BYTES)
			return -1;
	return got == 0 && uuids.len == 0 ? 0 : -1;
}

static int parse_phase_end(struct sync_span *body, struct sync_info *info)
{
	info->refresh_done = true;
	if (take_cookie(body, &info->cookie) < 0)
		return -1;
	return take_boolean(body, &info->refresh_done);
}

static int parse_id_set(struct sync_span *body, struct sync_info *info)
{
	if (take_cookie(body, &info->cookie) < 0 || take_boolean(body, &info->refresh_deletes) < 0)
		return -1;
	if (take(body, TAG_SET, &info->uuids) != 1)
		return -1;
	return check_uuids(info->uuids);
}

int sync_parse_info(const void *data, size_t len, struct sync_info *info_r)
{
	static const struct {
		uint8_t tag;
		enum sync_info_kind kind;
	} kinds[] = { { TAG_NEW_COOKIE, SYNC_NEW_COOKIE }, { TAG_REF_DELETE, SYNC_REFRESH_DELETE },
		{ TAG_REF_PRESENT, SYNC_REFRESH_PRESENT }, { TAG_ID_SET, SYNC_ID_SET } };
	struct sync_span in = span_of(data, len), body;

	memset(info_r, 0, sizeof(*info_r));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (len == 0 || *(const uint8_t *)data != kinds[i].tag)
			continue;
		if (take(&in, kinds[i].tag, &body) != 1)
			return -1;
		info_r->kind = kinds[i].kind;
		switch (info_r->kind) {
		case SYNC_NEW_COOKIE: info_r->cookie = body; return 0;
		case SYNC_ID_SET: return parse_id_set(&body, info_r);
		default: return parse_phase_end(&body, info_r);
		}
	}
	return -1;
}

const uint8_t *sync_next_uuid(struct sync_span *uuids)
{
	struct sync_span uuid;

	return take(uuids, TAG_OCTETS, &uuid) == 1 && uuid.len == SYNC_UUID_BYTES ? uuid.data
										  : NULL;
}

static void append_length(struct str *out, size_t len)
{
	if (len >= 0x80) {
		str_append_c(out, (char)0x82);
		str_append_c(out, (char)(len >> 8));
	}
	str_append_c(out, (char)(len & 0xff));
}

void sync_make_request(const struct str *cookie, bool persist, struct str *out)
{
	struct str body = STR_INIT;

	str_append(&body, "\x0a\x01", 2);
	str_append_c(&body, persist ? REFRESH_AND_PERSIST : REFRESH_ONLY);
	if (cookie->len > 0) {
		str_append_c(&body, TAG_OCTETS);
		append_length(&body, cookie->len);
		str_append(&body, cookie->data, cookie->len);
	}
	str_append_c(out, TAG_SEQUENCE);
	append_length(out, body.len);
	str_append(out, body.data, body.len);
	str_free(&body);
}
