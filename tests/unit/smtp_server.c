#define _GNU_SOURCE
#include "tests/unit/smtp_server.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/str.h"

#define CONNECTIONS_MAX 512
#define RULES_MAX       16

struct server {
	pthread_mutex_t lock;
	pthread_t acceptor;
	bool lmtp, stop;
	char *ehlo;
	char listener[128];
	char path[100]; /* of the unix socket, "" = TCP */
	int fd;
	struct server_rule rules[RULES_MAX];
	int seen[RULES_MAX];
	struct server_mail *mails[16384];
	size_t mail_count;
	int connections, open, most;
	struct str heard; /* of AUTH */
	int verbs[26];
	pthread_t threads[CONNECTIONS_MAX];
	int fds[CONNECTIONS_MAX];
};

struct session {
	struct server *server;
	FILE *in;
	int fd, number;
	struct str sender, recipients, content;
	char *accepted[1024];
	size_t count;
	bool over, left;
};

/* The reply that the rules have for this, or the usual one. */
static const char *answer(
	struct server *server, const char *verb, const char *text, const char *usual)
{
	const char *reply = usual;

	pthread_mutex_lock(&server->lock);
	for (int i = 0; i < RULES_MAX && server->rules[i].verb != NULL; i++) {
		const struct server_rule *rule = &server->rules[i];
		if (strcmp(rule->verb, verb) != 0 || (rule->match && !strstr(text, rule->match)))
			continue;
		int n = server->seen[i]++;
		if (n >= rule->skip && (rule->count == 0 || n < rule->skip + rule->count)) {
			reply = rule->reply;
			break;
		}
	}
	pthread_mutex_unlock(&server->lock);
	return reply;
}

static void drain(struct session *s)
{
	char waste[512];

	while (fread(waste, 1, 1, s->in) == 1)
		;
}

/* The code said, 0 where the session is over. */
static int say(struct session *s, const char *reply)
{
	if (strcmp(reply, SERVER_CLOSE) == 0) {
		s->over = true;
		return 0;
	}
	if (strcmp(reply, SERVER_SILENT) == 0) {
		drain(s);
		s->over = true;
		return 0;
	}
	char *line = mem_printf("%s\r\n", reply);
	if (send(s->fd, line, strlen(line), MSG_NOSIGNAL) < 0)
		s->over = true;
	mem_free(&line);
	int code = atoi(reply);
	if (code == 421)
		s->over = true;
	return code;
}

static void forget(struct session *s)
{
	str_reset(&s->sender);
	str_reset(&s->recipients);
	str_reset(&s->content);
	for (size_t i = 0; i < s->count; i++)
		mem_free(&s->accepted[i]);
	s->count = 0;
}

static void note(struct session *s, const char *recipients)
{
	struct server *server = s->server;
	struct server_mail *mail = mem_zalloc(sizeof *mail);

	mail->sender = mem_strdup(str_cstr(&s->sender));
	mail->recipients = mem_strdup(recipients);
	mail->content = mem_dup(str_cstr(&s->content), s->content.len + 1);
	mail->bytes = s->content.len;
	mail->connection = s->number;
	pthread_mutex_lock(&server->lock);
	if (server->mail_count < 16384)
		server->mails[server->mail_count++] = mail;
	pthread_mutex_unlock(&server->lock);
}

/* False: the client went away in the middle. */
static bool take_content(struct session *s, bool cut)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, s->in)) > 0 && !cut) {
		if (len == 3 && memcmp(line, ".\r\n", 3) == 0)
			break;
		size_t skip = line[0] == '.';
		str_append(&s->content, line + skip, (size_t)len - skip);
	}
	free(line);
	if (cut)
		s->over = true;
	return len > 0 && !cut;
}

/* Noted before the client can know, so that a test which has the answer finds it. */
static void say_taken(struct session *s, const char *reply, const char *recipients)
{
	bool lost = strcmp(reply, SERVER_TAKEN) == 0;

	if (reply[0] == '2' || lost)
		note(s, recipients);
	say(s, lost ? SERVER_CLOSE : reply);
}

static void end_content(struct session *s)
{
	const char *all = str_cstr(&s->recipients);

	if (!s->server->lmtp) {
		char *text = mem_printf("%s %s", all, str_cstr(&s->content));
		say_taken(s, answer(s->server, ".", text, "250 2.0.0 queued"), all);
		mem_free(&text);
		return;
	}
	for (size_t i = 0; i < s->count && !s->over; i++)
		say_taken(s, answer(s->server, ".", s->accepted[i], "250 2.1.5 stored"),
			s->accepted[i]);
}

static void on_data(struct session *s)
{
	const char *usual = s->count ? "354 go" : "554 5.5.1 no valid recipients";
	const char *reply = answer(s->server, "DATA", "", usual);
	bool cut = strcmp(reply, SERVER_CUT) == 0;

	if (say(s, cut ? "354 go" : reply) != 354)
		return;
	if (take_content(s, cut))
		end_content(s);
	forget(s);
}

static void on_rcpt(struct session *s, const char *argument)
{
	const char *usual = s->sender.len ? "250 2.1.5 ok" : "503 5.5.1 need MAIL";

	if (say(s, answer(s->server, "RCPT", argument, usual)) != 250)
		return;
	str_printf(&s->recipients, s->count ? ", %s" : "%s", argument);
	s->accepted[s->count++] = mem_strdup(argument);
}

static void on_mail(struct session *s, const char *argument)
{
	const char *usual = s->sender.len ? "503 5.5.1 nested MAIL" : "250 2.1.0 ok";

	if (say(s, answer(s->server, "MAIL", argument, usual)) == 250)
		str_append_z(&s->sender, argument);
}

static void on_hello(struct session *s, const char *argument)
{
	struct str reply = STR_INIT;
	const char *p = s->server->ehlo;

	str_append_z(&reply, *p ? "250-server.example\r\n" : "250 server.example");
	while (*p != '\0') {
		size_t len = strcspn(p, "\n");
		bool last = p[len] == '\0';
		str_printf(&reply, last ? "250 %.*s" : "250-%.*s\r\n", (int)len, p);
		p += len + !last;
	}
	say(s, answer(s->server, "EHLO", argument, reply.data));
	str_free(&reply);
}

/* Rules for "AUTH" see the whole line, then what was sent alone; "334 " asks for more. */
static void on_auth(struct session *s, const char *argument)
{
	char *line = mem_strdup(argument);
	size_t size = 0;

	while (say(s, answer(s->server, "AUTH", line, "235 2.7.0 welcome")) == 334) {
		free(line);
		line = NULL;
		size = 0;
		if (getline(&line, &size, s->in) <= 0)
			break;
		line[strcspn(line, "\r\n")] = '\0';
		pthread_mutex_lock(&s->server->lock);
		str_printf(&s->server->heard, "%s\n", line);
		pthread_mutex_unlock(&s->server->lock);
	}
	free(line);
}

static void leave(struct session *s)
{
	pthread_mutex_lock(&s->server->lock);
	s->server->open -= !s->left;
	s->left = true;
	pthread_mutex_unlock(&s->server->lock);
}

static void command(struct session *s, char *line)
{
	size_t word = strcspn(line, " ");
	const char *argument = line[word] ? line + word + 1 : "";

	pthread_mutex_lock(&s->server->lock);
	if (line[0] >= 'A' && line[0] <= 'Z')
		s->server->verbs[line[0] - 'A']++;
	if (strncasecmp(line, "AUTH", 4) == 0)
		str_printf(&s->server->heard, "%s\n", line);
	pthread_mutex_unlock(&s->server->lock);
	if (strncasecmp(line, "EHLO", 4) == 0 || strncasecmp(line, "LHLO", 4) == 0)
		on_hello(s, argument);
	else if (strncasecmp(line, "MAIL FROM:", 10) == 0)
		on_mail(s, line + 10);
	else if (strncasecmp(line, "RCPT TO:", 8) == 0)
		on_rcpt(s, line + 8);
	else if (strcasecmp(line, "DATA") == 0)
		on_data(s);
	else if (strcasecmp(line, "RSET") == 0) {
		forget(s);
		say(s, "250 2.0.0 ok");
	} else if (strncasecmp(line, "AUTH ", 5) == 0) {
		on_auth(s, argument);
	} else if (strcasecmp(line, "STARTTLS") == 0) {
		say(s, "220 2.0.0 go, and never come back");
		s->over = true;
	} else if (strcasecmp(line, "QUIT") == 0) {
		leave(s); /* the client may come again as soon as it hears that */
		say(s, "221 2.0.0 bye");
		s->over = true;
	} else
		say(s, "500 5.5.2 what");
}

static void *serve(void *context)
{
	struct session *s = context;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	say(s, answer(s->server, "CONNECT", "", "220 server.example ESMTP"));
	while (!s->over && (len = getline(&line, &size, s->in)) > 0) {
		line[strcspn(line, "\r\n")] = '\0';
		command(s, line);
	}
	free(line);
	leave(s);
	forget(s);
	str_free(&s->sender);
	str_free(&s->recipients);
	str_free(&s->content);
	pthread_mutex_lock(&s->server->lock);
	s->server->fds[s->number - 1] = -1;
	fclose(s->in);
	pthread_mutex_unlock(&s->server->lock);
	mem_free(&s);
	return NULL;
}

static void *accept_all(void *context)
{
	struct server *server = context;
	int fd;

	while ((fd = accept(server->fd, NULL, NULL)) >= 0) {
		pthread_mutex_lock(&server->lock);
		if (server->stop || server->connections == CONNECTIONS_MAX) {
			close(fd);
		} else {
			struct session *s = mem_zalloc(sizeof *s);
			int n = server->connections++, one = 1;
			if (++server->open > server->most)
				server->most = server->open;
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
			s->server = server;
			s->fd = server->fds[n] = fd;
			s->in = fdopen(fd, "r");
			s->number = n + 1;
			pthread_create(&server->threads[n], NULL, serve, s);
		}
		pthread_mutex_unlock(&server->lock);
	}
	return NULL;
}

void server_rules(struct server *server, const struct server_rule *rules)
{
	pthread_mutex_lock(&server->lock);
	memset(server->rules, 0, sizeof server->rules);
	memset(server->seen, 0, sizeof server->seen);
	for (int i = 0; rules != NULL && rules[i].verb != NULL && i < RULES_MAX - 1; i++)
		server->rules[i] = rules[i];
	pthread_mutex_unlock(&server->lock);
}

static void listen_inet(struct server *server)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof in;

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server->fd, (struct sockaddr *)&in, sizeof in) < 0 || listen(server->fd, 64) < 0 ||
		getsockname(server->fd, (struct sockaddr *)&in, &len) < 0)
		abort();
	snprintf(server->listener, sizeof server->listener, "%s:127.0.0.1:%d",
		server->lmtp ? "lmtp" : "smtp", ntohs(in.sin_port));
}

static void listen_unix(struct server *server)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	snprintf(server->path, sizeof server->path, "/tmp/smtp_server.%d", (int)getpid());
	snprintf(un.sun_path, sizeof un.sun_path, "%s", server->path);
	unlink(server->path);
	server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server->fd, (struct sockaddr *)&un, sizeof un) < 0 || listen(server->fd, 64) < 0)
		abort();
	snprintf(server->listener, sizeof server->listener, "%s:unix:%s",
		server->lmtp ? "lmtp" : "smtp", server->path);
}

static struct server *start(bool lmtp, const char *ehlo, const struct server_rule *rules,
	void (*listen_at)(struct server *server))
{
	struct server *server = mem_zalloc(sizeof *server);

	pthread_mutex_init(&server->lock, NULL);
	server->lmtp = lmtp;
	server->ehlo = mem_strdup(ehlo ? ehlo : "PIPELINING\n8BITMIME\nDSN\nSIZE 10000000");
	server_rules(server, rules);
	listen_at(server);
	pthread_create(&server->acceptor, NULL, accept_all, server);
	return server;
}

struct server *server_start(bool lmtp, const char *ehlo, const struct server_rule *rules)
{
	return start(lmtp, ehlo, rules, listen_inet);
}

struct server *server_start_unix(bool lmtp, const char *ehlo, const struct server_rule *rules)
{
	return start(lmtp, ehlo, rules, listen_unix);
}

void server_stop(struct server **server_p)
{
	struct server *server = *server_p;

	pthread_mutex_lock(&server->lock);
	server->stop = true;
	shutdown(server->fd, SHUT_RDWR);
	for (int i = 0; i < server->connections; i++)
		if (server->fds[i] >= 0)
			shutdown(server->fds[i], SHUT_RDWR);
	pthread_mutex_unlock(&server->lock);
	pthread_join(server->acceptor, NULL);
	for (int i = 0; i < server->connections; i++)
		pthread_join(server->threads[i], NULL);
	close(server->fd);
	if (server->path[0] != '\0')
		unlink(server->path);
	for (size_t i = 0; i < server->mail_count; i++) {
		mem_free(&server->mails[i]->sender);
		mem_free(&server->mails[i]->recipients);
		mem_free(&server->mails[i]->content);
		mem_free(&server->mails[i]);
	}
	mem_free(&server->ehlo);
	str_free(&server->heard);
	pthread_mutex_destroy(&server->lock);
	mem_free(server_p);
}

const char *server_listener(const struct server *server)
{
	return server->listener;
}

size_t server_count(struct server *server)
{
	pthread_mutex_lock(&server->lock);
	size_t count = server->mail_count;
	pthread_mutex_unlock(&server->lock);
	return count;
}

const struct server_mail *server_mail(struct server *server, size_t index)
{
	pthread_mutex_lock(&server->lock);
	const struct server_mail *mail = server->mails[index];
	pthread_mutex_unlock(&server->lock);
	return mail;
}

int server_connections(struct server *server)
{
	pthread_mutex_lock(&server->lock);
	int count = server->connections;
	pthread_mutex_unlock(&server->lock);
	return count;
}

int server_commands(struct server *server, const char *verb)
{
	pthread_mutex_lock(&server->lock);
	int count = server->verbs[verb[0] - 'A'];
	pthread_mutex_unlock(&server->lock);
	return count;
}

int server_most(struct server *server)
{
	pthread_mutex_lock(&server->lock);
	int most = server->most;
	pthread_mutex_unlock(&server->lock);
	return most;
}

const char *server_heard(struct server *server)
{
	pthread_mutex_lock(&server->lock);
	const char *heard = str_cstr(&server->heard);
	pthread_mutex_unlock(&server->lock);
	return heard;
}
