#define _GNU_SOURCE
#include "dirsync/runid.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "dirsync/folder.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/when.h"

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

/* "20261123020121.123456Z#000000#001#000000": the server's number; NULL: it is none. */
static const char *server_of(const char *csn)
{
	const char *count = strchr(csn, '#');

	return count != NULL ? strchr(count + 1, '#') : NULL;
}

int64_t runid_latest(const char *then, const char *now, int64_t now_us)
{
	const char *a = server_of(then), *b = server_of(now);
	int64_t then_us = when_csn_us(then), their_us = when_csn_us(now);

	if (a == NULL || b == NULL || then_us < 0 || their_us < then_us || strncmp(a, b, 5) != 0)
		return 0;
	return now_us - (their_us - then_us);
}

static bool read_asked(const char *path, uint64_t *number_r, int64_t *since_r)
{
	FILE *file = fopen(path, "re");

	if (file == NULL)
		return false;
	bool good = fscanf(file, "%" SCNu64 " %" SCNd64, number_r, since_r) == 2;
	fclose(file);
	return good;
}

static void write_asked(const char *path, uint64_t number, int64_t since)
{
	FILE *file = fopen(path, "we");

	if (file == NULL)
		return;
	fprintf(file, "%" PRIu64 " %" PRId64 "\n", number, since);
	fclose(file);
}

int64_t runid_asked(const char *state_dir, const char *system, enum sync_direction direction,
	uint64_t number, int64_t latest_us)
{
	int64_t since = clock_wall_us(), then = 0;
	uint64_t known = 0;

	if (number == 0)
		return 0;
	char *folder = folder_of(state_dir, system);
	char *path = mem_printf("%s/%s.asked", folder, sync_direction_name(direction));
	bool old = read_asked(path, &known, &then) && known == number && then <= since;

	if (latest_us > 0 && latest_us < since)
		since = latest_us;
	if (old && then <= since)
		since = then;
	else
		write_asked(path, number, since);
	mem_free(&path);
	mem_free(&folder);
	return since;
}
