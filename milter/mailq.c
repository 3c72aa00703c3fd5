#include "milter/mailq.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define INDENT       "\t\t\t\t\t" /* of recipients; then another tab or a blank */
#define INDENT_LEN   (sizeof INDENT - 1)
#define REQUESTS_MAX 100000000
#define COLUMNS      38
#define COLUMNS_MORE 71 /* with -v */
#define ESCAPE       4  /* columns that may stay empty: of "\ooo", which is printed whole or not */

static bool begins(const char *line, const char *with)
{
	return strncmp(line, with, strlen(with)) == 0;
}

static bool ends(const char *line, size_t len, const char *with)
{
	size_t n = strlen(with);

	return len >= n && memcmp(line + len - n, with, n) == 0;
}

static bool octal(const char *p)
{
	return p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' &&
	       p[2] <= '7';
}

/* "\\" is one backslash, "\303" a byte. */
static void unescape(const char *p, struct str *out)
{
	for (; *p != '\0'; p++) {
		char c = *p;
		if (c == '\\' && p[1] == '\\') {
			p++;
		} else if (c == '\\' && octal(p + 1)) {
			c = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 3;
		}
		/* Physical addresses are ASCII: what is not needs no exact comparison. */
		str_append_c(out, (unsigned char)c < ' ' || (unsigned char)c >= 0x7f ? '?' : c);
	}
}

static enum mailq_line fail(struct mailq_found *found, const char *error)
{
	found->error = error;
	return MAILQ_NO_LISTING;
}

static enum mailq_line read_recipient(const char *line, size_t len, struct mailq_found *found_r)
{
	bool more = line[INDENT_LEN] == '\t';
	const char *text = line + INDENT_LEN + 1;

	if (line[INDENT_LEN] != '\t' && line[INDENT_LEN] != ' ')
		return fail(found_r, "a recipient that is not indented as mailq does");
	if (more && begins(text, "(---"))
		return MAILQ_NOTHING; /* the user on whose behalf the next ones are */
	str_reset(&found_r->recipient);
	unescape(text, &found_r->recipient);
	found_r->cut = len - INDENT_LEN - 1 >= (more ? COLUMNS_MORE : COLUMNS) - ESCAPE;
	return found_r->recipient.len ? MAILQ_RECIPIENT : MAILQ_NOTHING;
}

/* "\t\t/var/spool/mqueue (3 requests)", with "only 2 printed" where the rest is kept back. */
static enum mailq_line read_heading(const char *line, size_t len, struct mailq_found *found_r)
{
	if (begins(line, "\t\tTotal requests: "))
		return MAILQ_END;
	if (begins(line, "\t\t ("))
		return MAILQ_NOTHING; /* why it is still there */
	if (ends(line, len, " printed)"))
		return fail(found_r, "mailq shows a part of the queue only (MaxQueueRunSize)");
	if (!ends(line, len, " request)") && !ends(line, len, " requests)"))
		return fail(found_r, "a heading that is not one of mailq");
	const char *number = strrchr(line, '(');
	found_r->requests = number != NULL ? strtol(number + 1, NULL, 10) : -1;
	if (found_r->requests < 1 || found_r->requests > REQUESTS_MAX)
		return fail(found_r, "a heading without the number of requests");
	return MAILQ_HEADING;
}

/* "4AMBvXkq012345*     600 ...", or in parentheses why there is no more to say of it. */
static enum mailq_line read_file(const char *line, struct mailq_found *found_r)
{
	const char *p = line + strspn(line, " ");
	size_t id = 0;

	while (isalnum((unsigned char)p[id]))
		id++;
	if (id >= 5 && p[id] != '\0') {
		const char *rest = p + id;
		if (begins(rest, " (job completed)"))
			return MAILQ_GONE;
		rest += strchr(" *-?X", *rest) != NULL;
		rest += strspn(rest, " ");
		if (isdigit((unsigned char)*rest) || *rest == '-' ||
			begins(rest, "(no control file)"))
			return MAILQ_FILE;
		if (*rest == '(')
			return fail(found_r, "a queue file that mailq may not read");
	}
	return fail(found_r, "a line that is neither of postqueue -j nor of mailq");
}

enum mailq_line mailq_read(const char *line, size_t len, struct mailq_found *found_r)
{
	if (len == 0 || begins(line, "-----Q-ID-----") || ends(line, len, " is empty"))
		return MAILQ_NOTHING;
	if (begins(line, INDENT))
		return read_recipient(line, len, found_r);
	if (begins(line, "\t\t"))
		return read_heading(line, len, found_r);
	/* The kind of body and the last answer. An id has 13 columns, and more letters than 9. */
	if (begins(line, "     QUARANTINE: ") || (begins(line, "    ") && ends(line, len, ")")) ||
		(begins(line, "    ") && len <= 14))
		return MAILQ_NOTHING;
	return read_file(line, found_r);
}
