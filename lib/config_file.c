/* restante.conf as bytes: found, readable, a text of a sane size. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/config_internal.h"

#define FILE_MAX_BYTES (1024 * 1024)

struct trouble {
	char *text;
	size_t size;
};

__attribute__((format(printf, 2, 3))) static int complain(
	struct trouble *trouble, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(trouble->text, trouble->size, format, args);
	va_end(args);
	return -1;
}

static int check_text(struct trouble *trouble, const char *path, const struct str *text)
{
	int line = 1;

	for (size_t i = 0; i < text->len; i++) {
		unsigned char c = (unsigned char)text->data[i];
		if (c == '\n')
			line++;
		else if (c < ' ' && c != '\t' && c != '\r')
			return complain(trouble, "%s:%d: byte 0x%02x; this must be a text file",
				path, line, c);
	}
	return 0;
}

static int read_all(struct trouble *trouble, const char *path, int fd, struct str *text)
{
	ssize_t got;

	do {
		str_reserve(text, 4096);
		got = read(fd, text->data + text->len, 4096);
		if (got < 0)
			return complain(trouble, "%s: cannot be read: %s", path, strerror(errno));
		text->len += (size_t)got;
	} while (got > 0 && text->len <= FILE_MAX_BYTES);
	if (text->len > FILE_MAX_BYTES)
		return complain(trouble, "%s: larger than 1 MB; this is no restante.conf", path);
	return check_text(trouble, path, text);
}

static int cannot_open(struct trouble *trouble, const char *path)
{
	if (errno == ENOENT)
		return complain(trouble,
			"%s: there is no such file; name another with -c or write one as "
			"restante.conf(5) says",
			path);
	if (errno == EACCES)
		return complain(trouble,
			"%s: permission denied; user id %ld must be able to read it", path,
			(long)geteuid());
	return complain(trouble, "%s: cannot be opened: %s", path, strerror(errno));
}

int config_file_read(const char *path, struct str *text, char *error_r, size_t size)
{
	struct trouble room = { error_r, size }, *trouble = &room;
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int result;

	if (fd < 0)
		return cannot_open(trouble, path);
	if (fstat(fd, &status) < 0)
		result = complain(trouble, "%s: %s", path, strerror(errno));
	else if (S_ISDIR(status.st_mode))
		result = complain(trouble, "%s: is a directory; name the file in it", path);
	else if (!S_ISREG(status.st_mode) && !S_ISCHR(status.st_mode))
		result = complain(trouble, "%s: is no regular file", path);
	else
		result = read_all(trouble, path, fd, text);
	close(fd);
	return result;
}
