/* How long to wait before the next try. Pure; microseconds. */
#ifndef RESTANTE_QUEUE_RETRY_H
#define RESTANTE_QUEUE_RETRY_H

#include <stdint.h>

/* After the given number of failures in a row (1 = the first): min, twice that, ... at most max. */
int64_t retry_delay(int64_t min_us, int64_t max_us, unsigned failures);

#endif
