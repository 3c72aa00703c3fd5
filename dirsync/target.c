#include "dirsync/target.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "dirsync/target_internal.h"
#include "lib/ldif.h"
#include "lib/mem.h"
#include "lib/runner.h"

static _Thread_local char target_error[1024];

const struct target_note target_no_note = { "", "", "" };

const struct target_kind *target_kind_find(const char *name)
{
	static const struct target_kind *const kinds[] = { &target_ldap_kind, &target_ldif_kind,
		&target_csv_kind, &target_vcard_kind, &target_command_kind };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}

int target_fail(const char **error_r, const char *format, ...)
{
	va_list arguments;
	char text[sizeof(target_error)]; /* an argument may be the last text */

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	memcpy(target_error, text, sizeof(text));
	*error_r = target_error;
	return -1;
}

/* --- settings ------------------------------------------------------------------------------- */

int target_need(const struct config_down *settings, const char *key, const char *value,
	const char *what, const char **error_r)
{
	if (*value != '\0')
		return 0;
	return target_fail(error_r, "down %s.%s: is not set; %s", settings->name, key, what);
}

bool target_marker(const struct config_down *settings, char **name_r, char **value_r)
{
	const char *equals = strchr(settings->marker, '=');

	if (equals == NULL || equals == settings->marker || equals[1] == '\0')
		return false;
	*name_r = mem_strndup(settings->marker, (size_t)(equals - settings->marker));
	*value_r = mem_strdup(equals + 1);
	return true;
}

int target_check_marker(const struct config_down *settings, const char **error_r)
{
	char *name = NULL, *value = NULL;

	if (!target_marker(settings, &name, &value))
		return target_fail(error_r,
			"down %s.marker: \"%s\" is no ATTRIBUTE=VALUE; without it nobody could "
			"tell our contacts from others",
			settings->name, settings->marker);
	mem_free(&name);
	mem_free(&value);
	return target_need(settings, "rdn", settings->rdn,
		"name the attribute that has the federation's id", error_r);
}

void target_classes(const struct config_down *settings,
	void (*word)(void *context, const char *text), void *context)
{
	const char *at = settings->object_class;

	for (at += strspn(at, " \t"); *at != '\0'; at += strspn(at, " \t")) {
		size_t len = strcspn(at, " \t");
		char *text = mem_strndup(at, len);

		word(context, text);
		mem_free(&text);
		at += len;
	}
}

/* --- commands ------------------------------------------------------------------------------- */

int target_run(const struct target_options *options, const char *key, const char *command,
	int input, const char *remedy, const char **error_r)
{
	const struct config_down *settings = options->settings;
	struct str who = STR_INIT, reason = STR_INIT;
	struct runner_options program = { .command = command,
		.input = input,
		.time_limit = settings->time_limit,
		.stop = options->stop };
	struct runner_result result = { .status = 0 };
	int done = 0;

	str_printf(&who, "down %s", settings->name);
	program.who = str_cstr(&who);
	runner_run(&program, &result);
	if (!runner_succeeded(&result)) {
		runner_reason(&result, &reason);
		done = target_fail(error_r, "down %s.%s: %s; %s", settings->name, key,
			str_cstr(&reason), remedy);
	}
	runner_result_free(&result);
	str_free(&reason);
	str_free(&who);
	return done;
}

/* --- contacts as entries -------------------------------------------------------------------- */

void target_dn(const struct config_down *settings, const char *id, struct str *out)
{
	str_printf(out, "%s=", settings->rdn);
	ldap_dn_escape(id, out);
	if (*settings->container != '\0')
		str_printf(out, ",%s", settings->container);
}

static void add_value(struct target_values *values, const char *value)
{
	values->list = mem_grow(values->list, values->count + 2, sizeof(*values->list));
	values->list[values->count++] = value;
	values->list[values->count] = NULL;
}

void target_values(const struct config_down *settings, const struct person *contact,
	const char *name, const char *marker_name, const char *marker_value,
	struct target_values *values_r)
{
	*values_r = (struct target_values){ NULL, 0 };
	for (const char *v = contact_first(contact, name); v != NULL;
		v = contact_next(contact, name, v))
		add_value(values_r, v);
	if (strcasecmp(name, settings->rdn) == 0)
		add_value(values_r, str_cstr(&contact->id));
	if (strcasecmp(name, marker_name) == 0)
		add_value(values_r, marker_value);
}

void target_values_free(struct target_values *values)
{
	mem_free(&values->list);
	values->count = 0;
}

/* --- contacts as LDIF ----------------------------------------------------------------------- */

struct ldif {
	const struct target_options *options;
	const struct person *contact;
	char *marker_name, *marker_value;
	struct str *out;
};

static void put_values(const struct ldif *ldif, const char *name)
{
	struct target_values values;

	target_values(ldif->options->settings, ldif->contact, name, ldif->marker_name,
		ldif->marker_value, &values);
	for (size_t i = 0; i < values.count; i++)
		ldif_put_text(ldif->out, name, values.list[i]);
	target_values_free(&values);
}

static void put_class(void *context, const char *text)
{
	ldif_put_text(context, "objectClass", text);
}

static bool is_named(const struct contact_form *form, const char *name)
{
	for (const char *const *n = contact_form_names(form); *n != NULL; n++)
		if (strcasecmp(*n, name) == 0)
			return true;
	return false;
}

static void put_whole(const struct ldif *ldif)
{
	const struct config_down *settings = ldif->options->settings;
	const struct contact_form *form = ldif->options->form;

	target_classes(settings, put_class, ldif->out);
	if (!is_named(form, settings->rdn))
		put_values(ldif, settings->rdn);
	if (!is_named(form, ldif->marker_name) && strcasecmp(ldif->marker_name, settings->rdn) != 0)
		put_values(ldif, ldif->marker_name);
	for (const char *const *n = contact_form_names(form); *n != NULL; n++)
		put_values(ldif, *n);
}

static void put_replacements(const struct ldif *ldif)
{
	for (const char *const *n = contact_form_names(ldif->options->form); *n != NULL; n++) {
		ldif_put_text(ldif->out, "replace", *n);
		put_values(ldif, *n);
		str_append_z(ldif->out, "-\n");
	}
}

void target_ldif_record(const struct target_options *options, enum target_verb verb,
	const struct person *contact, struct str *out)
{
	static const char *const verbs[] = { "delete", "modify", "add", NULL };
	struct ldif ldif = { .options = options, .contact = contact, .out = out };
	struct str dn = STR_INIT;

	if (!target_marker(options->settings, &ldif.marker_name, &ldif.marker_value))
		return;
	target_dn(options->settings, str_cstr(&contact->id), &dn);
	ldif_put(out, "dn", dn.data, dn.len);
	if (verbs[verb] != NULL)
		ldif_put_text(out, "changetype", verbs[verb]);
	if (verb == TARGET_CHANGE)
		put_replacements(&ldif);
	else if (verb != TARGET_DELETE)
		put_whole(&ldif);
	str_append_c(out, '\n');
	mem_free(&ldif.marker_name);
	mem_free(&ldif.marker_value);
	str_free(&dn);
}
