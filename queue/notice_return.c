/* What a notice returns of the message it speaks of. */
#define _GNU_SOURCE
#include <string.h>
#include <strings.h>

#include "lib/utf8.h"
#include "queue/notice_parts.h"
#include "queue/params.h"

#define MESSAGE_ID_MAX 500

/* message/rfc822 must stay as it is (RFC 2046 section 5.2.1): better its header than no notice. */
static bool cannot_go(const struct notice *notice)
{
	return notice->no_8bit && !notice_utf8(notice) &&
	       !utf8_ascii(notice->original, notice->original_len);
}

/* RET counts for failures; everything else returns the header alone (RFC 3461 section 4.3). */
static bool returns_all(const struct notice *notice)
{
	return notice->kind == NOTICE_FAILED && notice->complete &&
	       !params_lists(notice->envelope->mail_params, "RET", "HDRS") && !cannot_go(notice);
}

static size_t header_length(const struct notice *notice)
{
	const char *data = notice->original;
	const char *end = memmem(data, notice->original_len, "\r\n\r\n", 4);

	if (end != NULL)
		return (size_t)(end - data) + 2;
	if (notice->complete || notice->original_len == 0)
		return notice->original_len;
	/* Cut somewhere in the header: at the end of a line. */
	const char *lf = memrchr(data, '\n', notice->original_len);
	return lf ? (size_t)(lf - data) + 1 : 0;
}

/* RFC 6522 section 4 lets a header be encoded, RFC 6532 section 3.7 what it calls global; the
 * content of message/rfc822 is neither. */
struct notice_returned notice_returned(const struct notice *notice)
{
	bool all = returns_all(notice);
	size_t len = all ? notice->original_len : header_length(notice);
	bool eightbit = !utf8_ascii(notice->original, len);
	bool global = eightbit && notice_utf8(notice);

	return (struct notice_returned){
		.description = all ? "Undelivered message" : "Message header",
		.type = all ? (global ? "message/global" : "message/rfc822")
			    : (global ? "message/global-headers" : "text/rfc822-headers"),
		.len = len,
		.eightbit = eightbit,
		.may_encode = !all || global,
	};
}

/* Behind the name and colon of the first such field. */
static const char *find_field(const char *data, size_t len, const char *name)
{
	size_t want = strlen(name);

	for (const char *p = data, *end = data + len; p < end;) {
		if ((size_t)(end - p) > want && strncasecmp(p, name, want) == 0)
			return p + want;
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		p = lf ? lf + 1 : end;
	}
	return NULL;
}

/* "<id>" without blanks, control characters or anything else that ends it: its length. */
static size_t id_length(const char *p, size_t most)
{
	size_t n = 1;

	if (most < 3 || *p != '<')
		return 0;
	while (n < most && p[n] > ' ' && p[n] < 0x7f && p[n] != '<' && p[n] != '>')
		n++;
	return n > 1 && n < most && n < MESSAGE_ID_MAX && p[n] == '>' ? n + 1 : 0;
}

void notice_message_id(const struct notice *notice, struct str *out)
{
	size_t header = header_length(notice);
	const char *end = notice->original + header;
	const char *p = find_field(notice->original, header, "Message-ID:");

	if (p == NULL)
		return;
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
		p++;
	size_t len = id_length(p, (size_t)(end - p));
	if (len == 0)
		return;
	str_append_c(out, ' ');
	str_append(out, p, len);
}
