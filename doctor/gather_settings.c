/* cn=config of the database that holds the tree, by whichever identity may read it. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "doctor/gather.h"
#include "lib/mem.h"

struct database {
	const char *base;
	char *dn;
	size_t suffix_len; /* of the best so far */
	struct settings *settings;
};

bool gather_holds(const char *suffix, const char *base)
{
	size_t short_len = strlen(suffix), long_len = strlen(base);

	if (short_len > long_len || strcasecmp(base + long_len - short_len, suffix) != 0)
		return false;
	return short_len == long_len || short_len == 0 || base[long_len - short_len - 1] == ',';
}

static void take_list(const struct ldap_entry *entry, const char *name, struct strings *list)
{
	const struct ldap_attribute *attribute = ldap_entry_attribute(entry, name);

	strings_free(list);
	for (size_t i = 0; attribute != NULL && i < attribute->count; i++) {
		const char *value = attribute->values[i];

		/* "{0}first": an ordered attribute */
		if (value[0] == '{' && strchr(value, '}') != NULL)
			value = strchr(value, '}') + 1;
		strings_add(list, value);
	}
}

static int take_database(void *context, const struct ldap_entry *entry)
{
	struct database *database = context;
	const struct ldap_attribute *suffix = ldap_entry_attribute(entry, "olcSuffix");

	for (size_t i = 0; suffix != NULL && i < suffix->count; i++) {
		size_t len = strlen(suffix->values[i]);

		if (!gather_holds(suffix->values[i], database->base) ||
			(database->dn != NULL && len <= database->suffix_len))
			continue;
		mem_free(&database->dn);
		database->dn = mem_strdup(entry->dn);
		database->suffix_len = len;
		take_list(entry, "olcDbIndex", &database->settings->indexes);
	}
	return 0;
}

static void replace_text(char **target, const char *text)
{
	mem_free(target);
	*target = mem_strdup(text);
}

/* "{0}syncprov" */
static bool is_overlay(const char *value, const char *name)
{
	const char *brace = value != NULL ? strchr(value, '}') : NULL;

	return value != NULL && strcasecmp(brace != NULL ? brace + 1 : value, name) == 0;
}

static int take_overlay(void *context, const struct ldap_entry *entry)
{
	const char *overlay = ldap_entry_value(entry, "olcOverlay");
	struct settings *settings = context;

	if (is_overlay(overlay, "syncprov")) {
		settings->syncprov = true;
		replace_text(&settings->session_log, ldap_entry_value(entry, "olcSpSessionlog"));
		replace_text(&settings->checkpoint, ldap_entry_value(entry, "olcSpCheckpoint"));
	} else if (is_overlay(overlay, "unique")) {
		settings->unique = true;
		take_list(entry, "olcUniqueURI", &settings->unique_uris);
	}
	return 0;
}

static bool read_settings(struct ldap_session *session, const char *base, struct settings *settings)
{
	static const char *const names[] = { "olcSuffix", "olcDbIndex", NULL };
	static const char *const overlay_names[] = { "olcOverlay", "olcSpSessionlog",
		"olcSpCheckpoint", "olcUniqueURI", NULL };
	struct database database = { .base = base, .settings = settings };

	ldap_session_search(session, "cn=config", LDAP_ONE, "(objectClass=olcDatabaseConfig)",
		names, take_database, &database);
	if (database.dn == NULL)
		return false;
	ldap_session_search(session, database.dn, LDAP_ONE, "(objectClass=olcOverlayConfig)",
		overlay_names, take_overlay, settings);
	mem_free(&database.dn);
	return true;
}

void gather_settings(const struct sessions *sessions, const char *base, struct settings *settings)
{
	settings->seen = read_settings(sessions->milter, base, settings);
	if (!settings->seen && sessions->administrator != NULL)
		settings->seen = read_settings(sessions->administrator, base, settings);
}
