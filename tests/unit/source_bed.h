/* What tests of sources share: the settings of a system with a folder of its own, and what a pull
 * says. */
#ifndef RESTANTE_TESTS_UNIT_SOURCE_BED_H
#define RESTANTE_TESTS_UNIT_SOURCE_BED_H

#include "tests/unit/unit.h"

#include "dirsync/source.h"

extern struct config_up settings; /* as a test changes them */
extern char top[64];              /* the folder */

/* "ID place address,address name=value ..." of each person; refusals with a "-" before them. */
struct heard {
	struct str text;
	int stop_after; /* persons, 0 = never */
	void (*each)(void);
};

struct source *open_source(const char *kind);
enum source_outcome pull_as(struct source *source, const struct source_request *request,
	struct heard *heard, struct source_result *result);
/* One pull of a source of its own. `said` is of the persons where it is complete, else the reason
 * without the folder's name; NULL: any. */
void expect(const char *kind, enum source_outcome outcome, const char *said);

int source_set_up(void **state);
int source_tear_down(void **state);
#define SOURCE_TEST(name) cmocka_unit_test_setup_teardown(name, source_set_up, source_tear_down)

#endif
