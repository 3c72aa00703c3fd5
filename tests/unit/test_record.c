/* directory/record.c, record_code.c, claims.c, lib/bulksort.c: what is pure, or only files. */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/bulksort.h"
#include "directory/claims.h"
#include "directory/record.h"
#include "lib/clock.h"

#define CSN "20261122055519.411540Z#000000#001#000000"

static const uint8_t uuid_a[16] = "aaaaaaaaaaaaaaa", uuid_b[16] = "bbbbbbbbbbbbbbb";

static void value(struct record *record, const char *name, const char *text)
{
	record_value(record, record_attribute(name, strlen(name)), text, strlen(text));
}

static void mailbox(struct record *record, const uint8_t *uuid, const char *address)
{
	record_begin(record, uuid, "uid=x,dc=example", 16);
	value(record, "objectClass", "inetOrgPerson");
	value(record, "objectclass", "RestanteMailbox");
	value(record, "entryCSN", CSN);
	value(record, "restanteSystem", "S1");
	value(record, "cn", "Somebody");
	value(record, "mailRoutingAddress", "x@s1.example.net");
	if (address != NULL)
		value(record, "mailLocalAddress", address);
}

static void test_mailbox(void **state)
{
	struct record r = { .kind = RECORD_NONE };
	const char *error;

	(void)state;
	mailbox(&r, uuid_a, "Anna.B@Example.ORG");
	value(&r, "restanteState", "Holding");
	value(&r, "restanteAddressUTF8", "BÜRO@example.org");
	value(&r, "mailLocalAddress", "anna.b@example.org"); /* the same once more */
	value(&r, "mailLocalAddress", "@example.net");
	assert_int_equal(record_finish(&r, &error), 0);
	assert_int_equal(r.kind, RECORD_MAILBOX);
	assert_int_equal(r.state, STATE_HOLDING);
	assert_string_equal(r.name, "S1");
	assert_int_equal(r.fault, PHYSICAL_OK);
	assert_int_equal(record_count(&r), 3);
	assert_string_equal(record_first(&r), "anna.b@example.org");
	assert_true(record_has(&r, "büro@example.org"));
	assert_true(record_has(&r, "@example.net"));
	assert_int_equal(r.bad_count, 0);
	record_free(&r);
}

static void test_faults(void **state)
{
	struct record r = { .kind = RECORD_NONE };
	const char *error;

	(void)state;
	mailbox(&r, uuid_a, "no domain");
	assert_int_equal(r.bad_count, 1);
	assert_string_equal(r.bad, "no\\x20domain");
	value(&r, "mailRoutingAddress", "y@s1.example.net");
	assert_int_equal(r.fault, PHYSICAL_SEVERAL);
	value(&r, "restanteState", "frozen");
	assert_int_equal(r.state, STATE_UNKNOWN);
	record_begin(&r, uuid_a, "x", 1);
	value(&r, "objectClass", "restanteMailbox");
	value(&r, "mailRoutingAddress", "not an address");
	assert_int_equal(r.fault, PHYSICAL_MALFORMED);
	assert_int_equal(record_finish(&r, &error), -1); /* no entryCSN */
	value(&r, "entryCSN", "nonsense");
	assert_int_equal(record_finish(&r, &error), -1);
	value(&r, "entryCSN", CSN);
	assert_int_equal(record_finish(&r, &error), 0);
	record_begin(&r, uuid_a, "x", 1);
	value(&r, "entryCSN", CSN);
	assert_int_equal(record_finish(&r, &error), -1); /* no class of ours */
	record_free(&r);
}

static void test_others(void **state)
{
	struct record r = { .kind = RECORD_NONE };
	const char *error;

	(void)state;
	record_begin(&r, uuid_a, "cn=restante", 11);
	value(&r, "objectClass", "restanteFederation");
	value(&r, "entryCSN", CSN);
	value(&r, "associatedDomain", "Bücher.example");
	value(&r, "associatedDomain", "example.org");
	value(&r, "restanteEpoch", "18446744073709551615");
	assert_int_equal(record_finish(&r, &error), 0);
	assert_true(record_has(&r, "xn--bcher-kva.example"));
	assert_true(r.epoch == UINT64_MAX);
	record_begin(&r, uuid_a, "cn=n", 4);
	value(&r, "objectClass", "restanteNode");
	value(&r, "entryCSN", CSN);
	value(&r, "cn", "n");
	assert_int_equal(record_finish(&r, &error), 0);
	assert_int_equal(r.node, NODE_UNKNOWN); /* without a state it is not enabled */
	value(&r, "restanteNodeState", "ENABLED");
	assert_int_equal(r.node, NODE_ENABLED);
	value(&r, "restanteNodeState", "resting");
	assert_int_equal(r.node, NODE_UNKNOWN);
	record_free(&r);
}

static void test_code(void **state)
{
	struct record r = { .kind = RECORD_NONE }, back = { .kind = RECORD_NONE };
	struct str bytes = STR_INIT, again = STR_INIT;
	const char *error;

	(void)state;
	record_begin(&r, uuid_a, "cn=n,ou=nodes", 13);
	value(&r, "objectClass", "restanteNode");
	value(&r, "entryCSN", CSN);
	value(&r, "cn", "n");
	value(&r, "restanteNodeState", "disabling");
	value(&r, "restanteAckEpoch", "12");
	value(&r, "restanteDrainedEpoch", "11");
	value(&r, "restanteHeartbeat", "20261122055519Z");
	assert_int_equal(record_finish(&r, &error), 0);
	record_encode(&r, &bytes);
	assert_int_equal(record_decode(bytes.data, bytes.len, uuid_a, &back), 0);
	assert_int_equal(back.node, NODE_DISABLING);
	assert_int_equal(back.epoch, 12);
	assert_int_equal(back.drained, 11);
	assert_string_equal(back.heartbeat, "20261122055519Z");
	assert_string_equal(back.mark, CSN);
	record_encode(&back, &again);
	assert_int_equal(bytes.len, again.len);
	assert_memory_equal(bytes.data, again.data, bytes.len);
	for (size_t cut = 0; cut < bytes.len; cut++)
		assert_int_equal(record_decode(bytes.data, cut, uuid_a, &back), -1);
	str_append_c(&bytes, 'x');
	assert_int_equal(record_decode(bytes.data, bytes.len, uuid_a, &back), -1);
	str_free(&bytes);
	str_free(&again);
	record_free(&r);
	record_free(&back);
}

static void test_system(void **state)
{
	struct record r = { .kind = RECORD_NONE }, back = { .kind = RECORD_NONE };
	struct str bytes = STR_INIT;
	char longest[REPLICA_RELEASE_MAX + 2];
	const char *error;

	(void)state;
	memset(longest, 'h', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	record_begin(&r, uuid_a, "cn=S2,ou=systems", 16);
	value(&r, "objectClass", "restanteBackend");
	value(&r, "entryCSN", CSN);
	value(&r, "cn", "S2");
	value(&r, "restanteReleaseAddress", "s2.example.net:24");
	value(&r, "restanteReleaseProtocol", "LMTP");
	value(&r, "restanteReleaseTLS", "more than fits here");
	assert_int_equal(record_finish(&r, &error), 0);
	record_encode(&r, &bytes);
	assert_int_equal(record_decode(bytes.data, bytes.len, uuid_a, &back), 0);
	assert_string_equal(back.name, "S2");
	assert_string_equal(back.release, "s2.example.net:24");
	assert_string_equal(back.protocol, "LMTP");
	assert_string_equal(back.tls, "?"); /* not taken for none */
	for (size_t cut = 0; cut < bytes.len; cut++)
		assert_int_equal(record_decode(bytes.data, cut, uuid_a, &back), -1);
	value(&r, "restanteReleaseAddress", longest);
	assert_string_equal(r.release, "?");
	record_begin(&r, uuid_a, "cn=S2,ou=systems", 16);
	assert_string_equal(r.release, "");
	str_free(&bytes);
	record_free(&r);
	record_free(&back);
}

static void test_spoiled_bytes(void **state)
{
	struct record r = { .kind = RECORD_NONE }, back = { .kind = RECORD_NONE };
	struct str bytes = STR_INIT, copy = STR_INIT;
	unsigned seed = 4533;
	struct claims claims;
	const char *error;

	(void)state;
	mailbox(&r, uuid_a, "anna@example.org");
	assert_int_equal(record_finish(&r, &error), 0);
	record_encode(&r, &bytes);
	claims_encode(&r, &bytes);
	for (int round = 0; round < 50000; round++) {
		str_reset(&copy);
		str_append(&copy, bytes.data, bytes.len);
		for (int i = 0; i < 3; i++)
			copy.data[(size_t)rand_r(&seed) % copy.len] = (char)rand_r(&seed);
		if (record_decode(copy.data, (size_t)rand_r(&seed) % copy.len, uuid_a, &back) == 0)
			record_count(&back);
		claims_read(copy.data + copy.len / 2, copy.len / 2, &claims);
	}
	str_free(&bytes);
	str_free(&copy);
	record_free(&r);
	record_free(&back);
}

/* --- claims --------------------------------------------------------------------------------- */

static void test_claims(void **state)
{
	struct record a = { .kind = RECORD_NONE }, b = { .kind = RECORD_NONE };
	struct str value_now = STR_INIT, next = STR_INIT;
	struct claims claims;

	(void)state;
	mailbox(&a, uuid_a, NULL);
	mailbox(&b, uuid_b, NULL);
	value(&b, "restanteState", "deferred");
	assert_int_equal(claims_replace("", 0, uuid_a, &a, &value_now), 1);
	assert_int_equal(claims_replace(value_now.data, value_now.len, uuid_b, &b, &next), 2);
	assert_int_equal(claims_read(next.data, next.len, &claims), 0);
	assert_int_equal(claims.count, 2);
	assert_memory_equal(claims.first.uuid, uuid_a, 16);
	assert_string_equal(claims.first.system, "S1");
	assert_string_equal(claims.first.physical, "x@s1.example.net");
	/* the same mailbox once more replaces its claim */
	assert_int_equal(claims_replace(next.data, next.len, uuid_a, &a, &value_now), 2);
	assert_int_equal(claims_replace(value_now.data, value_now.len, uuid_a, NULL, &next), 1);
	assert_int_equal(claims_read(next.data, next.len, &claims), 0);
	assert_memory_equal(claims.first.uuid, uuid_b, 16);
	assert_int_equal(claims.first.state, STATE_DEFERRED);
	assert_int_equal(claims_replace(next.data, next.len, uuid_b, NULL, &value_now), 0);
	assert_int_equal(value_now.len, 0);
	assert_int_equal(claims_replace("?", 1, uuid_b, NULL, &value_now), -1);
	str_free(&value_now);
	str_free(&next);
	record_free(&a);
	record_free(&b);
}

static void test_tombstones(void **state)
{
	struct tombstone grave = { .wall_us = 1000, .mono_us = 50, .process = 7 };
	struct record a = { .kind = RECORD_NONE };
	struct str bytes = STR_INIT, next = STR_INIT;
	struct claims claims;

	(void)state;
	claims_bury(&grave, &bytes);
	assert_int_equal(claims_read(bytes.data, bytes.len, &claims), 0);
	assert_true(claims.buried);
	assert_int_equal(claims.tombstone.wall_us, 1000);
	assert_int_equal(claims.tombstone.process, 7);
	/* a claim digs it up */
	mailbox(&a, uuid_a, NULL);
	assert_int_equal(claims_replace(bytes.data, bytes.len, uuid_a, &a, &next), 1);
	assert_int_equal(claims_read(next.data, next.len, &claims), 0);
	assert_false(claims.buried);
	str_free(&bytes);
	str_free(&next);
	record_free(&a);
}

static void test_turned_clocks(void **state)
{
	const int64_t hour = 3600 * CLOCK_SECOND, grace = 300 * CLOCK_SECOND;
	struct tombstone grave = { .wall_us = 10 * hour, .mono_us = 2 * hour, .process = 7 };
	struct tombstone_clock now = { .wall_us = 10 * hour,
		.mono_us = 2 * hour + grace - 1,
		.start_mono_us = hour,
		.process = 7,
		.grace_us = grace };

	(void)state;
	/* our own: the wall clock may say what it likes */
	now.wall_us = 20 * hour;
	assert_true(tombstone_alive(&grave, &now));
	now.wall_us = hour;
	now.mono_us++;
	assert_false(tombstone_alive(&grave, &now));
	/* of an earlier process: by the wall clock, and never longer than the grace after our start
	 */
	now.process = 8;
	now.wall_us = 10 * hour + grace / 2;
	now.start_mono_us = now.mono_us - grace / 2;
	assert_true(tombstone_alive(&grave, &now));
	now.wall_us = 10 * hour + grace;
	assert_false(tombstone_alive(&grave, &now));
	now.wall_us = hour; /* turned back */
	assert_true(tombstone_alive(&grave, &now));
	now.start_mono_us = now.mono_us - grace;
	assert_false(tombstone_alive(&grave, &now));
}

/* --- sorting -------------------------------------------------------------------------------- */

static size_t files_in(const char *dir)
{
	DIR *d = opendir(dir);
	size_t count = 0;

	while (readdir(d) != NULL)
		count++;
	closedir(d);
	return count - 2;
}

static void sort_some(const char *dir, size_t memory, unsigned count, size_t least_runs)
{
	struct bulk *bulk = bulk_new(dir, "run", memory);
	struct bulk_pair pair;
	unsigned seed = 1, seen = 0;
	char last[32] = "", key[32], text[64];
	const char *error;
	int got;

	for (unsigned i = 0; i < count; i++) {
		int len = snprintf(key, sizeof(key), "%u", (unsigned)rand_r(&seed) % (count / 2));
		int more = snprintf(text, sizeof(text), "value of %s", key);

		assert_int_equal(bulk_add(bulk, key, (size_t)len, text, (size_t)more, &error), 0);
	}
	assert_int_equal(bulk_sort(bulk, &error), 0);
	assert_true(files_in(dir) >= least_runs);
	while ((got = bulk_next(bulk, &pair, &error)) == 1) {
		snprintf(key, sizeof(key), "%.*s", (int)pair.key_len, pair.key);
		snprintf(text, sizeof(text), "value of %s", key);
		assert_true(strcmp(last, key) <= 0);
		assert_int_equal(pair.value_len, strlen(text));
		assert_memory_equal(pair.value, text, pair.value_len);
		strcpy(last, key);
		seen++;
	}
	assert_int_equal(got, 0);
	assert_int_equal(seen, count);
	assert_int_equal(bulk_next(bulk, &pair, &error), 0);
	bulk_free(&bulk);
	assert_int_equal(files_in(dir), 0);
}

static void test_sorting(void **state)
{
	char dir[] = "/tmp/restante-bulk-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(dir));
	sort_some(dir, 1 << 20, 1000, 0);
	sort_some(dir, 4096, 5000, 20);
	sort_some(dir, 64, 50, 10);
	rmdir(dir);
}

static void test_sorting_big_values(void **state)
{
	char dir[] = "/tmp/restante-bulk-XXXXXX", key[16], *big = calloc(1, 600000);
	struct bulk *bulk;
	struct bulk_pair pair;
	const char *error;

	(void)state;
	assert_non_null(mkdtemp(dir));
	bulk = bulk_new(dir, "run", 1000);
	for (int i = 9; i >= 0; i--) {
		snprintf(key, sizeof(key), "k%d", i);
		memset(big, 'a' + i, 600000);
		assert_int_equal(bulk_add(bulk, key, 2, big, 600000u - (unsigned)i, &error), 0);
	}
	assert_int_equal(bulk_sort(bulk, &error), 0);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(bulk_next(bulk, &pair, &error), 1);
		assert_int_equal(pair.value_len, 600000 - i);
		assert_int_equal(pair.value[pair.value_len - 1], 'a' + i);
	}
	assert_int_equal(bulk_next(bulk, &pair, &error), 0);
	bulk_free(&bulk);
	rmdir(dir);
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_mailbox),
		cmocka_unit_test(test_faults), cmocka_unit_test(test_others),
		cmocka_unit_test(test_code), cmocka_unit_test(test_spoiled_bytes),
		cmocka_unit_test(test_system), cmocka_unit_test(test_claims),
		cmocka_unit_test(test_tombstones), cmocka_unit_test(test_turned_clocks),
		cmocka_unit_test(test_sorting), cmocka_unit_test(test_sorting_big_values) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
