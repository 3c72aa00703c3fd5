#include "lib/fence.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/address.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define LOOK_FIRST_US   (5 * CLOCK_MS)
#define LOOK_SLOWEST_US (100 * CLOCK_MS)
#define RAISE_FIRST_US  (100 * CLOCK_MS)
#define RAISE_SLOWEST   (10 * CLOCK_SECOND)
#define RAISE_TRIES     20

static _Thread_local char fault[1024];
static _Thread_local char waiting_name[256];

/* --- the judgement ------------------------------------------------------------------------- */

/* Queue listings are compared without subaddress and case, whoever wrote the address. */
static void bare_key(const char *text, char *key_r)
{
	struct address address, bare;
	const char *error, *detail;

	if (address_parse(text, &address, &error) != 0) {
		snprintf(key_r, ADDRESS_MAX + 1, "%s", text);
		return;
	}
	bool split = address_split_detail(&address, "+", &bare, &detail);
	snprintf(key_r, ADDRESS_MAX + 1, "%s", split ? bare.key : address.key);
}

static bool has_mail(const struct federation_node *node, const char *physical_key)
{
	char key[ADDRESS_MAX + 1];

	for (size_t i = 0; i < node->undrained_count; i++) {
		bare_key(node->undrained[i], key);
		if (strcmp(key, physical_key) == 0)
			return true;
	}
	return false;
}

static enum fence_wait node_waits(
	const struct federation_node *node, uint64_t epoch, const char *physical_key)
{
	if (node->acked < epoch)
		return FENCE_WAITS_ACK;
	if (physical_key == NULL)
		return FENCE_WAITS_NOTHING;
	if (node->drained < epoch)
		return FENCE_WAITS_LIST;
	return has_mail(node, physical_key) ? FENCE_WAITS_QUEUE : FENCE_WAITS_NOTHING;
}

/* What lags most is named: a missing acknowledgement before a missing listing before mail. */
static bool lags_more(enum fence_wait one, enum fence_wait other)
{
	static const int rank[] = { [FENCE_WAITS_NOTHING] = 0,
		[FENCE_WAITS_QUEUE] = 1,
		[FENCE_WAITS_LIST] = 2,
		[FENCE_WAITS_ACK] = 3,
		[FENCE_WAITS_NODES] = 4 };

	return rank[one] > rank[other];
}

void fence_look(const struct federation_nodes *nodes, uint64_t epoch, const char *physical,
	struct fence_progress *progress_r)
{
	char key[ADDRESS_MAX + 1];

	if (physical != NULL)
		bare_key(physical, key);
	progress_r->known = (unsigned)nodes->count;
	progress_r->nodes = progress_r->acked = progress_r->drained = 0;
	progress_r->waiting = NULL;
	progress_r->why = nodes->count == 0 ? FENCE_WAITS_NODES : FENCE_WAITS_NOTHING;
	for (size_t i = 0; i < nodes->count; i++) {
		const struct federation_node *node = &nodes->nodes[i];

		if (node->disabled)
			continue;
		enum fence_wait why = node_waits(node, epoch, physical != NULL ? key : NULL);
		progress_r->nodes++;
		progress_r->acked += why != FENCE_WAITS_ACK;
		progress_r->drained += why == FENCE_WAITS_NOTHING;
		if (!lags_more(why, progress_r->why))
			continue;
		progress_r->why = why;
		progress_r->waiting = node->name;
	}
}

uint64_t fence_next_epoch(const struct federation_nodes *nodes, uint64_t epoch)
{
	uint64_t highest = epoch;

	for (size_t i = 0; i < nodes->count; i++) {
		const struct federation_node *node = &nodes->nodes[i];

		highest = node->acked > highest ? node->acked : highest;
		highest = node->drained > highest ? node->drained : highest;
	}
	return highest + 1;
}

int64_t fence_raise_interval_us(unsigned raised, bool acked)
{
	int64_t interval = acked ? RAISE_SLOWEST : RAISE_FIRST_US;

	for (unsigned i = 1; i < raised && interval < RAISE_SLOWEST; i++)
		interval *= 2;
	return interval < RAISE_SLOWEST ? interval : RAISE_SLOWEST;
}

/* --- raising ------------------------------------------------------------------------------- */

struct fence {
	struct ldap_session *session;
	const char *base;
	struct fence_mailbox *mailboxes;
	size_t count;
	fence_passed_callback passed;
	fence_progress_callback told;
	void *context;
	struct str dn;
	struct fence_progress progress;
	unsigned raised; /* how often */
	uint64_t last;   /* number tried */
	bool exhausted;  /* there is no larger number */
	int64_t began_us, deadline_us, raised_us, look_us;
};

static enum ldap_result write_epoch(
	struct fence *fence, const struct federation *now, uint64_t epoch)
{
	char text[24], assertion[64];
	const char *const values[] = { text, NULL };
	const struct ldap_change change = { LDAP_CHANGE_REPLACE, "restanteEpoch", values };

	snprintf(text, sizeof(text), "%" PRIu64, epoch);
	if (now->has_epoch)
		snprintf(assertion, sizeof(assertion), "(restanteEpoch=%" PRIu64 ")", now->epoch);
	else
		snprintf(assertion, sizeof(assertion), "(!(restanteEpoch=*))");
	return ldap_session_modify(
		fence->session, str_cstr(&fence->dn), &change, 1, assertion, NULL, 0);
}

/* The epoch as it is, and the next one above everything that was acknowledged so far. */
static enum ldap_result read_epoch(struct fence *fence, struct federation **now_r, uint64_t *next_r)
{
	struct federation_nodes nodes;
	enum ldap_result result = federation_read(fence->session, fence->base, now_r);

	if (result != LDAP_DONE)
		return result;
	result = federation_read_nodes(fence->session, fence->base, &nodes);
	if (result != LDAP_DONE) {
		federation_free(now_r);
		return result;
	}
	*next_r = fence_next_epoch(&nodes, (*now_r)->epoch);
	fence->exhausted = *next_r == 0;
	federation_nodes_free(&nodes);
	return LDAP_DONE;
}

static enum ldap_result raise_epoch(struct fence *fence)
{
	enum ldap_result result = LDAP_ASSERTION;

	for (unsigned i = 0; i < RAISE_TRIES && result == LDAP_ASSERTION; i++) {
		struct federation *now;
		uint64_t next;

		result = read_epoch(fence, &now, &next);
		if (result != LDAP_DONE)
			return result;
		result = next != 0 ? write_epoch(fence, now, next) : LDAP_REFUSED;
		federation_free(&now);
		fence->last = next;
		if (result == LDAP_DONE && fence->raised++ == 0)
			fence->progress.epoch = next;
	}
	fence->raised_us = clock_mono_us();
	return result;
}

/* --- waiting ------------------------------------------------------------------------------- */

static void note_instants(struct fence_progress *progress)
{
	bool known = progress->known > 0;

	if (known && progress->acked_us < 0 && progress->acked == progress->nodes)
		progress->acked_us = progress->elapsed_us;
	if (known && progress->drained_us < 0 && progress->drained == progress->nodes)
		progress->drained_us = progress->elapsed_us;
}

/* What one mailbox waits for; the worst of all is what the progress shows. */
static void judge(const struct federation_nodes *nodes, struct fence *fence,
	struct fence_mailbox *mailbox, struct fence_progress *worst)
{
	struct fence_progress own = { 0 };
	bool first = worst->known == 0;

	fence_look(nodes, fence->progress.epoch, mailbox->physical, &own);
	mailbox->why = own.why;
	mailbox->passed = own.why == FENCE_WAITS_NOTHING;
	snprintf(mailbox->waiting, sizeof(mailbox->waiting), "%s",
		own.waiting != NULL ? own.waiting : "");
	if (first || lags_more(own.why, worst->why))
		*worst = own;
}

static void take_progress(struct fence *fence, const struct fence_progress *worst)
{
	struct fence_progress *progress = &fence->progress;

	progress->known = worst->known;
	progress->nodes = worst->nodes;
	progress->acked = worst->acked;
	progress->drained = worst->drained;
	progress->why = worst->why;
	progress->waiting = NULL;
	if (worst->waiting != NULL) {
		snprintf(waiting_name, sizeof(waiting_name), "%s", worst->waiting);
		progress->waiting = waiting_name;
	}
	progress->elapsed_us = clock_mono_us() - fence->began_us;
	note_instants(progress);
}

/* Those that passed at this look, once it is over: the callback may use the session. */
static void tell_passed(struct fence *fence, const bool *before)
{
	for (size_t i = 0; i < fence->count; i++) {
		if (before[i] || !fence->mailboxes[i].passed)
			continue;
		fence->progress.passed++;
		if (fence->passed != NULL)
			fence->passed(fence->context, i);
	}
}

static enum ldap_result look(struct fence *fence)
{
	struct federation_nodes nodes;
	struct fence_progress worst = { 0 };
	enum ldap_result result = federation_read_nodes(fence->session, fence->base, &nodes);

	if (result != LDAP_DONE)
		return result;
	bool *before = mem_zalloc(fence->count * sizeof(*before));
	for (size_t i = 0; i < fence->count; i++) {
		before[i] = fence->mailboxes[i].passed;
		/* one that has passed is judged no more: only the last shows that all have */
		if (!before[i])
			judge(&nodes, fence, &fence->mailboxes[i], &worst);
	}
	take_progress(fence, &worst);
	federation_nodes_free(&nodes);
	if (fence->told != NULL)
		fence->told(fence->context, &fence->progress);
	tell_passed(fence, before);
	mem_free(&before);
	return LDAP_DONE;
}

/* A cookie can come without a CSN when writers overlap; another raise gives the node another. */
static enum ldap_result raise_again(struct fence *fence)
{
	bool acked = fence->progress.acked == fence->progress.nodes;
	int64_t interval = fence_raise_interval_us(fence->raised, acked);

	if (clock_mono_us() < fence->raised_us + interval)
		return LDAP_DONE;
	enum ldap_result result = raise_epoch(fence);
	/* Others raise all the time then: their numbers serve us as well. */
	return result == LDAP_ASSERTION ? LDAP_DONE : result;
}

static void pause_until_next_look(struct fence *fence)
{
	int64_t left = fence->deadline_us - clock_mono_us();

	clock_sleep_us(left < fence->look_us ? left : fence->look_us);
	fence->look_us += fence->look_us / 4;
	if (fence->look_us > LOOK_SLOWEST_US)
		fence->look_us = LOOK_SLOWEST_US;
}

static enum ldap_result wait_for_nodes(struct fence *fence)
{
	for (;;) {
		enum ldap_result result = look(fence);

		if (result != LDAP_DONE || fence->progress.why == FENCE_WAITS_NOTHING ||
			fence->progress.why == FENCE_WAITS_NODES)
			return result;
		if (clock_mono_us() >= fence->deadline_us)
			return LDAP_DONE;
		result = raise_again(fence);
		if (result != LDAP_DONE)
			return result;
		pause_until_next_look(fence);
	}
}

static enum fence_outcome outcome_of(enum fence_wait why)
{
	switch (why) {
	case FENCE_WAITS_NOTHING: return FENCE_PASSED;
	case FENCE_WAITS_NODES:
	case FENCE_WAITS_ACK: return FENCE_NOT_ACKED;
	case FENCE_WAITS_LIST:
	case FENCE_WAITS_QUEUE: break;
	}
	return FENCE_NOT_DRAINED;
}

static const char *explain(const struct fence *fence, enum ldap_result result)
{
	if (result == LDAP_ASSERTION)
		return "restanteEpoch is raised by others faster than it can be read; try again";
	if (result == LDAP_NO_ENTRY) {
		snprintf(fault, sizeof(fault),
			"no federation entry %s; add it (see restante-schema(5))",
			str_cstr(&fence->dn));
		return fault;
	}
	if (result == LDAP_REFUSED && fence->exhausted)
		return "restanteEpoch, or what a front door acknowledged, is the largest number "
		       "there "
		       "is; set them back to small ones";
	snprintf(fault, sizeof(fault), "%s", ldap_session_reason(fence->session));
	return fault;
}

enum fence_outcome fence_pass_all(struct ldap_session *session, const char *base,
	struct fence_mailbox *mailboxes, size_t count, int64_t timeout_us,
	fence_passed_callback passed, fence_progress_callback progress, void *context,
	struct fence_progress *result_r, const char **error_r)
{
	int64_t now = clock_mono_us();
	struct fence fence = { .session = session,
		.base = base,
		.mailboxes = mailboxes,
		.count = count,
		.passed = passed,
		.told = progress,
		.context = context,
		.dn = STR_INIT,
		.progress = { .acked_us = -1, .drained_us = -1 },
		.began_us = now,
		.deadline_us = now + timeout_us,
		.look_us = LOOK_FIRST_US };

	*error_r = NULL;
	federation_dn(base, &fence.dn);
	enum ldap_result result = raise_epoch(&fence);
	if (result == LDAP_DONE)
		result = wait_for_nodes(&fence);
	fence.progress.elapsed_us = clock_mono_us() - fence.began_us;
	*result_r = fence.progress;
	if (result != LDAP_DONE)
		*error_r = explain(&fence, result);
	str_free(&fence.dn);
	return result == LDAP_DONE ? outcome_of(fence.progress.why) : FENCE_ERROR;
}

enum fence_outcome fence_pass(struct ldap_session *session, const char *base, const char *physical,
	int64_t timeout_us, fence_progress_callback progress, void *context,
	struct fence_progress *result_r, const char **error_r)
{
	struct fence_mailbox one = { .physical = physical };

	return fence_pass_all(
		session, base, &one, 1, timeout_us, NULL, progress, context, result_r, error_r);
}

enum ldap_result fence_raise(
	struct ldap_session *session, const char *base, uint64_t *epoch_r, const char **error_r)
{
	struct fence fence = { .session = session, .base = base, .dn = STR_INIT };
	enum ldap_result result;

	federation_dn(base, &fence.dn);
	result = raise_epoch(&fence);
	*epoch_r = fence.last;
	*error_r = result != LDAP_DONE ? explain(&fence, result) : NULL;
	str_free(&fence.dn);
	return result;
}
