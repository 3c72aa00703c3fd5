#include "queue/lane.h"

#include <string.h>
#include <strings.h>

#include "lib/mem.h"

static void lane_free(struct lane **lane)
{
	endpoint_clear(&(*lane)->endpoint);
	mem_free(&(*lane)->system);
	mem_free(&(*lane)->listener);
	mem_free(lane);
}

static struct lane *lane_new(
	const char *system, const char *listener, enum release_tls mode, const char **error_r)
{
	struct lane *lane = mem_zalloc(sizeof *lane);

	lane->system = mem_strdup(system);
	lane->listener = mem_strdup(listener);
	lane->mode = mode;
	if (endpoint_parse(listener, &lane->endpoint, error_r) < 0)
		lane_free(&lane);
	return lane;
}

struct lane *lane_get(struct lane **lanes, const char *system, const char *listener,
	enum release_tls mode, const char **error_r)
{
	for (struct lane *lane = *lanes; lane != NULL; lane = lane->next)
		if (lane->mode == mode && strcmp(lane->listener, listener) == 0 &&
			strcasecmp(lane->system, system) == 0)
			return lane;
	struct lane *lane = lane_new(system, listener, mode, error_r);
	if (lane != NULL) {
		lane->next = *lanes;
		*lanes = lane;
	}
	return lane;
}

void lanes_free(struct lane **lanes)
{
	while (*lanes != NULL) {
		struct lane *lane = *lanes;
		*lanes = lane->next;
		lane_free(&lane);
	}
}

const char *lane_remote(const struct lane *lane)
{
	return lane->endpoint.path ? "localhost" : lane->endpoint.host;
}
