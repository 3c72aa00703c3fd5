/*
 * The content of the message at hand, as the MTA shows it. Headers and a body that fits in its
 * first chunk stay in memory; a larger one goes to the hold queue's disk as it comes when somebody
 * is held, and is forgotten otherwise (DESIGN section 4). Not thread-safe.
 */
#ifndef RESTANTE_MILTER_CONTENT_H
#define RESTANTE_MILTER_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/digest.h"
#include "lib/str.h"
#include "queue/holdq.h"

/* The MTA cuts the body into chunks of this many bytes; a shorter one is the last. */
#define CONTENT_CHUNK 65535
/* Headers and first chunk together, in memory. */
#define CONTENT_KEPT_MAX (256u << 10)

enum content_state {
	CONTENT_KEPT,  /* all of it is in `kept` */
	CONTENT_DRAFT, /* all of it is in `draft` */
	CONTENT_LOST,  /* not all of it was taken: it cannot be held */
};

struct content {
	enum content_state state;
	enum holdq_result fault; /* of the draft, once LOST by it */
	bool in_body;
	struct str kept;
	size_t body_at;              /* where the body begins in kept */
	struct str message_id, date; /* of the client, as first seen; "" = none */
	struct holdq_draft *draft;
	struct digest *digest; /* sender, Message-ID, Date, body so far; in the body of a draft */
};

/* Asked when the content outgrows the memory: is anybody held? */
struct content_capture {
	bool (*wanted)(void *context);
	void *context;
	struct holdq *queue;
	const char *sender;
};

/* Whether the next header, or that many bytes of body, cannot touch the hold queue. */
bool content_in_memory(const struct content *content, size_t body_bytes);

/* value with its leading space where the MTA shows it (SMFIP_HDR_LEADSPC), else without. */
void content_header(struct content *content, const char *name, const char *value,
	bool leading_space, const struct content_capture *capture);
/* Whether more of the body is of use. */
bool content_body(struct content *content, const void *data, size_t len,
	const struct content_capture *capture);

/*
 * The whole message as a draft, to be committed; NULL unless KEPT or DRAFT, or with *fault_r.
 * The caller owns it.
 */
struct holdq_draft *content_draft(
	struct content *content, struct holdq *queue, enum holdq_result *fault_r);
/* What makes a later copy the same message; false where there is no Message-ID. */
bool content_repeat(struct content *content, const char *sender, uint8_t digest_r[DIGEST_BYTES]);

/* Ready for the next message. A draft that is still there is dropped. */
void content_reset(struct content *content);
void content_free(struct content *content);

#endif
