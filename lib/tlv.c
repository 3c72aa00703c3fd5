#include "lib/tlv.h"

#define LONG_FORM 0x80

void tlv_begin(struct tlv *in, void *data, size_t len)
{
	in->next = data;
	in->end = in->next + len;
	in->tag = len > 0 ? *in->next : 0;
}

/* Behind the length at p, NULL where it does not end within. */
static unsigned char *take_length(unsigned char *p, const unsigned char *end, size_t *len_r)
{
	size_t bytes;

	if (p >= end)
		return NULL;
	*len_r = *p++;
	if (*len_r < LONG_FORM)
		return p;
	bytes = *len_r - LONG_FORM;
	/* 0: indefinite, which LDAP does not allow */
	if (bytes == 0 || bytes > sizeof *len_r || bytes > (size_t)(end - p))
		return NULL;
	for (*len_r = 0; bytes > 0; bytes--)
		*len_r = *len_r << 8 | *p++;
	return p;
}

int tlv_next(struct tlv *in, unsigned char tag, char **data_r, size_t *len_r)
{
	unsigned char *data;

	if (in->next == in->end)
		return 0;
	if (in->tag != tag)
		return -1;
	data = take_length(in->next + 1, in->end, len_r);
	if (data == NULL || *len_r > (size_t)(in->end - data))
		return -1;
	in->next = data + *len_r;
	in->tag = in->next < in->end ? *in->next : 0;
	data[*len_r] = '\0';
	*data_r = (char *)data;
	return 1;
}
