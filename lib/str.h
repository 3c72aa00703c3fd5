/*
 * A growable run of bytes, always followed by a NUL that does not count, so that `data` can be
 * used as a C string once anything was appended (str_cstr is safe on an empty one as well).
 * `struct str s = STR_INIT;` is an empty one. Not thread-safe.
 */
#ifndef RESTANTE_LIB_STR_H
#define RESTANTE_LIB_STR_H

#include <stddef.h>
#include <stdint.h>

struct str {
	char *data;
	size_t len;
	size_t cap;
};

#define STR_INIT                                                                                   \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

void str_free(struct str *s);  /* also empties it; usable again */
void str_reset(struct str *s); /* len = 0, keeps the memory */
void str_reserve(struct str *s, size_t more);
void str_append(struct str *s, const void *data, size_t len);
void str_append_z(struct str *s, const char *text);
void str_append_c(struct str *s, char c);
void str_append_u(struct str *s, uint64_t number); /* in decimal */
void str_printf(struct str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *str_cstr(const struct str *s);
/* As much of the text as fits, the NUL included; NULL is "". */
void str_copy(char *buffer, size_t size, const char *text);
/* Hands the memory over to the caller (mem_free); s is empty afterwards. Never NULL. */
char *str_steal(struct str *s);

#endif
