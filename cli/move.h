/* What the verbs of `restante move` share: records of moves found, judged, shown. */
#ifndef RESTANTE_CLI_MOVE_H
#define RESTANTE_CLI_MOVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/cli.h"
#include "lib/move.h"

/* --- new ones ------------------------------------------------------------------------------- */

struct wanted {
	char *place;                                   /* "FILE:LINE", NULL = the command line */
	char *address, *target, *at, *scenario, *wave; /* as they were given */
	char *key;                                     /* the address in normal form */
	char *mailbox;                                 /* entryUUID, NULL = none was found */
	int64_t instant_us;
	bool may_delete;
	char *dn; /* once it is recorded */
};

struct wanted_list {
	struct wanted *list;
	size_t count;
};

struct wanted *wanted_add(struct wanted_list *list);
void wanted_free(struct wanted_list *list);
/*
 * Judges all of them, with a complaint for whatever is wrong: address, encoding, system, scenario,
 * instant, unknown mailbox, already there, already moving, a mailbox twice. CLI_DONE, or a code of
 * these: then nothing may be recorded.
 */
int wanted_judge(struct cli *cli, struct wanted_list *list);
/* Records all of them, or none: what was recorded when one fails is taken back, but for *left_r
 * that a controller has begun with, or that cannot be taken back. */
int wanted_record(struct cli *cli, struct wanted_list *list, size_t *left_r);

/* --- those there are ------------------------------------------------------------------------ */

struct move_list {
	struct move **moves; /* by instant, then address */
	size_t count;
};

/* wave, address: NULL = all. CLI_DONE, or a code after a complaint. */
int move_list_read(
	struct cli *cli, const char *address, const char *wave, struct move_list *list_r);
void move_list_free(struct move_list *list);
/*
 * The move that a person means by an address (its open one, else its newest), or by the name of the
 * record. CLI_NOTFOUND after a complaint.
 */
int move_find(struct cli *cli, const char *text, struct move **move_r);

/* The name of the record: the value of its RDN. size >= 128. */
const char *move_name(const struct move *move, char *buffer, size_t size);
/* "waits for its instant", "stopped: ...": one line for people. */
void move_summary(const struct move *move, struct str *out);
enum paint move_paint(const struct move *move);
struct json *move_json(const struct move *move);
/* Microseconds from hold to swap; -1 = not held, or not swapped. */
int64_t move_held_us(const struct move *move);

#endif
