/* The attributes that the settings map. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "dirsync/mapping_internal.h"
#include "dirsync/reconcile_internal.h"
#include "lib/mem.h"

static _Thread_local char fault[256];

/* What reconciling itself writes, or never may. */
static bool is_reserved(const char *name)
{
	static const char *const names[] = { "objectclass", "mail", "maillocaladdress",
		"mailroutingaddress" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return strncmp(name, "restante", 8) == 0;
}

/* As the mapping has it in persons, and the directory in its answers. */
static char *name_of(const char *text, size_t len)
{
	char *word = mem_strndup(text, len), *name = mem_strdup(template_canonical_name(word));

	for (char *p = name; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p |= 0x20;
	mem_free(&word);
	return name;
}

static int refuse(const struct config_up *settings, const char *key, const char *word, size_t len,
	const char *why, const char **error_r)
{
	snprintf(fault, sizeof fault, "up %s.%s: %.*s: %s", settings->name, key,
		(int)(len < 100 ? len : 100), word, why);
	*error_r = fault;
	return -1;
}

static bool listed(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->list[i], name) == 0)
			return true;
	return false;
}

static void free_names(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		mem_free(&names->list[i]);
}

/* "DIRECTORY=SOURCE ..."; names that are in `but` are left out. */
static int parse(const struct config_up *settings, const char *key, const char *text,
	const struct names *but, struct names *names, const char **error_r)
{
	static const char blank[] = " \t\r\n";
	size_t len;

	for (text += strspn(text, blank); *text != '\0'; text += strspn(text, blank)) {
		const char *word = text, *equals;
		char *name;

		len = strcspn(word, blank);
		text += len;
		equals = memchr(word, '=', len);
		if (equals == NULL || equals == word)
			return refuse(settings, key, word, len, "write DIRECTORY=SOURCE", error_r);
		if (names->count == GUARD_ATTRIBUTES_MAX)
			return refuse(
				settings, key, word, len, "more than 64; leave it out", error_r);
		name = name_of(word, (size_t)(equals - word));
		if (is_reserved(name)) {
			mem_free(&name);
			return refuse(settings, key, word, len,
				"the sync itself writes that attribute; leave it out", error_r);
		}
		if (listed(names, name) || (but != NULL && listed(but, name)))
			mem_free(&name);
		else
			names->list[names->count++] = name;
	}
	return 0;
}

struct reconcile_policy *reconcile_policy_new(
	const struct config_up *settings, const char **error_r)
{
	struct reconcile_policy *policy = mem_zalloc(sizeof *policy);

	policy->object_class = mem_strdup(settings->object_class);
	if (parse(settings, "attributes", settings->attributes, NULL, &policy->decided, error_r) <
			0 ||
		parse(settings, "attributes_once", settings->attributes_once, &policy->decided,
			&policy->once, error_r) < 0)
		reconcile_policy_free(&policy);
	return policy;
}

void reconcile_policy_free(struct reconcile_policy **policy)
{
	struct reconcile_policy *p = *policy;

	if (p == NULL)
		return;
	free_names(&p->decided);
	free_names(&p->once);
	mem_free(&p->object_class);
	mem_free(policy);
}

static bool maps(const struct names *names, const char *attribute)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcasecmp(names->list[i], attribute) == 0)
			return true;
	return false;
}

bool policy_maps(const struct reconcile_policy *policy, const char *attribute)
{
	return maps(&policy->decided, attribute) || maps(&policy->once, attribute);
}

void reconcile_tally_init(const struct reconcile_policy *policy, struct guard_tally *tally_r)
{
	*tally_r = (struct guard_tally){ .lost_count = policy->decided.count + 1 };
	for (size_t i = 0; i < policy->decided.count; i++)
		tally_r->lost[i].name = policy->decided.list[i];
	tally_r->lost[policy->decided.count].name = GUARD_FOREIGN;
}
