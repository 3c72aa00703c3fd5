/* Sendmail: reads sendmail.cf and the files that it names, and has the table of its checks. */
#define _GNU_SOURCE
#include "doctor/sendmail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"

#define DEFAULT_CF "/etc/mail/sendmail.cf"
#define FILE_MOST  (8u << 20)

/* --- which one, and where ------------------------------------------------------------------- */

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static bool recognise(const char *queue_list)
{
	struct strings words = { NULL, 0 };
	bool found = false;

	strings_split(queue_list, &words);
	for (size_t i = 0; i < words.count; i++)
		found = found || strcmp(last_part(words.items[i]), "sendmail") == 0 ||
			strcmp(last_part(words.items[i]), "mailq") == 0;
	strings_free(&words);
	return found;
}

/* dir: --mta-config, the file or its folder. */
static char *configuration(const char *queue_list, const char *dir)
{
	struct strings words = { NULL, 0 };
	char *path = NULL;

	if (dir != NULL)
		return strstr(dir, ".cf") != NULL ? mem_strdup(dir)
						  : mem_printf("%s/sendmail.cf", dir);
	strings_split(queue_list, &words);
	for (size_t i = 0; i + 1 < words.count && path == NULL; i++)
		if (strcmp(words.items[i], "-C") == 0)
			path = mem_strdup(words.items[i + 1]);
	strings_free(&words);
	return path != NULL ? path : mem_strdup(DEFAULT_CF);
}

static bool read_file(const char *path, struct str *text_r)
{
	FILE *file = fopen(path, "re");
	char buffer[8192];
	size_t got;

	if (file == NULL)
		return false;
	while (text_r->len < FILE_MOST && (got = fread(buffer, 1, sizeof(buffer), file)) > 0)
		str_append(text_r, buffer, got);
	bool good = ferror(file) == 0;
	fclose(file);
	return good;
}

/* --- the files that it names ---------------------------------------------------------------- */

/* A file that is not there has nothing; one that is and cannot be read is said. */
static void read_named(struct sendmail *s, const char *path, struct str *text_r)
{
	if (read_file(path, text_r) || errno == ENOENT)
		return;
	char *line = mem_printf("%s: %s", path, strerror(errno));
	strings_add(&s->unread, line);
	mem_free(&line);
}

static void read_class(struct sendmail *s, struct sendmail_class *class)
{
	for (size_t i = 0; i < class->files.count; i++) {
		struct strings lines = { NULL, 0 };
		struct str text = STR_INIT;

		read_named(s, class->files.items[i], &text);
		strings_lines(str_cstr(&text), &lines);
		for (size_t k = 0; k < lines.count; k++) {
			lines.items[k][strcspn(lines.items[k], "#")] = '\0';
			strings_split(lines.items[k], &class->words);
		}
		strings_free(&lines);
		str_free(&text);
	}
}

/* Whether a word of the text has a federated domain behind its last "@". */
static bool has_federated(const struct federation *federation, const char *text)
{
	static const char ends[] = " ,\t\"<>;";

	while (*(text += strspn(text, ends)) != '\0') {
		size_t len = strcspn(text, ends);
		char *word = mem_strndup(text, len);
		const char *at = strrchr(word, '@');
		char domain[256] = "";

		for (size_t i = 0; at != NULL && at[i + 1] != '\0' && i + 1 < sizeof(domain); i++) {
			domain[i] = (char)(at[i + 1] >= 'A' && at[i + 1] <= 'Z' ? at[i + 1] + 32
										: at[i + 1]);
			domain[i + 1] = '\0';
		}
		mem_free(&word);
		if (federation_serves(federation, domain))
			return true;
		text += len;
	}
	return false;
}

/* "key: values" or "key TAB values": the keys of the lines that have federated addresses. */
static void find_overlaps(
	const struct federation *federation, const char *text, bool whole, struct strings *overlaps)
{
	struct strings lines = { NULL, 0 };
	const char *key = "";

	strings_lines(text, &lines);
	for (size_t i = 0; i < lines.count; i++) {
		const char *line = lines.items[i];
		bool begins = strchr(" \t", *line) == NULL;
		size_t len = begins ? strcspn(line, ": \t") : 0;

		if (*line == '#')
			continue;
		key = begins ? line : key; /* others continue it */
		if (has_federated(federation, whole ? line : line + len))
			strings_add_len(overlaps, key, strcspn(key, ": \t"));
	}
	strings_free(&lines);
}

/* "hash -o /etc/mail/virtusertable": its source has that name, or with .txt. */
static void read_table(const struct facts *facts, struct sendmail *s, const char *table)
{
	const char *path = strchr(table, '/');
	struct str text = STR_INIT;

	if (path == NULL)
		return;
	char *name = mem_strndup(path, strcspn(path, " \t"));
	char *made = mem_printf("%s.db", name);
	if (!read_file(name, &text) && access(made, F_OK) == 0) {
		char *line = mem_printf("%s: its source is not beside it", made);
		strings_add(&s->unread, line);
		mem_free(&line);
	}
	find_overlaps(facts->directory.federation, str_cstr(&text), true, &s->table_overlaps);
	mem_free(&made);
	mem_free(&name);
	str_free(&text);
}

/* "GreetPause:127.0.0.1 0": without a line of its own this machine has the limits of all. */
static void find_unspared(struct sendmail *s)
{
	const struct {
		bool used;
		const char *key;
	} limits[] = { { s->greet_pause, "GreetPause:127.0.0.1" },
		{ s->rate_control, "ClientRate:127.0.0.1" },
		{ s->connection_control, "ClientConn:127.0.0.1" } };
	const char *path = s->access != NULL ? strchr(s->access, '/') : NULL;
	struct str text = STR_INIT;

	if (path != NULL)
		read_named(s, path, &text);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (limits[i].used && strcasestr(str_cstr(&text), limits[i].key) == NULL)
			strings_add(&s->unspared, limits[i].key);
	str_free(&text);
}

static void read_others(const struct facts *facts, struct sendmail *s)
{
	for (size_t i = 0; i < s->class_count; i++)
		read_class(s, &s->classes[i]);
	find_unspared(s);
	for (size_t i = 0; facts->directory.federation != NULL && i < s->aliases.count; i++) {
		const char *path = strchr(s->aliases.items[i], '/');
		struct str text = STR_INIT;

		if (path != NULL)
			read_named(s, path, &text);
		find_overlaps(facts->directory.federation, str_cstr(&text), false, &s->overlaps);
		str_free(&text);
	}
	for (size_t i = 0; facts->directory.federation != NULL && i < s->tables.count; i++)
		read_table(facts, s, s->tables.items[i]);
}

static void *gather(
	const struct facts *facts, const struct gather_options *options, struct str *error_r)
{
	char *path = configuration(facts->config->milter.queue_list, options->mta_dir);
	struct sendmail *sendmail = NULL;
	struct str text = STR_INIT;

	if (read_file(path, &text)) {
		sendmail = mem_zalloc(sizeof(*sendmail));
		sendmail_parse(str_cstr(&text), sendmail);
		read_others(facts, sendmail);
	} else {
		str_printf(error_r, "%s: %s", path, strerror(errno));
	}
	if (sendmail != NULL && strncmp(facts->config->milter.socket, "inet", 4) != 0)
		path_look(&facts->milter, strchr(facts->config->milter.socket, ':') + 1, W_OK,
			&sendmail->socket);
	mem_free(&path);
	str_free(&text);
	return sendmail;
}

static void free_settings(void *settings)
{
	struct sendmail *sendmail = settings;

	sendmail_free(&sendmail);
}

/* Without a limit as many as come: what Postfix allows by default is assumed. */
static int64_t sessions(const void *settings)
{
	const struct sendmail *sendmail = settings;

	return sendmail->max_children > 0 ? sendmail->max_children : 300;
}

/* --- the table ------------------------------------------------------------------------------ */

static const struct doctor_check checks[] = {
	{ "mta.milter", "each listener has the milter", NEED_MTA, sendmail_check_milter },
	{ "mta.milter-socket", "the MTA looks for the milter where it listens", NEED_MTA,
		sendmail_check_socket },
	{ "mta.milter-order", "the milter is the last in order", NEED_MTA, sendmail_check_order },
	{ "mta.milter-down", "mail waits while the milter is down", NEED_MTA, sendmail_check_down },
	{ "mta.socket-rights", "the MTA, and nobody else, reaches the milter's socket", NEED_MTA,
		sendmail_check_rights },
	{ "mta.queue-settings", "the queue's listing has all that is on its way", NEED_MTA,
		sendmail_check_queue },
	{ "mta.client-limits", "limits for clients spare this machine", NEED_MTA,
		sendmail_check_spared },
	{ "mta.release-limits", "what was taken once is taken again", NEED_MTA,
		sendmail_check_limits },
	{ "mta.domain-class", "the MTA delivers no federated domain itself",
		NEED_MTA | NEED_FEDERATION, sendmail_check_classes },
	{ "mta.relay-domains", "the MTA takes mail for each federated domain",
		NEED_MTA | NEED_FEDERATION, sendmail_check_relay },
	{ "mta.route", "federated domains are routed to the re-entry listener",
		NEED_MTA | NEED_FEDERATION, sendmail_check_route },
	{ "mta.reentry-loop", "the way there is no loop to the MTA", NEED_MTA,
		sendmail_check_loop },
	{ "mta.stale-domains", "no other domain is routed there", NEED_MTA | NEED_FEDERATION,
		sendmail_check_stale },
	{ "mta.virtual-aliases", "virtual aliases leave federated addresses alone",
		NEED_MTA | NEED_FEDERATION, sendmail_check_virtual },
	{ "mta.aliases", "local aliases do not lead to federated addresses",
		NEED_MTA | NEED_FEDERATION, sendmail_check_aliases },
	{ "mta.tables", "the MTA's tables can be asked", NEED_MTA, sendmail_check_tables },
	{ "mta.reentry", "there is a re-entry listener, for this machine alone", NEED_MTA,
		sendmail_check_reentry },
	{ "mta.reentry-milter", "it has the milter", NEED_MTA, sendmail_check_reentry_milter },
	{ "mta.reentry-rewrites", "it rewrites nothing", NEED_MTA,
		sendmail_check_reentry_rewrites },
	{ "mta.release", "there is a release listener, for this machine alone", NEED_MTA,
		sendmail_check_release },
	{ "mta.release-milter", "it has no milter", NEED_MTA, sendmail_check_release_milter },
	{ "mta.release-rewrites", "it rewrites nothing", NEED_MTA,
		sendmail_check_release_rewrites },
	{ NULL, NULL, 0, NULL },
};

const struct mta sendmail_mta = { "Sendmail", "sendmail.cf", recognise, gather, free_settings,
	sessions, checks };
