#include "cli/swap.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/when.h"
#include "lib/clock.h"

#define BAR_COLUMNS 20

/* --- why the fence was not passed ----------------------------------------------------------- */

void swap_explain(const struct fence_progress *progress, enum fence_outcome outcome,
	const char *physical, int64_t timeout_us, struct str *out)
{
	char human[32];
	const char *node = progress->waiting != NULL ? progress->waiting : "?";

	clock_human(human, sizeof(human), timeout_us);
	if (outcome == FENCE_NOT_ACKED && progress->why == FENCE_WAITS_NODES) {
		str_append_z(out,
			"no front door has an entry in ou=nodes, so nothing proves that none "
			"sends mail to the old place; `restante node enable NAME` first");
		return;
	}
	if (progress->why == FENCE_WAITS_ACK)
		str_printf(out,
			"front door %s has not acknowledged epoch %" PRIu64 " within %s "
			"(%u of %u have); see `restante status` on it and its log, or `restante "
			"node disable %s` "
			"when it is out of service",
			node, progress->epoch, human, progress->acked, progress->nodes, node);
	else if (progress->why == FENCE_WAITS_LIST)
		str_printf(out,
			"front door %s has not listed its MTA's queue within %s; see its log "
			"for what queue_list says, or wait longer (--wait, --timeout)",
			node, human);
	else
		str_printf(out,
			"front door %s still has mail for %s in its MTA's queue after %s; let it "
			"be delivered there (postqueue -f), or wait longer (--wait, --timeout)",
			node, physical, human);
}

/* --- --force -------------------------------------------------------------------------------- */

void swap_show_risk(struct cli *cli, const struct swap *swap, const struct federation_nodes *nodes)
{
	(void)cli;
	fprintf(stderr,
		"Swapping %s without waiting for the front doors. What may go wrong:\n"
		"  - a front door that has not seen the hold sends mail on to %s;\n"
		"  - mail that an MTA has queued for %s is delivered there after the swap.\n"
		"Such mail rests in the old mailbox on %s, unless that redirects it to %s.\n",
		swap->address, swap->mailbox->physical, swap->mailbox->physical,
		swap->mailbox->system, swap->physical);
	for (size_t i = 0; i < nodes->count; i++) {
		const struct federation_node *node = &nodes->nodes[i];

		if (node->disabled)
			continue;
		fprintf(stderr,
			"  front door %s: %s, last acknowledged epoch %" PRIu64
			", last heartbeat %s\n",
			node->name, *node->state ? node->state : "no state", node->acked,
			*node->heartbeat ? node->heartbeat : "never");
	}
}

/* --- progress ------------------------------------------------------------------------------- */

static const char *front_doors(char buffer[TERM_COUNT], unsigned count)
{
	return term_count(buffer, count, "front door", "front doors");
}

static void describe(const struct fence_progress *progress, struct str *out)
{
	static const char *const what[] = { [FENCE_WAITS_NOTHING] = "",
		[FENCE_WAITS_NODES] = ", no front door known",
		[FENCE_WAITS_ACK] = ", waiting for the acknowledgement of ",
		[FENCE_WAITS_LIST] = ", waiting for the queue listing of ",
		[FENCE_WAITS_QUEUE] = ", waiting for mail in the queue of " };

	char nodes[TERM_COUNT];

	str_printf(out, "epoch %" PRIu64 ": %u of %s acknowledged, %u drained%s%s", progress->epoch,
		progress->acked, front_doors(nodes, progress->nodes), progress->drained,
		what[progress->why], progress->waiting != NULL ? progress->waiting : "");
}

static void draw(struct swap_view *view, const struct fence_progress *progress)
{
	struct str line = STR_INIT, shown = STR_INIT;
	char human[32];

	term_bar(progress->acked + progress->drained, 2 * progress->nodes, BAR_COLUMNS, &line);
	str_printf(&line, "  %s  ", clock_human(human, sizeof(human), progress->elapsed_us));
	describe(progress, &line);
	term_cut(str_cstr(&line), view->cli->term.width > 1 ? view->cli->term.width - 1 : 79,
		&shown);
	fprintf(stderr, "\r\033[K%s", str_cstr(&shown));
	fflush(stderr);
	view->drawn = true;
	str_free(&line);
	str_free(&shown);
}

void swap_show_progress(void *context, const struct fence_progress *progress)
{
	struct swap_view *view = context;
	struct str line = STR_INIT;
	bool same = view->any && view->acked == progress->acked &&
		    view->drained == progress->drained && view->nodes == progress->nodes;

	if (view->cli->quiet || (view->cli->json && !view->cli->term.error_tty))
		return;
	view->any = true;
	view->acked = progress->acked;
	view->drained = progress->drained;
	view->nodes = progress->nodes;
	if (view->cli->term.error_tty) {
		draw(view, progress);
		return;
	}
	if (same)
		return;
	describe(progress, &line);
	fprintf(stderr, "restante: %s\n", str_cstr(&line));
	str_free(&line);
}

void swap_end_progress(struct swap_view *view)
{
	if (view->drawn)
		fprintf(stderr, "\r\033[K");
	view->drawn = false;
}

/* --- the result ----------------------------------------------------------------------------- */

int64_t swap_duration(const struct swap *swap)
{
	if (swap->hold_csn == NULL)
		return -1;
	int64_t held = when_csn_us(swap->hold_csn), swapped = when_csn_us(swap->mailbox->csn);

	return held >= 0 && swapped >= held ? swapped - held : -1;
}

struct json *swap_json(const struct swap *swap)
{
	struct json *object = json_new_object();

	json_set_bool(object, "ok", true);
	json_set_string(object, "address", swap->address);
	json_set_string(object, "dn", swap->mailbox->dn);
	json_set_string(object, "from_system", swap->old_system);
	json_set_string(object, "from_physical", swap->old_physical);
	json_set_string(object, "to_system", swap->system);
	json_set_string(object, "to_physical", swap->physical);
	json_set_string(object, "hold_csn", swap->hold_csn);
	json_set_string(object, "swap_csn", swap->mailbox->csn);
	json_set_bool(object, "fenced", swap->fenced);
	if (swap->there)
		json_set_bool(object, "already", true);
	if (swap->fenced) {
		json_set_int(object, "epoch", (int64_t)swap->fence.epoch);
		json_set_int(object, "rounds", swap->rounds);
		json_set_int(object, "nodes", swap->fence.nodes);
		json_set_real(object, "acked_ms", (double)swap->fence.acked_us / 1000);
		/* one of many may pass before all have */
		if (swap->fence.drained_us >= 0)
			json_set_real(object, "drained_ms", (double)swap->fence.drained_us / 1000);
	}
	if (swap_duration(swap) >= 0)
		json_set_real(object, "milliseconds", (double)swap_duration(swap) / 1000);
	return object;
}

void swap_show_result(struct cli *cli, const struct swap *swap)
{
	char acked[32], drained[32], took[32], nodes[TERM_COUNT];
	struct str title = STR_INIT;

	str_printf(&title, "%s: %s on %s -> %s on %s", swap->address, swap->old_physical,
		swap->old_system, swap->physical, swap->system);
	cli_say(cli, "%s", str_cstr(&title));
	str_free(&title);
	cli_say(cli, "  held     %s", swap->hold_csn);
	if (swap->fenced)
		cli_say(cli,
			"  fence    epoch %" PRIu64 ", %s: acknowledged after %s, drained after %s",
			swap->fence.epoch, front_doors(nodes, swap->fence.nodes),
			clock_human(acked, sizeof(acked), swap->fence.acked_us),
			clock_human(drained, sizeof(drained), swap->fence.drained_us));
	else
		cli_say(cli, "  fence    not waited for (--force)");
	cli_say(cli, "  swapped  %s", swap->mailbox->csn);
	if (swap_duration(swap) >= 0)
		cli_say(cli, "  took     %s from hold to swap; held mail is released now",
			clock_human(took, sizeof(took), swap_duration(swap)));
	cli_give(cli, swap_json(swap));
}
