/*
 * What Restante's mail path is compared with: a milter that knows nothing. It asks for the same
 * events as restante-milter with the same answers due, and then
 *
 *   null     does nothing;
 *   rewrite  replaces each recipient by the same local part in one constant domain, ESMTP
 *            parameters kept, ORCPT added: the envelope edits of Restante without a look-up.
 *
 * The local part stays, so that the MTA has as many recipients to deliver to as with Restante.
 * It logs nothing and keeps nothing; out of memory it tempfails.
 */
#define _GNU_SOURCE
#include <libmilter/mfapi.h>

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNUSED_EVENTS (SMFIP_NOEOH | SMFIP_NOUNKNOWN | SMFIP_NODATA)
#define WITHOUT_REPLY (SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_HDR)
#define BODY_KEEP     65535 /* what a milter is shown at once */

struct peer_rcpt {
	char *path;
	char *params; /* NULL: none given */
	struct peer_rcpt *next;
};

struct peer_message {
	struct peer_rcpt *first, **last;
	char *body; /* the first chunk: Restante keeps it too */
};

static bool rewrite;
static const char *domain = "s1.test";

static char *join_params(char **argv)
{
	size_t len = 1;
	for (char **word = argv + 1; *word != NULL; word++)
		len += strlen(*word) + 1;
	if (len == 1)
		return NULL;
	char *joined = calloc(1, len);
	for (char **word = argv + 1; joined != NULL && *word != NULL; word++) {
		strcat(joined, *word);
		if (word[1] != NULL)
			strcat(joined, " ");
	}
	return joined;
}

static void message_free(struct peer_message *message)
{
	if (message == NULL)
		return;
	for (struct peer_rcpt *rcpt = message->first, *next; rcpt != NULL; rcpt = next) {
		next = rcpt->next;
		free(rcpt->path);
		free(rcpt->params);
		free(rcpt);
	}
	free(message->body);
	free(message);
}

static void drop_message(SMFICTX *ctx)
{
	message_free(smfi_getpriv(ctx));
	smfi_setpriv(ctx, NULL);
}

static sfsistat peer_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *address)
{
	(void)ctx, (void)host, (void)address;
	return SMFIS_NOREPLY;
}

static sfsistat peer_helo(SMFICTX *ctx, char *name)
{
	(void)ctx, (void)name;
	return SMFIS_NOREPLY;
}

static sfsistat peer_envfrom(SMFICTX *ctx, char **argv)
{
	(void)argv;
	drop_message(ctx);
	struct peer_message *message = calloc(1, sizeof(*message));
	if (message == NULL)
		return SMFIS_TEMPFAIL;
	message->last = &message->first;
	smfi_setpriv(ctx, message);
	return SMFIS_NOREPLY;
}

static sfsistat peer_envrcpt(SMFICTX *ctx, char **argv)
{
	struct peer_message *message = smfi_getpriv(ctx);
	if (!rewrite || message == NULL)
		return SMFIS_CONTINUE;
	struct peer_rcpt *rcpt = calloc(1, sizeof(*rcpt));
	if (rcpt == NULL)
		return SMFIS_TEMPFAIL;
	rcpt->path = strdup(argv[0]);
	rcpt->params = join_params(argv);
	*message->last = rcpt;
	message->last = &rcpt->next;
	return rcpt->path != NULL ? SMFIS_CONTINUE : SMFIS_TEMPFAIL;
}

static sfsistat peer_header(SMFICTX *ctx, char *name, char *value)
{
	(void)ctx, (void)name, (void)value;
	return SMFIS_NOREPLY;
}

static sfsistat peer_body(SMFICTX *ctx, unsigned char *data, size_t len)
{
	struct peer_message *message = smfi_getpriv(ctx);
	if (message == NULL || message->body != NULL || len >= BODY_KEEP)
		return SMFIS_SKIP;
	message->body = malloc(len + 1);
	if (message->body != NULL)
		memcpy(message->body, data, len);
	return SMFIS_SKIP;
}

/* "<user@access>" to user@domain; -1 where it is no such path or too long. */
static int physical_of(const char *path, char *physical, size_t size)
{
	const char *start = path + (path[0] == '<');
	const char *at = strrchr(start, '@');
	if (at == NULL)
		return -1;
	int len = snprintf(physical, size, "%.*s@%s", (int)(at - start), start, domain);
	return len > 0 && (size_t)len < size ? 0 : -1;
}

static int replace(SMFICTX *ctx, const struct peer_rcpt *rcpt)
{
	char physical[512], params[1024];
	if (physical_of(rcpt->path, physical, sizeof(physical)) == -1)
		return -1;
	const char *given = rcpt->params != NULL ? rcpt->params : "";
	if (strcasestr(given, "ORCPT=") != NULL) {
		snprintf(params, sizeof(params), "%s", given);
	} else {
		int bare = (int)strcspn(rcpt->path + 1, ">");
		snprintf(params, sizeof(params), "%s%sORCPT=rfc822;%.*s", given,
			*given != '\0' ? " " : "", bare, rcpt->path + 1);
	}
	if (smfi_delrcpt(ctx, rcpt->path) != MI_SUCCESS)
		return -1;
	return smfi_addrcpt_par(ctx, physical, params) == MI_SUCCESS ? 0 : -1;
}

static sfsistat peer_eom(SMFICTX *ctx)
{
	struct peer_message *message = smfi_getpriv(ctx);
	sfsistat answer = SMFIS_CONTINUE;
	for (struct peer_rcpt *rcpt = message != NULL ? message->first : NULL; rcpt != NULL;
		rcpt = rcpt->next) {
		if (replace(ctx, rcpt) == -1)
			answer = SMFIS_TEMPFAIL;
	}
	drop_message(ctx);
	return answer;
}

static sfsistat peer_drop(SMFICTX *ctx)
{
	drop_message(ctx);
	return SMFIS_CONTINUE;
}

/* The same questions as milter/callbacks.c asks: keep them alike, or the comparison is none. */
static sfsistat peer_negotiate(SMFICTX *ctx, unsigned long actions, unsigned long protocol,
	unsigned long unused2, unsigned long unused3, unsigned long *actions_r,
	unsigned long *protocol_r, unsigned long *unused2_r, unsigned long *unused3_r)
{
	static const int stages[] = { SMFIM_CONNECT, SMFIM_HELO, SMFIM_ENVFROM, SMFIM_ENVRCPT,
		SMFIM_EOM, SMFIM_EOH };
	static const char *const names[] = { "{daemon_name} v", "", "{auth_authen}", "", "i", "" };

	(void)unused2, (void)unused3;
	if ((protocol & WITHOUT_REPLY) != WITHOUT_REPLY)
		return SMFIS_REJECT; /* libmilter would log each reply that is none */
	*actions_r = actions & (SMFIF_ADDRCPT | SMFIF_DELRCPT | SMFIF_ADDRCPT_PAR);
	*protocol_r = protocol &
		      (SMFIP_NOEOH | SMFIP_NOUNKNOWN | SMFIP_NODATA | SMFIP_SKIP | SMFIP_NR_CONN |
			      SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_HDR | SMFIP_HDR_LEADSPC);
	*unused2_r = *unused3_r = 0;
	for (size_t i = 0; i < sizeof(stages) / sizeof(*stages); i++)
		smfi_setsymlist(ctx, stages[i], (char *)names[i]);
	return SMFIS_CONTINUE;
}

static char peer_name[] = "peer";

static struct smfiDesc peer = {
	.xxfi_name = peer_name,
	.xxfi_version = SMFI_VERSION,
	.xxfi_flags = SMFIF_ADDRCPT | SMFIF_DELRCPT | SMFIF_ADDRCPT_PAR | SMFIF_SETSYMLIST,
	.xxfi_connect = peer_connect,
	.xxfi_helo = peer_helo,
	.xxfi_envfrom = peer_envfrom,
	.xxfi_envrcpt = peer_envrcpt,
	.xxfi_header = peer_header,
	.xxfi_body = peer_body,
	.xxfi_eom = peer_eom,
	.xxfi_abort = peer_drop,
	.xxfi_close = peer_drop,
	.xxfi_negotiate = peer_negotiate,
};

static int usage(void)
{
	fprintf(stderr, "usage: peer_milter -m null|rewrite -s unix:PATH [-d DOMAIN]\n");
	return 2;
}

int main(int argc, char **argv)
{
	const char *mode = NULL;
	char *socket = NULL;
	for (int option; (option = getopt(argc, argv, "m:s:d:")) != -1;) {
		switch (option) {
		case 'm': mode = optarg; break;
		case 's': socket = optarg; break;
		case 'd': domain = optarg; break;
		default: return usage();
		}
	}
	if (mode == NULL || socket == NULL)
		return usage();
	rewrite = strcmp(mode, "rewrite") == 0;
	if (!rewrite && strcmp(mode, "null") != 0)
		return usage();
	signal(SIGPIPE, SIG_IGN);
	umask(0);
	if (smfi_setconn(socket) != MI_SUCCESS || smfi_register(peer) != MI_SUCCESS ||
		smfi_opensocket(true) != MI_SUCCESS) {
		fprintf(stderr, "peer_milter: cannot listen on %s\n", socket);
		return 1;
	}
	return smfi_main() == MI_SUCCESS ? 0 : 1;
}
