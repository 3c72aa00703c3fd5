/* Files, folders, accounts and disks of this machine, and the daemon's process. */
#define _GNU_SOURCE
#include <grp.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "doctor/facts.h"
#include "lib/mem.h"
#include "lib/secret.h"

/* --- who the daemon is ---------------------------------------------------------------------- */

/* The number behind "Name:" in a file of /proc. */
static bool number_of(const char *text, const char *name, int64_t *number_r)
{
	const char *line = strstr(text, name);

	return line != NULL && sscanf(line + strlen(name), "%" SCNd64, number_r) == 1;
}

static bool read_proc(int64_t pid, const char *name, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%" PRId64 "/%s", pid, name);
	FILE *file = fopen(path, "re");
	size_t got = file != NULL ? fread(text, 1, size - 1, file) : 0;
	if (file != NULL)
		fclose(file);
	text[got] = '\0';
	return got > 0;
}

/* The account that it was started under, where restante.conf names none. */
static void take_credentials(const char *text, struct identity *identity)
{
	int64_t uid, gid;

	if (number_of(text, "\nUid:", &uid) && number_of(text, "\nGid:", &gid))
		identity_of((uid_t)uid, (gid_t)gid, identity);
}

void gather_process(struct facts *facts)
{
	int64_t pid = json_get_int(facts->status, "pid", 0), flag = 0;
	struct process_facts *process = &facts->process;
	char text[8192];

	if (pid > 0 && read_proc(pid, "status", text, sizeof(text))) {
		if (!facts->milter.known && !facts->host.user_unknown)
			take_credentials(text, &facts->milter);
		process->no_new_privileges = number_of(text, "\nNoNewPrivs:", &flag) && flag != 0;
		process->seen = read_proc(pid, "limits", text, sizeof(text)) &&
				number_of(text, "Max open files", &process->open_files);
	}
	if (!facts->milter.known && !facts->host.user_unknown)
		identity_of(geteuid(), getegid(), &facts->milter);
}

/* As the milter will be once it has dropped its privileges. */
static void find_milter(struct facts *facts)
{
	const struct config_milter *milter = &facts->config->milter;
	const struct group *group = *milter->group ? getgrnam(milter->group) : NULL;

	facts->host.group_unknown = *milter->group && group == NULL;
	if (*milter->user == '\0')
		return;
	facts->host.user_unknown = !identity_find(milter->user, &facts->milter);
	if (facts->milter.known && group != NULL)
		facts->milter.gid = group->gr_gid;
}

/* --- files and folders ---------------------------------------------------------------------- */

static void look(struct facts *facts, enum place place, const char *path, int mode)
{
	struct place_facts *at = &facts->host.places[place];

	if (path == NULL || *path == '\0' || !facts->milter.known)
		return;
	at->path = path;
	path_look(&facts->milter, path, mode, &at->at);
}

/* path stays the file's: that is what a finding names. */
static void look_at_folder(struct facts *facts, enum place place, const char *path)
{
	char *copy = mem_strdup(path);

	if (*path != '\0')
		look(facts, place, dirname(copy), W_OK | X_OK);
	if (facts->host.places[place].path != NULL)
		facts->host.places[place].path = path;
	mem_free(&copy);
}

/* The daemon makes it at its first start, below a folder that must be there. */
static void look_at_database(struct facts *facts, enum place place, const char *path)
{
	struct path_facts *at = &facts->host.places[place].at;

	look(facts, place, path, R_OK | W_OK | X_OK);
	if (at->reach == REACH_MISSING && strcmp(at->culprit, path) == 0) {
		path_facts_free(at);
		look_at_folder(facts, place, path);
	}
}

static const char *unix_path(const char *notation)
{
	const char *colon = strchr(notation, ':');

	return strncmp(notation, "inet", 4) == 0 || colon == NULL ? "" : colon + 1;
}

static void look_at_places(struct facts *facts)
{
	const struct config *c = facts->config;

	look(facts, PLACE_CONFIG, facts->config_path, R_OK);
	if (c->ldap.bind == LDAP_BIND_SIMPLE)
		look(facts, PLACE_PASSWORD, c->ldap.password_file, R_OK);
	look(facts, PLACE_CA, c->ldap.ca_file, R_OK);
	look(facts, PLACE_CERT, c->ldap.cert_file, R_OK);
	look(facts, PLACE_KEY, c->ldap.key_file, R_OK);
	look(facts, PLACE_RELEASE_CA, c->milter.release_ca_file, R_OK);
	if (c->log.target == LOG_TARGET_FILE)
		look_at_folder(facts, PLACE_LOG, c->log.file);
	look_at_database(facts, PLACE_REPLICA, c->milter.replica_dir);
	look_at_database(facts, PLACE_QUEUE, c->milter.queue_dir);
	look_at_folder(facts, PLACE_SOCKET, unix_path(c->milter.socket));
}

/* Of the folder, or of what is there of the way to it. */
static void measure(const char *path, struct space *space_r)
{
	char *copy = mem_strdup(path);
	struct statfs fs;
	const char *at = copy;

	while (statfs(at, &fs) < 0) {
		if (strcmp(at, "/") == 0 || strcmp(at, ".") == 0) {
			mem_free(&copy);
			return;
		}
		at = dirname(copy);
	}
	space_r->seen = true;
	space_r->free_bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
	space_r->all_bytes = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize;
	space_r->type = (long)fs.f_type;
	mem_free(&copy);
}

/* What a bind would say of the two password files. */
static void find_faults(struct facts *facts)
{
	struct ldap_options options = config_ldap_options(facts->config, NULL);
	const char *error;

	if (ldap_options_check(&options, &error) < 0)
		facts->host.password_fault = mem_strdup(error);
	options.bind = LDAP_BIND_SIMPLE;
	options.password_file = facts->config->cli.password_file;
	if (*facts->config->cli.bind_dn != '\0' && ldap_options_check(&options, &error) < 0)
		facts->host.administrator_fault = mem_strdup(error);
}

static void look_at_system(struct facts *facts, const struct config_system *system)
{
	struct system_files files = { .system = system };
	const char *error;
	char *secret;

	if (*system->ca_file != '\0')
		path_look(&facts->milter, system->ca_file, R_OK, &files.ca);
	if (*system->password_file != '\0') {
		path_look(&facts->milter, system->password_file, R_OK, &files.password);
		if ((secret = secret_read(system->password_file, &error)) == NULL)
			files.fault = mem_strdup(error);
		mem_free_secret(&secret);
	}
	facts->host.systems = mem_grow(
		facts->host.systems, facts->host.system_count + 1, sizeof(*facts->host.systems));
	facts->host.systems[facts->host.system_count++] = files;
}

void gather_host(struct facts *facts)
{
	struct identity we;

	facts->root = geteuid() == 0;
	find_milter(facts);
	gather_process(facts);
	look_at_places(facts);
	identity_of(geteuid(), getegid(), &we);
	if (*facts->config->cli.password_file != '\0')
		path_look(&we, facts->config->cli.password_file, R_OK, &facts->host.administrator);
	identity_free(&we);
	find_faults(facts);
	for (size_t i = 0; facts->milter.known && i < facts->config->systems.count; i++)
		look_at_system(facts, facts->config->systems.items[i]);
	measure(facts->config->milter.replica_dir, &facts->host.replica);
	measure(facts->config->milter.queue_dir, &facts->host.queue);
}
