/*
 * How messages are stored: the keys and values of the hold queue's tables. Pure functions; decoding
 * is bounded and checked, whatever the bytes are. Numbers are big-endian, so keys sort by number.
 *
 *   messages    id                     -> message_record
 *   recipients  id, number             -> recipient_record
 *   index       mailbox, id, number    -> index_record   what a mailbox has, in arrival order
 *   mailboxes   mailbox                -> mailbox_record
 *   digests     day, digest, id        -> nothing        inserts stay within one day's part
 *   content     id                     -> the message, where it is at most one chunk
 *   chunks      content id, n          -> HOLDQ_CHUNK bytes each, the last may be shorter
 *   large       content id             -> id             these chunks belong to a message
 *   meta        name                   -> "format", "node", "totals", "next"
 */
#ifndef RESTANTE_QUEUE_HOLDQ_RECORD_H
#define RESTANTE_QUEUE_HOLDQ_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/digest.h"
#include "lib/str.h"
#include "queue/holdq.h"

#define HOLDQ_FORMAT "1"
#define HOLDQ_CHUNK  65536

#define ID_KEY        8
#define RECIPIENT_KEY 12
#define INDEX_KEY     28
#define DIGEST_KEY    44
#define CHUNK_KEY     12

void key_id(uint8_t key_r[ID_KEY], uint64_t id);
void key_recipient(uint8_t key_r[RECIPIENT_KEY], uint64_t id, uint32_t number);
void key_index(uint8_t key_r[INDEX_KEY], const uint8_t *mailbox, uint64_t id, uint32_t number);
void key_digest(uint8_t key_r[DIGEST_KEY], uint32_t day, const uint8_t *digest, uint64_t id);
void key_chunk(uint8_t key_r[CHUNK_KEY], uint64_t content, uint32_t n);
/* 8 or 4 bytes of a key at offset; 0 where the key is too short. */
uint64_t key_u64(const void *key, size_t len, size_t offset);
uint32_t key_u32(const void *key, size_t len, size_t offset);

/* Decoding fills strings that the caller frees; -1: damaged, and nothing needs to be freed. */
struct message_record {
	uint64_t content; /* key in content, or in chunks where large */
	uint64_t bytes;
	bool large;
	bool has_digest;
	uint32_t day;
	uint8_t digest[DIGEST_BYTES];
	struct holdq_envelope envelope;
};
void message_encode(struct str *out, const struct message_record *record);
int message_decode(const void *data, size_t len, struct message_record *record_r);
void envelope_clear(struct holdq_envelope *envelope);

/* The number is in the key. */
void recipient_encode(struct str *out, const struct holdq_held_recipient *recipient);
int recipient_decode(const void *data, size_t len, struct holdq_held_recipient *recipient_r);
void recipient_clear(struct holdq_held_recipient *recipient);

struct index_record {
	int64_t arrived_us;
	uint64_t bytes;
};
void index_encode(struct str *out, const struct index_record *record);
int index_decode(const void *data, size_t len, struct index_record *record_r);

/* The mailbox itself is in the key. */
void mailbox_encode(struct str *out, const struct holdq_mailbox *mailbox);
int mailbox_decode(const void *data, size_t len, struct holdq_mailbox *mailbox_r);

/* messages, recipients, bytes, mailboxes only. */
void totals_encode(struct str *out, const struct holdq_totals *totals);
int totals_decode(const void *data, size_t len, struct holdq_totals *totals_r);

#endif
