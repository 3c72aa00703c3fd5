#define _GNU_SOURCE
/* `restante node`: the front doors, by their entries in the directory. */
#include "cli/verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/node_show.h"
#include "lib/federation.h"

/* --- list ----------------------------------------------------------------------------------- */

int verb_node_list(struct cli *cli, int argc, char **argv)
{
	struct federation_nodes nodes;
	int letter = cli_getopt(cli, argc, argv, "", NULL), code;

	if (letter != -1)
		return letter == 'h' ? CLI_DONE : CLI_USAGE;
	code = cli_need_directory(cli);
	if (code != CLI_DONE)
		return code;
	enum ldap_result result =
		federation_read_nodes(cli->session, cli->config->ldap.base, &nodes);
	if (result != LDAP_DONE)
		return cli_fail_ldap(cli, result, "node list", ldap_session_reason(cli->session));
	if (nodes.count == 0)
		cli_say(cli, "no front door has an entry in ou=nodes; `restante node enable NAME` "
			     "makes one");
	else
		node_show_table(cli, &nodes);
	cli_give(cli, node_show_json(&nodes));
	federation_nodes_free(&nodes);
	return CLI_DONE;
}

/* --- one node ------------------------------------------------------------------------------- */

static int read_node(struct cli *cli, const char *name, struct federation_nodes *nodes_r,
	const struct federation_node **node_r)
{
	int code = cli_need_directory(cli);

	memset(nodes_r, 0, sizeof(*nodes_r));
	*node_r = NULL;
	if (code != CLI_DONE)
		return code;
	enum ldap_result result =
		federation_read_nodes(cli->session, cli->config->ldap.base, nodes_r);
	if (result != LDAP_DONE)
		return cli_fail_ldap(cli, result, name, ldap_session_reason(cli->session));
	for (size_t i = 0; i < nodes_r->count; i++)
		if (strcasecmp(nodes_r->nodes[i].name, name) == 0)
			*node_r = &nodes_r->nodes[i];
	return CLI_DONE;
}

/* Asserts the state that was read, so that two administrators do not overwrite each other. */
static int write_state(struct cli *cli, const struct federation_node *node, const char *state)
{
	const char *const values[] = { state, NULL };
	const struct ldap_change change = { LDAP_CHANGE_REPLACE, "restanteNodeState", values };
	struct str assertion = STR_INIT;

	if (node->state[0] == '\0') {
		str_append_z(&assertion, "(!(restanteNodeState=*))");
	} else {
		str_append_z(&assertion, "(restanteNodeState=");
		ldap_filter_escape(node->state, &assertion);
		str_append_c(&assertion, ')');
	}
	enum ldap_result result = ldap_session_modify(
		cli->session, node->dn, &change, 1, str_cstr(&assertion), NULL, 0);
	str_free(&assertion);
	return result == LDAP_DONE
		       ? CLI_DONE
		       : cli_fail_ldap(cli, result, node->name, ldap_session_reason(cli->session));
}

static void give_state(struct cli *cli, const char *name, const char *state, bool changed)
{
	struct json *object = json_new_object();

	json_set_bool(object, "ok", true);
	json_set_string(object, "node", name);
	json_set_string(object, "state", state);
	json_set_bool(object, "changed", changed);
	cli_give(cli, object);
}

static int one_name(struct cli *cli, int argc)
{
	if (argc - optind != 1)
		return cli_usage(
			cli, "one name of a front door is needed, %d are given", argc - optind);
	return CLI_DONE;
}

/* --- enable --------------------------------------------------------------------------------- */

static enum ldap_result add_node(
	struct cli *cli, const char *name, const char *secret, struct str *dn)
{
	const char *const classes[] = { "restanteNode", secret ? "simpleSecurityObject" : NULL,
		NULL };
	const char *const names[] = { name, NULL }, *const enabled[] = { "enabled", NULL };
	const char *const secrets[] = { secret, NULL };
	const struct ldap_change attributes[] = {
		{ LDAP_CHANGE_ADD, "objectClass", classes },
		{ LDAP_CHANGE_ADD, "cn", names },
		{ LDAP_CHANGE_ADD, "restanteNodeState", enabled },
		{ LDAP_CHANGE_ADD, "userPassword", secrets },
	};

	str_append_z(dn, "cn=");
	ldap_dn_escape(name, dn);
	str_append_c(dn, ',');
	federation_nodes_dn(cli->config->ldap.base, dn);
	return ldap_session_add(cli->session, str_cstr(dn), attributes, secret != NULL ? 4 : 3);
}

static int read_secret(struct cli *cli, const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "r");
	bool got = file != NULL && fgets(line, (int)size, file) != NULL;

	if (file != NULL)
		fclose(file);
	if (!got)
		return cli_fail(cli, CLI_FAILED,
			"%s cannot be read or is empty; it needs the "
			"password, or its hash by slappasswd(8), in its first line",
			path);
	line[strcspn(line, "\r\n")] = '\0';
	return CLI_DONE;
}

static int make_node(struct cli *cli, const char *name, const char *secret_file)
{
	struct str dn = STR_INIT;
	char secret[512] = "";
	int code = secret_file != NULL ? read_secret(cli, secret_file, secret, sizeof(secret))
				       : CLI_DONE;

	if (code != CLI_DONE)
		return code;
	enum ldap_result result = add_node(cli, name, secret_file != NULL ? secret : NULL, &dn);
	explicit_bzero(secret, sizeof(secret));
	if (result == LDAP_NO_ENTRY)
		code = cli_fail(cli, CLI_NOTFOUND,
			"%s: there is no ou=nodes below cn=restante,%s; "
			"add it (see restante-schema(5))",
			name, cli->config->ldap.base);
	else if (result != LDAP_DONE)
		code = cli_fail_ldap(cli, result, name, ldap_session_reason(cli->session));
	else
		cli_say(cli, "front door %s has an entry now: %s (enabled)\n%s", name,
			str_cstr(&dn),
			secret_file != NULL
				? "Set bind_dn to it in restante.conf there, and start "
				  "restante-milter."
				: "It has no password: let it bind with a certificate, or add one "
				  "(ldappasswd(1)); then start restante-milter there.");
	if (code == CLI_DONE)
		give_state(cli, name, "enabled", true);
	str_free(&dn);
	return code;
}

static int enable(struct cli *cli, const struct federation_node *node)
{
	bool was_disabled = node->disabled;
	int code = node->enabled ? CLI_DONE : write_state(cli, node, "enabled");

	if (code != CLI_DONE)
		return code;
	if (node->enabled)
		cli_say(cli, "front door %s was enabled already", node->name);
	else
		cli_say(cli,
			"front door %s is enabled: it serves as soon as its replica shows this; "
			"`restante status` there says when",
			node->name);
	if (was_disabled)
		cli_say(cli,
			"If it was disabled by --force, it refuses until its databases are wiped "
			"and its held messages dealt with.");
	give_state(cli, node->name, "enabled", !node->enabled);
	return CLI_DONE;
}

int verb_node_enable(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = { { "password-file", required_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 } };
	const struct federation_node *node;
	struct federation_nodes nodes;
	const char *secret_file = NULL;
	int letter, code;

	while ((letter = cli_getopt(cli, argc, argv, "", options)) == 'p')
		secret_file = optarg;
	if (letter != -1)
		return letter == 'h' ? CLI_DONE : CLI_USAGE;
	code = one_name(cli, argc);
	if (code == CLI_DONE)
		code = read_node(cli, argv[optind], &nodes, &node);
	else
		return code;
	if (code == CLI_DONE)
		code = node != NULL ? enable(cli, node) : make_node(cli, argv[optind], secret_file);
	federation_nodes_free(&nodes);
	return code;
}

/* --- disable -------------------------------------------------------------------------------- */

static int disable_by_force(struct cli *cli, const struct federation_node *node, bool yes)
{
	fprintf(stderr,
		"Writing `disabled` for front door %s takes it out of the fence at once.\n"
		"If it still runs, cut off from the directory, nothing else stops it from sending "
		"mail to\n"
		"old places. Messages that it holds stay in its hold queue. Once it sees this it "
		"refuses to\n"
		"serve until its databases are wiped and its held messages dealt with.\n",
		node->name);
	if (!cli_confirm(cli, yes, "Is the machine switched off, or cut off from the network?"))
		return CLI_REFUSED;
	int code = write_state(cli, node, "disabled");
	if (code == CLI_DONE)
		cli_say(cli, "front door %s is disabled by force", node->name);
	return code;
}

static int disable_in_order(struct cli *cli, const struct federation_node *node)
{
	int code = write_state(cli, node, "disabling");

	if (code == CLI_DONE)
		cli_say(cli,
			"front door %s is going out of service: it answers 451, releases what it "
			"holds, and writes `disabled` itself once it holds nothing and its MTA's "
			"queue has no mail for a mailbox; `restante node list` shows it",
			node->name);
	return code;
}

static bool is_state(const struct federation_node *node, const char *state)
{
	return strcasecmp(node->state, state) == 0;
}

static int disable(struct cli *cli, const struct federation_node *node, bool force, bool yes)
{
	bool needless = node->disabled || (!force && is_state(node, "disabling"));
	int code = CLI_DONE;

	if (needless)
		cli_say(cli, "front door %s is %s already", node->name, node->state);
	else
		code = force ? disable_by_force(cli, node, yes) : disable_in_order(cli, node);
	if (code == CLI_DONE)
		give_state(cli, node->name,
			needless ? node->state
			: force  ? "disabled"
				 : "disabling",
			!needless);
	return code;
}

int verb_node_disable(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = { { "force", no_argument, NULL, 'f' },
		{ "yes", no_argument, NULL, 'y' }, { NULL, 0, NULL, 0 } };
	const struct federation_node *node;
	struct federation_nodes nodes;
	bool force = false, yes = false;
	int letter, code;

	while ((letter = cli_getopt(cli, argc, argv, "", options)) == 'f' || letter == 'y') {
		force = force || letter == 'f';
		yes = yes || letter == 'y';
	}
	if (letter != -1)
		return letter == 'h' ? CLI_DONE : CLI_USAGE;
	code = one_name(cli, argc);
	if (code != CLI_DONE)
		return code;
	code = read_node(cli, argv[optind], &nodes, &node);
	if (code == CLI_DONE && node == NULL)
		code = cli_fail(cli, CLI_NOTFOUND,
			"no front door %s; `restante node list` shows them", argv[optind]);
	else if (code == CLI_DONE)
		code = disable(cli, node, force, yes);
	federation_nodes_free(&nodes);
	return code;
}

/* --- approve -------------------------------------------------------------------------------- */

int verb_node_approve(struct cli *cli, int argc, char **argv)
{
	int letter = cli_getopt(cli, argc, argv, "", NULL), code;
	char entries[TERM_COUNT];

	if (letter != -1)
		return letter == 'h' ? CLI_DONE : CLI_USAGE;
	struct json *reply = cli_ask(cli, cli_request("node.approve"), &code);
	if (reply == NULL)
		return code;
	cli_say(cli, "no longer routed here: %s that vanished from the directory",
		term_count(entries, json_get_int(reply, "deleted", 0), "entry", "entries"));
	cli_give(cli, reply);
	return CLI_DONE;
}
