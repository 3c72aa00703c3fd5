/* directory/replica.c, replica_apply.c: versions, vector, node, epoch, heartbeat. */
#define _GNU_SOURCE
#include "tests/unit/replica_lab.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"

static void test_an_entry_never_goes_back(void **state)
{
	struct fixture *f = *state;

	first_load(f, 1);
	push(f, mailbox(1, "0.20", "new@s1.example.net", NULL, NULL), cookie("0.20", NULL));
	push(f, mailbox(1, "0.15", "older@s1.example.net", NULL, NULL), cookie("0.21", NULL));
	push(f, mailbox(1, "0.20", "same@s1.example.net", NULL, NULL), cookie("0.21", NULL));
	assert_physical(f, "box1@example.org", "new@s1.example.net");
	/* a deletion that a laggard repeats is older than the entry */
	push_delete(f, 1, "0.19");
	assert_physical(f, "box1@example.org", "new@s1.example.net");
	push_delete(f, 1, "0.22");
	assert_true(look(f, "box1@example.org").vanished);
}

static void test_the_vector_is_a_maximum(void **state)
{
	struct fixture *f = *state;
	struct csn_vector none = { .count = 0 }, older = cookie("0.5", "1.7");

	first_load(f, 1);
	replica_advance(f->replica, &older);
	assert_vector(f, cookie("0.10", "1.7"));
	replica_advance(f->replica, &none);
	assert_vector(f, cookie("0.10", "1.7"));
	replica_tick(f->replica);
	reopen(f);
	assert_vector(f, cookie("0.10", "1.7"));
}

static void test_node_needs_coverage(void **state)
{
	struct fixture *f = *state;

	first_load(f, 1);
	assert_true(look(f, "box1@example.org").node_enabled);
	push(f, node("0.30", "disabled", NULL), cookie("0.30", NULL));
	assert_false(look(f, "box1@example.org").node_enabled);
	assert_int_equal(view(f).node, NODE_DISABLED);
	/* the enabling write came, but what was written before it may not have come yet */
	push(f, node("1.40", "enabled", NULL), cookie(NULL, NULL));
	assert_int_equal(view(f).node, NODE_ENABLED);
	assert_false(look(f, "box1@example.org").node_enabled);
	reopen(f);
	assert_false(look(f, "box1@example.org").node_enabled);
	struct csn_vector later = cookie("1.40", NULL);
	f->all = 0;
	replica_advance(f->replica, &later);
	assert_true(look(f, "box1@example.org").node_enabled);
	assert_int_equal(f->all, 1);
	/* later versions of the entry are heartbeats: it stays enabled */
	push(f, node("1.50", "enabled", "20261122055519Z"), cookie(NULL, NULL));
	assert_true(look(f, "box1@example.org").node_enabled);
	reopen(f);
	assert_true(look(f, "box1@example.org").node_enabled);
}

/* A process that is killed right after it served must find the node's state again. */
static void test_node_state_is_on_disk_before_it_counts(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t child;

	first_load(f, 1);
	replica_close(&f->replica);
	child = fork();
	if (child == 0) {
		open_replica(f);
		push(f, node("0.30", "disabling", NULL), cookie("0.30", NULL));
		_exit(view(f).node_durable ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	open_replica(f);
	assert_int_equal(view(f).node, NODE_DISABLING);
}

static void test_epoch(void **state)
{
	struct fixture *f = *state;
	struct csn_vector later;

	first_load(f, 1);
	assert_true(view(f).epoch_covered);
	push(f, federation("1.20", "2"), cookie(NULL, NULL));
	assert_int_equal(view(f).epoch, 2);
	assert_false(view(f).epoch_covered);
	assert_string_equal(view(f).epoch_csn, csn("1.20"));
	/* a lease renewed on the same entry does not make the epoch younger */
	push(f, federation("1.30", "2"), cookie(NULL, NULL));
	assert_string_equal(view(f).epoch_csn, csn("1.20"));
	f->all = 0;
	later = cookie("1.20", NULL);
	replica_advance(f->replica, &later);
	assert_true(view(f).epoch_covered);
	assert_int_equal(f->all, 1);
	replica_advance(f->replica, &later);
	assert_int_equal(f->all, 1);
}

static const char *wall(char *text, int64_t ago_s)
{
	return clock_generalized(text, 32, clock_wall_us() - ago_s * CLOCK_SECOND);
}

static void test_current(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh;
	char text[32];

	first_load(f, 1);
	assert_false(view(f).current);
	push(f, node("0.30", "enabled", wall(text, 3600)), cookie("0.30", NULL));
	assert_false(view(f).current);
	push(f, node("0.31", "enabled", wall(text, 0)), cookie("0.31", NULL));
	assert_true(view(f).current);
	refresh = refresh_begin(f->replica, false);
	assert_false(view(f).current);
	refresh_free(&refresh);
	assert_true(view(f).current);
	reopen(f);
	assert_false(view(f).current);
	/* the same heartbeat once more says nothing */
	push(f, node("0.32", "enabled", text), cookie("0.32", NULL));
	assert_false(view(f).current);
}

static struct change node_at(const char *dn, unsigned id, const char *version, const char *state)
{
	struct change change = node(version, state, NULL);

	str_reset(&change.record.dn);
	str_append_z(&change.record.dn, dn);
	set_uuid(change.record.uuid, id);
	return change;
}

/* A fence looks into ou=nodes: an entry elsewhere that has the name is another's. */
static void test_only_the_node_that_fences_wait_for(void **state)
{
	struct fixture *f = *state;

	first_load(f, 1);
	push_delete(f, 5003, NULL);
	assert_int_equal(view(f).node, NODE_ABSENT);
	push(f, node_at("cn=n,ou=old,cn=restante,dc=example", 6000, "0.30", "enabled"),
		cookie("0.30", NULL));
	assert_int_equal(view(f).node, NODE_ABSENT);
	assert_false(look(f, "box1@example.org").node_enabled);
	push(f, node_at("cn=n, ou=Nodes,CN=restante,dc=example", 6001, "0.31", "enabled"),
		cookie("0.31", NULL));
	assert_int_equal(view(f).node, NODE_ENABLED);
	assert_true(look(f, "box1@example.org").node_enabled);
	/* made anew, while the old one could not be deleted yet */
	push(f, node_at("cn=n,ou=nodes,cn=restante,dc=example", 6002, "0.33", "disabled"),
		cookie("0.33", NULL));
	assert_int_equal(view(f).node, NODE_DISABLED);
	push(f, node_at("cn=n,ou=nodes,cn=restante,dc=example", 6001, "0.32", "enabled"),
		cookie("0.33", NULL));
	assert_int_equal(view(f).node, NODE_DISABLED);
}

/* The copy of another's: its cookie would never bring the entry of this one. */
static void test_another_node(void **state)
{
	struct fixture *f = *state;
	struct replica_options other = f->options;
	const char *error = NULL;

	first_load(f, 1);
	replica_close(&f->replica);
	other.node = "n2";
	assert_null(replica_open(&other, &error));
	assert_non_null(strstr(error, "another front door"));
	other.node = "N";
	f->replica = replica_open(&other, &error);
	assert_non_null(f->replica);
}

static void test_another_base(void **state)
{
	struct fixture *f = *state;
	struct replica_options other = f->options;
	const char *error = NULL;

	/* while nothing was loaded the base may still be mended */
	replica_close(&f->replica);
	other.base = "dc=other";
	f->replica = replica_open(&other, &error);
	assert_non_null(f->replica);
	reopen(f);
	first_load(f, 1);
	replica_close(&f->replica);
	assert_null(replica_open(&other, &error));
	assert_non_null(strstr(error, "another base"));
	open_replica(f);
}

/* An empty table in its place would make every recipient unknown. */
static void test_a_table_is_missing(void **state)
{
	struct fixture *f = *state;
	const char *error = NULL;
	char path[128];

	first_load(f, 1);
	replica_close(&f->replica);
	snprintf(path, sizeof(path), "%s/addresses.db", f->dir);
	assert_int_equal(remove(path), 0);
	assert_null(replica_open(&f->options, &error));
	assert_non_null(strstr(error, "addresses.db"));
	assert_non_null(strstr(error, "loaded anew"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_an_entry_never_goes_back),
		TEST(test_the_vector_is_a_maximum), TEST(test_node_needs_coverage),
		TEST(test_node_state_is_on_disk_before_it_counts), TEST(test_epoch),
		TEST(test_current), TEST(test_another_base), TEST(test_another_node),
		TEST(test_a_table_is_missing), TEST(test_only_the_node_that_fences_wait_for) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
