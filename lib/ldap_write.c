#include "lib/ldap_session.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/ldap_internal.h"
#include "lib/mem.h"

#define CONTROLS_MAX 2

struct controls {
	LDAPControl items[CONTROLS_MAX];
	LDAPControl *list[CONTROLS_MAX + 1]; /* NULL-terminated, into items */
	size_t count;
};

static void add_control(
	struct controls *controls, const char *oid, bool critical, const struct berval *value)
{
	LDAPControl *control = &controls->items[controls->count];

	control->ldctl_oid = (char *)(uintptr_t)oid;
	control->ldctl_value = *value;
	control->ldctl_iscritical = critical;
	controls->list[controls->count++] = control;
	controls->list[controls->count] = NULL;
}

static void free_controls(struct controls *controls)
{
	for (size_t i = 0; i < controls->count; i++)
		ber_memfree(controls->items[i].ldctl_value.bv_val);
}

/* Whether slapo-unique looks whether somebody has a value that these changes add. */
static bool is_unique(const struct ldap_change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (changes[i].kind != LDAP_CHANGE_DELETE &&
			(strcasecmp(changes[i].attribute, "mailLocalAddress") == 0 ||
				strcasecmp(changes[i].attribute, "restanteAddressUTF8") == 0))
			return true;
	return false;
}

/*
 * RFC 4528; critical: a server that does not know it must refuse, not write.
 *
 * slapo-unique searches with the controls of the write that it checks (observed with 2.5.13), so
 * the assertion must hold for the base of its search as well, which is no mailbox: without that,
 * adding an address under an assertion is always refused. A target that is no mailbox any more
 * takes no such change: the schema forbids it.
 */
static int add_assertion(
	struct ldap_session *session, struct controls *controls, const char *assertion, bool unique)
{
	struct berval value = { 0, NULL };
	char *text;
	int code;

	if (assertion == NULL)
		return LDAP_SUCCESS;
	text = unique ? mem_printf("(|(!(objectClass=restanteMailbox))%s)", assertion)
		      : mem_strdup(assertion);
	code = ldap_create_assertion_control_value(session->handle, text, &value);
	mem_free(&text);
	if (code == LDAP_SUCCESS)
		add_control(controls, LDAP_CONTROL_ASSERT, true, &value);
	return code;
}

/* RFC 4527, not critical: where it is not offered the entry is read again. */
static void add_post_read(struct controls *controls)
{
	static char name[] = "entryCSN";
	char *names[] = { name, NULL };
	struct berval value = { 0, NULL };
	BerElement *ber = ber_alloc_t(LBER_USE_DER);

	if (ber != NULL && ber_printf(ber, "{v}", names) != -1 && ber_flatten2(ber, &value, 1) == 0)
		add_control(controls, LDAP_CONTROL_POST_READ, false, &value);
	if (ber != NULL)
		ber_free(ber, 1);
}

static bool copy_value(const struct berval *value, char *text_r, size_t size)
{
	if (value == NULL || value->bv_val == NULL || value->bv_len >= size)
		return false;
	memcpy(text_r, value->bv_val, value->bv_len);
	text_r[value->bv_len] = '\0';
	return true;
}

/* The control's value is a SearchResultEntry. */
static bool parse_post_read(const struct berval *value, char *csn_r, size_t size)
{
	BerElement *ber = ber_init((struct berval *)(uintptr_t)value);
	struct berval dn, name;
	BerVarray values = NULL;
	bool found = false;

	if (ber == NULL)
		return false;
	if (ber_scanf(ber, "{m{", &dn) != LBER_ERROR)
		while (!found && ber_scanf(ber, "{m[W]}", &name, &values) != LBER_ERROR) {
			if (name.bv_len == 8 && strncasecmp(name.bv_val, "entryCSN", 8) == 0)
				found = copy_value(values, csn_r, size);
			ber_bvarray_free(values);
			values = NULL;
		}
	ber_free(ber, 1);
	return found;
}

bool ldap_session_post_read(LDAP *handle, LDAPMessage *message, char *csn_r, size_t size)
{
	LDAPControl **controls = NULL, *control;
	bool found = false;

	ldap_parse_result(handle, message, NULL, NULL, NULL, NULL, &controls, 0);
	control = ldap_control_find(LDAP_CONTROL_POST_READ, controls, NULL);
	if (control != NULL)
		found = parse_post_read(&control->ldctl_value, csn_r, size);
	ldap_controls_free(controls);
	return found;
}

static enum ldap_result read_csn(
	struct ldap_session *session, const char *dn, char *csn_r, size_t size)
{
	static const char *const names[] = { "entryCSN", NULL };
	struct ldap_entry *entry = NULL;
	enum ldap_result result = ldap_session_read(session, dn, names, &entry);
	const char *csn = entry != NULL ? ldap_entry_value(entry, "entryCSN") : NULL;

	snprintf(csn_r, size, "%s", csn != NULL ? csn : "");
	ldap_entry_free(&entry);
	return result;
}

/* --- changes to LDAPMod --------------------------------------------------------------------- */

struct mods {
	LDAPMod *items;
	LDAPMod **list; /* NULL-terminated, into items */
};

static struct mods mods_of(const struct ldap_change *changes, size_t count, bool add)
{
	static const int kinds[] = { LDAP_MOD_REPLACE, LDAP_MOD_ADD, LDAP_MOD_DELETE };
	struct mods mods = { mem_zalloc((count + 1) * sizeof(LDAPMod)),
		mem_zalloc((count + 1) * sizeof(LDAPMod *)) };

	/* libldap reads names and values only, its struct lacks the const */
	for (size_t i = 0; i < count; i++) {
		mods.items[i].mod_op = add ? LDAP_MOD_ADD : kinds[changes[i].kind];
		mods.items[i].mod_type = (char *)(uintptr_t)changes[i].attribute;
		mods.items[i].mod_values = (char **)(uintptr_t)changes[i].values;
		mods.list[i] = &mods.items[i];
	}
	return mods;
}

static void free_mods(struct mods *mods)
{
	mem_free(&mods->items);
	mem_free(&mods->list);
}

/* --- operations ----------------------------------------------------------------------------- */

int ldap_session_send_modify(struct ldap_session *session, const char *dn,
	const struct ldap_change *changes, size_t count, const char *assertion, bool csn,
	int *msgid_r)
{
	struct mods mods = mods_of(changes, count, false);
	struct controls controls = { .count = 0 };
	int code = add_assertion(session, &controls, assertion, is_unique(changes, count));

	if (csn)
		add_post_read(&controls);
	if (code == LDAP_SUCCESS)
		code = ldap_modify_ext(
			session->handle, dn, mods.list, controls.list, NULL, msgid_r);
	free_controls(&controls);
	free_mods(&mods);
	return code;
}

int ldap_session_send_add(struct ldap_session *session, const char *dn,
	const struct ldap_change *attributes, size_t count, int *msgid_r)
{
	struct mods mods = mods_of(attributes, count, true);
	int code = ldap_add_ext(session->handle, dn, mods.list, NULL, NULL, msgid_r);

	free_mods(&mods);
	return code;
}

int ldap_session_send_delete(
	struct ldap_session *session, const char *dn, const char *assertion, int *msgid_r)
{
	struct controls controls = { .count = 0 };
	int code = add_assertion(session, &controls, assertion, false);

	if (code == LDAP_SUCCESS)
		code = ldap_delete_ext(session->handle, dn, controls.list, NULL, msgid_r);
	free_controls(&controls);
	return code;
}

/* slapo-unique says constraintViolation, as other rules do; only its own words mean "taken". */
enum ldap_result ldap_session_tell_unique(struct ldap_session *session, enum ldap_result result)
{
	if (result == LDAP_TAKEN && session->code == LDAP_CONSTRAINT_VIOLATION &&
		strstr(session->reason, "not unique") == NULL &&
		strstr(session->reason, "non-unique") == NULL)
		return LDAP_REFUSED;
	return result;
}

enum ldap_result ldap_session_modify(struct ldap_session *session, const char *dn,
	const struct ldap_change *changes, size_t count, const char *assertion, char *csn_r,
	size_t csn_size)
{
	LDAPMessage *message = NULL;
	enum ldap_result result;
	int msgid, code;

	code = ldap_session_send_modify(
		session, dn, changes, count, assertion, csn_r != NULL, &msgid);
	if (code != LDAP_SUCCESS)
		return ldap_session_broken(session, "modify", dn, code);
	result = ldap_session_wait(session, "modify", dn, msgid, &message);
	result = ldap_session_tell_unique(session, result);
	if (result == LDAP_DONE && csn_r != NULL &&
		!ldap_session_post_read(session->handle, message, csn_r, csn_size))
		result = read_csn(session, dn, csn_r, csn_size);
	ldap_msgfree(message);
	return result;
}

enum ldap_result ldap_session_add(struct ldap_session *session, const char *dn,
	const struct ldap_change *attributes, size_t count)
{
	int msgid, code = ldap_session_send_add(session, dn, attributes, count, &msgid);

	if (code != LDAP_SUCCESS)
		return ldap_session_broken(session, "add", dn, code);
	return ldap_session_tell_unique(
		session, ldap_session_wait(session, "add", dn, msgid, NULL));
}

enum ldap_result ldap_session_delete(
	struct ldap_session *session, const char *dn, const char *assertion)
{
	int msgid, code = ldap_session_send_delete(session, dn, assertion, &msgid);

	if (code != LDAP_SUCCESS)
		return ldap_session_broken(session, "delete", dn, code);
	return ldap_session_wait(session, "delete", dn, msgid, NULL);
}

enum ldap_result ldap_session_rename(struct ldap_session *session, const char *dn, const char *rdn,
	const char *parent, bool keep_old)
{
	int msgid, code;

	code = ldap_rename(session->handle, dn, rdn, parent, !keep_old, NULL, NULL, &msgid);
	if (code != LDAP_SUCCESS)
		return ldap_session_broken(session, "rename", dn, code);
	return ldap_session_wait(session, "rename", dn, msgid, NULL);
}

/* --- escaping ------------------------------------------------------------------------------- */

void ldap_filter_escape(const char *value, struct str *out)
{
	for (; *value != '\0'; value++)
		if (strchr("*()\\", *value) != NULL)
			str_printf(out, "\\%02x", (unsigned char)*value);
		else
			str_append_c(out, *value);
}

void ldap_dn_escape(const char *value, struct str *out)
{
	size_t len = strlen(value);

	for (size_t i = 0; i < len; i++) {
		bool edge = value[i] == ' ' && (i == 0 || i == len - 1);

		if (edge || (i == 0 && value[i] == '#') || strchr("\"+,;<>\\=", value[i]) != NULL)
			str_append_c(out, '\\');
		str_append_c(out, value[i]);
	}
}
