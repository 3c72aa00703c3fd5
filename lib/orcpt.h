/*
 * The original recipient of RFC 3461 (ORCPT), with the address type utf-8 of RFC 6533. Pure.
 *
 * RFC 6533 section 3 has three forms of such an address: utf-8-addr-xtext, in ASCII ("b\x{FC}@x"),
 * utf-8-addr-unitext, where only what a parameter may not contain is written like that, and the
 * bare utf-8-address. On the wire the first is always right. Postfix 3.7 decodes it in RCPT but not
 * in what a milter adds, where it encodes it a second time (TRAPS 7): a milter hands the address
 * over decoded, which RFC 6533 allows as well. Sendmail decodes it in neither.
 */
#ifndef RESTANTE_LIB_ORCPT_H
#define RESTANTE_LIB_ORCPT_H

#include <stddef.h>

#include "lib/str.h"

enum orcpt_form { ORCPT_WIRE, ORCPT_MILTER };

/* "ORCPT=..." as the client gave it, of that length, appended in that form; nothing where it cannot
 * be written in ASCII and must be. */
void orcpt_given(const char *param, size_t len, enum orcpt_form form, struct str *out);
/* "ORCPT=..." made from an address without angle brackets; nothing where it is not UTF-8. */
void orcpt_made(const char *address, enum orcpt_form form, struct str *out);

/* The address alone, appended: any of the forms, of that length, as utf-8-addr-xtext, or as
 * utf-8-address. What is not well-formed is taken byte by byte. */
void orcpt_to_ascii(const char *value, size_t len, struct str *out);
void orcpt_to_utf8(const char *value, size_t len, struct str *out);
/* An address of the envelope, which is in no such form yet, as utf-8-addr-xtext. */
void orcpt_encode(const char *address, struct str *out);

#endif
