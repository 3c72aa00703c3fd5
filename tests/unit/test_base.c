/* lib/str.c, lib/mem.c, lib/clock.c, lib/digest.c */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/str.h"

/* --- str ----------------------------------------------------------------------------------- */

static void test_str(void **state)
{
	struct str s = STR_INIT;

	(void)state;
	assert_string_equal(str_cstr(&s), "");
	str_append(&s, NULL, 0);
	str_append(&s, "a\0b", 3);
	assert_int_equal(s.len, 3);
	assert_memory_equal(s.data, "a\0b", 4);
	str_append_c(&s, 'c');
	str_append_z(&s, "de");
	str_printf(&s, "%d%s", 7, "");
	assert_memory_equal(s.data, "a\0bcde7", 8);
	str_reset(&s);
	assert_int_equal(s.len, 0);
	assert_string_equal(str_cstr(&s), "");
	str_free(&s);
	assert_null(s.data);
	str_append_z(&s, "again");
	char *stolen = str_steal(&s);
	assert_string_equal(stolen, "again");
	assert_int_equal(s.cap, 0);
	mem_free(&stolen);
	stolen = str_steal(&s);
	assert_string_equal(stolen, "");
	mem_free(&stolen);
}

static void test_str_numbers(void **state)
{
	struct str s = STR_INIT;

	(void)state;
	str_append_u(&s, 0);
	str_append_u(&s, 10);
	str_append_c(&s, ' ');
	str_append_u(&s, UINT64_MAX);
	assert_string_equal(str_cstr(&s), "010 18446744073709551615");
	str_free(&s);
}

static void test_str_copy(void **state)
{
	char buffer[4];

	(void)state;
	str_copy(buffer, sizeof buffer, "ab");
	assert_string_equal(buffer, "ab");
	str_copy(buffer, sizeof buffer, "abcd");
	assert_string_equal(buffer, "abc");
	str_copy(buffer, sizeof buffer, NULL);
	assert_string_equal(buffer, "");
	str_copy(buffer, 1, "a");
	assert_string_equal(buffer, "");
}

/* Growth keeps what was there and the NUL behind it, whatever the pieces. */
static void test_str_growth(void **state)
{
	struct str s = STR_INIT;

	(void)state;
	for (size_t piece = 0; piece < 300; piece++) {
		char text[300];
		memset(text, 'a' + (int)(piece % 26), piece);
		str_append(&s, text, piece);
		assert_int_equal(s.data[s.len], '\0');
		assert_true(s.cap > s.len);
	}
	assert_int_equal(s.len, 299 * 300 / 2);
	size_t at = 0;
	for (size_t piece = 0; piece < 300; piece++)
		for (size_t i = 0; i < piece; i++)
			assert_int_equal(s.data[at++], 'a' + piece % 26);
	str_reserve(&s, 100000);
	assert_int_equal(s.data[s.len], '\0');
	char *data = s.data;
	for (int i = 0; i < 100000; i++)
		str_append_c(&s, 'x');
	assert_ptr_equal(s.data, data);
	str_free(&s);
}

/* --- mem ----------------------------------------------------------------------------------- */

static void test_mem(void **state)
{
	char *text = mem_strdup("abc");

	(void)state;
	assert_null(mem_strdup(NULL));
	assert_string_equal(text, "abc");
	mem_free(&text);
	assert_null(text);
	mem_free(&text);
	text = mem_strndup("abc", 2);
	assert_string_equal(text, "ab");
	mem_free(&text);
	text = mem_strndup("abc", 9);
	assert_string_equal(text, "abc");
	mem_free_secret(&text);
	assert_null(text);
	mem_free_secret(&text);
	text = mem_printf("%s-%d", "x", 5);
	assert_string_equal(text, "x-5");
	mem_free(&text);
	text = mem_dup("a\0b", 3);
	assert_memory_equal(text, "a\0b", 3);
	mem_free(&text);
	int *numbers = mem_zalloc(3 * sizeof *numbers);
	assert_int_equal(numbers[2], 0);
	numbers = mem_grow(numbers, 100, sizeof *numbers);
	assert_int_equal(numbers[1], 0);
	mem_free(&numbers);
	void *nothing = mem_alloc(0);
	assert_non_null(nothing);
	mem_free(&nothing);
}

/* What the sanitizers would report, and end otherwise, is what is tried here. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void *volatile sink;

static void ask_too_much(void)
{
	sink = mem_alloc(SIZE_MAX / 2);
}

static void overflow_a_product(void)
{
	sink = mem_grow(NULL, SIZE_MAX / 4, 8);
}

/* The signal that ends a process that does this. */
static int fate_of(void (*deed)(void))
{
	const struct rlimit no_core = { 0, 0 };
	const char *error;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGABRT, SIG_DFL);
		log_open("test", LOG_TARGET_FILE, "/dev/null", &error);
		deed();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void test_out_of_memory(void **state)
{
	(void)state;
	assert_int_equal(fate_of(ask_too_much), SIGABRT);
	assert_int_equal(fate_of(overflow_a_product), SIGABRT);
}

/* --- clock --------------------------------------------------------------------------------- */

static void test_clock_formats(void **state)
{
	const int64_t instant = INT64_C(1795325400) * CLOCK_SECOND + 999999;
	char text[64];

	(void)state;
	assert_string_equal(clock_generalized(text, sizeof text, instant), "20261122053000Z");
	assert_string_equal(
		clock_rfc5322(text, sizeof text, instant), "Sun, 22 Nov 2026 05:30:00 +0000");
	assert_string_equal(clock_generalized(text, sizeof text, 0), "19700101000000Z");
	assert_string_equal(clock_rfc5322(text, sizeof text, INT64_C(951782400) * CLOCK_SECOND),
		"Tue, 29 Feb 2000 00:00:00 +0000");
	assert_string_equal(clock_human(text, sizeof text, 1234000), "1.234 s");
	assert_string_equal(clock_human(text, sizeof text, 200 * CLOCK_SECOND), "3 min 20 s");
	assert_string_equal(clock_human(text, sizeof text, 7260 * CLOCK_SECOND), "2 h 1 min");
	assert_string_equal(clock_human(text, sizeof text, 52 * 3600 * CLOCK_SECOND), "2 d 4 h");
	assert_string_equal(clock_human(text, sizeof text, 59 * CLOCK_SECOND), "59.000 s");
}

static void test_clock_waits(void **state)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t cond;
	int64_t began = clock_mono_us();

	(void)state;
	clock_sleep_us(2 * CLOCK_MS);
	assert_true(clock_mono_us() - began >= 2 * CLOCK_MS);
	clock_sleep_us(0);
	clock_sleep_us(-5);
	clock_cond_init(&cond);
	pthread_mutex_lock(&lock);
	int64_t deadline = clock_mono_us() + 5 * CLOCK_MS;
	int result;
	while ((result = clock_cond_wait_until(&cond, &lock, deadline)) == 0)
		;
	assert_int_equal(result, ETIMEDOUT);
	assert_true(clock_mono_us() >= deadline);
	assert_int_equal(clock_cond_wait_until(&cond, &lock, 0), ETIMEDOUT);
	pthread_mutex_unlock(&lock);
	pthread_cond_destroy(&cond);
	assert_true(clock_wall_us() > INT64_C(1700000000) * CLOCK_SECOND);
}

/* --- digest -------------------------------------------------------------------------------- */

static void check_digest(const char *data, size_t len, size_t piece, const char *expected)
{
	struct digest *digest = digest_begin();
	uint8_t bytes[DIGEST_BYTES];
	char hex[2 * DIGEST_BYTES + 1];

	for (size_t at = 0; at < len; at += piece)
		digest_add(digest, data + at, len - at < piece ? len - at : piece);
	digest_add(digest, "", 0);
	digest_end(&digest, bytes);
	assert_null(digest);
	for (size_t i = 0; i < DIGEST_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	assert_string_equal(hex, expected);
}

/* The examples of FIPS 180. */
static void test_digest(void **state)
{
	static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	struct digest *dropped = digest_begin();

	(void)state;
	check_digest("", 0, 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	check_digest(
		"abc", 3, 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	for (size_t piece = 1; piece < sizeof two_blocks; piece += 11)
		check_digest(two_blocks, sizeof two_blocks - 1, piece,
			"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	digest_add(dropped, "x", 1);
	digest_end(&dropped, NULL);
	assert_null(dropped);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_str),
		cmocka_unit_test(test_str_numbers),
		cmocka_unit_test(test_str_copy),
		cmocka_unit_test(test_str_growth),
		cmocka_unit_test(test_mem),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_clock_formats),
		cmocka_unit_test(test_clock_waits),
		cmocka_unit_test(test_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
