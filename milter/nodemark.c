#define _GNU_SOURCE
#include "milter/nodemark.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME "node-service"

static const char *const names[] = { "none", "serving", "left", "cut-off" };

const char *nodemark_name(enum nodemark mark)
{
	return names[mark];
}

static void path_of(char *path, size_t size, const char *queue_dir, const char *suffix)
{
	snprintf(path, size, "%s/" FILE_NAME "%s", queue_dir, suffix);
}

static enum nodemark parse(const char *path, char *text, struct str *error_r)
{
	text[strcspn(text, "\n")] = '\0';
	for (int m = NODEMARK_SERVING; m <= NODEMARK_CUT_OFF; m++)
		if (strcmp(text, names[m]) == 0)
			return (enum nodemark)m;
	str_printf(error_r, "%s: not understood", path);
	return NODEMARK_CUT_OFF;
}

enum nodemark nodemark_read(const char *queue_dir, struct str *error_r)
{
	char path[4096], text[32] = "";

	path_of(path, sizeof path, queue_dir, "");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return NODEMARK_NONE;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n < 0)
		str_printf(error_r, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return n < 0 ? NODEMARK_CUT_OFF : parse(path, text, error_r);
}

static bool write_synced(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return false;
	size_t len = strlen(text);
	bool done = write(fd, text, len) == (ssize_t)len && fsync(fd) == 0;
	return close(fd) == 0 && done;
}

static bool sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return false;
	bool done = fsync(fd) == 0;
	close(fd);
	return done;
}

int nodemark_write(const char *queue_dir, enum nodemark mark, struct str *error_r)
{
	char path[4096], fresh[4096], text[32];

	path_of(path, sizeof path, queue_dir, "");
	path_of(fresh, sizeof fresh, queue_dir, ".new");
	snprintf(text, sizeof text, "%s\n", names[mark]);
	if (write_synced(fresh, text) && rename(fresh, path) == 0 && sync_folder(queue_dir))
		return 0;
	str_printf(error_r, "%s: %s", path, strerror(errno));
	return -1;
}
