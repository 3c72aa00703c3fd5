/* The backends that released mail goes straight to: judged. */
#include <strings.h>

#include "doctor/checks.h"

static bool knows_tls(const char *word)
{
	static const char *const words[] = { "none", "may", "encrypt", "verify" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(words[i], word) == 0)
			return true;
	return false;
}

static void check_address(const struct facts *facts, struct doctor_report *report)
{
	for (size_t i = 0; i < facts->directory.backend_count; i++) {
		const struct backend_facts *backend = &facts->directory.backends[i];

		if (backend->address != NULL &&
			(backend->listener == NULL ||
				(backend->tls != NULL && !knows_tls(backend->tls))))
			report_error(report,
				"the entry of system %s does not say where released mail "
				"goes: %s, %s, %s" REMEDY "restanteReleaseAddress: host:port, "
				"restanteReleaseProtocol: smtp or lmtp, "
				"restanteReleaseTLS: none, may, encrypt or verify",
				backend->name, backend->address,
				backend->protocol != NULL ? backend->protocol : "smtp",
				backend->tls != NULL ? backend->tls : "may");
	}
}

static void check_answers(const struct facts *facts, struct doctor_report *report)
{
	for (size_t i = 0; i < facts->directory.backend_count; i++) {
		const struct backend_facts *backend = &facts->directory.backends[i];

		if (backend->trouble != NULL)
			report_warning(report,
				"system %s does not answer at %s: %s; what is released for "
				"it waits" REMEDY
				"bring it back, or correct restanteReleaseAddress",
				backend->name, backend->address, backend->trouble);
	}
}

static const struct backend_facts *find(const struct facts *facts, const char *name)
{
	for (size_t i = 0; i < facts->directory.backend_count; i++)
		if (strcasecmp(facts->directory.backends[i].name, name) == 0)
			return &facts->directory.backends[i];
	return NULL;
}

static void check_known(const struct facts *facts, struct doctor_report *report)
{
	for (size_t i = 0; i < facts->config->systems.count; i++) {
		const struct config_system *system = facts->config->systems.items[i];
		const struct backend_facts *backend = find(facts, system->name);

		if (backend == NULL)
			report_warning(report,
				"%s has system %s {}, and there is no such system in the "
				"directory" REMEDY "correct its name, or take it out",
				facts->config_path, system->name);
		else if (backend->address == NULL)
			report_warning(report,
				"%s has system %s {}, and nothing is released straight to "
				"it" REMEDY
				"add restanteReleaseAddress to its entry, or take it out",
				facts->config_path, system->name);
	}
}

static void check_clear(const struct facts *facts, struct doctor_report *report)
{
	for (size_t i = 0; i < facts->config->systems.count; i++) {
		const struct config_system *system = facts->config->systems.items[i];

		if (*system->auth_user != '\0' && system->auth_in_clear)
			report_warning(report,
				"the password for system %s may cross the network in the "
				"clear" REMEDY "auth_in_clear = false, restanteReleaseTLS: verify",
				system->name);
	}
}

const struct doctor_check doctor_systems_checks[] = {
	{ "systems.known", "each system of restante.conf is one that mail is released to",
		NEED_FEDERATION, check_known },
	{ "systems.clear", "passwords for systems are sent by TLS", NEED_CONFIG, check_clear },
	{ "systems.address", "each system says where released mail goes", NEED_FEDERATION,
		check_address },
	{ "systems.answers", "each system that takes released mail straight answers",
		NEED_FEDERATION | WANT_SYSTEMS, check_answers },
	{ NULL, NULL, 0, NULL },
};
