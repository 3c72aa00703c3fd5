/* lib/log.c */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"

#define THREADS 4
#define LINES   200

static char dir[] = "/tmp/rst-log-XXXXXX";
static char file[64], moved[64];

static int make_dir(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(file, sizeof file, "%s/log", dir);
	snprintf(moved, sizeof moved, "%s/log.1", dir);
	return 0;
}

static int remove_dir(void **state)
{
	const char *error;

	(void)state;
	log_open("test", LOG_TARGET_STDERR, NULL, &error);
	unlink(file);
	unlink(moved);
	return rmdir(dir);
}

static int open_log(void **state)
{
	const char *error = NULL;

	(void)state;
	unlink(file);
	log_set_level(LOG_LEVEL_INFO);
	return log_open("unit", LOG_TARGET_FILE, file, &error);
}

/* All of a file; the number of its lines. */
static size_t read_lines(const char *path, char *text_r, size_t size)
{
	FILE *in = fopen(path, "r");
	size_t lines = 0, n;

	assert_non_null(in);
	n = fread(text_r, 1, size - 1, in);
	text_r[n] = '\0';
	fclose(in);
	for (size_t i = 0; i < n; i++)
		lines += text_r[i] == '\n';
	return lines;
}

static void test_line(void **state)
{
	char text[1000], tail[200];
	struct stat status;
	int year, month, day, hour, minute, pid, used = 0;
	double second;

	(void)state;
	errno = ENOENT;
	log_info("queue", "held id=%s bytes=%d", "abc", 7);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(read_lines(file, text, sizeof text), 1);
	assert_int_equal(sscanf(text, "%d-%d-%dT%d:%d:%lfZ unit[%d] %n", &year, &month, &day, &hour,
				 &minute, &second, &pid, &used),
		7);
	assert_int_equal(pid, getpid());
	snprintf(tail, sizeof tail, "%s", text + used);
	assert_string_equal(tail, "info: queue: held id=abc bytes=7\n");
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

/* As if it had been formatted, whatever it looks like. */
static void test_line_that_is_made(void **state)
{
	static char big[10000], text[20000];

	(void)state;
	memset(big, 'x', sizeof big - 1);
	log_put(LOG_LEVEL_DEBUG, "s", "not written");
	errno = ENOENT;
	log_put(LOG_LEVEL_INFO, "s", "100%s\n");
	assert_int_equal(errno, ENOENT);
	log_put(LOG_LEVEL_INFO, "s", big);
	assert_int_equal(read_lines(file, text, sizeof text), 2);
	assert_non_null(strstr(text, " info: s: 100%s \n"));
	assert_true(strlen(text) < 5000);
}

/* The ident of the lines is that of the last log_open. */
static void test_ident(void **state)
{
	const char *error = NULL;
	char text[1000];

	(void)state;
	log_info("s", "one");
	assert_int_equal(log_open("other", LOG_TARGET_FILE, file, &error), 0);
	log_info("s", "two");
	assert_int_equal(read_lines(file, text, sizeof text), 2);
	assert_non_null(strstr(text, "Z unit["));
	assert_non_null(strstr(text, "Z other["));
}

/* An administrator reads it on a terminal, which obeys what comes from a stranger. */
static void test_control_characters(void **state)
{
	char text[1000];

	(void)state;
	log_info("s", "said=%s",
		"a\tb\x1b[2Jc\r\nd\x7f\xc2\x9b"
		"e\xc3\xbc");
	assert_int_equal(read_lines(file, text, sizeof text), 1);
	assert_non_null(strstr(text, "said=a b [2Jc  d   e\xc3\xbc\n"));
}

static void test_levels(void **state)
{
	char text[2000];

	(void)state;
	log_debug("s", "not written");
	log_error("s", "e");
	log_warning("s", "w");
	log_info("s", "i");
	log_set_level(LOG_LEVEL_ERROR);
	assert_true(log_wants(LOG_LEVEL_ERROR));
	assert_false(log_wants(LOG_LEVEL_WARNING));
	log_warning("s", "not written");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("s", "d");
	assert_int_equal(read_lines(file, text, sizeof text), 4);
	assert_non_null(strstr(text, " error: s: e\n"));
	assert_non_null(strstr(text, " warning: s: w\n"));
	assert_non_null(strstr(text, " debug: s: d\n"));
	assert_null(strstr(text, "not written"));
}

/* Whatever a message holds, it stays one line, and a bounded one. */
static void test_one_line(void **state)
{
	static char big[10000], text[20000];

	(void)state;
	memset(big, 'x', sizeof big - 1);
	log_info("s", "a\nb\r\nc");
	log_info("s", "%s", big);
	assert_int_equal(read_lines(file, text, sizeof text), 2);
	assert_non_null(strstr(text, "s: a b  c\n"));
	assert_true(strlen(text) < 5000);
}

static void test_rotation(void **state)
{
	const char *error = NULL;
	char text[1000];

	(void)state;
	log_info("s", "old");
	assert_int_equal(rename(file, moved), 0);
	log_info("s", "still old");
	assert_int_equal(log_reopen(&error), 0);
	log_info("s", "new");
	assert_int_equal(read_lines(moved, text, sizeof text), 2);
	assert_int_equal(read_lines(file, text, sizeof text), 1);
	assert_non_null(strstr(text, "new"));
}

/* A target that cannot be opened leaves the one before in use, also at the next reopen. */
static void test_bad_target(void **state)
{
	const char *error = NULL;
	char text[1000];

	(void)state;
	assert_int_equal(log_open("other", LOG_TARGET_FILE, "/nowhere/at/all", &error), -1);
	assert_string_equal(error, strerror(ENOENT));
	log_info("s", "here");
	assert_int_equal(log_reopen(&error), 0);
	log_info("s", "and here");
	assert_int_equal(read_lines(file, text, sizeof text), 2);
	assert_non_null(strstr(text, "unit["));
	assert_null(strstr(text, "other["));
}

/* Whatever the umask of the process is; a file that is there keeps its mode. */
static void test_file_mode(void **state)
{
	const char *error = NULL;
	mode_t mask = umask(0077);
	struct stat status;

	(void)state;
	unlink(file);
	log_set_file_mode(0640);
	assert_int_equal(log_reopen(&error), 0);
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0640);
	log_set_file_mode(0600);
	assert_int_equal(log_reopen(&error), 0);
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0640);
	umask(mask);
}

/* --- the journal ----------------------------------------------------------------------------- */

static int open_journal(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	unlink(path);
	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static const char *take_record(int fd, char *record, size_t size)
{
	ssize_t got = recv(fd, record, size - 1, MSG_DONTWAIT);

	assert_true(got > 0);
	record[got] = '\0';
	return record;
}

static void test_journal(void **state)
{
	const char *error = NULL;
	char record[8192], pid[32];
	int fd = open_journal(file);

	(void)state;
	assert_int_equal(log_open("unit", LOG_TARGET_JOURNAL, file, &error), 0);
	log_warning("queue", "held id=%s queue_id=%s", "1a.2", "4XYZ");
	take_record(fd, record, sizeof record);
	assert_memory_equal(record, "MESSAGE=warning: queue: held id=1a.2 queue_id=4XYZ\n", 51);
	assert_non_null(strstr(record, "\nPRIORITY=4\n"));
	assert_non_null(strstr(record, "\nSYSLOG_FACILITY=2\n"));
	assert_non_null(strstr(record, "\nSYSLOG_IDENTIFIER=unit\n"));
	assert_non_null(strstr(record, "\nRESTANTE_ID=1a.2\n"));
	snprintf(pid, sizeof pid, "\nSYSLOG_PID=%d\n", getpid());
	assert_non_null(strstr(record, pid));
	log_info("node", "state=enabled\nPRIORITY=0");
	assert_null(strstr(take_record(fd, record, sizeof record), "RESTANTE_ID"));
	assert_memory_equal(record, "MESSAGE=info: node: state=enabled PRIORITY=0\n", 45);
	close(fd);
}

/* It takes nothing any more: its lines are lost, and whoever writes them goes on. */
static void test_journal_stalled(void **state)
{
	const char *error = NULL;

	(void)state;
	int fd = open_journal(file);
	assert_int_equal(log_open("unit", LOG_TARGET_JOURNAL, file, &error), 0);
	int64_t began = clock_mono_us();
	for (int i = 0; i < 800; i++)
		log_info("queue", "held id=%d", i);
	assert_true(clock_mono_us() - began < 10 * CLOCK_SECOND);
	log_open("unit", LOG_TARGET_STDERR, NULL, &error);
	close(fd);
}

/* journald is started again: what is logged afterwards arrives; nothing waits for it meanwhile. */
static void test_journal_started_again(void **state)
{
	const char *error = NULL;
	char record[8192];
	int fd = open_journal(file);

	(void)state;
	assert_int_equal(log_open("unit", LOG_TARGET_JOURNAL, file, &error), 0);
	close(fd);
	log_info("s", "lost");
	fd = open_journal(file);
	log_info("s", "there");
	assert_non_null(strstr(take_record(fd, record, sizeof record), "info: s: there\n"));
	static char big[10000];
	memset(big, 'x', sizeof big - 1);
	log_info("s", "%s", big);
	assert_true(strlen(take_record(fd, record, sizeof record)) > 2000);
	close(fd);
	unlink(file);
	assert_int_equal(log_open("unit", LOG_TARGET_JOURNAL, file, &error), -1);
	assert_string_equal(error, strerror(ENOENT));
}

static void *write_lines(void *name)
{
	for (int i = 0; i < LINES; i++)
		log_info("thread", "%s number=%d end", (const char *)name, i);
	return NULL;
}

static void test_threads(void **state)
{
	static char names[THREADS][2] = { "a", "b", "c", "d" }, text[THREADS * LINES * 100];
	pthread_t threads[THREADS];
	char *save = NULL;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, write_lines, names[i]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(read_lines(file, text, sizeof text), THREADS * LINES);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		assert_memory_equal(line + strlen(line) - 4, " end", 4);
		assert_null(strstr(strstr(line, "thread:") + 1, "thread:"));
	}
}

static void check_value(size_t size, const char *value, const char *expected)
{
	char buffer[64];

	memset(buffer, '#', sizeof buffer);
	assert_string_equal(log_value(buffer, size, value), expected);
	assert_true(strlen(buffer) < size);
	assert_int_equal(buffer[size], '#');
}

static void check_text(size_t size, const char *text, const char *expected)
{
	char buffer[64];

	memset(buffer, '#', sizeof buffer);
	assert_string_equal(log_text(buffer, size, text), expected);
	assert_true(strlen(buffer) < size);
	assert_int_equal(buffer[size], '#');
}

static void test_value(void **state)
{
	(void)state;
	check_value(32, "anna@example.org", "anna@example.org");
	check_value(32, NULL, "");
	check_value(32, "a b\"\\\n\x7f", "a\\x20b\\x22\\x5c\\x0a\\x7f");
	check_text(32, "no \"room\"\\\n\x7f", "no 'room'\\x5c\\x0a\\x7f");
	check_text(9, "\"a text that is cut\"", "'a te...");
	check_value(32, "\xc3\xa4", "\xc3\xa4");
	check_value(12, "abcdefghijklmnop", "abcdefgh...");
	check_value(12, "abcdefgh", "abcdefgh");
	check_value(12, "abcdef ", "abcdef...");
	check_value(4, "abc", "...");
	check_value(4, "", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_line, open_log),
		cmocka_unit_test_setup(test_line_that_is_made, open_log),
		cmocka_unit_test_setup(test_ident, open_log),
		cmocka_unit_test_setup(test_control_characters, open_log),
		cmocka_unit_test_setup(test_levels, open_log),
		cmocka_unit_test_setup(test_one_line, open_log),
		cmocka_unit_test_setup(test_rotation, open_log),
		cmocka_unit_test_setup(test_bad_target, open_log),
		cmocka_unit_test_setup(test_file_mode, open_log),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_journal_stalled),
		cmocka_unit_test(test_journal_started_again),
		cmocka_unit_test_setup(test_threads, open_log),
		cmocka_unit_test(test_value),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
