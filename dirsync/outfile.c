#define _GNU_SOURCE
#include "dirsync/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mem.h"

#define BUFFER_BYTES (256 * 1024)

struct outfile {
	char *path, *fresh; /* fresh: NAME.new */
	int fd;
	struct str buffer;
};

static _Thread_local char file_error[1024];

static const char *remedy_of(int code)
{
	switch (code) {
	case ENOSPC:
	case EDQUOT: return "; make room on its file system";
	case EACCES:
	case EPERM: return "; the folder must be writable for the user of restante-dirsync";
	case ENOENT:
	case ENOTDIR: return "; make the folder";
	case EROFS: return "; its file system is mounted read-only";
	default: return "";
	}
}

static int fail(const struct outfile *file, const char *what, const char **error_r)
{
	int code = errno;

	snprintf(file_error, sizeof(file_error), "%s: cannot %s: %s%s", file->path, what,
		strerror(code), remedy_of(code));
	*error_r = file_error;
	return -1;
}

static void free_file(struct outfile **file)
{
	struct outfile *f = *file;

	if (f->fd >= 0)
		close(f->fd);
	str_free(&f->buffer);
	mem_free(&f->path);
	mem_free(&f->fresh);
	mem_free(file);
}

struct outfile *outfile_open(const char *path, const char **error_r)
{
	struct outfile *file = mem_zalloc(sizeof(*file));
	struct stat old;

	file->path = mem_strdup(path);
	file->fresh = mem_printf("%s.new", path);
	/* what a run that was killed left; never through a link that somebody put there */
	unlink(file->fresh);
	file->fd = open(file->fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (file->fd < 0)
		fail(file, "be written", error_r);
	else if (stat(path, &old) == 0 && fchmod(file->fd, old.st_mode & 07777) < 0)
		fail(file, "be given its mode", error_r);
	else
		return file;
	outfile_drop(&file);
	return NULL;
}

static int flush_buffer(struct outfile *file, const char **error_r)
{
	const char *at = file->buffer.data;
	size_t left = file->buffer.len;

	while (left > 0) {
		ssize_t done = write(file->fd, at, left);

		if (done < 0 && errno != EINTR)
			return fail(file, "be written", error_r);
		if (done > 0) {
			at += done;
			left -= (size_t)done;
		}
	}
	str_reset(&file->buffer);
	return 0;
}

int outfile_write(struct outfile *file, const void *data, size_t len, const char **error_r)
{
	str_append(&file->buffer, data, len);
	return file->buffer.len < BUFFER_BYTES ? 0 : flush_buffer(file, error_r);
}

/* The name must be on the disk as well. */
static int sync_folder(const struct outfile *file)
{
	const char *slash = strrchr(file->path, '/');
	char *folder = slash == NULL ? mem_strdup(".")
				     : mem_strndup(file->path, (size_t)(slash - file->path) + 1);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = fd < 0 ? -1 : fsync(fd);

	if (fd >= 0)
		close(fd);
	mem_free(&folder);
	return result;
}

int outfile_commit(struct outfile **file, const char **error_r)
{
	struct outfile *f = *file;
	int result = flush_buffer(f, error_r);

	if (result == 0 && fsync(f->fd) < 0)
		result = fail(f, "be brought to the disk", error_r);
	if (result == 0 && rename(f->fresh, f->path) < 0)
		result = fail(f, "be replaced", error_r);
	if (result < 0) {
		outfile_drop(file);
		return -1;
	}
	if (sync_folder(f) < 0)
		result = fail(f, "be brought to the disk", error_r);
	free_file(file);
	return result;
}

void outfile_drop(struct outfile **file)
{
	if (*file == NULL)
		return;
	if ((*file)->fd >= 0)
		unlink((*file)->fresh);
	free_file(file);
}

void outfile_seal(const char *path, struct str *seal_r)
{
	struct stat now;

	str_reset(seal_r);
	if (stat(path, &now) == 0)
		str_printf(seal_r, "%ju %ju %jd.%09ld", (uintmax_t)now.st_ino,
			(uintmax_t)now.st_size, (intmax_t)now.st_mtim.tv_sec, now.st_mtim.tv_nsec);
}
