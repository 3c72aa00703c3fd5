#include "cli/wave.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/mailboxes.h"
#include "cli/swap.h"
#include "cli/sync.h"
#include "lib/clock.h"
#include "lib/mem.h"

struct wave {
	struct cli *cli;
	const char *path;
	struct mailbox_lines moves;
	struct swap *swaps; /* one for each */
	bool wait;
	int64_t timeout_us;
	/* those that are left: indexes, and what the fence says of each */
	size_t *left;
	struct fence_mailbox *mailboxes;
	size_t left_count;
	struct fence_progress fence; /* of the last round */
	struct swap_view view;
	unsigned rounds;
	size_t swapped, there;
	int worst;
};

/* Complaints begin with the line of the file. */
static struct swap *turn_to(struct wave *wave, size_t i)
{
	wave->cli->place = wave->moves.list[i].place;
	wave->cli->subject = wave->moves.list[i].address;
	return &wave->swaps[i];
}

static void note(struct wave *wave, int code)
{
	wave->cli->place = NULL;
	wave->worst = code != CLI_DONE ? code : wave->worst;
}

/* --- judging -------------------------------------------------------------------------------- */

static int compare_dns(const void *a, const void *b)
{
	const struct swap *one = *(struct swap *const *)a, *other = *(struct swap *const *)b;

	return strcmp(one->mailbox->dn, other->mailbox->dn);
}

/* Two addresses may be of one mailbox. */
static void check_twice(struct wave *wave)
{
	struct cli *cli = wave->cli;
	size_t count = wave->moves.count;
	struct swap **sorted = mem_grow(NULL, count, sizeof(struct swap *));

	for (size_t i = 0; i < count; i++)
		sorted[i] = &wave->swaps[i];
	qsort(sorted, count, sizeof(*sorted), compare_dns);
	for (size_t i = 1; i < count; i++) {
		if (compare_dns(&sorted[i - 1], &sorted[i]) != 0)
			continue;
		turn_to(wave, (size_t)(sorted[i] - wave->swaps));
		note(wave, cli_fail(cli, CLI_REFUSED, "%s and %s are one mailbox, %s",
				   sorted[i - 1]->address, sorted[i]->address,
				   sorted[i]->mailbox->dn));
	}
	mem_free(&sorted);
}

static void check_all(struct wave *wave)
{
	struct swap_world world;

	wave->worst = swap_world_read(wave->cli, &world);
	for (size_t i = 0; wave->worst != CLI_DIRECTORY && i < wave->moves.count; i++) {
		if (world.federation == NULL)
			break;
		note(wave, swap_check(wave->cli, &world, turn_to(wave, i)));
	}
	swap_world_free(&world);
	if (wave->worst == CLI_DONE)
		check_twice(wave);
}

static void prepare(struct wave *wave)
{
	size_t count = wave->moves.count;

	wave->swaps = mem_zalloc(count * sizeof(*wave->swaps));
	wave->left = mem_grow(NULL, count, sizeof(*wave->left));
	wave->mailboxes = mem_zalloc(count * sizeof(*wave->mailboxes));
	for (size_t i = 0; i < count; i++) {
		const struct mailbox_line *move = &wave->moves.list[i];

		wave->swaps[i] = (struct swap){ .address = move->address,
			.system = move->system,
			.physical = move->physical,
			.source_id = move->source_id,
			.wait = wave->wait,
			.many = true,
			.timeout_us = wave->timeout_us };
	}
}

/* --- holding -------------------------------------------------------------------------------- */

static void hold_all(struct wave *wave)
{
	swap_catch_interrupt();
	for (size_t i = 0; i < wave->moves.count && wave->worst != CLI_DIRECTORY; i++) {
		struct swap *swap = turn_to(wave, i);

		if (swap->there) {
			cli_say(wave->cli, "%s lives at %s on %s already", swap->address,
				swap->old_physical, swap->old_system);
			json_add(wave->cli->list, swap_json(swap));
			wave->there++;
			continue;
		}
		int code = swap_hold(wave->cli, swap);
		note(wave, code);
		if (code == CLI_DONE)
			wave->left[wave->left_count++] = i;
	}
}

/* --- the fence ------------------------------------------------------------------------------ */

static void show(struct wave *wave, struct swap *swap)
{
	cli_say(wave->cli, "%s: %s on %s -> %s on %s", swap->address, swap->old_physical,
		swap->old_system, swap->physical, swap->system);
	json_add(wave->cli->list, swap_json(swap));
	wave->swapped++;
}

static void passed(void *context, size_t index)
{
	struct wave *wave = context;
	struct swap *swap = turn_to(wave, wave->left[index]);

	swap_end_progress(&wave->view);
	swap->fenced = true;
	swap->rounds = wave->rounds;
	swap->fence = wave->fence;
	swap->settled = swap_make(wave->cli, swap);
	note(wave, swap->settled);
	if (swap->made)
		show(wave, swap);
}

static void progress(void *context, const struct fence_progress *now)
{
	struct wave *wave = context;

	wave->fence = *now;
	if (wave->wait || wave->cli->term.error_tty)
		swap_show_progress(&wave->view, now);
}

static void refuse(struct wave *wave, size_t index, enum fence_outcome outcome, const char *error)
{
	const struct fence_mailbox *mailbox = &wave->mailboxes[index];
	struct swap *swap = turn_to(wave, wave->left[index]);
	struct fence_progress own = wave->fence;
	struct str text = STR_INIT;

	own.why = mailbox->why;
	own.waiting = mailbox->waiting;
	if (outcome == FENCE_ERROR)
		str_append_z(&text, error);
	else
		swap_explain(&own,
			own.why == FENCE_WAITS_ACK || own.why == FENCE_WAITS_NODES
				? FENCE_NOT_ACKED
				: FENCE_NOT_DRAINED,
			swap->old_physical, wave->timeout_us, &text);
	note(wave, cli_fail(wave->cli, outcome == FENCE_ERROR ? CLI_DIRECTORY : CLI_REFUSED,
			   "%s is not swapped and stays held: %s", swap->address, str_cstr(&text)));
	str_free(&text);
}

/* Who passed and was touched meanwhile has another round; the others had theirs. */
static void keep_touched(struct wave *wave, enum fence_outcome outcome, const char *error)
{
	size_t kept = 0;

	for (size_t i = 0; i < wave->left_count; i++) {
		const struct swap *swap = &wave->swaps[wave->left[i]];

		if (!wave->mailboxes[i].passed)
			refuse(wave, i, outcome, error);
		else if (!swap->made && swap->settled == CLI_DONE)
			wave->left[kept++] = wave->left[i];
	}
	wave->left_count = kept;
}

static void pass_fence(struct wave *wave)
{
	struct fence_progress result;
	const char *error = "";

	wave->rounds++;
	for (size_t i = 0; i < wave->left_count; i++)
		wave->mailboxes[i] =
			(struct fence_mailbox){ .physical =
							wave->swaps[wave->left[i]].old_physical };
	enum fence_outcome outcome = fence_pass_all(wave->cli->session,
		wave->cli->config->ldap.base, wave->mailboxes, wave->left_count, wave->timeout_us,
		passed, progress, wave, &result, &error);
	swap_end_progress(&wave->view);
	keep_touched(wave, outcome, error);
}

static void swap_all(struct wave *wave)
{
	while (wave->left_count > 0 && wave->rounds < SWAP_ROUNDS_MAX)
		pass_fence(wave);
	for (size_t i = 0; i < wave->left_count; i++)
		note(wave, swap_refuse_rounds(wave->cli, turn_to(wave, wave->left[i])));
}

/* --- the whole ------------------------------------------------------------------------------ */

static void sum_up(struct wave *wave, int64_t took_us)
{
	char human[32], mailboxes[TERM_COUNT], epochs[TERM_COUNT];

	cli_say(wave->cli,
		"%s: %zu swapped, %zu there already, %zu not; %s passed, last epoch %" PRIu64
		"; took %s",
		term_count(mailboxes, (int64_t)wave->moves.count, "mailbox", "mailboxes"),
		wave->swapped, wave->there, wave->moves.count - wave->swapped - wave->there,
		term_count(epochs, wave->rounds, "fence", "fences"), wave->fence.epoch,
		clock_human(human, sizeof(human), took_us));
}

static void free_wave(struct wave *wave)
{
	for (size_t i = 0; wave->swaps != NULL && i < wave->moves.count; i++)
		swap_free(&wave->swaps[i]);
	mem_free(&wave->swaps);
	mem_free(&wave->left);
	mem_free(&wave->mailboxes);
	mailbox_lines_free(&wave->moves);
}

static int make(struct wave *wave)
{
	int64_t began = clock_mono_us();

	prepare(wave);
	check_all(wave);
	if (wave->worst != CLI_DONE) {
		wave->cli->subject = wave->path;
		return cli_fail(wave->cli, (enum cli_exit)wave->worst, "%s: nothing was changed",
			wave->path);
	}
	hold_all(wave);
	swap_all(wave);
	if (wave->swapped > 0)
		sync_after_swap(wave->cli);
	sum_up(wave, clock_mono_us() - began);
	return wave->worst;
}

int wave_run(struct cli *cli, const char *path, bool wait, int64_t timeout_us)
{
	struct wave wave = { .cli = cli,
		.path = path,
		.wait = wait,
		.timeout_us = timeout_us,
		.view = { .cli = cli } };

	cli->list = json_new_array();
	int code = mailbox_lines_read(cli, path, false, &wave.moves);
	if (code == CLI_DONE)
		code = make(&wave);
	cli_give(cli, cli->list);
	cli->list = NULL;
	free_wave(&wave);
	return code;
}
