/*
 * Mailboxes whose physical address waits for the end of a move or a hold. A delta does not show
 * them again, so the next one asks for them by their ids: in the file up.waiting, behind the run
 * that the snapshot must be of. Without that file the run is a full one.
 */
#define _GNU_SOURCE
#include "dirsync/up.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dirsync/folder.h"
#include "lib/log.h"
#include "lib/mem.h"

/* Where more wait a full run costs no more than asking for them. */
#define WAITING_MAX 5000

static char *path_of(const struct up *up)
{
	char *folder = folder_of(up->config->dirsync.state_dir, up->options->system);
	char *path = mem_printf("%s/up.waiting", folder);

	mem_free(&folder);
	return path;
}

/* --- of the run before ------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool read_file(const char *path, struct str *bytes)
{
	char buffer[8192];
	FILE *file = fopen(path, "re");
	size_t got;

	if (file == NULL)
		return false;
	while ((got = fread(buffer, 1, sizeof buffer, file)) > 0)
		str_append(bytes, buffer, got);
	bool good = ferror(file) == 0 && bytes->len > 0 && bytes->data[bytes->len - 1] == '\0';
	fclose(file);
	return good;
}

static void take_ids(struct up_waiting *w, const char *from, const char *end)
{
	for (const char *id = from; id < end; id += strlen(id) + 1) {
		w->ids = mem_grow(w->ids, w->count + 1, sizeof *w->ids);
		w->ids[w->count++] = id;
	}
	if (w->count > 1)
		qsort(w->ids, w->count, sizeof *w->ids, compare);
	w->shown = mem_grow(NULL, w->count + 1, sizeof *w->shown);
	memset(w->shown, 0, (w->count + 1) * sizeof *w->shown);
}

int up_waiting_read(struct up *up)
{
	struct up_waiting *w = &up->waiting;
	char *path = path_of(up);

	if (up->full) {
		mem_free(&path);
		return 0;
	}
	if (read_file(path, &w->bytes) && strcmp(w->bytes.data, str_cstr(&up->head.run)) == 0) {
		take_ids(
			w, w->bytes.data + strlen(w->bytes.data) + 1, w->bytes.data + w->bytes.len);
	} else {
		log_info("sync",
			"which mailboxes wait for a move is not known: the run is full system=%s",
			up->options->system);
		up->full = up->again = true;
	}
	mem_free(&path);
	return 0;
}

bool up_waiting_show(struct up *up, const char *id)
{
	struct up_waiting *w = &up->waiting;
	const char **found =
		w->count > 0 ? bsearch(&id, w->ids, w->count, sizeof *w->ids, compare) : NULL;

	if (found == NULL)
		return false;
	bool before = w->shown[found - w->ids];
	w->shown[found - w->ids] = true;
	return before;
}

void up_waiting_settle(struct up *up)
{
	const struct up_waiting *w = &up->waiting;

	for (size_t i = 0; i < w->count && !up->rules.complete && !up->unsettled; i++)
		up->unsettled = !w->shown[i];
}

/* --- of this run ------------------------------------------------------------------------------ */

void up_waiting_add(struct up *up, const char *id)
{
	if (++up->waiting.next_count <= WAITING_MAX)
		str_append(&up->waiting.next, id, strlen(id) + 1);
}

static int write_file(const struct up *up, const char *path)
{
	const struct str *run = &up->record->run, *ids = &up->waiting.next;
	char *fresh = mem_printf("%s.new", path);
	FILE *file = fopen(fresh, "we");
	int done = -1;

	if (file != NULL) {
		bool good = fwrite(str_cstr(run), run->len + 1, 1, file) == 1 &&
			    (ids->len == 0 || fwrite(ids->data, ids->len, 1, file) == 1);
		done = fclose(file) == 0 && good ? rename(fresh, path) : -1;
	}
	if (done < 0)
		log_warning("sync", "%s: %s: the next run is full system=%s", fresh,
			strerror(errno), up->options->system);
	mem_free(&fresh);
	return done;
}

void up_waiting_keep(struct up *up)
{
	char *path = path_of(up);

	if (!up->kind->deltas || up->waiting.next_count > WAITING_MAX)
		up->unsettled = up->unsettled || up->waiting.next_count > 0;
	if (up->kind->deltas && !up->unsettled && write_file(up, path) < 0)
		up->unsettled = true;
	mem_free(&path);
}

void up_waiting_free(struct up *up)
{
	str_free(&up->waiting.bytes);
	str_free(&up->waiting.next);
	mem_free(&up->waiting.ids);
	mem_free(&up->waiting.shown);
}
