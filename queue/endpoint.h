/* Where mail is released to: "smtp:host:port", "lmtp:[::1]:24", "smtp:unix:/path",
 * "lmtp:unix:/path". */
#ifndef RESTANTE_QUEUE_ENDPOINT_H
#define RESTANTE_QUEUE_ENDPOINT_H

#include <stdbool.h>

struct endpoint {
	bool lmtp;
	char *path; /* unix socket; else NULL, and: */
	char *host, *port;
};

/* "unix:/path" alone is SMTP. 0, or -1 with *error_r (static text). */
int endpoint_parse(const char *text, struct endpoint *endpoint_r, const char **error_r);
void endpoint_clear(struct endpoint *endpoint);

#endif
