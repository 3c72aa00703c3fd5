/* `restante queue delete`, `bounce` and `redirect`: what is done to one held message. */
#include "cli/verbs.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/queue_ask.h"
#include "cli/queue_show.h"

/* The number of a recipient of a message: given as such, or by its address. -1 where there is none.
 */
static int64_t recipient_number(const struct json *message, const char *recipient)
{
	const struct json *list = json_get(message, "recipients");
	char *end;
	int64_t number = strtoll(recipient, &end, 10);
	bool by_number = *recipient != '\0' && *end == '\0';

	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *one = json_at(list, i);
		const char *address = json_get_string(one, "address");

		if (by_number ? json_get_int(one, "number", -1) == number
			      : address != NULL && strcasecmp(address, recipient) == 0)
			return json_get_int(one, "number", -1);
	}
	return -1;
}

/* What is asked for, as the options say it. */
struct change {
	const char *command;     /* of the control socket */
	const char *question;    /* for the terminal */
	const char *recipient;   /* one of them only; NULL = all */
	const char *key, *value; /* a further field of the request; NULL = none */
	const char *count;       /* field of the answer: how many recipients */
	const char *done;        /* what happened to them */
	bool yes;
};

static int change_message(struct cli *cli, const struct change *change, const struct json *message)
{
	int64_t id = json_get_int(message, "id", 0), number = -1;
	char many[TERM_COUNT];
	int code;

	if (change->recipient != NULL)
		number = recipient_number(message, change->recipient);
	if (change->recipient != NULL && number < 0)
		return cli_fail(cli, CLI_NOTFOUND,
			"message %lld is not held for %s; see `restante queue show %lld`",
			(long long)id, change->recipient, (long long)id);
	if (!change->yes && cli->term.error_tty)
		queue_show_message(cli, message);
	if (!cli_confirm(cli, change->yes, change->question))
		return CLI_REFUSED;
	struct json *request = queue_request(change->command, id);
	if (number >= 0)
		json_set_int(request, "recipient", number);
	if (change->key != NULL)
		json_set_string(request, change->key, change->value);
	struct json *reply = cli_ask(cli, request, &code);
	if (reply == NULL)
		return code;
	int64_t count = json_get_int(reply, change->count, 0);
	int64_t untold = count - json_get_int(reply, "told", count);
	cli_say(cli, "message %lld: %s %s", (long long)id,
		term_count(many, count, "recipient", "recipients"), change->done);
	if (untold > 0)
		cli_say(cli, "message %lld: the sender did not want to hear about %s",
			(long long)id, term_count(many, untold, "recipient", "recipients"));
	cli_give(cli, reply);
	return CLI_DONE;
}

static int run(struct cli *cli, int argc, char **argv, struct change *change)
{
	int64_t id;
	int code;
	struct json *message = queue_ask_by_id(cli, argc, argv, "queue.show", &id, &code);

	if (message == NULL)
		return code;
	code = change_message(cli, change, message);
	json_free(&message);
	return code;
}

/* The options given, of those that the verb has; false with its exit status. */
static bool read_options(struct cli *cli, int argc, char **argv, const char *letters,
	const struct option *options, struct change *change, int *code_r)
{
	int letter;

	while ((letter = cli_getopt(cli, argc, argv, letters, options)) != -1) {
		switch (letter) {
		case 'r': change->recipient = optarg; break;
		case 'm': change->value = optarg; break;
		case 'y': change->yes = true; break;
		default: *code_r = letter == 'h' ? CLI_DONE : CLI_USAGE; return false;
		}
	}
	return true;
}

static const struct option plain[] = {
	{ "recipient", required_argument, NULL, 'r' },
	{ "yes", no_argument, NULL, 'y' },
	{ NULL, 0, NULL, 0 },
};

static const struct option with_reason[] = {
	{ "recipient", required_argument, NULL, 'r' },
	{ "reason", required_argument, NULL, 'm' },
	{ "yes", no_argument, NULL, 'y' },
	{ NULL, 0, NULL, 0 },
};

int verb_queue_delete(struct cli *cli, int argc, char **argv)
{
	struct change change = { .command = "queue.delete",
		.question = "Delete it for good, without telling the sender?",
		.count = "removed",
		.done = "deleted" };
	int code;

	if (!read_options(cli, argc, argv, "r:y", plain, &change, &code))
		return code;
	return run(cli, argc, argv, &change);
}

int verb_queue_bounce(struct cli *cli, int argc, char **argv)
{
	struct change change = { .command = "queue.bounce",
		.question = "Return it to its sender?",
		.key = "reason",
		.value = "",
		.count = "removed",
		.done = "returned to the sender" };
	int code;

	if (!read_options(cli, argc, argv, "r:m:y", with_reason, &change, &code))
		return code;
	return run(cli, argc, argv, &change);
}

int verb_queue_redirect(struct cli *cli, int argc, char **argv)
{
	struct change change = { .command = "queue.redirect",
		.question = "Send it there instead?",
		.key = "to",
		.count = "redirected",
		.done = "redirected" };
	int code;

	if (!read_options(cli, argc, argv, "r:y", plain, &change, &code))
		return code;
	if (argc - optind != 2)
		return cli_usage(
			cli, "a message id and an address are needed, %d are given", argc - optind);
	change.value = argv[argc - 1];
	return run(cli, argc - 1, argv, &change);
}
