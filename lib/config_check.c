/* What the strings of restante.conf may be; each answers NULL or what is allowed. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/address.h"
#include "lib/config_table.h"
#include "lib/hours.h"
#include "lib/route.h"

#define SOCKET_PATH_MAX (sizeof((struct sockaddr_un *)NULL)->sun_path - 1)

static bool has_prefix(const char *value, const char *prefix)
{
	return strncmp(value, prefix, strlen(prefix)) == 0;
}

static bool is_socket_path(const char *path)
{
	return path[0] == '/' && strlen(path) <= SOCKET_PATH_MAX;
}

static bool is_port(const char *text, const char *end)
{
	char *stop;

	if (!isdigit((unsigned char)text[0]))
		return false;
	long port = strtol(text, &stop, 10);
	return stop == end && port >= 1 && port <= 65535;
}

const char *config_check_node(const char *value)
{
	for (const char *p = value; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && strchr("-_.", *p) == NULL)
			return "letters, digits, \"-\", \"_\" and \".\"";
	return strlen(value) <= 255 ? NULL : "at most 255 characters";
}

const char *config_check_listen(const char *value)
{
	static const char allowed[] = "unix:/path (at most 107 bytes of path), inet:port@host or "
				      "inet6:port@host";
	const char *path = strchr(value, ':');

	if (has_prefix(value, "unix:") || has_prefix(value, "local:"))
		return is_socket_path(path + 1) ? NULL : allowed;
	if (!has_prefix(value, "inet:") && !has_prefix(value, "inet6:"))
		return allowed;
	const char *at = strchr(value, '@');
	return at != NULL && at[1] != '\0' && is_port(path + 1, at) ? NULL : allowed;
}

const char *config_check_socket(const char *value)
{
	return is_socket_path(value) ? NULL : "an absolute path of at most 107 bytes";
}

const char *config_check_path(const char *value)
{
	return value[0] == '/' ? NULL : "an absolute path";
}

const char *config_check_file(const char *value)
{
	return value[0] == '\0' ? NULL : config_check_path(value);
}

const char *config_check_relay(const char *value)
{
	static const char allowed[] = "smtp:host:port, lmtp:host:port, smtp:unix:/path or "
				      "lmtp:unix:/path";
	const char *rest = value + 5;

	if (!has_prefix(value, "smtp:") && !has_prefix(value, "lmtp:"))
		return allowed;
	if (has_prefix(rest, "unix:"))
		return is_socket_path(rest + 5) ? NULL : allowed;
	const char *colon = strrchr(rest, ':');
	if (colon == NULL || colon == rest || !is_port(colon + 1, colon + strlen(colon)))
		return allowed;
	return NULL;
}

const char *config_check_delimiters(const char *value)
{
	for (const char *p = value; *p != '\0'; p++)
		if (!ispunct((unsigned char)*p) || strchr("@\"\\.<>()[]:;,", *p) != NULL)
			return "characters such as \"+\", \"-\", \"=\" or \"_\", or \"\" for none";
	return NULL;
}

const char *config_check_physical(const char *value)
{
	const char *error;

	if (value[0] == '\0' || address_check_physical(value, &error) == 0)
		return NULL;
	return "an ASCII address with a domain, or \"\" for none";
}

static size_t uri_prefix(const char *value)
{
	static const char *const schemes[] = { "ldapi://", "ldaps://", "ldap://" };

	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
		if (has_prefix(value, schemes[i]))
			return strlen(schemes[i]);
	return 0;
}

const char *config_check_uri(const char *value)
{
	if (value[0] == '\0' || (uri_prefix(value) > 0 && strchr(value, ' ') == NULL))
		return NULL;
	return "one URI that begins with ldap://, ldaps:// or ldapi://";
}

const char *config_check_uris(const char *value)
{
	for (const char *p = value; *p != '\0'; p += strspn(p, " ")) {
		if (uri_prefix(p) == 0)
			return "URIs that begin with ldap://, ldaps:// or ldapi://";
		p += strcspn(p, " ");
	}
	return NULL;
}

const char *config_check_command(const char *value)
{
	return value[strspn(value, " ")] != '\0' ? NULL : "a command";
}

/* One byte that means nothing else in CSV. */
static bool is_separator(const char *value)
{
	return value[0] > ' ' && value[0] < 0x7f && value[0] != '"' && value[0] != '#' &&
	       value[1] == '\0';
}

const char *config_check_separator(const char *value)
{
	return is_separator(value) || strcmp(value, "tab") == 0
		       ? NULL
		       : "one character of ASCII, no quote, space or #, or \"tab\"";
}

const char *config_check_value_separator(const char *value)
{
	return is_separator(value) || value[0] == '\0'
		       ? NULL
		       : "one character of ASCII, no quote, space or #, or \"\" for none";
}

const char *config_check_metrics(const char *value)
{
	static const char allowed[] = "ADDRESS:PORT with a numeric address, such as 127.0.0.1:9811 "
				      "or [::1]:9811";
	const char *colon = strrchr(value, ':');
	char host[INET6_ADDRSTRLEN + 1];
	struct in6_addr parsed;

	if (colon == NULL || !is_port(colon + 1, value + strlen(value)))
		return allowed;
	bool six = value[0] == '[' && colon > value + 1 && colon[-1] == ']';
	int len = (int)(colon - value) - 2 * six;
	if (len >= (int)sizeof host)
		return allowed;
	snprintf(host, sizeof host, "%.*s", len, value + six);
	return inet_pton(six ? AF_INET6 : AF_INET, host, &parsed) == 1 ? NULL : allowed;
}

const char *config_check_host(const char *value)
{
	for (const char *p = value; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && strchr("-_.:", *p) == NULL)
			return "name or address of a host, or \"\" for none";
	return strlen(value) <= 255 ? NULL : "at most 255 characters";
}

const char *config_check_system(const char *value)
{
	if (value[0] == '\0' || strlen(value) > ROUTE_SYSTEM_MAX)
		return "the name of a system as its entry has it, at most 64 bytes";
	for (const char *p = value; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return "text without control characters";
	return NULL;
}

const char *config_check_hours(const char *value)
{
	return hours_valid(value) ? NULL
				  : "\"Mon-Fri 07:00-19:00\", spans separated by commas, or none";
}
