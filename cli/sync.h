/* What the verbs of `restante sync` share: the daemon's socket, records, reports, progress bars. */
#ifndef RESTANTE_CLI_SYNC_H
#define RESTANTE_CLI_SYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/cli.h"
#include "lib/syncask.h"

/* What `sync run` was asked for. */
struct sync_wish {
	char **names; /* none: all */
	size_t count;
	bool up, down; /* both or neither: both */
	bool full, wait;
	int64_t timeout_us; /* where the directory is asked, not the daemon */
};

/*
 * Connects cli->control to restante-dirsync on this machine; false with *error_r where it does not
 * answer. cli_ask then asks it.
 */
bool sync_connect(struct cli *cli, const char **error_r);
/* CLI_DONE, or CLI_MILTER after a complaint that ends with what to do instead. */
int sync_need_daemon(struct cli *cli, const char *instead);

/* Raises the numbers asked in the directory and, where wished, waits; prints; exit code. */
int sync_run_directory(struct cli *cli, const struct sync_wish *wish);
/* After a swap: asks for a down sync of each system that has them. What cannot be asked for is
 * said, and changes no exit code: the swap stands. */
void sync_after_swap(struct cli *cli);

/* --- records (docs/sync.md, "The control socket") -------------------------------------------- */

/* Of the last run as the directory has it; NULL where there was none. */
struct json *sync_record(const struct sync_side *side, enum sync_direction direction);
/* "complete, 1200 mailboxes: 3 added ..."; the reason behind it. */
void sync_record_text(const struct json *record, struct str *out);
/* Exit code of its outcome. */
int sync_record_code(const struct json *record);

/* --- reports --------------------------------------------------------------------------------- */

/*
 * Of one system, or of all (NULL): asked of the daemon, else read where runs leave them. An array,
 * or NULL after a complaint with *code_r set.
 */
struct json *sync_reports(struct cli *cli, const char *system, int *code_r);

/* --- progress -------------------------------------------------------------------------------- */

struct sync_bar;

struct sync_view {
	struct cli *cli;
	struct sync_bar *bars;
	size_t count;
	unsigned drawn; /* lines on the terminal now */
	int64_t drawn_us;
};

/* total 0 = not known; "" as phase: it has ended. */
void sync_view_update(struct sync_view *view, const char *system, const char *direction,
	const char *phase, int64_t done, int64_t total);
/* A line above the bars, on standard output; nothing with --json or --quiet. */
void sync_view_say(struct sync_view *view, const char *line);
void sync_view_end(struct sync_view *view);

#endif
