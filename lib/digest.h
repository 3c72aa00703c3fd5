/* SHA-256 (FIPS 180-4), incremental. */
#ifndef RESTANTE_LIB_DIGEST_H
#define RESTANTE_LIB_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES 32

struct digest;

struct digest *digest_begin(void);
void digest_add(struct digest *digest, const void *data, size_t len);
/* The digest of what was added until now; then it begins anew. */
void digest_take(struct digest *digest, uint8_t digest_r[DIGEST_BYTES]);
/* Also frees. digest_r may be NULL to drop the computation. */
void digest_end(struct digest **digest, uint8_t digest_r[DIGEST_BYTES]);

#endif
