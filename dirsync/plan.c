#define _GNU_SOURCE
#include "dirsync/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dirsync/code.h"
#include "lib/mem.h"

#define BUFFER_BYTES 65536
#define RECORD_MAX   (64 << 20) /* bytes of one change */
#define VALUES_MAX   100000
#define TEXT_MAX     (1 << 20)
#define ERROR_MAX    400

static _Thread_local char error_text[ERROR_MAX];

struct plan {
	char *dir;
	FILE *file;
	bool reading;     /* of the file's position; where it writes is its end */
	off_t last, next; /* of the records read last and to be read */
	uint64_t count;
	struct str record;
	struct plan_value *values; /* of the change that was read last */
	struct strings gains, gives;
};

static int fault(const struct plan *plan, const char *what, const char **error_r)
{
	snprintf(error_text, sizeof error_text, "%s: the plan cannot be %s: %s; make room there",
		plan->dir, what, strerror(errno));
	*error_r = error_text;
	return -1;
}

static FILE *open_unnamed(const char *dir)
{
	char *path = mem_printf("%s/plan.XXXXXX", dir);
	int fd = mkostemp(path, O_CLOEXEC);
	FILE *file = NULL;

	if (fd >= 0) {
		unlink(path);
		file = fdopen(fd, "w+");
		if (file == NULL)
			close(fd);
	}
	mem_free(&path);
	return file;
}

struct plan *plan_new(const char *dir, const char **error_r)
{
	struct plan *plan = mem_zalloc(sizeof *plan);

	plan->dir = mem_strdup(dir);
	plan->file = open_unnamed(dir);
	if (plan->file == NULL) {
		snprintf(error_text, sizeof error_text,
			"%s: no file can be made there: %s; let the sync daemon write there, or "
			"make room",
			dir, strerror(errno));
		*error_r = error_text;
		plan_free(&plan);
		return NULL;
	}
	setvbuf(plan->file, NULL, _IOFBF, BUFFER_BYTES);
	return plan;
}

void plan_free(struct plan **plan)
{
	struct plan *p = *plan;

	if (p == NULL)
		return;
	if (p->file != NULL)
		fclose(p->file);
	mem_free(&p->dir);
	mem_free(&p->values);
	str_free(&p->record);
	strings_free(&p->gains);
	strings_free(&p->gives);
	mem_free(plan);
}

uint64_t plan_count(const struct plan *plan)
{
	return plan->count;
}

/* --- writing -------------------------------------------------------------------------------- */

static void put_text(struct str *out, const char *text)
{
	code_put_text(out, text != NULL ? text : "");
}

static void put_value(struct str *out, const struct plan_value *value)
{
	code_put_number(out, value->what);
	code_put_text(out, value->attribute);
	code_put_number(out, value->value != NULL);
	put_text(out, value->value);
}

static void encode(const struct plan_change *change, struct str *out)
{
	code_put_number(out, change->kind);
	put_text(out, change->dn);
	put_text(out, change->assertion);
	put_text(out, change->owner);
	put_text(out, change->reason);
	put_text(out, change->id);
	code_put_number(out, change->counts);
	code_put_number(out, change->count_addresses);
	code_put_number(out, (int64_t)change->value_count);
	for (size_t i = 0; i < change->value_count; i++)
		put_value(out, &change->values[i]);
	code_put_set(out, &change->gains);
	code_put_set(out, &change->gives);
}

int plan_put(struct plan *plan, const struct plan_change *change, const char **error_r)
{
	uint32_t size;

	str_reset(&plan->record);
	encode(change, &plan->record);
	if (plan->record.len > RECORD_MAX || change->value_count > VALUES_MAX) {
		errno = EFBIG;
		return fault(plan, "written", error_r);
	}
	if (plan->reading && fseeko(plan->file, 0, SEEK_END) != 0)
		return fault(plan, "written", error_r);
	plan->reading = false;
	size = (uint32_t)plan->record.len;
	if (fwrite(&size, sizeof size, 1, plan->file) != 1 ||
		fwrite(plan->record.data, size, 1, plan->file) != 1)
		return fault(plan, "written", error_r);
	plan->count++;
	return 0;
}

/* --- reading -------------------------------------------------------------------------------- */

static bool take_value(struct code_input *in, struct plan_value *value_r)
{
	int64_t what, there;

	if (!code_take_number(in, PLAN_PUT, PLAN_SET, &what) ||
		!code_take_text(in, TEXT_MAX, &value_r->attribute) ||
		!code_take_number(in, 0, 1, &there) ||
		!code_take_text(in, TEXT_MAX, &value_r->value))
		return false;
	value_r->what = what == PLAN_PUT ? PLAN_PUT : what == PLAN_TAKE ? PLAN_TAKE : PLAN_SET;
	if (!there)
		value_r->value = NULL;
	return true;
}

static bool take_values(struct plan *plan, struct code_input *in, struct plan_change *change)
{
	int64_t count;

	if (!code_take_number(in, 0, VALUES_MAX, &count))
		return false;
	plan->values = mem_grow(plan->values, (size_t)count + 1, sizeof plan->values[0]);
	for (int64_t i = 0; i < count; i++)
		if (!take_value(in, &plan->values[i]))
			return false;
	change->values = plan->values;
	change->value_count = (size_t)count;
	return true;
}

static bool take_sets(struct plan *plan, struct code_input *in, struct plan_change *change)
{
	strings_reset(&plan->gains);
	strings_reset(&plan->gives);
	if (!code_take_set(in, TEXT_MAX, VALUES_MAX, &plan->gains) ||
		!code_take_set(in, TEXT_MAX, VALUES_MAX, &plan->gives))
		return false;
	change->gains = plan->gains;
	change->gives = plan->gives;
	return true;
}

static bool decode(struct plan *plan, struct plan_change *change)
{
	struct code_input in = { plan->record.data, plan->record.data + plan->record.len };
	int64_t kind, counts, addresses;

	if (!code_take_number(&in, PLAN_ADD, PLAN_REPORT, &kind) ||
		!code_take_text(&in, TEXT_MAX, &change->dn) ||
		!code_take_text(&in, TEXT_MAX, &change->assertion) ||
		!code_take_text(&in, TEXT_MAX, &change->owner) ||
		!code_take_text(&in, TEXT_MAX, &change->reason) ||
		!code_take_text(&in, TEXT_MAX, &change->id) ||
		!code_take_number(&in, 0, UINT32_MAX, &counts) ||
		!code_take_number(&in, 0, UINT32_MAX, &addresses))
		return false;
	change->kind = (enum plan_kind)kind;
	change->counts = (unsigned)counts;
	change->count_addresses = (unsigned)addresses;
	return take_values(plan, &in, change) && take_sets(plan, &in, change) && in.next == in.end;
}

uint64_t plan_place(const struct plan *plan)
{
	return (uint64_t)plan->last;
}

void plan_seek(struct plan *plan, uint64_t place)
{
	plan->next = (off_t)place;
	plan->reading = false;
}

void plan_rewind(struct plan *plan)
{
	plan_seek(plan, 0);
}

/* 1, 0 at the end, -1. */
static int read_record(struct plan *plan)
{
	uint32_t size;

	if (fread(&size, sizeof size, 1, plan->file) != 1)
		return ferror(plan->file) ? -1 : 0;
	errno = EIO;
	if (size > RECORD_MAX)
		return -1;
	str_reset(&plan->record);
	str_reserve(&plan->record, size);
	if (fread(plan->record.data, 1, size, plan->file) != size)
		return -1;
	plan->record.len = size;
	plan->last = plan->next;
	plan->next += (off_t)(sizeof size + size);
	return 1;
}

int plan_next(struct plan *plan, struct plan_change *change_r, const char **error_r)
{
	int result;

	/* What is still to be written is written by the way. */
	if (!plan->reading && fseeko(plan->file, plan->next, SEEK_SET) != 0)
		return fault(plan, "written", error_r);
	plan->reading = true;
	if ((result = read_record(plan)) < 0)
		return fault(plan, "read", error_r);
	if (result > 0 && !decode(plan, change_r)) {
		errno = EBADMSG;
		return fault(plan, "read", error_r);
	}
	return result;
}
