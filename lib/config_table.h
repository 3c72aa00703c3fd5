/*
 * The table behind restante.conf: for each key its name, type, default, target, range, whether a
 * reload takes it over, and a line of help. The parser, --dump-config, the reload and the check of
 * the manual page all go through it; a program adds its section here and its struct to
 * lib/config.h.
 */
#ifndef RESTANTE_LIB_CONFIG_TABLE_H
#define RESTANTE_LIB_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/str.h"

enum config_type {
	CONFIG_STRING,   /* char *, never NULL; judged by `check` */
	CONFIG_WORD,     /* char *, one of `choices` */
	CONFIG_CHOICE,   /* an enum whose values number `choices` from 0 */
	CONFIG_BOOL,     /* bool: true, yes, on; false, no, off */
	CONFIG_NUMBER,   /* int64_t */
	CONFIG_MODE,     /* int64_t, octal */
	CONFIG_DURATION, /* int64_t, microseconds: a number with ms, s, m, h, d or w */
	CONFIG_OFFSET,   /* int64_t: the same with + or - before it; "never": INT64_MAX */
	CONFIG_SIZE,     /* int64_t, bytes: a number, K, M, G, T being powers of 1024 */
};

struct config_key {
	const char *name;
	enum config_type type;
	const char *fallback; /* the default as restante.conf would have it */
	const char
		*derived; /* what takes its place where the fallback is "": for people; or NULL */
	size_t offset;    /* of the target in the section's struct */
	bool reloadable;
	int64_t min, max;           /* inclusive */
	const char *const *choices; /* NULL-terminated */
	/* NULL, or what a value must be (static text). */
	const char *(*check)(const char *value);
	const char *help;
};

struct config_section {
	const char *name;
	const char *help;
	size_t offset; /* in struct config: of the section's struct, or of a struct config_list */
	size_t titled; /* bytes of an item of that list; 0: there is one, without a title */
	const char *(*check)(const char *title); /* NULL, or what a title must be */
	const struct config_key *keys;
	size_t count;
};

/* In the order of the dump; NULL behind the last. */
const struct config_section *config_section_at(size_t index);
const struct config_section *config_section_find(const char *name);
const struct config_key *config_key_find(const struct config_section *section, const char *name);

struct config;
struct config_list;
/* Where the values of the section are: one struct, or with titles any number; NULL behind the last.
 */
void *config_section_struct(
	const struct config *config, const struct config_section *section, size_t index);
/* The list behind a section with titles. */
struct config_list *config_section_list(
	const struct config *config, const struct config_section *section);
/* The item of that title, made with its defaults where there is none. */
void *config_list_get(
	struct config_list *list, const struct config_section *section, const char *title);
void config_section_defaults(const struct config_section *section, void *section_struct);

/*
 * One value, at section_struct + key->offset. parse: 0; -1 with what is allowed appended to
 * allowed_r, the target untouched. format: as restante.conf has it, without quotes.
 */
int config_value_parse(const struct config_key *key, void *section_struct, const char *text,
	struct str *allowed_r);
void config_value_format(const struct config_key *key, const void *section_struct, struct str *out);
bool config_value_equal(const struct config_key *key, const void *a, const void *b);
void config_value_swap(const struct config_key *key, void *a, void *b);
void config_value_free(const struct config_key *key, void *section_struct);

/* Checks of values (lib/config_check.c): NULL, or what is allowed. */
const char *config_check_node(const char *value);
const char *config_check_listen(const char *value); /* libmilter's socket */
const char *config_check_socket(const char *value); /* path of a unix socket */
const char *config_check_path(const char *value);   /* absolute path */
const char *config_check_file(const char *value);   /* absolute path, or none */
const char *config_check_relay(const char *value);  /* release_listener */
const char *config_check_delimiters(const char *value);
const char *config_check_physical(const char *value); /* physical address, or none */
const char *config_check_uris(const char *value);     /* LDAP URIs, or none */
const char *config_check_uri(const char *value);      /* one LDAP URI, or none */
const char *config_check_command(const char *value);
const char *config_check_metrics(const char *value);   /* numeric address and port */
const char *config_check_host(const char *value);      /* name or address of a host, or none */
const char *config_check_separator(const char *value); /* between CSV columns */
const char *config_check_value_separator(const char *value); /* in a column, or none */
const char *config_check_hours(const char *value);           /* of lib/hours.h, or none */
const char *config_check_system(const char *value);          /* the title of system NAME {} */

#endif
