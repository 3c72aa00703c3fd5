#include "directory/record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/log.h"

enum attribute {
	A_OBJECT_CLASS,
	A_ENTRY_CSN,
	A_LOCAL_ADDRESS,
	A_ADDRESS_UTF8,
	A_ROUTING_ADDRESS,
	A_SYSTEM,
	A_STATE,
	A_CN,
	A_DOMAIN,
	A_EPOCH,
	A_NODE_STATE,
	A_ACK_EPOCH,
	A_DRAINED_EPOCH,
	A_HEARTBEAT,
	A_RELEASE_ADDRESS,
	A_RELEASE_PROTOCOL,
	A_RELEASE_TLS,
};

const char *const record_attributes[] = {
	[A_OBJECT_CLASS] = "objectClass",
	[A_ENTRY_CSN] = "entryCSN",
	[A_LOCAL_ADDRESS] = "mailLocalAddress",
	[A_ADDRESS_UTF8] = "restanteAddressUTF8",
	[A_ROUTING_ADDRESS] = "mailRoutingAddress",
	[A_SYSTEM] = "restanteSystem",
	[A_STATE] = "restanteState",
	[A_CN] = "cn",
	[A_DOMAIN] = "associatedDomain",
	[A_EPOCH] = "restanteEpoch",
	[A_NODE_STATE] = "restanteNodeState",
	[A_ACK_EPOCH] = "restanteAckEpoch",
	[A_DRAINED_EPOCH] = "restanteDrainedEpoch",
	[A_HEARTBEAT] = "restanteHeartbeat",
	[A_RELEASE_ADDRESS] = "restanteReleaseAddress",
	[A_RELEASE_PROTOCOL] = "restanteReleaseProtocol",
	[A_RELEASE_TLS] = "restanteReleaseTLS",
	NULL,
};

/* --- keys ----------------------------------------------------------------------------------- */

const char *record_first(const struct record *record)
{
	return record->keys.len > 0 ? record->keys.data : NULL;
}

const char *record_next(const struct record *record, const char *key)
{
	const char *next = key + strlen(key) + 1;

	return next < record->keys.data + record->keys.len ? next : NULL;
}

bool record_has(const struct record *record, const char *key)
{
	for (const char *k = record_first(record); k != NULL; k = record_next(record, k))
		if (strcmp(k, key) == 0)
			return true;
	return false;
}

size_t record_count(const struct record *record)
{
	size_t count = 0;

	for (const char *k = record_first(record); k != NULL; k = record_next(record, k))
		count++;
	return count;
}

static void add_key(struct record *record, const char *key)
{
	if (!record_has(record, key))
		str_append(&record->keys, key, strlen(key) + 1);
}

/* --- values --------------------------------------------------------------------------------- */

int record_attribute(const char *name, size_t len)
{
	for (int i = 0; record_attributes[i] != NULL; i++)
		if (strncasecmp(record_attributes[i], name, len) == 0 &&
			record_attributes[i][len] == '\0')
			return i;
	return -1;
}

static void reset(struct record *record)
{
	record->kind = RECORD_NONE;
	record->csn[0] = record->mark[0] = record->name[0] = record->cn[0] = '\0';
	record->physical[0] = record->heartbeat[0] = '\0';
	record->release[0] = record->protocol[0] = record->tls[0] = '\0';
	record->state = STATE_ACTIVE;
	record->fault = PHYSICAL_MISSING;
	record->node = NODE_UNKNOWN;
	record->epoch = record->drained = 0;
	record->bad_count = 0;
	str_reset(&record->dn);
	str_reset(&record->keys);
}

void record_begin(struct record *record, const uint8_t *uuid, const char *dn, size_t dn_len)
{
	reset(record);
	memcpy(record->uuid, uuid, sizeof(record->uuid));
	str_append(&record->dn, dn, dn_len);
}

/* False where it does not fit or has a NUL inside: then it stays what it was. */
static bool copy(char *text_r, size_t size, const char *value, size_t len)
{
	if (len >= size || memchr(value, '\0', len) != NULL)
		return false;
	memcpy(text_r, value, len);
	text_r[len] = '\0';
	return true;
}

static void note_bad(struct record *record, const char *value, size_t len, const char *reason)
{
	char text[64];

	snprintf(text, sizeof(text), "%.*s", (int)(len < sizeof(text) ? len : sizeof(text) - 1),
		value);
	log_value(record->bad, sizeof(record->bad), text);
	record->bad_reason = reason;
	record->bad_count++;
}

static void take_class(struct record *record, const char *value, size_t len)
{
	static const char *const classes[] = { [RECORD_MAILBOX] = "restanteMailbox",
		[RECORD_SYSTEM] = "restanteBackend",
		[RECORD_FEDERATION] = "restanteFederation",
		[RECORD_NODE] = "restanteNode" };

	if (len < 8 || strncasecmp(value, "restante", 8) != 0 || record->kind == RECORD_MAILBOX)
		return;
	for (int kind = RECORD_MAILBOX; kind <= RECORD_NODE; kind++)
		if (strlen(classes[kind]) == len && strncasecmp(classes[kind], value, len) == 0)
			record->kind = (enum record_kind)kind;
}

static void take_address(struct record *record, const char *value, size_t len)
{
	char text[ADDRESS_MAX + 1];
	struct address address;
	const char *error = "too long";

	if (!copy(text, sizeof(text), value, len) || address_parse(text, &address, &error) < 0)
		note_bad(record, value, len, error);
	else if (!address.has_domain)
		note_bad(record, value, len, "has no domain");
	else
		add_key(record, address.key);
}

static void take_domain(struct record *record, const char *value, size_t len)
{
	char text[256], key[256];
	const char *error = "too long";

	if (!copy(text, sizeof(text), value, len) ||
		address_domain_key(text, key, sizeof(key), &error) < 0)
		note_bad(record, value, len, error);
	else
		add_key(record, key);
}

static void take_physical(struct record *record, const char *value, size_t len)
{
	const char *error;

	if (record->fault != PHYSICAL_MISSING) {
		record->fault = PHYSICAL_SEVERAL;
		return;
	}
	record->fault = PHYSICAL_MALFORMED;
	if (copy(record->physical, sizeof(record->physical), value, len) &&
		address_check_physical(record->physical, &error) == 0)
		record->fault = PHYSICAL_OK;
}

static void take_state(struct record *record, const char *value, size_t len)
{
	char text[32];

	record->state =
		copy(text, sizeof(text), value, len) ? route_state_parse(text) : STATE_UNKNOWN;
}

static void take_node_state(struct record *record, const char *value, size_t len)
{
	static const struct {
		const char *name;
		enum node_state state;
	} states[] = { { "enabled", NODE_ENABLED }, { "disabling", NODE_DISABLING },
		{ "disabled", NODE_DISABLED } };

	record->node = NODE_UNKNOWN;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strlen(states[i].name) == len && strncasecmp(states[i].name, value, len) == 0)
			record->node = states[i].state;
}

static void take_number(uint64_t *number_r, const char *value, size_t len)
{
	char text[24];

	if (copy(text, sizeof(text), value, len) && text[0] != '-')
		*number_r = strtoull(text, NULL, 10);
}

/* A system whose name is too long leads nowhere: its mailboxes are in an unknown state. */
static void take_system(struct record *record, const char *value, size_t len)
{
	if (!copy(record->name, sizeof(record->name), value, len))
		note_bad(record, value, len, "name of a system is too long");
}

/* What does not fit is wrong, and must not be taken for nothing at all. */
static void take_word(char *text_r, size_t size, const char *value, size_t len)
{
	if (!copy(text_r, size, value, len))
		copy(text_r, size, "?", 1);
}

static void take_csn(struct record *record, const char *value, size_t len)
{
	if (csn_valid(value, len))
		copy(record->csn, sizeof(record->csn), value, len);
}

void record_value(struct record *record, int attribute, const char *value, size_t len)
{
	switch ((enum attribute)attribute) {
	case A_OBJECT_CLASS: take_class(record, value, len); break;
	case A_ENTRY_CSN: take_csn(record, value, len); break;
	case A_LOCAL_ADDRESS:
	case A_ADDRESS_UTF8: take_address(record, value, len); break;
	case A_ROUTING_ADDRESS: take_physical(record, value, len); break;
	case A_SYSTEM: take_system(record, value, len); break;
	case A_STATE: take_state(record, value, len); break;
	case A_CN:
		if (record->cn[0] == '\0')
			copy(record->cn, sizeof(record->cn), value, len);
		break;
	case A_DOMAIN: take_domain(record, value, len); break;
	case A_EPOCH:
	case A_ACK_EPOCH: take_number(&record->epoch, value, len); break;
	case A_NODE_STATE: take_node_state(record, value, len); break;
	case A_DRAINED_EPOCH: take_number(&record->drained, value, len); break;
	case A_HEARTBEAT: copy(record->heartbeat, sizeof(record->heartbeat), value, len); break;
	case A_RELEASE_ADDRESS:
		take_word(record->release, sizeof(record->release), value, len);
		break;
	case A_RELEASE_PROTOCOL:
		take_word(record->protocol, sizeof(record->protocol), value, len);
		break;
	case A_RELEASE_TLS: take_word(record->tls, sizeof(record->tls), value, len); break;
	}
}

int record_finish(struct record *record, const char **error_r)
{
	if (record->kind == RECORD_NONE) {
		*error_r = "no objectClass of ours can be read; check the access rules";
		return -1;
	}
	if (record->csn[0] == '\0') {
		*error_r = "no entryCSN can be read; check the access rules";
		return -1;
	}
	if (record->dn.len > UINT16_MAX) {
		*error_r = "its DN is too long";
		return -1;
	}
	memcpy(record->mark, record->csn, sizeof(record->mark));
	if (record->kind != RECORD_MAILBOX)
		memcpy(record->name, record->cn, sizeof(record->name));
	return 0;
}

void record_free(struct record *record)
{
	str_free(&record->dn);
	str_free(&record->keys);
}
