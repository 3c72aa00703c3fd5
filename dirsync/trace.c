/* Traces as bytes: "T3", complete pulls that lacked it and since when, the sets, the version of the
 * entry; behind these texts, of a fixed length, what guards count, the digests of what was read and
 * of the person. */
#include <string.h>

#include "dirsync/code.h"
#include "dirsync/reconcile.h"

#define MAGIC       "T3"
#define TEXT_MAX    (PERSON_VALUE_MAX + 32)
#define MISSING_MAX INT32_MAX
#define VERSION_MAX 256
#define TAIL_SIZE   (sizeof(uint64_t) + 1 + TRACE_RAW_SIZE + PERSON_DIGEST_SIZE)

/* How those begin that miss nothing. */
static const char present[] = MAGIC "\0"
				    "0\0"
				    "0";

void trace_free(struct trace *trace)
{
	strings_free(&trace->addresses);
	strings_free(&trace->foreign);
	strings_free(&trace->lacking);
	str_free(&trace->version);
}

void trace_reset(struct trace *trace)
{
	memset(trace->digest, 0, sizeof trace->digest);
	memset(trace->raw, 0, sizeof trace->raw);
	memset(&trace->had, 0, sizeof trace->had);
	strings_reset(&trace->addresses);
	strings_reset(&trace->foreign);
	strings_reset(&trace->lacking);
	str_reset(&trace->version);
	trace->missing = 0;
	trace->missing_us = 0;
}

void trace_encode(const struct trace *trace, struct str *out)
{
	code_put_text(out, MAGIC);
	code_put_number(out, trace->missing);
	code_put_number(out, trace->missing_us);
	code_put_set(out, &trace->addresses);
	code_put_set(out, &trace->foreign);
	code_put_set(out, &trace->lacking);
	code_put(out, &trace->version);
	str_append(out, &trace->had.attributes, sizeof trace->had.attributes);
	str_append_c(out, trace->had.foreign ? 1 : 0);
	str_append(out, trace->raw, sizeof trace->raw);
	str_append(out, trace->digest, sizeof trace->digest);
}

bool trace_is_of(const void *data, size_t len, const struct person_bytes *person,
	const uint8_t digest[PERSON_DIGEST_SIZE], const char **version_r)
{
	const char *p = data, *end;

	if (len < sizeof present + person->lists_len + 2 + TAIL_SIZE ||
		memcmp(p, present, sizeof present) != 0)
		return false;
	end = p + len - TAIL_SIZE;
	p += sizeof present;
	if (memcmp(p, person->lists, person->lists_len) != 0)
		return false;
	p += person->lists_len;
	*version_r = p + 1;
	/* nothing lacks; only a digest is behind the version */
	return *p == '\0' && memchr(p + 1, '\0', (size_t)(end - p - 1)) == end - 1 &&
	       memcmp(end + TAIL_SIZE - PERSON_DIGEST_SIZE, digest, PERSON_DIGEST_SIZE) == 0;
}

static const char *behind(const char *p, const char *end)
{
	const char *nul = p < end ? memchr(p, '\0', (size_t)(end - p)) : NULL;

	return nul != NULL ? nul + 1 : end;
}

static const char *behind_set(const char *p, const char *end, size_t *count_r)
{
	for (*count_r = 0; p < end && *p != '\0'; ++*count_r)
		p = behind(p, end);
	return behind(p, end);
}

void trace_look(const void *data, size_t len, struct trace_look *look_r)
{
	static const uint8_t none[TRACE_RAW_SIZE];
	const char *p = data, *tail = p + len - TAIL_SIZE;
	size_t count;

	*look_r = (struct trace_look){ .version = "" };
	if (len < sizeof present + TAIL_SIZE || memcmp(p, present, sizeof present) != 0)
		return;
	p = behind_set(p + sizeof present, tail, &look_r->addresses);
	p = behind_set(p, tail, &count);
	if (p == tail || *p != '\0' || behind(p + 1, tail) != tail)
		return; /* something lacks, or it is no trace: whoever reads it will see */
	look_r->version = p + 1;
	memcpy(&look_r->had.attributes, tail, sizeof look_r->had.attributes);
	look_r->had.foreign = tail[sizeof look_r->had.attributes] != 0;
	tail += sizeof look_r->had.attributes + 1;
	if (memcmp(tail, none, sizeof none) != 0)
		look_r->raw = (const uint8_t *)tail;
}

static bool take(struct code_input *in, struct trace *trace)
{
	const size_t most = 2 * PERSON_VALUES_MAX; /* listed, and listed before */
	int64_t missing;

	if (!code_take_magic(in, MAGIC) || !code_take_number(in, 0, MISSING_MAX, &missing) ||
		!code_take_number(in, INT64_MIN, INT64_MAX, &trace->missing_us) ||
		!code_take_set(in, TEXT_MAX, most, &trace->addresses) ||
		!code_take_set(in, TEXT_MAX, most, &trace->foreign) ||
		!code_take_set(in, TEXT_MAX, most, &trace->lacking) ||
		!code_take(in, VERSION_MAX, &trace->version))
		return false;
	trace->missing = (unsigned)missing;
	return in->end - in->next == (ptrdiff_t)TAIL_SIZE;
}

static void take_tail(const char *tail, struct trace *trace)
{
	memcpy(&trace->had.attributes, tail, sizeof trace->had.attributes);
	tail += sizeof trace->had.attributes;
	trace->had.foreign = *tail++ != 0;
	memcpy(trace->raw, tail, sizeof trace->raw);
	memcpy(trace->digest, tail + sizeof trace->raw, sizeof trace->digest);
}

int trace_decode(const void *data, size_t len, struct trace *trace_r)
{
	struct code_input in = { data, (const char *)data + len };

	trace_reset(trace_r);
	if (len > 0 && take(&in, trace_r)) {
		take_tail(in.next, trace_r);
		return 0;
	}
	trace_reset(trace_r);
	return -1;
}
