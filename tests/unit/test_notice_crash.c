/*
 * kill -9 at random instants while notices are stored: after the next start there is a notice for
 * each message whose recipients were returned, or noted as told of a delay, and for no other; one,
 * and of all of them. Argument: rounds (default 12).
 */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/unit/holdq_lab.h"

#define WRITERS  4
#define MESSAGES (1u << 20) /* their numbers leap at each start */
#define LARGE    100000

static unsigned rounds = 12;

/* What is known of a message, by its number. */
struct seen {
	bool told, returned;            /* acknowledged */
	unsigned delayed, failed, left; /* notices; recipients */
	bool noted;                     /* of the recipients left */
};

struct said {
	uint64_t id;
	bool returned; /* else told of a delay */
};

/* --- the child ------------------------------------------------------------------------------- */

struct child {
	struct holdq *queue;
	int pipe;
	_Atomic unsigned next;
};

/* Some of them are stored in chunks. */
static char *write_notice(uint64_t id, bool returned, size_t *len_r)
{
	struct str text = STR_INIT;

	str_printf(&text, "%s %" PRIu64 "\r\n", returned ? "failed" : "delayed", id);
	while (id % 5 == 0 && text.len < LARGE)
		str_append_z(&text, "as large as a notice may be\r\n");
	*len_r = text.len;
	return str_steal(&text);
}

static void tell(struct child *child, uint64_t id, bool returned)
{
	static const uint32_t all[] = { 0, 1, 2 };
	struct said said;
	size_t len;
	char *text = write_notice(id, returned, &len);
	const struct holdq_notice notice = {
		.recipient = "s@o", .content = text, .bytes = len, .mail_params = ""
	};

	enum holdq_result result = returned ? holdq_remove(child->queue, id, all, 2, &notice)
					    : holdq_tell(child->queue, id, all, 3, &notice);
	if (result != HOLDQ_OK)
		_exit(3);
	mem_free(&text);
	memset(&said, 0, sizeof said);
	said.id = id;
	said.returned = returned;
	if (write(child->pipe, &said, sizeof said) != sizeof said)
		_exit(4);
}

static void *child_work(void *context)
{
	struct child *child = context;

	for (;;) {
		unsigned seed = child->next++;
		uint64_t id;
		size_t held;
		if (lab_put(child->queue, 300, seed, (unsigned[]){ 1, 2, 3 }, 3, 0, &id, &held) !=
			HOLDQ_OK)
			_exit(5);
		tell(child, id, false);
		if (seed % 2)
			tell(child, id, true);
	}
	return NULL;
}

static void child_main(struct lab *lab, int pipe)
{
	struct child child = { .pipe = pipe };
	const char *error = "";
	pthread_t threads[WRITERS];

	child.queue = holdq_open(&lab->options, &error);
	if (child.queue == NULL)
		_exit(2);
	for (int i = 0; i < WRITERS; i++)
		pthread_create(&threads[i], NULL, child_work, &child);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	_exit(0);
}

/* --- the parent ------------------------------------------------------------------------------ */

static void run_child(struct lab *lab, struct seen *seen, int64_t life_us)
{
	struct said said;
	int ends[2], status;

	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		close(ends[0]);
		child_main(lab, ends[1]);
	}
	close(ends[1]);
	for (int64_t until = 0; read(ends[0], &said, sizeof said) == sizeof said;) {
		if (until == 0)
			until = clock_mono_us() + life_us;
		assert_true(said.id < MESSAGES);
		*(said.returned ? &seen[said.id].returned : &seen[said.id].told) = true;
		if (clock_mono_us() >= until)
			kill(child, SIGKILL);
	}
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFSIGNALED(status))
		fail_msg("the child ended by itself with %d", WEXITSTATUS(status));
}

static void look_at_notice(struct lab *lab, struct seen *seen, const struct holdq_message *message)
{
	char text[64] = "", word[16] = "";
	uint64_t about;
	size_t len;

	assert_int_equal(
		holdq_content(lab->queue, message->id, 0, text, sizeof text - 1, &len), HOLDQ_OK);
	assert_int_equal(sscanf(text, "%15s %" SCNu64, word, &about), 2);
	assert_true(about < MESSAGES);
	*(strcmp(word, "failed") == 0 ? &seen[about].failed : &seen[about].delayed) += 1;
	assert_int_equal(message->bytes, about % 5 == 0 ? message->bytes : len);
}

static void look_at_message(struct seen *seen, const struct holdq_message *message)
{
	struct seen *mine = &seen[message->id];

	mine->left = (unsigned)message->count;
	mine->noted = message->recipients[0].delay_told;
	for (size_t i = 1; i < message->count; i++)
		assert_int_equal(message->recipients[i].delay_told, mine->noted);
}

static unsigned look_at_all(struct lab *lab, struct seen *seen)
{
	uint64_t ids[256], after = 0;
	unsigned notices = 0;
	size_t count;

	while ((count = holdq_all_ids(lab->queue, after, ids, COUNT(ids))) > 0) {
		for (size_t i = 0; i < count; i++) {
			struct holdq_message *message;
			assert_true(ids[i] < MESSAGES);
			assert_int_equal(holdq_read(lab->queue, ids[i], &message), HOLDQ_OK);
			bool notice = memcmp(message->recipients[0].mailbox, holdq_notices,
					      ROUTE_UUID_BYTES) == 0;
			notices += notice;
			if (notice)
				look_at_notice(lab, seen, message);
			else
				look_at_message(seen, message);
			holdq_message_free(&message);
		}
		after = ids[count - 1];
	}
	return notices;
}

static void check(const struct seen *seen)
{
	for (uint64_t id = 0; id < MESSAGES; id++) {
		const struct seen *s = &seen[id];
		if (s->left == 0 && s->delayed == 0 && s->failed == 0)
			continue;
		if (s->delayed != (s->noted ? 1 : 0) || s->failed != (s->left == 1 ? 1 : 0) ||
			(s->left != 3 && s->left != 1) || (s->told && s->delayed != 1) ||
			(s->returned && s->failed != 1))
			fail_msg("message %" PRIu64
				 ": %u recipients left, noted %d, %u and %u notices, "
				 "acknowledged %d and %d",
				id, s->left, s->noted, s->delayed, s->failed, s->told, s->returned);
	}
}

static void each_notice_is_there_once(void **state)
{
	struct lab *lab = *state;
	struct seen *seen = mem_zalloc(MESSAGES * sizeof *seen);
	unsigned seed = (unsigned)clock_wall_us(), notices = 0;

	print_message("seed %u\n", seed);
	holdq_close(&lab->queue);
	for (unsigned i = 0; i < rounds; i++) {
		run_child(lab, seen, 1 + rand_r(&seed) % (60 * CLOCK_MS));
		for (size_t n = 0; n < MESSAGES; n++)
			seen[n] =
				(struct seen){ .told = seen[n].told, .returned = seen[n].returned };
		lab_open(lab);
		notices = look_at_all(lab, seen);
		check(seen);
		holdq_close(&lab->queue);
	}
	print_message("%u rounds, %u notices\n", rounds, notices);
	assert_true(notices > rounds);
	lab_open(lab);
	free(seen);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_notice_is_there_once, lab_setup, lab_teardown),
	};

	if (argc > 1)
		rounds = (unsigned)atoi(argv[1]);
	return cmocka_run_group_tests_name("notice crash", tests, NULL, NULL);
}
