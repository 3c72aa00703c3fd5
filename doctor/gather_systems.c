/* The backends that released mail goes straight to: asked. */
#include <strings.h>

#include "doctor/gather.h"
#include "lib/config_table.h"
#include "lib/mem.h"

char *gather_listener_of(const struct backend_facts *backend)
{
	const char *protocol = backend->protocol != NULL ? backend->protocol : "smtp";
	bool lmtp = strcasecmp(protocol, "lmtp") == 0;

	if (backend->address == NULL || (!lmtp && strcasecmp(protocol, "smtp") != 0))
		return NULL;
	char *listener = mem_printf("%s:%s", lmtp ? "lmtp" : "smtp", backend->address);
	if (config_check_relay(listener) != NULL)
		mem_free(&listener);
	return listener;
}

/* One that is off line for an evening is not asked. */
void gather_systems(struct facts *facts)
{
	for (size_t i = 0; i < facts->directory.backend_count; i++) {
		struct backend_facts *backend = &facts->directory.backends[i];

		if (backend->active && backend->listener != NULL)
			backend->trouble = gather_greeting(backend->listener, GATHER_PATIENCE);
	}
}
