#include "cli/trace_now.h"

#include <string.h>

static bool connect_quietly(struct cli *cli)
{
	const char *error;

	if (cli->control != NULL)
		return true;
	if (cli->config == NULL)
		cli->config = config_load(cli->config_path, &error);
	if (cli->config != NULL)
		cli->control = control_connect(cli_control_path(cli), &error);
	return cli->control != NULL;
}

/* The log may be of another machine, whose queue has numbers of its own. */
static bool is_that(const struct json *reply, const struct trace_message *message)
{
	const char *id = json_get_string(reply, "log_id");

	for (size_t i = 0; i < message->name_count && id != NULL; i++)
		if (message->names[i].kind == TRACE_ID && strcmp(message->names[i].text, id) == 0)
			return true;
	return false;
}

enum trace_now trace_now(struct cli *cli, const struct trace_message *message, struct json **held_r)
{
	const char *error;

	*held_r = NULL;
	if (message->number == 0 || !connect_quietly(cli))
		return TRACE_UNKNOWN;
	struct json *request = cli_request("queue.show");
	json_set_int(request, "id", (int64_t)message->number);
	struct json *reply = control_ask(cli->control, request, &error);
	json_free(&request);
	if (reply == NULL) {
		control_close(&cli->control);
		return TRACE_UNKNOWN;
	}
	const char *code = json_get_string(reply, "code");
	enum trace_now now = TRACE_UNKNOWN;
	if (json_get_bool(reply, "ok", false) && is_that(reply, message)) {
		*held_r = reply;
		return TRACE_HELD;
	}
	if (code != NULL && strcmp(code, "notfound") == 0)
		now = TRACE_GONE;
	json_free(&reply);
	return now;
}
