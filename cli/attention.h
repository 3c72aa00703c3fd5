/*
 * What needs an administrator, drawn from what the milter and the directory say: one line each,
 * with the remedy. Pure; `restante status` shows the lines and takes its exit status from them.
 */
#ifndef RESTANTE_CLI_ATTENTION_H
#define RESTANTE_CLI_ATTENTION_H

#include <stdint.h>

#include "cli/move_tally.h"
#include "lib/federation.h"
#include "lib/json.h"
#include "lib/syncask.h"

/* Appends to lines (an array of strings). milter: the answer to `status`. */
void attention_milter(const struct json *milter, struct json *lines);
/* heartbeat_us: its period; now_us: wall clock. */
void attention_nodes(const struct federation_nodes *nodes, uint64_t epoch, int64_t heartbeat_us,
	int64_t now_us, struct json *lines);
void attention_systems(const struct federation_systems *systems, struct json *lines);
/* Syncs whose last run was stopped, incomplete or failed. */
void attention_syncs(const struct sync_systems *systems, struct json *lines);
/* Moves that have stopped, meet errors, or are due while no controller leads. */
void attention_moves(const struct move_tally *moves, const struct federation *federation,
	int64_t now_us, struct json *lines);

/* Whether the milter decides by itself: replica loaded and current, node enabled. */
bool attention_ready(const struct json *milter);

#endif
