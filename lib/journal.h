/*
 * The journal of systemd (its native protocol, without its library): a datagram for each line, with
 * fields that journalctl can select by.
 */
#ifndef RESTANTE_LIB_JOURNAL_H
#define RESTANTE_LIB_JOURNAL_H

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* A connected socket; -1: errno. */
int journal_connect(const char *path);
/*
 * MESSAGE is the line, which has no line end; where it has an id=, RESTANTE_ID is that. priority as
 * in syslog(3). Waits a tenth of a second at most, and after that in vain for a second not at all:
 * what the journal does not take then is lost. -1: errno.
 */
int journal_send(int fd, const char *ident, int priority, const char *line);

#endif
