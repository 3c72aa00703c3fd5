/*
 * The `after` command: it gets the DNs of what was changed. They are in a file of the state folder
 * from before the change until the command has taken them, so that a crash or a command that fails
 * loses none; one may come twice, or without a change.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "dirsync/target_ldap.h"

static int file_trouble(struct target *target, const char *what, const char **error_r)
{
	return target_fail(error_r, "%s: cannot %s: %s", target->after_path, what, strerror(errno));
}

int target_ldap_note(struct target *target, const char *dn, const char **error_r)
{
	struct str line = STR_INIT;
	bool whole;

	if (*target->settings->after == '\0')
		return 0;
	if (target->after < 0)
		target->after = open(target->after_path,
			O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (target->after < 0)
		return file_trouble(target, "be made", error_r);
	str_printf(&line, "%s\n", dn);
	whole = write(target->after, line.data, line.len) == (ssize_t)line.len;
	str_free(&line);
	return whole ? 0 : file_trouble(target, "be written", error_r);
}

int target_ldap_run_after(struct target *target, const char **error_r)
{
	int input, result;

	if (target->after >= 0)
		close(target->after);
	target->after = -1;
	if (*target->settings->after == '\0')
		return 0;
	input = open(target->after_path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (input < 0)
		return errno == ENOENT ? 0 : file_trouble(target, "be read", error_r);
	result = target_run(&target->options, "after", target->settings->after, input,
		"everything was written, and the next run gives it the same names again", error_r);
	close(input);
	if (result == 0 && unlink(target->after_path) < 0)
		return file_trouble(target, "be removed", error_r);
	return result;
}
