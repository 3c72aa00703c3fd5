/* Beside the rules: assertions, counts, traces, what is looked up, names, settings. */
#include "tests/unit/unit.h"

#include "tests/unit/reconcile_scene.h"

static void test_assertion_covers_all(void **state)
{
	static const struct row row = { .fresh = A B, .entry = A };
	struct scene s;

	(void)state;
	scene_play(&s, &row);
	assert_string_equal(str_cstr(&s.sink.assertion),
		"(&(restanteSystem=S1)(restanteSourceId=a)"
		"(entryCSN=20261101000000.000000Z#000000#000#000000))");
	assert_string_equal(str_cstr(&s.sink.owner),
		"(&(entryUUID=4f0c63f2-5b1e-4c4a-9d7e-0a1b2c3d4e5f)(restanteSystem=S1))");
	assert_true(strings_has(&s.sink.gains, "b@example.org"));
	assert_int_equal(s.sink.gives.count, 0);
	scene_end(&s);
}

static void test_counts(void **state)
{
	static const struct {
		struct row row;
		struct guard_counts wants;
		unsigned counts, addresses;
	} cases[] = {
		{ { .fresh = A, .entry = A B, .before = LISTED }, { 0, 0, 0, 0, 1, 0, 0 },
			PLAN_COUNTS_ADDRESS, 1 },
		/* what is pending counts although nothing is written */
		{ { .fresh = A, .entry = A B " mark=b@example.org/1", .before = LISTED },
			{ 0, 0, 0, 0, 1, 0, 0 }, 0, 0 },
		{ { .entry = A " gone=1", .before = "missing=1" }, { 0, 0, 1, 0, 0, 0, 0 }, 0, 0 },
		{ { .entry = A }, { 0, 0, 1, 0, 0, 0, 0 }, PLAN_COUNTS_VANISH, 0 },
		{ { .entry = A, .clock_wrong = true }, { 0, 0, 1, 0, 0, 0, 0 }, 0, 0 },
		{ { .entry = A " gone=9", .before = "missing=1" }, { 0, 0, 0, 1, 0, 0, 0 },
			PLAN_COUNTS_EXPIRE, 0 },
		{ { .fresh = A, .orphan = "id=old prim=a@example.org phys=a@s1.lab cn=A sn=A" },
			{ 0, 0, 0, 0, 0, 1, 0 }, PLAN_COUNTS_REKEY, 0 },
		{ { .fresh = A, .entry = A B, .before = LISTED, .passing = "b@example.org" },
			{ 0, 0, 0, 0, 0, 0, 0 }, 0, 0 },
		{ { .fresh = A, .move = "kind=finished " MOVE12 }, { 0, 0, 0, 0, 0, 0, 1 }, 0, 0 },
		{ { .before = LISTED, .move = "kind=finished " MOVE12 }, { 0 }, 0, 0 },
		/* a delta does not show it; as in a complete pull a mailbox that vanished counts
		   once */
		{ { .entry = A B " mark=b@example.org/1", .delta = true }, { 0, 0, 0, 0, 1, 0, 0 },
			0, 0 },
		{ { .entry = A B " mark=b@example.org/1 gone=1", .delta = true },
			{ 0, 0, 1, 0, 0, 0, 0 }, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct scene s;

		scene_play(&s, &cases[i].row);
		if (memcmp(&s.tally.counts, &cases[i].wants, sizeof cases[i].wants) != 0 ||
			s.sink.counts != cases[i].counts ||
			s.sink.count_addresses != cases[i].addresses)
			fail_msg("case %zu: counts %u, addresses %u, gone %llu", i, s.sink.counts,
				s.sink.count_addresses,
				(unsigned long long)s.tally.counts.addresses_gone);
		scene_end(&s);
	}
}

static void test_lost_attributes(void **state)
{
	static const struct row row = { .fresh = "id=a phys=a@s1.lab prim=a@example.org sn=A",
		.entry = A " phone=1" };
	struct scene s;

	(void)state;
	scene_play(&s, &row);
	assert_int_equal(s.tally.lost_count, 4);
	assert_string_equal(s.tally.lost[0].name, "cn");
	assert_int_equal(s.tally.lost[0].lacks, 1);
	assert_int_equal(s.tally.lost[1].lacks, 0);
	assert_int_equal(s.tally.lost[2].had, 1);
	assert_int_equal(s.tally.lost[2].lacks, 1);
	scene_end(&s);
}

/* What stands for a name that the source never had is not lost. */
static void test_stopgap_names(void **state)
{
	static const struct row row = { .fresh = "id=a phys=a@s1.lab prim=a@example.org",
		.entry = "id=a phys=a@s1.lab prim=a@example.org cn=a@example.org "
			 "sn=a@example.org" };
	struct scene s;

	(void)state;
	scene_play(&s, &row);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(s.tally.lost[i].had, 0);
		assert_int_equal(s.tally.lost[i].lacks, 0);
	}
	scene_end(&s);
}

static void test_unusable(void **state)
{
	static const struct row row = { .entry = A B, .before = LISTED };
	struct scene s;

	(void)state;
	scene_play(&s, &row);
	trace_reset(&s.after);
	str_reset(&s.sink.text);
	s.facts.unusable = "no usable address";
	assert_int_equal(reconcile(&s.run, &s.facts, &s.sink.sink, &s.tally, &s.after), 1);
	assert_string_equal(str_cstr(&s.sink.text), "report unreadable");
	assert_true(strings_has(&s.after.addresses, "b@example.org"));
	assert_int_equal(s.after.missing, 0);
	scene_end(&s);
}

static void test_traces(void **state)
{
	static const struct row shown = { .fresh = A, .entry = A B, .before = LISTED };
	static const struct row missing = { .entry = A B, .before = LISTED " missing=4" };
	struct trace again = TRACE_INIT;
	struct str bytes = STR_INIT, twice = STR_INIT;
	struct scene s;

	(void)state;
	scene_play(&s, &shown);
	assert_int_equal(s.result, 1);
	assert_true(strings_has(&s.after.addresses, "b@example.org"));
	assert_true(strings_has(&s.after.lacking, "b@example.org 1"));
	trace_encode(&s.after, &bytes);
	assert_int_equal(trace_decode(bytes.data, bytes.len, &again), 0);
	trace_encode(&again, &twice);
	assert_int_equal(bytes.len, twice.len);
	assert_memory_equal(bytes.data, twice.data, bytes.len);
	for (size_t len = 0; len < bytes.len; len++)
		assert_int_equal(trace_decode(bytes.data, len, &again), -1);
	scene_end(&s);
	scene_play(&s, &missing);
	assert_int_equal(s.after.missing, 5);
	assert_true(strings_has(&s.after.addresses, "b@example.org"));
	scene_end(&s);
	trace_free(&again);
	str_free(&bytes);
	str_free(&twice);
}

static void test_look_ups(void **state)
{
	static const struct row row = { .fresh = A " addr=c@example.org,d@s1.lab",
		.entry = A B " addr=hand@example.org",
		.before = LISTED };
	static const struct row vanished = { .entry = A B };
	struct strings keys = STRINGS_INIT;
	struct scene s;

	(void)state;
	scene_play(&s, &row);
	reconcile_gains(&s.run, &s.facts, &keys);
	assert_int_equal(keys.count, 1);
	assert_true(strings_has(&keys, "c@example.org"));
	strings_reset(&keys);
	reconcile_loses(&s.run, &s.facts, &keys);
	assert_int_equal(keys.count, 1);
	assert_true(strings_has(&keys, "b@example.org"));
	scene_end(&s);
	strings_reset(&keys);
	scene_play(&s, &vanished);
	reconcile_gains(&s.run, &s.facts, &keys);
	assert_int_equal(keys.count, 0);
	reconcile_loses(&s.run, &s.facts, &keys);
	assert_int_equal(keys.count, 2);
	scene_end(&s);
	strings_free(&keys);
}

static void test_takes(void **state)
{
	static const struct row yes = { .fresh = A };
	static const struct row no = { .fresh = A B, .taken = { "a@example.org S2 z" } };
	static const struct row second = { .fresh = A, .move = "kind=open " MOVE21 };
	struct scene s;

	(void)state;
	scene_play(&s, &yes);
	assert_true(reconcile_takes(&s.run, &s.facts));
	scene_end(&s);
	scene_play(&s, &no);
	assert_false(reconcile_takes(&s.run, &s.facts));
	scene_end(&s);
	scene_play(&s, &second);
	assert_false(reconcile_takes(&s.run, &s.facts));
	scene_end(&s);
}

static void test_new_dn(void **state)
{
	struct reconcile_run run = lab_run(NULL);
	struct str one = STR_INIT, other = STR_INIT;

	(void)state;
	reconcile_new_dn(&run, "a", "a@example.org", &one);
	run.system = "s1";
	reconcile_new_dn(&run, "a", "a@example.org", &other);
	assert_string_equal(str_cstr(&one), str_cstr(&other));
	assert_int_equal(strcspn(str_cstr(&one), ","), 4 + 32);
	assert_non_null(strstr(str_cstr(&one), ",ou=people,dc=example,dc=org"));
	str_reset(&other);
	reconcile_new_dn(&run, "a", "b@example.org", &other);
	assert_string_not_equal(str_cstr(&one), str_cstr(&other));
	/* used again: the entry of before may live on elsewhere, under the first name */
	str_reset(&other);
	run.now_us += 300 * INT64_C(1000000);
	reconcile_new_dn(&run, "a", "a@example.org", &other);
	assert_string_not_equal(str_cstr(&one), str_cstr(&other));
	str_free(&one);
	str_free(&other);
}

static void test_policy_refuses(void **state)
{
	static const char *const words[] = { "mail=mail", "cn", "=cn", "restanteState=x",
		"cn=cn MailLocalAddress=m" };
	const char *error;

	(void)state;
	for (size_t i = 0; i < COUNT(words); i++) {
		struct config_up settings = { .name = (char *)"S1",
			.attributes = (char *)words[i],
			.attributes_once = (char *)"",
			.object_class = (char *)"inetOrgPerson" };

		error = NULL;
		assert_null(reconcile_policy_new(&settings, &error));
		assert_non_null(strstr(error, "up S1.attributes: "));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_assertion_covers_all),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_lost_attributes),
		cmocka_unit_test(test_stopgap_names),
		cmocka_unit_test(test_unusable),
		cmocka_unit_test(test_traces),
		cmocka_unit_test(test_look_ups),
		cmocka_unit_test(test_takes),
		cmocka_unit_test(test_new_dn),
		cmocka_unit_test(test_policy_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
