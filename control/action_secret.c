/* Attributes that open a door: where templates and commands may not have them. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "control/action_internal.h"
#include "lib/mem.h"

bool action_is_secret(const char *name)
{
	static const char *const parts[] = { "password", "passwd", "pwd", "secret", "credential" };
	static const char *const whole[] = { "krbPrincipalKey", "krbMKey", "ipaNTHash",
		"ipaNTSecurityKey", "userPKCS12", "2.5.4.35" };
	const char *dot = strrchr(name, '.');
	char base[TEMPLATE_NAME_MAX];

	/* behind the name of a find: %{account.userPassword} */
	if (dot != NULL && strspn(name, "0123456789.") < strlen(name))
		name = dot + 1;
	snprintf(base, sizeof(base), "%.*s", (int)strcspn(name, ";"), name);
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		if (strcasecmp(base, whole[i]) == 0)
			return true;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strcasestr(base, parts[i]) != NULL)
			return true;
	return false;
}

struct looking {
	const struct actions *actions;
	char *name;
};

/* What the settings say themselves, "password_file" for instance, is the administrator's. */
static bool is_setting(const struct actions *actions, const char *name)
{
	for (size_t i = 0; i < actions->further.count; i++)
		if (strcasecmp(actions->further.list[i], name) == 0)
			return true;
	return false;
}

static void look(void *context, const char *name)
{
	const struct looking *looking = context;

	if (looking->name[0] == '\0' && action_is_secret(name) &&
		!is_setting(looking->actions, name))
		snprintf(looking->name, TEMPLATE_NAME_MAX, "%s", name);
}

bool action_names_secret(const struct actions *actions, const char *text, char *name_r)
{
	struct looking looking = { actions, name_r };
	char *plain = action_without_stars(text);
	const char *error;

	name_r[0] = '\0';
	template_names(plain, look, &looking, &error);
	mem_free(&plain);
	return name_r[0] != '\0';
}

/* --- templates ------------------------------------------------------------------------------ */

static int judge(const struct actions *actions, const struct action_template *t,
	const struct action_line *line, const char **error_r)
{
	char name[TEMPLATE_NAME_MAX];

	if (line->text == NULL || line->bytes || !action_names_secret(actions, line->text, name))
		return 0;
	return action_template_fail(t, line->line, error_r,
		"%%{%s} is a secret: it may be written as a value of a record, and stand nowhere "
		"else",
		name);
}

static int judge_search(const struct actions *actions, const struct action_template *t,
	const struct action_search *search, const char **error_r)
{
	const struct action_line *const lines[] = { &search->base, &search->filter, &search->text,
		&search->physical, &search->source_id };
	int result = 0;

	for (size_t i = 0; result == 0 && i < sizeof(lines) / sizeof(lines[0]); i++)
		result = judge(actions, t, lines[i], error_r);
	for (size_t i = 0; result == 0 && i < search->addresses.count; i++)
		result = judge(actions, t, &search->addresses.list[i], error_r);
	return result;
}

int action_template_judge_secrets(
	const struct actions *actions, const struct action_template *template, const char **error_r)
{
	int result = 0;

	for (size_t i = 0; result == 0 && i < template->search_count; i++)
		result = judge_search(actions, template, &template->searches[i], error_r);
	for (size_t i = 0; result == 0 && i < template->record_count; i++) {
		const struct action_record *record = &template->records[i];
		const struct action_line *const lines[] = { &record->dn, &record->rdn,
			&record->parent };

		for (size_t n = 0; result == 0 && n < sizeof(lines) / sizeof(lines[0]); n++)
			result = judge(actions, template, lines[n], error_r);
	}
	return result;
}
