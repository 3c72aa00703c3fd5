/* The controller's records in memory: when each is due, who goes first, who has room. */
#include "tests/unit/unit.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "control/store.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/unit/machine_scene.h"

static atomic_bool stop;

static void uuid_of(unsigned number, uint8_t uuid[16])
{
	memset(uuid, 0, 16);
	memcpy(uuid, &number, sizeof number);
}

/* Parsed from an entry, as the directory would have it. */
static struct move *move_of(const char *name, const char *csn, const char *mailbox, int state)
{
	char dn[64], number[8];
	const char *texts[][2] = { { "entryCSN", csn }, { "restanteMoveAddress", "a@example.org" },
		{ "restanteMoveTarget", "S2" }, { "restanteMoveState", number },
		{ "restanteMoveMailbox", mailbox } };
	struct ldap_attribute attributes[COUNT(texts)];
	char *values[COUNT(texts)][2];
	struct ldap_entry entry = { dn, attributes, COUNT(texts) };

	snprintf(dn, sizeof dn, "cn=%s,ou=moves", name);
	snprintf(number, sizeof number, "%d", state);
	for (size_t i = 0; i < COUNT(texts); i++) {
		values[i][0] = (char *)(uintptr_t)texts[i][1];
		values[i][1] = NULL;
		attributes[i] =
			(struct ldap_attribute){ (char *)(uintptr_t)texts[i][0], values[i], 1 };
	}
	return move_parse(&entry);
}

static void put(struct store *store, unsigned number, const char *name, const char *csn)
{
	uint8_t uuid[16];

	uuid_of(number, uuid);
	store_put(store, uuid, move_of(name, csn, "m", 0));
}

static struct task *take(struct store *store)
{
	return store_take(store, &stop, 0);
}

static void test_due(void **state)
{
	struct store *store = store_new();
	int64_t now = clock_mono_us();
	struct task *tasks[100];
	char name[16];

	(void)state;
	for (unsigned i = 0; i < COUNT(tasks); i++) {
		snprintf(name, sizeof name, "m%u", i);
		put(store, i, name, "1");
	}
	for (unsigned i = 0; i < COUNT(tasks); i++)
		assert_non_null(tasks[i] = take(store));
	assert_null(take(store));
	/* given back in any order, taken in that of their instants */
	for (unsigned i = 0; i < COUNT(tasks); i++)
		store_give(store, tasks[i], now - (int64_t)(i * 37 % 100), false);
	for (unsigned i = 0, before = 100; i < COUNT(tasks); i++) {
		struct task *task = take(store);
		unsigned late = (unsigned)(now - task->due_us);
		assert_true(late < before);
		before = late;
		store_give(store, task, STORE_NEVER, false);
	}
	assert_null(take(store));
	assert_true(store_settled(store));
	store_wake_all(store);
	assert_non_null(take(store));
	store_free(&store);
}

static void test_versions(void **state)
{
	struct store *store = store_new();
	uint8_t uuid[16];
	struct task *task;

	(void)state;
	put(store, 1, "m", "5");
	task = take(store);
	store_give(store, task, STORE_NEVER, false);
	put(store, 1, "m", "4"); /* older */
	assert_null(take(store));
	put(store, 1, "m", "5"); /* our own write comes back */
	assert_null(take(store));
	put(store, 1, "m", "6");
	task = take(store);
	assert_string_equal(task->move->csn, "6");
	/* what comes while it is worked on waits */
	put(store, 1, "m", "7");
	assert_string_equal(task->move->csn, "6");
	store_give(store, task, STORE_NEVER, false);
	task = take(store);
	assert_string_equal(task->move->csn, "7");
	/* who has looked at it puts it back; what came since counts more */
	put(store, 1, "m", "8");
	store_put_newer(store, task, store_newer(store, task));
	store_give(store, task, STORE_NEVER, false);
	task = take(store);
	assert_string_equal(task->move->csn, "8");
	put(store, 1, "m", "9");
	struct move *looked_at = store_newer(store, task);
	put(store, 1, "m", "A");
	store_put_newer(store, task, looked_at);
	store_give(store, task, STORE_NEVER, false);
	task = take(store);
	assert_string_equal(task->move->csn, "A");
	/* deleted while it is worked on */
	uuid_of(1, uuid);
	store_gone(store, uuid);
	store_give(store, task, 0, false);
	assert_null(take(store));
	store_free(&store);
}

/* Where something is not written yet the directory's version lacks it: the task keeps its own. */
static void test_left(void **state)
{
	struct store *store = store_new();
	struct move *newer;
	struct task *task;

	(void)state;
	put(store, 1, "m", "5");
	task = take(store);
	task->left = mem_zalloc(sizeof *task->left);
	store_give(store, task, STORE_NEVER, false);
	put(store, 1, "m", "5"); /* our own write comes back */
	assert_null(take(store));
	put(store, 1, "m", "6");
	assert_ptr_equal(take(store), task);
	assert_string_equal(task->move->csn, "5");
	assert_non_null(newer = store_newer(store, task));
	assert_string_equal(newer->csn, "6");
	move_free(&newer);
	/* what comes while it is worked on is looked at by another run, and not lost */
	put(store, 1, "m", "7");
	store_give(store, task, STORE_NEVER, false);
	assert_ptr_equal(take(store), task);
	assert_string_equal(task->move->csn, "5");
	assert_non_null(newer = store_newer(store, task));
	move_free(&newer);
	store_give(store, task, STORE_NEVER, false);
	/* at the end those that have such a thing are found, each once */
	store_stop(store);
	assert_ptr_equal(store_take_left(store), task);
	assert_null(store_take_left(store));
	left_free(&task->left);
	store_give(store, task, STORE_NEVER, false);
	assert_null(store_take_left(store));
	store_free(&store);
}

static void test_refresh(void **state)
{
	struct store *store = store_new();
	struct store_counts counts;
	uint8_t uuid[16];

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		put(store, i, "m", "1");
	store_begin(store);
	for (unsigned i = 0; i < 7; i++) {
		uuid_of(i, uuid);
		store_present(store, uuid);
	}
	put(store, 7, "m", "2");
	store_end(store, false);
	store_count(store, &counts);
	assert_int_equal(counts.records, 10);
	store_begin(store);
	for (unsigned i = 0; i < 7; i++) {
		uuid_of(i, uuid);
		store_present(store, uuid);
	}
	put(store, 7, "m", "3");
	store_end(store, true);
	store_count(store, &counts);
	assert_int_equal(counts.records, 8);
	store_free(&store);
}

static void test_who_goes_first(void **state)
{
	struct store *store = store_new();
	uint8_t uuid[16];
	struct task *a, *b;
	char dn[100];

	(void)state;
	uuid_of(1, uuid);
	store_put(store, uuid, move_of("a", "1", "same", 0));
	uuid_of(2, uuid);
	store_put(store, uuid, move_of("b", "1", "same", 0));
	uuid_of(3, uuid);
	store_put(store, uuid, move_of("c", "1", "another", 0));
	a = take(store);
	b = take(store);
	if (strcmp(a->move->dn, "cn=a,ou=moves") != 0 && strcmp(b->move->dn, "cn=a,ou=moves") != 0)
		a = take(store);
	if (strcmp(b->move->dn, "cn=a,ou=moves") == 0) {
		struct task *other = a;
		a = b;
		b = other;
	}
	if (strcmp(b->move->dn, "cn=b,ou=moves") != 0)
		b = take(store);
	assert_false(store_other(store, a, dn, sizeof dn));
	assert_true(store_other(store, b, dn, sizeof dn));
	assert_string_equal(dn, "cn=a,ou=moves");
	/* what has begun goes before what is older */
	b->move->state = MOVE_CREATED;
	store_index(store, b);
	assert_true(store_other(store, a, dn, sizeof dn));
	assert_false(store_other(store, b, dn, sizeof dn));
	assert_true(store_moves_to(store, a, "s2"));
	b->move->outcome = MOVE_CANCELLED;
	store_index(store, b);
	assert_false(store_other(store, a, dn, sizeof dn));
	assert_false(store_moves_to(store, a, "S2"));
	store_free(&store);
}

/* So many new ones, of uuids 1 and on. */
static void take_new(struct store *store, struct task **tasks, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char name[16];

		snprintf(name, sizeof name, "m%u", i);
		put(store, i + 1, name, "1");
		tasks[i] = take(store);
	}
}

static void test_room(void **state)
{
	struct store *store = store_new();
	struct task *in, *waits;

	(void)state;
	put(store, 1, "m1", "1");
	put(store, 2, "m2", "1");
	in = take(store);
	waits = take(store);
	assert_true(store_enter(store, in, 1));
	assert_true(store_enter(store, in, 1)); /* it is in */
	assert_false(store_enter(store, waits, 1));
	assert_true(store_has_room(store, in, 1));
	assert_false(store_has_room(store, waits, 1));
	store_queue(store, waits);
	store_give(store, waits, STORE_NEVER, false);
	assert_null(take(store));
	assert_false(store_settled(store));
	in->move->state = MOVE_SWAPPED;
	store_give(store, in, STORE_NEVER, false); /* it has left, the next is woken */
	assert_ptr_equal(take(store), waits);
	assert_true(store_enter(store, waits, 1));
	store_free(&store);
}

/* Between instant and swap; stopped or paused only where mail is held. */
static void test_who_keeps_room(void **state)
{
	static const struct {
		int state;
		const char *done;
		bool keeps, keeps_stopped;
	} rows[] = { { 1, "create", false, false }, { 1, "create addresses", true, false },
		{ 4, "create addresses", true, false }, { 4, "create addresses hold", true, true },
		{ 5, "create addresses hold", true, true },
		{ 6, "create addresses hold swap", false, false },
		{ 4, "create addresses hold back", false, false } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct scene scene;
		struct move *move = &scene.move;

		scene_set(&scene, rows[i].state, rows[i].done);
		assert_int_equal(move_keeps_room(move), rows[i].keeps);
		move->stopped = true;
		assert_int_equal(move_keeps_room(move), rows[i].keeps_stopped);
		assert_int_equal(move_holds_mail(move), rows[i].keeps_stopped);
		move->stopped = false;
		move->request = MOVE_ASKED_PAUSE;
		assert_int_equal(move_keeps_room(move), rows[i].keeps_stopped);
	}
}

/* Three wait for one place: who may not use it passes it on, who waits for it does not. */
static void test_room_is_given_up(void **state)
{
	struct store *store = store_new();
	struct task *tasks[4];

	(void)state;
	take_new(store, tasks, COUNT(tasks));
	for (unsigned i = 0; i < COUNT(tasks); i++) {
		tasks[i]->move->state = MOVE_ADDRESSED;
		assert_int_equal(store_enter(store, tasks[i], 1), i == 0);
	}
	for (unsigned i = 1; i < COUNT(tasks); i++) {
		store_queue(store, tasks[i]);
		store_give(store, tasks[i], STORE_NEVER, false);
	}
	tasks[0]->move->stopped = true;
	store_give(store, tasks[0], STORE_NEVER, false);
	assert_ptr_equal(take(store), tasks[1]);
	tasks[1]->move->request = MOVE_ASKED_PAUSE; /* it does not enter */
	store_give(store, tasks[1], STORE_NEVER, false);
	assert_ptr_equal(take(store), tasks[2]);
	assert_true(store_enter(store, tasks[2], 1));
	assert_null(take(store));
	tasks[2]->yields = true;
	store_give(store, tasks[2], STORE_NEVER, false);
	assert_ptr_equal(take(store), tasks[3]);
	assert_true(store_enter(store, tasks[3], 1));
	tasks[3]->move->state = MOVE_FENCED; /* mail is held for it: it stays in */
	tasks[3]->move->stopped = true;
	store_give(store, tasks[3], STORE_NEVER, false);
	store_wake(store, tasks[2]);
	assert_ptr_equal(take(store), tasks[2]);
	assert_false(store_enter(store, tasks[2], 1));
	tasks[2]->move->state = MOVE_FENCED; /* as after a start */
	assert_true(store_enter(store, tasks[2], 1));
	store_free(&store);
}

static void test_places(void **state)
{
	static const struct {
		unsigned here, all, workers, concurrency;
		bool is_free;
	} rows[] = { { 0, 0, 8, 0, true }, { 5, 5, 8, 0, true }, { 6, 6, 8, 0, false },
		{ 1, 6, 8, 0, true }, { 1, 7, 8, 0, false }, { 0, 7, 8, 0, true },
		{ 0, 8, 8, 0, false }, { 1, 1, 8, 2, true }, { 2, 2, 8, 2, false },
		{ 6, 6, 8, 100, false }, { 0, 0, 1, 0, true }, { 0, 1, 1, 0, false },
		{ 0, 0, 2, 0, true }, { 1, 1, 2, 0, false }, { 0, 1, 2, 0, true },
		{ 2, 2, 4, 0, true }, { 3, 3, 4, 0, false }, { 17, 17, 24, 0, true },
		{ 18, 18, 24, 0, false } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(slot_is_free(rows[i].here, rows[i].all, rows[i].workers,
					 rows[i].concurrency),
			rows[i].is_free);
}

static struct task *give_and_take(struct store *store, struct task *task)
{
	store_give(store, task, STORE_NEVER, false);
	return take(store);
}

/* Who is held soon, then who has begun, then in the order in which they came. */
static void test_who_gets_a_place_first(void **state)
{
	static const unsigned order[] = { 4, 6, 3, 5, 1, 2 };
	struct store *store = store_new();
	struct task *tasks[7];

	(void)state;
	take_new(store, tasks, COUNT(tasks));
	assert_true(store_slot_enter(store, tasks[0], "S2", 1, 8));
	for (unsigned i = 1; i < COUNT(tasks); i++) {
		tasks[i]->begun = i == 3 || i == 5;
		if (i == 4 || i == 6)
			assert_true(store_enter(store, tasks[i], 10));
		assert_false(store_slot_enter(store, tasks[i], "S2", 1, 8));
	}
	for (unsigned i = 0; i < COUNT(order); i++) {
		store_slot_leave(store, "S2");
		for (unsigned other = 1; other < COUNT(tasks); other++)
			assert_int_equal(tasks[other]->slot_offered, other == order[i]);
		assert_true(store_slot_enter(store, tasks[order[i]], "S2", 1, 8));
	}
	store_slot_leave(store, "S2");
	for (unsigned i = 0; i < COUNT(tasks); i++)
		store_give(store, tasks[i], STORE_NEVER, false);
	store_free(&store);
}

/* Nobody asks again: who waits is woken when a step on that system, or any, has ended. */
static void test_who_waits_for_a_place(void **state)
{
	struct store *store = store_new();
	struct task *tasks[5];
	uint8_t uuid[16];

	(void)state;
	take_new(store, tasks, COUNT(tasks));
	assert_true(store_slot_enter(store, tasks[0], "S2", 1, 8));
	for (unsigned i = 1; i < 4; i++) {
		assert_false(store_slot_enter(store, tasks[i], "s2", 1, 8));
		assert_null(give_and_take(store, tasks[i]));
	}
	assert_false(store_settled(store));
	assert_true(store_slot_enter(store, tasks[4], "S3", 1, 8));
	store_slot_leave(store, "S2");
	/* it is kept for the one that waited longest */
	assert_false(store_slot_enter(store, tasks[0], "S2", 1, 8));
	assert_ptr_equal(give_and_take(store, tasks[0]), tasks[1]);
	assert_true(store_slot_enter(store, tasks[1], "S2", 1, 8));
	store_slot_leave(store, "S2");
	assert_ptr_equal(take(store), tasks[2]);
	/* which has no use for it any more */
	assert_ptr_equal(give_and_take(store, tasks[2]), tasks[3]);
	assert_true(store_slot_enter(store, tasks[3], "S2", 1, 8));
	/* woken by something else it waits no longer; gone it does not either */
	store_wake(store, tasks[0]);
	assert_ptr_equal(take(store), tasks[0]);
	assert_false(store_slot_enter(store, tasks[0], "S2", 1, 8));
	assert_null(give_and_take(store, tasks[0]));
	uuid_of(1, uuid);
	store_gone(store, uuid);
	store_slot_leave(store, "S2");
	assert_null(take(store));
	/* of two with two workers each has one; when one has ended the other may */
	assert_true(store_slot_enter(store, tasks[2], "S2", 0, 2));
	assert_false(store_slot_enter(store, tasks[3], "S2", 0, 2));
	store_slot_leave(store, "S2"); /* while it is busy */
	assert_ptr_equal(give_and_take(store, tasks[3]), tasks[3]);
	assert_true(store_slot_enter(store, tasks[3], "S2", 0, 2));
	store_free(&store);
}

static void note(void *context, struct kept *kept)
{
	kept->fenced_us = *(int64_t *)context;
}

static void test_kept(void **state)
{
	struct store *store = store_new();
	int64_t mark = 42;
	struct kept kept;
	struct task *task;
	uint8_t uuid[16];

	(void)state;
	put(store, 1, "m", "1");
	task = take(store);
	store_kept(store, task, &kept);
	assert_int_equal(kept.fenced_us, 0);
	uuid_of(1, uuid);
	store_keep(store, uuid, note, &mark, true);
	store_kept(store, task, &kept);
	assert_int_equal(kept.fenced_us, 42);
	store_give(store, task, STORE_NEVER, false);
	assert_ptr_equal(take(store), task); /* it was woken while it was busy */
	uuid_of(9, uuid);
	store_keep(store, uuid, note, &mark, true); /* gone meanwhile */
	store_free(&store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_due),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_left),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_who_goes_first),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_who_keeps_room),
		cmocka_unit_test(test_room_is_given_up),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_who_waits_for_a_place),
		cmocka_unit_test(test_who_gets_a_place_first),
		cmocka_unit_test(test_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
