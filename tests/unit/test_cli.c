/* The decisions of the command: may it be swapped, what is said, what needs attention. */
#include "tests/unit/unit.h"

#include <string.h>

#include "cli/attention.h"
#include "cli/queue_show.h"
#include "cli/swap.h"
#include "lib/clock.h"

static char s1[] = "S1", s2[] = "S2", s3[] = "S3", mx1[] = "mx1", nothing[] = "";
static char holding[] = "HOLDING", gone[] = "gone", example[] = "example.org";
static char physical_of_anna[] = "anna@s1.lab";

/* --- swap ----------------------------------------------------------------------------------- */

static struct mailbox anna(enum route_state state)
{
	struct mailbox mailbox = { .system = s1, .physical = physical_of_anna, .state = state };

	return mailbox;
}

static enum swap_fault judge(
	enum route_state state, const char *system, const char *physical, bool wait)
{
	char *domains[] = { example };
	struct federation federation = { .domains = domains, .domain_count = 1 };
	struct mailbox mailbox = anna(state);

	return swap_judge(&mailbox, &federation, system, physical, wait);
}

static void swap_needs_the_hold(void **state)
{
	(void)state;
	assert_int_equal(judge(STATE_HOLDING, "S2", "anna@s2.lab", false), SWAP_FINE);
	assert_int_equal(judge(STATE_HOLDING, "S2", "anna@s2.lab", true), SWAP_FINE);
	assert_int_equal(judge(STATE_ACTIVE, "S2", "anna@s2.lab", false), SWAP_NOT_HELD);
	assert_int_equal(judge(STATE_ACTIVE, "S2", "anna@s2.lab", true), SWAP_FINE);
	assert_int_equal(judge(STATE_DEFERRED, "S2", "anna@s2.lab", true), SWAP_STATE);
	assert_int_equal(judge(STATE_UNKNOWN, "S2", "anna@s2.lab", true), SWAP_STATE);
}

static void swap_to_the_same_place(void **state)
{
	(void)state;
	assert_int_equal(judge(STATE_HOLDING, "s1", "Anna@S1.lab", false), SWAP_SAME_PLACE);
	assert_int_equal(judge(STATE_HOLDING, "S2", "anna@s1.lab", false), SWAP_FINE);
	assert_int_equal(judge(STATE_HOLDING, "S1", "a.nna@s1.lab", false), SWAP_FINE);
}

static void swap_into_a_federated_domain(void **state)
{
	(void)state;
	assert_int_equal(judge(STATE_HOLDING, "S2", "anna@EXAMPLE.org", false), SWAP_FEDERATED);
	assert_int_equal(judge(STATE_HOLDING, "S2", "anna@s2.example.org", false), SWAP_FINE);
}

static void refusals_name_the_node_and_the_remedy(void **state)
{
	(void)state;
	static const struct {
		enum fence_outcome outcome;
		enum fence_wait why;
		const char *expected;
	} cases[] = { { FENCE_NOT_ACKED, FENCE_WAITS_NODES, "node enable" },
		{ FENCE_NOT_ACKED, FENCE_WAITS_ACK, "mx2 has not acknowledged epoch 7" },
		{ FENCE_NOT_DRAINED, FENCE_WAITS_LIST, "mx2 has not listed" },
		{ FENCE_NOT_DRAINED, FENCE_WAITS_QUEUE, "mx2 still has mail for anna@s1.lab" } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fence_progress progress = {
			.epoch = 7, .waiting = "mx2", .why = cases[i].why
		};
		struct str out = STR_INIT;

		swap_explain(&progress, cases[i].outcome, "anna@s1.lab", 5 * CLOCK_SECOND, &out);
		assert_non_null(strstr(str_cstr(&out), cases[i].expected));
		str_free(&out);
	}
}

/* --- attention ------------------------------------------------------------------------------ */

static struct json *parse(const char *text)
{
	const char *error;
	struct json *value = json_parse(text, strlen(text), &error);

	assert_non_null(value);
	return value;
}

static void expect_lines(struct json *lines, size_t count, const char *expected)
{
	assert_int_equal(json_count(lines), count);
	if (count > 0)
		assert_non_null(strstr(json_text(json_at(lines, 0)), expected));
	json_free(&lines);
}

static void milter_trouble(void **state)
{
	(void)state;
	static const struct {
		const char *answer;
		size_t lines;
		const char *expected;
		bool ready;
	} cases[] = {
		{ "{\"node\":\"mx1\",\"view\":{\"loaded\":true,\"current\":true,"
		  "\"node_state\":\"enabled\"}}",
			0, "", true },
		{ "{\"view\":{\"loaded\":false}}", 1, "never loaded", false },
		{ "{\"view\":{\"loaded\":true,\"current\":false,\"node_state\":\"enabled\"}}", 1,
			"not current", false },
		{ "{\"node\":\"mx1\",\"view\":{\"loaded\":true,\"current\":true,"
		  "\"node_state\":\"absent\"}}",
			1, "node enable mx1", false },
		{ "{\"view\":{\"loaded\":true,\"current\":true,\"node_state\":\"disabling\"},"
		  "\"agent\":{\"drain\":{\"leaving_undrained\":2}}}",
			1, "(addresses: 2): `postqueue -p`", false },
		{ "{\"view\":{\"loaded\":true,\"current\":true,\"node_state\":\"enabled\","
		  "\"refused_deletes\":9}}",
			1, "9 entries vanished", true },
		{ "{\"view\":{\"loaded\":true,\"current\":true,\"node_state\":\"enabled\"},"
		  "\"release\":{\"listener_trouble\":true}}",
			1, "release listener", true },
		{ "{\"view\":{\"loaded\":false},\"directory\":{\"connected\":false,"
		  "\"last_error\":\"ldap://x: Invalid credentials\"}}",
			1, "451; ldap://x: Invalid credentials", false },
		{ "{\"view\":{\"loaded\":true,\"current\":false,\"node_state\":\"enabled\"},"
		  "\"directory\":{\"connected\":true,\"last_error\":\"an old one\"},"
		  "\"agent\":{\"error\":\"ldap://w: down\"}}",
			1, "451; ldap://w: down", false },
		{ "{\"view\":{\"loaded\":true,\"current\":true,\"node_state\":\"enabled\","
		  "\"node_durable\":false}}",
			1, "not level", false },
		{ "{\"view\":{\"loaded\":true,\"current\":true,\"node_state\":\"enabled\"},"
		  "\"queue\":{\"full\":\"too little free space\"}}",
			1, "takes no more (too little free space)", true },
		{ "{\"view\":{\"loaded\":true,\"current\":true,\"node_state\":\"enabled\"},"
		  "\"release\":{\"mailboxes\":{\"vanished\":2}}}",
			1, "2 mailboxes with held mail vanished", true },
		{ "{\"view\":{\"loaded\":true,\"current\":true,\"node_state\":\"enabled\"},"
		  "\"agent\":{\"drain\":{\"listing_error\":\"postqueue: no\"}}}",
			1, "cannot be listed, no mailbox can be swapped: postqueue: no", true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json *answer = parse(cases[i].answer), *lines = json_new_array();

		attention_milter(answer, lines);
		assert_int_equal(attention_ready(answer), cases[i].ready);
		json_free(&answer);
		expect_lines(lines, cases[i].lines, cases[i].expected);
	}
	assert_false(attention_ready(NULL));
}

static void check_node(const char *node_state, const char *heartbeat, uint64_t acked, size_t count,
	const char *expected)
{
	const int64_t now = INT64_C(1795325400000000); /* 20261122053000Z */
	struct federation_node node = { .name = mx1,
		.state = (char *)(uintptr_t)node_state,
		.heartbeat = (char *)(uintptr_t)heartbeat,
		.acked = acked,
		.enabled = strcmp(node_state, "enabled") == 0,
		.disabled = strcmp(node_state, "disabled") == 0 };
	struct federation_nodes nodes = { &node, 1 };
	struct json *lines = json_new_array();

	attention_nodes(&nodes, 7, 10 * CLOCK_SECOND, now, lines);
	expect_lines(lines, count, expected);
}

static void node_trouble(void **state)
{
	(void)state;
	check_node("enabled", "20261122052955Z", 7, 0, "");
	check_node("disabling", "20261122052955Z", 7, 0, "");
	check_node("disabled", "", 0, 0, "");
	check_node("enabled", "20261122052900Z", 7, 1, "last heartbeat 60s");
	check_node("enabled", "", 7, 1, "last heartbeat never");
	check_node("enabled", "20261122052955Z", 6, 1, "not yet 7");
	check_node("enabled", "20261122052900Z", 6, 1, "last heartbeat");
	check_node("asleep", "20261122052955Z", 7, 1, "unknown state `asleep`");
}

static void no_node_and_strange_systems(void **state)
{
	(void)state;
	struct federation_nodes nodes = { NULL, 0 };
	struct federation_system list[] = { { s1, nothing }, { s2, holding }, { s3, gone } };
	struct federation_systems systems = { list, 3 };
	struct json *lines = json_new_array();

	attention_nodes(&nodes, 0, CLOCK_SECOND, 0, lines);
	expect_lines(lines, 1, "no front door");
	lines = json_new_array();
	attention_systems(&systems, lines);
	expect_lines(lines, 1, "system S3");
}

static void syncs_that_did_not_complete(void **state)
{
	(void)state;
	static char complete[] = "complete persons=3", none[] = "", strange[] = "done",
		    stopped[] = "stopped pending=9; 9 of 10 mailboxes vanished",
		    failed[] = "failed persons=0";
	struct sync_system list[] = {
		{ .name = s1, .side = { { .outcome = complete }, { .outcome = none } } },
		{ .name = s2, .side = { { .outcome = stopped }, { .outcome = failed } } },
		{ .name = s3, .side = { { .outcome = strange }, { .outcome = complete } } },
	};
	struct sync_systems systems = { list, 1 };
	struct json *lines = json_new_array();

	attention_syncs(&systems, lines);
	expect_lines(lines, 0, "");
	systems.count = 3;
	lines = json_new_array();
	attention_syncs(&systems, lines);
	assert_string_equal(json_text(json_at(lines, 1)),
		"down sync of system S2: failed; `restante sync status`");
	expect_lines(lines, 2, "up sync of system S2: stopped: 9 of 10 mailboxes vanished;");
}

/* --- queue, codes --------------------------------------------------------------------------- */

static void recipient_states(void **state)
{
	(void)state;
	static const struct {
		const char *recipient, *expected;
	} cases[] = { { "{\"attempts\":0,\"release_began_us\":0,\"last_reply\":\"\"}", "held" },
		{ "{\"attempts\":0,\"release_began_us\":5}", "being released" },
		{ "{\"waits\":\"held\"}", "held" },
		{ "{\"waits\":\"listener\"}", "waits for the release listener" },
		{ "{\"waits\":\"vanished\"}", "held, its mailbox vanished" },
		{ "{\"attempts\":3,\"last_reply\":\"451 later\"}", "3 tries, last: 451 later" } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json *recipient = parse(cases[i].recipient);
		struct str out = STR_INIT;

		queue_recipient_state(recipient, &out);
		assert_string_equal(str_cstr(&out), cases[i].expected);
		str_free(&out);
		json_free(&recipient);
	}
}

static void exit_codes_of_refusals(void **state)
{
	(void)state;
	assert_int_equal(cli_code_of("usage"), 2);
	assert_int_equal(cli_code_of("notfound"), 3);
	assert_int_equal(cli_code_of("refused"), 4);
	assert_int_equal(cli_code_of("trouble"), 1);
	assert_int_equal(cli_code_of(NULL), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(swap_needs_the_hold),
		cmocka_unit_test(swap_to_the_same_place),
		cmocka_unit_test(swap_into_a_federated_domain),
		cmocka_unit_test(refusals_name_the_node_and_the_remedy),
		cmocka_unit_test(milter_trouble),
		cmocka_unit_test(node_trouble),
		cmocka_unit_test(no_node_and_strange_systems),
		cmocka_unit_test(syncs_that_did_not_complete),
		cmocka_unit_test(recipient_states),
		cmocka_unit_test(exit_codes_of_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
