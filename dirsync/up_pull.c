/* The source and the directory, read at the same time. */
#define _GNU_SOURCE
#include "dirsync/up.h"

#include <pthread.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/log.h"
#include "lib/mem.h"

#define VERSIONS_PERCENT 90 /* of the mailboxes: so many versions must be known to ask for them */
#define SAME_MAX         2000000                    /* mailboxes: 72 MB of memory */
#define WHOLE_EVERY      (24 * 3600 * CLOCK_SECOND) /* where full_every is 0 */

struct pulling {
	struct up *up;
	pthread_t thread;
	bool began; /* the thread reads the directory */
	const char *view_error;
	char view_text[1024];
	struct str value;
	struct digest *digest;
	uint8_t raw[TRACE_RAW_SIZE]; /* of the entry that is told next; zeros: not known */
	uint64_t shown;
};

/*
 * An entry whose version is the one that was level last time is level with what was shown then:
 * the directory renews it with each edit. That is so for next to all of them, run by run; once in
 * full_every everything is read all the same, for somebody may have changed a database beneath the
 * server.
 */
static bool reads_whole(const struct up *up)
{
	int64_t every = up->settings->full_every, now = up->record->start_us;

	return !up->has_before || up->head.versions < up->head.persons / 100 * VERSIONS_PERCENT ||
	       now - up->head.whole_us >= (every > 0 ? every : WHOLE_EVERY) ||
	       now < up->head.whole_us;
}

static void *read_view(void *context)
{
	struct pulling *p = context;
	const char *error;

	pthread_setname_np(pthread_self(), "view");
	if (view_read(p->up->view, reads_whole(p->up), &error) < 0) {
		snprintf(p->view_text, sizeof p->view_text, "%s", error);
		p->view_error = p->view_text;
	}
	return NULL;
}

/* Not before the source shows something: a drop folder may have nothing new. */
static void begin_view(struct pulling *p)
{
	if (p->began || !p->up->full)
		return;
	p->began = pthread_create(&p->thread, NULL, read_view, p) == 0;
}

static void count_shown(struct pulling *p)
{
	begin_view(p);
	if ((++p->shown & 1023) == 0)
		up_progress(p->up, "pull", p->shown, p->up->head.persons);
}

static int put(struct pulling *p, const char *id, enum up_part part)
{
	const char *error;

	count_shown(p);
	p->value.data[0] = (char)part;
	if (bulk_add(p->up->pull, id, strlen(id), p->value.data, p->value.len, &error) == 0)
		return 0;
	return up_fail(p->up, "%s", error);
}

static void begin_value(struct pulling *p)
{
	str_reset(&p->value);
	str_append_c(&p->value, '?');
}

/* A person of which nothing was refused comes from these bytes whenever they are read. */
static int take_same(void *context, const void *bytes, size_t len)
{
	struct pulling *p = context;
	uint8_t digest[DIGEST_BYTES];
	const char *error;
	int same = 0;

	digest_add(p->digest, bytes, len);
	digest_take(p->digest, digest);
	memcpy(p->raw, digest, sizeof p->raw);
	if (p->up->same != NULL)
		same = rawset_see(p->up->same, p->raw, bytes, len, &error);
	if (same < 0)
		return up_fail(p->up, "%s", error);
	if (same == 1)
		count_shown(p);
	return same;
}

static int take_person(void *context, const struct person *person)
{
	struct pulling *p = context;

	uint8_t digest[DIGEST_BYTES];
	struct up_fresh fresh;
	struct person_bytes bytes;
	size_t begin;

	if (up_waiting_show(p->up, str_cstr(&person->id)))
		return 0;
	memset(&fresh, 0, sizeof fresh); /* its gaps, too: it is written to files */
	fresh.had = view_had(&p->up->tally, person);
	memcpy(fresh.raw, p->raw, sizeof fresh.raw);
	memset(p->raw, 0, sizeof p->raw);
	begin_value(p);
	str_append(&p->value, &fresh, sizeof fresh);
	begin = p->value.len;
	person_encode(person, &p->value);
	if (person_bytes(p->value.data + begin, p->value.len - begin, &bytes) < 0)
		return up_fail(p->up, "a person that cannot be written");
	digest_add(p->digest, p->value.data + begin, bytes.compared);
	digest_take(p->digest, digest);
	memcpy(fresh.digest, digest, sizeof fresh.digest);
	memcpy(p->value.data + begin - sizeof fresh, &fresh, sizeof fresh);
	return put(p, str_cstr(&person->id), UP_FRESH);
}

static int take_gone(void *context, const char *id)
{
	struct pulling *p = context;

	up_waiting_show(p->up, id);
	begin_value(p);
	return put(p, id, UP_GONE);
}

static int take_refused(void *context, const char *id, const char *place, const char *reason)
{
	struct pulling *p = context;

	memset(p->raw, 0, sizeof p->raw);
	up_report(p->up, "unreadable", id, place, reason);
	if (*id == '\0') {
		p->up->nameless = true;
		return 0;
	}
	begin_value(p);
	str_append(&p->value, reason, strlen(reason) + 1);
	return put(p, id, UP_UNUSABLE);
}

/* Those that were level last, by what they came from. */
static int load_same(struct up *up)
{
	const char *id, *error;
	struct trace_look look;
	const void *bytes;
	size_t len;
	int got;

	up->same = rawset_new(up->work, up->head.persons);
	if (snapshot_walk(up->snapshot, &error) < 0)
		return up_fail(up, "%s", error);
	while ((got = snapshot_next_bytes(up->snapshot, &id, &bytes, &len, &error)) == 1) {
		trace_look(bytes, len, &look);
		if (look.raw != NULL && *look.version != '\0')
			rawset_add(up->same, look.raw);
	}
	return got < 0 ? up_fail(up, "%s", error) : 0;
}

/* Where entries are compared by their versions; whoever reads them whole wants all persons. */
static int know_same(struct up *up)
{
	rawset_free(&up->same);
	if (!up->full || up->kind->tell == NULL || reads_whole(up) || up->head.persons > SAME_MAX)
		return 0;
	return load_same(up);
}

static void pull(struct pulling *p, bool delta)
{
	struct up *up = p->up;
	const struct source_sink sink = { p, take_same, take_person, take_gone, take_refused };
	const struct source_request request = {
		.delta = delta,
		/* who wants everything wants the file that was read already, too */
		.mark = up->again ? "" : str_cstr(&up->head.mark),
		.shown = up->options->dry_run,
		.ids = delta ? up->waiting.ids : NULL,
		.id_count = delta ? up->waiting.count : 0,
		.stop = &up->stop,
	};

	up_progress(up, "pull", 0, up->head.persons);
	source_result_free(&up->result);
	up->result = (struct source_result){ .outcome = SOURCE_INCOMPLETE };
	up->kind->pull(up->source, &request, &sink, &up->result);
}

/* The mark of a delta was of no use: everything, from the beginning. */
static int pull_again(struct pulling *p)
{
	struct up *up = p->up;

	log_info("sync", "changes alone are not to be had, everything is read system=%s",
		up->options->system);
	bulk_free(&up->pull);
	up->pull = bulk_new(up->work, "pull", UP_SORT_MEMORY);
	up->full = true;
	up->again = true;
	if (know_same(up) < 0)
		return -1;
	pull(p, false);
	return 0;
}

static bool usable(const struct up *up)
{
	return up->result.outcome == SOURCE_COMPLETE || up->result.outcome == SOURCE_DELTA;
}

/* A source that was asked for changes may show everything. */
static int finish_view(struct pulling *p)
{
	struct up *up = p->up;

	if (!usable(up))
		atomic_store(&up->stop, true);
	if (usable(up) && up->result.outcome == SOURCE_COMPLETE && !p->began) {
		up->full = true;
		begin_view(p);
		if (!p->began)
			return up_fail(up, "no thread for reading the directory can be made");
	}
	while (p->began && pthread_tryjoin_np(p->thread, NULL) != 0) {
		up_progress(up, "directory", view_progress(up->view), up->head.persons);
		clock_sleep_us(2 * CLOCK_MS);
	}
	if (usable(up) && p->view_error != NULL)
		return up_fail(up, "%s", p->view_error);
	return 0;
}

int up_pull(struct up *up)
{
	struct pulling p = { .up = up, .digest = digest_begin() };
	const char *error;

	int done = know_same(up);
	if (done == 0)
		pull(&p, !up->full);
	if (done == 0 && up->result.outcome == SOURCE_STALE)
		done = pull_again(&p);
	if (done == 0)
		done = finish_view(&p);
	str_free(&p.value);
	digest_end(&p.digest, NULL);
	if (done < 0 || !usable(up))
		return done;
	if (up->same != NULL)
		log_debug("sync", "read as they did system=%s entries=%llu", up->options->system,
			(unsigned long long)rawset_seen_count(up->same));
	up->record->outcome.persons = up->result.persons;
	up->rules.complete = up->result.outcome == SOURCE_COMPLETE;
	up_waiting_settle(up);
	up->rules.again = up->kind->marks_data && up->result.mark.len > 0 &&
			  strcmp(up->result.mark.data, str_cstr(&up->head.counted)) == 0;
	if (up_stopped(up))
		return up_fail(up, "stopped");
	if (bulk_sort(up->pull, &error) < 0)
		return up_fail(up, "%s", error);
	return 0;
}
