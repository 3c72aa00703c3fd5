#include "milter/envelope.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/address.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define TEXT_KEPT 65536 /* bytes that stay allocated between messages */

static atomic_uint made;

void envelope_free(struct envelope *e)
{
	str_free(&e->text);
	mem_free(&e->recipients);
	e->count = e->cap = 0;
	e->open = false;
}

static uint32_t keep(struct envelope *e, const char *text)
{
	uint32_t where = (uint32_t)e->text.len;

	str_append(&e->text, text, strlen(text) + 1);
	return where;
}

/* The arguments from `first` on with a blank between them; SIZE says nothing to the next host. */
static uint32_t keep_params(struct envelope *e, char *const *arguments)
{
	uint32_t where = (uint32_t)e->text.len;

	for (; *arguments != NULL; arguments++) {
		if (strncasecmp(*arguments, "SIZE=", 5) == 0)
			continue;
		if (e->text.len > where)
			str_append_c(&e->text, ' ');
		str_append_z(&e->text, *arguments);
	}
	str_append(&e->text, "", 1);
	return where;
}

void envelope_unbracket(const char *argument, struct str *out)
{
	size_t len = strlen(argument);

	if (len >= 2 && argument[0] == '<' && argument[len - 1] == '>')
		str_append(out, argument + 1, len - 2);
	else
		str_append(out, argument, len);
}

static uint32_t keep_path(struct envelope *e, const char *argument)
{
	uint32_t where = (uint32_t)e->text.len;

	envelope_unbracket(argument, &e->text);
	str_append(&e->text, "", 1);
	return where;
}

static char *put_hex(char *p, uint64_t number)
{
	int bits = 60;

	while (bits > 0 && number >> bits == 0)
		bits -= 4;
	for (; bits >= 0; bits -= 4)
		*p++ = "0123456789abcdef"[number >> bits & 15];
	return p;
}

static void make_id(char id_r[ENVELOPE_ID_BYTES])
{
	unsigned n = atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
	char *p = put_hex(id_r, (uint64_t)clock_wall_us());

	*p++ = '.';
	*put_hex(p, n & 0xfffff) = '\0';
}

void envelope_begin(struct envelope *e, char *const *arguments, const char *auth_user)
{
	envelope_end(e);
	make_id(e->id);
	e->sender = keep_path(e, arguments[0] ? arguments[0] : "");
	e->mail_params = keep_params(e, arguments[0] ? arguments + 1 : arguments);
	e->auth_user = keep(e, auth_user ? auth_user : "");
	e->open = true;
}

/* "<@a,@b:user@c>" as "<user@c>"; the colons of an address literal are inside of brackets. */
static uint32_t keep_recipient(struct envelope *e, const char *argument)
{
	uint32_t where = (uint32_t)e->text.len;
	bool literal = false;
	const char *p = argument;

	if (!address_path_has_route(argument))
		return keep(e, argument);
	for (; *p != '\0' && (literal || *p != ':'); p++)
		literal = *p == '[' || (literal && *p != ']');
	if (*argument == '<')
		str_append_c(&e->text, '<');
	str_append(&e->text, *p ? p + 1 : p, strlen(*p ? p + 1 : p) + 1);
	return where;
}

int envelope_add(struct envelope *e, char *const *arguments)
{
	if (e->count >= ENVELOPE_RECIPIENTS_MAX || e->text.len >= ENVELOPE_BYTES_MAX)
		return -1;
	if (e->count == e->cap) {
		e->cap = e->cap ? e->cap * 2 : 8;
		e->recipients = mem_grow(e->recipients, e->cap, sizeof *e->recipients);
	}
	struct envelope_recipient *r = &e->recipients[e->count++];
	r->argument = keep_recipient(e, arguments[0]);
	r->given = address_path_has_route(arguments[0]) ? keep(e, arguments[0]) : r->argument;
	r->params = keep_params(e, arguments + 1);
	return 0;
}

void envelope_end(struct envelope *e)
{
	e->open = false;
	e->count = 0;
	if (e->text.cap > TEXT_KEPT) {
		str_free(&e->text);
		mem_free(&e->recipients);
		e->cap = 0;
	}
	str_reset(&e->text);
}

const char *envelope_text(const struct envelope *e, uint32_t where)
{
	return e->text.data + where;
}

const char *envelope_argument(const struct envelope *e, size_t recipient)
{
	return envelope_text(e, e->recipients[recipient].argument);
}

const char *envelope_given(const struct envelope *e, size_t recipient)
{
	return envelope_text(e, e->recipients[recipient].given);
}

static bool has_param(const char *params, const char *name)
{
	for (size_t len; *params != '\0'; params += len + (params[len] == ' ')) {
		len = strcspn(params, " ");
		if (strncasecmp(params, name, strlen(name)) == 0)
			return true;
	}
	return false;
}

bool envelope_has_dsn(const struct envelope *e, size_t recipient)
{
	const char *mail = envelope_text(e, e->mail_params);
	const char *rcpt = envelope_params(e, recipient);

	return has_param(rcpt, "NOTIFY=") || has_param(rcpt, "ORCPT=") || has_param(mail, "RET=") ||
	       has_param(mail, "ENVID=");
}

const char *envelope_params(const struct envelope *e, size_t recipient)
{
	return envelope_text(e, e->recipients[recipient].params);
}

static void append_word(struct str *out, const char *word, size_t len)
{
	if (out->len)
		str_append_c(out, ' ');
	str_append(out, word, len);
}

void envelope_dsn_params(
	const char *params, const char *argument, enum orcpt_form form, struct str *out)
{
	struct str address = STR_INIT, orcpt = STR_INIT;

	for (size_t len; *params != '\0'; params += len + (params[len] == ' ')) {
		len = strcspn(params, " ");
		if (strncasecmp(params, "ORCPT=", 6) == 0)
			orcpt_given(params, len, form, &orcpt);
		else if (strncasecmp(params, "NOTIFY=", 7) == 0)
			append_word(out, params, len);
	}
	if (orcpt.len == 0) {
		envelope_unbracket(argument, &address);
		orcpt_made(str_cstr(&address), form, &orcpt);
	}
	if (orcpt.len)
		append_word(out, orcpt.data, orcpt.len);
	str_free(&address);
	str_free(&orcpt);
}
