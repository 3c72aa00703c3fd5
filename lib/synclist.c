#include "lib/synclist.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NUMBER_MAX 18 /* digits */

static bool is_plain(char c)
{
	return isalnum((unsigned char)c) != 0 || strchr("-./_", c) != NULL;
}

void sync_list_add(struct str *list, const char *kind, uint64_t number)
{
	if (number == 0)
		return;
	if (list->len > 0)
		str_append_c(list, ',');
	for (; *kind != '\0'; kind++)
		if (is_plain(*kind))
			str_append_c(list, *kind);
		else
			str_printf(list, "%%%02x", (unsigned char)*kind);
	str_printf(list, ":%" PRIu64, number);
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Up to the colon; NULL: it is no kind. */
static const char *read_kind(const char *at, struct str *kind)
{
	str_reset(kind);
	for (; *at != ':'; at++) {
		if (*at == '%' && hex(at[1]) >= 0 && hex(at[2]) >= 0) {
			char c = (char)(hex(at[1]) * 16 + hex(at[2]));

			if ((unsigned char)c < ' ' || c == 0x7f)
				return NULL; /* it is shown to people */
			str_append_c(kind, c);
			at += 2;
		} else if (*at != '\0' && is_plain(*at)) {
			str_append_c(kind, *at);
		} else {
			return NULL;
		}
	}
	return kind->len > 0 ? at : NULL;
}

/* Its end; NULL: it is no item. */
static const char *read_item(const char *at, struct str *kind, uint64_t *number_r)
{
	const char *colon = read_kind(at, kind);
	size_t digits;

	if (colon == NULL)
		return NULL;
	digits = strspn(colon + 1, "0123456789");
	if (digits == 0 || digits > NUMBER_MAX)
		return NULL;
	*number_r = strtoull(colon + 1, NULL, 10);
	return colon + 1 + digits;
}

bool sync_list_next(const char **at_r, struct str *kind_r, uint64_t *number_r)
{
	const char *end = read_item(*at_r, kind_r, number_r);

	if (end == NULL || strchr(", ;", *end) == NULL)
		return false;
	*at_r = *end == ',' ? end + 1 : end;
	return true;
}

bool sync_list_is_one(const char *text)
{
	struct str kind = STR_INIT;
	const char *at = text;
	uint64_t number;

	while (sync_list_next(&at, &kind, &number))
		;
	str_free(&kind);
	return at != text && *at == '\0' && at[-1] != ',';
}

uint64_t sync_list_number(const char *list, const char *kind)
{
	struct str found = STR_INIT;
	uint64_t number, result = 0;

	while (list != NULL && result == 0 && sync_list_next(&list, &found, &number))
		if (strcasecmp(str_cstr(&found), kind) == 0)
			result = number;
	str_free(&found);
	return result;
}

uint64_t sync_list_total(const char *list)
{
	struct str kind = STR_INIT;
	uint64_t number, total = 0;

	while (list != NULL && sync_list_next(&list, &kind, &number))
		total += number;
	str_free(&kind);
	return total;
}

static void add_words(const char *kind, uint64_t number, struct str *out)
{
	size_t lost = strlen(SYNC_LIST_LOST);

	if (strcasecmp(kind, SYNC_LIST_DELETIONS) == 0)
		str_printf(out, "%" PRIu64 " deletion%s", number, number == 1 ? "" : "s");
	else if (strcasecmp(kind, SYNC_LIST_REKEYED) == 0)
		str_printf(out, "%" PRIu64 " mailbox%s with another id", number,
			number == 1 ? "" : "es");
	else if (strncasecmp(kind, SYNC_LIST_LOST, lost) == 0)
		str_printf(out, "%" PRIu64 " entr%s that lost %s", number,
			number == 1 ? "y" : "ies", kind + lost);
	else
		str_printf(out, "%" PRIu64 " of %s", number, kind);
}

void sync_list_words(const char *list, struct str *out)
{
	struct str kind = STR_INIT;
	const char *between = "";
	uint64_t number;

	while (list != NULL && sync_list_next(&list, &kind, &number)) {
		str_append_z(out, between);
		add_words(str_cstr(&kind), number, out);
		between = ", ";
	}
	str_free(&kind);
}

struct json *sync_list_json(const char *list)
{
	struct json *array = json_new_array();
	struct str kind = STR_INIT;
	uint64_t number;

	while (list != NULL && sync_list_next(&list, &kind, &number)) {
		struct json *object = json_new_object();

		json_set_string(object, "kind", str_cstr(&kind));
		json_set_int(object, "number", (int64_t)number);
		json_add(array, object);
	}
	str_free(&kind);
	return array;
}
