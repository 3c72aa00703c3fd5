#define _GNU_SOURCE
#include "milter/socket.h"

#include <errno.h>
#include <libgen.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/mem.h"

const char *socket_path(const char *notation)
{
	if (strncasecmp(notation, "unix:", 5) == 0)
		return notation + 5;
	if (strncasecmp(notation, "local:", 6) == 0)
		return notation + 6;
	return strchr(notation, ':') == NULL ? notation : NULL;
}

static bool somebody_listens(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return true;
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	int done = connect(fd, (struct sockaddr *)&address, sizeof address);
	bool dead = done < 0 && errno == ECONNREFUSED;
	close(fd);
	return !dead;
}

/* Not made here: a folder of our own group would keep the MTA out without a word. */
static int check_folder(const char *path, struct str *error_r)
{
	char *copy = mem_strdup(path), *folder = dirname(copy);
	int done = access(folder, W_OK | X_OK);

	if (done < 0)
		str_printf(error_r,
			"%s: %s; make it so that the MTA's group, and nobody else, gets in "
			"(Postfix: install -d -o restante -g postfix -m 2750 %s)",
			folder, strerror(errno), folder);
	mem_free(&copy);
	return done;
}

int socket_prepare(const char *notation, struct str *error_r)
{
	const char *path = socket_path(notation);
	struct stat st;

	if (path == NULL)
		return 0;
	if (lstat(path, &st) < 0)
		return check_folder(path, error_r);
	if (strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path) {
		str_printf(error_r, "%s: the path of a socket has less than 108 bytes", path);
		return -1;
	}
	if (!S_ISSOCK(st.st_mode)) {
		str_printf(error_r, "%s: there is something that is no socket; remove it", path);
		return -1;
	}
	if (somebody_listens(path)) {
		str_printf(error_r, "%s: another process listens there", path);
		return -1;
	}
	if (unlink(path) < 0) {
		str_printf(
			error_r, "%s: cannot remove the stale socket: %s", path, strerror(errno));
		return -1;
	}
	return 0;
}

static bool listens_on_tcp(int fd)
{
	int listens = 0, domain = AF_UNIX;
	socklen_t len = sizeof listens;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || !listens)
		return false;
	len = sizeof domain;
	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	return domain != AF_UNIX;
}

/* libmilter does not tell its descriptor; no other part of us listens on TCP. -1: none. */
static int find_tcp(void)
{
	struct rlimit limit = { .rlim_cur = 1024 };

	getrlimit(RLIMIT_NOFILE, &limit);
	for (int fd = 3; fd < (int)limit.rlim_cur && fd < 4096; fd++)
		if (listens_on_tcp(fd))
			return fd;
	return -1;
}

/* Accepted sockets inherit the option. */
static void set_nodelay(void)
{
	int fd = find_tcp(), on = 1;

	if (fd >= 0)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int socket_address(const char *notation, struct sockaddr_storage *address_r, socklen_t *len_r)
{
	struct sockaddr_un *local = (struct sockaddr_un *)address_r;
	const char *path = socket_path(notation);

	*len_r = path != NULL ? sizeof *local : sizeof *address_r;
	memset(address_r, 0, sizeof *address_r);
	if (path == NULL) {
		int fd = find_tcp();
		int done = fd < 0 ? -1 : getsockname(fd, (struct sockaddr *)address_r, len_r);
		if (done < 0)
			*len_r = 0;
		return done;
	}
	local->sun_family = AF_UNIX;
	snprintf(local->sun_path, sizeof local->sun_path, "%s", path);
	return 0;
}

int socket_adjust(const char *notation, mode_t mode, struct str *error_r)
{
	const char *path = socket_path(notation);

	if (path == NULL) {
		set_nodelay();
		return 0;
	}
	if (chmod(path, mode) < 0) {
		str_printf(error_r, "%s: cannot set its mode: %s", path, strerror(errno));
		return -1;
	}
	return 0;
}

void socket_remove(const char *notation)
{
	const char *path = socket_path(notation);

	if (path != NULL)
		unlink(path);
}
