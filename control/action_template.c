#include "control/action_template.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"

static _Thread_local char error_text[700];

int action_template_fail(const struct action_template *template, unsigned line,
	const char **error_r, const char *format, ...)
{
	char what[600];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(error_text, sizeof(error_text), "%.90s:%u: %s", template->name, line, what);
	*error_r = error_text;
	return -1;
}

static void free_line(struct action_line *line)
{
	mem_free(&line->name);
	mem_free(&line->text);
}

static void free_lines(struct action_lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		free_line(&lines->list[i]);
	mem_free(&lines->list);
}

static void free_search(struct action_search *search)
{
	mem_free(&search->find);
	free_line(&search->base);
	free_line(&search->filter);
	free_line(&search->text);
	free_line(&search->physical);
	free_line(&search->source_id);
	free_lines(&search->addresses);
	free_lines(&search->conditions);
	for (char **a = search->attributes; a != NULL && *a != NULL; a++)
		mem_free(a);
	mem_free(&search->attributes);
}

static void free_record(struct action_record *record)
{
	free_line(&record->dn);
	free_line(&record->rdn);
	free_line(&record->parent);
	free_lines(&record->conditions);
	free_lines(&record->lines);
}

void action_template_free(struct action_template **template)
{
	struct action_template *t = *template;

	if (t == NULL)
		return;
	for (size_t i = 0; i < t->search_count; i++)
		free_search(&t->searches[i]);
	for (size_t i = 0; i < t->record_count; i++)
		free_record(&t->records[i]);
	mem_free(&t->searches);
	mem_free(&t->records);
	mem_free(&t->name);
	mem_free(template);
}

/* --- names ---------------------------------------------------------------------------------- */

struct names {
	void (*name)(void *context, const char *name);
	void *context;
};

static void pass_name(void *context, const char *name)
{
	const struct names *names = context;

	if (strchr(name, '.') == NULL)
		names->name(names->context, name);
}

static void line_names(const struct action_line *line, struct names *names)
{
	const char *error;
	char *text;

	if (line->text == NULL || line->bytes)
		return;
	text = action_without_stars(line->text);
	template_names(text, pass_name, names, &error);
	mem_free(&text);
}

static void lines_names(const struct action_lines *lines, struct names *names)
{
	for (size_t i = 0; i < lines->count; i++)
		line_names(&lines->list[i], names);
}

void action_template_each_name(const struct action_template *template,
	void (*name)(void *context, const char *name), void *context)
{
	struct names names = { name, context };

	for (size_t i = 0; i < template->search_count; i++) {
		const struct action_search *s = &template->searches[i];

		line_names(&s->base, &names);
		line_names(&s->filter, &names);
		line_names(&s->text, &names);
		line_names(&s->physical, &names);
		line_names(&s->source_id, &names);
		lines_names(&s->addresses, &names);
	}
	for (size_t i = 0; i < template->record_count; i++) {
		const struct action_record *r = &template->records[i];

		line_names(&r->dn, &names);
		line_names(&r->rdn, &names);
		line_names(&r->parent, &names);
		lines_names(&r->lines, &names);
	}
}
