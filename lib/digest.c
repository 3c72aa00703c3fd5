#include "lib/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "lib/log.h"

/* struct digest is an EVP_MD_CTX under another name; only this file knows. */
static EVP_MD_CTX *raw(struct digest *digest)
{
	return (EVP_MD_CTX *)digest;
}

/* SHA-256 fails only where memory ran out or OpenSSL was built or configured without it. */
static void must(int done)
{
	if (!done) {
		log_error("digest", "SHA-256 is not available from OpenSSL");
		abort();
	}
}

struct digest *digest_begin(void)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	must(context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL));
	return (struct digest *)context;
}

void digest_add(struct digest *digest, const void *data, size_t len)
{
	must(EVP_DigestUpdate(raw(digest), data, len));
}

void digest_take(struct digest *digest, uint8_t digest_r[DIGEST_BYTES])
{
	must(EVP_DigestFinal_ex(raw(digest), digest_r, NULL));
	/* without a type: OpenSSL does not look for the algorithm again */
	must(EVP_DigestInit_ex(raw(digest), NULL, NULL));
}

void digest_end(struct digest **digest, uint8_t digest_r[DIGEST_BYTES])
{
	if (digest_r != NULL)
		must(EVP_DigestFinal_ex(raw(*digest), digest_r, NULL));
	EVP_MD_CTX_free(raw(*digest));
	*digest = NULL;
}
