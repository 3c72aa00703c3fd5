/* A configuration and what follows from it, for as long as somebody uses it. */
#define _GNU_SOURCE
#include <string.h>
#include <strings.h>

#include "control/control.h"
#include "lib/mem.h"

static _Atomic uint64_t serials;

struct settings *settings_new(struct config *config, const char **error_r)
{
	struct settings *s = mem_zalloc(sizeof *s);

	s->config = config;
	s->serial = atomic_fetch_add(&serials, 1) + 1;
	atomic_store(&s->users, 1);
	s->actions = mem_zalloc((config->actions.count + 1) * sizeof *s->actions);
	for (size_t i = 0; i < config->actions.count; i++) {
		s->actions[i] = actions_new(config->actions.items[i], error_r);
		if (s->actions[i] != NULL &&
			actions_check_pairs(s->actions[i], config->actions.items[i], error_r) == 0)
			continue;
		settings_drop(&s);
		return NULL;
	}
	return s;
}

struct settings *settings_hold(struct control *control)
{
	pthread_mutex_lock(&control->settings_lock);
	struct settings *settings = control->settings;
	atomic_fetch_add(&settings->users, 1);
	pthread_mutex_unlock(&control->settings_lock);
	return settings;
}

void settings_drop(struct settings **settings)
{
	struct settings *s = *settings;

	*settings = NULL;
	if (atomic_fetch_sub(&s->users, 1) > 1)
		return;
	for (size_t i = 0; i < s->config->actions.count; i++)
		if (s->actions[i] != NULL)
			actions_free(&s->actions[i]);
	mem_free(&s->actions);
	config_free(&s->config);
	mem_free(&s);
}

/* config->actions.count: there is none. */
static size_t find(const struct settings *settings, const char *system)
{
	const struct config_list *list = &settings->config->actions;
	size_t at = 0;

	while (at < list->count &&
		strcasecmp(((const struct config_actions *)list->items[at])->name, system) != 0)
		at++;
	return at;
}

struct actions *settings_actions(const struct settings *settings, const char *system)
{
	return settings->actions[find(settings, system)];
}

unsigned settings_concurrency(const struct settings *settings, const char *system)
{
	size_t at = find(settings, system);
	const struct config_actions *actions;

	if (at == settings->config->actions.count)
		return 0;
	actions = settings->config->actions.items[at];
	return (unsigned)actions->concurrency;
}
