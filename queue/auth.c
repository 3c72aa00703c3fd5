#define _GNU_SOURCE
#include "queue/auth.h"

#include <stdio.h>
#include <string.h>

#define TELLING 8 /* as much of an encoded secret as no other text has in common with it */

enum auth_way auth_choose(const struct ehlo *ehlo)
{
	if (ehlo->auth_plain)
		return AUTH_PLAIN;
	return ehlo->auth_login ? AUTH_LOGIN : AUTH_NONE;
}

/* RFC 4648 section 4 */
static void put_base64(struct str *out, const void *data, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	const unsigned char *in = data;

	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		unsigned bits = (unsigned)in[i] << 16;
		bits |= left > 1 ? (unsigned)in[i + 1] << 8 : 0;
		bits |= left > 2 ? in[i + 2] : 0;
		str_append_c(out, digits[bits >> 18]);
		str_append_c(out, digits[bits >> 12 & 63]);
		str_append_c(out, left > 1 ? digits[bits >> 6 & 63] : '=');
		str_append_c(out, left > 2 ? digits[bits & 63] : '=');
	}
}

/* Growing would leave copies behind. */
static void make_room(struct str *out, const char *user, const char *password)
{
	str_reset(out);
	str_reserve(out, 2 * (strlen(user) + strlen(password)) + 64);
}

static void put_plain(struct str *out, const char *user, const char *password)
{
	struct str message = STR_INIT;

	make_room(&message, user, password);
	str_append_c(&message, '\0');
	str_append_z(&message, user);
	str_append_c(&message, '\0');
	str_append_z(&message, password);
	put_base64(out, message.data, message.len);
	auth_forget(&message);
}

bool auth_line(
	enum auth_way way, unsigned step, const char *user, const char *password, struct str *line)
{
	if (step >= (way == AUTH_PLAIN ? 1 : 3))
		return false;
	make_room(line, user, password);
	if (way == AUTH_PLAIN) {
		str_append_z(line, "AUTH PLAIN ");
		put_plain(line, user, password);
	} else if (step == 0) {
		str_append_z(line, "AUTH LOGIN");
	} else {
		const char *text = step == 1 ? user : password;
		put_base64(line, text, strlen(text));
	}
	str_append_z(line, "\r\n");
	return true;
}

void auth_forget(struct str *line)
{
	if (line->data != NULL)
		explicit_bzero(line->data, line->cap);
	str_free(line);
}

/* The beginning is enough: the text of a reply is cut. */
static bool repeats(const struct reply *reply, enum auth_way way, unsigned step, const char *user,
	const char *password)
{
	struct str line = STR_INIT;
	char start[TELLING + 1] = "";

	auth_line(way, step, user, password, &line);
	const char *sent = str_cstr(&line) + (way == AUTH_PLAIN ? strlen("AUTH PLAIN ") : 0);
	snprintf(start, sizeof start, "%.*s", (int)strcspn(sent, "=\r"), sent);
	auth_forget(&line);
	bool found = strlen(start) > 1 && strstr(reply->text, start) != NULL;
	explicit_bzero(start, sizeof start);
	return found;
}

/* As it would look in a reply, where only printable ASCII is kept. */
static bool repeats_plainly(const struct reply *reply, const char *password)
{
	struct str shown = STR_INIT;

	str_reserve(&shown, strlen(password) + 1);
	for (const char *p = password; *p != '\0'; p++)
		str_append_c(&shown, *p >= ' ' && *p < 0x7f ? *p : '?');
	bool found = strcasestr(reply->text, str_cstr(&shown)) != NULL;
	auth_forget(&shown);
	return found;
}

void auth_censor(struct reply *reply, const char *user, const char *password)
{
	char text[64], status[12];

	if (!repeats(reply, AUTH_PLAIN, 0, user, password) &&
		!repeats(reply, AUTH_LOGIN, 2, user, password) && !repeats_plainly(reply, password))
		return;
	snprintf(text, sizeof text, "%d %s (it repeats the password)", reply->code,
		reply_status(reply, status, sizeof status));
	reply_set(reply, text);
}
