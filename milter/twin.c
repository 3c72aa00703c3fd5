#include "milter/twin.h"

#include <stdio.h>
#include <string.h>

void twin_wrote(struct twin *twin, const char *heartbeat)
{
	char *place = twin->ours[twin->next++ % TWIN_MEMORY];

	snprintf(place, sizeof twin->ours[0], "%s", heartbeat);
}

static bool is_ours(const struct twin *twin, const char *heartbeat)
{
	for (unsigned i = 0; i < TWIN_MEMORY; i++)
		if (strcmp(twin->ours[i], heartbeat) == 0)
			return true;
	return false;
}

bool twin_there(struct twin *twin, const char *shown, int64_t now_us, int64_t hold_us)
{
	bool news = *shown != '\0' && strcmp(shown, twin->shown) != 0;

	if (news && is_ours(twin, shown))
		twin->came_back = true;
	else if (news && twin->came_back)
		twin->until_us = now_us + hold_us;
	if (news)
		snprintf(twin->shown, sizeof twin->shown, "%s", shown);
	return now_us < twin->until_us;
}
