/* directory/: the guards of the replica, fed by hand with what a provider could say. */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "directory/refresh.h"
#include "lib/clock.h"
#include "lib/log.h"

struct fixture {
	char dir[64];
	struct replica_options options;
	struct replica *replica;
	unsigned all, one;
};

static int forget(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void observe(void *context, const uint8_t *uuid)
{
	struct fixture *f = context;

	if (uuid == NULL)
		f->all++;
	else
		f->one++;
}

static void open_replica(struct fixture *f)
{
	const char *error = NULL;

	f->replica = replica_open(&f->options, &error);
	if (f->replica == NULL)
		fail_msg("%s", error);
	replica_observe(f->replica, observe, f);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	log_set_level(LOG_LEVEL_ERROR);
	strcpy(f->dir, "/tmp/restante-replica-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->options = (struct replica_options){ .dir = f->dir,
		.cache_bytes = 4 << 20,
		.base = "dc=example",
		.node = "n",
		.delimiters = "+",
		.carry_detail = true,
		.postmaster = "root@local.example.net",
		.vanish_grace_us = 300 * CLOCK_SECOND,
		.heartbeat_us = 10 * CLOCK_SECOND,
		.mass_delete_percent = 10 };
	open_replica(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	replica_close(&f->replica);
	nftw(f->dir, forget, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static void reopen(struct fixture *f)
{
	replica_close(&f->replica);
	open_replica(f);
}

/* --- what a provider says ------------------------------------------------------------------- */

/* "1.10": server 1, the tenth second. */
static const char *csn(const char *text)
{
	static char ring[8][CSN_LEN + 32];
	static unsigned at;
	char *result = ring[at++ % 8];
	unsigned sid, second;

	assert_int_equal(sscanf(text, "%u.%u", &sid, &second), 2);
	snprintf(result, sizeof(ring[0]), "202611220555%02u.000000Z#000000#%03x#000000", second,
		sid);
	return result;
}

static struct csn_vector cookie(const char *a, const char *b)
{
	struct csn_vector vector = { .count = 0 };

	if (a != NULL)
		vector_take(&vector, csn(a));
	if (b != NULL)
		vector_take(&vector, csn(b));
	return vector;
}

static void value(struct record *record, const char *name, const char *text)
{
	record_value(record, record_attribute(name, strlen(name)), text, strlen(text));
}

static void set_uuid(uint8_t *uuid, unsigned id)
{
	memset(uuid, 0, 16);
	uuid[0] = (uint8_t)(id * 7);
	uuid[14] = (uint8_t)(id >> 8);
	uuid[15] = (uint8_t)id;
}

static void begin(struct change *change, unsigned id, const char *class, const char *version)
{
	uint8_t uuid[16];

	set_uuid(uuid, id);
	change->kind = CHANGE_UPSERT;
	change->newest[0] = '\0';
	record_begin(&change->record, uuid, "cn=some,dc=example", 18);
	value(&change->record, "objectClass", class);
	value(&change->record, "entryCSN", csn(version));
}

static void finish(struct change *change)
{
	const char *error;

	assert_int_equal(record_finish(&change->record, &error), 0);
}

static struct change mailbox(
	unsigned id, const char *version, const char *physical, const char *state, const char *more)
{
	struct change change = { .kind = CHANGE_UPSERT };
	char text[64];

	begin(&change, id, "restanteMailbox", version);
	value(&change.record, "restanteSystem", "S1");
	value(&change.record, "mailRoutingAddress", physical);
	if (state != NULL)
		value(&change.record, "restanteState", state);
	snprintf(text, sizeof(text), "box%u@example.org", id);
	value(&change.record, "mailLocalAddress", text);
	if (more != NULL)
		value(&change.record, "mailLocalAddress", more);
	finish(&change);
	return change;
}

static struct change federation(const char *version, const char *epoch)
{
	struct change change = { .kind = CHANGE_UPSERT };

	begin(&change, 5001, "restanteFederation", version);
	value(&change.record, "associatedDomain", "example.org");
	value(&change.record, "restanteEpoch", epoch);
	finish(&change);
	return change;
}

static struct change backend(const char *version, const char *state)
{
	struct change change = { .kind = CHANGE_UPSERT };

	begin(&change, 5002, "restanteBackend", version);
	value(&change.record, "cn", "S1");
	if (state != NULL)
		value(&change.record, "restanteState", state);
	finish(&change);
	return change;
}

static struct change node(const char *version, const char *state, const char *heartbeat)
{
	struct change change = { .kind = CHANGE_UPSERT };

	begin(&change, 5003, "restanteNode", version);
	value(&change.record, "cn", "n");
	value(&change.record, "restanteNodeState", state);
	if (heartbeat != NULL)
		value(&change.record, "restanteHeartbeat", heartbeat);
	finish(&change);
	return change;
}

static void show(struct refresh *refresh, struct change change)
{
	const char *error = NULL;

	assert_int_equal(refresh_entry(refresh, &change, &error), 0);
	record_free(&change.record);
}

static void show_present(struct refresh *refresh, unsigned id)
{
	uint8_t uuid[16];

	set_uuid(uuid, id);
	refresh_present(refresh, uuid);
}

static void end(struct refresh **refresh, struct csn_vector final, bool behind)
{
	const char *error = NULL;

	if (refresh_end(*refresh, &final, behind, &error) < 0)
		fail_msg("%s", error);
	refresh_free(refresh);
}

static void push(struct fixture *f, struct change change, struct csn_vector vector)
{
	const char *error = NULL;

	assert_int_equal(
		replica_apply(f->replica, &change, 1, vector.count ? &vector : NULL, &error), 0);
	record_free(&change.record);
}

static void push_delete(struct fixture *f, unsigned id, const char *newest)
{
	struct change change = { .kind = CHANGE_DELETE };

	set_uuid(change.record.uuid, id);
	if (newest != NULL)
		strcpy(change.newest, csn(newest));
	push(f, change, cookie(NULL, NULL));
}

static void first_load(struct fixture *f, unsigned mailboxes)
{
	struct refresh *refresh = refresh_begin(f->replica, true);

	show(refresh, federation("0.1", "1"));
	show(refresh, backend("0.1", NULL));
	show(refresh, node("0.1", "enabled", NULL));
	for (unsigned id = 1; id <= mailboxes; id++)
		show(refresh, mailbox(id, "0.2", "old@s1.example.net", NULL, NULL));
	end(&refresh, cookie("0.10", NULL), false);
}

/* --- what the replica says ------------------------------------------------------------------ */

static struct route_facts look(struct fixture *f, const char *text)
{
	struct address address;
	struct route_facts facts;
	const char *error;

	assert_int_equal(address_parse(text, &address, &error), 0);
	replica_lookup(f->replica, &address, &facts);
	return facts;
}

static void assert_physical(struct fixture *f, const char *address, const char *physical)
{
	struct route_facts facts = look(f, address);

	assert_false(facts.trouble);
	assert_string_equal(facts.physical, physical);
}

static struct replica_view view(struct fixture *f)
{
	struct replica_view v;

	replica_view(f->replica, &v);
	return v;
}

static void assert_vector(struct fixture *f, struct csn_vector expected)
{
	struct csn_vector ours;

	replica_vector(f->replica, &ours);
	assert_int_equal(ours.count, expected.count);
	for (size_t i = 0; i < ours.count; i++)
		assert_string_equal(ours.csn[i], expected.csn[i]);
}

/* --- tests ---------------------------------------------------------------------------------- */

static void test_nothing_before_the_first_load_is_complete(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh = refresh_begin(f->replica, true);

	show(refresh, federation("0.1", "1"));
	show(refresh, mailbox(1, "0.2", "a@s1.example.net", NULL, NULL));
	assert_true(view(f).refreshing);
	assert_false(look(f, "box1@example.org").loaded);
	refresh_free(&refresh);
	assert_false(view(f).loaded);
	first_load(f, 3);
	assert_true(view(f).loaded);
	assert_int_equal(view(f).mailboxes, 3);
	assert_int_equal(view(f).addresses, 3);
	assert_physical(f, "box3@example.org", "old@s1.example.net");
	reopen(f);
	assert_physical(f, "box3@example.org", "old@s1.example.net");
	assert_vector(f, cookie("0.10", NULL));
	assert_true(view(f).node_durable);
}

static void test_no_federation_is_no_load(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh = refresh_begin(f->replica, true);
	struct csn_vector final = cookie("0.10", NULL);
	const char *error = NULL;

	show(refresh, mailbox(1, "0.2", "a@s1.example.net", NULL, NULL));
	assert_int_equal(refresh_end(refresh, &final, false, &error), -1);
	assert_non_null(strstr(error, "restanteFederation"));
	refresh_free(&refresh);
	assert_false(view(f).loaded);
}

/* One entry in two versions, with different addresses, whichever comes first. */
static void test_twice_in_the_first_load(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh = refresh_begin(f->replica, true);

	show(refresh, federation("0.1", "1"));
	show(refresh, mailbox(1, "0.3", "new@s1.example.net", "holding", "b@example.org"));
	show(refresh, mailbox(1, "0.2", "old@s1.example.net", NULL, "a@example.org"));
	show(refresh, mailbox(2, "0.2", "old@s1.example.net", NULL, "c@example.org"));
	show(refresh, mailbox(2, "0.4", "new@s1.example.net", NULL, "d@example.org"));
	end(&refresh, cookie("0.10", NULL), false);
	assert_int_equal(view(f).mailboxes, 2);
	assert_int_equal(view(f).addresses, 4);
	assert_int_equal(look(f, "box1@example.org").claims, 1);
	assert_int_equal(look(f, "box1@example.org").mailbox_state, STATE_HOLDING);
	assert_physical(f, "box2@example.org", "new@s1.example.net");
	assert_physical(f, "b@example.org", "new@s1.example.net");
	assert_int_equal(look(f, "a@example.org").match, MATCH_NONE);
	assert_int_equal(look(f, "c@example.org").match, MATCH_NONE);
	assert_physical(f, "d@example.org", "new@s1.example.net");
}

static void test_an_entry_never_goes_back(void **state)
{
	struct fixture *f = *state;

	first_load(f, 1);
	push(f, mailbox(1, "0.20", "new@s1.example.net", NULL, NULL), cookie("0.20", NULL));
	push(f, mailbox(1, "0.15", "older@s1.example.net", NULL, NULL), cookie("0.21", NULL));
	push(f, mailbox(1, "0.20", "same@s1.example.net", NULL, NULL), cookie("0.21", NULL));
	assert_physical(f, "box1@example.org", "new@s1.example.net");
	/* a deletion that a laggard repeats is older than the entry */
	push_delete(f, 1, "0.19");
	assert_physical(f, "box1@example.org", "new@s1.example.net");
	push_delete(f, 1, "0.22");
	assert_true(look(f, "box1@example.org").vanished);
}

static void test_the_vector_is_a_maximum(void **state)
{
	struct fixture *f = *state;
	struct csn_vector none = { .count = 0 }, older = cookie("0.5", "1.7");

	first_load(f, 1);
	replica_advance(f->replica, &older);
	assert_vector(f, cookie("0.10", "1.7"));
	replica_advance(f->replica, &none);
	assert_vector(f, cookie("0.10", "1.7"));
	replica_tick(f->replica);
	reopen(f);
	assert_vector(f, cookie("0.10", "1.7"));
}

static void test_a_refresh_advances_at_its_end(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh;

	first_load(f, 2);
	refresh = refresh_begin(f->replica, false);
	show(refresh, mailbox(1, "0.20", "new@s1.example.net", NULL, NULL));
	refresh_presents_end(refresh);
	refresh_free(&refresh); /* broke off before its end */
	assert_vector(f, cookie("0.10", NULL));
	assert_physical(f, "box2@example.org", "old@s1.example.net");
	refresh = refresh_begin(f->replica, false);
	show(refresh, mailbox(1, "0.20", "new@s1.example.net", NULL, NULL));
	end(&refresh, cookie("0.20", NULL), false);
	assert_vector(f, cookie("0.20", NULL));
	assert_physical(f, "box1@example.org", "new@s1.example.net");
	/* no present phase: what was not shown is still there */
	assert_physical(f, "box2@example.org", "old@s1.example.net");
}

static void show_all_but(struct refresh *refresh, unsigned mailboxes, unsigned missing)
{
	for (unsigned id = 1; id <= mailboxes; id++)
		if (id != missing)
			show_present(refresh, id);
	for (unsigned id = 5001; id <= 5003; id++)
		show_present(refresh, id);
}

static void test_absence(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh;

	first_load(f, 5);
	refresh = refresh_begin(f->replica, false);
	show_all_but(refresh, 5, 3);
	refresh_presents_end(refresh);
	end(&refresh, cookie("0.20", NULL), false);
	assert_true(look(f, "box3@example.org").vanished);
	assert_int_equal(view(f).mailboxes, 4);
	assert_int_equal(view(f).node, NODE_ENABLED);
}

/* A cookie was not sent: even if the server calls it a delete phase, it showed all there is. */
static void test_absence_from_the_whole_content(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh;

	first_load(f, 5);
	refresh = refresh_begin(f->replica, true);
	show_all_but(refresh, 5, 2);
	end(&refresh, cookie("0.20", NULL), false);
	assert_true(look(f, "box2@example.org").vanished);
}

static void test_absence_is_believed_of_covered_ones_only(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh;

	first_load(f, 3);
	/* the newest is of another server, of which the final cookie says nothing */
	push(f, mailbox(9, "2.12", "new@s1.example.net", NULL, NULL), cookie(NULL, NULL));
	refresh = refresh_begin(f->replica, false);
	show_all_but(refresh, 3, 1);
	refresh_presents_end(refresh);
	end(&refresh, cookie("0.20", NULL), false);
	assert_true(look(f, "box1@example.org").vanished);
	assert_physical(f, "box9@example.org", "new@s1.example.net");
}

static void test_a_provider_behind_never_deletes(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh;

	first_load(f, 3);
	push(f, mailbox(9, "1.12", "new@s1.example.net", NULL, NULL), cookie("1.12", NULL));
	/* its final cookie lacks what we have of server 1, and is ahead for server 0 */
	refresh = refresh_begin(f->replica, false);
	show_all_but(refresh, 3, 0);
	refresh_presents_end(refresh);
	end(&refresh, cookie("0.20", "1.11"), false);
	assert_physical(f, "box9@example.org", "new@s1.example.net");
	assert_vector(f, cookie("0.10", "1.12"));
	assert_true(replica_withheld(f->replica));
	/* nor does what it pushes afterwards move the vector over the deletions not believed */
	push(f, mailbox(2, "0.22", "newer@s1.example.net", NULL, NULL), cookie("0.22", NULL));
	assert_physical(f, "box2@example.org", "newer@s1.example.net");
	assert_vector(f, cookie("0.10", "1.12"));
	assert_false(view(f).epoch_covered);
	/* one known to be behind before it began */
	refresh = refresh_begin(f->replica, false);
	refresh_deleted(refresh, (uint8_t[16]){ 7, [15] = 1 });
	end(&refresh, cookie("0.30", "1.30"), true);
	assert_physical(f, "box1@example.org", "old@s1.example.net");
	/* the good one */
	refresh = refresh_begin(f->replica, false);
	refresh_deleted(refresh, (uint8_t[16]){ 7, [15] = 1 });
	end(&refresh, cookie("0.30", "1.30"), false);
	assert_true(look(f, "box1@example.org").vanished);
	assert_vector(f, cookie("0.30", "1.30"));
	assert_true(view(f).epoch_covered);
}

static void test_a_final_cookie_without_csn(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh;

	first_load(f, 3);
	refresh = refresh_begin(f->replica, false);
	show_all_but(refresh, 3, 1);
	refresh_presents_end(refresh);
	end(&refresh, cookie(NULL, NULL), false);
	assert_physical(f, "box1@example.org", "old@s1.example.net");
	assert_vector(f, cookie("0.10", NULL));
}

static void test_mass(void **state)
{
	(void)state;
	assert_false(refresh_is_mass(0, 0, 10));
	assert_false(refresh_is_mass(10, 10, 10)); /* a handful is none */
	assert_true(refresh_is_mass(11, 11, 10));
	assert_true(refresh_is_mass(11, 109, 10));
	assert_false(refresh_is_mass(11, 110, 10));
	assert_false(refresh_is_mass(1000, 1000, 100));
	assert_true(refresh_is_mass(11, 1000000, 0));
}

static void refuse(struct fixture *f)
{
	struct refresh *refresh;

	first_load(f, 40);
	refresh = refresh_begin(f->replica, false);
	show_all_but(refresh, 20, 0);
	refresh_presents_end(refresh);
	end(&refresh, cookie("0.20", NULL), false);
	assert_int_equal(view(f).refused_deletes, 20);
}

static void test_mass_disappearance(void **state)
{
	struct fixture *f = *state;
	const char *error;

	refuse(f);
	assert_physical(f, "box40@example.org", "old@s1.example.net");
	assert_vector(f, cookie("0.10", NULL));
	assert_false(view(f).epoch_covered);
	assert_true(view(f).node_durable);
	/* one of them comes back by itself, one changes */
	push(f, mailbox(40, "0.25", "back@s1.example.net", NULL, NULL), cookie("0.25", NULL));
	assert_vector(f, cookie("0.10", NULL));
	reopen(f);
	assert_int_equal(view(f).refused_deletes, 20);
	assert_true(look(f, "box1@example.org").node_enabled);
	assert_int_equal(replica_approve(f->replica, &error), 19);
	assert_physical(f, "box40@example.org", "back@s1.example.net");
	assert_true(look(f, "box39@example.org").vanished);
	assert_int_equal(view(f).mailboxes, 21);
	assert_vector(f, cookie("0.25", NULL));
	assert_true(view(f).epoch_covered);
	assert_int_equal(replica_approve(f->replica, &error), -1);
}

static void test_mass_disappearance_that_heals(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh;
	const char *error;

	refuse(f);
	refresh = refresh_begin(f->replica, false);
	show_all_but(refresh, 40, 7);
	refresh_presents_end(refresh);
	end(&refresh, cookie("0.30", NULL), false);
	assert_int_equal(view(f).refused_deletes, 0);
	assert_vector(f, cookie("0.30", NULL));
	assert_int_equal(view(f).mailboxes, 39);
	assert_int_equal(replica_approve(f->replica, &error), -1);
}

static void test_the_federation_does_not_vanish_by_absence(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh;

	first_load(f, 3);
	refresh = refresh_begin(f->replica, true);
	for (unsigned id = 1; id <= 3; id++)
		show_present(refresh, id);
	end(&refresh, cookie("0.20", NULL), false);
	assert_true(look(f, "box1@example.org").federated);
	assert_int_equal(view(f).refused_deletes, 3);
}

static void test_node_needs_coverage(void **state)
{
	struct fixture *f = *state;

	first_load(f, 1);
	assert_true(look(f, "box1@example.org").node_enabled);
	push(f, node("0.30", "disabled", NULL), cookie("0.30", NULL));
	assert_false(look(f, "box1@example.org").node_enabled);
	assert_int_equal(view(f).node, NODE_DISABLED);
	/* the enabling write came, but what was written before it may not have come yet */
	push(f, node("1.40", "enabled", NULL), cookie(NULL, NULL));
	assert_int_equal(view(f).node, NODE_ENABLED);
	assert_false(look(f, "box1@example.org").node_enabled);
	reopen(f);
	assert_false(look(f, "box1@example.org").node_enabled);
	struct csn_vector later = cookie("1.40", NULL);
	f->all = 0;
	replica_advance(f->replica, &later);
	assert_true(look(f, "box1@example.org").node_enabled);
	assert_int_equal(f->all, 1);
	/* later versions of the entry are heartbeats: it stays enabled */
	push(f, node("1.50", "enabled", "20261122055519Z"), cookie(NULL, NULL));
	assert_true(look(f, "box1@example.org").node_enabled);
	reopen(f);
	assert_true(look(f, "box1@example.org").node_enabled);
}

/* A process that is killed right after it served must find the node's state again. */
static void test_node_state_is_on_disk_before_it_counts(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t child;

	first_load(f, 1);
	replica_close(&f->replica);
	child = fork();
	if (child == 0) {
		open_replica(f);
		push(f, node("0.30", "disabling", NULL), cookie("0.30", NULL));
		_exit(view(f).node_durable ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	open_replica(f);
	assert_int_equal(view(f).node, NODE_DISABLING);
}

static void test_epoch(void **state)
{
	struct fixture *f = *state;
	struct csn_vector later;

	first_load(f, 1);
	assert_true(view(f).epoch_covered);
	push(f, federation("1.20", "2"), cookie(NULL, NULL));
	assert_int_equal(view(f).epoch, 2);
	assert_false(view(f).epoch_covered);
	assert_string_equal(view(f).epoch_csn, csn("1.20"));
	/* a lease renewed on the same entry does not make the epoch younger */
	push(f, federation("1.30", "2"), cookie(NULL, NULL));
	assert_string_equal(view(f).epoch_csn, csn("1.20"));
	f->all = 0;
	later = cookie("1.20", NULL);
	replica_advance(f->replica, &later);
	assert_true(view(f).epoch_covered);
	assert_int_equal(f->all, 1);
	replica_advance(f->replica, &later);
	assert_int_equal(f->all, 1);
}

static const char *wall(char *text, int64_t ago_s)
{
	return clock_generalized(text, 32, clock_wall_us() - ago_s * CLOCK_SECOND);
}

static void test_current(void **state)
{
	struct fixture *f = *state;
	struct refresh *refresh;
	char text[32];

	first_load(f, 1);
	assert_false(view(f).current);
	push(f, node("0.30", "enabled", wall(text, 3600)), cookie("0.30", NULL));
	assert_false(view(f).current);
	push(f, node("0.31", "enabled", wall(text, 0)), cookie("0.31", NULL));
	assert_true(view(f).current);
	refresh = refresh_begin(f->replica, false);
	assert_false(view(f).current);
	refresh_free(&refresh);
	assert_true(view(f).current);
	reopen(f);
	assert_false(view(f).current);
	/* the same heartbeat once more says nothing */
	push(f, node("0.32", "enabled", text), cookie("0.32", NULL));
	assert_false(view(f).current);
}

static void test_lookup_order(void **state)
{
	struct fixture *f = *state;
	struct route_facts facts;

	first_load(f, 2);
	assert_physical(f, "box1+Tag@example.org", "old+Tag@s1.example.net");
	assert_int_equal(look(f, "box1+Tag@example.org").match, MATCH_BARE);
	facts = look(f, "postmaster@example.org");
	assert_int_equal(facts.match, MATCH_POSTMASTER);
	assert_string_equal(facts.physical, "root@local.example.net");
	push(f, mailbox(3, "0.30", "all@s1.example.net", NULL, "@example.org"),
		cookie("0.30", NULL));
	facts = look(f, "nobody+x@example.org");
	assert_int_equal(facts.match, MATCH_CATCHALL);
	assert_string_equal(facts.physical, "all@s1.example.net");
	push(f, mailbox(1, "0.31", "old@s1.example.net", NULL, "box1+tag@example.org"),
		cookie("0.31", NULL));
	assert_int_equal(look(f, "box1+Tag@example.org").match, MATCH_FULL);
	/* gone: neither the bare address nor the catch-all gets it */
	push(f, mailbox(1, "0.32", "old@s1.example.net", NULL, NULL), cookie("0.32", NULL));
	facts = look(f, "box1+tag@example.org");
	assert_true(facts.vanished);
	assert_int_equal(facts.match, MATCH_NONE);
	assert_false(look(f, "box1@elsewhere.example").federated);
}

static void test_detail_is_left_out_where_configured(void **state)
{
	struct fixture *f = *state;

	first_load(f, 1);
	f->options.carry_detail = false;
	replica_configure(f->replica, &f->options);
	assert_physical(f, "box1+tag@example.org", "old@s1.example.net");
	f->options.delimiters = "";
	replica_configure(f->replica, &f->options);
	assert_int_equal(look(f, "box1+tag@example.org").match, MATCH_NONE);
}

static void test_physical_faults(void **state)
{
	struct fixture *f = *state;
	struct route_facts facts;

	first_load(f, 0);
	push(f, mailbox(1, "0.30", "x@EXAMPLE.org", NULL, NULL), cookie("0.30", NULL));
	facts = look(f, "box1@example.org");
	assert_string_equal(facts.physical, "");
	assert_string_equal(facts.physical_fault, "physical address is in a federated domain");
	push(f, mailbox(1, "0.31", "x y", NULL, NULL), cookie("0.31", NULL));
	assert_string_equal(
		look(f, "box1@example.org").physical_fault, "physical address is malformed");
}

static void test_vanished_is_forgotten(void **state)
{
	struct fixture *f = *state;

	first_load(f, 2);
	push_delete(f, 1, NULL);
	assert_true(look(f, "box1@example.org").vanished);
	replica_tick(f->replica); /* too young to be purged */
	f->options.vanish_grace_us = 0;
	replica_configure(f->replica, &f->options);
	assert_false(look(f, "box1@example.org").vanished);
	replica_tick(f->replica);
	f->options.vanish_grace_us = 300 * CLOCK_SECOND;
	replica_configure(f->replica, &f->options);
	assert_false(look(f, "box1@example.org").vanished);
	/* moved from one entry to the other: never nobody's */
	push(f, mailbox(3, "0.30", "c@s1.example.net", NULL, "box2@example.org"),
		cookie(NULL, NULL));
	assert_int_equal(look(f, "box2@example.org").claims, 2);
	push_delete(f, 2, NULL);
	assert_int_equal(look(f, "box2@example.org").claims, 1);
	assert_physical(f, "box2@example.org", "c@s1.example.net");
}

static int collect(void *context, const uint8_t *uuid, const char *physical)
{
	struct str *out = context;

	(void)uuid;
	str_append_z(out, physical);
	str_append_c(out, ' ');
	return 0;
}

static void test_held(void **state)
{
	struct fixture *f = *state;
	struct str held = STR_INIT;
	char name[64];
	uint8_t uuid[16];

	first_load(f, 300);
	push(f, mailbox(1, "0.30", "h@s1.example.net", "holding", NULL), cookie("0.30", NULL));
	assert_int_equal(replica_each_held(f->replica, collect, &held), 0);
	assert_string_equal(str_cstr(&held), "h@s1.example.net ");
	push(f, mailbox(1, "0.31", "h@s1.example.net", NULL, NULL), cookie("0.31", NULL));
	str_reset(&held);
	assert_int_equal(replica_each_held(f->replica, collect, &held), 0);
	assert_int_equal(held.len, 0);
	f->all = f->one = 0;
	push(f, backend("0.32", "holding"), cookie("0.32", NULL));
	assert_int_equal(f->all, 1);
	assert_int_equal(f->one, 0);
	assert_int_equal(look(f, "box7@example.org").system_state, STATE_HOLDING);
	assert_int_equal(replica_each_held(f->replica, collect, &held), 0);
	assert_int_equal(
		held.len, 299 * strlen("old@s1.example.net ") + strlen("h@s1.example.net "));
	set_uuid(uuid, 7);
	replica_mailbox_name(f->replica, uuid, name, sizeof(name));
	assert_string_equal(name, "box7@example.org");
	str_free(&held);
}

static void test_another_base(void **state)
{
	struct fixture *f = *state;
	struct replica_options other = f->options;
	const char *error = NULL;

	replica_close(&f->replica);
	other.base = "dc=other";
	assert_null(replica_open(&other, &error));
	assert_non_null(strstr(error, "another base"));
	open_replica(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_nothing_before_the_first_load_is_complete),
		TEST(test_no_federation_is_no_load), TEST(test_twice_in_the_first_load),
		TEST(test_an_entry_never_goes_back), TEST(test_the_vector_is_a_maximum),
		TEST(test_a_refresh_advances_at_its_end), TEST(test_absence),
		TEST(test_absence_from_the_whole_content),
		TEST(test_absence_is_believed_of_covered_ones_only),
		TEST(test_a_provider_behind_never_deletes), TEST(test_a_final_cookie_without_csn),
		TEST(test_mass), TEST(test_mass_disappearance),
		TEST(test_mass_disappearance_that_heals),
		TEST(test_the_federation_does_not_vanish_by_absence),
		TEST(test_node_needs_coverage), TEST(test_node_state_is_on_disk_before_it_counts),
		TEST(test_epoch), TEST(test_current), TEST(test_lookup_order),
		TEST(test_detail_is_left_out_where_configured), TEST(test_physical_faults),
		TEST(test_vanished_is_forgotten), TEST(test_held), TEST(test_another_base) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
