#include "dirsync/target_ldap.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/ldap_stream.h"
#include "lib/log.h"
#include "lib/mem.h"

#define ASSERTION "1.3.6.1.1.12" /* RFC 4528 */
#define PAGE      1000           /* Active Directory gives no more at once */

/* --- settings ------------------------------------------------------------------------------- */

static int check(const struct config_down *settings, const char **error_r)
{
	struct ldap_options options = { .bind = settings->bind,
		.bind_dn = settings->bind_dn,
		.password_file = settings->password_file };

	if (target_need(settings, "uri", settings->uri, "name its LDAP server", error_r) < 0 ||
		target_need(settings, "container", settings->container,
			"name the entry below which the contacts shall be", error_r) < 0 ||
		target_need(settings, "search_base", settings->search_base,
			"name the entry below which nobody else may have an address of a contact: "
			"the system's own people are there",
			error_r) < 0 ||
		target_need(settings, "object_class", settings->object_class,
			"name the class of contacts", error_r) < 0 ||
		target_need(settings, "search_addresses", settings->search_addresses,
			"name the attributes in which an address may be taken already",
			error_r) < 0 ||
		target_check_marker(settings, error_r) < 0)
		return -1;
	return ldap_options_check(&options, error_r);
}

static void add_name(char ***list, size_t *count, const char *name, size_t len)
{
	for (size_t i = 0; i < *count; i++)
		if (strlen((*list)[i]) == len && strncasecmp((*list)[i], name, len) == 0)
			return;
	*list = mem_grow(*list, *count + 2, sizeof(**list));
	(*list)[(*count)++] = mem_strndup(name, len);
	(*list)[*count] = NULL;
}

static void list_names(struct target *target)
{
	const char *at = target->settings->search_addresses;

	for (const char *const *n = contact_form_names(target->options.form); *n != NULL; n++)
		add_name(&target->names, &target->name_count, *n, strlen(*n));
	add_name(&target->names, &target->name_count, target->settings->rdn,
		strlen(target->settings->rdn));
	add_name(&target->names, &target->name_count, target->marker_name,
		strlen(target->marker_name));
	for (at += strspn(at, " \t"); *at != '\0'; at += strspn(at, " \t")) {
		add_name(&target->searched, &target->searched_count, at, strcspn(at, " \t"));
		at += strcspn(at, " \t");
	}
	/* last, even where it is searched, too */
	target->searched =
		mem_grow(target->searched, target->searched_count + 2, sizeof(*target->searched));
	target->searched[target->searched_count++] = mem_strdup(target->marker_name);
	target->searched[target->searched_count] = NULL;
}

static struct target *open_target(const struct target_options *options)
{
	struct target *target = mem_zalloc(sizeof(*target));

	target->options = *options;
	target->settings = options->settings;
	target->after = -1;
	target->after_path = mem_printf("%s/%s.after", options->dir, options->settings->name);
	if (!target_marker(options->settings, &target->marker_name, &target->marker_value)) {
		target->marker_name = mem_strdup("");
		target->marker_value = mem_strdup("");
	}
	list_names(target);
	target->slots = mem_zalloc(options->window * sizeof(*target->slots));
	return target;
}

static void free_slot(struct slot *slot)
{
	person_free(&slot->contact);
	person_free(&slot->current);
	str_free(&slot->dn);
	str_free(&slot->foreign);
	str_free(&slot->has);
}

static void free_names(char ***list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		mem_free(&(*list)[i]);
	mem_free(list);
}

static void abort_run(struct target *target)
{
	ldap_session_close(&target->session);
	target_ldap_forget_again(target);
	for (size_t i = 0; i < target->options.window; i++)
		target->slots[i].phase = SLOT_FREE;
	target->used = 0;
	if (target->after >= 0)
		close(target->after);
	target->after = -1;
}

static void close_target(struct target **target)
{
	struct target *t = *target;

	if (t == NULL)
		return;
	abort_run(t);
	for (size_t i = 0; i < t->options.window; i++)
		free_slot(&t->slots[i]);
	mem_free(&t->slots);
	free_names(&t->names, t->name_count);
	free_names(&t->searched, t->searched_count);
	mem_free(&t->marker_name);
	mem_free(&t->marker_value);
	str_free(&t->asserted);
	mem_free(&t->after_path);
	mem_free(target);
}

/* --- connecting ----------------------------------------------------------------------------- */

/* A server that says nothing of itself, or goes away, is noticed soon enough. */
static bool offers_assertions(struct ldap_session *session)
{
	static const char *const names[] = { "supportedControl", NULL };
	const struct ldap_attribute *controls = NULL;
	struct ldap_entry *root = NULL;
	bool offered = false;

	if (ldap_session_read(session, "", names, &root) == LDAP_DONE)
		controls = ldap_entry_attribute(root, names[0]);
	for (size_t i = 0; controls != NULL && i < controls->count; i++)
		offered |= strcmp(controls->values[i], ASSERTION) == 0;
	ldap_entry_free(&root);
	return offered;
}

static int begin(struct target *target, const struct target_sink *sink, const char **error_r)
{
	const struct config_down *s = target->settings;
	struct ldap_options options = { .base = s->container,
		.bind = s->bind,
		.bind_dn = s->bind_dn,
		.password_file = s->password_file,
		.starttls = s->starttls,
		.ca_file = s->ca_file,
		.cert_file = s->cert_file,
		.key_file = s->key_file,
		.timeout_us = s->timeout };
	const char *at = s->uri, *why = "no server";

	abort_run(target);
	target->sink = sink;
	target->last = TARGET_DELETE;
	for (at += strspn(at, " \t"); *at != '\0' && target->session == NULL;
		at += strspn(at, " \t")) {
		char *uri = mem_strndup(at, strcspn(at, " \t"));

		options.uri = uri;
		target->session = ldap_session_open(&options, &why);
		at += strlen(uri);
		mem_free(&uri);
	}
	if (target->session == NULL)
		return target_fail(error_r, "down %s: %s", s->name, why);
	str_reset(&target->asserted);
	if (*target->marker_name != '\0' && offers_assertions(target->session))
		target_ldap_assertion(target, &target->asserted);
	return 0;
}

/* --- what is there of ours ------------------------------------------------------------------ */

struct listing {
	struct target *target;
	struct person person;
	uint64_t strangers; /* entries of ours with a name that we did not give */
};

/* Whether the DN is that of a contact of ours: its id. Our ids need no escapes. */
static bool id_of_dn(const struct target *target, const char *dn, struct str *id)
{
	size_t rdn = strlen(target->settings->rdn);
	size_t len;

	if (strncasecmp(dn, target->settings->rdn, rdn) != 0 || dn[rdn] != '=')
		return false;
	len = strcspn(dn + rdn + 1, ",+\\");
	str_append(id, dn + rdn + 1, len);
	return len > 0 && len <= PERSON_ID_MAX && strchr("+\\", dn[rdn + 1 + len]) == NULL;
}

static void take_values(
	const struct target *target, const struct ldap_stream_entry *entry, struct person *person)
{
	for (size_t i = 0; i < entry->count; i++)
		target_ldap_take(target, entry->values[i].name, entry->values[i].data, person);
}

static int list_entry(void *context, const struct ldap_stream_entry *entry)
{
	struct listing *listing = context;
	const struct target_sink *sink = listing->target->sink;
	uint8_t digest[PERSON_DIGEST_SIZE];
	char shown[256];

	person_reset(&listing->person);
	if (!id_of_dn(listing->target, entry->dn, &listing->person.id)) {
		log_warning("dirsync",
			"contact left alone: it has our marker, but its name is not by rdn "
			"system=%s dn=%s",
			listing->target->settings->name,
			log_value(shown, sizeof(shown), entry->dn));
		return 0;
	}
	take_values(listing->target, entry, &listing->person);
	person_digest(&listing->person, digest);
	return sink->contact(sink->context, str_cstr(&listing->person.id), digest,
		contact_has(listing->target->options.form, &listing->person));
}

static int list(struct target *target, const char **error_r)
{
	struct listing listing = { .target = target, .person = PERSON_INIT };
	struct str filter = STR_INIT;
	struct ldap_stream_options options = { .base = target->settings->container,
		.scope = LDAP_ONE,
		.attributes = (const char *const *)target->names,
		.page = PAGE,
		.stop = target->options.stop };
	enum ldap_result result;
	bool stopped = false;

	target_ldap_marker_filter(target, &filter);
	options.filter = str_cstr(&filter);
	result = ldap_stream_search(target->session, &options, list_entry, &listing, &stopped);
	str_free(&filter);
	person_free(&listing.person);
	if (result == LDAP_DONE)
		return 0;
	return target_fail(error_r, "down %s.container: %s%s", target->settings->name,
		stopped ? "stopped" : ldap_session_reason(target->session),
		result == LDAP_NO_ENTRY ? "; make that entry" : "");
}

const struct target_kind target_ldap_kind = { .name = "ldap",
	.lists = true,
	.check = check,
	.open = open_target,
	.close = close_target,
	.begin = begin,
	.list = list,
	.put = target_ldap_put,
	.end = target_ldap_end,
	.abort = abort_run };
