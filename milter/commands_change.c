/* What administrators do to single messages: delete, return to the sender, send elsewhere. */
#include "milter/commands.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "milter/front.h"

#define CLAIM_US     (10 * CLOCK_SECOND)
#define REASON_MAX   200
#define LOGGED_BYTES 600

/* Two who return a message to its sender at the same time must not both do it. */
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* One message, those of its recipients that are meant, and the mailboxes that no worker has. */
struct change {
	struct front *front;
	struct release *release;
	struct holdq_message *message;
	uint64_t id;
	uint32_t *numbers;
	size_t count;
	uint8_t (*claimed)[ROUTE_UUID_BYTES];
	size_t claimed_count;
};

/* --- which of its recipients ------------------------------------------------------------------ */

static bool is_meant(const struct change *c, uint32_t number)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->numbers[i] == number)
			return true;
	return false;
}

/* All, or the one that is asked for. */
static void choose(struct change *c, int64_t wanted)
{
	const struct holdq_message *m = c->message;

	mem_free(&c->numbers);
	c->numbers = mem_grow(NULL, m->count + 1, sizeof *c->numbers);
	c->count = 0;
	for (size_t i = 0; i < m->count; i++)
		if (wanted < 0 || m->recipients[i].number == wanted)
			c->numbers[c->count++] = m->recipients[i].number;
}

/* --- nobody else has them meanwhile ----------------------------------------------------------- */

static bool is_claimed(const struct change *c, const uint8_t *mailbox)
{
	for (size_t i = 0; i < c->claimed_count; i++)
		if (memcmp(c->claimed[i], mailbox, ROUTE_UUID_BYTES) == 0)
			return true;
	return false;
}

static bool claim(struct change *c)
{
	const struct holdq_message *m = c->message;

	c->claimed = mem_grow(c->claimed, c->claimed_count + m->count + 1, sizeof *c->claimed);
	for (size_t i = 0; i < m->count; i++) {
		const struct holdq_held_recipient *held = &m->recipients[i];
		if (!is_meant(c, held->number) || is_claimed(c, held->mailbox))
			continue;
		if (!release_claim(c->release, held->mailbox, CLAIM_US))
			return false;
		memcpy(c->claimed[c->claimed_count++], held->mailbox, ROUTE_UUID_BYTES);
	}
	return true;
}

/* One that was waited for may have filed some of it under another one meanwhile. */
static bool all_claimed(const struct change *c)
{
	const struct holdq_message *m = c->message;

	for (size_t i = 0; i < m->count; i++)
		if (is_meant(c, m->recipients[i].number) &&
			!is_claimed(c, m->recipients[i].mailbox))
			return false;
	return true;
}

static void change_end(struct change *c)
{
	for (size_t i = 0; i < c->claimed_count; i++)
		release_let_go(c->release, c->claimed[i]);
	pthread_mutex_unlock(&one_at_a_time);
	mem_free(&c->claimed);
	mem_free(&c->numbers);
	holdq_message_free(&c->message);
}

/* As it is now that nobody can change it any more, once all of its mailboxes are claimed. */
static enum holdq_result read_again(struct change *c, int64_t wanted)
{
	holdq_message_free(&c->message);
	enum holdq_result result = holdq_read(c->front->queue, c->id, &c->message);
	if (result != HOLDQ_OK)
		return result;
	choose(c, wanted);
	return c->count > 0 ? HOLDQ_OK : HOLDQ_GONE;
}

/* One that is asked for wrongly is not taken for all. */
static bool get_wanted(const struct json *request, int64_t *wanted_r, struct control_reply *reply)
{
	*wanted_r = json_get_int(request, "recipient", -1);
	if (json_get(request, "recipient") == NULL ||
		(*wanted_r >= 0 && *wanted_r <= (int64_t)UINT32_MAX))
		return true;
	control_fail(reply, "usage", "recipient must be the number of one, or absent for all");
	return false;
}

static enum holdq_result claim_all(struct change *c, int64_t wanted, struct control_reply *reply)
{
	enum holdq_result result = HOLDQ_OK;

	do {
		if (!claim(c)) {
			control_fail(reply, "trouble",
				"message %" PRIu64
				" is on its way right now; try again in a moment",
				c->id);
			return HOLDQ_FAILED;
		}
		result = read_again(c, wanted);
	} while (result == HOLDQ_OK && !all_claimed(c));
	if (result != HOLDQ_OK)
		commands_fail(reply, result, c->id);
	return result;
}

/* False: the reply is given, and there is nothing to end. */
static bool change_begin(struct change *c, struct front *front, const struct json *request,
	struct control_reply *reply)
{
	int64_t wanted;

	*c = (struct change){ .front = front, .release = atomic_load(&front->release) };
	if (c->release == NULL) {
		control_fail(reply, "trouble", "restante-milter is just starting; try again");
		return false;
	}
	if (!get_wanted(request, &wanted, reply))
		return false;
	c->message = commands_read(front, request, reply);
	if (c->message == NULL)
		return false;
	c->id = c->message->id;
	choose(c, wanted);
	pthread_mutex_lock(&one_at_a_time);
	if (claim_all(c, wanted, reply) == HOLDQ_OK)
		return true;
	change_end(c);
	return false;
}

/* --- the commands ----------------------------------------------------------------------------- */

void command_queue_delete(void *context, const struct json *request, struct control_reply *reply)
{
	struct change c;

	if (!change_begin(&c, context, request, reply))
		return;
	enum holdq_result result = holdq_remove(c.front->queue, c.id, c.numbers, c.count, NULL);
	if (result == HOLDQ_OK) {
		log_warning("milter",
			"deleted by an administrator id=%s number=%" PRIu64 " rcpts=%zu",
			c.message->envelope.id, c.id, c.count);
		struct json *o = json_new_object();
		json_set_int(o, "removed", (int64_t)c.count);
		control_ok(reply, o);
	} else {
		commands_fail(reply, result, c.id);
	}
	change_end(&c);
}

/* One line of printable ASCII, for a notice. */
static void take_reason(const struct json *request, char *reason_r, size_t size)
{
	const char *said = json_get_string(request, "reason");

	snprintf(reason_r, size, "550 5.7.1 %.*s", REASON_MAX,
		said != NULL && *said != '\0' ? said : "returned by the administrator");
	for (char *p = reason_r; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
			*p = '?';
}

void command_queue_bounce(void *context, const struct json *request, struct control_reply *reply)
{
	char reason[REASON_MAX + 16], said[LOGGED_BYTES];
	struct change c;
	size_t told;

	if (!change_begin(&c, context, request, reply))
		return;
	if (c.message->envelope.sender[0] == '\0') {
		control_fail(reply, "refused",
			"message %" PRIu64 " has no sender (<>): nobody can be told; delete it "
			"instead",
			c.id);
		change_end(&c);
		return;
	}
	take_reason(request, reason, sizeof reason);
	enum holdq_result result =
		release_return(c.release, c.message, c.numbers, c.count, reason, &told);
	if (result == HOLDQ_OK) {
		log_warning("milter",
			"returned to sender by an administrator id=%s number=%" PRIu64
			" rcpts=%zu told=%zu reason=\"%s\"",
			c.message->envelope.id, c.id, c.count, told,
			log_text(said, sizeof said, reason));
		struct json *o = json_new_object();
		json_set_int(o, "removed", (int64_t)c.count);
		json_set_int(o, "told", (int64_t)told);
		control_ok(reply, o);
	} else {
		commands_fail(reply, result, c.id);
	}
	change_end(&c);
}

/* --- to another address ----------------------------------------------------------------------- */

struct place {
	uint8_t mailbox[ROUTE_UUID_BYTES];
	char address[ADDRESS_MAX + 1];
};

static bool set_place(struct place *place, const uint8_t *mailbox, const char *address)
{
	memcpy(place->mailbox, mailbox, ROUTE_UUID_BYTES);
	snprintf(place->address, sizeof place->address, "%s", address);
	return true;
}

/* An access address is one of its mailbox's, and waits with it; any other is taken as it stands. */
static bool find_place(
	struct front *front, const char *text, struct place *place_r, struct control_reply *reply)
{
	struct address address;
	struct route route;
	const char *error;

	if (address_parse(text, &address, &error) < 0 || !address.has_domain ||
		strlen(text) > ADDRESS_MAX) {
		control_fail(reply, "usage", "%s: an address with a domain is needed", text);
		return false;
	}
	front_route(front, &address, &route);
	if (route.verdict == ROUTE_LEAVE && address_check_physical(text, &error) < 0) {
		control_fail(reply, "usage", "%s: %s", text, error);
		return false;
	}
	if (route.verdict == ROUTE_LEAVE)
		return set_place(place_r, holdq_redirected, text);
	if (route.facts.match == MATCH_POSTMASTER && route.verdict == ROUTE_REWRITE)
		return set_place(place_r, holdq_redirected, route.facts.physical);
	if (route.verdict == ROUTE_REWRITE || route.verdict == ROUTE_HOLD ||
		route.verdict == ROUTE_DEFER)
		return set_place(place_r, route.facts.uuid, text);
	control_fail(reply, route.verdict == ROUTE_NOBODY ? "notfound" : "trouble", "%s: %s", text,
		route.reason);
	return false;
}

static enum holdq_result move_all(const struct change *c, const struct place *place)
{
	enum holdq_result result = holdq_readdress(
		c->front->queue, c->id, c->numbers, c->count, place->mailbox, place->address);

	release_rewind(c->release, place->mailbox);
	return result;
}

void command_queue_redirect(void *context, const struct json *request, struct control_reply *reply)
{
	const char *to = json_get_string(request, "to");
	char said[LOGGED_BYTES];
	struct place place;
	struct change c;

	if (!find_place(context, to != NULL ? to : "", &place, reply) ||
		!change_begin(&c, context, request, reply))
		return;
	enum holdq_result result = move_all(&c, &place);
	if (result == HOLDQ_OK) {
		log_warning("milter",
			"redirected by an administrator id=%s number=%" PRIu64 " rcpts=%zu to=%s",
			c.message->envelope.id, c.id, c.count,
			log_value(said, sizeof said, place.address));
		struct json *o = json_new_object();
		json_set_int(o, "redirected", (int64_t)c.count);
		json_set_string(o, "to", place.address);
		control_ok(reply, o);
	} else {
		commands_fail(reply, result, c.id);
	}
	change_end(&c);
}
