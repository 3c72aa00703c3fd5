#define _GNU_SOURCE
#include "milter/nodemark.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cookie.h"

#define FILE_NAME "node-service"
/* Always as long, and within one sector: it can be written over, also on a full disk. */
#define BLOCK 128

static const char *const names[] = { "none", "serving", "left", "cut-off" };

const char *nodemark_name(enum nodemark mark)
{
	return names[mark];
}

static void path_of(char *path, size_t size, const char *queue_dir, const char *suffix)
{
	snprintf(path, size, "%s/" FILE_NAME "%s", queue_dir, suffix);
}

/* The first line of what is left. */
static char *cut_line(char **rest)
{
	char *line = *rest;

	*rest += strcspn(line, "\n");
	if (**rest != '\0')
		*(*rest)++ = '\0';
	return line;
}

static enum nodemark parse(const char *path, char *text, char *level_r, struct str *error_r)
{
	const char *name = cut_line(&text), *level = cut_line(&text);
	bool sound = *level == '\0' || csn_valid(level, strlen(level));

	for (int m = NODEMARK_NONE; sound && m <= NODEMARK_CUT_OFF; m++)
		if (strcmp(name, names[m]) == 0) {
			snprintf(level_r, NODEMARK_LEVEL, "%s", level);
			return (enum nodemark)m;
		}
	str_printf(error_r, "%s: not understood", path);
	return NODEMARK_CUT_OFF;
}

enum nodemark nodemark_read(const char *queue_dir, char *level_r, struct str *error_r)
{
	char path[4096], text[BLOCK + 1] = "";

	level_r[0] = '\0';

	path_of(path, sizeof path, queue_dir, "");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return NODEMARK_NONE;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n < 0)
		str_printf(error_r, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return n < 0 ? NODEMARK_CUT_OFF : parse(path, text, level_r, error_r);
}

static bool write_block(int fd, const char *block)
{
	if (fd < 0)
		return false;
	bool done = pwrite(fd, block, BLOCK, 0) == BLOCK && fsync(fd) == 0;
	return close(fd) == 0 && done;
}

static bool write_over(const char *path, const char *block)
{
	struct stat st;
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || (fstat(fd, &st) == 0 && st.st_size == BLOCK))
		return write_block(fd, block);
	close(fd);
	return false;
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

int nodemark_write(
	const char *queue_dir, enum nodemark mark, const char *level, struct str *error_r)
{
	char path[4096], fresh[4096], block[BLOCK];

	path_of(path, sizeof path, queue_dir, "");
	path_of(fresh, sizeof fresh, queue_dir, ".new");
	memset(block, '\n', sizeof block);
	int len = snprintf(block, sizeof block, "%s\n%s", names[mark], level);
	block[len] = '\n';
	if (write_over(path, block))
		return 0;
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (write_block(fd, block) && rename(fresh, path) == 0 && sync_folder(queue_dir))
		return 0;
	str_printf(error_r, "%s: %s", path, strerror(errno));
	return -1;
}
