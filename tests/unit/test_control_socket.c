/* lib/control_server.c and lib/control_socket.c: the path, the peers, the stop. */
#define _GNU_SOURCE
#include "tests/unit/control_fixture.h"

#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"

static void *release_slow(void *unused)
{
	(void)unused;
	clock_sleep_us(50 * CLOCK_MS);
	sem_post(&fixture_go_on);
	return NULL;
}

static void test_stop_waits(void **state)
{
	char line[100];
	int fd = raw_open(), idle = raw_open();
	pthread_t releaser;

	raw_send(fd, "{\"v\":1,\"cmd\":\"slow\"}\n", 21);
	sem_wait(&fixture_entered);
	pthread_create(&releaser, NULL, release_slow, NULL);
	control_stop(&fixture_server);
	assert_int_equal(fixture_slow_done, 1);
	assert_true(raw_line(fd, line, sizeof line));
	assert_non_null(strstr(line, "\"ok\":true"));
	assert_false(raw_line(idle, line, sizeof line));
	pthread_join(releaser, NULL);
	close(fd);
	close(idle);
	assert_int_equal(fixture_start(state), 0);
}

/* A client that takes nothing does not keep the server from stopping. */
static void test_stop_despite_stuck_client(void **state)
{
	int fd = raw_open();
	char c;

	raw_send(fd, "{\"v\":1,\"cmd\":\"endless\"}\n", 24);
	assert_int_equal(recv(fd, &c, 1, 0), 1);
	control_stop(&fixture_server);
	sem_wait(&fixture_gone);
	close(fd);
	assert_int_equal(fixture_start(state), 0);
}

/* --- the fixture_path
 * ------------------------------------------------------------------------------ */

static void expect_no_server(const char *where, const char *what)
{
	const char *error = NULL;
	struct control_server *second =
		control_serve(where, (gid_t)-1, fixture_commands, NULL, &error);

	assert_null(second);
	assert_non_null(strstr(error, what));
	assert_non_null(strstr(error, where));
}

static void test_path(void **state)
{
	char other[200];
	struct stat status;
	FILE *file;

	(void)state;
	assert_int_equal(stat(fixture_path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0660);
	expect_no_server(fixture_path, "in use");
	fixture_serves(); /* still the first one's */
	snprintf(other, sizeof other, "%s/no/s", fixture_dir);
	expect_no_server(other, "directory does not exist");
	memset(other, 'x', 150);
	other[150] = '\0';
	expect_no_server(other, "too long");
	snprintf(other, sizeof other, "%s/file", fixture_dir);
	file = fopen(other, "w");
	fclose(file);
	expect_no_server(other, "in use");
	assert_int_equal(unlink(other), 0); /* it was left alone */
}

static void test_stale(void **state)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	control_stop(&fixture_server);
	assert_true(control_address(fixture_path, &address));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	close(fd); /* as a killed daemon leaves it */
	assert_int_equal(fixture_start(state), 0);
	fixture_serves();
}

static void test_no_daemon(void **state)
{
	const char *error = NULL;

	(void)state;
	assert_null(control_connect("/tmp/rst-nobody-there/s", &error));
	assert_non_null(strstr(error, "is the daemon running"));
}

/* A daemon that stopped meanwhile: an error, and no SIGPIPE. */
static void test_daemon_gone(void **state)
{
	struct control_client *client = fixture_client();
	struct json *request = json_new_object();
	const char *error = NULL;

	control_stop(&fixture_server);
	json_set_string(request, "cmd", "bare");
	for (int i = 0; i < 2; i++) {
		assert_null(control_ask(client, request, &error));
		assert_non_null(strstr(error, "closed the connection"));
	}
	json_free(&request);
	control_close(&client);
	assert_int_equal(fixture_start(state), 0);
}

/* 0 = served, 1 = refused: what a process of that user and group sees. */
static int ask_as(uid_t uid, gid_t gid, gid_t more)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		const char *error;
		struct json *request = json_new_object();
		if (setgroups(more != (gid_t)-1, &more) < 0 || setgid(gid) < 0 || setuid(uid) < 0)
			_exit(2);
		struct control_client *client = control_connect(fixture_path, &error);
		json_set_string(request, "cmd", "bare");
		struct json *reply = client ? control_ask(client, request, &error) : NULL;
		if (reply == NULL)
			_exit(3);
		if (json_get_bool(reply, "ok", false))
			_exit(0);
		const char *code = json_get_string(reply, "code");
		_exit(code != NULL && strcmp(code, "refused") == 0 ? 1 : 4);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Other users can only be tried by root; anybody else tries its own. */
static void test_peers(void **state)
{
	const gid_t group = 54321;
	const char *error;

	(void)state;
	if (geteuid() != 0) {
		fixture_serves();
		return;
	}
	control_stop(&fixture_server);
	fixture_server = control_serve(fixture_path, group, fixture_commands, NULL, &error);
	assert_non_null(fixture_server);
	assert_int_equal(chmod(fixture_dir, 0755), 0);
	assert_int_equal(
		chmod(fixture_path, 0666), 0); /* whatever the mode of the file lets through */
	assert_int_equal(ask_as(0, 0, (gid_t)-1), 0);
	assert_int_equal(ask_as(65534, 65534, (gid_t)-1), 1);
	assert_int_equal(ask_as(65534, 65534, group + 1), 1);
	assert_int_equal(ask_as(65534, group, (gid_t)-1), 0);
	assert_int_equal(ask_as(65534, 65534, group), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_stop_waits),
		FIXTURE_TEST(test_stop_despite_stuck_client),
		FIXTURE_TEST(test_path),
		FIXTURE_TEST(test_stale),
		FIXTURE_TEST(test_no_daemon),
		FIXTURE_TEST(test_daemon_gone),
		FIXTURE_TEST(test_peers),
	};

	return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
