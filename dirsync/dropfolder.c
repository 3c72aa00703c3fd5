#define _GNU_SOURCE
#include "dirsync/dropfolder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"

#define FUTURE  (300 * CLOCK_SECOND) /* clocks of file servers may differ by that */
#define WRITTEN (10 * CLOCK_SECOND)  /* since its last write a file is left where it is */
#define NAMES   100                  /* of one name in "done" or "failed" */

static int refuse(struct str *reason, const char *what, const char *why)
{
	str_reset(reason);
	str_printf(reason, "%s: %s", what, why);
	return -1;
}

static int refuse_name(
	const struct dropfolder *folder, const char *name, struct str *reason, const char *why)
{
	str_reset(reason);
	str_printf(reason, "%s/%s: %s", folder->path, name, why);
	return -1;
}

int dropfolder_open(
	struct dropfolder *folder, const char *path, const char *suffix, struct str *reason)
{
	*folder = (struct dropfolder){ .path = path, .suffix = suffix };
	folder->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder->fd < 0 || fstat(folder->fd, &folder->st) != 0) {
		refuse(reason, path, strerror(errno));
		dropfolder_close(folder);
		return -1;
	}
	if ((folder->st.st_mode & S_IWOTH) == 0)
		return 0;
	dropfolder_close(folder);
	return refuse(reason, path, "everybody may write into this folder; chmod o-w");
}

void dropfolder_close(struct dropfolder *folder)
{
	if (folder->fd >= 0)
		close(folder->fd);
	folder->fd = -1;
}

static int64_t instant(struct timespec at)
{
	return at.tv_sec * CLOCK_SECOND + at.tv_nsec / 1000;
}

int64_t dropfolder_renamed_us(const struct drop *drop)
{
	return instant(drop->st.st_ctim);
}

void dropfolder_mark(const struct drop *drop, struct str *mark)
{
	str_reset(mark);
	str_printf(mark, "file %ju %jd.%09ld %jd", (uintmax_t)drop->st.st_ino,
		(intmax_t)drop->st.st_ctim.tv_sec, drop->st.st_ctim.tv_nsec,
		(intmax_t)drop->st.st_size);
}

/* --- what is there -------------------------------------------------------------------------- */

static bool is_candidate(const struct dropfolder *folder, const char *name)
{
	size_t len = strlen(name), suffix = strlen(folder->suffix);

	return name[0] != '.' && len > suffix &&
	       strcasecmp(name + len - suffix, folder->suffix) == 0;
}

/* One that is gone meanwhile is none, as is a folder. */
static bool look(const struct dropfolder *folder, const char *name, struct drop *drop_r)
{
	if (!is_candidate(folder, name))
		return false;
	snprintf(drop_r->name, sizeof(drop_r->name), "%s", name);
	return fstatat(folder->fd, name, &drop_r->st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       !S_ISDIR(drop_r->st.st_mode);
}

static bool is_newer(const struct drop *a, const struct drop *b)
{
	const struct timespec *at = &a->st.st_ctim, *bt = &b->st.st_ctim;

	if (at->tv_sec != bt->tv_sec)
		return at->tv_sec > bt->tv_sec;
	if (at->tv_nsec != bt->tv_nsec)
		return at->tv_nsec > bt->tv_nsec;
	return strcmp(a->name, b->name) > 0;
}

/* NULL with *reason. */
static DIR *list(const struct dropfolder *folder, struct str *reason)
{
	/* A descriptor of its own: closedir closes it. */
	int fd = openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir != NULL)
		return dir;
	refuse(reason, folder->path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return NULL;
}

int dropfolder_newest(struct dropfolder *folder, struct drop *drop_r, struct str *reason)
{
	DIR *dir = list(folder, reason);
	bool found = false;
	struct drop drop;

	if (dir == NULL)
		return -1;
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
		if (look(folder, entry->d_name, &drop) && (!found || is_newer(&drop, drop_r))) {
			*drop_r = drop;
			found = true;
		}
	closedir(dir);
	if (!found)
		return 0;
	if (dropfolder_renamed_us(drop_r) > clock_wall_us() + FUTURE)
		return refuse_name(folder, drop_r->name, reason,
			"it was renamed in the future, so that nobody knows which file is the "
			"last; "
			"set the clock, then rename it once more");
	return 1;
}

/* --- reading -------------------------------------------------------------------------------- */

static int judge(const struct dropfolder *folder, const char *name, const struct stat *st,
	struct str *reason)
{
	if (S_ISLNK(st->st_mode))
		return refuse_name(folder, name, reason,
			"symbolic links are not followed; rename the file itself into place");
	if (!S_ISREG(st->st_mode))
		return refuse_name(folder, name, reason, "this is no file; remove it");
	if (st->st_uid != 0 && st->st_uid != geteuid() && st->st_uid != folder->st.st_uid)
		return refuse_name(folder, name, reason,
			"it belongs neither to root, nor to us, nor to the owner of the folder; "
			"chown");
	if (st->st_mode & S_IWOTH)
		return refuse_name(folder, name, reason, "everybody may write to it; chmod o-w");
	return 0;
}

int dropfolder_read(struct dropfolder *folder, struct drop *drop, struct str *reason)
{
	int fd;

	if (judge(folder, drop->name, &drop->st, reason) != 0)
		return -1;
	fd = openat(folder->fd, drop->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return refuse_name(folder, drop->name, reason, strerror(errno));
	/* A newer one of that name may have come meanwhile: it is what was opened that counts. */
	if (fstat(fd, &drop->st) == 0 && judge(folder, drop->name, &drop->st, reason) == 0)
		return fd;
	close(fd);
	return -1;
}

/* --- moving away ---------------------------------------------------------------------------- */

/* Renames, but never over another file. */
static int move_new(int from, const char *name, int to, const char *to_name)
{
	if (renameat2(from, name, to, to_name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (faccessat(to, to_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return renameat(from, name, to, to_name);
}

/* Under its name, or NAME.2, NAME.3, ... False: it stays. */
static bool move_to(
	struct dropfolder *folder, const char *name, const char *subfolder, const char *who)
{
	int to = openat(folder->fd, subfolder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char to_name[NAME_MAX + 16];
	int done = -1;

	if (to < 0)
		return false;
	for (int i = 1; done != 0 && i <= NAMES; i++) {
		snprintf(to_name, sizeof(to_name), i == 1 ? "%s" : "%s.%d", name, i);
		done = move_new(folder->fd, name, to, to_name);
		if (done != 0 && errno != EEXIST)
			break;
	}
	if (done != 0)
		log_warning("sync", "a file cannot be moved to %s: %s system=%s file=\"%s/%s\"",
			subfolder, strerror(errno), who, folder->path, name);
	close(to);
	return done == 0;
}

void dropfolder_supersede(struct dropfolder *folder, const struct drop *newest, const char *who)
{
	struct str reason = STR_INIT;
	DIR *dir = list(folder, &reason);
	struct drop drop;

	for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
		if (look(folder, entry->d_name, &drop) && is_newer(newest, &drop) &&
			move_to(folder, drop.name, "done", who))
			log_info("sync", "a file is superseded by \"%s\" system=%s file=\"%s\"",
				newest->name, who, drop.name);
	if (dir != NULL)
		closedir(dir);
	str_free(&reason);
}

void dropfolder_fail(struct dropfolder *folder, const struct drop *drop, const char *who)
{
	struct drop now;

	if (!look(folder, drop->name, &now) || now.st.st_ino != drop->st.st_ino ||
		instant(now.st.st_mtim) > clock_wall_us() - WRITTEN)
		return;
	if (move_to(folder, drop->name, "failed", who))
		log_warning("sync",
			"a file that cannot be used is in \"failed\" now system=%s "
			"file=\"%s\"",
			who, drop->name);
}
