/* A stage for tests of the release: in-memory store, scripted listener, a directory that the test
 * turns. */
#ifndef RESTANTE_TESTS_RELEASE_SCENE_H
#define RESTANTE_TESTS_RELEASE_SCENE_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/clock.h"
#include "queue/release.h"
#include "tests/unit/fake_holdq.h"
#include "tests/unit/smtp_server.h"

#define NAMES 4

/* What the directory says about "name@x"; all else is active and lives at name@s. */
struct said {
	char name[16];
	enum route_verdict verdict;
	char owner[16]; /* "" = the name itself */
};

struct scene {
	struct holdq *queue;
	struct server *server;
	struct release *release;
	struct release_options options;
	pthread_mutex_t lock;
	struct said said[NAMES];
	atomic_uint begun, ended, unclear, looked;
	atomic_bool add_more; /* the next look-up is the moment new mail comes */
	atomic_bool caught;   /* all look-ups end at the catch-all */
	atomic_bool gone;     /* the directory has none of the mailboxes any more */
	/* A mailbox's system has the first letter of its name. Mail of this system goes straight to
	 * `other`; NULL = none. */
	_Atomic(const char *) straight;
	_Atomic(const char *) other; /* a listener; NULL: the entry is wrong */
	_Atomic(enum release_tls) tls;
	atomic_uint broken; /* times the store was said to be unusable */
	bool outside;       /* a look-up came without begin */
	int max_open;
};

extern struct scene scene;

/* What the directory says about a name from now on; owner NULL = the name itself. */
void say(const char *name, enum route_verdict verdict, const char *owner);
void set_up(bool lmtp, const struct server_rule *rules);
/* Starts the release. */
void go(void);
void tear_down(void);
/* One message for name@x in mailbox name, "Subject: mark". */
uint64_t add(const char *name, const char *mark);
/* Messages with the marks 1 to count. */
void add_marks(const char *name, int count);
struct release_totals totals(void);
void wake(const char *name);
/* The number in "Subject: N" of a mail the server has. */
int mark_of(size_t index);
/* Its marks rise, each exactly once, and count of them are there. */
void expect_order(const char *name, int count);
void scene_quiet(void); /* refusals are what this is about; RESTANTE_TEST_LOG=1 shows them */

#define WAIT_FOR(condition)                                                                        \
	do {                                                                                       \
		int64_t until = clock_mono_us() + 60 * CLOCK_SECOND;                               \
		while (!(condition) && clock_mono_us() < until)                                    \
			clock_sleep_us(CLOCK_MS);                                                  \
		assert_true(condition);                                                            \
	} while (0)

#endif
