/* One value of restante.conf: text to target and back. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/config_table.h"
#include "lib/mem.h"

struct unit {
	const char *name;
	int64_t worth;
};

/* Ascending. */
static const struct unit durations[] = { { "ms", 1000 }, { "s", 1000000 }, { "m", 60000000 },
	{ "h", INT64_C(3600000000) }, { "d", INT64_C(86400000000) }, { "w", INT64_C(604800000000) },
	{ NULL, 0 } };
static const struct unit sizes[] = { { "", 1 }, { "K", INT64_C(1) << 10 },
	{ "M", INT64_C(1) << 20 }, { "G", INT64_C(1) << 30 }, { "T", INT64_C(1) << 40 },
	{ NULL, 0 } };

_Static_assert(sizeof(enum config_type) == sizeof(unsigned), "a choice is stored as unsigned");

#define OFFSET_MAX (10 * 365 * INT64_C(86400000000))

static void *target(const struct config_key *key, const void *section_struct)
{
	return (char *)section_struct + key->offset;
}

static bool is_text(const struct config_key *key)
{
	return key->type == CONFIG_STRING || key->type == CONFIG_WORD;
}

/* --- numbers ------------------------------------------------------------------------------- */

static int parse_digits(const char *text, int base, char **end_r, int64_t *number_r)
{
	if (text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	*number_r = strtoll(text, end_r, base);
	return errno == 0 ? 0 : -1;
}

static int parse_units(const char *text, const struct unit *units, int64_t *number_r)
{
	char *end;

	if (parse_digits(text, 10, &end, number_r) < 0)
		return -1;
	if (*number_r == 0 && *end == '\0')
		return 0;
	for (; units->name != NULL; units++)
		if (strcmp(end, units->name) == 0)
			return __builtin_mul_overflow(*number_r, units->worth, number_r) ? -1 : 0;
	return -1;
}

static void format_units(int64_t number, const struct unit *units, struct str *out)
{
	const struct unit *best = units;

	if (number == 0) {
		str_append_c(out, '0');
		return;
	}
	for (; units->name != NULL; units++)
		if (number % units->worth == 0)
			best = units;
	str_printf(out, "%" PRId64 "%s", number / best->worth, best->name);
}

/* A bare 0 is the instant itself. */
static int parse_offset(const char *text, int64_t *offset_r)
{
	const bool before = text[0] == '-';

	if (strcmp(text, "never") == 0) {
		*offset_r = INT64_MAX;
		return 0;
	}
	if (parse_units(before || text[0] == '+' ? text + 1 : text, durations, offset_r) < 0)
		return -1;
	if (before)
		*offset_r = -*offset_r;
	return *offset_r <= OFFSET_MAX && *offset_r >= -OFFSET_MAX ? 0 : -1;
}

static void format_offset(int64_t offset, struct str *out)
{
	if (offset == INT64_MAX) {
		str_append_z(out, "never");
		return;
	}
	if (offset != 0)
		str_append_c(out, offset < 0 ? '-' : '+');
	format_units(offset < 0 ? -offset : offset, durations, out);
}

static int parse_number(const struct config_key *key, const char *text, int64_t *number_r)
{
	char *end;

	if (key->type == CONFIG_DURATION)
		return parse_units(text, durations, number_r);
	if (key->type == CONFIG_OFFSET)
		return parse_offset(text, number_r);
	if (key->type == CONFIG_SIZE)
		return parse_units(text, sizes, number_r);
	if (parse_digits(text, key->type == CONFIG_MODE ? 8 : 10, &end, number_r) < 0)
		return -1;
	return *end == '\0' ? 0 : -1;
}

static void format_number(const struct config_key *key, int64_t number, struct str *out)
{
	if (key->type == CONFIG_DURATION)
		format_units(number, durations, out);
	else if (key->type == CONFIG_OFFSET)
		format_offset(number, out);
	else if (key->type == CONFIG_SIZE)
		format_units(number, sizes, out);
	else
		str_printf(out, key->type == CONFIG_MODE ? "%04" PRIo64 : "%" PRId64, number);
}

static void explain_number(const struct config_key *key, struct str *allowed_r)
{
	if (key->type == CONFIG_DURATION)
		str_append_z(allowed_r, "a number with its unit (ms, s, m, h, d, w)");
	else if (key->type == CONFIG_OFFSET)
		str_append_z(allowed_r,
			"+ or -, a number and its unit (ms, s, m, h, d, w), at most ten years; or "
			"never");
	else if (key->type == CONFIG_SIZE)
		str_append_z(allowed_r, "a number of bytes, or one with K, M, G or T");
	else
		str_append_z(allowed_r, key->type == CONFIG_MODE ? "an octal mode" : "a number");
	if (key->max == INT64_MAX || key->type == CONFIG_OFFSET)
		return;
	str_append_z(allowed_r, " from ");
	format_number(key, key->min, allowed_r);
	str_append_z(allowed_r, " to ");
	format_number(key, key->max, allowed_r);
}

static int set_number(
	const struct config_key *key, int64_t *target_r, const char *text, struct str *allowed_r)
{
	int64_t number;

	if (parse_number(key, text, &number) < 0 ||
		(key->type != CONFIG_OFFSET && (number < key->min || number > key->max))) {
		explain_number(key, allowed_r);
		return -1;
	}
	*target_r = number;
	return 0;
}

/* --- the others ---------------------------------------------------------------------------- */

static int set_bool(bool *target_r, const char *text, struct str *allowed_r)
{
	static const char *const words[] = { "false", "true", "no", "yes", "off", "on" };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcmp(text, words[i]) == 0) {
			*target_r = i % 2;
			return 0;
		}
	}
	str_append_z(allowed_r, "true or false");
	return -1;
}

/* The number of the choice; -1 with all of them in allowed_r. */
static int find_choice(const struct config_key *key, const char *text, struct str *allowed_r)
{
	for (int i = 0; key->choices[i] != NULL; i++)
		if (strcmp(text, key->choices[i]) == 0)
			return i;
	str_append_z(allowed_r, "one of");
	for (int i = 0; key->choices[i] != NULL; i++)
		str_printf(allowed_r, "%s %s", i ? "," : "", key->choices[i]);
	return -1;
}

static int set_text(char **target_r, const char *text)
{
	mem_free(target_r);
	*target_r = mem_strdup(text);
	return 0;
}

static int set_string(
	const struct config_key *key, char **target_r, const char *text, struct str *allowed_r)
{
	const char *allowed = NULL;

	for (const char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			allowed = "text without control characters";
	if (allowed == NULL && key->check != NULL)
		allowed = key->check(text);
	if (allowed == NULL)
		return set_text(target_r, text);
	str_append_z(allowed_r, allowed);
	return -1;
}

int config_value_parse(
	const struct config_key *key, void *section_struct, const char *text, struct str *allowed_r)
{
	void *place = target(key, section_struct);
	int choice;

	switch (key->type) {
	case CONFIG_STRING: return set_string(key, place, text, allowed_r);
	case CONFIG_BOOL: return set_bool(place, text, allowed_r);
	case CONFIG_WORD:
		choice = find_choice(key, text, allowed_r);
		return choice < 0 ? -1 : set_text(place, text);
	case CONFIG_CHOICE:
		choice = find_choice(key, text, allowed_r);
		if (choice >= 0)
			*(unsigned *)place = (unsigned)choice;
		return choice < 0 ? -1 : 0;
	default: return set_number(key, place, text, allowed_r);
	}
}

void config_value_format(const struct config_key *key, const void *section_struct, struct str *out)
{
	const void *place = target(key, section_struct);

	switch (key->type) {
	case CONFIG_STRING:
	case CONFIG_WORD: str_append_z(out, *(char *const *)place); break;
	case CONFIG_CHOICE: str_append_z(out, key->choices[*(const unsigned *)place]); break;
	case CONFIG_BOOL: str_append_z(out, *(const bool *)place ? "true" : "false"); break;
	default: format_number(key, *(const int64_t *)place, out);
	}
}

static size_t size_of(const struct config_key *key)
{
	switch (key->type) {
	case CONFIG_STRING:
	case CONFIG_WORD: return sizeof(char *);
	case CONFIG_CHOICE: return sizeof(unsigned);
	case CONFIG_BOOL: return sizeof(bool);
	default: return sizeof(int64_t);
	}
}

bool config_value_equal(const struct config_key *key, const void *a, const void *b)
{
	const void *left = target(key, a), *right = target(key, b);

	if (is_text(key))
		return strcmp(*(char *const *)left, *(char *const *)right) == 0;
	return memcmp(left, right, size_of(key)) == 0;
}

void config_value_swap(const struct config_key *key, void *a, void *b)
{
	char kept[sizeof(int64_t)];
	size_t size = size_of(key);

	memcpy(kept, target(key, a), size);
	memcpy(target(key, a), target(key, b), size);
	memcpy(target(key, b), kept, size);
}

void config_value_free(const struct config_key *key, void *section_struct)
{
	if (is_text(key))
		mem_free((char **)target(key, section_struct));
}
