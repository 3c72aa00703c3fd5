/* The controls and messages of RFC 4533 (lib/synccontrol): what is found lies in the input.
 */
#include "lib/synccontrol.h"
#include "tests/fuzz/fuzz.h"

static void check_inside(const uint8_t *data, size_t size, struct sync_span span)
{
	if (span.data == NULL)
		FUZZ_CHECK(span.len == 0);
	else
		FUZZ_CHECK(span.data >= data && span.len <= size &&
			   (size_t)(span.data - data) <= size - span.len);
}

static void check_info(const uint8_t *data, size_t size)
{
	struct sync_info info;
	const uint8_t *uuid;
	size_t octets = 0;

	if (sync_parse_info(data, size, &info) < 0)
		return;
	check_inside(data, size, info.cookie);
	check_inside(data, size, info.uuids);
	FUZZ_CHECK(info.kind == SYNC_ID_SET || info.uuids.data == NULL);
	/* none of a set is passed over: a uuid that is missed is an entry that stays */
	size_t all = info.uuids.len;
	while ((uuid = sync_next_uuid(&info.uuids)) != NULL) {
		check_inside(data, size, (struct sync_span){ uuid, SYNC_UUID_BYTES });
		octets += SYNC_UUID_BYTES;
	}
	FUZZ_CHECK(info.uuids.len == 0 && octets <= all);
}

/* The length at *at of a BER element with that tag, which reaches to the end of the bytes. */
static size_t open_element(const struct str *bytes, size_t *at, unsigned char tag)
{
	FUZZ_CHECK(*at + 2 <= bytes->len && (unsigned char)bytes->data[*at] == tag);
	size_t len = (unsigned char)bytes->data[*at + 1];
	*at += 2;
	if (len >= 0x80) {
		size_t octets = len & 0x7f;
		for (len = 0; octets > 0; octets--)
			len = len << 8 | (unsigned char)bytes->data[(*at)++];
	}
	FUZZ_CHECK(*at + len == bytes->len);
	return len;
}

/* The request has the cookie in it, with lengths that fit. */
static void check_request(const uint8_t *data, size_t size)
{
	struct str cookie = STR_INIT, request = STR_INIT;
	size_t at = 0;

	str_append(&cookie, data, size);
	sync_make_request(&cookie, true, &request);
	open_element(&request, &at, 0x30);
	FUZZ_CHECK(memcmp(request.data + at, "\x0a\x01\x03", 3) == 0);
	at += 3;
	if (size > 0) {
		FUZZ_CHECK(open_element(&request, &at, 0x04) == size);
		FUZZ_CHECK(memcmp(request.data + at, data, size) == 0);
	}
	str_free(&cookie);
	str_free(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sync_state_control state;
	struct sync_done_control done;

	if (sync_parse_state(data, size, &state) == 0) {
		FUZZ_CHECK(state.state <= SYNC_DELETE);
		check_inside(data, size, (struct sync_span){ state.uuid, SYNC_UUID_BYTES });
		check_inside(data, size, state.cookie);
	}
	if (sync_parse_done(data, size, &done) == 0)
		check_inside(data, size, done.cookie);
	check_info(data, size);
	if (size < 0xff00)
		check_request(data, size);
	return 0;
}
