/*
 * A drop folder: files that others rename into place. The one that was renamed last counts
 * (its ctime, which a rename sets); what is older is superseded. A file that was used stays until
 * a newer one comes. Where there are subfolders "done" and "failed", files that are superseded or
 * cannot be used are moved there; else they stay.
 *
 * Who may write into the folder decides what mailboxes there are. It must not be writable for all,
 * and a file counts only where it belongs to root, to us or to the owner of the folder, and is no
 * symbolic link.
 */
#ifndef RESTANTE_DIRSYNC_DROPFOLDER_H
#define RESTANTE_DIRSYNC_DROPFOLDER_H

#include <limits.h>
#include <stdint.h>
#include <sys/stat.h>

#include "lib/str.h"

struct drop {
	char name[NAME_MAX + 1];
	struct stat st;
};

struct dropfolder {
	int fd;
	const char *path, *suffix; /* of the caller: ".ldif" */
	struct stat st;
};

/* 0; -1 with *reason: one line with the remedy. */
int dropfolder_open(
	struct dropfolder *folder, const char *path, const char *suffix, struct str *reason);
void dropfolder_close(struct dropfolder *folder);
/* The file that counts: 1; 0: there is none; -1 with *reason. */
int dropfolder_newest(struct dropfolder *folder, struct drop *drop_r, struct str *reason);
/* A descriptor to read it, whose state is in the drop from then on; -1 with *reason: it is not fit
 * to be read. */
int dropfolder_read(struct dropfolder *folder, struct drop *drop, struct str *reason);
/* One line that no other file has; also tells of one that was changed. */
void dropfolder_mark(const struct drop *drop, struct str *mark);
int64_t dropfolder_renamed_us(const struct drop *drop); /* wall clock */

/* All that are older than this one go to "done". who: the system, for the log. */
void dropfolder_supersede(struct dropfolder *folder, const struct drop *drop, const char *who);
/* This one goes to "failed", unless it may still be being written. */
void dropfolder_fail(struct dropfolder *folder, const struct drop *drop, const char *who);

#endif
