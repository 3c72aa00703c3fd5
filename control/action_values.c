/* The names that templates and commands of actions may speak of. */
#include <string.h>
#include <strings.h>

#include "control/action_internal.h"
#include "lib/address.h"
#include "lib/mem.h"

void action_values_add(struct action_run *run, const char *name, const char *data)
{
	struct action_values *values = &run->values;

	values->list = mem_grow(values->list, values->count + 1, sizeof(*values->list));
	values->list[values->count++] = (struct template_value){ name, data, strlen(data) };
}

static const char *keep(struct action_run *run, const char *text)
{
	struct words *made = &run->made;

	made->list = mem_grow(made->list, made->count + 1, sizeof(*made->list));
	return made->list[made->count++] = mem_strdup(text);
}

void action_values_add_copy(struct action_run *run, const char *name, const char *data)
{
	const char *own = keep(run, name);

	action_values_add(run, own, keep(run, data));
}

void action_values_free(struct action_run *run)
{
	mem_free(&run->values.list);
	words_free(&run->made);
}

static void add_settings(struct action_run *run)
{
	const struct words *further = &run->actions->further;

	for (size_t i = 0; i < further->count; i++)
		action_values_add(
			run, further->list[i], further->list[i] + strlen(further->list[i]) + 1);
	action_values_add(run, "base", run->actions->settings.base);
	run->values.plain = run->values.count;
}

/* As contacts have them (dirsync/contact.h): in normal form, without catch-alls. */
static void add_addresses(struct action_run *run)
{
	struct address primary, address;
	const char *error;
	bool has_primary = address_parse(run->subject->primary, &primary, &error) == 0;

	for (char *const *a = run->subject->addresses; a != NULL && *a != NULL; a++) {
		if (address_parse(*a, &address, &error) != 0 || address.local_len == 0)
			continue;
		action_values_add(run, "addresses", keep(run, address.key));
		if (!has_primary || strcmp(address.key, primary.key) != 0)
			action_values_add(run, "others", keep(run, address.key));
	}
}

void action_values_begin(struct action_run *run)
{
	const struct action_subject *s = run->subject;
	const char *const texts[][2] = {
		{ "action", action_name(run->action) },
		{ "system", s->system },
		{ "identifier", s->identifier },
		{ "id", s->uuid },
		{ "address", s->address },
		{ "primary", s->primary },
		{ "physical", s->physical },
		{ "source_id", s->source_id },
		{ "other", s->other },
	};

	add_settings(run);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		action_values_add(run, texts[i][0], texts[i][1] != NULL ? texts[i][1] : "");
	add_addresses(run);
	for (char *const *f = s->foreign; f != NULL && *f != NULL; f++)
		action_values_add(run, "foreign", *f);
	for (size_t i = 0; i < s->attribute_count; i++)
		action_values_add(run, s->attributes[i][0], s->attributes[i][1]);
}
