#include "lib/daemonline.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "lib/config.h"

enum { OPTION_DUMP = 256, OPTION_PID, OPTION_READY, OPTION_OWN };

static const struct option common[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check", no_argument, NULL, 't' },
	{ "dump-config", no_argument, NULL, OPTION_DUMP },
	{ "foreground", no_argument, NULL, 'f' },
	{ "pid-file", required_argument, NULL, OPTION_PID },
	{ "ready-fd", required_argument, NULL, OPTION_READY },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
};
#define COMMON (sizeof(common) / sizeof(common[0]))

static void usage(const struct daemon_program *program, FILE *out)
{
	fprintf(out,
		"usage: %s [-fthV] [-c FILE] [--pid-file FILE] [--ready-fd N] [--dump-config]%s\n"
		"  -c, --config FILE   settings (default %s)\n"
		"  -t, --check         check the settings, then exit: 0 or 78\n"
		"      --dump-config   print the settings, defaults included, then exit\n",
		program->name, program->synopsis, CONFIG_DEFAULT_PATH);
	for (const struct daemon_option *own = program->own; own->name != NULL; own++)
		fputs(own->help, out);
	fprintf(out,
		"  -f, --foreground    stay in the foreground, which is what it always does\n"
		"      --pid-file FILE write the process id there\n"
		"      --ready-fd N    write a line READY to that descriptor once %s\n"
		"  -V, --version       print the version, then exit\n"
		"  -h, --help          print this, then exit\n",
		program->ready);
}

int daemon_line_usage(const struct daemon_program *program)
{
	usage(program, stderr);
	return EX_USAGE;
}

/* The common ones, then its own. */
static void options_of(const struct daemon_program *program, struct option *options)
{
	size_t count = 0;

	for (size_t i = 0; i < COMMON; i++)
		options[count++] = common[i];
	for (int i = 0; program->own[i].name != NULL; i++)
		options[count++] =
			(struct option){ program->own[i].name, no_argument, NULL, OPTION_OWN + i };
	options[count] = (struct option){ NULL, 0, NULL, 0 };
}

int daemon_line_read(
	const struct daemon_program *program, int argc, char **argv, struct daemon_line *line_r)
{
	struct option options[COMMON + DAEMON_OPTIONS_MAX + 1];
	int option;

	*line_r = (struct daemon_line){ .config_path = CONFIG_DEFAULT_PATH, .ready_fd = -1 };
	options_of(program, options);
	while ((option = getopt_long(argc, argv, "c:tfVh", options, NULL)) != -1) {
		switch (option) {
		case 'c': line_r->config_path = optarg; break;
		case 't': line_r->check = true; break;
		case 'f': break;
		case OPTION_DUMP: line_r->dump = true; break;
		case OPTION_PID: line_r->pid_file = optarg; break;
		case OPTION_READY: line_r->ready_fd = atoi(optarg); break;
		case 'V': printf("%s %s\n", program->name, program->version); return EX_OK;
		case 'h': usage(program, stdout); return EX_OK;
		case '?': return daemon_line_usage(program);
		default: *program->own[option - OPTION_OWN].set = true; break;
		}
	}
	line_r->first = optind;
	return -1;
}
