/*
 * Templates of actions: LDIF for a backend's LDAP, with searches before it that say what is there.
 * restante-actions(5) describes the format; in short, blocks with empty lines between them:
 *
 *     find: account                      an entry that the rest may speak of: %{account.uid}
 *     base: ou=people,%{base}
 *     filter: (employeeNumber=%{id})
 *
 *     check: present                     (or absent) it is done where all checks hold
 *     base: %{account.dn}
 *     filter: (mail=%{addresses*})
 *     tell-physical: %{entry.uid}@s1.example.net
 *
 *     refuse: present                    (or absent) it cannot be done
 *     base: ...
 *     text: why, for people
 *
 *     when: account                      (or unless) only where that find has found one
 *     dn: %{account.dn}
 *     changetype: modify
 *     replace: mail
 *     mail: %{addresses*}
 *
 * Parsing and rendering are pure; control/action_ldap.c searches and writes. What is put into DNs
 * and filters is escaped, unless it is plain (the administrator's own words) or a whole DN. A value
 * with a star stands for a line, or a part of a filter in parentheses, for each value; there may be
 * none.
 */
#ifndef RESTANTE_CONTROL_ACTION_TEMPLATE_H
#define RESTANTE_CONTROL_ACTION_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/ldap_session.h"
#include "lib/str.h"
#include "lib/template.h"

#define ACTION_TEMPLATE_MAX (256 << 10) /* bytes of a file */

/* What is put in: the plain ones are first. Names and data belong to whoever made them. */
struct action_values {
	struct template_value *list;
	size_t count, plain;
};

enum action_search_kind { SEARCH_FIND, SEARCH_CHECK, SEARCH_REFUSE };

/* A line of a template: NAME: TEXT. */
struct action_line {
	char *name;
	char *text;
	bool bytes; /* it was in base64: nothing is put in */
	unsigned line;
};

struct action_lines {
	struct action_line *list;
	size_t count;
};

struct action_search {
	enum action_search_kind kind;
	bool absent;                     /* CHECK, REFUSE: where nothing is found */
	char *find;                      /* FIND: the name */
	bool checked;                    /* FIND: a check, or a find for one, speaks of it */
	struct action_line base, filter; /* filter.text NULL: (objectClass=*) */
	enum ldap_scope scope;
	struct action_line text;                /* REFUSE */
	struct action_line physical, source_id; /* CHECK: tell-..., text NULL where there is none */
	struct action_lines addresses;          /* CHECK: tell-address, tell-addresses */
	struct action_lines conditions;         /* when, unless: text is the name of a find */
	char **attributes; /* to be read of what is found, NULL-terminated; never empty */
	unsigned line;
};

enum action_record_kind { RECORD_ADD, RECORD_MODIFY, RECORD_DELETE, RECORD_RENAME };

struct action_record {
	enum action_record_kind kind;
	struct action_line dn;
	struct action_lines conditions;
	/* ADD: values. MODIFY: add, delete or replace, followed by the values of that attribute. */
	struct action_lines lines;
	struct action_line rdn, parent; /* RENAME; parent.text NULL: stays below its own */
	bool keep_old;                  /* RENAME: deleteoldrdn: 0 */
	unsigned line;
};

struct action_template {
	char *name;                     /* of the file, for errors: "create.ldif" */
	struct action_search *searches; /* in their order */
	size_t search_count;
	struct action_record *records;
	size_t record_count;
};

/* NULL with *error_r (valid until the thread's next call here): "create.ldif:12: what is wrong;
 * what to do". */
struct action_template *action_template_parse(
	const char *name, const char *text, size_t len, const char **error_r);
void action_template_free(struct action_template **template);
/* Marks the finds that its checks need: the others are made only where something is to be done. */
void action_template_mark_checked(struct action_template *template);
/* Each name of a value that it puts in, but those of its own finds: to `name`, with repeats. */
void action_template_each_name(const struct action_template *template,
	void (*name)(void *context, const char *name), void *context);

/* What a line is rendered for. */
enum action_place { PLACE_VALUE, PLACE_DN, PLACE_FILTER };

/* 0; -1 with *error_r: "create.ldif:12: mail: no value of primary". A star is an error here, but in
 * a filter. out is emptied before. */
int action_render(const struct action_template *template, const struct action_line *line,
	enum action_place place, const struct action_values *values, struct str *out,
	const char **error_r);
/* A value for each of the line: appends to *list_r (NULL-terminated, *count_r before that). */
int action_render_values(const struct action_template *template, const struct action_line *line,
	const struct action_values *values, char ***list_r, size_t *count_r, const char **error_r);

/* What is sent for a record. */
struct action_write {
	enum action_record_kind kind;
	char *dn;
	struct ldap_change *changes;
	size_t count; /* of a MODIFY it may be 0: nothing is left to be changed */
	char *rdn, *parent;
	bool keep_old;
};

int action_render_record(const struct action_template *template, const struct action_record *record,
	const struct action_values *values, struct action_write *write_r, const char **error_r);
void action_write_free(struct action_write *write);

/* A copy with "%{name}" for each "%{name*}"; the caller frees. */
char *action_without_stars(const char *text);
/* Keeps the text for *error_r until the thread's next one; -1. */
int action_template_fail(const struct action_template *template, unsigned line,
	const char **error_r, const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
