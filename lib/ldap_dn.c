#include "lib/ldap_dn.h"

#include <ldap.h>

static void lower(struct berval *name)
{
	for (ber_len_t i = 0; i < name->bv_len; i++)
		if (name->bv_val[i] >= 'A' && name->bv_val[i] <= 'Z')
			name->bv_val[i] |= 0x20;
}

bool ldap_dn_plain(const char *dn, struct str *out)
{
	LDAPDN parsed = NULL;
	char *text = NULL;

	if (ldap_str2dn(dn, &parsed, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
		return false;
	for (LDAPRDN *rdn = parsed; rdn != NULL && *rdn != NULL; rdn++)
		for (LDAPAVA **ava = *rdn; *ava != NULL; ava++)
			lower(&(*ava)->la_attr);
	if (ldap_dn2str(parsed, &text, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS && text != NULL)
		str_append_z(out, text);
	ldap_dnfree(parsed);
	bool made = text != NULL;
	ldap_memfree(text);
	return made;
}
