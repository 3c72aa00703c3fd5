/*
 * End of message (DESIGN section 4): every recipient is decided again, the MTA's recipients are
 * changed first, the commit comes last, then the answer.
 */
#include "milter/connection.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "milter/plan.h"

#define LOGGED    160 /* bytes of an address in a log line */
#define LOGGED_ID 320 /* of a Message-ID */

/* One recipient as it is decided now; texts are offsets, for the buffer moves while it grows. */
struct decided {
	enum route_verdict verdict;
	const char *reason;
	uint8_t mailbox[ROUTE_UUID_BYTES];
	uint32_t key, physical;
	uint16_t system; /* slot of the meter */
};

struct eom {
	struct connection *connection;
	int64_t began_us;
	const struct mta *mta;
	size_t count;
	struct decided *decided;
	struct plan_recipient *recipients;
	struct plan_step *steps;
	struct plan plan;
	struct str text;
	const char *reason; /* of a refusal */
	uint64_t message;   /* number in the hold queue */
	size_t held;
	bool digested, repeatable;
	uint8_t digest[DIGEST_BYTES]; /* when digested and repeatable */
};

static uint32_t keep(struct str *text, const char *value)
{
	uint32_t where = (uint32_t)text->len;

	str_append(text, value, strlen(value) + 1);
	return where;
}

static void decide(struct eom *e, size_t i)
{
	struct decided *d = &e->decided[i];
	struct address address;
	struct route route;
	const char *argument = envelope_argument(&e->connection->envelope, i);
	const char *error;

	/* At RCPT it was seen not to be ours. */
	if (address_parse_path(argument, &address, &error) < 0) {
		d->verdict = ROUTE_LEAVE;
		d->reason = error;
		d->system = (uint16_t)meter_system(&e->connection->front->meter, "");
		d->key = d->physical = keep(&e->text, "");
		return;
	}
	front_route(e->connection->front, &address, &route);
	d->verdict = route.verdict;
	d->reason = route.reason;
	d->system = (uint16_t)meter_system(&e->connection->front->meter, route.facts.system);
	memcpy(d->mailbox, route.facts.uuid, sizeof d->mailbox);
	d->key = keep(&e->text, address.key);
	d->physical = keep(&e->text, route.facts.physical);
}

/* Computed once: for the look at earlier copies, and for the copy that may be held now. */
static const uint8_t *repeat_of(struct eom *e)
{
	struct connection *c = e->connection;

	if (!e->digested)
		e->repeatable = content_repeat(
			&c->content, envelope_text(&c->envelope, c->envelope.sender), e->digest);
	e->digested = true;
	return e->repeatable ? e->digest : NULL;
}

static void find_repeat(struct eom *e, const size_t *which, size_t count)
{
	struct holdq_recipient *recipients = mem_zalloc(count * sizeof *recipients);
	bool *held = mem_zalloc(count * sizeof *held);

	for (size_t i = 0; i < count; i++) {
		struct str address = STR_INIT;
		envelope_unbracket(envelope_argument(&e->connection->envelope, which[i]), &address);
		recipients[i].address = str_steal(&address);
	}
	if (holdq_find_repeat(e->connection->front->queue, repeat_of(e), recipients, count, held) ==
		HOLDQ_OK)
		for (size_t i = 0; i < count; i++)
			e->recipients[which[i]].waits = held[i];
	for (size_t i = 0; i < count; i++)
		mem_free(&recipients[i].address);
	mem_free(&recipients);
	mem_free(&held);
}

/*
 * The mailbox is held no longer, but an earlier copy, whose client never got our 250, is still on
 * its way out of the queue: to send this one as well would make two.
 */
static void find_repeats(struct eom *e)
{
	struct connection *c = e->connection;
	size_t *which = NULL, count = 0;

	if (c->content.state == CONTENT_LOST)
		return;
	for (size_t i = 0; i < e->count; i++) {
		if (e->decided[i].verdict != ROUTE_REWRITE ||
			!holdq_has(c->front->queue, e->decided[i].mailbox))
			continue;
		if (which == NULL)
			which = mem_grow(NULL, e->count, sizeof *which);
		which[count++] = i;
	}
	if (count > 0 && repeat_of(e) != NULL)
		find_repeat(e, which, count);
	mem_free(&which);
}

/* As the MTA must be told of it. */
static const char *written(const struct connection *c, size_t i)
{
	return c->sendmail ? envelope_given(&c->envelope, i) : envelope_argument(&c->envelope, i);
}

static void make_plan(struct eom *e)
{
	for (size_t i = 0; i < e->count; i++)
		decide(e, i);
	for (size_t i = 0; i < e->count; i++)
		e->recipients[i] = (struct plan_recipient){
			.argument = written(e->connection, i),
			.key = e->text.data + e->decided[i].key,
			.physical = e->text.data + e->decided[i].physical,
			.verdict = e->decided[i].verdict,
		};
	find_repeats(e);
	plan_make(e->recipients, e->count, e->connection->reentry, e->steps, &e->plan);
}

static enum reply queue_fault(struct eom *e, enum holdq_result result)
{
	e->reason = holdq_reason();
	if (result == HOLDQ_BROKEN)
		front_broken(e->connection->front, "hold queue", e->reason);
	return result == HOLDQ_FULL ? REPLY_FULL : REPLY_STORE;
}

/* Sendmail takes no longer address, brackets included, and says nothing when it drops one. */
#define SENDMAIL_PATH_MAX 255

static bool is_too_long(const struct eom *e, size_t i)
{
	return e->connection->sendmail && strlen(e->recipients[i].physical) + 2 > SENDMAIL_PATH_MAX;
}

/* NULL: none. */
static const char *params_to_add(const struct eom *e, size_t i, struct str *params)
{
	const struct connection *c = e->connection;

	str_reset(params);
	if (!c->sendmail || envelope_has_dsn(&c->envelope, i))
		envelope_dsn_params(envelope_params(&c->envelope, i),
			envelope_argument(&c->envelope, i), c->sendmail ? ORCPT_WIRE : ORCPT_MILTER,
			params);
	return params->len ? params->data : NULL;
}

/* Deletions first: an MTA that is told to add and then to delete one address loses it (TRAPS 6). */
static enum reply change_envelope(struct eom *e)
{
	struct str params = STR_INIT;
	bool done = true;

	for (size_t i = 0; i < e->count && done; i++)
		if (e->steps[i].del)
			done = e->mta->delete_recipient(
				       e->mta->context, e->recipients[i].argument) == 0;
	for (size_t i = 0; i < e->count && done; i++) {
		if (!e->steps[i].add)
			continue;
		done = !is_too_long(e, i) &&
		       e->mta->add_recipient(e->mta->context, e->recipients[i].physical,
			       params_to_add(e, i, &params)) == 0;
	}
	str_free(&params);
	if (!done)
		e->reason = "the MTA took no change of the recipients";
	return done ? REPLY_NONE : REPLY_MTA;
}

static void fill_envelope(const struct eom *e, struct holdq_envelope *h)
{
	struct connection *c = e->connection;
	const char *queue_id = e->mta->queue_id(e->mta->context);

	/* The store copies; it does not write to them. */
	*h = (struct holdq_envelope){
		.sender = (char *)envelope_text(&c->envelope, c->envelope.sender),
		.mail_params = (char *)envelope_text(&c->envelope, c->envelope.mail_params),
		.client_name = c->client_name,
		.client_address = c->client_address,
		.helo = c->helo,
		.auth_user = (char *)envelope_text(&c->envelope, c->envelope.auth_user),
		.queue_id = (char *)(queue_id ? queue_id : ""),
		.id = c->envelope.id,
	};
}

static struct holdq_recipient *held_recipients(const struct eom *e)
{
	struct holdq_recipient *held = mem_grow(NULL, e->plan.held, sizeof *held);
	size_t n = 0;

	for (size_t i = 0; i < e->count; i++) {
		struct str address = STR_INIT;
		if (!e->steps[i].hold)
			continue;
		envelope_unbracket(envelope_argument(&e->connection->envelope, i), &address);
		held[n] = (struct holdq_recipient){ str_steal(&address),
			mem_strdup(envelope_params(&e->connection->envelope, i)), { 0 } };
		memcpy(held[n++].mailbox, e->decided[i].mailbox, ROUTE_UUID_BYTES);
	}
	return held;
}

static void free_held(struct holdq_recipient *held, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		mem_free(&held[i].address);
		mem_free(&held[i].params);
	}
	mem_free(&held);
}

static enum reply commit(struct eom *e, struct holdq_draft *draft)
{
	struct holdq_recipient *held = held_recipients(e);
	struct holdq_envelope envelope;

	fill_envelope(e, &envelope);
	enum holdq_result result = holdq_commit(
		draft, &envelope, held, e->plan.held, repeat_of(e), &e->message, &e->held);
	free_held(held, e->plan.held);
	return result == HOLDQ_OK ? REPLY_NONE : queue_fault(e, result);
}

/* Everything that can be known to fail is looked at before the MTA is told anything. */
static enum reply prepare(struct eom *e, struct holdq_draft **draft_r)
{
	struct connection *c = e->connection;
	enum holdq_result fault;

	*draft_r = NULL;
	if (e->plan.held == 0)
		return REPLY_NONE;
	*draft_r = content_draft(&c->content, c->front->queue, &fault);
	if (*draft_r != NULL)
		return REPLY_NONE;
	if (fault != HOLDQ_OK)
		return queue_fault(e, fault);
	e->reason = "began to hold while a large message was in flight";
	return REPLY_FLIPPED;
}

static enum reply apply(struct eom *e)
{
	struct holdq_draft *draft;
	enum reply reply = prepare(e, &draft);

	if (reply == REPLY_NONE)
		reply = change_envelope(e);
	if (reply == REPLY_NONE && draft != NULL)
		reply = commit(e, draft);
	if (draft != NULL)
		holdq_draft_free(&draft);
	return reply;
}

/*
 * From now on the MTA may write its copy at any time. A physical address that was not added, for
 * it is a recipient already, gets this message all the same.
 */
static void expect_commit(const struct eom *e)
{
	struct connection *c = e->connection;

	str_reset(&c->scratch);
	for (size_t i = 0; i < e->count; i++)
		if (e->recipients[i].verdict == ROUTE_REWRITE)
			keep(&c->scratch, e->recipients[i].physical);
	lateness_answer(c->front->lateness, &c->late, &c->scratch);
}

/* The client's Message-ID, as the MTA logs it, too: without what a folded field has around it. */
static void append_message_id(const struct eom *e, struct str *line)
{
	struct str bare = STR_INIT;
	char text[LOGGED_ID];
	const char *value = str_cstr(&e->connection->content.message_id);

	value += strspn(value, " \t\r\n");
	str_append(&bare, value, strcspn(value, " \t\r\n"));
	str_append_z(line, log_value(text, sizeof text, bare.data));
	str_free(&bare);
}

static void append_number(struct str *line, const char *name, uint64_t number)
{
	str_append_z(line, name);
	str_append_u(line, number);
}

static void append_counts(const struct eom *e, struct str *line)
{
	append_number(line, " rcpts=", e->count);
	append_number(line, " rewritten=", e->plan.added);
	append_number(line, " held=", e->plan.held);
	append_number(line, " left=", e->plan.left);
	append_number(line, " repeated=", e->plan.repeated);
	if (e->plan.held) {
		append_number(line, " number=", e->message);
		append_number(line, " new=", e->held);
	}
	if (e->plan.added + e->plan.left == 0)
		str_append_z(line, " mta_copy=none");
}

/* One for each message, so it is not formatted: that took as long as looking up the recipient. */
static void log_done(const struct eom *e)
{
	struct connection *c = e->connection;
	struct str *line = &c->scratch;
	const char *queue_id = e->mta->queue_id(e->mta->context);
	char from[LOGGED];

	if (!log_wants(LOG_LEVEL_INFO))
		return;
	str_reset(line);
	str_append_z(line, "message id=");
	str_append_z(line, c->envelope.id);
	str_append_z(line, " queue_id=");
	str_append_z(line, queue_id ? queue_id : "");
	str_append_z(line, " from=");
	str_append_z(line,
		log_value(from, sizeof from, envelope_text(&c->envelope, c->envelope.sender)));
	str_append_z(line, " client=");
	str_append_z(line, c->client_address);
	str_append_z(line, " message_id=");
	append_message_id(e, line);
	append_counts(e, line);
	log_put(LOG_LEVEL_INFO, "milter", str_cstr(line));
}

static void log_recipients(const struct eom *e)
{
	char to[LOGGED];

	for (size_t i = 0; i < e->count; i++)
		log_debug("milter", "recipient id=%s to=%s verdict=%s physical=%s",
			e->connection->envelope.id,
			log_value(to, sizeof to, e->recipients[i].argument),
			route_verdict_name(e->recipients[i].verdict), e->recipients[i].physical);
}

static enum reply log_refused(const struct eom *e, enum reply reply, size_t by)
{
	const struct connection *c = e->connection;
	const struct reply_text *text = reply_text(reply);
	const char *queue_id = e->mta->queue_id(e->mta->context);
	char from[LOGGED], to[LOGGED], reason[LOGGED];

	metric_add(&c->front->meter.refused[METER_MESSAGE][reply], 1);
	log_warning("milter",
		"message refused id=%s queue_id=%s from=%s client=%s rcpts=%zu to=%s "
		"reply=%s,%s reason=\"%s\"",
		c->envelope.id, queue_id ? queue_id : "",
		log_value(from, sizeof from, envelope_text(&c->envelope, c->envelope.sender)),
		c->client_address, e->count,
		log_value(to, sizeof to, by < e->count ? e->recipients[by].argument : ""),
		text->code, text->enhanced,
		log_text(reason, sizeof reason, e->reason ? e->reason : ""));
	return reply;
}

static void count_done(const struct eom *e)
{
	struct meter *meter = &e->connection->front->meter;
	enum meter_way way = e->plan.added + e->plan.left == 0 ? METER_HELD
			     : e->plan.held > 0                ? METER_BOTH
							       : METER_PASSED;

	metric_add(&meter->messages[way], 1);
	for (size_t i = 0; i < e->count; i++)
		meter_recipient(meter, e->decided[i].verdict, e->decided[i].system);
	metric_observe(e->plan.held > 0 ? &meter->held : &meter->passed, &metric_work,
		clock_mono_us() - e->began_us);
}

static enum reply run(struct eom *e)
{
	e->began_us = clock_mono_us();
	make_plan(e);
	if (e->plan.refused != REPLY_NONE) {
		e->reason = e->decided[e->plan.refused_by].reason;
		return log_refused(e, e->plan.refused, e->plan.refused_by);
	}
	enum reply reply = apply(e);
	if (reply != REPLY_NONE)
		return log_refused(e, reply, 0);
	expect_commit(e);
	log_done(e);
	count_done(e);
	if (log_wants(LOG_LEVEL_DEBUG))
		log_recipients(e);
	return REPLY_NONE;
}

static enum reply run_entered(struct connection *c, const struct mta *mta)
{
	struct decided decided;
	struct plan_recipient recipient;
	struct plan_step step;
	struct eom e = { .connection = c,
		.mta = mta,
		.count = c->envelope.count,
		.decided = &decided,
		.recipients = &recipient,
		.steps = &step };

	if (e.count > 1) {
		e.decided = mem_grow(NULL, e.count, sizeof *e.decided);
		e.recipients = mem_grow(NULL, e.count, sizeof *e.recipients);
		e.steps = mem_grow(NULL, e.count, sizeof *e.steps);
	}
	enum reply reply = run(&e);
	if (e.count > 1) {
		mem_free(&e.decided);
		mem_free(&e.recipients);
		mem_free(&e.steps);
	}
	str_free(&e.text);
	return reply;
}

enum reply connection_eom(struct connection *c, const struct mta *mta)
{
	enum reply reply = REPLY_STOPPING;
	uint64_t token;

	if (front_enter(c->front, &token)) {
		reply = run_entered(c, mta);
		front_leave(c->front, token);
	}
	connection_abort(c);
	return reply;
}
