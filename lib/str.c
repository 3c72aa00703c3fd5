#define _GNU_SOURCE
#include "lib/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"

void str_free(struct str *s)
{
	mem_free(&s->data);
	s->len = s->cap = 0;
}

void str_reset(struct str *s)
{
	s->len = 0;
	if (s->data != NULL)
		s->data[0] = '\0';
}

void str_reserve(struct str *s, size_t more)
{
	if (s->cap - s->len > more)
		return;
	size_t cap = s->cap ? s->cap * 2 : 64;
	if (cap < s->len + more + 1)
		cap = s->len + more + 1;
	s->data = mem_realloc(s->data, cap);
	s->cap = cap;
	s->data[s->len] = '\0';
}

void str_append(struct str *s, const void *data, size_t len)
{
	str_reserve(s, len);
	if (len)
		memcpy(s->data + s->len, data, len);
	s->len += len;
	s->data[s->len] = '\0';
}

void str_append_z(struct str *s, const char *text)
{
	str_append(s, text, strlen(text));
}

void str_append_c(struct str *s, char c)
{
	str_append(s, &c, 1);
}

void str_append_u(struct str *s, uint64_t number)
{
	char digits[20], *first = digits + sizeof digits;

	do
		*--first = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	str_append(s, first, (size_t)(digits + sizeof digits - first));
}

void str_printf(struct str *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		return;
	str_reserve(s, (size_t)n);
	va_start(args, format);
	vsnprintf(s->data + s->len, (size_t)n + 1, format, args);
	va_end(args);
	s->len += (size_t)n;
}

const char *str_cstr(const struct str *s)
{
	return s->data ? s->data : "";
}

void str_copy(char *buffer, size_t size, const char *text)
{
	size_t len = text ? strnlen(text, size - 1) : 0;

	memcpy(buffer, text ? text : "", len);
	buffer[len] = '\0';
}

char *str_steal(struct str *s)
{
	char *data = s->data ? s->data : mem_strdup("");

	s->data = NULL;
	s->len = s->cap = 0;
	return data;
}
