#define _GNU_SOURCE
#include "cli/trace_source.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/str.h"

#define LINE_BYTES 65536 /* what is longer is cut: no line of ours, nor of an MTA, is */

struct source {
	char *path; /* NULL: the journal */
	int64_t written_us;
};

struct trace_sources {
	int64_t since_us;
	struct source *list;
	size_t count;
};

static const char *explain(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const char *explain(const char *format, ...)
{
	static _Thread_local char reason[512];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof reason, format, args);
	va_end(args);
	return reason;
}

struct trace_sources *trace_sources_new(int64_t since_us)
{
	struct trace_sources *s = mem_zalloc(sizeof *s);

	s->since_us = since_us;
	return s;
}

void trace_sources_free(struct trace_sources **sources)
{
	struct trace_sources *s = *sources;

	if (s == NULL)
		return;
	for (size_t i = 0; i < s->count; i++)
		mem_free(&s->list[i].path);
	mem_free(&s->list);
	mem_free(sources);
}

size_t trace_sources_count(const struct trace_sources *sources)
{
	return sources->count;
}

const char *trace_sources_name(const struct trace_sources *sources, size_t index)
{
	const char *path = sources->list[index].path;

	return path != NULL ? path : "journal";
}

static void add(struct trace_sources *s, const char *path, int64_t written_us)
{
	s->list = mem_grow(s->list, s->count + 1, sizeof *s->list);
	s->list[s->count++] = (struct source){ mem_strdup(path), written_us };
}

/* --- rotated files --------------------------------------------------------------------------- */

static bool is_compressed(const char *path)
{
	size_t len = strlen(path);

	return len > 3 && strcmp(path + len - 3, ".gz") == 0;
}

/* "NAME.1", "NAME.2.gz", "NAME-20261122", "NAME-20261122.gz" */
static bool is_rotated(const char *name, const char *of)
{
	size_t len = strlen(of);

	if (strncmp(name, of, len) != 0 || (name[len] != '.' && name[len] != '-') ||
		!isdigit((unsigned char)name[len + 1]))
		return false;
	const char *rest = name + len + 1;
	rest += strspn(rest, "0123456789-");
	return *rest == '\0' || strcmp(rest, ".gz") == 0;
}

static void add_rotated(struct trace_sources *s, const char *folder, const char *base)
{
	DIR *dir = opendir(folder);
	struct stat status;

	if (dir == NULL)
		return;
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		if (!is_rotated(entry->d_name, base))
			continue;
		char *path = mem_printf("%s/%s", folder, entry->d_name);
		if (stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
			status.st_mtim.tv_sec * CLOCK_SECOND >= s->since_us)
			add(s, path, status.st_mtim.tv_sec * CLOCK_SECOND);
		mem_free(&path);
	}
	closedir(dir);
}

static int by_age(const void *a, const void *b)
{
	const struct source *one = a, *other = b;

	return (one->written_us > other->written_us) - (one->written_us < other->written_us);
}

int trace_sources_add_file(struct trace_sources *s, const char *path, const char **error_r)
{
	size_t before = s->count;

	for (size_t i = 0; i < s->count; i++)
		if (s->list[i].path != NULL && strcmp(s->list[i].path, path) == 0)
			return 0;
	if (access(path, R_OK) < 0) {
		*error_r = explain("%s: %s", path, strerror(errno));
		return -1;
	}
	char *folder = mem_strdup(path), *base = mem_strdup(path);
	add_rotated(s, dirname(folder), basename(base));
	mem_free(&folder);
	mem_free(&base);
	if (s->count > before)
		qsort(s->list + before, s->count - before, sizeof *s->list, by_age);
	add(s, path, INT64_MAX);
	return (int)(s->count - before);
}

/* --- programs -------------------------------------------------------------------------------- */

static bool on_path(const char *program)
{
	const char *path = getenv("PATH");
	char file[4096];

	for (size_t len; path != NULL && *path != '\0'; path += len + (path[len] == ':')) {
		len = strcspn(path, ":");
		snprintf(file, sizeof file, "%.*s/%s", (int)len, path, program);
		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

int trace_sources_add_journal(struct trace_sources *s, const char **error_r)
{
	if (!on_path("journalctl")) {
		*error_r = "there is no journalctl";
		return -1;
	}
	add(s, NULL, INT64_MAX);
	return 1;
}

/* Its standard output; what it complains of is seen by whoever runs us. */
static FILE *begin(const char *const *argv, pid_t *pid_r, const char **error_r)
{
	posix_spawn_file_actions_t actions;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0) {
		*error_r = explain("%s: %s", argv[0], strerror(errno));
		return NULL;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	int fault = posix_spawnp(pid_r, argv[0], &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (fault == 0)
		return fdopen(ends[0], "r");
	close(ends[0]);
	*error_r = explain("%s: %s", argv[0], strerror(fault));
	return NULL;
}

/* well: the status besides 0 that is no failure. */
static int end(FILE *stream, pid_t pid, const char *program, int well, const char **error_r)
{
	int status = 0;

	fclose(stream);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 0;
	if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == well))
		return 0;
	*error_r = explain("%s failed, status %d", program, WEXITSTATUS(status));
	return -1;
}

/* --- reading --------------------------------------------------------------------------------- */

/* The next line without its end; what does not fit is left out. */
static bool next_line(FILE *stream, char *line, size_t size, size_t *len_r)
{
	if (fgets(line, (int)size, stream) == NULL)
		return false;
	size_t len = strlen(line);
	if (len > 0 && line[len - 1] != '\n' && len == size - 1)
		for (int c; (c = getc(stream)) != EOF && c != '\n';)
			;
	while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		line[--len] = '\0';
	*len_r = len;
	return true;
}

static void read_text(FILE *stream, trace_reader reader, void *context)
{
	char *text = mem_alloc(LINE_BYTES);
	int64_t now_us = clock_wall_us();
	struct logline line;
	size_t len;

	while (next_line(stream, text, LINE_BYTES, &len))
		if (logline_parse(text, now_us, &line))
			reader(context, &line);
	mem_free(&text);
}

static void read_records(FILE *stream, trace_reader reader, void *context)
{
	char *text = mem_alloc(LINE_BYTES), *memory;
	struct logline line;
	size_t len;

	while (next_line(stream, text, LINE_BYTES, &len)) {
		if (logline_parse_journal(text, len, &line, &memory))
			reader(context, &line);
		mem_free(&memory);
	}
	mem_free(&text);
}

static int read_file(const char *path, trace_reader reader, void *context, const char **error_r)
{
	FILE *stream = fopen(path, "re");

	if (stream == NULL) {
		*error_r = explain("%s: %s", path, strerror(errno));
		return -1;
	}
	read_text(stream, reader, context);
	fclose(stream);
	return 0;
}

static int read_compressed(
	const char *path, trace_reader reader, void *context, const char **error_r)
{
	const char *const argv[] = { "gzip", "-dc", "--", path, NULL };
	pid_t pid;
	FILE *stream = begin(argv, &pid, error_r);

	if (stream == NULL)
		return -1;
	read_text(stream, reader, context);
	return end(stream, pid, "gzip", 2, error_r);
}

static int read_journal(int64_t since_us, trace_reader reader, void *context, const char **error_r)
{
	char since[40];
	const char *const argv[] = { "journalctl", "--quiet", "--no-pager", "--output=json", since,
		"SYSLOG_FACILITY=2", "+", "SYSLOG_IDENTIFIER=restante-milter", NULL };
	pid_t pid;

	snprintf(since, sizeof since, "--since=@%lld",
		(long long)(since_us > 0 ? since_us / CLOCK_SECOND : 0));
	FILE *stream = begin(argv, &pid, error_r);
	if (stream == NULL)
		return -1;
	read_records(stream, reader, context);
	/* 1: no line fits */
	return end(stream, pid, "journalctl", 1, error_r);
}

int trace_sources_read(
	struct trace_sources *s, trace_reader reader, void *context, const char **error_r)
{
	int result = 0;

	for (size_t i = 0; i < s->count; i++) {
		const char *path = s->list[i].path;
		int done = path == NULL ? read_journal(s->since_us, reader, context, error_r)
			   : is_compressed(path) ? read_compressed(path, reader, context, error_r)
						 : read_file(path, reader, context, error_r);
		result = done < 0 ? -1 : result;
	}
	return result;
}
