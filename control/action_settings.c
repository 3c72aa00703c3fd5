/* actions NAME {}: its templates are read, its commands are split into words. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "control/action_internal.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/runner.h"

static _Thread_local char error_text[900];

__attribute__((format(printf, 4, 5))) static int fault(const struct config_actions *settings,
	const char *key, const char **error_r, const char *format, ...)
{
	char what[760];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(error_text, sizeof(error_text), "actions %.60s.%s: %s", settings->name, key, what);
	*error_r = error_text;
	return -1;
}

static const char *value_of(const struct config_actions *s, enum action action)
{
	const char *const values[ACTIONS] = {
		[ACTION_CREATE] = s->create,
		[ACTION_REDIRECT] = s->redirect,
		[ACTION_UNREDIRECT] = s->unredirect,
		[ACTION_ADDRESSES] = s->addresses,
		[ACTION_UNADDRESS] = s->unaddress,
		[ACTION_LIST] = s->list,
		[ACTION_CLOSE] = s->close,
		[ACTION_OPEN] = s->open,
		[ACTION_EMPTY] = s->empty,
		[ACTION_DELETE] = s->delete,
		[ACTION_CONTACT] = s->contact,
	};

	return values[action] != NULL ? values[action] : "";
}

/* --- settings of our own -------------------------------------------------------------------- */

static void each_text(struct config_actions *s, void (*change)(char **text))
{
	char **const texts[] = { &s->name, &s->uri, &s->bind_dn, &s->password_file, &s->ca_file,
		&s->cert_file, &s->key_file, &s->base, &s->templates, &s->settings };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		change(texts[i]);
}

static void copy_text(char **text)
{
	*text = mem_strdup(*text != NULL ? *text : "");
}

static void free_text(char **text)
{
	mem_free(text);
}

static void own_settings(struct actions *actions, const struct config_actions *settings)
{
	actions->settings = *settings;
	each_text(&actions->settings, copy_text);
	if (actions->settings.templates[0] == '\0') {
		mem_free(&actions->settings.templates);
		actions->settings.templates = mem_strdup(PKGDATADIR "/actions");
	}
}

/* NAME=VALUE ... */
static int read_further(
	struct actions *actions, const struct config_actions *settings, const char **error_r)
{
	const char *error;

	if (actions->settings.settings[strspn(actions->settings.settings, " \t\n")] == '\0')
		return 0;
	if (words_split(actions->settings.settings, &actions->further, &error) != 0)
		return fault(settings, "settings", error_r, "%s", error);
	for (size_t i = 0; i < actions->further.count; i++) {
		char *word = actions->further.list[i], *equals = strchr(word, '=');

		if (equals == NULL || equals == word ||
			strcspn(word, "%{}|:*.\"") < (size_t)(equals - word))
			return fault(settings, "settings", error_r,
				"\"%.100s\" is no NAME=VALUE; NAME has none of %%{}|:*.", word);
		*equals = '\0';
	}
	return 0;
}

/* --- parts ---------------------------------------------------------------------------------- */

/* Up to a semicolon that stands in no quotes. */
static size_t part_len(const char *text)
{
	char quote = '\0';
	size_t i = 0;

	for (; text[i] != '\0' && (text[i] != ';' || quote != '\0'); i++)
		if (quote != '\0')
			quote = text[i] == quote ? '\0' : quote;
		else if (text[i] == '\'' || text[i] == '"')
			quote = text[i];
	return i;
}

static int read_file(FILE *file, struct str *out)
{
	char buffer[16384];
	size_t n;

	while (out->len <= ACTION_TEMPLATE_MAX && (n = fread(buffer, 1, sizeof(buffer), file)) > 0)
		str_append(out, buffer, n);
	return ferror(file) ? -1 : 0;
}

static int read_template(struct actions *actions, const struct config_actions *settings,
	const char *key, const char *file, struct action_template **template_r,
	const char **error_r)
{
	char *path = file[0] == '/' ? mem_strdup(file)
				    : mem_printf("%s/%s", actions->settings.templates, file);
	const char *slash = strrchr(file, '/'), *error;
	FILE *stream = fopen(path, "re");
	struct str text = STR_INIT;
	int result = 0;

	if (stream == NULL || read_file(stream, &text) != 0)
		result = fault(settings, key, error_r, "%s: %s", path, strerror(errno));
	else if ((*template_r = action_template_parse(slash != NULL ? slash + 1 : file,
			  str_cstr(&text), text.len, &error)) == NULL)
		result = fault(settings, key, error_r, "%s", error);
	else if (action_template_judge_secrets(actions, *template_r, &error) != 0)
		result = fault(settings, key, error_r, "%s", error);
	else if (settings->uri == NULL || settings->uri[0] == '\0')
		result = fault(settings, key, error_r,
			"a template needs uri: name the LDAP server of the system");
	if (stream != NULL)
		fclose(stream);
	str_free(&text);
	mem_free(&path);
	return result;
}

static bool is_template(const struct words *words)
{
	size_t len = strlen(words->list[0]);

	return words->count == 1 && len > 5 && strcasecmp(words->list[0] + len - 5, ".ldif") == 0;
}

static void ignore_name(void *context, const char *name)
{
	(void)context;
	(void)name;
}

static int check_words(const struct actions *actions, const struct config_actions *settings,
	const char *key, const struct words *words, const char **error_r)
{
	for (size_t i = 1; i < words->count; i++) {
		char *text = action_without_stars(words->list[i]);
		char secret[TEMPLATE_NAME_MAX];
		const char *error;
		int result = template_names(text, ignore_name, NULL, &error);

		mem_free(&text);
		if (result != 0)
			return fault(settings, key, error_r, "%s", error);
		if (action_names_secret(actions, words->list[i], secret))
			return fault(settings, key, error_r,
				"%%{%s} is a secret: everybody on the machine can read arguments; "
				"a template may write it",
				secret);
	}
	return 0;
}

static int read_part(struct actions *actions, const struct config_actions *settings,
	enum action action, const char *text, size_t len, const char **error_r)
{
	struct action_parts *parts = &actions->parts[action];
	const char *key = action_name(action), *error;
	struct action_part *part;

	parts->list = mem_grow(parts->list, parts->count + 1, sizeof(*parts->list));
	part = &parts->list[parts->count++];
	*part = (struct action_part){ .text = mem_strndup(text, len) };
	if (words_split(part->text, &part->words, &error) != 0)
		return fault(settings, key, error_r, "\"%.100s\": %s", part->text, error);
	if (is_template(&part->words))
		return read_template(
			actions, settings, key, part->words.list[0], &part->template, error_r);
	return check_words(actions, settings, key, &part->words, error_r);
}

static int read_action(struct actions *actions, const struct config_actions *settings,
	enum action action, const char **error_r)
{
	const char *text = value_of(settings, action);

	if (text[strspn(text, " \t\n")] == '\0')
		return 0;
	for (;;) {
		size_t len = part_len(text);

		if (read_part(actions, settings, action, text, len, error_r) != 0)
			return -1;
		if (text[len] == '\0')
			return 0;
		text += len + 1;
	}
}

/* --- names ---------------------------------------------------------------------------------- */

/* What is made here, or of the settings. */
static bool is_made(const struct actions *actions, const char *name)
{
	static const char *const made[] = { "action", "system", "identifier", "id", "address",
		"primary", "physical", "source_id", "other", "addresses", "others", "foreign",
		"base" };

	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		if (strcasecmp(made[i], name) == 0)
			return true;
	for (size_t i = 0; i < actions->further.count; i++)
		if (strcasecmp(actions->further.list[i], name) == 0)
			return true;
	return false;
}

static void add_attribute(void *context, const char *name)
{
	struct actions *actions = context;
	size_t count = 0;

	if (is_made(actions, name))
		return;
	for (char **a = actions->attributes; a != NULL && *a != NULL; a++, count++)
		if (strcasecmp(*a, name) == 0)
			return;
	actions->attributes = mem_grow(actions->attributes, count + 2, sizeof(char *));
	actions->attributes[count] = mem_strdup(name);
	actions->attributes[count + 1] = NULL;
}

static void collect_part(struct actions *actions, const struct action_part *part)
{
	const char *error;

	if (part->template != NULL) {
		action_template_each_name(part->template, add_attribute, actions);
		return;
	}
	for (size_t i = 1; i < part->words.count; i++) {
		char *text = action_without_stars(part->words.list[i]);

		template_names(text, add_attribute, actions, &error);
		mem_free(&text);
	}
}

/* --- the whole ------------------------------------------------------------------------------ */

static int read_all(
	struct actions *actions, const struct config_actions *settings, const char **error_r)
{
	if (read_further(actions, settings, error_r) != 0)
		return -1;
	for (int a = 0; a < ACTIONS; a++)
		if (read_action(actions, settings, (enum action)a, error_r) != 0)
			return -1;
	for (int a = 0; a < ACTIONS; a++)
		for (size_t i = 0; i < actions->parts[a].count; i++)
			collect_part(actions, &actions->parts[a].list[i]);
	if (actions->attributes == NULL)
		actions->attributes = mem_zalloc(sizeof(char *));
	return 0;
}

int actions_check_pairs(
	const struct actions *actions, const struct config_actions *settings, const char **error_r)
{
	static const enum action pairs[][2] = { { ACTION_REDIRECT, ACTION_UNREDIRECT },
		{ ACTION_CLOSE, ACTION_OPEN }, { ACTION_ADDRESSES, ACTION_UNADDRESS } };
	static _Thread_local char reason[256];

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (!actions_has(actions, pairs[i][0]) || actions_has(actions, pairs[i][1]))
			continue;
		snprintf(reason, sizeof(reason),
			"actions %s.%s: there is no %s, which takes it back; set both",
			settings->name, action_name(pairs[i][0]), action_name(pairs[i][1]));
		*error_r = reason;
		return -1;
	}
	return 0;
}

struct actions *actions_new(const struct config_actions *settings, const char **error_r)
{
	struct actions *actions = mem_zalloc(sizeof(*actions));

	pthread_mutex_init(&actions->lock, NULL);
	own_settings(actions, settings);
	if (read_all(actions, settings, error_r) != 0)
		actions_free(&actions);
	return actions;
}

static void free_parts(struct action_parts *parts)
{
	for (size_t i = 0; i < parts->count; i++) {
		action_template_free(&parts->list[i].template);
		words_free(&parts->list[i].words);
		mem_free(&parts->list[i].text);
	}
	mem_free(&parts->list);
}

void actions_free(struct actions **actions)
{
	struct actions *a = *actions;

	if (a == NULL)
		return;
	for (int i = 0; i < ACTIONS; i++)
		free_parts(&a->parts[i]);
	for (struct idle_session *idle = a->idle, *next; idle != NULL; idle = next) {
		next = idle->next;
		ldap_session_close(&idle->session);
		mem_free(&idle);
	}
	for (char **n = a->attributes; n != NULL && *n != NULL; n++)
		mem_free(n);
	mem_free(&a->attributes);
	words_free(&a->further);
	each_text(&a->settings, free_text);
	pthread_mutex_destroy(&a->lock);
	mem_free(actions);
}

bool actions_has(const struct actions *actions, enum action action)
{
	return actions->parts[action].count > 0;
}

const char *const *actions_attributes(const struct actions *actions)
{
	return (const char *const *)actions->attributes;
}

int64_t actions_limit_us(const struct actions *actions)
{
	return actions->settings.time_limit;
}

int64_t actions_rest_us(const struct actions *actions)
{
	int64_t limit = actions->settings.time_limit, rest = runner_end_us(limit) - limit;

	return actions->settings.timeout > rest ? actions->settings.timeout : rest;
}
