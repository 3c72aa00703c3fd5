/*
 * Comma-separated values (RFC 4180) of any length, read in pieces: exports of other systems. The
 * first line names the columns, and every row has as many fields: a row that has not was cut off,
 * or a separator in it was not quoted. Lines end with LF or CRLF; quoted fields may have line ends
 * and doubled quotes; a byte order mark and blanks around an unquoted field do not count, nor do
 * empty lines; all of it is UTF-8. (lib/csv.h is for small texts that people write.)
 *
 * The last line must have its line end, or it is truncated. A file that was cut off exactly behind
 * a line is told by a last row
 *
 *     # end COUNT
 *
 * with the number of rows, the names of the columns not among them, behind which nothing may
 * follow; whoever reads may ask whether it was there.
 */
#ifndef RESTANTE_LIB_CSV_STREAM_H
#define RESTANTE_LIB_CSV_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSV_COLUMNS_MAX 1024
#define CSV_ROW_MAX     (1 << 20) /* bytes */

struct csv_sink {
	void *context;
	/* The names of the columns. 0; -1 with *error_r (copied): they do not serve. */
	int (*header)(void *context, const char *const *names, size_t count, const char **error_r);
	/* As many fields as there are names; they live until it returns. 0; -1 stops the reading.
	 */
	int (*row)(void *context, uint64_t line, const char *const *fields, size_t count);
};

struct csv_stream;

/* separator: one byte of ASCII, no quote, blank or line end. */
struct csv_stream *csv_stream_new(char separator, const struct csv_sink *sink);
void csv_stream_free(struct csv_stream **stream);
/*
 * The next bytes, cut anywhere. 0; -1 with *error_r (valid until the stream is freed): what is
 * wrong with line csv_stream_line(), NULL where `row` stopped it. Nothing more can be read then.
 */
int csv_stream_feed(struct csv_stream *stream, const char *data, size_t len, const char **error_r);
/* There is no more: 0 where it is complete, else -1 as above. */
int csv_stream_end(struct csv_stream *stream, const char **error_r);
uint64_t csv_stream_line(const struct csv_stream *stream);
uint64_t csv_stream_rows(const struct csv_stream *stream); /* that were taken */
bool csv_stream_marked(const struct csv_stream *stream);   /* "# end COUNT" was there */

#endif
