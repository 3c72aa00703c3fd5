#define _GNU_SOURCE
#include "doctor/sendmail.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/mem.h"

/* --- pieces of a line ----------------------------------------------------------------------- */

/* The value of "Key=value" in "a, Key=value, b": up to the next comma; NULL where there is none. */
static char *equate(const char *line, const char *key)
{
	size_t len = strlen(key);

	for (const char *at = line; (at = strcasestr(at, key)) != NULL; at += len) {
		bool begins = at == line || strchr(", \t", at[-1]) != NULL;

		if (!begins || at[len] != '=')
			continue;
		const char *value = at + len + 1;
		size_t size = strcspn(value, ",");
		while (size > 0 && strchr(" \t", value[size - 1]) != NULL)
			size--;
		return mem_strndup(value, size);
	}
	return NULL;
}

static char *first_word(const char *text)
{
	return mem_strndup(text, strcspn(text, ", \t"));
}

/* As the key stands alone in sendmail.cf: "name=value" of an option line. */
static const char *option_value(const char *line, const char *name)
{
	size_t len = strlen(name);

	line += strspn(line, " ");
	return strncasecmp(line, name, len) == 0 && line[len] == '=' ? line + len + 1 : NULL;
}

/* --- lines ---------------------------------------------------------------------------------- */

static void take_filter(const char *line, struct sendmail *s)
{
	s->known = mem_grow(s->known, s->known_count + 1, sizeof(*s->known));
	s->known[s->known_count++] =
		(struct sendmail_filter){ first_word(line), equate(line, "S"), equate(line, "F") };
}

static void take_mailer(const char *line, struct sendmail *s)
{
	s->mailers = mem_grow(s->mailers, s->mailer_count + 1, sizeof(*s->mailers));
	s->mailers[s->mailer_count++] =
		(struct sendmail_mailer){ first_word(line), equate(line, "F"), equate(line, "A") };
}

static char *either(char *value, char *other)
{
	if (value == NULL)
		return other;
	mem_free(&other);
	return value;
}

static void take_daemon(const char *line, struct sendmail *s)
{
	s->daemons = mem_grow(s->daemons, s->daemon_count + 1, sizeof(*s->daemons));
	s->daemons[s->daemon_count++] =
		(struct sendmail_daemon){ either(equate(line, "Name"), equate(line, "N")),
			either(equate(line, "Addr"), equate(line, "A")),
			either(equate(line, "Port"), equate(line, "P")),
			either(equate(line, "Modifiers"), equate(line, "M")),
			either(equate(line, "InputMailFilters"), equate(line, "I")) };
}

static void take_option(const char *line, struct sendmail *s)
{
	const char *value;

	if ((value = option_value(line, "InputMailFilters")) != NULL)
		strings_split(value, &s->filters);
	else if ((value = option_value(line, "DaemonPortOptions")) != NULL)
		take_daemon(value, s);
	else if ((value = option_value(line, "AliasFile")) != NULL)
		strings_split(value, &s->aliases);
	else if ((value = option_value(line, "MaxDaemonChildren")) != NULL)
		s->max_children = atoll(value);
	else if ((value = option_value(line, "MaxMessageSize")) != NULL)
		s->message_size = atoll(value);
	else if ((value = option_value(line, "MaxQueueRunSize")) != NULL)
		s->queue_run = atoll(value);
	else if ((value = option_value(line, "SuperSafe")) != NULL) {
		mem_free(&s->super_safe);
		s->super_safe = mem_strdup(value);
	}
}

static struct sendmail_class *class_of(struct sendmail *s, const char *name, size_t len)
{
	for (size_t i = 0; i < s->class_count; i++)
		if (strlen(s->classes[i].name) == len &&
			strncmp(s->classes[i].name, name, len) == 0)
			return &s->classes[i];
	s->classes = mem_grow(s->classes, s->class_count + 1, sizeof(*s->classes));
	struct sendmail_class *class = &s->classes[s->class_count++];
	memset(class, 0, sizeof(*class));
	class->name = mem_strndup(name, len);
	return class;
}

/* "w..." or "{Name}...": the class, and what stands behind its name. */
static struct sendmail_class *split_class(struct sendmail *s, const char *line, const char **rest_r)
{
	const char *close = *line == '{' ? strchr(line, '}') : NULL;

	if (*line == '\0')
		return NULL;
	*rest_r = close != NULL ? close + 1 : line + 1;
	return close != NULL ? class_of(s, line + 1, (size_t)(close - line - 1))
			     : class_of(s, line, 1);
}

static void take_words(const char *line, struct sendmail *s)
{
	const char *rest;
	struct sendmail_class *class = split_class(s, line, &rest);

	if (class != NULL)
		strings_split(rest, &class->words);
}

/* "Fw-o /etc/mail/local-host-names %[^\#]": the path alone. */
static void take_file(const char *line, struct sendmail *s)
{
	const char *rest;
	struct sendmail_class *class = split_class(s, line, &rest);
	const char *path = class != NULL ? strchr(rest, '/') : NULL;

	if (path != NULL)
		strings_add_len(&class->files, path, strcspn(path, " \t"));
}

static void take_map(const char *line, struct sendmail *s)
{
	static const char virtual[] = "virtuser ", access[] = "access ";

	if (strncmp(line, virtual, sizeof(virtual) - 1) == 0)
		strings_add(&s->tables, line + sizeof(virtual) - 1);
	if (s->access == NULL && strncmp(line, access, sizeof(access) - 1) == 0)
		s->access = mem_strdup(line + sizeof(access) - 1);
}

/* The rulesets that a feature brings. */
static void take_ruleset(const char *line, struct sendmail *s)
{
	s->greet_pause = s->greet_pause || strcmp(line, "greet_pause") == 0;
	s->rate_control = s->rate_control || strcmp(line, "RateControl") == 0;
	s->connection_control = s->connection_control || strcmp(line, "ConnControl") == 0;
}

static void take_line(const char *line, struct sendmail *s)
{
	switch (*line) {
	case 'X': take_filter(line + 1, s); break;
	case 'M': take_mailer(line + 1, s); break;
	case 'O': take_option(line + 1, s); break;
	case 'C': take_words(line + 1, s); break;
	case 'F': take_file(line + 1, s); break;
	case 'K': take_map(line + 1, s); break;
	case 'S': take_ruleset(line + 1, s); break;
	case 'R': s->routed = s->routed || strstr(line, "$#" SENDMAIL_REENTRY) != NULL; break;
	default: break;
	}
}

void sendmail_parse(const char *text, struct sendmail *sendmail)
{
	struct strings lines = { NULL, 0 };
	struct str line = STR_INIT;

	strings_lines(text, &lines);
	for (size_t i = 0; i < lines.count; i++) {
		const char *next = lines.items[i];

		if (*next == ' ' || *next == '\t') {
			str_append_c(&line, ' ');
			str_append_z(&line, next + strspn(next, " \t"));
			continue;
		}
		take_line(str_cstr(&line), sendmail);
		str_reset(&line);
		str_append_z(&line, next);
	}
	take_line(str_cstr(&line), sendmail);
	str_free(&line);
	strings_free(&lines);
}

/* --- looking up ----------------------------------------------------------------------------- */

const struct sendmail_class *sendmail_class_find(const struct sendmail *sendmail, const char *name)
{
	for (size_t i = 0; i < sendmail->class_count; i++)
		if (strcmp(sendmail->classes[i].name, name) == 0)
			return &sendmail->classes[i];
	return NULL;
}

const struct sendmail_mailer *sendmail_mailer_find(
	const struct sendmail *sendmail, const char *name)
{
	for (size_t i = 0; i < sendmail->mailer_count; i++)
		if (strcasecmp(sendmail->mailers[i].name, name) == 0)
			return &sendmail->mailers[i];
	return NULL;
}

bool sendmail_class_has(const struct sendmail *sendmail, const char *name, const char *word)
{
	const struct sendmail_class *class = sendmail_class_find(sendmail, name);

	return class != NULL && strings_has(&class->words, word);
}

void sendmail_chain(const struct sendmail *sendmail, const struct sendmail_daemon *daemon,
	struct strings *names_r)
{
	struct str text = STR_INIT;

	if (daemon == NULL || daemon->filters == NULL) {
		for (size_t i = 0; i < sendmail->filters.count; i++)
			strings_add(names_r, sendmail->filters.items[i]);
		return;
	}
	/* here they are separated by ";" since a comma ends the value */
	for (const char *p = daemon->filters; *p != '\0'; p++)
		str_append_c(&text, (char)(*p == ';' ? ',' : *p));
	strings_split(str_cstr(&text), names_r);
	str_free(&text);
}

/* --- the end -------------------------------------------------------------------------------- */

static void free_named(struct sendmail *s)
{
	for (size_t i = 0; i < s->known_count; i++) {
		mem_free(&s->known[i].name);
		mem_free(&s->known[i].socket);
		mem_free(&s->known[i].flags);
	}
	for (size_t i = 0; i < s->mailer_count; i++) {
		mem_free(&s->mailers[i].name);
		mem_free(&s->mailers[i].flags);
		mem_free(&s->mailers[i].arguments);
	}
	for (size_t i = 0; i < s->daemon_count; i++) {
		mem_free(&s->daemons[i].name);
		mem_free(&s->daemons[i].address);
		mem_free(&s->daemons[i].port);
		mem_free(&s->daemons[i].modifiers);
		mem_free(&s->daemons[i].filters);
	}
	for (size_t i = 0; i < s->class_count; i++) {
		mem_free(&s->classes[i].name);
		strings_free(&s->classes[i].words);
		strings_free(&s->classes[i].files);
	}
	mem_free(&s->known);
	mem_free(&s->mailers);
	mem_free(&s->daemons);
	mem_free(&s->classes);
}

void sendmail_free(struct sendmail **sendmail)
{
	struct sendmail *s = *sendmail;

	if (s == NULL)
		return;
	free_named(s);
	strings_free(&s->filters);
	strings_free(&s->aliases);
	strings_free(&s->tables);
	strings_free(&s->overlaps);
	strings_free(&s->table_overlaps);
	strings_free(&s->unread);
	strings_free(&s->unspared);
	mem_free(&s->super_safe);
	mem_free(&s->access);
	path_facts_free(&s->socket);
	mem_free(sendmail);
}
