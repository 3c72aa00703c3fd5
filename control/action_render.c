/* What a template of an action becomes for one mailbox (control/action_template.h). */
#include <string.h>
#include <strings.h>

#include "control/action_template.h"
#include "lib/mem.h"

/* --- what is put in ------------------------------------------------------------------------- */

struct place {
	enum action_place kind;
	const struct action_values *values;
	const struct template_value *first; /* the one that a star stands for, or NULL */
};

static bool is_plain(const struct place *place, const struct template_value *value)
{
	return value >= place->values->list && value < place->values->list + place->values->plain;
}

static bool is_dn(const struct template_value *value)
{
	const char *dot = strrchr(value->name, '.');

	return dot != NULL && strcasecmp(dot, ".dn") == 0;
}

static void escape(
	void *context, const struct template_value *value, const char *text, struct str *out)
{
	const struct place *place = context;

	if (place->kind == PLACE_VALUE || is_plain(place, value))
		str_append_z(out, text);
	else if (place->kind == PLACE_FILTER)
		ldap_filter_escape(text, out);
	else if (is_dn(value))
		str_append_z(out, text);
	else
		ldap_dn_escape(text, out);
}

/* --- stars ---------------------------------------------------------------------------------- */

/* The first star within "%{...}" of text[0..len), NULL = none. */
static const char *find_star(const char *text, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++) {
		if (text[i] != '%')
			continue;
		if (text[++i] != '{')
			continue;
		for (; i < len && text[i] != '}'; i++)
			if (text[i] == '*')
				return text + i;
	}
	return NULL;
}

char *action_without_stars(const char *text)
{
	char *copy = mem_strdup(text), *star;

	while ((star = (char *)find_star(copy, strlen(copy))) != NULL)
		memmove(star, star + 1, strlen(star));
	return copy;
}

/* The name that the star follows; the caller frees. NULL: it follows none. */
static char *starred_name(const char *text, const char *star)
{
	const char *begin = star;

	while (begin > text && strchr("{|", begin[-1]) == NULL)
		begin--;
	if (begin == star || strchr(":}", star[1]) == NULL || star[1] == '\0' || begin[-1] == '|')
		return NULL;
	return mem_strndup(begin, (size_t)(star - begin));
}

/* A text with one star, for each value of its name. */
struct repeat {
	char *text; /* without the star */
	char *name; /* NULL: there was none */
};

static int repeat_of(const struct action_template *t, const struct action_line *line,
	const char *text, size_t len, struct repeat *repeat_r, const char **error_r)
{
	const char *star = find_star(text, len);

	repeat_r->name = NULL;
	repeat_r->text = mem_strndup(text, len);
	if (star == NULL)
		return 0;
	star = repeat_r->text + (star - text);
	repeat_r->name = starred_name(repeat_r->text, star);
	if (repeat_r->name != NULL) {
		char *at = repeat_r->text + (star - repeat_r->text);
		memmove(at, at + 1, strlen(at));
		if (find_star(repeat_r->text, strlen(repeat_r->text)) == NULL)
			return 0;
	}
	mem_free(&repeat_r->text);
	mem_free(&repeat_r->name);
	return action_template_fail(t, line->line, error_r,
		"%s: one name may have a star, right behind it: %%{name*}", line->name);
}

static int fill(const struct action_template *t, const struct action_line *line, const char *text,
	struct place *place, struct str *out, const char **error_r)
{
	const struct action_values *values = place->values;
	struct template_value *list = values->list;
	size_t count = values->count;
	struct template_value *with = NULL;
	const char *error;
	int result;

	if (place->first != NULL) {
		/* in front of the others, which stay in their order: is_plain goes by the originals
		 */
		with = mem_grow(NULL, count + 1, sizeof(*with));
		with[0] = *place->first;
		memcpy(with + 1, list, count * sizeof(*with));
		struct action_values shifted = { with + 1, count, values->plain };
		struct place other = { place->kind, &shifted, NULL };
		result = template_fill_escaped(text, with, count + 1, escape, &other, out, &error);
		mem_free(&with);
	} else {
		result = template_fill_escaped(text, list, count, escape, place, out, &error);
	}
	if (result < 0)
		return action_template_fail(t, line->line, error_r, "%s: %s", line->name, error);
	return 0;
}

/* --- filters -------------------------------------------------------------------------------- */

/* The part in parentheses around the star: repeated for each value. */
static int fill_part(const struct action_template *t, const struct action_line *line,
	const char *begin, size_t len, struct place *place, struct str *out, const char **error_r)
{
	struct repeat repeat;
	int result = repeat_of(t, line, begin, len, &repeat, error_r);

	for (size_t i = 0; result == 0 && i < place->values->count; i++) {
		const struct template_value *value = &place->values->list[i];

		if (value->len == 0 || !template_same_name(value->name, repeat.name))
			continue;
		struct place one = { place->kind, place->values, value };
		result = fill(t, line, repeat.text, &one, out, error_r);
	}
	mem_free(&repeat.text);
	mem_free(&repeat.name);
	return result;
}

static int render_filter(const struct action_template *t, const struct action_line *line,
	struct place *place, struct str *out, const char **error_r)
{
	const char *at = line->text, *star;
	int result = 0;

	while (result == 0 && (star = find_star(at, strlen(at))) != NULL) {
		const char *begin = star, *end = strchr(star, ')');

		while (begin > at && *begin != '(')
			begin--;
		if (*begin != '(' || end == NULL)
			return action_template_fail(t, line->line, error_r,
				"%s: a star repeats what is in parentheses around it; there are "
				"none",
				line->name);
		char *before = mem_strndup(at, (size_t)(begin - at));
		result = fill(t, line, before, place, out, error_r);
		mem_free(&before);
		if (result == 0)
			result = fill_part(
				t, line, begin, (size_t)(end + 1 - begin), place, out, error_r);
		at = end + 1;
	}
	return result == 0 ? fill(t, line, at, place, out, error_r) : result;
}

int action_render(const struct action_template *template, const struct action_line *line,
	enum action_place kind, const struct action_values *values, struct str *out,
	const char **error_r)
{
	struct place place = { kind, values, NULL };

	str_reset(out);
	if (kind == PLACE_FILTER)
		return render_filter(template, line, &place, out, error_r);
	if (find_star(line->text, strlen(line->text)) != NULL)
		return action_template_fail(
			template, line->line, error_r, "%s: a star has no place here", line->name);
	return fill(template, line, line->text, &place, out, error_r);
}

/* --- values --------------------------------------------------------------------------------- */

static void push(char ***list, size_t *count, char *text)
{
	*list = mem_grow(*list, *count + 2, sizeof(**list));
	(*list)[(*count)++] = text;
	(*list)[*count] = NULL;
}

/* Two values that differ in case alone are one to most attributes: the first. */
static bool has(char *const *list, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(list[i], text) == 0)
			return true;
	return false;
}

static int push_filled(const struct action_template *t, const struct action_line *line,
	const char *text, struct place *place, char ***list_r, size_t *count_r,
	const char **error_r)
{
	struct str value = STR_INIT;
	int result = fill(t, line, text, place, &value, error_r);

	if (result == 0 && (place->first == NULL || !has(*list_r, *count_r, str_cstr(&value))))
		push(list_r, count_r, str_steal(&value));
	str_free(&value);
	return result;
}

int action_render_values(const struct action_template *template, const struct action_line *line,
	const struct action_values *values, char ***list_r, size_t *count_r, const char **error_r)
{
	struct place place = { PLACE_VALUE, values, NULL };
	struct repeat repeat;
	int result;

	if (line->bytes) {
		push(list_r, count_r, mem_strdup(line->text));
		return 0;
	}
	if (repeat_of(template, line, line->text, strlen(line->text), &repeat, error_r) != 0)
		return -1;
	if (repeat.name == NULL)
		result = push_filled(template, line, repeat.text, &place, list_r, count_r, error_r);
	else
		result = 0;
	for (size_t i = 0; repeat.name != NULL && result == 0 && i < values->count; i++) {
		place.first = &values->list[i];
		if (place.first->len > 0 && template_same_name(place.first->name, repeat.name))
			result = push_filled(
				template, line, repeat.text, &place, list_r, count_r, error_r);
	}
	mem_free(&repeat.text);
	mem_free(&repeat.name);
	return result;
}

/* --- records -------------------------------------------------------------------------------- */

/* A change under way: its list of values belongs to it. */
static struct ldap_change *change_of(
	struct action_write *write, const char *attribute, enum ldap_change_kind kind)
{
	write->changes = mem_grow(write->changes, write->count + 1, sizeof(*write->changes));
	write->changes[write->count] = (struct ldap_change){ kind, mem_strdup(attribute), NULL };
	return &write->changes[write->count++];
}

static int add_values(const struct action_template *t, const struct action_line *line,
	const struct action_values *values, struct ldap_change *change, const char **error_r)
{
	char **list = (char **)change->values;
	size_t count = 0;
	int result;

	while (list != NULL && list[count] != NULL)
		count++;
	result = action_render_values(t, line, values, &list, &count, error_r);
	change->values = (const char *const *)list;
	return result;
}

static struct ldap_change *find_change(struct action_write *write, const char *attribute)
{
	for (size_t i = 0; i < write->count; i++)
		if (strcasecmp(write->changes[i].attribute, attribute) == 0)
			return &write->changes[i];
	return NULL;
}

static void drop_last(struct action_write *write)
{
	struct ldap_change *last = &write->changes[--write->count];

	mem_free_((void **)&last->attribute);
}

static int render_add(const struct action_template *t, const struct action_record *record,
	const struct action_values *values, struct action_write *write, const char **error_r)
{
	for (size_t i = 0; i < record->lines.count; i++) {
		const struct action_line *line = &record->lines.list[i];
		struct ldap_change *change = find_change(write, line->name);

		if (change == NULL)
			change = change_of(write, line->name, LDAP_CHANGE_ADD);
		if (add_values(t, line, values, change, error_r) != 0)
			return -1;
		if (change->values == NULL)
			drop_last(write);
	}
	return 0;
}

static enum ldap_change_kind kind_of(const char *name)
{
	if (strcasecmp(name, "add") == 0)
		return LDAP_CHANGE_ADD;
	return strcasecmp(name, "delete") == 0 ? LDAP_CHANGE_DELETE : LDAP_CHANGE_REPLACE;
}

static int render_modify(const struct action_template *t, const struct action_record *record,
	const struct action_values *values, struct action_write *write, const char **error_r)
{
	const struct action_lines *lines = &record->lines;

	for (size_t i = 0; i < lines->count; i++) {
		const struct action_line *head = &lines->list[i];
		struct ldap_change *change;
		bool named = false;

		if (strcmp(head->name, "-") == 0)
			continue;
		change = change_of(write, head->text, kind_of(head->name));
		for (i++; i < lines->count && strcmp(lines->list[i].name, "-") != 0; i++) {
			named = true;
			if (add_values(t, &lines->list[i], values, change, error_r) != 0)
				return -1;
		}
		/* "delete" with no values that are left must not delete all of them */
		if (change->values == NULL &&
			(change->kind == LDAP_CHANGE_ADD ||
				(change->kind == LDAP_CHANGE_DELETE && named)))
			drop_last(write);
	}
	return 0;
}

static int render_text(const struct action_template *t, const struct action_line *line,
	enum action_place place, const struct action_values *values, char **text_r,
	const char **error_r)
{
	struct str out = STR_INIT;
	int result = action_render(t, line, place, values, &out, error_r);

	*text_r = str_steal(&out);
	return result;
}

static int render_lines(const struct action_template *t, const struct action_record *record,
	const struct action_values *values, struct action_write *write, const char **error_r)
{
	if (record->kind == RECORD_ADD)
		return render_add(t, record, values, write, error_r);
	if (record->kind == RECORD_MODIFY)
		return render_modify(t, record, values, write, error_r);
	if (record->kind == RECORD_DELETE)
		return 0;
	if (render_text(t, &record->rdn, PLACE_DN, values, &write->rdn, error_r) != 0)
		return -1;
	return record->parent.text == NULL
		       ? 0
		       : render_text(t, &record->parent, PLACE_DN, values, &write->parent, error_r);
}

int action_render_record(const struct action_template *template, const struct action_record *record,
	const struct action_values *values, struct action_write *write_r, const char **error_r)
{
	*write_r = (struct action_write){ .kind = record->kind, .keep_old = record->keep_old };
	if (render_text(template, &record->dn, PLACE_DN, values, &write_r->dn, error_r) == 0 &&
		render_lines(template, record, values, write_r, error_r) == 0)
		return 0;
	action_write_free(write_r);
	return -1;
}

void action_write_free(struct action_write *write)
{
	for (size_t i = 0; i < write->count; i++) {
		char **list = (char **)write->changes[i].values;

		for (char **v = list; v != NULL && *v != NULL; v++)
			mem_free(v);
		mem_free(&list);
		mem_free_((void **)&write->changes[i].attribute);
	}
	mem_free(&write->changes);
	mem_free(&write->dn);
	mem_free(&write->rdn);
	mem_free(&write->parent);
	write->count = 0;
}
