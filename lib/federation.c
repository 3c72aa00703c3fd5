#include "lib/federation.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/address.h"
#include "lib/mem.h"
#include "lib/when.h"

void federation_dn(const char *base, struct str *out)
{
	str_printf(out, "cn=restante,%s", base);
}

void federation_nodes_dn(const char *base, struct str *out)
{
	str_append_z(out, "ou=nodes,");
	federation_dn(base, out);
}

void federation_systems_dn(const char *base, struct str *out)
{
	str_append_z(out, "ou=systems,");
	federation_dn(base, out);
}

static uint64_t number(const struct ldap_entry *entry, const char *name)
{
	const char *text = ldap_entry_value(entry, name);

	/* A negative number is no epoch: it counts as none, not as a huge one. */
	return text != NULL && *text != '-' ? strtoull(text, NULL, 10) : 0;
}

static char *text_of(const struct ldap_entry *entry, const char *name)
{
	const char *text = ldap_entry_value(entry, name);

	return mem_strdup(text != NULL ? text : "");
}

static void free_list(char ***list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		mem_free(&(*list)[i]);
	mem_free(list);
}

/* --- the federation entry ------------------------------------------------------------------ */

static void take_domains(struct federation *federation, const struct ldap_attribute *attribute)
{
	const char *error;
	char key[256];

	if (attribute == NULL)
		return;
	federation->domains = mem_grow(NULL, attribute->count, sizeof(char *));
	for (size_t i = 0; i < attribute->count; i++)
		if (address_domain_key(attribute->values[i], key, sizeof(key), &error) == 0)
			federation->domains[federation->domain_count++] = mem_strdup(key);
}

static void take_lease(struct federation *federation, const char *expiry)
{
	int64_t until = expiry != NULL ? when_generalized_us(expiry) : 0;

	federation->lease_until_us = until > 0 ? until : 0;
}

enum ldap_result federation_read(
	struct ldap_session *session, const char *base, struct federation **federation_r)
{
	static const char *const attributes[] = { "restanteEpoch", "associatedDomain",
		"restanteLeaseHolder", "restanteLeaseExpiry", NULL };
	struct str dn = STR_INIT;
	struct ldap_entry *entry = NULL;

	*federation_r = NULL;
	federation_dn(base, &dn);
	enum ldap_result result = ldap_session_read(session, str_cstr(&dn), attributes, &entry);
	str_free(&dn);
	if (result != LDAP_DONE)
		return result;
	struct federation *federation = mem_zalloc(sizeof(*federation));
	federation->has_epoch = ldap_entry_value(entry, "restanteEpoch") != NULL;
	federation->epoch = number(entry, "restanteEpoch");
	federation->controller = text_of(entry, "restanteLeaseHolder");
	take_lease(federation, ldap_entry_value(entry, "restanteLeaseExpiry"));
	take_domains(federation, ldap_entry_attribute(entry, "associatedDomain"));
	ldap_entry_free(&entry);
	*federation_r = federation;
	return LDAP_DONE;
}

void federation_free(struct federation **federation)
{
	if (*federation == NULL)
		return;
	free_list(&(*federation)->domains, (*federation)->domain_count);
	mem_free(&(*federation)->controller);
	mem_free(federation);
}

bool federation_serves(const struct federation *federation, const char *domain)
{
	for (size_t i = 0; i < federation->domain_count; i++)
		if (strcmp(federation->domains[i], domain) == 0)
			return true;
	return false;
}

/* The entries right below; that there is no such place is no error. Frees dn. */
static enum ldap_result read_below(struct ldap_session *session, struct str *dn, const char *filter,
	const char *const *attributes, ldap_entry_callback take, void *context)
{
	enum ldap_result result = ldap_session_search(
		session, str_cstr(dn), LDAP_ONE, filter, attributes, take, context);

	str_free(dn);
	return result == LDAP_NO_ENTRY ? LDAP_DONE : result;
}

/* --- front doors --------------------------------------------------------------------------- */

static void take_undrained(struct federation_node *node, const struct ldap_attribute *attribute)
{
	if (attribute == NULL)
		return;
	node->undrained = mem_grow(NULL, attribute->count, sizeof(char *));
	for (size_t i = 0; i < attribute->count; i++)
		node->undrained[node->undrained_count++] = mem_strdup(attribute->values[i]);
}

static int take_node(void *context, const struct ldap_entry *entry)
{
	struct federation_nodes *list = context;

	list->nodes = mem_grow(list->nodes, list->count + 1, sizeof(*list->nodes));
	struct federation_node *node = &list->nodes[list->count++];
	memset(node, 0, sizeof(*node));
	node->dn = mem_strdup(entry->dn);
	node->name = text_of(entry, "cn");
	node->state = text_of(entry, "restanteNodeState");
	node->disabled = strcasecmp(node->state, "disabled") == 0;
	node->enabled = strcasecmp(node->state, "enabled") == 0;
	node->acked = number(entry, "restanteAckEpoch");
	node->drained = number(entry, "restanteDrainedEpoch");
	node->heartbeat = text_of(entry, "restanteHeartbeat");
	node->held = ldap_entry_value(entry, "restanteMessagesHeld") != NULL
			     ? (int64_t)number(entry, "restanteMessagesHeld")
			     : -1;
	take_undrained(node, ldap_entry_attribute(entry, "restanteUndrained"));
	return 0;
}

enum ldap_result federation_read_nodes(
	struct ldap_session *session, const char *base, struct federation_nodes *nodes_r)
{
	static const char *const attributes[] = { "cn", "restanteNodeState", "restanteAckEpoch",
		"restanteDrainedEpoch", "restanteUndrained", "restanteHeartbeat",
		"restanteMessagesHeld", NULL };
	struct str dn = STR_INIT;

	memset(nodes_r, 0, sizeof(*nodes_r));
	federation_nodes_dn(base, &dn);
	enum ldap_result result = read_below(
		session, &dn, "(objectClass=restanteNode)", attributes, take_node, nodes_r);
	if (result != LDAP_DONE)
		federation_nodes_free(nodes_r);
	return result;
}

void federation_nodes_free(struct federation_nodes *nodes)
{
	for (size_t i = 0; i < nodes->count; i++) {
		struct federation_node *node = &nodes->nodes[i];

		mem_free(&node->name);
		mem_free(&node->dn);
		mem_free(&node->state);
		mem_free(&node->heartbeat);
		free_list(&node->undrained, node->undrained_count);
	}
	mem_free(&nodes->nodes);
	nodes->count = 0;
}

/* --- backends ------------------------------------------------------------------------------ */

static int take_system(void *context, const struct ldap_entry *entry)
{
	struct federation_systems *list = context;

	list->systems = mem_grow(list->systems, list->count + 1, sizeof(*list->systems));
	struct federation_system *system = &list->systems[list->count++];
	system->name = text_of(entry, "cn");
	system->state = text_of(entry, "restanteState");
	return 0;
}

enum ldap_result federation_read_systems(
	struct ldap_session *session, const char *base, struct federation_systems *systems_r)
{
	static const char *const attributes[] = { "cn", "restanteState", NULL };
	struct str dn = STR_INIT;

	memset(systems_r, 0, sizeof(*systems_r));
	federation_systems_dn(base, &dn);
	enum ldap_result result = read_below(
		session, &dn, "(objectClass=restanteBackend)", attributes, take_system, systems_r);
	if (result != LDAP_DONE)
		federation_systems_free(systems_r);
	return result;
}

void federation_systems_free(struct federation_systems *systems)
{
	for (size_t i = 0; i < systems->count; i++) {
		mem_free(&systems->systems[i].name);
		mem_free(&systems->systems[i].state);
	}
	mem_free(&systems->systems);
	systems->count = 0;
}
