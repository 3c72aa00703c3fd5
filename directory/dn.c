#include "directory/dn.h"

#include <strings.h>

#include <ldap.h>

static bool same_text(const struct berval *a, const struct berval *b)
{
	/* libldap has no memory for an empty value */
	return a->bv_len == b->bv_len &&
	       (a->bv_len == 0 || strncasecmp(a->bv_val, b->bv_val, a->bv_len) == 0);
}

static bool same_rdn(LDAPRDN a, LDAPRDN b)
{
	int i;

	for (i = 0; a[i] != NULL && b[i] != NULL; i++)
		if (!same_text(&a[i]->la_attr, &b[i]->la_attr) ||
			!same_text(&a[i]->la_value, &b[i]->la_value))
			return false;
	return a[i] == NULL && b[i] == NULL;
}

static bool same_names(LDAPDN a, LDAPDN b)
{
	int i;

	for (i = 0; a[i] != NULL && b[i] != NULL; i++)
		if (!same_rdn(a[i], b[i]))
			return false;
	return a[i] == NULL && b[i] == NULL;
}

bool dn_same(const char *one, const char *other)
{
	LDAPDN a = NULL, b = NULL;
	bool same = ldap_str2dn(one, &a, LDAP_DN_FORMAT_LDAP) == LDAP_SUCCESS && a != NULL &&
		    ldap_str2dn(other, &b, LDAP_DN_FORMAT_LDAP) == LDAP_SUCCESS && b != NULL &&
		    same_names(a, b);

	ldap_dnfree(a);
	ldap_dnfree(b);
	return same;
}
