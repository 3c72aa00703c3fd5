/*
 * The machine that a Sendmail of the lab believes to run on. Loaded by LD_PRELOAD.
 *
 * It logs to syslog(3) alone: lines go to the file RESTANTE_SYSLOG_FILE, each in one write, with
 * the stamp and the name that a log daemon would put before them. And whatever it does begins with
 * the machine's name: with one that has no domain it sleeps for a minute, and for another one it
 * asks a name server. Here it is front.lab.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static int out = -1;
static char path[4096], name[64] = "program";

__attribute__((constructor)) static void remember(void)
{
	const char *wanted = getenv("RESTANTE_SYSLOG_FILE");

	/* the program cleans its environment, and closes what it does not know */
	snprintf(path, sizeof path, "%s", wanted ? wanted : "");
}

int gethostname(char *buffer, size_t size)
{
	snprintf(buffer, size, "front.lab");
	return 0;
}

struct hostent *gethostbyname2(const char *host, int family)
{
	struct hostent *(*next)(const char *, int);

	*(void **)&next = dlsym(RTLD_NEXT, "gethostbyname2");
	return next(strcmp(host, "front.lab") == 0 ? "localhost" : host, family);
}

/* libldap asks for the machine's address before anything else. */
int getaddrinfo(const char *restrict host, const char *restrict service,
	const struct addrinfo *restrict hints, struct addrinfo **restrict found_r)
{
	int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	const char *known = host && strcmp(host, "front.lab") == 0 ? "localhost" : host;

	*(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
	return next(known, service, hints, found_r);
}

struct hostent *gethostbyname(const char *host)
{
	return gethostbyname2(host, AF_INET);
}

/*
 * Whoever runs or lists the queue locks each file for a moment, and a Sendmail that finds the one
 * it has just made locked disconnects its client. Most clients of the lab do not come again, and
 * its queue is run every 3 s: here it waits for the lock.
 */
int flock(int file, int operation)
{
	int (*next)(int, int);

	*(void **)&next = dlsym(RTLD_NEXT, "flock");
	int got = next(file, operation);
	if (got < 0 && errno == EWOULDBLOCK && (operation & LOCK_EX) &&
		(fcntl(file, F_GETFL) & O_ACCMODE) == O_WRONLY)
		got = next(file, operation & ~LOCK_NB);
	return got;
}

void openlog(const char *ident, int option, int facility)
{
	(void)option;
	(void)facility;
	snprintf(name, sizeof name, "%s", ident ? ident : "program");
}

void closelog(void)
{
}

static void write_line(const char *format, va_list arguments)
{
	char line[8192];
	time_t now = time(NULL);
	struct tm parts;

	if (*path == '\0')
		return;
	out = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (out < 0)
		return;
	size_t len = strftime(line, sizeof line, "%b %e %H:%M:%S", localtime_r(&now, &parts));
	len += (size_t)snprintf(
		line + len, sizeof line - len, " front %s[%d]: ", name, (int)getpid());
	int more = vsnprintf(line + len, sizeof line - len - 1, format, arguments);
	len = more < 0 ? len : len + (size_t)more;
	if (len > sizeof line - 2)
		len = sizeof line - 2;
	line[len++] = '\n';
	if (write(out, line, len) < 0)
		len = 0;
	close(out);
}

void vsyslog(int priority, const char *format, va_list arguments)
{
	(void)priority;
	write_line(format, arguments);
}

void syslog(int priority, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsyslog(priority, format, arguments);
	va_end(arguments);
}

void __syslog_chk(int priority, int flag, const char *format, ...);
void __syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list arguments;

	(void)flag;
	va_start(arguments, format);
	vsyslog(priority, format, arguments);
	va_end(arguments);
}
