#define _GNU_SOURCE
#include "queue/holdq_internal.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define BATCH_OPS        128
#define BATCH_BYTES      (8U << 20) /* content of small messages */
#define MAX_TRIES        100
#define RECORD_LOG_BYTES 2048
#define PATIENCE_US      50

/* --- one transaction ------------------------------------------------------------------------- */

static void batch_begin(struct batch *batch)
{
	struct holdq *queue = batch->queue;

	pthread_mutex_lock(&queue->lock);
	batch->totals = queue->totals;
	batch->limits = queue->limits;
	pthread_mutex_unlock(&queue->lock);
	batch->today = (uint32_t)(clock_wall_us() / (86400 * CLOCK_SECOND));
	batch->trouble = BDB_OK;
	batch->id_limit = queue->id_limit;
	batch->changed = false;
	batch->garbage_count = batch->news_count = batch->stored_count = 0;
	batch->reason[0] = '\0';
}

static void apply_one(struct batch *batch, struct op *op)
{
	op->result = holdq_apply(batch, op);
	if (op->result != HOLDQ_OK) {
		memcpy(op->reason, batch->reason, sizeof(op->reason));
		batch->totals.refused += op->kind == OP_PUT;
		return;
	}
	batch->changed = true;
}

static void save_totals(struct batch *batch)
{
	str_reset(&batch->buffer);
	totals_encode(&batch->buffer, &batch->totals);
	batch_ok(batch, bdb_put(batch->queue->meta, batch->txn, "totals", 6, batch->buffer.data,
				batch->buffer.len, 0));
}

/* What the release notes of its tries may be lost in a loss of power; what it handed over is synced
 * a little later, with others. */
static bool wants_sync(const struct op *op)
{
	return op->put != NULL || !(op->kind == OP_UPDATE || op->lag);
}

static bool any_wants_sync(const struct op *first)
{
	while (first != NULL && !wants_sync(first))
		first = first->next;
	return first != NULL;
}

static bool any_lags(const struct op *first)
{
	while (first != NULL && !first->lag)
		first = first->next;
	return first != NULL;
}

static bool is_sync_due(const struct holdq *queue)
{
	return queue->sync_due_us != 0 && clock_mono_us() >= queue->sync_due_us;
}

static enum bdb_result batch_try(struct batch *batch, struct op *first)
{
	int64_t began_us = clock_mono_us();

	batch_begin(batch);
	batch->synced = any_wants_sync(first) || is_sync_due(batch->queue);
	batch->lags = any_lags(first);
	unsigned flags = batch->synced ? 0 : BDB_NOSYNC;
	if (!batch_ok(batch, bdb_begin(batch->queue->env, flags, &batch->txn)))
		return batch->trouble;
	for (struct op *op = first; op != NULL && batch->trouble == BDB_OK; op = op->next)
		apply_one(batch, op);
	if (batch->changed && batch->trouble == BDB_OK)
		save_totals(batch);
	if (batch->changed && batch->trouble == BDB_OK)
		batch_ok(batch, bdb_commit(&batch->txn));
	else
		bdb_abort(&batch->txn);
	if (batch->changed && batch->trouble == BDB_OK)
		metric_observe(
			&batch->queue->commit_times, &metric_work, clock_mono_us() - began_us);
	return batch->trouble;
}

static void hand_over_garbage(struct batch *batch)
{
	for (size_t i = 0; i < batch->garbage_count; i++)
		holdq_discard(batch->queue, batch->garbage[i]);
}

/* Content is logged as it comes and as it goes; records and indexes besides. */
static uint64_t log_estimate(const struct holdq_totals *before, const struct holdq_totals *after)
{
	uint64_t records = after->stored - before->stored + after->removed - before->removed;
	uint64_t content = after->bytes > before->bytes ? after->bytes - before->bytes
							: before->bytes - after->bytes;

	return content + records * RECORD_LOG_BYTES;
}

/* After the commit: what others may see. */
static void batch_publish(struct batch *batch)
{
	struct holdq *queue = batch->queue;

	pthread_mutex_lock(&queue->lock);
	queue->unchecked += log_estimate(&queue->totals, &batch->totals);
	batch->totals.batches += batch->changed;
	batch->totals.syncs += batch->changed && batch->synced;
	queue->totals = batch->totals;
	queue->id_limit = batch->id_limit;
	if (queue->unchecked >= CHECKPOINT_BYTES)
		pthread_cond_signal(&queue->chore);
	pthread_mutex_unlock(&queue->lock);
	hand_over_garbage(batch);
	pthread_mutex_lock(&queue->observer_lock);
	for (size_t i = 0; i < batch->news_count && queue->observer != NULL; i++)
		queue->observer(queue->observer_context, batch->news[i]);
	for (size_t i = 0; i < batch->stored_count && queue->stored_observer != NULL; i++)
		queue->stored_observer(queue->stored_context, batch->stored[i]);
	pthread_mutex_unlock(&queue->observer_lock);
}

/* A sync takes along whatever was written before. */
static void note_sync(struct batch *batch)
{
	struct holdq *queue = batch->queue;

	if (!batch->changed)
		return;
	if (batch->synced)
		queue->sync_due_us = 0;
	else if (batch->lags && queue->sync_due_us == 0)
		queue->sync_due_us = clock_mono_us() + HOLDQ_LAG_US;
}

/* --- a batch, and what becomes of it when it fails -------------------------------------------- */

static enum holdq_result failed_result(enum bdb_result trouble)
{
	switch (trouble) {
	case BDB_FULL: return HOLDQ_FULL;
	case BDB_BROKEN: return HOLDQ_BROKEN;
	default: return HOLDQ_FAILED;
	}
}

static void fail_all(struct batch *batch, struct op *first)
{
	size_t refused = 0;

	for (struct op *op = first; op != NULL; op = op->next) {
		op->result = failed_result(batch->trouble);
		memcpy(op->reason, batch->reason, sizeof(op->reason));
		refused += op->kind == OP_PUT;
	}
	pthread_mutex_lock(&batch->queue->lock);
	batch->queue->totals.refused += refused;
	pthread_mutex_unlock(&batch->queue->lock);
	if (batch->trouble == BDB_FULL)
		holdq_space_gone(batch->queue);
	if (batch->trouble == BDB_BROKEN)
		batch->queue->broken = true;
	log_warning("queue", "transaction failed: %s", batch->reason);
}

static enum bdb_result batch_retry(struct batch *batch, struct op *first)
{
	enum bdb_result result = batch_try(batch, first);

	for (int i = 1; i < MAX_TRIES && result == BDB_RETRY; i++)
		result = batch_try(batch, first);
	if (result == BDB_OK)
		note_sync(batch);
	return result;
}

/* Removing needs space in the log: the reserve gives it. */
static enum bdb_result with_reserve(struct batch *batch, struct op *op, enum bdb_result result)
{
	struct holdq *queue = batch->queue;

	if (result != BDB_FULL || op->kind == OP_PUT || !holdq_reserve_drop(queue->dir))
		return result;
	pthread_mutex_lock(&queue->lock);
	queue->reserve_wanted = true;
	pthread_mutex_unlock(&queue->lock);
	return batch_retry(batch, op);
}

static void run_alone(struct batch *batch, struct op *op)
{
	struct op *next = op->next;

	op->next = NULL;
	enum bdb_result result = with_reserve(batch, op, batch_retry(batch, op));
	if (result == BDB_OK)
		batch_publish(batch);
	else
		fail_all(batch, op);
	op->next = next;
}

/* One that fails must not fail the others: each gets a transaction of its own then. */
static void run(struct batch *batch, struct op *first)
{
	enum bdb_result result = batch_retry(batch, first);

	if (result == BDB_OK)
		batch_publish(batch);
	else if (result == BDB_BROKEN)
		fail_all(batch, first);
	else
		for (struct op *op = first; op != NULL; op = op->next)
			run_alone(batch, op);
}

/* --- the list -------------------------------------------------------------------------------- */

static size_t op_bytes(const struct op *op)
{
	return op->put != NULL ? op->put->draft->tail.len : 0;
}

/* Takes what waits, bounded; called with the lock. */
static struct op *take(struct holdq *queue)
{
	struct op *first = queue->first, *last = first;
	size_t bytes = op_bytes(first), taken = 1;

	for (; taken < BATCH_OPS && last->next != NULL; taken++) {
		bytes += op_bytes(last->next);
		if (bytes > BATCH_BYTES)
			break;
		last = last->next;
	}
	queue->waiting -= taken;
	queue->first = last->next;
	if (queue->first == NULL)
		queue->last = &queue->first;
	last->next = NULL;
	return first;
}

static void wake_all(struct holdq *queue, struct op *first)
{
	pthread_mutex_lock(&queue->lock);
	while (first != NULL) {
		struct op *next = first->next; /* its caller may leave as soon as it is done */
		first->done = true;
		pthread_cond_signal(&first->wake);
		first = next;
	}
	pthread_mutex_unlock(&queue->lock);
}

/* What lags is due: with the lock, which it lets go. */
static void sync_now(struct holdq *queue)
{
	pthread_mutex_unlock(&queue->lock);
	enum holdq_result result = holdq_sync(queue);
	if (result != HOLDQ_OK)
		log_warning("queue",
			"cannot sync what was handed over, a loss of power may bring it back: %s",
			holdq_reason());
	pthread_mutex_lock(&queue->lock);
	queue->sync_due_us = result == HOLDQ_OK ? 0 : clock_mono_us() + CLOCK_SECOND;
	queue->totals.syncs += result == HOLDQ_OK;
}

static void wait_for_one(struct holdq *queue)
{
	while (queue->first == NULL && !queue->stopping) {
		if (queue->sync_due_us == 0)
			pthread_cond_wait(&queue->work, &queue->lock);
		else if (is_sync_due(queue))
			sync_now(queue);
		else
			clock_cond_wait_until(&queue->work, &queue->lock, queue->sync_due_us);
	}
}

/*
 * Waits until there is something to do; false: no more will come. As many as were at work lately
 * (in the last batch, or waiting behind it) may be about to come back: a moment's patience, much
 * shorter than a sync, lets them share one.
 */
static bool wait_for_work(struct holdq *queue, size_t expected)
{
	wait_for_one(queue);
	if (expected > BATCH_OPS)
		expected = BATCH_OPS;
	int64_t deadline = clock_mono_us() + PATIENCE_US;
	queue->enough = expected;
	while (queue->waiting < expected && !queue->stopping)
		if (clock_cond_wait_until(&queue->work, &queue->lock, deadline) != 0)
			break;
	queue->enough = 1;
	return queue->first != NULL;
}

void *holdq_writer(void *context)
{
	struct holdq *queue = context;
	struct batch batch = { .queue = queue };
	size_t expected = 1;

	pthread_setname_np(pthread_self(), "holdq-writer");
	pthread_mutex_lock(&queue->lock);
	while (wait_for_work(queue, expected)) {
		size_t before = queue->waiting;
		struct op *first = take(queue);
		size_t taken = before - queue->waiting;
		pthread_mutex_unlock(&queue->lock);
		run(&batch, first);
		wake_all(queue, first);
		pthread_mutex_lock(&queue->lock);
		if (queue->first != NULL)
			pulse_step(&queue->pulse);
		else
			pulse_rest(&queue->pulse);
		expected = taken + queue->waiting;
	}
	pthread_mutex_unlock(&queue->lock);
	mem_free(&batch.garbage);
	mem_free(&batch.news);
	mem_free(&batch.stored);
	str_free(&batch.buffer);
	return NULL;
}

const struct metric_histogram *holdq_commit_times(const struct holdq *queue)
{
	return &queue->commit_times;
}

int64_t holdq_busy_us(const struct holdq *queue)
{
	return pulse_busy_us(&queue->pulse);
}

enum holdq_result holdq_submit(struct holdq *queue, struct op *op)
{
	if (queue->broken)
		return holdq_refuse(HOLDQ_BROKEN, "the store is unusable until the next start");
	op->done = false;
	op->next = NULL;
	op->reason[0] = '\0';
	pthread_cond_init(&op->wake, NULL);
	pthread_mutex_lock(&queue->lock);
	bool refused = queue->stopping;
	if (!refused) {
		pulse_wanted(&queue->pulse);
		*queue->last = op;
		queue->last = &op->next;
		if (++queue->waiting >= queue->enough)
			pthread_cond_signal(&queue->work);
		while (!op->done)
			pthread_cond_wait(&op->wake, &queue->lock);
	}
	pthread_mutex_unlock(&queue->lock);
	pthread_cond_destroy(&op->wake);
	if (refused)
		return holdq_refuse(HOLDQ_FAILED, "the hold queue is being closed");
	return op->result == HOLDQ_OK ? HOLDQ_OK : holdq_refuse(op->result, "%s", op->reason);
}
