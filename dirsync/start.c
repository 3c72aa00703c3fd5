#define _GNU_SOURCE
#include "dirsync/start.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "dirsync/mapping.h"
#include "dirsync/reconcile.h"
#include "dirsync/source.h"
#include "dirsync/target.h"
#include "lib/journal.h"
#include "lib/log.h"
#include "lib/mem.h"

struct config *start_config(const char *path, struct str *error_r)
{
	const char *error = NULL;
	struct config *config = config_load_directory(path, &error);

	if (config == NULL)
		str_append_z(error_r, error);
	return config;
}

/* --- the settings of each system ---------------------------------------------------------------
 */

static bool tell(const struct config *config, const char *error, FILE *out)
{
	fprintf(out, "%s: %s\n", config->path, error);
	return false;
}

static bool check_up(const struct config *config, const struct config_up *up, FILE *out)
{
	const struct source_kind *kind = source_kind_find(up->source);
	const char *error = "";
	struct mapping *mapping = mapping_new(up, &error);

	if (mapping == NULL)
		return tell(config, error, out);
	mapping_free(&mapping);
	struct reconcile_policy *policy = reconcile_policy_new(up, &error);
	if (policy == NULL)
		return tell(config, error, out);
	reconcile_policy_free(&policy);
	if (kind == NULL) {
		fprintf(out, "%s: up %s.source: there is no connector %s\n", config->path, up->name,
			up->source);
		return false;
	}
	return kind->check(up, &error) == 0 || tell(config, error, out);
}

static bool check_down(const struct config *config, const struct config_down *down, FILE *out)
{
	const struct target_kind *kind = target_kind_find(down->target);
	const char *error = "";

	if (kind == NULL) {
		fprintf(out, "%s: down %s.target: there is no connector %s\n", config->path,
			down->name, down->target);
		return false;
	}
	return kind->check(down, &error) == 0 || tell(config, error, out);
}

bool start_check(const struct config *config, FILE *out)
{
	const struct ldap_options options = config_dirsync_options(config);
	const char *error;
	bool good = ldap_options_check(&options, &error) == 0 || tell(config, error, out);

	for (size_t i = 0; i < config->ups.count; i++)
		good = check_up(config, config->ups.items[i], out) && good;
	for (size_t i = 0; i < config->downs.count; i++)
		good = check_down(config, config->downs.items[i], out) && good;
	return good;
}

/* --- the process -------------------------------------------------------------------------------
 */

static int make_parent(struct privileges *privileges, const char *path, struct str *error_r)
{
	char *copy = mem_strdup(path);
	int done = privileges_folder(privileges, dirname(copy), 0750, error_r);

	mem_free(&copy);
	return done;
}

int start_privileges(
	const struct config *config, struct privileges *privileges_r, struct str *error_r)
{
	const struct config_dirsync *d = &config->dirsync;

	if (privileges_find("dirsync", d->user, d->group, privileges_r, error_r) < 0 ||
		make_parent(privileges_r, d->state_dir, error_r) < 0 ||
		make_parent(privileges_r, d->control_socket, error_r) < 0 ||
		privileges_folder(privileges_r, d->state_dir, 0700, error_r) < 0)
		return -1;
	return privileges_drop(privileges_r, error_r);
}

int start_log(const struct config_log *log, struct str *error_r)
{
	const char *error;

	log_set_level(log->level);
	log_set_file_mode((mode_t)strtoul(log->file_mode, NULL, 8));
	if (log_open(DIRSYNC_IDENT, log->target, log->file, &error) == 0)
		return 0;
	str_printf(error_r, "%s: %s; the user of dirsync {} must be able to write it",
		*log->file ? log->file : JOURNAL_SOCKET, error);
	return -1;
}

static void note_pid(int fd)
{
	/* only for people who read the refusal: a full disk must not keep us from starting */
	if (ftruncate(fd, 0) != 0 || dprintf(fd, "%ld\n", (long)getpid()) < 0)
		log_debug("dirsync", "our pid cannot be noted in LOCK");
}

int start_lock(const struct config *config, bool *busy_r, struct str *error_r)
{
	const char *dir = config->dirsync.state_dir;
	char *path = mem_printf("%s/LOCK", dir), pid[32] = "";
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	*busy_r = false;
	if (fd < 0) {
		str_printf(error_r, "%s: %s: check owner and mode", path, strerror(errno));
	} else if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		note_pid(fd);
	} else {
		ssize_t len = pread(fd, pid, sizeof pid - 1, 0);
		pid[len > 0 ? strcspn(pid, "\n") : 0] = '\0';
		str_printf(error_r,
			"%s: in use by process %s, a restante-dirsync of this host: ask it with "
			"`restante sync run`, or stop it first",
			dir, pid[0] ? pid : "(unknown)");
		*busy_r = true;
		close(fd);
		fd = -1;
	}
	mem_free(&path);
	return fd;
}
