/* restante-dirsync(8). */
#include "config.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "dirsync/dirsync.h"
#include "dirsync/once.h"
#include "dirsync/start.h"
#include "lib/descriptors.h"

static void usage(FILE *out)
{
	fprintf(out,
		"usage: restante-dirsync [-fthV] [-c FILE] [--pid-file FILE] [--ready-fd N] "
		"[--dump-config]\n"
		"       restante-dirsync --once [-c FILE] [--up | --down] [--full] [--dry-run] "
		"[SYSTEM ...]\n"
		"  -c, --config FILE   settings (default %s)\n"
		"  -t, --check         check the settings, then exit: 0 or 78\n"
		"      --dump-config   print the settings, defaults included, then exit\n"
		"      --once          sync each system (default: all) once, then exit\n"
		"      --up, --down    with --once: this direction only\n"
		"      --full          with --once: read everything, not changes alone\n"
		"      --dry-run       with --once: write nothing, print the changes as LDIF\n"
		"  -f, --foreground    stay in the foreground, which is what it always does\n"
		"      --pid-file FILE write the process id there\n"
		"      --ready-fd N    write a line READY to that descriptor once it works\n"
		"  -V, --version       print the version, then exit\n"
		"  -h, --help          print this, then exit\n",
		CONFIG_DEFAULT_PATH);
}

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

enum {
	OPTION_DUMP = 256,
	OPTION_ONCE,
	OPTION_UP,
	OPTION_DOWN,
	OPTION_FULL,
	OPTION_DRY,
	OPTION_PID,
	OPTION_READY
};

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check", no_argument, NULL, 't' },
	{ "dump-config", no_argument, NULL, OPTION_DUMP },
	{ "once", no_argument, NULL, OPTION_ONCE },
	{ "up", no_argument, NULL, OPTION_UP },
	{ "down", no_argument, NULL, OPTION_DOWN },
	{ "full", no_argument, NULL, OPTION_FULL },
	{ "dry-run", no_argument, NULL, OPTION_DRY },
	{ "foreground", no_argument, NULL, 'f' },
	{ "pid-file", required_argument, NULL, OPTION_PID },
	{ "ready-fd", required_argument, NULL, OPTION_READY },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* What the command line says. */
struct line {
	struct once_options run;
	struct dirsync_options daemon;
	bool once, check, dump;
};

/* -1: go on; else the exit code. */
static int read_options(int argc, char **argv, struct line *line)
{
	int option;

	while ((option = getopt_long(argc, argv, "c:tfVh", options, NULL)) != -1) {
		switch (option) {
		case 'c': line->run.config_path = line->daemon.config_path = optarg; break;
		case 't': line->check = true; break;
		case 'f': break;
		case OPTION_DUMP: line->dump = true; break;
		case OPTION_ONCE: line->once = true; break;
		case OPTION_UP: line->run.up = true; break;
		case OPTION_DOWN: line->run.down = true; break;
		case OPTION_FULL: line->run.full = true; break;
		case OPTION_DRY: line->run.dry_run = true; break;
		case OPTION_PID: line->daemon.pid_file = optarg; break;
		case OPTION_READY: line->daemon.ready_fd = atoi(optarg); break;
		case 'V': printf("restante-dirsync %s\n", PACKAGE_VERSION); return 0;
		case 'h': usage(stdout); return 0;
		default: usage(stderr); return DIRSYNC_EXIT_USAGE;
		}
	}
	bool of_once = line->run.up || line->run.down || line->run.full || line->run.dry_run ||
		       optind < argc;
	if (line->once || !of_once)
		return -1;
	usage(stderr);
	return DIRSYNC_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct line line = {
		.run = { .config_path = CONFIG_DEFAULT_PATH },
		.daemon = { .config_path = CONFIG_DEFAULT_PATH, .ready_fd = -1 },
	};

	descriptors_guard();
	descriptors_raise();
	int code = read_options(argc, argv, &line);
	if (code >= 0)
		return code;
	if (line.dump)
		return config_show(line.run.config_path) ? DIRSYNC_EXIT_OK : DIRSYNC_EXIT_CONFIG;
	if (line.check)
		return check(line.run.config_path);
	if (!line.once)
		return dirsync_run(&line.daemon);
	if (!line.run.up && !line.run.down)
		line.run.up = line.run.down = true;
	line.run.systems = argv + optind;
	line.run.system_count = (size_t)(argc - optind);
	return once_run(&line.run);
}
