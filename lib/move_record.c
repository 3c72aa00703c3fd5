/* Records of moves in the directory: found, made, asked something. */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "lib/clock.h"
#include "lib/mailbox.h"
#include "lib/mem.h"
#include "lib/move.h"

static _Thread_local char reason[1024];

/* --- finding -------------------------------------------------------------------------------- */

struct reading {
	move_callback callback;
	void *context;
};

static int take(void *context, const struct ldap_entry *entry)
{
	struct reading *reading = context;

	return reading->callback(reading->context, move_parse(entry));
}

static void equal(struct str *filter, const char *name, const char *value)
{
	if (value == NULL)
		return;
	str_printf(filter, "(%s=", name);
	ldap_filter_escape(value, filter);
	str_append_c(filter, ')');
}

static enum ldap_result search(
	struct ldap_session *session, const char *base, const char *filter, struct reading *reading)
{
	struct str dn = STR_INIT;

	move_container_dn(base, &dn);
	enum ldap_result result = ldap_session_search(
		session, str_cstr(&dn), LDAP_ONE, filter, move_attributes, take, reading);
	str_free(&dn);
	return result == LDAP_NO_ENTRY ? LDAP_DONE : result; /* no ou=moves: no moves */
}

enum ldap_result move_read_all(struct ldap_session *session, const char *base, const char *address,
	const char *wave, move_callback callback, void *context)
{
	struct reading reading = { callback, context };
	struct str filter = STR_INIT;

	str_append_z(&filter, "(&(objectClass=restanteMove)");
	equal(&filter, "restanteMoveAddress", address);
	equal(&filter, "restanteMoveWave", wave);
	str_append_c(&filter, ')');
	enum ldap_result result = search(session, base, str_cstr(&filter), &reading);
	str_free(&filter);
	return result;
}

enum ldap_result move_read(struct ldap_session *session, const char *dn, struct move **move_r)
{
	struct ldap_entry *entry = NULL;
	enum ldap_result result = ldap_session_read(session, dn, move_attributes, &entry);

	*move_r = NULL;
	if (result != LDAP_DONE)
		return result;
	*move_r = move_parse(entry);
	ldap_entry_free(&entry);
	return LDAP_DONE;
}

/* --- making --------------------------------------------------------------------------------- */

struct looking {
	const char *mailbox;
	char dn[512]; /* of the open one */
};

static int look(void *context, struct move *move)
{
	struct looking *looking = context;

	if (move_open(move))
		snprintf(looking->dn, sizeof(looking->dn), "%s", move->dn);
	move_free(&move);
	return 0;
}

/* Open ones of the same mailbox, whichever of its addresses they name. */
static enum ldap_result none_open(struct ldap_session *session, const char *base,
	const struct move_order *order, const struct mailbox *mailbox, const char **error_r)
{
	struct looking looking = { mailbox->uuid, "" };
	struct reading reading = { look, &looking };
	struct str filter = STR_INIT;

	/* of no class: slapd would read the index of it, with all records, for each order */
	str_append_z(&filter, "(|");
	equal(&filter, "restanteMoveMailbox", mailbox->uuid);
	equal(&filter, "restanteMoveAddress", order->address);
	str_append_c(&filter, ')');
	enum ldap_result result = search(session, base, str_cstr(&filter), &reading);
	str_free(&filter);
	if (result != LDAP_DONE)
		*error_r = ldap_session_reason(session);
	if (result != LDAP_DONE || looking.dn[0] == '\0')
		return result;
	snprintf(reason, sizeof(reason),
		"%s has an open move already: %s; wait for it, or cancel it first", order->address,
		looking.dn);
	*error_r = reason;
	return LDAP_TAKEN;
}

/* "20261122T153000Z-4f2a9c01". */
static void name_it(char *name, size_t size, int64_t now_us)
{
	char instant[32];
	unsigned char random[4];

	if (getrandom(random, sizeof(random), 0) < 0)
		memcpy(random, &now_us, sizeof(random));
	clock_generalized(instant, sizeof(instant), now_us);
	snprintf(name, size, "%.8sT%s-%02x%02x%02x%02x", instant, instant + 8, random[0], random[1],
		random[2], random[3]);
}

struct additions {
	struct ldap_change list[20];
	const char *values[20][3];
	size_t count;
};

static void add(struct additions *additions, const char *name, const char *value)
{
	size_t i = additions->count;

	if (value == NULL || value[0] == '\0')
		return;
	additions->values[i][0] = value;
	additions->values[i][1] = NULL;
	additions->list[i] = (struct ldap_change){ LDAP_CHANGE_ADD, name, additions->values[i] };
	additions->count++;
}

static enum ldap_result add_record(struct ldap_session *session, const char *base,
	const struct move_order *order, const struct mailbox *mailbox, struct str *dn_r)
{
	struct additions a = { .count = 0 };
	char name[64], instant[32], reached[40], now[32];
	const int64_t now_us = clock_wall_us();

	name_it(name, sizeof(name), now_us);
	move_record_dn(base, name, dn_r);
	clock_generalized(now, sizeof(now), now_us);
	snprintf(reached, sizeof(reached), "%d %s", MOVE_RECORDED, now);
	add(&a, "objectClass", "restanteMove");
	add(&a, "cn", name);
	add(&a, "restanteMoveAddress", order->address);
	add(&a, "restanteMoveTarget", order->target);
	add(&a, "restanteMoveScenario", order->scenario);
	add(&a, "restanteMoveWave", order->wave);
	add(&a, "restanteMoveInstant",
		clock_generalized(instant, sizeof(instant),
			order->instant_us > 0 ? order->instant_us : now_us));
	add(&a, "restanteMoveState", "0");
	add(&a, "restanteMoveReached", reached);
	add(&a, "restanteMoveMailbox", mailbox->uuid);
	add(&a, "restanteMoveAssignor", mailbox->system);
	add(&a, "restanteMoveOldPhysical", mailbox->physical);
	add(&a, "restanteMoveOldSourceId", mailbox->source_id);
	if (order->may_delete)
		add(&a, "restanteMoveMayDelete", "TRUE");
	return ldap_session_add(session, str_cstr(dn_r), a.list, a.count);
}

enum ldap_result move_record(struct ldap_session *session, const char *base,
	const struct move_order *order, struct str *dn_r, const char **error_r)
{
	struct mailbox *mailbox = NULL;
	enum ldap_result result = mailbox_find(session, base, order->address, &mailbox, error_r);

	if (result == LDAP_DONE)
		result = none_open(session, base, order, mailbox, error_r);
	if (result == LDAP_DONE) {
		result = add_record(session, base, order, mailbox, dn_r);
		if (result != LDAP_DONE)
			*error_r = ldap_session_reason(session);
	}
	mailbox_free(&mailbox);
	return result;
}

/* --- asking --------------------------------------------------------------------------------- */

enum ldap_result move_ask(
	struct ldap_session *session, const struct move *move, enum move_request request)
{
	const char *values[] = { move_request_name(request), NULL };
	const struct ldap_change change = { LDAP_CHANGE_REPLACE, "restanteMoveRequest",
		request == MOVE_ASKED_NOTHING ? NULL : values };
	const bool had = move->request != MOVE_ASKED_NOTHING;
	struct str assertion = STR_INIT;

	if (move->request == MOVE_ASKED_UNKNOWN)
		str_append_z(&assertion, "(restanteMoveRequest=*)");
	else if (had)
		equal(&assertion, "restanteMoveRequest", move_request_name(move->request));
	else
		str_append_z(&assertion, "(!(restanteMoveRequest=*))");
	enum ldap_result result =
		ldap_session_modify(session, move->dn, &change, 1, str_cstr(&assertion), NULL, 0);
	str_free(&assertion);
	return result;
}

/* --- held for it ---------------------------------------------------------------------------- */

struct holding {
	const char *csn;
	char *dn, *hold_csn; /* of the newest that had begun to hold by then */
};

static bool is_within(const struct move *move, const char *csn)
{
	return move->hold_csn[0] != '\0' && strcmp(move->hold_csn, csn) <= 0 &&
	       (move->swap_csn[0] == '\0' || strcmp(csn, move->swap_csn) <= 0);
}

static int take_holding(void *context, struct move *move)
{
	struct holding *holding = context;

	if (is_within(move, holding->csn) &&
		(holding->dn == NULL || strcmp(move->hold_csn, holding->hold_csn) > 0)) {
		mem_free(&holding->dn);
		mem_free(&holding->hold_csn);
		holding->dn = mem_strdup(move->dn);
		holding->hold_csn = mem_strdup(move->hold_csn);
	}
	move_free(&move);
	return 0;
}

enum ldap_result move_note_held(struct ldap_session *session, const char *base, const char *mailbox,
	const char *csn, const char *value)
{
	const char *values[] = { value, NULL };
	const struct ldap_change change = { LDAP_CHANGE_ADD, "restanteMoveHeld", values };
	struct holding holding = { .csn = csn };
	struct reading reading = { take_holding, &holding };
	struct str filter = STR_INIT;

	str_append_z(&filter, "(&(objectClass=restanteMove)");
	equal(&filter, "restanteMoveMailbox", mailbox);
	str_append_c(&filter, ')');
	enum ldap_result result = search(session, base, str_cstr(&filter), &reading);
	str_free(&filter);
	if (result == LDAP_DONE && holding.dn == NULL)
		result = LDAP_NO_ENTRY;
	else if (result == LDAP_DONE)
		result = ldap_session_modify(session, holding.dn, &change, 1, NULL, NULL, 0);
	mem_free(&holding.dn);
	mem_free(&holding.hold_csn);
	/* a repeat of what was done, and its answer lost */
	return result == LDAP_TAKEN ? LDAP_DONE : result;
}
