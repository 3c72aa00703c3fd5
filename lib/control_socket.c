/* The unix socket under lib/control_server.c: who owns the path, who may speak. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/control_internal.h"
#include "lib/mem.h"

bool control_address(const char *path, struct sockaddr_un *address_r)
{
	memset(address_r, 0, sizeof *address_r);
	address_r->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof address_r->sun_path)
		return false;
	strcpy(address_r->sun_path, path);
	return true;
}

static int fail(const char **error_r, int fd, const char *path, const char *text)
{
	static _Thread_local char reason[512];

	snprintf(reason, sizeof reason, "control socket %s: %s", path, text);
	*error_r = reason;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* A socket whose process died refuses connections. Anything else at that path is somebody's. */
static bool remove_stale(const struct sockaddr_un *address)
{
	struct stat status;
	int fd;

	if (lstat(address->sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int result = connect(fd, (const struct sockaddr *)address, sizeof *address);
	bool stale = result < 0 && errno == ECONNREFUSED;
	close(fd);
	return stale && unlink(address->sun_path) == 0;
}

static int bind_path(int fd, const struct sockaddr_un *address)
{
	const struct sockaddr *generic = (const struct sockaddr *)address;

	if (bind(fd, generic, sizeof *address) == 0)
		return 0;
	if (errno != EADDRINUSE)
		return -1;
	if (!remove_stale(address)) {
		errno = EADDRINUSE;
		return -1;
	}
	return bind(fd, generic, sizeof *address);
}

static const char *bind_trouble(int error)
{
	if (error == EADDRINUSE)
		return "in use; another process listens there, or the path is no socket";
	if (error == ENOENT)
		return "its directory does not exist; create it, owned by the user that runs this";
	return strerror(error);
}

int control_listen(const char *path, gid_t group, const char **error_r)
{
	struct sockaddr_un address;
	int fd;

	if (!control_address(path, &address))
		return fail(error_r, -1, path, "path too long");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(error_r, fd, path, strerror(errno));
	if (bind_path(fd, &address) < 0)
		return fail(error_r, fd, path, bind_trouble(errno));
	/* Nobody can connect before listen(), so owner and mode are right in time. */
	if ((group != (gid_t)-1 && chown(path, (uid_t)-1, group) < 0) || chmod(path, 0660) < 0 ||
		listen(fd, 64) < 0) {
		fail(error_r, fd, path, strerror(errno));
		unlink(path);
		return -1;
	}
	return fd;
}

static bool among(const gid_t *groups, size_t count, gid_t group)
{
	for (size_t i = 0; i < count; i++)
		if (groups[i] == group)
			return true;
	return false;
}

/* The groups that the process has. */
static bool process_in_group(int fd, gid_t group)
{
	gid_t groups[1024];
	socklen_t len = sizeof groups;

	return getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0 &&
	       among(groups, len / sizeof groups[0], group);
}

/* The groups that its user has by now, in whatever session it runs. */
static bool user_in_group(uid_t uid, gid_t group)
{
	char buffer[4096];
	struct passwd entry, *found = NULL;
	gid_t groups[1024];
	int count = 1024;

	if (getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) != 0 || found == NULL)
		return false;
	if (getgrouplist(found->pw_name, found->pw_gid, groups, &count) < 0)
		return false;
	return among(groups, (size_t)count, group);
}

bool control_peer_allowed(int fd, gid_t group)
{
	struct ucred peer;
	socklen_t len = sizeof peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	if (peer.uid == 0 || peer.uid == geteuid())
		return true;
	return peer.gid == group || process_in_group(fd, group) || user_in_group(peer.uid, group);
}
