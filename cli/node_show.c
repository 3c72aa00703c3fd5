#include "cli/node_show.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/when.h"
#include "lib/clock.h"

static enum paint paint_of(const struct federation_node *node)
{
	if (node->enabled)
		return PAINT_GOOD;
	return node->disabled ? PAINT_DIM : PAINT_WARN;
}

static void name_undrained(const struct federation_node *node, struct str *out)
{
	for (size_t i = 0; i < node->undrained_count; i++)
		str_printf(out, "%s%s", i > 0 ? " " : "", node->undrained[i]);
}

static void row(struct table *table, const struct federation_node *node, int64_t now)
{
	struct str undrained = STR_INIT;
	char age[16];

	name_undrained(node, &undrained);
	table_cell(table, PAINT_BOLD, "%s", node->name);
	table_cell(table, paint_of(node), "%s", *node->state ? node->state : "(none)");
	table_cell(table, PAINT_NONE, "%s",
		when_age(age, sizeof(age), when_generalized_us(node->heartbeat), now));
	table_cell(table, PAINT_NONE, "%" PRIu64, node->acked);
	table_cell(table, PAINT_NONE, "%" PRIu64, node->drained);
	if (node->held >= 0)
		table_cell(table, PAINT_NONE, "%" PRId64, node->held);
	else
		table_cell(table, PAINT_DIM, "?");
	table_cell(table, PAINT_WARN, "%s", str_cstr(&undrained));
	str_free(&undrained);
}

void node_show_table(struct cli *cli, const struct federation_nodes *nodes)
{
	static const char *const headers[] = { "FRONT DOOR", "STATE", ">HEARTBEAT", ">ACKED",
		">DRAINED", ">HELD", "UNDRAINED", NULL };
	int64_t now = clock_wall_us();

	if (cli->json || cli->quiet)
		return;
	struct table *table = table_new(headers);
	for (size_t i = 0; i < nodes->count; i++)
		row(table, &nodes->nodes[i], now);
	table_print(table, &cli->term, stdout);
	table_free(&table);
}

struct json *node_show_json(const struct federation_nodes *nodes)
{
	struct json *list = json_new_array();

	for (size_t i = 0; i < nodes->count; i++) {
		const struct federation_node *node = &nodes->nodes[i];
		struct json *object = json_new_object(), *undrained = json_new_array();

		json_set_string(object, "node", node->name);
		json_set_string(object, "state", node->state);
		json_set_string(object, "heartbeat", node->heartbeat);
		json_set_int(object, "acked", (int64_t)node->acked);
		json_set_int(object, "drained", (int64_t)node->drained);
		json_set_int(object, "held", node->held);
		for (size_t u = 0; u < node->undrained_count; u++)
			json_add_string(undrained, node->undrained[u]);
		json_set(object, "undrained", undrained);
		json_add(list, object);
	}
	return list;
}
