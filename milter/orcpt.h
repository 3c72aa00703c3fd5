/*
 * The original recipient of RFC 3461 (ORCPT), with the address type utf-8 of RFC 6533. Pure.
 *
 * On the wire a utf-8 address is written in ASCII ("\x{FC}"). Postfix 3.7 decodes that in RCPT but
 * not in what a milter adds, where it encodes it a second time (TRAPS 7): a milter hands it over
 * decoded, which RFC 6533 allows as well.
 */
#ifndef RESTANTE_MILTER_ORCPT_H
#define RESTANTE_MILTER_ORCPT_H

#include <stddef.h>

#include "lib/str.h"

enum orcpt_form { ORCPT_WIRE, ORCPT_MILTER };

/* "ORCPT=..." as the client gave it, of that length, appended in that form. */
void orcpt_given(const char *param, size_t len, enum orcpt_form form, struct str *out);
/* "ORCPT=..." made from an address without angle brackets; nothing where it is not UTF-8. */
void orcpt_made(const char *address, enum orcpt_form form, struct str *out);

#endif
