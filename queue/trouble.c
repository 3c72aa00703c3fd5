/* The listener works, or is in trouble: what workers find out about it. */
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "queue/release_core.h"

void release_text(const struct reply *reply, char *text_r, size_t size)
{
	size_t n = 0;

	for (const char *p = reply->text; *p != '\0' && n + 1 < size; p++)
		text_r[n++] = *p == '"' ? '\'' : *p;
	text_r[n] = '\0';
}

void trouble_found(struct worker *worker, const struct answer *answer)
{
	struct release *release = worker->release;
	struct lane *lane = worker->lane;
	const struct settings *settings = worker->settings;
	char text[RELEASE_VALUE], name[RELEASE_VALUE];

	pthread_mutex_lock(&release->lock);
	int64_t now = clock_mono_us();
	bool began =
		relay_failed(&lane->relay, now, settings->retry_min_us, settings->retry_max_us);
	if (began)
		lane->trouble_wall_us = clock_wall_us();
	int64_t wait = lane->relay.next_us - now;
	worker->probe = NULL;
	release_due(release, lane->relay.next_us);
	pthread_mutex_unlock(&release->lock);
	release_text(&answer->reply, text, sizeof text);
	(began ? log_error : log_warning)("release",
		"the listener %s, everything for it waits listener=%s system=%s stage=\"%s\" "
		"reply=\"%s\" next_try=%.1fs",
		began ? "is in trouble" : "is still in trouble", lane->listener,
		log_value(name, sizeof name, lane->system), stage_name(answer->stage), text,
		(double)wait / 1e6);
}

void trouble_over(struct worker *worker)
{
	struct release *release = worker->release;
	struct lane *lane = worker->lane;
	char span[32], name[RELEASE_VALUE];

	pthread_mutex_lock(&release->lock);
	int64_t now = clock_mono_us(), since = lane->relay.since_us;
	bool ended = relay_fine(&lane->relay, now);
	worker->probe = NULL;
	if (ended) {
		lane->trouble_wall_us = 0;
		release_due(release, now);
	}
	pthread_mutex_unlock(&release->lock);
	if (ended)
		log_info("release", "the listener works again listener=%s system=%s after=\"%s\"",
			lane->listener, log_value(name, sizeof name, lane->system),
			clock_human(span, sizeof span, now - since));
}

static uint64_t mailbox_key(const uint8_t *mailbox)
{
	uint64_t key = 0;

	for (size_t i = 0; i < ROUTE_UUID_BYTES; i++)
		key = key * 31 + mailbox[i];
	return key;
}

void trouble_suspected(struct job *job, const struct answer *answer, bool by_mailbox)
{
	struct release *release = job->worker->release;
	bool scattered = job->is_notice || job->is_redirected;
	uint64_t key = by_mailbox && !scattered ? mailbox_key(job->box->mailbox) : job->message->id;

	pthread_mutex_lock(&release->lock);
	bool trouble = relay_suspect(&job->worker->lane->relay, key);
	pthread_mutex_unlock(&release->lock);
	if (trouble || job->worker->probe != NULL)
		trouble_found(job->worker, answer);
}
