/* restante-control(8). */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/control.h"
#include "lib/descriptors.h"

static void usage(FILE *out)
{
	fprintf(out,
		"usage: restante-control [-fthV] [-c FILE] [--pid-file FILE] [--ready-fd N] "
		"[--once] [--dump-config]\n"
		"  -c, --config FILE   settings (default %s)\n"
		"  -t, --check         check the settings, then exit: 0 or 78\n"
		"      --dump-config   print the settings, defaults included, then exit\n"
		"      --once          do what is due, wait for what that needs, then exit\n"
		"  -f, --foreground    stay in the foreground, which is what it always does\n"
		"      --pid-file FILE write the process id there\n"
		"      --ready-fd N    write a line READY to that descriptor once it works\n"
		"  -V, --version       print the version, then exit\n"
		"  -h, --help          print this, then exit\n",
		CONFIG_DEFAULT_PATH);
}

enum { OPTION_DUMP = 256, OPTION_ONCE, OPTION_PID, OPTION_READY };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check", no_argument, NULL, 't' },
	{ "dump-config", no_argument, NULL, OPTION_DUMP },
	{ "once", no_argument, NULL, OPTION_ONCE },
	{ "foreground", no_argument, NULL, 'f' },
	{ "pid-file", required_argument, NULL, OPTION_PID },
	{ "ready-fd", required_argument, NULL, OPTION_READY },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* What the command line says. */
struct line {
	struct control_options run;
	bool check, dump;
};

/* -1: go on; else the exit code. */
static int read_options(int argc, char **argv, struct line *line)
{
	int option;

	while ((option = getopt_long(argc, argv, "c:tfVh", options, NULL)) != -1) {
		switch (option) {
		case 'c': line->run.config_path = optarg; break;
		case 't': line->check = true; break;
		case 'f': break;
		case OPTION_DUMP: line->dump = true; break;
		case OPTION_ONCE: line->run.once = true; break;
		case OPTION_PID: line->run.pid_file = optarg; break;
		case OPTION_READY: line->run.ready_fd = atoi(optarg); break;
		case 'V': printf("restante-control %s\n", PACKAGE_VERSION); return 0;
		case 'h': usage(stdout); return 0;
		default: usage(stderr); return CONTROL_EXIT_USAGE;
		}
	}
	if (optind == argc)
		return -1;
	usage(stderr);
	return CONTROL_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct line line = {
		.run = { .config_path = CONFIG_DEFAULT_PATH, .ready_fd = -1 },
	};

	descriptors_guard();
	descriptors_raise();
	int code = read_options(argc, argv, &line);
	if (code >= 0)
		return code;
	if (line.dump)
		return config_show(line.run.config_path) ? CONTROL_EXIT_OK : CONTROL_EXIT_CONFIG;
	if (line.check)
		return control_check(line.run.config_path);
	return control_run(&line.run);
}
