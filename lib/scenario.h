/* What a scenario of restante.conf(5) says about a move. Pure. */
#ifndef RESTANTE_LIB_SCENARIO_H
#define RESTANTE_LIB_SCENARIO_H

#include <stdint.h>

#include "lib/config.h"
#include "lib/move.h"

/* Why a scenario cannot be done by this program yet: NULL = it can. Static text. */
const char *scenario_fault(const struct config_scenario *scenario);
/* When the way to `state` may begin (MOVE_CREATED: create, MOVE_ADDRESSED: the instant,
 * MOVE_DELETED: delete): the instant of the move plus the scenario's offset; what is past already
 * is due at once. INT64_MAX: never in this scenario. */
int64_t scenario_time_us(
	const struct config_scenario *scenario, const struct move *move, int state);

#endif
