#include "cli/mailboxes.h"

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
	const struct mailbox_line *line, bool addresses_only)
{
	if (csv->count > columns->count)
		return cli_fail(
			cli, CLI_USAGE, "%zu fields, %zu are known", csv->count, columns->count);
	if (*line->address == '\0')
		return cli_fail(cli, CLI_USAGE, "the address is missing");
	if (!addresses_only && (*line->system == '\0' || *line->physical == '\0'))
		return cli_fail(cli, CLI_USAGE, "%s: %s is missing", line->address,
			*line->system == '\0' ? "the system" : "the new physical address (to)");
	return cli_address(cli, line->address);
}

static struct mailbox_line *add_line(struct mailbox_lines *lines, const char *path,
	const struct csv *csv, const struct columns *columns)
{
	const char *id = value_of(csv, columns, COLUMN_ID);

	/* doubling at each power of two */
	if ((lines->count & (lines->count - 1)) == 0)
		lines->list = mem_grow(
			lines->list, lines->count > 0 ? lines->count * 2 : 1, sizeof(*lines->list));
	struct mailbox_line *line = &lines->list[lines->count++];
	line->place = mem_printf("%s:%u", path, csv->line);
	line->address = mem_strdup(value_of(csv, columns, COLUMN_ADDRESS));
	line->system = mem_strdup(value_of(csv, columns, COLUMN_SYSTEM));
	line->physical = mem_strdup(value_of(csv, columns, COLUMN_TO));
	line->source_id = *id != '\0' ? mem_strdup(id) : NULL;
	return line;
}

static int take_record(struct cli *cli, const char *path, const struct csv *csv,
	const struct columns *columns, bool addresses_only, struct mailbox_lines *lines)
{
	const struct mailbox_line *line = add_line(lines, path, csv, columns);

	cli->place = line->place;
	cli->subject = line->address;
	int code = check(cli, csv, columns, line, addresses_only);
	cli->place = NULL;
	return code;
}

int mailbox_lines_parse(struct cli *cli, const char *path, const char *text, size_t len,
	bool addresses_only, struct mailbox_lines *lines_r)
{
	struct columns columns = { .count = 0 };
	int worst = CLI_DONE, count;
	const char *error;
	struct csv csv;

	memset(lines_r, 0, sizeof(*lines_r));
	csv_begin(&csv, text, len);
	while ((count = csv_next(&csv, &error)) > 0) {
		if (columns.count == 0 && take_header(&csv, &columns))
			continue;
		int code = take_record(cli, path, &csv, &columns, addresses_only, lines_r);
		worst = code != CLI_DONE ? code : worst;
	}
	cli->subject = path;
	if (count < 0)
		worst = cli_fail(cli, CLI_USAGE, "%s:%u: %s", path, csv.line, error);
	else if (lines_r->count == 0)
		worst = cli_fail(cli, CLI_USAGE, "%s: there is no mailbox in it", path);
	csv_end(&csv);
	return worst;
}

int mailbox_lines_read(
	struct cli *cli, const char *path, bool addresses_only, struct mailbox_lines *lines_r)
{
	struct str text = STR_INIT;
	int code = textfile_read(cli, path, &text);

	memset(lines_r, 0, sizeof(*lines_r));
	if (code == CLI_DONE)
		code = mailbox_lines_parse(
			cli, path, str_cstr(&text), text.len, addresses_only, lines_r);
	str_free(&text);
	return code;
}

void mailbox_lines_free(struct mailbox_lines *lines)
{
	for (size_t i = 0; i < lines->count; i++) {
		mem_free(&lines->list[i].place);
		mem_free(&lines->list[i].address);
		mem_free(&lines->list[i].system);
		mem_free(&lines->list[i].physical);
		mem_free(&lines->list[i].source_id);
	}
	mem_free(&lines->list);
	lines->count = 0;
}
