#define _GNU_SOURCE
#include "dirsync/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/str.h"

static _Thread_local char failure[1024];

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

char *folder_of(const char *state_dir, const char *system)
{
	struct str path = STR_INIT;

	str_printf(&path, "%s/", state_dir);
	for (const char *p = system; *p != '\0'; p++) {
		char c = *p >= 'A' && *p <= 'Z' ? (char)(*p + 'a' - 'A') : *p;
		if (is_plain(c) || (c == '.' && p != system))
			str_append_c(&path, c);
		else
			str_printf(&path, "%%%02X", (unsigned char)c);
	}
	return str_steal(&path);
}

static int make(const char *path, const char **error_r)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	snprintf(failure, sizeof failure, "%s: cannot make the folder: %s", path, strerror(errno));
	*error_r = failure;
	return -1;
}

int folder_make(const char *state_dir, const char *system, const char **error_r)
{
	char *path = folder_of(state_dir, system);
	int done = make(state_dir, error_r);

	if (done == 0)
		done = make(path, error_r);
	mem_free(&path);
	return done;
}

static void empty(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

char *folder_work(const char *state_dir, const char *system, const char *name, const char **error_r)
{
	char *folder = folder_of(state_dir, system), *path = mem_printf("%s/%s", folder, name);

	if (folder_make(state_dir, system, error_r) < 0 || make(path, error_r) < 0)
		mem_free(&path);
	else
		empty(path);
	mem_free(&folder);
	return path;
}

bool folder_in_use(const char *dir)
{
	char *path = mem_printf("%s/LOCK", dir);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	bool used = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;

	if (fd >= 0)
		close(fd);
	mem_free(&path);
	return used;
}
