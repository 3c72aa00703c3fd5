/* restante-dirsync(8). */
#include "config.h"

#include <stdbool.h>
#include <stdio.h>

#include "dirsync/dirsync.h"
#include "dirsync/once.h"
#include "dirsync/start.h"
#include "lib/config.h"
#include "lib/daemonline.h"
#include "lib/descriptors.h"

static int check(const char *path)
{
	struct str error = STR_INIT;
	struct config *config = start_config(path, &error);
	int code = DIRSYNC_EXIT_CONFIG;

	if (config == NULL)
		fprintf(stderr, "%s\n", str_cstr(&error));
	else if (start_check(config, stderr))
		code = DIRSYNC_EXIT_OK;
	config_free(&config);
	str_free(&error);
	return code;
}

static int run_once(struct once_options *run, const struct daemon_line *line, int argc, char **argv)
{
	if (!run->up && !run->down)
		run->up = run->down = true;
	run->config_path = line->config_path;
	run->systems = argv + line->first;
	run->system_count = (size_t)(argc - line->first);
	return once_run(run);
}

static int run_daemon(const struct daemon_line *line)
{
	const struct dirsync_options options = { .config_path = line->config_path,
		.pid_file = line->pid_file,
		.ready_fd = line->ready_fd };

	return dirsync_run(&options);
}

int main(int argc, char **argv)
{
	struct once_options run = { .up = false };
	bool once = false;
	const struct daemon_program program = { .name = "restante-dirsync",
		.version = PACKAGE_VERSION,
		.synopsis = "\n       restante-dirsync --once [-c FILE] [--up | --down] [--full] "
			    "[--dry-run] [SYSTEM ...]",
		.ready = "it works",
		.own = { { "once", &once,
				 "      --once          sync each system (default: all) once, then "
				 "exit\n" },
			{ "up", &run.up,
				"      --up, --down    with --once: this direction only\n" },
			{ "down", &run.down, "" },
			{ "full", &run.full,
				"      --full          with --once: read everything, not changes "
				"alone\n" },
			{ "dry-run", &run.dry_run,
				"      --dry-run       with --once: write nothing, print the "
				"changes as LDIF\n" } } };
	struct daemon_line line;

	descriptors_guard();
	descriptors_raise();
	int code = daemon_line_read(&program, argc, argv, &line);
	if (code >= 0)
		return code;
	if (!once && (run.up || run.down || run.full || run.dry_run || line.first < argc))
		return daemon_line_usage(&program);
	if (line.dump)
		return config_show(line.config_path) ? DIRSYNC_EXIT_OK : DIRSYNC_EXIT_CONFIG;
	if (line.check)
		return check(line.config_path);
	return once ? run_once(&run, &line, argc, argv) : run_daemon(&line);
}
