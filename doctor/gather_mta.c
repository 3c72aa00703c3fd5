/* Which MTA this is, and what is asked of any of them. */
#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "doctor/command.h"
#include "doctor/gather.h"
#include "doctor/mta.h"
#include "lib/clock.h"
#include "lib/mem.h"

static const struct mta *const all[] = { &postfix_mta, &sendmail_mta, NULL };

const struct mta *mta_at(size_t index)
{
	return index < sizeof(all) / sizeof(all[0]) ? all[index] : NULL;
}

/* --- addresses of listeners ----------------------------------------------------------------- */

bool listener_parse(const char *text, struct listener *listener_r)
{
	const char *colon = strchr(text, ':');
	const char *host = colon != NULL ? colon + 1 : text;
	const char *end = strrchr(host, ':');

	if (end == NULL || strncmp(host, "unix:", 5) == 0)
		return false;
	if (*host == '[' && end > host + 1 && end[-1] == ']')
		snprintf(listener_r->host, sizeof(listener_r->host), "%.*s", (int)(end - host - 2),
			host + 1);
	else
		snprintf(listener_r->host, sizeof(listener_r->host), "%.*s", (int)(end - host),
			host);
	snprintf(listener_r->port, sizeof(listener_r->port), "%s", end + 1);
	return true;
}

bool listener_is_loopback(const char *host)
{
	host += *host == '[';
	return strncmp(host, "127.", 4) == 0 || strncmp(host, "::1", 3) == 0 ||
	       strncasecmp(host, "localhost", 9) == 0;
}

/* --- does it answer? ------------------------------------------------------------------------ */

static int open_socket(int family, int seconds)
{
	const struct timeval limit = { .tv_sec = seconds };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	}
	return fd;
}

static int connect_unix(const char *path, int seconds)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = open_socket(AF_UNIX, seconds);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int reason = errno;

		close(fd);
		errno = reason;
		return -1;
	}
	return fd;
}

static int connect_first(const struct addrinfo *list, int seconds)
{
	int fd = -1;

	for (; list != NULL && fd < 0; list = list->ai_next) {
		fd = open_socket(list->ai_family, seconds);
		if (fd >= 0 && connect(fd, list->ai_addr, list->ai_addrlen) < 0) {
			int reason = errno;

			close(fd);
			errno = reason;
			fd = -1;
		}
	}
	return fd;
}

static int connect_to(const char *text, int seconds)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	struct listener listener;

	if (!listener_parse(text, &listener))
		return connect_unix(strstr(text, "unix:") + 5, seconds);
	if (getaddrinfo(listener.host, listener.port, &hints, &list) != 0) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	int fd = connect_first(list, seconds);
	int reason = errno;
	freeaddrinfo(list);
	errno = reason;
	return fd;
}

/* The greeting, whole or cut. NULL where all is well. */
static char *greet(int fd)
{
	static const char quit[] = "QUIT\r\n";
	char text[512];
	ssize_t got = read(fd, text, sizeof(text) - 1);

	if (got <= 0)
		return mem_strdup(got == 0 ? "it closes the connection" : strerror(errno));
	text[got] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	if (write(fd, quit, sizeof(quit) - 1) < 0)
		return mem_strdup(strerror(errno));
	return strncmp(text, "220", 3) == 0 ? NULL : mem_strdup(text);
}

char *gather_greeting(const char *text, int seconds)
{
	int fd = connect_to(text, seconds);

	if (fd < 0)
		return mem_strdup(strerror(errno));
	char *trouble = greet(fd);
	close(fd);
	return trouble;
}

/* --- may the queue be listed? --------------------------------------------------------------- */

static void list_queue(struct facts *facts)
{
	struct mta_common *common = &facts->common;
	const char *const argv[] = { "/bin/sh", "-c", facts->config->milter.queue_list, NULL };
	struct command command = { .argv = argv,
		.identity = &facts->milter,
		.no_new_privileges = facts->process.no_new_privileges,
		.timeout_us = facts->config->milter.queue_list_timeout };
	struct str out = STR_INIT, error = STR_INIT;

	if (!facts->milter.known || (!facts->root && facts->milter.uid != geteuid()))
		return;
	common->listed = true;
	common->status = command_run(&command, &out, &error);
	common->listing = str_steal(&error);
	str_free(&out);
}

/* The one whose queue is listed; else the one whose settings are in that folder. */
static void find_mta(struct facts *facts, const char *dir)
{
	for (size_t i = 0; facts->mta == NULL && mta_at(i) != NULL; i++)
		if (mta_at(i)->recognise(facts->config->milter.queue_list))
			facts->mta = mta_at(i);
	for (size_t i = 0; dir != NULL && facts->mta == NULL && mta_at(i) != NULL; i++) {
		char *path = mem_printf("%s/%s", dir, mta_at(i)->settings);

		if (access(path, F_OK) == 0)
			facts->mta = mta_at(i);
		mem_free(&path);
	}
}

void gather_mta(struct facts *facts, const struct gather_options *options)
{
	struct str error = STR_INIT;

	facts->common.released =
		gather_greeting(facts->config->milter.release_listener, GATHER_PATIENCE);
	list_queue(facts);
	find_mta(facts, options->mta_dir);
	if (facts->mta != NULL)
		facts->mta_facts = facts->mta->gather(facts, options, &error);
	facts->mta_error = str_steal(&error);
}
