/* queue/holdq: what must not be opened, and what is said then; stored records. */
#define _GNU_SOURCE
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/mem.h"
#include "queue/holdq_internal.h"
#include "tests/unit/holdq_lab.h"
#include "tests/unit/spoil.h"

static const char *refused(struct lab *lab)
{
	const char *error = NULL;

	assert_null(lab->queue);
	lab->queue = holdq_open(&lab->options, &error);
	assert_null(lab->queue);
	assert_non_null(strstr(error, lab->dir));
	assert_null(strchr(error, '\n'));
	return error;
}

static void another_node(void **state)
{
	struct lab *lab = *state;

	lab_put_one(lab->queue, 10, 1, 1);
	holdq_close(&lab->queue);
	lab->options.node = "front2";
	const char *error = refused(lab);
	assert_non_null(strstr(error, "node front1, not of front2"));
	lab->options.node = "front1";
	lab_open(lab);
	assert_int_equal(lab_put_one(lab->queue, 10, 1, 1) > 0, 1);
}

static void another_format(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(bdb_put(lab->queue->meta, NULL, "format", 6, "99", 2, 0), BDB_OK);
	holdq_close(&lab->queue);
	assert_non_null(strstr(refused(lab), "format 99, this program needs " HOLDQ_FORMAT));
}

static void another_process(void **state)
{
	struct lab *lab = *state;
	const char *error = NULL;
	char pid[32];
	int status;

	snprintf(pid, sizeof(pid), "process %ld:", (long)getpid());
	pid_t child = fork();
	if (child == 0)
		_exit(holdq_open(&lab->options, &error) == NULL && strstr(error, pid) ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void spoiled_table(void **state)
{
	struct lab *lab = *state;

	lab_put_one(lab->queue, 10, 1, 1);
	holdq_close(&lab->queue);
	spoil(lab->dir, "messages.db", 0, 4096);
	assert_non_null(strstr(refused(lab), "copy"));
}

static void spoiled_totals_page(void **state)
{
	struct lab *lab = *state;

	lab_put_one(lab->queue, 10, 1, 1);
	holdq_close(&lab->queue);
	spoil(lab->dir, "meta.db", 4096 + 50, 2000);
	assert_non_null(strstr(refused(lab), "checksum"));
}

static void spoiled_log(void **state)
{
	struct lab *lab = *state;
	glob_t found;

	lab_put_one(lab->queue, 10, 1, 1);
	holdq_close(&lab->queue);
	char *pattern = mem_printf("%s/log.*", lab->dir);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	spoil(lab->dir, strrchr(found.gl_pathv[found.gl_pathc - 1], '/') + 1, 0, 40);
	globfree(&found);
	free(pattern);
	assert_non_null(strstr(refused(lab), "cannot recover"));
}

/* A page that was spoiled while the queue was closed: the message is refused, not guessed. */
static void spoiled_content(void **state)
{
	struct lab *lab = *state;
	char buffer[60000];
	size_t len;

	uint64_t id = lab_put_one(lab->queue, 60000, 1, 1);
	holdq_close(&lab->queue);
	spoil(lab->dir, "content.db", 3 * 4096 + 100, 10);
	lab_open(lab);
	assert_int_not_equal(
		holdq_content(lab->queue, id, 0, buffer, sizeof(buffer), &len), HOLDQ_OK);
	assert_non_null(strstr(holdq_reason(), "checksum"));
}

static void damaged_record(void **state)
{
	struct lab *lab = *state;
	struct holdq_message *message;
	uint64_t id = lab_put_one(lab->queue, 100, 1, 1), other = lab_put_one(lab->queue, 1, 1, 1);
	uint8_t key[ID_KEY];

	key_id(key, id);
	assert_int_equal(
		bdb_put(lab->queue->messages, NULL, key, sizeof(key), "\1junk", 5, 0), BDB_OK);
	assert_int_equal(holdq_read(lab->queue, id, &message), HOLDQ_FAILED);
	assert_non_null(strstr(holdq_reason(), "damaged"));
	assert_int_equal(holdq_remove(lab->queue, id, (uint32_t[]){ 0 }, 1, NULL), HOLDQ_FAILED);
	assert_non_null(strstr(holdq_reason(), "damaged"));
	assert_int_equal(holdq_remove(lab->queue, other, (uint32_t[]){ 0 }, 1, NULL), HOLDQ_OK);
}

static int count_one(void *context, const struct holdq_mailbox *mailbox)
{
	(void)mailbox;
	++*(unsigned *)context;
	return 0;
}

/* Keys of no length of ours, in front of, among and behind the sound ones. */
static void odd_keys(void **state)
{
	static const char *const keys[] = { "\1", "u\1\1", "\377" };
	const unsigned mailbox = 1;
	struct lab *lab = *state;
	struct holdq *queue = lab->queue;
	unsigned mailboxes = 0;
	uint64_t id, again;
	size_t held;

	for (size_t k = 0; k < 3; k++) {
		bdb_put(queue->digests, NULL, keys[k], strlen(keys[k]), "x", 1, 0);
		bdb_put(queue->index, NULL, keys[k], strlen(keys[k]), "x", 1, 0);
		bdb_put(queue->mailboxes, NULL, keys[k], strlen(keys[k]), "x", 1, 0);
	}
	assert_int_equal(bdb_put(queue->chunks, NULL, "", 1, "x", 1, 0), BDB_OK);
	assert_int_equal(lab_put(queue, 100000, 1, &mailbox, 1, 7, &id, &held), HOLDQ_OK);
	assert_int_equal(lab_put(queue, 100000, 1, &mailbox, 1, 7, &again, &held), HOLDQ_OK);
	assert_int_equal(held, 0);
	assert_int_equal(holdq_each_mailbox(queue, count_one, &mailboxes), HOLDQ_OK);
	assert_int_equal(mailboxes, 1);
	lab_reopen(lab);
	assert_true(lab_has(lab->queue, id, 100000, 1));
	assert_int_equal(holdq_remove(lab->queue, id, (uint32_t[]){ 0 }, 1, NULL), HOLDQ_OK);
	assert_true(lab_put_one(lab->queue, 10, 2, 1) > id);
}

/* The last key says which numbers were given; without that none can be. */
static void odd_last_key(void **state)
{
	static const char last[] = "\377\377\377\377\377\377\377\377\0\0\0";
	struct lab *lab = *state;

	for (size_t len = 1; len <= sizeof(last); len += 11) {
		assert_int_equal(bdb_put(lab->queue->chunks, NULL, last, len, "x", 1, 0), BDB_OK);
		holdq_close(&lab->queue);
		assert_non_null(strstr(refused(lab), "copy"));
		lab_remove_tree(lab->dir);
		lab_open(lab);
	}
}

/* --- records --------------------------------------------------------------------------------- */

static char text[] = "some text";

static struct str sample_message(void)
{
	struct message_record record = { .content = 5,
		.bytes = 6,
		.large = true,
		.has_digest = true,
		.day = 7,
		.digest = { 1, 2, 3 },
		.envelope = { text, text, text, text, text, text, text, text, -8 } };
	struct str out = STR_INIT;

	message_encode(&out, &record);
	return out;
}

static void records_come_back(void **state)
{
	(void)state;
	struct message_record message;
	struct holdq_held_recipient recipient = { .address = text,
		.params = text,
		.mailbox = { 9 },
		.release_began_us = -1,
		.attempts = 4000000000U,
		.delay_told = true,
		.last_reply = text };
	struct str out = sample_message();

	assert_int_equal(message_decode(out.data, out.len, &message), 0);
	assert_int_equal(message.content, 5);
	assert_int_equal(message.day, 7);
	assert_int_equal(message.digest[2], 3);
	assert_int_equal(message.envelope.arrived_us, -8);
	assert_string_equal(message.envelope.id, text);
	envelope_clear(&message.envelope);
	str_reset(&out);
	recipient_encode(&out, &recipient);
	memset(&recipient, 0, sizeof(recipient));
	assert_int_equal(recipient_decode(out.data, out.len, &recipient), 0);
	assert_int_equal(recipient.attempts, 4000000000U);
	assert_int_equal(recipient.release_began_us, -1);
	assert_string_equal(recipient.last_reply, text);
	recipient_clear(&recipient);
	str_free(&out);
}

/* Whatever was stored: cut anywhere, or with any byte changed, decoding ends in order. */
static void any_bytes_are_survived(void **state)
{
	(void)state;
	struct message_record message;
	struct holdq_held_recipient recipient;
	struct holdq_mailbox mailbox;
	struct index_record index;
	struct holdq_totals totals;
	struct str out = sample_message();

	for (size_t len = 0; len < out.len; len++) {
		assert_int_equal(message_decode(out.data, len, &message), -1);
		assert_null(message.envelope.sender);
	}
	for (size_t i = 0; i < out.len; i++)
		for (int change = 1; change < 256; change += 18) {
			char *copy = mem_dup(out.data, out.len); /* exact, for the sanitizer */
			copy[i] = (char)(copy[i] ^ change);
			if (message_decode(copy, out.len, &message) == 0)
				envelope_clear(&message.envelope);
			if (recipient_decode(copy, out.len, &recipient) == 0)
				recipient_clear(&recipient);
			mailbox_decode(copy, out.len, &mailbox);
			index_decode(copy, out.len, &index);
			totals_decode(copy, out.len, &totals);
			free(copy);
		}
	str_free(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(another_node),
		TEST(another_format),
		TEST(another_process),
		TEST(spoiled_table),
		TEST(spoiled_totals_page),
		TEST(spoiled_log),
		TEST(spoiled_content),
		TEST(damaged_record),
		TEST(odd_keys),
		TEST(odd_last_key),
		cmocka_unit_test(records_come_back),
		cmocka_unit_test(any_bytes_are_survived),
	};

	return cmocka_run_group_tests_name("holdq_open", tests, NULL, NULL);
}
