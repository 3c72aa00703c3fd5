#define _GNU_SOURCE
#include "lib/config.h"

#include <confuse.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "lib/config_internal.h"
#include "lib/config_table.h"
#include "lib/mem.h"

#define NAME_MAX_BYTES 64

/*
 * libconfuse takes a file that ends inside of a section, a comment or a string for a good one, so
 * this key, which no file can hold, must be seen at the end, outside of any section.
 */
#define SENTINEL "\x01"

struct seen {
	const struct config_key *key;
	const void *place; /* the section's struct */
	int line;
};

/* One load; libconfuse's callbacks have no place for a context of ours. */
static struct loader {
	struct config *config;
	struct seen *seen;
	size_t count;
	bool complete;
	char error[1024];
} * loader;

/* Its scanner is one global automaton, put back to its start by cfg_free(). */
static pthread_mutex_t scanner = PTHREAD_MUTEX_INITIALIZER;

/* The first error is the one that explains the others. */
__attribute__((format(printf, 2, 3))) static int complain(
	struct loader *load, const char *format, ...)
{
	va_list args;

	if (load->error[0] != '\0')
		return -1;
	va_start(args, format);
	vsnprintf(load->error, sizeof load->error, format, args);
	va_end(args);
	for (char *p = load->error; *p != '\0'; p++)
		if ((unsigned char)*p < ' ')
			*p = '?';
	return -1;
}

/* --- what libconfuse calls ----------------------------------------------------------------- */

static void unknown_name(cfg_t *cfg, const char *name)
{
	bool in_section = config_section_find(cfg->name) != NULL;

	if (strcmp(name, SENTINEL) == 0)
		complain(loader, "%s: section %s {} is not closed; put a \"}\" at its end",
			loader->config->path, cfg->name);
	else if (in_section)
		complain(loader, "%s:%d: %s.%s: there is no such key; restante.conf(5) lists all",
			loader->config->path, cfg->line, cfg->name, name);
	else
		complain(loader, "%s:%d: %s: there is no such section; restante.conf(5) lists all",
			loader->config->path, cfg->line, name);
}

static void on_error(cfg_t *cfg, const char *format, va_list args)
{
	char text[512];

	if (strstr(format, "no such option") != NULL) {
		unknown_name(cfg, va_arg(args, const char *));
		return;
	}
	vsnprintf(text, sizeof text, format, args);
	complain(loader, "%s:%d: %s; restante.conf(5) describes the syntax", loader->config->path,
		cfg->line, strstr(text, SENTINEL) != NULL ? "premature end of file" : text);
}

static int line_of(const struct loader *load, const struct config_key *key, const void *place)
{
	for (size_t i = 0; i < load->count; i++)
		if (load->seen[i].key == key && load->seen[i].place == place)
			return load->seen[i].line;
	return 0;
}

static void note_line(
	struct loader *load, const struct config_key *key, const void *place, int line)
{
	load->seen = mem_grow(load->seen, load->count + 1, sizeof *load->seen);
	load->seen[load->count++] = (struct seen){ key, place, line };
}

static int take_value(cfg_t *cfg, const struct config_section *section,
	const struct config_key *key, void *place, const char *value)
{
	struct str allowed = STR_INIT;
	int line = line_of(loader, key, place);

	if (strcmp(value, SENTINEL) == 0)
		return complain(loader, "%s: %s.%s: the file ends before its value",
			loader->config->path, section->name, key->name);
	if (line > 0)
		return complain(loader,
			"%s:%d: %s.%s: it was set in line %d before; remove one of them",
			loader->config->path, cfg->line, section->name, key->name, line);
	note_line(loader, key, place, cfg->line);
	int result = config_value_parse(key, place, value, &allowed);
	if (result < 0)
		complain(loader, "%s:%d: %s.%s: bad value \"%.100s\"; allowed: %s",
			loader->config->path, cfg->line, section->name, key->name, value,
			str_cstr(&allowed));
	str_free(&allowed);
	return result;
}

/* The struct that the section of the file fills; NULL after a complaint. */
static void *place_of(cfg_t *cfg, const struct config_section *section)
{
	const char *title = cfg_title(cfg), *allowed;

	if (section->titled == 0)
		return config_section_struct(loader->config, section, 0);
	allowed = section->check(title);
	if (allowed == NULL)
		return config_list_get(
			config_section_list(loader->config, section), section, title);
	complain(loader, "%s:%d: bad name \"%.100s\" of a section %s {}; allowed: %s",
		loader->config->path, cfg->line, title, section->name, allowed);
	return NULL;
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	const struct config_section *section = config_section_find(cfg->name);

	*(const char **)result = value;
	if (section == NULL)
		return complain(loader, "%s:%d: %s: a key must stand in its section",
			loader->config->path, cfg->line, opt->name);
	void *place = place_of(cfg, section);
	return place ? take_value(cfg, section, config_key_find(section, opt->name), place, value)
		     : -1;
}

static int on_sentinel(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	(void)cfg;
	(void)opt;
	*(const char **)result = value;
	loader->complete = true;
	return 0;
}

/* One without keys is a section, too. */
static void take_empty_ones(cfg_t *cfg)
{
	const struct config_section *section;

	for (size_t i = 0; (section = config_section_at(i)) != NULL; i++)
		for (unsigned n = 0; section->titled > 0 && n < cfg_size(cfg, section->name); n++)
			place_of(cfg_getnsec(cfg, section->name, n), section);
}

/* --- parsing ------------------------------------------------------------------------------- */

static void parse_text(struct loader *load, const char *path, struct str *text, cfg_opt_t *options)
{
	cfg_t *cfg = cfg_init(options, CFGF_NONE);

	if (cfg == NULL) {
		complain(load, "%s: out of memory", path);
		return;
	}
	cfg->filename = mem_strdup(path);
	cfg_set_error_function(cfg, on_error);
	str_append_z(text, "\n" SENTINEL " = end\n");
	FILE *stream = fmemopen(text->data, text->len, "r");
	int result = stream ? cfg_parse_fp(cfg, stream) : CFG_FILE_ERROR;
	if (stream != NULL)
		fclose(stream);
	if (result != CFG_SUCCESS)
		complain(load, "%s:%d: syntax error; restante.conf(5) describes the syntax", path,
			cfg->line);
	else if (!load->complete)
		complain(load, "%s: the last comment or string is not closed", path);
	else
		take_empty_ones(cfg);
	cfg_free(cfg);
}

static cfg_opt_t *section_options(const struct config_section *section)
{
	cfg_opt_t *options = mem_zalloc((section->count + 1) * sizeof *options);

	for (size_t i = 0; i < section->count; i++)
		options[i] = (cfg_opt_t)CFG_STR_CB(
			section->keys[i].name, NULL, CFGF_NODEFAULT, on_value);
	options[section->count] = (cfg_opt_t)CFG_END();
	return options;
}

static cfg_opt_t *all_options(void)
{
	const struct config_section *section;
	cfg_opt_t *options = NULL;
	size_t n = 0;

	for (; (section = config_section_at(n)) != NULL; n++) {
		options = mem_grow(options, n + 3, sizeof *options);
		options[n] = (cfg_opt_t)CFG_SEC(section->name, section_options(section),
			section->titled > 0 ? CFGF_MULTI | CFGF_TITLE : CFGF_NONE);
	}
	options[n] = (cfg_opt_t)CFG_STR_CB(SENTINEL, NULL, CFGF_NODEFAULT, on_sentinel);
	options[n + 1] = (cfg_opt_t)CFG_END();
	return options;
}

static void free_options(cfg_opt_t **options)
{
	for (cfg_opt_t *option = *options; option->name != NULL; option++)
		mem_free(&option->subopts);
	mem_free(options);
}

static void parse(struct loader *load, const char *path, struct str *text)
{
	cfg_opt_t *options = all_options();

	pthread_mutex_lock(&scanner);
	loader = load;
	parse_text(load, path, text, options);
	loader = NULL;
	pthread_mutex_unlock(&scanner);
	free_options(&options);
}

/* --- values that follow from others -------------------------------------------------------- */

static void derive(char **target, const char *value)
{
	if ((*target)[0] == '\0') {
		mem_free(target);
		*target = mem_strdup(value);
	}
}

static void derive_all(struct config *config)
{
	char host[256] = "";

	if (gethostname(host, sizeof host - 1) < 0 || host[0] == '\0')
		memcpy(host, "localhost", sizeof "localhost");
	derive(&config->milter.hostname, host);
	host[strcspn(host, ".")] = '\0';
	derive(&config->milter.node, host);
	derive(&config->dirsync.holder, host);
	derive(&config->control.holder, host);
	char *uri = config->ldap.uri + strspn(config->ldap.uri, " ");
	char *first = mem_strndup(uri, strcspn(uri, " "));
	derive(&config->ldap.write_uri, first);
	mem_free(&first);
	derive(&config->cli.control_socket, config->milter.control_socket);
}

/* 0 where the key has a value; else an error at the line of the key that needs it. */
static int need(struct loader *load, const char *section_name, const void *place, const char *name,
	bool has, const char *because)
{
	const struct config_section *section = config_section_find(section_name);
	char key[NAME_MAX_BYTES];

	if (has)
		return 0;
	snprintf(key, sizeof key, "%.*s", (int)strcspn(because, " "), because);
	return complain(load, "%s:%d: %s.%s is not set; %s.%s needs it", load->config->path,
		line_of(load, config_key_find(section, key), place), section_name, name,
		section_name, because);
}

static int check_ldap(struct loader *load)
{
	const struct config_ldap *ldap = &load->config->ldap;
	bool simple = ldap->bind == LDAP_BIND_SIMPLE;

	if (need(load, "ldap", ldap, "bind_dn", !simple || *ldap->bind_dn, "bind = simple") < 0 ||
		need(load, "ldap", ldap, "password_file", !simple || *ldap->password_file,
			"bind = simple") < 0 ||
		need(load, "ldap", ldap, "key_file", *ldap->key_file || !*ldap->cert_file,
			"cert_file") < 0)
		return -1;
	return need(
		load, "ldap", ldap, "cert_file", *ldap->cert_file || !*ldap->key_file, "key_file");
}

static int check_systems(struct loader *load)
{
	const struct config_list *list = &load->config->systems;

	for (size_t i = 0; i < list->count; i++) {
		const struct config_system *system = list->items[i];
		if (need(load, "system", system, "password_file",
			    *system->password_file || !*system->auth_user, "auth_user") < 0 ||
			need(load, "system", system, "auth_user",
				*system->auth_user || !*system->password_file, "password_file") < 0)
			return -1;
	}
	return 0;
}

static int check_together(struct loader *load)
{
	const struct config_log *log = &load->config->log;
	const struct config_milter *milter = &load->config->milter;

	if (check_ldap(load) < 0 || check_systems(load) < 0 ||
		need(load, "log", log, "file", log->target != LOG_TARGET_FILE || *log->file,
			"target = file") < 0)
		return -1;
	if (milter->release_retry_min <= milter->release_retry_max)
		return 0;
	return complain(load, "%s: milter.release_retry_min is larger than release_retry_max",
		load->config->path);
}

/* --- load ---------------------------------------------------------------------------------- */

static struct config *new_config(const char *path)
{
	struct config *config = mem_zalloc(sizeof *config);
	const struct config_section *section;

	config->path = mem_strdup(path);
	for (size_t i = 0; (section = config_section_at(i)) != NULL; i++)
		if (section->titled == 0)
			config_section_defaults(section, config_section_struct(config, section, 0));
	return config;
}

struct config *config_load(const char *path, const char **error_r)
{
	static _Thread_local char reason[sizeof((struct loader *)NULL)->error];
	struct loader load = { .config = new_config(path) };
	struct str text = STR_INIT;

	if (config_file_read(path, &text, load.error, sizeof load.error) == 0)
		parse(&load, path, &text);
	str_free(&text);
	if (load.error[0] == '\0') {
		derive_all(load.config);
		check_together(&load);
	}
	if (load.error[0] != '\0') {
		memcpy(reason, load.error, sizeof reason);
		*error_r = reason;
		config_free(&load.config);
	}
	mem_free(&load.seen);
	return load.config;
}
