#define _GNU_SOURCE
#include "queue/outcome.h"

#include <string.h>

static const char *const stage_names[STAGE_COUNT] = { "connect", "greeting", "EHLO", "STARTTLS",
	"AUTH", "MAIL", "RCPT", "DATA", "end of data", "connection lost", "outcome unclear" };

const char *stage_name(enum stage stage)
{
	return stage_names[stage];
}

/* A message that is too large will not get smaller (RFC 1870 section 6.2). */
static bool refuses_size(const struct reply *reply)
{
	if (!reply_is(reply, 5))
		return false;
	if (reply->class == 5)
		return (reply->subject == 3 && reply->detail == 4) ||
		       (reply->subject == 2 && reply->detail == 3) ||
		       (reply->code == 552 && reply->subject != 7);
	return reply->code == 552;
}

/*
 * The listener does not take mail from us for that recipient, or does not understand us; nothing
 * is wrong with the recipient.
 */
static bool refuses_us(const struct reply *reply)
{
	if (reply->code == 500 || reply->code == 502 || reply->code == 503 || reply->code == 504 ||
		reply->code == 530 || reply->code == 555)
		return true;
	if (reply->class == 5)
		return reply->subject == 7;
	return strcasestr(reply->text, "relay") != NULL;
}

/* RFC 5321 section 4.5.3.1.10: 552 for a recipient once meant "too many recipients". */
static bool is_temporary_recipient(const struct reply *reply)
{
	return reply_is(reply, 4) || (reply->code == 552 && reply->class == 0);
}

static struct outcome after_mail(const struct reply *reply)
{
	if (refuses_size(reply))
		return (struct outcome){ OUTCOME_BOUNCE, false, false };
	return (struct outcome){ OUTCOME_DELAY_MESSAGE, true, false };
}

static struct outcome after_rcpt(const struct reply *reply)
{
	if (is_temporary_recipient(reply))
		return (struct outcome){ OUTCOME_DELAY_MAILBOX, false, true };
	if (refuses_us(reply))
		return (struct outcome){ OUTCOME_DELAY_MAILBOX, true, true };
	return (struct outcome){ OUTCOME_BOUNCE, false, false };
}

static struct outcome later(unsigned tries, bool suspect)
{
	if (tries < OUTCOME_TRIES)
		return (struct outcome){ OUTCOME_DELAY_MAILBOX, suspect, false };
	return (struct outcome){ OUTCOME_DELAY_MESSAGE, suspect, false };
}

static struct outcome after_content(const struct reply *reply, unsigned tries)
{
	/* 503 and its like: out of step with each other, no word about the content. */
	if (reply_is(reply, 5) && reply->code != 500 && reply->code != 502 && reply->code != 503)
		return (struct outcome){ OUTCOME_BOUNCE, false, false };
	return later(tries, reply_is(reply, 5));
}

struct outcome outcome_decide(enum stage stage, const struct reply *reply, unsigned tries)
{
	if (stage == STAGE_LOST || stage == STAGE_UNCLEAR || stage >= STAGE_COUNT)
		return later(tries, true);
	if (stage < STAGE_MAIL)
		return (struct outcome){ OUTCOME_TROUBLE, false, false };
	if (stage == STAGE_DOT && reply_is(reply, 2))
		return (struct outcome){ OUTCOME_DONE, false, false };
	if (reply->code == 421 || (!reply_is(reply, 4) && !reply_is(reply, 5)))
		return later(tries, true);
	switch (stage) {
	case STAGE_MAIL: return after_mail(reply);
	case STAGE_RCPT: return after_rcpt(reply);
	default: return after_content(reply, tries);
	}
}

bool outcome_expired(const struct outcome_clock *clock, int64_t expire_us, int64_t retry_max_us)
{
	int64_t seen = clock->mono_us - clock->since_us;
	int64_t passed = clock->seen_all ? seen : clock->wall_us - clock->began_us;
	int64_t must_see = retry_max_us < expire_us ? retry_max_us : expire_us;

	return passed - clock->trouble_us >= expire_us && seen >= must_see;
}
