#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "doctor/postfix_tools.h"
#include "lib/mem.h"

static bool is_table(const char *word)
{
	const char *colon = strchr(word, ':');

	return colon != NULL && colon != word && *word != '/' && *word != '[';
}

void postfix_ask_table(const struct postfix_tools *tools, struct postfix *postfix,
	const char *table, const char *keys, struct str *found_r)
{
	const char *const arguments[] = { "-q", "-", table, NULL };
	struct str error = STR_INIT;
	int status = postfix_tool(tools, "postmap", arguments, keys, found_r, &error);

	/* 1: nothing found; about settings that it does not like it warns */
	if (status != 0 && (status != 1 || strstr(str_cstr(&error), "fatal: ") != NULL)) {
		char *line = mem_printf("%s: %s", table, str_cstr(&error));

		if (!strings_has(&postfix->unread, line))
			strings_add(&postfix->unread, line);
		mem_free(&line);
		str_reset(found_r);
	}
	str_free(&error);
}

/* --- lists of domains ----------------------------------------------------------------------- */

static bool file_has(const char *path, const char *domain)
{
	FILE *file = fopen(path, "re");
	char line[1024];
	bool found = false;

	while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
		struct strings words = { NULL, 0 };

		line[strcspn(line, "#")] = '\0';
		strings_split(line, &words);
		found = strings_has(&words, domain);
		strings_free(&words);
	}
	if (file != NULL)
		fclose(file);
	return found;
}

static bool word_has(const struct postfix_tools *tools, struct postfix *postfix, const char *word,
	const char *domain)
{
	struct str found = STR_INIT;

	if (*word == '/')
		return file_has(word, domain);
	if (!is_table(word))
		return strcasecmp(word, domain) == 0;
	postfix_ask_table(tools, postfix, word, domain, &found);
	bool has = found.len > 0;
	str_free(&found);
	return has;
}

/* The first word that fits decides; "!name" says no. */
static bool list_has(const struct postfix_tools *tools, struct postfix *postfix,
	const char *parameter, const char *domain)
{
	struct strings words = { NULL, 0 };
	bool found = false, no = false;

	strings_split(postfix_main_value(postfix, parameter), &words);
	for (size_t i = 0; i < words.count && !found; i++) {
		no = words.items[i][0] == '!';
		found = word_has(tools, postfix, words.items[i] + no, domain);
	}
	strings_free(&words);
	return found && !no;
}

/* --- routes --------------------------------------------------------------------------------- */

/* The value of "key TAB value" in what a table said; the caller's, NULL where there is none. */
static char *value_of(const char *found, const char *key)
{
	struct strings lines = { NULL, 0 };
	size_t len = strlen(key);
	char *value = NULL;

	strings_lines(found, &lines);
	for (size_t i = 0; i < lines.count && value == NULL; i++)
		if (strncasecmp(lines.items[i], key, len) == 0 && lines.items[i][len] == '\t')
			value = mem_strdup(lines.items[i] + len + 1);
	strings_free(&lines);
	return value;
}

static void add_new(struct strings *list, const char *text)
{
	if (!strings_has(list, text))
		strings_add(list, text);
}

/* In the order in which Postfix asks: the domain, what it is below, all. */
static void route_keys(const char *domain, struct strings *keys)
{
	add_new(keys, domain);
	for (const char *dot = strchr(domain, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
		add_new(keys, dot);
	add_new(keys, "*");
}

/* What each table of transport_maps has for all names that are asked about, in one go. */
struct routes {
	struct strings found; /* one text per table */
};

static void ask_routes(const struct postfix_tools *tools, struct postfix *postfix,
	const struct strings *names, struct routes *routes)
{
	struct strings tables = { NULL, 0 }, keys = { NULL, 0 };
	struct str input = STR_INIT, found = STR_INIT;

	for (size_t i = 0; i < names->count; i++)
		route_keys(names->items[i], &keys);
	for (size_t i = 0; i < keys.count; i++)
		str_printf(&input, "%s\n", keys.items[i]);
	strings_split(postfix_main_value(postfix, "transport_maps"), &tables);
	for (size_t i = 0; i < tables.count; i++) {
		postfix_ask_table(tools, postfix, tables.items[i], str_cstr(&input), &found);
		strings_add(&routes->found, str_cstr(&found));
		str_reset(&found);
	}
	strings_free(&tables);
	strings_free(&keys);
	str_free(&input);
	str_free(&found);
}

static char *route_of(
	const struct routes *routes, const struct postfix *postfix, const char *domain)
{
	struct strings keys = { NULL, 0 };
	char *route = NULL;

	route_keys(domain, &keys);
	for (size_t k = 0; k < keys.count && route == NULL; k++)
		for (size_t t = 0; t < routes->found.count && route == NULL; t++)
			route = value_of(routes->found.items[t], keys.items[k]);
	strings_free(&keys);
	return route != NULL ? route : mem_strdup(postfix_main_value(postfix, "relay_transport"));
}

static void ask_domain(const struct postfix_tools *tools, struct postfix *postfix,
	const struct routes *routes, const char *name)
{
	struct postfix_domain domain = { .name = mem_strdup(name) };

	domain.destination = list_has(tools, postfix, "mydestination", name);
	domain.relay = list_has(tools, postfix, "relay_domains", name);
	domain.alias = list_has(tools, postfix, "virtual_alias_domains", name);
	domain.mailbox = list_has(tools, postfix, "virtual_mailbox_domains", name);
	domain.transport = route_of(routes, postfix, name);
	postfix->domains =
		mem_grow(postfix->domains, postfix->domain_count + 1, sizeof(*postfix->domains));
	postfix->domains[postfix->domain_count++] = domain;
}

/* Names in relay_domains that the directory does not know. */
static void find_unknown(
	const struct federation *federation, const struct postfix *postfix, struct strings *unknown)
{
	struct strings words = { NULL, 0 };

	strings_split(postfix_main_value(postfix, "relay_domains"), &words);
	for (size_t i = 0; i < words.count; i++) {
		const char *name = words.items[i];

		if (!is_table(name) && *name != '/' && *name != '!' &&
			!federation_serves(federation, name))
			strings_add(unknown, name);
	}
	strings_free(&words);
}

/* Those of them that go where federated domains go. */
static void find_stale(
	const struct strings *unknown, const struct routes *routes, struct postfix *postfix)
{
	for (size_t i = 0; i < unknown->count; i++) {
		char *route = route_of(routes, postfix, unknown->items[i]);
		bool stale = false;

		for (size_t k = 0; *route != '\0' && k < postfix->domain_count; k++)
			stale = stale || strcmp(route, postfix->domains[k].transport) == 0;
		if (stale)
			strings_add(&postfix->stale, unknown->items[i]);
		mem_free(&route);
	}
}

void postfix_ask_domains(
	const struct facts *facts, const struct postfix_tools *tools, struct postfix *postfix)
{
	const struct federation *federation = facts->directory.federation;
	struct strings names = { NULL, 0 }, unknown = { NULL, 0 };
	struct routes routes = { { NULL, 0 } };

	if (federation == NULL)
		return;
	find_unknown(federation, postfix, &unknown);
	for (size_t i = 0; i < federation->domain_count; i++)
		strings_add(&names, federation->domains[i]);
	for (size_t i = 0; i < unknown.count; i++)
		strings_add(&names, unknown.items[i]);
	ask_routes(tools, postfix, &names, &routes);
	for (size_t i = 0; i < federation->domain_count; i++)
		ask_domain(tools, postfix, &routes, federation->domains[i]);
	find_stale(&unknown, &routes, postfix);
	strings_free(&names);
	strings_free(&unknown);
	strings_free(&routes.found);
}
