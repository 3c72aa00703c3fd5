/* Records of moves, read and shown. */
#include "cli/move.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/address.h"
#include "lib/mem.h"
#include "lib/when.h"

/* --- reading -------------------------------------------------------------------------------- */

static int take(void *context, struct move *move)
{
	struct move_list *list = context;

	if ((list->count & (list->count - 1)) == 0) /* doubling at each power of two */
		list->moves = mem_grow(
			list->moves, list->count > 0 ? list->count * 2 : 1, sizeof(*list->moves));
	list->moves[list->count++] = move;
	return 0;
}

static int by_instant(const void *a, const void *b)
{
	const struct move *left = *(struct move *const *)a, *right = *(struct move *const *)b;

	if (left->instant_us != right->instant_us)
		return left->instant_us < right->instant_us ? -1 : 1;
	int order = strcmp(left->address != NULL ? left->address : "",
		right->address != NULL ? right->address : "");
	return order != 0 ? order : strcmp(left->dn, right->dn);
}

void move_list_free(struct move_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		move_free(&list->moves[i]);
	mem_free(&list->moves);
	list->count = 0;
}

int move_list_read(struct cli *cli, const char *address, const char *wave, struct move_list *list_r)
{
	*list_r = (struct move_list){ NULL, 0 };
	int code = cli_need_directory(cli);
	if (code != CLI_DONE)
		return code;
	enum ldap_result result =
		move_read_all(cli->session, cli->config->ldap.base, address, wave, take, list_r);
	if (result != LDAP_DONE) {
		move_list_free(list_r);
		return cli_fail_ldap(cli, result, "ou=moves", ldap_session_reason(cli->session));
	}
	if (list_r->count > 1)
		qsort(list_r->moves, list_r->count, sizeof(*list_r->moves), by_instant);
	return CLI_DONE;
}

/* --- one ------------------------------------------------------------------------------------ */

static int find_by_name(struct cli *cli, const char *name, struct move **move_r)
{
	struct str dn = STR_INIT;

	move_record_dn(cli->config->ldap.base, name, &dn);
	enum ldap_result result = move_read(cli->session, str_cstr(&dn), move_r);
	str_free(&dn);
	if (result == LDAP_NO_ENTRY)
		return cli_fail(cli, CLI_NOTFOUND,
			"%s: no move of that name; `restante move list --all` shows them", name);
	return result == LDAP_DONE
		       ? CLI_DONE
		       : cli_fail_ldap(cli, result, name, ldap_session_reason(cli->session));
}

static bool better(const struct move *move, const struct move *than)
{
	if (than == NULL || move_open(move) != move_open(than))
		return than == NULL || move_open(move);
	return move->instant_us > than->instant_us;
}

static int find_by_address(struct cli *cli, const char *text, struct move **move_r)
{
	struct move_list list;
	struct address address;
	const char *error;
	size_t best = 0;

	if (address_parse(text, &address, &error) < 0)
		return cli_fail(cli, CLI_USAGE, "%s: %s", text, error);
	int code = move_list_read(cli, address.key, NULL, &list);
	if (code != CLI_DONE)
		return code;
	for (size_t i = 1; i < list.count; i++)
		if (better(list.moves[i], list.moves[best]))
			best = i;
	if (list.count > 0) {
		*move_r = list.moves[best];
		list.moves[best] = NULL;
	}
	move_list_free(&list);
	if (*move_r == NULL)
		return cli_fail(cli, CLI_NOTFOUND,
			"%s: there is no move of it; `restante move add` records one", text);
	return CLI_DONE;
}

int move_find(struct cli *cli, const char *text, struct move **move_r)
{
	int code = cli_need_directory(cli);

	*move_r = NULL;
	if (code != CLI_DONE)
		return code;
	return strchr(text, '@') != NULL ? find_by_address(cli, text, move_r)
					 : find_by_name(cli, text, move_r);
}

/* --- showing -------------------------------------------------------------------------------- */

const char *move_name(const struct move *move, char *buffer, size_t size)
{
	const char *value = strchr(move->dn, '=');
	size_t len;

	value = value != NULL ? value + 1 : move->dn;
	len = strcspn(value, ",+");
	snprintf(buffer, size, "%.*s", (int)len, value);
	return buffer;
}

int64_t move_held_us(const struct move *move)
{
	int64_t from = when_csn_us(move->hold_csn), to = when_csn_us(move->swap_csn);

	return from > 0 && to >= from ? to - from : -1;
}

void move_summary(const struct move *move, struct str *out)
{
	const char *error = move->fault[0] != '\0' ? move->fault : move->error;

	if (move->outcome != MOVE_OPEN_OR_DONE)
		str_append_z(out, move->outcome_text);
	else if (move->request == MOVE_ASKED_PAUSE)
		str_append_z(out, "paused");
	else if (move->stopped)
		str_append_z(out, "stopped");
	else if (move->request != MOVE_ASKED_NOTHING)
		str_printf(out, "%s asked for", move_request_name(move->request));
	else
		str_append_z(out, move_state_text(move->state));
	if (error[0] != '\0')
		str_printf(out, ": %s", error);
}

enum paint move_paint(const struct move *move)
{
	if (move->stopped || move->fault[0] != '\0' || move->outcome == MOVE_ENDED)
		return PAINT_BAD;
	if (move->error[0] != '\0' || move->request != MOVE_ASKED_NOTHING ||
		move->outcome != MOVE_OPEN_OR_DONE)
		return PAINT_WARN;
	if (move->state >= MOVE_COMPLETE)
		return PAINT_GOOD;
	return move->state > MOVE_CREATED ? PAINT_BOLD : PAINT_NONE;
}

static void set_instant(struct json *object, const char *key, int64_t us)
{
	if (us > 0)
		json_set_int(object, key, us);
}

static void set_text(struct json *object, const char *key, const char *text)
{
	if (text != NULL && text[0] != '\0')
		json_set_string(object, key, text);
}

static struct json *reached_json(const struct move *move)
{
	struct json *reached = json_new_array();

	for (int state = 0; state < MOVE_STATES; state++) {
		if (move->reached_us[state] <= 0)
			continue;
		struct json *one = json_new_object();
		json_set_int(one, "state", state);
		json_set_string(one, "what", move_state_text(state));
		json_set_int(one, "at_us", move->reached_us[state]);
		json_add(reached, one);
	}
	return reached;
}

static struct json *done_json(const struct move *move)
{
	struct json *done = json_new_array();

	for (size_t i = 0; i < move->done_count; i++) {
		struct json *one = json_new_object();
		json_set_string(one, "step", move->done[i].step);
		json_set_int(one, "at_us", move->done[i].at_us);
		json_add(done, one);
	}
	return done;
}

struct json *move_json(const struct move *move)
{
	struct json *object = json_new_object();
	char name[128];

	json_set_string(object, "name", move_name(move, name, sizeof(name)));
	set_text(object, "address", move->address);
	set_text(object, "from", move->assignor);
	set_text(object, "to", move->target);
	set_text(object, "scenario", move->scenario);
	set_text(object, "wave", move->wave);
	set_instant(object, "instant_us", move->instant_us);
	json_set_int(object, "state", move->state);
	json_set_string(object, "state_text", move_state_text(move->state));
	json_set_bool(object, "open", move_open(move));
	set_text(object, "old_physical", move->old_physical);
	set_text(object, "physical", move->physical);
	set_text(object, "request", move_request_name(move->request));
	set_text(object, "outcome", move->outcome_text);
	set_text(object, "error", move->fault[0] != '\0' ? move->fault : move->error);
	json_set_bool(object, "stopped", move->stopped);
	set_text(object, "identifier", move->identifier);
	if (move_held_us(move) >= 0)
		json_set_int(object, "held_us", move_held_us(move));
	if (move_held_us(move) >= 0 || move->held_messages > 0)
		json_set_int(object, "held_messages", (int64_t)move->held_messages);
	json_set(object, "reached", reached_json(move));
	json_set(object, "done", done_json(move));
	return object;
}
