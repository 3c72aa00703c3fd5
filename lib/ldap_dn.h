/* The one spelling of a DN that others are compared in. Pure. */
#ifndef RESTANTE_LIB_LDAP_DN_H
#define RESTANTE_LIB_LDAP_DN_H

#include <stdbool.h>

#include "lib/str.h"

/*
 * Appends the DN without spaces around its separators, names of attributes in lower case, escapes
 * in one form (RFC 4514); the case of values stays. false: it is none, nothing is appended.
 */
bool ldap_dn_plain(const char *dn, struct str *out);

#endif
