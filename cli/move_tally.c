#include "cli/move_tally.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/move.h"
#include "lib/when.h"

/* What waits for an instant to come is most of a large wave, and is not read. */
static void filter_of(int64_t now_us, struct str *out)
{
	char now[32];

	clock_generalized(now, sizeof(now), now_us);
	str_printf(out,
		"(&(objectClass=restanteMove)(!(restanteMoveOutcome=*))"
		"(!(restanteMoveState=%d))(!(restanteMoveState=%d))"
		"(|(!(restanteMoveInstant=*))(restanteMoveInstant<=%s)(restanteMoveError=*)"
		"(restanteMoveStopped=TRUE)))",
		MOVE_COMPLETE, MOVE_DELETED, now);
}

struct counting {
	struct move_tally *tally;
	int64_t now_us;
};

static int take(void *context, const struct ldap_entry *entry)
{
	const struct counting *counting = context;
	struct move_tally *tally = counting->tally;
	const char *state = ldap_entry_value(entry, "restanteMoveState");
	const char *instant = ldap_entry_value(entry, "restanteMoveInstant");
	const char *stopped = ldap_entry_value(entry, "restanteMoveStopped");
	const char *request = ldap_entry_value(entry, "restanteMoveRequest");

	if (stopped != NULL && strcasecmp(stopped, "TRUE") == 0) {
		tally->stopped++;
		return 0;
	}
	if (ldap_entry_value(entry, "restanteMoveError") != NULL)
		tally->trouble++;
	if (request != NULL && strcasecmp(request, move_request_name(MOVE_ASKED_PAUSE)) == 0)
		return 0;
	if (instant != NULL && when_generalized_us(instant) > counting->now_us)
		return 0;
	tally->due++;
	if (state != NULL && strtol(state, NULL, 10) >= MOVE_ADDRESSED)
		tally->under_way++;
	return 0;
}

enum ldap_result move_tally_read(
	struct ldap_session *session, const char *base, int64_t now_us, struct move_tally *tally_r)
{
	static const char *const attributes[] = { "restanteMoveState", "restanteMoveInstant",
		"restanteMoveStopped", "restanteMoveRequest", "restanteMoveError", NULL };
	struct counting counting = { tally_r, now_us };
	struct str dn = STR_INIT, filter = STR_INIT;

	*tally_r = (struct move_tally){ 0 };
	move_container_dn(base, &dn);
	filter_of(now_us, &filter);
	enum ldap_result result = ldap_session_search(
		session, str_cstr(&dn), LDAP_ONE, str_cstr(&filter), attributes, take, &counting);
	str_free(&dn);
	str_free(&filter);
	return result == LDAP_NO_ENTRY ? LDAP_DONE : result;
}

struct json *move_tally_json(const struct move_tally *tally)
{
	struct json *object = json_new_object();

	json_set_int(object, "due", tally->due);
	json_set_int(object, "under_way", tally->under_way);
	json_set_int(object, "stopped", tally->stopped);
	json_set_int(object, "trouble", tally->trouble);
	return object;
}
