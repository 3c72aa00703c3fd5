#include "milter/node_entry.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define BACKOFF_MIN (100 * CLOCK_MS)
#define BACKOFF_MAX (10 * CLOCK_SECOND)

struct node_entry {
	const struct config *config;
	struct ldap_session *session;
	int64_t retry_at, backoff_us; /* monotonic; after a failure */

	pthread_mutex_t lock; /* what follows, for the status */
	uint64_t writes, failures;
	char error[256];
};

struct node_entry *node_entry_new(const struct config *config)
{
	struct node_entry *e = mem_zalloc(sizeof *e);

	e->config = config;
	pthread_mutex_init(&e->lock, NULL);
	return e;
}

void node_entry_free(struct node_entry **entry)
{
	if (*entry == NULL)
		return;
	ldap_session_close(&(*entry)->session);
	pthread_mutex_destroy(&(*entry)->lock);
	mem_free(entry);
}

void node_changes_values(struct node_changes *c, const char *attribute, const char *const *values)
{
	c->list[c->count++] = (struct ldap_change){ LDAP_CHANGE_REPLACE, attribute, values };
}

void node_changes_text(struct node_changes *c, const char *attribute, const char *text)
{
	size_t i = c->count;

	snprintf(c->text[i], sizeof c->text[i], "%s", text);
	c->values[i][0] = c->text[i];
	c->values[i][1] = NULL;
	node_changes_values(c, attribute, c->values[i]);
}

void node_changes_number(struct node_changes *c, const char *attribute, uint64_t number)
{
	char text[40];

	snprintf(text, sizeof text, "%" PRIu64, number);
	node_changes_text(c, attribute, text);
}

static void note_failure(struct node_entry *e, const char *error)
{
	pthread_mutex_lock(&e->lock);
	bool news = strcmp(e->error, error) != 0;
	snprintf(e->error, sizeof e->error, "%s", error);
	e->failures++;
	pthread_mutex_unlock(&e->lock);
	if (news)
		log_error("node", "cannot write this front door's entry, moves wait: %s", error);
	e->backoff_us = e->backoff_us ? e->backoff_us * 2 : BACKOFF_MIN;
	if (e->backoff_us > BACKOFF_MAX)
		e->backoff_us = BACKOFF_MAX;
	e->retry_at = clock_mono_us() + e->backoff_us;
}

static void note_success(struct node_entry *e)
{
	pthread_mutex_lock(&e->lock);
	bool over = e->error[0] != '\0';
	e->error[0] = '\0';
	e->writes++;
	pthread_mutex_unlock(&e->lock);
	e->backoff_us = e->retry_at = 0;
	if (over)
		log_info("node", "this front door's entry is written again");
}

static bool have_session(struct node_entry *e)
{
	const char *error = "";

	if (e->session != NULL)
		return true;
	struct ldap_options options = config_ldap_options(e->config, NULL);
	e->session = ldap_session_open(&options, &error);
	if (e->session == NULL)
		note_failure(e, error);
	return e->session != NULL;
}

static enum ldap_result write_once(struct node_entry *e, const char *dn,
	const struct node_changes *changes, const char *assertion)
{
	if (!have_session(e))
		return LDAP_DOWN;
	enum ldap_result result = ldap_session_modify(
		e->session, dn, changes->list, changes->count, assertion, NULL, 0);
	if (result == LDAP_DONE)
		note_success(e);
	return result;
}

enum ldap_result node_entry_write(struct node_entry *e, const char *dn,
	const struct node_changes *changes, const char *assertion)
{
	/* A server closes a session that is idle for long: the first failure of one that was
	 * there already says nothing yet. */
	bool used = e->session != NULL;
	enum ldap_result result = write_once(e, dn, changes, assertion);

	if (result == LDAP_DOWN && used) {
		ldap_session_close(&e->session);
		result = write_once(e, dn, changes, assertion);
	}
	if (result != LDAP_DONE && result != LDAP_ASSERTION && e->session != NULL)
		note_failure(e, ldap_session_reason(e->session));
	if (result == LDAP_DOWN)
		ldap_session_close(&e->session);
	return result;
}

int64_t node_entry_retry_at(const struct node_entry *e)
{
	return e->retry_at;
}

void node_entry_status(struct node_entry *e, struct json *object)
{
	pthread_mutex_lock(&e->lock);
	json_set_int(object, "writes", (int64_t)e->writes);
	json_set_int(object, "failures", (int64_t)e->failures);
	if (e->error[0] != '\0')
		json_set_string(object, "error", e->error);
	pthread_mutex_unlock(&e->lock);
}

void node_entry_totals(struct node_entry *e, struct node_totals *totals_r)
{
	pthread_mutex_lock(&e->lock);
	totals_r->writes = e->writes;
	totals_r->failures = e->failures;
	totals_r->failing = e->error[0] != '\0';
	pthread_mutex_unlock(&e->lock);
}
