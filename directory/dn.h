/* Names of entries, compared as the directory would: case, spaces and escapes do not count. Pure.
 */
#ifndef RESTANTE_DIRECTORY_DN_H
#define RESTANTE_DIRECTORY_DN_H

#include <stdbool.h>

/* False also where one of them is no DN. */
bool dn_same(const char *one, const char *other);

#endif
