/* The directory server of the bench, and what a consumer that does nothing takes to read it. */
#ifndef RESTANTE_TESTS_BENCH_PEER_SYNC_H
#define RESTANTE_TESTS_BENCH_PEER_SYNC_H

#include <stdint.h>

#include "lib/ldap_session.h"

/* Filter and attributes as restante-milter asks; messages are read and dropped up to the end of
 * the refresh. Microseconds; dies where it fails. */
int64_t peer_sync_us(struct ldap_session *session, const char *base, const char *filter,
	const char *const *attributes);

/* slapd in the present directory with that many mailboxes of three addresses; its ldapi uri. */
const char *bench_slapd_start(unsigned mailboxes);
void bench_slapd_stop(void);

void bench_die(const char *what, const char *why) __attribute__((noreturn));

#endif
