#include "dirsync/contact.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "dirsync/guard.h"
#include "lib/mem.h"

/* ATTRIBUTE=TEMPLATE. */
struct item {
	char *name;  /* as it was spelled */
	char *lower; /* the same in lower case */
	char *template;
	char *list; /* the name that had the star, NULL = none; the star is out of the template */
};

struct contact_form {
	struct item *items;
	size_t count;
	char **names, **sources, **guarded; /* NULL-terminated */
	size_t name_count, source_count, guarded_count;
};

static _Thread_local char form_error[512];

/* What contact_source_read makes itself. */
static const char *const made[] = { "id", "primary", "addresses", "others", "foreign", "physical",
	NULL };

/* What it makes them of. */
static const char *const needed[] = { "entryUUID", "restanteSystem", "restanteVanishedSince",
	"mailLocalAddress", "restanteAddressUTF8", "restanteForeignAddress", "mailRoutingAddress",
	"mail", NULL };

/* --- the form ------------------------------------------------------------------------------- */

static bool in_list(const char *const *list, const char *name)
{
	for (; *list != NULL; list++)
		if (strcasecmp(*list, name) == 0)
			return true;
	return false;
}

static void add_once(char ***list, size_t *count, const char *name)
{
	if (*list != NULL && in_list((const char *const *)*list, name))
		return;
	*list = mem_grow(*list, *count + 2, sizeof(**list));
	(*list)[(*count)++] = mem_strdup(name);
	(*list)[*count] = NULL;
}

static int bad(const struct config_down *settings, const char *text, const char *what,
	const char **error_r)
{
	snprintf(form_error, sizeof(form_error), "down %s.attributes: \"%.200s\": %s",
		settings->name, text, what);
	*error_r = form_error;
	return -1;
}

static void need_name(void *context, const char *name)
{
	struct contact_form *form = context;

	if (!in_list(made, name))
		add_once(&form->sources, &form->source_count, name);
}

/* Takes the star out of "%{name*}", and notes the name. */
static int take_star(struct item *item, const char **why_r)
{
	char *star, *begin;

	while ((star = strchr(item->template, '*')) != NULL) {
		begin = star;
		while (begin > item->template && strchr("{|", begin[-1]) == NULL)
			begin--;
		if (begin == item->template || begin == star || strchr("|:}", star[1]) == NULL ||
			star[1] == '\0') {
			*why_r = "it has a star that does not follow a name: %{name*}";
			return -1;
		}
		if (item->list != NULL) {
			*why_r = "it has two stars: one name of a template may have many values";
			return -1;
		}
		item->list = mem_strndup(begin, (size_t)(star - begin));
		memmove(star, star + 1, strlen(star));
	}
	return 0;
}

static int add_item(struct contact_form *form, const struct config_down *settings, char *text,
	const char **error_r)
{
	char *equals = strchr(text, '=');
	const char *why = "it is no ATTRIBUTE=TEMPLATE";
	struct item *item;

	if (equals == NULL || equals == text || equals[1] == '\0')
		return bad(settings, text, why, error_r);
	form->items = mem_grow(form->items, form->count + 1, sizeof(*form->items));
	item = &form->items[form->count++];
	*item = (struct item){ .name = mem_strndup(text, (size_t)(equals - text)),
		.template = mem_strdup(equals + 1) };
	item->lower = mem_strdup(item->name);
	for (char *c = item->lower; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	if (take_star(item, &why) < 0 || template_names(item->template, need_name, form, &why) < 0)
		return bad(settings, text, why, error_r);
	add_once(&form->names, &form->name_count, item->name);
	return 0;
}

/* The next word of *at_r; what stands in double quotes may have blanks. NULL: there is none. */
static char *next_word(const char **at_r)
{
	const char *at = *at_r + strspn(*at_r, " \t\r\n");
	struct str word = STR_INIT;
	bool quoted = false;

	if (*at == '\0')
		return NULL;
	for (; *at != '\0' && (quoted || strchr(" \t\r\n", *at) == NULL); at++)
		if (*at == '"')
			quoted = !quoted;
		else
			str_append_c(&word, *at);
	*at_r = at;
	return str_steal(&word);
}

static void list_guarded(struct contact_form *form)
{
	for (size_t i = 0; i < form->name_count && i + 1 < CONTACT_GUARDED_MAX; i++)
		add_once(&form->guarded, &form->guarded_count, form->names[i]);
	add_once(&form->guarded, &form->guarded_count, GUARD_FOREIGN);
}

struct contact_form *contact_form_new(const struct config_down *settings, const char **error_r)
{
	struct contact_form *form = mem_zalloc(sizeof(*form));
	const char *at = settings->attributes;
	int result = 0;
	char *word;

	for (const char *const *n = needed; *n != NULL; n++)
		add_once(&form->sources, &form->source_count, *n);
	while (result == 0 && (word = next_word(&at)) != NULL) {
		result = add_item(form, settings, word, error_r);
		mem_free(&word);
	}
	if (result == 0 && form->count == 0)
		result = bad(settings, "",
			"is empty: contacts need ATTRIBUTE=TEMPLATE, such as "
			"mail=%{primary}",
			error_r);
	list_guarded(form);
	if (result < 0)
		contact_form_free(&form);
	return form;
}

static void free_list(char **list)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		mem_free(&list[i]);
}

void contact_form_free(struct contact_form **form)
{
	struct contact_form *f = *form;

	if (f == NULL)
		return;
	for (size_t i = 0; i < f->count; i++) {
		mem_free(&f->items[i].name);
		mem_free(&f->items[i].lower);
		mem_free(&f->items[i].template);
		mem_free(&f->items[i].list);
	}
	mem_free(&f->items);
	free_list(f->names);
	mem_free(&f->names);
	free_list(f->sources);
	mem_free(&f->sources);
	free_list(f->guarded);
	mem_free(&f->guarded);
	mem_free(form);
}

const char *const *contact_form_names(const struct contact_form *form)
{
	return (const char *const *)form->names;
}

const char *const *contact_form_sources(const struct contact_form *form)
{
	return (const char *const *)form->sources;
}

const char *const *contact_form_guarded(const struct contact_form *form)
{
	return (const char *const *)form->guarded;
}

static uint64_t guarded_bit(const struct contact_form *form, const char *name, size_t len)
{
	for (size_t i = 0; i < form->guarded_count; i++)
		if (strncasecmp(form->guarded[i], name, len) == 0 && form->guarded[i][len] == '\0')
			return (uint64_t)1 << i;
	return 0;
}

uint64_t contact_has(const struct contact_form *form, const struct person *contact)
{
	const uint64_t foreign = guarded_bit(form, GUARD_FOREIGN, strlen(GUARD_FOREIGN));
	uint64_t has = 0;

	for (const char *t = strings_first(&contact->attributes); t != NULL;
		t = strings_next(&contact->attributes, t)) {
		const char *value = strchr(t, '=') + 1;

		has |= guarded_bit(form, t, (size_t)(value - 1 - t));
		if (strncasecmp(value, "X500:", 5) == 0 || strncasecmp(value, "X400:", 5) == 0)
			has |= foreign;
	}
	return has;
}

/* --- rendering ------------------------------------------------------------------------------ */

/* Whether the contact has the value already, but for the case of its letters. */
static bool has_value(const struct person *contact, const char *name, const char *value)
{
	for (const char *v = contact_first(contact, name); v != NULL;
		v = contact_next(contact, name, v))
		if (strcasecmp(v, value) == 0)
			return true;
	return false;
}

static void render_value(const struct item *item, const struct template_value *values, size_t count,
	struct person *contact, struct str *text)
{
	const char *error;

	str_reset(text);
	if (template_fill(item->template, values, count, text, &error) < 0 || text->len == 0)
		return;
	if (!has_value(contact, item->lower, str_cstr(text)))
		person_add_attribute(contact, item->lower, str_cstr(text), &error);
}

/* values[0] is free: there the one value of the list comes that a template shall see. */
static void render_item(const struct item *item, struct template_value *values, size_t count,
	struct person *contact, struct str *text)
{
	if (item->list == NULL) {
		render_value(item, values + 1, count, contact, text);
		return;
	}
	for (size_t i = 1; i <= count; i++)
		if (strcasecmp(values[i].name, item->list) == 0) {
			values[0] = values[i];
			render_value(item, values, count + 1, contact, text);
		}
}

void contact_render(const struct contact_form *form, const struct contact_source *source,
	struct person *contact_r)
{
	struct str text = STR_INIT;

	person_reset(contact_r);
	str_append(&contact_r->id, source->id.data, source->id.len);
	for (size_t i = 0; i < form->count; i++)
		render_item(&form->items[i], source->values, source->count, contact_r, &text);
	str_free(&text);
}

const char *contact_first(const struct person *contact, const char *name)
{
	size_t len = strlen(name);

	for (const char *t = strings_first(&contact->attributes); t != NULL;
		t = strings_next(&contact->attributes, t))
		if (strncasecmp(t, name, len) == 0 && t[len] == '=')
			return t + len + 1;
	return NULL;
}

const char *contact_next(const struct person *contact, const char *name, const char *value)
{
	size_t len = strlen(name);
	const char *t = strings_next(&contact->attributes, value);

	return t != NULL && strncasecmp(t, name, len) == 0 && t[len] == '=' ? t + len + 1 : NULL;
}

bool contact_address(const char *text, struct address *address_r)
{
	const char *error, *colon = strchr(text, ':');

	if (colon != NULL && strcspn(text, "@\"") > (size_t)(colon - text)) {
		if (strncasecmp(text, "smtp:", 5) != 0)
			return false; /* X500:, SIP: ... */
		text = colon + 1;
	}
	return address_parse(text, address_r, &error) == 0 && address_r->has_domain &&
	       address_r->local_len > 0;
}
