/* `restante sync run` where no daemon answers on this machine: through the directory. */
#include "cli/sync.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/mem.h"

#define LOOK_EVERY_US (500 * CLOCK_MS)

/* One that is asked for. */
struct request {
	struct sync_system *system;
	enum sync_direction direction;
	uint64_t number;
	bool done;
};

struct asking {
	struct cli *cli;
	const struct sync_wish *wish;
	struct sync_systems systems;
	struct request *requests;
	size_t count;
	struct sync_view view;
	struct json *list;
	int worst;
};

/* --- which --------------------------------------------------------------------------------------
 */

/* Whether anybody syncs it that way: settings here, or a run that the entry tells of. */
static bool is_synced(
	const struct cli *cli, const struct sync_system *system, enum sync_direction direction)
{
	const struct sync_side *side = &system->side[direction];

	if (direction == SYNC_UP ? config_up(cli->config, system->name) != NULL
				 : config_down(cli->config, system->name) != NULL)
		return true;
	return side->outcome[0] != '\0' || side->finished > 0 || side->holder[0] != '\0';
}

void sync_after_swap(struct cli *cli)
{
	struct sync_systems systems = { .count = 0 };
	enum ldap_result result =
		syncask_read(cli->session, cli->config->ldap.base, NULL, &systems);

	for (size_t i = 0; result == LDAP_DONE && i < systems.count; i++)
		if (is_synced(cli, &systems.systems[i], SYNC_DOWN))
			result = syncask_raise(cli->session, &systems.systems[i], SYNC_DOWN);
	if (result != LDAP_DONE && result != LDAP_NO_ENTRY)
		cli_say(cli, "the address books follow later: no down sync could be asked for: %s",
			ldap_session_reason(cli->session));
	syncask_free(&systems);
}

static void add(struct asking *asking, struct sync_system *system, enum sync_direction direction)
{
	asking->requests = mem_grow(asking->requests, asking->count + 1, sizeof(*asking->requests));
	asking->requests[asking->count++] =
		(struct request){ .system = system, .direction = direction };
}

static void choose(struct asking *asking)
{
	const struct sync_wish *wish = asking->wish;
	bool both = wish->up == wish->down;

	for (size_t i = 0; i < asking->systems.count; i++) {
		struct sync_system *system = &asking->systems.systems[i];

		if (both ? is_synced(asking->cli, system, SYNC_UP) : wish->up)
			add(asking, system, SYNC_UP);
		if (both ? is_synced(asking->cli, system, SYNC_DOWN) : wish->down)
			add(asking, system, SYNC_DOWN);
	}
}

static bool is_named(const struct sync_wish *wish, const char *name)
{
	for (size_t i = 0; i < wish->count; i++)
		if (strcasecmp(wish->names[i], name) == 0)
			return true;
	return wish->count == 0;
}

/* Those that are not wished for go. */
static void keep_named(struct asking *asking)
{
	struct sync_systems others = { .systems = NULL }, kept = { .systems = NULL };

	for (size_t i = 0; i < asking->systems.count; i++) {
		struct sync_system *system = &asking->systems.systems[i];
		struct sync_systems *list = is_named(asking->wish, system->name) ? &kept : &others;

		list->systems = mem_grow(list->systems, list->count + 1, sizeof(*list->systems));
		list->systems[list->count++] = *system;
	}
	mem_free(&asking->systems.systems);
	syncask_free(&others);
	asking->systems = kept;
}

static bool has(const struct sync_systems *systems, const char *name)
{
	for (size_t i = 0; i < systems->count; i++)
		if (strcasecmp(systems->systems[i].name, name) == 0)
			return true;
	return false;
}

static int read_systems(struct asking *asking)
{
	struct cli *cli = asking->cli;
	int code = cli_need_directory(cli);

	if (code != CLI_DONE)
		return code;
	enum ldap_result result =
		syncask_read(cli->session, cli->config->ldap.base, NULL, &asking->systems);
	if (result != LDAP_DONE && result != LDAP_NO_ENTRY)
		return cli_fail_ldap(cli, result, "sync run", ldap_session_reason(cli->session));
	for (size_t i = 0; i < asking->wish->count; i++)
		if (!has(&asking->systems, asking->wish->names[i]))
			return cli_fail(cli, CLI_NOTFOUND, "%s: no such system in ou=systems",
				asking->wish->names[i]);
	keep_named(asking);
	choose(asking);
	if (asking->count == 0)
		return cli_fail(cli, CLI_NOTFOUND,
			"no system was ever synced; say --up or --down to ask all the same");
	return CLI_DONE;
}

/* --- asking --------------------------------------------------------------------------------------
 */

static void note(struct asking *asking, int code)
{
	if (code != CLI_DONE && (asking->worst == CLI_DONE || code == CLI_FAILED))
		asking->worst = code;
}

static int ask_all(struct asking *asking)
{
	struct cli *cli = asking->cli;

	for (size_t i = 0; i < asking->count; i++) {
		struct request *request = &asking->requests[i];
		enum ldap_result result =
			syncask_raise(cli->session, request->system, request->direction);

		if (result != LDAP_DONE)
			return cli_fail_ldap(cli, result, request->system->name,
				ldap_session_reason(cli->session));
		request->number = request->system->side[request->direction].asked;
	}
	return CLI_DONE;
}

static void give_request(const struct asking *asking, const struct request *request)
{
	struct json *object = json_new_object();

	json_set_bool(object, "ok", true);
	json_set_string(object, "system", request->system->name);
	json_set_string(object, "direction", sync_direction_name(request->direction));
	json_set_int(object, "number", (int64_t)request->number);
	json_add(asking->list, object);
	cli_say(asking->cli, "%s %s: run %" PRIu64 " asked for in the directory",
		request->system->name, sync_direction_name(request->direction), request->number);
}

/* --- waiting -------------------------------------------------------------------------------------
 */

static struct json *refusal(const struct request *request, const struct sync_side *side)
{
	struct json *record = json_new_object();

	json_set_string(record, "direction", sync_direction_name(request->direction));
	json_set_string(record, "outcome", "failed");
	json_set_string(record, "text", side->reason);
	return record;
}

/* The record is of the run that answered only where no later one has begun; its word is what counts
 * for whoever waited, so a refusal is told as such. */
static void finish(struct asking *asking, struct request *request, const struct sync_side *side,
	enum sync_answer answer)
{
	struct json *record = sync_record(side, request->direction);
	struct str line = STR_INIT;

	request->done = true;
	if (record == NULL || (answer == SYNC_REFUSED && sync_record_code(record) == CLI_DONE)) {
		json_free(&record);
		record = refusal(request, side);
	}
	int code = answer == SYNC_ANSWERED ? CLI_DONE : sync_record_code(record);
	note(asking, code);
	str_printf(
		&line, "%s %s: ", request->system->name, sync_direction_name(request->direction));
	sync_record_text(record, &line);
	sync_view_update(&asking->view, request->system->name,
		sync_direction_name(request->direction), "", 0, 0);
	sync_view_say(&asking->view, str_cstr(&line));
	json_set_bool(record, "ok", code == CLI_DONE);
	json_set_string(record, "system", request->system->name);
	json_add(asking->list, record);
	str_free(&line);
}

static void look_at(
	struct asking *asking, struct request *request, const struct sync_systems *systems)
{
	for (size_t i = 0; i < systems->count; i++) {
		const struct sync_side *side = &systems->systems[i].side[request->direction];
		enum sync_answer answer = syncask_answer(side, request->number);
		struct str phase = STR_INIT;

		if (strcmp(systems->systems[i].dn, request->system->dn) != 0)
			continue;
		if (answer != SYNC_WAITS) {
			finish(asking, request, side, answer);
			return;
		}
		str_printf(&phase, "run %" PRIu64 " asked for%s%s", request->number,
			side->holder[0] != '\0' ? ", synced by " : "", side->holder);
		sync_view_update(&asking->view, request->system->name,
			sync_direction_name(request->direction), str_cstr(&phase), 0, 0);
		str_free(&phase);
		return;
	}
}

/* One look; how many are left, -1 after a complaint with *code_r set. */
static int look(struct asking *asking, int *code_r)
{
	struct cli *cli = asking->cli;
	struct sync_systems systems;
	int left = 0;
	enum ldap_result result =
		syncask_read(cli->session, cli->config->ldap.base, NULL, &systems);

	if (result != LDAP_DONE) {
		*code_r = cli_fail_ldap(cli, result, "sync run", ldap_session_reason(cli->session));
		return -1;
	}
	for (size_t i = 0; i < asking->count; i++) {
		if (!asking->requests[i].done)
			look_at(asking, &asking->requests[i], &systems);
		left += asking->requests[i].done ? 0 : 1;
	}
	syncask_free(&systems);
	return left;
}

static int wait_all(struct asking *asking)
{
	struct cli *cli = asking->cli;
	int64_t timeout_us = asking->wish->timeout_us;
	int64_t limit_us = timeout_us > 0 ? timeout_us : cli->config->cli.wait_timeout;
	int64_t began_us = clock_mono_us();
	int left, code = CLI_DONE;
	char human[32];

	while ((left = look(asking, &code)) > 0 && clock_mono_us() - began_us < limit_us)
		clock_sleep_us(LOOK_EVERY_US);
	sync_view_end(&asking->view);
	if (left > 0)
		code = cli_fail(cli, CLI_REFUSED,
			"no answer from any restante-dirsync within %s; the request stands, "
			"see `restante sync status` and whether it runs",
			clock_human(human, sizeof(human), limit_us));
	return code;
}

int sync_run_directory(struct cli *cli, const struct sync_wish *wish)
{
	struct asking asking = { .cli = cli, .wish = wish, .view = { .cli = cli } };
	int code = read_systems(&asking);

	asking.list = json_new_array();
	if (code == CLI_DONE)
		code = ask_all(&asking);
	for (size_t i = 0; code == CLI_DONE && !wish->wait && i < asking.count; i++)
		give_request(&asking, &asking.requests[i]);
	if (code == CLI_DONE && wish->wait)
		code = wait_all(&asking);
	if (code == CLI_DONE)
		cli_give(cli, asking.list);
	else
		json_free(&asking.list);
	mem_free(&asking.requests);
	syncask_free(&asking.systems);
	return code != CLI_DONE ? code : asking.worst;
}
