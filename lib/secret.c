#define _GNU_SOURCE
#include "lib/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mem.h"

/* Write access of the group, or any of others, makes the secret somebody else's. */
static const char *fault_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return "is no regular file";
	if ((st.st_mode & 0027) != 0)
		return "can be read by others or written by its group; chmod 0600 or 0640";
	return NULL;
}

static char *first_line(int fd, const char **fault_r)
{
	char *secret = mem_zalloc(SECRET_MAX + 1);
	ssize_t got = read(fd, secret, SECRET_MAX);
	size_t len = got > 0 ? strcspn(secret, "\r\n") : 0;

	if (got < 0)
		*fault_r = "cannot be read";
	else if (len == 0)
		*fault_r = "is empty; its first line must be the password";
	else if (len == SECRET_MAX)
		*fault_r = "has a first line that is too long";
	else
		explicit_bzero(secret + len, SECRET_MAX - len);
	if (*fault_r == NULL)
		return secret;
	explicit_bzero(secret, SECRET_MAX);
	mem_free(&secret);
	return NULL;
}

char *secret_read(const char *path, const char **error_r)
{
	static _Thread_local char reason[1200];
	const char *fault = NULL;
	char *secret = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		fault = strerror(errno);
	} else {
		if ((fault = fault_of(fd)) == NULL)
			secret = first_line(fd, &fault);
		close(fd);
	}
	if (fault != NULL) {
		snprintf(reason, sizeof reason, "password_file %s: %s", path, fault);
		*error_r = reason;
	}
	return secret;
}
