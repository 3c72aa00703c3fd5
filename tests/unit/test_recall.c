/* directory/recall.c */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "directory/recall.h"

#define KEYS   2000
#define ROUNDS 20000

static bool get(struct recall *recall, uint64_t version, const char *key, char *text_r, size_t size)
{
	size_t len = 0;
	bool found =
		recall_get(recall, version, key, strlen(key), text_r, size ? size - 1 : 0, &len);

	if (found)
		text_r[len] = '\0';
	return found;
}

static void put(struct recall *recall, uint64_t version, const char *key, const char *value)
{
	recall_put(recall, version, key, strlen(key), value, strlen(value));
}

static void test_versions(void **state)
{
	struct recall *recall = recall_new();
	char text[100];

	(void)state;
	assert_false(get(recall, 0, "a@x.test", text, sizeof text));
	put(recall, 0, "a@x.test", "one");
	assert_true(get(recall, 0, "a@x.test", text, sizeof text));
	assert_string_equal(text, "one");
	/* a writer is at it; it is done */
	assert_false(get(recall, 1, "a@x.test", text, sizeof text));
	assert_false(get(recall, 2, "a@x.test", text, sizeof text));
	/* read while it wrote: whatever that was */
	put(recall, 1, "a@x.test", "half");
	assert_false(get(recall, 1, "a@x.test", text, sizeof text));
	assert_false(get(recall, 2, "a@x.test", text, sizeof text));
	put(recall, 2, "a@x.test", "");
	assert_true(get(recall, 2, "a@x.test", text, sizeof text));
	assert_string_equal(text, "");
	recall_free(&recall);
	assert_null(recall);
}

static void test_sizes(void **state)
{
	struct recall *recall = recall_new();
	char text[1000], big[1000];

	(void)state;
	memset(big, 'x', sizeof big);
	big[600] = '\0';
	put(recall, 2, "k", big);
	assert_false(get(recall, 2, "k", text, sizeof text));
	put(recall, 2, big, "v");
	assert_false(get(recall, 2, big, text, sizeof text));
	big[399] = '\0';
	put(recall, 2, "k", big);
	assert_true(get(recall, 2, "k", text, sizeof text));
	assert_string_equal(text, big);
	assert_false(get(recall, 2, "k", text, 399));
	recall_free(&recall);
}

/* Many share a place: an answer is always that of its own key. */
static void test_places(void **state)
{
	struct recall *recall = recall_new();
	char key[40], value[40], text[100];
	unsigned found = 0;

	(void)state;
	for (unsigned i = 0; i < KEYS; i++) {
		snprintf(key, sizeof key, "%u@x.test", i);
		snprintf(value, sizeof value, "of %u", i);
		put(recall, 4, key, value);
		assert_true(get(recall, 4, key, text, sizeof text));
	}
	for (unsigned i = 0; i < KEYS; i++) {
		snprintf(key, sizeof key, "%u@x.test", i);
		snprintf(value, sizeof value, "of %u", i);
		if (!get(recall, 4, key, text, sizeof text))
			continue;
		found++;
		assert_string_equal(text, value);
	}
	assert_in_range(found, 100, 1000);
	recall_free(&recall);
}

struct user {
	struct recall *recall;
	char letter;
	atomic_uint *wrong;
};

static void *use(void *context)
{
	struct user *user = context;
	char value[101], text[200];

	memset(value, user->letter, 100);
	value[100] = '\0';
	for (unsigned i = 0; i < ROUNDS; i++) {
		put(user->recall, 6, "same@x.test", value);
		if (get(user->recall, 6, "same@x.test", text, sizeof text) &&
			(strspn(text, (char[]){ *text, '\0' }) != 100 || strlen(text) != 100))
			atomic_fetch_add(user->wrong, 1);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct recall *recall = recall_new();
	atomic_uint wrong = 0;
	struct user users[4];
	pthread_t threads[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		users[i] = (struct user){ recall, (char)('a' + i), &wrong };
		assert_int_equal(pthread_create(&threads[i], NULL, use, &users[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(wrong, 0);
	recall_free(&recall);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
