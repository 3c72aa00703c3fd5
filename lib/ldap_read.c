#include "lib/ldap_session.h"

#include <string.h>
#include <strings.h>

#include "lib/ldap_internal.h"
#include "lib/mem.h"

void ldap_entry_free(struct ldap_entry **entry)
{
	if (*entry == NULL)
		return;
	for (size_t i = 0; i < (*entry)->count; i++) {
		struct ldap_attribute *attribute = &(*entry)->attributes[i];

		for (size_t v = 0; v < attribute->count; v++)
			mem_free(&attribute->values[v]);
		mem_free(&attribute->values);
		mem_free(&attribute->name);
	}
	mem_free(&(*entry)->attributes);
	mem_free(&(*entry)->dn);
	mem_free(entry);
}

const struct ldap_attribute *ldap_entry_attribute(const struct ldap_entry *entry, const char *name)
{
	for (size_t i = 0; i < entry->count; i++)
		if (strcasecmp(entry->attributes[i].name, name) == 0)
			return &entry->attributes[i];
	return NULL;
}

const char *ldap_entry_value(const struct ldap_entry *entry, const char *name)
{
	const struct ldap_attribute *attribute = ldap_entry_attribute(entry, name);

	return attribute != NULL && attribute->count > 0 ? attribute->values[0] : NULL;
}

static void add_attribute(
	struct ldap_entry *entry, const struct berval *name, const struct berval *values)
{
	struct ldap_attribute *attribute;
	size_t count = 0;

	while (values != NULL && values[count].bv_val != NULL)
		count++;
	entry->attributes =
		mem_grow(entry->attributes, entry->count + 1, sizeof(*entry->attributes));
	attribute = &entry->attributes[entry->count++];
	attribute->name = mem_strndup(name->bv_val, name->bv_len);
	attribute->count = count;
	attribute->values = mem_grow(NULL, count + 1, sizeof(*attribute->values));
	for (size_t i = 0; i < count; i++)
		attribute->values[i] = mem_strndup(values[i].bv_val, values[i].bv_len);
	attribute->values[count] = NULL;
}

struct ldap_entry *ldap_session_entry(LDAP *handle, LDAPMessage *message)
{
	struct ldap_entry *entry = mem_zalloc(sizeof(*entry));
	struct berval dn = { 0, NULL }, name, *values;
	BerElement *ber = NULL;

	if (ldap_get_dn_ber(handle, message, &ber, &dn) != LDAP_SUCCESS) {
		mem_free(&entry);
		return NULL;
	}
	entry->dn = mem_strndup(dn.bv_val, dn.bv_len);
	while (ldap_get_attribute_ber(handle, message, ber, &name, &values) == LDAP_SUCCESS &&
		name.bv_val != NULL) {
		add_attribute(entry, &name, values);
		ldap_memfree(values);
	}
	ber_free(ber, 0);
	return entry;
}

struct search {
	struct ldap_session *session;
	const char *base;
	int msgid;
	ldap_entry_callback callback;
	void *context;
};

/* 1: go on; 0: *result_r is the outcome. */
static int take_message(struct search *search, LDAPMessage *message, enum ldap_result *result_r)
{
	LDAP *handle = search->session->handle;
	struct ldap_entry *entry;
	char *words = NULL;
	int code = LDAP_DECODING_ERROR, go_on = 1;

	switch (ldap_msgtype(message)) {
	case LDAP_RES_SEARCH_ENTRY:
		if ((entry = ldap_session_entry(handle, message)) == NULL)
			break;
		if (search->callback(search->context, entry) != 0) {
			ldap_abandon_ext(handle, search->msgid, NULL, NULL);
			*result_r = LDAP_DONE;
			go_on = 0;
		}
		ldap_entry_free(&entry);
		return go_on;
	case LDAP_RES_SEARCH_RESULT:
		ldap_parse_result(handle, message, &code, NULL, &words, NULL, NULL, 0);
		break;
	default: return 1;
	}
	*result_r = ldap_session_judge(search->session, "search", search->base, code, words);
	ldap_memfree(words);
	return 0;
}

static enum ldap_result run_search(struct search *search)
{
	struct timeval timeout = ldap_session_timeval(search->session);
	LDAP *handle = search->session->handle;
	enum ldap_result result = LDAP_DOWN;
	LDAPMessage *message = NULL;
	int got, code = LDAP_SERVER_DOWN, go_on;

	do {
		got = ldap_result(handle, search->msgid, LDAP_MSG_ONE, &timeout, &message);
		if (got <= 0) {
			if (got == 0)
				ldap_abandon_ext(handle, search->msgid, NULL, NULL);
			else
				ldap_get_option(handle, LDAP_OPT_RESULT_CODE, &code);
			return ldap_session_broken(search->session, "search", search->base,
				got == 0 ? LDAP_TIMEOUT : code);
		}
		go_on = take_message(search, message, &result);
		ldap_msgfree(message);
	} while (go_on);
	return result;
}

enum ldap_result ldap_session_search(struct ldap_session *session, const char *base,
	enum ldap_scope scope, const char *filter, const char *const *attributes,
	ldap_entry_callback callback, void *context)
{
	static const int scopes[] = { LDAP_SCOPE_BASE, LDAP_SCOPE_ONELEVEL, LDAP_SCOPE_SUBTREE };
	struct search search = {
		.session = session, .base = base, .callback = callback, .context = context
	};
	int code;

	/* libldap does not change the list, its prototype only lacks the const */
	code = ldap_search_ext(session->handle, base, scopes[scope], filter,
		(char **)(uintptr_t)attributes, 0, NULL, NULL, NULL, LDAP_NO_LIMIT, &search.msgid);
	if (code != LDAP_SUCCESS)
		return ldap_session_broken(session, "search", base, code);
	return run_search(&search);
}

static int keep_entry(void *context, const struct ldap_entry *entry)
{
	struct ldap_entry **kept = context;

	/* the entry is ours to empty: the caller frees what is left of it */
	*kept = mem_dup(entry, sizeof(*entry));
	memset((void *)(uintptr_t)entry, 0, sizeof(*entry));
	return 0;
}

enum ldap_result ldap_session_read(struct ldap_session *session, const char *dn,
	const char *const *attributes, struct ldap_entry **entry_r)
{
	enum ldap_result result;

	*entry_r = NULL;
	result = ldap_session_search(
		session, dn, LDAP_BASE, "(objectClass=*)", attributes, keep_entry, entry_r);
	if (result == LDAP_DONE && *entry_r == NULL)
		return ldap_session_judge(session, "read", dn, LDAP_NO_SUCH_OBJECT, NULL);
	if (result != LDAP_DONE)
		ldap_entry_free(entry_r);
	return result;
}
