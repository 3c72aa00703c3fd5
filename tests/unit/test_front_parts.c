/* Small parts of the front door: ORCPT, the durable mark of its service, its sockets, replies. */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/mem.h"
#include "milter/envelope.h"
#include "milter/nodemark.h"
#include "milter/reply.h"
#include "milter/socket.h"
#include "milter/twin.h"

static int make_folder(void **state)
{
	char *path = mem_strdup("/tmp/restante-unit-XXXXXX");

	*state = path;
	return mkdtemp(path) ? 0 : -1;
}

static int remove_folder(void **state)
{
	static const char *const files[] = { "node-service", "node-service.new", "s", "file" };
	char path[256];

	for (size_t i = 0; i < COUNT(files); i++) {
		snprintf(path, sizeof path, "%s/%s", (char *)*state, files[i]);
		unlink(path);
	}
	int done = rmdir(*state);
	free(*state);
	return done;
}

/* --- ORCPT ---------------------------------------------------------------------------------------
 */

static void expect_params(const char *params, const char *argument, const char *expected)
{
	struct str out = STR_INIT;

	envelope_dsn_params(params, argument, ORCPT_MILTER, &out);
	assert_string_equal(str_cstr(&out), expected);
	str_free(&out);
}

static void an_original_recipient_is_added(void **state)
{
	(void)state;
	expect_params("", "<a+b=c@x>", "ORCPT=rfc822;a+2Bb+3Dc@x");
	expect_params("", "a@x", "ORCPT=rfc822;a@x");
	expect_params("NOTIFY=NEVER", "<a@x>", "NOTIFY=NEVER ORCPT=rfc822;a@x");
	expect_params("X=1 NOTIFY=NEVER", "<a@x>", "NOTIFY=NEVER ORCPT=rfc822;a@x");
	expect_params("X=1 notify=NEVER", "<a@x>", "notify=NEVER ORCPT=rfc822;a@x");
	expect_params("orcpt=rfc822;o@x", "<a@x>", "orcpt=rfc822;o@x");
}

static void trap_7_utf8_is_encoded_once(void **state)
{
	(void)state;
	expect_params("", "<b\xc3\xbc@x>", "ORCPT=utf-8;b\xc3\xbc@x");
	expect_params("ORCPT=utf-8;b\\x{FC}@x", "<a@x>", "ORCPT=utf-8;b\xc3\xbc@x");
	expect_params("ORCPT=UTF-8;\\x{1F4EE}\\x{20AC}", "<a@x>",
		"ORCPT=UTF-8;\xf0\x9f\x93\xae\xe2\x82\xac");
}

/* Nothing that ends a parameter or a line comes out of it. */
static void strange_escapes_stay_as_they_are(void **state)
{
	static const char *const strange[] = { "ORCPT=utf-8;\\x{}", "ORCPT=utf-8;\\x{0A}",
		"ORCPT=utf-8;\\x{20}", "ORCPT=utf-8;\\x{D800}", "ORCPT=utf-8;\\x{110000}",
		"ORCPT=utf-8;\\x{FC", "ORCPT=utf-8;\\x", "ORCPT=utf-8;\\x{0000FC1}",
		"ORCPT=rfc822;\\x{FC}", "ORCPT=utf-8;\\x{00}", "ORCPT=utf-8;" };

	(void)state;
	for (size_t i = 0; i < COUNT(strange); i++)
		expect_params(strange[i], "<a@x>", strange[i]);
	expect_params("", "<b\xff@x>", "");
}

/* --- the mark ------------------------------------------------------------------------------------
 */

static void the_mark_is_remembered(void **state)
{
	static const char *const levels[] = { "", "20261122055519.411540Z#000000#001#000000" };
	struct str error = STR_INIT;
	char level[NODEMARK_LEVEL] = "x";

	assert_int_equal(nodemark_read(*state, level, &error), NODEMARK_NONE);
	assert_string_equal(level, "");
	for (int m = NODEMARK_SERVING; m <= NODEMARK_CUT_OFF; m++)
		for (size_t i = 0; i < COUNT(levels); i++) {
			assert_int_equal(
				nodemark_write(*state, (enum nodemark)m, levels[i], &error), 0);
			assert_int_equal(nodemark_read(*state, level, &error), m);
			assert_string_equal(level, levels[i]);
		}
	assert_int_equal(error.len, 0);
	str_free(&error);
}

static void a_mark_that_is_not_understood_serves_nothing(void **state)
{
	static const char *const texts[] = { "serv", "serving\n20261122" };
	struct str error = STR_INIT;
	char path[256], level[NODEMARK_LEVEL];

	snprintf(path, sizeof path, "%s/node-service", (char *)*state);
	for (size_t i = 0; i < 2; i++) {
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_int_equal(write(fd, texts[i], strlen(texts[i])), (int)strlen(texts[i]));
		close(fd);
		str_reset(&error);
		assert_int_equal(nodemark_read(*state, level, &error), NODEMARK_CUT_OFF);
		assert_true(error.len > 0);
	}
	assert_int_equal(nodemark_write("/nonexistent", NODEMARK_SERVING, "", &error), -1);
	str_free(&error);
}

/* --- sockets -------------------------------------------------------------------------------------
 */

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(strlen(path) < sizeof address.sun_path);
	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void a_stale_socket_goes_a_live_one_stays(void **state)
{
	struct str error = STR_INIT;
	char path[100], notation[120];
	struct stat st;

	snprintf(path, sizeof path, "%s/s", (char *)*state);
	snprintf(notation, sizeof notation, "unix:%s", path);
	assert_int_equal(socket_prepare(notation, &error), 0);
	int fd = listen_at(path);
	assert_int_equal(socket_prepare(notation, &error), -1);
	assert_non_null(strstr(error.data, "another process"));
	assert_int_equal(socket_adjust(notation, 0640, &error), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	close(fd);
	assert_int_equal(socket_prepare(notation, &error), 0);
	assert_int_equal(stat(path, &st), -1);
	str_free(&error);
}

static void what_is_no_socket_stays(void **state)
{
	struct str error = STR_INIT;
	char path[256];

	snprintf(path, sizeof path, "%s/file", (char *)*state);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	assert_int_equal(socket_prepare(path, &error), -1);
	assert_int_equal(access(path, F_OK), 0);
	assert_null(socket_path("inet:8891@127.0.0.1"));
	assert_string_equal(socket_path("local:/x"), "/x");
	str_free(&error);
}

/* --- replies -------------------------------------------------------------------------------------
 */

static void replies_have_codes_that_agree(void **state)
{
	(void)state;
	assert_null(reply_text(REPLY_NONE));
	for (int r = REPLY_NONE + 1; r <= REPLY_STOPPING; r++) {
		const struct reply_text *text = reply_text((enum reply)r);
		assert_int_equal(strlen(text->code), 3);
		assert_int_equal(text->code[0], text->enhanced[0]);
		assert_int_equal(reply_is_permanent((enum reply)r), text->code[0] == '5');
		/* libmilter's formatter, and a 421 closes the connection (TRAPS 20) */
		assert_null(strpbrk(text->text, "%\r\n"));
		assert_string_not_equal(text->code, "421");
	}
}

/* --- one name for two
 * -----------------------------------------------------------------------------
 */

static void somebody_else_with_our_name(void **state)
{
	struct twin twin = { .next = 0 };
	char text[16];

	(void)state;
	/* an earlier process */
	assert_false(twin_there(&twin, "", 100, 10));
	assert_false(twin_there(&twin, "old", 100, 10));
	twin_wrote(&twin, "1");
	assert_false(twin_there(&twin, "old", 100, 10));
	assert_false(twin_there(&twin, "1", 100, 10));
	assert_true(twin_there(&twin, "other", 100, 10));
	twin_wrote(&twin, "2");
	assert_true(twin_there(&twin, "2", 109, 10));
	assert_false(twin_there(&twin, "2", 110, 10));
	/* answers that were lost */
	for (int i = 3; i < 3 + TWIN_MEMORY; i++) {
		snprintf(text, sizeof text, "%d", i);
		twin_wrote(&twin, text);
	}
	/* no write got through: ours is there still, though long ago */
	assert_false(twin_there(&twin, "2", 115, 10));
	assert_false(twin_there(&twin, "3", 120, 10));
	assert_false(twin_there(&twin, "", 120, 10));
	assert_true(twin_there(&twin, "2", 120, 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_original_recipient_is_added),
		cmocka_unit_test(trap_7_utf8_is_encoded_once),
		cmocka_unit_test(strange_escapes_stay_as_they_are),
		cmocka_unit_test_setup_teardown(the_mark_is_remembered, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			a_mark_that_is_not_understood_serves_nothing, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			a_stale_socket_goes_a_live_one_stays, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			what_is_no_socket_stays, make_folder, remove_folder),
		cmocka_unit_test(replies_have_codes_that_agree),
		cmocka_unit_test(somebody_else_with_our_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
