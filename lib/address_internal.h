/* What the files behind lib/address.h share. */
#ifndef RESTANTE_LIB_ADDRESS_INTERNAL_H
#define RESTANTE_LIB_ADDRESS_INTERNAL_H

#include "lib/address.h"

/* RFC 1035, in octets. */
#define ADDRESS_DOMAIN_MAX 255

/* address_domain_key() of len bytes; key_r holds ADDRESS_DOMAIN_MAX + 1. */
int address_domain_key_of(const char *domain, size_t len, char *key_r, const char **error_r);

#endif
