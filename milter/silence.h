/*
 * Whether the directory's changes still come, told by the heartbeats of this front door, which go
 * to write_uri and come back by the provider that is followed. Three periods are the grace. Pure
 * but for its own memory; one thread. Instants are clock_mono_us().
 */
#ifndef RESTANTE_MILTER_SILENCE_H
#define RESTANTE_MILTER_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

struct silence {
	int64_t since_us;  /* the last sign of life, or the start */
	int64_t unseen_us; /* the first heartbeat that was written and did not come back, 0 = none
			    */
	int64_t elsewhere_us; /* another provider is not looked for before */
	unsigned looked;      /* how often one was */
};

void silence_begin(struct silence *silence, int64_t now_us);
/* A heartbeat was written. */
void silence_wrote(struct silence *silence, int64_t now_us);

enum silence_verdict {
	SILENCE_NONE,
	SILENCE_CUT_OFF,   /* nothing comes, and perhaps nothing can be written either */
	SILENCE_ELSEWHERE, /* nothing comes though it is written: another provider may know more */
};

/*
 * came_back: the heartbeat that was written last is the one that the replica shows. age_us: of the
 * last one that came back, INT64_MAX = none did. again_us_r: when to ask again.
 */
enum silence_verdict silence_judge(struct silence *silence, bool came_back, int64_t age_us,
	int64_t period_us, int64_t now_us, int64_t *again_us_r);

#endif
