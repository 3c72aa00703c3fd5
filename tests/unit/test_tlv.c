/* lib/tlv.c */
#include "tests/unit/unit.h"

#include <string.h>

#include "lib/tlv.h"

static void an_attribute(void **state)
{
	char bytes[] = "\x04\x02"
		       "cn"
		       "\x31\x07"
		       "\x04\x01"
		       "a"
		       "\x04\x02"
		       "bc"
		       "?";
	struct tlv in, set;
	char *data;
	size_t len;

	(void)state;
	tlv_begin(&in, bytes, sizeof bytes - 2);
	assert_int_equal(tlv_next(&in, TLV_OCTETS, &data, &len), 1);
	assert_string_equal(data, "cn");
	assert_int_equal(tlv_next(&in, TLV_SET, &data, &len), 1);
	assert_int_equal(tlv_next(&in, TLV_SET, &(char *){ NULL }, &(size_t){ 0 }), 0);
	tlv_begin(&set, data, len);
	assert_int_equal(tlv_next(&set, TLV_OCTETS, &data, &len), 1);
	assert_int_equal(len, 1);
	assert_string_equal(data, "a");
	assert_int_equal(tlv_next(&set, TLV_OCTETS, &data, &len), 1);
	assert_int_equal(len, 2);
	assert_string_equal(data, "bc");
	assert_int_equal(tlv_next(&set, TLV_OCTETS, &data, &len), 0);
}

static void long_lengths(void **state)
{
	char bytes[3 + 200 + 1] = "\x04\x81\xc8";
	char wide[5 + 200 + 1] = "\x04\x83\x00\x00\xc8";
	struct tlv in;
	char *data;
	size_t len;

	(void)state;
	memset(bytes + 3, 'x', 200);
	tlv_begin(&in, bytes, sizeof bytes - 1);
	assert_int_equal(tlv_next(&in, TLV_OCTETS, &data, &len), 1);
	assert_int_equal(len, 200);
	memset(wide + 5, 'x', 200);
	tlv_begin(&in, wide, sizeof wide - 1);
	assert_int_equal(tlv_next(&in, TLV_OCTETS, &data, &len), 1);
	assert_int_equal(strlen(data), 200);
	assert_int_equal(tlv_next(&in, TLV_OCTETS, &data, &len), 0);
}

static void expect_none(const char *text, size_t len)
{
	char bytes[32] = "";
	struct tlv in;
	char *data;
	size_t size;

	memcpy(bytes, text, len);
	tlv_begin(&in, bytes, len);
	assert_int_equal(tlv_next(&in, TLV_OCTETS, &data, &size), -1);
	assert_memory_equal(bytes, text, len);
}

static void what_is_malformed(void **state)
{
	(void)state;
	expect_none("\x04", 1);
	expect_none("\x04\x02"
		    "a",
		3);
	expect_none("\x30\x01"
		    "a",
		3);
	expect_none("\x04\x80"
		    "a\0\0",
		5);
	expect_none("\x04\x81", 2);
	expect_none("\x04\x89\0\0\0\0\0\0\0\0\1a", 12);
	expect_none("\x04\x88\xff\xff\xff\xff\xff\xff\xff\xff"
		    "a",
		11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_attribute),
		cmocka_unit_test(long_lengths),
		cmocka_unit_test(what_is_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
