#include "control/systems.h"

#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/federation.h"
#include "lib/mem.h"

struct known {
	char *name;
	bool redirects;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct known *list;
static size_t count;
static struct federation *federation;
static int64_t read_us; /* monotonic, 0 = never */

struct reading {
	struct known *list;
	size_t count;
};

static int take(void *context, const struct ldap_entry *entry)
{
	struct reading *reading = context;
	const char *name = ldap_entry_value(entry, "cn");
	const char *redirects = ldap_entry_value(entry, "restanteCanRedirect");

	if (name == NULL)
		return 0;
	reading->list = mem_grow(reading->list, reading->count + 1, sizeof *reading->list);
	reading->list[reading->count++] = (struct known){ mem_strdup(name),
		redirects == NULL || strcasecmp(redirects, "FALSE") != 0 };
	return 0;
}

static void drop(struct known *systems, size_t number)
{
	for (size_t i = 0; i < number; i++)
		mem_free(&systems[i].name);
	mem_free(&systems);
}

enum ldap_result systems_refresh(
	struct ldap_session *session, const char *base, int64_t older_than_us)
{
	static const char *const attributes[] = { "cn", "restanteCanRedirect", NULL };
	struct reading reading = { NULL, 0 };
	struct federation *domains = NULL;
	struct str dn = STR_INIT;

	pthread_mutex_lock(&lock);
	bool fresh = read_us != 0 && clock_mono_us() - read_us < older_than_us;
	pthread_mutex_unlock(&lock);
	if (fresh)
		return LDAP_DONE;
	federation_systems_dn(base, &dn);
	enum ldap_result result = ldap_session_search(session, str_cstr(&dn), LDAP_ONE,
		"(objectClass=restanteBackend)", attributes, take, &reading);
	str_free(&dn);
	if (result == LDAP_DONE || result == LDAP_NO_ENTRY)
		result = federation_read(session, base, &domains);
	if (result != LDAP_DONE && result != LDAP_NO_ENTRY) {
		drop(reading.list, reading.count);
		return result;
	}
	pthread_mutex_lock(&lock);
	federation_free(&federation);
	federation = domains;
	drop(list, count);
	list = reading.list;
	count = reading.count;
	read_us = clock_mono_us();
	pthread_mutex_unlock(&lock);
	return LDAP_DONE;
}

void systems_view(const char *name, struct system_view *view_r)
{
	*view_r = (struct system_view){ .known = false };
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(list[i].name, name) == 0)
			*view_r = (struct system_view){ true, list[i].redirects };
	pthread_mutex_unlock(&lock);
}

bool systems_federated(const char *domain)
{
	pthread_mutex_lock(&lock);
	bool found = federation != NULL && federation_serves(federation, domain);
	pthread_mutex_unlock(&lock);
	return found;
}

void systems_forget(void)
{
	pthread_mutex_lock(&lock);
	federation_free(&federation);
	drop(list, count);
	list = NULL;
	count = 0;
	read_us = 0;
	pthread_mutex_unlock(&lock);
}
