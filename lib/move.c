/* A move's entry, read (pure). */
#include "lib/move.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/address.h"
#include "lib/clock.h"
#include "lib/federation.h"
#include "lib/mem.h"
#include "lib/when.h"

const char *const move_attributes[] = { "entryUUID", "entryCSN", "restanteMoveAddress",
	"restanteMoveTarget", "restanteMoveScenario", "restanteMoveWave", "restanteMoveInstant",
	"restanteMoveState", "restanteMoveReached", "restanteMoveMailbox", "restanteMoveAssignor",
	"restanteMoveOldPhysical", "restanteMoveOldSourceId", "restanteMovePhysical",
	"restanteMoveSourceId", "restanteMoveClaim", "restanteMoveWaits", "restanteMoveDone",
	"restanteMoveBranch", "restanteMoveWork", "restanteMoveRequest", "restanteMoveOutcome",
	"restanteMoveIdentifier", "restanteMoveError", "restanteMoveStopped",
	"restanteMoveMayDelete", "restanteMoveOldGone", "restanteMoveHold", "restanteMoveHeld",
	"restanteMoveMade", NULL };

static const char *const requests[] = { [MOVE_ASKED_NOTHING] = "",
	[MOVE_ASKED_PAUSE] = "pause",
	[MOVE_ASKED_RESUME] = "resume",
	[MOVE_ASKED_RETRY] = "retry",
	[MOVE_ASKED_CANCEL] = "cancel",
	[MOVE_ASKED_ROLLBACK] = "rollback",
	[MOVE_ASKED_ROLLBACK_LEAVE_MAIL] = "rollback leave-mail" };
static const char *const outcomes[] = { [MOVE_OPEN_OR_DONE] = "",
	[MOVE_ENDED] = "ended",
	[MOVE_CANCELLED] = "cancelled",
	[MOVE_ROLLED_BACK] = "rolled back",
	[MOVE_MOVED_BACK] = "moved back" };
static const char *const states[MOVE_STATES] = { "recorded", "second mailbox made",
	"station checked", "station checked again", "addresses handed over", "fenced", "swapped",
	"transfer begun", "transfer complete", "station done", "complete", NULL, NULL,
	"old mailbox deleted" };

const char *move_state_text(int state)
{
	if (state == MOVE_NEW)
		return "new";
	return state >= 0 && state < MOVE_STATES && states[state] != NULL ? states[state]
									  : "unknown";
}

const char *move_request_name(enum move_request request)
{
	return request < MOVE_ASKED_UNKNOWN ? requests[request] : "unknown";
}

const char *move_outcome_name(enum move_outcome outcome)
{
	return outcome < MOVE_OUTCOME_UNKNOWN ? outcomes[outcome] : "unknown";
}

bool move_open(const struct move *move)
{
	return move->outcome == MOVE_OPEN_OR_DONE && move->state < MOVE_COMPLETE;
}

bool move_has(const struct move *move, const char *step)
{
	for (size_t i = 0; i < move->done_count; i++)
		if (strcmp(move->done[i].step, step) == 0)
			return true;
	return false;
}

/* --- values --------------------------------------------------------------------------------- */

static const char *text_of(const struct ldap_entry *entry, const char *name)
{
	const char *text = ldap_entry_value(entry, name);

	return text != NULL ? text : "";
}

static char *copy_of(const struct ldap_entry *entry, const char *name)
{
	return mem_strdup(text_of(entry, name));
}

static bool flag(const struct ldap_entry *entry, const char *name)
{
	return strcasecmp(text_of(entry, name), "TRUE") == 0;
}

static int64_t instant(const char *text)
{
	int64_t us = when_generalized_us(text);

	return us > 0 ? us : 0;
}

static char **list_of(const struct ldap_entry *entry, const char *name)
{
	const struct ldap_attribute *attribute = ldap_entry_attribute(entry, name);
	size_t count = attribute != NULL ? attribute->count : 0;
	char **list = mem_grow(NULL, count + 1, sizeof(*list));

	for (size_t i = 0; i < count; i++)
		list[i] = mem_strdup(attribute->values[i]);
	list[count] = NULL;
	return list;
}

static void free_list(char ***list)
{
	for (size_t i = 0; *list != NULL && (*list)[i] != NULL; i++)
		mem_free(&(*list)[i]);
	mem_free(list);
}

static void fault(struct move *move, const char *text)
{
	if (move->fault[0] != '\0')
		return;
	mem_free(&move->fault);
	move->fault = mem_strdup(text);
}

/* --- what has a form of its own ------------------------------------------------------------- */

static void take_address(const struct ldap_entry *entry, struct move *move)
{
	const char *text = text_of(entry, "restanteMoveAddress");
	struct address address;
	const char *error;

	if (address_parse(text, &address, &error) == 0 && address.local_len > 0 &&
		address.has_domain)
		move->address = mem_strdup(address.key);
	else
		fault(move, "restanteMoveAddress is no address; correct it, or delete the entry");
}

static void take_state(const struct ldap_entry *entry, struct move *move)
{
	const char *text = text_of(entry, "restanteMoveState");
	char *end;
	long state = strtol(text, &end, 10);

	move->state = MOVE_NEW;
	if (*text == '\0')
		return;
	if (*end != '\0' || state < 0 || state >= MOVE_STATES || states[state] == NULL)
		fault(move, "restanteMoveState is none of the states 0 to 10 and 13; correct it");
	else
		move->state = (int)state;
}

static void take_reached(const struct ldap_entry *entry, struct move *move)
{
	const struct ldap_attribute *values = ldap_entry_attribute(entry, "restanteMoveReached");

	for (size_t i = 0; values != NULL && i < values->count; i++) {
		char *end;
		long state = strtol(values->values[i], &end, 10);

		if (*end == ' ' && state >= 0 && state < MOVE_STATES)
			move->reached_us[state] = instant(end + 1);
	}
}

static void take_waits(const struct ldap_entry *entry, struct move *move)
{
	const struct ldap_attribute *values = ldap_entry_attribute(entry, "restanteMoveWaits");

	for (size_t i = 0; values != NULL && i < values->count; i++) {
		const char *text = values->values[i], *number = strrchr(text, ' ');

		if (number == NULL)
			continue;
		move->waits = mem_grow(move->waits, move->wait_count + 1, sizeof(*move->waits));
		move->waits[move->wait_count++] =
			(struct move_wait){ mem_strndup(text, (size_t)(number - text)),
				strtoull(number + 1, NULL, 10) };
	}
}

static void take_done(const struct ldap_entry *entry, struct move *move)
{
	const struct ldap_attribute *values = ldap_entry_attribute(entry, "restanteMoveDone");

	for (size_t i = 0; values != NULL && i < values->count; i++) {
		const char *text = values->values[i];
		size_t len = strcspn(text, " ");

		move->done = mem_grow(move->done, move->done_count + 1, sizeof(*move->done));
		move->done[move->done_count++] = (struct move_done){ mem_strndup(text, len),
			instant(text + len + (text[len] == ' ')) };
	}
}

static char *next_word(const char **text)
{
	size_t len = strcspn(*text, " ");
	char *word = mem_strndup(*text, len);

	*text += len + strspn(*text + len, " ");
	return word;
}

/* A day at most; 0 = none is there. */
static int64_t seconds(const char *text)
{
	char *end;
	unsigned long long number = strtoull(text, &end, 10);

	if (end == text || *end != '\0' || *text == '-')
		return 0;
	return (int64_t)(number < 86400 ? number : 86400) * CLOCK_SECOND;
}

static void take_work(const struct ldap_entry *entry, struct move *move)
{
	const char *text = text_of(entry, "restanteMoveWork");
	char *end;

	move->work_text = mem_strdup(text);
	move->work.term = strtoull(text, &end, 10);
	text = end + strspn(end, " ");
	move->work.step = next_word(&text);
	char *since = next_word(&text);
	move->work.since_us = instant(since);
	mem_free(&since);
	move->work.holder = next_word(&text);
	move->work.length_us = seconds(text);
}

static void take_request(const struct ldap_entry *entry, struct move *move)
{
	const char *text = text_of(entry, "restanteMoveRequest");

	move->request = MOVE_ASKED_NOTHING;
	while (move->request < MOVE_ASKED_UNKNOWN && strcasecmp(text, requests[move->request]) != 0)
		move->request++;
}

static void take_outcome(const struct ldap_entry *entry, struct move *move)
{
	move->outcome_text = copy_of(entry, "restanteMoveOutcome");
	move->outcome = MOVE_OPEN_OR_DONE;
	while (move->outcome < MOVE_OUTCOME_UNKNOWN &&
		strcasecmp(move->outcome_text, outcomes[move->outcome]) != 0)
		move->outcome++;
}

/* "HOLDCSN SWAPCSN", the second one once it is there. */
static void take_hold(const struct ldap_entry *entry, struct move *move)
{
	const char *text = text_of(entry, "restanteMoveHold");

	move->hold_csn = next_word(&text);
	move->swap_csn = next_word(&text);
}

/* "NODE MESSAGES INSTANT", one of each front door and hold. */
static void take_held(const struct ldap_entry *entry, struct move *move)
{
	const struct ldap_attribute *values = ldap_entry_attribute(entry, "restanteMoveHeld");

	for (size_t i = 0; values != NULL && i < values->count; i++) {
		const char *number = strchr(values->values[i], ' ');

		if (number != NULL && number[1] >= '0' && number[1] <= '9')
			move->held_messages += strtoull(number + 1, NULL, 10);
	}
}

/* --- the whole ------------------------------------------------------------------------------ */

static void take_texts(const struct ldap_entry *entry, struct move *move)
{
	move->dn = mem_strdup(entry->dn);
	move->uuid = copy_of(entry, "entryUUID");
	move->csn = copy_of(entry, "entryCSN");
	move->target = copy_of(entry, "restanteMoveTarget");
	move->scenario = copy_of(entry, "restanteMoveScenario");
	move->wave = copy_of(entry, "restanteMoveWave");
	move->mailbox = copy_of(entry, "restanteMoveMailbox");
	move->assignor = copy_of(entry, "restanteMoveAssignor");
	move->old_physical = copy_of(entry, "restanteMoveOldPhysical");
	move->old_source_id = copy_of(entry, "restanteMoveOldSourceId");
	move->physical = copy_of(entry, "restanteMovePhysical");
	move->source_id = copy_of(entry, "restanteMoveSourceId");
	move->identifier = copy_of(entry, "restanteMoveIdentifier");
	move->error = copy_of(entry, "restanteMoveError");
	move->made = copy_of(entry, "restanteMoveMade");
	move->claims = list_of(entry, "restanteMoveClaim");
	move->branches = list_of(entry, "restanteMoveBranch");
	move->instant_us = instant(text_of(entry, "restanteMoveInstant"));
	move->stopped = flag(entry, "restanteMoveStopped");
	move->may_delete = flag(entry, "restanteMoveMayDelete");
	move->old_gone = ldap_entry_value(entry, "restanteMoveOldGone") != NULL;
}

struct move *move_parse(const struct ldap_entry *entry)
{
	struct move *move = mem_zalloc(sizeof(*move));

	move->fault = mem_strdup("");
	take_texts(entry, move);
	take_address(entry, move);
	take_state(entry, move);
	take_reached(entry, move);
	take_waits(entry, move);
	take_done(entry, move);
	take_work(entry, move);
	take_request(entry, move);
	take_outcome(entry, move);
	take_hold(entry, move);
	take_held(entry, move);
	if (move->target[0] == '\0')
		fault(move, "restanteMoveTarget is missing; name the system, or delete the entry");
	if (move->instant_us == 0 && ldap_entry_value(entry, "restanteMoveInstant") != NULL)
		fault(move, "restanteMoveInstant is no instant after 1970 in UTC; correct it");
	return move;
}

static void free_texts(struct move *move)
{
	char **const texts[] = { &move->dn, &move->uuid, &move->csn, &move->address, &move->target,
		&move->scenario, &move->wave, &move->mailbox, &move->assignor, &move->old_physical,
		&move->old_source_id, &move->physical, &move->source_id, &move->work.step,
		&move->work.holder, &move->work_text, &move->outcome_text, &move->identifier,
		&move->error, &move->made, &move->hold_csn, &move->swap_csn, &move->fault };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		mem_free(texts[i]);
}

void move_free(struct move **move)
{
	struct move *m = *move;

	if (m == NULL)
		return;
	free_texts(m);
	free_list(&m->claims);
	free_list(&m->branches);
	for (size_t i = 0; i < m->wait_count; i++)
		mem_free(&m->waits[i].system);
	mem_free(&m->waits);
	for (size_t i = 0; i < m->done_count; i++)
		mem_free(&m->done[i].step);
	mem_free(&m->done);
	mem_free(move);
}

/* --- names ---------------------------------------------------------------------------------- */

void move_container_dn(const char *base, struct str *out)
{
	str_append_z(out, "ou=moves,");
	federation_dn(base, out);
}

void move_record_dn(const char *base, const char *name, struct str *out)
{
	str_append_z(out, "cn=");
	ldap_dn_escape(name, out);
	str_append_c(out, ',');
	move_container_dn(base, out);
}
