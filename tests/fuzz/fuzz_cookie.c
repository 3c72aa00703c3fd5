/* CSNs and cookies (lib/cookie). */
#include "lib/cookie.h"
#include "tests/fuzz/fuzz.h"

static void check_sorted(const struct csn_vector *vector)
{
	FUZZ_CHECK(vector->count <= VECTOR_MAX);
	for (size_t i = 0; i < vector->count; i++) {
		FUZZ_CHECK(csn_valid(vector->csn[i], strlen(vector->csn[i])));
		FUZZ_CHECK(i == 0 || csn_sid(vector->csn[i - 1]) < csn_sid(vector->csn[i]));
		FUZZ_CHECK(vector_covers(vector, vector->csn[i]));
	}
}

/* What is sent says what was received, no more and no less. */
static void check_round(const struct csn_vector *vector)
{
	struct csn_vector again, merged = { 0 };
	struct str text = STR_INIT;

	cookie_compose(vector, &text);
	FUZZ_CHECK(cookie_parse(str_cstr(&text), text.len, &again) == (int)vector->count);
	FUZZ_CHECK(!vector_behind(&again, vector) && !vector_behind(vector, &again));
	FUZZ_CHECK(vector_merge(&merged, vector) == (vector->count > 0));
	FUZZ_CHECK(vector_merge(&merged, &again) == 0);
	str_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct csn_vector vector;

	csn_valid((const char *)data, size);
	int count = cookie_parse((const char *)data, size, &vector);
	if (count >= 0) {
		FUZZ_CHECK((size_t)count == vector.count);
		check_sorted(&vector);
		check_round(&vector);
	}
	return 0;
}
