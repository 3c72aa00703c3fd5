/* A file that a disk or somebody has damaged. */
#ifndef RESTANTE_TESTS_UNIT_SPOIL_H
#define RESTANTE_TESTS_UNIT_SPOIL_H

#include <sys/types.h>

/* Overwrites that many bytes from there. */
void spoil(const char *dir, const char *file, off_t from, size_t bytes);

#endif
