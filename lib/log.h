/*
 * Log lines: one fact each, `subsystem: what happened key=value ...`.
 * error = an administrator must act; warning = something was refused or retried; info = one line
 * per message or change; debug = the rest. No message content, no credentials.
 * Thread-safe. Until log_open everything goes to standard error.
 */
#ifndef RESTANTE_LIB_LOG_H
#define RESTANTE_LIB_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_target { LOG_TARGET_STDERR, LOG_TARGET_SYSLOG, LOG_TARGET_FILE, LOG_TARGET_JOURNAL };

/*
 * path: for LOG_TARGET_FILE, appended to (log_reopen after rotation); for LOG_TARGET_JOURNAL its
 * socket, NULL or "" where it usually is.
 * 0, or -1 with *error_r set: the target stays what it was.
 */
int log_open(const char *ident, enum log_target target, const char *path, const char **error_r);
/* Whether lines go to standard error. */
bool log_is_stderr(void);
/* Of a file that is made from now on; 0600 unless set. */
void log_set_file_mode(mode_t mode);
int log_reopen(const char **error_r);
void log_set_level(enum log_level level);
bool log_wants(enum log_level level);

#define LOG_PRINTF_ __attribute__((format(printf, 2, 3)))
void log_error(const char *subsystem, const char *format, ...) LOG_PRINTF_;
void log_warning(const char *subsystem, const char *format, ...) LOG_PRINTF_;
void log_info(const char *subsystem, const char *format, ...) LOG_PRINTF_;
void log_debug(const char *subsystem, const char *format, ...) LOG_PRINTF_;

/* A line that is made already: for the one of each message, which formatting would double. */
void log_put(enum log_level level, const char *subsystem, const char *line);

/*
 * A value that came from outside, fit for one log line: control characters, spaces and quotes
 * become \xHH; cut with "..." where it does not fit. Returns buffer.
 */
const char *log_value(char *buffer, size_t size, const char *value);
/* A text for people, to stand between quotes: control characters and backslashes become \xHH, a
 * quote becomes '; cut likewise. Returns buffer. */
const char *log_text(char *buffer, size_t size, const char *text);

#endif
