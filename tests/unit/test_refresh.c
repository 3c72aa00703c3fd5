/* directory/refresh.c, loader.c, doomed.c: what is believed of a refresh. */
#define _GNU_SOURCE
#include "tests/unit/replica_lab.h"

#include "lib/clock.h"

static void test_nothing_before_the_first_load_is_complete(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh = refresh_begin(f->replica, true);

	show(refresh, federation("0.1", "1"));
	show(refresh, mailbox(1, "0.2", "a@s1.example.net", NULL, NULL));
	assert_true(view(f).refreshing);
	assert_false(look(f, "box1@example.org").loaded);
	refresh_free(&refresh);
	assert_false(view(f).loaded);
	first_load(f, 3);
	assert_true(view(f).loaded);
	assert_int_equal(view(f).mailboxes, 3);
	assert_int_equal(view(f).addresses, 3);
	assert_physical(f, "box3@example.org", "old@s1.example.net");
	reopen(f);
	assert_physical(f, "box3@example.org", "old@s1.example.net");
	assert_vector(f, cookie("0.10", NULL));
	assert_true(view(f).node_durable);
}

/* As a machine that lost its power in the middle may leave them. */
static void test_torn_tables_of_a_first_load(void **state)
{
	static const char *const names[] = { "entries.db", "addresses.db", "entries.build" };
	struct fixture *f = *state;

	replica_close(&f->replica);
	for (size_t i = 0; i < COUNT(names); i++) {
		char path[128];
		FILE *torn;

		snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
		torn = fopen(path, "w");
		assert_non_null(torn);
		for (int n = 0; n < 3000; n++)
			fputs("torn", torn);
		fclose(torn);
	}
	open_replica(f);
	assert_false(view(f).loaded);
	first_load(f, 3);
	assert_physical(f, "box3@example.org", "old@s1.example.net");
	reopen(f);
	assert_physical(f, "box3@example.org", "old@s1.example.net");
}

/* Their log goes on from where they were built. */
static void test_changes_after_the_first_load(void **state)
{
	struct fixture *f = *state;

	first_load(f, 3);
	push(f, mailbox(2, "0.11", "new@s2.example.net", NULL, NULL), cookie("0.11", NULL));
	push_delete(f, 3, NULL);
	reopen(f);
	assert_physical(f, "box1@example.org", "old@s1.example.net");
	assert_physical(f, "box2@example.org", "new@s2.example.net");
	assert_int_equal(look(f, "box3@example.org").claims, 0);
	assert_int_equal(view(f).mailboxes, 2);
}

static void test_no_federation_is_no_load(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh = refresh_begin(f->replica, true);
	struct csn_vector final = cookie("0.10", NULL);
	const char *error = NULL;

	show(refresh, mailbox(1, "0.2", "a@s1.example.net", NULL, NULL));
	assert_int_equal(refresh_end(refresh, &final, false, &error), -1);
	assert_non_null(strstr(error, "restanteFederation"));
	refresh_free(&refresh);
	assert_false(view(f).loaded);
}

/* One entry in two versions, with different addresses, whichever comes first. */
static void test_twice_in_the_first_load(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh = refresh_begin(f->replica, true);

	show(refresh, federation("0.1", "1"));
	show(refresh, mailbox(1, "0.3", "new@s1.example.net", "holding", "b@example.org"));
	show(refresh, mailbox(1, "0.2", "old@s1.example.net", NULL, "a@example.org"));
	show(refresh, mailbox(2, "0.2", "old@s1.example.net", NULL, "c@example.org"));
	show(refresh, mailbox(2, "0.4", "new@s1.example.net", NULL, "d@example.org"));
	end(&refresh, cookie("0.10", NULL), false);
	assert_int_equal(view(f).mailboxes, 2);
	assert_int_equal(view(f).addresses, 4);
	assert_int_equal(look(f, "box1@example.org").claims, 1);
	assert_int_equal(look(f, "box1@example.org").mailbox_state, STATE_HOLDING);
	assert_physical(f, "box2@example.org", "new@s1.example.net");
	assert_physical(f, "b@example.org", "new@s1.example.net");
	assert_int_equal(look(f, "a@example.org").match, MATCH_NONE);
	assert_int_equal(look(f, "c@example.org").match, MATCH_NONE);
	assert_physical(f, "d@example.org", "new@s1.example.net");
}

static void test_a_refresh_advances_at_its_end(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh;

	first_load(f, 2);
	refresh = refresh_begin(f->replica, false);
	show(refresh, mailbox(1, "0.20", "new@s1.example.net", NULL, NULL));
	refresh_presents_end(refresh);
	refresh_free(&refresh); /* broke off before its end */
	assert_vector(f, cookie("0.10", NULL));
	assert_physical(f, "box2@example.org", "old@s1.example.net");
	refresh = refresh_begin(f->replica, false);
	show(refresh, mailbox(1, "0.20", "new@s1.example.net", NULL, NULL));
	end(&refresh, cookie("0.20", NULL), false);
	assert_vector(f, cookie("0.20", NULL));
	assert_physical(f, "box1@example.org", "new@s1.example.net");
	/* no present phase: what was not shown is still there */
	assert_physical(f, "box2@example.org", "old@s1.example.net");
}

static void show_all_but(struct refresh *refresh, unsigned mailboxes, unsigned missing)
{
	for (unsigned id = 1; id <= mailboxes; id++)
		if (id != missing)
			show_present(refresh, id);
	for (unsigned id = 5001; id <= 5003; id++)
		show_present(refresh, id);
}

/* A whole refresh with a present phase; missing 0: nothing is absent. */
static void show_again(
	struct fixture *f, unsigned mailboxes, unsigned missing, struct csn_vector final)
{
	struct refresh *refresh = refresh_begin(f->replica, false);

	show_all_but(refresh, mailboxes, missing);
	refresh_presents_end(refresh);
	end(&refresh, final, false);
}

static void test_absence(void **state)
{
	struct fixture *f = *state;

	first_load(f, 5);
	show_again(f, 5, 3, cookie("0.20", NULL));
	assert_true(look(f, "box3@example.org").vanished);
	assert_int_equal(view(f).mailboxes, 4);
	assert_int_equal(view(f).node, NODE_ENABLED);
}

/* A cookie was not sent: even if the server calls it a delete phase, it showed all there is. */
static void test_absence_from_the_whole_content(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh;

	first_load(f, 5);
	refresh = refresh_begin(f->replica, true);
	show_all_but(refresh, 5, 2);
	end(&refresh, cookie("0.20", NULL), false);
	assert_true(look(f, "box2@example.org").vanished);
}

static void test_absence_is_believed_of_covered_ones_only(void **state)
{
	struct fixture *f = *state;

	first_load(f, 3);
	/* the newest is of another server, of which the final cookie says nothing */
	push(f, mailbox(9, "2.12", "new@s1.example.net", NULL, NULL), cookie(NULL, NULL));
	show_again(f, 3, 1, cookie("0.20", NULL));
	assert_true(look(f, "box1@example.org").vanished);
	assert_physical(f, "box9@example.org", "new@s1.example.net");
}

static void test_a_provider_behind_never_deletes(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh;

	first_load(f, 3);
	push(f, mailbox(9, "1.12", "new@s1.example.net", NULL, NULL), cookie("1.12", NULL));
	/* its final cookie lacks what we have of server 1, and is ahead for server 0 */
	show_again(f, 3, 0, cookie("0.20", "1.11"));
	assert_physical(f, "box9@example.org", "new@s1.example.net");
	assert_vector(f, cookie("0.10", "1.12"));
	assert_true(replica_withheld(f->replica));
	/* nor does what it pushes afterwards move the vector over the deletions not believed */
	push(f, mailbox(2, "0.22", "newer@s1.example.net", NULL, NULL), cookie("0.22", NULL));
	assert_physical(f, "box2@example.org", "newer@s1.example.net");
	assert_vector(f, cookie("0.10", "1.12"));
	assert_false(view(f).epoch_covered);
	/* one known to be behind before it began */
	refresh = refresh_begin(f->replica, false);
	refresh_deleted(refresh, (uint8_t[16]){ 7, [15] = 1 });
	end(&refresh, cookie("0.30", "1.30"), true);
	assert_physical(f, "box1@example.org", "old@s1.example.net");
	/* the good one */
	refresh = refresh_begin(f->replica, false);
	refresh_deleted(refresh, (uint8_t[16]){ 7, [15] = 1 });
	end(&refresh, cookie("0.30", "1.30"), false);
	assert_true(look(f, "box1@example.org").vanished);
	assert_vector(f, cookie("0.30", "1.30"));
	assert_true(view(f).epoch_covered);
}

static void test_a_final_cookie_without_csn(void **state)
{
	struct fixture *f = *state;

	first_load(f, 3);
	show_again(f, 3, 1, cookie(NULL, NULL));
	assert_physical(f, "box1@example.org", "old@s1.example.net");
	assert_vector(f, cookie("0.10", NULL));
}

static void test_mass(void **state)
{
	(void)state;
	assert_false(refresh_is_mass(0, 0, 10));
	assert_false(refresh_is_mass(10, 10, 10)); /* a handful is none */
	assert_true(refresh_is_mass(11, 11, 10));
	assert_true(refresh_is_mass(11, 109, 10));
	assert_false(refresh_is_mass(11, 110, 10));
	assert_false(refresh_is_mass(1000, 1000, 100));
	assert_true(refresh_is_mass(11, 1000000, 0));
}

static void refuse(struct fixture *f)
{

	first_load(f, 40);
	show_again(f, 20, 0, cookie("0.20", NULL));
	assert_int_equal(view(f).refused_deletes, 20);
}

static void test_mass_disappearance(void **state)
{
	struct fixture *f = *state;
	const char *error;

	refuse(f);
	assert_physical(f, "box40@example.org", "old@s1.example.net");
	assert_vector(f, cookie("0.10", NULL));
	assert_false(view(f).epoch_covered);
	assert_true(view(f).node_durable);
	/* one of them comes back by itself, one changes */
	push(f, mailbox(40, "0.25", "back@s1.example.net", NULL, NULL), cookie("0.25", NULL));
	assert_vector(f, cookie("0.10", NULL));
	reopen(f);
	assert_int_equal(view(f).refused_deletes, 20);
	assert_true(look(f, "box1@example.org").node_enabled);
	assert_int_equal(replica_approve(f->replica, &error), 19);
	assert_physical(f, "box40@example.org", "back@s1.example.net");
	assert_true(look(f, "box39@example.org").vanished);
	assert_int_equal(view(f).mailboxes, 21);
	assert_vector(f, cookie("0.25", NULL));
	assert_true(view(f).epoch_covered);
	assert_int_equal(replica_approve(f->replica, &error), -1);
}

static void test_mass_disappearance_that_heals(void **state)
{
	struct fixture *f = *state;
	const char *error;

	refuse(f);
	show_again(f, 40, 7, cookie("0.30", NULL));
	assert_int_equal(view(f).refused_deletes, 0);
	assert_vector(f, cookie("0.30", NULL));
	assert_int_equal(view(f).mailboxes, 39);
	assert_int_equal(replica_approve(f->replica, &error), -1);
}

static void test_the_federation_does_not_vanish_by_absence(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh;

	first_load(f, 3);
	refresh = refresh_begin(f->replica, true);
	for (unsigned id = 1; id <= 3; id++)
		show_present(refresh, id);
	end(&refresh, cookie("0.20", NULL), false);
	assert_true(look(f, "box1@example.org").federated);
	assert_int_equal(view(f).refused_deletes, 2);
	/* fences do not wait for a front door without an entry: it must not go on serving */
	assert_int_equal(view(f).node, NODE_ABSENT);
	assert_false(look(f, "box1@example.org").node_enabled);
	assert_vector(f, cookie("0.10", NULL));
}

static int end_any(struct refresh **refresh, struct csn_vector final, bool behind)
{
	const char *error = NULL;
	int result = refresh_end(*refresh, &final, behind, &error);

	refresh_free(refresh);
	return result;
}

/* A directory restored from a backup, or entries that access rules hid for a while. */
static void test_what_is_there_but_was_never_shown(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh;

	first_load(f, 3);
	push_delete(f, 2, NULL);
	refresh = refresh_begin(f->replica, false);
	show_all_but(refresh, 3, 1);
	show_present(refresh, 2); /* twice is not two */
	refresh_presents_end(refresh);
	assert_int_equal(end_any(&refresh, cookie("0.20", NULL), false), REFRESH_INCOMPLETE);
	assert_vector(f, cookie("0.10", NULL));
	assert_physical(f, "box1@example.org", "old@s1.example.net");
	/* one that is behind has not heard of its deletion */
	refresh = refresh_begin(f->replica, false);
	show_all_but(refresh, 3, 0);
	refresh_presents_end(refresh);
	assert_int_equal(end_any(&refresh, cookie("0.9", "1.20"), false), 0);
	assert_true(look(f, "box2@example.org").vanished);
	refresh = refresh_begin(f->replica, true);
	show_all_but(refresh, 3, 2);
	show(refresh, mailbox(2, "0.2", "old@s1.example.net", NULL, NULL));
	assert_int_equal(end_any(&refresh, cookie("0.21", "1.20"), false), 0);
	assert_physical(f, "box2@example.org", "old@s1.example.net");
	assert_vector(f, cookie("0.21", "1.20"));
}

/* A provider that is behind shows what was deleted since. */
static void test_what_was_deleted_does_not_come_back(void **state)
{
	struct fixture *f = *state;
	struct change old = mailbox(2, "0.2", "old@s1.example.net", NULL, NULL);
	struct change fresh = mailbox(4, "1.2", "new@s1.example.net", NULL, NULL);
	struct change changed = mailbox(3, "0.9", "new@s1.example.net", NULL, NULL);

	first_load(f, 3);
	push_delete(f, 2, NULL);
	old.behind = fresh.behind = changed.behind = true;
	push(f, old, cookie(NULL, NULL));
	push(f, fresh, cookie(NULL, NULL));
	push(f, changed, cookie(NULL, NULL));
	assert_true(look(f, "box2@example.org").vanished);
	assert_physical(f, "box4@example.org", "new@s1.example.net");
	assert_physical(f, "box3@example.org", "new@s1.example.net");
}

/* It comes with the first entries; all others may still be as old as the cookie. */
static void test_a_heartbeat_counts_with_its_whole_refresh(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh;
	char text[32];

	first_load(f, 1);
	for (unsigned round = 1; round <= 2; round++) {
		clock_generalized(text, sizeof(text), clock_wall_us());
		snprintf(text + 14, sizeof(text) - 14, ".%uZ", round);
		refresh = refresh_begin(f->replica, false);
		show(refresh, node(round == 1 ? "0.30" : "0.31", "enabled", text));
		for (unsigned id = 2; id <= 220; id++)
			show(refresh, mailbox(id, "0.30", "new@s1.example.net", NULL, NULL));
		assert_physical(f, "box100@example.org", "new@s1.example.net");
		assert_false(view(f).current);
		if (round == 1) {
			refresh_free(&refresh); /* the connection is lost */
			assert_false(view(f).current);
		}
	}
	end(&refresh, cookie("0.31", NULL), false);
	assert_true(view(f).current);
}

static void test_mass_deletion_one_by_one(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh;
	const char *error;

	first_load(f, 50);
	for (unsigned id = 1; id <= 15; id++)
		push_delete(f, id, NULL);
	assert_int_equal(view(f).mailboxes, 40);
	assert_int_equal(view(f).refused_deletes, 5);
	assert_true(look(f, "box10@example.org").vanished);
	assert_physical(f, "box11@example.org", "old@s1.example.net");
	push(f, mailbox(20, "0.25", "new@s1.example.net", NULL, NULL), cookie("0.25", NULL));
	assert_vector(f, cookie("0.10", NULL));
	/* said once more by a refresh it is not less of a mass */
	refresh = refresh_begin(f->replica, false);
	for (unsigned id = 11; id <= 15; id++) {
		uint8_t uuid[16];

		set_uuid(uuid, id);
		refresh_deleted(refresh, uuid);
	}
	end(&refresh, cookie("0.30", NULL), false);
	assert_int_equal(view(f).refused_deletes, 5);
	assert_physical(f, "box11@example.org", "old@s1.example.net");
	assert_int_equal(replica_approve(f->replica, &error), 5);
	assert_int_equal(view(f).mailboxes, 35);
	assert_vector(f, cookie("0.30", NULL));
}

static void test_the_federation_deleted(void **state)
{
	struct fixture *f = *state;
	const char *error;

	first_load(f, 1);
	push_delete(f, 5001, NULL);
	assert_true(look(f, "box1@example.org").federated);
	assert_int_equal(view(f).refused_deletes, 1);
	assert_int_equal(replica_approve(f->replica, &error), 1);
	assert_false(look(f, "box1@example.org").federated);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_nothing_before_the_first_load_is_complete),
		TEST(test_torn_tables_of_a_first_load), TEST(test_changes_after_the_first_load),
		TEST(test_no_federation_is_no_load), TEST(test_twice_in_the_first_load),
		TEST(test_a_refresh_advances_at_its_end), TEST(test_absence),
		TEST(test_absence_from_the_whole_content),
		TEST(test_absence_is_believed_of_covered_ones_only),
		TEST(test_a_provider_behind_never_deletes), TEST(test_a_final_cookie_without_csn),
		cmocka_unit_test(test_mass), TEST(test_mass_deletion_one_by_one),
		TEST(test_the_federation_deleted), TEST(test_mass_disappearance),
		TEST(test_mass_disappearance_that_heals),
		TEST(test_the_federation_does_not_vanish_by_absence),
		TEST(test_what_is_there_but_was_never_shown),
		TEST(test_what_was_deleted_does_not_come_back),
		TEST(test_a_heartbeat_counts_with_its_whole_refresh) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
