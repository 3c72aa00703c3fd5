/* Delay notices: the senders of messages that have been held for long are told, once. */
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "queue/release_core.h"

#define TELL_AT_ONCE 64

static bool may_tell(const struct holdq_message *message, const struct holdq_held_recipient *held)
{
	return !held->delay_told && memcmp(held->mailbox, holdq_notices, ROUTE_UUID_BYTES) != 0 &&
	       notice_wanted(NOTICE_DELAYED, message->envelope.sender, held->params);
}

/* Of one message. */
struct telling {
	struct notice_recipient *told;
	uint32_t *numbers;
	char (*statuses)[REPLY_STATUS];
	size_t count;
};

/* Otherwise it is our word on why there was none. */
static bool is_reply(const char *text)
{
	return strspn(text, "0123456789") == 3;
}

/* RFC 3463: 4.2.1, the mailbox takes no mail now, unless a system that was asked knows better. */
static void put_status(const struct holdq_held_recipient *held, bool tried, char *status)
{
	struct reply reply;

	snprintf(status, REPLY_STATUS, "%s", tried ? "4.0.0" : "4.2.1");
	if (!tried)
		return;
	reply_set(&reply, held->last_reply);
	if (reply.class == 4 || (reply.class == 0 && (reply.code == 0 || reply_is(&reply, 4))))
		reply_status(&reply, status, REPLY_STATUS);
}

/* Where its mailbox's mail goes, and went. */
static const char *remote_of(struct release *release, const uint8_t *mailbox)
{
	const char *remote = "";

	pthread_mutex_lock(&release->lock);
	const struct box *box = box_find(&release->table, mailbox);
	if (box != NULL)
		remote = lane_remote(release_lane(release, box));
	pthread_mutex_unlock(&release->lock);
	return remote;
}

static void add_told(struct telling *telling, struct release *release,
	const struct settings *settings, const struct holdq_held_recipient *held)
{
	bool tried = held->attempts > 0 && held->release_began_us > 0;
	char *status = telling->statuses[telling->count];

	put_status(held, tried, status);
	telling->numbers[telling->count] = held->number;
	telling->told[telling->count++] = (struct notice_recipient){
		.address = held->address,
		.params = held->params,
		.status = status,
		.diagnostic = tried ? held->last_reply : "",
		.own = !tried || !is_reply(held->last_reply),
		.remote = tried ? remote_of(release, held->mailbox) : "",
		.until_us =
			tried ? held->release_began_us + held->trouble_us + settings->expire_us : 0,
	};
}

static void begin_telling(struct telling *telling, struct release *release,
	const struct settings *settings, const struct holdq_message *message)
{
	size_t most = message->count + 1;

	telling->told = mem_zalloc(most * sizeof *telling->told);
	telling->numbers = mem_zalloc(most * sizeof *telling->numbers);
	telling->statuses = mem_zalloc(most * sizeof *telling->statuses);
	telling->count = 0;
	for (size_t i = 0; i < message->count; i++)
		if (may_tell(message, &message->recipients[i]))
			add_told(telling, release, settings, &message->recipients[i]);
}

static void end_telling(struct telling *telling)
{
	mem_free(&telling->told);
	mem_free(&telling->numbers);
	mem_free(&telling->statuses);
}

/* False: there is no room for the notice now. */
static bool store_told(struct release *release, const struct settings *settings,
	const struct holdq_message *message, const struct telling *telling)
{
	const struct report report = {
		.release = release,
		.settings = settings,
		.message = message,
		.kind = NOTICE_DELAYED,
		.recipients = telling->told,
		.count = telling->count,
		.remote = "",
	};
	struct str content = STR_INIT;
	struct holdq_notice notice;

	report_write(&report, &content, &notice);
	enum holdq_result result =
		holdq_tell(release->queue, message->id, telling->numbers, telling->count, &notice);
	if (result == HOLDQ_OK)
		log_info("release", "sender told of the delay id=%s recipients=%zu",
			message->envelope.id, telling->count);
	else if (result != HOLDQ_GONE)
		log_warning("release", "cannot tell the sender of the delay id=%s: %s",
			message->envelope.id, holdq_reason());
	str_free(&content);
	return result != HOLDQ_FULL;
}

static bool tell(struct release *release, const struct settings *settings,
	const struct holdq_message *message)
{
	struct telling telling;
	bool done = true;

	begin_telling(&telling, release, settings, message);
	if (telling.count > 0)
		done = store_told(release, settings, message, &telling);
	end_telling(&telling);
	return done;
}

/* False: this one is not old enough, nor are those behind it; or there is no room. */
static bool tell_if_old(struct release *release, const struct settings *settings, uint64_t id)
{
	struct holdq_message *message;
	bool old = true;

	pthread_mutex_lock(&release->record);
	if (holdq_read(release->queue, id, &message) == HOLDQ_OK) {
		int64_t age = clock_wall_us() - message->envelope.arrived_us;
		old = age >= settings->delay_notice_us;
		old = old && tell(release, settings, message);
		holdq_message_free(&message);
	}
	pthread_mutex_unlock(&release->record);
	return old;
}

/* Messages come in the order of their arrival, so each is looked at once. */
bool tell_delays(struct release *release, const struct settings *settings)
{
	uint64_t ids[TELL_AT_ONCE];

	if (settings->delay_notice_us <= 0)
		return false;
	size_t count = holdq_all_ids(release->queue, release->told_after, ids, TELL_AT_ONCE);
	for (size_t i = 0; i < count && !release->stop; i++) {
		if (!tell_if_old(release, settings, ids[i]))
			return false;
		release->told_after = ids[i];
	}
	return count == TELL_AT_ONCE;
}
