/* What the files of dirsync/target_*.c share; nobody else includes it. */
#ifndef RESTANTE_DIRSYNC_TARGET_INTERNAL_H
#define RESTANTE_DIRSYNC_TARGET_INTERNAL_H

#include "dirsync/outfile.h"
#include "dirsync/target.h"

extern const struct target_kind target_ldap_kind, target_ldif_kind, target_csv_kind,
	target_vcard_kind, target_command_kind;

extern const struct target_note target_no_note; /* all "" */

/* Keeps the text for *error_r until the thread's next failure; -1. */
int target_fail(const char **error_r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* 0 where the key is set; else -1: "down NAME.KEY: is not set; WHAT". */
int target_need(const struct config_down *settings, const char *key, const char *value,
	const char *what, const char **error_r);
/* Runs the command of that key with that descriptor as its input: 0 where it succeeded; else -1:
 * "down NAME.KEY: REASON; REMEDY". */
int target_run(const struct target_options *options, const char *key, const char *command,
	int input, const char *remedy, const char **error_r);
/* The parts of `marker`: false where it is no ATTRIBUTE=VALUE. Both are to be freed. */
bool target_marker(const struct config_down *settings, char **name_r, char **value_r);
int target_check_marker(const struct config_down *settings, const char **error_r);

/*
 * All values that an attribute of a contact has in a directory: those of the contact, the id where
 * it is the attribute of the RDN, the marker where it is that attribute. Appends to list.
 */
struct target_values {
	const char **list; /* NULL-terminated; pointing into contact, settings and marker */
	size_t count;
};
void target_values(const struct config_down *settings, const struct person *contact,
	const char *name, const char *marker_name, const char *marker_value,
	struct target_values *values_r);
void target_values_free(struct target_values *values);
/* Words of object_class: calls `word` for each. */
void target_classes(const struct config_down *settings,
	void (*word)(void *context, const char *text), void *context);

/* --- files that are made as a whole (target_file.c) ------------------------------------------ */

struct target_format {
	/* Each appends to out; begin and end may be NULL. */
	void (*begin)(const struct target_options *options, struct str *out);
	void (*record)(const struct target_options *options, const struct person *contact,
		struct str *out);
	void (*end)(const struct target_options *options, uint64_t count, struct str *out);
};

struct target *target_file_open(
	const struct target_options *options, const struct target_format *format);
void target_file_close(struct target **target);
int target_file_check(const struct config_down *settings, const char **error_r);
int target_file_begin(struct target *target, const struct target_sink *sink, const char **error_r);
int target_file_put(struct target *target, enum target_verb verb, const struct person *contact,
	bool adopt, const char **error_r);
int target_file_end(struct target *target, const char **error_r);
void target_file_abort(struct target *target);
void target_file_seal(struct target *target, struct str *seal_r);

#define TARGET_FILE_KIND(label, check_function, open_function)                                     \
	{                                                                                          \
		.name = (label), .whole = true, .check = (check_function),                         \
		.open = (open_function), .close = target_file_close, .begin = target_file_begin,   \
		.put = target_file_put, .end = target_file_end, .abort = target_file_abort,        \
		.seal = target_file_seal                                                           \
	}

/* A record of a CSV file (RFC 4180): the fields so far, or the line's end. Multiple values of an
 * attribute stand in one field, ";" between them. */
void target_csv_field(struct str *out, bool first, const char *text);
void target_csv_values(struct str *out, const struct person *contact, const char *name);
void target_csv_end(struct str *out);

#endif
