/*
 * `restante sync assign`: an address goes from the mailbox that has it to the one that claims it:
 * two modifies, the second after the first has succeeded, back where the second is refused.
 */
#include "cli/sync.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/verbs.h"
#include "lib/address.h"
#include "lib/federation.h"
#include "lib/mailbox.h"
#include "lib/mem.h"

struct assign {
	struct cli *cli;
	const char *address, *system;
	struct address key;
	char *id; /* of the claimant on its system */
	struct mailbox *owner;
	char *claimant; /* DN, NULL: it has no entry yet */
	/* the value that goes, as the owner's entry has it */
	const char *attribute;
	char *value;
};

static const char *const address_names[] = { "mailLocalAddress", "restanteAddressUTF8", NULL };

/* --- who claims it
 * -------------------------------------------------------------------------------- */

static bool is_claim(const struct assign *assign, const struct json *report)
{
	const char *kind = json_get_string(report, "kind");
	const char *system = json_get_string(report, "system");
	const char *address = json_get_string(report, "address");
	struct address key;
	const char *error;

	return kind != NULL && strcmp(kind, "conflict") == 0 && system != NULL &&
	       strcasecmp(system, assign->system) == 0 && address != NULL &&
	       address_parse(address, &key, &error) == 0 && strcmp(key.key, assign->key.key) == 0;
}

static int find_claim(struct assign *assign)
{
	int code;
	struct json *reports;

	if (assign->id != NULL)
		return CLI_DONE;
	reports = sync_reports(assign->cli, assign->system, &code);
	if (reports == NULL)
		return code;
	for (size_t i = 0; assign->id == NULL && i < json_count(reports); i++)
		if (is_claim(assign, json_at(reports, i)))
			assign->id = mem_strdup(json_get_string(json_at(reports, i), "id"));
	json_free(&reports);
	if (assign->id != NULL)
		return CLI_DONE;
	return cli_fail(assign->cli, CLI_NOTFOUND,
		"no up sync has reported that %s claims %s; run one, or say --id with its id there",
		assign->system, assign->address);
}

static int take_dn(void *context, const struct ldap_entry *entry)
{
	char **dn = context;

	*dn = mem_strdup(entry->dn);
	return 1;
}

static int find_claimant(struct assign *assign)
{
	static const char *const attributes[] = { "restanteSystem", NULL };
	struct cli *cli = assign->cli;
	struct str filter = STR_INIT;

	str_append_z(&filter, "(&(objectClass=restanteMailbox)(restanteSourceId=");
	ldap_filter_escape(assign->id, &filter);
	str_append_z(&filter, ")(restanteSystem=");
	ldap_filter_escape(assign->system, &filter);
	str_append_z(&filter, "))");
	enum ldap_result result = ldap_session_search(cli->session, cli->config->ldap.base,
		LDAP_SUB, str_cstr(&filter), attributes, take_dn, &assign->claimant);
	str_free(&filter);
	if (result == LDAP_DONE || result == LDAP_NO_ENTRY)
		return CLI_DONE;
	return cli_fail_ldap(cli, result, assign->system, ldap_session_reason(cli->session));
}

/* --- who has it
 * ----------------------------------------------------------------------------------- */

static void find_value(struct assign *assign, const struct ldap_entry *entry, const char *attribute)
{
	const struct ldap_attribute *values = ldap_entry_attribute(entry, attribute);
	struct address key;
	const char *error;

	for (size_t i = 0; values != NULL && i < values->count && assign->value == NULL; i++) {
		if (address_parse(values->values[i], &key, &error) != 0 ||
			strcmp(key.key, assign->key.key) != 0)
			continue;
		assign->attribute = attribute;
		assign->value = mem_strdup(values->values[i]);
	}
}

static int find_owner(struct assign *assign)
{
	struct cli *cli = assign->cli;
	struct ldap_entry *entry = NULL;
	const char *error = "";
	enum ldap_result result = mailbox_find(
		cli->session, cli->config->ldap.base, assign->address, &assign->owner, &error);

	if (result == LDAP_NO_ENTRY)
		return cli_fail(cli, CLI_NOTFOUND,
			"nobody has %s; the next up sync of %s takes it for whoever claims it "
			"there",
			assign->address, assign->system);
	if (result == LDAP_DONE)
		result = ldap_session_read(cli->session, assign->owner->dn, address_names, &entry);
	if (result != LDAP_DONE)
		return cli_fail_ldap(cli, result, assign->address,
			*error ? error : ldap_session_reason(cli->session));
	find_value(assign, entry, address_names[0]);
	find_value(assign, entry, address_names[1]);
	ldap_entry_free(&entry);
	if (assign->owner->state != STATE_ACTIVE)
		return cli_fail(cli, CLI_REFUSED,
			"%s is %s: end that first, an address goes between mailboxes at rest only",
			assign->owner->dn, assign->owner->state_text);
	return assign->value != NULL ? CLI_DONE
				     : cli_fail(cli, CLI_REFUSED, "%s changed meanwhile; try again",
					       assign->owner->dn);
}

/* --- moves
 * ---------------------------------------------------------------------------------------- */

/* Not over; before state 10. */
#define OPEN_MOVES                                                                                 \
	"(&(objectClass=restanteMove)(!(restanteMoveOutcome=*))(!(restanteMoveState>=10)))"

struct open_move {
	const struct assign *assign;
	const struct ldap_entry *sides[2]; /* owner and claimant; NULL: it has no entry */
	char *dn;                          /* of the move that concerns one of them, NULL: none */
};

static bool has_address(
	const struct ldap_entry *entry, const char *const *attributes, const struct address *key)
{
	struct address other;
	const char *error;

	for (; entry != NULL && *attributes != NULL; attributes++) {
		const struct ldap_attribute *values = ldap_entry_attribute(entry, *attributes);

		for (size_t i = 0; values != NULL && i < values->count; i++)
			if (address_parse(values->values[i], &other, &error) == 0 &&
				strcmp(other.key, key->key) == 0)
				return true;
	}
	return false;
}

static bool is_second(const struct assign *assign, const struct ldap_entry *move)
{
	const char *target = ldap_entry_value(move, "restanteMoveTarget"),
		   *id = ldap_entry_value(move, "restanteMoveSourceId");

	return target != NULL && id != NULL && strcasecmp(target, assign->system) == 0 &&
	       strcmp(id, assign->id) == 0;
}

static int take_move(void *context, const struct ldap_entry *entry)
{
	static const char *const claims[] = { "restanteMoveClaim", NULL };
	struct open_move *open = context;
	const char *text = ldap_entry_value(entry, "restanteMoveAddress"), *error;
	bool concerns =
		is_second(open->assign, entry) || has_address(entry, claims, &open->assign->key);
	struct address key;

	if (text != NULL && address_parse(text, &key, &error) == 0)
		for (size_t i = 0; i < 2; i++)
			concerns = concerns || has_address(open->sides[i], address_names, &key);
	if (!concerns)
		return 0;
	open->dn = mem_strdup(entry->dn);
	return 1;
}

/* While a mailbox moves the controller decides what its addresses are. */
static int check_moves(struct assign *assign)
{
	static const char *const wanted[] = { "restanteMoveAddress", "restanteMoveTarget",
		"restanteMoveSourceId", "restanteMoveClaim", NULL };
	struct cli *cli = assign->cli;
	const char *dns[] = { assign->owner->dn, assign->claimant };
	struct ldap_entry *entries[2] = { NULL, NULL };
	struct str base = STR_INIT;
	enum ldap_result result = LDAP_DONE;
	int code = CLI_DONE;

	for (size_t i = 0; i < 2 && result == LDAP_DONE; i++)
		if (dns[i] != NULL)
			result =
				ldap_session_read(cli->session, dns[i], address_names, &entries[i]);
	struct open_move open = { assign, { entries[0], entries[1] }, NULL };
	str_append_z(&base, "ou=moves,");
	federation_dn(cli->config->ldap.base, &base);
	if (result == LDAP_DONE)
		result = ldap_session_search(cli->session, str_cstr(&base), LDAP_ONE, OPEN_MOVES,
			wanted, take_move, &open);
	if (open.dn != NULL)
		code = cli_fail(cli, CLI_REFUSED,
			"a move is open (%s): its addresses are the controller's until it has "
			"ended",
			open.dn);
	else if (result != LDAP_DONE && result != LDAP_NO_ENTRY)
		code = cli_fail_ldap(
			cli, result, assign->address, ldap_session_reason(cli->session));
	ldap_entry_free(&entries[0]);
	ldap_entry_free(&entries[1]);
	mem_free(&open.dn);
	str_free(&base);
	return code;
}

/* --- the change
 * ----------------------------------------------------------------------------------- */

static enum ldap_result put(const struct assign *assign, const char *dn, enum ldap_change_kind kind,
	const char *assertion)
{
	const char *const values[] = { assign->value, NULL };
	const struct ldap_change change = { kind, assign->attribute, values };

	return ldap_session_modify(assign->cli->session, dn, &change, 1, assertion, NULL, 0);
}

static enum ldap_result take(const struct assign *assign)
{
	struct str assertion = STR_INIT;

	str_append_z(&assertion, "(entryCSN=");
	ldap_filter_escape(assign->owner->csn, &assertion);
	str_append_c(&assertion, ')');
	enum ldap_result result =
		put(assign, assign->owner->dn, LDAP_CHANGE_DELETE, str_cstr(&assertion));
	str_free(&assertion);
	return result;
}

/* The mailbox that has no entry yet gets one from the next run. */
static int ask_run(struct assign *assign)
{
	struct cli *cli = assign->cli;
	struct sync_systems systems;
	enum ldap_result result =
		syncask_read(cli->session, cli->config->ldap.base, assign->system, &systems);

	if (result == LDAP_DONE)
		result = syncask_raise(cli->session, &systems.systems[0], SYNC_UP);
	syncask_free(&systems);
	return result == LDAP_DONE ? CLI_DONE
				   : cli_fail_ldap(cli, result, assign->system,
					     ldap_session_reason(cli->session));
}

static int give_to_claimant(struct assign *assign)
{
	struct cli *cli = assign->cli;
	struct str reason = STR_INIT;
	int code;

	if (assign->claimant == NULL)
		return ask_run(assign);
	enum ldap_result result =
		put(assign, assign->claimant, LDAP_CHANGE_ADD, "(!(restanteState=holding))");
	if (result == LDAP_DONE)
		return CLI_DONE;
	str_append_z(&reason, ldap_session_reason(cli->session));
	if (put(assign, assign->owner->dn, LDAP_CHANGE_ADD, NULL) == LDAP_DONE)
		code = cli_fail(cli, CLI_REFUSED, "%s: %s; %s has %s as before", assign->claimant,
			str_cstr(&reason), assign->owner->dn, assign->value);
	else
		code = cli_fail(cli, CLI_FAILED,
			"%s: %s; and %s was not given back to %s: %s; add it by hand",
			assign->claimant, str_cstr(&reason), assign->value, assign->owner->dn,
			ldap_session_reason(cli->session));
	str_free(&reason);
	return code;
}

static void give(const struct assign *assign, bool changed)
{
	struct cli *cli = assign->cli;
	struct json *object = json_new_object();

	if (!changed)
		cli_say(cli, "%s is a mailbox of %s already", assign->address, assign->system);
	else if (assign->claimant != NULL)
		cli_say(cli, "%s went from %s to %s", assign->value, assign->owner->dn,
			assign->claimant);
	else
		cli_say(cli,
			"%s was taken from %s; an up sync of %s is asked for and makes its "
			"new entry",
			assign->value, assign->owner->dn, assign->system);
	json_set_bool(object, "ok", true);
	json_set_bool(object, "changed", changed);
	json_set_string(object, "address", assign->address);
	json_set_string(object, "from", assign->owner->dn);
	json_set_string(object, "from_system", assign->owner->system);
	json_set_string(object, "to", assign->claimant);
	json_set_string(object, "to_system", assign->system);
	cli_give(cli, object);
}

static int run(struct assign *assign, bool yes)
{
	struct cli *cli = assign->cli;
	char question[1024];
	int code = find_owner(assign);

	if (code != CLI_DONE)
		return code;
	if (strcasecmp(assign->owner->system, assign->system) == 0) {
		give(assign, false);
		return CLI_DONE;
	}
	code = find_claim(assign);
	if (code == CLI_DONE)
		code = find_claimant(assign);
	if (code == CLI_DONE)
		code = check_moves(assign);
	if (code != CLI_DONE)
		return code;
	snprintf(question, sizeof(question),
		"Mail for %s goes to %s on %s and not to %s on %s any more?", assign->address,
		assign->id, assign->system, assign->owner->physical, assign->owner->system);
	if (!cli_confirm(cli, yes, question))
		return CLI_REFUSED;
	enum ldap_result result = take(assign);
	if (result != LDAP_DONE)
		return cli_fail_ldap(
			cli, result, assign->owner->dn, ldap_session_reason(cli->session));
	code = give_to_claimant(assign);
	if (code == CLI_DONE)
		give(assign, true);
	return code;
}

int verb_sync_assign(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = { { "id", required_argument, NULL, 'i' },
		{ "yes", no_argument, NULL, 'y' }, { NULL, 0, NULL, 0 } };
	struct assign assign = { .cli = cli };
	const char *error;
	bool yes = false;
	int letter, code;

	while ((letter = cli_getopt(cli, argc, argv, "y", options)) == 'y' || letter == 'i') {
		if (letter == 'y')
			yes = true;
		else {
			mem_free(&assign.id);
			assign.id = mem_strdup(optarg);
		}
	}
	if (letter != -1)
		return letter == 'h' ? CLI_DONE : CLI_USAGE;
	if (argc - optind != 2)
		return cli_usage(
			cli, "an address and a system are needed, %d are given", argc - optind);
	assign.address = argv[optind];
	assign.system = argv[optind + 1];
	code = cli_address(cli, assign.address);
	if (code == CLI_DONE)
		code = cli_need_directory(cli);
	if (code == CLI_DONE && address_parse(assign.address, &assign.key, &error) != 0)
		code = CLI_USAGE;
	if (code == CLI_DONE)
		code = run(&assign, yes);
	mailbox_free(&assign.owner);
	mem_free(&assign.id);
	mem_free(&assign.claimant);
	mem_free(&assign.value);
	return code;
}
