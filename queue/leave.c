#include "queue/leave.h"

#include <stdio.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

void leaving_init(struct leaving *leaving, enum notice_kind kind, size_t most)
{
	leaving->kind = kind;
	leaving->numbers = mem_zalloc(most * sizeof *leaving->numbers);
	leaving->told = mem_zalloc(most * sizeof *leaving->told);
	leaving->statuses = mem_zalloc(most * sizeof *leaving->statuses);
	leaving->said = mem_zalloc(most * sizeof *leaving->said);
	leaving->count = leaving->told_count = 0;
}

void leaving_clear(struct leaving *leaving)
{
	for (size_t i = 0; i < leaving->told_count; i++)
		mem_free(&leaving->said[i]);
	mem_free(&leaving->said);
	mem_free(&leaving->numbers);
	mem_free(&leaving->told);
	mem_free(&leaving->statuses);
}

static bool is_told(const struct leaving *leaving, const struct job *job, const char *params)
{
	if (job->is_notice || (leaving->kind != NOTICE_FAILED && job->dsn))
		return false;
	return notice_wanted(leaving->kind, job->message->envelope.sender, params);
}

static char *veiled(const struct smtp_recipient *target, const char *address)
{
	struct str text = STR_INIT;

	notice_veil(target->answer.reply.text, target->address, address, &text);
	return str_steal(&text);
}

bool leaving_add(struct leaving *leaving, const struct job *job,
	const struct holdq_held_recipient *held, const struct smtp_recipient *target,
	const char *status)
{
	const struct reply *reply = &target->answer.reply;

	leaving->numbers[leaving->count++] = held->number;
	if (!is_told(leaving, job, held->params))
		return false;
	char *mine = leaving->statuses[leaving->told_count];
	if (status != NULL)
		snprintf(mine, REPLY_STATUS, "%s", status);
	else
		reply_status(reply, mine, REPLY_STATUS);
	leaving->said[leaving->told_count] = veiled(target, held->address);
	leaving->told[leaving->told_count] = (struct notice_recipient){
		.address = held->address,
		.params = held->params,
		.status = mine,
		.diagnostic = leaving->said[leaving->told_count],
		.own = reply->own,
		.attempt_us = clock_wall_us(),
	};
	leaving->told_count++;
	return true;
}

/* GONE: an administrator was faster. */
static enum holdq_result take_off(const struct leaving *leaving, const struct job *job, bool tell)
{
	const struct report report = {
		.release = job->worker->release,
		.settings = job->worker->settings,
		.message = job->message,
		.kind = leaving->kind,
		.recipients = leaving->told,
		.count = leaving->told_count,
		.remote = lane_remote(job->worker->lane),
	};
	struct str content = STR_INIT;
	struct holdq_notice notice;

	tell = tell && leaving->told_count > 0;
	if (tell)
		report_write(&report, &content, &notice);
	enum holdq_result result = tell ? holdq_remove(report.release->queue, job->message->id,
						  leaving->numbers, leaving->count, &notice)
					: holdq_handed_over(report.release->queue, job->message->id,
						  leaving->numbers, leaving->count);
	str_free(&content);
	return result == HOLDQ_GONE ? HOLDQ_OK : result;
}

int leaving_delivered(const struct leaving *leaving, const struct job *job)
{
	enum holdq_result result = HOLDQ_OK;
	bool tell = true;

	if (leaving->count == 0)
		return 0;
	while ((result = take_off(leaving, job, tell)) != HOLDQ_OK && result != HOLDQ_BROKEN) {
		log_error("release", "delivered but not removed yet id=%s: %s",
			job->message->envelope.id, holdq_reason());
		if (!tell && job->worker->release->stop)
			break;
		if (!tell)
			clock_sleep_us(CLOCK_SECOND);
		tell = false; /* it may be the notice that does not fit */
	}
	if (result == HOLDQ_OK)
		return 0;
	log_error("release", "delivered but not removed, it will be delivered again id=%s: %s",
		job->message->envelope.id, holdq_reason());
	return -1;
}

int leaving_failed(const struct leaving *leaving, const struct job *job, bool *kept_r)
{
	if (leaving->count == 0)
		return 0;
	enum holdq_result result = take_off(leaving, job, true);
	if (result == HOLDQ_OK)
		return 0;
	log_error("release", "cannot return a message, it stays id=%s: %s",
		job->message->envelope.id, holdq_reason());
	*kept_r = true;
	return result == HOLDQ_BROKEN ? -1 : 0;
}
