/* `restante sync conflicts`: what runs could not do, and who must decide. */
#define _GNU_SOURCE
#include "cli/sync.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/verbs.h"
#include "lib/mem.h"

#define LIMIT 1000

static const char *text_of(const struct json *object, const char *key)
{
	const char *text = json_get_string(object, key);

	return text != NULL ? text : "";
}

/* --- where runs leave them: STATE_DIR/FOLDER/{up,down}.reports, an object in each line ----------
 */

static void take_line(const char *line, size_t len, const char *wanted, struct json *list)
{
	const char *error;
	struct json *report = json_parse(line, len, &error);

	if (wanted != NULL && strcasecmp(text_of(report, "system"), wanted) != 0)
		json_free(&report);
	if (report != NULL)
		json_add(list, report);
}

/* 0; -1 where there is a file that cannot be read (errno). */
static int read_file(const char *path, const char *wanted, struct json *list)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (file == NULL)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	while ((len = getline(&line, &size, file)) > 0)
		take_line(line, (size_t)len, wanted, list);
	free(line);
	fclose(file);
	return 0;
}

static int read_folder(
	const char *state_dir, const char *name, const char *wanted, struct json *list)
{
	char *up = mem_printf("%s/%s/up.reports", state_dir, name);
	char *down = mem_printf("%s/%s/down.reports", state_dir, name);
	int result = read_file(up, wanted, list);

	if (result == 0)
		result = read_file(down, wanted, list);
	mem_free(&up);
	mem_free(&down);
	return result;
}

static int read_kept(struct cli *cli, const char *wanted, struct json *list)
{
	const char *state_dir = cli->config->dirsync.state_dir;
	struct dirent **names;
	int count = scandir(state_dir, &names, NULL, alphasort), result = 0, error;

	if (count < 0 && errno == ENOENT)
		return CLI_DONE;
	for (int i = 0; i < count; i++) {
		if (result == 0 && names[i]->d_name[0] != '.')
			result = read_folder(state_dir, names[i]->d_name, wanted, list);
		error = errno;
		free(names[i]);
		errno = error;
	}
	if (count >= 0)
		free(names);
	if (count >= 0 && result == 0)
		return CLI_DONE;
	return cli_fail(cli, CLI_FAILED, "%s: %s; become root, or the user of dirsync {}",
		state_dir, strerror(errno));
}

/* --- the daemon ------------------------------------------------------------------------------- */

static int ask(struct cli *cli, const char *system, struct json *list)
{
	struct json *request = cli_request("conflicts"), *item = NULL;
	const char *error;
	bool end = false;
	int code;

	json_set_string(request, "system", system);
	struct json *reply = cli_ask(cli, request, &code);
	if (reply == NULL)
		return code;
	json_free(&reply);
	while (!end && (item = control_next(cli->control, &error)) != NULL) {
		end = json_get_bool(item, "end", false);
		if (end)
			json_free(&item);
		else
			json_add(list, item);
	}
	return end ? CLI_DONE : cli_fail(cli, CLI_MILTER, "%s", error);
}

struct json *sync_reports(struct cli *cli, const char *system, int *code_r)
{
	struct json *list;
	const char *error;

	*code_r = cli_need_config(cli);
	if (*code_r != CLI_DONE)
		return NULL;
	list = json_new_array();
	if (cli->control != NULL || sync_connect(cli, &error))
		*code_r = ask(cli, system, list);
	else
		*code_r = read_kept(cli, system, list);
	if (*code_r != CLI_DONE)
		json_free(&list);
	return list;
}

/* --- showing ------------------------------------------------------------------------------------
 */

static void show(struct cli *cli, const struct json *list, int64_t limit)
{
	static const char *const headers[] = { "SYSTEM", "SYNC", "KIND", "ADDRESS", "ID", "WHAT",
		NULL };
	static const char *const keys[] = { "system", "direction", "kind", "address", "id",
		"text" };
	struct table *table = table_new(headers);
	size_t count = json_count(list);

	for (size_t i = 0; i < count && (limit == 0 || (int64_t)i < limit); i++)
		for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			table_cell(table,
				k == 0   ? PAINT_BOLD
				: k == 2 ? PAINT_WARN
					 : PAINT_NONE,
				"%s", text_of(json_at(list, i), keys[k]));
	if (count > 0)
		table_print(table, &cli->term, stdout);
	else
		printf("no conflicts\n");
	if (limit > 0 && (int64_t)count > limit)
		printf("... and %zu more: --limit 0 lists all\n", count - (size_t)limit);
	table_free(&table);
}

static int collect(struct cli *cli, int argc, char **argv, struct json *all)
{
	int code = CLI_DONE, i = optind;

	do {
		struct json *some = sync_reports(cli, i < argc ? argv[i] : NULL, &code);

		for (size_t n = 0; n < json_count(some); n++) {
			struct str text = STR_INIT;
			const char *error;

			json_dump(json_at(some, n), &text);
			json_add(all, json_parse(text.data, text.len, &error));
			str_free(&text);
		}
		json_free(&some);
	} while (code == CLI_DONE && ++i < argc);
	return code;
}

int verb_sync_conflicts(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = { { "limit", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 } };
	int64_t limit = LIMIT;
	char *end;
	int letter;

	while ((letter = cli_getopt(cli, argc, argv, "", options)) == 'n') {
		limit = strtoll(optarg, &end, 10);
		if (end == optarg || *end != '\0' || limit < 0)
			return cli_usage(cli, "--limit %s: a number is needed", optarg);
	}
	if (letter != -1)
		return letter == 'h' ? CLI_DONE : CLI_USAGE;
	struct json *list = json_new_array();
	int code = collect(cli, argc, argv, list);
	if (code != CLI_DONE) {
		json_free(&list);
		return code;
	}
	code = json_count(list) > 0 ? CLI_FAILED : CLI_DONE;
	if (!cli->json && !cli->quiet)
		show(cli, list, limit);
	cli_give(cli, list);
	return code;
}
