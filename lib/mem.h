/*
 * Allocation that does not fail: out of memory ends the process with a log line (exit 70 through
 * abort). Sizes that come from outside are bounded by the caller before they get here.
 */
#ifndef RESTANTE_LIB_MEM_H
#define RESTANTE_LIB_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);
void *mem_realloc(void *old, size_t size);
/* Like mem_realloc for count elements; a product that overflows ends the process. */
void *mem_grow(void *old, size_t count, size_t element_size);
char *mem_strdup(const char *text); /* NULL gives NULL */
char *mem_strndup(const char *text, size_t len);
void *mem_dup(const void *data, size_t len);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Frees *pointer and sets it to NULL. */
#define mem_free(pointer) mem_free_((void **)(pointer))
void mem_free_(void **pointer);

/* Overwrites a secret so that the compiler cannot drop it, then frees and nulls it. */
void mem_free_secret(char **secret);

#endif
