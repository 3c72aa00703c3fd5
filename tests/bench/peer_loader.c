/*
 * What restante-dirsync's writes are compared with: a client that does nothing but write, many
 * operations in flight.
 *
 *	peer_loader add|touch URI BIND-DN PASSWORD-FILE BASE FIRST COUNT WINDOW [VALUE]
 *
 * add: mailboxes uFIRST, uFIRST+1, ... below BASE, in the shape of a first up sync; touch: each
 *gets VALUE as its displayName.
 */
#define _GNU_SOURCE
#include <ldap.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUES 4
#define MODS   16

static LDAP *handle;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "peer_loader: %s: %s\n", what, why);
	exit(1);
}

static void connect_to(const char *uri, const char *dn, const char *password_file)
{
	char password[256] = "";
	int version = LDAP_VERSION3;
	FILE *file = fopen(password_file, "r");

	if (file == NULL || fgets(password, sizeof(password), file) == NULL)
		die(password_file, "cannot be read");
	fclose(file);
	password[strcspn(password, "\n")] = '\0';
	struct berval cred = { strlen(password), password };
	int code = ldap_initialize(&handle, uri);
	if (code == LDAP_SUCCESS)
		code = ldap_set_option(handle, LDAP_OPT_PROTOCOL_VERSION, &version);
	if (code == LDAP_SUCCESS)
		code = ldap_sasl_bind_s(handle, dn, LDAP_SASL_SIMPLE, &cred, NULL, NULL, NULL);
	if (code != LDAP_SUCCESS)
		die(uri, ldap_err2string(code));
}

static void take_result(void)
{
	LDAPMessage *message;
	int code = 0;
	char *text = NULL;

	if (ldap_result(handle, LDAP_RES_ANY, LDAP_MSG_ALL, NULL, &message) <= 0)
		die("result", "broke off");
	ldap_parse_result(handle, message, &code, NULL, &text, NULL, NULL, 1);
	if (code != LDAP_SUCCESS)
		die(text != NULL && *text != '\0' ? text : "refused", ldap_err2string(code));
	ldap_memfree(text);
}

struct entry {
	LDAPMod mods[MODS], *list[MODS + 1];
	char *values[MODS][VALUES + 1];
	char texts[MODS][VALUES][128];
	unsigned count;
};

static void add_value(struct entry *entry, const char *name, const char *format, unsigned number)
{
	unsigned i = entry->count > 0 && strcmp(entry->mods[entry->count - 1].mod_type, name) == 0
			     ? entry->count - 1
			     : entry->count;
	unsigned n = 0;

	if (i == entry->count) {
		entry->mods[i] = (LDAPMod){ .mod_op = LDAP_MOD_ADD,
			.mod_type = (char *)(size_t)name,
			.mod_values = entry->values[i] };
		memset(entry->values[i], 0, sizeof(entry->values[i]));
		entry->list[i] = &entry->mods[i];
		entry->list[++entry->count] = NULL;
	}
	while (entry->values[i][n] != NULL)
		n++;
	snprintf(entry->texts[i][n], sizeof(entry->texts[i][n]), format, number);
	entry->values[i][n] = entry->texts[i][n];
}

static void make_mailbox(struct entry *entry, unsigned number)
{
	entry->count = 0;
	add_value(entry, "objectClass", "inetOrgPerson", number);
	add_value(entry, "objectClass", "inetLocalMailRecipient", number);
	add_value(entry, "objectClass", "restanteMailbox", number);
	add_value(entry, "cn", "First Last%u", number);
	add_value(entry, "sn", "Last%u", number);
	add_value(entry, "givenName", "First", number);
	add_value(entry, "mail", "u%07u@example.org", number);
	add_value(entry, "mailLocalAddress", "u%07u@example.org", number);
	add_value(entry, "mailLocalAddress", "first.last%07u@example.org", number);
	add_value(entry, "mailLocalAddress", "%07u.alias@example.org", number);
	add_value(entry, "mailRoutingAddress", "u%07u@s9.lab", number);
	add_value(entry, "restanteSystem", "S9", number);
	add_value(entry, "restanteSourceId", "id-%07u", number);
}

static void send_add(struct entry *entry, const char *base, unsigned number)
{
	char dn[256];
	int id;

	make_mailbox(entry, number);
	snprintf(dn, sizeof(dn), "uid=u%07u,%s", number, base);
	int code = ldap_add_ext(handle, dn, entry->list, NULL, NULL, &id);
	if (code != LDAP_SUCCESS)
		die(dn, ldap_err2string(code));
}

static void send_touch(const char *base, unsigned number, const char *value)
{
	char *values[] = { (char *)(size_t)value, NULL };
	LDAPMod mod = { .mod_op = LDAP_MOD_REPLACE,
		.mod_type = (char *)(size_t) "displayName",
		.mod_values = values };
	LDAPMod *list[] = { &mod, NULL };
	char dn[256];
	int id;

	snprintf(dn, sizeof(dn), "uid=u%07u,%s", number, base);
	int code = ldap_modify_ext(handle, dn, list, NULL, NULL, &id);
	if (code != LDAP_SUCCESS)
		die(dn, ldap_err2string(code));
}

int main(int argc, char **argv)
{
	static struct entry entry;

	if (argc < 9) {
		fprintf(stderr, "usage: peer_loader add|touch URI BIND-DN PASSWORD-FILE BASE FIRST "
				"COUNT WINDOW [VALUE]\n");
		return 2;
	}
	bool adds = strcmp(argv[1], "add") == 0;
	unsigned first = (unsigned)atoi(argv[6]), count = (unsigned)atoi(argv[7]);
	unsigned window = (unsigned)atoi(argv[8]), sent = 0;
	connect_to(argv[2], argv[3], argv[4]);
	for (unsigned done = 0; done < count; done++) {
		for (; sent < count && sent - done < window; sent++)
			if (adds)
				send_add(&entry, argv[5], first + sent);
			else
				send_touch(argv[5], first + sent, argc > 9 ? argv[9] : "touched");
		take_result();
	}
	ldap_unbind_ext(handle, NULL, NULL);
	return 0;
}
