/* Commit, removal, changes: each is an operation for the writer. */
#define _GNU_SOURCE
#include "queue/holdq_internal.h"

#include <string.h>

#include "lib/mem.h"

enum holdq_result holdq_commit(struct holdq_draft *draft, const struct holdq_envelope *envelope,
	const struct holdq_recipient *recipients, size_t count, const uint8_t *repeat,
	uint64_t *id_r, size_t *held_r)
{
	struct put put = { .draft = draft,
		.envelope = envelope,
		.recipients = recipients,
		.count = count,
		.repeat = repeat };
	struct op op = { .kind = OP_PUT, .put = &put };

	*id_r = 0;
	*held_r = 0;
	if (draft->committed || count == 0)
		return holdq_refuse(HOLDQ_FAILED, "nothing to commit");
	enum holdq_result result = holdq_draft_flush(draft);
	if (result == HOLDQ_OK)
		result = holdq_submit(draft->queue, &op);
	if (result != HOLDQ_OK)
		return result;
	draft->committed = put.held_r != 0;
	*id_r = put.id_r;
	*held_r = put.held_r;
	return HOLDQ_OK;
}

/* What goes with a notice until its operation is done. */
struct notice_parts {
	struct put put;
	struct holdq_envelope envelope;
	struct holdq_recipient recipient;
	struct holdq_draft *draft;
	char *id;
};

/* The notice keeps the id= of the message it speaks of, so that one search finds both. */
static enum holdq_result notice_begin(struct holdq *queue, uint64_t id,
	const struct holdq_notice *notice, struct notice_parts *parts)
{
	static char empty[] = "";
	struct message_record about;

	memset(parts, 0, sizeof(*parts));
	if (notice == NULL)
		return HOLDQ_OK;
	enum holdq_result result = holdq_read_record(queue, NULL, id, &about);
	if (result != HOLDQ_OK)
		return result;
	parts->id = mem_printf("%s-notice", about.envelope.id);
	envelope_clear(&about.envelope);
	parts->envelope = (struct holdq_envelope){ empty, empty, empty, empty, empty, empty, empty,
		parts->id, 0 };
	/* Only read from here on; the structures are the ones callers fill. */
	if (notice->mail_params != NULL)
		parts->envelope.mail_params = (char *)(uintptr_t)notice->mail_params;
	parts->recipient.address = (char *)(uintptr_t)notice->recipient;
	parts->recipient.params = empty;
	parts->draft = holdq_draft_new(queue);
	parts->draft->unlimited = true;
	parts->put = (struct put){ .draft = parts->draft,
		.envelope = &parts->envelope,
		.recipients = &parts->recipient,
		.count = 1 };
	result = holdq_draft_append(parts->draft, notice->content, notice->bytes);
	return result == HOLDQ_OK ? holdq_draft_flush(parts->draft) : result;
}

static void notice_end(struct notice_parts *parts, enum holdq_result result)
{
	if (parts->draft != NULL)
		parts->draft->committed = result == HOLDQ_OK;
	holdq_draft_free(&parts->draft);
	mem_free(&parts->id);
}

static enum holdq_result with_notice(
	struct holdq *queue, struct op *op, const struct holdq_notice *notice)
{
	struct notice_parts parts;
	enum holdq_result result = notice_begin(queue, op->id, notice, &parts);

	if (notice != NULL)
		op->put = &parts.put;
	if (result == HOLDQ_OK)
		result = holdq_submit(queue, op);
	notice_end(&parts, result);
	return result;
}

enum holdq_result holdq_remove(struct holdq *queue, uint64_t id, const uint32_t *numbers,
	size_t count, const struct holdq_notice *notice)
{
	struct op op = { .kind = OP_REMOVE, .id = id, .numbers = numbers, .count = count };

	return with_notice(queue, &op, notice);
}

enum holdq_result holdq_handed_over(
	struct holdq *queue, uint64_t id, const uint32_t *numbers, size_t count)
{
	struct op op = {
		.kind = OP_REMOVE, .id = id, .numbers = numbers, .count = count, .lag = true
	};

	return holdq_submit(queue, &op);
}

enum holdq_result holdq_sync(struct holdq *queue)
{
	return holdq_store_result(queue, bdb_log_sync(queue->env));
}

enum holdq_result holdq_update(struct holdq *queue, uint64_t id,
	const struct holdq_held_recipient *recipient, const struct holdq_notice *notice)
{
	struct op op = { .kind = OP_UPDATE, .id = id, .recipient = recipient };

	return with_notice(queue, &op, notice);
}

enum holdq_result holdq_tell(struct holdq *queue, uint64_t id, const uint32_t *numbers,
	size_t count, const struct holdq_notice *notice)
{
	struct op op = { .kind = OP_TELL, .id = id, .numbers = numbers, .count = count };

	return with_notice(queue, &op, notice);
}

enum holdq_result holdq_readdress(struct holdq *queue, uint64_t id, const uint32_t *numbers,
	size_t count, const uint8_t *mailbox, const char *address)
{
	struct op op = { .kind = OP_REHOME,
		.id = id,
		.numbers = numbers,
		.count = count,
		.mailbox = mailbox,
		.address = address };

	return holdq_submit(queue, &op);
}

enum holdq_result holdq_rehome(
	struct holdq *queue, uint64_t id, uint32_t number, const uint8_t *mailbox)
{
	return holdq_readdress(queue, id, &number, 1, mailbox, NULL);
}
