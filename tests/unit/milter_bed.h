/* A connection of the MTA on faked stores: what tests of transactions stand on. */
#ifndef RESTANTE_TESTS_UNIT_MILTER_BED_H
#define RESTANTE_TESTS_UNIT_MILTER_BED_H

#include "tests/unit/unit.h"

#include "milter/connection.h"
#include "tests/unit/milter_fakes.h"

/* The MTA: what it was told, in order. */
struct told {
	struct str changes;
	bool refuse;
};

struct bed {
	struct front *front;
	struct connection *connection;
	struct told told;
};

/* Mailboxes of fed.test: a and alias at s1, h held, d deferred, b at s2. */
int bed_setup(void **state);
int bed_teardown(void **state); /* nothing may be left behind */
#define BED_TEST(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)

void mail(struct bed *bed, const char *sender);
enum reply rcpt(struct bed *bed, const char *path);
void small_content(struct bed *bed);
/* A transaction up to the end of message: each recipient is taken. */
void give(struct bed *bed, const char *sender, const char *const *paths);
#define GIVE(bed, sender, ...) give(bed, sender, (const char *const[]){ __VA_ARGS__, NULL })
enum reply eom(struct bed *bed);
void expect_told(const struct bed *bed, const char *text);
/* The message is taken, and that is what the MTA is told. */
void expect_end(struct bed *bed, const char *text);

#endif
