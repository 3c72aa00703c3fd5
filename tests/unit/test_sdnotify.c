/* What the service manager hears: lib/sdnotify.h against a socket of our own. */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/sdnotify.h"

static char folder[] = "/tmp/restante-unit-XXXXXX";

/* Listens where NOTIFY_SOCKET points to; "@..." is abstract. */
static int listen_at(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	memcpy(address.sun_path, name, strlen(name));
	if (*name == '@')
		address.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) +
					     (*name == '/'))),
		0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static const char *heard(int fd)
{
	static char text[2048];
	ssize_t got = recv(fd, text, sizeof(text) - 1, 0);

	text[got > 0 ? got : 0] = '\0';
	return text;
}

static void path_of(char *path, size_t size)
{
	snprintf(path, size, "%s/notify", folder);
	unlink(path);
}

static void a_path_and_an_abstract_name_hear_each_line(void **state)
{
	char names[2][108];

	(void)state;
	path_of(names[0], sizeof(names[0]));
	snprintf(names[1], sizeof(names[1]), "@restante-unit-%d", (int)getpid());
	for (size_t i = 0; i < 2; i++) {
		int fd = listen_at(names[i]);
		sdnotify_open();
		sdnotify("READY=1\nSTATUS=%s", "serving");
		assert_string_equal(heard(fd), "READY=1\nSTATUS=serving");
		assert_string_equal(heard(fd), "");
		sdnotify_close();
		sdnotify("READY=1");
		assert_string_equal(heard(fd), "");
		close(fd);
	}
}

static void a_reload_has_its_instant(void **state)
{
	char path[108];
	long long instant = 0;
	int end = 0;

	(void)state;
	path_of(path, sizeof(path));
	int fd = listen_at(path);
	sdnotify_open();
	int64_t before = clock_mono_us();
	sdnotify_reloading();
	const char *text = heard(fd);
	assert_int_equal(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%lld%n", &instant, &end), 1);
	assert_int_equal(text[end], '\0');
	assert_true(instant >= before && instant <= clock_mono_us());
	sdnotify_close();
	close(fd);
}

static void nothing_is_left_for_children(void **state)
{
	char path[108], pid[16];

	(void)state;
	path_of(path, sizeof(path));
	int fd = listen_at(path);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_USEC", "60000000", 1);
	setenv("WATCHDOG_PID", pid, 1);
	sdnotify_open();
	assert_int_equal(sdnotify_watchdog_us(), 60000000);
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_null(getenv("WATCHDOG_USEC"));
	assert_null(getenv("WATCHDOG_PID"));
	sdnotify_close();
	close(fd);
}

static int64_t watchdog_with(const char *usec, const char *pid)
{
	char path[108];

	path_of(path, sizeof(path));
	int fd = listen_at(path);
	setenv("WATCHDOG_USEC", usec, 1);
	if (pid != NULL)
		setenv("WATCHDOG_PID", pid, 1);
	sdnotify_open();
	int64_t us = sdnotify_watchdog_us();
	sdnotify_close();
	close(fd);
	return us;
}

static void a_watchdog_that_is_not_ours_is_not_fed(void **state)
{
	(void)state;
	assert_int_equal(watchdog_with("1000", NULL), 1000);
	assert_int_equal(watchdog_with("1000", "1"), 0);
	assert_int_equal(watchdog_with("", NULL), 0);
	assert_int_equal(watchdog_with("12x", NULL), 0);
	assert_int_equal(watchdog_with("-5", NULL), 0);
	assert_int_equal(watchdog_with("99999999999999999999", NULL), 0);
}

static void a_useless_address_is_no_trouble(void **state)
{
	static const char *const useless[] = { "", "@", "relative", "/tmp/restante-unit-nobody" };

	(void)state;
	for (size_t i = 0; i < COUNT(useless); i++) {
		setenv("NOTIFY_SOCKET", useless[i], 1);
		setenv("WATCHDOG_USEC", "1000", 1);
		sdnotify_open();
		sdnotify("READY=1");
		assert_int_equal(sdnotify_watchdog_us(), 0);
		assert_null(getenv("NOTIFY_SOCKET"));
	}
}

static void a_long_status_is_cut(void **state)
{
	char path[108], text[3000];

	(void)state;
	path_of(path, sizeof(path));
	int fd = listen_at(path);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	sdnotify_open();
	sdnotify("READY=1\nSTATUS=%s", text);
	const char *said = heard(fd);
	assert_int_equal(strlen(said), 1023);
	assert_memory_equal(said, "READY=1\nSTATUS=xx", 17);
	sdnotify_close();
	close(fd);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
	char path[108];

	(void)state;
	path_of(path, sizeof(path));
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_and_an_abstract_name_hear_each_line),
		cmocka_unit_test(a_reload_has_its_instant),
		cmocka_unit_test(nothing_is_left_for_children),
		cmocka_unit_test(a_watchdog_that_is_not_ours_is_not_fed),
		cmocka_unit_test(a_useless_address_is_no_trouble),
		cmocka_unit_test(a_long_status_is_cut),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
