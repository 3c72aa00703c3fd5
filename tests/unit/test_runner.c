/* Programs that are run (lib/runner), and the words of a command (lib/words). */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/runner.h"
#include "lib/words.h"

static void split(const char *command, const char *expected)
{
	struct words words;
	struct str said = STR_INIT;
	const char *error = NULL;

	if (words_split(command, &words, &error) != 0) {
		assert_null(words.list);
		str_printf(&said, "!%s", error);
	}
	for (size_t i = 0; i < words.count; i++)
		str_printf(&said, "%s<%s>", i > 0 ? " " : "", words.list[i]);
	assert_string_equal(str_cstr(&said), expected);
	words_free(&words);
	str_free(&said);
}

static void words(void **state)
{
	static const char shell[] = "!there is no shell for | & ; < > ( ) $ ` in it; quote them "
				    "with '...', or write a script";

	(void)state;
	split("doveadm user '*'", "<doveadm> <user> <*>");
	split("  a\tb\n c  ", "<a> <b> <c>");
	split("a '' \"\" b''c", "<a> <> <> <bc>");
	split("a 'b \"$c' \"d 'e\\\"\\\\\\n\"", "<a> <b \"$c> <d 'e\"\\\\n>");
	split("a\\ b \\'c \\$d * ?", "<a b> <'c> <$d> <*> <?>");
	split("a | b", shell);
	split("a >b", shell);
	split("a $HOME", shell);
	split("a \"$HOME\"", shell);
	split("a;b", shell);
	split("a 'b", "!a quote is not closed");
	split("a \"b", "!a quote is not closed");
	split("a \\", "!there is nothing behind the backslash at its end");
	split("", "!there is no command");
	split(" ''", "!there is no command");
}

static int collect(void *context, const char *data, size_t len)
{
	str_append(context, data, len);
	return 0;
}

struct done {
	struct runner_result result;
	struct str printed, reason;
};

static struct done run_with(struct runner_options options)
{
	struct done done = { .printed = STR_INIT, .reason = STR_INIT };

	options.who = "test";
	if (options.output == NULL) {
		options.output = collect;
		options.context = &done.printed;
	}
	runner_run(&options, &done.result);
	runner_reason(&done.result, &done.reason);
	return done;
}

static struct done run(const char *command)
{
	return run_with((struct runner_options){
		.command = command, .input = -1, .time_limit = 20 * CLOCK_SECOND });
}

static void forget(struct done *done)
{
	runner_result_free(&done->result);
	str_free(&done->printed);
	str_free(&done->reason);
}

static void expect(const char *command, const char *printed, const char *reason)
{
	struct done done = run(command);

	assert_string_equal(str_cstr(&done.printed), printed);
	assert_string_equal(str_cstr(&done.reason), reason);
	assert_int_equal(
		runner_succeeded(&done.result), strcmp(reason, "ended with status 0") == 0);
	forget(&done);
}

static void endings(void **state)
{
	(void)state;
	expect("echo a 'b  c'", "a b  c\n", "ended with status 0");
	expect("sh -c 'echo half; echo first >&2; echo no such \"*\" >&2; exit 3'", "half\n",
		"ended with status 3: no such *");
	expect("sh -c 'printf \"no line end\" >&2; exit 1'", "",
		"ended with status 1: no line end");
	expect("sh -c 'kill -KILL $$'", "", "ended by signal 9 (Killed)");
	expect("no-such-program-anywhere", "", "cannot be started: No such file or directory");
	expect("/etc/passwd", "", "cannot be started: Permission denied");
	expect("echo a | cat", "",
		"cannot be started: there is no shell for | & ; < > ( ) $ ` in it; quote them with "
		"'...', or write a script");
	expect("cat", "", "ended with status 0");
	expect("pwd", "/\n", "ended with status 0");
}

static void surroundings(void **state)
{
	static const char *const further[] = { "RESTANTE_SYSTEM=S1", NULL };
	int leaked = dup2(STDERR_FILENO, 57);

	(void)state;
	assert_int_equal(leaked, 57);
	expect("sh -c 'test ! -e /proc/self/fd/57'", "", "ended with status 0");
	close(leaked);
	setenv("RESTANTE_SECRET", "x", 1);
	setenv("TZ", "Europe/Berlin", 1);
	struct done done = run_with((struct runner_options){
		.command = "sh -c 'echo "
			   "\"$PATH $LANG $TZ $RESTANTE_SYSTEM-$RESTANTE_SECRET-\"'",
		.input = -1,
		.environment = further });
	assert_string_equal(done.printed.data, RUNNER_PATH " C.UTF-8 Europe/Berlin S1--\n");
	forget(&done);
	/* What we ignore and block is not ignored and blocked there. */
	sigset_t pipe_alone, before;
	sigemptyset(&pipe_alone);
	sigaddset(&pipe_alone, SIGPIPE);
	signal(SIGPIPE, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &pipe_alone, &before);
	expect("sh -c 'kill -PIPE $$'", "", "ended by signal 13 (Broken pipe)");
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void input(void **state)
{
	FILE *file = tmpfile();
	struct done done;

	(void)state;
	assert_non_null(file);
	for (int i = 0; i < 100000; i++)
		fprintf(file, "%d\n", i);
	rewind(file);
	done = run_with((struct runner_options){ .command = "tail -1", .input = fileno(file) });
	assert_string_equal(done.printed.data, "99999\n");
	forget(&done);
	fclose(file);
}

static int count(void *context, const char *data, size_t len)
{
	(void)data;
	*(size_t *)context += len;
	return 0;
}

static void much(void **state)
{
	size_t bytes = 0;
	struct done done =
		run_with((struct runner_options){ .command = "head -c 20000000 /dev/zero",
			.input = -1,
			.output = count,
			.context = &bytes });

	(void)state;
	assert_true(runner_succeeded(&done.result));
	assert_int_equal(bytes, 20000000);
	forget(&done);
}

/* Not there, or a zombie that waits for somebody else. */
static bool is_gone(pid_t pid)
{
	char path[64], state = 'Z';

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "r");
	if (file == NULL)
		return true;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 'Z';
	fclose(file);
	return state == 'Z';
}

static void expect_gone(const char *printed)
{
	int64_t until = clock_mono_us() + 10 * CLOCK_SECOND;
	int first = 0, second = 0;

	assert_int_equal(sscanf(printed, "%d %d", &first, &second), 2);
	while (!(is_gone(first) && is_gone(second)) && clock_mono_us() < until)
		clock_sleep_us(10 * CLOCK_MS);
	assert_true(is_gone(first) && is_gone(second));
}

static void time_limit(void **state)
{
	static const char *const commands[] = {
		"sh -c 'sleep 1000 & echo $$ $!; sleep 1000'",
		"sh -c 'trap \"\" TERM; sleep 1000 & echo $$ $!; while :; do sleep 1000; done'",
		"sh -c 'exec 2>&-; sleep 1000 & echo $$ $!; exec >&-; wait'",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(commands); i++) {
		int64_t begin = clock_mono_us();
		struct done done = run_with((struct runner_options){
			.command = commands[i], .input = -1, .time_limit = 300 * CLOCK_MS });

		assert_int_equal(done.result.outcome, RUNNER_TOO_LONG);
		assert_string_equal(
			done.reason.data, "took longer than its time limit and was ended");
		assert_true(clock_mono_us() - begin < 15 * CLOCK_SECOND);
		expect_gone(done.printed.data);
		forget(&done);
	}
}

/* Endless complaints are no reason to run for ever. */
static void complaints(void **state)
{
	struct done done = run_with((struct runner_options){
		.command = "sh -c 'yes >&2'", .input = -1, .time_limit = 200 * CLOCK_MS });

	(void)state;
	assert_int_equal(done.result.outcome, RUNNER_TOO_LONG);
	forget(&done);
}

static int enough(void *context, const char *data, size_t len)
{
	(void)data;
	*(size_t *)context += len;
	return -1;
}

static void enough_is_enough(void **state)
{
	size_t bytes = 0;
	struct done done = run_with((struct runner_options){
		.command = "yes", .input = -1, .output = enough, .context = &bytes });

	(void)state;
	assert_int_equal(done.result.outcome, RUNNER_ENOUGH);
	assert_in_range(bytes, 1, 65536);
	assert_false(runner_succeeded(&done.result));
	forget(&done);
}

static int set_stop(void *context, const char *data, size_t len)
{
	(void)data;
	(void)len;
	atomic_store((atomic_bool *)context, true);
	return 0;
}

static void stopped(void **state)
{
	atomic_bool stop = false;
	struct done done = run_with((struct runner_options){ .command = "sh -c 'echo; sleep 1000'",
		.input = -1,
		.stop = &stop,
		.output = set_stop,
		.context = &stop });

	(void)state;
	assert_int_equal(done.result.outcome, RUNNER_STOPPED);
	forget(&done);
}

/* It has ended well, but somebody may still print. */
static void lingers(void **state)
{
	struct done done = run("sh -c 'sleep 1000 & echo $$ $!'");

	(void)state;
	assert_int_equal(done.result.outcome, RUNNER_LINGERS);
	assert_false(runner_succeeded(&done.result));
	expect_gone(done.printed.data);
	forget(&done);
	done = run("sh -c 'sleep 1000 >/dev/null & echo $$ $!'");
	assert_true(runner_succeeded(&done.result));
	expect_gone(done.printed.data);
	forget(&done);
}

/* --- the guard -------------------------------------------------------------------------------- */

static int pass_on(void *context, const char *data, size_t len)
{
	return write(*(int *)context, data, len) == (ssize_t)len ? 0 : -1;
}

/* A process that runs it, and what it printed first. */
static pid_t somebody_runs(const char *command, int64_t time_limit, char *printed, size_t size)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		run_with((struct runner_options){ .command = command,
			.input = -1,
			.time_limit = time_limit,
			.output = pass_on,
			.context = &ends[1] });
		_exit(0);
	}
	close(ends[1]);
	ssize_t n = read(ends[0], printed, size - 1);
	assert_true(n > 0);
	printed[n] = '\0';
	close(ends[0]);
	return pid;
}

static const char *const stubborn[] = {
	"sh -c 'sleep 1000 & echo $$ $!; sleep 1000'",
	"sh -c 'trap \"\" TERM; sleep 1000 & echo $$ $!; while :; do sleep 1000; done'",
	"sh -c 'trap \"\" TERM; sh -c \"sleep 1000\" & echo $$ $!'",
};

/* Who is killed leaves nothing behind. */
static void killed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(stubborn); i++) {
		char printed[64];
		pid_t pid = somebody_runs(stubborn[i], 0, printed, sizeof(printed));

		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		expect_gone(printed);
	}
}

/* Nor does anything run beyond its time because somebody sleeps. */
static void asleep(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(stubborn); i++) {
		char printed[64];
		pid_t pid = somebody_runs(stubborn[i], 600 * CLOCK_MS, printed, sizeof(printed));

		kill(pid, SIGSTOP);
		expect_gone(printed);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

static pid_t guard_of(pid_t parent)
{
	char path[64];
	int pid = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)parent);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &pid), 1);
	fclose(file);
	return pid;
}

/* A guard that somebody has killed is replaced. */
static void guard_is_killed(void **state)
{
	(void)state;
	assert_int_equal(runner_guard_start(), 0);
	pid_t first = guard_of(getpid());
	assert_int_equal(kill(first, SIGKILL), 0);
	while (!is_gone(first))
		clock_sleep_us(CLOCK_MS);
	expect("echo a", "a\n", "ended with status 0");
	assert_int_not_equal(guard_of(getpid()), first);
}

/* What comes too late is not begun. */
static void too_late(void **state)
{
	char path[] = "/tmp/restante-late-XXXXXX", command[80];
	int file = mkstemp(path);

	(void)state;
	assert_true(file >= 0);
	close(file);
	snprintf(command, sizeof(command), "rm %s", path);
	struct done done = run_with((struct runner_options){
		.command = command, .input = -1, .until_us = clock_boot_us() });
	assert_int_equal(done.result.outcome, RUNNER_TOO_LONG);
	assert_int_equal(unlink(path), 0);
	forget(&done);
	int64_t begin = clock_mono_us();
	done = run_with((struct runner_options){ .command = "sleep 1000",
		.input = -1,
		.time_limit = 1000 * CLOCK_SECOND,
		.until_us = clock_boot_us() + 200 * CLOCK_MS });
	assert_int_equal(done.result.outcome, RUNNER_TOO_LONG);
	assert_true(clock_mono_us() - begin < 10 * CLOCK_SECOND);
	forget(&done);
}

static void *run_many(void *context)
{
	for (int i = 0; i < 20; i++) {
		struct done done = run("sh -c 'echo out; echo said >&2; exit 7'");

		if (done.result.status != 7 || strcmp(str_cstr(&done.printed), "out\n") != 0 ||
			strcmp(str_cstr(&done.result.said), "said") != 0)
			atomic_fetch_add((atomic_int *)context, 1);
		forget(&done);
	}
	return NULL;
}

static int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void many_at_once(void **state)
{
	pthread_t threads[8];
	atomic_int wrong = 0;
	int before = descriptors();

	(void)state;
	for (size_t i = 0; i < COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_many, &wrong), 0);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&wrong), 0);
	assert_int_equal(descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),
		cmocka_unit_test(endings),
		cmocka_unit_test(surroundings),
		cmocka_unit_test(input),
		cmocka_unit_test(much),
		cmocka_unit_test(time_limit),
		cmocka_unit_test(complaints),
		cmocka_unit_test(enough_is_enough),
		cmocka_unit_test(stopped),
		cmocka_unit_test(lingers),
		cmocka_unit_test(killed),
		cmocka_unit_test(asleep),
		cmocka_unit_test(guard_is_killed),
		cmocka_unit_test(too_late),
		cmocka_unit_test(many_at_once),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
