/* What commands of actions print (control/action_output): it is taken, or there is a reason on one
 * line. */
#include "control/action_output.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct action_output output = { .count = 0 };
	char *text = fuzz_string(data, size);
	const char *error = NULL;

	if (action_output_parse(text, size, &output, &error) != 0) {
		FUZZ_CHECK(error != NULL && error[0] != '\0');
		for (const char *c = error; *c != '\0'; c++)
			FUZZ_CHECK((unsigned char)*c >= ' ');
	}
	FUZZ_CHECK(output.addresses != NULL || output.count == 0);
	FUZZ_CHECK(output.addresses == NULL || output.addresses[output.count] == NULL);
	FUZZ_CHECK(!output.empty || output.told_empty);
	action_output_free(&output);
	free(text);
	return 0;
}
