#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "doctor/postfix.h"
#include "lib/mem.h"

static void add_pair(
	struct postfix_pairs *pairs, const char *name, size_t name_len, const char *value)
{
	pairs->items = mem_grow(pairs->items, pairs->count + 1, sizeof(*pairs->items));
	pairs->items[pairs->count].name = mem_strndup(name, name_len);
	pairs->items[pairs->count++].value = mem_strdup(value);
}

static const char *find_pair(const struct postfix_pairs *pairs, const char *name)
{
	for (size_t i = pairs->count; i-- > 0;)
		if (strcmp(pairs->items[i].name, name) == 0)
			return pairs->items[i].value;
	return NULL;
}

/* "name = value" or "name ="; the value, NULL where it is no such line. */
static const char *split_line(const char *line, size_t *name_len_r)
{
	const char *equals = strchr(line, '=');

	if (equals == NULL || equals == line)
		return NULL;
	*name_len_r = (size_t)(equals - line);
	while (*name_len_r > 0 && line[*name_len_r - 1] == ' ')
		--*name_len_r;
	return equals + 1 + strspn(equals + 1, " ");
}

void postfix_parse_main(const char *text, struct postfix *postfix)
{
	struct strings lines = { NULL, 0 };
	size_t len;

	strings_lines(text, &lines);
	for (size_t i = 0; i < lines.count; i++) {
		const char *value = split_line(lines.items[i], &len);

		if (value != NULL)
			add_pair(&postfix->main, lines.items[i], len, value);
	}
	strings_free(&lines);
}

/* --- master.cf ------------------------------------------------------------------------------ */

/* "name/type/field": a name may have slashes. False: it is no such thing. */
struct master_key {
	char *name, *type, *field;
};

static bool split_key(const char *line, size_t len, struct master_key *key_r)
{
	char *copy = mem_strndup(line, len);
	char *field = strrchr(copy, '/');

	if (field != NULL)
		*field++ = '\0';
	char *type = field != NULL ? strrchr(copy, '/') : NULL;
	if (type == NULL) {
		mem_free(&copy);
		return false;
	}
	*type++ = '\0';
	*key_r = (struct master_key){ copy, type, field };
	return true;
}

static struct postfix_service *service_of(struct postfix *postfix, const struct master_key *key)
{
	for (size_t i = 0; i < postfix->service_count; i++)
		if (strcmp(postfix->services[i].name, key->name) == 0 &&
			strcmp(postfix->services[i].type, key->type) == 0)
			return &postfix->services[i];
	postfix->services =
		mem_grow(postfix->services, postfix->service_count + 1, sizeof(*postfix->services));
	struct postfix_service *service = &postfix->services[postfix->service_count++];
	memset(service, 0, sizeof(*service));
	service->name = mem_strdup(key->name);
	service->type = mem_strdup(key->type);
	return service;
}

/* "-" is the default: not chrooted since compatibility level 1. */
static bool is_chrooted(const struct postfix *postfix, const char *value)
{
	if (strcmp(value, "-") == 0)
		return atof(postfix_main_value(postfix, "compatibility_level")) < 1;
	return *value == 'y';
}

static void take_field(struct postfix *postfix, struct postfix_service *service, const char *field,
	const char *value)
{
	if (strcmp(field, "chroot") == 0)
		service->chrooted = is_chrooted(postfix, value);
	else if (strcmp(field, "process_limit") == 0)
		service->processes =
			atoll(strcmp(value, "-") == 0
					? postfix_main_value(postfix, "default_process_limit")
					: value);
	else if (strcmp(field, "command") == 0 && service->command == NULL)
		service->command = mem_strndup(value, strcspn(value, " "));
}

static void parse_master(const char *text, struct postfix *postfix, bool overrides)
{
	struct strings lines = { NULL, 0 };
	struct master_key key;
	size_t len;

	strings_lines(text, &lines);
	for (size_t i = 0; i < lines.count; i++) {
		const char *value = split_line(lines.items[i], &len);

		if (value == NULL || !split_key(lines.items[i], len, &key))
			continue;
		struct postfix_service *service = service_of(postfix, &key);
		if (overrides)
			add_pair(&service->overrides, key.field, strlen(key.field), value);
		else
			take_field(postfix, service, key.field, value);
		mem_free(&key.name);
	}
	strings_free(&lines);
}

void postfix_parse_services(const char *text, struct postfix *postfix)
{
	parse_master(text, postfix, false);
}

void postfix_parse_overrides(const char *text, struct postfix *postfix)
{
	parse_master(text, postfix, true);
}

/* --- looking up ----------------------------------------------------------------------------- */

const char *postfix_main_value(const struct postfix *postfix, const char *name)
{
	const char *value = find_pair(&postfix->main, name);

	return value != NULL ? value : "";
}

const char *postfix_value(
	const struct postfix *postfix, const struct postfix_service *service, const char *name)
{
	const char *value = find_pair(&service->overrides, name);

	return value != NULL ? value : postfix_main_value(postfix, name);
}

bool postfix_lists(const char *list, const char *word)
{
	struct strings words = { NULL, 0 };

	strings_split(list, &words);
	bool found = strings_has(&words, word);
	strings_free(&words);
	return found;
}

const struct postfix_service *postfix_find(
	const struct postfix *postfix, const char *name, const char *type)
{
	for (size_t i = 0; i < postfix->service_count; i++)
		if (strcmp(postfix->services[i].name, name) == 0 &&
			strcmp(postfix->services[i].type, type) == 0)
			return &postfix->services[i];
	return NULL;
}

/* --- an entry of smtpd_milters -------------------------------------------------------------- */

static const char option_name[] = "default_action";

void postfix_milter_parse(const char *entry, struct postfix_milter *milter_r)
{
	size_t len = strlen(entry);
	bool braces = len >= 2 && entry[0] == '{' && entry[len - 1] == '}';
	char *inner = braces ? mem_strndup(entry + 1, len - 2) : mem_strdup(entry);
	struct strings words = { NULL, 0 };

	memset(milter_r, 0, sizeof(*milter_r));
	strings_split(inner, &words);
	milter_r->socket = mem_strdup(words.count > 0 ? words.items[0] : "");
	/* "default_action=accept", or with blanks around the sign */
	const char *option = strstr(inner, option_name);
	if (braces && option != NULL) {
		option += strlen(option_name);
		option += strspn(option, " =");
		milter_r->action = mem_strndup(option, strcspn(option, ", }"));
	}
	strings_free(&words);
	mem_free(&inner);
}

void postfix_milter_free(struct postfix_milter *milter)
{
	mem_free(&milter->socket);
	mem_free(&milter->action);
}

/* --- the end -------------------------------------------------------------------------------- */

static void free_pairs(struct postfix_pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++) {
		mem_free(&pairs->items[i].name);
		mem_free(&pairs->items[i].value);
	}
	mem_free(&pairs->items);
}

static void free_services(struct postfix *p)
{
	for (size_t i = 0; i < p->service_count; i++) {
		mem_free(&p->services[i].name);
		mem_free(&p->services[i].type);
		mem_free(&p->services[i].command);
		free_pairs(&p->services[i].overrides);
	}
	mem_free(&p->services);
}

void postfix_free(struct postfix **postfix)
{
	struct postfix *p = *postfix;

	if (p == NULL)
		return;
	free_pairs(&p->main);
	free_services(p);
	for (size_t i = 0; i < p->domain_count; i++) {
		mem_free(&p->domains[i].name);
		mem_free(&p->domains[i].transport);
	}
	mem_free(&p->domains);
	for (size_t i = 0; i < p->overlap_count; i++) {
		mem_free(&p->overlaps[i].table);
		strings_free(&p->overlaps[i].keys);
	}
	mem_free(&p->overlaps);
	strings_free(&p->stale);
	strings_free(&p->unread);
	identity_free(&p->owner);
	path_facts_free(&p->socket);
	mem_free(postfix);
}
