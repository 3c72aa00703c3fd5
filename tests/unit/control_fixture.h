/* A control server with one command of each kind, for the tests of lib/control_*.c. */
#ifndef RESTANTE_TESTS_UNIT_CONTROL_FIXTURE_H
#define RESTANTE_TESTS_UNIT_CONTROL_FIXTURE_H

#include "tests/unit/unit.h"

#include <semaphore.h>

#include "lib/control_internal.h"

#define FIXTURE_CONTEXT "ctx"

extern char fixture_dir[], fixture_path[64];
extern struct control_server *fixture_server;
/* "slow" posts entered and waits for go_on; "endless" posts gone when its client left. */
extern sem_t fixture_entered, fixture_gone, fixture_go_on;
extern volatile int fixture_slow_done;
extern const struct control_command fixture_commands[];

int fixture_make(void **state);
int fixture_remove(void **state);
int fixture_start(void **state);
int fixture_stop(void **state);

#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_start, fixture_stop)

/* Byte i of what "content" sends. */
char fixture_byte(size_t i);
struct control_client *fixture_client(void);
struct json *fixture_ask(struct control_client *client, const char *text);
void fixture_serves(void); /* fails the test unless a request is answered */

/* Bytes as a client might send them. */
int raw_open(void);
void raw_send(int fd, const char *data, size_t len);
/* One line into line_r; 0 at the end of the connection. */
int raw_line(int fd, char *line_r, size_t size);

#endif
