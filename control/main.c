/* restante-control(8). */
#include "config.h"

#include <stdbool.h>

#include "control/control.h"
#include "lib/config.h"
#include "lib/daemonline.h"
#include "lib/descriptors.h"

int main(int argc, char **argv)
{
	bool once = false;
	const struct daemon_program program = { .name = "restante-control",
		.version = PACKAGE_VERSION,
		.synopsis = " [--once]",
		.ready = "it works",
		.own = { { "once", &once,
			"      --once          do what is due, wait for what that needs, then "
			"exit\n" } } };
	struct daemon_line line;

	descriptors_guard();
	descriptors_raise();
	int code = daemon_line_read(&program, argc, argv, &line);
	if (code >= 0)
		return code;
	if (line.first < argc)
		return daemon_line_usage(&program);
	if (line.dump)
		return config_show(line.config_path) ? CONTROL_EXIT_OK : CONTROL_EXIT_CONFIG;
	if (line.check)
		return control_check(line.config_path);
	const struct control_options options = { .config_path = line.config_path,
		.pid_file = line.pid_file,
		.ready_fd = line.ready_fd,
		.once = once };
	return control_run(&options);
}
