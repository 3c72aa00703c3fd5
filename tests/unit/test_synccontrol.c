/* lib/synccontrol.c: the BER of RFC 4533. */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "lib/synccontrol.h"
#include "lib/mem.h"

#define UUID "0123456789abcdef"

/* Parsed from a heap copy of exactly that length, so that a sanitizer sees what is read past it. */
static int on_copy(int (*parse)(const void *, size_t), const void *data, size_t len)
{
	void *copy = mem_dup(data, len);
	int result = parse(copy, len);

	mem_free(&copy);
	return result;
}

static struct sync_state_control state_r;
static struct sync_done_control done_r;
static struct sync_info info_r;

static int parse_state(const void *data, size_t len)
{
	return sync_parse_state(data, len, &state_r);
}

static int parse_done(const void *data, size_t len)
{
	return sync_parse_done(data, len, &done_r);
}

static int parse_info(const void *data, size_t len)
{
	return sync_parse_info(data, len, &info_r);
}

static void test_state(void **state)
{
	static const char full[] = "\x30\x19\x0a\x01\x03\x04\x10" UUID "\x04\x02"
				   "ck";

	(void)state;
	assert_int_equal(sync_parse_state(full, sizeof(full) - 1, &state_r), 0);
	assert_int_equal(state_r.state, SYNC_DELETE);
	assert_memory_equal(state_r.uuid, UUID, 16);
	assert_int_equal(state_r.cookie.len, 2);
	assert_memory_equal(state_r.cookie.data, "ck", 2);
	assert_int_equal(sync_parse_state("\x30\x15\x0a\x01\x01\x04\x10" UUID, 23, &state_r), 0);
	assert_int_equal(state_r.state, SYNC_ADD);
	assert_null(state_r.cookie.data);
	/* an unknown state, a short uuid */
	assert_int_equal(sync_parse_state("\x30\x15\x0a\x01\x04\x04\x10" UUID, 23, &state_r), -1);
	assert_int_equal(sync_parse_state("\x30\x14\x0a\x01\x01\x04\x0f" UUID, 22, &state_r), -1);
	for (size_t cut = 0; cut < sizeof(full) - 1; cut++)
		assert_int_equal(on_copy(parse_state, full, cut), -1);
}

static void test_done(void **state)
{
	(void)state;
	assert_int_equal(sync_parse_done("\x30\x00", 2, &done_r), 0);
	assert_null(done_r.cookie.data);
	assert_false(done_r.refresh_deletes);
	assert_int_equal(sync_parse_done("\x30\x06\x04\x01x\x01\x01\xff", 8, &done_r), 0);
	assert_int_equal(done_r.cookie.len, 1);
	assert_true(done_r.refresh_deletes);
	assert_int_equal(sync_parse_done("\x30\x06\x04\x01x\x01\x02\xff", 8, &done_r), -1);
	assert_int_equal(on_copy(parse_done, "\x30\x06\x04\x01x", 5), -1);
	assert_int_equal(on_copy(parse_done, "", 0), -1);
}

static void test_phases(void **state)
{
	(void)state;
	assert_int_equal(sync_parse_info("\x80\x02xy", 4, &info_r), 0);
	assert_int_equal(info_r.kind, SYNC_NEW_COOKIE);
	assert_int_equal(info_r.cookie.len, 2);
	assert_int_equal(sync_parse_info("\xa1\x00", 2, &info_r), 0);
	assert_int_equal(info_r.kind, SYNC_REFRESH_DELETE);
	assert_true(info_r.refresh_done); /* the default */
	assert_int_equal(sync_parse_info("\xa2\x03\x01\x01\x00", 5, &info_r), 0);
	assert_int_equal(info_r.kind, SYNC_REFRESH_PRESENT);
	assert_false(info_r.refresh_done);
	assert_int_equal(sync_parse_info("\xa4\x00", 2, &info_r), -1);
	assert_int_equal(sync_parse_info("", 0, &info_r), -1);
}

static void test_id_set(void **state)
{
	static const char set[] = "\xa3\x29\x01\x01\xff\x31\x24\x04\x10" UUID "\x04\x10"
				  "fedcba9876543210";

	(void)state;
	assert_int_equal(sync_parse_info(set, sizeof(set) - 1, &info_r), 0);
	assert_int_equal(info_r.kind, SYNC_ID_SET);
	assert_true(info_r.refresh_deletes);
	assert_memory_equal(sync_next_uuid(&info_r.uuids), UUID, 16);
	assert_memory_equal(sync_next_uuid(&info_r.uuids), "fedcba9876543210", 16);
	assert_null(sync_next_uuid(&info_r.uuids));
	for (size_t cut = 0; cut < sizeof(set) - 1; cut++)
		assert_int_equal(on_copy(parse_info, set, cut), -1);
	/* refreshDeletes left out is FALSE; an empty set is one */
	assert_int_equal(sync_parse_info("\xa3\x02\x31\x00", 4, &info_r), 0);
	assert_false(info_r.refresh_deletes);
	assert_null(sync_next_uuid(&info_r.uuids));
}

static void test_lengths(void **state)
{
	(void)state;
	/* the long form is fine, the indefinite one and one that is too long are not */
	assert_int_equal(sync_parse_info("\x80\x81\x02xy", 5, &info_r), 0);
	assert_int_equal(info_r.cookie.len, 2);
	assert_int_equal(sync_parse_info("\x80\x80xy\0\0", 6, &info_r), -1);
	assert_int_equal(sync_parse_info("\x80\x84\xff\xff\xff\xff", 6, &info_r), -1);
	assert_int_equal(sync_parse_info("\x80\x85\0\0\0\0\x01x", 8, &info_r), -1);
}

static void test_request(void **state)
{
	struct str cookie = STR_INIT, out = STR_INIT;

	(void)state;
	sync_make_request(&cookie, false, &out);
	assert_memory_equal(out.data, "\x30\x03\x0a\x01\x01", 5);
	str_reset(&out);
	sync_make_request(&cookie, true, &out);
	assert_int_equal(out.len, 5);
	assert_memory_equal(out.data, "\x30\x03\x0a\x01\x03", 5);
	str_reset(&out);
	for (int i = 0; i < 200; i++)
		str_append_c(&cookie, 'c');
	sync_make_request(&cookie, true, &out);
	assert_int_equal(out.len, 4 + 3 + 4 + 200);
	assert_memory_equal(out.data,
		"\x30\x82\x00\xcf\x0a\x01\x03\x04\x82\x00\xc8"
		"ccc",
		14);
	str_free(&cookie);
	str_free(&out);
}

static void test_garbage(void **state)
{
	unsigned seed = 20261122;
	uint8_t bytes[48];

	(void)state;
	for (int round = 0; round < 200000; round++) {
		size_t len = (size_t)rand_r(&seed) % sizeof(bytes);
		const uint8_t *uuid;

		for (size_t i = 0; i < len; i++)
			bytes[i] =
				(uint8_t)(rand_r(&seed) % 3 ? rand_r(&seed) % 0x32 : rand_r(&seed));
		if (len > 0 && round % 2)
			bytes[0] = (uint8_t[]){ 0x30, 0x80, 0xa1, 0xa2, 0xa3 }[round % 5];
		on_copy(parse_state, bytes, len);
		on_copy(parse_done, bytes, len);
		if (sync_parse_info(bytes, len, &info_r) == 0)
			while ((uuid = sync_next_uuid(&info_r.uuids)) != NULL)
				assert_true(uuid >= bytes && uuid + 16 <= bytes + len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_state),
		cmocka_unit_test(test_done), cmocka_unit_test(test_phases),
		cmocka_unit_test(test_id_set), cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_request), cmocka_unit_test(test_garbage) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
