/* What the state machine is told: from the record, from other records, from this run. */
#ifndef RESTANTE_CONTROL_FACTS_H
#define RESTANTE_CONTROL_FACTS_H

#include "control/run.h"
#include "lib/str.h"

/* The scenario that the record names; where it names none, that of the name `default`. */
void facts_scenario(struct run *run);
/* The access addresses of a mailbox's entry, a line each: to be compared. */
void facts_addresses(const struct ldap_entry *entry, struct str *out);
/* Texts in it are the run's and the task's. */
void facts_gather(struct run *run, struct move_facts *facts_r);

#endif
