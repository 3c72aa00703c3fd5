/* How many moves there are to look after, for `restante status`: counted in the directory. */
#ifndef RESTANTE_CLI_MOVE_TALLY_H
#define RESTANTE_CLI_MOVE_TALLY_H

#include <stdint.h>

#include "lib/json.h"
#include "lib/ldap_session.h"

/* Open moves alone. */
struct move_tally {
	int64_t due;       /* their instant has come; those that are stopped or paused left out */
	int64_t under_way; /* of these, from the handing over of addresses on */
	int64_t stopped;   /* until somebody asks for `retry` or `rollback` */
	int64_t trouble;   /* an error, but it is tried again */
};

/* now_us: wall clock. LDAP_DONE with zeros where there is no ou=moves. */
enum ldap_result move_tally_read(
	struct ldap_session *session, const char *base, int64_t now_us, struct move_tally *tally_r);
struct json *move_tally_json(const struct move_tally *tally);

#endif
