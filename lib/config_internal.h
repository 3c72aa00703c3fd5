/* What the files behind lib/config.h share. */
#ifndef RESTANTE_LIB_CONFIG_INTERNAL_H
#define RESTANTE_LIB_CONFIG_INTERNAL_H

#include <stddef.h>

#include "lib/str.h"

/* Appends the file to text; -1 with what is wrong in error_r. */
int config_file_read(const char *path, struct str *text, char *error_r, size_t size);

#endif
