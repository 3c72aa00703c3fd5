#define _GNU_SOURCE
#include "dirsync/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/digest.h"
#include "lib/mem.h"

#define SECRET_DIGITS 32
#define TOKEN_DIGITS  8
#define MACHINE_ID    "/etc/machine-id"

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local char failure[600];

/* Up to size - 1 bytes; "" where it is not there. */
static void read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd >= 0 ? read(fd, text, size - 1) : 0;

	text[len > 0 ? (size_t)len : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (fd >= 0)
		close(fd);
}

static bool is_secret(const char *text)
{
	return strlen(text) == SECRET_DIGITS && strspn(text, "0123456789abcdef") == SECRET_DIGITS;
}

static void new_secret(char *text)
{
	uint8_t bytes[SECRET_DIGITS / 2];

	/* so few bytes come at once or, in a kernel that is just booting, a moment later */
	while (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
		;
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static bool write_file(const char *path, const char *text)
{
	char *part = mem_printf("%s.new", path);
	int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool done = fd >= 0 && dprintf(fd, "%s\n", text) > 0 && fsync(fd) == 0;

	if (fd >= 0 && close(fd) != 0)
		done = false;
	done = done && rename(part, path) == 0;
	if (!done)
		snprintf(failure, sizeof failure, "%s: %s", part, strerror(errno));
	mem_free(&part);
	return done;
}

static int secret_of(const char *state_dir, char *secret)
{
	char *path = mem_printf("%s/instance", state_dir);
	int done = 0;

	pthread_mutex_lock(&making);
	read_file(path, secret, SECRET_DIGITS + 2);
	if (!is_secret(secret)) {
		new_secret(secret);
		if (!write_file(path, secret))
			done = -1;
	}
	pthread_mutex_unlock(&making);
	mem_free(&path);
	return done;
}

int instance_holder(
	const char *state_dir, const char *holder, struct str *holder_r, const char **error_r)
{
	char secret[SECRET_DIGITS + 2], machine[64];
	uint8_t bytes[DIGEST_BYTES];
	struct digest *digest;

	*error_r = failure;
	if (mkdir(state_dir, 0700) < 0 && errno != EEXIST) {
		snprintf(failure, sizeof failure, "%s: %s", state_dir, strerror(errno));
		return -1;
	}
	if (secret_of(state_dir, secret) < 0)
		return -1;
	read_file(MACHINE_ID, machine, sizeof machine);
	digest = digest_begin();
	digest_add(digest, secret, strlen(secret) + 1);
	digest_add(digest, machine, strlen(machine));
	digest_end(&digest, bytes);
	str_printf(holder_r, "%s/", holder);
	for (size_t i = 0; i < TOKEN_DIGITS / 2; i++)
		str_printf(holder_r, "%02x", bytes[i]);
	return 0;
}
