/*
 * What was written to a target that cannot say what it has (files, programs): the digest of each
 * contact, and which attributes it has, by id, in a small Berkeley DB table of its own.
 * Rebuildable: one that is lost, damaged, or of another run than the system's entry names counts as
 * none, and everything is written again. One thread.
 */
#ifndef RESTANTE_DIRSYNC_WRITTEN_H
#define RESTANTE_DIRSYNC_WRITTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "dirsync/person.h"

struct written;

/* dir: made where it is missing. run: of the last complete run, as the system's entry has it.
 * names: what the bits of `has` are (contact_form_guarded), others than last time perhaps. NULL
 * with *error_r. */
struct written *written_open(const char *dir, uint64_t cache_bytes, const char *run,
	const char *const *names, const char **error_r);
void written_close(struct written **written);

/* What target_kind.seal said at the last commit, "" = there was none. */
const char *written_seal(const struct written *written);

/* All of it, in no order to rely on: 0, or -1 with *error_r or where the callback said -1. */
int written_list(struct written *written,
	int (*callback)(void *context, const char *id, const uint8_t digest[PERSON_DIGEST_SIZE],
		uint64_t has),
	void *context, const char **error_r);

/* digest NULL: it is gone. Each counts at once: what was written stays written, whatever follows.
 * 0, or -1 with *error_r. */
int written_put(struct written *written, const char *id, const uint8_t digest[PERSON_DIGEST_SIZE],
	uint64_t has, const char **error_r);
/* It is now of that run; on the disk when this returns. */
int written_commit(
	struct written *written, const char *run, const char *seal, const char **error_r);

#endif
