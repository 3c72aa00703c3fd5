/*
 * The controls and messages of RFC 4533, parsed from their BER (pure; pointers lead into the
 * input) and, for the request, made.
 */
#ifndef RESTANTE_LIB_SYNCCONTROL_H
#define RESTANTE_LIB_SYNCCONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/str.h"

#define SYNC_UUID_BYTES 16

struct sync_span {
	const uint8_t *data; /* NULL: absent */
	size_t len;
};

enum sync_state { SYNC_PRESENT, SYNC_ADD, SYNC_MODIFY, SYNC_DELETE };

struct sync_state_control {
	enum sync_state state;
	const uint8_t *uuid; /* SYNC_UUID_BYTES */
	struct sync_span cookie;
};

struct sync_done_control {
	struct sync_span cookie;
	bool refresh_deletes;
};

enum sync_info_kind { SYNC_NEW_COOKIE, SYNC_REFRESH_DELETE, SYNC_REFRESH_PRESENT, SYNC_ID_SET };

struct sync_info {
	enum sync_info_kind kind;
	struct sync_span cookie;
	bool refresh_done;      /* of the two refresh kinds */
	bool refresh_deletes;   /* of SYNC_ID_SET */
	struct sync_span uuids; /* of SYNC_ID_SET: for sync_next_uuid */
};

/* 0, or -1 where the bytes are not that. */
int sync_parse_state(const void *data, size_t len, struct sync_state_control *control_r);
int sync_parse_done(const void *data, size_t len, struct sync_done_control *control_r);
int sync_parse_info(const void *data, size_t len, struct sync_info *info_r);
/* The next uuid of a set (checked by sync_parse_info), NULL at its end. */
const uint8_t *sync_next_uuid(struct sync_span *uuids);

/* Appends the value of a Sync Request, for refreshAndPersist or refreshOnly; cookie may be empty.
 */
void sync_make_request(const struct str *cookie, bool persist, struct str *out);

#endif
