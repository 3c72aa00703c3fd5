#include "queue/endpoint.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "lib/mem.h"

static bool take_prefix(const char **text, const char *prefix)
{
	size_t len = strlen(prefix);

	if (strncasecmp(*text, prefix, len) != 0)
		return false;
	*text += len;
	return true;
}

static int parse_path(const char *path, struct endpoint *endpoint, const char **error_r)
{
	struct sockaddr_un un;

	if (path[0] != '/' || strlen(path) >= sizeof un.sun_path) {
		*error_r = "a unix socket needs an absolute path of at most 107 bytes";
		return -1;
	}
	endpoint->path = mem_strdup(path);
	return 0;
}

static bool is_port(const char *text)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && port >= 1 && port <= 65535;
}

static int parse_inet(const char *text, struct endpoint *endpoint, const char **error_r)
{
	const char *colon = strrchr(text, ':');

	if (colon == NULL || colon == text || !is_port(colon + 1)) {
		*error_r = "expected host:port or unix:/path";
		return -1;
	}
	size_t len = (size_t)(colon - text);
	if (text[0] == '[' && len > 2 && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	endpoint->host = mem_strndup(text, len);
	endpoint->port = mem_strdup(colon + 1);
	return 0;
}

int endpoint_parse(const char *text, struct endpoint *endpoint_r, const char **error_r)
{
	*endpoint_r = (struct endpoint){ 0 };
	if (text == NULL) {
		*error_r = "no release listener is configured";
		return -1;
	}
	endpoint_r->lmtp = take_prefix(&text, "lmtp:");
	if (!endpoint_r->lmtp)
		take_prefix(&text, "smtp:");
	if (take_prefix(&text, "unix:"))
		return parse_path(text, endpoint_r, error_r);
	return parse_inet(text, endpoint_r, error_r);
}

void endpoint_clear(struct endpoint *endpoint)
{
	mem_free(&endpoint->path);
	mem_free(&endpoint->host);
	mem_free(&endpoint->port);
}
