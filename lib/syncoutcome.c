#include "lib/syncoutcome.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/synclist.h"

static const char *const words[] = { [SYNC_COMPLETE] = "complete",
	[SYNC_NOTHING] = "nothing",
	[SYNC_STOPPED] = "stopped",
	[SYNC_INCOMPLETE] = "incomplete",
	[SYNC_FAILED] = "failed",
	[SYNC_BUSY] = "busy" };
#define WORDS (sizeof(words) / sizeof(words[0]))

static const struct count {
	const char *name;
	size_t offset;
} counts[] = {
	{ "persons", offsetof(struct sync_outcome, persons) },
	{ "added", offsetof(struct sync_outcome, added) },
	{ "changed", offsetof(struct sync_outcome, changed) },
	{ "deleted", offsetof(struct sync_outcome, deleted) },
	{ "conflicts", offsetof(struct sync_outcome, conflicts) },
	{ "refused", offsetof(struct sync_outcome, refused) },
	{ "pending", offsetof(struct sync_outcome, pending) }, /* where it is not 0 */
};
#define COUNTS (sizeof(counts) / sizeof(counts[0]))

static const struct list {
	const char *name;
	size_t offset;
} lists[] = {
	{ "stops=", offsetof(struct sync_outcome, stops) },
	{ "approved=", offsetof(struct sync_outcome, approved) },
};
#define LISTS (sizeof(lists) / sizeof(lists[0]))

const char *sync_word_name(enum sync_word word)
{
	return words[word];
}

static uint64_t value_of(const struct sync_outcome *outcome, const struct count *count)
{
	return *(const uint64_t *)((const char *)outcome + count->offset);
}

static const char **list_of(struct sync_outcome *outcome, const struct list *list)
{
	return (const char **)((char *)outcome + list->offset);
}

static void append_lists(struct sync_outcome outcome, struct str *out)
{
	for (size_t i = 0; i < LISTS; i++) {
		const char *list = *list_of(&outcome, &lists[i]);

		if (list == NULL || *list == '\0')
			continue;
		str_printf(out, " %s", lists[i].name);
		str_append(out, list, strcspn(list, " ;"));
	}
}

/* Without what a single line may not have; cut between two characters. */
static void append_reason(const char *text, struct str *out)
{
	/* behind a long list there is some room left */
	size_t half = SYNC_OUTCOME_MAX / 2, most = out->len > half ? out->len + half : 2 * half;

	for (; *text != '\0'; text++) {
		bool inside = ((unsigned char)*text & 0xc0) == 0x80;

		if (out->len >= (inside ? most : most - 3))
			return;
		str_append_c(out, (unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text);
	}
}

void sync_outcome_format(const struct sync_outcome *outcome, struct str *out)
{
	struct str value = STR_INIT;

	str_append_z(&value, words[outcome->word]);
	for (size_t i = 0; i < COUNTS; i++)
		if (counts[i].offset < offsetof(struct sync_outcome, pending) ||
			value_of(outcome, &counts[i]) > 0)
			str_printf(&value, " %s=%" PRIu64, counts[i].name,
				value_of(outcome, &counts[i]));
	append_lists(*outcome, &value);
	if (outcome->text != NULL && outcome->text[0] != '\0') {
		str_append_z(&value, "; ");
		append_reason(outcome->text, &value);
	}
	str_append(out, str_cstr(&value), value.len);
	str_free(&value);
}

static void take_word(const char *word, size_t len, struct sync_outcome *outcome)
{
	for (size_t i = 0; i < COUNTS; i++) {
		size_t name = strlen(counts[i].name);

		if (len > name && strncasecmp(word, counts[i].name, name) == 0 && word[name] == '=')
			*(uint64_t *)((char *)outcome + counts[i].offset) =
				strtoull(word + name + 1, NULL, 10);
	}
	for (size_t i = 0; i < LISTS; i++)
		if (strncasecmp(word, lists[i].name, strlen(lists[i].name)) == 0)
			*list_of(outcome, &lists[i]) = word + strlen(lists[i].name);
}

bool sync_outcome_parse(const char *value, struct sync_outcome *outcome_r)
{
	size_t head = strcspn(value, ";"), len = strcspn(value, " ;"), word = 0;

	memset(outcome_r, 0, sizeof(*outcome_r));
	while (word < WORDS &&
		(strlen(words[word]) != len || strncasecmp(words[word], value, len) != 0))
		word++;
	if (word == WORDS)
		return false;
	outcome_r->word = (enum sync_word)word;
	for (size_t at = len; at < head; at += strcspn(value + at, " ;")) {
		at += strspn(value + at, " ");
		take_word(value + at, strcspn(value + at, " ;"), outcome_r);
	}
	outcome_r->text = value + head;
	outcome_r->text += strspn(outcome_r->text, "; ");
	return true;
}

void sync_outcome_set(struct json *object, const struct sync_outcome *outcome)
{
	for (size_t i = 0; i < COUNTS; i++)
		json_set_int(object, counts[i].name, (int64_t)value_of(outcome, &counts[i]));
	if (outcome->stops != NULL && *outcome->stops != '\0')
		json_set(object, "stops", sync_list_json(outcome->stops));
}
