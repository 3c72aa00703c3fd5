/* Reading templates of actions (control/action_template.h). */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "control/action_template.h"
#include "lib/base64.h"
#include "lib/mem.h"
#include "lib/utf8.h"

struct reader {
	struct action_template *template;
	const char *at, *end;
	unsigned line; /* of what is at `at` */
	struct action_lines block;
	unsigned last; /* line at which the block ends */
	const char **error_r;
};

static int wrong(struct reader *r, unsigned line, const char *what)
{
	return action_template_fail(r->template, line, r->error_r, "%s", what);
}

static bool named(const struct action_line *line, const char *name)
{
	return strcasecmp(line->name, name) == 0;
}

static void drop(struct action_line *line)
{
	mem_free(&line->name);
	mem_free(&line->text);
}

static void drop_all(struct action_lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		drop(&lines->list[i]);
	mem_free(&lines->list);
	lines->count = 0;
}

static void add(struct action_lines *lines, const struct action_line *line)
{
	lines->list = mem_grow(lines->list, lines->count + 1, sizeof(*lines->list));
	lines->list[lines->count++] = *line;
}

/* What the block has there becomes ours. */
static struct action_line take(struct action_line *line)
{
	struct action_line taken = *line;

	line->name = line->text = NULL;
	return taken;
}

/* --- lines ---------------------------------------------------------------------------------- */

/* The next line as it stands there, without its end. */
static bool next_piece(struct reader *r, const char **piece_r, size_t *len_r)
{
	const char *lf;

	if (r->at == r->end)
		return false;
	lf = memchr(r->at, '\n', (size_t)(r->end - r->at));
	*piece_r = r->at;
	*len_r = (size_t)((lf != NULL ? lf : r->end) - r->at);
	r->at += *len_r + (lf != NULL);
	r->line++;
	if (*len_r > 0 && (*piece_r)[*len_r - 1] == '\r')
		--*len_r;
	return true;
}

/* With what follows and begins with a blank. */
static void unfold(struct reader *r, struct str *line)
{
	const char *piece;
	size_t len;

	while (r->at < r->end && *r->at == ' ' && next_piece(r, &piece, &len))
		str_append(line, piece + 1, len - 1);
}

static bool is_name(const char *text, size_t len)
{
	if (len == 0 || len > TEMPLATE_NAME_MAX || text[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && strchr("-;.", text[i]) == NULL)
			return false;
	return true;
}

static int split_line(struct reader *r, const struct str *text, unsigned number)
{
	const char *colon = strchr(text->data, ':');
	size_t len = colon != NULL ? (size_t)(colon - text->data) : 0;
	struct action_line line = { .line = number };
	struct str bytes = STR_INIT;

	if (strcmp(text->data, "-") == 0) {
		line.name = mem_strdup("-");
		line.text = mem_strdup("");
		add(&r->block, &line);
		return 0;
	}
	if (!is_name(text->data, len))
		return wrong(r, number, "this is no NAME: VALUE");
	colon++;
	if (*colon == '<')
		return wrong(r, number, "a value by URL is not read; write the value itself");
	line.bytes = *colon == ':';
	colon += line.bytes;
	colon += strspn(colon, " ");
	if (!line.bytes)
		str_append_z(&bytes, colon);
	else if (base64_decode(&bytes, colon, strlen(colon)) != 0) {
		str_free(&bytes);
		return wrong(r, number, "this is no base64");
	}
	if (strlen(str_cstr(&bytes)) != bytes.len) {
		str_free(&bytes);
		return wrong(r, number, "values with a NUL byte are not written");
	}
	line.name = mem_strndup(text->data, len);
	line.text = str_steal(&bytes);
	add(&r->block, &line);
	return 0;
}

/* 1: the lines of a block; 0: the file ends. */
static int next_block(struct reader *r)
{
	struct str line = STR_INIT;
	const char *piece;
	size_t len;
	int result = 0;

	drop_all(&r->block);
	while (result == 0 && next_piece(r, &piece, &len)) {
		unsigned number = r->line;

		if (len == 0 && r->block.count > 0)
			break;
		if (len == 0)
			continue;
		r->last = number;
		str_reset(&line);
		str_append(&line, piece, len);
		unfold(r, &line);
		if (line.data[0] == ' ')
			result = wrong(r, number, "a line begins with a blank and continues none");
		else if (line.data[0] != '#')
			result = split_line(r, &line, number);
	}
	str_free(&line);
	return result < 0 ? -1 : r->block.count > 0;
}

/* --- searches ------------------------------------------------------------------------------- */

static int read_scope(
	struct reader *r, struct action_search *search, const struct action_line *line)
{
	static const char *const names[] = { "base", "one", "sub" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(line->text, names[i]) == 0) {
			search->scope = (enum ldap_scope)i;
			return 0;
		}
	return wrong(r, line->line, "scope: is base, one or sub");
}

static int read_present(
	struct reader *r, struct action_search *search, const struct action_line *line)
{
	search->absent = strcasecmp(line->text, "absent") == 0;
	if (search->absent || strcasecmp(line->text, "present") == 0)
		return 0;
	return wrong(r, line->line, "write present or absent behind it");
}

static int read_find(struct reader *r, struct action_search *search, const struct action_line *line)
{
	const char *name = line->text;

	if (!is_name(name, strlen(name)) || strpbrk(name, ".;") != NULL)
		return wrong(r, line->line, "find: needs a name of letters, digits and hyphens");
	if (strcasecmp(name, "entry") == 0)
		return wrong(r, line->line, "find: entry is what a check finds; take another name");
	for (size_t i = 0; i + 1 < r->template->search_count; i++)
		if (r->template->searches[i].find != NULL &&
			strcasecmp(r->template->searches[i].find, name) == 0)
			return wrong(r, line->line, "find: this name is taken");
	search->find = mem_strdup(name);
	return 0;
}

static int put_once(struct reader *r, struct action_line *place, struct action_line *line)
{
	if (place->name != NULL)
		return wrong(r, line->line, "this is said already");
	*place = take(line);
	return 0;
}

static int read_search_line(
	struct reader *r, struct action_search *search, struct action_line *line)
{
	bool check = search->kind == SEARCH_CHECK;

	if (line->bytes)
		return wrong(r, line->line, "base64 is for values of entries");
	if (named(line, "base"))
		return put_once(r, &search->base, line);
	if (named(line, "scope"))
		return read_scope(r, search, line);
	if (named(line, "filter"))
		return put_once(r, &search->filter, line);
	if (named(line, "text") && search->kind == SEARCH_REFUSE)
		return put_once(r, &search->text, line);
	if (named(line, "tell-physical") && check && !search->absent)
		return put_once(r, &search->physical, line);
	if (named(line, "tell-source-id") && check && !search->absent)
		return put_once(r, &search->source_id, line);
	if ((named(line, "tell-address") || named(line, "tell-addresses")) && check &&
		!search->absent) {
		struct action_line taken = take(line);
		add(&search->addresses, &taken);
		return 0;
	}
	return wrong(r, line->line, "this is not known here; see restante-actions(5)");
}

static int read_search(struct reader *r, enum action_search_kind kind,
	struct action_lines *conditions, size_t first)
{
	struct action_template *t = r->template;
	struct action_line *head = &r->block.list[first];
	struct action_search *search;

	t->searches = mem_grow(t->searches, t->search_count + 1, sizeof(*t->searches));
	search = &t->searches[t->search_count++];
	*search = (struct action_search){ .kind = kind, .scope = LDAP_SUB, .line = head->line };
	search->conditions = *conditions;
	*conditions = (struct action_lines){ NULL, 0 };
	if ((kind == SEARCH_FIND ? read_find : read_present)(r, search, head) != 0)
		return -1;
	for (size_t i = first + 1; i < r->block.count; i++)
		if (read_search_line(r, search, &r->block.list[i]) != 0)
			return -1;
	if (search->base.name == NULL)
		return wrong(r, head->line, "there is no base: below which to search");
	if (kind == SEARCH_REFUSE && search->text.name == NULL)
		return wrong(r, head->line, "there is no text: that says why");
	return 0;
}

/* --- records -------------------------------------------------------------------------------- */

/* "add: mail", its values, "-". */
static int check_modify(struct reader *r, const struct action_record *record)
{
	const struct action_lines *lines = &record->lines;
	const char *attribute = NULL;

	for (size_t i = 0; i < lines->count; i++) {
		const struct action_line *line = &lines->list[i];

		if (named(line, "-")) {
			if (attribute == NULL)
				return wrong(r, line->line, "there is no change before this line");
			attribute = NULL;
		} else if (attribute != NULL) {
			if (strcasecmp(line->name, attribute) != 0)
				return wrong(r, line->line,
					"this is no value of the attribute that is changed; end a "
					"change with a line of one hyphen");
		} else if ((named(line, "add") || named(line, "delete") ||
				   named(line, "replace")) &&
			   is_name(line->text, strlen(line->text)) && !line->bytes) {
			attribute = line->text;
		} else {
			return wrong(r, line->line,
				"a change begins with add:, delete: or replace: and an attribute");
		}
	}
	return lines->count > 0 ? 0 : wrong(r, record->line, "it changes nothing");
}

static int read_rename(struct reader *r, struct action_record *record)
{
	bool said = false;

	for (size_t i = 0; i < record->lines.count; i++) {
		struct action_line *line = &record->lines.list[i];
		int result = 0;

		if (line->bytes)
			return wrong(r, line->line, "base64 is for values of entries");
		if (named(line, "newrdn"))
			result = put_once(r, &record->rdn, line);
		else if (named(line, "newsuperior"))
			result = put_once(r, &record->parent, line);
		else if (named(line, "deleteoldrdn") && !said &&
			 (strcmp(line->text, "0") == 0 || strcmp(line->text, "1") == 0))
			record->keep_old = line->text[0] == '0';
		else
			result = wrong(r, line->line,
				"a renaming has newrdn:, deleteoldrdn: 0 or 1, newsuperior:");
		if (result != 0)
			return -1;
		said |= line->name != NULL && named(line, "deleteoldrdn");
	}
	if (record->rdn.name == NULL || !said)
		return wrong(r, record->line, "a renaming needs newrdn: and deleteoldrdn:");
	drop_all(&record->lines);
	return 0;
}

static int read_kind(struct reader *r, struct action_record *record, const struct action_line *line)
{
	static const struct {
		const char *name;
		enum action_record_kind kind;
	} kinds[] = { { "add", RECORD_ADD }, { "modify", RECORD_MODIFY },
		{ "delete", RECORD_DELETE }, { "modrdn", RECORD_RENAME },
		{ "moddn", RECORD_RENAME } };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcasecmp(line->text, kinds[i].name) == 0) {
			record->kind = kinds[i].kind;
			return 0;
		}
	return wrong(r, line->line, "changetype: is add, modify, delete or modrdn");
}

static int judge_record(struct reader *r, struct action_record *record)
{
	switch (record->kind) {
	case RECORD_MODIFY: return check_modify(r, record);
	case RECORD_RENAME: return read_rename(r, record);
	case RECORD_DELETE:
		return record->lines.count == 0
			       ? 0
			       : wrong(r, record->line, "a deletion has no further lines");
	case RECORD_ADD: break;
	}
	for (size_t i = 0; i < record->lines.count; i++)
		if (named(&record->lines.list[i], "-"))
			return wrong(r, record->lines.list[i].line, "an entry has no such line");
	return record->lines.count > 0 ? 0 : wrong(r, record->line, "the entry has no attributes");
}

static int read_record(struct reader *r, struct action_lines *conditions, size_t first)
{
	struct action_template *t = r->template;
	struct action_line *dn = &r->block.list[first];
	struct action_record *record;

	t->records = mem_grow(t->records, t->record_count + 1, sizeof(*t->records));
	record = &t->records[t->record_count++];
	*record = (struct action_record){ .line = dn->line };
	record->conditions = *conditions;
	*conditions = (struct action_lines){ NULL, 0 };
	if (dn->bytes)
		return wrong(r, dn->line, "write the DN as text");
	record->dn = take(dn);
	first++;
	if (first < r->block.count && named(&r->block.list[first], "changetype") &&
		read_kind(r, record, &r->block.list[first++]) != 0)
		return -1;
	for (; first < r->block.count; first++) {
		struct action_line line = take(&r->block.list[first]);
		add(&record->lines, &line);
	}
	return judge_record(r, record);
}

/* --- blocks --------------------------------------------------------------------------------- */

static bool is_find(const struct action_template *t, const char *name, size_t len)
{
	for (size_t i = 0; i < t->search_count; i++)
		if (t->searches[i].find != NULL && strlen(t->searches[i].find) == len &&
			strncasecmp(t->searches[i].find, name, len) == 0)
			return true;
	return false;
}

/* when, unless: about finds that stand before. */
static int read_conditions(struct reader *r, struct action_lines *conditions_r, size_t *first_r)
{
	size_t i = 0;

	for (; i < r->block.count; i++) {
		struct action_line *line = &r->block.list[i];

		if (!named(line, "when") && !named(line, "unless"))
			break;
		if (!is_find(r->template, line->text, strlen(line->text)))
			return wrong(r, line->line, "there is no find: of that name before");
		struct action_line taken = take(line);
		add(conditions_r, &taken);
	}
	*first_r = i;
	return i < r->block.count ? 0 : wrong(r, r->last, "there is nothing behind this condition");
}

static int read_block(struct reader *r)
{
	struct action_lines conditions = { NULL, 0 };
	size_t first = 0;
	int result = read_conditions(r, &conditions, &first);
	const struct action_line *head = &r->block.list[first];

	if (result == 0) {
		if (named(head, "find"))
			result = read_search(r, SEARCH_FIND, &conditions, first);
		else if (named(head, "check"))
			result = read_search(r, SEARCH_CHECK, &conditions, first);
		else if (named(head, "refuse"))
			result = read_search(r, SEARCH_REFUSE, &conditions, first);
		else if (named(head, "dn"))
			result = read_record(r, &conditions, first);
		else if (named(head, "version") && first == 0 && r->block.count == 1)
			result = 0;
		else
			result = wrong(r, head->line,
				"a block begins with find:, check:, refuse: or dn: (when: and "
				"unless: may stand before)");
	}
	drop_all(&conditions);
	return result;
}

/* --- what is read of entries that are found ------------------------------------------------- */

struct wanted {
	struct reader *r;
	unsigned line;
	bool entry; /* %{entry.NAME} may stand here */
	struct action_search *self;
	int result;
};

static void want(struct action_search *search, const char *attribute)
{
	size_t count = 0;

	for (char **a = search->attributes; a != NULL && *a != NULL; a++, count++)
		if (strcasecmp(*a, attribute) == 0)
			return;
	search->attributes = mem_grow(search->attributes, count + 2, sizeof(char *));
	search->attributes[count] = mem_strdup(attribute);
	search->attributes[count + 1] = NULL;
}

/* The name of a value; behind a dot, that of an attribute of what was found. */
static void look_at_name(void *context, const char *name)
{
	struct wanted *w = context;
	struct action_template *t = w->r->template;
	size_t len = strcspn(name, ".");

	if (name[len] == '\0' || w->result != 0)
		return;
	if (w->entry && len == 5 && strncasecmp(name, "entry", len) == 0) {
		want(w->self, name + len + 1);
		return;
	}
	for (size_t i = 0; i < t->search_count; i++) {
		struct action_search *s = &t->searches[i];

		if (s != w->self && s->find != NULL && strlen(s->find) == len &&
			strncasecmp(s->find, name, len) == 0 && s->line < w->line) {
			if (strcasecmp(name + len + 1, "dn") != 0)
				want(s, name + len + 1);
			return;
		}
	}
	w->result = action_template_fail(
		t, w->line, w->r->error_r, "%%{%s}: there is no find: of that name before", name);
}

static int look_at_line(
	struct reader *r, const struct action_line *line, struct action_search *self, bool entry)
{
	struct wanted w = { r, line->line, entry, self, 0 };
	const char *error;
	char *text;

	if (line->text == NULL || line->bytes)
		return 0;
	text = action_without_stars(line->text);
	if (template_names(text, look_at_name, &w, &error) < 0)
		w.result = action_template_fail(
			r->template, line->line, r->error_r, "%s: %s", line->name, error);
	mem_free(&text);
	return w.result;
}

static int look_at_lines(
	struct reader *r, const struct action_lines *lines, struct action_search *self, bool entry)
{
	for (size_t i = 0; i < lines->count; i++)
		if (look_at_line(r, &lines->list[i], self, entry) != 0)
			return -1;
	return 0;
}

static int look_at_all(struct reader *r)
{
	struct action_template *t = r->template;
	bool check = false;

	for (size_t i = 0; i < t->search_count; i++) {
		struct action_search *s = &t->searches[i];

		check |= s->kind == SEARCH_CHECK;
		if (look_at_line(r, &s->base, s, false) != 0 ||
			look_at_line(r, &s->filter, s, false) != 0 ||
			look_at_line(r, &s->text, s, false) != 0 ||
			look_at_line(r, &s->physical, s, true) != 0 ||
			look_at_line(r, &s->source_id, s, true) != 0 ||
			look_at_lines(r, &s->addresses, s, true) != 0)
			return -1;
	}
	for (size_t i = 0; i < t->record_count; i++) {
		struct action_record *record = &t->records[i];

		if (look_at_line(r, &record->dn, NULL, false) != 0 ||
			look_at_lines(r, &record->lines, NULL, false) != 0 ||
			look_at_line(r, &record->rdn, NULL, false) != 0 ||
			look_at_line(r, &record->parent, NULL, false) != 0)
			return -1;
	}
	for (size_t i = 0; i < t->search_count; i++)
		if (t->searches[i].attributes == NULL)
			want(&t->searches[i], "1.1");
	return check ? 0 : wrong(r, 1, "there is no check: that says when it is done");
}

struct action_template *action_template_parse(
	const char *name, const char *text, size_t len, const char **error_r)
{
	struct action_template *template = mem_zalloc(sizeof(*template));
	struct reader r = { .template = template, .error_r = error_r };
	char *copy = mem_strndup(text, len);
	int result;

	template->name = mem_strdup(name);
	r.at = copy;
	r.end = copy + strlen(copy);
	if (len > ACTION_TEMPLATE_MAX)
		result = wrong(&r, 1, "it is larger than 256 KB");
	else if ((size_t)(r.end - r.at) != len || !utf8_valid(copy))
		result = wrong(&r, 1, "this is not text in UTF-8");
	else
		while ((result = next_block(&r)) > 0)
			if ((result = read_block(&r)) != 0)
				break;
	if (result == 0)
		result = look_at_all(&r);
	if (result == 0)
		action_template_mark_checked(template);
	drop_all(&r.block);
	mem_free(&copy);
	if (result != 0)
		action_template_free(&template);
	return template;
}
