/*
 * The logs that `restante trace` reads: files with what was rotated away beside them (plain or
 * compressed by gzip), and the journal by journalctl. Not thread-safe.
 */
#ifndef RESTANTE_CLI_TRACE_SOURCE_H
#define RESTANTE_CLI_TRACE_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "cli/logline.h"

struct trace_sources;

/* Nothing that was last written before since_us is read. */
struct trace_sources *trace_sources_new(int64_t since_us);
void trace_sources_free(struct trace_sources **sources);

/*
 * The file, and FILE.1, FILE.2.gz, FILE-20261122.gz and their like, oldest first. How many there
 * are; -1 with *error_r where the file itself cannot be read.
 */
int trace_sources_add_file(struct trace_sources *sources, const char *path, const char **error_r);
/* The messages of the facility mail and of our daemons; -1 where there is no journalctl. */
int trace_sources_add_journal(struct trace_sources *sources, const char **error_r);

size_t trace_sources_count(const struct trace_sources *sources);
const char *trace_sources_name(const struct trace_sources *sources, size_t index);

typedef void (*trace_reader)(void *context, const struct logline *line);
/* Every line of every source. 0, or -1 with *error_r: one could not be read to its end. */
int trace_sources_read(
	struct trace_sources *sources, trace_reader reader, void *context, const char **error_r);

#endif
