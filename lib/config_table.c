#include "lib/config_table.h"

#include <string.h>

#include "lib/config.h"
#include "lib/config_key.h"

const char *const config_bind_names[] = { "anonymous", "simple", "external", NULL };
static const char *const log_names[] = { "stderr", "syslog", "file", "journal", NULL };
static const char *const file_modes[] = { "0600", "0640", NULL };
static const char *const level_names[] = { "error", "warning", "info", "debug", NULL };
static const char *const tls_names[] = { "none", "may", "encrypt", "verify", NULL };
static const char *const tls_versions[] = { "1.2", "1.3", NULL }; /* enum tls_version */

static const char *const source_names[] = { "ldap", "ldif", "csv", "command", NULL };
static const char *const target_names[] = { "ldap", "ldif", "csv", "vcard", "command", NULL };
static const char *const scope_names[] = { "base", "one", "sub", NULL };
static const char *const delta_names[] = { "none", "modifyTimestamp", "usn", "syncrepl", NULL };
static const char *const format_names[] = { "ldif", "csv", NULL };

/* clang-format off */
static const struct config_key ldap_keys[] = {
	{ KEY(ldap, uri, STRING, ""), .check = config_check_uris,
	  .help = "directory servers to read from, space-separated, tried in order" },
	{ KEY(ldap, write_uri, STRING, ""), .check = config_check_uri, .derived = "the first of uri",
	  .help = "the one directory server that takes every write" },
	{ KEY(ldap, base, STRING, ""),
	  .help = "DN of the federated tree" },
	LDAP_CLIENT_KEYS(ldap, false),
	{ KEY(ldap, timeout, DURATION, "10s"), .min = MS(100), .max = MINUTES(10),
	  .help = "of connecting and of each operation" },
};

static const struct config_key log_keys[] = {
	{ KEY(log, target, CHOICE, "syslog"), .choices = log_names, .reloadable = true,
	  .help = "where log lines go" },
	{ KEY(log, file, STRING, ""), .check = config_check_file, .reloadable = true,
	  .help = "for target = file; opened anew on SIGHUP" },
	{ KEY(log, file_mode, WORD, "0600"), .choices = file_modes, .reloadable = true,
	  .help = "mode of that file where it is made; 0640: its group may read it" },
	{ KEY(log, level, CHOICE, "info"), .choices = level_names, .reloadable = true,
	  .help = "the least important lines that are written" },
};

static const struct config_key milter_keys[] = {
	{ KEY(milter, node, STRING, ""), .check = config_check_node,
	  .derived = "the host name up to its first dot",
	  .help = "name of this front door, that of its entry below ou=nodes" },
	{ KEY(milter, hostname, STRING, ""), .check = config_check_node, .derived = "the host name",
	  .help = "name given in EHLO, in Received fields and in notices" },
	{ KEY(milter, socket, STRING, "unix:/var/spool/postfix/restante/milter.sock"),
	  .check = config_check_listen,
	  .help = "where the MTA connects; a unix socket is five times as fast as TCP" },
	{ KEY(milter, socket_mode, MODE, "0660"), .max = 0777,
	  .help = "mode of that unix socket" },
	{ KEY(milter, user, STRING, "restante"),
	  .help = "run as that user when started by root; empty: stay" },
	{ KEY(milter, group, STRING, "restante"),
	  .help = "run in that group, which may also use the control socket; empty: the user's" },
	{ KEY(milter, control_socket, STRING, RUNSTATEDIR "/restante/milter.sock"),
	  .check = config_check_socket,
	  .help = "where restante(1) connects" },
	{ KEY(milter, replica_dir, STRING, LOCALSTATEDIR "/lib/restante/replica"),
	  .check = config_check_path,
	  .help = "database of the replica; it can be rebuilt" },
	{ KEY(milter, queue_dir, STRING, LOCALSTATEDIR "/lib/restante/queue"),
	  .check = config_check_path,
	  .help = "database of held mail, on a local disk; it cannot be rebuilt" },
	{ KEY(milter, replica_cache, SIZE, "64M"), .min = KIB(256), .max = TIB(1),
	  .help = "memory for pages of the replica" },
	{ KEY(milter, queue_cache, SIZE, "32M"), .min = KIB(256), .max = TIB(1),
	  .help = "memory for pages of the queue" },
	{ KEY(milter, recipient_delimiter, STRING, "+"), .check = config_check_delimiters,
	  .reloadable = true,
	  .help = "characters that begin a subaddress; empty: there are none" },
	{ KEY(milter, carry_detail, BOOL, "true"), .reloadable = true,
	  .help = "put the subaddress at the end of the physical local part" },
	{ KEY(milter, postmaster, STRING, ""), .check = config_check_physical, .reloadable = true,
	  .help = "physical address for postmaster of a federated domain that has no such mailbox" },
	{ KEY(milter, vanish_grace, DURATION, "5m"), .max = DAYS(1), .reloadable = true,
	  .help = "an address that vanished that lately is answered 451" },
	{ KEY(milter, heartbeat, DURATION, "10s"), .min = MS(100), .max = HOURS(1),
	  .help = "period of the heartbeat; a replica without one for three of them is not current" },
	{ KEY(milter, late_commit, DURATION, "2s"), .max = MINUTES(5), .reloadable = true,
	  .help = "how long the MTA may take to queue a message after it was answered" },
	{ KEY(milter, mass_delete, NUMBER, "10"), .max = 100, .reloadable = true,
	  .help = "percent of all mailboxes; more vanishing at once wait for restante node approve" },
	{ KEY(milter, reentry_daemon_name, STRING, "restante-reentry"),
	  .help = "{daemon_name} of the MTA's re-entry listener" },
	{ KEY(milter, queue_list, STRING, "postqueue -j"), .check = config_check_command,
	  .reloadable = true,
	  .help = "command that lists the MTA's queue" },
	{ KEY(milter, queue_list_timeout, DURATION, "30s"), .min = SECONDS(1), .max = HOURS(1),
	  .reloadable = true, .help = "of that command" },
	{ KEY(milter, queue_bytes, SIZE, "0"), .max = INT64_MAX, .reloadable = true,
	  .help = "most content held in all; 0 = no limit" },
	{ KEY(milter, queue_free, SIZE, "512M"), .max = INT64_MAX, .reloadable = true,
	  .help = "space that holding leaves free on the file system of queue_dir" },
	{ KEY(milter, mailbox_bytes, SIZE, "0"), .max = INT64_MAX, .reloadable = true,
	  .help = "most content held for one mailbox; 0 = no limit" },
	{ KEY(milter, release_listener, STRING, "smtp:127.0.0.1:10026"), .check = config_check_relay,
	  .reloadable = true,
	  .help = "the MTA's listener that takes released mail and has no milter" },
	{ KEY(milter, release_tls, WORD, "none"), .choices = tls_names, .reloadable = true,
	  .help = "STARTTLS there: never, if offered, always, always with a name that is checked" },
	{ KEY(milter, release_ca_file, STRING, ""), .check = config_check_file, .reloadable = true,
	  .derived = "the system's",
	  .help = "certificates (PEM) for release_tls = verify" },
	{ KEY(milter, release_workers, NUMBER, "8"), .min = 1, .max = 64, .reloadable = true,
	  .help = "mailboxes released in parallel" },
	{ KEY(milter, release_expire, DURATION, "5d"), .min = SECONDS(1), .max = DAYS(365),
	  .reloadable = true,
	  .help = "a message refused with 4xx for that long after its release began is returned" },
	{ KEY(milter, delay_notice, DURATION, "4h"), .max = DAYS(365), .reloadable = true,
	  .help = "the sender of a message held that long is told; 0 = never" },
	{ KEY(milter, notice_bytes, SIZE, "64K"), .max = KIB(65536), .reloadable = true,
	  .help = "larger messages are returned to their senders by the header alone" },
	{ KEY(milter, hop_limit, NUMBER, "50"), .max = 10000, .reloadable = true,
	  .help = "a held message with more Received fields is returned, not released; 0 = no limit" },
	{ KEY(milter, release_retry_min, DURATION, "10s"), .min = MS(100), .max = DAYS(1),
	  .reloadable = true, .help = "first pause after a 4xx or trouble" },
	{ KEY(milter, release_retry_max, DURATION, "30m"), .min = MS(100), .max = DAYS(7),
	  .reloadable = true, .help = "longest pause, reached by doubling" },
	{ KEY(milter, metrics, BOOL, "false"), .reloadable = true,
	  .help = "serve metrics for Prometheus" },
	{ KEY(milter, metrics_listen, STRING, "127.0.0.1:9811"), .check = config_check_metrics,
	  .reloadable = true,
	  .help = "where they are served: http://ADDRESS:PORT/metrics" },
	{ KEY(milter, stop_timeout, DURATION, "30s"), .max = HOURS(1), .reloadable = true,
	  .help = "transactions in flight get that long at a stop" },
};

static const struct config_key system_keys[] = {
	{ KEY(system, connections, NUMBER, "0"), .max = 64, .reloadable = true,
	  .help = "most connections at once from this front door; 0 = as many as release_workers" },
	{ KEY(system, rate, NUMBER, "0"), .max = 1000000, .reloadable = true,
	  .help = "most messages per second from this front door; 0 = no limit" },
	{ KEY(system, ca_file, STRING, ""), .check = config_check_file, .reloadable = true,
	  .derived = "milter.release_ca_file",
	  .help = "certificates (PEM) that its own is checked against" },
	{ KEY(system, certificate_name, STRING, ""), .check = config_check_host, .reloadable = true,
	  .derived = "the host of restanteReleaseAddress",
	  .help = "name that its certificate must have" },
	{ KEY(system, tls_minimum, CHOICE, "1.2"), .choices = tls_versions, .reloadable = true,
	  .help = "oldest version of TLS that is spoken with it" },
	{ KEY(system, auth_user, STRING, ""), .reloadable = true,
	  .help = "name for AUTH; empty: none" },
	{ KEY(system, password_file, STRING, ""), .check = config_check_file, .reloadable = true,
	  .help = "file whose first line is its password; no one else may read it" },
	{ KEY(system, auth_in_clear, BOOL, "false"), .reloadable = true,
	  .help = "send the password without TLS, too" },
};

static const struct config_key cli_keys[] = {
	{ KEY(cli, control_socket, STRING, ""), .reloadable = true,
	  .derived = "that of milter {}",
	  .help = "socket of the restante-milter to talk to" },
	{ KEY(cli, swap_timeout, DURATION, "5s"), .min = MS(100), .max = DAYS(7), .reloadable = true,
	  .help = "how long restante swap waits for the fence" },
	{ KEY(cli, wait_timeout, DURATION, "5m"), .min = MS(100), .max = DAYS(7), .reloadable = true,
	  .help = "the same with --wait" },
	{ KEY(cli, mta_log, STRING, ""), .check = config_check_file, .reloadable = true,
	  .derived = "/var/log/mail.log, or the journal",
	  .help = "the MTA's log, for restante trace" },
	{ KEY(cli, bind_dn, STRING, ""), .reloadable = true, .derived = "the bind of ldap {}",
	  .help = "DN of the administrator's own simple bind" },
	{ KEY(cli, password_file, STRING, ""), .check = config_check_file, .reloadable = true,
	  .help = "its password" },
};

static const struct config_key dirsync_keys[] = {
	{ KEY(dirsync, state_dir, STRING, LOCALSTATEDIR "/lib/restante/sync"),
	  .check = config_check_path, .help = "where snapshots are kept" },
	{ KEY(dirsync, control_socket, STRING, RUNSTATEDIR "/restante/dirsync.sock"),
	  .check = config_check_socket, .help = "socket for restante sync" },
	{ KEY(dirsync, user, STRING, "restante"),
	  .help = "run as that user when started by root; empty: stay" },
	{ KEY(dirsync, group, STRING, "restante"),
	  .help = "group to run as, and of the control socket" },
	{ KEY(dirsync, holder, STRING, ""), .check = config_check_node,
	  .derived = "the host name", .help = "name in leases; no two hosts may share it" },
	{ KEY(dirsync, bind_dn, STRING, ""), .derived = "the bind of ldap {}",
	  .help = "DN of its own simple bind" },
	{ KEY(dirsync, password_file, STRING, ""), .check = config_check_file,
	  .help = "its password" },
	{ KEY(dirsync, lease, DURATION, "1m"), .min = SECONDS(5), .max = HOURS(1),
	  .reloadable = true,
	  .help = "after that time without a sign of life another host may sync the system" },
	{ KEY(dirsync, window, NUMBER, "16"), .min = 1, .max = 1000, .reloadable = true,
	  .help = "writes that wait for the directory's answer at once" },
	{ KEY(dirsync, window_moving, NUMBER, "2"), .min = 1, .max = 1000, .reloadable = true,
	  .help = "the same while a move stands between hold and swap" },
	{ KEY(dirsync, cache, SIZE, "16M"), .min = KIB(1024), .max = TIB(1),
	  .help = "memory for the snapshot of a system" },
	{ KEY(dirsync, metrics, BOOL, "false"), .reloadable = true,
	  .help = "serve metrics for Prometheus" },
	{ KEY(dirsync, metrics_listen, STRING, "127.0.0.1:9812"), .check = config_check_metrics,
	  .reloadable = true,
	  .help = "where they are served: http://ADDRESS:PORT/metrics" },
	{ KEY(dirsync, stop_timeout, DURATION, "30s"), .min = SECONDS(1), .max = HOURS(1),
	  .reloadable = true, .help = "what is under way gets that long at a stop" },
};

static const struct config_key up_keys[] = {
	{ KEY(up, source, WORD, "ldap"), .choices = source_names, .reloadable = true,
	  .help = "where the system's mailboxes are read" },
	{ KEY(up, every, DURATION, "10m"), .max = DAYS(365), .reloadable = true,
	  .help = "time between runs; 0s: only when asked" },
	{ KEY(up, full_every, DURATION, "1d"), .max = DAYS(365), .reloadable = true,
	  .help = "time between runs that read everything" },
	{ KEY(up, time_limit, DURATION, "1h"), .min = SECONDS(1), .max = DAYS(7),
	  .reloadable = true, .help = "a pull that takes longer is given up" },
	{ KEY(up, id, STRING, "entryUUID"), .reloadable = true,
	  .help = "attribute or column of the stable id" },
	{ KEY(up, addresses, STRING, "mail"), .reloadable = true,
	  .help = "attributes or columns of access addresses" },
	{ KEY(up, primary, STRING, "mail"), .reloadable = true,
	  .help = "attribute or column of the address that is shown" },
	{ KEY(up, proxy_addresses, STRING, ""), .reloadable = true,
	  .help = "attributes whose values begin with SMTP:, smtp:, X500: or X400:" },
	{ KEY(up, foreign, STRING, ""), .reloadable = true,
	  .help = "attributes of X500 addresses without a prefix, such as legacyExchangeDN" },
	{ KEY(up, physical, STRING, ""), .reloadable = true,
	  .help = "template of the physical address, \"%{uid}@s1.internal\"" },
	{ KEY(up, attributes, STRING, "cn=cn sn=sn givenName=givenName displayName=displayName"),
	  .reloadable = true,
	  .help = "DIRECTORY=SOURCE of what the system decides" },
	{ KEY(up, attributes_once, STRING, ""), .reloadable = true,
	  .help = "DIRECTORY=SOURCE of what is written only where the directory has none" },
	{ KEY(up, container, STRING, ""), .reloadable = true,
	  .derived = "ou=people below ldap.base", .help = "where new mailboxes go" },
	{ KEY(up, object_class, STRING, "inetOrgPerson"), .reloadable = true,
	  .help = "structural class of new mailboxes" },
	{ KEY(up, marker, STRING, "employeeType=restante"), .reloadable = true,
	  .help = "ATTRIBUTE=VALUE of contacts of a down sync whose section is not here" },
	{ KEY(up, max_delete, NUMBER, "100"), .max = INT32_MAX, .reloadable = true,
	  .help = "more deletions wait for restante sync approve" },
	{ KEY(up, max_delete_percent, NUMBER, "5"), .max = 100, .reloadable = true,
	  .help = "the same as a share of the system's mailboxes; at least 3 are never too many" },
	{ KEY(up, lost_percent, NUMBER, "5"), .max = 100, .reloadable = true,
	  .help = "an attribute that more of the entries have lost stops the run" },
	{ KEY(up, grace, DURATION, "1w"), .max = DAYS(365), .reloadable = true,
	  .help = "vanished mailboxes and removed addresses are still routed that long" },
	{ KEY(up, new_system, BOOL, "false"), .reloadable = true,
	  .help = "the system may be empty" },
	{ KEY(up, uri, STRING, ""), .check = config_check_uris, .reloadable = true,
	  .help = "its LDAP server" },
	LDAP_CLIENT_KEYS(up, true),
	{ KEY(up, timeout, DURATION, "10s"), .min = MS(100), .max = HOURS(1), .reloadable = true,
	  .help = "connect, and silence in the middle of a result" },
	{ KEY(up, base, STRING, ""), .reloadable = true, .help = "search base" },
	{ KEY(up, scope, WORD, "sub"), .choices = scope_names, .reloadable = true,
	  .help = "search scope" },
	{ KEY(up, filter, STRING, "(mail=*)"), .reloadable = true, .help = "search filter" },
	{ KEY(up, page, NUMBER, "500"), .max = 100000, .reloadable = true,
	  .help = "entries per page (RFC 2696); 0: no pages" },
	{ KEY(up, delta, WORD, "none"), .choices = delta_names, .reloadable = true,
	  .help = "how changes alone are read" },
	{ KEY(up, delta_margin, DURATION, "10m"), .max = DAYS(1), .reloadable = true,
	  .help = "overlap of modifyTimestamp deltas" },
	{ KEY(up, delta_server, STRING, ""), .check = config_check_uri, .reloadable = true,
	  .derived = "the first of uri", .help = "the one domain controller for delta = usn" },
	{ KEY(up, folder, STRING, ""), .check = config_check_file, .reloadable = true,
	  .help = "drop folder for source = ldif or csv" },
	{ KEY(up, separator, STRING, ","), .check = config_check_separator, .reloadable = true,
	  .help = "of CSV columns" },
	{ KEY(up, value_separator, STRING, "|"), .check = config_check_value_separator,
	  .reloadable = true, .help = "of values in a CSV column; empty: a column has one value" },
	{ KEY(up, end_mark, BOOL, "false"), .reloadable = true,
	  .help = "only what has the line \"# end COUNT\" at its end is complete" },
	{ KEY(up, command, STRING, ""), .reloadable = true,
	  .help = "program that prints the mailboxes, for source = command" },
	{ KEY(up, format, WORD, "ldif"), .choices = format_names, .reloadable = true,
	  .help = "what it prints" },
};

static const struct config_key down_keys[] = {
	{ KEY(down, target, WORD, "ldap"), .choices = target_names, .reloadable = true,
	  .help = "where everyone else's addresses are written" },
	{ KEY(down, every, DURATION, "10m"), .max = DAYS(365), .reloadable = true,
	  .help = "time between runs; 0s: only after swaps and when asked" },
	{ KEY(down, time_limit, DURATION, "1h"), .min = SECONDS(1), .max = DAYS(7),
	  .reloadable = true, .help = "a run that takes longer is given up" },
	{ KEY(down, max_delete, NUMBER, "100"), .max = INT32_MAX, .reloadable = true,
	  .help = "more contacts to be deleted wait for restante sync approve" },
	{ KEY(down, max_delete_percent, NUMBER, "5"), .max = 100, .reloadable = true,
	  .help = "the same as a share of the contacts; at least 3 are never too many" },
	{ KEY(down, lost_percent, NUMBER, "5"), .max = 100, .reloadable = true,
	  .help = "an attribute that more of the contacts would lose stops the run" },
	{ KEY(down, uri, STRING, ""), .check = config_check_uris, .reloadable = true,
	  .help = "its LDAP server" },
	LDAP_CLIENT_KEYS(down, true),
	{ KEY(down, timeout, DURATION, "10s"), .min = MS(100), .max = HOURS(1), .reloadable = true,
	  .help = "of connect and of each operation" },
	{ KEY(down, container, STRING, ""), .reloadable = true,
	  .help = "DN below which the contacts are" },
	{ KEY(down, search_base, STRING, ""), .reloadable = true,
	  .help = "below it nobody else may have an address of a contact" },
	{ KEY(down, search_addresses, STRING, "mail"), .reloadable = true,
	  .help = "attributes that have addresses there" },
	{ KEY(down, object_class, STRING, "inetOrgPerson"), .reloadable = true,
	  .help = "classes of contacts" },
	{ KEY(down, rdn, STRING, "cn"), .reloadable = true,
	  .help = "attribute of the DN; its value is the federation's id" },
	{ KEY(down, marker, STRING, "employeeType=restante"), .reloadable = true,
	  .help = "ATTRIBUTE=VALUE that says that a contact is ours" },
	{ KEY(down, attributes, STRING,
	  "sn=%{sn|cn} displayName=%{displayName} mail=%{primary}"), .reloadable = true,
	  .help = "ATTRIBUTE=TEMPLATE of a contact" },
	{ KEY(down, after, STRING, ""), .reloadable = true,
	  .help = "command that gets the changed DNs, a line each" },
	{ KEY(down, file, STRING, ""), .check = config_check_file, .reloadable = true,
	  .help = "file for target = ldif, csv or vcard" },
	{ KEY(down, command, STRING, ""), .reloadable = true,
	  .help = "program that gets the changes, for target = command" },
	{ KEY(down, format, WORD, "ldif"), .choices = format_names, .reloadable = true,
	  .help = "in which form" },
};

static const struct config_section sections[] = {
	SECTION(ldap, "the directory"),
	SECTION(log, "log lines of all programs"),
	SECTION(milter, "restante-milter(8)"),
	SECTION(cli, "restante(1)"),
	SECTION(dirsync, "restante-dirsync(8)"),
	TITLED(system, systems, config_check_system, "a backend that takes released mail straight"),
	TITLED(up, ups, config_check_system, "where the mailboxes of a system are read"),
	TITLED(down, downs, config_check_system, "where everyone else's addresses are written for a system"),
};
/* clang-format on */

const struct config_section *config_section_at(size_t index)
{
	const size_t count = sizeof sections / sizeof sections[0];

	if (index < count)
		return &sections[index];
	return index - count < CONFIG_CONTROL_SECTIONS ? &config_control_sections[index - count]
						       : NULL;
}

const struct config_section *config_section_find(const char *name)
{
	const struct config_section *section;

	for (size_t i = 0; (section = config_section_at(i)) != NULL; i++)
		if (strcmp(section->name, name) == 0)
			return section;
	return NULL;
}

const struct config_key *config_key_find(const struct config_section *section, const char *name)
{
	for (size_t i = 0; i < section->count; i++)
		if (strcmp(section->keys[i].name, name) == 0)
			return &section->keys[i];
	return NULL;
}
