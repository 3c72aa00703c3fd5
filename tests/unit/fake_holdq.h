/* The store's contract (queue/holdq.h) in memory, so that the release can be tested alone. */
#ifndef RESTANTE_TESTS_FAKE_HOLDQ_H
#define RESTANTE_TESTS_FAKE_HOLDQ_H

#include "queue/holdq.h"

struct holdq *fake_holdq(void);
void fake_free(struct holdq **queue);

/* Stores a message of one or several recipients ("a@x b@x"), all of one mailbox; its number. */
uint64_t fake_add(struct holdq *queue, const char *mailbox, const char *sender,
	const char *mail_params, const char *recipients, const char *rcpt_params,
	const char *content);
void fake_params(struct holdq *queue, uint64_t id, size_t recipient, const char *params);
void fake_age(struct holdq *queue, uint64_t id, int64_t arrived_us);
void fake_mailbox(const char *name, uint8_t *mailbox_r); /* "anna" -> her uuid */

size_t fake_count(struct holdq *queue, const char *mailbox); /* NULL = all; recipients held */
size_t fake_messages(struct holdq *queue);
/* Content of the newest notice ("" = none), borrowed; its recipient. */
const char *fake_notice(struct holdq *queue, const char **recipient_r);
unsigned fake_notices(struct holdq *queue); /* stored so far */
uint32_t fake_attempts(struct holdq *queue, uint64_t id);
void fake_fail_removals(
	struct holdq *queue, unsigned count); /* the next ones; of holdq_tell, too */
void fake_break(struct holdq *queue);         /* unusable from now on */

#endif
