#include "cli/swap.h"

#include <string.h>
#include <strings.h>

#include "lib/mem.h"

/* --- may it be made? ------------------------------------------------------------------------ */

static bool same_address(const char *one, const char *other)
{
	struct address a, b;
	const char *error;

	if (address_parse(one, &a, &error) != 0 || address_parse(other, &b, &error) != 0)
		return strcasecmp(one, other) == 0;
	return strcmp(a.key, b.key) == 0;
}

enum swap_fault swap_judge(const struct mailbox *mailbox, const struct federation *federation,
	const char *system, const char *physical, bool wait)
{
	struct address to;
	const char *error;

	if (address_parse(physical, &to, &error) == 0 &&
		federation_serves(federation, address_domain(&to)))
		return SWAP_FEDERATED;
	if (strcasecmp(mailbox->system, system) == 0 && same_address(mailbox->physical, physical))
		return SWAP_SAME_PLACE;
	if (mailbox->state != STATE_HOLDING && mailbox->state != STATE_ACTIVE)
		return SWAP_STATE;
	if (mailbox->state == STATE_ACTIVE && !wait)
		return SWAP_NOT_HELD;
	return SWAP_FINE;
}

static int refuse(struct cli *cli, const struct swap *swap, enum swap_fault fault)
{
	switch (fault) {
	case SWAP_NOT_HELD:
		return cli_fail(cli, CLI_REFUSED,
			"%s is not held; `restante hold %s` first, or swap with --wait",
			swap->address, swap->address);
	case SWAP_STATE:
		return cli_fail(cli, CLI_REFUSED,
			"%s is in state %s, not holding; nothing was changed", swap->address,
			swap->mailbox->state_text);
	case SWAP_SAME_PLACE:
		return cli_fail(cli, CLI_REFUSED,
			"%s lives at %s on %s already; to end a hold: `restante unhold %s`",
			swap->address, swap->physical, swap->system, swap->address);
	case SWAP_FEDERATED:
		return cli_fail(cli, CLI_REFUSED,
			"%s is in a federated domain: mail for it would come back here; give the "
			"address that reaches it on %s itself",
			swap->physical, swap->system);
	case SWAP_FINE: break;
	}
	return CLI_DONE;
}

/* --- what the directory says ---------------------------------------------------------------- */

int swap_world_read(struct cli *cli, struct swap_world *world_r)
{
	const char *base = cli->config->ldap.base;
	enum ldap_result result;

	memset(world_r, 0, sizeof(*world_r));
	result = federation_read(cli->session, base, &world_r->federation);
	if (result == LDAP_NO_ENTRY)
		return cli_fail(cli, CLI_NOTFOUND,
			"no federation entry cn=restante,%s; add it (see restante-schema(5))",
			base);
	if (result == LDAP_DONE)
		result = federation_read_systems(cli->session, base, &world_r->systems);
	if (result != LDAP_DONE)
		return cli_fail_ldap(
			cli, result, "the federation", ldap_session_reason(cli->session));
	return CLI_DONE;
}

void swap_world_free(struct swap_world *world)
{
	federation_free(&world->federation);
	federation_systems_free(&world->systems);
}

/* Takes over the directory's spelling of the system's name: others may compare it byte by byte. */
static int check_system(struct cli *cli, const struct swap_world *world, struct swap *swap)
{
	for (size_t i = 0; i < world->systems.count && swap->system_name == NULL; i++)
		if (strcasecmp(world->systems.systems[i].name, swap->system) == 0)
			swap->system_name = mem_strdup(world->systems.systems[i].name);
	if (swap->system_name == NULL)
		return cli_fail(cli, CLI_NOTFOUND,
			"no system %s below ou=systems; add cn=%s,ou=systems,cn=restante,%s or "
			"correct --system",
			swap->system, swap->system, cli->config->ldap.base);
	swap->system = swap->system_name;
	return CLI_DONE;
}

/* A wave that is made once more passes over those that it has moved already. */
static int judge(struct cli *cli, const struct swap_world *world, struct swap *swap)
{
	enum swap_fault fault = swap_judge(
		swap->mailbox, world->federation, swap->system, swap->physical, swap->wait);

	swap->there =
		swap->many && fault == SWAP_SAME_PLACE && swap->mailbox->state == STATE_ACTIVE;
	return swap->there ? CLI_DONE : refuse(cli, swap, fault);
}

int swap_check(struct cli *cli, const struct swap_world *world, struct swap *swap)
{
	const char *error;
	int code;

	if (address_check_physical(swap->physical, &error) != 0)
		return cli_usage(cli, "--to %s: %s", swap->physical, error);
	code = cli_address(cli, swap->address);
	if (code == CLI_DONE)
		code = check_system(cli, world, swap);
	if (code != CLI_DONE)
		return code;
	enum ldap_result result = mailbox_find(
		cli->session, cli->config->ldap.base, swap->address, &swap->mailbox, &error);
	if (result != LDAP_DONE)
		return cli_fail_ldap(cli, result, swap->address, error);
	swap->old_system = mem_strdup(swap->mailbox->system);
	swap->old_physical = mem_strdup(swap->mailbox->physical);
	return judge(cli, world, swap);
}

void swap_free(struct swap *swap)
{
	mailbox_free(&swap->mailbox);
	mem_free(&swap->system_name);
	mem_free(&swap->old_system);
	mem_free(&swap->old_physical);
	mem_free(&swap->hold_csn);
}
