#include <string.h>
#include <strings.h>

#include "lib/orcpt.h"
#include "lib/utf8.h"
#include "queue/notice_parts.h"

#define FOLD 60

void notice_clean(struct str *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		str_append_c(out, (unsigned char)text[i] >= ' ' && text[i] != 0x7f ? text[i] : '?');
}

void notice_ascii(struct str *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		str_append_c(out, text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?');
}

void notice_address(struct str *out, const char *address, bool utf8)
{
	size_t len = strlen(address);

	if (utf8_ascii(address, len)) {
		str_append_z(out, "rfc822; ");
		notice_ascii(out, address, len);
		return;
	}
	str_append_z(out, "utf-8; ");
	if (utf8 && utf8_valid(address))
		notice_clean(out, address, len);
	else
		orcpt_encode(address, out);
}

void notice_veil(const char *reply, const char *physical, const char *address, struct str *out)
{
	size_t len = strlen(physical);
	bool plain = utf8_ascii(address, strlen(address));

	while (*reply != '\0') {
		if (len == 0 || strncasecmp(reply, physical, len) != 0) {
			str_append_c(out, *reply++);
			continue;
		}
		if (plain)
			notice_ascii(out, address, strlen(address));
		else
			orcpt_encode(address, out);
		reply += len;
	}
}

void notice_diagnostic(struct str *out, const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++) {
		if (*text == ' ' && width > FOLD) {
			str_append_z(out, "\r\n    ");
			width = 0;
			continue;
		}
		notice_ascii(out, text, 1);
		width++;
	}
}
