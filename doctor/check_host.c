/* Configuration, files, folders, disks: judged. */
#include "doctor/checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"

#define MEGABYTE     (UINT64_C(1) << 20)
#define REPLICA_LOW  (UINT64_C(64) * MEGABYTE)
#define OTHERS_READ  0007
#define OTHERS_WRITE 0022
#define NOT_SECRET   0027 /* as the daemon judges its password file */

static const char *milter_name(const struct facts *facts)
{
	return facts->milter.name != NULL ? facts->milter.name : "restante-milter";
}

/* The usual words for a path that the milter cannot use; false: it can. */
static bool report_reach(const struct facts *facts, const char *what, const struct place_facts *at,
	const char *right, struct doctor_report *report)
{
	const char *who = milter_name(facts), *where = at->at.culprit;

	if (at->at.reach == REACH_YES)
		return false;
	if (strcmp(where, at->path) == 0)
		where = "it";
	if (at->at.reach == REACH_MISSING)
		report_error(report, "%s %s: %s is not there" REMEDY "make it, or correct %s", what,
			at->path, where, facts->config_path);
	else if (at->at.reach == REACH_DENIED)
		report_error(report,
			"%s %s: %s may not %s %s" REMEDY "set owner, group or mode for %s", what,
			at->path, who, right, where, who);
	else
		report_unseen(report, "%s %s: you may not look at %s" REMEDY "run this as root",
			what, at->path, where);
	return true;
}

/* --- restante.conf -------------------------------------------------------------------------- */

static void check_parses(const struct facts *facts, struct doctor_report *report)
{
	if (facts->config == NULL)
		report_error(report, "%s" REMEDY "nothing else was looked at", facts->config_error);
}

static void check_readable(const struct facts *facts, struct doctor_report *report)
{
	report_reach(facts, "the settings", &facts->host.places[PLACE_CONFIG], "read", report);
}

/* queue_list is a command: whoever writes the file runs programs as the milter's user. */
static void check_written(const struct facts *facts, struct doctor_report *report)
{
	const struct path_facts *at = &facts->host.places[PLACE_CONFIG].at;

	if (at->exists && (at->st.st_mode & OTHERS_WRITE) != 0)
		report_error(report,
			"%s can be written by others, and names commands that are run" REMEDY
			"chmod go-w %s",
			facts->config_path, facts->config_path);
}

static void check_user(const struct facts *facts, struct doctor_report *report)
{
	const char *user = facts->config->milter.user;

	if (facts->host.user_unknown)
		report_error(report,
			"milter.user is %s, which is no account of this machine" REMEDY
			"adduser --system --group --no-create-home %s, or correct %s",
			user, user, facts->config_path);
}

static void check_group(const struct facts *facts, struct doctor_report *report)
{
	const char *group = facts->config->milter.group;

	if (facts->host.group_unknown)
		report_error(report,
			"milter.group is %s, which is no group of this machine" REMEDY
			"addgroup --system %s, or correct %s",
			group, group, facts->config_path);
}

/* --- secrets -------------------------------------------------------------------------------- */

static void check_password(const struct facts *facts, struct doctor_report *report)
{
	const struct place_facts *at = &facts->host.places[PLACE_PASSWORD];

	if (at->path == NULL || report_reach(facts, "ldap.password_file", at, "read", report))
		return;
	if ((at->at.st.st_mode & NOT_SECRET) != 0)
		report_error(report,
			"ldap.password_file %s can be read by others or written by its "
			"group, and is refused" REMEDY "chmod 600 %s",
			at->path, at->path);
	else if (facts->host.password_fault != NULL && facts->root)
		report_error(report, "%s" REMEDY "write the password into its first line",
			facts->host.password_fault);
}

static void check_administrator(const struct facts *facts, struct doctor_report *report)
{
	const struct path_facts *at = &facts->host.administrator;
	const char *path = facts->config->cli.password_file;

	if (*path == '\0')
		return;
	if (at->reach == REACH_MISSING)
		report_error(report,
			"cli.password_file %s is not there" REMEDY "write it, or correct %s", path,
			facts->config_path);
	else if (at->reach != REACH_YES)
		report_unseen(report,
			"cli.password_file %s cannot be read by you" REMEDY "run this as root",
			path);
	else if ((at->st.st_mode & NOT_SECRET) != 0)
		report_error(report,
			"cli.password_file %s can be read by others or written by its "
			"group, and is refused" REMEDY "chmod 600 %s",
			path, path);
	else if (facts->host.administrator_fault != NULL)
		report_error(report, "cli {}: %s" REMEDY "write the password into its first line",
			facts->host.administrator_fault);
}

static void check_certificates(const struct facts *facts, struct doctor_report *report)
{
	static const struct {
		enum place place;
		const char *key;
	} files[] = { { PLACE_CA, "ldap.ca_file" }, { PLACE_CERT, "ldap.cert_file" },
		{ PLACE_KEY, "ldap.key_file" }, { PLACE_RELEASE_CA, "milter.release_ca_file" } };
	const struct place_facts *key = &facts->host.places[PLACE_KEY];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (facts->host.places[files[i].place].path != NULL)
			report_reach(facts, files[i].key, &facts->host.places[files[i].place],
				"read", report);
	if (key->path != NULL && key->at.exists && (key->at.st.st_mode & OTHERS_READ) != 0)
		report_error(report, "ldap.key_file %s can be read by others" REMEDY "chmod 600 %s",
			key->path, key->path);
}

/* Of system NAME {}. */
static void check_system_files(const struct facts *facts, struct doctor_report *report)
{
	for (size_t i = 0; i < facts->host.system_count; i++) {
		const struct system_files *files = &facts->host.systems[i];
		const struct place_facts ca = { files->system->ca_file, files->ca };
		const struct place_facts password = { files->system->password_file,
			files->password };

		if (*ca.path != '\0')
			report_reach(facts, "system {}: ca_file", &ca, "read", report);
		if (*password.path == '\0' ||
			report_reach(facts, "system {}: password_file", &password, "read", report))
			continue;
		if (files->fault != NULL && facts->root)
			report_error(report,
				"system %s {}: %s" REMEDY
				"chmod 600, and the password in its first line",
				files->system->name, files->fault);
	}
}

/* --- folders and disks ---------------------------------------------------------------------- */

static void check_log(const struct facts *facts, struct doctor_report *report)
{
	const struct place_facts *at = &facts->host.places[PLACE_LOG];

	if (at->path != NULL)
		report_reach(facts, "log.file", at, "write to", report);
}

static void check_folder(
	const struct facts *facts, enum place place, const char *key, struct doctor_report *report)
{
	const struct place_facts *at = &facts->host.places[place];

	if (at->path == NULL || report_reach(facts, key, at, "use", report))
		return;
	if ((at->at.st.st_mode & OTHERS_WRITE) != 0)
		report_error(report, "%s %s can be written by others" REMEDY "chmod 700 %s", key,
			at->path, at->path);
}

static void check_replica_folder(const struct facts *facts, struct doctor_report *report)
{
	check_folder(facts, PLACE_REPLICA, "milter.replica_dir", report);
}

static void check_queue_folder(const struct facts *facts, struct doctor_report *report)
{
	check_folder(facts, PLACE_QUEUE, "milter.queue_dir", report);
}

static void report_space(struct doctor_report *report, const char *what, const char *path,
	uint64_t free_bytes, bool serious)
{
	if (serious)
		report_error(report,
			"%s: %" PRIu64 " MB are free at %s: mail for held mailboxes gets 452" REMEDY
			"make space there, or lower milter.queue_free",
			what, free_bytes / MEGABYTE, path);
	else
		report_warning(report,
			"%s: no more than %" PRIu64 " MB are free at %s" REMEDY "make space there",
			what, free_bytes / MEGABYTE, path);
}

static void check_queue_space(const struct facts *facts, struct doctor_report *report)
{
	const struct config_milter *milter = &facts->config->milter;
	const struct space *space = &facts->host.queue;
	uint64_t reserve = (uint64_t)milter->queue_free;

	if (!space->seen)
		report_unseen(report,
			"the disk of milter.queue_dir %s cannot be looked at" REMEDY
			"run this as root",
			milter->queue_dir);
	else if (space->free_bytes <= reserve)
		report_space(report, "the hold queue's disk", milter->queue_dir, space->free_bytes,
			true);
	else if (space->free_bytes - reserve < reserve / 2)
		report_space(report, "the hold queue's disk", milter->queue_dir, space->free_bytes,
			false);
}

/* A limit that the disk cannot keep limits nothing. */
static void check_queue_limit(const struct facts *facts, struct doctor_report *report)
{
	const struct config_milter *milter = &facts->config->milter;
	const struct space *space = &facts->host.queue;

	if (space->seen && (uint64_t)milter->queue_bytes > space->all_bytes)
		report_warning(report,
			"milter.queue_bytes is %" PRId64
			" MB, more than the whole disk of %s" REMEDY
			"set it to what mail may take there",
			milter->queue_bytes / (int64_t)MEGABYTE, milter->queue_dir);
}

static void check_replica_space(const struct facts *facts, struct doctor_report *report)
{
	const struct space *space = &facts->host.replica;

	if (!space->seen)
		report_unseen(report,
			"the disk of milter.replica_dir %s cannot be looked at" REMEDY
			"run this as root",
			facts->config->milter.replica_dir);
	else if (space->free_bytes < REPLICA_LOW)
		report_space(report, "the replica's disk", facts->config->milter.replica_dir,
			space->free_bytes, false);
}

/* Magic numbers of statfs(2): shared memory of a database does not go over a network. */
static bool is_network(long type)
{
	static const long types[] = { 0x6969 /* NFS */, 0x517b /* SMB */, 0xff534d42 /* CIFS */,
		0xfe534d42 /* SMB2 */, 0x5346414f /* AFS */, 0x564c /* NCP */,
		0x00c36400 /* CEPH */, 0x01021997 /* 9P */ };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i] == type)
			return true;
	return false;
}

static void check_file_system(const struct facts *facts, struct doctor_report *report)
{
	const struct config_milter *milter = &facts->config->milter;

	if (facts->host.queue.seen && is_network(facts->host.queue.type))
		report_error(report,
			"milter.queue_dir %s is on a network file system" REMEDY
			"move it to a local disk",
			milter->queue_dir);
	if (facts->host.replica.seen && is_network(facts->host.replica.type))
		report_error(report,
			"milter.replica_dir %s is on a network file system" REMEDY
			"move it to a local disk; it can be rebuilt",
			milter->replica_dir);
}

const struct doctor_check doctor_host_checks[] = {
	{ "config.parses", "restante.conf is read without an error", 0, check_parses },
	{ "config.readable", "the milter's user can read restante.conf for a reload", NEED_CONFIG,
		check_readable },
	{ "config.written", "nobody else can write restante.conf", NEED_CONFIG, check_written },
	{ "config.user", "milter.user is an account", NEED_CONFIG, check_user },
	{ "config.group", "milter.group is a group", NEED_CONFIG, check_group },
	{ "config.password", "the milter's user alone can read ldap.password_file", NEED_CONFIG,
		check_password },
	{ "config.administrator", "nobody else can read cli.password_file", NEED_CONFIG,
		check_administrator },
	{ "config.certificates", "the milter's user can read certificates and key", NEED_CONFIG,
		check_certificates },
	{ "config.systems", "the milter's user alone can read the files of system {}", NEED_CONFIG,
		check_system_files },
	{ "config.log", "the milter's user can write to the folder of log.file", NEED_CONFIG,
		check_log },
	{ "host.queue-folder", "milter.queue_dir is the milter's, and nobody else's", NEED_CONFIG,
		check_queue_folder },
	{ "host.replica-folder", "milter.replica_dir is the milter's, and nobody else's",
		NEED_CONFIG, check_replica_folder },
	{ "host.queue-space", "there is space to hold mail", NEED_CONFIG, check_queue_space },
	{ "host.queue-limit", "milter.queue_bytes is less than the disk", NEED_CONFIG,
		check_queue_limit },
	{ "host.replica-space", "there is space for the replica", NEED_CONFIG,
		check_replica_space },
	{ "host.file-system", "both databases are on a local file system", NEED_CONFIG,
		check_file_system },
	{ NULL, NULL, 0, NULL },
};
