/*
 * What the front door counts of the mail that passes it. Thread-safe, without a lock; an object of
 * zeros is ready for use.
 */
#ifndef RESTANTE_MILTER_METER_H
#define RESTANTE_MILTER_METER_H

#include "lib/metrics.h"
#include "lib/route.h"
#include "milter/reply.h"

#define METER_VERDICTS (ROUTE_TRYAGAIN + 1)
#define METER_REPLIES  (REPLY_STOPPING + 1)

enum meter_stage { METER_RCPT, METER_MESSAGE, METER_STAGES };

/* Of an accepted message, by what became of its recipients. */
enum meter_way {
	METER_PASSED, /* the MTA goes on with it */
	METER_HELD,   /* nobody is left for the MTA: all held, or repeats of what is */
	METER_BOTH,
	METER_WAYS,
};

struct meter {
	struct metric_counter asked[METER_VERDICTS]; /* recipients at RCPT */
	struct metric_counter refused[METER_STAGES][METER_REPLIES];
	struct metric_counter messages[METER_WAYS];
	/* Recipients of accepted messages. */
	struct metric_names systems;
	struct metric_counter recipients[METER_VERDICTS][METRIC_NAMES_MAX + 1];
	/* From the end of a message to the answer: one that was held, any other that was taken. */
	struct metric_histogram held, passed;
};

/* The slot in `systems` for meter_recipient; "" is none, and has one as well. */
static inline size_t meter_system(struct meter *meter, const char *system)
{
	return metric_slot(&meter->systems, system);
}

static inline void meter_recipient(struct meter *meter, enum route_verdict verdict, size_t system)
{
	metric_add(&meter->recipients[verdict][system], 1);
}

#endif
