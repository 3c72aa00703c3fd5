#define _GNU_SOURCE
#include "directory/replica.h"

#include <stdio.h>
#include <string.h>

#include "directory/replica_internal.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

/* --- opening -------------------------------------------------------------------------------- */

/* Look-ups never end; a writer that waits must come in between them. */
static void init_locks(struct replica *replica)
{
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&replica->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	pthread_mutex_init(&replica->write_lock, NULL);
}

void replica_begin_write(struct replica *replica)
{
	pthread_mutex_lock(&replica->write_lock);
	atomic_fetch_add(&replica->version, 1);
}

void replica_end_write(struct replica *replica)
{
	atomic_fetch_add(&replica->version, 1);
	pthread_mutex_unlock(&replica->write_lock);
}

static int load_small(struct replica *replica, const char **error_r)
{
	struct record record = { .kind = RECORD_NONE };
	struct bdb_cursor *cursor;
	struct bdb_item item;
	enum bdb_result result = bdb_cursor_open(replica->store.small, NULL, 0, &cursor);

	if (result == BDB_OK) {
		result = bdb_cursor_seek(cursor, NULL, 0, &item);
		while (result == BDB_OK) {
			if (item.key_len != ROUTE_UUID_BYTES ||
				record_decode(item.value, item.value_len, item.key, &record) < 0) {
				*error_r = "the replica is damaged; remove its directory and start "
					   "again: it is loaded anew";
				result = BDB_FAILED;
				break;
			}
			known_put(&replica->known, &record);
			result = bdb_cursor_next(cursor, &item);
		}
		bdb_cursor_close(&cursor);
	}
	record_free(&record);
	if (result == BDB_FAILED || result == BDB_BROKEN)
		*error_r = *error_r != NULL ? *error_r : bdb_reason();
	return result == BDB_NOTFOUND || result == BDB_OK ? 0 : -1;
}

/* What is stored was synced by store_open: only coverage is left to be judged. */
static void judge_node_at_start(struct replica *replica)
{
	const struct record *node = replica->known.node;

	if (node != NULL && vector_covers(&replica->meta.vector, node->mark))
		memcpy(replica->durable_mark, node->mark, sizeof(replica->durable_mark));
}

static int check_options(const struct replica_options *options, const char **error_r)
{
	if (options->postmaster == NULL || *options->postmaster == '\0')
		return 0;
	return address_check_physical(options->postmaster, error_r);
}

struct replica *replica_open(const struct replica_options *options, const char **error_r)
{
	struct replica *replica;

	*error_r = NULL;
	if (check_options(options, error_r) < 0)
		return NULL;
	replica = mem_zalloc(sizeof(*replica));
	init_locks(replica);
	replica->recall = recall_new();
	known_init(&replica->known, options->base, options->node);
	replica->heartbeat_period_us = options->heartbeat_us;
	replica->start_us = clock_mono_us();
	replica_configure(replica, options);
	if (store_open(&replica->store, options->dir, options->base, options->node,
		    options->cache_bytes, &replica->meta, error_r) < 0 ||
		load_small(replica, error_r) < 0) {
		replica_close(&replica);
		return NULL;
	}
	judge_node_at_start(replica);
	log_info("directory", "replica open dir=%s loaded=%s mailboxes=%llu", options->dir,
		replica->meta.loaded ? "yes" : "no", (unsigned long long)replica->meta.mailboxes);
	if (replica->meta.refused > 0)
		log_error("directory",
			"%llu entries vanished at once and wait for `restante node approve`",
			(unsigned long long)replica->meta.refused);
	return replica;
}

void replica_close(struct replica **replica)
{
	struct replica *r = *replica;

	if (r == NULL)
		return;
	if (r->store.env != NULL && r->store.meta != NULL && r->vector_ahead)
		replica_tick(r);
	store_close(&r->store);
	known_free(&r->known);
	recall_free(&r->recall);
	mem_free(&r->delimiters);
	mem_free(&r->postmaster);
	pthread_rwlock_destroy(&r->lock);
	pthread_mutex_destroy(&r->write_lock);
	mem_free(replica);
}

void replica_configure(struct replica *replica, const struct replica_options *options)
{
	const char *postmaster = options->postmaster, *error;

	if (postmaster != NULL && (*postmaster == '\0' || check_options(options, &error) < 0))
		postmaster = NULL;
	pthread_rwlock_wrlock(&replica->lock);
	mem_free(&replica->delimiters);
	mem_free(&replica->postmaster);
	replica->delimiters = mem_strdup(options->delimiters != NULL ? options->delimiters : "");
	replica->postmaster = mem_strdup(postmaster);
	replica->carry_detail = options->carry_detail;
	replica->vanish_grace_us = options->vanish_grace_us;
	replica->mass_delete_percent = options->mass_delete_percent;
	pthread_rwlock_unlock(&replica->lock);
}

/* --- what it says of itself ----------------------------------------------------------------- */

static bool is_covered(const struct replica *replica, const struct record *record)
{
	return record != NULL && replica->meta.refused == 0 && !replica->withheld &&
	       vector_covers(&replica->meta.vector, record->mark);
}

struct replica_facts replica_facts(const struct replica *replica)
{
	const struct record *federation = replica->known.federation, *node = replica->known.node;

	return (struct replica_facts){
		.epoch = federation != NULL ? federation->epoch : 0,
		.covered = is_covered(replica, federation),
		.loaded = replica->meta.loaded,
		.durable = node != NULL && strcmp(replica->durable_mark, node->mark) == 0,
		.node = node != NULL ? node->node : NODE_ABSENT,
		.refused = replica->meta.refused,
	};
}

static int64_t heartbeat_age(const struct replica *replica)
{
	return replica->heartbeat_us != 0 ? clock_mono_us() - replica->heartbeat_us : INT64_MAX;
}

bool replica_is_current(const struct replica *replica)
{
	return replica->meta.loaded && !replica->refreshing &&
	       heartbeat_age(replica) <= 3 * replica->heartbeat_period_us;
}

static void view_node(const struct replica *replica, struct replica_view *view)
{
	const struct record *node = replica->known.node;

	if (node == NULL)
		return;
	snprintf(view->node_dn, sizeof(view->node_dn), "%s", str_cstr(&node->dn));
	snprintf(view->node_csn, sizeof(view->node_csn), "%s", node->csn);
	snprintf(view->node_mark, sizeof(view->node_mark), "%s", node->mark);
	view->node_acked = node->epoch;
	view->node_drained = node->drained;
	snprintf(view->node_heartbeat, sizeof(view->node_heartbeat), "%s", node->heartbeat);
}

void replica_view(struct replica *replica, struct replica_view *view_r)
{
	struct replica_facts facts;

	memset(view_r, 0, sizeof(*view_r));
	pthread_rwlock_rdlock(&replica->lock);
	facts = replica_facts(replica);
	view_r->loaded = facts.loaded;
	view_r->current = replica_is_current(replica);
	view_r->refreshing = replica->refreshing;
	view_r->epoch = facts.epoch;
	view_r->epoch_covered = facts.covered;
	if (replica->known.federation != NULL)
		memcpy(view_r->epoch_csn, replica->known.federation->mark, CSN_LEN + 1);
	view_r->node = facts.node;
	view_r->node_durable = facts.durable;
	view_node(replica, view_r);
	view_r->heartbeat_age_us = heartbeat_age(replica);
	view_r->mailboxes = replica->meta.mailboxes;
	view_r->addresses = replica->meta.addresses;
	view_r->refused_deletes = facts.refused;
	pthread_rwlock_unlock(&replica->lock);
}

void replica_status(struct replica *replica, struct json *object)
{
	struct str cookie = STR_INIT;
	struct replica_view view;

	replica_view(replica, &view);
	pthread_rwlock_rdlock(&replica->lock);
	cookie_compose(&replica->meta.vector, &cookie);
	pthread_rwlock_unlock(&replica->lock);
	json_set_bool(object, "loaded", view.loaded);
	json_set_bool(object, "current", view.current);
	json_set_bool(object, "refreshing", view.refreshing);
	json_set_int(object, "mailboxes", (int64_t)view.mailboxes);
	json_set_int(object, "addresses", (int64_t)view.addresses);
	json_set_int(object, "epoch", (int64_t)view.epoch);
	json_set_bool(object, "epoch_covered", view.epoch_covered);
	json_set_int(object, "refused_deletes", (int64_t)view.refused_deletes);
	json_set_string(object, "cookie", str_cstr(&cookie));
	if (view.heartbeat_age_us != INT64_MAX)
		json_set_real(
			object, "heartbeat_age", (double)view.heartbeat_age_us / CLOCK_SECOND);
	str_free(&cookie);
}

void replica_vector(struct replica *replica, struct csn_vector *vector_r)
{
	pthread_rwlock_rdlock(&replica->lock);
	*vector_r = replica->meta.vector;
	pthread_rwlock_unlock(&replica->lock);
}

bool replica_includes(struct replica *replica, const char *csn)
{
	bool includes;

	pthread_rwlock_rdlock(&replica->lock);
	includes = vector_covers(&replica->meta.vector, csn) ||
		   vector_newer(&replica->meta.vector, csn);
	pthread_rwlock_unlock(&replica->lock);
	return includes;
}

bool replica_loaded(struct replica *replica)
{
	bool loaded;

	pthread_rwlock_rdlock(&replica->lock);
	loaded = replica->meta.loaded;
	pthread_rwlock_unlock(&replica->lock);
	return loaded;
}

bool replica_withheld(struct replica *replica)
{
	bool withheld;

	pthread_rwlock_rdlock(&replica->lock);
	withheld = replica->withheld;
	pthread_rwlock_unlock(&replica->lock);
	return withheld;
}

void replica_withhold(struct replica *replica, size_t count)
{
	pthread_rwlock_wrlock(&replica->lock);
	replica->withheld = true;
	pthread_rwlock_unlock(&replica->lock);
	log_warning("directory",
		"provider is behind: its deletions are not believed until another refresh "
		"entries=%zu",
		count);
}

void replica_begin_refresh(struct replica *replica)
{
	pthread_rwlock_wrlock(&replica->lock);
	replica->refreshing = true;
	replica->withheld = false;
	replica->refresh_heartbeat_us = 0;
	pthread_rwlock_unlock(&replica->lock);
}

void replica_end_refresh(struct replica *replica, bool complete)
{
	pthread_rwlock_wrlock(&replica->lock);
	replica->refreshing = false;
	if (complete && replica->refresh_heartbeat_us != 0)
		replica->heartbeat_us = replica->refresh_heartbeat_us;
	replica->refresh_heartbeat_us = 0;
	pthread_rwlock_unlock(&replica->lock);
}

void replica_observe(struct replica *replica, replica_observer observer, void *context)
{
	pthread_rwlock_wrlock(&replica->lock);
	replica->observer = observer;
	replica->observer_context = context;
	pthread_rwlock_unlock(&replica->lock);
}

void replica_notify(struct replica *replica, const uint8_t *uuid)
{
	replica_observer observer;
	void *context;

	pthread_rwlock_rdlock(&replica->lock);
	observer = replica->observer;
	context = replica->observer_context;
	pthread_rwlock_unlock(&replica->lock);
	if (observer != NULL)
		observer(context, uuid);
}
