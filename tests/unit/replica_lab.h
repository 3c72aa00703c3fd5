/* A replica in a directory of its own, and what a provider could say to it. */
#ifndef RESTANTE_TESTS_UNIT_REPLICA_LAB_H
#define RESTANTE_TESTS_UNIT_REPLICA_LAB_H

#include "tests/unit/unit.h"

#include "directory/refresh.h"

struct fixture {
	char dir[64];
	struct replica_options options;
	struct replica *replica;
	unsigned all, one;
};

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

void open_replica(struct fixture *f);
int set_up(void **state);
int tear_down(void **state);
void reopen(struct fixture *f);
const char *csn(const char *text);
struct csn_vector cookie(const char *a, const char *b);
void set_uuid(uint8_t *uuid, unsigned id);
struct change mailbox(unsigned id, const char *version, const char *physical, const char *state,
	const char *more);
struct change federation(const char *version, const char *epoch);
struct change backend(const char *version, const char *state);
struct change node(const char *version, const char *state, const char *heartbeat);
void show(struct refresh *refresh, struct change change);
void show_present(struct refresh *refresh, unsigned id);
void end(struct refresh **refresh, struct csn_vector final, bool behind);
void push(struct fixture *f, struct change change, struct csn_vector vector);
void push_delete(struct fixture *f, unsigned id, const char *newest);
void first_load(struct fixture *f, unsigned mailboxes);
struct route_facts look(struct fixture *f, const char *text);
void assert_physical(struct fixture *f, const char *address, const char *physical);
struct replica_view view(struct fixture *f);
void assert_vector(struct fixture *f, struct csn_vector expected);

#endif
