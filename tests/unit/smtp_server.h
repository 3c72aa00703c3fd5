/* A small SMTP or LMTP server that misbehaves as told and writes down what it got. */
#ifndef RESTANTE_TESTS_SMTP_SERVER_H
#define RESTANTE_TESTS_SMTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#define SERVER_CLOSE  "CLOSE"  /* instead of a reply: close the connection */
#define SERVER_SILENT "SILENT" /* say nothing until the client goes */
#define SERVER_TAKEN  "TAKEN"  /* for ".": take the mail, close without a reply */
#define SERVER_CUT    "CUT"    /* for DATA: say 354, close after some content */

struct server_rule {
	const char *verb;  /* "CONNECT", "EHLO" (LHLO too), "AUTH", "MAIL", "RCPT", "DATA", "." */
	const char *match; /* part of the line, for "." of the recipients or content; NULL = any */
	int skip;          /* the first so many that match are not meant */
	int count;         /* how many after that; 0 = all */
	const char *reply; /* without the last CRLF, or one of the above */
};

struct server_mail {
	char *sender;     /* the whole argument of MAIL, parameters included */
	char *recipients; /* arguments of RCPT, separated by a space and comma */
	char *content;    /* dots taken off */
	size_t bytes;
	int connection; /* which one it came by, from 1 */
};

struct server;

/* rules end with a NULL verb; NULL: well-behaved. ehlo: lines of the reply to EHLO ("SIZE
 * 1000\nDSN"), NULL = PIPELINING, 8BITMIME, DSN and SIZE. */
struct server *server_start(bool lmtp, const char *ehlo, const struct server_rule *rules);
struct server *server_start_unix(bool lmtp, const char *ehlo, const struct server_rule *rules);
void server_rules(struct server *server, const struct server_rule *rules);
void server_stop(struct server **server);
const char *server_listener(const struct server *server); /* for release_options */
/* What was accepted with 2xx, in that order; borrowed until server_stop. */
size_t server_count(struct server *server);
const struct server_mail *server_mail(struct server *server, size_t index);
int server_connections(struct server *server);                /* made so far */
int server_most(struct server *server);                       /* at once */
int server_commands(struct server *server, const char *verb); /* seen so far */
/* AUTH and what followed it, line by line; while nobody is talking. */
const char *server_heard(struct server *server);

#endif
