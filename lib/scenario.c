#include "lib/scenario.h"

#include <string.h>

const char *scenario_fault(const struct config_scenario *scenario)
{
	if (strcmp(scenario->transfer, "none") != 0)
		return "its scenario transfers data, which this version cannot";
	if (scenario->verify)
		return "its scenario has the station checked (verify), which this version cannot";
	if (scenario->local)
		return "its scenario has local data moved (local), which this version cannot";
	if (scenario->integrate)
		return "its scenario validates the source data (integrate), which this version "
		       "cannot";
	if (scenario->diary_ahead)
		return "its scenario moves the calendar ahead (diary-ahead), which this version "
		       "cannot";
	return NULL;
}

static int64_t late(const struct move *move)
{
	const int64_t swapped = move->reached_us[MOVE_SWAPPED];

	return swapped > move->instant_us ? swapped : move->instant_us;
}

/* An offset of "never" is none: what must happen happens at the instant. */
int64_t scenario_time_us(const struct config_scenario *scenario, const struct move *move, int state)
{
	switch (state) {
	case MOVE_CREATED:
		return move->instant_us + (scenario->create != INT64_MAX ? scenario->create : 0);
	case MOVE_ADDRESSED: return move->instant_us;
	case MOVE_DELETED:
		/* a swap that came late leaves the same time to find out what is missing */
		return scenario->delete != INT64_MAX ? late(move) + scenario->delete : INT64_MAX;
	default: return INT64_MAX;
	}
}
