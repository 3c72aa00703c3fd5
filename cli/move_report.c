/* `restante move report`: a wave, or everything, as CSV, JSON or a page of HTML. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/move.h"
#include "cli/verbs.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/when.h"

static const char *const columns[] = { "address", "from", "to", "scenario", "wave", "instant",
	"state", "outcome", "held_seconds", "held_messages", "swapped", "complete", "error" };
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

struct row {
	struct str cell[COLUMNS];
};

static void instant(struct str *out, int64_t us)
{
	char text[32];

	if (us > 0)
		str_append_z(out, when_text(text, sizeof(text), us));
}

static void fill(const struct move *move, struct row *row)
{
	memset(row, 0, sizeof(*row));
	str_append_z(&row->cell[0], move->address != NULL ? move->address : "");
	str_append_z(&row->cell[1], move->assignor);
	str_append_z(&row->cell[2], move->target);
	str_append_z(&row->cell[3], move->scenario);
	str_append_z(&row->cell[4], move->wave);
	instant(&row->cell[5], move->instant_us);
	str_printf(&row->cell[6], "%d", move->state);
	str_append_z(&row->cell[7], move->outcome_text);
	if (move_held_us(move) >= 0)
		str_printf(&row->cell[8], "%.3f", (double)move_held_us(move) / CLOCK_SECOND);
	if (move_held_us(move) >= 0 || move->held_messages > 0)
		str_printf(&row->cell[9], "%" PRIu64, move->held_messages);
	instant(&row->cell[10], move->reached_us[MOVE_SWAPPED]);
	instant(&row->cell[11], move->reached_us[MOVE_COMPLETE]);
	str_append_z(&row->cell[12], move->fault[0] != '\0' ? move->fault : move->error);
}

static void free_row(struct row *row)
{
	for (size_t i = 0; i < COLUMNS; i++)
		str_free(&row->cell[i]);
}

/* --- CSV (RFC 4180) ------------------------------------------------------------------------- */

/* A cell that begins like a formula is kept from being one in a spreadsheet. */
static void csv_cell(const char *text, FILE *out)
{
	const bool formula = strchr("=+-@\t\r", text[0]) != NULL && text[0] != '\0';

	if (!formula && strpbrk(text, ",\"\r\n") == NULL) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	if (formula)
		fputc('\'', out);
	for (; *text != '\0'; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void write_csv(const struct move_list *list, FILE *out)
{
	for (size_t i = 0; i < COLUMNS; i++)
		fprintf(out, "%s%s", i > 0 ? "," : "", columns[i]);
	fputs("\r\n", out);
	for (size_t n = 0; n < list->count; n++) {
		struct row row;

		fill(list->moves[n], &row);
		for (size_t i = 0; i < COLUMNS; i++) {
			if (i > 0)
				fputc(',', out);
			csv_cell(str_cstr(&row.cell[i]), out);
		}
		fputs("\r\n", out);
		free_row(&row);
	}
}

/* --- HTML ----------------------------------------------------------------------------------- */

static void html_text(const char *text, FILE *out)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '<': fputs("&lt;", out); break;
		case '>': fputs("&gt;", out); break;
		case '&': fputs("&amp;", out); break;
		case '"': fputs("&quot;", out); break;
		default: fputc(*text, out);
		}
	}
}

static const char *class_of(const struct move *move)
{
	switch (move_paint(move)) {
	case PAINT_BAD: return "bad";
	case PAINT_WARN: return "warn";
	case PAINT_GOOD: return "good";
	default: return "open";
	}
}

static void html_row(const struct move *move, FILE *out)
{
	struct row row;

	fill(move, &row);
	fprintf(out, "<tr class=\"%s\">", class_of(move));
	for (size_t i = 0; i < COLUMNS; i++) {
		fputs("<td>", out);
		html_text(str_cstr(&row.cell[i]), out);
		fputs("</td>", out);
	}
	fputs("</tr>\n", out);
	free_row(&row);
}

static void write_html(const struct move_list *list, const char *wave, FILE *out)
{
	char now[32];

	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Moves", out);
	fputs("</title>\n<style>body{font-family:sans-serif}table{border-collapse:collapse}"
	      "th,td{padding:.2em .6em;border-bottom:1px solid #ccc;text-align:left}"
	      ".bad{background:#fdd}.warn{background:#ffd}.good{background:#dfd}</style>"
	      "</head><body>\n<h1>",
		out);
	html_text(wave != NULL ? wave : "All moves", out);
	fprintf(out, "</h1>\n<p>%zu moves, %s</p>\n<table><thead><tr>", list->count,
		when_text(now, sizeof(now), clock_wall_us()));
	for (size_t i = 0; i < COLUMNS; i++)
		fprintf(out, "<th>%s</th>", columns[i]);
	fputs("</tr></thead><tbody>\n", out);
	for (size_t n = 0; n < list->count; n++)
		html_row(list->moves[n], out);
	fputs("</tbody></table></body></html>\n", out);
}

/* --- the verb ------------------------------------------------------------------------------- */

static void write_json(struct cli *cli, const struct move_list *list)
{
	struct json *moves = json_new_array(), *object = json_new_object();

	for (size_t i = 0; i < list->count; i++)
		json_add(moves, move_json(list->moves[i]));
	json_set(object, "moves", moves);
	cli->json = true;
	cli_give(cli, object);
}

int verb_move_report(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = { { "format", required_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 } };
	const char *format = "csv", *wave;
	struct move_list list;
	int letter, code;

	while ((letter = cli_getopt(cli, argc, argv, "", options)) == 'f')
		format = optarg;
	if (letter != -1)
		return letter == 'h' ? CLI_DONE : CLI_USAGE;
	if (strcmp(format, "csv") != 0 && strcmp(format, "json") != 0 &&
		strcmp(format, "html") != 0)
		return cli_usage(cli, "--format is csv, json or html");
	if (argc - optind > 1)
		return cli_usage(cli, "one wave at most can be named, %d are", argc - optind);
	wave = argc > optind ? argv[optind] : NULL;
	code = move_list_read(cli, NULL, wave, &list);
	if (code != CLI_DONE)
		return code;
	if (list.count == 0 && wave != NULL)
		code = cli_fail(cli, CLI_NOTFOUND, "%s: there is no move of that wave", wave);
	else if (cli->json || strcmp(format, "json") == 0)
		write_json(cli, &list);
	else if (strcmp(format, "html") == 0)
		write_html(&list, wave, stdout);
	else
		write_csv(&list, stdout);
	move_list_free(&list);
	if (code == CLI_DONE && (fflush(stdout) != 0 || ferror(stdout)))
		code = cli_fail(
			cli, CLI_FAILED, "the report could not be written: standard output");
	return code;
}
