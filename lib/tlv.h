/*
 * Elements of BER as LDAP has them (RFC 4511 section 5.1: tags of one byte, definite lengths), read
 * where they are: nothing is copied. Pure.
 */
#ifndef RESTANTE_LIB_TLV_H
#define RESTANTE_LIB_TLV_H

#include <stddef.h>

#define TLV_OCTETS   0x04
#define TLV_SEQUENCE 0x30
#define TLV_SET      0x31

struct tlv {
	unsigned char *next, *end;
	unsigned char tag; /* of the next: what is handed out ends with a NUL, which lies over it */
};

/* data[len] must be there: a NUL is written to it. */
void tlv_begin(struct tlv *in, void *data, size_t len);
/* 1: the next element's content, data_r[len] is NUL; 0 at the end; -1 where it has another tag, or
 * does not end within. */
int tlv_next(struct tlv *in, unsigned char tag, char **data_r, size_t *len_r);

#endif
