#define _GNU_SOURCE
#include "lib/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

static void *need(void *pointer, size_t size)
{
	if (pointer == NULL) {
		log_error("memory", "out of memory asked=%zu", size);
		abort();
	}
	return pointer;
}

void *mem_alloc(size_t size)
{
	return need(malloc(size ? size : 1), size);
}

void *mem_zalloc(size_t size)
{
	return need(calloc(1, size ? size : 1), size);
}

void *mem_realloc(void *old, size_t size)
{
	return need(realloc(old, size ? size : 1), size);
}

void *mem_grow(void *old, size_t count, size_t element_size)
{
	size_t size;

	if (__builtin_mul_overflow(count, element_size, &size))
		size = SIZE_MAX / 2;
	return mem_realloc(old, size);
}

char *mem_strdup(const char *text)
{
	return text ? mem_dup(text, strlen(text) + 1) : NULL;
}

char *mem_strndup(const char *text, size_t len)
{
	len = strnlen(text, len);
	char *copy = mem_alloc(len + 1);
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

void *mem_dup(const void *data, size_t len)
{
	void *copy = mem_alloc(len);

	if (len)
		memcpy(copy, data, len);
	return copy;
}

char *mem_printf(const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	int n = vasprintf(&text, format, args);
	va_end(args);
	return need(n < 0 ? NULL : text, 0);
}

void mem_free_(void **pointer)
{
	free(*pointer);
	*pointer = NULL;
}

void mem_free_secret(char **secret)
{
	if (*secret != NULL)
		explicit_bzero(*secret, strlen(*secret));
	mem_free(secret);
}
