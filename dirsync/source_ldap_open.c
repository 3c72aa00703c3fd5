/* LDAP sources: their settings, and sessions with them. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "dirsync/source_ldap_internal.h"
#include "lib/mem.h"

/* --- sessions ------------------------------------------------------------------------------- */

static struct ldap_options options_of(const struct config_up *settings, const char *uri)
{
	return (struct ldap_options){ .uri = uri,
		.base = settings->base,
		.bind = settings->bind,
		.bind_dn = settings->bind_dn,
		.password_file = settings->password_file,
		.starttls = settings->starttls,
		.ca_file = settings->ca_file,
		.cert_file = settings->cert_file,
		.key_file = settings->key_file,
		.timeout_us = settings->timeout };
}

/* The next word, NULL at the end. */
static char *next_uri(const char **uris)
{
	size_t len;
	char *uri;

	*uris += strspn(*uris, " ");
	len = strcspn(*uris, " ");
	uri = len > 0 ? mem_strndup(*uris, len) : NULL;
	*uris += len;
	return uri;
}

struct ldap_session *ldap_source_session(
	const struct config_up *settings, char **uri_r, struct str *error)
{
	/* USNs are of one server alone */
	bool one = strcasecmp(settings->delta, "usn") == 0;
	const char *uris =
		one && *settings->delta_server != '\0' ? settings->delta_server : settings->uri;
	struct ldap_session *session = NULL;
	const char *why;

	str_reset(error);
	while (session == NULL && (*uri_r = next_uri(&uris)) != NULL) {
		struct ldap_options options = options_of(settings, *uri_r);

		if ((session = ldap_session_open(&options, &why)) != NULL)
			break;
		str_printf(error, "%s%s", error->len > 0 ? "; " : "", why);
		mem_free(uri_r);
		if (one)
			break;
	}
	return session;
}

/* --- settings ------------------------------------------------------------------------------- */

int ldap_source_check(const struct config_up *settings, const char **error_r)
{
	struct ldap_options options = options_of(settings, settings->uri);
	struct mapping *mapping;
	const char *why;

	if (*settings->uri == '\0')
		return source_fault(
			settings, "uri", "not set; give ldap://, ldaps:// or ldapi://", error_r);
	if (*settings->base == '\0')
		return source_fault(settings, "base",
			"not set; give the DN below which the people are", error_r);
	if (ldap_options_check(&options, &why) < 0)
		return source_fault(settings, "password_file", why, error_r);
	if ((mapping = mapping_new(settings, error_r)) == NULL)
		return -1;
	mapping_free(&mapping);
	return 0;
}

/* --- opening -------------------------------------------------------------------------------- */

static void want(struct source *source, const char *name)
{
	size_t count = 0;

	for (; source->attributes != NULL && source->attributes[count] != NULL; count++)
		if (strcasecmp(source->attributes[count], name) == 0)
			return;
	source->attributes = mem_grow(source->attributes, count + 2, sizeof(*source->attributes));
	source->attributes[count] = name;
	source->attributes[count + 1] = NULL;
}

static void want_all(struct source *source)
{
	const char *const *names = mapping_names(source->mapping);

	for (; *names != NULL; names++)
		want(source, *names);
	while (source->attributes != NULL && source->attributes[source->mapped] != NULL)
		source->mapped++;
	if (source->marker_name != NULL)
		want(source, source->marker_name);
	if (strcasecmp(source->settings->delta, "modifyTimestamp") == 0)
		want(source, "modifyTimestamp");
	if (strcasecmp(source->settings->delta, "usn") == 0)
		want(source, "objectGUID");
}

static void set_marker(struct source *source, const char *marker)
{
	const char *equals = strchr(marker, '=');

	if (equals == NULL || equals == marker)
		return;
	source->marker_name = mem_strndup(marker, (size_t)(equals - marker));
	source->marker_value = equals + 1;
}

struct source *ldap_source_open(const struct config_up *settings, const char *marker)
{
	struct source *source = mem_zalloc(sizeof(*source));
	const char *error = "";

	source->settings = settings;
	source_settings(settings, marker, source->digest);
	set_marker(source, marker);
	source->mapping = mapping_new(settings, &error);
	if (source->mapping == NULL)
		source->broken = mem_strdup(error);
	else
		want_all(source);
	return source;
}

void ldap_source_close(struct source **source)
{
	if (*source == NULL)
		return;
	ldap_session_close(&(*source)->listener);
	mapping_free(&(*source)->mapping);
	mem_free(&(*source)->broken);
	mem_free(&(*source)->attributes);
	mem_free(&(*source)->marker_name);
	mem_free(&(*source)->listener_mark);
	mem_free(source);
}
