/*
 * What the directory's schema must have: the names and numbers of ldap-schema/restante.schema,
 * which a test compares, and what the shipped misc.schema of OpenLDAP adds.
 */
#include "doctor/schema.h"

#include <string.h>
#include <strings.h>

#define ARC "2.25.128457251872289828292067198598074718349"

static const struct schema_name attributes[] = {
	{ "restanteSystem", ARC ".1.1" },
	{ "restanteState", ARC ".1.2" },
	{ "restanteSourceId", ARC ".1.3" },
	{ "restanteAddressUTF8", ARC ".1.4" },
	{ "restanteForeignAddress", ARC ".1.5" },
	{ "restanteVanishedSince", ARC ".1.6" },
	{ "restanteProvenance", ARC ".1.7" },
	{ "restanteSyncedAt", ARC ".1.8" },
	{ "restanteVanishingAddress", ARC ".1.9" },
	{ "restantePrimaryUTF8", ARC ".1.10" },
	{ "restanteEpoch", ARC ".1.20" },
	{ "restanteLeaseHolder", ARC ".1.21" },
	{ "restanteLeaseTerm", ARC ".1.22" },
	{ "restanteLeaseExpiry", ARC ".1.23" },
	{ "restanteReleaseAddress", ARC ".1.30" },
	{ "restanteReleaseProtocol", ARC ".1.31" },
	{ "restanteReleaseTLS", ARC ".1.32" },
	{ "restanteCanRedirect", ARC ".1.33" },
	{ "restanteSyncAsked", ARC ".1.34" },
	{ "restanteSyncFinished", ARC ".1.35" },
	{ "restanteUpSyncAt", ARC ".1.36" },
	{ "restanteUpSyncOutcome", ARC ".1.37" },
	{ "restanteDownSyncAt", ARC ".1.38" },
	{ "restanteDownSyncOutcome", ARC ".1.39" },
	{ "restanteUpLease", ARC ".1.40" },
	{ "restanteDownLease", ARC ".1.41" },
	{ "restanteDownSyncAsked", ARC ".1.42" },
	{ "restanteDownSyncFinished", ARC ".1.43" },
	{ "restanteUpSyncFailed", ARC ".1.44" },
	{ "restanteDownSyncFailed", ARC ".1.45" },
	{ "restanteUpSyncStart", ARC ".1.46" },
	{ "restanteDownSyncStart", ARC ".1.47" },
	{ "restanteUpSyncRun", ARC ".1.48" },
	{ "restanteDownSyncRun", ARC ".1.49" },
	{ "restanteNodeState", ARC ".1.50" },
	{ "restanteAckEpoch", ARC ".1.51" },
	{ "restanteDrainedEpoch", ARC ".1.52" },
	{ "restanteUndrained", ARC ".1.53" },
	{ "restanteHeartbeat", ARC ".1.54" },
	{ "restanteMessagesHeld", ARC ".1.55" },
	{ "restanteSyncApproved", ARC ".1.60" },
	{ "restanteDownSyncApproved", ARC ".1.61" },
	{ "restanteSyncApproval", ARC ".1.62" },
	{ "restanteDownSyncApproval", ARC ".1.63" },
	{ "restanteMoveAddress", ARC ".1.70" },
	{ "restanteMoveTarget", ARC ".1.71" },
	{ "restanteMoveInstant", ARC ".1.72" },
	{ "restanteMoveScenario", ARC ".1.73" },
	{ "restanteMoveState", ARC ".1.74" },
	{ "restanteMovePhysical", ARC ".1.75" },
	{ "restanteMoveSourceId", ARC ".1.76" },
	{ "restanteMoveClaim", ARC ".1.77" },
	{ "restanteMoveOldPhysical", ARC ".1.78" },
	{ "restanteMoveReached", ARC ".1.79" },
	{ "restanteMoveBranch", ARC ".1.80" },
	{ "restanteMoveWaits", ARC ".1.81" },
	{ "restanteMoveWork", ARC ".1.82" },
	{ "restanteMoveRequest", ARC ".1.83" },
	{ "restanteMoveOutcome", ARC ".1.84" },
	{ "restanteMoveIdentifier", ARC ".1.85" },
	{ "restanteMoveError", ARC ".1.86" },
	{ "restanteMoveWave", ARC ".1.87" },
	{ "restanteMoveAssignor", ARC ".1.88" },
	{ "restanteMoveOldSourceId", ARC ".1.89" },
	{ "restanteMoveOldGone", ARC ".1.90" },
	{ "restanteMoveStopped", ARC ".1.91" },
	{ "restanteMoveDone", ARC ".1.92" },
	{ "restanteMoveMailbox", ARC ".1.93" },
	{ "restanteMoveMayDelete", ARC ".1.94" },
	{ "restanteMoveHold", ARC ".1.95" },
	{ "restanteLeaseLength", ARC ".1.96" },
	{ "restanteMoveHeld", ARC ".1.98" },
	{ "restanteMoveMade", ARC ".1.99" },
	{ "mailLocalAddress", "2.16.840.1.113730.3.1.13" },
	{ "mailHost", "2.16.840.1.113730.3.1.18" },
	{ "mailRoutingAddress", "2.16.840.1.113730.3.1.47" },
	{ "associatedDomain", "0.9.2342.19200300.100.1.37" },
	{ NULL, NULL },
};

static const struct schema_name classes[] = {
	{ "restanteMailbox", ARC ".2.1" },
	{ "restanteFederation", ARC ".2.2" },
	{ "restanteBackend", ARC ".2.3" },
	{ "restanteNode", ARC ".2.4" },
	{ "restanteMove", ARC ".2.5" },
	{ "inetLocalMailRecipient", "2.16.840.1.113730.3.2.147" },
	{ NULL, NULL },
};

/* The numeric OID of "( 1.2.3 NAME 'x' ..." (RFC 4512), its length. */
static const char *oid_of(const char *definition, size_t *len_r)
{
	const char *oid = definition + strspn(definition, "( \t");

	*len_r = strcspn(oid, " \t)");
	return oid;
}

/* Whether the quoted names behind NAME have that one. */
static bool names(const char *definition, const char *name)
{
	const char *at = strstr(definition, " NAME ");
	size_t len = strlen(name);

	if (at == NULL)
		return false;
	at += strlen(" NAME ");
	const char *end = *at == '(' ? strchr(at, ')') : NULL;
	for (const char *quote = strchr(at, '\''); quote != NULL; quote = strchr(quote, '\'')) {
		const char *close = strchr(++quote, '\'');

		if (close == NULL || (end != NULL && quote > end))
			return false;
		if ((size_t)(close - quote) == len && strncasecmp(quote, name, len) == 0)
			return true;
		if (end == NULL)
			return false;
		quote = close + 1;
	}
	return false;
}

enum schema_verdict schema_judge(const struct strings *definitions, const struct schema_name *name)
{
	for (size_t i = 0; i < definitions->count; i++) {
		size_t len;
		const char *oid = oid_of(definitions->items[i], &len);

		if (!names(definitions->items[i], name->name))
			continue;
		return len == strlen(name->oid) && strncmp(oid, name->oid, len) == 0 ? SCHEMA_THERE
										     : SCHEMA_OTHER;
	}
	return SCHEMA_MISSING;
}

const struct schema_name *schema_attributes(void)
{
	return attributes;
}

const struct schema_name *schema_classes(void)
{
	return classes;
}
