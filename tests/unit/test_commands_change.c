/* What administrators do to single messages, while the release goes on: hold queue, release and
 * control socket are faked. */
#include "tests/unit/unit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/control.h"
#include "lib/mem.h"
#include "milter/commands.h"
#include "milter/front.h"

#define MANY 3

struct control_reply {
	bool ok;
	char code[16];
};

/* The one message that is held: whose mail it is for each recipient. */
static char owners[MANY];
static unsigned claims[256]; /* by owner */
static unsigned changed;     /* recipients */
static bool unclaimed;       /* one of them while a worker could have it */
/* What a worker does before it gives back the mailbox that is waited for: recipient n is filed
 * under another owner. */
static struct {
	char owner, next;
	unsigned n;
} moves[2];
static bool busy; /* a worker has the mailbox and does not give it back */

static struct front front;
static struct control_reply reply;

/* --- the fakes -------------------------------------------------------------------------------- */

const uint8_t holdq_redirected[ROUTE_UUID_BYTES];

struct holdq_message *commands_read(
	struct front *f, const struct json *request, struct control_reply *reply_r)
{
	struct holdq_message *message = NULL;

	(void)request, (void)reply_r;
	assert_int_equal(holdq_read(f->queue, 1, &message), HOLDQ_OK);
	return message;
}

enum holdq_result holdq_read(struct holdq *queue, uint64_t id, struct holdq_message **message_r)
{
	static char sender[] = "s@o", none[] = "";
	struct holdq_message *m = mem_zalloc(sizeof *m);

	(void)queue;
	m->id = id;
	m->envelope.sender = sender;
	m->envelope.id = none;
	m->recipients = mem_zalloc(MANY * sizeof *m->recipients);
	for (unsigned i = 0; i < MANY; i++) {
		if (owners[i] == '\0')
			continue;
		m->recipients[m->count].number = i;
		m->recipients[m->count++].mailbox[0] = (uint8_t)owners[i];
	}
	*message_r = m;
	return HOLDQ_OK;
}

void holdq_message_free(struct holdq_message **message)
{
	if (*message != NULL)
		mem_free(&(*message)->recipients);
	mem_free(message);
}

const char *holdq_reason(void)
{
	return "";
}

bool release_claim(struct release *release, const uint8_t *mailbox, int64_t wait_us)
{
	(void)release, (void)wait_us;
	for (size_t i = 0; i < COUNT(moves); i++)
		if (moves[i].owner == (char)mailbox[0])
			owners[moves[i].n] = moves[i].next;
	if (busy && mailbox[0] == 'b')
		return false;
	claims[mailbox[0]]++;
	return true;
}

void release_let_go(struct release *release, const uint8_t *mailbox)
{
	(void)release;
	claims[mailbox[0]]--;
}

void release_rewind(struct release *release, const uint8_t *mailbox)
{
	(void)release, (void)mailbox;
}

static enum holdq_result change(const uint32_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		unclaimed |= claims[(unsigned char)owners[numbers[i]]] != 1;
	changed += (unsigned)count;
	return HOLDQ_OK;
}

enum holdq_result holdq_remove(struct holdq *queue, uint64_t id, const uint32_t *numbers,
	size_t count, const struct holdq_notice *notice)
{
	(void)queue, (void)id, (void)notice;
	return change(numbers, count);
}

enum holdq_result holdq_readdress(struct holdq *queue, uint64_t id, const uint32_t *numbers,
	size_t count, const uint8_t *mailbox, const char *address)
{
	(void)queue, (void)id, (void)mailbox, (void)address;
	return change(numbers, count);
}

enum holdq_result release_return(struct release *release, const struct holdq_message *message,
	const uint32_t *numbers, size_t count, const char *reason, size_t *told_r)
{
	(void)release, (void)message, (void)reason;
	*told_r = count;
	return change(numbers, count);
}

void front_route(struct front *f, const struct address *address, struct route *route_r)
{
	(void)f, (void)address;
	memset(route_r, 0, sizeof *route_r);
	route_r->verdict = ROUTE_HOLD;
	route_r->reason = "";
}

void control_ok(struct control_reply *reply_r, struct json *fields)
{
	reply_r->ok = true;
	json_free(&fields);
}

void control_fail(struct control_reply *reply_r, const char *code, const char *format, ...)
{
	(void)format;
	snprintf(reply_r->code, sizeof reply_r->code, "%s", code);
}

void commands_fail(struct control_reply *reply_r, enum holdq_result result, uint64_t id)
{
	(void)id;
	control_fail(reply_r, result == HOLDQ_GONE ? "notfound" : "trouble", "%s", "");
}

/* --- the tests -------------------------------------------------------------------------------- */

static const struct {
	control_handler handler;
	const char *name;
} commands_tested[] = {
	{ command_queue_delete, "delete" },
	{ command_queue_bounce, "bounce" },
	{ command_queue_redirect, "redirect" },
};

static void begin(const char *whose)
{
	static const char somewhere[] = "not dereferenced";

	memset(&front, 0, sizeof front);
	memset(&reply, 0, sizeof reply);
	memset(moves, 0, sizeof moves);
	memset(owners, 0, sizeof owners);
	memcpy(owners, whose, strlen(whose));
	atomic_store(&front.release, (struct release *)(uintptr_t)somewhere);
	changed = 0;
	busy = unclaimed = false;
}

static void run(size_t i, const char *recipient, const char *to)
{
	char text[1300];
	const char *error;

	snprintf(text, sizeof text, "{\"id\":1,\"to\":\"%s\"%s}", to, recipient);
	struct json *request = json_parse(text, strlen(text), &error);
	assert_non_null(request);
	commands_tested[i].handler(&front, request, &reply);
	json_free(&request);
	assert_false(unclaimed);
	for (size_t c = 0; c < COUNT(claims); c++)
		assert_int_equal(claims[c], 0);
}

#define EACH_COMMAND(i)                                                                            \
	size_t i = 0;                                                                              \
	i < COUNT(commands_tested);                                                                \
	i++

static void test_whose_it_is(void **state)
{
	(void)state;
	for (EACH_COMMAND(i)) {
		begin("aba");
		run(i, "", "x@y");
		assert_true(reply.ok);
		assert_int_equal(changed, 3);
		begin("aba");
		run(i, ",\"recipient\":1", "x@y");
		assert_true(reply.ok);
		assert_int_equal(changed, 1);
		begin("aba");
		busy = true;
		run(i, "", "x@y");
		assert_string_equal(reply.code, "trouble");
		assert_int_equal(changed, 0);
	}
}

/* While the mailbox is waited for, its worker finds that the address is another one's now: that
 * one's worker must not have it, either. */
static void test_filed_elsewhere_meanwhile(void **state)
{
	(void)state;
	for (EACH_COMMAND(i)) {
		begin("aa");
		moves[0].owner = 'a', moves[0].next = 'b', moves[0].n = 1;
		moves[1].owner = 'b', moves[1].next = 'c', moves[1].n = 1;
		run(i, "", "x@y");
		assert_true(reply.ok);
		assert_int_equal(changed, 2);
		begin("aa");
		moves[0].owner = 'a', moves[0].next = 'b', moves[0].n = 1;
		busy = true;
		run(i, "", "x@y");
		assert_string_equal(reply.code, "trouble");
		assert_int_equal(changed, 0);
	}
}

/* Who means one of them, and says it wrongly, does not mean all of them. */
static void test_no_such_recipient(void **state)
{
	static const char *const wrong[] = { ",\"recipient\":\"anna@x\"", ",\"recipient\":\"1\"",
		",\"recipient\":-1", ",\"recipient\":1.0", ",\"recipient\":null",
		",\"recipient\":4294967296" };

	(void)state;
	for (EACH_COMMAND(i)) {
		for (size_t n = 0; n < COUNT(wrong); n++) {
			begin("ab");
			run(i, wrong[n], "x@y");
			assert_string_equal(reply.code, "usage");
			assert_int_equal(changed, 0);
		}
		begin("ab");
		run(i, ",\"recipient\":2", "x@y");
		assert_string_equal(reply.code, "notfound");
	}
}

/* It would be cut, and lead nowhere. */
static void test_a_place_that_is_too_long(void **state)
{
	char to[1200] = "";

	(void)state;
	strcpy(to, "\\\"");
	while (strlen(to) < 800)
		strcat(to, "\\\\a");
	strcat(to, "\\\"@x.y");
	begin("a");
	run(2, "", to);
	assert_string_equal(reply.code, "usage");
	assert_int_equal(changed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whose_it_is),
		cmocka_unit_test(test_filed_elsewhere_meanwhile),
		cmocka_unit_test(test_no_such_recipient),
		cmocka_unit_test(test_a_place_that_is_too_long),
	};

	return cmocka_run_group_tests_name("commands that change", tests, NULL, NULL);
}
