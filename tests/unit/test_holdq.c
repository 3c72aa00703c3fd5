/* queue/holdq: storing, limits, removal, changes. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "queue/holdq_internal.h"
#include "tests/unit/holdq_lab.h"

#define ONE(n) ((const unsigned[]){ (n) }), 1

static struct holdq_mailbox counts(struct lab *lab, unsigned mailbox)
{
	struct holdq_mailbox held;

	assert_int_equal(counts_read(lab->queue, NULL, lab_mailbox(mailbox), &held), BDB_OK);
	return held;
}

static struct holdq_totals totals(struct lab *lab)
{
	struct holdq_totals now;

	holdq_totals(lab->queue, &now);
	return now;
}

static struct holdq_message *read_message(struct lab *lab, uint64_t id)
{
	struct holdq_message *message = NULL;

	assert_int_equal(holdq_read(lab->queue, id, &message), HOLDQ_OK);
	return message;
}

/* --- storing --------------------------------------------------------------------------------- */

static void holds_a_message(void **state)
{
	struct lab *lab = *state;
	unsigned to[] = { 1, 2 };
	uint64_t id;
	size_t held;
	int64_t before = clock_wall_us();

	assert_int_equal(lab_put(lab->queue, 2000, 7, to, 2, 0, &id, &held), HOLDQ_OK);
	assert_int_equal(held, 2);
	lab_reopen(lab);
	struct holdq_message *message = read_message(lab, id);
	assert_int_equal(message->id, id);
	assert_int_equal(message->bytes, 2000);
	assert_string_equal(message->envelope.sender, "sender@example.net");
	assert_string_equal(message->envelope.mail_params, "BODY=8BITMIME");
	assert_string_equal(message->envelope.client_name, "client.example.net");
	assert_string_equal(message->envelope.queue_id, "");
	assert_string_equal(message->envelope.id, "id-1");
	assert_true(message->envelope.arrived_us >= before);
	assert_int_equal(message->count, 2);
	assert_int_equal(message->recipients[1].number, 1);
	assert_string_equal(message->recipients[1].address, "u2@example.org");
	assert_string_equal(message->recipients[1].params, "NOTIFY=FAILURE");
	assert_memory_equal(message->recipients[1].mailbox, lab_mailbox(2), ROUTE_UUID_BYTES);
	assert_int_equal(message->recipients[1].release_began_us, 0);
	assert_string_equal(message->recipients[1].last_reply, "");
	assert_true(lab_has(lab->queue, id, 2000, 7));
	assert_int_equal(totals(lab).messages, 1);
	assert_int_equal(totals(lab).recipients, 2);
	assert_int_equal(totals(lab).mailboxes, 2);
	assert_int_equal(totals(lab).bytes, 2000);
	assert_int_equal(totals(lab).oldest_us, message->envelope.arrived_us);
	assert_int_equal(counts(lab, 2).oldest_us, message->envelope.arrived_us);
	holdq_message_free(&message);
}

static void sizes_at_the_edges(void **state)
{
	static const size_t sizes[] = { 0, 1, HOLDQ_CHUNK - 1, HOLDQ_CHUNK, HOLDQ_CHUNK + 1,
		2 * HOLDQ_CHUNK - 1, 2 * HOLDQ_CHUNK, 2 * HOLDQ_CHUNK + 1, 5 << 20 };
	const size_t count = sizeof(sizes) / sizeof(sizes[0]);
	struct lab *lab = *state;
	uint64_t ids[16];

	for (size_t i = 0; i < count; i++) {
		ids[i] = lab_put_one(lab->queue, sizes[i], (unsigned)i, 1);
		assert_int_not_equal(ids[i], 0);
	}
	for (int opened = 0; opened < 2; opened++) {
		for (size_t i = 0; i < count; i++)
			if (!lab_has(lab->queue, ids[i], sizes[i], (unsigned)i))
				fail_msg("content of %zu bytes differs", sizes[i]);
		lab_reopen(lab);
	}
}

static void arrival_order(void **state)
{
	struct lab *lab = *state;
	uint64_t ids[40], found[40];

	for (unsigned i = 0; i < 40; i++)
		ids[i] = lab_put_one(lab->queue, i == 3 ? 300000 : 100, i, i % 2);
	lab_reopen(lab);
	assert_int_equal(holdq_all_ids(lab->queue, 0, found, 40), 40);
	assert_memory_equal(found, ids, sizeof(ids));
	assert_int_equal(holdq_ids(lab->queue, lab_mailbox(1), 0, found, 40), 20);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(found[i], ids[2 * i + 1]);
	assert_int_equal(holdq_ids(lab->queue, lab_mailbox(1), ids[5], found, 3), 3);
	assert_int_equal(found[0], ids[7]);
	assert_int_equal(holdq_ids(lab->queue, lab_mailbox(9), 0, found, 3), 0);
	assert_true(lab_put_one(lab->queue, 1, 1, 1) > ids[39]);
}

static void ids_are_never_given_twice(void **state)
{
	struct lab *lab = *state;
	uint64_t id = lab_put_one(lab->queue, 10, 1, 1);

	assert_int_equal(holdq_remove(lab->queue, id, (uint32_t[]){ 0 }, 1, NULL), HOLDQ_OK);
	lab_reopen(lab);
	assert_true(lab_put_one(lab->queue, 10, 1, 1) > id);
}

static void a_dropped_draft_leaves_nothing(void **state)
{
	struct lab *lab = *state;
	struct holdq_draft *draft = holdq_draft_new(lab->queue);
	char *data = mem_zalloc(300000);
	struct bdb_cursor *cursor;
	struct bdb_item item;

	assert_int_equal(holdq_draft_append(draft, data, 300000), HOLDQ_OK);
	holdq_draft_free(&draft);
	free(data);
	lab_reopen(lab); /* what was not removed yet is found */
	enum bdb_result result;
	for (int64_t until = clock_mono_us() + 10 * CLOCK_SECOND;; clock_sleep_us(CLOCK_MS)) {
		assert_int_equal(bdb_cursor_open(lab->queue->chunks, NULL, 0, &cursor), BDB_OK);
		result = bdb_cursor_seek(cursor, NULL, 0, &item);
		bdb_cursor_close(&cursor);
		if (result == BDB_NOTFOUND || clock_mono_us() > until)
			break;
	}
	assert_int_equal(result, BDB_NOTFOUND);
}

/* --- limits ---------------------------------------------------------------------------------- */

static void limit_of_all(void **state)
{
	struct lab *lab = *state;

	lab->options.limit_bytes = 10000;
	holdq_configure(lab->queue, &lab->options);
	assert_int_equal(holdq_room(lab->queue, NULL), HOLDQ_OK);
	uint64_t first = lab_put_one(lab->queue, 6000, 1, 1);
	assert_int_not_equal(first, 0);
	assert_int_equal(lab_put_one(lab->queue, 6000, 1, 1), 0);
	assert_non_null(strstr(holdq_reason(), "limit"));
	assert_int_not_equal(lab_put_one(lab->queue, 4000, 1, 1), 0);
	assert_int_equal(holdq_room(lab->queue, NULL), HOLDQ_FULL);
	assert_int_equal(totals(lab).refused, 1);
	holdq_remove(lab->queue, first, (uint32_t[]){ 0 }, 1, NULL);
	assert_int_equal(holdq_room(lab->queue, NULL), HOLDQ_OK);
	assert_int_not_equal(lab_put_one(lab->queue, 6000, 1, 1), 0);
}

static void limit_of_a_mailbox(void **state)
{
	struct lab *lab = *state;
	uint64_t id;
	size_t held;

	lab->options.limit_mailbox = 10000;
	holdq_configure(lab->queue, &lab->options);
	assert_int_not_equal(lab_put_one(lab->queue, 10000, 1, 1), 0);
	assert_int_equal(holdq_room(lab->queue, lab_mailbox(1)), HOLDQ_FULL);
	assert_int_equal(holdq_room(lab->queue, lab_mailbox(2)), HOLDQ_OK);
	assert_int_equal(
		lab_put(lab->queue, 1, 1, ((unsigned[]){ 2, 1 }), 2, 0, &id, &held), HOLDQ_FULL);
	assert_int_equal(totals(lab).recipients, 1);
	assert_int_not_equal(lab_put_one(lab->queue, 1, 1, 2), 0);
}

static void limit_of_free_space(void **state)
{
	struct lab *lab = *state;

	lab->options.limit_free = UINT64_MAX;
	holdq_configure(lab->queue, &lab->options);
	assert_int_equal(holdq_room(lab->queue, NULL), HOLDQ_FULL);
	assert_non_null(strstr(holdq_reason(), "free space"));
	assert_int_equal(lab_put_one(lab->queue, 1, 1, 1), 0);
	assert_int_equal(lab_put_one(lab->queue, 300000, 1, 1), 0);
	lab->options.limit_free = 0;
	holdq_configure(lab->queue, &lab->options);
	assert_int_not_equal(lab_put_one(lab->queue, 1, 1, 1), 0);
}

/* --- removal and changes --------------------------------------------------------------------- */

static void removal(void **state)
{
	struct lab *lab = *state;
	uint64_t id, large;
	size_t held;

	lab_put(lab->queue, 100, 1, ((unsigned[]){ 1, 1, 2 }), 3, 9, &id, &held);
	large = lab_put_one(lab->queue, 500000, 2, 1);
	assert_int_equal(counts(lab, 1).recipients, 3);
	assert_int_equal(counts(lab, 1).bytes, 500200);
	assert_int_equal(holdq_remove(lab->queue, id, (uint32_t[]){ 0, 2 }, 2, NULL), HOLDQ_OK);
	assert_int_equal(holdq_remove(lab->queue, id, (uint32_t[]){ 0, 2 }, 2, NULL), HOLDQ_GONE);
	struct holdq_message *message = read_message(lab, id);
	assert_int_equal(message->count, 1);
	assert_int_equal(message->recipients[0].number, 1);
	int64_t arrived = message->envelope.arrived_us;
	holdq_message_free(&message);
	assert_int_equal(counts(lab, 2).recipients, 0);
	assert_int_equal(counts(lab, 1).oldest_us, arrived);
	assert_int_equal(holdq_remove(lab->queue, id, (uint32_t[]){ 1 }, 1, NULL), HOLDQ_OK);
	assert_int_equal(holdq_read(lab->queue, id, &message), HOLDQ_GONE);
	assert_true(counts(lab, 1).oldest_us > arrived);
	assert_int_equal(holdq_remove(lab->queue, large, (uint32_t[]){ 0 }, 1, NULL), HOLDQ_OK);
	lab_reopen(lab);
	struct holdq_totals now = totals(lab);
	assert_int_equal(now.messages, 0);
	assert_int_equal(now.recipients, 0);
	assert_int_equal(now.bytes, 0);
	assert_int_equal(now.mailboxes, 0);
	assert_int_equal(now.oldest_us, 0);
	assert_int_equal(holdq_room(lab->queue, lab_mailbox(1)), HOLDQ_OK);
}

static uint64_t only_notice(struct lab *lab)
{
	uint64_t ids[2];

	assert_int_equal(holdq_ids(lab->queue, holdq_notices, 0, ids, 2), 1);
	return ids[0];
}

static void removal_with_notice(void **state)
{
	static const size_t sizes[] = { 900, 400000 };
	struct lab *lab = *state;

	for (size_t i = 0; i < 2; i++) {
		char *text = mem_alloc(sizes[i]);
		lab_fill(text, sizes[i], 77);
		struct holdq_notice notice = { "sender@example.net", text, sizes[i], "RET=HDRS" };
		uint64_t id = lab_put_one(lab->queue, 100, 1, 1);
		/* full or not: a notice is never refused by a limit */
		lab->options.limit_bytes = 1;
		holdq_configure(lab->queue, &lab->options);
		assert_int_equal(holdq_remove(lab->queue, id + 1000, (uint32_t[]){ 0 }, 1, &notice),
			HOLDQ_GONE);
		assert_int_equal(
			holdq_remove(lab->queue, id, (uint32_t[]){ 0 }, 1, &notice), HOLDQ_OK);
		lab->options.limit_bytes = 0;
		lab_reopen(lab);
		assert_int_equal(totals(lab).messages, 1);
		uint64_t found = only_notice(lab);
		struct holdq_message *message = read_message(lab, found);
		assert_string_equal(message->envelope.sender, "");
		assert_string_equal(message->envelope.mail_params, "RET=HDRS");
		assert_string_equal(message->envelope.id, "id-1-notice");
		assert_string_equal(message->recipients[0].address, "sender@example.net");
		holdq_message_free(&message);
		assert_true(lab_has(lab->queue, found, sizes[i], 77));
		assert_int_equal(
			holdq_remove(lab->queue, found, (uint32_t[]){ 0 }, 1, NULL), HOLDQ_OK);
		free(text);
	}
}

static void update_is_kept(void **state)
{
	struct lab *lab = *state;
	static char reply[] = "450 4.2.1 try later";
	uint64_t id = lab_put_one(lab->queue, 100, 1, 1);
	struct holdq_held_recipient now = { .number = 0,
		.release_began_us = 11,
		.trouble_us = 22,
		.attempts = 3,
		.delay_told = true,
		.last_reply = reply };

	assert_int_equal(holdq_update(lab->queue, id, &now, NULL), HOLDQ_OK);
	now.number = 5;
	assert_int_equal(holdq_update(lab->queue, id, &now, NULL), HOLDQ_GONE);
	lab_reopen(lab);
	struct holdq_message *message = read_message(lab, id);
	assert_int_equal(message->recipients[0].release_began_us, 11);
	assert_int_equal(message->recipients[0].trouble_us, 22);
	assert_int_equal(message->recipients[0].attempts, 3);
	assert_true(message->recipients[0].delay_told);
	assert_string_equal(message->recipients[0].last_reply, reply);
	assert_string_equal(message->recipients[0].address, "u1@example.org");
	holdq_message_free(&message);
}

/* All of them at once, with one notice; those that are gone are passed over. */
static void tell_is_kept(void **state)
{
	struct lab *lab = *state;
	const struct holdq_notice notice = { .recipient = "s@o",
		.content = "Subject: late\r\n\r\n",
		.bytes = 17,
		.mail_params = "" };
	uint64_t id, ids[3];
	size_t held;

	assert_int_equal(
		lab_put(lab->queue, 100, 1, (unsigned[]){ 1, 2, 3 }, 3, 0, &id, &held), HOLDQ_OK);
	assert_int_equal(holdq_tell(lab->queue, id, (uint32_t[]){ 7 }, 1, &notice), HOLDQ_GONE);
	assert_int_equal(totals(lab).messages, 1);
	assert_int_equal(holdq_tell(lab->queue, id, (uint32_t[]){ 0, 7, 2 }, 3, &notice), HOLDQ_OK);
	lab_reopen(lab);
	struct holdq_message *message = read_message(lab, id);
	assert_true(message->recipients[0].delay_told);
	assert_false(message->recipients[1].delay_told);
	assert_true(message->recipients[2].delay_told);
	holdq_message_free(&message);
	assert_int_equal(holdq_ids(lab->queue, holdq_notices, 0, ids, 3), 1);
	assert_int_equal(totals(lab).messages, 2);
}

static void rehome_keeps_the_place(void **state)
{
	struct lab *lab = *state;
	uint64_t a = lab_put_one(lab->queue, 10, 1, 1);
	uint64_t b = lab_put_one(lab->queue, 20, 1, 2);
	uint64_t found[3];

	assert_int_equal(holdq_rehome(lab->queue, a, 0, lab_mailbox(2)), HOLDQ_OK);
	assert_int_equal(holdq_rehome(lab->queue, a, 1, lab_mailbox(2)), HOLDQ_GONE);
	assert_int_equal(holdq_ids(lab->queue, lab_mailbox(2), 0, found, 3), 2);
	assert_int_equal(found[0], a);
	assert_int_equal(found[1], b);
	assert_int_equal(holdq_ids(lab->queue, lab_mailbox(1), 0, found, 3), 0);
	assert_int_equal(counts(lab, 2).bytes, 30);
	assert_int_equal(totals(lab).mailboxes, 1);
	assert_int_equal(totals(lab).recipients, 2);
	struct holdq_message *message = read_message(lab, a);
	assert_memory_equal(message->recipients[0].mailbox, lab_mailbox(2), ROUTE_UUID_BYTES);
	assert_int_equal(counts(lab, 2).oldest_us, message->envelope.arrived_us);
	holdq_message_free(&message);
}

/* Several at once, all of it as if it had come for the new address; the others stay. */
static void readdress_begins_anew(void **state)
{
	static const unsigned to[] = { 1, 2, 1 };
	static const uint32_t numbers[] = { 0, 2, 7 };
	struct lab *lab = *state;
	uint64_t id;
	size_t held;

	assert_int_equal(lab_put(lab->queue, 10, 1, to, 3, 0, &id, &held), HOLDQ_OK);
	struct holdq_message *message = read_message(lab, id);
	message->recipients[0].release_began_us = message->recipients[0].trouble_us = 5;
	message->recipients[0].attempts = 3;
	mem_free(&message->recipients[0].last_reply);
	message->recipients[0].last_reply = mem_strdup("450 later");
	assert_int_equal(holdq_update(lab->queue, id, &message->recipients[0], NULL), HOLDQ_OK);
	holdq_message_free(&message);
	assert_int_equal(
		holdq_readdress(lab->queue, id, numbers, 3, holdq_redirected, "new@x.example"),
		HOLDQ_OK);
	assert_int_equal(holdq_readdress(lab->queue, id, numbers + 2, 1, holdq_redirected, "x@y"),
		HOLDQ_GONE);
	lab_reopen(lab);
	message = read_message(lab, id);
	assert_int_equal(message->count, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct holdq_held_recipient *one = &message->recipients[i];
		bool moved = one->number != 1;
		assert_memory_equal(
			one->mailbox, moved ? holdq_redirected : lab_mailbox(2), ROUTE_UUID_BYTES);
		assert_string_equal(one->address, moved ? "new@x.example" : "u2@example.org");
		assert_int_equal(one->release_began_us, 0);
		assert_int_equal(one->attempts, 0);
		assert_string_equal(one->params,
			moved ? "NOTIFY=FAILURE ORCPT=rfc822;u1@example.org" : "NOTIFY=FAILURE");
		assert_string_equal(one->last_reply, "");
	}
	holdq_message_free(&message);
	assert_int_equal(holdq_ids(lab->queue, holdq_redirected, 0, &id, 1), 1);
	assert_int_equal(totals(lab).recipients, 3);
	assert_int_equal(totals(lab).mailboxes, 2);
}

/* --- state ----------------------------------------------------------------------------------- */

struct seen {
	size_t count;
	uint64_t recipients;
	size_t stop_at;
};

static int see(void *context, const struct holdq_mailbox *mailbox)
{
	struct seen *seen = context;

	seen->count++;
	seen->recipients += mailbox->recipients;
	return seen->count == seen->stop_at;
}

static void each_mailbox(void **state)
{
	struct lab *lab = *state;
	struct seen seen = { 0, 0, 0 };
	unsigned to[200];
	uint64_t id;
	size_t held;

	for (unsigned i = 0; i < 200; i++)
		to[i] = i;
	lab_put(lab->queue, 10, 1, to, 200, 0, &id, &held);
	lab_put(lab->queue, 10, 1, to, 50, 0, &id, &held);
	assert_int_equal(holdq_each_mailbox(lab->queue, see, &seen), HOLDQ_OK);
	assert_int_equal(seen.count, 200);
	assert_int_equal(seen.recipients, 250);
	seen = (struct seen){ 0, 0, 3 };
	holdq_each_mailbox(lab->queue, see, &seen);
	assert_int_equal(seen.count, 3);
}

static void note_mailbox(void *context, const uint8_t *mailbox)
{
	uint8_t *seen = context;

	seen[mailbox[4]]++;
}

static void observer_hears(void **state)
{
	struct lab *lab = *state;
	uint8_t seen[256] = { 0 };
	uint64_t id;
	size_t held;

	holdq_observe(lab->queue, note_mailbox, seen);
	lab_put(lab->queue, 10, 1, ((unsigned[]){ 3, 4 }), 2, 8, &id, &held);
	assert_int_equal(seen[3], 1);
	assert_int_equal(seen[4], 1);
	lab_put(lab->queue, 10, 1, ((unsigned[]){ 3, 4 }), 2, 8, &id, &held);
	assert_int_equal(seen[3], 1);
	holdq_rehome(lab->queue, id, 0, lab_mailbox(9));
	assert_int_equal(seen[9], 1);
	holdq_observe(lab->queue, NULL, NULL);
}

/* --- on disk --------------------------------------------------------------------------------- */

/* In place of the C library's, for Berkeley DB, too. */
static _Atomic unsigned syncs;

int fdatasync(int fd)
{
	syncs++;
	return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
	syncs++;
	return (int)syscall(SYS_fsync, fd);
}

static void acknowledged_means_synced(void **state)
{
	struct lab *lab = *state;
	struct holdq_held_recipient now = { .number = 0 };
	struct holdq_notice notice = { "a@example.net", "text", 4, "" };
	unsigned before = syncs;

	uint64_t id = lab_put_one(lab->queue, 100, 1, 1);
	assert_int_equal(syncs, before + 1);
	lab_put_one(lab->queue, 500000, 1, 1); /* its chunks and all: once */
	assert_int_equal(syncs, before + 2);
	assert_int_equal(holdq_update(lab->queue, id, &now, NULL), HOLDQ_OK);
	assert_int_equal(syncs, before + 2);
	assert_int_equal(holdq_update(lab->queue, id, &now, &notice), HOLDQ_OK);
	assert_int_equal(syncs, before + 3);
	assert_int_equal(holdq_rehome(lab->queue, id, 0, lab_mailbox(2)), HOLDQ_OK);
	assert_int_equal(syncs, before + 4);
	assert_int_equal(holdq_remove(lab->queue, id, (uint32_t[]){ 0 }, 1, NULL), HOLDQ_OK);
	assert_int_equal(syncs, before + 5);
}

static void handed_over_is_synced_soon(void **state)
{
	struct lab *lab = *state;
	uint64_t ids[8];
	const int64_t until = clock_mono_us() + 60 * CLOCK_SECOND;

	for (unsigned i = 0; i < 8; i++)
		ids[i] = lab_put_one(lab->queue, 100, 1, 1);
	unsigned before = syncs;
	assert_false(totals(lab).lags);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(
			holdq_handed_over(lab->queue, ids[i], (uint32_t[]){ 0 }, 1), HOLDQ_OK);
	assert_int_equal(holdq_handed_over(lab->queue, ids[0], (uint32_t[]){ 0 }, 1), HOLDQ_GONE);
	assert_int_equal(totals(lab).messages, 0);
	while (totals(lab).lags && clock_mono_us() < until)
		clock_sleep_us(CLOCK_MS);
	assert_false(totals(lab).lags);
	assert_in_range(syncs, before + 1, before + 8);
	/* Whatever is synced takes along what lags. */
	uint64_t last = lab_put_one(lab->queue, 100, 1, 1);
	assert_int_equal(holdq_handed_over(lab->queue, last, (uint32_t[]){ 0 }, 1), HOLDQ_OK);
	lab_put_one(lab->queue, 100, 1, 1);
	assert_false(totals(lab).lags);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(holds_a_message),
		TEST(sizes_at_the_edges),
		TEST(arrival_order),
		TEST(ids_are_never_given_twice),
		TEST(a_dropped_draft_leaves_nothing),
		TEST(limit_of_all),
		TEST(limit_of_a_mailbox),
		TEST(limit_of_free_space),
		TEST(removal),
		TEST(removal_with_notice),
		TEST(update_is_kept),
		TEST(tell_is_kept),
		TEST(rehome_keeps_the_place),
		TEST(readdress_begins_anew),
		TEST(each_mailbox),
		TEST(observer_hears),
		TEST(acknowledged_means_synced),
		TEST(handed_over_is_synced_soon),
	};

	return cmocka_run_group_tests_name("holdq", tests, NULL, NULL);
}
