/* What administrators do to single messages, while no worker has them. */
#include <stdint.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "queue/release_core.h"
#include "queue/seat.h"

/* The lock is held, here and below. */
static struct box *find_box(struct release *release, const uint8_t *mailbox)
{
	struct box *box = box_find(&release->table, mailbox);

	return box != NULL ? box : box_add(&release->table, mailbox);
}

static void start_over(struct release *release, struct box *box)
{
	box->woken = true;
	box_run(&release->table, box);
	seat_ring(release, box);
}

bool release_claim(struct release *release, const uint8_t *mailbox, int64_t wait_us)
{
	int64_t deadline = clock_mono_us() + wait_us;

	pthread_mutex_lock(&release->lock);
	struct box *box = find_box(release, mailbox);
	box->claims++;
	pthread_cond_broadcast(&release->quiet);
	while (box->state == BOX_RUNNING && !release->stop && clock_mono_us() < deadline)
		clock_cond_wait_until(&release->quiet, &release->lock, deadline);
	bool claimed = box->state != BOX_RUNNING;
	if (!claimed)
		box->claims--;
	pthread_mutex_unlock(&release->lock);
	return claimed;
}

void release_let_go(struct release *release, const uint8_t *mailbox)
{
	pthread_mutex_lock(&release->lock);
	struct box *box = find_box(release, mailbox);
	box->claims--;
	start_over(release, box);
	pthread_mutex_unlock(&release->lock);
}

void release_rewind(struct release *release, const uint8_t *mailbox)
{
	pthread_mutex_lock(&release->lock);
	start_over(release, find_box(release, mailbox));
	pthread_mutex_unlock(&release->lock);
}

/* --- back to the sender ------------------------------------------------------------------- */

static const struct holdq_held_recipient *find(const struct holdq_message *message, uint32_t number)
{
	for (size_t i = 0; i < message->count; i++)
		if (message->recipients[i].number == number)
			return &message->recipients[i];
	return NULL;
}

static size_t list_told(const struct holdq_message *message, const uint32_t *numbers, size_t count,
	const char *reason, struct notice_recipient *told)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		const struct holdq_held_recipient *held = find(message, numbers[i]);
		if (held == NULL ||
			!notice_wanted(NOTICE_FAILED, message->envelope.sender, held->params))
			continue;
		told[n++] = (struct notice_recipient){
			.address = held->address,
			.params = held->params,
			.status = "5.7.1",
			.diagnostic = reason,
			.own = true,
		};
	}
	return n;
}

enum holdq_result release_return(struct release *release, const struct holdq_message *message,
	const uint32_t *numbers, size_t count, const char *reason, size_t *told_r)
{
	struct notice_recipient *told = mem_zalloc((count + 1) * sizeof *told);
	struct str content = STR_INIT;
	struct holdq_notice notice;

	pthread_mutex_lock(&release->lock);
	struct settings *settings = settings_hold(release);
	pthread_mutex_unlock(&release->lock);
	const struct report report = {
		.release = release,
		.settings = settings,
		.message = message,
		.kind = NOTICE_FAILED,
		.recipients = told,
		.count = list_told(message, numbers, count, reason, told),
		.remote = "",
	};
	*told_r = report.count;
	if (report.count > 0)
		report_write(&report, &content, &notice);
	enum holdq_result result = holdq_remove(
		release->queue, message->id, numbers, count, report.count > 0 ? &notice : NULL);
	if (result == HOLDQ_OK)
		atomic_fetch_add(&release->bounced, count);
	settings_drop(release, &settings);
	str_free(&content);
	mem_free(&told);
	return result;
}
