#include <string.h>
#include <strings.h>

#include "doctor/postfix_tools.h"
#include "lib/mem.h"

#define SAMPLE 50 /* access addresses that a table is asked about */

/* Whose keys count, and whether what they lead to counts. */
static const struct {
	const char *parameter;
	bool keys, values;
} parameters[] = {
	{ "virtual_alias_maps", true, true },
	{ "canonical_maps", true, false },
	{ "recipient_canonical_maps", true, false },
	{ "alias_maps", false, true },
};

/* The domain behind the last "@" of a word; a name alone has that of myorigin. */
static bool is_federated(const struct federation *federation, const char *word, size_t len)
{
	char domain[256];
	const char *at = NULL;

	for (size_t i = 0; i < len; i++)
		if (word[i] == '@')
			at = word + i + 1;
	if (at == NULL || (size_t)(word + len - at) >= sizeof(domain))
		return false;
	size_t size = (size_t)(word + len - at);
	for (size_t i = 0; i < size; i++)
		domain[i] = (char)(at[i] >= 'A' && at[i] <= 'Z' ? at[i] + 32 : at[i]);
	domain[size] = '\0';
	return federation_serves(federation, domain);
}

static bool has_federated(const struct federation *federation, const char *value)
{
	while (*(value += strspn(value, ", \t\"<>")) != '\0') {
		size_t len = strcspn(value, ", \t\"<>");

		if (is_federated(federation, value, len))
			return true;
		value += len;
	}
	return false;
}

static void take_found(const struct federation *federation, const char *found, bool keys,
	bool values, struct strings *hits)
{
	struct strings lines = { NULL, 0 };

	strings_lines(found, &lines);
	for (size_t i = 0; i < lines.count; i++) {
		size_t len = strcspn(lines.items[i], "\t");
		const char *value = lines.items[i] + len + (lines.items[i][len] == '\t');
		char *key = mem_strndup(lines.items[i], len);

		if (((keys && is_federated(federation, key, len)) ||
			    (keys && federation_serves(federation, key)) ||
			    (values && has_federated(federation, value))) &&
			!strings_has(hits, key))
			strings_add(hits, key);
		mem_free(&key);
	}
	strings_free(&lines);
}

/* Tables that cannot be listed are asked: domains, and addresses that there are. */
static void probe_keys(const struct facts *facts, struct str *keys)
{
	const struct federation *federation = facts->directory.federation;
	const struct strings *addresses = &facts->directory.addresses;

	for (size_t i = 0; i < federation->domain_count; i++)
		str_printf(keys, "%s\n@%s\n", federation->domains[i], federation->domains[i]);
	for (size_t i = 0; i < addresses->count && i < SAMPLE; i++)
		str_printf(keys, "%s\n", addresses->items[i]);
}

static bool can_be_listed(const char *table)
{
	static const char *const types[] = {
		"hash:", "btree:", "lmdb:", "dbm:", "sdbm:", "inline:", "texthash:"
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strncmp(table, types[i], strlen(types[i])) == 0)
			return true;
	return false;
}

static void list_table(const struct postfix_tools *tools, const char *table, struct str *out)
{
	const char *const arguments[] = { "-s", table, NULL };
	struct str error = STR_INIT;

	if (postfix_tool(tools, "postmap", arguments, NULL, out, &error) != 0)
		str_reset(out);
	str_free(&error);
}

static void ask_map(const struct facts *facts, const struct postfix_tools *tools,
	struct postfix *postfix, size_t which, const char *table)
{
	struct postfix_overlap overlap = { parameters[which].parameter, NULL, { NULL, 0 } };
	struct str found = STR_INIT, keys = STR_INIT;

	probe_keys(facts, &keys);
	postfix_ask_table(tools, postfix, table, str_cstr(&keys), &found);
	take_found(facts->directory.federation, str_cstr(&found), parameters[which].keys,
		parameters[which].values, &overlap.keys);
	if (can_be_listed(table)) {
		list_table(tools, table, &found);
		take_found(facts->directory.federation, str_cstr(&found), parameters[which].keys,
			parameters[which].values, &overlap.keys);
	}
	if (overlap.keys.count > 0) {
		overlap.table = mem_strdup(table);
		postfix->overlaps = mem_grow(
			postfix->overlaps, postfix->overlap_count + 1, sizeof(*postfix->overlaps));
		postfix->overlaps[postfix->overlap_count++] = overlap;
	}
	str_free(&found);
	str_free(&keys);
}

void postfix_ask_maps(
	const struct facts *facts, const struct postfix_tools *tools, struct postfix *postfix)
{
	if (facts->directory.federation == NULL)
		return;
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
		struct strings tables = { NULL, 0 };

		strings_split(postfix_main_value(postfix, parameters[i].parameter), &tables);
		for (size_t t = 0; t < tables.count; t++)
			ask_map(facts, tools, postfix, i, tables.items[t]);
		strings_free(&tables);
	}
}
