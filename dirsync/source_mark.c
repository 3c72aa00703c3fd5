#include "dirsync/source_mark.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/when.h"

#define KIND_MAX 32

/* --- what a pull depends on ----------------------------------------------------------------- */

static void add(struct digest *digest, const char *text)
{
	/* with its end: "ab" "c" is not "a" "bc" */
	digest_add(digest, text, strlen(text) + 1);
}

void source_settings(
	const struct config_up *settings, const char *marker, char digest_r[SOURCE_SETTINGS])
{
	const char *const parts[] = { settings->base, settings->scope, settings->filter,
		settings->id, settings->addresses, settings->primary, settings->proxy_addresses,
		settings->foreign, settings->physical, settings->attributes,
		settings->attributes_once, settings->bind_dn, marker };
	struct digest *digest = digest_begin();
	uint8_t bytes[DIGEST_BYTES];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		add(digest, parts[i]);
	digest_end(&digest, bytes);
	for (size_t i = 0; i < (SOURCE_SETTINGS - 1) / 2; i++)
		snprintf(digest_r + 2 * i, 3, "%02x", bytes[i]);
}

/* --- the line ------------------------------------------------------------------------------- */

void source_mark(const char *kind, const char *settings, const char *rest, struct str *mark_r)
{
	str_reset(mark_r);
	for (const char *c = rest; *c != '\0'; c++)
		if (iscntrl((unsigned char)*c))
			return;
	str_printf(mark_r, "%s %s %s", kind, settings, rest);
}

const char *source_mark_rest(const char *mark, const char *kind, const char *settings)
{
	char head[KIND_MAX + SOURCE_SETTINGS + 2];
	int len = snprintf(head, sizeof(head), "%s %s ", kind, settings);

	if (len < 0 || (size_t)len >= sizeof(head) || strncmp(mark, head, (size_t)len) != 0)
		return NULL;
	return mark + len;
}

/* --- usn ------------------------------------------------------------------------------------ */

void usn_mark_free(struct usn_mark *mark)
{
	str_free(&mark->invocation);
	str_free(&mark->dsa);
}

void usn_mark_write(const struct usn_mark *mark, struct str *rest_r)
{
	str_reset(rest_r);
	str_printf(rest_r, "%" PRIu64 " %s %s", mark->usn, str_cstr(&mark->invocation),
		str_cstr(&mark->dsa));
}

int usn_mark_read(const char *rest, struct usn_mark *mark_r)
{
	const char *space;
	char *end;

	*mark_r = (struct usn_mark){ 0, STR_INIT, STR_INIT };
	errno = 0;
	if (!isdigit((unsigned char)*rest))
		return -1;
	mark_r->usn = strtoull(rest, &end, 10);
	if (errno != 0 || *end != ' ' || (space = strchr(end + 1, ' ')) == NULL ||
		space == end + 1 || space[1] == '\0')
		return -1;
	str_append(&mark_r->invocation, end + 1, (size_t)(space - end - 1));
	str_append_z(&mark_r->dsa, space + 1);
	return 0;
}

bool usn_mark_holds(const struct usn_mark *old, const struct usn_mark *now, const char **why_r)
{
	if (strcasecmp(str_cstr(&old->dsa), str_cstr(&now->dsa)) != 0)
		*why_r = "another domain controller answered than the last time";
	else if (strcmp(str_cstr(&old->invocation), str_cstr(&now->invocation)) != 0)
		*why_r = "the domain controller was restored: its invocationId is another one";
	else if (now->usn < old->usn)
		*why_r = "highestCommittedUSN is lower than the last time";
	else
		return true;
	return false;
}

/* --- modifyTimestamp ------------------------------------------------------------------------ */

int time_mark_read(const char *rest, const char *uri, int64_t margin_us, int64_t *since_us_r)
{
	const char *space = strchr(rest, ' ');
	char instant[32];
	int64_t us;

	if (space == NULL || (size_t)(space - rest) >= sizeof(instant) ||
		strcmp(space + 1, uri) != 0)
		return -1;
	snprintf(instant, sizeof(instant), "%.*s", (int)(space - rest), rest);
	if ((us = when_generalized_us(instant)) <= margin_us)
		return -1;
	*since_us_r = us - margin_us;
	return 0;
}

/* --- naming contexts ------------------------------------------------------------------------ */

/* The DN without the spaces around its commas, which do not count. */
static void squeeze(const char *dn, struct str *out)
{
	str_reset(out);
	for (; *dn != '\0'; dn++) {
		if (*dn == ' ' && (out->len == 0 || out->data[out->len - 1] == ','))
			continue;
		while (*dn == ',' && out->len > 1 && out->data[out->len - 1] == ' ' &&
			out->data[out->len - 2] != '\\')
			out->data[--out->len] = '\0';
		str_append_c(out, *dn);
	}
}

static bool is_below(const struct str *base, const struct str *context)
{
	size_t at;

	if (context->len == 0 || context->len > base->len)
		return false;
	at = base->len - context->len;
	if (strcasecmp(base->data + at, context->data) != 0)
		return false;
	return at == 0 || base->data[at - 1] == ',';
}

const char *naming_context_of(const char *const *contexts, const char *base)
{
	struct str wanted = STR_INIT, one = STR_INIT;
	const char *best = NULL;
	size_t best_len = 0;

	squeeze(base, &wanted);
	for (; *contexts != NULL; contexts++) {
		squeeze(*contexts, &one);
		if (one.len > best_len && is_below(&wanted, &one)) {
			best = *contexts;
			best_len = one.len;
		}
	}
	str_free(&wanted);
	str_free(&one);
	return best;
}
