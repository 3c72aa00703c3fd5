#define _GNU_SOURCE
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "lib/journal.h"

#define HEAD_MAX_BYTES 128 /* the ident has at most 31 */
#define LINE_MAX_BYTES 2048

static struct {
	pthread_mutex_t lock;
	char ident[32];
	char path[4096];
	enum log_target target;
	mode_t mode;
	int fd;
	atomic_int level;
	bool renamed; /* the ident is another than in the lines so far */
} out = { PTHREAD_MUTEX_INITIALIZER, "restante", "", LOG_TARGET_STDERR, 0600, STDERR_FILENO,
	LOG_LEVEL_INFO, true };

static const char *const level_names[] = { "error", "warning", "info", "debug" };
static const int level_priorities[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* The umask of a service is often stricter than what was asked for. */
static int make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);

	/* where that fails it stays 0600, which lets nobody in who should not */
	if (fd >= 0 && fchmod(fd, out.mode) < 0)
		errno = 0;
	return fd;
}

/* With the lock held. */
static int open_target(enum log_target target, const char *path, const char **error_r)
{
	int fd = STDERR_FILENO;

	if (target == LOG_TARGET_FILE)
		fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		fd = make_file(path);
	if (target == LOG_TARGET_JOURNAL)
		fd = journal_connect(path);
	if (fd < 0)
		*error_r = strerror(errno);
	return fd;
}

static void take_target(int fd)
{
	if (out.fd != STDERR_FILENO)
		close(out.fd);
	out.fd = fd;
}

static const char *path_of(enum log_target target, const char *path)
{
	if (target == LOG_TARGET_JOURNAL)
		return path != NULL && *path != '\0' ? path : JOURNAL_SOCKET;
	return target == LOG_TARGET_FILE ? path : "";
}

int log_open(const char *ident, enum log_target target, const char *path, const char **error_r)
{
	pthread_mutex_lock(&out.lock);
	int fd = open_target(target, path_of(target, path), error_r);
	if (fd >= 0) {
		snprintf(out.ident, sizeof out.ident, "%s", ident);
		out.renamed = true;
		snprintf(out.path, sizeof out.path, "%s", path_of(target, path));
		take_target(fd);
		out.target = target;
	}
	if (fd >= 0 && target == LOG_TARGET_SYSLOG)
		openlog(out.ident, LOG_PID, LOG_MAIL);
	pthread_mutex_unlock(&out.lock);
	return fd < 0 ? -1 : 0;
}

void log_set_file_mode(mode_t mode)
{
	pthread_mutex_lock(&out.lock);
	out.mode = mode;
	pthread_mutex_unlock(&out.lock);
}

bool log_is_stderr(void)
{
	pthread_mutex_lock(&out.lock);
	bool is = out.target == LOG_TARGET_STDERR;
	pthread_mutex_unlock(&out.lock);
	return is;
}

int log_reopen(const char **error_r)
{
	int fd = 0;

	pthread_mutex_lock(&out.lock);
	if ((fd = open_target(out.target, out.path, error_r)) >= 0)
		take_target(fd);
	pthread_mutex_unlock(&out.lock);
	return fd < 0 ? -1 : 0;
}

void log_set_level(enum log_level level)
{
	atomic_store(&out.level, (int)level);
}

bool log_wants(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&out.level, memory_order_relaxed);
}

/* "2026-11-22T18:30:00": made once for all the lines of a second. With the lock held. */
static const char *second_text(time_t second)
{
	static char text[32];
	static time_t of = -1;
	struct tm tm;

	if (second != of) {
		gmtime_r(&second, &tm);
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
		of = second;
	}
	return text;
}

/* "Z restante-milter[4711] info: "; the ident changes with log_open only. With the lock held. */
static const char *who_text(void)
{
	static char text[64];
	static pid_t of = -1;
	pid_t pid = getpid();

	if (pid != of || out.renamed)
		snprintf(text, sizeof text, "Z %s[%d] ", out.ident, (int)pid);
	of = pid;
	out.renamed = false;
	return text;
}

/* With the lock held. Before the line there is room for its head, after it for its end. */
static void write_line(enum log_level level, char *line, size_t len)
{
	char head[HEAD_MAX_BYTES], *end;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	unsigned ms = (unsigned)(now.tv_nsec / 1000000);
	const char fraction[] = { '.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
		(char)('0' + ms % 10), '\0' };
	end = stpcpy(head, second_text(now.tv_sec));
	end = stpcpy(stpcpy(stpcpy(end, fraction), who_text()), level_names[level]);
	end = stpcpy(end, ": ");
	size_t n = (size_t)(end - head);
	memcpy(line - n, head, n);
	line[len] = '\n';
	/* A log that cannot be written must not stop the mail; there is nobody left to tell. */
	if (write(out.fd, line - n, n + len + 1) < 0)
		return;
}

/* With the lock held. Who listens may have been started again meanwhile. */
static void write_journal(enum log_level level, const char *line)
{
	char levelled[LINE_MAX_BYTES + 16];
	int priority = level_priorities[level], fd;

	snprintf(levelled, sizeof levelled, "%s: %s", level_names[level], line);
	if (journal_send(out.fd, out.ident, priority, levelled) == 0 ||
		(errno != ECONNREFUSED && errno != ENOTCONN && errno != ECONNRESET))
		return;
	if ((fd = journal_connect(out.path)) < 0)
		return;
	take_target(fd);
	journal_send(fd, out.ident, priority, levelled);
}

/* Whoever reads the log has a terminal, which would obey them: C0, DEL, and C1 as UTF-8 has them.
 */
static void blank_controls(char *line)
{
	for (unsigned char *p = (unsigned char *)line; *p != '\0'; p++) {
		bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
		if (c1)
			*p++ = ' ';
		if (c1 || *p < ' ' || *p == 0x7f)
			*p = ' ';
	}
}

/* The new length; what is too long is cut. */
static size_t append_text(char *line, size_t len, const char *format, va_list args)
{
	int more = vsnprintf(line + len, LINE_MAX_BYTES - len, format, args);

	if (more < 0)
		line[len] = '\0', more = 0;
	return len + (size_t)more < LINE_MAX_BYTES ? len + (size_t)more : LINE_MAX_BYTES - 1;
}

static size_t append_subsystem(char *line, const char *subsystem)
{
	char *end = stpcpy(stpcpy(line, subsystem), ": ");

	return (size_t)(end - line);
}

/* There is room before the line, and at its end. */
static void put(enum log_level level, char *line, size_t len)
{
	blank_controls(line);
	pthread_mutex_lock(&out.lock);
	if (out.target == LOG_TARGET_SYSLOG)
		syslog(level_priorities[level], "%s: %s", level_names[level], line);
	else if (out.target == LOG_TARGET_JOURNAL)
		write_journal(level, line);
	else
		write_line(level, line, len);
	pthread_mutex_unlock(&out.lock);
}

static void emit(enum log_level level, const char *subsystem, const char *format, va_list args)
{
	char room[HEAD_MAX_BYTES + LINE_MAX_BYTES], *line = room + HEAD_MAX_BYTES;

	if (!log_wants(level))
		return;
	int saved = errno;
	put(level, line, append_text(line, append_subsystem(line, subsystem), format, args));
	errno = saved;
}

void log_put(enum log_level level, const char *subsystem, const char *text)
{
	char room[HEAD_MAX_BYTES + LINE_MAX_BYTES], *line = room + HEAD_MAX_BYTES;

	if (!log_wants(level))
		return;
	int saved = errno;
	size_t len = append_subsystem(line, subsystem);
	size_t more = strnlen(text, LINE_MAX_BYTES - 1 - len);
	memcpy(line + len, text, more);
	line[len + more] = '\0';
	put(level, line, len + more);
	errno = saved;
}

#define LOG_FUNCTION(name, level)                                                                  \
	void name(const char *subsystem, const char *format, ...)                                  \
	{                                                                                          \
		va_list args;                                                                      \
		va_start(args, format);                                                            \
		emit(level, subsystem, format, args);                                              \
		va_end(args);                                                                      \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)

/* Control characters and backslashes become \xHH; so do spaces and quotes unless it is a text. */
static const char *escape(char *buffer, size_t size, const char *value, bool text)
{
	size_t n = 0;

	for (const unsigned char *p = (const unsigned char *)(value ? value : ""); *p; p++) {
		bool plain = *p > ' ' && *p != '"' && *p != '\\' && *p != 0x7f;
		plain = plain || (text && (*p == ' ' || *p == '"'));
		size_t need = plain ? 1 : 4;
		if (n + need + 4 > size) {
			n += (size_t)snprintf(buffer + n, size - n, "...");
			return buffer;
		}
		if (plain)
			buffer[n++] = (char)*p;
		else
			n += (size_t)snprintf(buffer + n, size - n, "\\x%02x", *p);
	}
	buffer[n] = '\0';
	return buffer;
}

const char *log_value(char *buffer, size_t size, const char *value)
{
	return escape(buffer, size, value, false);
}

const char *log_text(char *buffer, size_t size, const char *text)
{
	escape(buffer, size, text, true);
	for (char *p = buffer; *p != '\0'; p++)
		if (*p == '"')
			*p = '\'';
	return buffer;
}
