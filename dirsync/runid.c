#define _GNU_SOURCE
#include "dirsync/runid.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "dirsync/folder.h"
#include "lib/clock.h"
#include "lib/mem.h"

void runid_new(int64_t wall_us, struct str *out)
{
	time_t seconds = (time_t)(wall_us / CLOCK_SECOND);
	uint16_t random = 0;
	struct tm tm;
	char text[32];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &tm);
	if (getrandom(&random, sizeof random, 0) < 0)
		random = (uint16_t)wall_us;
	str_printf(out, "%s-%04x", text, random);
}

int64_t runid_asked(
	const char *state_dir, const char *system, enum sync_direction direction, uint64_t number)
{
	char *folder = folder_of(state_dir, system);
	char *path = mem_printf("%s/%s.asked", folder, sync_direction_name(direction));
	uint64_t known = 0;
	int64_t since = clock_wall_us(), then = 0;
	FILE *file = number > 0 ? fopen(path, "r+e") : NULL;

	if (file != NULL && fscanf(file, "%" SCNu64 " %" SCNd64, &known, &then) == 2 &&
		known == number && then <= since) {
		since = then;
	} else if (number > 0) {
		if (file != NULL)
			fclose(file);
		file = fopen(path, "we");
		if (file != NULL)
			fprintf(file, "%" PRIu64 " %" PRId64 "\n", number, since);
	}
	if (file != NULL)
		fclose(file);
	mem_free(&path);
	mem_free(&folder);
	return number > 0 ? since : 0;
}
