#include "milter/physical.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/address.h"
#include "lib/mem.h"

struct member {
	char *key;  /* normal form: what is compared */
	char *text; /* as it was added */
};

/* The beginning of an address, in lower case: all of them that begin so count. */
struct cut {
	char *local;  /* begins the local part, or is it where there is a domain */
	char *domain; /* begins the domain; NULL: none was seen */
};

struct physical_set {
	struct member *members;
	size_t count, cap;
	struct cut *cuts;
	size_t cut_count, cut_cap;
};

struct physical_set *physical_set_new(void)
{
	return mem_zalloc(sizeof(struct physical_set));
}

static void free_member(struct member *member)
{
	mem_free(&member->key);
	mem_free(&member->text);
}

void physical_set_free(struct physical_set **set)
{
	if (*set == NULL)
		return;
	for (size_t i = 0; i < (*set)->count; i++)
		free_member(&(*set)->members[i]);
	for (size_t i = 0; i < (*set)->cut_count; i++) {
		mem_free(&(*set)->cuts[i].local);
		mem_free(&(*set)->cuts[i].domain);
	}
	mem_free(&(*set)->members);
	mem_free(&(*set)->cuts);
	mem_free(set);
}

/* What cannot be parsed is compared as it is, but for the case of ASCII letters. */
static void to_key(const char *text, struct address *address_r)
{
	const char *error, *at;

	if (address_parse_path(text, address_r, &error) == 0)
		return;
	size_t len = strlen(text);
	if (len > ADDRESS_MAX)
		len = ADDRESS_MAX;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		address_r->key[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	address_r->key[len] = '\0';
	at = strrchr(address_r->key, '@');
	address_r->local_len = at ? (size_t)(at - address_r->key) : len;
}

static void add_member(struct physical_set *set, const char *key, const char *text)
{
	if (set->count == set->cap) {
		set->cap = set->cap ? set->cap * 2 : 16;
		set->members = mem_grow(set->members, set->cap, sizeof *set->members);
	}
	set->members[set->count++] = (struct member){ mem_strdup(key), mem_strdup(text) };
}

void physical_set_add(struct physical_set *set, const char *physical)
{
	struct address address;

	to_key(physical, &address);
	add_member(set, address.key, physical);
}

static int compare_members(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

void physical_set_finish(struct physical_set *set)
{
	size_t kept = 0;

	if (set->count == 0)
		return;
	qsort(set->members, set->count, sizeof *set->members, compare_members);
	for (size_t i = 0; i < set->count; i++) {
		if (kept && compare_members(&set->members[kept - 1], &set->members[i]) == 0)
			free_member(&set->members[i]);
		else
			set->members[kept++] = set->members[i];
	}
	set->count = kept;
}

size_t physical_set_count(const struct physical_set *set)
{
	return set->count;
}

const char *physical_set_at(const struct physical_set *set, size_t index)
{
	return set->members[index].text;
}

static bool mark_key(const struct physical_set *set, char *key, bool *marks)
{
	struct member wanted = { key, NULL };
	const struct member *found = set->count ? bsearch(&wanted, set->members, set->count,
							  sizeof *set->members, compare_members)
						: NULL;

	if (found != NULL && marks != NULL)
		marks[found - set->members] = true;
	return found != NULL;
}

/* Each key without one of its possible subaddresses, shortest first; false: no more. */
static bool next_shorter(
	const struct address *address, const char *delimiters, size_t *at, char *shorter_r)
{
	for (size_t i = *at + 1; i < address->local_len; i++) {
		if (strchr(delimiters, address->key[i]) == NULL)
			continue;
		memcpy(shorter_r, address->key, i);
		strcpy(shorter_r + i, address->key + address->local_len);
		*at = i;
		return true;
	}
	return false;
}

void physical_set_add_recipient(
	struct physical_set *set, const char *recipient, const char *delimiters)
{
	struct address address;
	char shorter[ADDRESS_MAX + 1];
	size_t at = 0;

	to_key(recipient, &address);
	add_member(set, address.key, recipient);
	while (next_shorter(&address, delimiters, &at, shorter))
		add_member(set, shorter, shorter);
}

static void add_cut(struct physical_set *set, const char *local, size_t len, const char *domain)
{
	if (set->cut_count == set->cut_cap) {
		set->cut_cap = set->cut_cap ? set->cut_cap * 2 : 16;
		set->cuts = mem_grow(set->cuts, set->cut_cap, sizeof *set->cuts);
	}
	char *copy = mem_strdup(local);
	copy[len] = '\0';
	set->cuts[set->cut_count++] = (struct cut){ copy, domain ? mem_strdup(domain) : NULL };
}

/* Into normal form, as far as it goes: in lower case, without brackets, quotes and backslashes. The
 * domain, or NULL where none was seen. */
static const char *split_cut(const char *beginning, char *local_r)
{
	const char *p = beginning + (*beginning == '<');
	bool quoted = *p == '"';
	size_t len = 0;

	for (p += quoted; *p != '\0' && *p != (quoted ? '"' : '@'); p++) {
		p += quoted && *p == '\\' && p[1] != '\0';
		local_r[len++] = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
	}
	local_r[len] = '\0';
	p += quoted && *p == '"';
	return *p == '@' ? p + 1 : NULL;
}

/* A subaddress that is not over, or whose domain was cut, may be anybody's of that name. */
void physical_set_add_cut(struct physical_set *set, const char *beginning, const char *delimiters)
{
	char *local = mem_strdup(beginning);
	const char *found = split_cut(beginning, local);
	char *domain = found != NULL ? mem_strdup(found) : NULL;
	size_t len = strlen(local);

	/* All of it may just have fitted. */
	if (domain != NULL)
		domain[strcspn(domain, ">")] = '\0';
	add_cut(set, local, len, domain);
	for (size_t i = 1; i < len; i++)
		if (strchr(delimiters, local[i]) != NULL)
			add_cut(set, local, i, domain != NULL ? domain : "");
	mem_free(&local);
	mem_free(&domain);
}

static bool is_cut(const struct cut *cut, const struct address *address)
{
	size_t len = strlen(cut->local);
	const char *domain = address->key + address->local_len + 1;

	if (strncmp(address->key, cut->local, len) != 0)
		return false;
	if (cut->domain == NULL)
		return true;
	return address->local_len == len && address->key[len] == '@' &&
	       strncasecmp(domain, cut->domain, strlen(cut->domain)) == 0;
}

static bool any_cut(const struct physical_set *set, const struct address *address)
{
	for (size_t i = 0; i < set->cut_count; i++)
		if (is_cut(&set->cuts[i], address))
			return true;
	return false;
}

bool physical_set_is_empty(const struct physical_set *set)
{
	return set->count == 0 && set->cut_count == 0;
}

bool physical_set_mark(
	const struct physical_set *set, const char *recipient, const char *delimiters, bool *marks)
{
	struct address address;
	char shorter[ADDRESS_MAX + 1];
	size_t at = 0;

	if (physical_set_is_empty(set))
		return false;
	to_key(recipient, &address);
	bool any = any_cut(set, &address);
	any |= mark_key(set, address.key, marks);
	while (next_shorter(&address, delimiters, &at, shorter))
		any |= mark_key(set, shorter, marks);
	return any;
}
