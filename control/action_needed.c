/* Which finds of a template its checks need. A check is made twice, before and after, and where it
 * holds nothing else is: what only refusals and records speak of is not looked for then. */
#include <string.h>
#include <strings.h>

#include "control/action_template.h"
#include "lib/mem.h"
#include "lib/template.h"

static void mark(struct action_template *template, const char *name, size_t len)
{
	for (size_t i = 0; i < template->search_count; i++) {
		struct action_search *s = &template->searches[i];

		if (s->find != NULL && strlen(s->find) == len &&
			strncasecmp(s->find, name, len) == 0)
			s->checked = true;
	}
}

/* Behind a dot: an attribute of what was found. */
static void mark_name(void *context, const char *name)
{
	size_t len = strcspn(name, ".");

	if (name[len] == '.')
		mark(context, name, len);
}

static void mark_line(struct action_template *template, const struct action_line *line)
{
	const char *error;
	char *text;

	if (line->text == NULL || line->bytes)
		return;
	text = action_without_stars(line->text);
	template_names(text, mark_name, template, &error);
	mem_free(&text);
}

static void mark_search(struct action_template *template, const struct action_search *search)
{
	mark_line(template, &search->base);
	mark_line(template, &search->filter);
	mark_line(template, &search->physical);
	mark_line(template, &search->source_id);
	for (size_t i = 0; i < search->addresses.count; i++)
		mark_line(template, &search->addresses.list[i]);
	for (size_t i = 0; i < search->conditions.count; i++)
		mark(template, search->conditions.list[i].text,
			strlen(search->conditions.list[i].text));
}

/* A find may speak of those before it only: from the last to the first. */
void action_template_mark_checked(struct action_template *template)
{
	for (size_t i = 0; i < template->search_count; i++)
		if (template->searches[i].kind == SEARCH_CHECK)
			mark_search(template, &template->searches[i]);
	for (size_t i = template->search_count; i-- > 0;)
		if (template->searches[i].checked)
			mark_search(template, &template->searches[i]);
}
