#include "cli/moves.h"

#include <string.h>
#include <strings.h>

#include "cli/textfile.h"
#include "lib/csv.h"
#include "lib/mem.h"

/* What a column says; without a header they come in this order. */
enum column { COLUMN_ADDRESS, COLUMN_SYSTEM, COLUMN_TO, COLUMN_ID, COLUMN_OTHER };
static const char *const names[] = { "address", "system", "to", "id" };
#define NAMES (sizeof(names) / sizeof(names[0]))

struct columns {
	enum column of[CSV_FIELDS_MAX];
	size_t count;
};

static enum column column_of(const char *name)
{
	for (size_t i = 0; i < NAMES; i++)
		if (strcasecmp(name, names[i]) == 0)
			return (enum column)i;
	return COLUMN_OTHER;
}

static bool take_header(const struct csv *csv, struct columns *columns)
{
	bool found = false;

	for (size_t i = 0; i < csv->count && !found; i++)
		found = column_of(csv_field(csv, i)) == COLUMN_ADDRESS;
	for (size_t i = 0; i < (found ? csv->count : NAMES); i++)
		columns->of[i] = found ? column_of(csv_field(csv, i)) : (enum column)i;
	columns->count = found ? csv->count : NAMES;
	return found;
}

static const char *value_of(
	const struct csv *csv, const struct columns *columns, enum column wanted)
{
	for (size_t i = 0; i < columns->count; i++)
		if (columns->of[i] == wanted)
			return csv_field(csv, i);
	return "";
}

static int check(struct cli *cli, const struct csv *csv, const struct columns *columns,
	const struct move *move, bool addresses_only)
{
	if (csv->count > columns->count)
		return cli_fail(
			cli, CLI_USAGE, "%zu fields, %zu are known", csv->count, columns->count);
	if (*move->address == '\0')
		return cli_fail(cli, CLI_USAGE, "the address is missing");
	if (!addresses_only && (*move->system == '\0' || *move->physical == '\0'))
		return cli_fail(cli, CLI_USAGE, "%s: %s is missing", move->address,
			*move->system == '\0' ? "the system" : "the new physical address (to)");
	return cli_address(cli, move->address);
}

static struct move *add_move(
	struct moves *moves, const char *path, const struct csv *csv, const struct columns *columns)
{
	const char *id = value_of(csv, columns, COLUMN_ID);

	/* doubling at each power of two */
	if ((moves->count & (moves->count - 1)) == 0)
		moves->list = mem_grow(
			moves->list, moves->count > 0 ? moves->count * 2 : 1, sizeof(*moves->list));
	struct move *move = &moves->list[moves->count++];
	move->place = mem_printf("%s:%u", path, csv->line);
	move->address = mem_strdup(value_of(csv, columns, COLUMN_ADDRESS));
	move->system = mem_strdup(value_of(csv, columns, COLUMN_SYSTEM));
	move->physical = mem_strdup(value_of(csv, columns, COLUMN_TO));
	move->source_id = *id != '\0' ? mem_strdup(id) : NULL;
	return move;
}

static int take_record(struct cli *cli, const char *path, const struct csv *csv,
	const struct columns *columns, bool addresses_only, struct moves *moves)
{
	const struct move *move = add_move(moves, path, csv, columns);

	cli->place = move->place;
	cli->subject = move->address;
	int code = check(cli, csv, columns, move, addresses_only);
	cli->place = NULL;
	return code;
}

int moves_parse(struct cli *cli, const char *path, const char *text, size_t len,
	bool addresses_only, struct moves *moves_r)
{
	struct columns columns = { .count = 0 };
	int worst = CLI_DONE, count;
	const char *error;
	struct csv csv;

	memset(moves_r, 0, sizeof(*moves_r));
	csv_begin(&csv, text, len);
	while ((count = csv_next(&csv, &error)) > 0) {
		if (columns.count == 0 && take_header(&csv, &columns))
			continue;
		int code = take_record(cli, path, &csv, &columns, addresses_only, moves_r);
		worst = code != CLI_DONE ? code : worst;
	}
	cli->subject = path;
	if (count < 0)
		worst = cli_fail(cli, CLI_USAGE, "%s:%u: %s", path, csv.line, error);
	else if (moves_r->count == 0)
		worst = cli_fail(cli, CLI_USAGE, "%s: there is no mailbox in it", path);
	csv_end(&csv);
	return worst;
}

int moves_read(struct cli *cli, const char *path, bool addresses_only, struct moves *moves_r)
{
	struct str text = STR_INIT;
	int code = textfile_read(cli, path, &text);

	memset(moves_r, 0, sizeof(*moves_r));
	if (code == CLI_DONE)
		code = moves_parse(cli, path, str_cstr(&text), text.len, addresses_only, moves_r);
	str_free(&text);
	return code;
}

void moves_free(struct moves *moves)
{
	for (size_t i = 0; i < moves->count; i++) {
		mem_free(&moves->list[i].place);
		mem_free(&moves->list[i].address);
		mem_free(&moves->list[i].system);
		mem_free(&moves->list[i].physical);
		mem_free(&moves->list[i].source_id);
	}
	mem_free(&moves->list);
	moves->count = 0;
}
