/* `restante move add` and `restante move import`. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/move.h"
#include "cli/textfile.h"
#include "cli/verbs.h"
#include "lib/csv.h"
#include "lib/mem.h"
#include "lib/when.h"

/* --- what both say -------------------------------------------------------------------------- */

static void give_recorded(struct cli *cli, const struct wanted_list *list)
{
	struct json *moves = json_new_array(), *object = json_new_object();

	for (size_t i = 0; i < list->count; i++) {
		struct json *one = json_new_object();

		json_set_string(one, "address", list->list[i].address);
		json_set_string(one, "to", list->list[i].target);
		json_set_int(one, "instant_us", list->list[i].instant_us);
		json_set_string(one, "dn", list->list[i].dn);
		json_add(moves, one);
	}
	json_set_bool(object, "ok", true);
	json_set_int(object, "count", (int64_t)list->count);
	json_set(object, "moves", moves);
	cli_give(cli, object);
}

static int judge_and_record(struct cli *cli, struct wanted_list *list, bool dry_run, size_t *left_r)
{
	int code = cli_need_config(cli);

	*left_r = 0;
	if (code == CLI_DONE)
		code = wanted_judge(cli, list);
	return code == CLI_DONE && !dry_run ? wanted_record(cli, list, left_r) : code;
}

static char *copy(const char *text)
{
	return text != NULL ? mem_strdup(text) : NULL;
}

/* --- add ------------------------------------------------------------------------------------ */

enum { OPTION_TO = 1000, OPTION_AT, OPTION_SCENARIO, OPTION_WAVE, OPTION_MAY_DELETE, OPTION_DRY };
static const struct option options[] = { { "to", required_argument, NULL, OPTION_TO },
	{ "at", required_argument, NULL, OPTION_AT },
	{ "scenario", required_argument, NULL, OPTION_SCENARIO },
	{ "wave", required_argument, NULL, OPTION_WAVE },
	{ "may-delete", no_argument, NULL, OPTION_MAY_DELETE },
	{ "dry-run", no_argument, NULL, OPTION_DRY }, { NULL, 0, NULL, 0 } };

struct given {
	const char *to, *at, *scenario, *wave;
	bool may_delete, dry_run;
};

/* -1: go on; else the exit code. */
static int take_options(struct cli *cli, int argc, char **argv, struct given *given)
{
	int letter;

	while ((letter = cli_getopt(cli, argc, argv, "", options)) >= OPTION_TO) {
		switch (letter) {
		case OPTION_TO: given->to = optarg; break;
		case OPTION_AT: given->at = optarg; break;
		case OPTION_SCENARIO: given->scenario = optarg; break;
		case OPTION_WAVE: given->wave = optarg; break;
		case OPTION_MAY_DELETE: given->may_delete = true; break;
		default: given->dry_run = true;
		}
	}
	if (letter != -1)
		return letter == 'h' ? CLI_DONE : CLI_USAGE;
	return -1;
}

int verb_move_add(struct cli *cli, int argc, char **argv)
{
	struct given given = { .to = NULL };
	struct wanted_list list = { NULL, 0 };
	size_t left;
	char at[32];
	int code = take_options(cli, argc, argv, &given);

	if (code >= 0)
		return code;
	if (argc == optind)
		return cli_usage(cli, "an address is needed");
	if (given.to == NULL)
		return cli_usage(cli, "--to SYSTEM is needed");
	for (int i = optind; i < argc; i++) {
		struct wanted *w = wanted_add(&list);

		w->address = mem_strdup(argv[i]);
		w->target = copy(given.to);
		w->at = copy(given.at);
		w->scenario = copy(given.scenario);
		w->wave = copy(given.wave);
		w->may_delete = given.may_delete;
	}
	code = judge_and_record(cli, &list, given.dry_run, &left);
	for (size_t i = 0; code == CLI_DONE && i < list.count; i++)
		cli_say(cli, "%s: to %s at %s, %s", list.list[i].address, list.list[i].target,
			when_text(at, sizeof(at), list.list[i].instant_us),
			given.dry_run ? "could be recorded" : "recorded");
	if (code == CLI_DONE)
		give_recorded(cli, &list);
	wanted_free(&list);
	return code;
}

/* --- import --------------------------------------------------------------------------------- */

enum column { ADDRESS, TO, AT, SCENARIO, WAVE, COLUMNS };
static const char *const names[COLUMNS][2] = { { "address", "" }, { "to", "system" }, { "at", "" },
	{ "scenario", "" }, { "wave", "" } };

struct import {
	struct cli *cli;
	const char *path;
	const struct given *given;
	int column[COLUMNS]; /* -1 = not there */
	size_t fields;
};

static int column_of(const char *name)
{
	for (int i = 0; i < COLUMNS; i++)
		for (int n = 0; n < 2; n++)
			if (names[i][n][0] != '\0' && strcasecmp(name, names[i][n]) == 0)
				return i;
	return -1;
}

/* The first line names the columns: a file of many rows is read by nobody again. */
static int take_header(struct import *import, const struct csv *csv)
{
	for (int i = 0; i < COLUMNS; i++)
		import->column[i] = -1;
	for (size_t i = 0; i < csv->count; i++) {
		int column = column_of(csv_field(csv, i));

		if (column < 0 || import->column[column] >= 0)
			return cli_fail(import->cli, CLI_USAGE,
				"%s:%u: column \"%s\": the columns are address, to, at, scenario "
				"and wave, each once, with commas between them",
				import->path, csv->line, csv_field(csv, i));
		import->column[column] = (int)i;
	}
	import->fields = csv->count;
	if (import->column[ADDRESS] >= 0)
		return CLI_DONE;
	return cli_fail(import->cli, CLI_USAGE, "%s:%u: the column address is missing",
		import->path, csv->line);
}

static char *value_of(
	const struct import *import, const struct csv *csv, enum column column, const char *given)
{
	const char *value =
		import->column[column] >= 0 ? csv_field(csv, (size_t)import->column[column]) : "";

	return *value != '\0' ? mem_strdup(value) : copy(given);
}

static int take_row(struct import *import, const struct csv *csv, struct wanted_list *list)
{
	if (csv->count > import->fields)
		return cli_fail(import->cli, CLI_USAGE, "%s:%u: %zu fields, the first line has %zu",
			import->path, csv->line, csv->count, import->fields);
	struct wanted *w = wanted_add(list);
	w->place = mem_printf("%s:%u", import->path, csv->line);
	w->address = value_of(import, csv, ADDRESS, "");
	w->target = value_of(import, csv, TO, import->given->to);
	w->at = value_of(import, csv, AT, import->given->at);
	w->scenario = value_of(import, csv, SCENARIO, import->given->scenario);
	w->wave = value_of(import, csv, WAVE, import->given->wave);
	w->may_delete = import->given->may_delete;
	return CLI_DONE;
}

static int take_rows(struct import *import, struct csv *csv, struct wanted_list *list)
{
	int worst = CLI_DONE, count;
	const char *error;

	while ((count = csv_next(csv, &error)) > 0) {
		int code = import->fields == 0 ? take_header(import, csv)
					       : take_row(import, csv, list);

		if (code != CLI_DONE && import->fields == 0)
			return code;
		worst = code != CLI_DONE ? code : worst;
	}
	if (count < 0)
		return cli_fail(
			import->cli, CLI_USAGE, "%s:%u: %s", import->path, csv->line, error);
	if (list->count == 0 && worst == CLI_DONE)
		return cli_fail(import->cli, CLI_USAGE, "%s: there is no move in it", import->path);
	return worst;
}

/* As spreadsheets call "Unicode text". */
static bool is_utf16(const struct str *text)
{
	return text->len >= 2 &&
	       (memcmp(text->data, "\xff\xfe", 2) == 0 || memcmp(text->data, "\xfe\xff", 2) == 0);
}

static int read_file(struct import *import, struct wanted_list *list)
{
	struct str text = STR_INIT;
	struct csv csv;
	int code = textfile_read(import->cli, import->path, &text);

	if (code == CLI_DONE && is_utf16(&text))
		code = cli_fail(import->cli, CLI_USAGE,
			"%s: it is in UTF-16; save it as CSV in UTF-8", import->path);
	if (code == CLI_DONE) {
		csv_begin(&csv, str_cstr(&text), text.len);
		code = take_rows(import, &csv, list);
		csv_end(&csv);
	}
	str_free(&text);
	return code;
}

int verb_move_import(struct cli *cli, int argc, char **argv)
{
	struct given given = { .to = NULL };
	struct wanted_list list = { NULL, 0 };
	char count[TERM_COUNT];
	size_t left = 0;
	int code = take_options(cli, argc, argv, &given);

	if (code >= 0)
		return code;
	if (argc - optind != 1)
		return cli_usage(cli, "one file is needed, %d are given", argc - optind);
	struct import import = { .cli = cli, .path = argv[optind], .given = &given };
	int read_code = read_file(&import, &list);
	/* what can be read is judged all the same: all that is wrong is told at once */
	code = list.count > 0
		       ? judge_and_record(cli, &list, given.dry_run || read_code != CLI_DONE, &left)
		       : read_code;
	code = read_code != CLI_DONE ? read_code : code;
	if (code == CLI_DONE) {
		cli_say(cli, "%s %s", term_count(count, (int64_t)list.count, "move", "moves"),
			given.dry_run ? "could be recorded" : "recorded");
		give_recorded(cli, &list);
	} else if (!cli->quiet && list.count > 0 && left == 0) {
		fprintf(stderr, "restante: nothing was recorded\n");
	}
	wanted_free(&list);
	return code;
}
