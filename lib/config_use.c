/* What is done with a loaded configuration: dump, reload, options for others. */
#include <string.h>

#include "lib/config.h"
#include "lib/config_table.h"

/* "\$" keeps libconfuse from taking "${NAME}" for an environment variable. */
static void dump_quoted(const char *value, FILE *out)
{
	fputc('"', out);
	for (; *value != '\0'; value++) {
		if (*value == '"' || *value == '\\' || *value == '$')
			fputc('\\', out);
		fputc(*value, out);
	}
	fputc('"', out);
}

static void dump_key(const struct config_key *key, const void *place, FILE *out)
{
	struct str value = STR_INIT;

	config_value_format(key, place, &value);
	fprintf(out, "\t%s = ", key->name);
	if (key->type == CONFIG_STRING)
		dump_quoted(str_cstr(&value), out);
	else
		fputs(str_cstr(&value), out);
	fputc('\n', out);
	str_free(&value);
}

static void dump_section(
	const struct config *config, const struct config_section *section, FILE *out)
{
	const void *place;

	for (size_t n = 0; (place = config_section_struct(config, section, n)) != NULL; n++) {
		fputs(section->name, out);
		if (section->titled > 0) {
			fputc(' ', out);
			dump_quoted(*(char *const *)place, out);
		}
		fputs(" {\n", out);
		for (size_t i = 0; i < section->count; i++)
			dump_key(&section->keys[i], place, out);
		fputs("}\n", out);
	}
}

void config_dump(const struct config *config, const char *section_name, FILE *out)
{
	const struct config_section *section;

	for (size_t i = 0; (section = config_section_at(i)) != NULL; i++)
		if (section_name == NULL || strcmp(section->name, section_name) == 0)
			dump_section(config, section, out);
}

bool config_show(const char *path)
{
	const char *error;
	struct config *config = config_load(path, &error);

	if (config == NULL) {
		fprintf(stderr, "%s\n", error);
		return false;
	}
	config_dump(config, NULL, stdout);
	config_free(&config);
	return true;
}

static void reload_key(struct config *running, struct config *fresh,
	const struct config_section *section, const struct config_key *key, struct str *unchanged_r)
{
	void *mine = config_section_struct(running, section, 0);
	void *new = config_section_struct(fresh, section, 0);

	if (config_value_equal(key, mine, new))
		return;
	if (key->reloadable)
		config_value_swap(key, mine, new);
	else
		str_printf(unchanged_r, "%s%s.%s", unchanged_r->len ? ", " : "", section->name,
			key->name);
}

/* Those with a title may come and go, so all of their keys are reloadable. */
static void reload_list(
	struct config *running, struct config *fresh, const struct config_section *section)
{
	struct config_list *mine = config_section_list(running, section);
	struct config_list *new = config_section_list(fresh, section);
	struct config_list kept = *mine;

	*mine = *new;
	*new = kept;
}

void config_reload(struct config *running, struct config *fresh, struct str *unchanged_r)
{
	const struct config_section *section;

	for (size_t i = 0; (section = config_section_at(i)) != NULL; i++)
		if (section->titled > 0)
			reload_list(running, fresh, section);
		else
			for (size_t k = 0; k < section->count; k++)
				reload_key(running, fresh, section, &section->keys[k], unchanged_r);
}

static void keep_key(struct config *fresh, const struct config *running,
	const struct config_section *section, const struct config_key *key, struct str *unchanged_r)
{
	void *new = config_section_struct(fresh, section, 0);
	const void *mine = config_section_struct(running, section, 0);
	struct str text = STR_INIT;

	if (key->reloadable || config_value_equal(key, mine, new))
		return;
	config_value_format(key, mine, &text);
	config_value_parse(key, new, str_cstr(&text), &text); /* it was read that way before */
	str_free(&text);
	str_printf(unchanged_r, "%s%s.%s", unchanged_r->len ? ", " : "", section->name, key->name);
}

void config_keep(struct config *fresh, const struct config *running, struct str *unchanged_r)
{
	const struct config_section *section;

	for (size_t i = 0; (section = config_section_at(i)) != NULL; i++)
		for (size_t k = 0; section->titled == 0 && k < section->count; k++)
			keep_key(fresh, running, section, &section->keys[k], unchanged_r);
}

int config_require(const struct config *config, const char *section_name, const char *name,
	const char **error_r)
{
	static _Thread_local char reason[1024];
	const struct config_section *section = config_section_find(section_name);
	const struct config_key *key = config_key_find(section, name);
	struct str value = STR_INIT;

	config_value_format(key, config_section_struct(config, section, 0), &value);
	bool has = value.len > 0;
	str_free(&value);
	if (has)
		return 0;
	snprintf(reason, sizeof reason, "%s: %s.%s is not set; it is needed here: %s", config->path,
		section_name, name, key->help);
	*error_r = reason;
	return -1;
}

int config_require_directory(const struct config *config, const char **error_r)
{
	int done = config_require(config, "ldap", "uri", error_r);

	return done < 0 ? done : config_require(config, "ldap", "base", error_r);
}

struct config *config_load_directory(const char *path, const char **error_r)
{
	struct config *config = config_load(path, error_r);

	if (config != NULL && config_require_directory(config, error_r) < 0)
		config_free(&config);
	return config;
}

static const char *or_null(const char *value)
{
	return *value ? value : NULL;
}

struct ldap_options config_ldap_options(const struct config *config, const char *uri)
{
	const struct config_ldap *ldap = &config->ldap;

	return (struct ldap_options){
		.uri = uri ? uri : ldap->write_uri,
		.base = ldap->base,
		.bind = ldap->bind,
		.bind_dn = or_null(ldap->bind_dn),
		.password_file = or_null(ldap->password_file),
		.starttls = ldap->starttls,
		.ca_file = or_null(ldap->ca_file),
		.cert_file = or_null(ldap->cert_file),
		.key_file = or_null(ldap->key_file),
		.timeout_us = ldap->timeout,
	};
}

/* Of a program that may have a bind of its own. */
static struct ldap_options own_bind(
	const struct config *config, const char *bind_dn, const char *password_file)
{
	struct ldap_options options = config_ldap_options(config, NULL);

	if (bind_dn[0] != '\0') {
		options.bind = LDAP_BIND_SIMPLE;
		options.bind_dn = bind_dn;
		options.password_file = or_null(password_file);
	}
	return options;
}

struct ldap_options config_dirsync_options(const struct config *config)
{
	return own_bind(config, config->dirsync.bind_dn, config->dirsync.password_file);
}

struct ldap_options config_control_options(const struct config *config)
{
	return own_bind(config, config->control.bind_dn, config->control.password_file);
}
