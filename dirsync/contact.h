/*
 * Contacts: what a mailbox of the directory becomes in the address book of another system, by the
 * templates of down NAME {}. A contact is a struct person whose id is the entryUUID of the mailbox
 * and whose attributes are those of the contact ("name=value", lower case); nothing else of it is
 * used. Equal contacts have equal digests (person_digest). Pure.
 *
 * `attributes` is a list of ATTRIBUTE=TEMPLATE, separated by blanks; a template with blanks stands
 * in double quotes: displayName="%{givenName} %{sn}". An attribute that is named several times has
 * several values. A template whose name is followed by a star makes a value of each
 * value: proxyAddresses=smtp:%{others*}. Where a name is missing the value is left out; two values
 * that differ in case alone are one, the first.
 *
 * Names are the attributes of the mailbox's entry, and besides them
 *     id         the entryUUID
 *     primary    the address to be shown: mail, else the first access address
 *     addresses  access addresses in normal form, the primary one included; no catch-alls
 *     others     the same without the primary one
 *     foreign    "X500:...", "X400:..."
 *     physical   the physical address
 */
#ifndef RESTANTE_DIRSYNC_CONTACT_H
#define RESTANTE_DIRSYNC_CONTACT_H

#include <stdbool.h>
#include <stdint.h>

#include "dirsync/mapping.h"
#include "dirsync/person.h"
#include "lib/config.h"
#include "lib/ldap_stream.h"

struct contact_form;

/* NULL with *error_r: "down NAME.key: what is wrong; what to do". */
struct contact_form *contact_form_new(const struct config_down *settings, const char **error_r);
void contact_form_free(struct contact_form **form);
/* Attributes of contacts as they were spelled, each once, in the order of the settings:
 * NULL-terminated, valid as long as the form. */
const char *const *contact_form_names(const struct contact_form *form);
/* What a guard looks at: the first of these names, and last restanteForeignAddress, for values that
 * begin with X500: or X400:. NULL-terminated, valid as long as the form. */
#define CONTACT_GUARDED_MAX 64
const char *const *contact_form_guarded(const struct contact_form *form);
/* What is to be read of mailbox entries for it: NULL-terminated, valid as long as the form. */
const char *const *contact_form_sources(const struct contact_form *form);

/* A mailbox entry as contacts are made of it; its values point into the entry and into itself. */
struct contact_source {
	struct str id, system;
	int64_t vanished_us;      /* restanteVanishedSince, 0 = not */
	struct strings addresses; /* keys of access addresses, no catch-alls */
	struct template_value *values;
	size_t count, cap;
	struct str primary;
};

void contact_source_free(struct contact_source *source);
/* 1; 0: no contact is made of it (no address, no system, no entryUUID). */
int contact_source_read(const struct ldap_stream_entry *entry, struct contact_source *source_r);

/* contact_r is emptied before. A value that cannot be used is left out. */
void contact_render(const struct contact_form *form, const struct contact_source *source,
	struct person *contact_r);

/* A bit for each of contact_form_guarded() of which the contact has a value. */
uint64_t contact_has(const struct contact_form *form, const struct person *contact);

/* Values of one attribute: for (v = contact_first(c, n); v != NULL; v = contact_next(c, n, v)) */
const char *contact_first(const struct person *contact, const char *name);
const char *contact_next(const struct person *contact, const char *name, const char *value);
/* Whether text is an address, with a prefix such as "SMTP:" or without: its key. */
bool contact_address(const char *text, struct address *address_r);

#endif
