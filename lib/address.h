/*
 * Mail addresses as RFC 5321 (SMTPUTF8: RFC 6531) writes them in a path, and the one normal form
 * in which Restante stores, compares and asserts them. Everything here is pure.
 *
 * Normal form ("key"): local part unquoted, UTF-8, NFC, case-folded; domain as lower-case IDNA
 * A-labels (IDNA2008, UTS #46 non-transitional); no trailing dot. A local part that is not valid
 * UTF-8 is compared byte by byte, ASCII letters folded.
 */
#ifndef RESTANTE_LIB_ADDRESS_H
#define RESTANTE_LIB_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/str.h"

/* Longest address handled, in bytes without the NUL: 64 octets of local part doubled for UTF-8
 * folding and quoting, "@", 255 of domain, and room to spare. Longer ones are malformed. */
#define ADDRESS_MAX 511

struct address {
	char key[ADDRESS_MAX + 1]; /* normal form, "local@domain" ("local" alone without domain) */
	size_t local_len;          /* bytes of the key before the "@" */
	char local[ADDRESS_MAX + 1]; /* the local part unquoted, in its own spelling */
	bool has_domain;
	bool utf8; /* local part or domain was not ASCII */
};

/*
 * The argument of MAIL or RCPT ("<@h1,@h2:user@example.org>", "<>", "\"a b\"@x", also without
 * angle brackets). Source routes are stripped (RFC 5321 appendix C).
 * 0; -1 with *error_r (static text) where it is no address. "<>" gives an empty key, has_domain
 * false.
 */
int address_parse_path(const char *argument, struct address *address_r, const char **error_r);
bool address_path_has_route(const char *argument); /* "<@h1:..." */

/* A plain addr-spec, as directories and people write it. "@domain" gives an empty local part. */
int address_parse(const char *text, struct address *address_r, const char **error_r);

/* The domain part of the key, "" where there is none. */
const char *address_domain(const struct address *address);
/* A domain alone, to the same normal form; 0, or -1 with *error_r. size >= 256. */
int address_domain_key(const char *domain, char *key_r, size_t size, const char **error_r);
/* The other way, for people and searches: appends the domain with U-labels. False (out may be
 * unchanged) where it has no A-labels to turn. */
bool address_domain_unicode(const char *key, struct str *out);

/*
 * Splits a subaddress off at the first of the delimiters that is neither the first nor the last
 * character of the local part: bare_r gets the address without it, detail_r the rest of the local
 * part in its own spelling, delimiter included ("+Detail"), pointing into address->local. False:
 * there is none.
 */
bool address_split_detail(const struct address *address, const char *delimiters,
	struct address *bare_r, const char **detail_r);

/*
 * physical with detail ("+Detail", may be "") put at the end of its local part, quoted where RFC
 * 5321 requires it. 0, or -1 with *error_r where the result would be too long.
 */
int address_with_detail(
	const char *physical, const char *detail, struct str *result_r, const char **error_r);

/* Whether text can be a physical address: ASCII addr-spec with a domain. 0, or -1 with *error_r. */
int address_check_physical(const char *text, const char **error_r);
/* The same, and address_r gets it. */
int address_parse_physical(const char *text, struct address *address_r, const char **error_r);

/*
 * Appends the form in which a directory compares text: by caseIgnoreMatch (fold) or caseExactMatch
 * (RFC 4517). 0; -1 with *error_r where it is not UTF-8, or has characters that servers do not
 * agree on.
 */
int address_rule_form(const char *text, bool fold, struct str *out, const char **error_r);
/*
 * Whether the rules of mailLocalAddress (caseIgnoreIA5Match) and restanteAddressUTF8
 * (caseIgnoreMatch) take the same spellings for one address as the normal form does. 0, or -1 with
 * *error_r (static text).
 */
int address_check_rule(const struct address *address, const char **error_r);

/* xtext (RFC 3461 section 4): both append to out. decode: -1 where it is malformed. */
void address_xtext_encode(const char *text, struct str *out);
int address_xtext_decode(const char *text, struct str *out);

#endif
