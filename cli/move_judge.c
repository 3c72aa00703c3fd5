/* New moves: all are judged before any is recorded; all are recorded, or none. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/move.h"
#include "lib/address.h"
#include "lib/clock.h"
#include "lib/mailbox.h"
#include "lib/mem.h"
#include "lib/scenario.h"
#include "lib/utf8.h"
#include "lib/when.h"

/* An instant that much before now is still "now": the file was made a moment ago. */
#define PAST_GRACE (60 * CLOCK_SECOND)

struct judging {
	struct cli *cli;
	struct move_list all;
	/* the open ones of them: by the mailbox's entryUUID, and by address */
	struct move **by_mailbox, **by_address;
	size_t open;
	int64_t now_us;
	const char *system; /* the last one that was found: a wave names it in each row */
};

struct wanted *wanted_add(struct wanted_list *list)
{
	if ((list->count & (list->count - 1)) == 0) /* doubling at each power of two */
		list->list = mem_grow(
			list->list, list->count > 0 ? list->count * 2 : 1, sizeof(*list->list));
	struct wanted *wanted = &list->list[list->count++];
	memset(wanted, 0, sizeof(*wanted));
	return wanted;
}

void wanted_free(struct wanted_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct wanted *w = &list->list[i];
		char **const texts[] = { &w->place, &w->address, &w->target, &w->at, &w->scenario,
			&w->wave, &w->key, &w->mailbox, &w->dn };

		for (size_t n = 0; n < sizeof(texts) / sizeof(texts[0]); n++)
			mem_free(texts[n]);
	}
	mem_free(&list->list);
	list->count = 0;
}

/* --- what needs no directory ---------------------------------------------------------------- */

static int judge_address(struct cli *cli, struct wanted *w)
{
	struct address address;
	const char *error;

	if (address_parse(w->address, &address, &error) < 0)
		return cli_fail(cli, CLI_USAGE, "%s: %s", w->address, error);
	if (address.local_len == 0 || !address.has_domain)
		return cli_fail(cli, CLI_USAGE,
			"%s: an access address of one mailbox is needed, with its domain",
			w->address);
	w->key = mem_strdup(address.key);
	return CLI_DONE;
}

/* slapd would refuse it when others are recorded already. */
static int judge_texts(struct cli *cli, const struct wanted *w)
{
	const char *const texts[][2] = { { "address", w->address }, { "system", w->target },
		{ "scenario", w->scenario }, { "wave", w->wave } };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *text = texts[i][1] != NULL ? texts[i][1] : "";

		if (!utf8_valid(text))
			return cli_fail(cli, CLI_USAGE,
				"%s: the %s is not UTF-8; save the file in that encoding",
				w->address, texts[i][0]);
	}
	return CLI_DONE;
}

static int judge_instant(struct cli *cli, struct wanted *w, int64_t now_us)
{
	char now[32];

	w->instant_us = now_us;
	if (w->at == NULL || w->at[0] == '\0' || strcasecmp(w->at, "now") == 0)
		return CLI_DONE;
	w->instant_us = when_parse(w->at);
	if (w->instant_us < 0)
		return cli_fail(cli, CLI_USAGE,
			"%s: \"%s\" is no instant: 2026-11-22T05:30 in local time, with a Z in "
			"UTC, and one that occurs (clocks that go forward leave an hour out)",
			w->address, w->at);
	if (w->instant_us < now_us - PAST_GRACE)
		return cli_fail(cli, CLI_USAGE, "%s: %s is past; it is %s now", w->address, w->at,
			when_text(now, sizeof(now), now_us));
	return CLI_DONE;
}

static int judge_scenario(struct cli *cli, const struct wanted *w)
{
	const struct config_scenario *scenario =
		w->scenario != NULL ? config_scenario(cli->config, w->scenario) : NULL;

	if (w->scenario == NULL || w->scenario[0] == '\0')
		return cli_fail(cli, CLI_USAGE,
			"%s: no scenario is named (--scenario NAME); restante.conf has them",
			w->address);
	if (scenario == NULL)
		return cli_fail(cli, CLI_USAGE, "%s: %s has no scenario \"%s\"", w->address,
			cli->config->path, w->scenario);
	const char *fault = scenario_fault(scenario);
	return fault == NULL ? CLI_DONE
			     : cli_fail(cli, CLI_REFUSED, "%s: scenario %s: %s", w->address,
				       w->scenario, fault);
}

/* --- what the directory knows --------------------------------------------------------------- */

static int judge_system(struct judging *judging, const struct wanted *w)
{
	struct cli *cli = judging->cli;
	const char *error;

	if (w->target == NULL || w->target[0] == '\0')
		return cli_fail(cli, CLI_USAGE, "%s: the system is missing", w->address);
	if (judging->system != NULL && strcasecmp(judging->system, w->target) == 0)
		return CLI_DONE;
	enum ldap_result result =
		mailbox_system_exists(cli->session, cli->config->ldap.base, w->target, &error);
	if (result == LDAP_NO_ENTRY)
		return cli_fail(
			cli, CLI_NOTFOUND, "%s: no system %s in ou=systems", w->address, w->target);
	if (result == LDAP_DONE)
		judging->system = w->target;
	return result == LDAP_DONE ? CLI_DONE : cli_fail_ldap(cli, result, w->address, error);
}

static int compare_mailbox(const void *a, const void *b)
{
	return strcasecmp((*(struct move *const *)a)->mailbox, (*(struct move *const *)b)->mailbox);
}

static int compare_address(const void *a, const void *b)
{
	return strcmp((*(struct move *const *)a)->address, (*(struct move *const *)b)->address);
}

static void index_open(struct judging *judging)
{
	const struct move_list *all = &judging->all;

	judging->by_mailbox = mem_grow(NULL, all->count + 1, sizeof(struct move *));
	judging->by_address = mem_grow(NULL, all->count + 1, sizeof(struct move *));
	for (size_t i = 0; i < all->count; i++) {
		if (!move_open(all->moves[i]) || all->moves[i]->address == NULL)
			continue;
		judging->by_mailbox[judging->open] = all->moves[i];
		judging->by_address[judging->open++] = all->moves[i];
	}
	qsort(judging->by_mailbox, judging->open, sizeof(struct move *), compare_mailbox);
	qsort(judging->by_address, judging->open, sizeof(struct move *), compare_address);
}

/* Of the mailbox, whichever of its addresses the record names; one that was made by hand may name
 * no mailbox yet. */
static const struct move *open_move(const struct judging *judging, char *uuid, char *address)
{
	struct move key = { .mailbox = uuid, .address = address };
	struct move *wanted = &key;
	struct move **found = bsearch(&wanted, judging->by_mailbox, judging->open,
		sizeof(struct move *), compare_mailbox);

	if (found == NULL)
		found = bsearch(&wanted, judging->by_address, judging->open, sizeof(struct move *),
			compare_address);
	return found != NULL ? *found : NULL;
}

static int judge_mailbox(struct judging *judging, struct wanted *w)
{
	struct cli *cli = judging->cli;
	struct mailbox *mailbox = NULL;
	const char *error = "";
	char name[128];
	enum ldap_result result =
		mailbox_find(cli->session, cli->config->ldap.base, w->key, &mailbox, &error);
	int code = CLI_DONE;

	if (result == LDAP_NO_ENTRY)
		return cli_fail(cli, CLI_NOTFOUND, "%s: no mailbox has that address", w->address);
	if (result != LDAP_DONE)
		return cli_fail_ldap(cli, result, w->address, error);
	w->mailbox = mem_strdup(mailbox->uuid);
	if (w->target != NULL && strcasecmp(mailbox->system, w->target) == 0)
		code = cli_fail(
			cli, CLI_REFUSED, "%s lives on %s already", w->address, mailbox->system);
	const struct move *move = open_move(judging, mailbox->uuid, w->key);
	if (code == CLI_DONE && move != NULL)
		code = cli_fail(cli, CLI_REFUSED,
			"%s moves already (%s to %s); wait for that move, or cancel it", w->address,
			move_name(move, name, sizeof(name)), move->target);
	mailbox_free(&mailbox);
	return code;
}

/* --- each mailbox once ------------------------------------------------------------------------ */

/* By mailbox where it was found, else by address; rows of one stay in their order. */
static int by_whom(const void *a, const void *b)
{
	const struct wanted *left = *(struct wanted *const *)a, *right = *(struct wanted *const *)b;
	int order = strcmp(left->mailbox != NULL ? left->mailbox : left->key,
		right->mailbox != NULL ? right->mailbox : right->key);

	return order != 0 ? order : (left > right) - (left < right);
}

static bool of_one(const struct wanted *first, const struct wanted *other)
{
	if (first->mailbox != NULL && other->mailbox != NULL)
		return strcmp(first->mailbox, other->mailbox) == 0;
	return strcmp(first->key, other->key) == 0;
}

static int complain_of_twin(struct cli *cli, const struct wanted *first, const struct wanted *other)
{
	const char *place = first->place != NULL ? first->place : "it";

	cli->place = other->place;
	cli->subject = other->address;
	int code = strcmp(first->key, other->key) == 0
			   ? cli_fail(cli, CLI_USAGE, "%s is in the list twice, first in %s",
				     other->address, place)
			   : cli_fail(cli, CLI_USAGE,
				     "%s is in the list twice: it is the mailbox of %s in %s",
				     other->address, first->address, place);
	cli->place = NULL;
	return code;
}

/* A complaint for each row that names a mailbox again, by whichever of its addresses. */
static int judge_duplicates(struct cli *cli, struct wanted_list *list)
{
	struct wanted **order = mem_grow(NULL, list->count, sizeof(*order));
	size_t count = 0, first = 0;
	int code = CLI_DONE;

	for (size_t i = 0; i < list->count; i++)
		if (list->list[i].key != NULL)
			order[count++] = &list->list[i];
	if (count > 1)
		qsort(order, count, sizeof(*order), by_whom);
	for (size_t i = 1; i < count; i++)
		if (of_one(order[first], order[i]))
			code = complain_of_twin(cli, order[first], order[i]);
		else
			first = i;
	mem_free(&order);
	return code;
}

static int judge(struct judging *judging, struct wanted *w)
{
	struct cli *cli = judging->cli;
	int worst = judge_texts(cli, w);

	if (worst == CLI_DONE)
		worst = judge_address(cli, w);
	if (worst != CLI_DONE)
		return worst;
	const int codes[] = { judge_instant(cli, w, judging->now_us), judge_scenario(cli, w),
		judge_system(judging, w), judge_mailbox(judging, w) };
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (worst == CLI_DONE || codes[i] == CLI_DIRECTORY)
			worst = codes[i];
	return worst;
}

int wanted_judge(struct cli *cli, struct wanted_list *list)
{
	struct judging judging = { .cli = cli, .now_us = clock_wall_us() };
	int worst = move_list_read(cli, NULL, NULL, &judging.all);

	if (worst != CLI_DONE)
		return worst;
	index_open(&judging);
	for (size_t i = 0; i < list->count; i++) {
		cli->place = list->list[i].place;
		cli->subject = list->list[i].address;
		int code = judge(&judging, &list->list[i]);
		cli->place = NULL;
		worst = code != CLI_DONE ? code : worst;
		if (code == CLI_DIRECTORY)
			break;
	}
	int code = judge_duplicates(cli, list);
	mem_free(&judging.by_mailbox);
	mem_free(&judging.by_address);
	move_list_free(&judging.all);
	return code != CLI_DONE ? code : worst;
}

/* --- recording ------------------------------------------------------------------------------ */

/*
 * Only what no controller has claimed meanwhile. An add whose answer was lost may have been done:
 * it is tried, too. How many are or may be there all the same.
 */
static size_t take_back(struct cli *cli, const struct wanted_list *list)
{
	size_t left = 0;

	for (size_t i = 0; i < list->count; i++) {
		if (list->list[i].dn == NULL)
			continue;
		enum ldap_result result = ldap_session_delete(cli->session, list->list[i].dn,
			"(&(restanteMoveState=0)(!(restanteMoveDone=*))(!(restanteMoveWork=*)))");
		left += result != LDAP_DONE && result != LDAP_NO_ENTRY;
	}
	return left;
}

static enum ldap_result record_one(struct cli *cli, struct wanted *w, const char **error_r)
{
	const struct move_order order = { w->key, w->target, w->scenario, w->wave, w->instant_us,
		w->may_delete };
	struct str dn = STR_INIT;
	enum ldap_result result =
		move_record(cli->session, cli->config->ldap.base, &order, &dn, error_r);

	if (dn.len > 0)
		w->dn = str_steal(&dn);
	str_free(&dn);
	return result;
}

/* An interrupt waits for the record that is being made, then all are taken back. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
	interrupted = number;
}

static void catch_interrupts(void)
{
	struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = SA_RESTART };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

static int complain(
	struct cli *cli, const struct wanted *w, enum ldap_result result, const char *error)
{
	if (result == LDAP_DONE)
		return cli_fail(cli, CLI_FAILED, "interrupted");
	cli->place = w->place;
	int code = result == LDAP_TAKEN ? cli_fail(cli, CLI_REFUSED, "%s", error)
					: cli_fail_ldap(cli, result, w->address, error);
	cli->place = NULL;
	return code;
}

int wanted_record(struct cli *cli, struct wanted_list *list, size_t *left_r)
{
	*left_r = 0;
	catch_interrupts();
	for (size_t i = 0; i < list->count; i++) {
		const struct wanted *w = &list->list[i];
		const char *error = "";
		enum ldap_result result = record_one(cli, &list->list[i], &error);

		if (result == LDAP_DONE && !interrupted)
			continue;
		int code = complain(cli, w, result, error);
		*left_r = take_back(cli, list);
		if (*left_r > 0)
			cli_fail(cli, code,
				"%zu of the moves may be recorded all the same; `restante move "
				"list` "
				"shows them, `restante move cancel` takes them back",
				*left_r);
		return code;
	}
	return CLI_DONE;
}
