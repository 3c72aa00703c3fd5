/*
 * What a guard stops a sync for, and what an administrator approves: kinds of list, each with its
 * size. One word,
 *
 *   deletions:500,rekeyed:40,lost/telephonenumber:600
 *
 * in the outcome of a run (lib/syncoutcome.h) and in restanteSyncApproval. Kinds are compared
 * without case. A list ends with the text, at a blank, or at ";". Pure.
 */
#ifndef RESTANTE_LIB_SYNCLIST_H
#define RESTANTE_LIB_SYNCLIST_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/json.h"
#include "lib/str.h"

#define SYNC_LIST_DELETIONS "deletions"
#define SYNC_LIST_REKEYED   "rekeyed" /* mailboxes that were made anew */
#define SYNC_LIST_LOST      "lost/"   /* and the name of an attribute: entries that lack it now */

/* What a kind cannot have is put as %XX. 0 adds nothing. */
void sync_list_add(struct str *list, const char *kind, uint64_t number);
/* Of a kind as it was given to sync_list_add; 0 = it is not in the list (NULL is an empty one). */
uint64_t sync_list_number(const char *list, const char *kind);
/* All kinds together. */
uint64_t sync_list_total(const char *list);
/* Not empty, and nothing else than a list: what is to be read back. "500" is none. */
bool sync_list_is_one(const char *text);
/* One after the other: begins with *at_r at the list. False: there is no more. */
bool sync_list_next(const char **at_r, struct str *kind_r, uint64_t *number_r);
/* For people: "500 deletions, 600 entries that lost telephonenumber". */
void sync_list_words(const char *list, struct str *out);
/* [{"kind": "deletions", "number": 500}, ...]; the caller owns it. */
struct json *sync_list_json(const char *list);

#endif
