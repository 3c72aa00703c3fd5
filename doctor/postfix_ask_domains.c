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

	/* 1 without a word: nothing found */
	if (status != 0 && (status != 1 || error.len > 0)) {
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

/* In the order in which Postfix asks: the domain, what it is below, all. */
static void route_keys(const char *domain, struct strings *keys)
{
	strings_add(keys, domain);
	for (const char *dot = strchr(domain, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
		strings_add(keys, dot);
	strings_add(keys, "*");
}

static char *look_up_route(
	const struct postfix_tools *tools, struct postfix *postfix, const char *domain)
{
	struct strings tables = { NULL, 0 }, keys = { NULL, 0 };
	struct str found = STR_INIT;
	char *route = NULL;

	strings_split(postfix_main_value(postfix, "transport_maps"), &tables);
	route_keys(domain, &keys);
	for (size_t k = 0; k < keys.count && route == NULL; k++)
		for (size_t t = 0; t < tables.count && route == NULL; t++) {
			postfix_ask_table(tools, postfix, tables.items[t], keys.items[k], &found);
			route = value_of(str_cstr(&found), keys.items[k]);
			str_reset(&found);
		}
	str_free(&found);
	strings_free(&tables);
	strings_free(&keys);
	return route;
}

static char *route_of(
	const struct postfix_tools *tools, struct postfix *postfix, const char *domain)
{
	char *route = look_up_route(tools, postfix, domain);

	return route != NULL ? route : mem_strdup(postfix_main_value(postfix, "relay_transport"));
}

static void ask_domain(const struct postfix_tools *tools, struct postfix *postfix, const char *name)
{
	struct postfix_domain domain = { .name = mem_strdup(name) };

	domain.destination = list_has(tools, postfix, "mydestination", name);
	domain.relay = list_has(tools, postfix, "relay_domains", name);
	domain.alias = list_has(tools, postfix, "virtual_alias_domains", name);
	domain.mailbox = list_has(tools, postfix, "virtual_mailbox_domains", name);
	domain.transport = route_of(tools, postfix, name);
	postfix->domains =
		mem_grow(postfix->domains, postfix->domain_count + 1, sizeof(*postfix->domains));
	postfix->domains[postfix->domain_count++] = domain;
}

/* Names in relay_domains that go where federated domains go. */
static void find_stale(const struct federation *federation, const struct postfix_tools *tools,
	struct postfix *postfix)
{
	struct strings words = { NULL, 0 };

	strings_split(postfix_main_value(postfix, "relay_domains"), &words);
	for (size_t i = 0; i < words.count; i++) {
		const char *name = words.items[i];

		if (is_table(name) || *name == '/' || *name == '!' ||
			federation_serves(federation, name))
			continue;
		char *route = route_of(tools, postfix, name);
		for (size_t k = 0; k < postfix->domain_count; k++)
			if (*route != '\0' && strcmp(route, postfix->domains[k].transport) == 0) {
				strings_add(&postfix->stale, name);
				break;
			}
		mem_free(&route);
	}
	strings_free(&words);
}

void postfix_ask_domains(
	const struct facts *facts, const struct postfix_tools *tools, struct postfix *postfix)
{
	const struct federation *federation = facts->directory.federation;

	if (federation == NULL)
		return;
	for (size_t i = 0; i < federation->domain_count; i++)
		ask_domain(tools, postfix, federation->domains[i]);
	find_stale(federation, tools, postfix);
}
