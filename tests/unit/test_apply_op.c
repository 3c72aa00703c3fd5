#include "tests/unit/unit.h"

#include <stdbool.h>

#include "dirsync/apply_op.h"
#include "dirsync/backend.h"
#include "lib/clock.h"

static const struct plan_value values[] = {
	{ PLAN_TAKE, "mailLocalAddress", "Old@Example.org" },
	{ PLAN_TAKE, "restanteAddressUTF8", "B\u00fcro@example.org" },
	{ PLAN_TAKE, "mailLocalAddress", "kept@example.org" },
	{ PLAN_TAKE, "restanteVanishingAddress", "old@example.org 20260101000000Z" },
	{ PLAN_PUT, "mailLocalAddress", "new@example.org" },
	{ PLAN_PUT, "MailLocalAddress", "newer@example.org" },
	{ PLAN_SET, "displayName", "A" },
	{ PLAN_SET, "mail", NULL },
};

static struct plan_change sample(enum plan_kind kind)
{
	struct plan_change change = { .kind = kind,
		.dn = "uid=a,dc=example",
		.assertion = "(a=1)",
		.owner = "(o=1)",
		.reason = "r",
		.id = "i",
		.values = values,
		.value_count = COUNT(values) };

	strings_add(&change.gives, "old@example.org");
	strings_add(&change.gives, "b\u00fcro@example.org");
	strings_add(&change.gives, "bare@example.org");
	return change;
}

/* "+name=value,value" of each; "-" deletes, "=" replaces. */
static const char *compose(
	struct apply_op *op, enum handover_step step, const char *key, const char *csn)
{
	static char text[1024];
	static const char signs[] = {
		[LDAP_CHANGE_REPLACE] = '=', [LDAP_CHANGE_ADD] = '+', [LDAP_CHANGE_DELETE] = '-'
	};
	const struct handover_todo todo = { .step = step, .key = handover_key(key) };
	struct plan_change change = sample(PLAN_MODIFY);
	size_t len = 0;

	apply_op_take(op, &change, &todo);
	strings_free(&change.gives);
	apply_op_compose(op, csn);
	text[0] = '\0';
	for (size_t i = 0; i < op->count; i++) {
		const struct ldap_change *c = &op->changes[i];

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%c%s", i > 0 ? " " : "",
			signs[c->kind], c->attribute);
		for (size_t v = 0; c->values != NULL && c->values[v] != NULL; v++)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
				v > 0 ? "," : ":", c->values[v]);
	}
	return text;
}

static void test_all_of_an_entry_in_one_modify(void **state)
{
	struct apply_op op = { .number = 0 };

	(void)state;
	assert_string_equal(compose(&op, HANDOVER_WHOLE, "", ""),
		"-mailLocalAddress:Old@Example.org,kept@example.org "
		"-restanteAddressUTF8:B\u00fcro@example.org "
		"-restanteVanishingAddress:old@example.org 20260101000000Z "
		"+mailLocalAddress:new@example.org,newer@example.org =displayName:A =mail");
	assert_string_equal(str_cstr(&op.assertion), "(a=1)");
	apply_op_free(&op);
}

static void test_removals_first_and_the_rest(void **state)
{
	struct apply_op op = { .number = 0 };

	(void)state;
	assert_string_equal(compose(&op, HANDOVER_REMOVE, "", ""),
		"-mailLocalAddress:Old@Example.org -restanteAddressUTF8:B\u00fcro@example.org");
	assert_string_equal(str_cstr(&op.assertion), "(a=1)");
	assert_string_equal(compose(&op, HANDOVER_REST, "", "C"),
		"-mailLocalAddress:kept@example.org "
		"-restanteVanishingAddress:old@example.org 20260101000000Z "
		"+mailLocalAddress:new@example.org,newer@example.org =displayName:A =mail");
	assert_string_equal(str_cstr(&op.assertion), "(&(o=1)(entryCSN=C))");
	compose(&op, HANDOVER_REST, "", "");
	assert_string_equal(str_cstr(&op.assertion), "(o=1)");
	apply_op_free(&op);
}

static void test_an_address_comes_back_as_it_was_spelled(void **state)
{
	struct apply_op op = { .number = 0 };

	(void)state;
	assert_string_equal(compose(&op, HANDOVER_RETURN, "old@example.org", ""),
		"+mailLocalAddress:Old@Example.org");
	assert_string_equal(str_cstr(&op.assertion), "(o=1)");
	assert_string_equal(compose(&op, HANDOVER_RETURN, "b\u00fcro@example.org", ""),
		"+restanteAddressUTF8:B\u00fcro@example.org");
	assert_string_equal(compose(&op, HANDOVER_RETURN, "bare@example.org", ""),
		"+mailLocalAddress:bare@example.org");
	assert_string_equal(compose(&op, HANDOVER_RETURN, "other@example.org", ""), "");
	apply_op_free(&op);
}

static void test_entries_are_told_apart_without_case(void **state)
{
	(void)state;
	assert_true(apply_entry("uid=A,dc=example") == apply_entry("UID=a,DC=EXAMPLE"));
	assert_false(apply_entry("uid=a,dc=example") == apply_entry("uid=b,dc=example"));
}

static void test_leases_as_text(void **state)
{
	static const char *const none[] = { "", "5", "5 one", "x one 20260101000000Z",
		"-5 one 20260101000000Z", "5  20260101000000Z", "5 one soon" };
	struct str holder = STR_INIT;
	int64_t expires, length;
	uint64_t term;

	(void)state;
	assert_true(
		backend_lease_parse("5 one 20260101000000Z", &term, &holder, &expires, &length));
	assert_int_equal(term, 5);
	assert_string_equal(str_cstr(&holder), "one");
	assert_true(expires == INT64_C(1767225600000000));
	str_reset(&holder);
	assert_int_equal(length, 0);
	str_reset(&holder);
	assert_true(
		backend_lease_parse("5 one 20260101000000Z 90", &term, &holder, &expires, &length));
	assert_string_equal(str_cstr(&holder), "one");
	assert_int_equal(length, 90 * CLOCK_SECOND);
	str_reset(&holder);
	assert_true(backend_lease_parse("5 one 20260101000000Z 99999999999999999999999", &term,
		&holder, &expires, &length));
	assert_int_equal(length, 3600 * CLOCK_SECOND);
	str_reset(&holder);
	assert_true(backend_lease_parse("6 - 20260101000000Z", &term, &holder, &expires, &length));
	assert_int_equal(term, 6);
	assert_string_equal(str_cstr(&holder), "");
	for (size_t i = 0; i < COUNT(none); i++) {
		str_reset(&holder);
		assert_false(backend_lease_parse(none[i], &term, &holder, &expires, &length));
	}
	str_free(&holder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_of_an_entry_in_one_modify),
		cmocka_unit_test(test_removals_first_and_the_rest),
		cmocka_unit_test(test_an_address_comes_back_as_it_was_spelled),
		cmocka_unit_test(test_entries_are_told_apart_without_case),
		cmocka_unit_test(test_leases_as_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
