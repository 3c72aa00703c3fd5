/*
 * The keeper of syncs: one thread asks for the runs that moves need and watches for their answers.
 * All that ask within a moment share one number; all that wait share one small search.
 */
#ifndef RESTANTE_CONTROL_SYNCING_H
#define RESTANTE_CONTROL_SYNCING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/move.h"
#include "lib/syncask.h"

struct control;
struct syncing;

struct syncing *syncing_start(struct control *control);
void syncing_stop(struct syncing **syncing);

/* For the move of that uuid: up syncs of both systems (kept: asked, with their numbers), or down
 * syncs of all others (kept: asked_down). It is woken. */
void syncing_ask(struct syncing *syncing, const uint8_t *uuid, enum sync_direction direction,
	const char *assignor, const char *assignee);
/* Waits for the numbers of the record; kept: syncs. */
void syncing_watch(struct syncing *syncing, const uint8_t *uuid, const struct move *move);
/* How many moves it has. */
size_t syncing_count(struct syncing *syncing);

#endif
