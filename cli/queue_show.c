#include "cli/queue_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/when.h"
#include "lib/clock.h"

static bool silent(const struct cli *cli)
{
	return cli->json || cli->quiet;
}

static const char *text(const struct json *object, const char *key)
{
	const char *value = json_get_string(object, key);

	return value != NULL ? value : "";
}

static const char *waiting(const char *what)
{
	static const struct {
		const char *what, *words;
	} list[] = { { "due", "being released" }, { "listener", "waits for the release listener" },
		{ "delayed", "waits for its next try" }, { "undecided", "waits for its route" },
		{ "vanished", "held, its mailbox vanished" } };

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (strcmp(what, list[i].what) == 0)
			return list[i].words;
	return "held";
}

void queue_recipient_state(const struct json *recipient, struct str *out)
{
	int64_t attempts = json_get_int(recipient, "attempts", 0);
	const char *reply = text(recipient, "last_reply");
	char tries[TERM_COUNT];

	if (attempts > 0 || *reply != '\0')
		str_printf(out, "%s, last: %s", term_count(tries, attempts, "try", "tries"),
			*reply ? reply : "?");
	else if (json_get_int(recipient, "release_began_us", 0) > 0)
		str_append_z(out, "being released");
	else
		str_append_z(out, waiting(text(recipient, "waits")));
}

/* --- list ----------------------------------------------------------------------------------- */

/* "anna@example.org" or "anna@example.org +2". */
static void name_recipients(const struct json *recipients, struct str *out)
{
	size_t count = json_count(recipients);

	if (count == 0)
		return;
	str_append_z(out, text(json_at(recipients, 0), "address"));
	if (count > 1)
		str_printf(out, " +%zu", count - 1);
}

static void list_row(struct table *table, const struct json *message, int64_t now)
{
	const struct json *recipients = json_get(message, "recipients");
	struct str names = STR_INIT, state = STR_INIT;
	char age[16], size[16];
	const char *sender = text(message, "sender");

	name_recipients(recipients, &names);
	if (json_count(recipients) > 0)
		queue_recipient_state(json_at(recipients, 0), &state);
	table_cell(table, PAINT_BOLD, "%" PRId64, json_get_int(message, "id", 0));
	table_cell(table, PAINT_NONE, "%s",
		when_age(age, sizeof(age), json_get_int(message, "arrived_us", 0), now));
	table_cell(table, PAINT_NONE, "%s",
		term_bytes(size, sizeof(size), (uint64_t)json_get_int(message, "bytes", 0)));
	table_cell(table, PAINT_NONE, "%s", *sender ? sender : "<>");
	table_cell(table, PAINT_NONE, "%s", str_cstr(&names));
	table_cell(table, PAINT_DIM, "%s", str_cstr(&state));
	str_free(&names);
	str_free(&state);
}

void queue_show_list(struct cli *cli, const struct json *messages, bool more)
{
	static const char *const headers[] = { ">ID", ">AGE", ">SIZE", "FROM", "TO", "STATE",
		NULL };
	int64_t now = clock_wall_us();
	size_t count = json_count(messages);

	if (silent(cli))
		return;
	if (count == 0) {
		cli_say(cli, "nothing is held");
		return;
	}
	struct table *table = table_new(headers);
	for (size_t i = 0; i < count; i++)
		list_row(table, json_at(messages, i), now);
	table_print(table, &cli->term, stdout);
	table_free(&table);
	if (more)
		cli_say(cli, "... and more: --limit 0 lists all, `restante queue stats` counts");
}

/* --- stats ---------------------------------------------------------------------------------- */

static void show_held(struct cli *cli, const struct json *held)
{
	static const char *const headers[] = { ">HELD", ">SIZE", ">OLDEST", "MAILBOX", NULL };
	struct table *table = table_new(headers);
	char age[16], size[16];
	int64_t now = clock_wall_us();

	for (size_t i = 0; i < json_count(held); i++) {
		const struct json *one = json_at(held, i);
		uint64_t bytes = (uint64_t)json_get_int(one, "bytes", 0);

		table_cell(table, PAINT_NONE, "%" PRId64, json_get_int(one, "recipients", 0));
		table_cell(table, PAINT_NONE, "%s", term_bytes(size, sizeof(size), bytes));
		table_cell(table, PAINT_NONE, "%s",
			when_age(age, sizeof(age), json_get_int(one, "oldest_us", 0), now));
		table_cell(table, PAINT_NONE, "%s", text(one, "mailbox"));
	}
	table_print(table, &cli->term, stdout);
	table_free(&table);
}

/* One of the numbers of `totals`. */
static const char *count_of(char buffer[TERM_COUNT], const struct json *totals, const char *key,
	const char *one, const char *many)
{
	return term_count(buffer, json_get_int(totals, key, 0), one, many);
}

void queue_show_stats(struct cli *cli, const struct json *totals)
{
	const struct json *held = json_get(totals, "held");
	char size[16], age[16];
	char messages[TERM_COUNT], recipients[TERM_COUNT], mailboxes[TERM_COUNT];
	char batches[TERM_COUNT], repeats[TERM_COUNT];

	if (silent(cli))
		return;
	cli_say(cli, "%s held for %s of %s, %s, oldest %s",
		count_of(messages, totals, "messages", "message", "messages"),
		count_of(recipients, totals, "recipients", "recipient", "recipients"),
		count_of(mailboxes, totals, "mailboxes", "mailbox", "mailboxes"),
		term_bytes(size, sizeof(size), (uint64_t)json_get_int(totals, "bytes", 0)),
		when_age(age, sizeof(age), json_get_int(totals, "oldest_us", 0), clock_wall_us()));
	cli_say(cli,
		"since the start: %" PRId64 " stored in %s, %" PRId64
		" removed, %s recognised, %" PRId64 " refused",
		json_get_int(totals, "stored", 0),
		count_of(batches, totals, "batches", "transaction", "transactions"),
		json_get_int(totals, "removed", 0),
		count_of(repeats, totals, "repeats", "repeat", "repeats"),
		json_get_int(totals, "refused", 0));
	if (json_count(held) > 0)
		show_held(cli, held);
}

/* --- one message ---------------------------------------------------------------------------- */

static void say_field(struct cli *cli, const char *name, const char *value)
{
	struct str safe = STR_INIT;

	if (*value == '\0')
		return;
	term_safe(value, &safe);
	cli_say(cli, "%-10s %s", name, str_cstr(&safe));
	str_free(&safe);
}

static void say_envelope(struct cli *cli, const struct json *message)
{
	char instant[32], size[16];
	const char *sender = text(message, "sender");
	struct str client = STR_INIT;

	cli_say(cli, "%-10s %" PRId64, "id", json_get_int(message, "id", 0));
	say_field(cli, "log id", text(message, "log_id"));
	say_field(cli, "queue id", text(message, "queue_id"));
	cli_say(cli, "%-10s %s", "arrived",
		when_text(instant, sizeof(instant), json_get_int(message, "arrived_us", 0)));
	cli_say(cli, "%-10s %s", "size",
		term_bytes(size, sizeof(size), (uint64_t)json_get_int(message, "bytes", 0)));
	say_field(cli, "from", *sender ? sender : "<>");
	say_field(cli, "parameters", text(message, "mail_params"));
	str_printf(
		&client, "%s [%s]", text(message, "client_name"), text(message, "client_address"));
	say_field(cli, "client", str_cstr(&client));
	say_field(cli, "helo", text(message, "helo"));
	say_field(cli, "user", text(message, "auth_user"));
	str_free(&client);
}

static void message_row(struct table *table, const struct json *recipient)
{
	struct str state = STR_INIT;

	queue_recipient_state(recipient, &state);
	table_cell(table, PAINT_NONE, "%" PRId64, json_get_int(recipient, "number", 0));
	table_cell(table, PAINT_BOLD, "%s", text(recipient, "address"));
	table_cell(table, PAINT_NONE, "%s", text(recipient, "mailbox"));
	table_cell(table, PAINT_DIM, "%s", str_cstr(&state));
	str_free(&state);
}

void queue_show_message(struct cli *cli, const struct json *message)
{
	static const char *const headers[] = { ">NO", "RECIPIENT", "MAILBOX", "STATE", NULL };
	const struct json *recipients = json_get(message, "recipients");

	if (silent(cli))
		return;
	say_envelope(cli, message);
	struct table *table = table_new(headers);
	for (size_t i = 0; i < json_count(recipients); i++)
		message_row(table, json_at(recipients, i));
	table_print(table, &cli->term, stdout);
	table_free(&table);
}

void queue_show_content(struct cli *cli, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];
		bool control = (c < ' ' && c != '\n' && c != '\t') || c == 0x7f;

		if (cli->term.out_tty && c == '\r')
			continue;
		putchar(cli->term.out_tty && control ? '?' : c);
	}
}
