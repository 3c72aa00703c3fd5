#define _GNU_SOURCE
#include "tests/unit/replica_lab.h"

#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"

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

void open_replica(struct fixture *f)
{
	const char *error = NULL;

	f->replica = replica_open(&f->options, &error);
	if (f->replica == NULL)
		fail_msg("%s", error);
	replica_observe(f->replica, observe, f);
}

int set_up(void **state)
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

int tear_down(void **state)
{
	struct fixture *f = *state;

	replica_close(&f->replica);
	nftw(f->dir, forget, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

void reopen(struct fixture *f)
{
	replica_close(&f->replica);
	open_replica(f);
}

/* --- what a provider says ------------------------------------------------------------------- */

/* "1.10": server 1, the tenth second. */
const char *csn(const char *text)
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

struct csn_vector cookie(const char *a, const char *b)
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

void set_uuid(uint8_t *uuid, unsigned id)
{
	memset(uuid, 0, 16);
	uuid[0] = (uint8_t)(id * 7);
	uuid[14] = (uint8_t)(id >> 8);
	uuid[15] = (uint8_t)id;
}

static const char *dn_of(const char *class)
{
	if (strcmp(class, "restanteFederation") == 0)
		return "cn=restante,dc=example";
	if (strcmp(class, "restanteNode") == 0)
		return "cn=N,ou=nodes, cn=restante,dc=example";
	return "cn=some,dc=example";
}

static void begin(struct change *change, unsigned id, const char *class, const char *version)
{
	const char *dn = dn_of(class);
	uint8_t uuid[16];

	set_uuid(uuid, id);
	change->kind = CHANGE_UPSERT;
	change->newest[0] = '\0';
	change->behind = false;
	record_begin(&change->record, uuid, dn, strlen(dn));
	value(&change->record, "objectClass", class);
	value(&change->record, "entryCSN", csn(version));
}

static void finish(struct change *change)
{
	const char *error;

	assert_int_equal(record_finish(&change->record, &error), 0);
}

struct change mailbox(
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

struct change federation(const char *version, const char *epoch)
{
	struct change change = { .kind = CHANGE_UPSERT };

	begin(&change, 5001, "restanteFederation", version);
	value(&change.record, "associatedDomain", "example.org");
	value(&change.record, "restanteEpoch", epoch);
	finish(&change);
	return change;
}

struct change backend(const char *version, const char *state)
{
	struct change change = { .kind = CHANGE_UPSERT };

	begin(&change, 5002, "restanteBackend", version);
	value(&change.record, "cn", "S1");
	if (state != NULL)
		value(&change.record, "restanteState", state);
	finish(&change);
	return change;
}

struct change node(const char *version, const char *state, const char *heartbeat)
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

void show(struct refresh *refresh, struct change change)
{
	const char *error = NULL;

	assert_int_equal(refresh_entry(refresh, &change, &error), 0);
	record_free(&change.record);
}

void show_present(struct refresh *refresh, unsigned id)
{
	uint8_t uuid[16];

	set_uuid(uuid, id);
	refresh_present(refresh, uuid);
}

void end(struct refresh **refresh, struct csn_vector final, bool behind)
{
	const char *error = NULL;

	if (refresh_end(*refresh, &final, behind, &error) < 0)
		fail_msg("%s", error);
	refresh_free(refresh);
}

void push(struct fixture *f, struct change change, struct csn_vector vector)
{
	const char *error = NULL;

	assert_int_equal(
		replica_apply(f->replica, &change, 1, vector.count ? &vector : NULL, &error), 0);
	record_free(&change.record);
}

void push_delete(struct fixture *f, unsigned id, const char *newest)
{
	struct change change = { .kind = CHANGE_DELETE };

	set_uuid(change.record.uuid, id);
	if (newest != NULL)
		strcpy(change.newest, csn(newest));
	push(f, change, cookie(NULL, NULL));
}

void first_load(struct fixture *f, unsigned mailboxes)
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

struct route_facts look(struct fixture *f, const char *text)
{
	struct address address;
	struct route_facts facts;
	const char *error;

	assert_int_equal(address_parse(text, &address, &error), 0);
	replica_lookup(f->replica, &address, &facts);
	return facts;
}

void assert_physical(struct fixture *f, const char *address, const char *physical)
{
	struct route_facts facts = look(f, address);

	assert_false(facts.trouble);
	assert_string_equal(facts.physical, physical);
}

struct replica_view view(struct fixture *f)
{
	struct replica_view v;

	replica_view(f->replica, &v);
	return v;
}

void assert_vector(struct fixture *f, struct csn_vector expected)
{
	struct csn_vector ours;

	replica_vector(f->replica, &ours);
	assert_int_equal(ours.count, expected.count);
	for (size_t i = 0; i < ours.count; i++)
		assert_string_equal(ours.csn[i], expected.csn[i]);
}
