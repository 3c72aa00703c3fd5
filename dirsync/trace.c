/* Traces as bytes: "T2", complete pulls that lacked it and since when, the sets, the version of the
 * entry, the digest. */
#include <string.h>

#include "dirsync/code.h"
#include "dirsync/reconcile.h"

#define MAGIC       "T2"
#define TEXT_MAX    (PERSON_VALUE_MAX + 32)
#define MISSING_MAX INT32_MAX
#define VERSION_MAX 256

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
	str_append(out, trace->digest, sizeof trace->digest);
}

bool trace_is_of(const void *data, size_t len, const struct person_bytes *person,
	const uint8_t digest[PERSON_DIGEST_SIZE], const char **version_r)
{
	static const char head[] = MAGIC "\0"
					 "0\0"
					 "0"; /* not missing */
	const char *p = data, *end;

	if (len < sizeof head + person->lists_len + 2 + PERSON_DIGEST_SIZE ||
		memcmp(p, head, sizeof head) != 0)
		return false;
	end = p + len - PERSON_DIGEST_SIZE;
	p += sizeof head;
	if (memcmp(p, person->lists, person->lists_len) != 0)
		return false;
	p += person->lists_len;
	*version_r = p + 1;
	/* nothing lacks; only a digest is behind the version */
	return *p == '\0' && memchr(p + 1, '\0', (size_t)(end - p - 1)) == end - 1 &&
	       memcmp(end, digest, PERSON_DIGEST_SIZE) == 0;
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
	return in->end - in->next == (ptrdiff_t)sizeof trace->digest;
}

int trace_decode(const void *data, size_t len, struct trace *trace_r)
{
	struct code_input in = { data, (const char *)data + len };

	trace_reset(trace_r);
	if (len > 0 && take(&in, trace_r)) {
		memcpy(trace_r->digest, in.next, sizeof trace_r->digest);
		return 0;
	}
	trace_reset(trace_r);
	return -1;
}
