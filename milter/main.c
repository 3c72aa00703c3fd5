/* restante-milter(8). */
#include "config.h"

#include <stdbool.h>

#include "lib/config.h"
#include "lib/daemonline.h"
#include "lib/descriptors.h"
#include "milter/front.h"
#include "milter/held.h"

int main(int argc, char **argv)
{
	bool held = false;
	const struct daemon_program program = { .name = "restante-milter",
		.version = PACKAGE_VERSION,
		.synopsis = " [--held]",
		.ready = "mail is served",
		.own = { { "held", &held,
			"      --held          print how many messages the hold queue of a daemon "
			"that is down has\n"
			"                      and its folder, then exit\n" } } };
	struct daemon_line line;

	descriptors_guard();
	descriptors_raise();
	int code = daemon_line_read(&program, argc, argv, &line);
	if (code >= 0)
		return code;
	if (line.first < argc)
		return daemon_line_usage(&program);
	if (line.check)
		return front_check(line.config_path);
	if (held)
		return held_print(line.config_path);
	if (line.dump)
		return config_show(line.config_path) ? FRONT_EXIT_OK : FRONT_EXIT_CONFIG;
	const struct front_options options = { .config_path = line.config_path,
		.pid_file = line.pid_file,
		.ready_fd = line.ready_fd };
	return front_run(&options);
}
