/* The backends as ou=systems has them, and the federated domains, remembered for a few seconds.
 * Thread-safe. */
#ifndef RESTANTE_CONTROL_SYSTEMS_H
#define RESTANTE_CONTROL_SYSTEMS_H

#include <stdbool.h>

#include "lib/ldap_session.h"

struct system_view {
	bool known;
	bool redirects; /* restanteCanRedirect is not FALSE */
};

/* Reads them where what is remembered is older than that. */
enum ldap_result systems_refresh(
	struct ldap_session *session, const char *base, int64_t older_than_us);
void systems_view(const char *name, struct system_view *view_r);
/* Whether that domain (normal form) is federated: nothing physical may lie there. */
bool systems_federated(const char *domain);
void systems_forget(void);

#endif
