/* The listings of `postqueue -j` and `mailq` (milter/mtaqueue): the same recipients however the
 * bytes come in pieces. */
#define _GNU_SOURCE
#include "milter/mtaqueue.h"
#include "tests/fuzz/fuzz.h"

static void take(void *found, const char *recipient, bool cut)
{
	str_append_c(found, cut ? 'c' : 'w');
	str_append(found, recipient, strlen(recipient) + 1);
}

/* The number of queue files, -1 where it is no listing. */
static long list(const uint8_t *data, size_t size, size_t step, struct str *found)
{
	struct mtaqueue *queue = mtaqueue_new(take, found);
	const char *error = NULL;
	long files = 0;

	for (size_t at = 0; at < size && files == 0; at += step)
		files = mtaqueue_feed(queue, (const char *)data + at,
			size - at < step ? size - at : step, &error);
	if (files == 0)
		files = mtaqueue_finish(queue, &error);
	FUZZ_CHECK(files >= 0 || error != NULL);
	mtaqueue_free(&queue);
	return files;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str whole = STR_INIT, pieces = STR_INIT;

	long files = list(data, size, size ? size : 1, &whole);
	FUZZ_CHECK(list(data, size, 5, &pieces) == files);
	FUZZ_CHECK(fuzz_same(&whole, &pieces));
	/* physical addresses are ASCII, and so is what is compared with them */
	for (size_t i = 0; i < whole.len; i++)
		FUZZ_CHECK(files < 0 || (unsigned char)whole.data[i] < 0x80 ||
			   memmem(data, size, "\\u", 2) != NULL);
	str_free(&whole);
	str_free(&pieces);
	return 0;
}
