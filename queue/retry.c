#include "queue/retry.h"

int64_t retry_delay(int64_t min_us, int64_t max_us, unsigned failures)
{
	int64_t delay = min_us > 0 ? min_us : 1;

	while (failures > 1 && delay < max_us) {
		delay *= 2;
		failures--;
	}
	return delay < max_us ? delay : max_us > 0 ? max_us : delay;
}
