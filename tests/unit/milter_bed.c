#include "tests/unit/milter_bed.h"

#include "lib/log.h"
#include "lib/mem.h"

static int told_delete(void *context, const char *argument)
{
	struct told *told = context;

	str_printf(&told->changes, "-%s\n", argument);
	return told->refuse ? -1 : 0;
}

static int told_add(void *context, const char *address, const char *params)
{
	struct told *told = context;

	str_printf(&told->changes, "+%s %s\n", address, params ? params : "");
	return 0;
}

static const char *told_id(void *context)
{
	(void)context;
	return "4hQ";
}

int bed_setup(void **state)
{
	struct bed *bed = mem_zalloc(sizeof *bed);

	fake_reset();
	fake_add("a@fed.test", "a@s1.test", STATE_ACTIVE);
	fake_add("alias@fed.test", "a@s1.test", STATE_ACTIVE);
	fake_add("h@fed.test", "h@s1.test", STATE_HOLDING);
	fake_add("d@fed.test", "d@s1.test", STATE_DEFERRED);
	fake_add("b@fed.test", "b@s2.test", STATE_ACTIVE);
	log_set_level(LOG_LEVEL_ERROR);
	bed->front = fake_front();
	bed->connection = connection_new(bed->front);
	bed->connection->leading_space = true;
	*state = bed;
	return 0;
}

int bed_teardown(void **state)
{
	struct bed *bed = *state;
	int64_t age;

	connection_free(&bed->connection);
	assert_int_equal(decisions_count(bed->front->decisions, &age), 0);
	assert_int_equal(bed->front->transactions, 0);
	assert_int_equal(bed->front->connections, 0);
	assert_int_equal(fake.drafts, fake.drafts_freed);
	fake_front_free(&bed->front);
	str_free(&bed->told.changes);
	mem_free(&bed);
	fake_reset();
	return 0;
}

void mail(struct bed *bed, const char *sender)
{
	char *arguments[] = { (char *)sender, (char *)"SIZE=99", (char *)"BODY=8BITMIME",
		(char *)"ENVID=x", NULL };

	connection_event(bed->connection);
	connection_mail(bed->connection, arguments, NULL);
}

enum reply rcpt(struct bed *bed, const char *path)
{
	char *arguments[] = { (char *)path, NULL };

	return connection_rcpt(bed->connection, arguments);
}

void small_content(struct bed *bed)
{
	connection_header(bed->connection, "Message-ID", " <1@x>");
	connection_header(bed->connection, "Subject", " two\n lines");
	connection_header(bed->connection, "X-None", "");
	assert_true(connection_body(bed->connection, "body\r\n", 6));
}

void give(struct bed *bed, const char *sender, const char *const *paths)
{
	mail(bed, sender);
	for (; *paths != NULL; paths++)
		assert_int_equal(rcpt(bed, *paths), REPLY_NONE);
	small_content(bed);
}

enum reply eom(struct bed *bed)
{
	struct mta mta = { &bed->told, told_delete, told_add, told_id };

	str_reset(&bed->told.changes);
	return connection_eom(bed->connection, &mta);
}

void expect_told(const struct bed *bed, const char *text)
{
	assert_string_equal(str_cstr(&bed->told.changes), text);
}

void expect_end(struct bed *bed, const char *text)
{
	assert_int_equal(eom(bed), REPLY_NONE);
	expect_told(bed, text);
}
