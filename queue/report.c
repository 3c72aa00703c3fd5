/* Notices to senders, made from held messages. */
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "queue/release_core.h"

/* All of it where that is returned; else as much as a header may have. */
static void read_original(const struct report *report, struct str *out)
{
	struct holdq *queue = report->release->queue;
	uint64_t bytes = report->message->bytes;
	size_t most = bytes <= report->settings->notice_bytes ? bytes : NOTICE_HEADER_MAX;
	size_t want = bytes < most ? bytes : most;
	size_t len = 1;

	str_reserve(out, want);
	while (out->len < want && len > 0) {
		if (holdq_content(queue, report->message->id, out->len, out->data + out->len,
			    want - out->len, &len) != HOLDQ_OK)
			break;
		out->len += len;
	}
	out->data[out->len] = '\0';
}

/* Notices go through the MTA, wherever held mail goes. */
static bool no_8bit(struct release *release)
{
	pthread_mutex_lock(&release->lock);
	bool none = release->mta->no_8bit;
	pthread_mutex_unlock(&release->lock);
	return none;
}

void report_write(const struct report *report, struct str *content, struct holdq_notice *notice_r)
{
	struct str original = STR_INIT;

	read_original(report, &original);
	struct notice notice = {
		.kind = report->kind,
		.hostname = report->settings->hostname,
		.remote = report->remote,
		.envelope = &report->message->envelope,
		.recipients = report->recipients,
		.count = report->count,
		.now_us = clock_wall_us(),
		.original = str_cstr(&original),
		.original_len = original.len,
		.complete = original.len == report->message->bytes &&
			    original.len <= report->settings->notice_bytes,
		.no_8bit = no_8bit(report->release),
	};
	notice_write(&notice, content);
	*notice_r = (struct holdq_notice){
		.recipient = report->message->envelope.sender,
		.content = str_cstr(content),
		.bytes = content->len,
		.mail_params = notice_mail_params(&notice),
	};
	str_free(&original);
}
