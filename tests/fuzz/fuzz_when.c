/* Instants of the directory (lib/when): an instant that was understood is written as itself. */
#include "lib/when.h"
#include "lib/clock.h"
#include "tests/fuzz/fuzz.h"

#define YEAR_10000 (INT64_C(253402300800) * CLOCK_SECOND)

static void check_shown(int64_t instant_us)
{
	char text[24], buffer[16];
	const char *age =
		when_age(buffer, sizeof buffer, instant_us, CLOCK_SECOND * INT64_C(1800000000));

	when_text(text, sizeof text, instant_us);
	FUZZ_CHECK(strlen(text) >= 20 && strchr(text, 'Z') != NULL);
	FUZZ_CHECK(age[0] != '\0' && strlen(age) < sizeof buffer - 1);
}

static void check_round(int64_t instant_us)
{
	char text[32];

	if (instant_us >= YEAR_10000)
		return;
	clock_generalized(text, sizeof text, instant_us);
	FUZZ_CHECK(when_generalized_us(text) == instant_us / CLOCK_SECOND * CLOCK_SECOND);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	const int64_t instants[] = { when_csn_us(text), when_generalized_us(text),
		when_parse(text) };

	for (size_t i = 0; i < sizeof instants / sizeof *instants; i++) {
		FUZZ_CHECK(instants[i] >= -1);
		if (instants[i] < 0)
			continue;
		check_shown(instants[i]);
		check_round(instants[i]);
	}
	free(text);
	return 0;
}
