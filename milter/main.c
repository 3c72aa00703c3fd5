/* restante-milter(8). */
#include "config.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/config.h"
#include "lib/descriptors.h"
#include "milter/front.h"
#include "milter/held.h"

static void usage(FILE *out)
{
	fprintf(out,
		"usage: restante-milter [-fthV] [-c FILE] [--pid-file FILE] [--ready-fd N] "
		"[--dump-config] [--held]\n"
		"  -c, --config FILE   settings (default %s)\n"
		"  -t, --check         check the settings, then exit: 0 or 78\n"
		"      --dump-config   print the settings, defaults included, then exit\n"
		"      --held          print how many messages the hold queue of a daemon that is "
		"down has\n"
		"                      and its folder, then exit\n"
		"  -f, --foreground    stay in the foreground, which is what it always does\n"
		"      --pid-file FILE write the process id there\n"
		"      --ready-fd N    write a line READY to that descriptor once mail is served\n"
		"  -V, --version       print the version, then exit\n"
		"  -h, --help          print this, then exit\n",
		CONFIG_DEFAULT_PATH);
}

enum { OPTION_DUMP = 256, OPTION_HELD, OPTION_PID, OPTION_READY };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check", no_argument, NULL, 't' },
	{ "dump-config", no_argument, NULL, OPTION_DUMP },
	{ "held", no_argument, NULL, OPTION_HELD },
	{ "foreground", no_argument, NULL, 'f' },
	{ "pid-file", required_argument, NULL, OPTION_PID },
	{ "ready-fd", required_argument, NULL, OPTION_READY },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	struct front_options front = { .config_path = CONFIG_DEFAULT_PATH, .ready_fd = -1 };
	bool check = false, dump_config = false, held = false;
	int option;

	descriptors_guard();
	descriptors_raise();
	while ((option = getopt_long(argc, argv, "c:tfVh", options, NULL)) != -1) {
		switch (option) {
		case 'c': front.config_path = optarg; break;
		case 't': check = true; break;
		case 'f': break;
		case OPTION_DUMP: dump_config = true; break;
		case OPTION_HELD: held = true; break;
		case OPTION_PID: front.pid_file = optarg; break;
		case OPTION_READY: front.ready_fd = atoi(optarg); break;
		case 'V': printf("restante-milter %s\n", PACKAGE_VERSION); return 0;
		case 'h': usage(stdout); return 0;
		default: usage(stderr); return FRONT_EXIT_USAGE;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return FRONT_EXIT_USAGE;
	}
	if (check)
		return front_check(front.config_path);
	if (held)
		return held_print(front.config_path);
	if (dump_config)
		return config_show(front.config_path) ? FRONT_EXIT_OK : FRONT_EXIT_CONFIG;
	return front_run(&front);
}
