/* Sections of restante.conf in memory: those there is one of, and those with a title. */
#include <string.h>
#include <strings.h>

#include "lib/config.h"
#include "lib/config_table.h"
#include "lib/mem.h"

_Static_assert(offsetof(struct config_system, name) == 0, "an item begins with its title");

struct config_list *config_section_list(
	const struct config *config, const struct config_section *section)
{
	return (struct config_list *)((char *)config + section->offset);
}

void *config_section_struct(
	const struct config *config, const struct config_section *section, size_t index)
{
	if (section->titled == 0)
		return index == 0 ? (char *)config + section->offset : NULL;
	const struct config_list *list = config_section_list(config, section);
	return index < list->count ? list->items[index] : NULL;
}

void config_section_defaults(const struct config_section *section, void *section_struct)
{
	struct str unused = STR_INIT;

	for (size_t k = 0; k < section->count; k++)
		config_value_parse(
			&section->keys[k], section_struct, section->keys[k].fallback, &unused);
	str_free(&unused);
}

static void *find(const struct config_list *list, const char *title)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcasecmp(*(char **)list->items[i], title) == 0)
			return list->items[i];
	return NULL;
}

void *config_list_get(
	struct config_list *list, const struct config_section *section, const char *title)
{
	void *item = find(list, title);

	if (item != NULL)
		return item;
	item = mem_zalloc(section->titled);
	*(char **)item = mem_strdup(title);
	config_section_defaults(section, item);
	list->items = mem_grow(list->items, list->count + 1, sizeof *list->items);
	list->items[list->count++] = item;
	return item;
}

static void free_values(const struct config_section *section, void *section_struct)
{
	for (size_t k = 0; k < section->count; k++)
		config_value_free(&section->keys[k], section_struct);
}

static void free_list(const struct config_section *section, struct config_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free_values(section, list->items[i]);
		mem_free((char **)list->items[i]);
		mem_free(&list->items[i]);
	}
	mem_free(&list->items);
}

void config_free(struct config **config)
{
	const struct config_section *section;

	if (*config == NULL)
		return;
	for (size_t i = 0; (section = config_section_at(i)) != NULL; i++)
		if (section->titled > 0)
			free_list(section, config_section_list(*config, section));
		else
			free_values(section, config_section_struct(*config, section, 0));
	mem_free(&(*config)->path);
	mem_free(config);
}

const struct config_system *config_system(const struct config *config, const char *name)
{
	return find(&config->systems, name);
}

const struct config_up *config_up(const struct config *config, const char *name)
{
	return find(&config->ups, name);
}

const struct config_down *config_down(const struct config *config, const char *name)
{
	return find(&config->downs, name);
}

const struct config_scenario *config_scenario(const struct config *config, const char *name)
{
	return find(&config->scenarios, name);
}

const struct config_actions *config_actions(const struct config *config, const char *name)
{
	return find(&config->actions, name);
}

const char *config_marker(const struct config *config, const char *name)
{
	const struct config_down *down = config_down(config, name);
	const struct config_up *up = config_up(config, name);

	return down != NULL ? down->marker : up != NULL ? up->marker : "";
}
