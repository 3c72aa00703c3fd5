/* Traces as bytes: digest, "T1", missing, missing_us in decimal, then the sets, each ended by an
 * empty text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dirsync/reconcile.h"

#define MAGIC "T1"

void trace_free(struct trace *trace)
{
	strings_free(&trace->addresses);
	strings_free(&trace->foreign);
	strings_free(&trace->lacking);
}

void trace_reset(struct trace *trace)
{
	memset(trace->digest, 0, sizeof trace->digest);
	strings_reset(&trace->addresses);
	strings_reset(&trace->foreign);
	strings_reset(&trace->lacking);
	trace->missing = 0;
	trace->missing_us = 0;
}

static void put_set(const struct strings *set, struct str *out)
{
	str_append(out, str_cstr(&set->bytes), set->bytes.len);
	str_append_c(out, '\0');
}

void trace_encode(const struct trace *trace, struct str *out)
{
	str_append(out, trace->digest, sizeof trace->digest);
	str_printf(out, MAGIC " %u %lld", trace->missing, (long long)trace->missing_us);
	str_append_c(out, '\0');
	put_set(&trace->addresses, out);
	put_set(&trace->foreign, out);
	put_set(&trace->lacking, out);
}

/* --- reading -------------------------------------------------------------------------------- */

struct input {
	const char *next, *end;
};

static const char *take(struct input *in)
{
	const char *text = in->next;
	const char *nul = memchr(text, '\0', (size_t)(in->end - text));

	if (nul != NULL)
		in->next = nul + 1;
	return nul != NULL ? text : NULL;
}

static bool take_set(struct input *in, struct strings *set)
{
	const char *text, *before = NULL, *begin = in->next;

	while ((text = take(in)) != NULL && *text != '\0') {
		if (before != NULL && strcmp(before, text) >= 0)
			return false;
		before = text;
		set->count++;
	}
	if (text != NULL)
		str_append(&set->bytes, begin, (size_t)(text - begin));
	return text != NULL;
}

static bool take_head(struct input *in, struct trace *trace)
{
	const char *text = take(in);
	long long since;

	if (text == NULL || sscanf(text, MAGIC " %u %lld", &trace->missing, &since) != 2)
		return false;
	trace->missing_us = since;
	return true;
}

int trace_decode(const void *data, size_t len, struct trace *trace_r)
{
	struct input in = { data, (const char *)data + len };

	trace_reset(trace_r);
	if (len <= sizeof trace_r->digest)
		return -1;
	memcpy(trace_r->digest, in.next, sizeof trace_r->digest);
	in.next += sizeof trace_r->digest;
	if (take_head(&in, trace_r) && take_set(&in, &trace_r->addresses) &&
		take_set(&in, &trace_r->foreign) && take_set(&in, &trace_r->lacking) &&
		in.next == in.end)
		return 0;
	trace_reset(trace_r);
	return -1;
}
