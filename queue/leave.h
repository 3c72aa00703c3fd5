/* Private to the release: recipients that leave the queue together, with the notice about them. */
#ifndef RESTANTE_QUEUE_LEAVE_H
#define RESTANTE_QUEUE_LEAVE_H

#include "queue/release_core.h"

struct leaving {
	enum notice_kind kind;
	uint32_t *numbers;
	struct notice_recipient *told; /* those whose sender wants to know */
	char (*statuses)[REPLY_STATUS];
	char **said;
	size_t count, told_count;
};

void leaving_init(struct leaving *leaving, enum notice_kind kind, size_t most);
void leaving_clear(struct leaving *leaving);
/* With the answer of the target it was sent to; whether the sender will be told. status: NULL =
 * that of the answer. */
bool leaving_add(struct leaving *leaving, const struct job *job,
	const struct holdq_held_recipient *held, const struct smtp_recipient *target,
	const char *status);
/* Off the queue, whatever it takes: they must not be sent once more. -1: the store is unusable. */
int leaving_delivered(const struct leaving *leaving, const struct job *job);
/*
 * Off the queue in one transaction with the notice; where that cannot be, the mail stays and
 * *kept_r is set. -1: the store is unusable.
 */
int leaving_failed(const struct leaving *leaving, const struct job *job, bool *kept_r);

#endif
