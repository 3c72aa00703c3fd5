/* `restante move pause|resume|retry|cancel|rollback`: what the controller is asked to do. */
#include <stdio.h>

#include "cli/move.h"
#include "cli/verbs.h"
#include "lib/mem.h"

struct asking {
	struct cli *cli;
	enum move_request request;
	const char *wave;
	bool yes, leave_mail;
	size_t asked;
	struct json *list;
};

/* Why it makes no sense; NULL = it does. */
static const char *objection(const struct move *move, enum move_request request)
{
	const bool backward = request == MOVE_ASKED_CANCEL || request == MOVE_ASKED_ROLLBACK ||
			      request == MOVE_ASKED_ROLLBACK_LEAVE_MAIL;

	if (move->outcome != MOVE_OPEN_OR_DONE)
		return "it is over";
	if (backward && move->state >= MOVE_DELETED)
		return "its old mailbox is deleted; a move back is a move of its own (`restante "
		       "move add`)";
	if (request == MOVE_ASKED_CANCEL && move->state >= MOVE_ADDRESSED)
		return "its addresses were handed over; `restante move rollback` takes it back";
	if ((request == MOVE_ASKED_ROLLBACK || request == MOVE_ASKED_ROLLBACK_LEAVE_MAIL) &&
		move->state < MOVE_ADDRESSED)
		return "it has not begun to be handed over; `restante move cancel` ends it";
	if (request == MOVE_ASKED_RETRY && move->error[0] == '\0' && !move->stopped)
		return "nothing went wrong with it";
	if (request == MOVE_ASKED_RESUME && move->request != MOVE_ASKED_PAUSE)
		return "it is not paused";
	if (request == MOVE_ASKED_PAUSE && move->state >= MOVE_DELETED)
		return "it is done";
	return NULL;
}

static int ask(struct asking *asking, const struct move *move)
{
	struct cli *cli = asking->cli;
	const char *what = objection(move, asking->request);
	const char *address = move->address != NULL ? move->address : move->dn;

	if (what != NULL)
		return cli_fail(cli, CLI_REFUSED, "%s: %s", address, what);
	enum ldap_result result = move_ask(cli->session, move, asking->request);
	if (result == LDAP_ASSERTION)
		return cli_fail(cli, CLI_REFUSED,
			"%s: somebody else asked for something meanwhile; look with `restante "
			"move show`, then ask again",
			address);
	if (result != LDAP_DONE)
		return cli_fail_ldap(cli, result, address, ldap_session_reason(cli->session));
	cli_say(cli, "%s: %s asked for", address, move_request_name(asking->request));
	json_add_string(asking->list, address);
	asking->asked++;
	return CLI_DONE;
}

/* Of a wave, those for which it makes sense. */
static int ask_wave(struct asking *asking)
{
	struct move_list list;
	char question[256], count[TERM_COUNT];
	size_t fitting = 0;
	int code = move_list_read(asking->cli, NULL, asking->wave, &list), worst = code;

	if (code != CLI_DONE)
		return code;
	for (size_t i = 0; i < list.count; i++)
		fitting += objection(list.moves[i], asking->request) == NULL;
	if (fitting == 0)
		worst = cli_fail(asking->cli, CLI_NOTFOUND,
			"wave %s: there is no move in it that can be asked for %s", asking->wave,
			move_request_name(asking->request));
	snprintf(question, sizeof(question), "%s of wave %s: %s?",
		term_count(count, (int64_t)fitting, "move", "moves"), asking->wave,
		move_request_name(asking->request));
	if (fitting > 0 && !cli_confirm(asking->cli, asking->yes, question))
		worst = CLI_REFUSED;
	for (size_t i = 0; worst != CLI_REFUSED && worst != CLI_DIRECTORY && i < list.count; i++) {
		if (objection(list.moves[i], asking->request) != NULL)
			continue;
		code = ask(asking, list.moves[i]);
		worst = code != CLI_DONE ? code : worst;
	}
	move_list_free(&list);
	return worst;
}

static int ask_each(struct asking *asking, int argc, char **argv)
{
	int worst = CLI_DONE;

	for (int i = optind; i < argc; i++) {
		struct move *move = NULL;
		int code = move_find(asking->cli, argv[i], &move);

		if (code == CLI_DONE)
			code = ask(asking, move);
		move_free(&move);
		worst = code != CLI_DONE ? code : worst;
	}
	return worst;
}

static int run(struct cli *cli, int argc, char **argv, enum move_request request)
{
	static const struct option options[] = { { "wave", required_argument, NULL, 'w' },
		{ "yes", no_argument, NULL, 'y' }, { "leave-mail", no_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 } };
	struct asking asking = { .cli = cli, .request = request };
	int letter, code;

	while ((letter = cli_getopt(cli, argc, argv, "", options)) != -1) {
		if (letter == 'w')
			asking.wave = optarg;
		else if (letter == 'y')
			asking.yes = true;
		else if (letter == 'l')
			asking.leave_mail = true;
		else
			return letter == 'h' ? CLI_DONE : CLI_USAGE;
	}
	if (asking.leave_mail && request != MOVE_ASKED_ROLLBACK)
		return cli_usage(cli, "--leave-mail is for rollback");
	if ((asking.wave != NULL) == (argc > optind))
		return cli_usage(cli, "addresses, names of moves, or --wave NAME are needed");
	if (asking.leave_mail)
		asking.request = MOVE_ASKED_ROLLBACK_LEAVE_MAIL;
	code = cli_need_directory(cli);
	if (code != CLI_DONE)
		return code;
	asking.list = json_new_array();
	code = asking.wave != NULL ? ask_wave(&asking) : ask_each(&asking, argc, argv);
	if (code != CLI_DONE) {
		json_free(&asking.list);
		return code;
	}
	struct json *object = json_new_object();
	json_set_bool(object, "ok", true);
	json_set_string(object, "request", move_request_name(asking.request));
	json_set(object, "asked", asking.list);
	cli_give(cli, object);
	return CLI_DONE;
}

int verb_move_pause(struct cli *cli, int argc, char **argv)
{
	return run(cli, argc, argv, MOVE_ASKED_PAUSE);
}

int verb_move_resume(struct cli *cli, int argc, char **argv)
{
	return run(cli, argc, argv, MOVE_ASKED_RESUME);
}

int verb_move_retry(struct cli *cli, int argc, char **argv)
{
	return run(cli, argc, argv, MOVE_ASKED_RETRY);
}

int verb_move_cancel(struct cli *cli, int argc, char **argv)
{
	return run(cli, argc, argv, MOVE_ASKED_CANCEL);
}

int verb_move_rollback(struct cli *cli, int argc, char **argv)
{
	return run(cli, argc, argv, MOVE_ASKED_ROLLBACK);
}
