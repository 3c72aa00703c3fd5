/* Names of entries (directory/dn): the comparison is one, and case does not count. Two lines. */
#include <ctype.h>

#include "directory/dn.h"
#include "tests/fuzz/fuzz.h"

static char *in_capitals(const char *text)
{
	char *copy = fuzz_string(text, strlen(text));

	for (char *c = copy; *c != '\0'; c++)
		*c = (char)toupper((unsigned char)*c);
	return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	char *one = fuzz_line(&in), *other = fuzz_line(&in);
	char *loud = in_capitals(one);
	bool is_name = dn_same(one, one), same = dn_same(one, other);

	FUZZ_CHECK(same == dn_same(other, one));
	FUZZ_CHECK(!same || (is_name && dn_same(other, other)));
	FUZZ_CHECK(dn_same(one, loud) == is_name);
	free(one);
	free(other);
	free(loud);
	return 0;
}
