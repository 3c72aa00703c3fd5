/* What the parts of the state machine share. */
#ifndef RESTANTE_CONTROL_MACHINE_INTERNAL_H
#define RESTANTE_CONTROL_MACHINE_INTERNAL_H

#include "control/machine.h"

/* One question: what is known, and the answer. */
struct asked {
	const struct move *move;
	const struct config_scenario *scenario; /* NULL = unknown */
	const struct move_facts *facts;
	int64_t now_us;
	struct move_decision *decision;
};

/* Each of these returns true: decided. */
bool decide_do(struct asked *q, enum step step);
bool decide_look(struct asked *q);
bool decide_wait(struct asked *q, int64_t until_us, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
bool decide_trouble(struct asked *q, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool decide_stop(struct asked *q, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool decide_enter(struct asked *q, int state);
bool decide_answer(struct asked *q, enum step step, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
bool decide_over(struct asked *q, enum move_outcome outcome, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
bool decide_idle(struct asked *q);
/* Somebody else's hold, which the swap would release: waited for. */
bool decide_held_already(struct asked *q);
/* An administrator's state, which a hold would write over: waited for. False: there is none. */
bool is_withheld(struct asked *q);

bool has(const struct asked *q, enum step step);
/* When, wall clock; 0 where it was not. */
int64_t done_us(const struct asked *q, enum step step);
/* Done, or claimed once and not seen to end. */
bool begun(const struct asked *q, enum step step);
/* Decides to do it, where that was not done and the system can; false: go on. */
bool need(struct asked *q, enum step step);
/* The same; a system that has no such action stops the move. */
bool must(struct asked *q, enum step step);
/* Draining is over: complete, or its bound has passed and `redirected` catches the rest. */
bool is_drained(const struct asked *q, bool redirected);

/* A rollback that is not to be begun: the old mailbox is gone, or mail is in the second one. */
bool is_declined(struct asked *q, enum step step);

/* Each decides, always. */
void forward(struct asked *q); /* until state 10 */
void backward(struct asked *q);
void finished(struct asked *q); /* from state 10 on */
void retire(struct asked *q);   /* purge, or nothing any more */

#endif
