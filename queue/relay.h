/*
 * The release listener as a whole: working or in trouble (DESIGN section 4). Trouble keeps
 * everything bound for it waiting, one session at a time tries again, and the time does not count
 * towards expiry. Pure but for its state; the caller locks. Instants are monotonic microseconds.
 */
#ifndef RESTANTE_QUEUE_RELAY_H
#define RESTANTE_QUEUE_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#define RELAY_SUSPECTS 3

struct relay {
	bool trouble;
	bool probing;                      /* one worker is trying */
	int64_t since_us;                  /* of this trouble */
	int64_t next_us;                   /* not to be tried before */
	unsigned failures;                 /* in a row */
	int64_t past_us;                   /* trouble that is over, in all */
	uint64_t suspects[RELAY_SUSPECTS]; /* different ones refused in a row, see struct outcome */
	unsigned suspect_count;
};

/* Whether a transaction may be tried now; does not take the right to. */
bool relay_is_open(const struct relay *relay, int64_t now_us);
/* Takes it: in trouble only one at a time gets it. *probe_r: end with fine, failed or let_go. */
bool relay_enter(struct relay *relay, int64_t now_us, bool *probe_r);
/* The probe found nothing to try; the next one may. */
void relay_let_go(struct relay *relay);
/* True where this ended trouble. */
bool relay_fine(struct relay *relay, int64_t now_us);
/* True where this began trouble. retry_*: backoff. */
bool relay_failed(struct relay *relay, int64_t now_us, int64_t retry_min_us, int64_t retry_max_us);
/* A refusal that may be the listener's fault. True where it was one too many: call relay_failed. */
bool relay_suspect(struct relay *relay, uint64_t key);
/* Administrator: try now. */
void relay_try_now(struct relay *relay, int64_t now_us);
/* Trouble so far in the life of the process: differences are what expiry leaves out. */
int64_t relay_clock(const struct relay *relay, int64_t now_us);

#endif
