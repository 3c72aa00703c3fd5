/* source = ldif, csv: the newest file of a drop folder (dirsync/dropfolder.h). */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dirsync/dropfolder.h"
#include "dirsync/intake.h"
#include "dirsync/source.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define LOOK_EVERY (500 * CLOCK_MS) /* for a file that was renamed into place */

struct source {
	const struct config_up *settings;
	const char *marker;
	bool csv;
	struct mapping *mapping;
	pthread_mutex_t lock;
	struct str tried; /* mark of the file that was read last, whatever came of it */
};

struct reading {
	struct source *source;
	const struct source_request *request;
	struct source_result *result;
	struct dropfolder folder;
	struct drop drop;
	struct intake *intake;
	int64_t deadline_us;
	uint64_t bytes;
};

static const char *suffix(const struct source *source)
{
	return source->csv ? ".csv" : ".ldif";
}

/* --- one file ------------------------------------------------------------------------------- */

static bool fail(struct reading *r, const char *why)
{
	str_reset(&r->result->reason);
	str_append_z(&r->result->reason, why);
	return false;
}

static bool fail_file(struct reading *r, const char *why)
{
	str_reset(&r->result->reason);
	str_printf(&r->result->reason, "%s/%s: %s", r->folder.path, r->drop.name, why);
	return false;
}

static bool is_over(struct reading *r)
{
	if (r->request->stop != NULL && atomic_load(r->request->stop))
		return !fail(r, "the pull was stopped");
	if (clock_mono_us() >= r->deadline_us)
		return !fail_file(r, "reading it took longer than time_limit");
	return false;
}

/* Who writes to a file that is in place has not read the manual. */
static bool fail_changed(struct reading *r)
{
	return fail_file(r, "it changed while it was read; write it under another name, and rename "
			    "it when it is complete");
}

static bool is_still_the_same(const struct reading *r, int fd)
{
	struct stat now;
	const struct stat *then = &r->drop.st;

	return fstat(fd, &now) == 0 && now.st_size == then->st_size &&
	       now.st_mtim.tv_sec == then->st_mtim.tv_sec &&
	       now.st_mtim.tv_nsec == then->st_mtim.tv_nsec;
}

/* As far as its size was when it was opened. */
static bool read_bytes(struct reading *r, int fd)
{
	char buffer[65536];

	while (r->bytes < (uint64_t)r->drop.st.st_size) {
		ssize_t n = is_over(r) ? -2 : read(fd, buffer, sizeof(buffer));

		if (n == -2)
			return false;
		if (n < 0)
			return fail_file(r, strerror(errno));
		r->bytes += (uint64_t)n;
		if (n == 0 || r->bytes > (uint64_t)r->drop.st.st_size)
			return fail_changed(r);
		if (intake_feed(r->intake, buffer, (size_t)n) != 0)
			return fail(r, intake_reason(r->intake));
	}
	return true;
}

static bool is_over_or_stopped(const struct reading *r)
{
	return intake_stopped(r->intake) || clock_mono_us() >= r->deadline_us ||
	       (r->request->stop != NULL && atomic_load(r->request->stop));
}

/* True: it is complete. False: with the reason; what is being written ends anywhere, which is not
 * what is wrong with it. */
static bool read_file(struct reading *r, int fd)
{
	bool whole = read_bytes(r, fd) &&
		     (intake_end(r->intake) == 0 || fail(r, intake_reason(r->intake)));

	if (is_still_the_same(r, fd))
		return whole;
	return !whole && is_over_or_stopped(r) ? false : fail_changed(r);
}

static void read_drop(struct reading *r, const struct source_sink *sink)
{
	const struct config_up *settings = r->source->settings;
	struct intake_options options = { settings, r->source->mapping, sink, r->source->csv,
		r->drop.name, r->source->marker };
	int fd = dropfolder_read(&r->folder, &r->drop, &r->result->reason);

	if (fd < 0)
		return;
	r->intake = intake_new(&options);
	if (read_file(r, fd)) {
		r->result->outcome = SOURCE_COMPLETE;
		r->result->read_us = dropfolder_renamed_us(&r->drop);
		dropfolder_mark(&r->drop, &r->result->mark);
		if (!r->request->shown)
			dropfolder_supersede(&r->folder, &r->drop, settings->name);
	} else if (!r->request->shown && !is_over_or_stopped(r)) {
		dropfolder_fail(&r->folder, &r->drop, settings->name);
	}
	r->result->persons = intake_persons(r->intake);
	r->result->refused = intake_refused(r->intake);
	intake_free(&r->intake);
	close(fd);
}

/* --- pulls ---------------------------------------------------------------------------------- */

static void nothing(struct reading *r, const char *why)
{
	fail_file(r, why);
	r->result->outcome = SOURCE_NOTHING;
}

static void remember(struct source *source, const struct str *mark)
{
	pthread_mutex_lock(&source->lock);
	str_reset(&source->tried);
	str_append_z(&source->tried, str_cstr(mark));
	pthread_mutex_unlock(&source->lock);
}

static void pull_newest(struct reading *r, const struct source_sink *sink)
{
	struct str mark = STR_INIT;
	int found = dropfolder_newest(&r->folder, &r->drop, &r->result->reason);

	if (found < 0)
		return;
	if (found > 0)
		dropfolder_mark(&r->drop, &mark);
	remember(r->source, &mark);
	if (found == 0) {
		snprintf(r->drop.name, sizeof(r->drop.name), "*%s", suffix(r->source));
		nothing(r, "there is no such file");
	} else if (strcmp(mark.data, r->request->mark) == 0) {
		nothing(r, "it was read already; there is no newer file");
		/* by a run that may have begun before the request */
		r->result->read_us = dropfolder_renamed_us(&r->drop);
	} else if (dropfolder_renamed_us(&r->drop) < r->request->asked_us) {
		nothing(r,
			"it was renamed into place before the sync was asked for; a newer file is "
			"waited for");
	} else {
		read_drop(r, sink);
	}
	str_free(&mark);
}

static void pull(struct source *source, const struct source_request *request,
	const struct source_sink *sink, struct source_result *result_r)
{
	struct reading r = { .source = source, .request = request, .result = result_r };
	const char *error = NULL;

	*result_r = (struct source_result){ .outcome = SOURCE_INCOMPLETE };
	r.deadline_us = clock_mono_us() + source->settings->time_limit;
	if (source->mapping == NULL)
		source->mapping = mapping_new(source->settings, &error);
	if (source->mapping == NULL) {
		str_append_z(&result_r->reason, error);
		return;
	}
	if (dropfolder_open(
		    &r.folder, source->settings->folder, suffix(source), &result_r->reason) != 0)
		return;
	pull_newest(&r, sink);
	dropfolder_close(&r.folder);
}

/* --- waiting -------------------------------------------------------------------------------- */

/* Whether there is a file that was neither used nor tried. A folder that cannot be read has none:
 * the next pull tells why. */
static bool look(struct source *source, const char *used)
{
	struct dropfolder folder;
	struct drop drop;
	struct str mark = STR_INIT, reason = STR_INIT;
	bool found = false;

	if (dropfolder_open(&folder, source->settings->folder, suffix(source), &reason) == 0) {
		found = dropfolder_newest(&folder, &drop, &reason) > 0;
		dropfolder_close(&folder);
	}
	if (found) {
		dropfolder_mark(&drop, &mark);
		pthread_mutex_lock(&source->lock);
		found = strcmp(mark.data, used) != 0 &&
			strcmp(mark.data, str_cstr(&source->tried)) != 0;
		pthread_mutex_unlock(&source->lock);
	}
	str_free(&mark);
	str_free(&reason);
	return found;
}

/* By looking: a rename on another machine wakes nobody here. */
static int wait_for_file(struct source *source, const char *mark, int64_t timeout_us,
	const atomic_bool *stop, const char **error_r)
{
	int64_t until_us = clock_mono_us() + timeout_us;

	(void)error_r;
	while (!look(source, mark)) {
		if (clock_mono_us() >= until_us || (stop != NULL && atomic_load(stop)))
			return 0;
		clock_sleep_us(LOOK_EVERY);
	}
	return 1;
}

/* --- the kinds ------------------------------------------------------------------------------ */

static int check(const struct config_up *settings, const char **error_r)
{
	struct mapping *mapping = mapping_new(settings, error_r);

	if (mapping == NULL)
		return -1;
	mapping_free(&mapping);
	if (settings->folder[0] == '\0')
		return source_fault(settings, "folder",
			"is not set; name the folder into which the files are renamed", error_r);
	return 0;
}

static struct source *source_new(const struct config_up *settings, const char *marker, bool csv)
{
	struct source *source = mem_zalloc(sizeof(*source));

	source->settings = settings;
	source->marker = marker;
	source->csv = csv;
	pthread_mutex_init(&source->lock, NULL);
	return source;
}

static struct source *open_ldif(const struct config_up *settings, const char *marker)
{
	return source_new(settings, marker, false);
}

static struct source *open_csv(const struct config_up *settings, const char *marker)
{
	return source_new(settings, marker, true);
}

static void close_source(struct source **source)
{
	if (*source == NULL)
		return;
	mapping_free(&(*source)->mapping);
	pthread_mutex_destroy(&(*source)->lock);
	str_free(&(*source)->tried);
	mem_free(source);
}

const struct source_kind source_ldif = { .name = "ldif",
	.marks_data = true,
	.check = check,
	.open = open_ldif,
	.close = close_source,
	.pull = pull,
	.wait = wait_for_file };

const struct source_kind source_csv = { .name = "csv",
	.marks_data = true,
	.check = check,
	.open = open_csv,
	.close = close_source,
	.pull = pull,
	.wait = wait_for_file };
