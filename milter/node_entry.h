/*
 * Writing this front door's own entry: one LDAP session to write_uri that is opened when needed,
 * dropped when it fails, and left alone for a growing while after that. One thread, but for
 * node_entry_status and node_entry_totals.
 */
#ifndef RESTANTE_MILTER_NODE_ENTRY_H
#define RESTANTE_MILTER_NODE_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#include "lib/config.h"
#include "lib/json.h"
#include "lib/ldap_session.h"
#include "milter/node.h"

struct node_entry;

struct node_entry *node_entry_new(const struct config *config);
void node_entry_free(struct node_entry **entry);

/* The attributes of one modify, each replaced. `= { .count = 0 }` */
struct node_changes {
	struct ldap_change list[6];
	const char *values[6][2];
	char text[6][40];
	size_t count;
};
void node_changes_text(struct node_changes *changes, const char *attribute, const char *text);
void node_changes_number(struct node_changes *changes, const char *attribute, uint64_t number);
/* values stay the caller's; NULL removes the attribute. */
void node_changes_values(
	struct node_changes *changes, const char *attribute, const char *const *values);

/* Failures are logged when they are news, and counted. */
enum ldap_result node_entry_write(struct node_entry *entry, const char *dn,
	const struct node_changes *changes, const char *assertion);
/* Monotonic instant before which nothing is to be tried; 0 = go on. */
int64_t node_entry_retry_at(const struct node_entry *entry);
void node_entry_status(struct node_entry *entry, struct json *object);
void node_entry_totals(struct node_entry *entry, struct node_totals *totals_r);

#endif
