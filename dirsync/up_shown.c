/* The pull, id by id. */
#define _GNU_SOURCE
#include "dirsync/up_meeting.h"

#include <string.h>

/* 1: there is a pair ahead; 0: the end. */
static int look_ahead(struct meeting *m)
{
	struct shown *s = &m->shown;
	const char *error;

	if (s->has_ahead)
		return 1;
	int got = bulk_next(m->up->pull, &s->ahead, &error);
	if (got < 0)
		return up_fail(m->up, "%s", error);
	s->has_ahead = got == 1;
	return got;
}

static void set(struct str *s, const char *data, size_t len)
{
	str_reset(s);
	str_append(s, data, len);
}

static void take_part(struct meeting *m)
{
	struct shown *s = &m->shown;
	const char *value = s->ahead.value + 1;
	size_t len = s->ahead.value_len - 1;

	s->has_ahead = false;
	switch (s->ahead.value[0]) {
	case UP_GONE: s->gone = true; break;
	case UP_UNUSABLE:
		str_reset(&s->unusable);
		str_append_z(&s->unusable, value);
		break;
	default:
		if (s->has_person)
			up_report(m->up, "duplicate", str_cstr(&s->id), "",
				"the pull shows two mailboxes of this id; the first counts");
		else
			set(&s->bytes, value, len);
		s->has_person = true;
	}
}

/* All that the pull has of the next id: 1, 0 at its end, -1. */
int shown_next(struct meeting *m)
{
	struct shown *s = &m->shown;
	int got = look_ahead(m);

	s->has_person = s->gone = false;
	str_reset(&s->unusable);
	str_reset(&s->id);
	s->end = got == 0;
	if (got != 1)
		return got;
	str_append(&s->id, s->ahead.key, s->ahead.key_len);
	while (got == 1 && s->ahead.key_len == s->id.len &&
		memcmp(s->ahead.key, s->id.data, s->id.len) == 0) {
		take_part(m);
		got = look_ahead(m);
	}
	return got < 0 ? -1 : 1;
}

int shown_read(struct meeting *m, struct shown *s)
{
	const size_t head = sizeof(struct up_fresh);

	if (!s->has_person ||
		(s->bytes.len > head &&
			person_decode(s->bytes.data + head, s->bytes.len - head, &s->person) == 0))
		return 0;
	return up_fail(m->up, "what was sorted of the source is not what was written");
}

struct met shown_met(const struct shown *s)
{
	return (struct met){
		.id = s->id.data,
		.fresh = s->has_person ? &s->person : NULL,
		.head = s->bytes.data,
		.gone = s->gone && !s->has_person,
		.unusable = !s->has_person && s->unusable.len > 0 ? s->unusable.data : NULL,
	};
}

/* --- what read as it did --------------------------------------------------------------------- */

static int take_again(void *context, const struct person *person)
{
	struct meeting *m = context;
	struct shown *s = &m->again;
	struct up_fresh fresh;

	memset(&fresh, 0, sizeof fresh); /* its gaps, too */
	person_digest(person, fresh.digest);
	memcpy(fresh.raw, m->look.raw, sizeof fresh.raw);
	fresh.had = view_had(&m->up->tally, person);
	set(&s->bytes, (const char *)&fresh, sizeof fresh);
	person_encode(person, &s->bytes);
	s->has_person = true;
	return 0;
}

static int take_refused(void *context, const char *id, const char *place, const char *reason)
{
	const struct meeting *m = context;

	up_report(m->up, "unreadable", id, place, reason);
	return 0;
}

int shown_again(struct meeting *m, const char *id, const uint8_t raw[TRACE_RAW_SIZE])
{
	const struct source_sink sink = {
		.context = m, .person = take_again, .refused = take_refused
	};
	struct up *up = m->up;
	struct shown *s = &m->again;
	const char *error;

	s->has_person = s->gone = false;
	str_reset(&s->unusable);
	set(&s->id, id, strlen(id));
	if (rawset_read(up->same, raw, &m->encoded, &error) < 0)
		return up_fail(up, "%s", error);
	if (up->kind->tell(up->source, m->encoded.data, m->encoded.len, &sink) == 1 ||
		s->has_person)
		return 0;
	return up_fail(up, "what was kept of the source is not what was read");
}

void shown_free(struct shown *shown)
{
	str_free(&shown->id);
	str_free(&shown->unusable);
	str_free(&shown->bytes);
	person_free(&shown->person);
}
