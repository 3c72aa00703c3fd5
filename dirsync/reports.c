#define _GNU_SOURCE
#include "dirsync/reports.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dirsync/folder.h"
#include "dirsync/strings.h"
#include "lib/log.h"
#include "lib/mem.h"

#define KINDS_MAX 16

struct reports {
	char *system;
	enum sync_direction direction;
	pthread_mutex_t lock;
	struct str lines;
	uint64_t kept;
	struct {
		char name[24];
		uint64_t count;
	} kinds[KINDS_MAX];
	/* Delta: ids that the file had reports of, and those of them that were seen. */
	struct strings seen;
	struct strings claims; /* "ID\1ADDRESS" of conflicts */
};

static _Thread_local char failure[512];

struct reports *reports_new(const char *system, enum sync_direction direction)
{
	struct reports *reports = mem_zalloc(sizeof *reports);

	reports->system = mem_strdup(system);
	reports->direction = direction;
	pthread_mutex_init(&reports->lock, NULL);
	return reports;
}

void reports_free(struct reports **reports)
{
	struct reports *r = *reports;

	if (r == NULL)
		return;
	mem_free(&r->system);
	str_free(&r->lines);
	strings_free(&r->seen);
	strings_free(&r->claims);
	pthread_mutex_destroy(&r->lock);
	mem_free(reports);
}

static void count(struct reports *reports, const char *kind)
{
	for (size_t i = 0; i < KINDS_MAX; i++) {
		if (reports->kinds[i].name[0] == '\0')
			snprintf(reports->kinds[i].name, sizeof reports->kinds[i].name, "%s", kind);
		if (strcmp(reports->kinds[i].name, kind) == 0) {
			reports->kinds[i].count++;
			return;
		}
	}
}

static void set(struct json *line, const char *key, const char *text)
{
	json_set_string(line, key, text != NULL ? text : "");
}

void reports_add(struct reports *reports, const struct report *report)
{
	struct json *line = json_new_object();

	set(line, "system", reports->system);
	set(line, "direction", sync_direction_name(reports->direction));
	set(line, "kind", report->kind);
	set(line, "id", report->id);
	set(line, "address", report->address);
	set(line, "place", report->place);
	set(line, "owner", report->owner);
	set(line, "owner_dn", report->owner_dn);
	set(line, "text", report->text);
	pthread_mutex_lock(&reports->lock);
	count(reports, report->kind);
	if (reports->kept++ < REPORTS_MAX) {
		json_dump(line, &reports->lines);
		str_append_c(&reports->lines, '\n');
	}
	pthread_mutex_unlock(&reports->lock);
	json_free(&line);
}

void reports_seen(struct reports *reports, const char *id)
{
	pthread_mutex_lock(&reports->lock);
	if (reports->seen.count < REPORTS_MAX)
		strings_add(&reports->seen, id);
	pthread_mutex_unlock(&reports->lock);
}

uint64_t reports_count(const struct reports *reports, const char *kind)
{
	for (size_t i = 0; i < KINDS_MAX; i++)
		if (strcmp(reports->kinds[i].name, kind) == 0)
			return reports->kinds[i].count;
	return 0;
}

/* --- the file ------------------------------------------------------------------------------- */

static char *path_of(const char *dir, const char *system, enum sync_direction direction)
{
	char *folder = folder_of(dir, system);
	char *path = mem_printf("%s/%s.reports", folder, sync_direction_name(direction));

	mem_free(&folder);
	return path;
}

int reports_read(const char *dir, const char *system, enum sync_direction direction,
	int (*callback)(void *context, struct json *report), void *context)
{
	char *path = path_of(dir, system, direction), *line = NULL;
	FILE *file = fopen(path, "re");
	size_t size = 0;
	ssize_t len;
	int done = 0;
	const char *error;

	mem_free(&path);
	if (file == NULL)
		return 0;
	while (done == 0 && (len = getline(&line, &size, file)) > 0) {
		struct json *report = json_parse(line, (size_t)len, &error);
		if (report != NULL)
			done = callback(context, report);
	}
	free(line);
	fclose(file);
	return done;
}

static void keep(struct reports *reports, const struct json *report)
{
	if (reports->kept++ >= REPORTS_MAX)
		return;
	json_dump(report, &reports->lines);
	str_append_c(&reports->lines, '\n');
}

static int keep_unseen(void *context, struct json *report)
{
	struct reports *reports = context;
	const char *id = json_get_string(report, "id");

	if (id == NULL || !strings_has(&reports->seen, id))
		keep(reports, report);
	json_free(&report);
	return 0;
}

static bool is_claim(const struct json *report)
{
	const char *kind = json_get_string(report, "kind");

	return kind != NULL && strcmp(kind, "conflict") == 0;
}

static char *claim_of(const struct json *report)
{
	const char *id = json_get_string(report, "id"),
		   *address = json_get_string(report, "address");

	return mem_printf("%s\1%s", id != NULL ? id : "", address != NULL ? address : "");
}

/* Of this run. */
static void note_claims(struct reports *reports)
{
	const char *at = str_cstr(&reports->lines), *end, *error;

	for (; (end = strchr(at, '\n')) != NULL; at = end + 1) {
		struct json *report = json_parse(at, (size_t)(end - at), &error);
		char *claim = claim_of(report);

		if (is_claim(report))
			strings_add(&reports->claims, claim);
		mem_free(&claim);
		json_free(&report);
	}
}

static int keep_claim(void *context, struct json *report)
{
	struct reports *reports = context;
	char *claim = claim_of(report);

	if (is_claim(report) && !strings_has(&reports->claims, claim))
		keep(reports, report);
	mem_free(&claim);
	json_free(&report);
	return 0;
}

static int write_file(const char *path, const struct str *lines)
{
	FILE *file = fopen(path, "we");
	bool good;

	if (file == NULL)
		return -1;
	good = lines->len == 0 || fwrite(lines->data, lines->len, 1, file) == 1;
	return fclose(file) == 0 && good ? 0 : -1;
}

int reports_keep(
	struct reports *reports, const char *dir, enum reports_extent extent, const char **error_r)
{
	char *path = path_of(dir, reports->system, reports->direction);
	char *fresh = mem_printf("%s.new", path);
	int done;

	if (extent == REPORTS_UNDONE)
		note_claims(reports);
	if (extent != REPORTS_WHOLE)
		reports_read(dir, reports->system, reports->direction,
			extent == REPORTS_PARTIAL ? keep_unseen : keep_claim, reports);
	if (reports->kept > REPORTS_MAX)
		log_warning("sync", "more than %d reports, the first are kept system=%s",
			REPORTS_MAX, reports->system);
	done = write_file(fresh, &reports->lines);
	if (done == 0)
		done = rename(fresh, path);
	if (done < 0) {
		snprintf(failure, sizeof failure, "%s: %s", fresh, strerror(errno));
		*error_r = failure;
	}
	mem_free(&fresh);
	mem_free(&path);
	return done;
}
