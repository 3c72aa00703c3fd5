#include "milter/silence.h"

#include "lib/clock.h"

#define GRACE_PERIODS 3
#define PAUSE_MOST_US (300 * CLOCK_SECOND)

void silence_begin(struct silence *silence, int64_t now_us)
{
	*silence = (struct silence){ .since_us = now_us };
}

void silence_wrote(struct silence *silence, int64_t now_us)
{
	if (silence->unseen_us == 0)
		silence->unseen_us = now_us;
}

/* The first time at once, then at doubling intervals: each is a refresh for a provider. */
static int64_t pause_of(unsigned looked, int64_t grace_us)
{
	int64_t pause = grace_us;

	while (looked-- > 1 && pause < PAUSE_MOST_US)
		pause *= 2;
	return pause < PAUSE_MOST_US ? pause : PAUSE_MOST_US;
}

static bool is_elsewhere_due(struct silence *silence, int64_t grace_us, int64_t now_us)
{
	if (silence->unseen_us == 0 || now_us - silence->unseen_us <= grace_us ||
		now_us < silence->elsewhere_us)
		return false;
	silence->looked++;
	silence->elsewhere_us = now_us + pause_of(silence->looked, grace_us);
	return true;
}

enum silence_verdict silence_judge(struct silence *silence, bool came_back, int64_t age_us,
	int64_t period_us, int64_t now_us, int64_t *again_us_r)
{
	int64_t grace = GRACE_PERIODS * period_us;

	if (age_us != INT64_MAX && now_us - age_us > silence->since_us)
		silence->since_us = now_us - age_us;
	if (came_back)
		silence->unseen_us = 0;
	*again_us_r = silence->since_us + grace + CLOCK_MS;
	if (now_us - silence->since_us <= grace) {
		silence->elsewhere_us = silence->looked = 0;
		return SILENCE_NONE;
	}
	*again_us_r = now_us + period_us;
	return is_elsewhere_due(silence, grace, now_us) ? SILENCE_ELSEWHERE : SILENCE_CUT_OFF;
}
